"""A server with an HTTP port, certificates for it and its callers, and the callers."""

import http.client
import json
import os
import socket
import ssl

from lab import Server, run
from suite import Scenario, config, expect_equal, link, packet_port

PORT = 8647
OUTSIDE = "2001:db8:ffff::1"    # of the namespace, not loopback


class Authority:
    """A certificate authority of our own, by the openssl command."""

    def __init__(self, folder):
        os.makedirs(folder)
        self.folder = folder
        self.make("ca", "/CN=test authority", "-x509", "-addext", "basicConstraints=critical,CA:TRUE")

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, subject, *more):
        """NAME.pem and NAME.key."""
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", subject, "-days", "2", "-keyout", self.path(name + ".key"),
            "-out", self.path(name + ".pem"), *more)

    def issue(self, name, subject, *extensions):
        """A certificate signed by the authority."""
        self.make(name, subject, "-x509", "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                  *(part for extension in extensions for part in ("-addext", extension)))

    def server_files(self, name="server"):
        return {"certificate": self.path(name + ".pem"), "key": self.path(name + ".key"),
                "ca": self.path("ca.pem")}

    def context(self, name=None, version=None):
        """What a caller needs; name: its certificate."""
        made = ssl.create_default_context(cafile=self.path("ca.pem"))
        made.check_hostname = False
        if name:
            made.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        if version:
            made.maximum_version = version
        return made


class HttpServer(Scenario):
    """A server that listens on a loopback address in clear, or outside with certificates."""

    secure = False
    access = ()

    def set_up(self):
        self.ns = self.lab.namespace("server")
        self.peer = self.lab.namespace("peer")
        self.lab.cable(self.ns, "srv0", self.peer, "c0")
        self.lab.wait_link_local(self.peer, "c0")
        self.lab.server_port(self.ns, "srv0")
        run("ip", "-n", self.ns, "addr", "add", f"{OUTSIDE}/128", "dev", "lo", "nodad")
        self.authority = Authority(self.lab.path("certificates"))
        self.authority.issue("server", "/CN=server", f"subjectAltName=IP:{OUTSIDE}")
        self.host = OUTSIDE if self.secure else "::1"
        self.made_config = self.make_config()
        self.server = self.lab.start(Server(self.lab, self.ns, self.made_config))

    def make_config(self):
        management = {"listen": f"[{self.host}]:{PORT}"}
        if self.secure:
            management["tls"] = self.authority.server_files()
        if self.access:
            management["access"] = list(self.access)
        return config([packet_port(0, "srv0", "2001:db8:0:1::1")],
                      [link("street", "access0", "16", "3000")], management=management)

    def context(self):
        """The certificate a usual call comes with."""
        return self.authority.context("admin") if self.secure else None

    def connect(self, timeout=20, receive_buffer=None):
        """A plain TCP connection to the port."""
        connection = self.lab.socket(self.ns, socket.AF_INET6, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect((self.host, PORT))
        return connection

    def open(self, context=None, timeout=20, receive_buffer=None):
        """An http.client connection over a socket in the server's namespace."""
        connection = http.client.HTTPConnection(f"[{self.host}]", PORT, timeout=timeout)
        connection.sock = self.connect(timeout, receive_buffer)
        context = context or self.context()
        if context:
            connection.sock = context.wrap_socket(connection.sock)
        return connection

    def get(self, path, method="GET", context=None, headers=None):
        """(status, text, response) of one request."""
        connection = self.open(context)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode(), response
        finally:
            connection.close()

    def post(self, body, context=None, connection=None, **headers):
        """(status, answer as JSON or None)."""
        made = connection or self.open(context)
        try:
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            made.request("POST", "/rpc", body, {"Content-Type": "application/json", **headers})
            response = made.getresponse()
            text = response.read()
            try:
                return response.status, json.loads(text) if text else None
            except ValueError:
                return response.status, text.decode()
        finally:
            if connection is None:
                made.close()

    def call(self, method, context=None, /, **params):
        """The whole answer of one call."""
        status, answer = self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
                                   context)
        expect_equal(f"HTTP status of {method}", status, 200)
        return answer

    def raw(self, octets, timeout=20, shut=False):
        """Sends octets and reads until the server closes; returns what came."""
        with self.connect(timeout) as connection:
            connection.sendall(octets)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            got = b""
            while True:
                try:
                    part = connection.recv(65536)
                except ConnectionResetError:
                    return got
                if not part:
                    return got
                got += part
