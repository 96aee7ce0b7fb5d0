"""What the system tests stand on: the configuration of a small server, and a scenario with one."""

from lab import Server
from scenarios import (Failed, Scenario, expect, expect_equal, expect_in, scenario,  # noqa: F401
                       side_by_side)

LIFETIMES_LONG = {"preferred_s": 3000, "valid_s": 3600, "renew_s": 1500, "rebind_s": 2400}


def config(ports, links, **more):
    """A small server's configuration. The log is small, so that its limits come soon."""
    return {
        "server": {"name": "system"},
        "store": {"leases_max": 20000},
        "journal": {"segment_mib": 1, "checkpoint_log_mib": 4},
        "dataplane": {"workers": 1, "poll": "adaptive", "ports": ports},
        "lifetimes": LIFETIMES_LONG,
        "options": {"dns_servers": ["2001:db8::53"], "domain_search": ["example.org"]},
        "links": links,
        **more,
    }


def packet_port(number, interface, *addresses, name=None):
    return {"name": name or f"access{number}", "device": f"net_af_packet{number},iface={interface}",
            "addresses": list(addresses)}


def link(name, port, subnet, prefixes, length=56, **more):
    """A link 2001:db8:SUBNET::/64 that delegates /length from 2001:db8:PREFIXES::/40."""
    return {"name": name, "port": port, "subnets": [f"2001:db8:{subnet}::/64"],
            "pools": [{"type": "address", "range": f"2001:db8:{subnet}::/64"},
                      {"type": "prefix", "range": f"2001:db8:{prefixes}::/40",
                       "delegated_length": length}], **more}


class OneServer(Scenario):
    """A server with one port on a switch."""

    workers = 1
    rapid_commit = True
    mounts = ()

    def set_up(self):
        lab = self.lab
        self.server_ns = lab.namespace("server")
        self.switch = lab.switch("switch")
        lab.plug(self.switch, self.server_ns, "srv0")
        lab.server_port(self.server_ns, "srv0")
        self.server = lab.start(Server(lab, self.server_ns, self.make_config(), mounts=self.mounts))

    def make_config(self):
        made = config([packet_port(0, "srv0", "2001:db8:0:1::1")],
                      [link("street", "access0", "16", "3000", rapid_commit=self.rapid_commit)])
        made["dataplane"]["workers"] = self.workers
        return made

    def client_namespace(self, name, interface="c0"):
        """A namespace on the switch with a link-local address."""
        namespace = self.lab.namespace(name)
        self.lab.plug(self.switch, namespace, interface)
        self.lab.wait_link_local(namespace, interface)
        return namespace
