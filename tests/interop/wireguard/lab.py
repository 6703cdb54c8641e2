# SPDX-License-Identifier: Apache-2.0
"""Network namespaces of our own, and the links between them.

A Lab makes namespaces named enw<pid>-<letter>, so that nothing of the machine's own network is
touched and two runs do not meet. Everything in it ends with Lab.close(): processes by their own
id, then the namespaces, with which their interfaces go.
"""
import contextlib
import ipaddress
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from process import LIMIT, Process  # noqa: E402

PREFIX = "enw"


class CommandFailed(AssertionError):
    """A command that had to succeed did not."""


def command(args, stdin=None, limit=LIMIT, check=True):
    """Runs a program to its end. Returns its standard output."""
    args = [str(a) for a in args]
    try:
        done = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired as late:
        raise CommandFailed("$ %s\ndid not end in %g s\n%s" %
                            (" ".join(args), limit, (late.stdout or b"").decode())) from None
    if check and done.returncode != 0:
        raise CommandFailed("$ %s\nexit status %d\n%s%s" % (" ".join(args), done.returncode,
                                                            done.stdout, done.stderr))
    return done.stdout


class Namespace:
    """A machine on the same kernel: its own interfaces, addresses, routes and sockets."""

    def __init__(self, name):
        self.name = name
        self.running = []
        command(["ip", "netns", "add", name])
        # Duplicate address detection would keep IPv6 addresses from use for a second.
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        self.sysctl("net/ipv6/conf/all/accept_dad", 0)
        self.ip("link set lo up")

    def inside(self, args):
        return ["ip", "netns", "exec", self.name] + [str(a) for a in args]

    def run(self, *args, stdin=None, limit=LIMIT, check=True):
        return command(self.inside(args), stdin, limit, check)

    def start(self, *args, **more):
        """A process in here; `ip netns exec` becomes it, so its id is the child's."""
        process = Process(self.inside(args), **more)
        self.running.append(process)
        return process

    def ip(self, *lines):
        """Lines of `ip -batch`: one process for all."""
        command(["ip", "-n", self.name, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def sysctl(self, key, value):
        self.run("sh", "-c", "echo %s > /proc/sys/%s" % (value, key))

    def clock(self):
        """Processor seconds that the processes started in here have used so far."""
        return sum(processor_seconds(p.child.pid) for p in self.running)

    def stop(self):
        """Asks all to end, so that they tidy up, and then insists."""
        for process in self.running:
            if process.child.poll() is None:
                process.child.terminate()
        for process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.child.wait(2)
            process.kill()
        self.running.clear()

    def close(self):
        self.stop()
        command(["ip", "netns", "del", self.name], check=False)


def processor_seconds(pid):
    """User and system time of a process, from the kernel's tick count."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path("/proc/%d/stat" % pid).read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def children(pid):
    """A process and all that descend from it."""
    out = [pid]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path("/proc/%d/task" % pid).iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                out += children(int(child))
    return out


class End:
    """One end of a link: the interface and its addresses."""

    def __init__(self, namespace, interface, v4, v6):
        self.namespace = namespace
        self.interface = interface
        self.v4 = ipaddress.ip_interface(v4)
        self.v6 = ipaddress.ip_interface(v6)

    def address(self, family):
        return str((self.v4 if family == 4 else self.v6).ip)

    def up(self):
        self.namespace.ip("addr add %s dev %s" % (self.v4, self.interface),
                          "addr add %s dev %s nodad" % (self.v6, self.interface),
                          "link set %s up" % self.interface)

    def wait_carrier(self):
        """The kernel notices a new link's carrier a little later, and no IPv6 before."""
        end = time.monotonic() + LIMIT
        while self.namespace.run("cat", "/sys/class/net/%s/operstate" % self.interface) != "up\n":
            if time.monotonic() > end:
                raise AssertionError("no carrier on " + self.interface)
            time.sleep(0.02)

    def move(self, v4, v6):
        """New addresses, and the old ones are gone: what a roaming machine does."""
        old = self.v4, self.v6
        self.v4, self.v6 = ipaddress.ip_interface(v4), ipaddress.ip_interface(v6)
        # An IPv4 address that goes takes those added after it along, so it goes first.
        self.namespace.ip("addr add %s dev %s nodad" % (self.v6, self.interface),
                          "addr del %s dev %s" % (old[0], self.interface),
                          "addr add %s dev %s" % (self.v4, self.interface),
                          "addr del %s dev %s" % (old[1], self.interface))


def bring_up(ends):
    for end in ends:
        end.up()
    for end in ends:
        end.wait_carrier()


class Lab:
    numbers = itertools.count()

    def __init__(self):
        self.spaces = []
        self.links = 0
        self.id = next(self.numbers)

    def namespace(self):
        name = "%s%d-%d%s" % (PREFIX, os.getpid(), self.id, chr(ord("a") + len(self.spaces)))
        space = Namespace(name)
        self.spaces.append(space)
        return space

    def link(self, left, right, mtu=1500):
        """A cable between two namespaces, with IPv4 and IPv6 on it. Returns its two ends."""
        n = self.links
        self.links += 1
        a, b = "eth%d" % n, "eth%d" % n
        command(["ip", "link", "add", a, "mtu", mtu, "netns", left.name, "type", "veth", "peer",
                 "name", b, "mtu", mtu, "netns", right.name])
        ends = (End(left, a, "10.77.%d.1/24" % n, "fd77:%d::1/64" % n),
                End(right, b, "10.77.%d.2/24" % n, "fd77:%d::2/64" % n))
        bring_up(ends)
        return ends

    def close(self):
        for space in reversed(self.spaces):
            space.close()
        self.spaces.clear()
