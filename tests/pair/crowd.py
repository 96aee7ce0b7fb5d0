"""Made clients in front of a pair: each asks one side or the other, knows what it was told, and by whom."""

import os
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import dhcp6        # noqa: E402
import wire         # noqa: E402

SERVERS = wire.ALL_RELAYS_AND_SERVERS
SERVERS_MAC = wire.multicast_mac(SERVERS)
RETRY_S = 0.3
NA, PD = dhcp6.IA_NA, dhcp6.IA_PD


class Told:
    """A lease as its client knows it. `end`: wall time of the request plus the valid lifetime."""

    def __init__(self, key, end):
        self.key, self.end = key, end


class Subscriber:
    def __init__(self, index, side):
        self.index, self.side = index, side
        self.mac = bytes([2, 0xC3]) + index.to_bytes(4, "big")
        self.address = wire.link_local(self.mac)
        self.duid = bytes([0, 3, 0, 1]) + self.mac
        self.told = {}              # NA, PD -> Told
        self.offer = {}
        self.server = None          # DUID of who told it last
        self.turn = 0
        self.under_way = None       # kind, frame, wall time, monotonic time of the last try

    def ias(self, keys):
        options = []
        for code, iaid in ((NA, 1), (PD, 2)):
            key = keys.get(code)
            make, lease = (dhcp6.ia_na, dhcp6.iaaddr) if code == NA else (dhcp6.ia_pd, dhcp6.iaprefix)
            options.append(make(iaid, *([lease(key)] if key else [])))
        return options

    def keys(self):
        return {code: told.key for code, told in self.told.items()}


class Crowd:
    """ports: {side: RawPort}. violations: what a client was told and must not have been, as text."""

    def __init__(self, ports, count, first=0, sides=None):
        self.ports = ports
        sides = sides or list(ports)
        self.subscribers = [Subscriber(first + number, sides[number % len(sides)]) for number in range(count)]
        self.first = first
        self.holders = {}           # resource -> subscriber that uses it
        self.violations = []
        self.refusals = 0           # IAs answered with nothing
        self.gap_max_ms = 0.0       # longest time without any answer while some were awaited

    # ---- what clients do; each returns those that nobody answered -----------------------------------

    def join(self, subscribers=None, seconds=15.0):
        subscribers = self.subscribers if subscribers is None else subscribers
        silent = self.exchange(subscribers, dhcp6.SOLICIT, lambda s: s.ias({}), seconds)
        offered = [s for s in subscribers if s.offer]
        return silent + self.exchange(offered, dhcp6.REQUEST, lambda s: s.ias(s.offer), seconds)

    def renew(self, subscribers=None, seconds=10.0):
        return self.extend(subscribers, dhcp6.RENEW, seconds)

    def rebind(self, subscribers=None, seconds=10.0):
        return self.extend(subscribers, dhcp6.REBIND, seconds)

    def extend(self, subscribers, kind, seconds):
        subscribers = [s for s in (self.subscribers if subscribers is None else subscribers) if s.told]
        return self.exchange(subscribers, kind, lambda s: s.ias(s.keys()), seconds)

    def release(self, subscribers, seconds=10.0):
        """RFC 9915 18.2.7: they stop using their leases before they say so."""
        names = {}
        for subscriber in subscribers:
            names[subscriber] = [o for o in subscriber.ias(subscriber.keys()) if len(o[1]) > 12]
            for told in subscriber.told.values():
                self.holders.pop(told.key, None)
            subscriber.told = {}
        return self.exchange(subscribers, dhcp6.RELEASE, names.get, seconds)

    # ---- the wire -----------------------------------------------------------------------------------

    def send(self, subscriber, kind, options):
        subscriber.turn = (subscriber.turn + 1) & 0xFF
        options = [dhcp6.client_id(subscriber.duid), dhcp6.elapsed(), *options]
        if kind in (dhcp6.REQUEST, dhcp6.RENEW, dhcp6.RELEASE):
            options.append(dhcp6.server_id(subscriber.server))
        payload = dhcp6.message(kind, (subscriber.index & 0xFFFF) << 8 | subscriber.turn, *options)
        datagram = wire.udp(subscriber.address, SERVERS, wire.CLIENT_PORT, wire.SERVER_PORT, payload)
        frame = wire.ethernet(SERVERS_MAC, subscriber.mac,
                              wire.ipv6(subscriber.address, SERVERS, wire.UDP, datagram))
        subscriber.under_way = [kind, frame, time.time(), time.monotonic()]
        self.transmit(subscriber)

    def transmit(self, subscriber):
        try:
            self.ports[subscriber.side].send(subscriber.under_way[1])
        except OSError:
            pass                # no room on the wire: lost

    def exchange(self, subscribers, kind, options, seconds, window=24):
        todo, busy = list(reversed(subscribers)), []
        end = time.monotonic() + seconds
        heard = time.monotonic()
        while (todo or busy) and time.monotonic() < end:
            while todo and len(busy) < window:
                subscriber = todo.pop()
                self.send(subscriber, kind, options(subscriber))
                busy.append(subscriber)
            if self.receive(time.monotonic() + 0.002):
                heard = time.monotonic()
            self.gap_max_ms = max(self.gap_max_ms, (time.monotonic() - heard) * 1000)
            busy = [s for s in busy if s.under_way]
            for subscriber in busy:
                if time.monotonic() - subscriber.under_way[3] > RETRY_S:
                    subscriber.under_way[3] = time.monotonic()
                    self.transmit(subscriber)
        for subscriber in busy:
            subscriber.under_way = None
        return busy + todo

    def receive(self, until):
        """Takes what is there, of all sides; True when it was an answer somebody waited for."""
        answered = False
        for side, port in self.ports.items():
            while True:
                frame = port.receive(until if len(self.ports) == 1 else time.monotonic() + 0.0005)
                if frame is None:
                    break
                if frame.destination_port == wire.CLIENT_PORT and frame.data:
                    answered |= self.take(side, frame.data)
                if time.monotonic() > until:
                    break
        return answered

    def take(self, side, data):
        answer = dhcp6.Message(data)
        number = (answer.xid >> 8) - (self.first & 0xFFFF)
        if not 0 <= number < len(self.subscribers):
            return False
        subscriber = self.subscribers[number]
        if subscriber.under_way is None or answer.xid & 0xFF != subscriber.turn or subscriber.side != side:
            return False
        kind, _, sent, _ = subscriber.under_way
        if answer.kind == dhcp6.ADVERTISE:
            offer = {code: ia.keys()[0] for code, ia in self.ias(answer) if ia.keys()}
            if not offer:
                return False    # another server may offer more (RFC 9915 18.2.9)
            subscriber.offer = offer
        subscriber.under_way = None
        subscriber.server = answer.server_duid
        if kind in (dhcp6.REQUEST, dhcp6.RENEW, dhcp6.REBIND):
            subscriber.offer = {}
            for code, ia in self.ias(answer):
                self.take_ia(subscriber, code, ia, sent)
        return True

    @staticmethod
    def ias(answer):
        return [(code, ia) for code, ia in ((NA, answer.na(1)), (PD, answer.pd(2))) if ia]

    def take_ia(self, subscriber, code, ia, sent):
        old, live = subscriber.told.get(code), ia.live()
        name = f"client {subscriber.index}"
        if old and (not live or live[0].key != old.key):
            self.violations.append(f"{name}: had {old.key}, was answered {ia}")
            self.holders.pop(old.key, None)
        if not live:
            self.refusals += 1
            subscriber.told.pop(code, None)
            return
        key = live[0].key
        holder = self.holders.get(key)
        if holder is not None and holder is not subscriber and holder.told[code].end > time.time():
            self.violations.append(f"{key} of client {holder.index} given to {name}")
        self.holders[key] = subscriber
        subscriber.told[code] = Told(key, sent + live[0].valid)

    # ---- judgement ----------------------------------------------------------------------------------

    def check(self, leases):
        """leases: as lease.list of a server tells them. Every lease told is there, for its client, at least
        as long as the client was told."""
        held = {lease.get("address") or lease.get("prefix"): lease for lease in leases}
        for subscriber in self.subscribers:
            for told in subscriber.told.values():
                lease = held.get(told.key)
                if lease is None or lease["state"] != "active" or \
                        lease.get("duid", "").replace(":", "") != subscriber.duid.hex():
                    self.violations.append(f"{told.key} of client {subscriber.index}: {lease}")
                elif lease["valid_for_s"] + 1.1 < told.end - time.time():
                    self.violations.append(f"{told.key} of client {subscriber.index} ends in "
                                           f"{lease['valid_for_s']} s, told {told.end - time.time():.1f}")
