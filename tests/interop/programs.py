# SPDX-License-Identifier: Apache-2.0
"""Our driver and the peer programs as Python objects."""
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from process import LIMIT, Process

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PROGRAMS = Path(os.environ.get("INTEROP_PROGRAMS", TOP / "build/check/tests/interop"))
DRIVER = PROGRAMS / "interop-driver"

NEWER = Path(os.environ.get("ENN_NEWER", TOP / "build/newer")) / "root/usr"


def newer(program):
    """How to run one of our programs with the libraries of tools/newer.sh, or None."""
    machine = os.uname().machine + "-linux-gnu"
    libraries = NEWER / "lib" / machine
    loaders = list(libraries.glob("ld-linux-*.so.*"))
    path = "%s:/usr/lib/%s" % (libraries, machine)
    return [loaders[0], "--library-path", path, program] if loaders else None


@dataclass(frozen=True)
class Peer:
    """A library in one version of it: a column of the matrix."""
    library: str
    release: str
    program: str
    package: str
    versions: tuple = ("1.3", "1.2")
    newer: bool = False  # runs with the libraries of tools/newer.sh

    @property
    def name(self):
        return "%s %s" % (self.library, self.release)

    def command(self):
        """How to run it, or None."""
        program = PROGRAMS / self.program
        if not program.exists():
            return None
        return newer(program) if self.newer else [program]

    def missing(self):
        if self.newer:
            return "%s not tested: run tools/newer.sh and build again" % self.name
        return "%s not tested: install %s and build again" % (self.name, self.package)


PEERS = {peer.name: peer for peer in (
    Peer("OpenSSL", "3.0", "openssl-peer", "libssl-dev"),
    Peer("OpenSSL", "3.5", "openssl-peer", "libssl-dev", newer=True),
    Peer("GnuTLS", "3.7", "gnutls-peer", "libgnutls28-dev"),
    Peer("GnuTLS", "3.8", "gnutls-peer", "libgnutls28-dev", newer=True),
    Peer("wolfSSL", "5.5", "wolfssl-peer", "libwolfssl-dev"),
    Peer("wolfSSL", "5.7", "wolfssl5-peer", "libwolfssl-dev", newer=True),
    Peer("NSS", "3.87", "nss-peer", "libnss3-dev"),
    Peer("NSS", "3.110", "nss-peer", "libnss3-dev", newer=True),
    Peer("mbedTLS", "2.28", "mbedtls-peer", "libmbedtls-dev", versions=("1.2",)),
    Peer("mbedTLS", "3.6", "mbedtls3-peer", "libmbedtls-dev", newer=True))}


def reasons():
    """enum enn_reason from the public header: number -> name without the prefix."""
    text = (TOP / "include/ennead/error.h").read_text(encoding="utf-8")
    body = re.sub(r"/\*.*?\*/", "", text.split("enum enn_reason {")[1].split("}")[0], flags=re.S)
    names, value = {}, -1
    for name, given in re.findall(r"ENN_REASON_(\w+)\s*(?:=\s*(\d+))?", body):
        value = int(given) if given else value + 1
        names[value] = name
    return names


REASONS = reasons()


class Report(dict):
    """One JSON object of either side; the text of a failed assertion shows all of it."""

    def __getattr__(self, name):
        return self[name]

    @property
    def reason(self):
        return REASONS[self["error"]["reason"]] if self.get("error") else None

    @property
    def alert(self):
        return self["error"]["alert"] if self.get("error") else None

    @property
    def origin(self):
        return self["error"]["origin"] if self.get("error") else None


class Program(Process):
    """A driver or a peer: JSON lines on standard output."""

    def reports(self, limit=LIMIT):
        code = self.finish(limit)
        lines = bytes(self.out).decode(errors="replace").splitlines()
        if not lines:
            raise AssertionError("no report\n" + self.text())
        reports = [Report(json.loads(line)) for line in lines]
        # A sanitizer that finds something at the end changes the exit code.
        if code != reports[-1].get("exit", 0):
            raise AssertionError("exit code %d\n%s" % (code, self.text()))
        return reports

    def report(self, limit=LIMIT):
        return self.reports(limit)[-1]


def flags(items):
    """['--a', 1, Path] -> strings; nested lists are flattened, None is left out."""
    out = []
    for item in items:
        if isinstance(item, (list, tuple)):
            out += flags(item)
        elif item is not None:
            out.append(str(item))
    return out


def settings(**values):
    """settings(tickets=0) -> ['--set', 'tickets=0']"""
    out = []
    for name, value in values.items():
        out += ["--set", "%s=%s" % (name, str(value).lower() if isinstance(value, bool) else value)]
    return out


def script(*actions):
    """script('send:f', 'close') -> ['--do', 'send:f', '--do', 'close']"""
    return [x for action in actions for x in ("--do", str(action))]


def show(*items):
    """Reports as text for a failed assertion: pytest would cut a repr short."""
    out = []
    for item in items:
        out += [show(*item)] if isinstance(item,
                                           (list, tuple)) else [json.dumps(item, sort_keys=True)]
    return "\n".join([""] + out)
