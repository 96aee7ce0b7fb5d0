"""dhclient, dhcpcd and systemd-networkd through the life of their leases, directly and through one and two
levels of dhcrelay: bind, renew, rebind after the server crashed, release."""

import ipaddress

from lab import Dhclient, Dhcpcd, Networkd, Relay, Server, wait_for
from suite import (Failed, Scenario, config, expect, expect_equal, link, packet_port, scenario,
                   side_by_side)
from wire import (CLIENTID, NAMES, REBIND, RELEASE, RENEW, REPLY, REQUEST, Capture)

# networkd's timers are late by up to 10 s: T2 - T1 leaves it room to renew, and the valid lifetime to
# rebind again when the first Rebind found no server.
LIFETIMES = {"preferred_s": 80, "valid_s": 90, "renew_s": 2, "rebind_s": 15}
RENEWALS = 3
BIND_S, RENEW_S, REBIND_S = 40.0, 30.0, 75.0

PLACES = {  # where a client is: link, network of addresses, network of prefixes
    "direct": ("street", "2001:db8:16::/64", "2001:db8:3000::/40"),
    "relay1": ("olt-1", "2001:db8:21::/64", "2001:db8:3100::/40"),
    "relay2": ("olt-2", "2001:db8:22::/64", "2001:db8:3200::/40"),
}
ASKS = {"na": (True, False), "pd": (False, True), "both": (True, True)}
ROWS = [(kind, ask, "direct") for kind in (Dhclient, Dhcpcd, Networkd) for ask in ASKS] + \
       [(kind, "both", place) for place in ("relay1", "relay2") for kind in (Dhclient, Dhcpcd, Networkd)]
STEPS = ("binds", "renews", "rebinds", "ends")


class Subscriber:
    """One client with what is known about it, and the steps of its life as tests."""

    def __init__(self, lab, server, row, switch):
        kind, ask, self.place = row
        self.lab, self.server = lab, server
        self.name = f"{kind.kind}-{ask}-{self.place}"
        self.na, self.pd = ASKS[ask]
        self.link, addresses, prefixes = PLACES[self.place]
        self.networks = {"na": ipaddress.IPv6Network(addresses), "pd": ipaddress.IPv6Network(prefixes)}
        self.namespace = lab.namespace(self.name)
        lab.plug(switch, self.namespace, "c0")
        lab.cable(self.namespace, "lan0", self.namespace, "lan1")
        self.client = kind(lab, self.namespace, "c0", self.na, self.pd, self.name)
        self.capture = Capture(lab, self.namespace, "c0")
        self.resources = {}     # type: resource
        self.crash_at = 0       # messages captured before the server crashed
        self.ok = True

    def story(self):
        log = "\n".join("    " + line for line in self.client.log().splitlines()[-20:])
        return f"  what passed {self.name}'s interface:\n{self.capture.story()}\n  its log:\n{log}"

    # -- what a Reply must be --

    def check_reply(self, reply):
        """Success, one lease of each kind asked for, from our pools, with the times of the configuration;
        returns {type: resource}."""
        expect_equal("status of the Reply", reply.status, 0)
        found = {}
        for ia in reply.ias:
            expect_equal(f"status of the IA {ia}", ia.status, 0)
            expect_equal(f"leases in the IA {ia}", len(ia.leases), 1)
            expect_equal(f"T1 and T2 of {ia}", (ia.t1, ia.t2),
                         (LIFETIMES["renew_s"], LIFETIMES["rebind_s"]))
            (resource, *lifetimes), = ia.leases
            expect_equal(f"lifetimes of {resource}", lifetimes,
                         [LIFETIMES["preferred_s"], LIFETIMES["valid_s"]])
            network = ipaddress.IPv6Network(resource)
            expect(network.subnet_of(self.networks[ia.type]),
                   f"{resource} is not from the link's pool {self.networks[ia.type]}")
            found[ia.type] = resource
        expect_equal("kinds of leases", sorted(found), ["na"] * self.na + ["pd"] * self.pd)
        return found

    def check_server(self, reply, state="active"):
        """The server holds for this client what the Reply gave it."""
        duid = reply.option(CLIENTID).hex()
        for kind, resource in self.resources.items():
            lease = self.server.lease(resource)
            expect(lease, f"the server has no lease of {resource}")
            seen = {key: lease.get(key) for key in ("type", "state", "duid", "link")}
            expect_equal(f"the server's lease of {resource}", seen,
                         {"type": kind, "state": state, "duid": duid, "link": self.link})
            if self.place != "direct":
                expect(lease.get("interface_id"), f"no Interface-Id with the lease of {resource}")
                expect_equal("relay link-address", lease.get("link_address"),
                             str(self.networks["na"][1]))

    # -- steps --

    def binds(self):
        self.lab.wait_link_local(self.namespace, "c0")
        self.lab.start(self.client)
        _, reply = self.capture.wait_exchange(REQUEST, timeout=BIND_S)
        self.resources = self.check_reply(reply)
        self.check_server(reply)
        if self.na:
            wait_for(f"{self.resources['na']} on the client's interface",
                     lambda: self.resources["na"] in self.lab.addresses(self.namespace, "c0"))
        if self.pd:
            wait_for(f"the client to use {self.resources['pd']}", self.uses_prefix)

    def uses_prefix(self):
        """The client told its script the prefix, or gave its inner interface an address of it."""
        network = ipaddress.IPv6Network(self.resources["pd"])
        return self.resources["pd"] in self.client.prefixes() or \
            any(ipaddress.IPv6Address(address) in network
                for address in self.lab.addresses(self.namespace, "lan0"))

    def renews(self):
        self.capture.wait_exchange(RENEW, count=RENEWALS, timeout=RENEWALS * RENEW_S)
        for _, reply in self.capture.exchanges(RENEW):
            expect_equal("leases after a Renew", self.check_reply(reply), self.resources)
        self.check_server(reply)

    def told_until(self):
        """When the lifetimes told last end, as the server counts: {resource: valid_until}."""
        return {lease["address" if lease["type"] == "na" else "prefix"]: lease["valid_until"]
                for lease in map(self.server.lease, self.resources.values())}

    def wait_rebind_sent(self):
        wait_for(f"a Rebind from {self.name}",
                 lambda: self.capture.sent(REBIND, after=self.crash_at), REBIND_S)

    def rebinds(self):
        _, reply = self.capture.wait_exchange(REBIND, timeout=REBIND_S, after=self.crash_at)
        expect_equal("leases after a Rebind", self.check_reply(reply), self.resources)
        self.check_server(reply)

    def ends(self):
        """Says Release where the client does so at all; the others' leases stay."""
        mark = len(self.capture.messages)
        self.client.release()
        if not self.client.releases:
            expect_equal("Releases of a client that sends none",
                         self.capture.exchanges(RELEASE, after=mark), [])
            self.check_server(self.capture.exchanges(REQUEST)[0][1])
            return
        released = set()
        while released != set(self.resources.values()):
            request, reply = self.capture.wait_exchange(RELEASE, after=mark)
            expect_equal("status of the Reply to Release", reply.status, 0)
            released |= set(request.leases())
            mark = self.capture.messages.index(reply)
        for resource in released:
            lease = self.server.lease(resource)
            expect(lease is None or lease["state"] in ("released", "free"),
                   f"{resource} is {lease and lease['state']} after its Release")


@scenario
class Clients(Scenario):
    """All clients at once with one server, which is killed and comes back once."""

    name = "clients"
    subscriber_names = [f"{kind.kind}-{ask}-{place}" for kind, ask, place in ROWS]
    server_tests = ("keeps-leases-when-killed", "counts-what-it-did")

    @classmethod
    def names(cls):
        return [f"clients.{name}.{step}" for name in cls.subscriber_names for step in STEPS] + \
               [f"clients.server.{test}" for test in cls.server_tests]

    def set_up(self):
        lab = self.lab
        server = lab.namespace("server")
        switches = {place: lab.switch(f"sw-{place}") for place in PLACES}
        core = lab.switch("sw-core")
        lab.plug(switches["direct"], server, "srv0")
        lab.plug(core, server, "srv1")
        for interface in ("srv0", "srv1"):
            lab.server_port(server, interface)
        made = config([packet_port(0, "srv0"), packet_port(1, "srv1", "2001:db8:0:1::1")],
                      [link("street", "access0", "16", "3000"),
                       link("olt-1", "access1", "21", "3100", relay_addresses=["2001:db8:21::1"]),
                       link("olt-2", "access1", "22", "3200", relay_addresses=["2001:db8:22::1"])],
                      lifetimes=LIFETIMES)
        self.server = lab.start(Server(lab, server, made))
        self.relays(switches, core)
        self.subscribers = [Subscriber(lab, self.server, row, switches[row[2]]) for row in ROWS]

    def relays(self, switches, core):
        """near: one level; low behind high: two."""
        lab = self.lab
        near, low, high = (lab.namespace(name) for name in ("near", "low", "high"))
        lab.plug(switches["relay1"], near, "dn0")
        lab.plug(core, near, "up0")
        lab.plug(switches["relay2"], low, "dn0")
        lab.cable(low, "up0", high, "dn0")
        lab.plug(core, high, "up0")
        for namespace, interface, address in ((near, "dn0", "2001:db8:21::1/64"),
                                              (near, "up0", "2001:db8:0:1::2/64"),
                                              (low, "dn0", "2001:db8:22::1/64"),
                                              (low, "up0", "2001:db8:0:2::2/64"),
                                              (high, "dn0", "2001:db8:0:2::1/64"),
                                              (high, "up0", "2001:db8:0:1::3/64")):
            lab.address(namespace, interface, address)
            lab.wait_link_local(namespace, interface)
        lab.start(Relay(lab, near, "dn0", "up0", "2001:db8:0:1::1", name="near"))
        lab.start(Relay(lab, high, "dn0", "up0", "2001:db8:0:1::1", name="high"))
        lab.start(Relay(lab, low, "dn0", "up0", "2001:db8:0:2::1", name="low"))

    def each(self, *steps):
        """Takes every client through steps, side by side; one that failed a step fails those after it."""
        def through(subscriber):
            for step in steps:
                function = getattr(subscriber, step) if subscriber.ok else subscriber_failed
                subscriber.ok &= self.attempt(f"{subscriber.name}.{step}", function, subscriber.story)
        side_by_side([lambda s=s: through(s) for s in self.subscribers])

    def run_tests(self):
        self.each("binds", "renews")
        self.attempt("server.keeps-leases-when-killed", self.keeps_leases_when_killed,
                     lambda: "  its log:\n" + self.server.log())
        self.each("rebinds", "ends")
        self.attempt("server.counts-what-it-did", self.counts)

    def living(self):
        return [subscriber for subscriber in self.subscribers if subscriber.ok]

    def keeps_leases_when_killed(self):
        """Comes back only when every client has given up its server and asks everybody."""
        told = {}
        for subscriber in self.living():
            told.update(subscriber.told_until())
        self.server.kill()
        for subscriber in self.living():
            subscriber.crash_at = len(subscriber.capture.messages)
        side_by_side([s.wait_rebind_sent for s in self.living()] or [lambda: None])
        self.server.restart()
        expect(told, "no client holds a lease")
        for resource, until in told.items():
            lease = self.server.lease(resource)
            expect(lease and lease["state"] == "active", f"{resource} is {lease} after the restart")
            expect(lease["valid_until"] >= until,
                   f"{resource} ends at {lease['valid_until']} after the restart, its client was told "
                   f"{until}")

    def counts(self):
        """The running server's counters agree with what the captures saw since it started."""
        counters = self.server.counters()
        released = sum(len(s.resources) for s in self.living() if s.client.releases)
        expect_equal("lease_released", counters["lease_released"], released)
        expect(counters["rx_rebind"] >= len(self.living()), f"rx_rebind {counters['rx_rebind']}")
        expect_equal("drop_message_malformed", counters["drop_message_malformed"], 0)
        expect_equal("drop_udp_checksum", counters["drop_udp_checksum"], 0)
        expect_equal("lease_created", counters["lease_created"], 0)


def subscriber_failed():
    raise Failed("not tried: a step before it failed")
