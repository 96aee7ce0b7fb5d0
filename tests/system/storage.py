"""What the disk does to the service: a full one, and a client that refuses its address."""

import os

from lab import Dhclient, wait_for
from suite import OneServer, expect, expect_equal, scenario
from wire import DECLINE, REPLY, REQUEST, Asker, Capture

HORIZON_S = 10
STATE_MIB = 24


@scenario
class FullDisk(OneServer):
    """The state directory is a small file system that only the server's process sees."""

    name = "full-disk"
    tests = ("serves_before", "promises_nothing_new_when_full", "raises_the_alarm",
             "falls_silent_at_the_horizon", "recovers_by_itself", "restart_keeps_all_leases")

    def set_up(self):
        self.state = self.lab.path("tandem6d.state")
        self.mounts = [f"mount -t tmpfs -o size={STATE_MIB}m none {self.state}"]
        super().set_up()
        self.asker = Asker(self.lab, self.client_namespace("asker"), "c0")
        self.promised = {}      # resource: client number
        self.next_number = 1

    def make_config(self):
        made = super().make_config()
        made["journal"]["horizon_s"] = HORIZON_S
        return made

    def ballast(self):
        """A file in the server's view of its state directory."""
        return f"/proc/{self.server.popen.pid}/root{self.state}/ballast"

    def new_client(self, timeout=2.0):
        """A new client asks with Rapid Commit; True when it was promised an address."""
        answer = self.asker.solicit_rapid(self.next_number, timeout)
        promised = answer is not None and answer.type == REPLY and answer.leases()
        if promised:
            self.promised[next(iter(promised))] = self.next_number
        self.next_number += 1
        return bool(promised)

    def serves_before(self):
        for _ in range(5):
            expect(self.new_client(), f"client {self.next_number - 1} is not served")

    def promises_nothing_new_when_full(self):
        """The log has room written beforehand; when that is used up, nobody gets anything."""
        with open(self.ballast(), "wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        refused = 0
        for _ in range(20000):
            refused = 0 if self.new_client(0.3) else refused + 1
            if refused == 5:
                break
        expect_equal("clients refused in a row", refused, 5)

    def health(self):
        return {row["check"] for row in self.server.rpc("server.status")["health"]}

    def raises_the_alarm(self):
        wait_for("the alarm storage in server.status", lambda: "storage" in self.health())
        expect_equal("storage.healthy", self.server.rpc("server.status")["storage"]["healthy"], False)
        self.server.wait_log("alarm:")

    def falls_silent_at_the_horizon(self):
        """Also to those who only renew: state silent, alarm horizon."""
        wait_for("the state silent", lambda: self.server.rpc("server.status")["state"] == "silent",
                 HORIZON_S + 5)
        wait_for("the alarm horizon", lambda: "horizon" in self.health())
        expect(not self.new_client(0.5), "a client was served beyond the horizon")
        expect_equal("answer to an Information-request", self.asker.information(23), None)

    def recovers_by_itself(self):
        os.unlink(self.ballast())
        wait_for("the state serving", self.server.serving, 10)
        wait_for("the alarms to end", lambda: not self.health(), 10)
        wait_for("a new client to be served", lambda: self.new_client(0.5), 10)

    def restart_keeps_all_leases(self):
        """The file system ends with the process: the files are carried over. Who was promised an address
        has it, nobody else."""
        inside = f"/proc/{self.server.popen.pid}/root{self.state}"
        before = {lease["address"]: lease["duid"] for lease in self.server.leases()}
        expect(set(self.promised) <= set(before), "a promised lease is not in the store")
        self.server.send(19)    # SIGSTOP: a copy of files at rest, as a crash leaves them
        copy = self.lab.path("copy")
        os.makedirs(copy)
        for name in os.listdir(inside):
            with open(f"{inside}/{name}", "rb") as source, open(f"{copy}/{name}", "wb") as target:
                target.write(source.read())
        self.server.kill()
        for name in os.listdir(copy):
            os.replace(f"{copy}/{name}", f"{self.state}/{name}")
        again = self.server.__class__(self.lab, self.server_ns, self.server.config, "again")
        self.lab.start(again)
        after = {lease["address"]: lease["duid"] for lease in again.leases()}
        for resource in self.promised:
            expect_equal(f"holder of {resource}", after.get(resource), before[resource])


@scenario
class Declined(OneServer):
    """dhclient refuses its address: the server rests it and gives another."""

    name = "decline"
    tests = ("address_rests", "client_gets_another")
    rapid_commit = False

    def set_up(self):
        super().set_up()
        namespace = self.client_namespace("client")
        self.capture = Capture(self.lab, namespace, "c0")
        self.client = Dhclient(self.lab, namespace, "c0", pd=False)
        self.client.decline_next()
        self.lab.start(self.client)

    def address_rests(self):
        request, reply = self.capture.wait_exchange(DECLINE, timeout=30)
        expect_equal("status of the Reply to Decline", reply.status, 0)
        self.declined, = request.leases()
        lease = self.server.lease(self.declined)
        expect(lease and lease["state"] == "abandoned", f"the declined lease is {lease}")
        expect_equal("lease_declined", self.server.counters()["lease_declined"], 1)
        pools = {pool["type"]: pool for pool in self.server.rpc("pool.list")["pools"]}
        expect_equal("declined in pool.list", pools["na"]["declined"], 1)

    def client_gets_another(self):
        _, reply = self.capture.wait_exchange(REQUEST, count=2, timeout=30)
        resource, = reply.leases()
        expect(resource != self.declined, f"{resource} was given again")
        expect_equal("state of the second address", self.server.lease(resource)["state"], "active")
