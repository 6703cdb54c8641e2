# SPDX-License-Identifier: Apache-2.0
"""Tunnels of `ennead tunnel` in network namespaces of their own, for the tests."""

import base64
import contextlib
import hashlib
import itertools
import os
import select
import shutil
import signal
import subprocess
import time

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")
TIMEOUT = 40
_numbers = itertools.count()


def name(kind):
    """Unique on this machine while we run: /var/run/wireguard is not part of a namespace."""
    return f"enc{os.getpid() % 1000000:x}{kind}{next(_numbers)}"


def missing():
    """Why tunnels cannot be tried here, or None."""
    if os.geteuid() != 0:
        return "tunnels need root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    for program in ("ip", "wg", "ping"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    probe = name("x")
    if subprocess.run(["ip", "netns", "add", probe], stderr=subprocess.DEVNULL).returncode != 0:
        return "network namespaces cannot be made here"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None


WHY = missing()
needs_tunnels = pytest.mark.skipif(WHY is not None, reason=f"NOT TESTED: {WHY}")


def command(*arguments, netns=None, data="", check=True, timeout=TIMEOUT):
    inside = ["ip", "netns", "exec", netns] if netns else []
    done = subprocess.run([*inside, *map(str, arguments)], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done


def ennead(*arguments, **options):
    return command(ENNEAD, *arguments, check=False, **options)


def private_key(seed):
    digest = bytearray(hashlib.sha256(f"private {seed}".encode()).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return base64.b64encode(digest).decode()


def public_key(private):
    return command(ENNEAD, "keygen", "wireguard", "--pubkey", data=private).stdout.strip()


def some_keys(count):
    """Public keys by the number: any 32 bytes below 2^255 are one."""
    for i in range(count):
        digest = bytearray(hashlib.sha256(f"public {i}".encode()).digest())
        digest[31] &= 127
        yield base64.b64encode(digest).decode()


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def namespace(kind="n"):
    it = name(kind)
    command("ip", "netns", "add", it)
    try:
        command("ip", "link", "set", "lo", "up", netns=it)
        yield it
    finally:
        command("ip", "netns", "del", it)


class Tunnel:
    """A running `ennead tunnel`; ended by its process number."""

    def __init__(self, netns, conf, *options, ready="is up", interface=None, through=()):
        self.netns = netns
        self.interface = interface or name("i")
        self.lines = []
        self.partial = ""
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", netns, *through, ENNEAD, "tunnel", str(conf), "--interface",
             self.interface, *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            self.wait_for(ready)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def wait_for(self, words):
        """Reads messages until one has these words; those that were read before do not count."""
        end = time.monotonic() + TIMEOUT
        fd = self.process.stderr.fileno()
        while time.monotonic() < end:
            while "\n" in self.partial:
                line, self.partial = self.partial.split("\n", 1)
                self.lines.append(line + "\n")
                if words in line:
                    return line
            if select.select([fd], [], [], 1)[0]:
                part = os.read(fd, 65536).decode()
                if not part:
                    break
                self.partial += part
        raise AssertionError(f"no '{words}' in:\n{self.text()}{self.partial}")

    def has_said(self, words):
        return any(words in line for line in self.lines) or self.wait_for(words)

    def worker(self):
        """The process that moves packets is the only child."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as children:
            return int(children.read().split()[0])

    def wg(self, *arguments, **options):
        return command("wg", *arguments, **options).stdout

    def dump(self):
        rows = self.wg("show", self.interface, "dump").splitlines()
        return [row.split("\t") for row in rows]

    def settings(self):
        """The dump without what was sent meanwhile: handshakes are tried."""
        rows = self.dump()
        return [rows[0], *([*row[:6], "0", row[7]] for row in rows[1:])]

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.lines.append(self.partial + self.process.communicate(timeout=TIMEOUT)[1].decode())
        self.partial = ""
        return self.process.returncode

    def text(self):
        return "".join(self.lines)


@contextlib.contextmanager
def tunnel(netns, conf, *options, **more):
    it = Tunnel(netns, conf, *options, **more)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.terminate()
            try:
                it.process.communicate(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                it.process.kill()
        it.process.wait()
        if not it.process.stderr.closed:
            it.process.stderr.close()


def until(condition, what, seconds=10):
    """Polls: for what happens in another process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")
