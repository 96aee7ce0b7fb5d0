"""The HTTP port: what it answers, what it refuses, what it bears."""

import json
import os
import ssl
import subprocess

from http_lab import OUTSIDE, PORT, HttpServer
from lab import LabError, run
from suite import expect, expect_equal, expect_in, scenario, side_by_side

PING = {"jsonrpc": "2.0", "id": 7, "method": "rpc.ping"}
HEAD = b"POST /rpc HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
CONNECTIONS_MAX = 256


@scenario
class InClear(HttpServer):
    """HTTP on a loopback address."""

    name = "http"
    tests = ("health", "one_call", "batch_and_notification", "keep_alive", "pipelined", "curl", "head",
             "expect_continue", "half_closed", "unknown_path", "wrong_method", "wrong_type",
             "names_are_refused", "no_length", "chunked_body", "too_long_body", "too_long_head",
             "nonsense", "truncated", "loopback_may_view_only", "idle_connections", "slow_callers",
             "same_answers_as_the_socket")

    def health(self):
        status, text, response = self.get("/healthz")
        expect_equal("GET /healthz", (status, text), (200, "serving\n"))
        expect_equal("its type", response.headers["Content-Type"], "text/plain; charset=utf-8")

    def one_call(self):
        status, answer = self.post(PING)
        expect_equal("status", status, 200)
        expect_equal("id", answer["id"], 7)
        expect_in("the answer", "now", answer["result"])

    def batch_and_notification(self):
        status, answer = self.post([PING, {"jsonrpc": "2.0", "method": "rpc.ping"}, 1])
        expect_equal("status of a batch", status, 200)
        expect_equal("ids", [one["id"] for one in answer], [7, None])
        expect_equal("the second", answer[1]["error"]["code"], -32600)
        expect_equal("a notification", self.post({"jsonrpc": "2.0", "method": "rpc.ping"}), (200, None))
        expect_equal("bad JSON", self.post("{")[1]["error"]["code"], -32700)

    def keep_alive(self):
        connection = self.open()
        for number in range(50):
            status, answer = self.post({**PING, "id": number}, connection=connection)
            expect_equal("status and id", (status, answer["id"]), (200, number))
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        expect_equal("the last", connection.getresponse().read(), b"serving\n")
        connection.close()

    def pipelined(self):
        bodies = [json.dumps({**PING, "id": number}).encode() for number in range(20)]
        got = self.raw(b"".join(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
                                for body in bodies) +
                       b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
        expect_equal("answers", got.count(b"HTTP/1.1 200 OK"), 21)
        places = [got.index(b'"id":%d,' % number) for number in range(20)]
        expect_equal("their order", places, sorted(places))

    def curl(self):
        def curl(*arguments):
            return run("ip", "netns", "exec", self.ns, "curl", "-sS", "-g", *arguments)
        url = f"http://[::1]:{PORT}"
        expect_equal("curl /healthz", curl(url + "/healthz"), "serving\n")
        answer = json.loads(curl(url + "/rpc", "-H", "Content-Type: application/json", "-d",
                                 json.dumps(PING)))
        expect_equal("curl /rpc", answer["id"], 7)

    def head(self):
        status, text, response = self.get("/healthz", "HEAD")
        expect_equal("HEAD /healthz", (status, text, response.headers["Content-Length"]), (200, "", "8"))

    def expect_continue(self):
        body = json.dumps(PING).encode()
        with self.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\n"
                               b"Connection: close\r\n\r\n" % len(body))
            expect_equal("the server", connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body)
            expect_in("the answer", b"200 OK", connection.recv(65536))

    def half_closed(self):
        body = json.dumps(PING).encode()
        got = self.raw(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, shut=True)
        expect_in("the answer after a half close", b'"id":7', got)

    def unknown_path(self):
        expect_equal("GET /nothing", self.get("/nothing")[0], 404)
        expect_equal("GET /healthz/", self.get("/healthz/")[0], 404)

    def wrong_method(self):
        expect_equal("GET /rpc", self.get("/rpc")[0], 405)
        expect_equal("DELETE /healthz", self.get("/healthz", "DELETE")[0], 405)

    def wrong_type(self):
        expect_equal("a form", self.post(PING, **{"Content-Type": "application/x-www-form-urlencoded"})[0],
                     415)

    def names_are_refused(self):
        expect_equal("Host: evil.example", self.get("/healthz", headers={"Host": "evil.example"})[0], 421)
        expect_equal("Host: localhost", self.get("/healthz", headers={"Host": "localhost:8647"})[0], 200)

    def no_length(self):
        expect_in("no Content-Length", b"HTTP/1.1 411 ", self.raw(HEAD + b"\r\n"))

    def chunked_body(self):
        expect_in("a chunked body", b"HTTP/1.1 411 ",
                  self.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))

    def too_long_body(self):
        expect_in("2 MiB", b"HTTP/1.1 413 ", self.raw(HEAD + b"Content-Length: 2097152\r\n\r\n" +
                                                      b" " * 2097152))
        text = json.dumps({**PING, "params": {}})
        status, answer = self.post(text + " " * (1048576 - len(text)))
        expect_equal("just 1 MiB", (status, answer["id"]), (200, 7))

    def too_long_head(self):
        expect_in("9000 octets of head", b"HTTP/1.1 431 ",
                  self.raw(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX: " + b"x" * 9000))
        expect_in("a long path", b"HTTP/1.1 414 ",
                  self.raw(b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\nHost: [::1]\r\n\r\n"))

    def nonsense(self):
        expect_in("nonsense", b"HTTP/1.1 400 ", self.raw(b"\x16\x03\x01 hello\r\n\r\n"))
        expect_in("two lengths", b"HTTP/1.1 400 ",
                  self.raw(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"))

    def truncated(self):
        expect_equal("half a head", self.raw(b"POST /rpc HT", shut=True), b"")
        expect_equal("half a body", self.raw(HEAD + b"Content-Length: 100\r\n\r\n{", shut=True), b"")
        self.health()

    def loopback_may_view_only(self):
        expect_in("server.status", "result", self.call("server.status"))
        answer = self.call("config.get", redact=False)
        expect_equal("secrets", answer["error"]["code"], -32001)

    def idle_connections(self):
        idle = []
        try:
            for _ in range(1000):
                idle.append(self.connect())
            self.health()
            self.one_call()
            held = 0
            for connection in idle:
                connection.setblocking(False)
                try:
                    held += connection.recv(1) != b""
                except BlockingIOError:
                    held += 1
                except ConnectionResetError:
                    pass
            expect(held < CONNECTIONS_MAX, f"{held} idle connections are held")
            expect_equal("the socket", self.server.rpc("server.status")["state"], "serving")
        finally:
            for connection in idle:
                connection.close()

    def slow(self, start, what):
        """A caller that sends an octet now and then is not served for ever."""
        with self.connect(timeout=0.4) as connection:
            connection.sendall(start)
            for _ in range(150):
                try:
                    connection.sendall(b"x")
                    connection.recv(100)    # the end, or why
                    return
                except TimeoutError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    return
        raise LabError(f"a slow {what} was borne for a minute")

    def slow_callers(self):
        side_by_side([
            lambda: self.slow(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX: ", "head"),
            lambda: self.slow(HEAD + b"Content-Length: 1000\r\n\r\n", "body"),
            lambda: self.slow(b"", "start"),
        ])

    def same_answers_as_the_socket(self):
        for method in ("server.version", "config.get", "pool.list", "rpc.discover"):
            expect_equal(method, self.call(method)["result"], self.server.rpc(method))


@scenario
class Secure(HttpServer):
    """HTTPS outside: a client certificate is needed, and says who it is."""

    name = "https"
    secure = True
    access = ({"roles": ["admin", "operate", "config"], "common_name": "root of all"},
              {"roles": ["operate"], "organizational_unit": "noc"})
    tests = ("call_with_certificate", "by_organizational_unit", "without_a_row", "without_a_certificate",
             "foreign_certificate", "self_signed_certificate", "tls_1_2_yes_1_1_no", "clear_text",
             "idle_and_half_handshakes", "curl", "keep_alive_and_large", "certificate_changes_by_sighup",
             "access_changes_by_sighup")

    def make_config(self):
        self.authority.issue("admin", "/O=isp/OU=eng/CN=root of all")
        self.authority.issue("operator", "/O=isp/OU=field/OU=noc/CN=alice")
        self.authority.issue("stranger", "/O=isp/OU=hr/CN=bob")
        self.authority.make("impostor", "/O=isp/CN=root of all", "-x509")
        return super().make_config()

    def call_with_certificate(self):
        expect_in("server.status", "result", self.call("server.status"))
        expect_in("secrets", "result", self.call("config.get", redact=False))

    def by_organizational_unit(self):
        context = self.authority.context("operator")
        expect_in("server.status", "result", self.call("server.status", context))
        expect_equal("secrets", self.call("config.get", context, redact=False)["error"]["code"], -32001)

    def without_a_row(self):
        context = self.authority.context("stranger")
        answer = self.call("server.status", context)
        expect_equal("server.status", answer["error"]["code"], -32001)
        expect_equal("GET /healthz", self.get("/healthz", context=context)[0], 200)

    def refused(self, context):
        try:
            return self.post(PING, context)[0]
        except (ssl.SSLError, OSError):
            return None

    def without_a_certificate(self):
        expect_equal("no certificate", self.refused(self.authority.context()), None)

    def foreign_certificate(self):
        expect_equal("signed by nobody we know", self.refused(self.authority.context("impostor")), None)

    def self_signed_certificate(self):
        # The authority's own name on a certificate it did not sign.
        self.authority.make("liar", "/CN=test authority", "-x509")
        expect_equal("self-signed", self.refused(self.authority.context("liar")), None)

    def tls_1_2_yes_1_1_no(self):
        old = self.authority.context("admin", ssl.TLSVersion.TLSv1_2)
        expect_equal("TLS 1.2", self.post(PING, old)[0], 200)
        older = self.authority.context("admin")
        older.set_ciphers("ALL:@SECLEVEL=0")
        older.minimum_version = ssl.TLSVersion.TLSv1
        older.maximum_version = ssl.TLSVersion.TLSv1_1
        expect_equal("TLS 1.1", self.refused(older), None)

    def clear_text(self):
        got = self.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(b"HTTP/1.1" not in got, f"clear text was answered: {got!r}")

    def idle_and_half_handshakes(self):
        idle = [self.connect() for _ in range(400)]
        for connection in idle[::2]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        self.call_with_certificate()
        for connection in idle:
            connection.close()

    def curl(self):
        path = self.authority.path
        answer = run("ip", "netns", "exec", self.ns, "curl", "-sS", "-g", f"https://[{OUTSIDE}]:{PORT}/rpc",
                     "--cacert", path("ca.pem"), "--cert", path("admin.pem"), "--key", path("admin.key"),
                     "-H", "Content-Type: application/json", "-d", json.dumps(PING))
        expect_equal("curl", json.loads(answer)["id"], 7)

    def keep_alive_and_large(self):
        connection = self.open()
        for number in range(10):
            status, answer = self.post([{**PING, "id": id, "method": "rpc.discover"}
                                        for id in range(number * 5 + 1)], connection=connection)
            expect_equal("status and length", (status, len(answer)), (200, number * 5 + 1))
        connection.close()

    def served_name(self):
        connection = self.open()
        peer = connection.sock.getpeercert()
        connection.close()
        return dict(part[0] for part in peer["subject"])["commonName"]

    def sighup(self):
        mark = len(self.server.log())
        self.server.write_config()
        self.server.popen.send_signal(1)
        self.server.wait_log("configuration read again", after=mark)

    def certificate_changes_by_sighup(self):
        expect_equal("served name", self.served_name(), "server")
        self.authority.issue("next", "/CN=next", f"subjectAltName=IP:{OUTSIDE}")
        for end in (".pem", ".key"):
            os.replace(self.authority.path("next" + end), self.authority.path("server" + end))
        self.sighup()
        expect_equal("served name after SIGHUP", self.served_name(), "next")

    def access_changes_by_sighup(self):
        context = self.authority.context("stranger")
        connection = self.open(context)
        expect_in("before", "error", self.post({**PING}, connection=connection)[1])
        self.server.config["management"]["access"].append({"roles": ["view"], "common_name": "bob"})
        self.sighup()
        expect_in("after, same connection", "result", self.post({**PING}, connection=connection)[1])
        connection.close()


@scenario
class Refusals(HttpServer):
    """What a configuration may not ask for."""

    name = "listen"
    tests = ("outside_needs_tls", "outside_needs_certificates", "key_that_does_not_fit", "port_in_use",
             "unknown_user")

    def check(self, **management):
        """(exit status, output) of a start that must fail."""
        made = {**self.made_config, "management": management,
                "server": {"name": "x", "state_dir": self.lab.path("other.state")}}
        path = self.lab.path("other.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(made, file)
        done = subprocess.run(["ip", "netns", "exec", self.ns, self.server.program, "-c", path],
                              capture_output=True, text=True, timeout=30, check=False)
        expect(done.returncode != 0, "it started")
        return done.stdout + done.stderr

    def outside_needs_tls(self):
        expect_in("the refusal", "/management/listen", self.check(listen="[::]:1234"))
        expect_in("the refusal", "/management/listen", self.check(listen="[::]:1234", tls=None))

    def outside_needs_certificates(self):
        files = self.authority.server_files()
        del files["ca"]
        expect_in("the refusal", "/management/listen", self.check(listen="[::]:1234", tls=files))

    def key_that_does_not_fit(self):
        files = {**self.authority.server_files(), "key": self.authority.path("ca.key")}
        expect_in("the refusal", "management.tls", self.check(listen="[::]:1234", tls=files))

    def port_in_use(self):
        expect_in("the refusal", "in use", self.check(listen=f"[::1]:{PORT}"))

    def unknown_user(self):
        rows = [{"roles": ["view"], "user": "nobody-of-that-name"}]
        expect_in("the refusal", "/management/access/0", self.check(listen="[::1]:1234", access=rows))
