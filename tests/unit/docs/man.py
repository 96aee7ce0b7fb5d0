#!/usr/bin/env python3
"""Compares a manual page with its program's --help: man.py PAGE PROGRAM. What one lists the other must list, too."""

import re
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
COMMAND = re.compile(r"^  ([a-z][a-z-]*) ", re.MULTILINE)


def page_text(path):
    """The page without the marks of roff."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("\\-", "-")
    return re.sub(r"\\f[A-Z]|\"", "", text)


def section(text, name):
    found = re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def terms(text):
    """First words of the lines behind .TP."""
    return {line.split()[1].rstrip(",") for line in re.findall(r"^\.TP\n(\.\w+ .*)$", text, re.MULTILINE)}


def main():
    page, program = sys.argv[1:]
    text = page_text(page)
    text_help = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    listed = text_help.split("\nmethods of ")[0]
    checks = [("options", set(OPTION.findall(section(text, "OPTIONS"))), set(OPTION.findall(listed)))]
    if "\ncommands\n" in listed:
        commands = set(COMMAND.findall(listed.split("\ncommands\n")[1].split("\noptions\n")[0]))
        checks.append(("commands", terms(section(text, "COMMANDS")), commands))
        status = set(re.findall(r"(\d) [a-z]", listed.split("exit status:")[1]))
        checks.append(("exit status", terms(section(text, "EXIT STATUS")), status))
    failed = 0
    for what, written, known in checks:
        if written != known or not known:
            failed += 1
            print(f"FAILED {what}: only on the page {sorted(written - known)}, only in --help {sorted(known - written)}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
