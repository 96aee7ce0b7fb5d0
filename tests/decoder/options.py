"""The options of failover messages taken apart, by RFC 8156 5.5 and the RFCs it names. Shares no code with
lib/failover: what is wrong there must not be wrong here for the same reason."""

import ipaddress
import struct

(CLIENTID, IA_NA, IA_TA, IAADDR, STATUS_CODE, VENDOR_OPTS, IA_PD, IAPREFIX, CLIENT_FQDN, CLIENT_DATA, CLT_TIME,
 LQ_RELAY_DATA, VSS, LQ_BASE_TIME) = (1, 3, 4, 5, 13, 17, 25, 26, 39, 45, 46, 47, 68, 100)
(BINDING_STATUS, CONNECT_FLAGS, DNS_REMOVAL_INFO, DNS_HOST_NAME, DNS_ZONE_NAME, DNS_FLAGS, EXPIRATION_TIME,
 MAX_UNACKED_BNDUPD, MCLT, PARTNER_LIFETIME, PARTNER_LIFETIME_SENT, PARTNER_DOWN_TIME, PARTNER_RAW_CLT_TIME,
 PROTOCOL_VERSION, KEEPALIVE_TIME, RECONFIGURE_DATA, RELATIONSHIP_NAME, SERVER_FLAGS, SERVER_STATE,
 START_TIME_OF_STATE, STATE_EXPIRATION_TIME) = range(114, 135)

BINDING_STATUSES = ("reserved", "ACTIVE", "EXPIRED", "RELEASED", "PENDING-FREE", "FREE", "FREE-BACKUP",
                    "ABANDONED", "RESET")
SERVER_STATES = ("reserved", "STARTUP", "NORMAL", "COMMUNICATIONS-INTERRUPTED", "PARTNER-DOWN",
                 "POTENTIAL-CONFLICT", "RECOVER", "RECOVER-WAIT", "RECOVER-DONE", "RESOLUTION-INTERRUPTED",
                 "CONFLICT-DONE")
# RFC 8156 5.6, and what it takes over from RFC 8415 and RFC 7653.
STATUS_CODES = {0: "Success", 1: "UnspecFail", 14: "NotSupported", 15: "TLSConnectionRefused",
                16: "AddressInUse", 17: "ConfigurationConflict", 18: "MissingBindingInformation",
                19: "OutdatedBindingInformation", 20: "ServerShuttingDown", 21: "DNSUpdateNotSupported",
                22: "ExcessiveTimeSkew"}
RELAY_FORW, RELAY_MSG = 12, 9
DEPTH_MAX = 8


class Malformed(Exception):
    """Octets that are no option of the kind they say they are."""


class Option:
    """One option. value: what it says, by kind; options: those inside it."""

    def __init__(self, code, data, depth=0):
        self.code, self.data = code, data
        self.name, read, self.inner_at = KINDS.get(code, (f"option {code}", opaque, None))
        try:
            self.value = read(data)
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise Malformed(f"{self.name}, {data.hex()}: {error}") from error
        self.options = [] if self.inner_at is None else options_read(data[self.inner_at:], depth + 1)

    def get(self, code):
        """The value of the option inside that has the code; None without one."""
        return next((option.value for option in self.options if option.code == code), None)

    def all(self, *codes):
        return [option for option in self.options if option.code in codes]

    def __str__(self):
        inner = " {" + ", ".join(map(str, self.options)) + "}" if self.options else ""
        value = self.value.hex() if isinstance(self.value, bytes) else self.value
        return f"{self.name} {value}{inner}"


def options_read(data, depth=0):
    if depth > DEPTH_MAX:
        raise Malformed("options inside options without end")
    found, at = [], 0
    while at < len(data):
        if len(data) - at < 4:
            raise Malformed(f"{len(data) - at} octets behind the last option")
        code, size = struct.unpack_from("!HH", data, at)
        if at + 4 + size > len(data):
            raise Malformed(f"option {code} of {size} octets, where {len(data) - at - 4} are left")
        found.append(Option(code, data[at + 4:at + 4 + size], depth))
        at += 4 + size
    return found


# ---- kinds of content ---------------------------------------------------------------------------


def number(size, most=None, least=0):
    def read(data):
        if len(data) != size:
            raise ValueError(f"{len(data)} octets, must be {size}")
        value = int.from_bytes(data, "big")
        if value < least or (most is not None and value > most):
            raise ValueError(f"{value} is out of range")
        return value
    return read


def bits(size, allowed):
    """Flags; all others must be zero."""
    plain = number(size)

    def read(data):
        value = plain(data)
        if value & ~allowed:
            raise ValueError(f"reserved bits are set in {value:#x}")
        return value
    return read


def opaque(data):
    return data


def fixed(layout):
    """A head in front of options."""
    def read(data):
        return struct.unpack_from(layout, data)
    return read


def duid(data):
    if not 3 <= len(data) <= 130:       # RFC 9915 11.1
        raise ValueError(f"a DUID of {len(data)} octets")
    return data


def iaaddr(data):
    address, preferred, valid = struct.unpack_from("!16sII", data)
    return str(ipaddress.IPv6Address(address)), preferred, valid


def iaprefix(data):
    preferred, valid, length, address = struct.unpack_from("!IIB16s", data)
    return str(ipaddress.IPv6Network((address, length))), preferred, valid     # no bits behind the length


def text(data):
    if b"\0" in data:
        raise ValueError("a NUL in text")
    return data.decode()


def status(data):
    code, = struct.unpack_from("!H", data)
    if code not in STATUS_CODES:
        raise ValueError(f"status code {code}")
    return code, text(data[2:])


def dns_name(data):
    labels, at = [], 0
    while at < len(data) and data[at]:
        if data[at] > 63 or at + 1 + data[at] > len(data):
            raise ValueError("a DNS name that does not end")
        labels.append(data[at + 1:at + 1 + data[at]])
        at += 1 + data[at]
    if at + 1 < len(data):
        raise ValueError("octets behind a DNS name")
    return b".".join(labels)


def fqdn(data):
    if data[0] & ~7:
        raise ValueError("reserved flags are set")
    return data[0], dns_name(data[1:])


def vss(data):
    if data[0] not in (0, 1) or (data[0] == 1 and len(data) != 8):
        raise ValueError("a VPN that must not be told or is none")     # the default one is left out
    return data


def reconfigure(data):
    created, = struct.unpack_from("!I", data)
    if len(data) == 4:
        raise ValueError("no key")
    return created, data[4:]


def relay_data(data):
    """Peer address and the last Relay-forward, all levels, without the client's message (RFC 5007 4.1.2.4)."""
    peer, message = ipaddress.IPv6Address(data[:16]), data[16:]
    levels = 0
    while message:
        kind, _, link, _ = struct.unpack_from("!BB16s16s", message)
        if kind != RELAY_FORW:
            raise ValueError(f"message type {kind} in the place of a Relay-forward")
        levels += 1
        message = next((option.data for option in options_read(message[34:]) if option.code == RELAY_MSG), b"")
    if not levels:
        raise ValueError("no Relay-forward")
    return str(peer), levels, str(ipaddress.IPv6Address(link))


def vendor(data):
    """Enterprise number and sub-options, whose codes are the vendor's own (RFC 9915 21.17)."""
    enterprise, = struct.unpack_from("!I", data)
    found, at = [], 4
    while at < len(data):
        code, size = struct.unpack_from("!HH", data, at)
        if at + 4 + size > len(data):
            raise ValueError("a sub-option that does not end")
        found.append((code, data[at + 4:at + 4 + size].hex()))
        at += 4 + size
    return enterprise, found


time = number(4)
# code: name, reader, where the options inside begin
KINDS = {
    CLIENTID: ("CLIENTID", duid, None),
    IA_NA: ("IA_NA", fixed("!III"), 12),
    IA_TA: ("IA_TA", fixed("!I"), 4),
    IAADDR: ("IAADDR", iaaddr, 24),
    STATUS_CODE: ("STATUS_CODE", status, None),
    VENDOR_OPTS: ("VENDOR_OPTS", vendor, None),
    IA_PD: ("IA_PD", fixed("!III"), 12),
    IAPREFIX: ("IAPREFIX", iaprefix, 25),
    CLIENT_FQDN: ("CLIENT_FQDN", fqdn, None),
    CLIENT_DATA: ("CLIENT_DATA", fixed("!"), 0),
    CLT_TIME: ("CLT_TIME", number(4), None),
    LQ_RELAY_DATA: ("LQ_RELAY_DATA", relay_data, None),
    VSS: ("VSS", vss, None),
    LQ_BASE_TIME: ("LQ_BASE_TIME", time, None),
    BINDING_STATUS: ("F_BINDING_STATUS", number(1, 8, 1), None),
    CONNECT_FLAGS: ("F_CONNECT_FLAGS", bits(2, 0x0001), None),
    DNS_REMOVAL_INFO: ("F_DNS_REMOVAL_INFO", fixed("!"), 0),
    DNS_HOST_NAME: ("F_DNS_HOST_NAME", dns_name, None),
    DNS_ZONE_NAME: ("F_DNS_ZONE_NAME", dns_name, None),
    DNS_FLAGS: ("F_DNS_FLAGS", bits(2, 0x000F), None),
    EXPIRATION_TIME: ("F_EXPIRATION_TIME", time, None),
    MAX_UNACKED_BNDUPD: ("F_MAX_UNACKED_BNDUPD", number(4, least=1), None),
    MCLT: ("F_MCLT", number(4), None),
    PARTNER_LIFETIME: ("F_PARTNER_LIFETIME", time, None),
    PARTNER_LIFETIME_SENT: ("F_PARTNER_LIFETIME_SENT", time, None),
    PARTNER_DOWN_TIME: ("F_PARTNER_DOWN_TIME", time, None),
    PARTNER_RAW_CLT_TIME: ("F_PARTNER_RAW_CLT_TIME", time, None),
    PROTOCOL_VERSION: ("F_PROTOCOL_VERSION", number(4), None),
    KEEPALIVE_TIME: ("F_KEEPALIVE_TIME", number(4, least=1), None),
    RECONFIGURE_DATA: ("F_RECONFIGURE_DATA", reconfigure, None),
    RELATIONSHIP_NAME: ("F_RELATIONSHIP_NAME", text, None),
    SERVER_FLAGS: ("F_SERVER_FLAGS", bits(1, 0x07), None),
    SERVER_STATE: ("F_SERVER_STATE", number(1, 10, 2), None),  # STARTUP is never sent (RFC 8156 8.2)
    START_TIME_OF_STATE: ("F_START_TIME_OF_STATE", time, None),
    STATE_EXPIRATION_TIME: ("F_STATE_EXPIRATION_TIME", time, None),
}
