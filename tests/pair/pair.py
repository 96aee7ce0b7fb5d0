"""Two tandem6d that share their leases, in namespaces: a switch with clients, one with relays, and a partner
line of their own, each of which can be cut. Also used by scripts/demo.py."""

import ipaddress
import os
import re
import shutil
import signal
import subprocess

from lab import LabError, RpcError, Server, program, run, wait_for

A, B = "a", "b"
ROLES = {A: "primary", B: "secondary"}
DUIDS = {A: "00020000ab11000000000000000a", B: "00020000ab11000000000000000b"}
SECRET = "404142434445464748494a4b4c4d4e4f"
PARTNER_NET = "2001:db8:f0::"
# T1 and T2 come soon, so that clients show soon whether they keep their leases.
LIFETIMES = {"preferred_s": 80, "valid_s": 90, "renew_s": 4, "rebind_s": 12}
MCLT_S, KEEPALIVE_S = 60, 6
NORMAL, INTERRUPTED = "NORMAL", "COMMUNICATIONS-INTERRUPTED"
STREET = {"name": "street", "port": "access0", "subnets": ["2001:db8:16::/64"], "rapid_commit": True,
          "pools": [{"type": "address", "range": "2001:db8:16::/64"},
                    {"type": "prefix", "range": "2001:db8:3000::/44", "delegated_length": 56}]}
OLT = {"name": "olt-17", "port": "core0", "relay_addresses": ["2001:db8:17::1"],
       "subnets": ["2001:db8:17::/64"],
       "pools": [{"type": "address", "range": "2001:db8:17::/64"},
                 {"type": "prefix", "range": "2001:db8:4000::/44", "delegated_length": 56}]}


class Certificates:
    """An authority and what it signs, made on the spot."""

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")

    def __init__(self, directory, name="authority"):
        if not shutil.which("openssl"):
            raise LabError("'openssl' is missing: run scripts/setup")
        self.directory, self.name = directory, name
        self.openssl("req", "-x509", *self.key, "-keyout", self.path(name, "key"), "-out", self.path(name),
                     "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=critical,keyCertSign")

    @staticmethod
    def openssl(*arguments):
        run("openssl", *arguments)

    def path(self, name, kind="pem"):
        return os.path.join(self.directory, f"{name}.{kind}")

    def make(self, name, address):
        """The tls object of a server's relationship: a certificate for its name and address."""
        extensions = self.path(name, "ext")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName=IP:{address},DNS:{name}\nbasicConstraints=CA:FALSE\n"
                       "extendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", *self.key[:-2], "-keyout", self.path(name, "key"), "-out", self.path(name, "csr"),
                     "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", self.path(name, "csr"), "-CA", self.path(self.name), "-CAkey",
                     self.path(self.name, "key"), "-CAcreateserial", "-days", "30", "-out", self.path(name),
                     "-extfile", extensions)
        return {"certificate": self.path(name), "key": self.path(name, "key"), "ca": self.path(self.name)}


def relationship(role, listen, partner, links, tls=None, **more):
    return {"relationship": "pair", "role": role, "partner": partner, "listen": listen, "mclt_s": MCLT_S,
            "keepalive_s": KEEPALIVE_S, "backup_share_percent": 20, "links": links, "tls": tls, **more}


def server_config(name, duid, links, failover, ports):
    return {
        "server": {"name": name, "duid": duid, "allocation_secret": SECRET},
        "store": {"leases_max": 100000},
        "journal": {"segment_mib": 1, "checkpoint_log_mib": 4},
        "dataplane": {"workers": 1, "poll": "adaptive", "ports": ports},
        "lifetimes": LIFETIMES,
        "options": {"dns_servers": ["2001:db8::53"], "domain_search": ["example.org"]},
        "links": links,
        "failover": failover,
    }


class Partner(Server):
    """One server of a relationship, and what it says of it."""

    def relation(self, name="pair"):
        """The row of failover.list; None while there is none to be had."""
        try:
            rows = self.rpc("failover.list")["relations"]
        except (OSError, ValueError, RpcError, LabError):
            return None
        return next((row for row in rows if row["relation"] == name), None)

    def state(self, name="pair"):
        row = self.relation(name)
        return row["state"] if row else None

    def wipe(self):
        """Its storage is gone, as with a new disk."""
        state = self.config["server"]["state_dir"]
        shutil.rmtree(state)
        os.makedirs(state)


class Pair:
    """Primary a and secondary b. Clients stand on two switches with a trunk between them, each with one
    server: without the trunk each side sees its own server only. Relays reach both."""

    def __init__(self, lab, tls=True, links=(STREET, OLT), relation=None, **more):
        self.lab = lab
        self.as_told = True     # the lifetimes a client was told last are compared, too
        self.namespaces = {name: lab.namespace(name) for name in ROLES}
        self.streets = {name: lab.switch(f"street-{name}") for name in ROLES}
        self.core = lab.switch("core")
        self.line = lab.switch("line")
        self.ports = {}
        self.addresses = {name: f"{PARTNER_NET}{number}" for number, name in enumerate(ROLES, 1)}
        lab.cable(self.streets[A], "trunk", self.streets[B], "trunk")
        for street in self.streets.values():
            lab.patch(street, "trunk")
        self.client_ports = {}
        for number, (name, namespace) in enumerate(self.namespaces.items(), 1):
            self.client_ports[name] = ((self.streets[name], lab.plug(self.streets[name], namespace, "srv0")),
                                       (self.core, lab.plug(self.core, namespace, "srv1")))
            lab.server_port(namespace, "srv0")
            lab.server_port(namespace, "srv1")
            self.ports[name] = lab.plug(self.line, namespace, "part0")
            lab.address(namespace, "part0", f"{PARTNER_NET}{number}/64")
        certificates = Certificates(lab.dir) if tls else None
        self.servers = {}
        for name, other in ((A, B), (B, A)):
            identity = certificates.make(name, self.addresses[name]) if tls else None
            terms = relationship(ROLES[name], self.addresses[name], self.addresses[other],
                                 [link["name"] for link in links], identity, **(relation or {}))
            config = server_config(name, DUIDS[name], list(links), [terms], [
                {"name": "access0", "device": "net_af_packet0,iface=srv0"},
                {"name": "core0", "device": "net_af_packet1,iface=srv1",
                 "addresses": [f"2001:db8:0:1::{1 if name == A else 2}"]}])
            config.update(more)
            self.servers[name] = Partner(lab, self.namespaces[name], config, name)
        self.a, self.b = self.servers[A], self.servers[B]

    def start(self):
        """Both, at the same time as far as the first start allows, and until they are NORMAL."""
        for server in self.servers.values():
            self.lab.start(server)
        self.wait_states()
        return self

    def states(self):
        return tuple(server.state() for server in self.servers.values())

    def wait_states(self, a=NORMAL, b=NORMAL, timeout=40.0):
        """Until both say so; None: whatever."""
        try:
            wait_for(f"states {a} and {b}",
                     lambda: all(want in (None, seen) for want, seen in zip((a, b), self.states())), timeout)
        except LabError as error:
            raise LabError(f"{error}; they are {self.states()}\n{self.story()}") from error

    def story(self, lines=15):
        return "\n".join(f"  {name}: {line}" for name, server in self.servers.items()
                         for line in server.log().splitlines()[-lines:])

    def cut_line(self, connected=False):
        """The line between the partners, without a word to either."""
        self.cut_end(A, connected)

    def cut_end(self, name, connected=False):
        """One server's end of the line between the partners."""
        self.lab.patch(self.line, self.ports[name], connected)

    def cut_trunk(self, connected=False):
        """What joins the clients' switches."""
        self.lab.patch(self.streets[A], "trunk", connected)

    def isolate(self, name, connected=False):
        """One server's way to clients and relays."""
        for switch, port in self.client_ports[name]:
            self.lab.patch(switch, port, connected)

    def wait_settled(self, timeout=30.0):
        """Both NORMAL, nothing left to tell the partner, and both know the same."""
        self.wait_states(timeout=timeout)

        def settled():
            rows = [server.relation() for server in self.servers.values()]
            return all(row and settled_row(row) for row in rows) and not self.differences()
        try:
            wait_for("the partners' leases to agree", settled, timeout)
        except LabError as error:
            raise LabError(f"{error}\n" + "\n".join(self.differences()[:20])) from error

    def wait_balanced(self, timeout=30.0):
        """The secondary has its share of free prefixes, as near as the primary cares, and nothing asked back
        waits for an answer."""
        self.a.rpc("failover.rebalance", relation="pair")

        def balanced():
            pools = self.a.rpc("failover.get", relation="pair")["pools"]
            return all(pool["asked_back"] == 0 and
                       4 * abs(pool["free_partner"] - pool["backup_target"]) <= pool["backup_target"]
                       for pool in pools)
        wait_for("the free prefixes to be shared out", balanced, timeout)
        self.wait_settled(timeout)

    def differences(self):
        """What one server knows otherwise than the other, as text."""
        return differ({name: lease_views(server.leases(), self.as_told) for name, server in self.servers.items()})

    def stop(self):
        for server in self.servers.values():
            server.stop(signal.SIGTERM)

    def log_differences(self):
        """The same from the logs on disk, read by --log-dump after a stop."""
        return differ({name: log_views(server) for name, server in self.servers.items()})


def settled_row(row):
    return row["communications"] == "ok" and not (row["unacked"] or row["waiting"])


HELD = ("state", "duid", "iaid", "link", "valid_until", "interface_id", "link_address")
AS_TOLD = ("preferred_lifetime_s", "valid_lifetime_s", "renew_s", "rebind_s")


def lease_views(leases, as_told=True):
    """{resource: what both servers must agree on}. A free lease may keep a hint of its last client, or not."""
    views = {}
    for lease in leases:
        held = not lease["state"].startswith("free")
        keys = (HELD + (AS_TOLD if as_told else ())) if held else ("state", "link")
        views[lease.get("address") or lease["prefix"]] = {key: lease.get(key) for key in keys}
    return views


def differ(views):
    """Free leases may be remembered by one server and forgotten by the other."""
    (a_name, a), (b_name, b) = views.items()
    found = []
    for resource in sorted(set(a) | set(b)):
        one, other = a.get(resource), b.get(resource)
        if not (one and other) and (one or other)["state"].lower().startswith("free"):
            continue
        if one != other:
            found.append(f"{resource}: {a_name} {one}, {b_name} {other}")
    return found


LOG_LINE = re.compile(r"^ +(lease|times|forget) (na|pd) (\S+) version (\d+)(?: (\S+) iaid (\S+) flags \d+ start \d+ "
                      r"expires (\d+) clt \d+)?(?: duid (\S*))?")


def log_views(server):
    """The leases of a stopped server as its files tell them: the highest version of each counts."""
    done = subprocess.run([program("tandem6d"), "-c", server.config_path, "--log-dump"], capture_output=True,
                          text=True, check=True)
    views, versions = {}, {}
    for line in done.stdout.splitlines():
        found = LOG_LINE.match(line)
        if not found:
            continue
        kind, _, resource, version, state, iaid, expires, duid = found.groups()
        if versions.get(resource, -1) > int(version):
            continue
        versions[resource] = int(version)
        resource = str(ipaddress.IPv6Network(resource))
        if kind == "forget":
            views.pop(resource, None)
        else:
            duid = duid if kind == "lease" else views.get(resource, {}).get("duid")
            held = not state.startswith("FREE")
            views[resource] = {"state": state, **({"iaid": iaid, "expires": expires, "duid": duid} if held else {})}
    return views
