#!/usr/bin/env python3
"""Make fuzz seeds from packet captures.

    make_corpus.py --out tests/fuzz/corpus CAPTURE-OR-FOLDER...

Reads pcap and pcapng files and writes each Ethernet frame to OUT/frame/ and each DHCPv6 message
(UDP port 546 or 547) to OUT/message/. A seed is named after the hash of its bytes, so the same
bytes are written once and running it again changes nothing. Files it cannot read are skipped with
a line on stderr: captures made to break parsers are welcome here.
"""
import argparse
import hashlib
import os
import struct
import sys

PCAP_MAGICS = {b"\xa1\xb2\xc3\xd4": ">", b"\xd4\xc3\xb2\xa1": "<",
               b"\xa1\xb2\x3c\x4d": ">", b"\x4d\x3c\xb2\xa1": "<"}
PCAPNG_SECTION = b"\x0a\x0d\x0d\x0a"
LINK_NULL, LINK_ETHERNET, LINK_SLL, LINK_SLL2 = 0, 1, 113, 276
LINK_RAW = (12, 14, 101, 229)
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
EXTENSIONS = (0, 43, 60)
DHCP6_PORTS = (546, 547)
SEED_SIZE_MAX = 9216


def pcap_packets(data):
    order = PCAP_MAGICS[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack_from(order + "I", data, at + 8)[0]
        yield link, data[at + 16:at + 16 + captured]
        at += 16 + captured


def pcapng_packets(data):
    order, links, at = "<", [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == PCAPNG_SECTION:
            order = ">" if data[at + 8:at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            links = []
        kind, size = struct.unpack_from(order + "II", data, at)
        body = data[at + 8:at + size - 4]
        if size < 12 or size % 4:
            raise ValueError("block size %d at offset %d" % (size, at))
        if kind == 1:
            links.append(struct.unpack_from(order + "H", body)[0])
        elif kind == 6:
            interface, _, _, captured = struct.unpack_from(order + "IIII", body)
            yield links[interface], body[20:20 + captured]
        elif kind == 3:
            yield links[0], body[4:4 + struct.unpack_from(order + "I", body)[0]]
        at += size


def packets(data):
    if data[:4] in PCAP_MAGICS:
        return pcap_packets(data)
    if data[:4] == PCAPNG_SECTION:
        return pcapng_packets(data)
    raise ValueError("neither pcap nor pcapng")


def ip_packet(link, packet):
    """The IP packet in a captured one, or None."""
    if link in LINK_RAW:
        return packet
    if link == LINK_NULL:
        return packet[4:]
    if link == LINK_SLL:
        return packet[16:]
    if link == LINK_SLL2:
        return packet[20:]
    if link != LINK_ETHERNET:
        return None
    at = 12
    while at + 2 <= len(packet) and struct.unpack_from(">H", packet, at)[0] in VLAN_TYPES:
        at += 4
    return packet[at + 2:]


def udp_datagram(packet):
    """The UDP datagram in an IP packet, or None. IPv4 too: made-up captures carry DHCPv6 over it."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        return packet[4 * (packet[0] & 15):] if packet[9] == 17 else None
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return None
    kind, at = packet[6], 40
    while kind in EXTENSIONS and at + 8 <= len(packet):
        kind, at = packet[at], at + 8 * (packet[at + 1] + 1)
    return packet[at:] if kind == 17 else None


def dhcp6_message(packet):
    """The DHCPv6 message in an IP packet, or None; cut short where the capture was."""
    datagram = udp_datagram(packet) if packet else None
    if datagram is None or len(datagram) < 8:
        return None
    source, destination, size = struct.unpack_from(">HHH", datagram)
    if source not in DHCP6_PORTS and destination not in DHCP6_PORTS:
        return None
    return datagram[8:max(size, 8)]


def capture_files(paths):
    for path in paths:
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                yield os.path.join(path, name)
        else:
            yield path


def seed_write(folder, seed):
    """True when the seed is new."""
    path = os.path.join(folder, hashlib.sha256(seed).hexdigest()[:16])
    if not seed or len(seed) > SEED_SIZE_MAX or os.path.exists(path):
        return False
    with open(path, "wb") as file:
        file.write(seed)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, help="folder of the corpora")
    parser.add_argument("--max", type=int, default=200, help="most seeds in a corpus (200)")
    parser.add_argument("captures", nargs="+")
    args = parser.parse_args()
    counts = {}
    for target in ("frame", "message"):
        os.makedirs(os.path.join(args.out, target), exist_ok=True)
        counts[target] = len(os.listdir(os.path.join(args.out, target)))
    for path in capture_files(args.captures):
        try:
            with open(path, "rb") as file:
                for link, packet in packets(file.read()):
                    seeds = {"frame": packet if link == LINK_ETHERNET else None,
                             "message": dhcp6_message(ip_packet(link, packet))}
                    for target, seed in seeds.items():
                        if seed and counts[target] < args.max:
                            counts[target] += seed_write(os.path.join(args.out, target), seed)
        except (OSError, ValueError, IndexError, struct.error) as error:
            print("%s: %s" % (path, error), file=sys.stderr)
    for target, count in counts.items():
        print("%s: %d seeds" % (target, count))


if __name__ == "__main__":
    main()
