"""Two network namespaces joined by veth pairs, and the server under test in one of them."""

import os
import shlex
import signal
import subprocess
import tempfile


class LabError(Exception):
    """The laboratory itself cannot be set up."""


STATE_ROOM = 256 << 20  # octets that the server's log may take


def _memory_directory():
    """Where the server's log costs no wait. The checks are about rules, and an answer that waited a second for
    a busy disk is rightly dropped (other suites look at that). None: the usual place."""
    try:
        room = os.statvfs("/dev/shm")
        return "/dev/shm" if room.f_bavail * room.f_frsize > STATE_ROOM else None
    except OSError:
        return None


def _ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Lab:
    """Use as a context manager: whatever happens inside, nothing is left behind."""

    def __init__(self, pairs):
        name = f"t6c{os.getpid():x}"
        self.server_ns, self.client_ns = name + "s", name + "c"
        self.pairs = pairs
        self.directory = None
        self.server = None
        self.log = None

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="tandem6-conformance-", dir=_memory_directory())
        try:
            self._make_network()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        for namespace in (self.server_ns, self.client_ns):
            _ip("netns", "del", namespace, check=False)
        if self.log:
            self.log.close()
        self.directory.cleanup()

    def _make_network(self):
        for namespace in (self.server_ns, self.client_ns):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        for server_side, client_side in self.pairs:
            _ip("-n", self.server_ns, "link", "add", server_side, "type", "veth",
                "peer", "name", client_side, "netns", self.client_ns)
            for namespace, interface in ((self.server_ns, server_side),
                                         (self.client_ns, client_side)):
                # Neither kernel may answer in anybody's place.
                _ip("netns", "exec", namespace, "sysctl", "-qw",
                    f"net.ipv6.conf.{interface}.disable_ipv6=1")
                _ip("-n", namespace, "link", "set", interface, "up")

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def start(self, command, config):
        """Runs `command` (text; {config} is replaced) in the server's namespace."""
        words = [word.replace("{config}", config) for word in shlex.split(command)]
        if self.log is None:
            self.log = open(self.path("server.log"), "ab")
        self.server = subprocess.Popen(["ip", "netns", "exec", self.server_ns, *words],
                                       stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                       start_new_session=True, cwd=self.directory.name)

    def running(self):
        return self.server is not None and self.server.poll() is None

    def stop(self, how, timeout=10):
        """Signals the server's process group and waits for its end; the exit status or None."""
        if self.server is None:
            return None
        try:
            os.killpg(self.server.pid, how)
        except ProcessLookupError:
            pass
        try:
            status = self.server.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
            status = None
        self.server = None
        return status

    def log_tail(self, lines=20):
        try:
            with open(self.path("server.log"), encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""
