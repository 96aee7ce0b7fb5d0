"""Below DHCPv6: ports, addresses, checksums, VLAN tags, neighbour discovery (RFC 9915 7, RFC 8200,
RFC 4861, RFC 3810). Every answer's frame is also looked at in every exchange (rules.py)."""

import struct

import config
import dhcp6
import wire
from dhcp6 import REQUEST, SOLICIT, address
from suite import ANSWER_S, SILENCE_S, Client, Direct, Relay, check, expect


def _answered(env, **how):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        expect(client.ask(SOLICIT, dhcp6.ia_na(1), how=how).na(1).live(), "no address offered")


@check("reply-to-port-546", "RFC 9915 7.2",
       "A client is answered at port 546, whatever port it sent from.")
def to_port_546(env):
    client = Client(env, Direct())
    for port in (546, 547, 1024, 50000):
        client.send(client.build(SOLICIT, dhcp6.ia_na(1)), source_port=port)
        frame = env.await_frame(client.path.port,
                                lambda frame: frame.destination == client.path.source, ANSWER_S)
        expect(frame is not None, f"no answer to a Solicit from port {port}")
        expect(frame.destination_port == wire.CLIENT_PORT,
               f"answer to a Solicit from port {port} goes to port {frame.destination_port}")


@check("message-to-other-port", "RFC 9915 7.2", "Only messages to port 547 are taken.")
def other_port(env):
    for port in (546, 548, 53):
        Client(env, Direct()).silent(SOLICIT, dhcp6.ia_na(1), how={"destination_port": port})


@check("reply-on-the-same-port", "RFC 9915 18.3.10",
       "A client is answered through the interface its message came in by.")
def same_port(env):
    for port, link in enumerate((config.DIRECT, config.DIRECT_RAPID)):
        ia = Client(env, Direct(link)).solicit(dhcp6.ia_na(1)).na(1)
        expect(ia.live()[0].address in link.subnet, f"port {port}: {ia}")
    expect(not env.drain(), "a frame came that nobody asked for")


@check("relay-through-either-port", "RFC 9915 13.1",
       "A relayed message may come in by any port and is answered there.")
def either_port(env):
    link = config.RAPID
    for port in (0, 1):
        ia = Client(env, Relay(link, port=port)).solicit(dhcp6.ia_na(1)).na(1)
        expect(ia.live()[0].address in link.subnet, f"port {port}: {ia}")


@check("unicast-from-client", "RFC 9915 16",
       "Messages that clients send to a unicast address of the server are not accepted.")
def unicast(env):
    server = wire.link_local(env.server_mac[0])
    for to in (server, address(config.PORT_ADDRESSES[0])):
        Client(env, Direct()).silent(SOLICIT, dhcp6.ia_na(1), how={"destination": to})
    Client(env, Direct()).silent(REQUEST, dhcp6.ia_na(1), how={"destination": server})
    Client(env, Direct()).silent(dhcp6.INFORMATION_REQUEST, how={"destination": server})
    client = Client(env, Direct())
    client.silent(dhcp6.RENEW, dhcp6.ia_na(1, dhcp6.iaaddr(client.lease())),
                  how={"destination": server})


@check("other-destination", "RFC 8200 3",
       "A packet to an address that is none of the server's is not taken.")
def other_destination(env):
    client = Client(env)
    client.silent(SOLICIT, dhcp6.ia_na(1), how={"destination": "2001:db8:0:1::2"})
    client = Client(env, Direct())
    client.silent(SOLICIT, dhcp6.ia_na(1), how={"destination": "ff02::1:9"})


@check("udp-checksum-wrong", "RFC 8200 8.1", "A message with a wrong UDP checksum is dropped.")
def checksum_wrong(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        data = path.wrap(client.build(SOLICIT, dhcp6.ia_na(1)))
        head = struct.pack("!HHHH", path.source_port, 547, len(data) + 8, 0)
        right = wire.checksum(path.source, path.destination, wire.UDP, head + data)
        client.silent_raw(data, check=right ^ 0x0101 or 0x0202)


@check("udp-checksum-zero", "RFC 8200 8.1", "A message without UDP checksum (0) is dropped.")
def checksum_zero(env):
    for path in (Direct(), Relay()):
        Client(env, path).silent(SOLICIT, dhcp6.ia_na(1), how={"check": 0})


@check("udp-checksum-pseudo-header-only", "RFC 8200 8.1 (left to offload)",
       "On ports with local senders the sum of the pseudo-header alone is accepted.")
def checksum_partial(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        data = client.build(SOLICIT, dhcp6.ia_na(1))
        size = len(path.wrap(data)) + 8
        partial = wire.pseudo_header_sum(path.source, path.destination, wire.UDP, size)
        answer = client.exchange(data, how={"check": partial})
        expect(answer.na(1).live(), "no address offered")


@check("udp-length-wrong", "RFC 768",
       "A datagram whose UDP length is longer than the packet, or shorter than its header, is dropped.")
def udp_length(env):
    for length in (7, 2000):
        Client(env, Direct()).silent(SOLICIT, dhcp6.ia_na(1), how={"udp_length": length})


@check("ipv6-length-wrong", "RFC 8200 3",
       "A packet whose payload length exceeds the frame is dropped.")
def ip_length(env):
    Client(env, Direct()).silent(SOLICIT, dhcp6.ia_na(1), how={"ip_length": 1400})


@check("ethernet-padding", "RFC 8200 3",
       "Octets behind the IPv6 payload length are padding and not part of the message.")
def padding(env):
    client = Client(env, Direct())
    data = client.build(SOLICIT, dhcp6.ia_na(1))
    packet = wire.udp(client.path.source, client.path.destination, 546, 547, data)
    frame = wire.ethernet(wire.multicast_mac(client.path.destination), client.mac,
                          wire.ipv6(client.path.source, client.path.destination, wire.UDP, packet))
    env.ports[0].send(frame + b"\0\3\0\x50pad")
    expect(client.answer(data).na(1).live(), "no address offered")


@check("ipv6-extension-headers", "RFC 8200 4.1",
       "Hop-by-hop and destination options in front of UDP are passed over.")
def extension(env):
    _answered(env, extension=(wire.HOP_BY_HOP, b"\0" + b"\1\4\0\0\0\0"))
    # An experimental option (RFC 4727) whose type says: skip if unknown.
    _answered(env, extension=(wire.DESTINATION_OPTIONS, b"\1" + b"\x1e\x0c" + bytes(12)))


def _tagged(env, client, *rules):
    """An offer, and nothing wrong with the tags of any answer so far."""
    expect(client.solicit(dhcp6.ia_na(1)).na(1).live(), "no address offered")
    for rule in rules:
        expect(rule not in env.violations, "; ".join(env.violations.get(rule, [])))


@check("vlan-tag-mirrored", "IEEE 802.1Q",
       "A client in a VLAN is answered in that VLAN.")
def vlan(env):
    for tci in (7, 4094):
        client = Client(env, Direct(tags=[(wire.ETH_P_8021Q, tci)]))
        _tagged(env, client, "reply-vlan-tags")
        expect(client.ask(REQUEST, dhcp6.ia_na(1)).na(1).live(), "no lease")


@check("vlan-double-tag-mirrored", "IEEE 802.1Q (QinQ)",
       "Two tags come back as they were, outer and inner.")
def qinq(env):
    client = Client(env, Direct(tags=[(wire.ETH_P_8021Q, 100), (wire.ETH_P_8021Q, 200)]))
    _tagged(env, client, "reply-vlan-tags")


@check("vlan-service-tag-mirrored", "IEEE 802.1Q (QinQ)",
       "An outer tag of type 0x88a8 comes back with that type (see devices in config.py).")
def service_tag(env):
    path = Direct(config.DIRECT_RAPID, tags=[(wire.ETH_P_8021AD, 100), (wire.ETH_P_8021Q, 200)])
    _tagged(env, Client(env, path), "reply-vlan-tags", "reply-vlan-tag-types")


@check("vlan-priority-tag", "IEEE 802.1Q",
       "A priority-tagged frame (VLAN 0) is taken, and answered with or without such a tag.")
def vlan_zero(env):
    client = Client(env, Direct(tags=[(wire.ETH_P_8021Q, 0x6000)]))
    expect(client.solicit(dhcp6.ia_na(1)).na(1).live(), "no address offered")


@check("vlan-tag-mirrored-relayed", "IEEE 802.1Q", "A relay agent in a VLAN is answered in that VLAN.")
def vlan_relayed(env):
    _tagged(env, Client(env, Relay(tags=[(wire.ETH_P_8021Q, 33)])), "reply-vlan-tags")


# ---- neighbour discovery, echo, MLD ---------------------------------------------------------------

class Neighbour:
    """A host on the wire that speaks ICMPv6 with the server."""

    def __init__(self, env, port=0):
        self.env, self.port = env, port
        number = env.next_number()
        self.mac = bytes([0x02, 0xC1]) + number.to_bytes(4, "big")
        self.address = wire.link_local(self.mac)

    def send(self, to, kind, body, hop_limit=255, source=None, check_fault=0, mac=None):
        source = address(source or self.address)
        packet = bytearray(wire.icmpv6(source, to, kind, body))
        packet[2] ^= check_fault
        mac = mac or (wire.multicast_mac(to) if address(to).is_multicast
                      else self.env.server_mac[self.port])
        self.env.ports[self.port].send(wire.ethernet(
            mac, self.mac, wire.ipv6(source, to, wire.ICMPV6, bytes(packet), hop_limit)))

    def solicit(self, target, to=None, **more):
        """A Neighbour Solicitation, by default to the solicited-node group of the target."""
        target = address(target)
        group = address(b"\xff\x02" + bytes(9) + b"\x01\xff" + target.packed[13:])
        body = bytes(4) + target.packed
        if address(more.get("source", self.address)) != address("::"):
            body += b"\x01\x01" + self.mac
        self.send(to or group, 135, body, **more)

    def answer(self, kind, timeout, to=None, target=None):
        to = address(to or self.address)
        target = address(target).packed if target else None
        store = self.env.advertisements
        frame = self.env.await_icmp(
            self.port, store,
            lambda frame: frame.payload[0] == kind and frame.destination == to
            and (target is None or frame.payload[8:24] == target), timeout)
        if frame is not None:
            store.remove((self.port, frame))
        return frame

    def expect_none(self, kind):
        self.env.sentinel(Direct(port=self.port))
        expect(self.answer(kind, SILENCE_S) is None, "it was answered")


def _advertised(frame, target, mac, probe=False):
    expect(frame is not None, f"no Neighbour Advertisement for {target}")
    expect(not frame.faults, f"{frame.faults}")
    expect(frame.hop_limit == 255, f"hop limit {frame.hop_limit}")
    expect(frame.payload[8:24] == address(target).packed, "it advertises another target")
    # Only the answer to a unicast solicitation may leave the option out.
    allowed = (b"\x02\x01" + mac, b"") if probe else (b"\x02\x01" + mac,)
    expect(frame.payload[24:32] in allowed, "no Target Link-Layer Address of the port")


@check("neighbour-solicitation", "RFC 4861 7.2.4",
       "Solicitations for each address of a port are answered: solicited, override, with its MAC.")
def neighbour(env):
    for port in (0, 1):
        for target in (wire.link_local(env.server_mac[port]), config.PORT_ADDRESSES[port]):
            host = Neighbour(env, port)
            host.solicit(target)
            frame = host.answer(136, ANSWER_S)
            _advertised(frame, target, env.server_mac[port])
            expect(frame.payload[4] & 0x60 == 0x60, f"flags {frame.payload[4]:#x}")


@check("neighbour-solicitation-unicast", "RFC 4861 7.2.4",
       "A solicitation sent to the address itself (reachability probe) is answered.")
def neighbour_unicast(env):
    host, target = Neighbour(env), address(config.PORT_ADDRESSES[0])
    host.solicit(target, to=target)
    _advertised(host.answer(136, ANSWER_S), target, env.server_mac[0], probe=True)


@check("neighbour-solicitation-dad", "RFC 4861 7.2.4",
       "Duplicate detection of one of the server's addresses (source ::) is answered to ff02::1.")
def neighbour_dad(env):
    host, target = Neighbour(env), config.PORT_ADDRESSES[0]
    env.advertisements.clear()      # unsolicited ones of the start go to ff02::1 too
    host.solicit(target, source="::")
    frame = host.answer(136, ANSWER_S, to="ff02::1", target=target)
    _advertised(frame, target, env.server_mac[0])
    expect(not frame.payload[4] & 0x40, "the solicited flag is set")


@check("neighbour-solicitation-foreign", "RFC 4861 7.2.3",
       "Solicitations for addresses that are not the server's are not answered.")
def neighbour_foreign(env):
    for target in ("2001:db8:0:1::2", config.PORT_ADDRESSES[1]):
        host = Neighbour(env)
        host.solicit(target)
        host.expect_none(136)


@check("neighbour-solicitation-hop-limit", "RFC 4861 7.1.1",
       "A solicitation that has been routed (hop limit below 255) is discarded.")
def neighbour_hop_limit(env):
    host = Neighbour(env)
    host.solicit(config.PORT_ADDRESSES[0], hop_limit=254)
    host.expect_none(136)


@check("neighbour-solicitation-checksum", "RFC 4861 7.1.1",
       "A solicitation with a wrong checksum is discarded.")
def neighbour_checksum(env):
    host = Neighbour(env)
    host.solicit(config.PORT_ADDRESSES[0], check_fault=0x55)
    host.expect_none(136)


@check("echo-request", "RFC 4443 4.2",
       "An echo request to each address is answered with the same identifier, number and data.")
def echo(env):
    for target in (wire.link_local(env.server_mac[0]), config.PORT_ADDRESSES[0]):
        host, body = Neighbour(env), b"\x12\x34\x00\x01" + bytes(range(56))
        source = None
        if not address(target).is_link_local:
            source = config.RELAY_NETWORK[0][int.from_bytes(host.mac[2:], "big")]
        host.send(target, 128, body, hop_limit=64, source=source)
        frame = host.answer(129, ANSWER_S, to=source)
        expect(frame is not None, f"no echo reply from {target}")
        expect(frame.payload[4:] == body and frame.source == address(target), "another answer")
        expect(not frame.faults and frame.destination_mac == host.mac, f"{frame.faults}")


GROUPS = {wire.ALL_RELAYS_AND_SERVERS.packed, wire.ALL_SERVERS.packed}


def _groups(frame):
    """Groups that an MLDv2 report says are listened to (RFC 3810 5.2)."""
    found, at = set(), 8
    for _ in range(int.from_bytes(frame.payload[6:8], "big")):
        kind, auxiliary, sources = struct.unpack_from("!BBH", frame.payload, at)
        if kind in (2, 4):
            found.add(frame.payload[at + 4:at + 20])
        at += 20 + 16 * sources + 4 * auxiliary
    return found


@check("mld-query-answered", "RFC 3810 6.2",
       "An MLDv2 query is answered with a report that lists ff02::1:2 and ff05::1:3.")
def mld(env):
    for port in (0, 1):
        host = Neighbour(env, port)
        env.reports.clear()
        to = address("ff02::1")
        packet = wire.icmpv6(host.address, to, 130, struct.pack("!HH", 100, 0) + bytes(16)
                             + struct.pack("!BBH", 2, 125, 0))
        packet = bytes([wire.ICMPV6, 0, 5, 2, 0, 0, 1, 0]) + packet     # router alert
        env.ports[port].send(wire.ethernet(wire.multicast_mac(to), host.mac, wire.ipv6(
            host.address, to, wire.HOP_BY_HOP, packet, hop_limit=1)))
        found = set()

        def complete(frame):
            found.update(_groups(frame))
            return GROUPS <= found

        frame = env.await_icmp(port, env.reports, complete, ANSWER_S)
        expect(frame is not None, f"port {port}: groups reported: "
               f"{sorted(str(address(group)) for group in found)}")
        expect(frame.destination == address("ff02::16") and frame.hop_limit == 1
               and not frame.faults, f"to {frame.destination}, hop limit {frame.hop_limit}, "
               f"{frame.faults}")
