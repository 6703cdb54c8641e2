# SPDX-License-Identifier: Apache-2.0
"""A meeting: our end and theirs, a link between them, and the traffic that tests send through."""
import json
import os
import re
import time

import peers
from lab import LIMIT, End, Lab, bring_up, command
from peers import Remote, endpoint, new_node, new_psk
from vm import KernelVM

# With this set to wireguard-go our place is taken by it: a check of the harness itself.
LEFT = os.environ.get("WIREGUARD_LEFT", "Ennead")
KINDS = {"Ennead": peers.Ennead, "wireguard-go": peers.WireguardGo, "Linux kernel": KernelVM}
ROLES = ("initiator", "responder")


class Meeting:
    """Our namespace, the peer's machine, and the two tunnel ends once start() was called. `role` is
    ours."""

    def __init__(self, kind, role, folder, machine=None):
        self.kind, self.role, self.folder = kind, role, folder
        self.ours = self.theirs = None
        self.lab = Lab()
        try:
            self._connect(machine)
        except BaseException:
            self.lab.close()
            raise

    def _connect(self, machine):
        self.space = self.lab.namespace()
        if machine is None:
            self.machine = self.lab.namespace()
            self.near, self.far = self.lab.link(self.space, self.machine)
        else:
            self.machine = machine
            self.near, self.far = plug_in(self.space, machine)

    def start(self, outer=4, psk=False, keepalive=None, mtu=peers.MTU, **more):
        """Starts both ends. The initiator alone knows an endpoint. `more` is for our end."""
        secret = new_psk() if psk else None
        mine, other = new_node(1, mtu), new_node(2, mtu)
        knows = self.role == "initiator"
        self.ours = KINDS[LEFT](self.space, mine, self.folder, **more)
        self.theirs = KINDS[self.kind](self.machine, other, self.folder)
        self.theirs.start([Remote(mine, None if knows else endpoint(self.near.address(outer)),
                                  secret, None if knows else keepalive)])
        self.ours.start([Remote(other, endpoint(self.far.address(outer)) if knows else None,
                                secret, keepalive if knows else None)])
        return self

    @property
    def first(self):
        """Who speaks first, and to whom."""
        return (self.ours, self.theirs) if self.role == "initiator" else (self.theirs, self.ours)

    def close(self, failed=False):
        """Ends both. A program that dies or leaves something behind fails the test."""
        try:
            if self.ours is not None and not failed:
                self.ours.alive()
                check_end(self.ours)
            if self.theirs is not None:
                self.theirs.stop()
        finally:
            if failed and self.ours is not None and self.ours.process is not None:
                self.ours.process.kill()
                print(self.ours.process.text())
            self.lab.close()
            if self.kind == KernelVM.kind:
                self.machine.stop()


def check_end(end):
    """The end leaves when asked to, and nothing of it stays."""
    code = end.stop()
    text = end.process.text()
    assert code == 0, "exit status %d\n%s" % (code, text)
    assert not end.socket().exists(), "the UAPI socket stayed\n" + text
    links = json.loads(end.machine.run("ip", "-j", "link"))
    assert end.node.name not in [link["ifname"] for link in links], "the interface stayed"
    assert "ERROR: " not in text and "runtime error" not in text, text


def plug_in(space, machine):
    """A cable from a namespace to the virtual machine, by the bridge in front of that."""
    port = "port%d" % (int(time.monotonic() * 1000) % 1000000)
    command(["ip", "link", "add", "eth0", "netns", space.name, "type", "veth", "peer", "name",
             port, "netns", machine.namespace.name])
    machine.namespace.ip("link set %s master br0 up" % port)
    machine.ip("link set eth0 up")
    ends = End(space, "eth0", "10.77.0.1/24", "fd77::1/64"), \
        End(machine, "eth0", "10.77.0.2/24", "fd77::2/64")
    bring_up(ends)
    return ends


# ---- traffic -----------------------------------------------------------------------------------------


def ping(source, target, count=3, size=56, interval=0.02, options=(), limit=LIMIT, loss=0,
         address=None, family=4):
    """Echo requests through the tunnel; at most `loss` may stay unanswered."""
    to = address or target.node.inner(family)
    # Time to answer is generous: the first may wait for a handshake.
    out = source.machine.run("ping", "-n", "-c", count, "-i", interval, "-s", size, "-W", 5,
                             *options, to, limit=limit, check=False)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", out)
    assert found and int(found.group(1)) - int(found.group(2)) <= loss, \
        "%s → %s\n%s" % (source.kind, target.kind, out)
    assert "DUP!" not in out, out
    return out


def iperf(ours, theirs, *options, family=4, reverse=False, seconds=1, limit=40):
    """One run of iperf3 from their machine to ours (reverse: from ours to theirs). The JSON report."""
    server = ours.machine.start("iperf3", "-s", "-1", "--forceflush", "-B",
                                ours.node.inner(family))
    server.wait_for("listening")
    words = ["iperf3", "-J", "-c", ours.node.inner(family), "-t", seconds, *options]
    text = theirs.machine.run(*words, *(["-R"] if reverse else []), limit=limit, check=False)
    try:
        report = json.loads(text)
    except json.JSONDecodeError:
        raise AssertionError("iperf3 says:\n" + text + server.text()) from None
    assert "error" not in report, report["error"]
    server.finish()
    return report["end"]


def dropped(*peers):
    """How many datagrams the kernels themselves dropped so far, because a queue was full: of a socket, or of an
    interface. On a busy machine a process may have to wait longer than its queue lasts."""
    count = 0
    for peer in peers:
        names, values = re.findall(r"^Udp: (.*)$", peer.machine.run("cat", "/proc/net/snmp"), re.M)
        count += int(dict(zip(names.split(), values.split()))["RcvbufErrors"])
        count += int(re.search(r"^Udp6RcvbufErrors\s+(\d+)",
                               peer.machine.run("cat", "/proc/net/snmp6"), re.M).group(1))
        for line in peer.machine.run("cat", "/proc/net/dev").splitlines()[2:]:
            fields = line.split(":")[1].split()
            count += int(fields[3]) + int(fields[11])
    return count


def lossless(ours, theirs, *options, **more):
    """iperf over UDP, of which no datagram may be lost but those that the kernels dropped."""
    before = dropped(ours, theirs)
    end = iperf(ours, theirs, "-u", *options, **more)
    full = dropped(ours, theirs) - before
    assert end["sum"]["lost_packets"] <= full, (full, end["sum"])
    return end


def until(test, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not test():
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (limit, what))
        time.sleep(0.05)
