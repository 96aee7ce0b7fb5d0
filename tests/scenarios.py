"""What tests of real processes stand on: scenarios, each a lab of its own with tests in order, run side by
side; and the program that runs them."""

import argparse
import fnmatch
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from lab import INTERRUPTED, Lab, LabError, exit_on_sigterm

SCENARIOS = []


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
    required = ()       # tests without which the others are not worth a try

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

    @classmethod
    def note(cls, text):
        """Something measured, for people."""
        print(f"{cls.name}: {text}", flush=True)

    def run_tests(self):
        for test in self.tests:
            if not self.attempt(test, getattr(self, test)) and test in self.required:
                raise Failed(f"not tried after {test}")

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


def matcher(patterns):
    """A pattern is a part of a name, or a name with wildcards."""
    def wanted(name):
        return not patterns or any(pattern in name or fnmatch.fnmatchcase(name, pattern)
                                   for pattern in patterns)
    return wanted


def run_all(chosen, at_once):
    """All scenarios, so many side by side; yields their results. Interrupted, it lets them take down their
    labs."""
    with ThreadPoolExecutor(max_workers=max(min(len(chosen), at_once), 1)) as pool:
        futures = [pool.submit(cls().run) for cls in chosen]
        for future in futures:
            try:
                yield from future.result()
            except KeyboardInterrupt:
                INTERRUPTED.set()
                yield from future.result()


def main(prog, description, at_once):
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--list", action="store_true", help="name the tests and exit")
    parser.add_argument("-v", "--verbose", action="store_true", help="name passed tests too")
    parser.add_argument("patterns", nargs="*", metavar="NAME-PATTERN",
                        help="only these; what a test of a scenario needs from those before it is run too")
    arguments = parser.parse_args()
    wanted = matcher(arguments.patterns)
    chosen = [cls for cls in SCENARIOS if any(map(wanted, cls.names()))]
    if arguments.list:
        for cls in chosen:
            print("\n".join(filter(wanted, cls.names())))
        return 0
    exit_on_sigterm()
    start = time.monotonic()
    passed = failed = 0
    for result in run_all(chosen, at_once):
        if not wanted(result.name):
            continue
        passed += result.error is None
        failed += result.error is not None
        if result.error is not None:
            print(f"FAILED {result.name}: {result.error}", flush=True)
        elif arguments.verbose:
            print(f"ok {result.name} ({result.seconds:.1f} s)", flush=True)
    if not passed + failed:
        print("no test matches " + " ".join(arguments.patterns))
    print(f"{time.monotonic() - start:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def run_main(prog, description, at_once=100):
    """The whole program that runs the scenarios registered so far; its exit status."""
    try:
        return main(prog, description, at_once)
    except LabError as error:
        print(f"{prog}: {error}\n0 passed, 1 failed")
        return 1
