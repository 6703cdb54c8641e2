#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the traces of RFC 8448 into files that the tests read.

  extract.py RFC-TEXT OUTPUT-FOLDER

One file for each of the sections 3 to 7. A line that begins with "client " or "server " is a step
of that party, in the words of the RFC; the indented lines under it are its values, hexadecimal,
with a deeper indented line continuing the one before. "(same as …)" is left out of a step's name:
a step without values repeats what the other party had.
"""
import re
import sys
import textwrap
from pathlib import Path

SECTIONS = {"3": "simple", "4": "resumed", "5": "retry", "6": "client-auth", "7": "compatibility"}

PAGE_FOOT = re.compile(r"^Thomson +Informational +\[Page \d+\]$")
PAGE_HEAD = re.compile(r"^RFC 8448 +TLS 1\.3 Traces +January 2019$")
SECTION = re.compile(r"^(\d)\.  (\S.*)$")
STEP = re.compile(r"^   \{(client|server)\}  (.*)$")
VALUE = re.compile(r"^      ([A-Za-z_ ]+?)(?: \((\d+) octets\))?:  (.*)$")


def lines_of(path):
    for line in Path(path).read_text().replace("\f", "").splitlines():
        if not PAGE_FOOT.match(line) and not PAGE_HEAD.match(line):
            yield line.rstrip()


def tidy(step):
    """The step's name without its colon and its remark on repetition."""
    return re.sub(r"\s*\(same as.*$", "", step).rstrip(":").strip()


def octets(text, count, where):
    if text == "(empty)":
        data = b""
    elif text.startswith("0 (all zero octets)"):
        return None
    else:
        data = bytes.fromhex(text)
    if count is not None and len(data) != int(count):
        sys.exit(f"{where}: {len(data)} octets instead of {count}")
    return data


def parse(lines):
    """Section number -> list of (party, step, [(name, bytes)])."""
    sections, steps, pending = {}, None, None

    def finish():
        nonlocal pending
        if pending:
            name, count, text = pending
            data = octets(text.strip(), count, f"{steps[-1][1]}: {name}")
            if data is not None:
                steps[-1][2].append((name, data))
        pending = None

    for line in lines:
        section, step, value = SECTION.match(line), STEP.match(line), VALUE.match(line)
        if section:
            finish()
            steps = sections.setdefault(section[1], []) if section[1] in SECTIONS else None
        elif steps is None:
            continue
        elif step:
            finish()
            steps.append([step[1], step[2], []])
        elif value and steps:
            finish()
            pending = [value[1].strip(), value[2], value[3]]
        elif line.startswith("         ") and pending:
            pending[2] += " " + line.strip()
        elif line.startswith("      ") and steps and not steps[-1][2] and not pending:
            steps[-1][1] += " " + line.strip()
    finish()
    return sections


def write(path, number, steps):
    out = [f"# RFC 8448 section {number}, made by extract.py"]
    for party, step, values in steps:
        out.append(f"{party} {tidy(step)}")
        for name, data in values:
            out.append(f"  {name}:")
            out.extend(textwrap.wrap(data.hex(), 92, initial_indent="    ",
                                     subsequent_indent="    "))
    path.write_text("\n".join(out) + "\n")


def main(source, folder):
    sections = parse(lines_of(source))
    for number, name in SECTIONS.items():
        write(Path(folder) / f"{name}.txt", number, sections[number])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
