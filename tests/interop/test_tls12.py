# SPDX-License-Identifier: Apache-2.0
"""TLS 1.2: suites, groups, versions, sessions, and what a connection must have to be accepted."""
import pytest

from programs import settings, show

pytestmark = pytest.mark.versions("1.2")

AEADS = ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"]
KINDS = {"ECDSA": "p256", "RSA": "rsa"}
GROUPS = ["X25519", "P-256", "P-384"]
HANDSHAKE_FAILURE = 40


def name(auth, cipher):
    return "TLS_ECDHE_%s_WITH_%s" % (auth, cipher)


@pytest.mark.row("ECDHE_{auth} {cipher} with {group}")
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("cipher", AEADS)
@pytest.mark.parametrize("auth", KINDS)
def test_suite_and_group(link, auth, cipher, group):
    suite = name(auth, cipher)
    # The group of the key exchange is also the only curve that may be in a certificate.
    kind = "p384" if (auth, group) == ("ECDSA", "P-384") else KINDS[auth]
    theirs = ["--suite", suite, "--group", group]
    ours = settings(ciphersuite=suite, supportedGroup=group)
    if auth == "ECDSA" and group == "X25519":
        theirs += ["--group", "P-256"]
        ours = settings(ciphersuite=suite, supportedGroup="X25519:P-256")
    ours += link.pkcs1(kind)
    mine, yours = link.talk(ours, theirs, cert=kind)
    assert mine["info"]["cipher"] == yours.cipher == suite, show(mine, yours)
    link.check_group(mine, yours, group)
    assert not mine["info"]["resumed"]


@pytest.mark.row("no common cipher suite: refused")
def test_no_suite(link):
    ours = settings(ciphersuite=name("ECDSA", AEADS[0]))
    theirs = ["--suite", name("ECDSA", AEADS[2])]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, ours=ours, theirs=theirs)
    else:
        link.they_refuse((HANDSHAKE_FAILURE,), ours=ours, theirs=theirs)


@pytest.mark.row("RSA with a PKCS #1 signature, where we allow it")
@pytest.mark.na("the peer prefers RSA-PSS", peer=("OpenSSL", "GnuTLS", "NSS", "wolfSSL"))
def test_pkcs1(link):
    mine, _ = link.talk(link.pkcs1("rsa"), cert="rsa")
    assert mine["info"]["signature"] in ("rsa_pkcs1_sha256", None), show(mine)


@pytest.mark.row("RSA with PKCS #1 only, which we do not take: refused")
@pytest.mark.na("the peer has RSA-PSS too", peer=("OpenSSL", "GnuTLS", "NSS", "wolfSSL"))
def test_no_pss(link):
    mine, yours = link.refused(cert="rsa")
    assert mine.alert == HANDSHAKE_FAILURE or mine.origin != "local", show(mine, yours)


@pytest.mark.row("no common group: refused")
@pytest.mark.na("a wolfSSL server has no list of groups in TLS 1.2", peer="wolfSSL", role="client")
def test_no_group(link):
    ours = settings(supportedGroup="X25519")
    theirs = ["--group", "P-384", "--suite", name("RSA", AEADS[0])]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", HANDSHAKE_FAILURE, ours=ours, theirs=theirs,
                       cert="rsa")
    else:
        link.they_refuse((HANDSHAKE_FAILURE,), ours=ours, theirs=theirs, cert="rsa")


@pytest.mark.row("the suites of both kinds of certificate, an RSA certificate at the server")
def test_rsa_among_both(link):
    mine, yours = link.talk(link.pkcs1("rsa"), cert="rsa")
    assert "_RSA_" in mine["info"]["cipher"] and mine["info"]["cipher"] == yours.cipher


# ---- versions --------------------------------------------------------------------------------


@pytest.mark.row("we have TLS 1.2 only, the peer has it only")
def test_we_have_12(link):
    link.talk(settings(protocolVersion="TLSv1.2"))


# ---- sessions --------------------------------------------------------------------------------


def check_resumed(link, mine, yours, resumed=True):
    for report in zip(mine, yours):
        link.check_good(*report, link.data["small"])
    assert not mine[0]["info"]["resumed"] and not yours[0].resumed, show(mine, yours)
    assert mine[1]["info"]["resumed"] == yours[1].resumed == resumed, show(mine, yours)
    assert mine[1]["info"]["peer_authenticated"] == mine[0]["info"]["peer_authenticated"]
    assert mine[1]["info"]["cipher"] == mine[0]["info"]["cipher"]


@pytest.mark.row("resumption with a ticket (RFC 5077)")
def test_ticket(link):
    check_resumed(link, *link.twice())


@pytest.mark.row("resumption with a session ID")
@pytest.mark.na("NSS saves sessions with a ticket only", peer="NSS", role="server")
def test_session_id(link):
    if link.role == "client":
        check_resumed(link, *link.twice((), ["--tickets", 0]))
    else:
        check_resumed(link, *link.twice(settings(tickets=0), ["--tickets", 0]))


@pytest.mark.row("resumption with AES-256 (SHA-384)")
def test_resume_sha384(link):
    suite = name("ECDSA", AEADS[1])
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
@pytest.mark.na("a wolfSSL client whose ticket is refused fails, with every server",
                peer="wolfSSL", role="server")
def test_unknown_ticket(link):
    """The second server has another ticket key, and not the first one's sessions."""
    mine, yours = link.twice_elsewhere()
    link.check_good(mine, yours, link.data["small"])
    assert not mine["info"]["resumed"] and not yours.resumed


# ---- external PSK ---------------------------------------------------------------------------

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
no_gcm_psk = pytest.mark.na("none of them has ECDHE_PSK with AES-GCM",
                            peer=("OpenSSL", "GnuTLS", "mbedTLS"),
                            cipher=("AES_128_GCM_SHA256", "AES_256_GCM_SHA384"))


@pytest.mark.row("ECDHE_PSK {cipher} (RFC 5489, 8442, 7905)")
@pytest.mark.na("NSS has no PSK in TLS 1.2", peer="NSS")
@pytest.mark.na("wolfSSL has no ECDHE_PSK with AES-256-GCM", peer="wolfSSL",
                cipher="AES_256_GCM_SHA384")
@no_gcm_psk
@pytest.mark.parametrize("cipher", AEADS)
def test_psk(link, cipher):
    suite = name("PSK", cipher)
    ours = ["--psk", "joe:" + KEY, settings(ciphersuite=suite)]
    if link.library == "wolfSSL":  # it takes no X25519 in these suites
        ours += settings(supportedGroup="P-256")
    mine, yours = link.talk(ours, ["--psk", "joe:" + KEY, "--suite", suite], cert=None,
                            trust=False)
    info = mine["info"]
    assert info["cipher"] == yours.cipher == suite, show(mine, yours)
    assert info["external_psk"] and info["psk_identity"] == "joe" and info["peer_authenticated"]
    assert not yours.peer_cert
