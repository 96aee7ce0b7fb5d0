"""A pair and real clients: from nothing to NORMAL, in clear and over TLS; what passes between the partners,
read by a decoder of its own and by tshark; a crash of the primary; lost storage."""

import socket

from crowd import Crowd
from failover import (BNDREPLY, BNDUPD, CONNECT, CONNECTREPLY, CONTACT, DISCONNECT, NAMES, POOLREQ, POOLRESP,
                      REPLY, STARTTLS, STATE, UPDDONE, UPDREQ, UPDREQALL)
from lab import Dhclient, Dhcpcd, Relay, wait_for
from pair import A, B, INTERRUPTED, NORMAL, Pair
from stream import Tap, pcap_write, tshark_faults
from scenarios import Scenario, expect, expect_equal, scenario
from wire import RawPort

PORT = 647
ALL_KINDS = (BNDUPD, BNDREPLY, POOLREQ, POOLRESP, UPDREQ, UPDREQALL, UPDDONE, CONNECT, CONNECTREPLY,
             DISCONNECT, STATE, CONTACT)


def crowd_ports(lab, pair):
    """A raw port on each street: {side: port}."""
    ports = {}
    for side, street in pair.streets.items():
        namespace = lab.namespace(f"crowd-{side}")
        lab.plug(street, namespace, "c0")
        lab.server_port(namespace, "c0")
        ports[side] = RawPort(namespace, "c0")
        lab.closers.append(ports[side].close)
    return ports


class PairScenario(Scenario):
    """A pair with a tap on its partner line."""

    tls = True
    relation = None
    required = ("reaches_normal",)

    def set_up(self):
        lab = self.lab
        self.pair = Pair(lab, tls=self.tls, relation=self.relation)
        self.tap = Tap(lab.socket(self.pair.namespaces[A], socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)),
                       "part0", PORT)
        lab.closers.append(self.tap.close)
        self.crowd = Crowd(crowd_ports(lab, self.pair), 40)

    def expect_crowd(self, what, silent=(), servers=None):
        """All were answered, and what they know holds at the servers that must know of it."""
        expect_equal(f"clients without an answer {what}", [s.index for s in silent], [])
        for server in servers or self.pair.servers.values():
            self.crowd.check(server.leases())
        violations, self.crowd.violations = self.crowd.violations, []
        expect_equal(f"violations {what}", violations, [])

    def reaches_normal(self):
        """From nothing, by itself (RFC 8156 8.3)."""
        self.pair.start()
        wait_for("the secondary's share of prefixes",
                 lambda: (self.pair.b.relation() or {}).get("free_own"), 20.0)


def real_client(lab, kind, switch, name):
    namespace = lab.namespace(name)
    lab.plug(switch, namespace, "c0")
    lab.cable(namespace, "lan0", namespace, "lan1")
    lab.wait_link_local(namespace, "c0")
    return lab.start(kind(lab, namespace, "c0", name=name))


@scenario
class Clear(PairScenario):
    """In clear, so that every message can be read."""

    name = "clear"
    tls = False
    relation = {"mclt_s": 10}
    tests = ("reaches_normal", "real_clients_bind", "made_clients_bind", "stores_agree", "crash_and_return",
             "lost_storage_comes_back", "releases_reach_the_partner", "stops_with_disconnect", "logs_agree",
             "stream_is_rfc_8156", "tshark_names_every_option")

    def real_clients_bind(self):
        lab, pair = self.lab, self.pair
        relay, far = lab.namespace("relay"), lab.switch("far")
        lab.plug(pair.core, relay, "up0")
        lab.plug(far, relay, "dn0")
        lab.address(relay, "dn0", "2001:db8:17::1/64")
        lab.address(relay, "up0", "2001:db8:0:1::f/64")
        for interface in ("up0", "dn0"):
            lab.wait_link_local(relay, interface)
        lab.start(Relay(lab, relay, "dn0", "up0"))
        self.direct = real_client(lab, Dhclient, pair.streets[B], "direct")
        self.relayed = real_client(lab, Dhcpcd, far, "relayed")
        self.direct.wait_event("BOUND6", 2)
        wait_for("the relayed client's prefix", self.relayed.prefixes, 30.0)

    def made_clients_bind(self):
        self.expect_crowd("that joined", self.crowd.join(), [self.pair.a])

    def stores_agree(self):
        self.pair.wait_settled()
        expect(len(self.pair.a.leases()) >= 84, "hardly any leases to compare")

    def crash_and_return(self):
        self.pair.a.kill()
        self.pair.wait_states(None, INTERRUPTED)
        self.expect_crowd("after the crash", self.crowd.rebind(), [self.pair.b])
        self.pair.a.restart()
        self.pair.wait_settled()
        self.expect_crowd("after the return", self.crowd.rebind(), [self.pair.a])

    def lost_storage_comes_back(self):
        """RECOVER with UPDREQALL (RFC 8156 8.5)."""
        self.pair.b.kill()
        self.pair.wait_states(INTERRUPTED, None)
        self.pair.b.wipe()
        self.pair.b.restart()
        self.expect_crowd("meanwhile", self.crowd.rebind(), [self.pair.a])
        self.pair.wait_settled(60.0)
        self.expect_crowd("in the restored store")

    def releases_reach_the_partner(self):
        half = self.crowd.subscribers[::2]
        self.crowd.rebind(half)     # so that each knows who serves it
        self.expect_crowd("released", self.crowd.release(half), [self.pair.a])
        self.direct.release()
        self.pair.wait_settled()
        held = {lease["duid"] for lease in self.pair.b.leases() if lease["state"] == "active"}
        expect_equal("clients that released and are held by the partner still",
                     [s.index for s in half if s.duid.hex() in held], [])

    def stops_with_disconnect(self):
        """Before that the connection rests, so that only CONTACT keeps it (RFC 8156 6.5)."""
        def contact():
            return any(c.session.count(CONTACT) for c in self.tap.sessions())
        wait_for("CONTACT", contact, 20.0)
        self.pair.stop()

    def logs_agree(self):
        expect_equal("differences between the logs on disk", self.pair.log_differences(), [])

    def stream_is_rfc_8156(self):
        sessions = self.tap.sessions()
        expect(len(sessions) >= 3, f"only {len(sessions)} connections were seen")
        faults = [fault for connection in sessions for fault in connection.faults()]
        expect(not faults, "\n".join(faults[:20]))
        seen = {kind for kind in ALL_KINDS if any(c.session.count(kind) for c in sessions)}
        expect_equal("messages not seen", [NAMES[kind] for kind in ALL_KINDS if kind not in seen], [])

    def tshark_names_every_option(self):
        messages = [message for c in self.tap.sessions() for _, message in c.session.messages]
        expect(messages, "no messages")
        path = self.lab.path("session.pcap")
        faults = tshark_faults(path, pcap_write(path, messages))
        expect(not faults, "\n".join(faults[:20]))
        self.note(f"{len(messages)} messages in {len(self.tap.sessions())} connections decoded, each named by "
                  "tshark")


@scenario
class Secured(PairScenario):
    """Over TLS with certificates of both."""

    name = "secured"
    tests = ("reaches_normal", "nothing_is_in_clear", "real_client_binds", "made_clients_bind",
             "keeps_its_leases_when_the_primary_crashes", "survivor_serves_new_clients", "primary_returns",
             "keeps_its_leases_when_the_secondary_crashes", "ends_settled")

    def nothing_is_in_clear(self):
        connection, = self.tap.sessions()
        expect_equal("messages in clear", [message.type for _, message in connection.session.messages],
                     [STARTTLS, REPLY])
        expect_equal("faults", connection.faults(), [])

    def real_client_binds(self):
        self.client = real_client(self.lab, Dhclient, self.pair.streets[A], "client")
        got = [self.client.wait_event("BOUND6", count) for count in (1, 2)]
        self.bound = {key: event[key] for event in got for key in ("new_ip6_address", "new_ip6_prefix")
                      if key in event}
        expect_equal("kinds of leases", sorted(self.bound), ["new_ip6_address", "new_ip6_prefix"])

    def made_clients_bind(self):
        self.expect_crowd("that joined", self.crowd.join(), [self.pair.a])
        self.pair.wait_settled()

    def client_keeps(self, reason, after):
        """What the script is told from then on is what it had."""
        def told():
            return [event for event in self.client.events()[after:] if event["reason"] == reason]
        wait_for(f"{reason} of the real client", told, 40.0)
        for event in self.client.events()[after:]:
            expect(event["reason"] in ("RENEW6", "REBIND6"), f"the client saw {event}")
            for key, value in self.bound.items():
                expect(event.get(key, value) == value, f"the client got {event}, had {self.bound}")

    def keeps_its_leases_when_the_primary_crashes(self):
        self.pair.a.kill()
        after = len(self.client.events())
        self.pair.wait_states(None, INTERRUPTED, 5.0)
        self.expect_crowd("after the crash", self.crowd.rebind(), [self.pair.b])
        self.client_keeps("REBIND6", after)

    def survivor_serves_new_clients(self):
        new = Crowd(self.crowd.ports, 10, first=1000)
        expect_equal("new clients without an answer", [s.index for s in new.join()], [])
        new.check(self.pair.b.leases())
        expect_equal("violations of new clients", (new.violations, new.refusals), ([], 0))
        self.new = new

    def primary_returns(self):
        self.pair.a.restart()
        self.pair.wait_settled()
        self.new.check(self.pair.a.leases())
        expect_equal("new clients' leases the primary has not", self.new.violations, [])
        self.expect_crowd("after the return", self.crowd.rebind(), [self.pair.a])

    def keeps_its_leases_when_the_secondary_crashes(self):
        after = len(self.client.events())
        self.pair.b.kill()
        self.pair.wait_states(INTERRUPTED, None, 5.0)
        self.expect_crowd("after the crash", self.crowd.rebind(), [self.pair.a])
        self.client_keeps("REBIND6", after)
        self.pair.b.restart()

    def ends_settled(self):
        self.pair.wait_settled()
        self.expect_crowd("at the end")
        for connection in self.tap.sessions():
            expect_equal("messages in clear", [message.type for _, message in connection.session.messages],
                         [STARTTLS, REPLY])
