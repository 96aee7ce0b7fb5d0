"""What two servers do when they cannot hear each other and clients wander between them; a pool that runs dry
on one side; and one server with three partners that fail in turn."""

import random
import time

from bring_up import PairScenario
from crowd import Crowd
from lab import wait_for
from loadgen import Load
from pair import (A, B, DUIDS, INTERRUPTED, NORMAL, OLT, ROLES, Certificates, Pair, Partner, relationship,
                  server_config, settled_row)
from scenarios import Scenario, expect, expect_equal, scenario
from wire import RawPort


class Partition(PairScenario):
    """Each server keeps its own clients, and neither hears the other."""

    relation = {"keepalive_s": 3}
    seconds = 10.0
    tests = ("reaches_normal", "clients_join", "both_serve_apart", "both_return_to_normal",
             "stores_agree_lease_for_lease", "clients_keep_what_they_have", "logs_agree")

    def clients_join(self):
        self.expect_crowd("that joined", self.crowd.join(), [self.pair.a])
        self.pair.wait_settled()

    def wander(self, chance, known):
        """A quarter ends its leases on one side and asks on the other, a quarter moves over with leases both
        servers know, others stay. One that was given leases apart must not carry them over: the other side
        cannot know them."""
        random_order = chance.sample(known, len(known))
        quarter = len(known) // 4
        leaving = random_order[:quarter]
        moving = [s for s in random_order[quarter:2 * quarter] if s not in self.left]
        silent = self.crowd.release([s for s in leaving if s.told])
        self.left.update(leaving)
        for subscriber in leaving + moving:
            subscriber.side = B if subscriber.side == A else A
        return silent + self.crowd.join(leaving) + \
            self.crowd.rebind([s for s in random_order if s not in leaving])

    def both_serve_apart(self):
        chance = random.Random(7)
        self.pair.cut_trunk()
        self.pair.cut_line()
        end = time.monotonic() + self.seconds
        self.pair.wait_states(INTERRUPTED, INTERRUPTED)
        first = 500
        self.others, self.left = [], set()
        # A first word to the server of the side they are on now.
        silent = self.crowd.rebind()
        rounds = 0
        while time.monotonic() < end or not rounds:
            silent += self.wander(chance, self.crowd.subscribers)
            if len(self.others) < 8:
                other = Crowd(self.crowd.ports, 6, first=first + 10 * len(self.others))
                silent += other.join()
                self.others.append(other)
            rounds += 1
            time.sleep(0.2)
        for other in self.others:
            silent += other.rebind()
        expect_equal("clients without an answer", [s.index for s in silent], [])
        expect_equal("violations", self.violations(), [])
        self.note(f"apart for {self.seconds:g} s: {rounds} rounds of {len(self.crowd.subscribers)} clients, "
                  f"{6 * len(self.others)} new ones, {len(self.pair.differences())} leases differ")

    def violations(self):
        """Also leases that two crowds hold."""
        found, held = list(self.crowd.violations), {}
        for crowd in (self.crowd, *self.others):
            found += crowd.violations if crowd is not self.crowd else []
            for subscriber in crowd.subscribers:
                for told in subscriber.told.values():
                    if held.setdefault(told.key, subscriber) is not subscriber:
                        found.append(f"{told.key} of clients {held[told.key].index} and {subscriber.index}")
        return found

    def both_return_to_normal(self):
        begin = time.monotonic()
        self.pair.cut_line(True)
        self.pair.cut_trunk(True)
        self.pair.wait_states()
        self.note(f"both NORMAL {time.monotonic() - begin:.1f} s after the cut was mended")

    def stores_agree_lease_for_lease(self):
        self.pair.wait_settled()
        for crowd in (self.crowd, *self.others):
            for server in self.pair.servers.values():
                crowd.check(server.leases())
        expect_equal("violations", self.violations(), [])

    def clients_keep_what_they_have(self):
        for crowd in (self.crowd, *self.others):
            expect_equal("clients without an answer", [s.index for s in crowd.rebind()], [])
        expect_equal("violations", self.violations(), [])

    def logs_agree(self):
        """With nothing under way: what is handed over while both stop is on one disk only, as it may."""
        self.pair.wait_balanced()
        self.pair.stop()
        expect_equal("differences between the logs on disk", self.pair.log_differences(), [])


@scenario
class ShortPartition(Partition):
    name = "partition"


class Drained(Scenario):
    """A prefix pool drained at the primary, whose own share is not enough."""

    range, units, rate = "2001:db8:4000::/46", 1024, 200
    tests = ("reaches_normal", "nobody_is_refused", "nothing_is_left", "stores_agree")
    required = ("reaches_normal",)

    def set_up(self):
        link = {**OLT, "pools": [{"type": "prefix", "range": self.range, "delegated_length": 56}]}
        self.pair = Pair(self.lab, links=(link,), lifetimes={"preferred_s": 3000, "valid_s": 3600},
                         relation={"mclt_s": 3600})
        self.relays = self.lab.namespace("relays")
        self.lab.plug(self.pair.core, self.relays, "c0")
        self.lab.address(self.relays, "c0", "2001:db8:0:1::9/64")
        self.lab.wait_link_local(self.relays, "c0")

    def share(self):
        return self.pair.b.relation()["free_own"]

    def reaches_normal(self):
        self.pair.start()
        wait_for("the secondary's share of prefixes", self.share, 30.0)
        self.pair.wait_settled(60.0)
        expect(self.share() >= self.units // 8, f"the secondary's share is {self.share()} of {self.units}")

    def nobody_is_refused(self):
        load = self.lab.start(Load(
            self.lab, self.relays, "drain", relay="2001:db8:0:1::9", link_address="2001:db8:17::1",
            server=["2001:db8:0:1::1", "2001:db8:0:1::2"], clients=self.units, pd=True, rate=self.rate,
            duration=self.units / self.rate + 1, drain=20, quiet=True))
        result = load.result()
        self.note(f"{result['finished']} prefixes of {self.units} at {result['finished_per_s']:.0f}/s, "
                  f"refused {result['refused']}, refused in Advertise {result['advertise_refused']}, "
                  f"longest silence {result['longest_gap_ms']} ms")
        expect_equal("refused, bound", (result["refused"], result["bound"]), (0, self.units))
        expect_equal("wrong answers", result["wrong"], 0)

    def nothing_is_left(self):
        wait_for("both shares to be used up",
                 lambda: all(s.relation()["free_own"] == 0 for s in self.pair.servers.values()))

    def stores_agree(self):
        self.pair.wait_settled(60.0)


@scenario
class ShortDrained(Drained):
    name = "drained"


@scenario
class Several(Scenario):
    """One server, three relationships, each with its own link, line and partner (RFC 8156 4.1)."""

    name = "several"
    places = ("north", "south", "west")
    # The middle server is the secondary of one of them.
    roles = {"north": A, "south": A, "west": B}
    tests = ("all_reach_normal", "clients_join", "north_fails", "south_fails", "west_fails", "all_agree")
    required = ("all_reach_normal",)

    def set_up(self):
        lab = self.lab
        certificates = Certificates(lab.dir)
        middle_ns = lab.namespace("middle")
        self.partners, self.crowds = {}, {}
        terms, links, ports = [], [], []
        for number, place in enumerate(self.places):
            role, other = self.roles[place], B if self.roles[place] == A else A
            namespace, street = lab.namespace(place), lab.switch(f"street-{place}")
            mine, theirs = f"2001:db8:f{number}::1", f"2001:db8:f{number}::2"
            for ns, interface, line, address in ((middle_ns, f"srv{number}", f"part{number}", mine),
                                                 (namespace, "srv0", "part0", theirs)):
                lab.plug(street, ns, interface)
                lab.server_port(ns, interface)
            lab.cable(middle_ns, f"part{number}", namespace, "part0")
            lab.address(middle_ns, f"part{number}", f"{mine}/64")
            lab.address(namespace, "part0", f"{theirs}/64")
            link = {"name": place, "port": f"access{number}", "subnets": [f"2001:db8:1{number}::/64"],
                    "pools": [{"type": "address", "range": f"2001:db8:1{number}::/64"},
                              {"type": "prefix", "range": f"2001:db8:300{number}::/48", "delegated_length": 56}]}
            links.append(link)
            ports.append({"name": f"access{number}", "device": f"net_af_packet{number},iface=srv{number}"})
            common = {"relationship": place, "keepalive_s": 3}
            terms.append(relationship(ROLES[role], mine, theirs, [place],
                                      certificates.make(f"middle-{place}", mine), **common))
            config = server_config(place, f"00020000ab1100000000000001{number:02x}", [{**link, "port": "access0"}],
                                   [relationship(ROLES[other], theirs, mine, [place],
                                                 certificates.make(place, theirs), **common)],
                                   [{"name": "access0", "device": "net_af_packet0,iface=srv0"}])
            self.partners[place] = Partner(lab, namespace, config, place)
            crowd_ns = lab.namespace(f"crowd-{place}")
            lab.plug(street, crowd_ns, "c0")
            lab.server_port(crowd_ns, "c0")
            port = RawPort(crowd_ns, "c0")
            lab.closers.append(port.close)
            self.crowds[place] = Crowd({A: port}, 20, first=100 * number)
        self.middle = Partner(lab, middle_ns, server_config("middle", DUIDS[A], links, terms, ports), "middle")

    def states(self, place):
        return self.middle.state(place), self.partners[place].state(place)

    def wait_place(self, place, *states):
        wait_for(f"{place}: {states}",
                 lambda: all(want in (None, seen) for want, seen in zip(states, self.states(place))), 40.0)

    def wait_settled(self, place):
        self.wait_place(place, NORMAL, NORMAL)

        def agree():
            held = []
            for server in (self.middle, self.partners[place]):
                row = server.relation(place)
                if not row or not settled_row(row):
                    return False
                held.append({(lease.get("address") or lease["prefix"]): (lease["state"], lease["duid"],
                                                                        lease["valid_until"])
                             for lease in server.leases(state="active") if lease["link"] == place})
            return held[0] == held[1]
        wait_for(f"{place} to agree", agree, 40.0)

    def all_reach_normal(self):
        for server in (self.middle, *self.partners.values()):
            self.lab.start(server)
        for place in self.places:
            self.wait_settled(place)

    def expect_crowd(self, place, silent):
        crowd = self.crowds[place]
        for server in (self.middle, self.partners[place]):
            if server.running():
                crowd.check(server.leases(state="active"))
        expect_equal(f"{place}: silent, violations", ([s.index for s in silent], crowd.violations), ([], []))

    def clients_join(self):
        for place in self.places:
            silent = self.crowds[place].join()
            self.wait_settled(place)
            self.expect_crowd(place, silent)

    def untouched(self, place):
        """What a relationship has lived through, apart from leases."""
        found = []
        for server in (self.middle, self.partners[place]):
            row = server.rpc("failover.get", relation=place)
            found.append((row["state"], row["since"], row["partner_since"], row["link"]["attempts"],
                          row["link"]["downs"]))
        return found

    def fails(self, place):
        others = [other for other in self.places if other != place]
        before = {other: self.untouched(other) for other in others}
        self.partners[place].kill()
        self.wait_place(place, INTERRUPTED, None)
        for where in self.places:
            silent = self.crowds[where].rebind()
            if where != place:
                self.wait_settled(where)
            self.expect_crowd(where, silent)
        self.partners[place].restart()
        self.wait_settled(place)
        for other in others:
            expect_equal(f"{other} while {place} failed", self.untouched(other), before[other])
            self.wait_settled(other)

    def north_fails(self):
        self.fails("north")

    def south_fails(self):
        self.fails("south")

    def west_fails(self):
        self.fails("west")

    def all_agree(self):
        for place in self.places:
            silent = self.crowds[place].rebind()
            self.wait_settled(place)
            self.expect_crowd(place, silent)
