"""Leases changed by the operator, over both transports."""

import json
import socket

from http_lab import HttpServer
from lab import RpcError
from suite import expect, expect_equal, expect_in, scenario
from wire import Asker

LEASES = 24


@scenario
class Leases(HttpServer):
    """A server with some leases and an operator who takes them back."""

    name = "leases"
    secure = True
    access = ({"roles": ["operate"], "common_name": "operate"}, {"roles": ["view"], "common_name": "view"},
              {"roles": ["admin", "operate"], "common_name": "admin"})
    tests = ("released_over_both", "dry_run_changes_nothing", "refused", "quarantine_and_clear", "batch",
             "caller_gone", "audited", "there_after_a_crash")

    def set_up(self):
        super().set_up()
        asker = Asker(self.lab, self.peer, "c0")
        for number in range(1, LEASES + 1):
            expect(asker.solicit_rapid(number), f"no answer to Solicit {number} with Rapid Commit")
        self.active = [lease["address"] for lease in self.server.leases(state="active")]
        expect_equal("active leases", len(self.active), LEASES)

    def make_config(self):
        for name in ("operate", "view", "admin"):
            self.authority.issue(name, f"/CN={name}")
        made = super().make_config()
        made["links"][0]["rapid_commit"] = True
        return made

    def over_https(self, method, **params):
        answer = self.call(method, self.authority.context("operate"), **params)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def both(self):
        return (("socket", self.server.rpc), ("https", self.over_https))

    def state(self, address):
        return self.server.rpc("lease.get", address=address)["state"]

    def released_over_both(self):
        for name, rpc in self.both():
            address = self.active.pop()
            result = rpc("lease.release", address=address, comment="moved away")
            expect_equal(f"{name}: the answer", (result["applied"], result["lease"]["address"], result["lease"]["state"]),
                         (True, address, "free"))
            expect_equal(f"{name}: the lease", self.state(address), "free")
        expect_equal("counted", self.server.counters()["lease_released"], 2)

    def dry_run_changes_nothing(self):
        for name, rpc in self.both():
            result = rpc("lease.release", address=self.active[0], dry_run=True)
            expect_equal(f"{name}: the answer", (result["applied"], result["lease"]["state"]), (False, "active"))
        expect_equal("the lease", self.state(self.active[0]), "active")

    def refused(self):
        free = next(iter(self.server.leases(state="free")))["address"]
        held = self.active[0]
        rows = (
            ("lease.release", {}, -32602, "invalid_param"),
            ("lease.release", {"address": held, "prefix": "2001:db8::/56"}, -32602, "invalid_param"),
            ("lease.release", {"address": "2001:db8::g"}, -32602, "invalid_param"),
            ("lease.release", {"address": held, "quarantine_s": 0}, -32602, "invalid_param"),
            ("lease.release", {"address": held, "duid": "00"}, -32602, "invalid_param"),
            ("lease.release", {"address": "2001:db8:ffff::7"}, 1001, "no_lease"),
            ("lease.release", {"prefix": "2001:db8:ffff::/56"}, 1001, "no_lease"),
            ("lease.release", {"address": held, "duid": "00030001ffffffffffff"}, 1004, "other_client"),
            ("lease.release", {"address": free}, -32004, "not_active"),
            ("lease.declined_clear", {}, -32602, "invalid_param"),
            ("lease.declined_clear", {"address": held}, -32004, "not_abandoned"),
            ("lease.declined_clear", {"address": "2001:db8:ffff::7"}, 1001, "no_lease"),
        )
        for name, rpc in self.both():
            for method, params, code, reason in rows:
                try:
                    result = rpc(method, **params)
                except RpcError as error:
                    expect_equal(f"{name}: {method} {params}", (error.error["code"], error.error["data"]["reason"]),
                                 (code, reason))
                else:
                    expect(False, f"{name}: {method} {params} was not refused: {result}")
        answer = self.call("lease.release", self.authority.context("view"), address=held)
        expect_equal("without the role", answer["error"]["code"], -32001)
        expect_equal("the lease", self.state(held), "active")

    def quarantine_and_clear(self):
        for name, rpc in self.both():
            lease = self.server.rpc("lease.get", address=self.active.pop())
            result = rpc("lease.release", address=lease["address"], duid=lease["duid"], quarantine_s=86400)["lease"]
            expect_equal(f"{name}: in quarantine", result["state"], "abandoned")
            expect(86000 < result["valid_for_s"] <= 86400, f"{name}: for {result['valid_for_s']} s")
            result = rpc("lease.declined_clear", address=lease["address"])["lease"]
            expect_equal(f"{name}: cleared", result["state"], "free")

    def batch(self):
        first, second = self.active.pop(), self.active.pop()

        def call(number, method, **params):
            return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        requests = [call(1, "lease.release", address=first), call(2, "lease.get", address=first),
                    call(3, "lease.release", address=first), call(4, "lease.release", address=second)]
        status, answers = self.post(requests, self.authority.context("operate"))
        expect_equal("HTTP status", status, 200)
        expect_equal("ids", [answer["id"] for answer in answers], [1, 2, 3, 4])
        expect_equal("released, seen, refused, released",
                     [answer.get("result", {}).get("state") or answer.get("result", {}).get("applied") or
                      answer["error"]["code"] for answer in answers], [True, "free", -32004, True])

    def caller_gone(self):
        """Whoever asks and goes away at once still has changed the lease; others are answered."""
        gone = self.active.pop()
        request = {"jsonrpc": "2.0", "id": 1, "method": "lease.release", "params": {"address": gone}}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.server.socket_path)
            connection.sendall(json.dumps(request).encode() + b"\n")
        other = self.active.pop()
        expect(self.server.rpc("lease.release", address=other)["applied"], "not released")
        expect_equal("both leases", (self.state(gone), self.state(other)), ("free", "free"))

    def audited(self):
        entries = [entry for entry in self.server.rpc("audit.list", limit=1000)["entries"]
                   if entry["method"] == "lease.release"]
        done = [entry for entry in entries if entry["params"].get("comment") == "moved away"]
        expect_equal("who", sorted(entry["who"] for entry in done), ["CN=operate", "uid 0"])
        expect_equal("codes", {entry["code"] for entry in done}, {0})
        refused = [entry for entry in entries if entry["code"] == 1004]
        expect_in("what was said", "another client's", refused[0]["result"])

    def there_after_a_crash(self):
        """What was answered is on the disk."""
        released = [self.active.pop() for _ in range(4)]
        for address in released:
            self.server.rpc("lease.release", address=address)
        self.server.kill()
        self.server.restart()
        expect_equal("states", {self.state(address) for address in released}, {"free"})
        expect_equal("still active", sorted(lease["address"] for lease in self.server.leases(state="active")),
                     sorted(self.active))
