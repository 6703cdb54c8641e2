#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a program can check. `lint.py NAME` runs one; exit 0, 1, or 77 (skipped).

format     clang-format agrees
layers     includes point down only (ARCHITECTURE.md), engines touch no operating system
sizes      a file of src, include or cli has at most 800 lines
headers    each public header compiles alone, as C17 and as C++17
exports    libennead.so exports enn_* and nothing else
leftovers  no unfinished work, machine paths or mirror names in what is committed
tidy       clang-tidy (results are remembered by content under build/tidy)
manuals    every manual page is accepted by scdoc
"""

import concurrent.futures
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def files(*suffixes, under=""):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", under or "."],
                            cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [Path(name) for name in listed.splitlines()
            if name.endswith(suffixes) and (TOP / name).exists()]


def need(program):
    if shutil.which(program) is None:
        print(f"{program} is not installed")
        sys.exit(77)


def report(problems):
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def lint_format():
    need("clang-format")
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, files(".c", ".h"))],
                          cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wrong = sorted({line.split(":")[0] for line in done.stdout.splitlines() if ": error:" in line})
    return report([f"{name}: not as clang-format writes it (make format)" for name in wrong])


# ---- layers -----------------------------------------------------------------------------------

LAYERS = ["base", "crypto", "features", "reliability", "handshake", "protocols", "runtime", "taps"]
# What the survey itself composes.
COMPOSITIONS = {("srtp", "dtls"), ("srtp", "zrtp"), ("ikev2", "esp")}
# Layers that may see the operating system.
SYSTEM_LAYERS = {"runtime", "taps", "cli"}
SYSTEM_HEADERS = re.compile(
    r"<(uv\.h|unistd\.h|fcntl\.h|netdb\.h|poll\.h|pthread\.h|signal\.h|time\.h|net/.*|netinet/.*"
    r"|arpa/.*|sys/.*|linux/.*)>")
# What is no engine's doing: reading a file that the application named; names of addresses and dates in
# certificates; the locks of what several loops may share.
SYSTEM_EXCEPTIONS = {"src/features/file.c", "src/crypto/x509_error.c", "src/crypto/x509_peer.c",
                     "src/features/session_store.h", "src/features/ticket.c"}


def layer_of(path):
    parts = path.parts
    if parts[0] == "cli":
        return "cli", None
    if parts[0] == "src" and len(parts) > 2:
        return parts[1], parts[2] if parts[1] == "protocols" and len(parts) > 3 else None
    return None, None


def may_include(layer, protocol, other, other_protocol):
    if layer == "cli":
        return other == "cli"  # the command uses the public headers like everybody else
    if layer == other == "protocols":
        return (other_protocol in (None, protocol) or protocol is None or
                (protocol, other_protocol) in COMPOSITIONS)
    if layer == "runtime" and other == "protocols":
        return False  # the runtime knows engines by their contract only
    return LAYERS.index(other) <= LAYERS.index(layer)


def lint_layers():
    problems = []
    for path in files(".c", ".h"):
        layer, protocol = layer_of(path)
        if layer is None:
            continue
        for number, line in enumerate((TOP / path).read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not match:
                continue
            name = match.group(2)
            if match.group(1) == "<":
                if (layer not in SYSTEM_LAYERS and SYSTEM_HEADERS.match(f"<{name}>")
                        and str(path) not in SYSTEM_EXCEPTIONS):
                    problems.append(f"{path}:{number}: <{name}> in an engine layer")
                continue
            if name.startswith("ennead/"):
                continue
            other, other_protocol = layer_of(Path("src") / name)
            if layer == "cli" and (TOP / "cli" / name).exists():
                continue
            if other is None or other not in LAYERS:
                problems.append(f'{path}:{number}: "{name}" is not named from src/')
            elif not may_include(layer, protocol, other, other_protocol):
                problems.append(f'{path}:{number}: {layer} must not include "{name}"')
    return report(problems)


def lint_sizes():
    problems = []
    for under in ("src", "include", "cli"):
        for path in files(".c", ".h", under=under):
            count = len((TOP / path).read_text().splitlines())
            if count > 800:
                problems.append(f"{path}: {count} lines; a file is one idea, at most 800 lines")
    return report(problems)


def lint_headers():
    problems = []
    generated = ["-I", "build/check/include"]
    for path in sorted((TOP / "include/ennead").glob("*.h")):
        for compiler, language, standard in (("gcc", "c", "c17"), ("gcc", "c++", "c++17")):
            done = subprocess.run([compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra",
                                   "-Werror", "-pedantic", "-Wno-pragma-once-outside-header",
                                   "-fsyntax-only", "-I", "include", *generated, str(path)], cwd=TOP,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0 and "cc1plus" not in done.stdout:
                problems.append(f"{path.name} as {standard}:\n{done.stdout}")
    return report(problems)


def lint_exports():
    library = TOP / "build/check/src/libennead.so"
    done = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True,
                          stdout=subprocess.PIPE, text=True)
    names = [line.split()[-1] for line in done.stdout.splitlines()]
    wrong = [name for name in names if not name.startswith("enn_")]
    return report([f"libennead.so exports {name}" for name in wrong] +
                  ([] if names else ["libennead.so exports nothing"]))


def lint_leftovers():
    problems = []
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|not yet " r"implemented", re.I)
    places = re.compile(r"/wo" r"rk/|/ro" r"ot/|deb\.deb" r"ian\.org|/tm" r"p/bash")
    for path in files(".c", ".h", ".py", ".sh", ".build", ".md", ".scd", ".def", "Makefile"):
        if path.parts[:2] == ("tests", "vectors"):
            continue
        for number, line in enumerate((TOP / path).read_text(errors="replace").splitlines(), 1):
            if marks.search(line) or places.search(line):
                problems.append(f"{path}:{number}: {line.strip()}")
    return report(problems)


# ---- clang-tidy ----------------------------------------------------------------------------------

def tidy_one(entry, config):
    path = Path(entry["file"])
    source = (Path(entry["directory"]) / path).resolve()
    seen = hashlib.sha256(config + entry["command"].encode())
    # What the file includes from the tree decides too: all headers, which is coarse and safe.
    seen.update(HEADERS)
    seen.update(source.read_bytes())
    mark = TOP / "build" / "tidy" / seen.hexdigest()
    if mark.exists():
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(TOP / "build/check"), str(source)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TOP)
    if done.returncode == 0 and "warning:" not in done.stdout:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        return ""
    return done.stdout + (done.stderr if done.returncode else "")


def lint_tidy():
    need("clang-tidy")
    global HEADERS
    HEADERS = b"".join((TOP / path).read_bytes() for path in files(".h", ".def"))
    config = (TOP / ".clang-tidy").read_bytes()
    entries = json.loads((TOP / "build/check/compile_commands.json").read_text())
    mine = {}
    for entry in entries:
        source = (Path(entry["directory"]) / entry["file"]).resolve()
        try:
            top = source.relative_to(TOP).parts[0]
        except ValueError:
            continue
        if top in ("src", "cli"):
            mine[source] = entry
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        said = [text for text in pool.map(lambda e: tidy_one(e, config), mine.values()) if text]
    return report(said)


def lint_manuals():
    need("scdoc")
    problems = []
    for path in files(".scd"):
        done = subprocess.run(["scdoc"], input=(TOP / path).read_bytes(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            problems.append(f"{path}: {done.stderr.decode().strip()}")
    return report(problems)


HEADERS = b""

if __name__ == "__main__":
    sys.exit(globals()[f"lint_{sys.argv[1]}"]())
