# SPDX-License-Identifier: Apache-2.0
"""Encrypted ClientHello (RFC 9849) with the libraries that have it in a Debian release, NSS and wolfSSL.
Ennead runs with Debian 13's libcrypto, which has HPKE. Each side makes its own keys and configurations."""
import base64
import re
import subprocess
from pathlib import Path

import pytest

from pki import NAME, PUBLIC_NAME
from programs import PROGRAMS, newer, settings, show

ENNEAD = PROGRAMS.parent.parent / "cli" / "ennead"
ECH_REQUIRED = 121
pytestmark = [pytest.mark.na("the release has no Encrypted ClientHello",
                             peer=("OpenSSL", "GnuTLS", "wolfSSL 5.5", "mbedTLS"))]


NO_OUTER_EXTENSIONS = pytest.mark.na(
    "a wolfSSL 5.7 server takes no ech_outer_extensions (RFC 9849 §5.1), from NSS neither",
    peer="wolfSSL", role="client")
NOT_TOLD = pytest.mark.na("a wolfSSL 5.7 client does not notice that it was refused",
                          peer="wolfSSL", role="server")


def make_key(link, name):
    """A key of ours: the PEM file for a server, the list for clients."""
    key, config = link.tmp / (name + ".key"), link.tmp / (name + ".ech")
    subprocess.run(newer(ENNEAD) + ["keygen", "ech", "--name", PUBLIC_NAME, "--out", str(key)],
                   check=True, capture_output=True, timeout=30)
    block = re.search("-----BEGIN ECHCONFIG-----(.*?)-----END", key.read_text(), re.S).group(1)
    config.write_bytes(base64.b64decode(block))
    return key, config


class Hidden:
    """Flags for both sides: the server's key is made by whoever serves, and its list is `config`."""

    def __init__(self, link):
        link.use_newer()
        self.link = link
        if link.role == "server":
            key, self.config = make_key(link, "server")
            self.server = ["--ech-key", key]
        else:
            self.config = link.tmp / "nss.ech"
            self.server = ["--ech-name", PUBLIC_NAME, "--ech-out", self.config]

    def flags(self, client, more_ours=(), more_theirs=()):
        if self.link.role == "server":
            return [self.server, more_ours], [client, more_theirs]
        return [client, more_ours], [self.server, more_theirs]


def check_hidden(link, mine, yours):
    # wolfSSL does not tell its application.
    assert mine["info"]["ech"] and (yours.ech or link.library == "wolfSSL"), show(mine, yours)
    name = mine["info"]["server_name"] if link.role == "server" else yours.sni
    assert name == NAME, show(mine, yours)


@pytest.mark.row("ClientHello encrypted")
@NO_OUTER_EXTENSIONS
def test_accepted(link):
    hidden = Hidden(link)
    ours, theirs = hidden.flags(["--ech", hidden.config])
    mine, yours = link.talk(ours, theirs, cert="ech")
    check_hidden(link, mine, yours)


@pytest.mark.row("ClientHello encrypted, HelloRetryRequest")
@NO_OUTER_EXTENSIONS
@pytest.mark.na("the second hello of a wolfSSL 5.7 client does not continue the first, to NSS neither",
                peer="wolfSSL", role="server")
def test_retry(link):
    hidden = Hidden(link)
    if link.role == "server":
        ours, theirs = settings(supportedGroup="P-384"), ["--group", "X25519", "--group", "P-384",
                                                          "--shares", 1]
    else:
        ours, theirs = settings(supportedGroup="X25519:P-384", keyShares=1), ["--group", "P-384"]
    ours, theirs = hidden.flags(["--ech", hidden.config], ours, theirs)
    mine, yours = link.talk(ours, theirs, cert="ech")
    check_hidden(link, mine, yours)
    assert mine["info"]["hello_retry"], show(mine)


@pytest.mark.row("ClientHello encrypted, client certificate and ALPN inside")
@NO_OUTER_EXTENSIONS
def test_mutual(link):
    hidden = Hidden(link)
    ours, theirs = ["--alpn", "hidden/1"], ["--alpn", "hidden/1"]
    identity, ca = link.identity("client-p256"), ["--ca", link.pki.ca]
    if link.role == "server":
        ours, theirs = [ours, ca, settings(requireClient=True)], [theirs, identity]
    else:
        ours, theirs = [ours, identity], [theirs, ca, "--auth", "require"]
    ours, theirs = hidden.flags(["--ech", hidden.config], ours, theirs)
    mine, yours = link.talk(ours, theirs, cert="ech")
    check_hidden(link, mine, yours)
    assert mine["info"]["alpn"] == yours.alpn == "hidden/1", show(mine, yours)


@pytest.mark.row("ClientHello encrypted, resumption")
@NO_OUTER_EXTENSIONS
@pytest.mark.na("a wolfSSL 5.7 client that resumes with an encrypted hello dies, with NSS too",
                peer="wolfSSL", role="server")
def test_resumed(link):
    hidden = Hidden(link)
    link.server_flags = lambda kind="p256": link.identity("ech")
    mine, yours = link.twice(*hidden.flags(["--ech", hidden.config]))
    for report in zip(mine, yours):
        link.check_good(*report, link.data["small"])
        check_hidden(link, *report)
    assert mine[1]["info"]["resumed"] and yours[1].resumed, show(mine, yours)


@pytest.mark.row("ClientHello encrypted, 0-RTT")
@pytest.mark.na("Debian's wolfSSL is built without early data", peer="wolfSSL")
def test_early(link):
    hidden = Hidden(link)
    link.server_flags = lambda kind="p256": link.identity("ech")
    early = ["--early", link.data["early"].path]
    on = settings(earlyData=True)
    if link.role == "server":
        ours, theirs = hidden.flags(["--ech", hidden.config], on, early)
        mine, yours = link.twice(ours, theirs)
    else:
        ours, theirs = hidden.flags(["--ech", hidden.config], on, ["--early-max", 16384])
        mine, yours = link.twice(ours, theirs, early)
    check_hidden(link, mine[1], yours[1])
    assert mine[1].result == "closed" and mine[1]["info"]["early_data"] == "accepted", show(mine)
    receiver = yours[1] if link.role == "client" else mine[1]
    assert receiver.bytes_in_early == link.data["early"].size, show(mine, yours)


@pytest.mark.row("ClientHello encrypted with a key that the server does not have: retry, with its list")
@NO_OUTER_EXTENSIONS
@NOT_TOLD
def test_wrong_key(link):
    """RFC 9849 §6.1.6: the client is refused, given the right list, and gets through with it."""
    hidden = Hidden(link)
    _, wrong = make_key(link, "wrong")
    given = link.tmp / "given.ech"
    client = ["--ech", wrong, "--ech-retry-out", given]
    mine, yours = link.refused(*hidden.flags(client), cert="ech")
    if link.role == "client":
        assert (mine.reason, mine.origin, mine.alert) == ("ECH_REFUSED", "local", ECH_REQUIRED)
        assert yours.alert_in == ECH_REQUIRED, show(mine, yours)
    else:
        assert (mine.origin, mine.alert) == ("peer", ECH_REQUIRED), show(mine, yours)
        assert "SSL_ERROR_ECH_RETRY_WITH_ECH" in yours.error, show(mine, yours)
    if link.role == "server":  # an NSS server makes a key for each run, so its list has gone with it
        assert given.read_bytes() == hidden.config.read_bytes()
    assert Path(given).stat().st_size > 50
    again = Hidden(link) if link.role == "client" else hidden
    config = again.config if link.role == "client" else given
    mine, yours = link.talk(*again.flags(["--ech", config]), cert="ech")
    check_hidden(link, mine, yours)


@pytest.mark.row("ClientHello encrypted for a server that knows nothing of it: no retry")
@NOT_TOLD
def test_no_ech_there(link):
    link.use_newer()
    _, config = make_key(link, "wrong")
    client = ["--ech", config]
    if link.role == "client":
        mine, yours = link.refused(client, (), cert="ech")
        assert (mine.reason, mine.alert) == ("ECH_REFUSED", ECH_REQUIRED), show(mine, yours)
    else:
        mine, yours = link.refused((), client, cert="ech")
        assert (mine.origin, mine.alert) == ("peer", ECH_REQUIRED), show(mine, yours)
        assert "SSL_ERROR_ECH_RETRY_WITHOUT_ECH" in yours.error, show(mine, yours)


@pytest.mark.row("ClientHello encrypted, refused, and the public name is not proved: failure")
@pytest.mark.na("NSS leaves it to its application to compare the public name", role="server")
def test_public_name(link):
    """RFC 9849 §6.1.7: an ordinary refusal of the certificate; what came as a list is not used."""
    hidden = Hidden(link)
    _, wrong = make_key(link, "wrong")
    given = link.tmp / "given.ech"
    mine, yours = link.refused(*hidden.flags(["--ech", wrong, "--ech-retry-out", given]),
                               cert="p256")
    assert mine.reason == "CERT_NAME_MISMATCH", show(mine, yours)
    assert not given.exists()


@pytest.mark.row("GREASE for Encrypted ClientHello, {who}")
@pytest.mark.parametrize("who", ["the server has a key", "the server has none"])
@pytest.mark.na("wolfSSL cannot be told to send it", peer="wolfSSL", role="server")
def test_grease(link, who):
    hidden = Hidden(link)
    client = settings(echGrease=True) if link.role == "client" else ["--ech-grease"]
    ours, theirs = hidden.flags(client)
    if "none" in who:
        ours, theirs = (client, ()) if link.role == "client" else ((), client)
    mine, yours = link.talk(ours, theirs, cert="ech")
    assert not mine["info"]["ech"] and not yours.ech, show(mine, yours)
