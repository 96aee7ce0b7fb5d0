"""Reservations changed by their methods, over both transports, and what clients then get."""

import json

from http_lab import HttpServer
from lab import RpcError
from suite import expect, expect_equal, scenario
from wire import Asker, duid


@scenario
class Reservations(HttpServer):
    """A server whose reservations come and go while it serves."""

    name = "reservations"
    secure = True
    access = ({"roles": ["config"], "common_name": "config"}, {"roles": ["operate"], "common_name": "operate"},
              {"roles": ["admin", "config"], "common_name": "admin"})
    tests = ("added_over_both", "listed", "refused", "the_client_gets_it", "who_has_it_now", "updated", "deleted", "history_and_save")

    def set_up(self):
        super().set_up()
        self.asker = Asker(self.lab, self.peer, "c0")

    def make_config(self):
        for name in ("config", "operate", "admin"):
            self.authority.issue(name, f"/CN={name}")
        made = super().make_config()
        made["links"][0]["rapid_commit"] = True
        made["links"][0]["pools"][0]["range"] = "2001:db8:16::/112"     # the addresses reserved are in none
        return made

    def over_https(self, method, **params):
        answer = self.call(method, self.authority.context("config"), **params)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def both(self):
        """Name, caller, and the DUID and address of its own reservation."""
        return (("socket", self.server.rpc, duid(901).hex(), "2001:db8:16:0:1::1"),
                ("https", self.over_https, duid(902).hex(), "2001:db8:16:0:1::2"))

    def added_over_both(self):
        for name, rpc, client, address in self.both():
            before = rpc("config.get")["revision"]
            result = rpc("reservation.add", duid=client, addresses=[address], dry_run=True)
            expect_equal(f"{name}: dry run", (result["applied"], result["revision"]), (False, before))
            result = rpc("reservation.add", duid=client, addresses=[address], expect_revision=before, comment="for test")
            expect_equal(f"{name}: applied", (result["applied"], result["revision"]), (True, before + 1))
            expect_equal(f"{name}: it", result["reservation"], {"duid": client, "addresses": [address]})

    def listed(self):
        for name, rpc, client, address in self.both():
            row = {"duid": client, "link": None, "addresses": [address], "prefixes": [], "option_codes": []}
            page = rpc("reservation.list", limit=1)
            expect_equal(f"{name}: total", (page["total"], len(page["reservations"])), (2, 1))
            rest = rpc("reservation.list", cursor=page["next_cursor"])
            expect(row in page["reservations"] + rest["reservations"], f"{name}: {client} is not listed")
            expect_equal(f"{name}: next", rest["next_cursor"], None)
            expect_equal(f"{name}: by key", rpc("reservation.list", duid=client)["reservations"], [row])
            expect_equal(f"{name}: got", rpc("reservation.get", duid=client)["reservation"],
                         {"duid": client, "addresses": [address]})

    def refused(self):
        for name, rpc, client, address in self.both():
            rows = (
                ("reservation.get", {}, -32602, "invalid_param"),
                ("reservation.get", {"duid": "0003000177"}, 1001, "no_reservation"),
                ("reservation.get", {"duid": client, "link": "street"}, 1001, "other_link"),
                ("reservation.add", {"duid": client, "addresses": [address]}, 1002, "already_exists"),
                ("reservation.add", {"duid": "0003000177", "addresses": [address]}, 1009, "mistake"),
                ("reservation.add", {"duid": "0003000177", "addresses": ["2001:db8:77::1"]}, 1009, "mistake"),
                ("reservation.add", {"duid": "0003000177", "link": "nowhere"}, -32602, "invalid_param"),
                ("reservation.add", {"duid": "0003000177", "expect_revision": 1}, 1003, "revision_mismatch"),
                ("reservation.update", {"duid": "0003000177"}, 1001, "no_reservation"),
                ("reservation.delete", {"remote_id": "0003000177"}, 1001, "no_reservation"),
                ("reservation.list", {"cursor": "r1-0"}, -32006, "bad_cursor"),
            )
            revision = rpc("config.get")["revision"]
            for method, params, code, reason in rows:
                try:
                    result = rpc(method, **params)
                except RpcError as error:
                    expect_equal(f"{name}: {method} {params}", (error.error["code"], error.error["data"]["reason"]),
                                 (code, reason))
                else:
                    expect(False, f"{name}: {method} {params} was not refused: {result}")
            expect_equal(f"{name}: revision", rpc("config.get")["revision"], revision)
        answer = self.call("reservation.delete", self.authority.context("operate"), duid="0003000177")
        expect_equal("without the role", answer["error"]["code"], -32001)

    def the_client_gets_it(self):
        for number, (name, rpc, client, address) in zip((901, 902), self.both()):
            expect(self.asker.solicit_rapid(number), f"{name}: no answer to the Solicit")
            lease = rpc("lease.get", address=address)
            expect_equal(f"{name}: lease", (lease["duid"], lease["state"], lease["reserved"]), (client, "active", True))
            expect_equal(f"{name}: told", [row["address"] for row in rpc("reservation.get", duid=client)["leases"]],
                         [address])

    def who_has_it_now(self):
        """Before the other client loses it."""
        for number, (name, rpc, _, _) in enumerate(self.both(), 911):
            expect(self.asker.solicit_rapid(number), f"{name}: no answer to the Solicit")
            lease = rpc("lease.list", filter={"duid": duid(number).hex()})["leases"][0]
            result = rpc("reservation.add", duid="0003000178", addresses=[lease["address"]], dry_run=True)
            expect_equal(f"{name}: told", [(row["address"], row["duid"]) for row in result["leases"]],
                         [(lease["address"], duid(number).hex())])

    def updated(self):
        for name, rpc, client, address in self.both():
            made = {"duid": client, "addresses": [address, address + "00"],
                    "options": {"dns_servers": ["2001:db8::53"]}}
            expect_equal(f"{name}: it", rpc("reservation.update", **made)["reservation"], made)
            row = rpc("reservation.list", duid=client)["reservations"][0]
            expect_equal(f"{name}: listed", (row["addresses"], row["option_codes"]), (made["addresses"], [23]))

    @staticmethod
    def whole(rpc, method, **params):
        """Repeats the call while leases are being counted."""
        while True:
            result = rpc(method, **params)
            if result["complete"]:
                return result

    def deleted(self):
        """Their addresses are in no pool: leases on them would be stranded."""
        for name, rpc, client, address in self.both():
            try:
                result = self.whole(rpc, "reservation.delete", duid=client)
            except RpcError as error:
                expect_equal(f"{name}: why", error.error["data"]["reason"], "strands_leases")
            else:
                expect(False, f"{name}: a lease was stranded unasked: {result}")
            result = self.whole(rpc, "reservation.delete", duid=client, accept=["reservations"])
            expect_equal(f"{name}: what was", (result["applied"], result["reservation"]["addresses"][0]),
                         (True, address))
            expect_equal(f"{name}: left", rpc("reservation.list", duid=client)["reservations"], [])

    def history_and_save(self):
        rows = self.server.rpc("config.history")["revisions"]
        expect_equal("who added", [row["who"] for row in rows if row["comment"] == "reservation added: for test"],
                     ["CN=config", "uid 0"])
        self.server.rpc("reservation.add", duid="00030001aabb", addresses=["2001:db8:16:0:1::9"])
        while not self.server.rpc("config.save")["complete"]:
            pass
        self.server.stop()
        with open(self.server.config_path, encoding="utf-8") as file:
            self.server.config = json.load(file)
        self.server.restart()
        expect_equal("after a restart", self.server.rpc("reservation.list")["total"], 1)
