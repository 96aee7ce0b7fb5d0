"""RFC 8156 messages and sessions, decoded and judged: frames (RFC 5460 5.1), headers (RFC 8156 5.2), what
each message must and must not carry (6, 7.4, 7.6), and the order of a session (6.1, 5.4)."""

import struct

import options as o
from options import Malformed, options_read

EPOCH = 946684800               # 2000-01-01, where the protocol's seconds begin
SKEW_S = 5
REPLY, STARTTLS = 7, 23
(BNDUPD, BNDREPLY, POOLREQ, POOLRESP, UPDREQ, UPDREQALL, UPDDONE, CONNECT, CONNECTREPLY, DISCONNECT, STATE,
 CONTACT) = range(24, 36)
NAMES = {REPLY: "REPLY", STARTTLS: "STARTTLS", BNDUPD: "BNDUPD", BNDREPLY: "BNDREPLY", POOLREQ: "POOLREQ",
         POOLRESP: "POOLRESP", UPDREQ: "UPDREQ", UPDREQALL: "UPDREQALL", UPDDONE: "UPDDONE",
         CONNECT: "CONNECT", CONNECTREPLY: "CONNECTREPLY", DISCONNECT: "DISCONNECT", STATE: "STATE",
         CONTACT: "CONTACT"}
ACTIVE, FREE, FREE_BACKUP = 1, 5, 6
PARTNER_DOWN = 4
ONCE, MAYBE, SOME = (1, 1), (0, 1), (1, 10**6)

GREETING = {o.PROTOCOL_VERSION: ONCE, o.MCLT: ONCE, o.KEEPALIVE_TIME: ONCE, o.MAX_UNACKED_BNDUPD: ONCE,
            o.CONNECT_FLAGS: ONCE, o.VENDOR_OPTS: MAYBE, o.RELATIONSHIP_NAME: MAYBE}
NOTHING = {}
# What stands at the top of each message, and how often.
CONTENT = {
    REPLY: {o.STATUS_CODE: MAYBE}, STARTTLS: NOTHING, POOLREQ: NOTHING, POOLRESP: NOTHING, UPDREQ: NOTHING,
    UPDREQALL: NOTHING, UPDDONE: NOTHING, CONTACT: NOTHING,
    CONNECT: GREETING | {o.RELATIONSHIP_NAME: ONCE},
    CONNECTREPLY: GREETING,
    DISCONNECT: {o.STATUS_CODE: MAYBE},
    STATE: {o.SERVER_STATE: ONCE, o.SERVER_FLAGS: ONCE, o.START_TIME_OF_STATE: ONCE,
            o.PARTNER_DOWN_TIME: MAYBE},
    BNDUPD: {o.CLIENT_DATA: MAYBE, o.IAPREFIX: MAYBE},
    BNDREPLY: {o.CLIENT_DATA: MAYBE, o.IAPREFIX: MAYBE},
}
REFUSAL = {o.STATUS_CODE: ONCE}
CLIENT = {o.CLIENTID: ONCE, o.VSS: MAYBE, o.IA_NA: (0, 10**6), o.IA_TA: (0, 10**6), o.IA_PD: (0, 10**6)}
LEASE = {o.BINDING_STATUS: ONCE, o.START_TIME_OF_STATE: ONCE, o.STATE_EXPIRATION_TIME: MAYBE,
         o.PARTNER_LIFETIME: MAYBE, o.EXPIRATION_TIME: MAYBE}
ANSWER = {o.BINDING_STATUS: ONCE, o.STATE_EXPIRATION_TIME: MAYBE, o.PARTNER_LIFETIME_SENT: MAYBE,
          o.STATUS_CODE: MAYBE}
# What stands in the containers of an update and of an answer to it.
UPDATE_CONTENT = {
    o.CLIENT_DATA: CLIENT | {o.LQ_BASE_TIME: ONCE, o.RECONFIGURE_DATA: MAYBE, o.LQ_RELAY_DATA: MAYBE,
                             o.CLT_TIME: MAYBE, o.DNS_REMOVAL_INFO: MAYBE, o.VENDOR_OPTS: MAYBE},
    "lease": LEASE | {o.CLT_TIME: MAYBE, o.PARTNER_RAW_CLT_TIME: MAYBE, o.CLIENT_FQDN: MAYBE,
                      o.DNS_REMOVAL_INFO: MAYBE},
    "prefix": LEASE | {o.VSS: MAYBE, o.LQ_BASE_TIME: ONCE},
}
ANSWER_CONTENT = {
    o.CLIENT_DATA: CLIENT | {o.STATUS_CODE: MAYBE},
    "lease": ANSWER,
    "prefix": ANSWER | {o.VSS: MAYBE},
}
IA_CONTENT = {o.IA_NA: o.IAADDR, o.IA_TA: o.IAADDR, o.IA_PD: o.IAPREFIX}


def frames_read(stream):
    """(frames, octets left over): each frame is preceded by its length, which does not count itself."""
    frames, at = [], 0
    while len(stream) - at >= 2:
        size, = struct.unpack_from("!H", stream, at)
        if len(stream) - at - 2 < size:
            break
        frames.append(stream[at + 2:at + 2 + size])
        at += 2 + size
    return frames, stream[at:]


class Message:
    """One frame. faults: what RFC 8156 says must not be so, as text."""

    def __init__(self, frame, at=None):
        self.frame, self.at = frame, at         # at: when it passed, seconds since 1970
        self.faults = []
        self.sent = None
        self.options = []
        self.type, self.xid = frame[0] if frame else None, frame[1:4]
        if self.type not in NAMES or len(frame) < self.header_size():
            self.faults.append(f"no header of a failover message: {frame[:8].hex()}")
            return
        if self.header_size() == 8:
            self.sent, = struct.unpack_from("!I", frame, 4)
        try:
            self.options = options_read(frame[self.header_size():])
        except Malformed as error:
            self.faults.append(f"{self.name()}: {error}")
            return
        Judge(self).judge()

    def header_size(self):
        """STARTTLS and its REPLY have no sent-time: they are not RFC 8156's own messages."""
        return 4 if self.type in (STARTTLS, REPLY) else 8

    def name(self):
        return NAMES.get(self.type, f"type {self.type}")

    def get(self, code):
        return next((option.value for option in self.options if option.code == code), None)

    def container(self):
        """The only option of an update or of an answer to it."""
        return next(iter(self.options), None)

    def leases(self):
        """Pairs of identity and lease option of an update or an answer to it."""
        top = self.container()
        if top is None:
            return []
        if top.code == o.IAPREFIX:
            return [((None, None, None, top.value[0]), top)]
        return [((top.get(o.CLIENTID), ia.code, ia.value[0], lease.value[0]), lease)
                for ia in top.all(*IA_CONTENT) for lease in ia.all(IA_CONTENT[ia.code])]

    def refused(self):
        """An answer or greeting with an error at its top, or in its container."""
        top = self.container()
        inner = top.get(o.STATUS_CODE) if top is not None and top.options else None
        return any(status is not None and status[0] for status in (self.get(o.STATUS_CODE), inner))

    def __str__(self):
        return f"{self.name()} {self.xid.hex()} " + ", ".join(map(str, self.options))


class Judge:
    """Holds the content of one message against the tables."""

    def __init__(self, message):
        self.message = message

    def fault(self, text):
        self.message.faults.append(f"{self.message.name()} {self.message.xid.hex()}: {text}")

    def content(self, where, found, table):
        counts = {}
        for option in found:
            counts[option.code] = counts.get(option.code, 0) + 1
        for code, count in counts.items():
            least, most = table.get(code, (0, 0))
            if not least <= count <= most:
                self.fault(f"{count} × {o.KINDS.get(code, (f'option {code}',))[0]} in {where}")
        for code, (least, _) in table.items():
            if least > counts.get(code, 0):
                self.fault(f"no {o.KINDS[code][0]} in {where}")

    def judge(self):
        message = self.message
        table = CONTENT[message.type]
        if message.type == CONNECTREPLY and message.get(o.STATUS_CODE):
            table = REFUSAL
        self.content("the message", message.options, table)
        if message.type == STATE:
            self.state()
        elif message.type in (BNDUPD, BNDREPLY):
            self.binding(UPDATE_CONTENT if message.type == BNDUPD else ANSWER_CONTENT)
        elif message.type == CONNECT and message.get(o.PROTOCOL_VERSION) != 1 << 16:
            self.fault("the protocol version is not 1.0")

    def state(self):
        down = self.message.get(o.SERVER_STATE) == PARTNER_DOWN
        if down != (self.message.get(o.PARTNER_DOWN_TIME) is not None):
            self.fault("F_PARTNER_DOWN_TIME goes with PARTNER-DOWN and with nothing else")

    def binding(self, tables):
        top = self.message.container()
        if len(self.message.options) != 1 or top is None:
            self.fault("there must be one CLIENT_DATA or one IAPREFIX")
            return
        if top.code == o.IAPREFIX:
            self.lease(top, tables["prefix"])
            return
        self.content("CLIENT_DATA", top.options, tables[o.CLIENT_DATA])
        ias = top.all(*IA_CONTENT)
        if not ias:
            self.fault("no IA in CLIENT_DATA")
        for ia in ias:
            self.content(ia.name, ia.options, {IA_CONTENT[ia.code]: SOME, o.STATUS_CODE: MAYBE})
            for lease in ia.all(IA_CONTENT[ia.code]):
                self.lease(lease, tables["lease"])

    def lease(self, lease, table):
        self.content(f"{lease.name} {lease.value[0]}", lease.options, table)
        status = lease.get(o.BINDING_STATUS)
        times = {code: lease.get(code) for code in (o.STATE_EXPIRATION_TIME, o.PARTNER_LIFETIME)}
        if self.message.type == BNDUPD:
            for code, time in times.items():    # RFC 8156 7.4: exactly where a status has a timeout
                if status == ACTIVE and time is None:
                    self.fault(f"ACTIVE {lease.value[0]} without {o.KINDS[code][0]}")
                if status in (FREE, FREE_BACKUP) and time is not None:
                    self.fault(f"free {lease.value[0]} with {o.KINDS[code][0]}")
            if lease.value[1] > lease.value[2]:
                self.fault(f"{lease.value[0]}: preferred lifetime beyond the valid one")


class Side:
    """What one server of a connection said so far."""

    def __init__(self, name):
        self.name = name
        self.unacked_max = None     # what it is prepared to hold unanswered
        self.states = 0
        self.open = {}              # (type, xid): its requests that wait
        self.last_sent = 0


ANSWERS = {BNDREPLY: (BNDUPD,), POOLRESP: (POOLREQ,), UPDDONE: (UPDREQ, UPDREQALL), CONNECTREPLY: (CONNECT,)}
REQUESTS = {request for requests in ANSWERS.values() for request in requests}
BEFORE_STATE = (STARTTLS, REPLY, CONNECT, CONNECTREPLY, STATE, CONTACT, DISCONNECT)


class Session:
    """One TCP connection from its first octet on; messages of both sides in the order they passed."""

    def __init__(self):
        self.messages = []
        self.faults = []
        self.sides = {True: Side("primary"), False: Side("secondary")}

    def add(self, from_primary, message):
        side, other = self.sides[from_primary], self.sides[not from_primary]
        where = f"message {len(self.messages)} from the {side.name}, {message.name()} {message.xid.hex()}"
        self.faults += [f"{where}: {fault}" for fault in message.faults]
        self.faults += [f"{where}: {text}" for text in self.judge(side, other, message)]
        self.messages.append((from_primary, message))

    def judge(self, side, other, message):
        if message.sent is not None and message.at is not None:
            # A message can wait in the buffers between its stamp and the wire, not travel back in time.
            late = (int(message.at) - EPOCH - message.sent + 2**31) % 2**32 - 2**31
            if abs(late) > SKEW_S:
                yield f"sent-time is {late} s off"
        if message.type in (CONNECT, STARTTLS, POOLRESP) and side.name != "primary":
            yield "only the primary sends this"
        if message.type in (CONNECTREPLY, REPLY, POOLREQ) and side.name != "secondary":
            yield "only the secondary sends this"
        if message.type == CONNECT and any(m.type == CONNECT for _, m in self.messages):
            yield "a second CONNECT in the same connection"
        if not self.messages and message.type not in (CONNECT, STARTTLS):
            yield "a connection begins with CONNECT"
        if message.type not in BEFORE_STATE and not (side.states and other.states):
            yield "sent before both sides sent STATE"
        side.states += message.type == STATE
        if message.type in (CONNECT, CONNECTREPLY):
            side.unacked_max = message.get(o.MAX_UNACKED_BNDUPD)
        if message.type in REQUESTS:
            yield from self.request(side, other, message)
        elif message.type in ANSWERS:
            yield from self.answer(other, message)

    @staticmethod
    def request(side, other, message):
        if any(xid == message.xid for _, xid in side.open):
            yield "the transaction-id of a request that still waits"
        side.open[message.type, message.xid] = message
        flying = sum(kind == BNDUPD for kind, _ in side.open)
        if message.type == BNDUPD and other.unacked_max is not None and flying > other.unacked_max:
            yield f"{flying} updates wait; the {other.name} takes {other.unacked_max}"

    @staticmethod
    def answer(other, message):
        request = next((other.open.pop((kind, message.xid)) for kind in ANSWERS[message.type]
                        if (kind, message.xid) in other.open), None)
        if request is None:
            yield "answers nothing that waits"
        elif message.type == BNDREPLY:
            yield from compare_reply(request, message)
        elif message.type == CONNECTREPLY and not message.refused() and \
                message.get(o.MCLT) != request.get(o.MCLT):
            yield "its MCLT is not the one received"

    def count(self, kind, from_primary=None):
        return sum(message.type == kind and from_primary in (None, side) for side, message in self.messages)

    def states(self, from_primary):
        """The endpoint states a side told, in order, without repetitions."""
        told = []
        for side, message in self.messages:
            if side == from_primary and message.type == STATE:
                name = o.SERVER_STATES[message.get(o.SERVER_STATE)]
                if told[-1:] != [name]:
                    told.append(name)
        return told


def compare_reply(update, reply):
    """RFC 8156 7.6: the answer mirrors the update."""
    asked, told = update.container(), reply.container()
    if asked is None or told is None or asked.code != told.code:
        yield "its container is not that of the update"
        return
    if asked.get(o.VSS) != told.get(o.VSS):
        yield "its VSS is not that of the update"
    if reply.refused() and asked.code == o.CLIENT_DATA:
        return
    updates = dict(update.leases())
    for identity, lease in reply.leases():
        source = updates.pop(identity, None)
        if source is None:
            yield f"{lease.value[0]} is not in the update"
            continue
        for code, echo in ((o.BINDING_STATUS, o.BINDING_STATUS), (o.PARTNER_LIFETIME, o.PARTNER_LIFETIME_SENT),
                           (o.STATE_EXPIRATION_TIME, o.STATE_EXPIRATION_TIME)):
            if source.get(code) != lease.get(echo):
                yield f"{lease.value[0]}: {o.KINDS[echo][0]} is not what came"
    for _, _, _, name in updates:
        yield f"no word about {name}"
