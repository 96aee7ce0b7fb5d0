#!/usr/bin/env python3
"""Makes one page of index.html, page.css and page.js and writes it as C: embed.py OUT.c HTML CSS JS.

Style and script go into the page itself; the Content-Security-Policy allows these two by their hashes and
nothing else, so a text that found its way into the page as markup could neither run nor load anything."""

import base64
import hashlib
import sys


def source_hash(text):
    """As CSP wants it: of the octets between the tags."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def main():
    out, *names = sys.argv[1:]
    texts = []
    for name in names:
        with open(name, encoding="utf-8") as file:
            texts.append(file.read())
    page, style, script = texts
    for place in ("<!-- style -->", "<!-- script -->"):
        if page.count(place) != 1:
            sys.exit(f"{names[0]}: want one {place}")
    if "</style" in style or "</script" in script:
        sys.exit("an end tag inside style or script would end it")
    page = page.replace("<!-- style -->", f"<style>{style}</style>")
    page = page.replace("<!-- script -->", f"<script>{script}</script>")
    policy = (f"default-src 'none'; script-src {source_hash(script)}; style-src {source_hash(style)}; "
              "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    octets = page.encode()
    rows = [", ".join(str(octet) for octet in octets[at:at + 24]) for at in range(0, len(octets), 24)]
    with open(out, "w", encoding="ascii") as file:
        file.write('#include "page.h"\n\n'
                   f'const char page_policy[] = "{policy}";\n'
                   f"const size_t page_size = {len(octets)};\n"
                   "const unsigned char page_text[] = {\n" + ",\n".join(rows) + "};\n")


main()
