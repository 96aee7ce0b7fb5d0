"""Shows a pair of tandem6 servers at work on this machine alone: both between network namespaces, their
partner line over TLS, with real DHCPv6 clients in front of them - one on the wire, one behind a real relay.
Then it offers to crash and bring back a server; --once crashes the primary, shows that clients keep what they
have and that a new one is served, brings the primary back, and ends. Nothing is left behind. Called by
scripts/run."""

import argparse
import os
import select
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "pair")]

from lab import Dhclient, Lab, LabError, Relay, exit_on_sigterm, program, wait_for  # noqa: E402
from pair import A, B, Pair  # noqa: E402

MENU = "k: kill -9 the primary   j: kill -9 the secondary   r: start again what is down   n: new client   " \
       "l: leases   q: quit"
STATUS_S = 5.0
REBIND_S = 40.0     # T2, and dhclient's patience with the server it knows
ROWS = (("state", "state"), ("role", "role"), ("it", "service"), ("its partner is", "partner_state"),
        ("communications", "communications"), ("updates to send", "waiting"), ("free prefixes", "free_own"),
        ("its partner's", "free_partner"))


def say(text=""):
    print(text, flush=True)


class Demo:
    def __init__(self, lab):
        self.lab = lab
        self.pair = Pair(lab)
        self.clients = {}       # title: (client, what it holds)
        self.relay, self.far = lab.namespace("relay"), lab.switch("far")
        lab.plug(self.pair.core, self.relay, "up0")
        lab.plug(self.far, self.relay, "dn0")
        lab.address(self.relay, "dn0", "2001:db8:17::1/64")
        lab.address(self.relay, "up0", "2001:db8:0:1::f/64")
        for interface in ("dn0", "up0"):
            lab.wait_link_local(self.relay, interface)

    # ---- what it shows ----

    def states(self):
        """Both servers side by side."""
        rows = [server.relation() or {} for server in self.pair.servers.values()]
        counts = [str(len(server.leases(state="active"))) if row else "" for server, row in
                  zip(self.pair.servers.values(), rows)]
        table = [("", *self.pair.servers)]
        table += [(title, *(str(row.get(key, "")) if row else ("down" if key == "state" else "") for row in rows))
                  for title, key in ROWS]
        table.append(("leases in use", *counts))
        widths = [max(len(line[column]) for line in table) for column in range(3)]
        say()
        for line in table:
            say("   " + "   ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        say()

    @staticmethod
    def ctl(server, *words):
        say(f"$ tandem6ctl {' '.join(words)}")
        subprocess.run([program("tandem6ctl"), "--socket", server.socket_path, *words], check=True)

    def client(self, title, switch):
        """A real client; waits until it has an address and a prefix, which dhclient tells one by one."""
        name = title.split()[0]
        namespace = self.lab.namespace(name)
        self.lab.plug(switch, namespace, "cpe0")
        self.lab.wait_link_local(namespace, "cpe0")
        client = self.lab.start(Dhclient(self.lab, namespace, "cpe0", name=name))
        got = {}
        for count in (1, 2):
            got.update(client.wait_event("BOUND6", count))
        held = {kind: got.get(f"new_ip6_{kind}") for kind in ("address", "prefix")}
        if not all(held.values()):
            raise LabError(f"the {title} got only {got}")
        say(f"{title}: address {held['address']}, prefix {held['prefix']}")
        self.clients[title] = (client, held)
        return held

    # ---- the story ----

    def begin(self):
        say("starting two servers, a (primary) and b (secondary), with certificates made on the spot ...")
        self.pair.start()
        self.lab.start(Relay(self.lab, self.relay, "dn0", "up0"))
        self.states()
        say("starting two real clients (dhclient): one on the wire, one behind a relay (dhcrelay) ...")
        self.client("direct client ", self.pair.streets[B])
        self.client("relayed client", self.far)
        self.pair.wait_settled()
        self.states()
        self.ctl(self.pair.a, "leases", "state=active")
        self.ctl(self.pair.a, "stats")

    def kill(self, name):
        server, other = self.pair.servers[name], self.pair.servers[B if name == A else A]
        say(f"kill -9 {server.popen.pid}   ({name}, the {'primary' if name == A else 'secondary'})")
        begin = time.monotonic()
        server.kill()
        wait_for("the survivor to see it", lambda: other.state() == "COMMUNICATIONS-INTERRUPTED")
        say(f"the survivor serves by itself after {(time.monotonic() - begin) * 1000:.0f} ms")

    def keep(self):
        """Until every client has asked the survivor (T2) and holds what it had."""
        say("waiting for the clients to ask whoever is there (REBIND at T2, 12 s) ...")
        counts = {title: len(client.events()) for title, (client, _) in self.clients.items()}
        for title, (client, held) in self.clients.items():
            def answered(client=client, after=counts[title]):
                return any(event["reason"] in ("RENEW6", "REBIND6") for event in client.events()[after:])
            wait_for(f"the {title} to be answered", answered, REBIND_S)
            self.check_kept(title, client.events()[counts[title]:], held)
            say(f"{title}: keeps address {held['address']}, prefix {held['prefix']}")

    @staticmethod
    def check_kept(title, events, held):
        for event in events:
            for kind, value in held.items():
                if event.get(f"new_ip6_{kind}", value) != value or event["reason"] not in ("RENEW6", "REBIND6"):
                    raise LabError(f"the {title} had {held} and was told {event}")

    def new_client(self, number=1):
        say("a new client comes ...")
        held = self.client(f"new{number} client   ", self.pair.streets[A])
        server = next(server for server in self.pair.servers.values() if server.running())
        for resource in held.values():
            lease = server.lease(resource)
            if not lease or lease["state"] != "active":
                raise LabError(f"{server.name} tells {lease} of {resource}")
        return held

    def come_back(self):
        for name, server in self.pair.servers.items():
            if not server.running():
                say(f"starting {name} again ...")
                server.restart()
        self.pair.wait_settled()

    def once(self):
        self.kill(A)
        self.states()
        held = self.new_client()
        self.keep()
        self.come_back()
        self.states()
        for resource in held.values():
            lease = self.pair.a.lease(resource)
            if not lease or lease["state"] != "active":
                raise LabError(f"the primary that came back tells {lease} of {resource}")
        say("NORMAL again: both servers hold the same leases, the new client's too")

    # ---- by hand ----

    def act(self, key, number):
        servers = self.pair.servers
        if key in "kj":
            name = A if key == "k" else B
            if not all(server.running() for server in servers.values()):
                say("one is down already: r starts it again")
            else:
                self.kill(name)
        elif key == "r":
            self.come_back()
        elif key == "n":
            self.new_client(number)
        elif key == "l":
            self.ctl(next(s for s in servers.values() if s.running()), "leases", "state=active")

    def by_hand(self):
        say("management sockets:")
        for name, server in self.pair.servers.items():
            say(f"   {name}: {server.socket_path}")
        keys = sys.stdin.isatty()
        number = 0
        while True:
            self.states()
            for name, server in self.pair.servers.items():
                if server.popen.poll() not in (None, -9):
                    raise LabError(f"{name} ended with {server.popen.returncode}:\n{server.log()}")
            if keys:
                say(MENU)
            ready = select.select([sys.stdin], [], [], STATUS_S)[0] if keys else time.sleep(STATUS_S)
            key = sys.stdin.readline().strip()[:1].lower() if ready else ""
            if key == "q":
                return
            number += key == "n"
            if key:
                self.act(key, number)


def main():
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="show it once and exit")
    arguments = parser.parse_args()
    exit_on_sigterm()
    try:
        with Lab("run") as lab:
            demo = Demo(lab)
            demo.begin()
            if arguments.once:
                demo.once()
            else:
                demo.by_hand()
    except LabError as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
    return 0


sys.exit(main())
