"""A secondary and those who connect to it."""

import ssl

import certificates
import partner
from lab import wait_for
from partner import CONFIGURATION_CONFLICT, PRIMARY, STRANGER, TLS_REFUSED
from scenarios import Scenario, expect_equal, scenario

GREETINGS_OF_ONE = 4


class Watched(Scenario):
    """One server that is watched: what it counts, what it says."""

    def watch(self, server):
        self.server = server
        self.counters = server.counters()
        self.log_size = len(server.log())

    def told(self, counter, text):
        """Until the counter has moved by one and the text is in the log, both since the last look."""
        def counted():
            return self.server.counters()[counter] > self.counters[counter]
        wait_for(f"{counter} to count", counted)
        self.server.wait_log(text, after=self.log_size)
        seen = self.server.counters()
        expect_equal(counter, seen[counter], self.counters[counter] + 1)
        self.watch(self.server)


@scenario
class Incoming(Watched):
    """Everybody comes from the partner's address; only the right one is let in."""

    name = "incoming"
    # The silent one in the middle takes 10 s, within which no line of the log's is written more than 10 times.
    tests = ("wrong_ca", "self_made", "expired", "not_yet_valid", "wrong_name", "no_certificate", "old_tls",
             "silent", "plain_partner", "truncated_handshake", "garbage_handshake", "octets_before_tls",
             "garbage_at_once", "closed_at_once", "stranger", "too_many", "wrong_relationship",
             "then_the_right_one")

    def set_up(self):
        folder = self.lab.dir
        self.place = partner.Place(self.lab)
        self.ca = certificates.Authority(folder, "ca")
        self.other_ca = certificates.Authority(folder, "other-ca")
        self.right = self.ca.sign("right", f"IP:{PRIMARY}")
        own = self.ca.sign("own", f"IP:{partner.SECONDARY}")
        self.watch(self.lab.start(self.place.server("secondary", own.tls(self.ca))))

    def begin(self):
        """STARTTLS said and accepted."""
        stream = partner.dial(self.place)
        stream.sendall(partner.starttls())
        answer = partner.read_frame(stream)
        expect_equal("the answer to STARTTLS", (answer[:1], partner.status_of(answer, 4)), (b"\x07", None))
        return stream

    def refused(self, shown, counter, text, version=None):
        """A handshake with that certificate, and a CONNECT nobody answers."""
        said = b""
        with self.begin() as stream:
            try:
                with partner.secure(stream, shown, version=version) as secured:
                    secured.sendall(partner.connect())
                    said = partner.ends(secured)
            except (ssl.SSLError, ConnectionError):
                pass
        expect_equal("said to it", said, b"")
        self.told(counter, text)

    def wrong_ca(self):
        self.refused(self.other_ca.sign("foreign", f"IP:{PRIMARY}"), "partner_tls_untrusted",
                     "unable to get local issuer certificate: /CN=foreign")

    def self_made(self):
        self.refused(certificates.self_signed(self.lab.dir, "self-made"), "partner_tls_untrusted",
                     "self-signed certificate: /CN=self-made")

    def expired(self):
        self.refused(self.ca.sign("late", f"IP:{PRIMARY}", "20200101000000Z", "20210101000000Z"),
                     "partner_tls_expired", "certificate has expired: /CN=late")

    def not_yet_valid(self):
        self.refused(self.ca.sign("early", f"IP:{PRIMARY}", "20480101000000Z", "20490101000000Z"),
                     "partner_tls_expired", "certificate is not yet valid: /CN=early")

    def wrong_name(self):
        self.refused(self.ca.sign("neighbour", f"IP:{STRANGER},DNS:right"), "partner_tls_name",
                     "IP address mismatch: /CN=neighbour")

    def no_certificate(self):
        self.refused(None, "partner_tls_no_certificate", "peer did not return a certificate")

    def old_tls(self):
        self.refused(self.right, "partner_tls_handshake", "unsupported protocol", ssl.TLSVersion.TLSv1_1)

    def plain_partner(self):
        with partner.dial(self.place) as stream:
            stream.sendall(partner.connect())
            expect_equal("said to it", partner.ends(stream), b"")
        self.told("partner_protocol", "CONNECT without TLS")

    def truncated_handshake(self):
        with self.begin() as stream:
            stream.sendall(bytes.fromhex("160301020001"))   # a ClientHello's first octets
        self.told("partner_tls_handshake", "closed without a word")

    def garbage_handshake(self):
        with self.begin() as stream:
            stream.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
            partner.ends(stream)
        self.told("partner_tls_handshake", "http request")

    def octets_before_tls(self):
        """A CONNECT slipped in behind STARTTLS must not count as said inside TLS."""
        with partner.dial(self.place) as stream:
            stream.sendall(partner.starttls() + partner.connect())
            expect_equal("said to it", partner.ends(stream), b"")
        self.told("partner_protocol", "octets before TLS")

    def garbage_at_once(self):
        with partner.dial(self.place) as stream:
            stream.sendall(b"\xff" * 10000)
            expect_equal("said to it", partner.ends(stream), b"")
        self.told("partner_malformed", "more than a CONNECT")

    def closed_at_once(self):
        partner.dial(self.place).close()
        self.told("partner_closed", "closed by the partner")

    def silent(self):
        with self.begin() as stream:
            expect_equal("said to it", partner.ends(stream), b"")
        self.told("partner_silent", "no CONNECT in time")

    def stranger(self):
        with partner.dial(self.place, STRANGER) as stream:
            expect_equal("said to it", partner.ends(stream), b"")
        # Its line is for the careful only (info).
        self.told("partner_unknown", "")

    def too_many(self):
        streams = [self.begin() for _ in range(GREETINGS_OF_ONE)]
        with partner.dial(self.place) as stream:
            expect_equal("said to it", partner.ends(stream), b"")
        self.told("partner_crowded", "")
        for stream in streams:
            stream.close()
        wait_for("the others to be gone", lambda: self.server.counters()["partner_tls_handshake"] ==
                 self.counters["partner_tls_handshake"] + GREETINGS_OF_ONE)
        self.watch(self.server)

    def wrong_relationship(self):
        with partner.secure(self.begin(), self.right) as stream:
            stream.sendall(partner.connect(b"pop8"))
            answer = partner.read_frame(stream)
            expect_equal("the answer", (answer[0], partner.status_of(answer, 8)),
                         (partner.CONNECTREPLY, CONFIGURATION_CONFLICT))
        self.told("partner_refused", "no such relationship")

    def then_the_right_one(self):
        """The same process still takes its partner."""
        primary = self.lab.start(self.place.server("primary", self.right.tls(self.ca)))
        wait_for("both in NORMAL", lambda: all("NORMAL after" in server.log()
                                               for server in (primary, self.server)), 30)


@scenario
class Plain(Watched):
    """A secondary without TLS tells who asks for it."""

    name = "plain"
    tests = ("starttls_refused",)

    def set_up(self):
        self.place = partner.Place(self.lab)
        self.watch(self.lab.start(self.place.server("secondary", None)))

    def starttls_refused(self):
        with partner.dial(self.place) as stream:
            stream.sendall(partner.starttls())
            answer = partner.read_frame(stream)
            expect_equal("the answer", (answer[:1], partner.status_of(answer, 4)), (b"\x07", TLS_REFUSED))
            expect_equal("said then", partner.ends(stream), b"")
        self.told("partner_starttls_refused", "TLS is not configured")
