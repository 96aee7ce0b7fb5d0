"""What an operator does with a pair: tandem6ctl failover, partner-down, maintenance against real servers; how
each call ends, what it says to do next, and that what was foretold is what then happens."""

import json
import re
import subprocess
import time

from bring_up import PairScenario
from lab import program, wait_for
from pair import A, B, INTERRUPTED, NORMAL
from scenarios import expect, expect_equal, expect_in, scenario

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
MCLT_S = 10


@scenario
class Desk(PairScenario):
    """tandem6ctl at either server."""

    name = "desk"
    tls = False
    relation = {"mclt_s": MCLT_S}
    tests = ("reaches_normal", "failover_shows_both_sides", "explain_says_what_to_do",
             "partner_down_is_refused_while_heard", "maintenance_hands_over", "partner_serves_at_once",
             "dry_run_changes_nothing", "partner_down_needs_the_name", "partner_down_brings_what_was_foretold",
             "returns_by_itself", "wrong_calls_end_with_advice")

    def ctl(self, side, *arguments):
        """Exit code, output, errors."""
        done = subprocess.run([program("tandem6ctl"), "--socket", self.pair.servers[side].socket_path, *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def told(self, side, *arguments):
        """The output of a call that must succeed."""
        code, out, err = self.ctl(side, *arguments)
        expect_equal(f"exit code of {' '.join(arguments)} ({err.strip()})", code, DONE)
        return out

    def refused(self, side, *arguments):
        """What is said about a call the server must refuse; advice is in its second line."""
        code, _, err = self.ctl(side, *arguments)
        expect_equal(f"exit code of {' '.join(arguments)}", code, REFUSED)
        expect(len(err.splitlines()) > 1, f"no advice in: {err}")
        return err

    def failover_shows_both_sides(self):
        for side, role in ((A, "primary"), (B, "secondary")):
            head, row = self.told(side, "failover").splitlines()
            expect_in("title", "ITS FREE", head)
            expect(re.match(rf"pair +{role} +NORMAL +\S+ +NORMAL ", row), row)
        rows = [json.loads(self.told(side, "--json", "failover"))["relations"][0] for side in (A, B)]
        expect_equal("own and the other's free prefixes", (rows[0]["free_own"], rows[0]["free_partner"]),
                     (rows[1]["free_partner"], rows[1]["free_own"]))

    def explain_says_what_to_do(self):
        text = self.told(A, "failover", "explain")
        for part in ("pair (primary) is in NORMAL", "what to do\n  - nothing"):
            expect_in("explain", part, text)

    def partner_down_is_refused_while_heard(self):
        expect_in("refusal", "is not down", self.refused(A, "partner-down", "--confirm", "pair"))
        expect_equal("states", self.pair.states(), (NORMAL, NORMAL))

    def maintenance_hands_over(self):
        self.expect_crowd("bound", self.crowd.join())
        expect_in("maintenance", "handed over", self.told(B, "maintenance"))
        wait_for("the process to end", lambda: self.ctl(B, "status")[0] == UNREACHABLE, 10.0)
        expect_equal("exit status of the server", self.pair.b.popen.wait(10), 0)

    def partner_serves_at_once(self):
        wait_for("the primary to notice", lambda: self.pair.a.state() == INTERRUPTED, 5.0)
        self.expect_crowd("rebound", self.crowd.rebind(), [self.pair.a])
        expect_in("advice", "partner-down", self.told(A, "failover", "explain"))
        expect_in("refusal", "nobody is there to take over", self.refused(A, "maintenance"))

    def dry_run_changes_nothing(self):
        text = self.told(A, "partner-down", "--dry-run")
        expect_in("dry run", "would go to PARTNER-DOWN", text)
        expect_equal("state", self.pair.a.state(), INTERRUPTED)

    def partner_down_needs_the_name(self):
        expect_in("advice", "add --confirm pair", self.refused(A, "partner-down"))
        expect_in("advice", "--dry-run", self.refused(A, "partner-down", "--confirm", "other"))
        expect_equal("state", self.pair.a.state(), INTERRUPTED)

    def partner_down_brings_what_was_foretold(self):
        foretold = json.loads(self.told(A, "--json", "partner-down", "--dry-run"))
        done = json.loads(self.told(A, "--json", "partner-down", "--confirm", "pair"))
        expect_equal("state", done["state"], foretold["state"])
        expect_equal("active leases", foretold["active_leases"],
                     sum(lease["state"] == "active" for lease in self.pair.a.leases()))

        def is_open():
            return json.loads(self.told(A, "--json", "failover", "explain"))["partner_prefixes_open"]
        wait_for("the partner's prefixes to be usable", is_open, MCLT_S + 20.0)
        usable_at = time.strptime(done["usable_at"], "%Y-%m-%dT%H:%M:%SZ")
        expect(time.gmtime() >= usable_at, f"usable before {done['usable_at']}")
        row = self.pair.a.relation()
        expect_equal("prefixes", row["free_own"] + row["free_partner"], foretold["prefixes_later"])

    def returns_by_itself(self):
        self.lab.start(self.pair.b)
        self.pair.wait_settled(60.0)

    def wrong_calls_end_with_advice(self):
        expect_in("refusal", "relationship \"nobody\"", self.refused(A, "failover", "nobody"))
        expect_in("refusal", "must look like", self.refused(A, "partner-down", "down_since=yesterday"))
        for arguments in (("partner-down", "since=now"), ("failover", "explain", "pair", "more"),
                          ("failover", "why", "pair")):
            expect_equal(f"exit code of {arguments}", self.ctl(A, *arguments)[0], USAGE)
