"""What the tests of TLS have in common: the addresses, the servers' configuration, and a partner of our own
that says on the failover port what it is told to say."""

import socket
import ssl
import struct
import time

import suite
from lab import Server

PRIMARY, SECONDARY, STRANGER = "2001:db8:0:2::1", "2001:db8:0:2::2", "2001:db8:0:2::7"
PORT = 647
REPLY, STARTTLS, CONNECT, CONNECTREPLY, CONTACT = 7, 23, 31, 32, 35
SEC_UNIX_OFFSET = 946684800     # failover counts from 2000 on
TLS_REFUSED, CONFIGURATION_CONFLICT = 15, 17


def config(role, tls, **more):
    """One server of the pair "pop7"."""
    primary = role == "primary"
    made = suite.config([suite.packet_port(0, "srv0", "2001:db8:0:1::1")],
                        [suite.link("street", "access0", "16", "3000")])
    made["failover"] = [{"relationship": "pop7", "role": role, "partner": SECONDARY if primary else PRIMARY,
                         "listen": PRIMARY if primary else SECONDARY, "mclt_s": 60, "keepalive_s": 10,
                         "links": ["street"], "tls": tls, **more}]
    return made


class Place:
    """Two namespaces with a cable between the servers' addresses."""

    def __init__(self, lab):
        self.lab = lab
        self.primary, self.secondary = lab.namespace("primary"), lab.namespace("secondary")
        self.switch = lab.switch("switch")
        lab.cable(self.primary, "fo0", self.secondary, "fo0")
        for namespace, address in ((self.primary, PRIMARY), (self.primary, STRANGER),
                                   (self.secondary, SECONDARY)):
            lab.address(namespace, "fo0", address + "/64")
        for namespace in (self.primary, self.secondary):
            lab.plug(self.switch, namespace, "srv0")
            lab.server_port(namespace, "srv0")

    def server(self, role, tls, **more):
        namespace = self.primary if role == "primary" else self.secondary
        return Server(self.lab, namespace, config(role, tls, **more), name=role)


def frame(kind, xid, options=b"", timed=True):
    """One message with its length in front."""
    sent = struct.pack("!I", int(time.time()) - SEC_UNIX_OFFSET) if timed else b""
    message = struct.pack("!B", kind) + xid.to_bytes(3, "big") + sent + options
    return struct.pack("!H", len(message)) + message


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def starttls():
    return frame(STARTTLS, 1, timed=False)


def starttls_reply(status=None):
    options = option(13, struct.pack("!H", status)) if status is not None else b""
    return frame(REPLY, 1, options, timed=False)


def connect(name=b"pop7", mclt_s=60):
    """CONNECT as a primary says it."""
    options = (option(127, struct.pack("!HH", 1, 0)) + option(122, struct.pack("!I", mclt_s)) +
               option(128, struct.pack("!I", 10)) + option(121, struct.pack("!I", 100)))
    if name is not None:
        options += option(130, name)
    return frame(CONNECT, 2, options + option(115, struct.pack("!H", 1)))


def read_frame(stream):
    """One message without its length; b"" when the connection ends first."""
    data = b""
    while len(data) < 2 or len(data) < 2 + struct.unpack_from("!H", data)[0]:
        part = stream.recv(1)
        if not part:
            return b""
        data += part
    return data[2:]


def status_of(message, header):
    """The status code at top level, or None."""
    at = header
    while at + 4 <= len(message):
        code, size = struct.unpack_from("!HH", message, at)
        if code == 13:
            return struct.unpack_from("!H", message, at + 4)[0]
        at += 4 + size
    return None


def dial(place, source=PRIMARY):
    """A connection to the secondary's port."""
    stream = place.lab.socket(place.primary, socket.AF_INET6, socket.SOCK_STREAM)
    stream.settimeout(15)
    stream.bind((source, 0))
    stream.connect((SECONDARY, PORT))
    return stream


def listen(place):
    """Where the primary connects to."""
    listener = place.lab.socket(place.secondary, socket.AF_INET6, socket.SOCK_STREAM)
    listener.settimeout(15)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((SECONDARY, PORT))
    listener.listen(8)
    return listener


def secure(stream, own=None, server=False, version=None):
    """TLS that takes any certificate and shows own; what goes wrong is the other side's business."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    if not server:
        context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    if own:
        context.load_cert_chain(own.certificate, own.key)
    return context.wrap_socket(stream, server_side=server)


def ends(stream):
    """Reads until the other side closes; what it has said."""
    said = b""
    try:
        while True:
            part = stream.recv(4096)
            if not part:
                return said
            said += part
    except (ConnectionError, ssl.SSLError):
        return said
