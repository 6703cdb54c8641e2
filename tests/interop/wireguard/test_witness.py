# SPDX-License-Identifier: Apache-2.0
"""tshark decrypts what goes over the link with our key log: the inner packets are those that were sent,
and on the outside nothing of them shows."""
import pytest

from capture import Capture
from meeting import LEFT, ping

pytestmark = pytest.mark.skipif(LEFT != "Ennead", reason="needs Ennead's key log")
PATTERN = "656e6e6561642d7769746e6573732d31"  # 16 bytes


@pytest.mark.row("tshark reads our packets with our key log, {secret}, IPv{family} inside")
@pytest.mark.parametrize("secret,family", [("no PSK", 6), ("PSK", 4)])
def test_witness(meeting, tmp_path, secret, family):
    keys = tmp_path / "keys"
    meeting.start(psk=secret == "PSK", options=("--key-log", keys))
    capture = Capture(meeting.space, meeting.near.interface, tmp_path)
    source, target = meeting.first
    ping(source, target, count=3, size=64, options=("-p", PATTERN), family=family)
    capture.stop()
    inner, outer = ("ip", "icmp") if family == 4 else ("ipv6", "icmpv6")
    rows = capture.read(outer + ".type", "data", "wg.counter", inner + ".src",
                        only="wg.type == 4 && " + outer, keys=keys)
    kinds = [row[0] for row in rows]
    request, reply = ("8", "0") if family == 4 else ("128", "129")
    assert kinds.count(request) == 3 and kinds.count(reply) == 3, rows
    for row in rows:
        assert PATTERN in row[1], row
        assert row[3].split(",")[-1] in (source.node.inner(family), target.node.inner(family)), row
    # Counters count, on each side from zero.
    for kind in (request, reply):
        counters = [int(row[2]) for row in rows if row[0] == kind]
        assert counters == sorted(set(counters)), rows
    # The handshake is readable too: the initiation shows who we are to who has the keys.
    sealed = capture.path.read_bytes()
    assert bytes.fromhex(PATTERN) not in sealed
    assert keys.stat().st_mode & 0o077 == 0


@pytest.mark.row("all packets are padded to 16 bytes, keepalives are empty")
@pytest.mark.only("one role is enough", role="initiator")
def test_padding(meeting, tmp_path):
    keys = tmp_path / "keys"
    meeting.start(options=("--key-log", keys))
    capture = Capture(meeting.space, meeting.near.interface, tmp_path)
    for size in (0, 1, 15, 16, 17, 100):
        ping(meeting.ours, meeting.theirs, count=1, size=size)
    capture.stop()
    mine = capture.read("udp.length", "ip.len",
                        only="wg.type == 4 && ip.src == %s" % meeting.near.address(4), keys=keys)
    lengths = [int(row[0].split(",")[0]) - 8 - 32 for row in mine]
    assert len(lengths) >= 6 and all(length % 16 == 0 for length in lengths), mine
    inner = [int(row[1].split(",")[-1]) for row in mine if "," in row[1]]
    assert sorted(inner)[:6] == [28, 29, 43, 44, 45, 128], mine
