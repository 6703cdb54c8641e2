# SPDX-License-Identifier: Apache-2.0
"""A client that is asked for its certificate once connected (RFC 8446 §4.6.2)."""
import pytest

from programs import script, settings, show

NO_LATER = pytest.mark.na("mbedTLS has no authentication after the handshake", peer="mbedTLS")
pytestmark = [NO_LATER]
LATER = settings(postHandshakeAuth=True)


def ask(link, ours, theirs, end="close"):
    """The server asks, then sends; the client answers and sends back. Both sides' reports."""
    small = link.data["small"]
    ca = ["--ca", link.pki.ca]
    if link.role == "client":
        ours = [ours, LATER, "--echo", "--finish", "half"]
        theirs = [theirs, ca, "--later", script("request", "send:%s" % small.path,
                                                "wait:%d" % small.size, "final", "waitfinal")]
    else:
        ours = [ours, ca, "--request-later", "--send", small.path, "--receive", small.size,
                "--finish", "wait"]
        theirs = [theirs, "--later", script("wait:%d" % small.size, "send:%s" % small.path,
                                            end)]
    return link.connect(ours, theirs)


def flags(link, kind):
    """`kind` is the client's certificate, or None: (our flags, the peer's)."""
    identity = link.identity(kind) if kind else []
    return (identity, ()) if link.role == "client" else ((), identity)


@pytest.mark.row("client asked for its certificate once connected: {kind}")
@pytest.mark.na("NSS has no Ed25519 in TLS", peer="NSS", kind="ed25519")
@pytest.mark.parametrize("kind", ["p256", "rsa", "ed25519"])
def test_later(link, kind):
    mine, yours = ask(link, *flags(link, "client-" + kind))
    link.check_good(mine[0], yours[0], link.data["small"])
    if link.role == "client":
        assert yours[0].later and not yours[0].peer_cert, show(mine, yours)
    else:
        assert mine[0]["info"]["accepted_later"], show(mine, yours)
        assert mine[0]["info"]["peer_authenticated"], show(mine, yours)


@pytest.mark.row("client asked once connected, has none: data goes on")
def test_later_none(link):
    mine, yours = ask(link, *flags(link, None))
    link.check_good(mine[0], yours[0], link.data["small"])
    if link.role == "client":
        assert not yours[0].later, show(mine, yours)
    else:
        assert mine[0]["counts"]["peer-authenticated"] == 1, show(mine, yours)
        assert not mine[0]["info"]["accepted_later"], show(mine, yours)


@pytest.mark.row("client asked once connected, shows a bad certificate: refused")
def test_later_bad(link):
    mine, yours = ask(link, *flags(link, "client-wrong-ca"), end="waitfinal")
    if link.role == "client":
        assert (mine[0].origin, mine[0].alert) == ("peer", yours[0].alert_out), show(mine, yours)
        assert yours[0].error, show(mine, yours)
    else:
        assert mine[0].reason == "CERT_UNKNOWN_ISSUER", show(mine, yours)
        assert yours[0].alert_in == 48, show(mine, yours)


@pytest.mark.row("client that did not offer it cannot be asked once connected")
def test_later_not_offered(link):
    small = link.data["small"]
    if link.role == "server":
        ours, theirs = link.exchange()
        server = link.driver("--port", 0, link.server_flags(), ours)
        client = link.other("--port", server.port(), link.client_flags(), theirs)
        mine, yours = server.report(), client.report()
        assert not mine["info"]["post_handshake_auth"], show(mine, yours)
        return
    ours = ["--receive", 0, "--finish", "wait"]
    theirs = ["--ca", link.pki.ca, "--later", script("request", "send:%s" % small.path, "close")]
    mine, yours = link.connect(ours, theirs)
    assert yours[0].handshake and yours[0].error, show(mine, yours)
