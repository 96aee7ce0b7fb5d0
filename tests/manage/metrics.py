"""GET /metrics, and the OpenRPC document."""

import json
import re
import subprocess

from http_lab import PORT, HttpServer
from lab import wait_for
from suite import expect, expect_equal, expect_in, link, scenario
from wire import Asker

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
POOLS = 1500


def parse(text):
    """{(name, ((label, value), ...)): number} of an exposition."""
    samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            key = (name, tuple(sorted(LABEL.findall(labels or ""))))
            expect(key not in samples, f"{key} comes twice")
            samples[key] = float(value)
    return samples


@scenario
class Metrics(HttpServer):
    """A server with a client and many pools."""

    name = "metrics"
    tests = ("promtool_finds_nothing", "type", "a_lease_shows", "families_are_whole", "counters_agree",
             "pools", "the_gone_caller", "docs_name_all")

    def set_up(self):
        super().set_up()
        self.asker = Asker(self.lab, self.peer, "c0")
        expect(self.asker.solicit_rapid(1), "no answer to Solicit with Rapid Commit")

    def make_config(self):
        made = super().make_config()
        made["links"] = [link("street \\ \"1\"", "access0", "16", "3000", rapid_commit=True)]
        made["links"] += [{"name": f"link{number}", "port": "access0",
                           "relay_addresses": [f"2001:db8:1:{number:x}::1"],
                           "pools": [{"type": "prefix", "range": f"2001:db9:{number:x}::/48",
                                      "delegated_length": 56}]} for number in range(POOLS)]
        return made

    def scrape(self):
        status, text, _ = self.get("/metrics")
        expect_equal("GET /metrics", status, 200)
        return text

    def promtool_finds_nothing(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.scrape(), capture_output=True,
                              text=True, check=False)
        expect_equal("promtool check metrics", (done.returncode, done.stdout + done.stderr), (0, ""))

    def type(self):
        expect_equal("Content-Type", self.get("/metrics")[2].headers["Content-Type"],
                     "text/plain; version=0.0.4; charset=utf-8")

    def a_lease_shows(self):
        samples = parse(self.scrape())
        expect(samples["tandem6_received_total", (("kind", "solicit"),)] >= 1, "no SOLICIT is counted")
        expect(samples["tandem6_sent_total", (("kind", "reply"),)] >= 1, "no REPLY is counted")
        expect(samples["tandem6_leases", (("state", "active"),)] >= 1, "no lease is counted")
        expect(samples["tandem6_journal_batches_total", ()] >= 1, "no batch is counted")
        expect_equal("serving", samples["tandem6_serving", (("state", "serving"),)], 1)
        expect_equal("worker 0", samples["tandem6_worker_alive", (("worker", "0"),)], 1)

    def families_are_whole(self):
        seen, names = set(), []
        for line in self.scrape().splitlines():
            name = line.split()[2] if line.startswith("#") else SAMPLE.match(line)[1]
            if not names or not name.startswith(names[-1]):
                expect(line.startswith("# HELP"), f"{line} stands outside its family")
                expect(name not in seen, f"{name} begins twice")
                names.append(name)
                seen.add(name)
        expect(len(names) > 40, f"only {len(names)} metrics")

    def counters_agree(self):
        before, counters, after = parse(self.scrape()), self.server.counters(), parse(self.scrape())
        for name, value in counters.items():
            group, rest = name.split("_", 1)
            family, label = {"rx": ("received", "kind"), "drop": ("dropped", "reason"),
                             "tx": ("sent", "kind")}.get(group, (None, None))
            if family:
                key = (f"tandem6_{family}_total", ((label, rest),))
                expect(before[key] <= int(value) <= after[key], f"{name} is {value}, {key} {before[key]}")

    def pools(self):
        def counted():
            samples = parse(self.scrape())
            used = [value for (name, _), value in samples.items() if name == "tandem6_pool_used_units"]
            return samples if all(value == value for value in used) else None
        samples = wait_for("a count of all pools", counted)
        rows = [dict(labels) for name, labels in samples if name == "tandem6_pool_units"]
        expect_equal("pools", len(rows), POOLS + 2)
        first = [row for row in rows if row["link"] == "street \\\\ \\\"1\\\""]
        expect_equal("types of the first link's pools", sorted(row["type"] for row in first), ["na", "pd"])
        for pool in self.server.rpc("pool.list")["pools"][:20]:
            labels = tuple(sorted((name, pool[name].replace("\\", "\\\\").replace('"', '\\"'))
                                  for name in ("pool", "link", "type")))
            expect_equal(f"free of {pool['pool']}", samples["tandem6_pool_free_units", labels],
                         float(pool["free"]))

    def the_gone_caller(self):
        for _ in range(40):
            connection = self.connect()
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            connection.recv(100)
            connection.close()
        # A scrape is made before its own stream counts.
        wait_for("all streams to end", lambda: parse(self.scrape())["tandem6_http_streams", ()] == 0)

    def docs_name_all(self):
        told = {line.split()[2] for line in self.scrape().splitlines() if line.startswith("# TYPE")}
        with open("docs/metrics.md", encoding="utf-8") as file:
            documented = set(re.findall(r"^\| `(\w+)`", file.read(), re.M))
        expect(told <= documented, f"not in docs/metrics.md: {told - documented}")


@scenario
class Clients(HttpServer):
    """Programs that others wrote."""

    name = "clients"
    tests = ("jsonrpclib", "openrpc_document")

    def jsonrpclib(self):
        script = f"""
import json, jsonrpclib
server = jsonrpclib.Server("http://[::1]:{PORT}/rpc")
assert "now" in server.rpc.ping()
assert server.server.version()["product"] == "tandem6"
assert server.lease.list(limit=3) == {{"leases": [], "next_cursor": None, "total_estimate": 0}}
server._notify.rpc.ping()
batch = jsonrpclib.MultiCall(server)
batch.rpc.ping()
batch.server.status()
assert [sorted(answer)[0] for answer in batch()] == ["now", "health"]
try:
    server.lease.list(limit=0)
except jsonrpclib.ProtocolError as error:
    assert error.args[0][0] == -32602, error
else:
    raise AssertionError("no error")
"""
        done = subprocess.run(["ip", "netns", "exec", self.ns, "/usr/bin/python3", "-c", script], capture_output=True,
                              text=True, check=False)
        expect_equal("jsonrpclib", (done.returncode, done.stderr), (0, ""))

    def openrpc_document(self):
        """What the OpenRPC specification 1.3.2 requires, clause by clause."""
        document = self.call("rpc.discover")["result"]
        expect_in("openrpc", "1.3.", document["openrpc"])
        expect(set(document) <= {"openrpc", "info", "servers", "methods", "components", "externalDocs"},
               f"members {set(document)}")
        expect({"title", "version"} <= set(document["info"]), "info lacks title or version")
        names = [method["name"] for method in document["methods"]]
        expect_equal("unique method names", len(names), len(set(names)))
        known = {"name", "summary", "description", "paramStructure", "params", "result", "errors", "tags",
                 "deprecated", "links", "examples", "servers", "externalDocs"}
        for method in document["methods"]:
            name = method["name"]
            unknown = {member for member in method if member not in known and not member.startswith("x-")}
            expect(not unknown, f"{name}: members {unknown}")
            expect_equal(f"{name}: paramStructure", method["paramStructure"], "by-name")
            for content in [*method["params"], method["result"]]:
                expect(isinstance(content["name"], str) and isinstance(content["schema"], dict),
                       f"{name}: descriptor {content}")
                expect(set(content) <= {"name", "summary", "description", "required", "schema",
                                        "deprecated"}, f"{name}: descriptor {content}")
            params = [param["name"] for param in method["params"]]
            expect_equal(f"{name}: unique params", len(params), len(set(params)))
        for error in document["components"]["errors"].values():
            expect(isinstance(error["code"], int) and isinstance(error["message"], str), f"{error}")
        expect_equal("as JSON", json.loads(json.dumps(document)), document)
