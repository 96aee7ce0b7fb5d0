"""DHCPv6 messages as bytes and back (RFC 9915 section 8, 9 and 21), from the RFC alone.

Options are (code, data) pairs; nothing is hidden, so that a check can build anything, right or wrong.
"""

import ipaddress
import struct

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY = range(1, 8)
RELEASE, DECLINE, RECONFIGURE, INFORMATION_REQUEST, RELAY_FORW, RELAY_REPL = range(8, 14)
RECONFIGURE_REQUEST = 18
DHCPV4_QUERY = 20

MESSAGE_NAMES = {
    1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY",
    8: "RELEASE", 9: "DECLINE", 10: "RECONFIGURE", 11: "INFORMATION-REQUEST", 12: "RELAY-FORW",
    13: "RELAY-REPL",
}

CLIENTID, SERVERID, IA_NA, IA_TA, IAADDR, ORO, PREFERENCE, ELAPSED_TIME, RELAY_MSG = range(1, 10)
AUTH, UNICAST, STATUS_CODE, RAPID_COMMIT, USER_CLASS, VENDOR_CLASS, VENDOR_OPTS = range(11, 18)
INTERFACE_ID, RECONF_MSG, RECONF_ACCEPT = range(18, 21)
DNS_SERVERS, DOMAIN_LIST, IA_PD, IAPREFIX = range(23, 27)
SNTP_SERVERS, INFORMATION_REFRESH_TIME = 31, 32
REMOTE_ID, SUBSCRIBER_ID, CLIENT_FQDN = 37, 38, 39
ERO, RELAY_ID, NTP_SERVER, AFTR_NAME, RSOO, PD_EXCLUDE = 43, 53, 56, 64, 66, 67
CLIENT_LINKLAYER_ADDR, SOL_MAX_RT, INF_MAX_RT = 79, 82, 83
CAPTIVE_PORTAL, RELAY_PORT, V6_DNR = 103, 135, 144

SUCCESS, UNSPEC_FAIL, NO_ADDRS_AVAIL, NO_BINDING, NOT_ON_LINK, USE_MULTICAST, NO_PREFIX_AVAIL = range(7)
INFINITY = 0xFFFFFFFF

NON_SINGLETON_IN_MESSAGE = {IA_NA, IA_PD, VENDOR_CLASS, VENDOR_OPTS, NTP_SERVER, V6_DNR}


class DecodeError(Exception):
    """The octets are not a well-formed message."""


def address(value):
    """Any spelling of an IPv6 address as an IPv6Address."""
    return value if isinstance(value, ipaddress.IPv6Address) else ipaddress.IPv6Address(value)


def packed(value):
    return address(value).packed


# ---- building -----------------------------------------------------------------------------------

def option(code, data=b""):
    return code, bytes(data)


def encode_options(options):
    return b"".join(struct.pack("!HH", code, len(data)) + data for code, data in options)


def client_id(duid):
    return option(CLIENTID, duid)


def server_id(duid):
    return option(SERVERID, duid)


def oro(*codes):
    return option(ORO, struct.pack(f"!{len(codes)}H", *codes))


def elapsed(hundredths=0):
    return option(ELAPSED_TIME, struct.pack("!H", hundredths))


def rapid_commit():
    return option(RAPID_COMMIT)


def ia_na(iaid, *options, t1=0, t2=0):
    return option(IA_NA, struct.pack("!III", iaid, t1, t2) + encode_options(options))


def ia_ta(iaid, *options):
    return option(IA_TA, struct.pack("!I", iaid) + encode_options(options))


def ia_pd(iaid, *options, t1=0, t2=0):
    return option(IA_PD, struct.pack("!III", iaid, t1, t2) + encode_options(options))


def iaaddr(addr, *options, preferred=0, valid=0):
    return option(IAADDR, packed(addr) + struct.pack("!II", preferred, valid)
                  + encode_options(options))


def iaprefix(prefix, *options, preferred=0, valid=0):
    """prefix: "2001:db8::/56"; "::/60" is a length hint (RFC 8168)."""
    text, length = str(prefix).split("/")
    return option(IAPREFIX, struct.pack("!IIB", preferred, valid, int(length)) + packed(text)
                  + encode_options(options))


def status(code, text=""):
    return option(STATUS_CODE, struct.pack("!H", code) + text.encode())


def user_class(*classes):
    return option(USER_CLASS, b"".join(struct.pack("!H", len(c)) + c for c in classes))


def vendor_class(enterprise, *classes):
    return option(VENDOR_CLASS, struct.pack("!I", enterprise)
                  + b"".join(struct.pack("!H", len(c)) + c for c in classes))


def remote_id(enterprise, data):
    return option(REMOTE_ID, struct.pack("!I", enterprise) + data)


def client_linklayer(mac, hardware_type=1):
    return option(CLIENT_LINKLAYER_ADDR, struct.pack("!H", hardware_type) + mac)


def fqdn(flags, name, partial=False):
    data = encode_name(name)
    return option(CLIENT_FQDN, bytes([flags]) + (data[:-1] if partial else data))


def encode_name(name):
    """A DNS name, uncompressed (RFC 1035 3.1)."""
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def message(kind, xid, *options):
    return bytes([kind]) + xid.to_bytes(3, "big") + encode_options(options)


def relay_forward(hop, link, peer, *options, kind=RELAY_FORW):
    return bytes([kind, hop]) + packed(link) + packed(peer) + encode_options(options)


# ---- parsing ------------------------------------------------------------------------------------

class Options(list):
    """A parsed list of (code, data) with the questions a check asks of it."""

    def all(self, code):
        return [data for have, data in self if have == code]

    def one(self, code):
        """The data of the only option with this code, or None."""
        found = self.all(code)
        if len(found) > 1:
            raise DecodeError(f"option {code} stands {len(found)} times")
        return found[0] if found else None

    def has(self, code):
        return any(have == code for have, _ in self)

    def codes(self):
        return [code for code, _ in self]

    def status(self):
        """Code of the Status Code option; absent means Success (RFC 9915 21.13)."""
        data = self.one(STATUS_CODE)
        if data is None:
            return SUCCESS
        if len(data) < 2:
            raise DecodeError("Status Code shorter than 2 octets")
        return struct.unpack("!H", data[:2])[0]


def parse_options(data):
    options, at = Options(), 0
    while at < len(data):
        if len(data) - at < 4:
            raise DecodeError(f"{len(data) - at} stray octets after the last option")
        code, size = struct.unpack_from("!HH", data, at)
        at += 4
        if len(data) - at < size:
            raise DecodeError(f"option {code} of {size} octets overruns its container")
        options.append((code, bytes(data[at:at + size])))
        at += size
    return options


class Lease:
    """One IA Address or IA Prefix. `key` is comparable text: an address or prefix/length."""

    def __init__(self, code, data):
        if code == IAADDR:
            if len(data) < 24:
                raise DecodeError("IA Address shorter than 24 octets")
            self.address = ipaddress.IPv6Address(data[:16])
            self.length = 128
            self.preferred, self.valid = struct.unpack_from("!II", data, 16)
            self.options = parse_options(data[24:])
            self.key = str(self.address)
        else:
            if len(data) < 25:
                raise DecodeError("IA Prefix shorter than 25 octets")
            self.preferred, self.valid, self.length = struct.unpack_from("!IIB", data)
            self.address = ipaddress.IPv6Address(data[9:25])
            self.options = parse_options(data[25:])
            if self.length > 128:
                raise DecodeError(f"IA Prefix with prefix-length {self.length}")
            self.key = f"{self.address}/{self.length}"
        self.code = code

    def network(self):
        """The prefix as a network; raises ValueError when bits behind the length are set."""
        return ipaddress.IPv6Network((self.address, self.length))

    def __repr__(self):
        return f"{self.key} {self.preferred}/{self.valid}"


class Ia:
    """One IA_NA or IA_PD of an answer."""

    def __init__(self, code, data):
        if len(data) < 12:
            raise DecodeError(f"IA option {code} shorter than 12 octets")
        self.code = code
        self.iaid, self.t1, self.t2 = struct.unpack_from("!III", data)
        self.options = parse_options(data[12:])
        inner = IAADDR if code == IA_NA else IAPREFIX
        self.leases = [Lease(inner, body) for body in self.options.all(inner)]

    def status(self):
        return self.options.status()

    def live(self):
        """Leases the client may use."""
        return [lease for lease in self.leases if lease.valid > 0]

    def keys(self):
        return [lease.key for lease in self.live()]

    def find(self, key):
        return next((lease for lease in self.leases if lease.key == str(key)), None)

    def __repr__(self):
        kind = "IA_NA" if self.code == IA_NA else "IA_PD"
        return f"{kind} {self.iaid} T1 {self.t1} T2 {self.t2} status {self.status()} {self.leases}"


class Message:
    """A client/server message."""

    def __init__(self, data):
        if len(data) < 4:
            raise DecodeError(f"message of {len(data)} octets")
        self.kind = data[0]
        self.xid = int.from_bytes(data[1:4], "big")
        self.options = parse_options(data[4:])
        self.ias = [Ia(code, body) for code, body in self.options if code in (IA_NA, IA_PD)]

    @property
    def name(self):
        return MESSAGE_NAMES.get(self.kind, str(self.kind))

    @property
    def server_duid(self):
        return self.options.one(SERVERID)

    def status(self):
        return self.options.status()

    def na(self, iaid):
        return self._ia(IA_NA, iaid)

    def pd(self, iaid):
        return self._ia(IA_PD, iaid)

    def _ia(self, code, iaid):
        return next((ia for ia in self.ias if ia.code == code and ia.iaid == iaid), None)

    def live_keys(self):
        return [key for ia in self.ias for key in ia.keys()]

    def __repr__(self):
        return f"{self.name} xid {self.xid:06x} options {self.options.codes()} {self.ias}"


class RelayMessage:
    """A Relay-forward or Relay-reply; `inner` holds the octets of its Relay Message option."""

    def __init__(self, data):
        if len(data) < 34:
            raise DecodeError(f"relay message of {len(data)} octets")
        self.kind, self.hop = data[0], data[1]
        self.link = ipaddress.IPv6Address(data[2:18])
        self.peer = ipaddress.IPv6Address(data[18:34])
        self.options = parse_options(data[34:])
        self.inner = self.options.one(RELAY_MSG)


def unwrap(data):
    """Splits octets into the list of relay levels (outermost first) and the innermost octets."""
    levels = []
    while data and data[0] in (RELAY_FORW, RELAY_REPL):
        level = RelayMessage(data)
        levels.append(level)
        if level.inner is None:
            raise DecodeError("relay message without a Relay Message option")
        data = level.inner
    return levels, data


def innermost_xid(data):
    """Transaction-id of the innermost message, or None when it cannot be found."""
    try:
        _, inner = unwrap(data)
    except DecodeError:
        return None
    return int.from_bytes(inner[1:4], "big") if len(inner) >= 4 else None
