"""What the checks stand on: the table of checks, clients behind paths, exchanges with the server."""

import ipaddress
import time
from collections import namedtuple

import config
import dhcp6
import rules
import wire
from dhcp6 import address

RETRANSMIT_S = 1.0  # then a client sends its message again (REQ_TIMEOUT, RFC 9915 7.6)
ANSWER_S = 2.0      # a live server answers within this
SILENCE_S = 0.1     # after a sentinel was answered, how much longer a forbidden answer is awaited
READY_S = 60.0

Check = namedtuple("Check", "name clause rule run phase")
CHECKS = []


class Failed(Exception):
    """The server broke the rule of a check."""


def check(name, clause, rule, phase="main"):
    """Registers a function as a check. Phases run in this order: main, restart, final."""
    def register(run):
        CHECKS.append(Check(name, clause, rule, run, phase))
        return run
    return register


def expect(condition, text):
    if not condition:
        raise Failed(text)


class Direct:
    """A client on the wire of one of the server's ports."""

    def __init__(self, link=None, port=None, tags=()):
        self.link = link or config.DIRECT
        self.port = self.link.port if port is None else port
        self.tags = tuple(tags)
        self.levels = []

    def bind(self, client):
        self.mac = client.mac
        self.source = wire.link_local(client.mac)
        self.source_port = wire.CLIENT_PORT
        self.reply_port = wire.CLIENT_PORT
        self.destination = wire.ALL_RELAYS_AND_SERVERS

    def wrap(self, data):
        return data


class Level:
    """One relay agent on the way: what it writes into its Relay-forward."""

    def __init__(self, link, hop=None, peer=None, options=()):
        self.link, self.hop, self.peer, self.options = address(link), hop, peer, list(options)


class Relay:
    """A client behind relay agents. `levels` are innermost first; None makes the usual single one
    for `link`. Each client gets a relay of its own, so that answers are told apart by address."""

    def __init__(self, link=None, options=(), levels=None, source_port=wire.SERVER_PORT,
                 reply_port=wire.SERVER_PORT, destination=None, port=0, tags=()):
        self.link = link or config.MAIN
        self.levels = levels if levels is not None else [Level(self.link.relay, 0, None, options)]
        self.source_port, self.reply_port = source_port, reply_port
        self.destination = address(destination or config.PORT_ADDRESSES[port])
        self.port = port
        self.tags = tuple(tags)

    def bind(self, client):
        self.mac = client.mac
        self.source = config.RELAY_NETWORK[self.port][client.number]
        for index, level in enumerate(self.levels):
            if level.hop is None:
                level.hop = index
            if level.peer is None:
                level.peer = wire.link_local(client.mac) if index == 0 else \
                    address(f"2001:db8:ee:{index:x}::{client.number:x}")
            level.peer = address(level.peer)

    def wrap(self, data):
        for level in self.levels:
            data = dhcp6.relay_forward(level.hop, level.link, level.peer, *level.options,
                                       (dhcp6.RELAY_MSG, data))
        return data


class Client:
    """One DHCPv6 client with its own DUID, MAC and addresses."""

    def __init__(self, env, path=None, duid=None, mac=None, extra=(), oro=(dhcp6.SOL_MAX_RT,)):
        self.env = env
        self.number = env.next_number()
        self.mac = mac or bytes([0x02, 0xC1]) + self.number.to_bytes(4, "big")
        self.duid = duid or self._make_duid()
        self.path = path or Relay()
        self.path.bind(self)
        env.neighbours[self.path.source] = env.neighbours[wire.link_local(self.mac)] = self.mac
        self.extra = list(extra)
        self.oro = oro

    def _make_duid(self):
        kind = self.number % 4
        seed = b"conform!" + self.number.to_bytes(8, "big")
        if kind == 0:
            return b"\0\x01\0\x01" + self.number.to_bytes(4, "big") + self.mac
        if kind == 1:
            return b"\0\x02\0\0\x7e\xd9" + seed
        if kind == 2:
            return b"\0\x03\0\x01" + self.mac
        return b"\0\x04" + seed

    def sibling(self, path):
        """The same client (DUID, MAC) on another path."""
        return Client(self.env, path, duid=self.duid, mac=self.mac, extra=self.extra, oro=self.oro)

    # -- sending --

    def build(self, kind, *options, client=True, server=None, oro=None, xid=None):
        """Octets of a client message. server: True for the server's own DUID, or octets."""
        head = []
        if client:
            head.append(dhcp6.client_id(self.duid))
        if server is None:
            server = kind in (dhcp6.REQUEST, dhcp6.RENEW, dhcp6.RELEASE, dhcp6.DECLINE)
        if server:
            head.append(dhcp6.server_id(self.env.server_duid if server is True else server))
        head.append(dhcp6.elapsed())
        wanted = self.oro if oro is None else oro
        if wanted and kind not in (dhcp6.RELEASE, dhcp6.DECLINE, dhcp6.CONFIRM):
            head.append(dhcp6.oro(*wanted))
        return dhcp6.message(kind, self.env.next_xid() if xid is None else xid,
                             *head, *self.extra, *options)

    def send(self, data, **how):
        """Puts a client message (or any octets) on the wire through the path."""
        self.send_raw(self.path.wrap(data), **how)

    def send_raw(self, data, source_port=None, destination_port=wire.SERVER_PORT, destination=None,
                 source=None, check=None, udp_length=None, ip_length=None, extension=None,
                 mac=None):
        path = self.path
        source = address(source or path.source)
        to = address(destination or path.destination)
        packet = wire.udp(source, to, source_port or path.source_port, destination_port, data,
                          check=check, length=udp_length)
        protocol = wire.UDP
        if extension is not None:
            kind, body = extension
            packet, protocol = bytes([wire.UDP]) + body + packet, kind
        packet = wire.ipv6(source, to, protocol, packet, length=ip_length)
        if mac is None:
            mac = wire.multicast_mac(to) if to.is_multicast else self.env.server_mac[path.port]
        self.env.ports[path.port].send(wire.ethernet(mac, path.mac, packet, path.tags))

    # -- exchanges --

    def ask(self, kind, *options, how=None, timeout=ANSWER_S, **build):
        """Sends a message and returns the answer, which has passed the rules for every answer."""
        return self.exchange(self.build(kind, *options, **build), how=how, timeout=timeout)

    def exchange(self, data, how=None, timeout=ANSWER_S):
        self.send(data, **(how or {}))
        if data[0] in (dhcp6.RELEASE, dhcp6.DECLINE):
            return self.answer(data, timeout)   # a second one would find the lease gone
        frame = self.env.await_frame(self.path.port, self._is_mine(_xid(data)), RETRANSMIT_S)
        if frame is None:
            self.env.retransmitted.add(_xid(data))
            self.send(data, **(how or {}))
            return self.answer(data, timeout)
        return self._judge(data, frame)

    def answer(self, data, timeout=ANSWER_S):
        """Awaits the answer to `data`, sent before."""
        frame = self.env.await_frame(self.path.port, self._is_mine(_xid(data)), timeout)
        kind = dhcp6.MESSAGE_NAMES.get(data[0], str(data[0]))
        expect(frame is not None, f"no answer to {kind}")
        return self._judge(data, frame)

    def _judge(self, data, frame):
        kind = dhcp6.MESSAGE_NAMES.get(data[0], str(data[0]))
        try:
            return rules.judge(self.env, self, data, frame)
        except dhcp6.DecodeError as error:
            self.env.violation("decodes", f"answer to {kind}: {error}")
            raise Failed(f"answer to {kind} is malformed: {error}") from None

    def _is_mine(self, xid):
        return lambda frame: frame.destination == self.path.source \
            and dhcp6.innermost_xid(frame.data) == xid

    def silent(self, kind, *options, how=None, **build):
        """Sends a message that must not be answered, and proves it with a sentinel."""
        self.silent_raw(self.path.wrap(self.build(kind, *options, **build)), **(how or {}))

    def silent_raw(self, data, **how):
        self.send_raw(data, **how)
        self.env.sentinel(self.path)
        frame = self.env.await_frame(self.path.port,
                                     lambda frame: frame.destination == self.path.source, SILENCE_S)
        if frame is not None:
            try:
                _, inner = dhcp6.unwrap(frame.data)
                text = repr(dhcp6.Message(inner))
            except dhcp6.DecodeError as error:
                text = f"something malformed ({error})"
            raise Failed(f"answered with {text}")

    def survives(self, data, **how):
        """Sends odd octets. No answer is fine and so is a well-formed one, which is returned."""
        self.send(data, **how)
        self.env.sentinel(self.path)
        frame = self.env.await_frame(self.path.port,
                                     lambda frame: frame.destination == self.path.source, SILENCE_S)
        if frame is None:
            return None
        try:
            _, inner = dhcp6.unwrap(frame.data)
            return dhcp6.Message(inner)
        except dhcp6.DecodeError as error:
            raise Failed(f"answer is malformed: {error}") from None

    # -- usual flows --

    def solicit(self, *options, **build):
        answer = self.ask(dhcp6.SOLICIT, *options, **build)
        expect(answer.kind == dhcp6.ADVERTISE, f"SOLICIT answered by {answer}")
        return answer

    def obtain(self, *options, **build):
        """SOLICIT, then REQUEST of exactly what was offered; returns the Reply."""
        offer = self.solicit(*options, **build)
        answer = self.ask(dhcp6.REQUEST, *echo_ias(offer), **build)
        expect(answer.kind == dhcp6.REPLY, f"REQUEST answered by {answer}")
        return answer

    def lease(self, iaid=1, **build):
        """Obtains one address and returns it."""
        ia = self.obtain(dhcp6.ia_na(iaid), **build).na(iaid)
        expect(ia and len(ia.live()) == 1, f"one address expected, got {ia}")
        return ia.keys()[0]

    def delegate(self, iaid=1, *hints, **build):
        """Obtains one prefix and returns it."""
        ia = self.obtain(dhcp6.ia_pd(iaid, *hints), **build).pd(iaid)
        expect(ia and len(ia.live()) == 1, f"one prefix expected, got {ia}")
        return ia.keys()[0]

    def renew(self, *options, **build):
        return self.ask(dhcp6.RENEW, *options, **build)

    def holds(self, key, iaid=1):
        """True when a REBIND extends this lease. A RENEW would prove less: where the lease is gone,
        it may make it anew."""
        answer = self.ask(dhcp6.REBIND, ia_with(key, iaid))
        ia = answer.pd(iaid) if "/" in key else answer.na(iaid)
        return bool(ia) and key in ia.keys()

    def release(self, *options, **build):
        return self.ask(dhcp6.RELEASE, *options, **build)


def _xid(data):
    return int.from_bytes(data[1:4], "big")


def ia_with(key, iaid=1):
    """An IA_NA or IA_PD option that holds one lease."""
    if "/" in key:
        return dhcp6.ia_pd(iaid, dhcp6.iaprefix(key))
    return dhcp6.ia_na(iaid, dhcp6.iaaddr(key))


def echo_ias(message):
    """The IAs of an Advertise as a client puts them into its Request."""
    options = []
    for ia in message.ias:
        if ia.code == dhcp6.IA_NA:
            options.append(dhcp6.ia_na(ia.iaid, *[dhcp6.iaaddr(key) for key in ia.keys()]))
        else:
            options.append(dhcp6.ia_pd(ia.iaid, *[dhcp6.iaprefix(key) for key in ia.keys()]))
    return options


class Env:
    """The running laboratory as the checks see it."""

    def __init__(self, lab, ports):
        self.lab = lab
        self.ports = ports
        self.inbox = [[] for _ in ports]
        self.reports = []           # MLDv2 reports seen, (port, Frame)
        self.advertisements = []    # Neighbour Advertisements and echo replies seen
        self.server_duid = None
        self.server_mac = [None] * len(ports)
        self.neighbours = {}        # address -> MAC of every client and relay agent
        self.violations = {}
        self.answers = 0
        self.retransmitted = set()  # transaction-ids of messages that were sent twice
        self.ledger = rules.Ledger()
        self.kept = {}              # what a check of phase main leaves for one of phase restart
        self._number = 0
        self._xid = int(time.time() * 16) & 0x7FFFFF
        self._tiny = list(config.TINY)
        self._sentinels = {}

    def next_number(self):
        self._number += 1
        return self._number

    def next_xid(self):
        self._xid = (self._xid + 1) & 0xFFFFFF
        return self._xid

    def tiny(self):
        """A link with two addresses and two prefixes that no other check uses."""
        expect(self._tiny, "config.TINY is too short for the checks")
        return self._tiny.pop(0)

    def violation(self, rule, text):
        found = self.violations.setdefault(rule, [])
        if text not in found:
            found.append(text)

    # -- frames --

    def _pump(self, port, deadline):
        frame = self.ports[port].receive(deadline)
        if frame is None:
            return False
        if frame.protocol == wire.UDP and frame.data is not None:
            self.inbox[port].append(frame)
        elif frame.protocol == wire.ICMPV6 and frame.payload:
            self._icmp(port, frame)
        return True

    def _icmp(self, port, frame):
        kind = frame.payload[0]
        if kind == 135 and len(frame.payload) >= 24:
            self._answer_neighbour(port, frame)
        elif kind == 143:
            self.reports.append((port, frame))
        elif kind in (129, 136):
            self.advertisements.append((port, frame))

    def _answer_neighbour(self, port, frame):
        """Stands in for our clients and relays when the server looks for them."""
        target = ipaddress.IPv6Address(frame.payload[8:24])
        mac = self.neighbours.get(target)
        if mac is None:
            return
        packet = wire.icmpv6(target, frame.source, 136,
                             b"\x60\0\0\0" + target.packed + b"\x02\x01" + mac)
        self.ports[port].send(wire.ethernet(
            frame.source_mac, mac, wire.ipv6(target, frame.source, wire.ICMPV6, packet,
                                             hop_limit=255)))

    def await_frame(self, port, matches, timeout):
        """Takes the first UDP frame that `matches` out of the inbox, waiting up to `timeout`."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            box = self.inbox[port]
            for index in range(seen, len(box)):
                if matches(box[index]):
                    return box.pop(index)
            seen = len(box)
            if not self._pump(port, deadline) and time.monotonic() >= deadline:
                return None

    def await_icmp(self, port, store, matches, timeout):
        deadline = time.monotonic() + timeout
        while True:
            for have, frame in store:
                if have == port and matches(frame):
                    return frame
            if not self._pump(port, deadline) and time.monotonic() >= deadline:
                return None

    def drain(self):
        """Takes everything that is on its way, then returns the frames nobody has asked for."""
        for port in range(len(self.ports)):
            while self._pump(port, time.monotonic() + SILENCE_S):
                pass
        return [frame for box in self.inbox for frame in box
                if dhcp6.innermost_xid(frame.data) not in self.retransmitted]

    def pause(self, seconds):
        """Lets time pass between two polls of the same condition."""
        for port in range(len(self.ports)):
            deadline = time.monotonic() + seconds / len(self.ports)
            while self._pump(port, deadline):
                pass

    # -- the server --

    def sentinel(self, path):
        """A message that must be answered: proves that the server lives and has come this far."""
        key = (isinstance(path, Relay), path.port)
        if key not in self._sentinels:
            self._sentinels[key] = Client(
                self, Relay(port=path.port) if key[0] else Direct(port=path.port))
        client = self._sentinels[key]
        data = client.build(dhcp6.INFORMATION_REQUEST)
        client.send(data)
        frame = self.await_frame(path.port, client._is_mine(int.from_bytes(data[1:4], "big")),
                                 ANSWER_S)
        expect(frame is not None, "the sentinel (a plain INFORMATION-REQUEST) was not answered")

    def await_ready(self):
        """Polls every port with a SOLICIT until the server answers; learns DUID and MACs."""
        deadline = time.monotonic() + READY_S
        for port in range(len(self.ports)):
            client = Client(self, Direct(port=port))
            while True:
                expect(self.lab.running(), "the server has ended:\n" + self.lab.log_tail())
                expect(time.monotonic() < deadline, f"no answer on port {port} in {READY_S:.0f} s:\n"
                       + self.lab.log_tail())
                client.send(client.build(dhcp6.SOLICIT))
                frame = self.await_frame(
                    port, lambda frame: frame.destination == client.path.source, 0.2)
                if frame is not None:
                    break
            self.server_mac[port] = frame.source_mac
            duid = dhcp6.Message(frame.data).server_duid
            expect(duid, "the first answer holds no Server Identifier")
            if self.server_duid is None:
                self.server_duid = duid
        self.drain()
        for box in self.inbox:
            box.clear()
