# SPDX-License-Identifier: Apache-2.0
"""ALPN and SNI."""
import pytest

from pki import NAME
from programs import settings, show

pytestmark = pytest.mark.versions("1.3", "1.2")

NO_APPLICATION_PROTOCOL, UNRECOGNIZED_NAME = 120, 112


@pytest.mark.row("ALPN agreed")
def test_alpn(link):
    mine, yours = link.talk(["--alpn", "h2", "--alpn", "http/1.1"], ["--alpn", "http/1.1"])
    assert mine["info"]["alpn"] == "http/1.1" and yours.alpn == "http/1.1"


@pytest.mark.row("ALPN: the server's order decides")
@pytest.mark.na("the choice is the server's", role="client")
def test_alpn_order(link):
    mine, yours = link.talk(["--alpn", "one", "--alpn", "two"], ["--alpn", "two", "--alpn", "one"])
    assert mine["info"]["alpn"] == "one" and yours.alpn == "one"


@pytest.mark.row("ALPN offered to a server that has none")
def test_alpn_one_sided(link):
    flag = ["--alpn", "h2"]
    mine, yours = link.talk(flag if link.role == "client" else (),
                            flag if link.role == "server" else ())
    assert mine["info"]["alpn"] is None


@pytest.mark.row("ALPN without a common protocol: refused")
def test_alpn_mismatch(link):
    ours, theirs = ["--alpn", "h2"], ["--alpn", "other"]
    if link.role == "server":
        link.we_refuse("NO_SHARED_PARAMETERS", NO_APPLICATION_PROTOCOL, ours=ours, theirs=theirs)
    else:
        link.they_refuse((NO_APPLICATION_PROTOCOL,), ours=ours, theirs=theirs)


@pytest.mark.row("SNI arrives")
def test_sni(link):
    mine, yours = link.talk()
    assert (mine["info"]["server_name"] if link.role == "server" else yours.sni) == NAME


@pytest.mark.row("SNI refused by the server")
def test_sni_refused(link):
    if link.role == "client":
        link.they_refuse((UNRECOGNIZED_NAME,), theirs=["--sni-expect", "other.test"])
    else:
        link.we_refuse("UNKNOWN_NAME", UNRECOGNIZED_NAME, ours=settings(requireKnownName=True),
                       cert="wrong-name")


@pytest.mark.row("ClientHello padded to a multiple of 512 (RFC 7685)")
@pytest.mark.na("it is the client that pads", role="server")
def test_hello_padding(link):
    link.talk(settings(helloPadding=512))


@pytest.mark.row("names of the authorities with the request for a certificate")
@pytest.mark.na("in a peer's request they are in every row with one", role="client")
def test_authorities(link):
    """RFC 8446 §4.2.4: a client that looks at them finds its own certificate's among them."""
    mine, _ = link.talk([settings(requireClient=True, sendAuthorities=True), "--ca", link.pki.ca],
                        link.identity("client-p256"))
    assert mine["info"]["peer_authenticated"], show(mine)


@pytest.mark.row("SNI chooses among certificates")
@pytest.mark.na("the choice is the server's", role="client")
def test_sni_chooses(link):
    mine, _ = link.talk(link.identity("wrong-name"), name="elsewhere.test")
    assert mine["info"]["server_name"] == "elsewhere.test"
