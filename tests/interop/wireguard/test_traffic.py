# SPDX-License-Identifier: Apache-2.0
"""Traffic of every kind, by both roles, over IPv4 and IPv6, inside and outside."""
import pytest

from meeting import iperf, lossless, ping
from peers import Remote, new_node, new_psk


@pytest.mark.row("ping over IPv{outer}, {secret}, IPv4 and IPv6 inside")
@pytest.mark.parametrize("secret", ["no PSK", "PSK"])
@pytest.mark.parametrize("outer", [4, 6])
def test_ping(meeting, outer, secret):
    meeting.start(outer=outer, psk=secret == "PSK")
    source, target = meeting.first
    # The very first packet waits for the handshake and is not lost.
    ping(source, target, family=4)
    ping(source, target, family=6)
    ping(target, source, family=6)
    ping(target, source, family=4)
    seen = target.sees(source)
    assert seen["handshake"] > 0 and seen["received"] > 0 and seen["sent"] > 0
    near, far = (meeting.near, meeting.far) if source is meeting.ours else (meeting.far,
                                                                            meeting.near)
    assert near.address(outer) in seen["endpoint"]
    assert far.address(outer) in source.sees(target)["endpoint"]


@pytest.mark.row("a wrong PSK: no tunnel")
def test_wrong_psk(meeting):
    meeting.start(psk=True)
    source, target = meeting.first
    source.wg("set", source.node.name, "peer", target.node.public_key, "preshared-key", "/dev/stdin",
              stdin=new_psk() + "\n")
    source.machine.run("ping", "-n", "-c", 2, "-i", 0.2, "-W", 0.4, target.node.inner(4),
                       check=False)
    # The responder cannot tell before the initiator uses the session; no packet comes through.
    assert source.sees(target)["handshake"] == 0
    assert target.sees(source)["handshake"] == 0


@pytest.mark.row("iperf3 TCP both ways, IPv{inner} inside, IPv{outer} outside")
@pytest.mark.parametrize("inner,outer", [(4, 6), (6, 4)])
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_tcp(meeting, inner, outer):
    meeting.start(outer=outer)
    ping(*meeting.first)
    for reverse in (False, True):
        end = iperf(meeting.ours, meeting.theirs, family=inner, reverse=reverse)
        assert end["sum_received"]["bytes"] > 1_000_000, end["sum_received"]


@pytest.mark.row("iperf3 UDP both ways, IPv{inner}: no loss")
@pytest.mark.parametrize("inner", [4, 6])
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_udp(meeting, inner):
    meeting.start()
    source, target = meeting.first
    ping(source, target)
    rate = "8M" if meeting.kind == "Linux kernel" else "60M"
    for reverse in (False, True):
        end = lossless(meeting.ours, meeting.theirs, "-b", rate, "-l", 1200, family=inner,
                       reverse=reverse)
        assert end["sum"]["packets"] > 500, end["sum"]


@pytest.mark.row("packets at the edge of the MTU: {mtu}")
@pytest.mark.parametrize("mtu", [1280, 1359, 1420])
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_mtu(meeting, mtu):
    meeting.start(mtu=mtu)
    ping(*meeting.first)
    for source, target in ((meeting.ours, meeting.theirs), (meeting.theirs, meeting.ours)):
        for short in (0, 1, 7, 8, 9, 16):  # with every kind of padding
            ping(source, target, count=1, size=mtu - 28 - short, options=("-M", "do"))
        ping(source, target, count=2, size=mtu - 48, options=("-M", "do"), family=6)
        # One more than fits is refused by the sender's own stack.
        out = source.machine.run("ping", "-n", "-c", 1, "-W", 0.4, "-M", "do", "-s", mtu - 27,
                                 target.node.inner(4), check=False)
        assert " 0 received" in out, out


@pytest.mark.row("packets in fragments, inside: ping of 8000 and 60000 bytes")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_fragments(meeting):
    meeting.start()
    ping(*meeting.first)
    for source, target in ((meeting.ours, meeting.theirs), (meeting.theirs, meeting.ours)):
        for family in (4, 6):
            ping(source, target, size=8000, family=family)
            ping(source, target, size=60000, family=family, count=1)


@pytest.mark.row("packets in fragments, outside: MTU 1420 over a link of 1280")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_fragments_outside(meeting):
    meeting.near.namespace.ip("link set %s mtu 1280" % meeting.near.interface)
    meeting.far.namespace.ip("link set %s mtu 1280" % meeting.far.interface)
    meeting.start()
    ping(meeting.ours, meeting.theirs, size=1392)
    ping(meeting.theirs, meeting.ours, size=1392)
    ping(meeting.ours, meeting.theirs, size=1372, family=6)


@pytest.mark.row("the smallest packets, and 1000 at once")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_small(meeting):
    meeting.start()
    for source, target in ((meeting.ours, meeting.theirs), (meeting.theirs, meeting.ours)):
        for size in range(3):
            ping(source, target, count=2, size=size)
        ping(source, target, count=1000, size=1, interval=0.001, options=("-q",), limit=30)


@pytest.mark.row("IPv6 link-local addresses outside")
def test_link_local_outside(meeting):
    meeting.near.move("10.77.0.11/24", "fe80::77:1/64")
    meeting.far.move("10.77.0.12/24", "fe80::77:2/64")
    near = "fe80::77:1%" + meeting.far.interface
    far = "fe80::77:2%" + meeting.near.interface
    meeting.near.address = lambda family: near
    meeting.far.address = lambda family: far
    meeting.start(outer=6)
    ping(*meeting.first)
    ping(*reversed(meeting.first), family=6)


@pytest.mark.row("IPv6 link-local addresses inside")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_link_local_inside(meeting):
    meeting.start()
    for end, other, number in ((meeting.ours, meeting.theirs, 1), (meeting.theirs, meeting.ours, 2)):
        end.machine.ip("addr add fe80::88:%d/64 dev %s nodad" % (number, end.node.name))
        end.wg("set", end.node.name, "peer", other.node.public_key, "allowed-ips",
               ",".join(Remote(other.node).prefixes() + ["fe80::88:%d/128" % (3 - number)]))
    for end, other, number in ((meeting.ours, meeting.theirs, 1), (meeting.theirs, meeting.ours, 2)):
        ping(end, other, address="fe80::88:%d%%%s" % (3 - number, end.node.name))


@pytest.mark.row("a source that is not allowed is dropped")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_cryptokey_routing(meeting):
    meeting.start()
    stranger = new_node(99)
    for source, target in ((meeting.ours, meeting.theirs), (meeting.theirs, meeting.ours)):
        ping(source, target, count=1)
        source.machine.ip("addr add %s/32 dev lo" % stranger.inner(4))
        out = source.machine.run("ping", "-n", "-c", 2, "-i", 0.1, "-W", 0.4, "-I",
                                 stranger.inner(4), target.node.inner(4), check=False)
        assert " 0 received" in out, out
        # An answer would find its way back, if there were one.
        source.machine.ip("addr del %s/32 dev lo" % stranger.inner(4))
        # And there is no peer for a destination that nobody is responsible for.
        source.machine.ip("route add %s/32 dev %s" % (stranger.inner(4), source.node.name))
        out = source.machine.run("ping", "-n", "-c", 1, "-W", 0.4, stranger.inner(4), check=False)
        assert " 0 received" in out, out
        source.machine.ip("route del %s/32 dev %s" % (stranger.inner(4), source.node.name))
        ping(source, target, count=1)
