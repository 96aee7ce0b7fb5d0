"""What the system tests stand on: scenarios, each a lab of its own with tests in order, run side by side."""

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from lab import INTERRUPTED, Lab, LabError, Server

SCENARIOS = []
LIFETIMES_LONG = {"preferred_s": 3000, "valid_s": 3600, "renew_s": 1500, "rebind_s": 2400}


class Failed(Exception):
    """What a test expected was not so."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def expect_equal(what, seen, expected):
    expect(seen == expected, f"{what}: expected {expected!r}, seen {seen!r}")


def expect_in(what, part, whole):
    expect(part in whole, f"{what}: expected {part!r} in it, seen {whole!r}")


class Result:
    def __init__(self, name):
        self.name = name
        self.error = None
        self.seconds = 0.0


class Scenario:
    """One lab, its set-up and its tests. `tests` names the methods in their order; each may rely on what
    those before it left. A subclass is registered by @scenario."""

    name = None
    tests = ()

    def __init__(self):
        self.lab = None
        self.results = []
        self.lock = threading.Lock()

    @classmethod
    def names(cls):
        return [f"{cls.name}.{test}" for test in cls.tests]

    def set_up(self):
        """Makes the network and starts the server."""
        raise NotImplementedError

    def run(self):
        """All tests; returns a Result for every name."""
        try:
            with Lab(self.name) as self.lab:
                self.set_up()
                self.run_tests()
        except Exception as error:   # pylint: disable=broad-except
            done = {result.name for result in self.results}
            for name in self.names():
                if name not in done:
                    self.results.append(Result(name))
                    self.results[-1].error = f"the lab: {describe(error)}"
        return self.results

    def run_tests(self):
        for test in self.tests:
            self.attempt(test, getattr(self, test))

    def attempt(self, test, function, story=None):
        """Runs one test and keeps its result; story() tells more when it failed. True when it passed."""
        result = Result(f"{self.name}.{test}")
        start = time.monotonic()
        try:
            if INTERRUPTED.is_set():
                raise Failed("interrupted")
            function()
        except Exception as error:   # pylint: disable=broad-except
            result.error = describe(error)
            if story:
                result.error += "\n" + story()
        result.seconds = time.monotonic() - start
        with self.lock:
            self.results.append(result)
        return result.error is None


def describe(error):
    if isinstance(error, (Failed, LabError)):
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()


def scenario(cls):
    SCENARIOS.append(cls)
    return cls


def side_by_side(functions):
    """Runs all at the same time and waits for all."""
    with ThreadPoolExecutor(max_workers=len(functions)) as pool:
        for future in [pool.submit(function) for function in functions]:
            future.result()


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
