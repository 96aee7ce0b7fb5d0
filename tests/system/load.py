"""The load generator against the real server: what it says of a right server, and of one that is held
wrong."""

from lab import Server, run, wait_for
from loadgen import Load
from suite import Scenario, config, expect, expect_equal, link, packet_port, scenario

CLIENTS = 400
LINK_ADDRESS = "2001:db8:17::1"
SERVER = "2001:db8:0:1::1"
# Time enough on a busy machine: a run ends before, when nothing is under way.
PATIENCE = {"duration": 60, "drain": 60, "quiet": True}


@scenario
class Generator(Scenario):
    """One server, one namespace of relays on UDP sockets, one whose interface is a DPDK port."""

    name = "load"
    tests = ("obtains", "renews_what_was_saved", "rebinds_by_multicast", "mixes", "avalanche",
             "clients_on_the_wire", "dpdk_port", "tells_wrong_lifetimes", "interrupted")

    def set_up(self):
        lab = self.lab
        self.server_ns, self.switch = lab.namespace("server"), lab.switch("switch")
        lab.plug(self.switch, self.server_ns, "srv0")
        lab.server_port(self.server_ns, "srv0")
        self.relay_ns, self.port_ns = lab.namespace("relays"), lab.namespace("port")
        lab.plug(self.switch, self.relay_ns, "c0")
        lab.plug(self.switch, self.port_ns, "c0")
        for number in (2, 3):
            lab.address(self.relay_ns, "c0", f"2001:db8:0:1::{number}/64")
        lab.server_port(self.port_ns, "c0")
        made = config([packet_port(0, "srv0", SERVER)],
                      [link("street", "access0", "16", "3000"),
                       link("olt", "access0", "17", "4000", relay_addresses=[LINK_ADDRESS],
                            rapid_commit=True)])
        self.server = lab.start(Server(lab, self.server_ns, made))
        self.saved = lab.path("leases")
        lab.wait_link_local(self.relay_ns, "c0")

    def load(self, name, **options):
        """A run behind two relays, to its end; every answer must have been right."""
        result = self.lab.start(Load(self.lab, self.relay_ns, name, **self.relayed(options))).result()
        self.expect_right(result)
        return result

    @staticmethod
    def relayed(options):
        return {"relay": ["2001:db8:0:1::2", "2001:db8:0:1::3"], "link_address": LINK_ADDRESS,
                "server": SERVER, "clients": CLIENTS, "na": True, "pd": True, "backoff_scale": 0.2,
                **PATIENCE, **options}

    @staticmethod
    def expect_right(result):
        expect_equal("wrong answers", {name: result["verdicts"][name] for name in result["verdicts"]
                                       if name not in ("good", "late", "repeated") and
                                       result["verdicts"][name]}, {})
        expect_equal("status", result["status"], 0)
        expect_equal("unfinished and timed out", result["unfinished"] + result["timeouts"], 0)

    def obtains(self):
        result = self.load("obtain", save=self.saved)
        expect_equal("bound clients", result["bound"], CLIENTS)
        expect_equal("exchanges", result["finished"], CLIENTS)
        expect("all_bound_s" in result, "no time at which all were bound")
        active = [lease for lease in self.server.leases() if lease["state"] == "active"]
        expect_equal("leases in the server", len(active), 2 * CLIENTS)

    def renews_what_was_saved(self):
        result = self.load("renew", mix="renew", once=True, load=self.saved, save=self.saved)
        expect_equal("renewals", result["messages"]["renew"]["answered"], CLIENTS)
        expect_equal("messages", list(result["messages"]), ["renew"])

    def rebinds_by_multicast(self):
        result = self.load("rebind", mix="rebind", once=True, load=self.saved, save=self.saved,
                           server="ff05::1:3", interface="c0")
        expect_equal("rebinds", result["messages"]["rebind"]["answered"], CLIENTS)

    def mixes(self):
        result = self.load("mix", mix="new=2,rapid,renew=3,rebind,release=2,reboot", rate=500, duration=2,
                           load=self.saved, save=self.saved, remote_id=True)
        expect_equal("kinds of messages", sorted(result["messages"]),
                     ["rapid", "rebind", "release", "renew", "request", "solicit"])
        expect_equal("clients that had to move", result["reboot_moved"], 0)
        held = sum(lease["state"] == "active" for lease in self.server.leases())
        expect_equal("leases in the server", held, 2 * result["bound"])

    def avalanche(self):
        result = self.load("avalanche", avalanche=True, first_client=CLIENTS)
        expect_equal("bound clients", result["bound"], CLIENTS)
        expect_equal("started", result["started"], CLIENTS)

    def clients_on_the_wire(self):
        result = self.lab.start(Load(self.lab, self.relay_ns, "direct", direct=True, interface="c0",
                                     clients=CLIENTS, first_client=2 * CLIENTS, pd=True,
                                     backoff_scale=0.2, **PATIENCE)).result()
        self.expect_right(result)
        expect_equal("bound clients", result["bound"], CLIENTS)

    def dpdk_port(self):
        """The port asks for the server's MAC and is found by others."""
        load = self.lab.start(Load(self.lab, self.port_ns, "port", port="net_af_packet0,iface=c0",
                                   relay="2001:db8:0:1::9", link_address=LINK_ADDRESS, server=SERVER,
                                   clients=CLIENTS, first_client=3 * CLIENTS, na=True, rate=100,
                                   mix="new,renew=5", backoff_scale=0.2, **{**PATIENCE, "quiet": False}))
        load.wait_log("bound", 30)

        def answers_ping():
            return " 0% packet loss" in run("ip", "netns", "exec", self.relay_ns, "ping", "-6", "-n",
                                            "-c", "1", "-W", "1", "2001:db8:0:1::9", check=False)
        wait_for("an echo reply from the load's port", answers_ping, 30)
        load.interrupt()
        result = load.result()
        self.expect_right(result)
        expect(result["bound"] > 0, "no client has a lease")

    def tells_wrong_lifetimes(self):
        """The same right answers are wrong when less is asked for."""
        options = self.relayed({"mix": "renew", "once": True, "load": self.saved, "tries": 1,
                                "renew_tries": 1, "backoff_scale": 0.01, "valid_max": 3599})
        result = self.lab.start(Load(self.lab, self.relay_ns, "wrong", **options)).result()
        expect_equal("status", result["status"], 1)
        expect_equal("renewals that were right", result["finished"], 0)
        expect(result["verdicts"]["wrong_lifetime"] > 0, f"verdicts {result['verdicts']}")
        expect_equal("wrong", result["wrong"], result["verdicts"]["wrong_lifetime"])

    def interrupted(self):
        options = self.relayed({"mix": "renew", "rate": 50, "load": self.saved, "quiet": False})
        load = self.lab.start(Load(self.lab, self.relay_ns, "long", **options))
        load.wait_log("bound", 30)
        load.interrupt()
        result = load.result()
        self.expect_right(result)
        expect(0 < result["finished"] < 50 * 60, f"{result['finished']} renewals of an interrupted run")
