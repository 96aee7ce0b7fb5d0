"""A primary and those it meets at its partner's address."""

import ssl
import threading

import certificates
import partner
from incoming import Watched
from lab import wait_for
from partner import SECONDARY, STRANGER, TLS_REFUSED
from scenarios import scenario


@scenario
class Outgoing(Watched):
    """Each test starts the primary anew: after a refusal it takes its time."""

    name = "outgoing"
    tests = ("wrong_ca", "expired", "wrong_name", "refuses_us", "plain_partner", "truncated_handshake",
             "garbage_handshake", "garbage_at_once", "then_the_right_one")

    def set_up(self):
        folder = self.lab.dir
        self.place = partner.Place(self.lab)
        self.ca = certificates.Authority(folder, "ca")
        self.other_ca = certificates.Authority(folder, "other-ca")
        self.right = self.ca.sign("right", f"IP:{SECONDARY}")
        own = self.ca.sign("own", f"IP:{partner.PRIMARY}")
        self.primary = self.place.server("primary", own.tls(self.ca))

    def meets(self, behave, counter, text):
        """The primary meets somebody who behaves so; what it counts and says."""
        with partner.listen(self.place) as listener:
            def serve():
                stream, _ = listener.accept()
                stream.settimeout(15)
                with stream:
                    try:
                        behave(stream)
                    except (ssl.SSLError, ConnectionError):
                        pass
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                if self.primary.popen is None:
                    self.lab.start(self.primary)
                else:
                    self.primary.restart()
                self.primary.wait_log(text)
                if counter:
                    wait_for(f"{counter} to count", lambda: self.primary.counters()[counter] == 1)
                self.primary.stop()
            finally:
                thread.join()

    def shows(self, shown, counter, text):
        def behave(stream):
            partner.read_frame(stream)
            stream.sendall(partner.starttls_reply())
            with partner.secure(stream, shown, server=True) as secured:
                partner.ends(secured)
        self.meets(behave, counter, f"tls-failed: {text}")

    def wrong_ca(self):
        self.shows(self.other_ca.sign("foreign", f"IP:{SECONDARY}"), "partner_tls_untrusted",
                   "unable to get local issuer certificate: /CN=foreign")

    def expired(self):
        self.shows(self.ca.sign("late", f"IP:{SECONDARY}", "20200101000000Z", "20210101000000Z"),
                   "partner_tls_expired", "certificate has expired: /CN=late")

    def wrong_name(self):
        self.shows(self.ca.sign("neighbour", f"IP:{STRANGER}"), "partner_tls_name",
                   "IP address mismatch: /CN=neighbour")

    def refuses_us(self):
        """The partner wants a certificate of an authority that has not signed ours."""
        def behave(stream):
            partner.read_frame(stream)
            stream.sendall(partner.starttls_reply())
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.right.certificate, self.right.key)
            context.load_verify_locations(self.other_ca.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
            context.wrap_socket(stream, server_side=True).close()
        self.meets(behave, "partner_tls_alert", "tls-failed: the partner refused: tlsv1 alert unknown ca")

    def plain_partner(self):
        def behave(stream):
            partner.read_frame(stream)
            stream.sendall(partner.starttls_reply(TLS_REFUSED))
            partner.ends(stream)
        self.meets(behave, None, "tls-refused")

    def truncated_handshake(self):
        def behave(stream):
            partner.read_frame(stream)
            stream.sendall(partner.starttls_reply())
            stream.recv(4096)
            stream.sendall(bytes.fromhex("160303007a0200"))     # a ServerHello's first octets
        self.meets(behave, "partner_tls_handshake", "tls-failed: closed without a word")

    def garbage_handshake(self):
        def behave(stream):
            partner.read_frame(stream)
            stream.sendall(partner.starttls_reply())
            stream.recv(4096)
            stream.sendall(b"\xa5" * 4000)
            partner.ends(stream)
        self.meets(behave, "partner_tls_handshake", "tls-failed: wrong version number")

    def garbage_at_once(self):
        def behave(stream):
            stream.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 2000)
            partner.ends(stream)
        self.meets(behave, None, "no connection: malformed")

    def then_the_right_one(self):
        secondary = self.lab.start(self.place.server("secondary", self.right.tls(self.ca)))
        self.primary.restart()
        wait_for("both in NORMAL", lambda: all("NORMAL after" in server.log()
                                               for server in (self.primary, secondary)), 30)
