"""Ports: tagged frames, a TAP made by the server, neighbours' kernels, several workers."""

import struct

from lab import Dhclient, Dhcpcd, LabError, Server, run, wait_for
from suite import (Failed, OneServer, Scenario, config, expect, expect_equal, link, scenario,
                   side_by_side)
from wire import REQUEST, Asker, Capture, Tagger

# DPDK's af_packet driver gives every outermost tag the TPID 0x8100; 802.1ad is tried on a TAP.
TAGGINGS = {"tagged": ((0x8100, 100),), "double_tagged": ((0x8100, 7), (0x8100, 100))}
QINQ = ((0x88A8, 7), (0x8100, 100))


def bind(lab, client, capture):
    """Starts a client, waits until it has all it asked for; returns its leases."""
    lab.start(client)
    _, reply = capture.wait_exchange(REQUEST, timeout=30)
    leases = reply.leases()
    expect_equal("leases in the Reply", len(leases), client.na + client.pd)
    return leases


def bind_behind_tagger(lab, server, namespace, tagger):
    """A client whose frames the tagger tags is served, and its answers carry the same tags."""
    # The tagger passes frames on as they are: their checksums must be whole before it.
    run("ip", "netns", "exec", namespace, "ethtool", "-K", "c0", "tx", "off")
    capture = Capture(lab, namespace, "c0")
    try:
        leases = bind(lab, Dhclient(lab, namespace, "c0", name=f"dhclient-{namespace}"), capture)
    except LabError as error:
        raise Failed(f"{error}; heads of frames without the client's tags: {tagger.wrong}") from error
    for resource in leases:
        expect(server.lease(resource), f"the server has no lease of {resource}")
    expect(tagger.passed >= 2, f"{tagger.passed} tagged answers came")
    # What others on the wire send may have other tags; answers to this client may not.
    mac = run("ip", "netns", "exec", namespace, "cat", "/sys/class/net/c0/address").strip()
    wrong = [head for head in tagger.wrong if head.startswith(mac.replace(":", ""))]
    expect_equal("frames to the client without its tags", wrong, [])


@scenario
class Tagged(OneServer):
    """Clients in VLANs of the server's port: their answers carry the same tags."""

    name = "vlan"
    tests = ("tagged", "double_tagged")
    rapid_commit = False

    def set_up(self):
        """Each client's cable ends in a tagger, whose other end is on the server's switch."""
        super().set_up()
        self.behind = {}
        for name, tags in TAGGINGS.items():
            namespace, middle = self.lab.namespace(name), self.lab.namespace(f"{name}-tagger")
            self.lab.cable(namespace, "c0", middle, "in0")
            self.lab.plug(self.switch, middle, "out0")
            self.behind[name] = namespace, Tagger(self.lab, middle, "in0", "out0", tags)

    def bound(self, name):
        namespace, tagger = self.behind[name]
        self.lab.wait_link_local(namespace, "c0")
        bind_behind_tagger(self.lab, self.server, namespace, tagger)

    def tagged(self):
        self.bound("tagged")

    def double_tagged(self):
        self.bound("double_tagged")


@scenario
class Tap(Scenario):
    """A port without a device is a TAP that the server makes; a bridge joins it to the client's cable."""

    name = "tap"
    tests = ("serves", "has_a_mac_of_its_own", "serves_qinq")

    def set_up(self):
        lab = self.lab
        self.server_ns, self.client_ns = lab.namespace("server"), lab.namespace("client")
        lab.sysctl(self.server_ns, "net.ipv6.conf.default.disable_ipv6=1")
        run("ip", "-n", self.server_ns, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        lab.cable(self.server_ns, "up0", self.client_ns, "c0")
        made = config([{"name": "tap0", "addresses": ["2001:db8:0:1::1"]}],
                      [link("street", "tap0", "16", "3000")])
        self.server = lab.start(Server(lab, self.server_ns, made))
        for interface in ("up0", "t6-tap0"):
            run("ip", "-n", self.server_ns, "link", "set", interface, "master", "br0", "up")
        run("ip", "-n", self.server_ns, "link", "set", "br0", "up")
        lab.wait_link_local(self.client_ns, "c0")
        middle, self.far_ns = lab.namespace("tagger"), lab.namespace("far")
        lab.cable(self.far_ns, "c0", middle, "in0")
        lab.cable(self.server_ns, "up1", middle, "out0")
        run("ip", "-n", self.server_ns, "link", "set", "up1", "master", "br0")
        self.tagger = Tagger(lab, middle, "in0", "out0", QINQ)
        lab.wait_link_local(self.far_ns, "c0")

    def serves(self):
        capture = Capture(self.lab, self.client_ns, "c0")
        leases = bind(self.lab, Dhclient(self.lab, self.client_ns, "c0"), capture)
        for resource in leases:
            expect(self.server.lease(resource), f"the server has no lease of {resource}")

    def has_a_mac_of_its_own(self):
        """Unicast to the server reaches it and not the host, whose TAP has a MAC too."""
        self.lab.address(self.client_ns, "c0", "2001:db8:0:1::2/64")
        ping(self.client_ns, "2001:db8:0:1::1")
        port, = self.server.rpc("server.status")["ports"]
        kernel = run("ip", "netns", "exec", self.server_ns, "cat", "/sys/class/net/t6-tap0/address")
        expect(port["mac"] != kernel.strip(), f"server and kernel both have {port['mac']}")

    def serves_qinq(self):
        bind_behind_tagger(self.lab, self.server, self.far_ns, self.tagger)


def ping(namespace, address):
    done = run("ip", "netns", "exec", namespace, "ping", "-6", "-n", "-c", "3", "-i", "0.2", "-W", "2",
               address, check=False)
    expect(" 0% packet loss" in done, f"ping {address}: {done.strip() or 'no output'}")


@scenario
class Neighbours(OneServer):
    """The kernel of another host on the wire finds the server."""

    name = "neighbour"
    tests = ("resolves_and_pings_address", "resolves_and_pings_link_local", "ignores_foreign_address")

    def set_up(self):
        super().set_up()
        self.namespace = self.client_namespace("host")
        self.lab.address(self.namespace, "c0", "2001:db8:0:1::2/64")
        self.mac = self.server.rpc("server.status")["ports"][0]["mac"]

    def neighbour(self, address):
        return run("ip", "-n", self.namespace, "-6", "neigh", "show", address, "dev", "c0")

    def resolves_and_pings_address(self):
        ping(self.namespace, "2001:db8:0:1::1")
        expect(self.mac in self.neighbour("2001:db8:0:1::1"),
               f"expected {self.mac}, seen {self.neighbour('2001:db8:0:1::1')!r}")
        counters = self.server.counters()
        expect(counters["rx_neighbor_solicitation"] >= 1, "no solicitation was counted")
        expect(counters["tx_echo_reply"] >= 3, f"tx_echo_reply {counters['tx_echo_reply']}")

    def resolves_and_pings_link_local(self):
        octets = bytes.fromhex(self.mac.replace(":", ""))
        host = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
        local = "fe80::" + ":".join(f"{group:x}" for group in struct.unpack("!4H", host))
        ping(self.namespace, f"{local}%c0")
        expect(self.mac in self.neighbour(local), f"expected {self.mac}, seen {self.neighbour(local)!r}")

    def ignores_foreign_address(self):
        """Nothing answers for an address that is nobody's."""
        run("ip", "netns", "exec", self.namespace, "ping", "-6", "-n", "-c", "1", "-W", "1",
            "2001:db8:0:1::77", check=False)
        wait_for("resolution of a foreign address to fail",
                 lambda: "FAILED" in self.neighbour("2001:db8:0:1::77"), 10.0)


@scenario
class Workers(OneServer):
    """Two workers share a port: each client has its home, wherever its frames arrive."""

    name = "two-workers"
    tests = ("real_clients_bind", "every_client_is_answered", "clients_reach_their_home",
             "restart_keeps_all_leases")
    workers = 2
    clients = 64

    def set_up(self):
        super().set_up()
        self.namespaces = [self.client_namespace(name) for name in ("one", "two")]
        self.asker = Asker(self.lab, self.client_namespace("asker"), "c0")

    def real_clients_bind(self):
        def start(kind, namespace):
            capture = Capture(self.lab, namespace, "c0")
            self.lab.start(kind(self.lab, namespace, "c0", pd=False, name=f"{kind.kind}-{namespace}"))
            # Rapid Commit is the client's choice.
            wait_for("an address on the interface", lambda: self.lab.addresses(namespace, "c0"), 30)
            expect(capture.messages, "no DHCPv6 message seen")
        side_by_side([lambda k=kind, n=namespace: start(k, n)
                      for kind, namespace in zip((Dhclient, Dhcpcd), self.namespaces)])

    def every_client_is_answered(self):
        self.given = {}
        for number in range(self.clients):
            answer = self.asker.solicit_rapid(number)
            expect(answer, f"no answer for client {number}")
            resource, = answer.leases()
            expect(resource not in self.given, f"{resource} was given twice")
            self.given[resource] = number

    def clients_reach_their_home(self):
        """One flow arrives at one worker; about half of its clients have the other for a home."""
        status = self.server.rpc("server.status")
        expect_equal("workers alive", [worker["alive"] for worker in status["workers"]], [True, True])
        counters = self.server.counters()
        expect(counters["handover_in"] >= self.clients // 8,
               f"handover_in {counters['handover_in']} after {self.clients} clients")
        expect_equal("handover_in and handover_out", counters["handover_in"], counters["handover_out"])

    def restart_keeps_all_leases(self):
        self.server.kill()
        self.server.restart()
        for resource in self.given:
            expect(self.server.lease(resource), f"{resource} is gone after the restart")
        answer = self.asker.solicit_rapid(0)
        expect(answer and set(answer.leases()) <= set(self.given),
               f"client 0 gets {answer} after the restart")
