"""A small network on one machine: namespaces, cables, switches, a tandem6d, real clients and relays.

Used by scripts/run and the system and crash tests. Everything a Lab makes is gone when it closes: its
processes (by id), its namespaces with all that still runs in them, its scratch directory."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BUILD", "build")
if not os.path.isabs(BUILD):
    BUILD = os.path.join(ROOT, BUILD)
CLONE_NEWNET = 0x40000000
SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"
# Set to end all waiting in all threads, so that their labs close.
INTERRUPTED = threading.Event()


class LabError(Exception):
    """Something the lab needs is missing or did not happen in time."""


def run(*command, check=True):
    """Runs a command to its end; returns its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def wait_for(what, condition, timeout=15.0):
    """Polls until condition() is true and returns its value; names what was awaited when it never is."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        if INTERRUPTED.wait(0.02):
            raise LabError(f"interrupted while waiting for {what}")
    raise LabError(f"waited {timeout:g} s for {what}")


def program(name):
    """One of our own programs, as built."""
    return os.path.join(BUILD, "app", name, name)


def exit_on_sigterm():
    """SIGTERM then ends the program as Ctrl-C does, so that labs are closed."""
    def interrupt(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)


class Uninterrupted:
    """Ctrl-C and SIGTERM do nothing meanwhile. Main thread only."""

    signals = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self):
        self.handlers = [signal.signal(number, signal.SIG_IGN) for number in self.signals]

    def __exit__(self, *_):
        for number, handler in zip(self.signals, self.handlers):
            signal.signal(number, handler)


class Lab:
    """Namespaces get names of this process; several labs may live at a time. Methods that make
    something may be called from several threads."""

    count = 0
    lock = threading.Lock()

    def __init__(self, name="lab"):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root: use sudo")
        os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + SBIN
        for tool in ("ip", "ethtool", "sysctl"):
            if not shutil.which(tool):
                raise LabError(f"'{tool}' is missing: run scripts/setup")
        with Lab.lock:
            Lab.count += 1
            self.prefix = f"t6-{os.getpid()}-{Lab.count}"
        self.dir = tempfile.mkdtemp(prefix=f"tandem6-{name}-")
        os.chmod(self.dir, 0o755)   # networkd reads its files from here as its own user
        self.namespaces = []
        self.processes = []
        self.closers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if threading.current_thread() is threading.main_thread():
            with Uninterrupted():
                self.take_down()
        else:
            self.take_down()

    def take_down(self):
        for process in reversed(self.processes):
            process.stop()
        for closer in self.closers:
            closer()
        for namespace in self.namespaces:
            self.kill_rest(namespace)
            run("ip", "netns", "del", namespace, check=False)
        self.processes, self.closers, self.namespaces = [], [], []
        shutil.rmtree(self.dir, ignore_errors=True)

    def kill_rest(self, namespace):
        """What our processes left running in our namespace (dhcpcd's helpers), by id."""
        for _ in range(100):
            rest = run("ip", "netns", "pids", namespace, check=False).split()
            if not rest:
                return
            for pid in rest:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)    # until the kernel has reaped them

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def namespace(self, name):
        """A network namespace with loopback up; returns its full name."""
        full = f"{self.prefix}-{name}"
        run("ip", "netns", "add", full)
        self.namespaces.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def cable(self, a, a_interface, b, b_interface):
        """A veth pair between two namespaces (or within one), both ends up."""
        run("ip", "link", "add", a_interface, "netns", a, "type", "veth", "peer", "name", b_interface,
            "netns", b)
        for namespace, interface in ((a, a_interface), (b, b_interface)):
            run("ip", "-n", namespace, "link", "set", interface, "up")

    def switch(self, name):
        """A namespace that is a switch: no addresses, floods multicast."""
        full = self.namespace(name)
        self.sysctl(full, "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        run("ip", "-n", full, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", full, "link", "set", "br0", "up")
        return full

    def plug(self, switch, namespace, interface):
        """A cable from an interface of namespace to a new port of the switch; returns the port."""
        with Lab.lock:
            Lab.count += 1
            port = f"p{Lab.count}"
        self.cable(namespace, interface, switch, port)
        self.patch(switch, port)
        return port

    def patch(self, switch, port, connected=True):
        """Connects a port of the switch or disconnects it. Neither end sees a link go up or down."""
        run("ip", "-n", switch, "link", "set", port, *(("master", "br0") if connected else ("nomaster",)))

    def sysctl(self, namespace, *settings):
        run("ip", "netns", "exec", namespace, "sysctl", "-qw", *settings)

    def address(self, namespace, interface, address):
        """Gives the interface an address that is usable at once; its others too."""
        self.sysctl(namespace, f"net.ipv6.conf.{interface}.accept_dad=0")
        run("ip", "-n", namespace, "addr", "add", address, "dev", interface, "nodad")

    def server_port(self, namespace, interface):
        """Leaves the interface to the server: the kernel must not answer for it."""
        self.sysctl(namespace, f"net.ipv6.conf.{interface}.disable_ipv6=1")

    def addresses(self, namespace, interface, scope="global"):
        """The usable addresses of an interface, without their lengths."""
        found = json.loads(run("ip", "-j", "-n", namespace, "-6", "addr", "show", "dev", interface,
                               "scope", scope, check=False) or "[]")
        # Addresses of other scopes are empty objects.
        return [info["local"] for row in found for info in row.get("addr_info", ())
                if "local" in info and "tentative" not in info and "dadfailed" not in info]

    def wait_link_local(self, namespace, interface):
        """Until the interface has a link-local address that passed duplicate detection; returns it."""
        def ready():
            return self.addresses(namespace, interface, "link")
        return wait_for(f"a link-local address on {interface}", ready)[0]

    def socket(self, namespace, *arguments):
        """A Python socket that lives in the namespace."""
        made = []

        def make():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{namespace}", encoding="ascii") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) == 0:
                    made.append(socket.socket(*arguments))

        # A thread of its own, as a thread's namespace is its own.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            raise LabError(f"no socket in {namespace}")
        return made[0]

    def start(self, process):
        if INTERRUPTED.is_set():
            raise LabError("interrupted")
        self.processes.append(process)
        process.start()
        return process


class Process:
    """A program in a namespace; its output goes to a file. `mounts` are shell commands that run before it
    in the mount namespace that ip netns exec makes for it alone."""

    def __init__(self, lab, namespace, command, name, mounts=()):
        self.lab = lab
        if mounts:
            command = ["sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh", *command]
        self.command = ["ip", "netns", "exec", namespace, *command]
        self.namespace = namespace
        self.name = name
        self.log_path = lab.path(f"{name}.log")
        self.popen = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL)

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def wait_log(self, text, timeout=15.0, after=0):
        """Until the text is in the log, behind its first `after` characters."""
        def seen():
            return text in self.log()[after:]
        wait_for(f"'{text}' from {self.name}", seen, timeout)

    def send(self, sig):
        if self.running():
            self.popen.send_signal(sig)

    def stop(self, sig=signal.SIGTERM, timeout=10.0):
        """Signals it and waits; kills it when it does not listen. Returns the exit status."""
        if self.popen is None:
            return None
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error.get("message", "error"))
        self.error = error


class Server(Process):
    """tandem6d with a configuration; its management socket is in the lab's directory."""

    def __init__(self, lab, namespace, config, name="tandem6d", program_path=None, mounts=()):
        self.config = config
        self.config_path = lab.path(f"{name}.json")
        config.setdefault("management", {})["socket"] = lab.path(f"{name}.sock")
        config.setdefault("server", {}).setdefault("state_dir", lab.path(f"{name}.state"))
        os.makedirs(config["server"]["state_dir"], exist_ok=True)
        self.socket_path = config["management"]["socket"]
        self.program = program_path or program("tandem6d")
        super().__init__(lab, namespace, [self.program, "-c", self.config_path], name, mounts)

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=2)

    def start(self):
        if not os.access(self.program, os.X_OK):
            raise LabError(f"{self.program} is missing: run scripts/build")
        self.write_config()
        super().start()
        wait_for(f"{self.name} to serve", self.serving, 60.0)

    def serving(self):
        if not self.running():
            raise LabError(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
        try:
            return self.rpc("server.status")["state"] == "serving"
        except (OSError, ValueError):
            return False

    def rpc(self, method, **params):
        """One call over the management socket; raises RpcError."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self.socket_path)
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            connection.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                part = connection.recv(65536)
                if not part:
                    break
                data += part
        answer = json.loads(data)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def counters(self):
        return self.rpc("stats.get")["counters"]

    def leases(self, **filters):
        """All leases, every page."""
        leases, cursor = [], None
        while True:
            params = {"filter": filters, "limit": 10000}
            if cursor:
                params["cursor"] = cursor
            page = self.rpc("lease.list", **params)
            leases += page["leases"]
            cursor = page["next_cursor"]
            if not cursor:
                return leases

    def lease(self, resource):
        """The lease of an address or a prefix; None when there is none."""
        try:
            return self.rpc("lease.get", **{"prefix" if "/" in resource else "address": resource})
        except RpcError:
            return None

    def kill(self):
        """As a crash would."""
        self.stop(signal.SIGKILL)

    def restart(self):
        self.start()


# Called by clients with what they got in the environment: tells events to a file.
EVENT_SCRIPT = """#!/bin/sh
env | grep -E '^(reason|interface|new_|old_|cur_)' | tr '\\n' ' ' >>"{events}"
echo >>"{events}"
"""
# Only for dhclient, which leaves the work to its script: applies addresses.
DHCLIENT_SCRIPT = EVENT_SCRIPT + """
case "$reason" in
BOUND6)
    [ -n "$new_ip6_address" ] && ip -6 addr replace "$new_ip6_address/128" dev "$interface" nodad
    [ -e "{decline}" ] && rm -f "{decline}" && exit 3
    ;;
EXPIRE6|RELEASE6|STOP6)
    [ -n "$old_ip6_address" ] && ip -6 addr del "$old_ip6_address/128" dev "$interface"
    ;;
esac
exit 0
"""
# Clients write below /run and /var/lib and to /etc/resolv.conf: not on the host.
RUN_MOUNTS = ("mount -t tmpfs none /run", "mkdir -p /run/systemd/network /run/systemd/netif")


class Client(Process):
    """A real DHCPv6 client on one interface; na and pd say what it asks for. It hands delegated prefixes
    on to the interface lan0 of its namespace, if it does so at all."""

    kind = None
    # What it says when it goes: clients without a Release just fall silent.
    releases = True

    def __init__(self, lab, namespace, interface, na=True, pd=True, name=None, mounts=()):
        self.interface, self.na, self.pd = interface, na, pd
        name = name or f"{self.kind}-{interface}"
        self.base = lab.path(name)
        self.events_path = self.base + ".events"
        resolv = self.write("resolv.conf", "")
        if mounts and os.path.exists("/etc/resolv.conf"):
            mounts = [*mounts, f"mount --bind {resolv} /etc/resolv.conf"]
        super().__init__(lab, namespace, self.client_command(), name, mounts)

    def client_command(self):
        raise NotImplementedError

    def write(self, suffix, text, mode=0o644):
        path = f"{self.base}.{suffix}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def events(self):
        """What the script was told, oldest first, as dictionaries."""
        if not os.path.exists(self.events_path):
            return []
        with open(self.events_path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def wait_event(self, reason, count=1, timeout=30.0):
        def seen():
            return [event for event in self.events() if event.get("reason") == reason][count - 1:]
        return wait_for(f"{count} × {reason} from {self.name}", seen, timeout)[0]

    def prefixes(self):
        """The delegated prefixes the client told its script of."""
        return [value for event in self.events() for key, value in event.items()
                if key in ("new_ip6_prefix", "new_dhcp6_ia_pd1_prefix1")]

    def release(self):
        self.stop()


class Dhclient(Client):
    """ISC dhclient -6."""

    kind = "dhclient"

    def __init__(self, lab, namespace, interface, na=True, pd=True, name=None, duid="LL"):
        self.flags = (["-N"] if na else []) + (["-P"] if pd else []) + ["-D", duid]
        super().__init__(lab, namespace, interface, na, pd, name)

    def client_command(self):
        script = self.write("script", DHCLIENT_SCRIPT.format(events=self.events_path,
                                                             decline=self.base + ".decline"), 0o755)
        config = self.write("conf", "also request dhcp6.name-servers, dhcp6.domain-search, "
                                    "dhcp6.sol-max-rt;\n")
        self.files = ["-cf", config, "-lf", self.base + ".leases", "-pf", self.base + ".pid",
                      "-sf", script]
        return self.dhclient("-d")

    def dhclient(self, *flags):
        return ["dhclient", "-6", "-v", *flags, *self.flags, *self.files, self.interface]

    def decline_next(self):
        """The script refuses the next binding; dhclient then sends a Decline."""
        self.write("decline", "")

    def settled(self):
        """Has taken the answer to the last message it sent: the lease is in its file and its next time set."""
        steps = re.findall(r"^(XMT: \w+ on|PRC: (?:Renewal|Rebind) event)", self.log(), re.MULTILINE)
        return steps and steps[-1].startswith("PRC")

    def release(self):
        """Stops it and sends a Release with a second run, as its manual says. That run takes the lease from
        the file, in which a Reply is a while after it was on the wire."""
        wait_for(f"{self.name} to take the last Reply", self.settled)
        self.stop()
        run("ip", "netns", "exec", self.namespace, *self.dhclient("-r"))


class Dhcpcd(Client):
    """dhcpcd, told to need no router."""

    kind = "dhcpcd"

    def __init__(self, lab, namespace, interface, na=True, pd=True, name=None):
        super().__init__(lab, namespace, interface, na, pd, name,
                         [*RUN_MOUNTS, "mount -t tmpfs none /var/lib/dhcpcd"])

    def client_command(self):
        script = self.write("script", EVENT_SCRIPT.format(events=self.events_path), 0o755)
        lines = ["noipv4", "ipv6only", "noipv6rs", "option dhcp6_name_servers, dhcp6_domain_search",
                 f"interface {self.interface}"]
        lines += ["ia_na 1"] if self.na else []
        lines += ["ia_pd 2 lan0/0/64"] if self.pd else []
        config = self.write("conf", "\n".join(lines) + "\n")
        return ["dhcpcd", "-6", "-B", "-d", "-f", config, "--script", script, self.interface]

    def release(self):
        """SIGALRM releases and ends it; one that comes at a bad moment of dhcpcd 9.4 is lost."""
        def ended():
            self.send(signal.SIGALRM)
            try:
                self.popen.wait(1.0)
            except subprocess.TimeoutExpired:
                pass
            return not self.running()
        wait_for(f"{self.name} to end", ended)


class Networkd(Client):
    """systemd-networkd without systemd and D-Bus; it takes links as they are where /sys is read-only."""

    kind = "networkd"
    releases = False

    def __init__(self, lab, namespace, interface, na=True, pd=True, name=None):
        mounts = [*RUN_MOUNTS, "chown systemd-network: /run/systemd/netif",
                  "mount -o remount,bind,ro /sys"]
        self.base = lab.path(name or f"{self.kind}-{interface}")
        mounts += [f"cp {path} /run/systemd/network/" for path in self.networks(interface, na, pd)]
        super().__init__(lab, namespace, interface, na, pd, name, mounts)

    def networks(self, interface, na, pd):
        yield self.write("network", f"""[Match]
Name={interface}
[Network]
DHCP=ipv6
IPv6AcceptRA=no
[DHCPv6]
WithoutRA=solicit
DUIDType=link-layer
UseAddress={na}
UseDelegatedPrefix={pd}
""")
        if pd:
            yield self.write("lan.network", """[Match]
Name=lan0
[Network]
IPv6AcceptRA=no
DHCPPrefixDelegation=yes
""")

    def client_command(self):
        return ["env", "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console",
                "/lib/systemd/systemd-networkd"]


class Relay(Process):
    """ISC dhcrelay -6 between a client side and a server (or another relay)."""

    def __init__(self, lab, namespace, lower, upper, server=None, name=None):
        """Without a server it asks All_DHCP_Servers, so all that are there."""
        name = name or f"dhcrelay-{lower}"
        super().__init__(lab, namespace,
                         ["dhcrelay", "-6", "-d", "-I", "-pf", lab.path(name + ".pid"), "-l", lower,
                          "-u", f"{server}%{upper}" if server else upper], name)

    def start(self):
        super().start()
        self.wait_log("Sending on", 10.0)
