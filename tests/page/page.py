"""The status page of a real pair, in a real browser, in a phone's window and in a desk's."""

import json
import os
import subprocess

from lab import LabError, wait_for
from loadgen import Load
from pair import A, Pair
from suite import Scenario, expect, expect_equal, expect_in, scenario

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 8647
URL = f"http://[::1]:{PORT}/"
WINDOWS = {"phone": (390, 844), "desk": (1440, 900)}
CLIENTS = 40
HOSTILE = '<img src=x onerror="document.title=1">'


def start_browser(namespace, shot=None, window="desk", **wishes):
    """Opens the page in a browser inside the namespace; its standard output will tell what was seen."""
    width, height = WINDOWS[window]
    wish = {"url": URL, "width": width, "height": height, "browser": "/usr/bin/chromium", **wishes}
    folder = os.environ.get("PAGE_SHOTS")
    if folder and shot:
        wish["shot"] = os.path.join(folder, f"{shot}-{window}.png")
    return subprocess.Popen(["ip", "netns", "exec", namespace, "node", os.path.join(HERE, "browse.mjs"), json.dumps(wish)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def browse(namespace, **wishes):
    process = start_browser(namespace, **wishes)
    out, error = process.communicate(timeout=90)
    if process.returncode:
        raise LabError(f"the browser: {error.strip()[-2000:]}")
    return json.loads(out)


@scenario
class PageScenario(Scenario):
    """Tests in their order: a whole pair, searches in both windows, then a partner that has died."""

    name = "page"
    tests = ("whole_phone", "whole_desk", "headers_of_the_page", "find_by_address", "find_by_duid", "find_by_line",
             "find_nothing", "text_stays_text", "partner_dead_phone", "partner_dead_desk", "server_gone")

    def set_up(self):
        self.pair = Pair(self.lab)
        for server in self.pair.servers.values():
            server.config["management"]["listen"] = f"[::1]:{PORT}"
        self.pair.start()
        self.ns = self.pair.namespaces[A]
        relay = self.lab.namespace("relay")
        self.lab.plug(self.pair.core, relay, "up0")
        self.lab.address(relay, "up0", "2001:db8:0:1::f/64")
        self.load = self.lab.start(Load(self.lab, relay, "load", relay="2001:db8:0:1::f", link_address="2001:db8:17::1",
                                        server=["2001:db8:0:1::1", "2001:db8:0:1::2"], clients=CLIENTS, na=True, pd=True,
                                        mix="new=1,renew=20", rate=30, duration=600))
        wait_for("leases", lambda: len(self.pair.a.leases(state="active")) >= CLIENTS, 40)

    def look(self, **wishes):
        seen = browse(self.ns, **wishes)
        expect_equal("errors on the console", seen["errors"], [])
        expect_equal("requests elsewhere", [one for one in seen["requests"] if not one.split()[1].startswith((URL, "data:"))], [])
        expect(seen["width"] <= seen["window"], f"the page is {seen['width']} wide in a window of {seen['window']}")
        expect_equal("text too small to read", seen["small"], [])
        return seen

    def whole(self, window):
        seen = self.look(shot="whole", window=window, seconds=8)
        expect_equal("verdict", (seen["verdict"], seen["title"]), ("good", "All is well"))
        expect_equal("states", seen["states"], ["NORMAL", "NORMAL"])
        expect_in("why", self.pair.a.rpc("failover.explain")["why"], seen["why"])
        expect_equal("pools", len(seen["pools"]), 4)
        expect(len(seen["recent"]) >= 10, f"recent leases: {seen['recent']}")
        for chart, lines in seen["charts"]:
            expect(lines > 0, f"{chart} draws nothing")
        expect(any(key.endswith("in use: room for 100 k") for key in seen["keys"]), f"numbers: {seen['keys']}")

    def whole_phone(self):
        self.whole("phone")

    def whole_desk(self):
        self.whole("desk")

    def headers_of_the_page(self):
        seen = self.look(seconds=1)
        policy = seen["headers"]["content-security-policy"]
        expect_in("policy", "default-src 'none'", policy)
        expect("unsafe" not in policy, f"policy {policy}")
        expect_equal("cache", seen["headers"]["cache-control"], "no-store")
        expect_equal("sniffing", seen["headers"]["x-content-type-options"], "nosniff")
        expect_equal("type", seen["headers"]["content-type"], "text/html; charset=utf-8")

    def a_lease(self):
        return next(lease for lease in self.pair.a.leases(state="active") if lease["link"] == "olt-17" and "address" in lease)

    def find(self, text, window, expected, **more):
        seen = self.look(search=text, window=window, seconds=1, **more)
        expect_equal(f"found by {text}", sorted(seen["found"]), sorted(expected))
        return seen

    def find_by_address(self):
        lease = self.a_lease()
        seen = self.find(lease["address"], "phone", [lease["address"]], shot="found")
        expect(any(lease["duid"] in row for row in seen["details"]), f"details: {seen['details']}")

    def find_by_duid(self):
        lease = self.a_lease()
        mine = [row.get("address") or row["prefix"] for row in self.pair.a.leases(duid=lease["duid"])]
        expect_equal("leases of a client", len(mine), 2)
        self.find(lease["duid"], "desk", mine, shot="found")

    def find_by_line(self):
        count = len(self.pair.a.leases(link="olt-17"))
        seen = self.look(search="olt-17", window="phone", seconds=1)
        expect_equal("leases of the link", len(seen["found"]), min(count, 100))

    def find_nothing(self):
        seen = self.find("2001:db8:17::dead:1", "phone", [])
        expect_in("note", "Nothing found", seen["note"])

    def text_stays_text(self):
        """What is typed comes back as text, not as markup."""
        seen = self.find(HOSTILE, "desk", [])
        expect_in("note", HOSTILE, seen["note"])
        expect_equal("elements made of data", seen["marked"], 0)

    def partner_dead(self, window):
        seen = self.look(shot="dead", window=window, seconds=4)
        expect_equal("verdict", (seen["verdict"], seen["title"]), ("warn", "COMMUNICATIONS-INTERRUPTED"))
        expect_equal("own state", seen["states"][0], "COMMUNICATIONS-INTERRUPTED")
        expect("last known" in seen["ends"][1], f"the partner's state of yesterday: {seen['ends']}")
        expect_in("advice", "partner-down", " ".join(seen["why"]))

    def partner_dead_phone(self):
        self.pair.b.kill()
        self.pair.wait_states("COMMUNICATIONS-INTERRUPTED", None)
        self.partner_dead("phone")

    def partner_dead_desk(self):
        self.partner_dead("desk")

    def server_gone(self):
        """The page stays and says that nobody answers."""
        process = start_browser(self.ns, seconds=12, window="phone")
        expect_equal("the browser", process.stderr.readline().strip(), "open")
        self.pair.a.kill()
        out, error = process.communicate(timeout=60)
        expect_equal(f"the browser: {error[-1000:]}", process.returncode, 0)
        seen = json.loads(out)
        expect_equal("verdict", (seen["verdict"], seen["title"]), ("bad", "No answer from the server"))
