"""Live configuration: random changes while clients are served, and what is refused. LIVE_CHANGES, LIVE_RATE and
LIVE_CLIENTS make the same run long (tests/manage/run-long)."""

import copy
import json
import os
import random
import signal

from lab import RpcError, Server, wait_for
from loadgen import Load
from suite import Scenario, config, expect, expect_equal, expect_in, link, packet_port, scenario

CHANGES = int(os.environ.get("LIVE_CHANGES", "10"))
RATE = int(os.environ.get("LIVE_RATE", "200"))
CLIENTS = int(os.environ.get("LIVE_CLIENTS", "400"))
SEED = int(os.environ.get("LIVE_SEED", "1"))
LINK_ADDRESS = "2001:db8:17::1"
SERVER = "2001:db8:0:1::1"
SECRET = "00112233445566778899aabbccddeeff"


class Changer:
    """Changes to a configuration that leave what clients of the link "olt" get as right as before."""

    def __init__(self, made, seed):
        self.made, self.random, self.number = copy.deepcopy(made), random.Random(seed), 0

    def next(self):
        """The configuration after one more change, and what was done."""
        self.number += 1
        change = self.random.choice((self.option, self.lifetimes, self.reservation, self.new_link, self.old_link,
                                     self.pool, self.level))
        return copy.deepcopy(self.made), change() or change.__name__

    def option(self):
        self.made["options"]["dns_servers"] = [f"2001:db8::{self.random.randrange(1, 0xffff):x}"
                                               for _ in range(self.random.randrange(1, 4))]

    def lifetimes(self):
        valid = self.random.randrange(3600, 7200)
        self.made["links"][1]["lifetimes"] = {"preferred_s": valid // 2, "valid_s": valid}

    def reservation(self):
        """Of somebody else's address, outside all pools."""
        rows = self.made.setdefault("reservations", [])
        if len(rows) > 5 and self.random.random() < 0.5:
            rows.pop(self.random.randrange(len(rows)))
            return
        rows.append({"duid": f"0003000102{self.number:010x}", "link": "street",
                     "addresses": [f"2001:db8:16:0:1::{self.number:x}"]})

    def new_link(self):
        subnet = f"{0x100 + self.number:x}"
        self.made["links"].append(link(f"new{self.number}", "access0", subnet, f"5{self.number % 250:02x}0", 64,
                                       relay_addresses=[f"2001:db8:{subnet}::1"]))
        self.made["links"][-1]["pools"].pop()   # prefix pools of their own come from pool()

    def old_link(self):
        if len(self.made["links"]) <= 2:
            return self.new_link() or "new_link"
        self.made["links"].pop(self.random.randrange(2, len(self.made["links"])))
        return None

    def pool(self):
        rows = self.made["links"][0]["pools"]
        if len(rows) > 2 and self.random.random() < 0.5:
            rows.pop()
        else:
            rows.append({"type": "prefix", "range": f"2001:db8:6{self.number:03x}::/48", "delegated_length": 60})

    def level(self):
        self.made["server"]["log_level"] = self.random.choice(("notice", "info"))


@scenario
class Live(Scenario):
    """One server, one namespace of relays; the operator changes its mind."""

    name = "live-config"
    tests = ("without_changes", "changes_under_load", "strands_nobody_unasked", "restart_is_told",
             "not_confirmed_goes_back", "saved_and_kept")

    def set_up(self):
        lab = self.lab
        self.server_ns, self.relay_ns = lab.namespace("server"), lab.namespace("relays")
        lab.cable(self.server_ns, "srv0", self.relay_ns, "c0")
        lab.server_port(self.server_ns, "srv0")
        for number in (2, 3):
            lab.address(self.relay_ns, "c0", f"2001:db8:0:1::{number}/64")
        self.made = config([packet_port(0, "srv0", SERVER)],
                           [link("street", "access0", "16", "3000"),
                            link("olt", "access0", "17", "4000", relay_addresses=[LINK_ADDRESS],
                                 rapid_commit=True)], store={"leases_max": max(20000, 4 * CLIENTS)})
        self.made["server"]["allocation_secret"] = SECRET
        self.server = lab.start(Server(lab, self.server_ns, self.made))
        lab.wait_link_local(self.relay_ns, "c0")
        self.lost = None

    def load(self, name, **options):
        return self.lab.start(Load(self.lab, self.relay_ns, name, relay=["2001:db8:0:1::2", "2001:db8:0:1::3"],
                                   link_address=LINK_ADDRESS, server=SERVER, clients=CLIENTS, na=True, pd=True,
                                   mix="new,renew=6,rebind,release", rate=RATE, drain=60, **options))

    @staticmethod
    def wrong(result):
        return {name: count for name, count in result["verdicts"].items()
                if count and name not in ("good", "late", "repeated")}

    def apply(self, method="config.apply", **params):
        while True:
            result = self.server.rpc(method, **params)
            if result["complete"]:
                return result

    def refused(self, code, reason, method="config.apply", **params):
        try:
            result = self.apply(method, **params)
        except RpcError as error:
            expect_equal("code", error.error["code"], code)
            expect_equal("reason", error.error["data"]["reason"], reason)
            return error.error["message"]
        expect(False, f"{method} was not refused: {result}")
        return None

    def without_changes(self):
        result = self.load("before", duration=int(os.environ.get("LIVE_SECONDS", "10")), quiet=True).result(300)
        expect_equal("wrong answers", self.wrong(result), {})
        self.lost = result["timeouts"] + result["unfinished"]
        print(f"{result['finished']} exchanges without changes, {self.lost} unanswered", flush=True)

    def changes_under_load(self):
        load = self.load("during", duration=600, first_client=CLIENTS)
        load.wait_log("bound", 60)
        changer, done = Changer(self.made, SEED), {}
        for _ in range(CHANGES):
            wanted, what = changer.next()
            done[what] = done.get(what, 0) + 1
            revision = self.server.rpc("config.get")["revision"]
            if changer.number % 7 == 0:
                self.by_signal(wanted, revision)
            else:
                result = self.apply(config=wanted, expect_revision=revision, accept=["*"])
                expect(result["applied"], f"not applied: {result}")
            shown = self.server.rpc("config.get", redact=False)
            expect_equal("configuration in force", shown["config"], wanted)
            if changer.number % 5 == 0:
                self.apply("config.rollback")
                self.apply(config=wanted)
                expect_equal("there and back", self.server.rpc("config.get")["digest"], shown["digest"])
        load.interrupt()
        result = load.result(300)
        lost = result["timeouts"] + result["unfinished"]
        print(f"{result['finished']} exchanges during {CHANGES} changes, {lost} unanswered: "
              f"{json.dumps(done)}", flush=True)
        expect_equal("wrong answers", self.wrong(result), {})
        expect(lost <= self.lost, f"{lost} exchanges unanswered, {self.lost} without changes")
        expect(result["finished"] > 0, "nothing was asked")

    def by_signal(self, wanted, revision):
        self.write(wanted)
        self.server.send(signal.SIGHUP)     # the log leaves out lines that come too often
        wait_for("the file to be read again",
                 lambda: self.server.rpc("config.get", redact=False)["config"] == wanted)
        expect(self.server.rpc("config.get")["revision"] >= revision, "the revision went back")

    def write(self, made):
        with open(self.server.config_path, "w", encoding="utf-8") as file:
            json.dump(made, file)

    def strands_nobody_unasked(self):
        wanted = self.server.rpc("config.get")["config"]    # its secret is hidden, and stays the same
        held = sum(lease["state"] == "active" and "prefix" in lease for lease in self.server.leases(link="olt"))
        expect(held > 0, "no client holds a prefix")
        wanted["links"][1]["pools"].pop()
        told = self.refused(1010, "strands_leases", config=wanted)
        expect_in("what is stranded", f"{held} active leases", told)
        result = self.apply(config=wanted, accept=["olt"])
        expect_equal("prefixes stranded", [row["gone"] for row in result["stranded"]], [held])
        self.apply("config.rollback")

    def restart_is_told(self):
        before = self.server.rpc("config.get")
        patch = [{"op": "replace", "path": "/store/leases_max", "value": 30001}]
        self.refused(1010, "restart_needed", patch=patch)
        expect_equal("told before", self.server.rpc("config.test", patch=patch)["effect"]["restart_needed"],
                     ["store"])
        self.refused(1003, "revision_mismatch", patch=patch, expect_revision=before["revision"] + 1)
        self.refused(1009, "mistake", patch=[{"op": "add", "path": "/decline_s", "value": -1}])
        expect_equal("configuration in force", self.server.rpc("config.get"), before)

    def not_confirmed_goes_back(self):
        before = self.server.rpc("config.get")
        self.apply(patch=[{"op": "add", "path": "/options/dns_servers", "value": ["2001:db8::66"]}],
                   confirm_within_s=1)
        wait_for("the old configuration to be back",
                 lambda: self.server.rpc("config.get")["digest"] == before["digest"])
        expect_in("log", "was not confirmed in time", self.server.log())

    def saved_and_kept(self):
        result = self.apply(patch=[{"op": "add", "path": "/options/dns_servers", "value": ["2001:db8::77"]}],
                            comment="kept")
        self.apply("config.save")
        self.server.stop()
        with open(self.server.config_path, encoding="utf-8") as file:
            self.server.config = json.load(file)
        self.server.start()
        shown = self.server.rpc("config.get")
        expect_equal("after a restart", (shown["revision"], shown["config"]["options"]["dns_servers"]),
                     (result["revision"], ["2001:db8::77"]))
        expect_equal("history", self.server.rpc("config.history")["revisions"][0]["comment"], "kept")
