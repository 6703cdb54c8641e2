# SPDX-License-Identifier: Apache-2.0
"""What happens to a tunnel while it lives: roaming, new keys, restarts, and many peers at once."""
import re
import time

import pytest

from capture import Capture
from meeting import KINDS, LEFT, lossless, ping, until
from peers import PORT, PROGRAMS, Remote, WireguardGo, endpoint, new_node, new_psk

OURS_ONLY = pytest.mark.skipif(LEFT != "Ennead", reason="needs Ennead's own options")
RATE = 100  # of our clock where keys are to be renewed: 120 seconds are 1.2 then


# ---- roaming -------------------------------------------------------------------------------------------


def flow(source, target, count=100):
    """Echo requests in the background."""
    process = source.machine.start("ping", "-n", "-q", "-c", count, "-i", 0.02, "-W", 2,
                                   target.node.inner(4))
    time.sleep(0.3)
    return process


def losses(process):
    process.finish(30)
    sent, received = re.search(rb"(\d+) packets transmitted, (\d+) received",
                               bytes(process.out)).groups()
    return int(sent) - int(received)


def help_go(mover, other, end, outer):
    """wireguard-go holds on to an IPv4 source address that is gone, because newer kernels name that
    error otherwise than it expects. It forgets it when it is told the endpoint anew."""
    if mover.kind == "wireguard-go" and outer == 4:
        mover.wg("set", mover.node.name, "peer", other.node.public_key, "endpoint",
                 endpoint(end.address(4)))


@pytest.mark.row("we move to another address in mid flow, IPv{outer} outside")
@pytest.mark.parametrize("outer", [4, 6])
def test_we_move(meeting, outer):
    meeting.start(outer=outer)
    ping(*meeting.first)
    going = flow(meeting.ours, meeting.theirs)
    meeting.near.move("10.77.0.101/24", "fd77::101/64")
    help_go(meeting.ours, meeting.theirs, meeting.far, outer)
    until(lambda: meeting.near.address(outer) in meeting.theirs.sees(meeting.ours)["endpoint"],
          "the peer follows us")
    assert losses(going) <= 5
    ping(meeting.theirs, meeting.ours)


@pytest.mark.row("the peer moves to another address in mid flow, IPv{outer} outside")
@pytest.mark.parametrize("outer", [4, 6])
def test_peer_moves(meeting, outer):
    meeting.start(outer=outer)
    ping(*meeting.first)
    going = flow(meeting.ours, meeting.theirs)
    meeting.far.move("10.77.0.102/24", "fd77::102/64")
    help_go(meeting.theirs, meeting.ours, meeting.near, outer)
    # Who has the new address has to speak first.
    ping(meeting.theirs, meeting.ours)
    until(lambda: meeting.far.address(outer) in meeting.ours.sees(meeting.theirs)["endpoint"],
          "we follow the peer")
    assert losses(going) <= 20
    ping(meeting.ours, meeting.theirs, family=6)


@pytest.mark.row("the peer moves from IPv4 to IPv6 and back")
def test_peer_changes_family(meeting):
    meeting.start()
    ping(*meeting.first)
    for family in (6, 4):
        meeting.theirs.wg("set", meeting.theirs.node.name, "peer", meeting.ours.node.public_key,
                          "endpoint", endpoint(meeting.near.address(family)))
        ping(meeting.theirs, meeting.ours)
        assert meeting.far.address(family) in meeting.ours.sees(meeting.theirs)["endpoint"]
        ping(meeting.ours, meeting.theirs)


@pytest.mark.row("either end changes its port in mid flow")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_ports(meeting):
    meeting.start()
    ping(*meeting.first)
    for mover, other in ((meeting.ours, meeting.theirs), (meeting.theirs, meeting.ours)):
        mover.move_port(PORT + 11)
        ping(mover, other)
        assert other.sees(mover)["endpoint"].endswith(":%d" % (PORT + 11))
        ping(other, mover)


@pytest.mark.row("an endpoint given with wg set")
def test_endpoint_set(meeting):
    meeting.start()
    source, target = meeting.first
    address = meeting.far if source is meeting.ours else meeting.near
    ping(source, target)
    # To a port where nobody is: nothing comes through. And back again.
    source.wg("set", source.node.name, "peer", target.node.public_key, "endpoint",
              endpoint(address.address(4), 9))
    source.machine.run("ping", "-n", "-c", 1, "-W", 0.4, target.node.inner(4), check=False)
    source.wg("set", source.node.name, "peer", target.node.public_key, "endpoint",
              endpoint(address.address(4)))
    ping(source, target)


# ---- keys -----------------------------------------------------------------------------------------------


def sessions(ours):
    """How many handshakes our key log has."""
    return ours.keylog.read_text(encoding="ascii").count("LOCAL_EPHEMERAL_PRIVATE_KEY")


@OURS_ONLY
@pytest.mark.row("new keys under load, every 1.2 seconds: no packet is lost")
@pytest.mark.only("only the initiator renews in time", role="initiator")
def test_rekey(meeting, tmp_path):
    meeting.start(rate=RATE, options=("--key-log", tmp_path / "keys"))
    meeting.ours.keylog = tmp_path / "keys"
    ping(*meeting.first)
    rate = "8M" if meeting.kind == "Linux kernel" else "40M"
    for reverse in (False, True):
        before = sessions(meeting.ours)
        lossless(meeting.ours, meeting.theirs, "-b", rate, "-l", 1200, reverse=reverse, seconds=3)
        assert sessions(meeting.ours) >= before + 2


@OURS_ONLY
@pytest.mark.row("a key that is too old is not used any more")
def test_expiry(meeting, tmp_path):
    """After 180 s of ours a session is dead for us. Who has something to send makes a new one."""
    meeting.start(rate=RATE, options=("--key-log", tmp_path / "keys"))
    meeting.ours.keylog = tmp_path / "keys"
    ping(*meeting.first)
    before = sessions(meeting.ours)
    time.sleep(200 / RATE)
    # We know where the peer is: it has spoken. One packet makes us ask for a session, and waits.
    ping(meeting.ours, meeting.theirs)
    assert sessions(meeting.ours) > before


@OURS_ONLY
@pytest.mark.row("persistent keepalive keeps the other side informed")
@pytest.mark.only("the initiator sends it", role="initiator")
def test_keepalive(meeting):
    meeting.start(rate=RATE, keepalive=25)
    # Nobody sends anything; the keepalive alone brings the tunnel up.
    until(lambda: meeting.theirs.sees(meeting.ours)["handshake"] > 0, "a handshake")
    before = meeting.theirs.sees(meeting.ours)["received"]
    time.sleep(1)
    more = meeting.theirs.sees(meeting.ours)["received"] - before
    assert more >= 2 * 32, more  # one each 25 / RATE seconds, and a handshake perhaps


@pytest.mark.row("the peer starts anew, with the same keys")
def test_peer_restarts(meeting):
    meeting.start()
    source, target = meeting.first
    ping(source, target)
    meeting.theirs.stop()
    theirs = KINDS[meeting.kind](meeting.machine, meeting.theirs.node, meeting.folder)
    meeting.theirs = theirs.start([Remote(meeting.ours.node, endpoint(meeting.near.address(4)))])
    # It speaks first and replaces our session; then both ways work.
    ping(theirs, meeting.ours)
    ping(meeting.ours, theirs)


@pytest.mark.row("we start anew, with the same keys")
def test_we_restart(meeting):
    meeting.start()
    ping(*meeting.first)
    node = meeting.ours.node
    meeting.ours.stop()
    ours = KINDS[LEFT](meeting.space, node, meeting.folder)
    meeting.ours = ours.start([Remote(meeting.theirs.node, endpoint(meeting.far.address(4)))])
    ping(ours, meeting.theirs)
    ping(meeting.theirs, ours)


@pytest.mark.row("a PSK that comes later, on both sides")
@pytest.mark.only("the role matters for the handshake only", role="initiator")
def test_psk_later(meeting):
    meeting.start()
    ping(*meeting.first)
    secret = new_psk()
    for end, other in ((meeting.ours, meeting.theirs), (meeting.theirs, meeting.ours)):
        end.wg("set", end.node.name, "peer", other.node.public_key, "preshared-key",
               "/dev/stdin", stdin=secret + "\n")
        assert end.sees(other)["psk"] == secret
    # The session of before goes on; a new one takes the key.
    ping(*meeting.first)
    key = meeting.theirs.node.public_key
    at = meeting.ours.sees(meeting.theirs)["endpoint"]
    meeting.ours.wg("set", meeting.ours.node.name, "peer", key, "remove")
    meeting.ours.wg("set", meeting.ours.node.name, "peer", key, "endpoint", at, "allowed-ips",
                    ",".join(Remote(meeting.theirs.node).prefixes()), "preshared-key",
                    "/dev/stdin", stdin=secret + "\n")
    ping(meeting.ours, meeting.theirs)


# ---- many peers ------------------------------------------------------------------------------------------

HUB_PEERS = 100


def hub_of(lab, tmp_path, knows):
    """A hub of ours with HUB_PEERS ends of wireguard-go in one namespace. `knows`: the hub has their
    endpoints; else they have its."""
    left, right = lab.namespace(), lab.namespace()
    near, far = lab.link(left, right)
    right.sysctl("net/ipv4/conf/all/rp_filter", 0)
    hub = KINDS[LEFT](left, new_node(1), tmp_path)
    nodes = [new_node(2 + i, port=PORT + 1 + i) for i in range(HUB_PEERS)]
    psks = [new_psk() if i % 2 else None for i in range(HUB_PEERS)]
    family = [4 if i % 3 else 6 for i in range(HUB_PEERS)]
    hub.start([Remote(n, endpoint(far.address(f), n.port) if knows else None, p)
               for n, p, f in zip(nodes, psks, family)])
    # The hub by an address of its own for each peer: one routing table has place for one route.
    ends = []
    for i, (node, psk, f) in enumerate(zip(nodes, psks, family)):
        alias = "10.89.0.%d" % (i + 1)
        left.ip("addr add %s/32 dev %s" % (alias, hub.node.name))
        end = WireguardGo(right, node, tmp_path)
        at = None if knows else endpoint(near.address(f))
        end.start([Remote(hub.node, at, psk, allowed=[alias + "/32"])])
        end.alias = alias
        ends.append(end)
    return hub, ends


@pytest.mark.row("100 peers at once, {who} first")
@pytest.mark.parametrize("who", ["they", "we"])
def test_many(lab, tmp_path, who):
    hub, ends = hub_of(lab, tmp_path, who == "we")
    running = []
    for end in ends:
        if who == "they":
            words = ("-I", end.node.inner(4), end.alias)
            space = end.machine
        else:
            words = ("-I", end.alias, end.node.inner(4))
            space = hub.machine
        running.append(space.start("ping", "-n", "-q", "-c", 20, "-i", 0.1, "-W", 5, *words))
    for process in running:
        assert process.finish(60) == 0, process.text()
        assert b" 20 received" in process.out, process.text()
    seen = hub.dump()
    assert len(seen) == HUB_PEERS
    for end in ends:
        peer = seen[end.node.public_key]
        # At least 20 packets of 84 bytes, padded to 96, with 32 around.
        assert peer["handshake"] > 0 and peer["received"] >= 20 * 128 <= peer["sent"], peer
    assert hub.process.child.poll() is None


# ---- cookies (a flood in bursts: each makes the victim ask for cookies for a second) ----------------------------------------------------------------------------------------------


def flooded(meeting, victim, seconds, rate, period=0.0005):
    """Starts a flood of initiations at an end from made-up addresses behind the other side."""
    space, far, near = (meeting.machine, meeting.far, meeting.near)
    if victim is not meeting.ours:
        space, far, near = (meeting.space, meeting.near, meeting.far)
    # The answers go to the sender's machine, which has nobody of that name and says nothing.
    victim.machine.ip("route replace 10.200.0.0/16 via %s" % far.address(4))
    process = space.start(PROGRAMS / "wireguard-flood", near.address(4), victim.node.port,
                          victim.node.public_key, "10.200.0.1", 1000, rate, seconds, period)
    time.sleep(0.7)
    return process


def check_cookies(capture, victim, asker):
    """The capture must have: an initiation without mac2, a cookie reply, an initiation with mac2 and its
    response."""
    rows = capture.read("wg.type", "ip.src", "wg.mac2",
                        only="ip.addr == %s && ip.addr == %s && wg.type != 4" % (victim, asker))
    kinds = [(kind, source, mac2 not in ("", 32 * "0")) for kind, source, mac2 in rows]
    plain, cookie = ("1", asker, False), ("3", victim, False)
    with_mac2, response = ("1", asker, True), ("2", victim, False)
    order = [plain, cookie, with_mac2, response]
    at = 0
    for kind in kinds:
        if at < len(order) and kind[:2] == order[at][:2] and kind[2] == order[at][2]:
            at += 1
    assert at == len(order), "wanted %s\nhave %s" % (order, kinds)


@pytest.mark.row("a flood at us: the peer gets in with a cookie")
@pytest.mark.only("we answer", role="responder", peer="wireguard-go")
def test_our_cookie(meeting, tmp_path):
    meeting.start()
    capture = Capture(meeting.space, meeting.near.interface, tmp_path)
    going = flooded(meeting, meeting.ours, 7.5, 4000, 0.5)
    # It repeats its initiation after five seconds, now with the cookie.
    ping(meeting.theirs, meeting.ours, count=7, interval=1, loss=6, limit=30)
    going.finish(20)
    capture.stop()
    check_cookies(capture, meeting.near.address(4), meeting.far.address(4))
    ping(meeting.theirs, meeting.ours)
    ping(meeting.ours, meeting.theirs)


@pytest.mark.row("a flood at the peer: we get in with its cookie")
@pytest.mark.only("we ask", role="initiator")
def test_their_cookie(meeting, tmp_path):
    fast = {"rate": 10} if LEFT == "Ennead" else {}
    meeting.start(**fast)
    capture = Capture(meeting.space, meeting.near.interface, tmp_path)
    going = flooded(meeting, meeting.theirs, 5, 4000, 0.5)
    ping(meeting.ours, meeting.theirs, count=8, interval=0.5, loss=7, limit=30)
    going.finish(20)
    capture.stop()
    check_cookies(capture, meeting.far.address(4), meeting.near.address(4))
    ping(meeting.ours, meeting.theirs)
    ping(meeting.theirs, meeting.ours)


@pytest.mark.row("a flood at us leaves an established tunnel alone")
@pytest.mark.only("one peer is enough", role="initiator", peer="wireguard-go")
def test_flood_established(meeting):
    meeting.start()
    ping(*meeting.first)
    going = flooded(meeting, meeting.ours, 2.5, 20000)
    ping(meeting.ours, meeting.theirs, count=40, interval=0.02)
    ping(meeting.theirs, meeting.ours, count=40, interval=0.02)
    going.finish(20)
