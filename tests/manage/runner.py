"""Runs the registered scenarios one after the other."""

import argparse
import fnmatch
import sys

import suite
from lab import exit_on_sigterm


def main(name, description):
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--list", action="store_true", help="name the tests and exit")
    parser.add_argument("-v", "--verbose", action="store_true", help="name passed tests too")
    parser.add_argument("patterns", nargs="*", metavar="NAME-PATTERN", help="only scenarios with such a test")
    arguments = parser.parse_args()

    def wanted(test):
        return not arguments.patterns or any(pattern in test or fnmatch.fnmatchcase(test, pattern)
                                             for pattern in arguments.patterns)

    chosen = [cls for cls in sys.modules[suite.scenario.__module__].SCENARIOS if any(map(wanted, cls.names()))]
    if arguments.list:
        print("\n".join(test for cls in chosen for test in cls.names()))
        return 0
    exit_on_sigterm()
    passed = failed = 0
    for cls in chosen:
        for result in cls().run():
            passed += result.error is None
            failed += result.error is not None
            if result.error is not None:
                print(f"FAILED {result.name}: {result.error}", flush=True)
            elif arguments.verbose:
                print(f"ok {result.name} ({result.seconds:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1
