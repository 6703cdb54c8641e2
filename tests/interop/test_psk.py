# SPDX-License-Identifier: Apache-2.0
"""External pre-shared keys."""
import pytest

from programs import settings, show

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
OTHER = KEY[::-1]
SUITE = "TLS_AES_128_GCM_SHA256"
DECRYPT_ERROR = 51
WOLFSSL_SILENT = "network"  # its server refuses a PSK without an alert
COMMON = ["--suite", SUITE, "--group", "P-256"]


def psk(link, ours="joe", key=KEY, theirs="joe"):
    """An NSS server wants a certificate even where it will not use it, and an NSS client cannot
    take a ticket in a connection without one."""
    mine = ["--psk", "%s:%s" % (ours, key), settings(ciphersuite=SUITE, supportedGroup="P-256",
                                                    tickets=0)]
    yours = ["--psk", "%s:%s" % (theirs, KEY), COMMON]
    return mine, yours


def server_cert(link):
    return "p256" if link.library == "NSS" and link.role == "client" else None


@pytest.mark.row("external PSK, psk_dhe_ke")
def test_psk_dhe(link):
    mine, yours = link.talk(*psk(link), cert=server_cert(link), trust=False)
    info = mine["info"]
    assert info["external_psk"] and not info["resumed"] and info["peer_authenticated"]
    assert (info["psk_identity"], info["key_exchange"], info["signature"]) == ("joe", "P-256", None)
    assert not yours.peer_cert


@pytest.mark.row("external PSK, psk_ke")
@pytest.mark.na("NSS offers and accepts psk_dhe_ke only", peer="NSS")
def test_psk_ke(link):
    ours, theirs = psk(link)
    mine, _ = link.talk([ours, settings(pskMode="psk_ke")], [theirs, "--psk-ke"],
                        cert=server_cert(link), trust=False)
    assert mine["info"]["external_psk"] and mine["info"]["key_exchange"] is None


@pytest.mark.row("external PSK after HelloRetryRequest")
def test_psk_retry(link):
    ours, theirs = psk(link)
    if link.role == "client":
        ours = [ours, settings(keyShares=0)]
    else:
        ours = [ours, settings(supportedGroup="P-384")]
        theirs = ["--psk", "joe:" + KEY, "--suite", SUITE, "--group", "P-256", "--group", "P-384",
                  "--shares", 1]
    mine, _ = link.talk(ours, theirs, cert=server_cert(link), trust=False)
    assert mine["info"]["external_psk"] and mine["info"]["hello_retry"]


@pytest.mark.row("external PSK looked up by the application")
@pytest.mark.na("only a server is asked for the key of an identity", role="client")
def test_psk_asked(link):
    mine, _ = link.talk(["--answer-psk", KEY, settings(tickets=0)], psk(link)[1], cert=None,
                        trust=False)
    assert mine["info"]["external_psk"] and mine["counts"]["want-psk"] == 1
    assert mine["info"]["psk_identity"] == "joe"


@pytest.mark.row("external PSK, unknown identity, no certificate: refused")
def test_psk_unknown(link):
    ours, theirs = psk(link, ours="jane")
    if link.role == "server":
        mine, yours = link.refused(ours=ours, theirs=theirs, cert=None, trust=False)
        assert mine.origin == "local" and yours.alert_in == mine.alert, show(mine, yours)
        assert mine.reason in ("UNKNOWN_PSK", "NO_SHARED_PARAMETERS",
                               "INVALID_CONFIGURATION"), show(mine)
    else:
        mine, yours = link.refused(ours=ours, theirs=theirs, cert=server_cert(link), trust=False)
        # NSS goes on with its certificate, which nobody told us to trust.
        origin = {"NSS": "local", "wolfSSL": WOLFSSL_SILENT}.get(link.library, "peer")
        assert mine.origin == origin, show(mine, yours)


@pytest.mark.row("external PSK, wrong key: refused")
def test_psk_wrong(link):
    ours, theirs = psk(link, key=OTHER)
    mine, yours = link.refused(ours=ours, theirs=theirs, cert=server_cert(link), trust=False)
    if link.role == "server":
        assert (mine.origin, mine.alert) == ("local",
                                             DECRYPT_ERROR) and yours.alert_in == DECRYPT_ERROR
    else:
        assert mine.origin == (WOLFSSL_SILENT if link.peer.name == "wolfSSL 5.5" else "peer"), show(mine,
                                                                                           yours)
