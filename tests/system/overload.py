"""A worker of known, small capacity under a crowd of new clients: who is put off, who is served, what is told."""

from lab import Server, wait_for
from loadgen import Load
from suite import Scenario, config, expect, expect_equal, link, packet_port, scenario

COST_US = 1000      # 1000 messages a second
CROWD_PER_S = 5000
RENEWING = 100
COMMON = {"link_address": "2001:db8:17::1", "server": "2001:db8:0:1::1", "na": True, "quiet": True}


@scenario
class Overload(Scenario):
    """One server; known clients behind one relay, a crowd of new ones behind another."""

    name = "overload"
    tests = ("sheds_new_clients_first",)

    def set_up(self):
        lab = self.lab
        self.server_ns, self.relay_ns = lab.namespace("server"), lab.namespace("relays")
        lab.cable(self.server_ns, "srv0", self.relay_ns, "c0")
        lab.server_port(self.server_ns, "srv0")
        for number in (2, 3):
            lab.address(self.relay_ns, "c0", f"2001:db8:0:1::{number}/64")
        made = config([packet_port(0, "srv0", "2001:db8:0:1::1")],
                      [link("olt", "access0", "17", "4000", relay_addresses=["2001:db8:17::1"])])
        made["dataplane"]["message_cost_us"] = COST_US
        self.server = lab.start(Server(lab, self.server_ns, made))
        lab.wait_link_local(self.relay_ns, "c0")

    def load(self, name, number, **options):
        return self.lab.start(Load(self.lab, self.relay_ns, name, relay=f"2001:db8:0:1::{number}", **COMMON, **options))

    def alarmed(self):
        return "overload" in [row["check"] for row in self.server.rpc("server.status")["health"]]

    def sheds_new_clients_first(self):
        saved = self.lab.path("leases")
        self.load("fill", 2, clients=RENEWING, once=True, window=8, duration=60, save=saved).result()
        expect(not self.alarmed(), "an alarm before the crowd came")
        crowd = self.load("crowd", 3, clients=50000, first_client=1000, rate=CROWD_PER_S, tries=1, duration=6)
        wait_for("the alarm", self.alarmed)
        renewed = self.load("renew", 2, clients=RENEWING, mix="renew", once=True, window=8, duration=60, drain=60,
                            load=saved).result()
        found = crowd.result()
        counters = self.server.counters()
        expect_equal("renewals", renewed["finished"], RENEWING)
        expect_equal("wrong answers", renewed["wrong"] + found["wrong"], 0)
        expect(counters.get("drop_shed_solicit", 0) > 0, "no SOLICIT was shed")
        expect_equal("RENEWs shed", counters.get("drop_shed_renew", 0), 0)
        wait_for("the alarm's end", lambda: not self.alarmed(), 30.0)
