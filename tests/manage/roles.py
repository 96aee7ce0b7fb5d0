"""Roles of every method and transport, and the audit log."""

import json
import os
import subprocess

from http_lab import HttpServer
from suite import expect, expect_equal, expect_in, scenario

ROLES = ("view", "operate", "config", "admin", "legal")
NOBODY = 65534
CALLER = """
import json, os, socket, sys
os.setgroups(json.loads(sys.argv[2]))
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[4]))
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
for line in sys.stdin:
    connection.sendall(line.encode())
    answer = b""
    while not answer.endswith(b"\\n"):
        answer += connection.recv(65536)
    sys.stdout.write(answer.decode())
"""


@scenario
class Roles(HttpServer):
    """Every method, called by callers of every role over HTTPS and over the socket."""

    name = "roles"
    secure = True
    access = tuple({"roles": [role], "common_name": role} for role in ROLES) + (
        {"roles": ["operate"], "user": str(NOBODY)}, {"roles": ["config"], "group": "4242"},
        {"roles": ["admin", "config", "operate", "legal"], "common_name": "admin"})
    tests = ("every_method_over_https", "every_method_over_the_socket", "wrong_params_of_every_method",
             "whoami", "socket_by_user_and_group", "audit_says_who_what_and_how",
             "audit_tells_no_secrets", "audit_file_holds_all", "views_are_not_audited", "audit_filters")

    def make_config(self):
        for role in ROLES:
            self.authority.issue(role, f"/CN={role}")
        made = super().make_config()
        self.methods = None
        return made

    def all_methods(self):
        if self.methods is None:
            self.methods = self.call("rpc.discover", self.authority.context("view"))["result"]["methods"]
            expect(len(self.methods) > 10, "hardly any methods")
        return self.methods

    def every_method_over_https(self):
        contexts = {role: self.authority.context(role) for role in ROLES}
        for method in self.all_methods():
            for role in ROLES:
                # A parameter no method has: the role is looked at first, and nothing is done.
                code = self.call(method["name"], contexts[role], no_such_parameter=1)["error"]["code"]
                allowed = method["x-role"] in (role, "view") or role == "admin" and \
                    method["x-role"] in ("operate", "config", "legal")
                expect_equal(f"{method['name']} as {role}", code, -32602 if allowed else -32001)

    def as_process(self, uid, gid, groups, *requests):
        """Calls over the socket by a process of somebody else."""
        os.chmod(self.lab.dir, 0o711)
        os.chmod(self.server.socket_path, 0o666)
        lines = "".join(json.dumps({"jsonrpc": "2.0", "id": 1, **request}) + "\n" for request in requests)
        done = subprocess.run(["python3", "-c", CALLER, self.server.socket_path, json.dumps(groups),
                               str(gid), str(uid)], input=lines, capture_output=True, text=True, check=False)
        expect_equal("the caller's exit status" + done.stderr, done.returncode, 0)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def every_method_over_the_socket(self):
        requests = [{"method": method["name"], "params": {"no_such_parameter": 1}}
                    for method in self.all_methods()]
        for answers, roles in ((self.as_process(77, 77, [], *requests), ("view",)),
                               (self.as_process(NOBODY, 77, [], *requests), ("view", "operate")),
                               (self.as_process(0, 0, [], *requests), ROLES)):
            for method, answer in zip(self.all_methods(), answers):
                expect_equal(f"{method['name']} with {roles}", answer["error"]["code"],
                             -32602 if method["x-role"] in roles else -32001)

    def wrong_params_of_every_method(self):
        for method in self.all_methods():
            for name, value in [("no_such_parameter", 1)] + [(param["name"], {"a": [{}]})
                                                            for param in method["params"]
                                                            if param["schema"].get("type", "object")
                                                            != "object"]:
                error = self.call(method["name"], **{name: value}).get("error", {})
                expect_equal(f"code of {method['name']} with a wrong {name}", error.get("code"), -32602)
                expect(error["data"].get("param"), f"{method['name']}: no data.param")
            status, answer = self.post({"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": [1]})
            expect_equal(f"{method['name']} with a list", answer["error"]["code"], -32602)

    def whoami(self):
        answer = self.call("auth.whoami", self.authority.context("operate"))["result"]
        expect_equal("user and roles", (answer["user"], answer["roles"]), ("CN=operate", ["view", "operate"]))
        expect_in("via", "https [", answer["via"])
        expect_equal("root on the socket", self.server.rpc("auth.whoami"),
                     {"user": "uid 0", "roles": list(ROLES), "via": "unix"})

    def socket_by_user_and_group(self):
        def roles(*caller):
            return self.as_process(*caller, {"method": "auth.whoami"})[0]["result"]["roles"]
        expect_equal("anybody", roles(77, 77, []), ["view"])
        expect_equal("a user", roles(NOBODY, 77, []), ["view", "operate"])
        expect_equal("a primary group", roles(77, 4242, []), ["view", "config"])
        expect_equal("a further group", roles(77, 77, [1, 4242, 5]), ["view", "config"])
        expect_equal("both", roles(NOBODY, 77, [4242]), ["view", "operate", "config"])

    def audited(self, **params):
        return self.call("audit.list", **params)["result"]["entries"]

    def operated(self):
        """Some method that needs more than view, and its role."""
        return next(method["name"] for method in self.all_methods() if method["x-role"] == "operate")

    def audit_says_who_what_and_how(self):
        name = self.operated()
        self.call(name, self.authority.context("view"), text="short", list=[1, 2])
        entry = self.audited(limit=1)[0]
        expect_equal("who, what, code", (entry["who"], entry["method"], entry["code"]), ("CN=view", name, -32001))
        expect_equal("params", entry["params"], {"text": "short", "list": [1, 2]})
        expect_in("from", "https [", entry["from"])
        expect_in("result", "needs the role", entry["result"])
        self.server.rpc("audit.list")
        entry = self.audited(limit=1)[0]
        expect_equal("who, from, what, code", (entry["who"], entry["from"], entry["method"], entry["code"]),
                     ("uid 0", "unix", "audit.list", 0))

    def audit_tells_no_secrets(self):
        self.call(self.operated(), self.authority.context("view"), my_secret="hidden-1", long="x" * 2000,
                  **{f"n{number}": "y" * 100 for number in range(20)})
        params = self.audited(limit=1)[0]["params"]
        expect_equal("a secret and a long one", (params["my_secret"], params["long"]), ("...", "..."))
        expect(1 < len(params) < 22, f"{len(params)} parameters are kept")
        self.call("config.get", redact=False)
        entry = self.audited(limit=1)[0]
        expect_equal("a look at secrets", (entry["method"], entry["params"]), ("config.get", {"redact": False}))
        expect("hidden-1" not in self.audit_file(), "a secret is in the file")

    def audit_file(self):
        with open(os.path.join(self.server.config["server"]["state_dir"], "audit.log"),
                  encoding="utf-8") as file:
            return file.read()

    def audit_file_holds_all(self):
        entries = [json.loads(line) for line in self.audit_file().splitlines()]
        expect_equal("numbers", [entry["seq"] for entry in entries], list(range(1, len(entries) + 1)))
        expect(len(entries) > 20, f"only {len(entries)} entries")
        path = os.path.join(self.server.config["server"]["state_dir"], "audit.log")
        expect_equal("its mode", os.stat(path).st_mode & 0o777, 0o600)

    def views_are_not_audited(self):
        before = len(self.audit_file())
        for method in ("server.status", "rpc.ping", "pool.list", "auth.whoami"):
            self.server.rpc(method)
        expect_equal("length of audit.log", len(self.audit_file()), before)

    def audit_filters(self):
        self.call(self.operated(), self.authority.context("view"))
        expect_equal("by who", {entry["who"] for entry in self.audited(who="CN=view")}, {"CN=view"})
        expect_equal("by method", {entry["method"] for entry in self.audited(method="audit.list")},
                     {"audit.list"})
        expect_equal("future", self.audited(**{"from": "2099-01-01T00:00:00Z"}), [])
        expect_equal("past", self.audited(to="2020-01-01T00:00:00Z"), [])
        expect_equal("limit", len(self.audited(limit=3)), 3)
