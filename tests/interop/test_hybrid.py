# SPDX-License-Identifier: Apache-2.0
"""Hybrid key exchange with ML-KEM; Ennead runs with Debian 13's libcrypto."""
import pytest

from programs import settings, show

HANDSHAKE_FAILURE = 40
HYBRID, OTHER = "X25519MLKEM768", "SecP256r1MLKEM768"
pytestmark = [
    pytest.mark.na("the release has no ML-KEM, or Debian builds it without",
                   peer=("OpenSSL 3.0", "GnuTLS", "wolfSSL", "NSS 3.87", "mbedTLS"))]
NO_P256 = pytest.mark.na("NSS has X25519MLKEM768 only", peer="NSS", group=OTHER)


@pytest.mark.row("{group}")
@NO_P256
@pytest.mark.parametrize("group", [HYBRID, OTHER])
def test_hybrid(link, group):
    link.use_newer()
    mine, yours = link.talk(settings(supportedGroup=group), ["--group", group])
    link.check_group(mine, yours, group)
    assert not mine["info"]["hello_retry"], show(mine)


@pytest.mark.row("X25519MLKEM768 by default, where both have it")
@pytest.mark.na("NSS 3.110 has it off by default", peer="NSS")
def test_default(link):
    link.use_newer()
    mine, yours = link.talk()
    link.check_group(mine, yours, HYBRID)


@pytest.mark.row("X25519MLKEM768 after HelloRetryRequest")
def test_retry(link):
    link.use_newer()
    if link.role == "client":
        # No share for the only group that the peer takes.
        ours, theirs = settings(supportedGroup="P-256:" + HYBRID, keyShares=0), ["--group", HYBRID]
    else:
        ours = settings(supportedGroup=HYBRID)
        theirs = ["--group", "X25519", "--group", HYBRID, "--shares", 1]
    mine, yours = link.talk(ours, theirs)
    link.check_group(mine, yours, HYBRID)


@pytest.mark.row("X25519MLKEM768 offered, the peer has X25519")
def test_fall_back(link):
    """Our client's X25519 share beside the hybrid one costs no round trip."""
    link.use_newer()
    ours = settings(supportedGroup=HYBRID + ":X25519")
    mine, yours = link.talk(ours, ["--group", "X25519"])
    link.check_group(mine, yours, "X25519")
    assert not mine["info"]["hello_retry"], show(mine)


@pytest.mark.row("X25519MLKEM768: resumption")
def test_resumed(link):
    link.use_newer()
    mine, yours = link.twice(settings(supportedGroup=HYBRID), ["--group", HYBRID])
    for report in zip(mine, yours):
        link.check_good(*report, link.data["small"])
        link.check_group(*report, HYBRID)
    assert mine[1]["info"]["resumed"] and yours[1].resumed, show(mine, yours)


@pytest.mark.row("X25519MLKEM768 only here, not at the peer: refused")
def test_none(link):
    link.use_newer()
    ours, theirs = settings(supportedGroup=HYBRID), ["--group", "P-256"]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, ours=ours, theirs=theirs)
    else:
        link.they_refuse((HANDSHAKE_FAILURE,), ours=ours, theirs=theirs)
