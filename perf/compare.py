"""tandem6d beside another DHCPv6 server: the same clients behind the same relay over the same kind of cable,
one server after the other, round by round. Used by perf/compare-kea and perf/compare-isc.

Each round starts both with empty storage. Closed loops tell the maximum of new leases (four messages, one
prefix each) and of renewals; open loops at 50 % and 70 % of THEIR maximum tell the 99th percentile, counted
from when an exchange was due. Figures are medians over the rounds. Beside each rate stand the share of one
CPU that the server and the load generator used, and what other processes used: where the generator is near
1.0, it or the cable was the limit, and the server's own is higher."""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from lab import SBIN, Lab, LabError, Process, Server, exit_on_sigterm, wait_for   # noqa: E402
from loadgen import Load    # noqa: E402

SERVER, RELAY, LINK = "2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:17::1"
PREFIXES, PREFIXES_LENGTH, LAST_PREFIX = "2001:db8:4000::", 34, "2001:db8:7fff:ff00::"
PREFERRED_S, VALID_S, T1_S, T2_S = 3000, 3600, 1500, 2400
SHARES = (50, 70)
KINDS = {"new": "new leases", "renew": "renewals"}
# A message unanswered is lost; the generator then waits as RFC 9915 says, so that losses cost the loser.
DRAIN_S = 2


def ours(lab, namespace, leases_max):
    lab.server_port(namespace, "srv0")
    return Server(lab, namespace, {
        "server": {"name": "compare"},
        "store": {"leases_max": leases_max},
        "dataplane": {"workers": 1, "ports": [{"name": "access0", "device": "net_af_packet0,iface=srv0",
                                               "addresses": [SERVER]}]},
        "lifetimes": {"preferred_s": PREFERRED_S, "valid_s": VALID_S, "renew_s": T1_S, "rebind_s": T2_S},
        "links": [{"name": "olt", "port": "access0", "subnets": ["2001:db8:17::/64"],
                   "relay_addresses": [LINK],
                   "pools": [{"type": "prefix", "range": f"{PREFIXES}/{PREFIXES_LENGTH}",
                              "delegated_length": 56}]}]})


class Theirs(Process):
    """Another server, its configuration and storage in the lab's directory."""

    def __init__(self, lab, namespace, command, name, **files):
        for file, text in files.items():
            with open(lab.path(file), "w", encoding="utf-8") as out:
                out.write(text)
        super().__init__(lab, namespace, ["env", f"KEA_PIDFILE_DIR={lab.dir}", f"KEA_LOCKFILE_DIR={lab.dir}",
                                          *command], name)

    def start(self):
        super().start()

        def listens():
            if not self.running():
                raise LabError(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
            with open(f"/proc/{self.popen.pid}/net/udp6", encoding="ascii") as file:
                return ":0223 " in file.read()
        wait_for(f"{self.name} to listen", listens, 30.0)


class Kea:
    name, program, package = "kea-dhcp6", "kea-dhcp6", "kea-dhcp6-server"
    setting = "multi-threaded, memfile with persist (its default; it writes, but never syncs its disk)"

    @staticmethod
    def server(lab, namespace):
        lab.address(namespace, "srv0", f"{SERVER}/64")
        made = {"Dhcp6": {
            "data-directory": lab.dir,
            "interfaces-config": {"interfaces": [f"srv0/{SERVER}"]},
            "lease-database": {"type": "memfile", "persist": True, "name": lab.path("kea-leases6.csv")},
            "multi-threading": {"enable-multi-threading": True},
            "preferred-lifetime": PREFERRED_S, "valid-lifetime": VALID_S,
            "renew-timer": T1_S, "rebind-timer": T2_S,
            "subnet6": [{"subnet": "2001:db8:17::/64", "relay": {"ip-addresses": [LINK]},
                         "pd-pools": [{"prefix": PREFIXES, "prefix-len": PREFIXES_LENGTH,
                                       "delegated-len": 56}]}],
            "loggers": [{"name": "kea-dhcp6", "severity": "ERROR",
                         "output_options": [{"output": "stdout"}]}]}}
        return Theirs(lab, namespace, ["kea-dhcp6", "-c", lab.path("kea.json")], "kea-dhcp6",
                      **{"kea.json": json.dumps(made)})


class Isc:
    name, program, package = "dhcpd", "dhcpd", "isc-dhcp-server"
    setting = "lease file as by default (it syncs, in batches, before it answers)"

    @staticmethod
    def server(lab, namespace):
        lab.address(namespace, "srv0", f"{SERVER}/64")
        made = f"""
default-lease-time {VALID_S};
preferred-lifetime {PREFERRED_S};
option dhcp-renewal-time {T1_S};
option dhcp-rebinding-time {T2_S};
log-facility local7;
subnet6 2001:db8:0:1::/64 {{ }}
subnet6 2001:db8:17::/64 {{ prefix6 {PREFIXES} {LAST_PREFIX} /56; }}
"""
        return Theirs(lab, namespace, ["dhcpd", "-6", "-q", "-d", "-cf", lab.path("dhcpd.conf"), "-lf",
                                       lab.path("dhcpd.leases"), "--no-pid", "srv0"], "dhcpd",
                      **{"dhcpd.conf": made, "dhcpd.leases": ""})


def cpu_s(process):
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_s():
    """Processor time of our children that have ended: of the generator, around one run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine_s():
    """User and system time of all processes; interrupts have no owner."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system = (int(field) for field in file.readline().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


class Side:
    """One server in a lab of its own, a relay's namespace at the other end of its cable."""

    def __init__(self, lab, arguments, make):
        self.lab, self.arguments, self.runs, self.first = lab, arguments, 0, 0
        server_ns, self.relay_ns = lab.namespace("server"), lab.namespace("relay")
        lab.cable(server_ns, "srv0", self.relay_ns, "c0")
        lab.address(self.relay_ns, "c0", f"{RELAY}/64")
        lab.wait_link_local(self.relay_ns, "c0")
        self.server = lab.start(make(lab, server_ns))

    def fresh(self):
        """Clients that no run has played yet."""
        first, self.first = self.first, self.first + self.arguments.clients
        return first

    def load(self, **options):
        self.runs += 1
        begin = time.monotonic(), cpu_s(self.server), children_s(), machine_s()
        result = self.lab.start(Load(
            self.lab, self.relay_ns, f"load{self.runs}", relay=RELAY, link_address=LINK, server=SERVER, pd=True,
            clients=self.arguments.clients, duration=self.arguments.seconds, drain=DRAIN_S, quiet=True,
            **options)).result(self.arguments.seconds + 60.0)
        end = time.monotonic(), cpu_s(self.server), children_s(), machine_s()
        spent, server, generator, machine = (after - before for before, after in zip(begin, end))
        if result["wrong"]:
            raise LabError(f"{self.server.name} gave wrong answers: {json.dumps(result['verdicts'])}")
        return {"per_s": result["finished_per_s"], "retransmitted": result["retransmitted"],
                "timeouts": result["timeouts"], "result": result,
                "server_cpu": server / spent, "generator_cpu": generator / spent,
                "others_cpu": max(0.0, machine - server - generator) / spent}

    def maximum(self, kind, **options):
        """The best of the windows: a small one starves a fast server, a large one drowns a slow one."""
        runs = []
        for window in self.arguments.windows:
            more = {"first_client": self.fresh(), "once": True,
                    "save": self.lab.path(f"leases{window}")} if kind == "new" else options
            runs.append({**self.load(mix=kind, window=window, **more), "window": window, **more})
        return max(runs, key=lambda run: run["per_s"])

    def latency(self, kind, rate, **options):
        more = {"first_client": self.fresh()} if kind == "new" else options
        run = self.load(mix=kind, rate=max(1, round(rate)), **more)
        # Of whole exchanges: lost messages and their repetition count.
        if not run["result"]["finished"]:
            raise LabError(f"{self.server.name}: no {KINDS[kind]} in the open loop: {json.dumps(run['result'])}")
        run["p99_us"] = run["result"]["exchanges"]["p99_us"]
        run["lag_p99_us"] = run["result"]["lag"]["p99_us"]
        return run


def round_of(arguments, name, make, rates):
    """All runs of one side; rates: their maxima, None when this is their side."""
    with Lab(f"compare-{name}") as lab:
        side, figures = Side(lab, arguments, make), {}
        figures["new"] = side.maximum("new")
        held = {"load": figures["new"]["save"], "first_client": figures["new"]["first_client"]}
        figures["renew"] = side.maximum("renew", **held)
        rates = rates or {kind: figures[kind]["per_s"] for kind in KINDS}
        for kind in KINDS:
            for share in SHARES:
                figures[f"{kind}_{share}"] = side.latency(kind, rates[kind] * share / 100, **held)
        for key, run in figures.items():
            print(f"    {name} {key}: {run['per_s']:.0f}/s, server {run['server_cpu']:.2f} CPU, generator "
                  f"{run['generator_cpu']:.2f}, others {run['others_cpu']:.2f}", file=sys.stderr, flush=True)
        return figures, rates


def medians(rounds):
    """{run: {figure: its median over the rounds}}"""
    keep = ("per_s", "p99_us", "lag_p99_us", "server_cpu", "generator_cpu", "others_cpu", "retransmitted",
            "window", "timeouts")
    return {key: {word: round(statistics.median(figures[key][word] for figures in rounds), 3)
                  for word in keep if word in rounds[0][key]} for key in rounds[0]}


def limit(run):
    """What kept a closed loop from going faster, as far as processor time tells."""
    if run["generator_cpu"] > 0.9:
        return "generator or cable"
    if run["others_cpu"] > 0.1:
        return "a shared machine"
    return "server" if run["server_cpu"] > 0.9 else "waiting (disk, window)"


def summary(them, version, arguments, sides):
    our, their = medians(sides["ours"]), medians(sides["theirs"])
    p99 = {share: {kind: round(their[f"{kind}_{share}"]["p99_us"] / max(1, our[f"{kind}_{share}"]["p99_us"]), 2)
                   for kind in KINDS} for share in SHARES}
    return {"bench": f"compare-{them.program}", "theirs_version": version, "theirs_setting": them.setting,
            "ours_setting": "one worker; every lease durable before the answer",
            "rounds": arguments.rounds, "seconds": arguments.seconds, "clients": arguments.clients,
            "new_leases_ratio": round(our["new"]["per_s"] / their["new"]["per_s"], 2),
            "renewals_ratio": round(our["renew"]["per_s"] / their["renew"]["per_s"], 2),
            # The smaller of new leases and renewals, for each load.
            "p99_ratio": {str(share): min(p99[share].values()) for share in SHARES},
            "p99_ratios": {str(share): p99[share] for share in SHARES},
            "limits": {kind: {"ours": limit(our[kind]), "theirs": limit(their[kind])} for kind in KINDS},
            "others_cpu": max(run["others_cpu"] for side in (our, their) for run in side.values()),
            "ours": our, "theirs": their}


def table(them, told):
    lines = [f"{them.name} {told['theirs_version']}: {them.setting}", f"tandem6d: {told['ours_setting']}", "",
             f"{'':26}{'tandem6d':>12}{them.name:>12}{'ratio':>8}   CPUs: server, generator (limit)"]
    for kind, words in KINDS.items():
        our, their = told["ours"][kind], told["theirs"][kind]
        cpu = "; ".join(f"{run['server_cpu']:.2f}, {run['generator_cpu']:.2f} ({limit(run)})"
                        for run in (our, their))
        lines.append(f"{words + ' per s':26}{our['per_s']:12.0f}{their['per_s']:12.0f}"
                     f"{our['per_s'] / their['per_s']:8.2f}   {cpu}")
    for share in SHARES:
        for kind, words in KINDS.items():
            our, their = (told[side][f"{kind}_{share}"] for side in ("ours", "theirs"))
            lines.append(f"{f'p99 us, {words} {share} %':26}{our['p99_us']:12.0f}{their['p99_us']:12.0f}"
                         f"{told['p99_ratios'][str(share)][kind]:8.2f}   generator's own lag p99 "
                         f"{our['lag_p99_us']:.0f}; {their['lag_p99_us']:.0f} us")
    if told["others_cpu"] > 0.1:
        lines += ["", f"The machine was shared: others used up to {told['others_cpu']:.2f} CPUs. These are no figures."]
    return "\n".join(lines)


def version_of(package):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
                          check=False).stdout or "(not Debian's)"


def main(them):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the table")
    parser.add_argument("--clients", type=int, default=200000, help="in each run of new leases (200000)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (5)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--windows", type=lambda text: [int(word) for word in text.split(",")], default=[64, 256],
                        help="of the closed loops, the best counts (64,256)")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + SBIN
    if not shutil.which(them.program):
        print(f"{sys.argv[0]}: {them.program} is missing: scripts/setup --compare, or "
              f"apt-get install --no-install-recommends {them.package}", file=sys.stderr)
        return 2
    exit_on_sigterm()
    # Runs of new leases: one for each window, one for each share.
    leases_max = (len(arguments.windows) + len(SHARES)) * arguments.clients + 10000
    sides = {"theirs": [], "ours": []}
    try:
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            figures, rates = round_of(arguments, them.name, them.server, None)
            sides["theirs"].append(figures)
            figures, _ = round_of(arguments, "tandem6d", lambda lab, ns: ours(lab, ns, leases_max), rates)
            sides["ours"].append(figures)
    except LabError as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    told = summary(them, version_of(them.package), arguments, sides)
    print(json.dumps(told) if arguments.json else table(them, told))
    return 0
