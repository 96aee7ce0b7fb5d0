"""GET /leases: long listings in bounded pieces."""

import json

from http_lab import HttpServer
from suite import expect, expect_equal, scenario
from wire import Asker

LEASES = 400


@scenario
class Listing(HttpServer):
    """A server with more leases than one piece of an answer holds."""

    name = "listing"
    tests = ("all", "filtered", "fields", "wrong_questions", "slow_and_gone_readers")

    def set_up(self):
        super().set_up()
        asker = Asker(self.lab, self.peer, "c0")
        for number in range(1, LEASES + 1):
            expect(asker.solicit_rapid(number), f"no answer to Solicit {number} with Rapid Commit")

    def make_config(self):
        made = super().make_config()
        made["links"][0]["rapid_commit"] = True
        return made

    def leases(self, query=""):
        status, text, response = self.get("/leases" + query)
        expect_equal("status", status, 200)
        expect_equal("Content-Type", response.headers["Content-Type"], "application/x-ndjson")
        return [json.loads(line) for line in text.splitlines()]

    @staticmethod
    def timeless(leases):
        return [{name: value for name, value in lease.items() if name != "valid_for_s"} for lease in leases]

    def all(self):
        leases = self.leases()
        expect_equal("leases", len(leases), LEASES)
        expect_equal("as lease.list tells them", self.timeless(leases), self.timeless(self.server.leases()))

    def filtered(self):
        one = self.leases()[17]
        expect_equal("by DUID", self.timeless(self.leases(f"?duid={one['duid']}")), self.timeless([one]))
        expect_equal("by IAID", self.timeless(self.leases(f"?iaid={one['iaid']}")), self.timeless([one]))
        expect_equal("prefixes", self.leases("?type=pd"), [])
        expect_equal("by link and state", len(self.leases("?link=street&state=active")), LEASES)

    def fields(self):
        rows = self.leases("?fields=address,duid")
        expect_equal("members", {tuple(row) for row in rows}, {("address", "duid")})

    def wrong_questions(self):
        for query in ("?type=xx", "?link=nowhere", "?fields=nothing", "?duid=zz"):
            expect_equal(f"GET /leases{query}", self.get("/leases" + query)[0], 400)

    def slow_and_gone_readers(self):
        connections = []
        for number in range(50):
            connection = self.connect(receive_buffer=4096)
            connection.sendall(b"GET /leases HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            connection.recv(100)
            connections.append(connection)
        expect_equal("another caller meanwhile", len(self.leases()), LEASES)
        for connection in connections:
            connection.close()
