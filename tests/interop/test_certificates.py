# SPDX-License-Identifier: Apache-2.0
"""Who is who: certificates of every kind, good and bad, in both directions."""
import pytest

from programs import settings, show

KINDS = {"p256": "ecdsa_secp256r1_sha256", "p384": "ecdsa_secp384r1_sha384", "ed25519": "ed25519",
         "rsa": "rsa_pss_rsae_sha256", "rsa-pss": "rsa_pss_pss_sha256"}
pytestmark = pytest.mark.versions("1.3", "1.2")

NO_RSA_PSS = pytest.mark.na("mbedTLS and wolfSSL do not use keys that are for RSA-PSS only",
                            peer=("mbedTLS", "wolfSSL"), kind="rsa-pss")
NO_PSS_IMPORT = "NSS verifies with keys that are for RSA-PSS only, and does not import their private ones"
NO_ED25519 = "NSS and mbedTLS have no Ed25519 in TLS"
BAD_CERTIFICATE, UNSUPPORTED, REVOKED, EXPIRED, UNKNOWN_CA = 42, 43, 44, 45, 48
REQUIRED, HANDSHAKE_FAILURE, DECODE_ERROR = 116, 40, 50
# What a certificate-related refusal by the peer may look like.
CERTIFICATE_ALERTS = (40, 42, 43, 44, 45, 46, 48)

BAD_SERVERS = {
    "wrong-ca": ("CERT_UNKNOWN_ISSUER", UNKNOWN_CA),
    "self-signed": ("CERT_SELF_SIGNED", UNKNOWN_CA),
    "expired": ("CERT_EXPIRED", EXPIRED),
    "future": ("CERT_NOT_YET_VALID", EXPIRED),
    "wrong-name": ("CERT_NAME_MISMATCH", BAD_CERTIFICATE),
    "wrong-eku": ("CERT_WRONG_USAGE", UNSUPPORTED),
    "revoked": ("CERT_REVOKED", REVOKED),
}
BAD_CLIENTS = {
    "client-wrong-ca": ("CERT_UNKNOWN_ISSUER", UNKNOWN_CA),
    "client-expired": ("CERT_EXPIRED", EXPIRED),
    "client-wrong-eku": ("CERT_WRONG_USAGE", UNSUPPORTED),
    "client-revoked": ("CERT_REVOKED", REVOKED),
}


def pss(link, kind):
    """NSS knows keys that are for RSA-PSS only when it is told to."""
    return ["--pss-keys"] if kind.endswith("rsa-pss") and link.library == "NSS" else []


def crl(link, kind):
    return ["--crl", link.pki.crl()] if "revoked" in kind else []


def check_signature(link, mine, kind):
    signature = mine["info"]["signature"]
    # In TLS 1.2 the hash does not follow from the curve, and RSA may be PKCS #1.
    same = signature.split("_")[0] == KINDS[kind].split("_")[0] and "sha1" not in signature
    assert same if link.version == "1.2" else signature == KINDS[kind], show(mine)
    assert mine["info"]["peer_authenticated"]


@pytest.mark.row("server certificate {kind}")
@pytest.mark.na(NO_ED25519, peer=("NSS", "mbedTLS"), kind="ed25519")
@NO_RSA_PSS
@pytest.mark.na(NO_PSS_IMPORT, peer="NSS", role="client", kind="rsa-pss")
@pytest.mark.parametrize("kind", KINDS)
def test_server_certificate(link, kind):
    mine, yours = link.talk(link.pkcs1(kind), pss(link, kind), cert=kind)
    if link.role == "client":
        check_signature(link, mine, kind)
        assert len(mine["info"]["peer_chain"]) == 1
    else:
        assert yours.peer_cert


@pytest.mark.row("an RSA key signs with SHA-{bits}")
@pytest.mark.na("it is the client that verifies", role="server")
@pytest.mark.na("in TLS 1.2 mbedTLS signs with PKCS #1 only", peer="mbedTLS", version="1.2")
@pytest.mark.parametrize("bits", [384, 512])
def test_rsa_hash(link, bits):
    algorithm = "rsa_pss_rsae_sha%d" % bits
    mine, _ = link.talk(settings(signatureAlgorithm=algorithm), cert="rsa")
    assert mine["info"]["signature"] == algorithm, show(mine)


@pytest.mark.row("server certificate below an intermediate")
def test_chain(link):
    mine, _ = link.talk(cert="chain")
    if link.role == "client":
        assert len(mine["info"]["peer_chain"]) == 2


@pytest.mark.row("server certificate of 36 KiB")
@pytest.mark.na("wolfSSL takes no message of more than 18 KiB", peer="wolfSSL", role="server")
@pytest.mark.na("mbedTLS takes and makes no message of more than 16 KiB", peer="mbedTLS")
def test_huge(link):
    link.talk(cert="huge")


@pytest.mark.row("valid CRL, certificate not revoked")
def test_crl_good(link):
    checking = ["--crl", link.pki.crl()]
    link.talk(checking if link.role == "client" else (), checking if link.role == "server" else ())


@pytest.mark.row("server certificate refused: {kind}")
@pytest.mark.na("a mbedTLS server does not use a certificate for clients", peer="mbedTLS",
                role="client", kind="wrong-eku")
@pytest.mark.parametrize("kind", BAD_SERVERS)
def test_bad_server(link, kind):
    reason, alert = BAD_SERVERS[kind]
    if link.role == "client":
        link.we_refuse(reason, alert, cert=kind, ours=crl(link, kind))
    else:
        link.they_refuse(CERTIFICATE_ALERTS, cert=kind, theirs=crl(link, kind))


# ---- client certificates ---------------------------------------------------------------------


def mutual(link, kind, ask, more=()):
    """Flags for both sides: the server asks ('request', 'require'), the client has `kind`."""
    identity = link.identity(kind) if kind else []
    if link.role == "client":
        return identity, [["--ca", link.pki.ca, "--auth", ask], more]
    asking = settings(**{"requestClient" if ask == "request" else "requireClient": True})
    return [asking, "--ca", link.pki.ca, more], identity


def client_refused(link, alerts, ours, theirs):
    """A mbedTLS 3.6 server writes this alert with keys that it has replaced with its Finished."""
    if link.library == "mbedTLS" and link.version == "1.3":
        mine, yours = link.refused(ours=ours, theirs=theirs)
        assert mine.origin == "local" and mine.alert == 20 and not yours.handshake, show(mine, yours)
    else:
        link.they_refuse(alerts, ours=ours, theirs=theirs)


@pytest.mark.row("client certificate required: {kind}")
@pytest.mark.na(NO_ED25519, peer=("NSS", "mbedTLS"), kind="ed25519")
@pytest.mark.na("with an ECDSA suite a wolfSSL server asks for ECDSA certificates only",
                peer="wolfSSL", role="client", version="1.2", kind="rsa")
@NO_RSA_PSS
@pytest.mark.na(NO_PSS_IMPORT, peer="NSS", role="server", kind="rsa-pss")
@pytest.mark.parametrize("kind", KINDS)
def test_client_certificate(link, kind):
    ours, theirs = mutual(link, "client-" + kind, "require")
    mine, yours = link.talk([ours, link.pkcs1(kind)], [theirs, pss(link, kind)])
    if link.role == "server":
        check_signature(link, mine, kind)
    else:
        assert yours.peer_cert


@pytest.mark.row("client certificate requested and given")
def test_client_requested(link):
    ours, theirs = mutual(link, "client-p256", "request")
    mine, yours = link.talk(ours, theirs)
    assert mine["info"]["peer_authenticated"] if link.role == "server" else yours.peer_cert


@pytest.mark.row("client certificate requested, none given")
def test_client_absent(link):
    ours, theirs = mutual(link, None, "request")
    mine, yours = link.talk(ours, theirs)
    assert not (mine["info"]["peer_authenticated"] if link.role == "server" else yours.peer_cert)


@pytest.mark.row("client certificate required, none given: refused")
def test_client_missing(link):
    ours, theirs = mutual(link, None, "require")
    if link.role == "server":
        alert = REQUIRED if link.version == "1.3" else HANDSHAKE_FAILURE
        link.we_refuse("CERT_MISSING", alert, ours=ours, theirs=theirs)
    elif link.version == "1.2" and link.library in ("wolfSSL", "mbedTLS"):
        mine, _ = link.refused(ours=ours, theirs=theirs)  # some without an alert
        assert mine.origin in ("peer", "network"), show(mine)
    else:
        client_refused(link, (REQUIRED, BAD_CERTIFICATE, HANDSHAKE_FAILURE, DECODE_ERROR), ours,
                       theirs)


@pytest.mark.row("client certificate refused: {kind}")
@pytest.mark.parametrize("kind", BAD_CLIENTS)
def test_bad_client(link, kind):
    reason, alert = BAD_CLIENTS[kind]
    ours, theirs = mutual(link, kind, "require", crl(link, kind))
    if link.role == "server":
        link.we_refuse(reason, alert, ours=ours, theirs=theirs)
    else:
        client_refused(link, CERTIFICATE_ALERTS, ours, theirs)


# ---- delegation --------------------------------------------------------------------------------


def delegated(link, verdict):
    if link.role == "client":
        return dict(ours=["--delegate", verdict], cert="wrong-ca")
    ours, theirs = mutual(link, "client-wrong-ca", "require")
    return dict(ours=[ours, "--delegate", verdict], theirs=theirs)


@pytest.mark.row("validation delegated, accepted")
def test_delegate_accept(link):
    mine, _ = link.talk(**delegated(link, "accept"))
    assert mine["counts"]["validate-peer"] == 1 and mine["info"]["peer_authenticated"]


@pytest.mark.row("validation delegated, refused")
def test_delegate_refuse(link):
    mine, yours = link.refused(**delegated(link, "refuse"))
    assert (mine.origin, mine.reason) == ("local", "CERT_REJECTED"), show(mine)
    assert yours.alert_in == mine.alert and mine.alert in CERTIFICATE_ALERTS, show(mine, yours)


@pytest.mark.row("signature made outside the engine: {kind}")
@pytest.mark.na("with an ECDSA suite a wolfSSL server asks for ECDSA certificates only",
                peer="wolfSSL", role="client", version="1.2", kind="rsa")
@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_external_signature(link, kind):
    if link.role == "server":
        cert = link.pki(kind)
        ours, theirs, server = ["--external-cert", cert.chain, "--external-key", cert.key], (), None
    else:
        cert = link.pki("client-" + kind)
        ours, theirs = mutual(link, None, "require")
        ours, server = ["--external-cert", cert.chain, "--external-key", cert.key], "p256"
    mine, _ = link.talk([ours, link.pkcs1(kind)], theirs, cert=server)
    assert mine["counts"]["want-identity"] == 1
