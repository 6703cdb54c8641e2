# SPDX-License-Identifier: Apache-2.0
"""Who can be at the end of a tunnel: Ennead, wireguard-go, and the Linux kernel (vm.py).

Each kind takes the same description (Node) and offers the same few calls, so that a test names the two
that are to meet and says nothing else about them. A `machine` is where a node lives: a namespace
(lab.py) or a virtual machine, with run() and start().
"""
import base64
import dataclasses
import itertools
import json
import os
import shutil
import signal
import time
from pathlib import Path

from lab import LIMIT, children, command, processor_seconds

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent.parent
ENNEAD = Path(os.environ.get("ENNEAD", TOP / "build/check/cli/ennead")).resolve()
PROGRAMS = Path(os.environ.get("WIREGUARD_PROGRAMS",
                               TOP / "build/check/tests/interop/wireguard")).resolve()
PORT = 51820
MTU = 1420


# ---- descriptions ------------------------------------------------------------------------------


def new_psk():
    return base64.b64encode(os.urandom(32)).decode()


@dataclasses.dataclass
class Node:
    """One interface: what its configuration says but for the peers."""
    name: str  # of the interface, unique on this machine: the UAPI sockets share a folder
    private_key: str
    public_key: str
    addresses: list  # inside
    port: int = PORT
    mtu: int = MTU

    def inner(self, family):
        """Its inner address of a family."""
        return next(a for a in self.addresses if (":" in a) == (family == 6))


@dataclasses.dataclass
class Remote:
    """A peer as one node sees it."""
    node: Node
    endpoint: str = None
    psk: str = None
    keepalive: int = None
    allowed: list = None  # None: the addresses of the node

    def prefixes(self):
        if self.allowed is not None:
            return self.allowed
        return ["%s/%d" % (a, 128 if ":" in a else 32) for a in self.node.addresses]


SERIAL = itertools.count()


def new_node(number, mtu=MTU, port=PORT):
    """A node with fresh keys; its inner addresses come from the number (1 …)."""
    private = command(["wg", "genkey"]).strip()
    public = command(["wg", "pubkey"], stdin=private + "\n").strip()
    name = "enw%x.%d" % (os.getpid() & 0xFFFF, next(SERIAL))
    high, low = divmod(number, 250)
    return Node(name, private, public, ["10.88.%d.%d" % (high, low), "fd88::%x" % number], port,
                mtu)


def endpoint(address, port=PORT):
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)


def peer_lines(remote):
    lines = ["[Peer]", "PublicKey = " + remote.node.public_key,
             "AllowedIPs = " + ", ".join(remote.prefixes())]
    if remote.psk:
        lines.append("PresharedKey = " + remote.psk)
    if remote.endpoint:
        lines.append("Endpoint = " + remote.endpoint)
    if remote.keepalive:
        lines.append("PersistentKeepalive = %d" % remote.keepalive)
    return lines


def setconf_text(node, remotes):
    """What `wg setconf` reads."""
    lines = ["[Interface]", "PrivateKey = " + node.private_key, "ListenPort = %d" % node.port]
    for remote in remotes:
        lines += peer_lines(remote)
    return "\n".join(lines) + "\n"


def quick_text(node, remotes):
    """What wg-quick and `ennead tunnel` read."""
    lines = ["[Interface]", "PrivateKey = " + node.private_key, "ListenPort = %d" % node.port,
             "MTU = %d" % node.mtu]
    lines += ["Address = %s/%d" % (a, 128 if ":" in a else 32) for a in node.addresses]
    for remote in remotes:
        lines += peer_lines(remote)
    return "\n".join(lines) + "\n"


# ---- what every kind can do ------------------------------------------------------------------------


class Peer:
    """A running tunnel end."""
    kind = None

    def __init__(self, machine, node, folder):
        self.machine = machine
        self.node = node
        self.folder = folder

    def wg(self, *args, stdin=None):
        return self.machine.run("wg", *args, stdin=stdin)

    def setconf(self, remotes):
        self.wg("setconf", self.node.name, "/dev/stdin",
                stdin=setconf_text(self.node, remotes))

    def set_up_interface(self, remotes):
        """Addresses and routes, for kinds that leave these to others."""
        name = self.node.name
        lines = ["addr add %s/%d dev %s%s" % (a, 128 if ":" in a else 32, name,
                                              " nodad" if ":" in a else "")
                 for a in self.node.addresses]
        lines.append("link set %s mtu %d up" % (name, self.node.mtu))
        lines += ["route add %s dev %s" % (prefix, name)
                  for remote in remotes for prefix in remote.prefixes()]
        self.machine.ip(*lines)

    def dump(self):
        """`wg show dump` as {public key: fields}."""
        out = {}
        for line in self.wg("show", self.node.name, "dump").splitlines()[1:]:
            key, psk, at, allowed, handshake, received, sent, keepalive = line.split("\t")
            out[key] = {"psk": psk, "endpoint": at, "allowed": allowed.split(","),
                        "handshake": int(handshake), "received": int(received), "sent": int(sent),
                        "keepalive": keepalive}
        return out

    def sees(self, other):
        return self.dump()[other.node.public_key]

    def move_port(self, port):
        self.wg("set", self.node.name, "listen-port", port)
        self.node.port = port

    def alive(self):
        """Fails if the end has died."""

    def cpu(self):
        """Processor seconds used by the programs of this end."""
        return 0.0


class Userspace(Peer):
    """A program that makes a TUN interface and a UAPI socket."""
    process = None

    def socket(self):
        return Path("/var/run/wireguard") / (self.node.name + ".sock")

    def wait(self, limit=LIMIT):
        end = time.monotonic() + limit
        while not self.socket().exists():
            self.alive()
            if time.monotonic() > end:
                raise AssertionError("no UAPI socket\n" + self.process.text())
            time.sleep(0.01)

    def alive(self):
        if self.process.child.poll() is not None:
            raise AssertionError("%s ended with status %d\n%s" % (
                self.kind, self.process.child.returncode, self.process.text()))

    def cpu(self):
        return sum(processor_seconds(pid) for pid in children(self.process.child.pid))

    def stop(self):
        """Asks it to end as a user would, and insists that it does."""
        if self.process is None:
            return None
        if self.process.child.poll() is None:
            self.process.child.send_signal(signal.SIGTERM)
        return self.process.finish()


class WireguardGo(Userspace):
    kind = "wireguard-go"

    def start(self, remotes):
        self.process = self.machine.start(
            "wireguard-go", "--foreground", self.node.name,
            env=dict(os.environ, LOG_LEVEL=os.environ.get("LOG_LEVEL", "error")))
        self.wait()
        self.setconf(remotes)
        self.set_up_interface(remotes)
        return self


class Ennead(Userspace):
    kind = "Ennead"

    def __init__(self, machine, node, folder, options=(), rate=None):
        super().__init__(machine, node, folder)
        self.options = list(options)
        self.rate = rate
        self.keylog = Path(folder) / (node.name + ".keys")

    def start(self, remotes):
        path = Path(self.folder) / (self.node.name + ".conf")
        path.write_text(quick_text(self.node, remotes), encoding="ascii")
        path.chmod(0o600)
        env = dict(os.environ)
        if self.rate:
            env.update(LD_PRELOAD=str(PROGRAMS / "libfast_clock.so"),
                       FAST_CLOCK_RATE=str(self.rate))
        self.process = self.machine.start(ENNEAD, "tunnel", *self.options, path, env=env)
        self.wait()
        # Its socket is there before addresses and routes are: those end with "up".
        self.wait_up()
        return self

    def wait_up(self, limit=LIMIT):
        end = time.monotonic() + limit
        while True:
            self.alive()
            found = json.loads(self.machine.run("ip", "-j", "addr", "show", self.node.name,
                                                check=False) or "[]")
            have = {a["local"] for i in found for a in i.get("addr_info", [])}
            if found and "UP" in found[0]["flags"] and have >= set(self.node.addresses):
                return
            if time.monotonic() > end:
                raise AssertionError("the interface did not come up\n" + self.process.text())
            time.sleep(0.02)


def missing(*programs):
    """The first of the programs that is not installed, or None."""
    return next((p for p in programs if shutil.which(p) is None), None)
