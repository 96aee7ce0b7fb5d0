"""Many DHCPv6 clients on one raw port, who remember what they were told and can say later whether it
still holds."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import dhcp6  # noqa: E402
import wire   # noqa: E402

SERVERS = wire.ALL_RELAYS_AND_SERVERS
SERVERS_MAC = wire.multicast_mac(SERVERS)
RETRY_S, TRIES_MAX = 0.25, 3
NA, PD = dhcp6.IA_NA, dhcp6.IA_PD


class Told:
    """A lease as its client knows it. `end`: wall time of the request plus the valid lifetime."""

    def __init__(self, key, end):
        self.key, self.end = key, end


class Client:
    def __init__(self, index):
        self.index = index
        self.mac = bytes([2, 0xC1]) + index.to_bytes(4, "big")
        self.address = wire.link_local(self.mac)
        self.duid = bytes([0, 3, 0, 1]) + self.mac
        self.told = {}          # NA, PD -> Told: in use
        self.released = {}      # the same: given back, and that was acknowledged
        self.offer = None
        self.exchange = 0
        self.message = None     # under way: kind, octets, keys it names, when sent, tries

    def names(self, keys):
        options = []
        for code, iaid in ((NA, 1), (PD, 2)):
            key = keys.get(code)
            if code == NA:
                options.append(dhcp6.ia_na(iaid, *([dhcp6.iaaddr(key)] if key else [])))
            else:
                options.append(dhcp6.ia_pd(iaid, *([dhcp6.iaprefix(key)] if key else [])))
        return options


class Load:
    """violations: what was told and does not hold, as text."""

    def __init__(self, port, clients, seed):
        self.port = port
        self.random = random.Random(seed)
        self.clients = [Client(index) for index in range(clients)]
        self.declined = {}      # address -> wall time until which it rests
        self.server_id = None
        self.violations = []
        self.counts = {"grants": 0, "renewals": 0, "releases": 0, "declines": 0}

    # ---- sending --------------------------------------------------------------------------------

    def send(self, client, kind, options, keys):
        client.exchange = (client.exchange + 1) & 0xFF
        xid = client.index << 8 | client.exchange
        options = [dhcp6.client_id(client.duid), dhcp6.elapsed()] + options
        if kind not in (dhcp6.SOLICIT, dhcp6.REBIND):
            options.append(dhcp6.server_id(self.server_id))
        payload = dhcp6.message(kind, xid, *options)
        datagram = wire.udp(client.address, SERVERS, wire.CLIENT_PORT, wire.SERVER_PORT, payload)
        frame = wire.ethernet(SERVERS_MAC, client.mac,
                              wire.ipv6(client.address, SERVERS, wire.UDP, datagram))
        client.message = [kind, frame, keys, time.time(), 1, time.monotonic()]
        self.transmit(frame)

    def transmit(self, frame):
        try:
            self.port.send(frame)
        except OSError:
            pass                # no room on the wire: lost

    def act(self, client):
        chance = self.random.random()
        keys = {code: told.key for code, told in client.told.items()}
        if keys and chance < 0.12:
            client.told = {}    # RFC 9915 18.2.7: it stops using them first
            self.send(client, dhcp6.RELEASE,
                      [o for o in client.names(keys) if len(o[1]) > 12], keys)
        elif NA in keys and chance < 0.123:
            keys = {NA: client.told.pop(NA).key}
            self.send(client, dhcp6.DECLINE, client.names(keys)[:1], keys)
        elif keys:
            kind = dhcp6.REBIND if chance < 0.25 else dhcp6.RENEW
            client.released = {}
            self.send(client, kind, client.names(keys), keys)
        elif client.offer:
            client.released = {}
            self.send(client, dhcp6.REQUEST, client.names(client.offer), client.offer)
        else:
            client.released = {}
            rapid = [dhcp6.rapid_commit()] if chance < 0.6 else []
            self.send(client, dhcp6.SOLICIT, rapid + client.names({}), {})

    def repeat(self, client):
        if client.message[4] >= TRIES_MAX:
            client.message = client.offer = None
            return
        client.message[4] += 1
        client.message[5] = time.monotonic()
        self.transmit(client.message[1])

    # ---- receiving ------------------------------------------------------------------------------

    def take(self, data):
        answer = dhcp6.Message(data)
        index = answer.xid >> 8
        if index >= len(self.clients):
            return
        client = self.clients[index]
        if client.message is None or answer.xid & 0xFF != client.exchange:
            return
        kind, _, keys, sent, _, _ = client.message
        client.message = None
        self.server_id = answer.server_duid
        if answer.kind == dhcp6.ADVERTISE:
            client.offer = {code: ia.keys()[0] for code, ia in self.ias(answer) if ia.keys()}
        elif kind == dhcp6.RELEASE:
            client.released = dict(keys)
            self.counts["releases"] += 1
        elif kind == dhcp6.DECLINE:
            ia = answer.na(1)
            if ia is None or ia.status() != dhcp6.NO_BINDING:
                self.declined[keys[NA]] = sent + 3600
                self.counts["declines"] += 1
        else:
            client.offer = None
            for code, ia in self.ias(answer):
                self.take_ia(client, code, ia, sent)

    @staticmethod
    def ias(answer):
        return [(code, ia) for code, ia in ((NA, answer.na(1)), (PD, answer.pd(2))) if ia]

    def take_ia(self, client, code, ia, sent):
        old = client.told.get(code)
        live = ia.live()
        if old and (not live or live[0].key != old.key):
            self.violations.append(f"client {client.index}: had {old.key}, was answered {ia}")
        if not live:
            client.told.pop(code, None)
            return
        key = live[0].key
        for other in self.clients:
            told = other.told.get(code)
            if other is not client and told and told.key == key and told.end > time.time():
                self.violations.append(f"{key} of client {other.index} given to {client.index}")
        if self.declined.get(key, 0) > time.time():
            self.violations.append(f"{key} rests, but was given to client {client.index}")
        self.counts["renewals" if old else "grants"] += 1
        client.told[code] = Told(key, sent + live[0].valid)

    def receive(self, until):
        """Takes frames until the given monotonic time."""
        while True:
            frame = self.port.receive(min(until, time.monotonic() + 0.0005))
            if frame is None:
                if time.monotonic() >= until:
                    return
                continue
            if frame.destination_port == wire.CLIENT_PORT and frame.data:
                self.take(frame.data)

    # ---- load and judgement -----------------------------------------------------------------------

    def run(self, seconds, window=24):
        """Keeps about `window` messages under way for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = time.monotonic()
            busy = [c for c in self.clients if c.message]
            for client in busy:
                if now - client.message[5] > RETRY_S:
                    self.repeat(client)
            idle = [c for c in self.clients if not c.message]
            for client in self.random.sample(idle, min(len(idle), max(0, window - len(busy)))):
                self.act(client)
            self.receive(min(end, time.monotonic() + 0.002))

    def stop(self):
        """The server is dead: what it sent before still counts; what is under way stays unknown."""
        self.receive(time.monotonic() + 0.02)
        for client in self.clients:
            client.message = client.offer = None

    def renew_all(self, seconds=5.0):
        """Every lease is extended once; True when all were answered."""
        todo = [client for client in self.clients if client.told]
        end = time.monotonic() + seconds
        while (todo or any(c.message for c in self.clients)) and time.monotonic() < end:
            now = time.monotonic()
            busy = [c for c in self.clients if c.message]
            for client in busy:
                if now - client.message[5] > RETRY_S:
                    client.message[4] = 1
                    self.repeat(client)
            while todo and len(busy) < 24:
                client = todo.pop()
                client.released = {}
                keys = {code: told.key for code, told in client.told.items()}
                self.send(client, dhcp6.RENEW, client.names(keys), keys)
                busy.append(client)
            self.receive(time.monotonic() + 0.002)
        if todo or any(c.message for c in self.clients):
            self.violations.append("RENEW after the restart remained unanswered")

    def check(self, leases):
        """leases: as lease.list tells them."""
        held = {lease.get("address") or lease.get("prefix"): lease for lease in leases}
        for client in self.clients:
            for told in client.told.values():
                self.check_told(client, told, held.get(told.key))
            for key in client.released.values():
                lease = held.get(key)
                if lease and lease["state"] == "active" and self.is_of(client, lease):
                    self.violations.append(f"{key}: released by client {client.index}, but active")
        for key, until in self.declined.items():
            if until > time.time() and held.get(key, {}).get("state") != "abandoned":
                self.violations.append(f"{key}: declined, but {held.get(key)}")

    @staticmethod
    def is_of(client, lease):
        return lease.get("duid", "").replace(":", "").lower() == client.duid.hex()

    def check_told(self, client, told, lease):
        if lease is None:
            self.violations.append(f"{told.key} of client {client.index} is missing")
        elif not self.is_of(client, lease):
            self.violations.append(f"{told.key} of client {client.index} is {lease['duid']}'s")
        elif lease["state"] != "active":
            self.violations.append(f"{told.key} of client {client.index} is {lease['state']}")
        elif lease["valid_for_s"] + 1.1 < told.end - time.time():
            self.violations.append(f"{told.key} of client {client.index} ends in "
                                   f"{lease['valid_for_s']} s, told {told.end - time.time():.1f}")
