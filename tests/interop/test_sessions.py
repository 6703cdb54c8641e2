# SPDX-License-Identifier: Apache-2.0
"""Tickets, resumption and early data."""
import hashlib
import socket

import pytest

from process import LIMIT
from programs import settings, show
from relay import Relay

def early_then_small(link):
    return hashlib.sha256(link.data["early"].bytes + link.data["small"].bytes).hexdigest()


EARLY = settings(earlyData=True)
no_early_data = pytest.mark.na("Debian's wolfSSL and mbedTLS are built without early data",
                               peer=("wolfSSL", "mbedTLS"))


def other_suite(link, suite):
    """A session made with AES-128, offered in a connection where only `suite` is allowed."""
    our_flags, their_flags = link.exchange()
    first, session = "TLS_AES_128_GCM_SHA256", link.tmp / "session"
    if link.role == "client":
        server = link.other(link.server_flags(), their_flags, "--connections", 2)
        base = ["--port", server.port(), link.client_flags(), our_flags]
        link.driver(base, settings(ciphersuite=first), "--want-sessions", 1, "--session-out",
                    session).report()
        mine = link.driver(base, settings(ciphersuite=suite), "--session-in",
                           "%s.0" % session).report()
        yours = server.report()
    else:
        server = link.driver("--port", 0, link.server_flags(), our_flags, "--connections", 2)
        base = ["--port", server.port(), link.client_flags(), their_flags]
        link.other(base, "--suite", first, "--session-out", session).report()
        yours = link.other(base, "--suite", suite, "--session-in", session).report()
        mine = server.report()
    link.check_good(mine, yours, link.data["small"])
    assert mine["info"]["cipher"] == yours.cipher == suite
    return mine, yours


ONE_PROCESS = "NSS wraps a saved session with a key that dies with the process"


@pytest.mark.row("session of another suite with the same hash")
@pytest.mark.na(ONE_PROCESS, peer="NSS", role="server")
@pytest.mark.na("a wolfSSL client refuses to offer it", peer="wolfSSL", role="server")
def test_other_suite(link):
    """RFC 8446 §4.2.11: it may be resumed, with the new suite. No one has to."""
    mine, yours = other_suite(link, "TLS_CHACHA20_POLY1305_SHA256")
    assert mine["info"]["resumed"] == yours.resumed, show(mine, yours)


@pytest.mark.row("session of a suite with another hash: full handshake")
@pytest.mark.na(ONE_PROCESS, peer="NSS", role="server")
@pytest.mark.na("a wolfSSL client refuses to offer it", peer="wolfSSL", role="server")
def test_other_hash(link):
    mine, yours = other_suite(link, "TLS_AES_256_GCM_SHA384")
    assert not mine["info"]["resumed"] and not yours.resumed, show(mine, yours)


def check_resumed(link, mine, yours, mode="psk_dhe_ke"):
    for report in zip(mine, yours):
        link.check_good(*report, link.data["small"])
    assert not mine[0]["info"]["resumed"] and not yours[0].resumed
    assert mine[1]["info"]["resumed"] and yours[1].resumed, show(mine, yours)
    assert (mine[1]["info"]["key_exchange"] is None) == (mode == "psk_ke"), show(mine[1])
    # RFC 8446 §2.2: no certificate, but the same peer as in the first connection.
    assert mine[1]["info"]["peer_authenticated"] == mine[0]["info"]["peer_authenticated"]


@pytest.mark.row("resumption, psk_dhe_ke")
def test_resume(link):
    check_resumed(link, *link.twice())


@pytest.mark.row("resumption, psk_ke")
@pytest.mark.na("NSS offers and accepts psk_dhe_ke only", peer="NSS")
@pytest.mark.na("a mbedTLS server that may use certificates does not take psk_ke", peer="mbedTLS",
                role="client")
def test_resume_psk_ke(link):
    check_resumed(link, *link.twice(settings(pskMode="psk_ke"), ["--psk-ke"]), mode="psk_ke")


@pytest.mark.row("resumption after HelloRetryRequest in both handshakes")
def test_resume_retry(link):
    if link.role == "client":
        ours, theirs = settings(keyShares=0), ()
    else:
        ours, theirs = settings(supportedGroup="P-384"), ["--group", "X25519", "--group", "P-384",
                                                          "--shares", 1]
    mine, yours = link.twice(ours, theirs)
    check_resumed(link, mine, yours)
    assert all(m["info"]["hello_retry"] for m in mine)


@pytest.mark.row("resumption with AES-256 (SHA-384 PSK)")
def test_resume_sha384(link):
    suite = "TLS_AES_256_GCM_SHA384"
    check_resumed(link, *link.twice(settings(ciphersuite=suite), ["--suite", suite]))


@pytest.mark.row("resumption keeps the client's identity")
@pytest.mark.na("NSS saves no session in which it showed a certificate", peer="NSS", role="server")
def test_resume_mutual(link):
    identity, ca = link.identity("client-p256"), ["--ca", link.pki.ca]
    if link.role == "client":
        ours, theirs = identity, [ca, "--auth", "require"]
    else:
        ours, theirs = [ca, settings(requireClient=True)], identity
    mine, yours = link.twice(ours, theirs)
    check_resumed(link, mine, yours)
    assert all(m["info"]["peer_authenticated"] for m in mine)


@pytest.mark.row("resumption refused by the server: full handshake")
def test_resume_unknown_ticket(link):
    """The second server has another ticket key."""
    mine, yours = link.twice_elsewhere()
    link.check_good(mine, yours, link.data["small"])
    assert not mine["info"]["resumed"] and not yours.resumed


@pytest.mark.row("no ticket when the server sends none")
def test_no_tickets(link):
    if link.role == "client":
        mine, _ = link.talk((), ["--tickets", 0])
        assert mine.sessions == 0
    else:
        _, yours = link.talk(settings(tickets=0), ["--session-out", link.tmp / "session"])
        # wolfSSL's session object exists without a ticket too.
        assert link.library == "wolfSSL" or yours.sessions == 0


# ---- early data ----------------------------------------------------------------------------------


def early_flags(link):
    early = ["--early", link.data["early"].path]
    if link.role == "client":
        return EARLY, ["--early-max", 16384], early
    return EARLY, early, ()


@pytest.mark.row("0-RTT accepted")
@no_early_data
def test_early_accepted(link):
    mine, yours = link.twice(*early_flags(link))
    small, early = link.data["small"].size, link.data["early"].size
    assert mine[1].result == "closed" and mine[1]["info"]["resumed"], show(mine, yours)
    assert mine[1]["info"]["early_data"] == "accepted"
    receiver = yours[1] if link.role == "client" else mine[1]
    assert receiver.bytes_in == small + early and receiver.bytes_in_early == early, show(mine,
                                                                                         yours)
    assert receiver.sha256_in == early_then_small(link)
    assert link.role == "client" or yours[1].early == "accepted"


@pytest.mark.row("0-RTT, one byte per TCP segment")
@no_early_data
def test_early_segments(link):
    ours, theirs, second = early_flags(link)
    mine, yours = link.twice([ours, "--segment", 1], theirs, second)
    assert mine[1].result == "closed" and mine[1]["info"]["early_data"] == "accepted", show(mine,
                                                                                            yours)
    receiver = yours[1] if link.role == "client" else mine[1]
    assert receiver.sha256_in == early_then_small(link), show(mine, yours)


@pytest.mark.row("0-RTT, more data than the server allows")
@pytest.mark.na("the peers' programs send all or nothing", role="server")
@no_early_data
def test_early_limit(link):
    """16 KiB are allowed; what goes beyond follows after the handshake, in order."""
    medium, small = link.data["medium"], link.data["small"]
    ours, theirs, _ = early_flags(link)
    mine, yours = link.twice(ours, theirs, ["--early", medium.path])
    assert mine[1].result == "closed" and yours[1].end == "closed", show(mine, yours)
    assert yours[1].bytes_in == medium.size + small.size and yours[1].bytes_in_early <= 16384, show(
        yours
    )
    assert yours[1].sha256_in == hashlib.sha256(medium.bytes + small.bytes).hexdigest()


def rejected_pair(link):
    """Both servers accept early data, but the second does not know the first one's tickets."""
    ours, theirs, second = early_flags(link)
    our_flags, their_flags = link.exchange()
    session = link.tmp / "session"
    if link.role == "client":
        servers = [link.other(link.server_flags(), their_flags, theirs) for _ in range(2)]
        base = [link.client_flags(), our_flags, ours]
        link.driver("--port", servers[0].port(), base, "--want-sessions", 1, "--session-out",
                    session).report()
        mine = link.driver("--port", servers[1].port(), base, second, "--session-in",
                           "%s.0" % session).report()
        return mine, servers[1].report()
    servers = [link.driver("--port", 0, link.server_flags(), our_flags, ours) for _ in range(2)]
    client = link.other("--port", servers[0].port(), "--again-port", servers[1].port(),
                        link.client_flags(), their_flags, theirs, "--connections", 2,
                        "--session-out", session)
    return servers[1].report(), client.report()


@pytest.mark.row("0-RTT rejected: unknown ticket")
@no_early_data
def test_early_rejected(link):
    mine, yours = rejected_pair(link)
    small, early = link.data["small"].size, link.data["early"].size
    assert mine.result == "closed" and not mine["info"]["resumed"], show(mine, yours)
    if link.role == "client":
        # An Ennead client sends the data again, now protected by the handshake.
        assert mine["info"]["early_data"] == "rejected"
        assert yours.bytes_in == small + early and yours.bytes_in_early == 0, show(yours)
        assert yours.sha256_in == early_then_small(link)
    else:
        assert yours.early == "rejected"
        assert mine.bytes_in_early == 0 and mine.bytes_in >= small, show(mine)


@pytest.mark.row("0-RTT rejected: HelloRetryRequest")
@no_early_data
@pytest.mark.na("GnuTLS fails at it with every peer, itself included", peer="GnuTLS")
def test_early_retry(link):
    if link.role == "client":
        ours, theirs, second = early_flags(link)
        mine, yours = link.twice(ours, theirs, [second, settings(keyShares=0)])
        assert mine[1]["info"]["early_data"] == "rejected" and mine[1]["info"]["hello_retry"]
        assert yours[1].bytes_in == link.data["small"].size + link.data["early"].size, show(yours)
        assert yours[1].bytes_in_early == 0
    else:
        ours, theirs, _ = early_flags(link)
        mine, yours = link.twice([ours, settings(supportedGroup="P-384")],
                                      [theirs, "--group", "X25519", "--group", "P-384", "--shares",
                                       1])
        assert yours[1].early == "rejected" and mine[1]["info"]["hello_retry"], show(mine, yours)
        assert mine[1].bytes_in_early == 0
    # OpenSSL's tickets for early data are for one look: gone with the first hello.
    resumed = not (link.library == "OpenSSL" and link.role == "client")
    assert mine[1].result == "closed" and mine[1]["info"]["resumed"] == resumed, show(mine, yours)


@pytest.mark.row("0-RTT replayed byte for byte: refused")
@no_early_data
@pytest.mark.na("it is the server that has to notice", role="client")
def test_early_replay(link):
    """What the client sent is recorded and sent again by somebody else."""
    our_flags, their_flags = link.exchange()
    ours, theirs, _ = early_flags(link)
    server = link.driver("--port", 0, link.server_flags(), our_flags, "--connections", 3, ours)
    port = server.port()
    with Relay() as relay:
        client = link.other("--port", port, "--again-port", relay.start(port), link.client_flags(),
                            their_flags, theirs, "--connections", 2, "--session-out",
                            link.tmp / "session")
        client.reports()
        relay.join()
        with socket.create_connection(("127.0.0.1", port), LIMIT) as thief:
            thief.sendall(b"".join(data for from_client, data in relay.pieces if from_client))
            thief.shutdown(socket.SHUT_WR)
            mine = server.reports()
    assert mine[1].bytes_in_early == link.data["early"].size, show(mine)
    assert mine[2].result == "failed" and mine[2].bytes_in == 0, show(mine)
    assert not mine[2]["info"]["ready"] and "received" not in mine[2]["counts"], show(mine)


@pytest.mark.row("0-RTT offered to a server that wants none")
@no_early_data
@pytest.mark.na("no peer sends early data with a ticket that does not allow it", role="server")
def test_early_unwanted(link):
    """The ticket does not allow early data, so a client must not send any."""
    early = ["--early", link.data["early"].path]
    mine, yours = link.twice(EARLY, (), early)
    assert mine[1].result == "closed" and mine[1]["info"]["early_data"] == "none", show(mine)
    # The message may go early; where it may not it goes with the rest.
    assert yours[1].bytes_in == link.data["small"].size + link.data["early"].size, show(yours)
