"""Two real servers that know each other in every way there is."""

import os
import signal
import ssl

import certificates
import partner
from incoming import Watched
from lab import wait_for
from partner import PRIMARY, SECONDARY
from scenarios import Scenario, expect, expect_equal, expect_in, scenario


def start(lab, place, primary_tls, secondary_tls):
    servers = [lab.start(place.server("secondary", secondary_tls)),
               lab.start(place.server("primary", primary_tls))]
    wait_connected(servers)
    return servers[1], servers[0]


def state(server):
    return server.rpc("failover.list")["relations"][0]


def wait_connected(servers):
    wait_for("both in NORMAL", lambda: all(state(server)["state"] == "NORMAL" and
                                           state(server)["communications"] == "ok" for server in servers), 30)


@scenario
class Named(Scenario):
    """The certificates hold names, not addresses."""

    name = "named"
    tests = ("normal",)

    def set_up(self):
        self.place = partner.Place(self.lab)
        self.ca = certificates.Authority(self.lab.dir, "ca")

    def normal(self):
        one = self.ca.sign("one", "DNS:one.example")
        two = self.ca.sign("two", "DNS:two.example")
        start(self.lab, self.place, one.tls(self.ca, partner_name="two.example"),
              two.tls(self.ca, partner_name="one.example"))


@scenario
class Pinned(Watched):
    """Each knows the other's certificate, signed by nobody else."""

    name = "pinned"
    tests = ("normal", "another_one")

    def set_up(self):
        folder = self.lab.dir
        self.place = partner.Place(self.lab)
        self.one, self.two, known = (certificates.self_signed(folder, name) for name in ("one", "two", "known"))
        known.replace(self.one)
        self.primary, secondary = start(self.lab, self.place, self.one.tls(partner=self.two),
                                        self.two.tls(partner=known))
        self.watch(secondary)

    def normal(self):
        expect_equal("counted", self.server.counters()["partner_accepted"], 1)

    def another_one(self):
        """The same name, made a second time, is not the same."""
        self.primary.stop()
        again = self.lab.path("again")
        os.mkdir(again)
        self.one.replace(certificates.self_signed(again, "one"))
        self.watch(self.server)
        self.primary.restart()
        self.told("partner_tls_untrusted", "certificate not trusted: /CN=one")


@scenario
class Renewed(Watched):
    """Certificates change while the servers run."""

    name = "renewed"
    tests = ("broken_file", "broken_file_and_new_connection", "new_file", "next_handshake")

    def set_up(self):
        self.place = partner.Place(self.lab)
        self.ca = certificates.Authority(self.lab.dir, "ca")
        self.one, self.two = (self.ca.sign(name, f"IP:{address}")
                              for name, address in (("one", PRIMARY), ("two", SECONDARY)))
        self.next = self.ca.sign("two-next", f"IP:{SECONDARY}")
        self.primary, secondary = start(self.lab, self.place, self.one.tls(self.ca), self.two.tls(self.ca))
        self.watch(secondary)

    def reload(self):
        size = len(self.server.log())
        self.server.send(signal.SIGHUP)
        self.server.wait_log("configuration read again", after=size)
        said = self.server.log()[size:]
        expect("connection" not in said, f"the connection suffered: {said}")
        expect_equal("communications", state(self.server)["communications"], "ok")
        return said

    def broken_file(self):
        with open(self.two.certificate, "w", encoding="ascii") as file:
            file.write("no certificate\n")
        expect_in("the log", "going on with the last ones", self.reload())

    def broken_file_and_new_connection(self):
        self.primary.kill()
        self.primary.restart()
        wait_connected([self.primary, self.server])

    def new_file(self):
        self.two.replace(self.next)
        expect_equal("said", self.reload().count("error"), 0)

    def next_handshake(self):
        """Files that changed without a signal are read for the next connection."""
        self.primary.stop()
        last = self.ca.sign("two-last", f"IP:{SECONDARY}")
        self.two.replace(last)
        with partner.dial(self.place) as stream:
            stream.sendall(partner.starttls())
            partner.read_frame(stream)
            with partner.secure(stream, self.one) as secured:
                shown = secured.getpeercert(binary_form=True)
        with open(last.certificate, encoding="ascii") as file:
            expect(ssl.PEM_cert_to_DER_cert(file.read()) == shown, "the certificate shown is not the new one")
