"""What the system tests see of the wire: DHCPv6 messages decoded, an interface's capture of them, a cable
that tags frames, and a client of one message."""

import errno
import ipaddress
import json
import select
import socket
import struct
import threading
import time

from lab import run, wait_for

(SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE,
 RECONFIGURE, INFORMATION_REQUEST) = range(1, 12)
NAMES = ("", "Solicit", "Advertise", "Request", "Confirm", "Renew", "Rebind", "Reply", "Release",
         "Decline", "Reconfigure", "Information-request")
(CLIENTID, SERVERID, IA_NA, IAADDR, ORO, STATUS_CODE, RAPID_COMMIT, DNS_SERVERS, IA_PD,
 IAPREFIX) = (1, 2, 3, 5, 6, 13, 14, 23, 25, 26)
CLIENT_PORT, SERVER_PORT = 546, 547
ETH_P_ALL, ETH_P_IPV6, PACKET_OUTGOING = 3, 0x86DD, 4
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
UDP_AT, PAYLOAD_AT = 54, 62     # behind Ethernet and IPv6; behind UDP too


def options_read(data):
    """Pairs of code and octets."""
    found = []
    while len(data) >= 4:
        code, size = struct.unpack_from("!HH", data)
        found.append((code, data[4:4 + size]))
        data = data[4 + size:]
    return found


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def status_of(options):
    """The status code among options; 0 (Success) without one (RFC 9915 21.13)."""
    return next((struct.unpack_from("!H", data)[0] for code, data in options if code == STATUS_CODE), 0)


class Ia:
    """One IA of a message: its times, status and leases, a lease being (resource, preferred, valid)."""

    def __init__(self, code, data):
        self.type = "na" if code == IA_NA else "pd"
        self.iaid, self.t1, self.t2 = struct.unpack_from("!III", data)
        options = options_read(data[12:])
        self.status = status_of(options)
        self.leases = []
        for lease_code, lease in options:
            if lease_code == IAADDR:
                self.leases.append((str(ipaddress.IPv6Address(lease[:16])),
                                    *struct.unpack_from("!II", lease, 16)))
            elif lease_code == IAPREFIX:
                preferred, valid, length = struct.unpack_from("!IIB", lease)
                address = ipaddress.IPv6Address(lease[9:25])
                self.leases.append((f"{address}/{length}", preferred, valid))

    def __str__(self):
        leases = ", ".join(f"{name} {preferred}/{valid}" for name, preferred, valid in self.leases)
        return f"{self.type} {self.iaid:x} T1 {self.t1} T2 {self.t2} status {self.status} [{leases}]"


class Message:
    """One DHCPv6 message between client and server."""

    def __init__(self, data, outgoing=False):
        self.at = time.monotonic()
        self.data, self.outgoing = data, outgoing
        self.type, self.xid = data[0], data[1:4]
        self.options = options_read(data[4:])
        self.status = status_of(self.options)
        self.ias = [Ia(code, body) for code, body in self.options if code in (IA_NA, IA_PD)]

    def option(self, code):
        return next((data for found, data in self.options if found == code), None)

    def leases(self):
        """{resource: (preferred, valid)} of all IAs."""
        return {name: (preferred, valid) for ia in self.ias for name, preferred, valid in ia.leases}

    def __str__(self):
        name = NAMES[self.type] if self.type < len(NAMES) else f"type {self.type}"
        codes = " ".join(str(code) for code, _ in self.options)
        ias = "".join(f"; {ia}" for ia in self.ias)
        return f"{'>' if self.outgoing else '<'} {name} {self.xid.hex()} options {codes}, " \
               f"status {self.status}{ias}"


class Capture:
    """Every DHCPv6 message that passes an interface, both ways, from now on until the lab closes."""

    def __init__(self, lab, namespace, interface):
        self.messages = []
        self.socket = lab.socket(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, ETH_P_ALL))
        self.started = time.monotonic()
        self.closing = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        lab.closers.append(self.close)

    def read(self):
        while not self.closing:
            if not select.select([self.socket], [], [], 0.2)[0]:
                continue
            try:
                frame, (_, _, kind, _, _) = self.socket.recvfrom(9000)
            except OSError as error:    # the interface went
                if error.errno == errno.ENETDOWN:
                    continue
                return
            if frame[12:14] == b"\x86\xdd" and frame[20:21] == b"\x11" and len(frame) > PAYLOAD_AT + 4:
                ports = struct.unpack_from("!HH", frame, UDP_AT)
                if CLIENT_PORT in ports or SERVER_PORT in ports:
                    self.messages.append(Message(frame[PAYLOAD_AT:], kind == PACKET_OUTGOING))

    def close(self):
        self.closing = True
        self.thread.join()
        self.socket.close()

    def sent(self, *types, after=0):
        """Messages of the types that left, behind the first `after` ones captured."""
        return [m for m in self.messages[after:] if m.outgoing and m.type in types]

    def exchanges(self, request, answer=REPLY, after=0):
        """Pairs of a request and the first answer to it."""
        pairs, open_requests = [], {}
        for message in self.messages[after:]:
            if message.outgoing and message.type == request:
                open_requests[message.xid] = message
            elif not message.outgoing and message.type == answer and message.xid in open_requests:
                pairs.append((open_requests.pop(message.xid), message))
        return pairs

    def wait_exchange(self, request, answer=REPLY, count=1, timeout=15.0, after=0):
        """The count-th exchange, once it was seen."""
        def seen():
            return self.exchanges(request, answer, after)[count - 1:]
        what = f"{count} × {NAMES[request]} answered by {NAMES[answer]}"
        return wait_for(what, seen, timeout)[0]

    def story(self, last=12):
        """The last messages as text, for the report of a failure."""
        return "\n".join(f"    {m.at - self.started:7.3f} {m}" for m in self.messages[-last:])


class Tagger:
    """Joins two interfaces of one namespace as a switch joins an access port to a trunk: frames from the
    inside get the tags ((TPID, VLAN id), outermost first); frames from the outside must have just these, and
    lose them. In user space, as not every kernel has VLAN devices."""

    def __init__(self, lab, namespace, inside, outside, tags):
        self.tags = b"".join(struct.pack("!HH", tpid, vlan) for tpid, vlan in tags)
        self.passed = 0
        self.wrong = []     # the heads of frames from outside with other tags or none
        self.closing = False
        self.sockets = []
        for interface in (inside, outside):
            lab.server_port(namespace, interface)
            made = lab.socket(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            made.bind((interface, ETH_P_ALL))
            self.sockets.append(made)
        self.thread = threading.Thread(target=self.pump, daemon=True)
        self.thread.start()
        lab.closers.append(self.close)

    @staticmethod
    def receive(from_socket):
        """A frame with all its tags, None when it is one of our own on its way out. The kernel keeps the
        outermost tag beside the frame."""
        frame, auxiliary, _, sender = from_socket.recvmsg(9000, socket.CMSG_SPACE(20))
        if sender[2] == PACKET_OUTGOING:
            return None
        for _, kind, data in auxiliary:
            if kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data)
                if status & TP_STATUS_VLAN_VALID:
                    tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                    frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
        return frame

    def forward(self, ready):
        inside, outside = self.sockets
        frame = self.receive(ready)
        if frame is None:
            return
        if ready is inside:
            outside.send(frame[:12] + self.tags + frame[12:])
        elif frame[12:12 + len(self.tags)] == self.tags:
            self.passed += 1
            inside.send(frame[:12] + frame[12 + len(self.tags):])
        else:
            self.wrong.append(frame[:24].hex())

    def pump(self):
        while not self.closing:
            for ready in select.select(self.sockets, [], [], 0.2)[0]:
                try:
                    self.forward(ready)
                except OSError:     # an interface is going or not yet up
                    pass

    def close(self):
        self.closing = True
        self.thread.join()
        for each in self.sockets:
            each.close()


class Asker:
    """Sends single messages from the client port of an interface, as clients of any DUID."""

    def __init__(self, lab, namespace, interface):
        self.socket = lab.socket(namespace, socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self.socket.bind(("::", CLIENT_PORT))
        self.scope = json.loads(run("ip", "-j", "-n", namespace, "link", "show", interface))[0]["ifindex"]
        self.xid = 0x100000
        lab.closers.append(self.socket.close)

    def ask(self, kind, *options, timeout=2.0):
        """The answer, or None when there is none in time."""
        self.xid += 1
        xid = self.xid.to_bytes(3, "big")
        self.socket.sendto(bytes([kind]) + xid + option(8, b"\0\0") + b"".join(options),
                           ("ff02::1:2", SERVER_PORT, 0, self.scope))
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if select.select([self.socket], [], [], end - time.monotonic())[0]:
                message = Message(self.socket.recv(9000))
                if message.xid == xid:
                    return message
        return None

    def solicit_rapid(self, number, timeout=2.0):
        """Asks for an address with Rapid Commit as client `number`: one message, one lease."""
        return self.ask(SOLICIT, option(CLIENTID, duid(number)), option(RAPID_COMMIT),
                        option(IA_NA, struct.pack("!III", number, 0, 0)), timeout=timeout)

    def information(self, *codes):
        return self.ask(INFORMATION_REQUEST, option(CLIENTID, duid(0)),
                        option(ORO, struct.pack(f"!{len(codes)}H", *codes)))


def duid(number):
    """A DUID-EN (RFC 9915 11.3) of the enterprise number for examples (RFC 5612)."""
    return struct.pack("!HIQ", 2, 32473, number)
