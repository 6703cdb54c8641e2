# SPDX-License-Identifier: Apache-2.0
"""Our driver and the peer programs as Python objects."""
import json
import os
import re
from pathlib import Path

from process import LIMIT, Process

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PROGRAMS = Path(os.environ.get("INTEROP_PROGRAMS", TOP / "build/check/tests/interop"))
DRIVER = PROGRAMS / "interop-driver"

# What the Debian packages of the libraries under test are called.
PEERS = {"OpenSSL": ("openssl-peer", "libssl-dev"), "GnuTLS": ("gnutls-peer", "libgnutls28-dev"),
         "wolfSSL": ("wolfssl-peer", "libwolfssl-dev"), "NSS": ("nss-peer", "libnss3-dev")}


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
