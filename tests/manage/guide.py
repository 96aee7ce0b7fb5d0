"""docs/operator.md: each command that stands on a line of its own is run against a real pair, each metric that it
names exists, and so does each command named elsewhere in it."""

import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time

from lab import ROOT, program, wait_for
from loadgen import Load
from suite import Scenario, expect, expect_equal, scenario

sys.path.append(os.path.join(ROOT, "tests", "pair"))
from pair import Pair   # noqa: E402


def text_of(name):
    with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as file:
        return file.read()


@scenario
class Guide(Scenario):
    """A pair with clients behind a relay."""

    name = "guide"
    tests = ("commands_work", "commands_exist", "metrics_exist", "watch_on_a_terminal", "completion", "failures_advise",
             "client_traced", "commands_work_alone")

    def set_up(self):
        self.pair = Pair(self.lab).start()
        self.pair.wait_settled()
        self.relay = self.lab.namespace("relay")
        self.lab.plug(self.pair.core, self.relay, "up0")
        self.lab.address(self.relay, "up0", "2001:db8:0:1::f/64")
        load = self.load("load")
        self.lease = wait_for("a lease", lambda: self.pair.a.leases(state="active", link="olt-17"), 30)[0]
        load.result()

    def load(self, name):
        """The same three clients each time."""
        return self.lab.start(Load(self.lab, self.relay, name, relay="2001:db8:0:1::f", link_address="2001:db8:17::1",
                                   server=["2001:db8:0:1::1", "2001:db8:0:1::2"], clients=3, na=True, once=True,
                                   mix="new=1", duration=20))

    def ctl(self, *words, **more):
        return subprocess.run([program("tandem6ctl"), "--socket", self.pair.a.socket_path, *words],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **more)

    def commands_work(self, alone=False):
        """Those about a partner that is down need one that is down."""
        lines = re.findall(r"^    tandem6ctl (.*)$", text_of("operator.md"), re.MULTILINE)
        expect(len(lines) > 20, f"commands found: {lines}")
        pool = self.lease["pool"]
        for line in [line for line in lines if ("--dry-run" in line) == alone]:
            words = shlex.split(line.replace("DUID", self.lease["duid"]).replace("ADDRESS", self.lease["address"])
                                .replace("POOL", pool))
            done = self.ctl(*words)
            expect_equal(f"exit status of {line}: {done.stderr}", done.returncode, 0)
            expect(done.stdout, f"{line} prints nothing")

    def commands_work_alone(self):
        self.pair.b.kill()
        self.pair.wait_states("COMMUNICATIONS-INTERRUPTED", None)
        self.commands_work(alone=True)

    def client_traced(self):
        """What one client sends and gets, and nothing of the others, on the screen and in a capture file."""
        with tempfile.TemporaryDirectory(prefix="tandem6-trace-") as folder:
            capture = os.path.join(folder, "client.pcap")
            with subprocess.Popen([program("tandem6ctl"), "--socket", self.pair.a.socket_path, "--json", "--pcap", capture,
                                   "trace", self.lease["duid"], "seconds=8"], stdout=subprocess.PIPE, text=True) as traced:
                time.sleep(1)
                self.load("again").result()
                steps = [json.loads(line) for line in traced.communicate()[0].splitlines()]
            expect_equal("exit status", traced.returncode, 0)
            text = json.dumps(steps)
            for word in ("SOLICIT", "REPLY", "decided", self.lease["address"]):
                expect(word in text, f"{word} is not in the trace: {text}")
            with open(capture, "rb") as file:
                head = file.read(24)
                frames = file.read()
        expect_equal("magic, Ethernet", (head[:4], head[20:]), (b"\xd4\xc3\xb2\xa1", b"\1\0\0\0"))
        count = 0
        while frames:
            size, whole = struct.unpack("<II", frames[8:16])
            expect(whole >= size and bytes.fromhex(self.lease["duid"]) in frames[16:16 + size], "another client's packet")
            frames = frames[16 + size:]
            count += 1
        expect(count >= 2, f"{count} packets captured")

    def commands_exist(self):
        """First words in running text, too."""
        helped = self.ctl("--help").stdout
        for words in re.findall(r"`tandem6ctl ([^`]*)`", text_of("operator.md")):
            plain = re.sub(r"--(socket|confirm|completion) \S+|--[a-z-]+", "", words).split()
            if plain and plain[0] != "METHOD":
                expect(f"\n  {plain[0]} " in helped, f"{plain[0]} is not in --help")

    def metrics_exist(self):
        known = text_of("metrics.md")
        for name in sorted(set(re.findall(r"`(tandem6_\w+)`", text_of("operator.md")))):
            expect(f"`{name}`" in known, f"no metric {name}")
        counters = self.pair.a.counters()
        for name in sorted(set(re.findall(r"`((?:drop|rx|tx)_\w+)`", text_of("operator.md")))):
            expect(name in counters, f"no counter {name}")

    def watch_on_a_terminal(self):
        """The second screen, drawn and left again; once without a terminal."""
        once = self.ctl("watch")
        expect_equal("exit status", once.returncode, 0)
        expect("\033" not in once.stdout and "NORMAL" in once.stdout, f"without a terminal: {once.stdout!r}")
        command = shlex.join([program("tandem6ctl"), "--socket", self.pair.a.socket_path, "watch"])
        seen = subprocess.run(["script", "-qec", "timeout -s INT 4 " + command, "/dev/null"], capture_output=True,
                              text=True, check=False, stdin=subprocess.DEVNULL).stdout
        expect(seen.startswith("\033[?1049h") and seen.rstrip().endswith("\033[?1049l"), f"screen: {seen!r}")
        expect(seen.count("NORMAL") >= 2, f"drawn again: {seen!r}")

    def completion(self):
        """Bash itself completes commands, options, methods and parameters."""
        script = self.ctl("--completion", "bash")
        expect_equal("exit status", script.returncode, 0)
        folder = os.path.dirname(program("tandem6ctl"))
        for words, expected in ((["wa"], "watch"), (["--js"], "--json"), (["failover.expl"], "failover.explain"),
                                (["failover.simulate", "ev"], "event="), (["failover", "con"], "conflicts")):
            shell = (f"compopt() {{ :; }}\n{script.stdout}\nCOMP_WORDS=(tandem6ctl {shlex.join(words)})\n"
                     f"COMP_CWORD={len(words)}\n_tandem6ctl\necho \"${{COMPREPLY[*]}}\"")
            done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False,
                                  env={**os.environ, "PATH": folder + ":" + os.environ["PATH"],
                                       "TANDEM6_SOCKET": self.pair.a.socket_path})
            expect_equal(f"completion of {words}", (done.stdout.strip(), done.stderr), (expected, ""))
        expect_equal("another shell", self.ctl("--completion", "fish").returncode, 2)

    def failures_advise(self):
        """Each kind of failure has its exit status and says what to do next."""
        for words, status in ((["lease", "2001:db8::dead"], 1), (["lease.list", "limit=x"], 1), (["nonsense"], 2),
                              (["watch", "0"], 2), (["partner-down"], 1),
                              (["lease.release", f"address={self.lease['address']}", "duid=000300017777"], 1),
                              (["lease.declined_clear", f"address={self.lease['address']}"], 1),
                              (["lease.add", "address=2001:db8:dead::1", "duid=000300017777", "iaid=1"], 1),
                              (["lease.add", "address=2001:db8:17::dead:2", "duid=000300017777", "iaid=1"], 1),
                              (["lease.add", f"address={self.lease['address']}", f"duid={self.lease['duid']}",
                                f"iaid={self.lease['iaid']}"], 1)):
            done = self.ctl(*words)
            expect_equal(f"exit status of {words}", done.returncode, status)
            expect(done.stderr, f"{words} says nothing")
            if words[0] != "watch":
                expect("\n  " in done.stderr, f"{words} does not say what to do: {done.stderr!r}")
        done = subprocess.run([program("tandem6ctl"), "--socket", "/nonexistent", "status"], capture_output=True, text=True,
                              check=False)
        expect_equal("exit status without a server", done.returncode, 3)
