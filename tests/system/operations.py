"""What an operator does with a running server: stop, start, reload, check a file, ask with tandem6ctl."""

import copy
import ipaddress
import json
import os
import re
import signal
import subprocess

from lab import Dhclient, LabError, Process, program, run, wait_for
from suite import OneServer, config, expect, expect_equal, expect_in, link, packet_port, scenario
from wire import DNS_SERVERS, IA_NA, ORO, Asker, option


class Operated(OneServer):
    """A server that gave a real client and a few made ones leases."""

    def set_up(self):
        super().set_up()
        namespace = self.client_namespace("client")
        self.asker = Asker(self.lab, self.client_namespace("asker"), "c0")
        self.client = self.lab.start(Dhclient(self.lab, namespace, "c0"))
        self.given = []
        for number in range(1, 6):
            self.given += self.lease_for(number)
        self.client.wait_event("BOUND6", 2)

    def lease_for(self, number):
        tries = (self.asker.solicit_rapid(number) for _ in range(3))    # clients ask again, too
        answer = next((answer for answer in tries if answer), None)
        expect(answer, f"no answer to Solicit {number} with Rapid Commit")
        return list(answer.leases())

    def snapshot(self):
        return sorted((lease.get("address") or lease["prefix"], lease["duid"], lease["iaid"],
                       lease["state"], lease["valid_until"]) for lease in self.server.leases())


@scenario
class Running(Operated):
    """Stopping, starting, reading the configuration again."""

    name = "running"
    tests = ("sigterm_ends_cleanly", "restart_keeps_all_leases", "kill_keeps_all_leases",
             "second_process_is_refused", "sighup_shows_new_pool_and_option",
             "sighup_refuses_broken_config", "sighup_refuses_what_needs_restart", "log_dump_shows_leases")

    def sigterm_ends_cleanly(self):
        self.before = self.snapshot()
        expect(len(self.before) >= 7, f"only {len(self.before)} leases before the stop")
        status = self.server.stop(signal.SIGTERM)
        expect_equal("exit status after SIGTERM", status, 0)
        expect(not os.path.exists(self.server.socket_path), "the management socket was left behind")

    def restart_keeps_all_leases(self):
        mark = len(self.server.log())
        self.server.restart()
        expect_equal("leases after the restart", self.snapshot(), self.before)
        expect("did not stop cleanly" not in self.server.log()[mark:],
               "the server says that it did not stop cleanly")

    def kill_keeps_all_leases(self):
        self.given += self.lease_for(50)
        before = self.snapshot()
        mark = len(self.server.log())
        self.server.kill()
        self.server.restart()
        expect_equal("leases after kill -9 and restart", self.snapshot(), before)
        self.server.wait_log("did not stop cleanly", after=mark)
        expect_equal("lease of a client that comes back", self.lease_for(50), self.given[-1:])

    def second_process_is_refused(self):
        other = copy.deepcopy(self.server.config)
        other["management"]["socket"] = self.lab.path("other.sock")
        path = self.lab.path("other.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(other, file)
        second = Process(self.lab, self.lab.namespace("second"), [program("tandem6d"), "-c", path],
                         "second")
        self.lab.start(second)
        wait_for("the second process to end", lambda: not second.running())
        expect(second.popen.returncode != 0, "the second process ended with 0")
        expect_in("its message", f"{other['server']['state_dir']} is in use by process "
                                 f"{self.server.popen.pid}", second.log())
        expect(self.lease_for(51), "the first server does not serve any more")

    def reload(self):
        """Has the server read its file again; returns what it logged."""
        mark = len(self.server.log())
        self.server.send(signal.SIGHUP)

        def told():
            return any(text in self.server.log()[mark:]
                       for text in ("read again", "going on with the old"))
        wait_for("the server to say what it did about SIGHUP", told)
        return self.server.log()[mark:]

    def sighup_shows_new_pool_and_option(self):
        answer = self.asker.information(DNS_SERVERS)
        expect(answer, "no answer to an Information-request")
        expect_equal("DNS servers before", answer.option(DNS_SERVERS),
                     ipaddress.IPv6Address("2001:db8::53").packed)
        changed = self.server.config
        changed["options"]["dns_servers"] = ["2001:db8::5353"]
        changed["links"][0]["pools"].append({"type": "prefix", "range": "2001:db8:5000::/44",
                                             "delegated_length": 60, "name": "added"})
        revision = self.server.rpc("server.status")["revision"]
        before = self.snapshot()
        self.server.write_config()
        self.reload()
        answer = self.asker.information(DNS_SERVERS)
        expect(answer, "no answer after the reload")
        expect_equal("DNS servers after the reload", answer.option(DNS_SERVERS),
                     ipaddress.IPv6Address("2001:db8::5353").packed)
        pools = [pool["pool"] for pool in self.server.rpc("pool.list")["pools"]]
        expect_in("pools after the reload", "added", pools)
        expect(self.server.rpc("server.status")["revision"] > revision, "the revision did not grow")
        expect_equal("leases after the reload", self.snapshot(), before)

    def refused(self, text, *reasons):
        """The file with `text` is refused for the reasons and the old configuration stays in force."""
        good = self.server.rpc("config.get")
        with open(self.server.config_path, "w", encoding="utf-8") as file:
            file.write(text)
        told = self.reload()
        for reason in reasons:
            expect_in("log about the refused file", reason, told)
        expect_equal("configuration in force", self.server.rpc("config.get"), good)
        expect(self.asker.information(DNS_SERVERS), "no service after the refused file")
        self.server.write_config()

    def sighup_refuses_broken_config(self):
        broken = copy.deepcopy(self.server.config)
        broken["links"][0]["pools"][0]["range"] = "2001:db8:16::/200"
        self.refused(json.dumps(broken, indent=2), "/links/0/pools/0/range")
        self.refused('{"server": ', f"{self.server.config_path}:1")

    def sighup_refuses_what_needs_restart(self):
        other = copy.deepcopy(self.server.config)
        other["store"]["leases_max"] += 1
        self.refused(json.dumps(other), "needs a restart")

    def log_dump_shows_leases(self):
        """The log as text names every lease of the stopped server."""
        leases = self.server.leases()
        self.server.stop()
        dump = run(program("tandem6d"), "-c", self.server.config_path, "--log-dump")
        told = {ipaddress.IPv6Network(resource) for resource in re.findall(r"lease (?:na|pd) (\S+)", dump)}
        for lease in leases:
            resource = lease.get("address") or lease["prefix"]
            expect(ipaddress.IPv6Network(resource) in told, f"--log-dump does not tell {resource}")


MISTAKES = (  # change of a good file: (path to the value, value or None to remove, pointer told)
    (("links", 0, "pools", 0, "range"), "2001:db8:16::/129", "/links/0/pools/0/range"),
    (("links", 0, "colour"), "blue", "/links/0/colour"),
    (("links", 0, "port"), "access9", "/links/0/port"),
    (("server", "state_dir"), None, "/server"),
    (("dataplane", "workers"), 0, "/dataplane/workers"),
    (("lifetimes", "renew_s"), 2500, "/lifetimes"),
    (("options", "dns_servers", 0), "192.0.2.1", "/options/dns_servers/0"),
    (("links", 0, "pools", 1, "delegated_length"), 30, "/links/0/pools/1"),
)


@scenario
class CommandLine(OneServer):
    """tandem6d without a server: --check and what else it prints."""

    name = "command-line"
    tests = ("check_accepts_good_file", "check_names_file_line_and_pointer", "check_reports_unreadable",
             "usage_errors", "version_and_help", "schema_is_json")

    def set_up(self):
        self.program = program("tandem6d")
        if not os.access(self.program, os.X_OK):
            raise LabError(f"{self.program} is missing: run scripts/build")
        self.path = self.lab.path("check.json")
        self.good = config([packet_port(0, "srv0")], [link("street", "access0", "16", "3000")])
        self.good["server"]["state_dir"] = self.lab.path("never-made")

    def call(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, check=False,
                              timeout=30)

    def check(self, data):
        text = json.dumps(data, indent=2)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        return text, self.call("-c", self.path, "--check")

    def check_accepts_good_file(self):
        _, done = self.check(self.good)
        expect_equal("exit status", done.returncode, 0)
        expect_equal("errors", done.stderr, "")
        expect(not os.path.exists(self.lab.path("never-made")), "--check made the state directory")

    def check_names_file_line_and_pointer(self):
        for path, value, pointer in MISTAKES:
            data = copy.deepcopy(self.good)
            at = data
            for key in path[:-1]:
                at = at[key]
            if value is None:
                del at[path[-1]]
            else:
                at[path[-1]] = value
            text, done = self.check(data)
            told = re.fullmatch(r"(.+):(\d+): (/\S*): (.+)\n", done.stderr)
            expect(done.returncode != 0, f"--check exits 0 with a mistake at {pointer}")
            expect(told, f"mistake at {pointer}: not as FILE:line: /pointer: text, but {done.stderr!r}")
            expect_equal("file named", told[1], self.path)
            expect(told[3].startswith(pointer), f"expected a mistake at {pointer}, told {done.stderr!r}")
            if isinstance(value, (str, int)) and told[3].endswith(str(path[-1])):
                line = text.splitlines()[int(told[2]) - 1]
                expect(str(value) in line, f"line {told[2]} is told for {pointer}; it is {line!r}")

    def check_reports_unreadable(self):
        missing = self.lab.path("missing.json")
        done = self.call("-c", missing, "--check")
        expect(done.returncode != 0, "a missing file is good")
        expect_in("message", missing, done.stderr)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write('{\n  "server": {\n    "name": "x",,\n')
        done = self.call("-c", self.path, "--check")
        expect(done.returncode != 0, "broken JSON is good")
        expect_in("message", f"{self.path}:3:", done.stderr)

    def usage_errors(self):
        for arguments in ((), ("--nonsense",), ("-c",)):
            done = self.call(*arguments)
            expect(done.returncode not in (0, None) and done.returncode > 0,
                   f"tandem6d {' '.join(arguments)} ends with {done.returncode}")
            expect(done.stderr, f"tandem6d {' '.join(arguments)} says nothing")

    def version_and_help(self):
        version, usage = self.call("--version"), self.call("--help")
        expect_equal("exit statuses", (version.returncode, usage.returncode), (0, 0))
        expect(re.search(r"\d+\.\d+", version.stdout), f"no version in {version.stdout!r}")
        for option_name in ("--check", "--version", "--help"):
            expect_in("help", option_name, usage.stdout)

    def schema_is_json(self):
        done = self.call("--config-schema")
        expect_equal("exit status", done.returncode, 0)
        schema = json.loads(done.stdout)
        expect_in("properties", "links", list(schema["properties"]))


@scenario
class Control(Operated):
    """tandem6ctl against the running server."""

    name = "tandem6ctl"
    tests = ("status", "version", "leases", "leases_filtered", "lease", "lease_not_there", "pools",
             "stats", "config", "test_of_good_and_bad_file", "methods", "method_by_name",
             "wrong_usage", "no_server")

    def call(self, *words, status=0, socket=None):
        done = subprocess.run([program("tandem6ctl"), "--socket", socket or self.server.socket_path,
                               *words], capture_output=True, text=True, check=False, timeout=30)
        expect_equal(f"exit status of {' '.join(words)} ({done.stderr.strip()})", done.returncode, status)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *words):
        return json.loads(self.call("--json", *words))

    def status(self):
        text = self.call("status")
        for part in ("system: serving", "access0", "storage  healthy"):
            expect_in("status", part, text)
        status = self.json("status")
        expect_equal("state", status["state"], "serving")
        expect_equal("health", status["health"], [])
        expect_equal("ports", [(port["port"], port["link_up"]) for port in status["ports"]],
                     [("access0", True)])
        expect_equal("workers alive", [worker["alive"] for worker in status["workers"]], [True])
        expect_equal("active leases", status["leases"]["by_state"], {"active": 7})

    def version(self):
        expect_in("version", "tandem6", self.call("version"))
        version = self.json("version")
        expect_equal("protocol", version["protocol"], [9915, 8156])
        expect_in("version of tandem6d",
                  version["version"], run(program("tandem6d"), "--version"))

    def leases(self):
        text = self.call("leases")
        leases = self.json("leases")["leases"]
        expect_equal("leases", len(leases), 7)
        for lease in leases:
            expect_in("leases", lease.get("address") or lease["prefix"], text)
            expect_equal(f"state of {lease}", lease["state"], "active")
            expect(0 < lease["valid_for_s"] <= 3610, f"valid_for_s {lease['valid_for_s']}")
        expect_in("last line", "7 leases", text)
        addresses = {lease["address"] for lease in leases if "address" in lease}
        expect(set(self.given) <= addresses, f"{self.given} are not all in {addresses}")

    def leases_filtered(self):
        prefixes = self.json("leases", "under=2001:db8:3000::/40")["leases"]
        expect_equal("prefixes", [lease["type"] for lease in prefixes], ["pd"])
        duid = prefixes[0]["duid"]
        both = self.json("leases", f"duid={duid}")["leases"]
        expect_equal("leases of one client", sorted(lease["type"] for lease in both), ["na", "pd"])
        expect_equal("leases of a state", self.json("leases", "state=released")["leases"], [])
        expect_equal("limit", len(self.json("leases", "limit=3")["leases"]), 3)
        self.call("leases", "colour=blue", status=1)

    def lease(self):
        text = self.call("lease", self.given[0])
        expect_in("lease", "street", text)
        lease = self.json("lease", self.given[0])
        expect_equal("lease", (lease["address"], lease["type"], lease["link"]),
                     (self.given[0], "na", "street"))
        prefix = self.json("leases", "under=2001:db8:3000::/40")["leases"][0]["prefix"]
        expect_equal("prefix", self.json("lease", prefix)["prefix"], prefix)

    def lease_not_there(self):
        expect_in("message", "2001:db8:16::dead", self.call("lease", "2001:db8:16::dead", status=1))

    def pools(self):
        pools = {pool["type"]: pool for pool in self.json("pools")["pools"]}
        expect_equal("pools", sorted(pools), ["na", "pd"])
        expect_equal("used", (pools["na"]["used"], pools["pd"]["used"]), (6, 1))
        expect_equal("units of 2001:db8:3000::/40 in /56", pools["pd"]["total"], 1 << 16)
        expect_equal("free prefixes", pools["pd"]["free"], (1 << 16) - 1)
        expect_in("pools", "2001:db8:3000::/40", self.call("pools"))

    def stats(self):
        counters = self.json("stats")["counters"]
        expect(counters["rx_solicit"] >= 6, f"rx_solicit {counters['rx_solicit']}")
        expect_equal("lease_created", counters["lease_created"], 7)
        expect(all(counters.values()), "stats shows counters that are 0")
        expect_in("stats", "lease_created", self.call("stats"))
        self.asker.ask(11, option(ORO, b"\0\x17"), option(IA_NA, bytes(12)), timeout=0.05)

        def counted():
            return self.json("stats").get("counters", {}).get("drop_ia_in_information_request")
        wait_for("the dropped Information-request to be counted", counted)

    def config(self):
        whole = self.json("config")["config"]
        expect_equal("configuration", whole, self.server.config)
        expect_equal("part", json.loads(self.call("config", "/links/0/name")), "street")
        self.call("config", "/links/7", status=1)

    def test_of_good_and_bad_file(self):
        expect_in("answer", "valid", self.call("test", self.server.config_path))
        bad = copy.deepcopy(self.server.config)
        bad["links"][0]["subnets"][0] = "2001:db8::/999"
        path = self.lab.path("bad.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(bad, file, indent=2)
        text = self.call("test", path, status=1)
        expect(re.search(re.escape(path) + r":\d+: /links/0/subnets/0: ", text),
               f"the mistake is not told as FILE:line: /pointer: but {text!r}")
        expect(self.asker.information(DNS_SERVERS), "no service after config.test")

    def methods(self):
        text = self.call("methods")
        described = [row["name"] for row in self.json("rpc.discover")["methods"]]
        for method in ("server.status", "server.version", "lease.list", "lease.get", "pool.list",
                       "stats.get", "config.get", "config.test", "rpc.discover"):
            expect_in("methods", method, text)
            expect_in("rpc.discover", method, described)

    def method_by_name(self):
        lease = self.json("lease.get", f"address={self.given[0]}")
        expect_equal("lease.get", lease["address"], self.given[0])
        page = self.json("lease.list", "limit=2", "filter.type=na")
        expect_equal("page", len(page["leases"]), 2)
        again = self.json("lease.list", "limit=2", "filter.type=na", f"cursor={page['next_cursor']}")
        expect(not {lease["address"] for lease in page["leases"]} &
               {lease["address"] for lease in again["leases"]}, "a lease stands on two pages")
        expect_in("help", "cursor", self.call("lease.list", "--help"))

    def wrong_usage(self):
        self.call("nonsense", status=2)
        self.call("lease", status=2)
        expect_in("message", "address", self.call("lease.get", "address=nonsense", status=1))
        self.call("no.such_method", status=1)

    def no_server(self):
        missing = self.lab.path("no.sock")
        expect_in("message", missing, self.call("status", status=3, socket=missing))
