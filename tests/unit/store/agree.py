#!/usr/bin/env python3
"""Runs two programs with each seed and compares what they tell: agree.py A B SEED..."""
import itertools
import subprocess
import sys

LINES_MIN = 100


def told(program, seed):
    run = subprocess.run([program, seed], stdout=subprocess.PIPE, text=True, check=False)
    return run.returncode, run.stdout.splitlines()


def agree(first, second, seed):
    (code, lines), (other_code, other_lines) = told(first, seed), told(second, seed)
    if code != 0 or other_code != 0 or len(lines) < LINES_MIN:
        print(f"seed {seed}: exit {code} and {other_code}, {len(lines)} lines")
        return False
    for number, (a, b) in enumerate(itertools.zip_longest(lines, other_lines), 1):
        if a != b:
            print(f"seed {seed}, line {number}:\n  {a}\n  {b}")
            return False
    return True


results = [agree(sys.argv[1], sys.argv[2], seed) for seed in sys.argv[3:]]
print(f"{results.count(True)} passed, {results.count(False)} failed")
sys.exit(0 if results and all(results) else 1)
