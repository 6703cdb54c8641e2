# SPDX-License-Identifier: Apache-2.0
"""Cipher suites, groups, HelloRetryRequest, versions, compatibility mode."""
import pytest

from programs import settings, show

SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
GROUPS = ["X25519", "P-256", "P-384"]
HANDSHAKE_FAILURE, ILLEGAL_PARAMETER, PROTOCOL_VERSION = 40, 47, 70


@pytest.mark.row("{suite} with {group}")
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("suite", SUITES)
def test_suite_and_group(link, suite, group):
    mine, yours = link.talk(settings(ciphersuite=suite, supportedGroup=group),
                            ["--suite", suite, "--group", group])
    assert mine["info"]["cipher"] == yours.cipher == suite, show(mine, yours)
    link.check_group(mine, yours, group)
    assert not mine["info"]["hello_retry"] and not mine["info"]["resumed"]


@pytest.mark.row("no common parameter but the last of each list")
def test_last_choice(link):
    """Long lists on both sides that meet only in their last entries."""
    mine, yours = link.talk(
        settings(ciphersuite=":".join(SUITES), supportedGroup="X25519:P-256:P-384", keyShares=3),
        ["--suite", SUITES[2], "--group", "P-384"])
    assert mine["info"]["cipher"] == SUITES[2] and not mine["info"]["hello_retry"]
    link.check_group(mine, yours, "P-384")


@pytest.mark.row("HelloRetryRequest: share for another group")
def test_retry_other_group(link):
    if link.role == "client":
        ours, theirs = settings(supportedGroup="X25519:P-384", keyShares=1), ["--group", "P-384"]
    else:
        ours = settings(supportedGroup="P-384")
        theirs = ["--group", "X25519", "--group", "P-384", "--shares", 1]
    mine, yours = link.talk(ours, theirs)
    assert mine["info"]["hello_retry"]
    link.check_group(mine, yours, "P-384")


@pytest.mark.row("HelloRetryRequest: no share at all")
@pytest.mark.na("of the peers only wolfSSL can leave key_share empty", role="server",
                peer=("OpenSSL", "GnuTLS", "NSS", "mbedTLS"))
def test_retry_no_share(link):
    if link.role == "client":
        ours, theirs = settings(keyShares=0), ["--group", "P-256"]
    else:
        ours, theirs = settings(supportedGroup="P-256"), ["--group", "P-256", "--shares", 0]
    mine, yours = link.talk(ours, theirs)
    assert mine["info"]["hello_retry"]
    link.check_group(mine, yours, "P-256")


@pytest.mark.row("HelloRetryRequest with a cookie")
@pytest.mark.na("GnuTLS and mbedTLS send no cookie over TLS", peer=("GnuTLS", "mbedTLS"),
                role="client")
@pytest.mark.na("a mbedTLS 3.6 client takes no cookie, from OpenSSL's server neither",
                peer="mbedTLS", role="server")
def test_retry_cookie(link):
    if link.role == "server":
        # A GnuTLS client takes a cookie only with a request for another group, also of OpenSSL's.
        other = link.library == "GnuTLS"
        ours = settings(helloRetryCookie=True, supportedGroup="P-256" if other else "X25519:P-256")
        theirs = ["--group", "X25519", "--group", "P-256", "--shares", 1] if other else ()
        mine, _ = link.talk(ours, theirs)
        assert mine["info"]["hello_retry"], show(mine)
        return
    # wolfSSL sends a cookie with a HelloRetryRequest that it needs anyway. OpenSSL's stateless
    # server takes no change_cipher_spec before the second hello, not from its own client either.
    ours = {"wolfSSL": settings(keyShares=0), "OpenSSL": settings(middleboxCompatibility=False)}
    mine, _ = link.talk(ours.get(link.library, ()), ["--cookie"])
    assert mine["info"]["hello_retry"]


@pytest.mark.row("HelloRetryRequest and AES-256 (transcript hash SHA-384)")
def test_retry_sha384(link):
    suite = SUITES[1]
    ours = settings(ciphersuite=suite,
                    supportedGroup="X25519:P-256" if link.role == "client" else "P-256")
    theirs = ["--suite", suite] + (["--group", "P-256"] if link.role == "client" else
                                   ["--group", "X25519", "--group", "P-256", "--shares", 1])
    mine, yours = link.talk(ours, theirs)
    assert mine["info"]["hello_retry"] and yours.cipher == suite


@pytest.mark.row("no common group: refused")
def test_no_group(link):
    ours, theirs = settings(supportedGroup="X25519"), ["--group", "P-384"]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, ours=ours, theirs=theirs)
    else:
        if link.peer.name == "wolfSSL 5.5":
            # It asks with a HelloRetryRequest for a group that was not offered.
            link.we_refuse("PROTOCOL_FAILED", ILLEGAL_PARAMETER, ours=ours, theirs=theirs)
        elif link.library == "mbedTLS":
            mine, _ = link.refused(ours=ours, theirs=theirs)  # without an alert
            assert mine.origin == "network", show(mine)
        else:
            # A wolfSSL 5.7 server calls the client's share illegal.
            link.they_refuse((HANDSHAKE_FAILURE, ILLEGAL_PARAMETER) if link.library == "wolfSSL"
                             else (HANDSHAKE_FAILURE,), ours=ours, theirs=theirs)


@pytest.mark.row("no common cipher suite: refused")
def test_no_suite(link):
    ours, theirs = settings(ciphersuite=SUITES[0]), ["--suite", SUITES[2]]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, ours=ours, theirs=theirs)
    else:
        link.they_refuse((HANDSHAKE_FAILURE,), ours=ours, theirs=theirs)


@pytest.mark.row("peer with TLS 1.2 only, we with TLS 1.3 only: refused")
@pytest.mark.versions("1.2")
def test_tls12_only(link):
    ours = settings(protocolVersion="TLSv1.3")
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", PROTOCOL_VERSION, ours=ours)
    else:
        link.they_refuse((HANDSHAKE_FAILURE, PROTOCOL_VERSION), ours=ours)


@pytest.mark.row("compatibility mode off here")
def test_no_compatibility(link):
    link.talk(settings(middleboxCompatibility=False))


@pytest.mark.row("compatibility mode off at the peer")
def test_no_compatibility_there(link):
    link.talk((), ["--no-compat"])


@pytest.mark.row("compatibility mode off here, with HelloRetryRequest")
def test_no_compatibility_retry(link):
    ours = settings(middleboxCompatibility=False, supportedGroup="P-256" if link.role == "server"
                    else "X25519:P-256")
    theirs = ["--group", "P-256"] if link.role == "client" else ["--group", "X25519", "--group",
                                                                 "P-256", "--shares", 1]
    assert link.talk(ours, theirs)[0]["info"]["hello_retry"]


@pytest.mark.row("GREASE off")
@pytest.mark.versions("1.3", "1.2")
def test_no_grease(link):
    link.talk(settings(grease=False))


@pytest.mark.row("one byte per TCP segment")
@pytest.mark.versions("1.3", "1.2")
def test_tiny_segments(link):
    link.talk(["--segment", 1])


@pytest.mark.row("AEAD by libcrypto")
@pytest.mark.versions("1.3", "1.2")
def test_libcrypto(link):
    link.talk(["--backend", "libcrypto"])
