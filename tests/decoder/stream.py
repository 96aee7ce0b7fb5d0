"""TCP connections put together from captured frames, and messages handed to tshark for a second opinion."""

import re
import select
import socket
import struct
import subprocess
import threading
import time

from failover import Message, Session, frames_read
from options import LQ_RELAY_DATA

ETH_P_ALL = 3
IPV6_AT, TCP_AT = 14, 54
FIN, SYN = 0x01, 0x02
SO_RCVBUFFORCE = 33
# tshark knows the options of RFC 8156 but not its messages, so each becomes a Reply of a DHCPv6 server.
AS_TYPE = 7
# It does not know the status codes of RFC 8156 either: the decoder does.
STATUS = re.compile(r"Status Code: Unknown \((1[6-9]|2[0-2])\)")
SIGNS = ("malformed", "unknown", "unreassembled", "[bad", "expert info (error", "expert info (warning")
PCAP_HEAD = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


class Half:
    """The octets one side of a connection sent, in order, each run with the time it was complete."""

    def __init__(self, next_sequence):
        self.next = next_sequence
        self.early = {}         # sequence: octets, of segments that overtook others
        self.octets = b""

    def add(self, sequence, data):
        self.early[sequence] = max(self.early.get(sequence, b""), data, key=len)
        grown = True
        while grown:
            grown = False
            for start in list(self.early):
                ahead = (self.next - start) % 2**32
                if ahead < 2**31:
                    data = self.early.pop(start)[ahead:]
                    self.octets += data
                    self.next = (self.next + len(data)) % 2**32
                    grown = True

    def missing(self):
        return bool(self.early)


class Connection:
    def __init__(self, client):
        self.client = client            # address and port of who opened it
        self.halves = {}                # from the client?: Half
        self.session = Session()
        self.left = {True: b"", False: b""}
        self.plain = True

    def take(self, from_client, sequence, data, at):
        half = self.halves.setdefault(from_client, Half(sequence))
        half.add(sequence, data)
        frames, self.left[from_client] = frames_read(self.left[from_client] + half.octets)
        half.octets = b""
        for frame in frames:
            if self.plain:
                self.session.add(from_client, Message(frame, at))
                # STARTTLS, its REPLY, then TLS: no more frames to read.
                self.plain = not (frame[:1] == b"\x07")

    def faults(self):
        faults = list(self.session.faults)
        for from_client, half in self.halves.items():
            if half.missing():
                faults.append(f"octets from the {self.session.sides[from_client].name} were not captured")
        return faults


class Tap:
    """Takes every TCP segment of a port that passes an interface, until it is closed."""

    def __init__(self, made_socket, interface, port):
        self.socket, self.port = made_socket, port
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((interface, ETH_P_ALL))
        self.connections = []           # in the order they were opened
        self.open = {}                  # (client, server): Connection
        self.closing = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while not self.closing:
            try:
                if select.select([self.socket], [], [], 0.2)[0]:
                    self.take(self.socket.recv(1 << 17), time.time())
            except OSError:
                time.sleep(0.05)        # the interface is down for a while

    def take(self, frame, at):
        if frame[12:14] != b"\x86\xdd" or frame[20] != 6 or len(frame) < TCP_AT + 20:
            return
        size, = struct.unpack_from("!H", frame, 18)
        source, target, sequence = struct.unpack_from("!HHI", frame, TCP_AT)
        begin = TCP_AT + (frame[TCP_AT + 12] >> 4) * 4
        data = frame[begin:IPV6_AT + 40 + size]
        ends = (frame[22:38], source), (frame[38:54], target)
        if self.port not in (source, target):
            return
        from_client = target == self.port
        key = ends if from_client else ends[::-1]
        if frame[TCP_AT + 13] & SYN:
            if from_client and (key not in self.open or self.open[key].halves.get(True)):
                self.open[key] = Connection(ends[0])
                self.connections.append(self.open[key])
            if key in self.open:
                self.open[key].halves.setdefault(from_client, Half((sequence + 1) % 2**32))
        elif data and key in self.open:
            self.open[key].take(from_client, sequence, data, at)

    def close(self):
        self.closing = True
        self.thread.join()
        self.socket.close()

    def sessions(self):
        """Connections on which something was said."""
        return [connection for connection in self.connections if connection.session.messages]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def datagram(payload, source_port, target_port):
    """An Ethernet frame with the payload in a UDP datagram between two link-local addresses."""
    addresses = bytes.fromhex("fe80" + "00" * 13 + "01" "fe80" + "00" * 13 + "02")
    udp = struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload
    udp = udp[:6] + struct.pack("!H", checksum(addresses + struct.pack("!IHBB", len(udp), 0, 0, 17) + udp)) + udp[8:]
    return bytes.fromhex("020000000002 020000000001 86dd") + \
        struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + addresses + udp


def as_packets(message):
    """The message's options and transaction-id behind a Reply header, 547 to 546; and what relays said, as
    they said it, since tshark takes the Relay-forward in LQ_RELAY_DATA for text."""
    yield datagram(bytes([AS_TYPE]) + message.xid + message.frame[message.header_size():], 547, 546)
    for top in message.options:
        for relayed in top.all(LQ_RELAY_DATA):
            yield datagram(relayed.data[16:], 547, 547)


def pcap_write(path, messages):
    """Returns how many packets it made of them."""
    count = 0
    with open(path, "wb") as file:
        file.write(PCAP_HEAD)
        for message in messages:
            at = message.at or 0.0
            for frame in as_packets(message):
                file.write(struct.pack("=IIII", int(at), int(at % 1 * 1e6), len(frame), len(frame)) + frame)
                count += 1
    return count


def tshark_faults(path, count):
    """What tshark finds wrong with the file: packets of another kind, malformed ones, options without a name."""
    done = subprocess.run(["tshark", "-r", path, "-V", "-O", "dhcpv6", "-o", "udp.check_checksum:TRUE"],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        return [f"tshark ended with {done.returncode}: {done.stderr.strip()}"]
    return dissection_faults(done.stdout, count)


def dissection_faults(text, count):
    packets = ["Frame " + part for part in ("\n" + text).split("\nFrame ")[1:]]
    faults = [] if len(packets) == count else [f"tshark shows {len(packets)} packets of {count}"]
    for packet in packets:
        head = packet.split("\n", 1)[0].split(":")[0]
        if not any(f"Message type: {kind}" in packet for kind in ("Reply (7)", "Relay-forw (12)")):
            faults.append(f"{head}: no Reply and no Relay-forward")
        before = ""
        for line in packet.splitlines():
            low = line.lower()
            if any(sign in low for sign in SIGNS) and not STATUS.search(line) and \
                    "DHCPv6 relay message: " not in before:
                faults.append(f"{head}: {line.strip()}")
            before = line
    return faults
