"""Shows tandem6 at work on this machine alone: starts a server between network namespaces and lets real
DHCPv6 clients get an address and a delegated prefix - one directly, one through a real relay. Ctrl-C
ends it; --once shows it and ends. Nothing is left behind. Called by scripts/run."""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests"))

from lab import Dhclient, Lab, LabError, Relay, Server, exit_on_sigterm, program  # noqa: E402

CONFIG = {
    "server": {"name": "demo"},
    "store": {"leases_max": 100000},
    "dataplane": {
        "workers": 1,
        "poll": "adaptive",
        "ports": [
            {"name": "access0", "device": "net_af_packet0,iface=srv0"},
            {"name": "core0", "device": "net_af_packet1,iface=srv1", "addresses": ["2001:db8:0:1::1"]},
        ],
    },
    "lifetimes": {"preferred_s": 3000, "valid_s": 3600, "renew_s": 1500, "rebind_s": 2400},
    "options": {"dns_servers": ["2001:db8::53"], "domain_search": ["example.org"]},
    "links": [
        {"name": "street", "port": "access0", "subnets": ["2001:db8:16::/64"],
         "pools": [{"type": "address", "range": "2001:db8:16::/64"},
                   {"type": "prefix", "range": "2001:db8:3000::/36", "delegated_length": 56}],
         "rapid_commit": True},
        {"name": "olt-17", "port": "core0", "relay_addresses": ["2001:db8:17::1"],
         "subnets": ["2001:db8:17::/64"],
         "pools": [{"type": "address", "range": "2001:db8:17::/64"},
                   {"type": "prefix", "range": "2001:db8:4000::/36", "delegated_length": 56}]},
    ],
}


def build_network(lab):
    srv, cli, rly, far = (lab.namespace(n) for n in ("server", "client", "relay", "far"))
    lab.cable(srv, "srv0", cli, "cpe0")
    lab.cable(srv, "srv1", rly, "up0")
    lab.cable(rly, "dn0", far, "cpe0")
    lab.server_port(srv, "srv0")
    lab.server_port(srv, "srv1")
    lab.address(rly, "dn0", "2001:db8:17::1/64")
    lab.address(rly, "up0", "2001:db8:0:1::2/64")
    for namespace, interface in ((cli, "cpe0"), (far, "cpe0"), (rly, "dn0"), (rly, "up0")):
        lab.wait_link_local(namespace, interface)
    return srv, cli, rly, far


def ctl(server, *words):
    print(f"\n$ tandem6ctl {' '.join(words)}", flush=True)
    subprocess.run([program("tandem6ctl"), "--socket", server.socket_path, *words], check=True)


def show_client(title, client):
    """Waits until the client has an address and a prefix, which dhclient tells one by one."""
    got = {}
    for count in (1, 2):
        got.update(client.wait_event("BOUND6", count))
    if not got.get("new_ip6_address") or not got.get("new_ip6_prefix"):
        raise LabError(f"the {title} got only {got}")
    print(f"{title}: address {got['new_ip6_address']}, prefix {got['new_ip6_prefix']}", flush=True)


def demo(lab, once):
    srv, cli, rly, far = build_network(lab)
    print("starting tandem6d ...", flush=True)
    server = lab.start(Server(lab, srv, CONFIG))
    lab.start(Relay(lab, rly, "dn0", "up0", "2001:db8:0:1::1"))
    print("starting two real clients (dhclient): one on the wire, one behind a relay (dhcrelay) ...",
          flush=True)
    direct = lab.start(Dhclient(lab, cli, "cpe0", name="direct"))
    relayed = lab.start(Dhclient(lab, far, "cpe0", name="relayed"))
    for title, client in (("direct client ", direct), ("relayed client", relayed)):
        show_client(title, client)
    ctl(server, "leases")
    ctl(server, "stats")
    if once:
        return
    print("\nserving until Ctrl-C; the management socket is\n  " + server.socket_path, flush=True)
    while True:
        time.sleep(5)
        if not server.running():
            raise LabError(f"tandem6d ended with {server.popen.returncode}:\n{server.log()}")
        stats = server.rpc("stats.get")["counters"]
        print("  ".join(f"{name} {stats[name]}" for name in
                        ("rx_frames", "tx_reply", "lease_created", "lease_renewed")), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="show it once and exit")
    arguments = parser.parse_args()
    exit_on_sigterm()
    try:
        with Lab("run") as lab:
            demo(lab, arguments.once)
    except LabError as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
    return 0


sys.exit(main())
