"""A small network on one machine: namespaces, cables, a tandem6d, real clients and relays.

Used by scripts/run and the system and crash tests. Everything a Lab makes is gone when it closes: its
processes (by id), its namespaces, its scratch directory."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BUILD", "build")
if not os.path.isabs(BUILD):
    BUILD = os.path.join(ROOT, BUILD)


class LabError(Exception):
    """Something the lab needs is missing or did not happen in time."""


def run(*command, check=True):
    """Runs a command to its end; returns its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
        time.sleep(0.02)
    raise LabError(f"waited {timeout:g} s for {what}")


class Lab:
    def __init__(self, name="lab"):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root: use sudo")
        for tool in ("ip", "ethtool", "sysctl"):
            if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
                raise LabError(f"'{tool}' is missing: run scripts/setup")
        self.prefix = f"t6{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix=f"tandem6-{name}-")
        self.namespaces = []
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            process.stop()
        for namespace in self.namespaces:
            run("ip", "netns", "del", namespace, check=False)
        self.namespaces = []
        shutil.rmtree(self.dir, ignore_errors=True)

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
        """A veth pair between two namespaces, both ends up, duplicate detection only where clients are."""
        run("ip", "link", "add", a_interface, "netns", a, "type", "veth", "peer", "name", b_interface,
            "netns", b)
        for namespace, interface in ((a, a_interface), (b, b_interface)):
            run("ip", "-n", namespace, "link", "set", interface, "up")

    def sysctl(self, namespace, *settings):
        for setting in settings:
            run("ip", "netns", "exec", namespace, "sysctl", "-qw", setting)

    def server_port(self, namespace, interface):
        """Leaves the interface to the server: the kernel must not answer for it."""
        self.sysctl(namespace, f"net.ipv6.conf.{interface}.disable_ipv6=1")

    def wait_link_local(self, namespace, interface):
        """Until the interface has a link-local address that passed duplicate detection."""
        def ready():
            text = run("ip", "-n", namespace, "-6", "addr", "show", "dev", interface, "scope", "link")
            return "fe80" in text and "tentative" not in text
        wait_for(f"a link-local address on {interface}", ready)

    def start(self, process):
        self.processes.append(process)
        process.start()
        return process


class Process:
    """A program in a namespace; its output goes to a file."""

    def __init__(self, lab, namespace, command, name):
        self.lab = lab
        self.command = ["ip", "netns", "exec", namespace] + command
        self.namespace = namespace
        self.name = name
        self.log_path = lab.path(f"{name}.log")
        self.popen = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def wait_log(self, text, timeout=15.0):
        def seen():
            return text in self.log()
        wait_for(f"'{text}' from {self.name}", seen, timeout)

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

    def __init__(self, lab, namespace, config, name="tandem6d", program=None):
        self.config = config
        self.config_path = lab.path(f"{name}.json")
        config.setdefault("management", {})["socket"] = lab.path(f"{name}.sock")
        config.setdefault("server", {}).setdefault("state_dir", lab.path(f"{name}.state"))
        os.makedirs(config["server"]["state_dir"], exist_ok=True)
        self.socket_path = config["management"]["socket"]
        program = program or os.path.join(BUILD, "app/tandem6d/tandem6d")
        super().__init__(lab, namespace, [program, "-c", self.config_path], name)

    def start(self):
        with open(self.config_path, "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=2)
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
            connection.settimeout(10)
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

    def kill(self):
        """As a crash would."""
        self.stop(signal.SIGKILL)

    def restart(self):
        self.start()


# Called by dhclient with what it got in the environment: applies addresses, tells events to a file.
DHCLIENT_SCRIPT = """#!/bin/sh
env | grep -E '^(reason|interface|new_|old_|cur_)' | tr '\\n' ' ' >>"{events}"
echo >>"{events}"
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


class Dhclient(Process):
    """ISC dhclient -6 on one interface; na and pd say what it asks for."""

    def __init__(self, lab, namespace, interface, na=True, pd=True, name=None, duid="LL"):
        self.interface = interface
        name = name or f"dhclient-{interface}"
        self.base = lab.path(name)
        self.events_path = self.base + ".events"
        self.flags = (["-N"] if na else []) + (["-P"] if pd else []) + ["-D", duid]
        script = self.base + ".script"
        with open(script, "w", encoding="utf-8") as file:
            file.write(DHCLIENT_SCRIPT.format(events=self.events_path, decline=self.base + ".decline"))
        os.chmod(script, 0o755)
        with open(self.base + ".conf", "w", encoding="utf-8") as file:
            file.write("also request dhcp6.name-servers, dhcp6.domain-search, dhcp6.sol-max-rt;\n")
        self.files = ["-cf", self.base + ".conf", "-lf", self.base + ".leases", "-pf",
                      self.base + ".pid", "-sf", script]
        super().__init__(lab, namespace, self.dhclient("-d"), name)

    def dhclient(self, *flags):
        return ["dhclient", "-6", "-v", *flags, *self.flags, *self.files, self.interface]

    def decline_next(self):
        """The script refuses the next binding; dhclient then sends a Decline."""
        with open(self.base + ".decline", "w", encoding="utf-8"):
            pass

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

    def release(self):
        """Stops it and sends a Release with a second run, as its manual says."""
        self.stop()
        run("ip", "netns", "exec", self.namespace, *self.dhclient("-r"))


class Relay(Process):
    """ISC dhcrelay -6 between a client side and a server (or another relay)."""

    def __init__(self, lab, namespace, lower, upper, server, name=None):
        name = name or f"dhcrelay-{lower}"
        super().__init__(lab, namespace,
                         ["dhcrelay", "-6", "-d", "-I", "-pf", lab.path(name + ".pid"), "-l", lower,
                          "-u", f"{server}%{upper}"], name)

    def start(self):
        super().start()
        self.wait_log("Sending on", 10.0)
