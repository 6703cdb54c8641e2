# SPDX-License-Identifier: Apache-2.0
"""-v: the chain that was shown, and why things were decided as they were."""

import json
import os
import subprocess

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("reasons")

    def keygen(out, *arguments):
        subprocess.run([ENNEAD, "keygen", "--out", out, *arguments], cwd=where, check=True,
                       stdout=subprocess.DEVNULL)
    keygen("ca", "--ca", "--name", "Test CA")
    keygen("server", "--issuer", "ca", "--host", "localhost", "--server")
    keygen("rsa", "--issuer", "ca", "--host", "other.example", "--server", "--type", "rsa2048")
    (where / "early").write_text("early")
    return where


class Listener:
    def __init__(self, pki, *arguments):
        self.process = subprocess.Popen(
            [ENNEAD, "listen", "tls://127.0.0.1:0", "--cert", "rsa.pem", "--key", "rsa.key", "--cert",
             "server.pem", "--key", "server.key", "--echo", "--keep", "--json", "-v", *arguments],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=pki, text=True)
        self.port = json.loads(self.process.stderr.readline())["port"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.reasons()
        self.process.stderr.close()

    def reasons(self):
        self.process.terminate()
        lines = self.process.stderr.read().splitlines()
        self.process.wait()
        return reasons(lines)


def reasons(lines):
    return [e["text"] for e in map(json.loads, lines) if e["event"] == "reason"]


def connect(pki, it, *arguments, trust=("--ca", "ca.pem")):
    done = subprocess.run([ENNEAD, "connect", f"tls://localhost:{it.port}", "-4", "--json", "-v",
                           *trust, *arguments], cwd=pki, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    return reasons(done.stderr.splitlines())


def says(lines, *words):
    return any(all(word in line for word in words) for line in lines)


def test_choices(pki):
    suites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
    with Listener(pki, "--ciphers", suites, "--groups", "P-384:P-256", "--alpn", "a") as it:
        client = connect(pki, it, "--groups", "X25519:P-256:P-384")
        server = it.reasons()
    assert says(client, "TLS_AES_256_GCM_SHA384: the server's choice, number 2 of our")
    assert says(client, "P-384: the server's choice, number 3 of our 3")
    assert says(client, "asked for a key share of P-384")
    assert says(server, "TLS_AES_256_GCM_SHA384: number 1 of the 2 suites", "our order")
    assert says(server, "P-384", "no key share came", "HelloRetryRequest")
    assert says(server, "P-384: the client followed")
    assert says(server, "credential 2 with ecdsa_secp256r1_sha256: is for the name")
    assert says(server, "no application protocol: the client offers none")


def test_no_name_fits(pki):
    with Listener(pki) as it:
        connect(pki, it, "--name", "third.example")
        assert says(it.reasons(), "credential 1", "none is for the name")


def test_why_a_session_is_not_offered(pki):
    session = ("--session-file", str(pki / "session"))
    with Listener(pki) as it:
        assert not says(connect(pki, it, *session), "session")
        assert says(connect(pki, it, *session, "--groups", "P-256"), "P-256")
        assert says(connect(pki, it, *session, "-o", "checkRevocation=true"),
                    "the session is not offered: it was made under other rules")
        assert says(connect(pki, it, *session, "--name", "other.example"),
                    "the session is not offered: it is for another name")


def test_why_a_session_is_refused(pki):
    session = ("--session-file", str(pki / "session2"))
    with Listener(pki) as it:
        connect(pki, it, *session)
    with Listener(pki) as another:
        client = connect(pki, another, *session)
        server = another.reasons()
    assert says(client, "the server did not take the session")
    assert says(server, "not resumed: it is no ticket of ours")


def test_why_early_data_is_rejected(pki):
    session = ("--session-file", str(pki / "session3"))
    early = ("--early-data", "early")
    with Listener(pki, "--accept-early-data", "--groups", "X25519:P-256") as it:
        connect(pki, it, *session)
        client = connect(pki, it, *session, *early, "-o", "keyShares=0")
        server = it.reasons()
    assert says(client, "early data is rejected: the server asked for another ClientHello")
    with Listener(pki, "--accept-early-data", "-o", "earlyDataWindowMilliseconds=0") as it:
        connect(pki, it, *session)
        client = connect(pki, it, *session, *early)
        server = it.reasons()
    assert says(client, "early data is rejected: the server took the session, but not the data")
    assert says(server, "early data is rejected: it is not fresh")


def test_nothing_without_being_asked(pki):
    with Listener(pki) as it:
        done = subprocess.run([ENNEAD, "connect", f"tls://localhost:{it.port}", "-4", "--ca",
                               "ca.pem"], cwd=pki, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 0 and done.stderr == b""


def test_the_chain_is_printed(pki):
    with Listener(pki) as it:
        done = subprocess.run([ENNEAD, "connect", f"tls://localhost:{it.port}", "-4", "--ca",
                               "ca.pem", "-v"], cwd=pki, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=30, text=True)
    for line in ("  subject    CN=localhost", "  names      DNS:localhost", "  issuer     CN=Test CA"):
        assert line in done.stderr.splitlines()
    assert "  key        EC P-256, pin sha256/" in done.stderr
    assert "why        TLSv1.3: the server's choice" in done.stderr
