# SPDX-License-Identifier: Apache-2.0
"""Key updates, exporters and the key log."""
import shutil
import subprocess

import pytest

from programs import script, settings, show
from relay import Relay


no_update = pytest.mark.na("mbedTLS has no KeyUpdate", peer="mbedTLS")


def pieces(link):
    """Half of the small data in each of two files, for peers that update between them."""
    whole = link.data["small"]
    half = whole.size // 2
    paths = [link.tmp / "first", link.tmp / "second"]
    paths[0].write_bytes(whole.bytes[:half])
    paths[1].write_bytes(whole.bytes[half:])
    return paths


@pytest.mark.row("KeyUpdate here, one way")
@no_update
def test_update_ours(link):
    mine, _ = link.talk(["--chunk", 1000, "--rekey", 1000, "--rekey", 3000])
    assert (mine["info"]["keys_sent"], mine["info"]["keys_received"]) == (2, 0)


@pytest.mark.row("KeyUpdate here, both ways")
@no_update
def test_update_ours_both(link):
    """Libraries answer with their next write, so the peer reads first and writes then."""
    small = link.data["small"]
    ours, theirs = link.exchange()
    if link.role == "server":
        theirs = script("wait:%d" % small.size, "send:%s" % small.path, "close")
    mine, yours = link.connect([ours, "--chunk", 1000, "--rekey", "1000:both", "--want-rekeys", 1],
                               theirs)
    link.check_good(mine[0], yours[0], small)
    info = mine[0]["info"]
    assert (info["keys_sent"], info["keys_received"]) == (1, 1), show(mine, yours)


def peer_updates(link, action):
    first, second = pieces(link)
    small = link.data["small"]
    ours, _ = link.exchange()
    sends = ["send:%s" % first, action, "send:%s" % second]
    wait = "wait:%d" % small.size
    theirs = [wait] + sends + ["waitfinal", "close"] if link.role == "client" else \
        sends + [wait, "close"]
    mine, yours = link.connect(ours, script(*theirs))
    link.check_good(mine[0], yours[0], small)
    return mine[0]["info"]


@pytest.mark.row("KeyUpdate at the peer, one way")
@no_update
@pytest.mark.na("wolfSSL always asks the peer to update too", peer="wolfSSL")
def test_update_theirs(link):
    info = peer_updates(link, "rekey")
    assert (info["keys_sent"], info["keys_received"]) == (0, 1)


@pytest.mark.row("KeyUpdate at the peer, both ways")
@no_update
def test_update_theirs_both(link):
    info = peer_updates(link, "rekey:both")
    assert (info["keys_sent"], info["keys_received"]) == (1, 1)


@pytest.mark.row("KeyUpdate at both ends at once")
@no_update
@pytest.mark.na("GnuTLS takes a request that crosses its own for illegal, from every peer",
                peer="GnuTLS")
def test_update_crossing(link):
    """Each asks the other, neither waits: the requests cross."""
    first, second = pieces(link)
    small = link.data["small"]
    ours, _ = link.exchange()
    theirs = ["send:%s" % first, "rekey:both", "send:%s" % second, "wait:%d" % small.size]
    theirs += ["waitfinal", "close"] if link.role == "client" else ["close"]
    mine, yours = link.connect([ours, "--chunk", 1000, "--rekey", "1000:both"], script(*theirs))
    link.check_good(mine[0], yours[0], small)
    info = mine[0]["info"]
    # Our own update, and one in answer to the peer's request. The peer's answer may be cut off by
    # the end of the connection.
    assert info["keys_sent"] == 2 and info["keys_received"] in (1, 2), show(mine, yours)


@pytest.mark.row("KeyUpdate by policy, many times in a transfer")
@no_update
def test_update_often(link):
    # GnuTLS takes "too many handshake packets" for an attack after eight in a second.
    records, least = (16, 2) if link.library == "GnuTLS" else (4, 10)
    mine, _ = link.talk(settings(keyUpdateRecords=records, maxRecord=4096),
                        data=link.data["medium"])
    assert mine["info"]["keys_sent"] >= least, show(mine)


@pytest.mark.row("exporter (RFC 8446 §7.5) gives both sides the same")
@pytest.mark.versions("1.3", "1.2")
def test_export(link):
    label = "EXPORTER-ennead-interop"
    mine, yours = link.talk(["--export", label + ":48"], ["--export", label + ":48"])
    assert yours.export is not None and len(yours.export) == 96, show(yours)
    assert mine.exports == {label + ":48": yours.export}, show(mine, yours)


@pytest.mark.row("exporter after resumption")
@pytest.mark.versions("1.3", "1.2")
def test_export_resumed(link):
    mine, yours = link.twice(["--export", "EXPORTER-again:32"], ["--export", "EXPORTER-again:32"])
    assert mine[1]["info"]["resumed"] and mine[1].exports == {"EXPORTER-again:32": yours[1].export}
    assert yours[0].export != yours[1].export


@pytest.mark.row("channel binding tls-exporter (RFC 9266) is the same on both sides")
@pytest.mark.na("NSS has no exporter with an empty context", peer="NSS", version="1.2")
@pytest.mark.versions("1.3", "1.2")
def test_channel_binding(link):
    """An exporter with an empty context, which in TLS 1.2 is not the same as one without."""
    label = "EXPORTER-Channel-Binding:32"
    theirs = ["--export", label, "--export-empty" if link.version == "1.2" else None]
    mine, yours = link.talk(["--export", label + ":"], theirs)
    assert yours.export is not None and len(yours.export) == 64, show(yours)
    assert mine.exports == {label + ":": yours.export}, show(mine, yours)


@pytest.mark.row("key log has the same lines as the peer's")
@pytest.mark.na("the peer program has no key log for it", peer=("wolfSSL", "NSS", "mbedTLS"))
@pytest.mark.versions("1.3", "1.2")
def test_keylog_equal(link):
    logs = [link.tmp / "ours", link.tmp / "theirs"]
    link.talk(["--keylog", logs[0]], ["--keylog", logs[1]])
    word, count = ("TRAFFIC", 4) if link.version == "1.3" else ("CLIENT_RANDOM", 1)
    ours, theirs = ({line for line in log.read_text().splitlines() if word in line}
                    for log in logs)
    assert len(ours) == count and ours == theirs, (ours, theirs)


@pytest.mark.row("key log lets tshark read a recorded connection")
@pytest.mark.versions("1.3", "1.2")
def test_keylog(link):
    if shutil.which("tshark") is None:
        pytest.skip("tshark not tested: install tshark")
    log = link.tmp / "keys"
    with Relay() as relay:
        our_flags, their_flags = link.exchange()
        # Updates on the way: the log must lead through them.
        can_update = link.version == "1.3" and link.library != "mbedTLS"
        update = ["--rekey", 2000] if can_update else []
        ours = [our_flags, "--keylog", log, "--chunk", 1000, update]
        mine, yours = link.connect(ours, their_flags, middle=relay.start)
        link.check_good(mine[0], yours[0], link.data["small"])
        relay.join()
        capture = link.tmp / "capture.pcap"
        relay.write_pcap(capture)
    shown = subprocess.run(
        ["tshark", "-r", str(capture), "-o", "tls.keylog_file:%s" % log, "-d",
         "tcp.port==%d,tls" % relay.SERVER_PORT, "-q", "-z", "follow,tls,raw,0"],
        capture_output=True, text=True, timeout=30, check=True).stdout
    digits = set("0123456789abcdef\t")
    lines = [line for line in shown.splitlines() if line and not set(line) - digits]
    sent = {True: b"", False: b""}
    for line in lines:
        sent[line.startswith("\t")] += bytes.fromhex(line.strip())
    small = link.data["small"].bytes
    assert sent == {True: small, False: small}, shown[:500]
