# SPDX-License-Identifier: Apache-2.0
"""Keys in a PKCS #11 token: a software one (softhsm2), for every kind of key."""

import os
import shutil
import subprocess

import pytest

from test_cli import keygen, listener, run

MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
MODULE = next((m for m in MODULES if os.path.exists(m)), None)
PIN = "4711"
KINDS = ["p256", "p384", "rsa2048", "ed25519"]

pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None,
    reason="PEER MISSING: softhsm2 is not installed")


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A folder with a token `web` that holds a key of every kind, and their certificates."""
    where = tmp_path_factory.mktemp("token")
    (where / "tokens").mkdir()
    (where / "softhsm2.conf").write_text(f"directories.tokendir = {where}/tokens\n")
    (where / "pin").write_text(PIN + "\n")
    os.environ["SOFTHSM2_CONF"] = str(where / "softhsm2.conf")
    softhsm(where, "--init-token", "--free", "--label", "web", "--pin", PIN, "--so-pin", "1234")
    keygen(where, "ca", "--ca", "--name", "Test CA")
    for number, kind in enumerate(KINDS, 1):
        keygen(where, kind, "--issuer", "ca", "--host", "localhost", "--host", "127.0.0.1",
               "--type", kind)
        softhsm(where, "--import", f"{kind}.key", "--token", "web", "--label", kind,
                "--id", f"{number:02x}", "--pin", PIN)
        (where / f"{kind}.key").unlink()
    yield where
    del os.environ["SOFTHSM2_CONF"]


def softhsm(where, *arguments):
    done = subprocess.run(["softhsm2-util", *arguments], cwd=where, capture_output=True,
                          timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def uri(kind, pin="pin-source=pin"):
    return f"pkcs11:token=web;object={kind}?module-path={MODULE}&{pin}"


@pytest.mark.parametrize("kind", KINDS)
def test_server_key_in_token(token, kind):
    with listener(token, "--cert", f"{kind}.pem", "--key", uri(kind), cert=None) as it:
        done = run("connect", it.url, "--ca", "ca.pem", data=b"hello", cwd=token)
        assert done.returncode == 0, done.stderr.decode()
        assert it.stop()[0] == b"hello"


def test_client_key_in_token(token):
    with listener(token, "--cert", "p256.pem", "--key", uri("p256"), "--client-ca", "ca.pem",
                  "--require-client", cert=None) as it:
        done = run("connect", it.url, "--ca", "ca.pem", "--cert", "p384.pem", "--key",
                   uri("p384", "pin-value=" + PIN), data=b"me", cwd=token)
        assert done.returncode == 0, done.stderr.decode()
        assert it.stop()[0] == b"me"


@pytest.mark.parametrize("cert, key, says", [
    ("p256.pem", uri("p256", "pin-value=0000"), "PIN"),
    ("p256.pem", uri("p256", "pin-source=absent"), "absent"),
    ("p256.pem", uri("nothing"), "none that fits"),
    ("p256.pem", f"pkcs11:token=web?module-path={MODULE}&pin-source=pin", "several"),
    ("p256.pem", f"pkcs11:token=other?module-path={MODULE}", "none fits"),
    ("p256.pem", "pkcs11:token=web?module-path=absent.so", "absent.so"),
    ("p384.pem", uri("p256"), "does not"),
    ("p256.pem", "pkcs11:%zz", "URI"),
    ("absent.pem", uri("p256"), "absent.pem"),
])
def test_refusals(token, cert, key, says):
    done = run("listen", "tls://127.0.0.1:0", "--cert", cert, "--key", key, cwd=token)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert says in done.stderr.decode(), done.stderr.decode()
    assert PIN not in done.stderr.decode()
