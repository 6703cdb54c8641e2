# SPDX-License-Identifier: Apache-2.0
"""Extensions that not every library has: raw public keys, OCSP, compression, limits on records."""
import pytest

from programs import settings, show

pytestmark = pytest.mark.versions("1.3", "1.2")

NO_RAW = pytest.mark.na("no raw public keys in this release",
                        peer=("OpenSSL 3.0", "wolfSSL 5.5", "NSS", "mbedTLS"))
NO_STATUS = pytest.mark.na("mbedTLS has no OCSP; Debian's wolfSSL checks its own responses only",
                           peer=("mbedTLS", "wolfSSL"))
NO_COMPRESSION = pytest.mark.na(
    "no certificate compression in this release, or Debian builds it without",
    peer=("OpenSSL 3.0", "GnuTLS", "wolfSSL", "NSS 3.87", "mbedTLS"))
BAD_CERTIFICATE, UNKNOWN_CA = 42, 48
ONLY_13 = pytest.mark.na("TLS 1.2 has no compressed certificates (RFC 8879 §3)", version="1.2")


# ---- raw public keys (RFC 7250) -----------------------------------------------------------------


def raw(link, server, client=None, mine=True):
    """Flags for both: the server shows a raw key, the client too if it is named."""
    ours, theirs = [], []

    def show_key(flags, who, is_ours):
        key, pem, der = link.pki.raw_key(who)
        flags += ["--raw-key", key] if is_ours else ["--raw-key", pem, "--raw-key-der", der,
                                                     "--key", key]

    def trust(flags, who, is_ours):
        _, pem, der = link.pki.raw_key(who)
        flags += ["--peer-raw-key", pem] if is_ours else ["--peer-key", der]

    we_serve = link.role == "server"
    show_key(ours if we_serve else theirs, server, we_serve)
    trust(theirs if we_serve else ours, server if mine else "nobody", not we_serve)
    if client:
        show_key(theirs if we_serve else ours, client, not we_serve)
        trust(ours if we_serve else theirs, client, we_serve)
        if we_serve:
            ours += settings(requireClient=True)
        else:
            theirs += ["--auth", "require"]
    return ours, theirs


@pytest.mark.row("raw public key of the server")
@NO_RAW
def test_raw_server(link):
    mine, yours = link.talk(*raw(link, "one"), cert=None, trust=False)
    assert mine["info"]["raw_key"] if link.role == "client" else yours.raw_key, show(mine, yours)


@pytest.mark.row("raw public keys of both")
@NO_RAW
def test_raw_both(link):
    mine, yours = link.talk(*raw(link, "one", "two"), cert=None, trust=False)
    assert mine["info"]["raw_key"] and yours.raw_key and mine["info"]["peer_authenticated"]


@pytest.mark.row("another raw public key than the trusted one: refused")
@NO_RAW
def test_raw_wrong(link):
    ours, theirs = raw(link, "one", mine=False)
    mine, yours = link.refused(ours=ours, theirs=theirs, cert=None, trust=False)
    assert mine.origin == ("local" if link.role == "client" else "peer"), show(mine, yours)
    if link.role == "client":
        assert mine.reason == "CERT_KEY_UNKNOWN", show(mine)


# ---- OCSP responses (RFC 6066 §8, RFC 8446 §4.4.2.1) -----------------------------------------------


@pytest.mark.row("OCSP response with the certificate")
@NO_STATUS
def test_ocsp(link):
    response = link.pki.ocsp("p256")
    if link.role == "client":
        mine, _ = link.talk(settings(requireStatus=True), ["--staple", response])
        assert mine["info"]["status_good"]
    else:
        _, yours = link.talk(["--ocsp", response], ["--want-status"])
        assert yours.status, show(yours)


@pytest.mark.row("OCSP response says revoked: refused")
@pytest.mark.na("the peers' own judgement of a response is not ours to test", role="server")
@pytest.mark.na("a GnuTLS server does not take such a response", peer="GnuTLS")
@NO_STATUS
def test_ocsp_revoked(link):
    mine, _ = link.refused(theirs=["--staple", link.pki.ocsp("revoked")], cert="revoked")
    assert (mine.origin, mine.reason) == ("local", "CERT_REVOKED"), show(mine)


@pytest.mark.row("OCSP response required, none comes: refused")
@pytest.mark.na("it is the client that requires it", role="server")
def test_ocsp_missing(link):
    mine, _ = link.refused(ours=settings(requireStatus=True))
    assert (mine.origin, mine.reason) == ("local", "CERT_STATUS_PROBLEM"), show(mine)


# ---- certificate compression (RFC 8879) ------------------------------------------------------------


@pytest.mark.row("certificate compressed with {algorithm}")
@ONLY_13
@NO_COMPRESSION
@pytest.mark.parametrize("algorithm", ["zlib", "zstd"])
def test_compressed(link, algorithm):
    ours = settings(certificateCompression=algorithm)
    mine, _ = link.talk(ours, ["--compress", algorithm], cert="huge")
    if link.role == "client":
        assert mine["info"]["compression"] == algorithm, show(mine)


# ---- limits on records -------------------------------------------------------------------------------


@pytest.mark.row("record_size_limit here (512)")
def test_record_limit_ours(link):
    link.talk(settings(recordSizeLimit=512), data=link.data["medium"])


@pytest.mark.row("record_size_limit at the peer (600)")
@pytest.mark.na("of the peers only GnuTLS and NSS have record_size_limit",
                peer=("OpenSSL", "wolfSSL", "mbedTLS"))
def test_record_limit_theirs(link):
    link.talk((), ["--record-size-limit", 600], data=link.data["medium"])


@pytest.mark.row("max_fragment_length offered here (1024)")
@pytest.mark.na("it is the client that asks", role="server")
@pytest.mark.na("NSS has no max_fragment_length", peer="NSS")
def test_fragment_ours(link):
    link.talk(settings(maxFragmentLength=1024), data=link.data["medium"])


@pytest.mark.row("max_fragment_length offered by the peer (512)")
@pytest.mark.na("it is the client that asks", role="client")
@pytest.mark.na("NSS has no max_fragment_length; GnuTLS offers record_size_limit with it, which wins",
                peer=("NSS", "GnuTLS"))
@pytest.mark.na("mbedTLS 2.28 takes no handshake message in several records", peer="mbedTLS 2.28")
def test_fragment_theirs(link):
    link.talk((), ["--max-fragment-length", 512], data=link.data["medium"])
