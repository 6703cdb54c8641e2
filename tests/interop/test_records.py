# SPDX-License-Identifier: Apache-2.0
"""The record layer and the ends of a connection."""
import pytest

from programs import script, settings, show

pytestmark = pytest.mark.versions("1.3", "1.2")


@pytest.mark.row("padding here, to multiples of 512")
@pytest.mark.na("TLS 1.2 has no padding of AEAD records", version="1.2")
def test_padding_ours(link):
    link.talk(settings(padding=512))


@pytest.mark.row("padding at the peer, to multiples of 512")
@pytest.mark.na("wolfSSL, NSS and mbedTLS cannot be told to pad records",
                peer=("wolfSSL", "NSS", "mbedTLS"))
@pytest.mark.na("TLS 1.2 has no padding of AEAD records", version="1.2")
def test_padding_theirs(link):
    link.talk((), ["--padding", 512])


@pytest.mark.row("small records here (maxRecord 64)")
@pytest.mark.na("mbedTLS 2.28 takes no handshake message in several records", peer="mbedTLS 2.28")
@pytest.mark.na("a wolfSSL client takes no handshake header that lies in two records",
                peer="wolfSSL", role="server", version="1.2")
def test_small_records_ours(link):
    link.talk(settings(maxRecord=64))


@pytest.mark.row("small records at the peer (64 bytes)")
def test_small_records_theirs(link):
    link.talk((), ["--max-frag", 64])


@pytest.mark.row("messages of 100 bytes here")
def test_small_messages(link):
    link.talk(["--chunk", 100])


@pytest.mark.row("16 MiB each way")
def test_large(link):
    link.talk(data=link.data["big"], limit=60)


@pytest.mark.row("data echoed while it is sent")
def test_echo(link):
    """Ennead sends 16 MiB to an echoing peer; or echoes to one that sends all before it reads,
    which must therefore fit into the sockets' buffers."""
    data = link.data["big" if link.role == "client" else "medium"]
    if link.role == "client":
        ours = ["--send", data.path, "--receive", data.size, "--finish", "half"]
        theirs = script("echo", "close")
    else:
        ours = ["--echo", "--finish", "half"]
        theirs = script("send:%s" % data.path, "wait:%d" % data.size, "final", "waitfinal")
    mine, yours = link.connect(ours, theirs, limit=60)
    assert mine[0].result == "closed" and mine[0].final_seen, show(mine, yours)
    assert (mine[0].bytes_in, mine[0].sha256_in) == (data.size, data.sha256)
    assert (yours[0].bytes_in, yours[0].sha256_in) == (data.size, data.sha256)


@pytest.mark.row("half close by us, data still comes")
def test_half_close_ours(link):
    small = link.data["small"]
    ours = ["--send", small.path, "--receive", 0, "--finish", "half"]
    theirs = script("waitfinal", "send:%s" % small.path, "close")
    mine, yours = link.connect(ours, theirs)
    assert mine[0].result == "closed" and mine[0].final_seen, show(mine, yours)
    assert (mine[0].bytes_in, mine[0].sha256_in) == (small.size, small.sha256), show(mine, yours)
    assert (yours[0].bytes_in, yours[0].sha256_in) == (small.size, small.sha256)


@pytest.mark.row("half close by the peer, data still goes")
def test_half_close_theirs(link):
    small = link.data["small"]
    ours = ["--send", small.path, "--finish", "wait", "--receive", small.size]
    theirs = script("send:%s" % small.path, "final", "wait:%d" % small.size, "waitfinal")
    mine, yours = link.connect(ours, theirs)
    assert mine[0].result == "closed" and mine[0].final_seen, show(mine, yours)
    assert (yours[0].bytes_in, yours[0].sha256_in) == (small.size, small.sha256), show(mine, yours)
    assert yours[0].end == "closed"


@pytest.mark.row("close_notify by us first")
def test_close_ours(link):
    small = link.data["small"]
    ours = ["--send", small.path, "--receive", small.size, "--finish", "close"]
    theirs = script("send:%s" % small.path, "wait:%d" % small.size, "waitfinal", "close")
    mine, yours = link.connect(ours, theirs)
    assert mine[0].result == "closed", show(mine, yours)
    assert yours[0].end == "closed" and yours[0].bytes_in == small.size, show(yours)


@pytest.mark.row("close_notify by the peer first")
def test_close_theirs(link):
    small = link.data["small"]
    ours = ["--send", small.path, "--receive", small.size, "--finish", "wait"]
    theirs = script("send:%s" % small.path, "wait:%d" % small.size, "close")
    mine, yours = link.connect(ours, theirs)
    assert mine[0].result == "closed" and mine[0].final_seen, show(mine, yours)
    assert mine[0].bytes_in == small.size and yours[0].bytes_in == small.size


@pytest.mark.row("truncation by the peer is reported")
def test_truncated_by_peer(link):
    small = link.data["small"]
    ours = ["--receive", small.size, "--finish", "wait"]
    mine, yours = link.connect(ours, script("send:%s" % small.path, "abort"))
    assert mine[0].result == "failed", show(mine, yours)
    assert (mine[0].reason, mine[0].origin) == ("TRUNCATED", "network"), show(mine)
    assert mine[0].bytes_in == small.size and not mine[0].final_seen


@pytest.mark.row("truncation by us is seen by the peer")
def test_truncated_by_us(link):
    small = link.data["small"]
    mine, yours = link.connect(["--send", small.path, "--finish", "abort"], script("waitfinal"))
    assert mine[0].result == "aborted", show(mine, yours)
    assert yours[0].end == "truncated" and yours[0].bytes_in == small.size, show(yours)
