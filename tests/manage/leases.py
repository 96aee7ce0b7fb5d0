"""Leases changed by the operator, over both transports."""

import ctypes
import glob
import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from http_lab import HttpServer
from lab import ROOT, LabError, RpcError, wait_for
from loadgen import Load
from suite import Scenario, expect, expect_equal, expect_in, scenario
from wire import Asker, duid

sys.path.append(os.path.join(ROOT, "tests", "pair"))
from pair import Pair   # noqa: E402

LEASES = 24


class Frozen:
    """One thread of a process, by name, stands still meanwhile, stopped in its sleep. Enter and leave it in the
    same thread."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17   # requests of ptrace
    ALL = 0x40000000                                # __WALL of waitpid
    SLEEPS = ("35", "230", "101", "115")            # (clock_)nanosleep on x86-64, on ARM64

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.folder = next((folder for folder in glob.glob(f"/proc/{pid}/task/*")
                            if self.read(folder, "comm") == name), None)
        if self.folder is None:
            raise LabError(f"no thread {name}")
        self.thread = int(os.path.basename(self.folder))

    @staticmethod
    def read(folder, name):
        with open(os.path.join(folder, name), encoding="ascii") as file:
            return file.read().strip()

    def ptrace(self, request):
        if self.libc.ptrace(ctypes.c_long(request), ctypes.c_long(self.thread), None, None):
            raise LabError(f"ptrace: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        for _ in range(1000):
            self.ptrace(self.SEIZE)
            self.ptrace(self.INTERRUPT)
            os.waitpid(self.thread, self.ALL)
            if self.read(self.folder, "syscall").split()[0] in self.SLEEPS:
                return self
            self.ptrace(self.DETACH)
            time.sleep(0.001)
        raise LabError("it never sleeps")

    def __exit__(self, *_):
        self.ptrace(self.DETACH)


def refusal(rpc, method, **params):
    """Code and reason of a call that must be refused."""
    try:
        result = rpc(method, **params)
    except RpcError as error:
        return error.error["code"], error.error["data"]["reason"]
    expect(False, f"{method} {params} was not refused: {result}")
    return None


@scenario
class Leases(HttpServer):
    """A server with some leases and an operator who takes them back."""

    name = "leases"
    secure = True
    access = ({"roles": ["operate"], "common_name": "operate"}, {"roles": ["view"], "common_name": "view"},
              {"roles": ["admin", "operate"], "common_name": "admin"})
    tests = ("released_over_both", "dry_run_changes_nothing", "refused", "counted", "quarantine_and_clear", "many", "added", "batch",
             "caller_gone", "audited", "waits_for_the_disk", "there_after_a_crash")

    def set_up(self):
        super().set_up()
        self.asker = Asker(self.lab, self.peer, "c0")
        for number in range(1, LEASES + 1):
            expect(self.asker.solicit_rapid(number), f"no answer to Solicit {number} with Rapid Commit")
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
            ("lease.release", {"filter": {}, "max": 5}, -32602, "invalid_param"),
            ("lease.release", {"filter": {"type": "na"}}, -32602, "invalid_param"),
            ("lease.release", {"filter": {"type": "na"}, "max": 5, "cursor": "x"}, -32006, "bad_cursor"),
            ("lease.declined_clear", {}, -32602, "invalid_param"),
            ("lease.declined_clear", {"address": held}, -32004, "not_abandoned"),
            ("lease.declined_clear", {"address": "2001:db8:ffff::7"}, 1001, "no_lease"),
        )
        for name, rpc in self.both():
            for method, params, code, reason in rows:
                expect_equal(f"{name}: {method} {params}", refusal(rpc, method, **params), (code, reason))
        answer = self.call("lease.release", self.authority.context("view"), address=held)
        expect_equal("without the role", answer["error"]["code"], -32001)
        expect_equal("the lease", self.state(held), "active")

    def counted(self):
        for name, rpc in self.both():
            seen = rpc("lease.count")
            expect_equal(f"{name}: by state", {row["state"]: row["count"] for row in seen["rows"]},
                         {"active": len(self.active), "free": LEASES - len(self.active)})
            expect_equal(f"{name}: in all", (seen["count"], seen["next_cursor"]), (LEASES, None))
            expect_equal(f"{name}: by link", rpc("lease.count", group_by="link", filter={"state": "active"})["rows"],
                         [{"link": "street", "count": len(self.active)}])
            for params, code in (({"group_by": "colour"}, -32602), ({"filter": {"pool": "none"}}, -32602),
                                 ({"cursor": "x"}, -32006)):
                expect_equal(f"{name}: {params}", refusal(rpc, "lease.count", **params)[0], code)

    def quarantine_and_clear(self):
        for name, rpc in self.both():
            lease = self.server.rpc("lease.get", address=self.active.pop())
            result = rpc("lease.release", address=lease["address"], duid=lease["duid"], quarantine_s=86400)["lease"]
            expect_equal(f"{name}: in quarantine", result["state"], "abandoned")
            expect(86000 < result["valid_for_s"] <= 86400, f"{name}: for {result['valid_for_s']} s")
            result = rpc("lease.declined_clear", address=lease["address"])["lease"]
            expect_equal(f"{name}: cleared", result["state"], "free")

    def many(self):
        """All of a filter, some in each call."""
        for name, rpc in self.both():
            lease = self.server.rpc("lease.get", address=self.active.pop())
            params = {"filter": {"duid": lease["duid"]}, "max": 1}
            result = rpc("lease.release", dry_run=True, **params)
            expect_equal(f"{name}: dry run", [row["address"] for row in result["leases"]], [lease["address"]])
            expect_equal(f"{name}: after the dry run", self.state(lease["address"]), "active")
            seen, cursor = [], None
            while True:
                result = rpc("lease.release", quarantine_s=3600, cursor=cursor, **params)
                seen += [row["address"] for row in result["leases"]]
                cursor = result["next_cursor"]
                if not cursor:
                    break
            expect_equal(f"{name}: released, refused", (seen, result["refused"]), ([lease["address"]], 0))
            result = rpc("lease.declined_clear", filter={"state": "abandoned"}, max=100)
            expect_equal(f"{name}: cleared", [row["address"] for row in result["leases"]], seen)
            expect_equal(f"{name}: state", self.state(lease["address"]), "free")

    def added(self):
        """The client is given it when it comes."""
        for number, (name, rpc) in enumerate(self.both(), 501):
            wanted = {"address": f"2001:db8:16::{number}", "duid": duid(number).hex(), "iaid": number}
            result = rpc("lease.add", dry_run=True, **wanted)
            expect_equal(f"{name}: dry run", (result["applied"], result["lease"]), (False, None))
            lease = rpc("lease.add", **wanted)["lease"]
            expect_equal(f"{name}: the lease", {key: lease[key] for key in (*wanted, "state")},
                         {**wanted, "state": "active"})
            expect(self.asker.solicit_rapid(number), f"{name}: no answer to the client")
            expect_equal(f"{name}: what the client has",
                         [row["address"] for row in self.server.leases(duid=wanted["duid"], state="active")],
                         [wanted["address"]])
            self.active.append(wanted["address"])
            for params, code, reason in (
                    (wanted, 1002, "has_it"), ({**wanted, "address": "2001:db8:16::77"}, 1002, "has_another"),
                    ({**wanted, "duid": "0003000177"}, 1004, "held"),
                    ({**wanted, "address": "2001:db8:77::1"}, 1007, "outside_pools"),
                    ({**wanted, "iaid": -1}, -32602, "invalid_param"), ({"address": "::1"}, -32602, "invalid_param"),
                    ({"duid": "0003000177", "iaid": 1}, -32602, "invalid_param")):
                expect_equal(f"{name}: {params}", refusal(rpc, "lease.add", **params), (code, reason))

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

    def waits_for_the_disk(self):
        """No answer before the change is durable; others are answered meanwhile. In the end it is said so."""
        line = {"jsonrpc": "2.0", "id": 1, "method": "lease.release"}
        first, second = self.active.pop(), self.active.pop()
        with socket.socket(socket.AF_UNIX) as connection, ThreadPoolExecutor(1) as pool:
            connection.connect(self.server.socket_path)
            connection.settimeout(1)
            with Frozen(self.server_pid(), "journal"):
                connection.sendall(json.dumps({**line, "params": {"address": first}}).encode() + b"\n")
                over_https = pool.submit(self.over_https, "lease.release", address=second)
                try:
                    expect(False, f"answered: {connection.recv(65536)}")
                except TimeoutError:
                    pass
                expect(not over_https.done(), "answered over HTTPS")
                expect_equal("both, to others", {self.state(first), self.state(second)}, {"free"})
            connection.settimeout(20)
            expect_equal("socket", json.loads(connection.recv(65536))["result"]["applied"], True)
            expect_equal("https", over_https.result(20)["applied"], True)
            first, second = self.active.pop(), self.active.pop()
            with Frozen(self.server_pid(), "journal"):
                over_https = pool.submit(refusal, self.over_https, "lease.release", address=second)
                expect_equal("socket, given up", refusal(self.server.rpc, "lease.release", address=first),
                             (-32007, "not_durable"))
                expect_equal("https, given up", over_https.result(20), (-32007, "not_durable"))
        self.server.rpc("lease.release", address=self.active.pop())     # and all before it

    def server_pid(self):
        """ip netns exec becomes the program."""
        return self.server.popen.pid

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


@scenario
class LeasesOfAPair(Scenario):
    """A pair: what either operator may take back, and when."""

    name = "leases-pair"
    tests = ("the_partners_lease", "the_partners_free_prefix", "the_partners_share", "quarantine_at_both", "no_right_while_starting",
             "released_when_cut_off")

    def set_up(self):
        self.pair = Pair(self.lab, tls=False, relation={"startup_s": 20}).start()
        self.pair.wait_settled()
        relay = self.lab.namespace("relay")
        self.lab.plug(self.pair.core, relay, "up0")
        self.lab.address(relay, "up0", "2001:db8:0:1::f/64")
        self.lab.start(Load(self.lab, relay, "load", relay="2001:db8:0:1::f", link_address="2001:db8:17::1",
                            server=["2001:db8:0:1::1", "2001:db8:0:1::2"], clients=5, na=True, pd=True, once=True,
                            mix="new=1", duration=20)).result()
        self.pair.wait_settled()
        self.held = [lease["prefix"] for lease in self.pair.a.leases(state="active", type="pd")]
        expect(len(self.held) >= 4, f"prefixes held: {self.held}")

    def wait_free(self, prefix):
        wait_for(f"{prefix} to be free at both",
                 lambda: all((server.lease(prefix) or {"state": ""})["state"].startswith("free")
                             for server in self.pair.servers.values()))

    def the_partners_lease(self):
        """The primary gave it; the secondary releases it, and it is free when both know."""
        prefix = self.held.pop()
        result = self.pair.b.rpc("lease.release", prefix=prefix)
        expect_equal("at once", result["lease"]["state"], "released")
        self.wait_free(prefix)
        self.pair.wait_settled()

    def the_partners_free_prefix(self):
        theirs = next(iter(self.pair.a.leases(state="free_backup", type="pd")))["prefix"]
        expect_equal("refusal", refusal(self.pair.a.rpc, "lease.release", prefix=theirs), (-32004, "not_active"))

    def the_partners_share(self):
        """Addresses by their lowest bit, prefixes by who has them free."""
        client = {"duid": "00030001020304", "iaid": 1}
        theirs = next(iter(self.pair.a.leases(state="free_backup", type="pd")))["prefix"]
        for side, mine, others in ((self.pair.a, "2001:db8:17::1:1", "2001:db8:17::1:2"),
                                   (self.pair.b, "2001:db8:17::1:4", "2001:db8:17::1:3")):
            expect_equal("refusal", refusal(side.rpc, "lease.add", address=others, **client), (1005, "not_owner"))
            expect_equal("its own", side.rpc("lease.add", address=mine, **client)["lease"]["state"], "active")
            side.rpc("lease.release", address=mine)
            self.wait_free(mine)
        expect_equal("refusal", refusal(self.pair.a.rpc, "lease.add", prefix=theirs, **client), (1005, "not_owner"))
        expect_equal("its own", self.pair.b.rpc("lease.add", prefix=theirs, **client)["lease"]["state"], "active")
        self.pair.wait_settled()
        self.pair.a.rpc("lease.release", prefix=theirs)
        self.wait_free(theirs)

    def quarantine_at_both(self):
        prefix = self.held.pop()
        self.pair.a.rpc("lease.release", prefix=prefix, quarantine_s=3600)
        wait_for("the secondary to know", lambda: self.pair.b.lease(prefix)["state"] == "abandoned")
        self.pair.wait_settled()
        expect_equal("at once", self.pair.b.rpc("lease.declined_clear", prefix=prefix)["lease"]["state"], "reset")
        self.wait_free(prefix)
        self.pair.wait_settled()

    def no_right_while_starting(self):
        for server in self.pair.servers.values():
            server.stop()
        self.lab.start(self.pair.b)
        expect_equal("refusal", refusal(self.pair.b.rpc, "lease.release", prefix=self.held[0]),
                     (1006, "failover_state"))
        result = self.pair.b.rpc("lease.release", filter={"type": "pd"}, max=100)
        expect_equal("of many", (result["leases"], result["refused"]), ([], len(self.held)))
        self.lab.start(self.pair.a)
        self.pair.wait_settled(60.0)
        expect_equal("the lease", self.pair.b.lease(self.held[0])["state"], "active")

    def released_when_cut_off(self):
        """Nobody gets it before the partner knows."""
        prefix = self.held.pop()
        self.pair.cut_line()
        self.pair.wait_states("COMMUNICATIONS-INTERRUPTED", "COMMUNICATIONS-INTERRUPTED")
        expect_equal("at once", self.pair.a.rpc("lease.release", prefix=prefix)["lease"]["state"], "released")
        expect_equal("at the partner", self.pair.b.lease(prefix)["state"], "active")
        self.pair.cut_line(True)
        self.pair.wait_states(timeout=60.0)
        self.wait_free(prefix)
