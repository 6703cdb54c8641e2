# SPDX-License-Identifier: Apache-2.0
"""TLS 1.2 with old peers: CBC with encrypt-then-MAC (RFC 7366), no extended main secret (RFC 7627),
a client that fell back (RFC 7507). What is not secure enough is refused unless it was allowed."""
import pytest

from programs import settings, show
from test_tls12 import KINDS, name

pytestmark = pytest.mark.versions("1.2")

CBCS = ["AES_128_CBC_SHA", "AES_256_CBC_SHA", "AES_128_CBC_SHA256", "AES_256_CBC_SHA384"]
HANDSHAKE_FAILURE, INAPPROPRIATE_FALLBACK = 40, 86
NO_ETM = pytest.mark.na("NSS has no encrypt-then-MAC, and Ennead no CBC without", peer="NSS")


def cbc(auth, cipher):
    suite = name(auth, cipher)
    ours = settings(ciphersuite=suite, legacyCbc=True)
    return suite, ours, ["--suite", suite]


# ---- CBC -------------------------------------------------------------------------------------------


@pytest.mark.row("ECDHE_{auth} {cipher} with encrypt-then-MAC (legacyCbc)")
@NO_ETM
@pytest.mark.parametrize("cipher", CBCS)
@pytest.mark.parametrize("auth", KINDS)
def test_cbc(link, auth, cipher):
    suite, ours, theirs = cbc(auth, cipher)
    mine, yours = link.talk(ours + link.pkcs1(KINDS[auth]), theirs, cert=KINDS[auth])
    assert mine["info"]["cipher"] == yours.cipher == suite, show(mine, yours)
    assert mine["info"]["encrypt_then_mac"], show(mine)


@pytest.mark.row("CBC: 16 MiB each way")
@NO_ETM
def test_cbc_large(link):
    suite, ours, theirs = cbc("ECDSA", "AES_128_CBC_SHA256")
    mine, yours = link.talk(ours, theirs, data=link.data["big"], limit=60)
    assert mine["info"]["cipher"] == yours.cipher == suite, show(mine, yours)


@pytest.mark.row("CBC: resumption")
@NO_ETM
def test_cbc_resumed(link):
    _, ours, theirs = cbc("ECDSA", "AES_128_CBC_SHA")
    mine, yours = link.twice(ours, theirs)
    for report in zip(mine, yours):
        link.check_good(*report, link.data["small"])
    assert mine[1]["info"]["resumed"] and yours[1].resumed, show(mine, yours)
    # RFC 7366 §3.1: negotiated anew in each handshake.
    assert all(report["info"]["encrypt_then_mac"] for report in mine), show(mine)


@pytest.mark.row("CBC at the peer without encrypt-then-MAC: refused")
def test_cbc_no_etm(link):
    _, ours, theirs = cbc("ECDSA", "AES_128_CBC_SHA")
    theirs += ["--no-etm"]
    link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, ours=ours, theirs=theirs)


@pytest.mark.row("CBC only at the peer, not allowed here: refused")
def test_cbc_refused(link):
    theirs = ["--suite", name("ECDSA", "AES_128_CBC_SHA")]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, theirs=theirs)
    else:
        link.they_refuse((HANDSHAKE_FAILURE,), theirs=theirs)


# ---- the extended main secret ----------------------------------------------------------------------


NO_EMS_SWITCH = pytest.mark.na("a wolfSSL server always takes the extended main secret",
                               peer="wolfSSL", role="client")


@pytest.mark.row("peer without extended main secret, allowed here (requireExtendedMainSecret=false)")
@NO_EMS_SWITCH
def test_no_ems(link):
    ours = settings(requireExtendedMainSecret=False)
    mine, _ = link.talk(ours, ["--no-ems"])
    assert not mine["info"]["extended_main_secret"], show(mine)


@pytest.mark.row("extended main secret where both have it, though we would do without")
def test_ems_allowed(link):
    mine, _ = link.talk(settings(requireExtendedMainSecret=False))
    assert mine["info"]["extended_main_secret"], show(mine)


@pytest.mark.row("peer without extended main secret: refused")
@NO_EMS_SWITCH
def test_no_ems_refused(link):
    link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, theirs=["--no-ems"])


@pytest.mark.row("resumption without extended main secret")
@NO_EMS_SWITCH
def test_no_ems_resumed(link):
    """RFC 7627 §5.3: what was made without may be resumed without."""
    ours = settings(requireExtendedMainSecret=False)
    mine, yours = link.twice(ours, ["--no-ems"])
    for report in zip(mine, yours):
        link.check_good(*report, link.data["small"])
    assert mine[1]["info"]["resumed"] == yours[1].resumed, show(mine, yours)


# ---- fallback --------------------------------------------------------------------------------------


@pytest.mark.row("TLS_FALLBACK_SCSV: refused by us, who have TLS 1.3 (RFC 7507)")
@pytest.mark.na("it is the client that falls back, and Ennead's never does", role="client")
@pytest.mark.na("wolfSSL and mbedTLS 3.6 cannot send it", peer=("wolfSSL", "mbedTLS 3.6"))
def test_fallback(link):
    link.we_refuse("PROTOCOL_FAILED", INAPPROPRIATE_FALLBACK, theirs=["--fallback"])


@pytest.mark.row("TLS_FALLBACK_SCSV: taken where TLS 1.2 is all we have")
@pytest.mark.na("it is the client that falls back, and Ennead's never does", role="client")
@pytest.mark.na("wolfSSL and mbedTLS 3.6 cannot send it", peer=("wolfSSL", "mbedTLS 3.6"))
def test_fallback_taken(link):
    link.talk(settings(protocolVersion="TLSv1.2"), ["--fallback"])
