"""Ethernet, VLAN tags, IPv6, UDP and ICMPv6 as bytes and back, and a raw socket on one interface of a
network namespace. Nothing here uses the kernel's IPv6: every header is ours."""

import ctypes
import ipaddress
import os
import socket
import struct
import time

from dhcp6 import DecodeError, address, packed

ETH_P_ALL, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD = 0x0003, 0x86DD, 0x8100, 0x88A8
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
CLONE_NEWNET = 0x40000000
UDP, ICMPV6, HOP_BY_HOP, DESTINATION_OPTIONS, FRAGMENT = 17, 58, 0, 60, 44
CLIENT_PORT, SERVER_PORT = 546, 547
ALL_RELAYS_AND_SERVERS = address("ff02::1:2")
ALL_SERVERS = address("ff05::1:3")

_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def checksum(source, destination, protocol, data):
    """One's complement sum over pseudo-header and data, complemented (RFC 8200 8.1)."""
    return ~_sum(_pseudo(source, destination, protocol, len(data)) + data) & 0xFFFF


def pseudo_header_sum(source, destination, protocol, size):
    """What a sender with checksum offload leaves in the field: the sum of the pseudo-header only."""
    return _sum(_pseudo(source, destination, protocol, size))


def _pseudo(source, destination, protocol, size):
    return packed(source) + packed(destination) + struct.pack("!IHBB", size, 0, 0, protocol)


def _sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def multicast_mac(group):
    return b"\x33\x33" + packed(group)[12:]


def link_local(mac):
    """EUI-64 link-local address of a MAC (RFC 4291 appendix A)."""
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3]
                                 + b"\xff\xfe" + mac[3:])


def ethernet(destination, source, payload, tags=(), ethertype=ETH_P_IPV6):
    """tags: (tpid, tci) pairs, outermost first."""
    head = destination + source
    for tpid, tci in tags:
        head += struct.pack("!HH", tpid, tci)
    return head + struct.pack("!H", ethertype) + payload


def ipv6(source, destination, next_header, payload, hop_limit=64, length=None):
    size = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28, size, next_header, hop_limit) + packed(source) \
        + packed(destination) + payload


def udp(source, destination, source_port, destination_port, data, check=None, length=None):
    """check: None for the right checksum, else the value to write."""
    size = len(data) + 8 if length is None else length
    head = struct.pack("!HHHH", source_port, destination_port, size, 0)
    if check is None:
        check = checksum(source, destination, UDP, head + data) or 0xFFFF
    return head[:6] + struct.pack("!H", check) + data


def icmpv6(source, destination, kind, body, code=0):
    head = bytes([kind, code, 0, 0]) + body
    return head[:2] + struct.pack("!H", checksum(source, destination, ICMPV6, head)) + head[4:]


class Frame:
    """A received frame taken apart. `faults` names what is wrong with its headers."""

    def __init__(self, data, tags=()):
        self.raw = data
        self.faults = []
        self.destination_mac, self.source_mac = data[:6], data[6:12]
        self.tags = list(tags)
        kind, at = struct.unpack_from("!H", data, 12)[0], 14
        while kind in (ETH_P_8021Q, ETH_P_8021AD):
            self.tags.append((kind, struct.unpack_from("!H", data, at)[0]))
            kind = struct.unpack_from("!H", data, at + 2)[0]
            at += 4
        if kind != ETH_P_IPV6:
            raise DecodeError(f"ethertype {kind:#x}")
        first, size, self.protocol, self.hop_limit = struct.unpack_from("!IHBB", data, at)
        if first >> 28 != 6:
            self.faults.append("IP version is not 6")
        self.source = ipaddress.IPv6Address(data[at + 8:at + 24])
        self.destination = ipaddress.IPv6Address(data[at + 24:at + 40])
        self.payload = data[at + 40:at + 40 + size]
        if len(self.payload) != size:
            self.faults.append(f"IPv6 payload length {size}, but {len(self.payload)} octets follow")
        self.source_port = self.destination_port = self.data = None
        if self.protocol == UDP and len(self.payload) >= 8:
            self._udp()
        elif self.protocol == HOP_BY_HOP and len(self.payload) >= 8:
            skip = 8 * (self.payload[1] + 1)
            self.protocol, self.payload = self.payload[0], self.payload[skip:]
        if self.protocol == ICMPV6 and self._sum_is_wrong(ICMPV6):
            self.faults.append("ICMPv6 checksum is wrong")

    def _udp(self):
        self.source_port, self.destination_port, size, check = struct.unpack_from(
            "!HHHH", self.payload)
        self.data = self.payload[8:]
        if size != len(self.payload):
            self.faults.append(f"UDP length {size} of {len(self.payload)} octets")
        if check == 0:
            self.faults.append("UDP checksum is 0")
        elif self._sum_is_wrong(UDP):
            self.faults.append("UDP checksum is wrong")

    def _sum_is_wrong(self, protocol):
        return _sum(_pseudo(self.source, self.destination, protocol, len(self.payload))
                    + self.payload) != 0xFFFF


class RawPort:
    """An AF_PACKET socket on one interface inside a named network namespace."""

    def __init__(self, namespace, interface):
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        try:
            _setns(there)
            try:
                self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                            socket.htons(ETH_P_ALL))
            finally:
                _setns(here)
        finally:
            os.close(here)
            os.close(there)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((interface, ETH_P_ALL))
        self.interface = interface

    def send(self, frame):
        self.socket.send(frame.ljust(60, b"\0"))

    def receive(self, deadline):
        """The next IPv6 frame before `deadline` (monotonic seconds), or None."""
        while True:
            left = deadline - time.monotonic()
            self.socket.settimeout(max(left, 0.0005))
            try:
                data, ancillary, _, origin = self.socket.recvmsg(65536, 256)
            except (TimeoutError, BlockingIOError):
                return None
            if origin[2] == PACKET_OUTGOING or len(data) < 54:
                continue
            try:
                return Frame(data, _stripped_tag(ancillary))
            except (DecodeError, struct.error):
                continue

    def close(self):
        self.socket.close()


def _stripped_tag(ancillary):
    """The VLAN tag that the kernel took out of the frame (struct tpacket_auxdata)."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA and len(data) >= 20:
            flags, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
            if flags & TP_STATUS_VLAN_VALID:
                return ((tpid if flags & TP_STATUS_VLAN_TPID_VALID else ETH_P_8021Q, tci),)
    return ()
