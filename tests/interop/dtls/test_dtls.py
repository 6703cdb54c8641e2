# SPDX-License-Identifier: Apache-2.0
"""DTLS with the libraries that speak it: the command on our side, theirs on the other, over loopback."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

ENNEAD = os.environ["ENNEAD"]
NSS = os.environ.get("NSS_DTLS", "")
NEWER = os.environ["NEWER"]
HAVE_NEWER = os.path.exists(os.environ["NEWER_STAMP"])
MESSAGE = "one datagram"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("dtls")

    def run(*arguments):
        subprocess.run(arguments, cwd=where, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    run(ENNEAD, "keygen", "--out", "ca", "--ca", "--name", "Test CA")
    run(ENNEAD, "keygen", "--out", "server", "--issuer", "ca", "--host", "localhost", "--server")
    run(ENNEAD, "keygen", "--out", "client", "--issuer", "ca", "--name", "alice", "--host", "alice.example",
        "--client")
    if NSS:
        (where / "db").mkdir()
        run("certutil", "-N", "-d", "db", "--empty-password")
        run("certutil", "-A", "-d", "db", "-n", "ca", "-t", "CT,,", "-i", "ca.pem")
        run("openssl", "pkcs12", "-export", "-in", "server.pem", "-inkey", "server.key", "-name",
            "server", "-passout", "pass:", "-out", "server.p12")
        run("pk12util", "-i", "server.p12", "-d", "db", "-W", "")
    return where


class Peer:
    """A process with its standard input held open, and what it writes."""

    def __init__(self, where, *arguments):
        self.process = subprocess.Popen(arguments, cwd=where, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.text += piece

    def wait_for(self, what, seconds=15):
        end = time.monotonic() + seconds
        while what not in self.text:
            assert time.monotonic() < end and (self.reader.is_alive() or what in self.text), self.text
            time.sleep(0.02)

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.reader.join(timeout=5)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start(pki):
    peers = []

    def begin(*arguments):
        peers.append(Peer(pki, *arguments))
        return peers[-1]
    yield begin
    for it in peers:
        it.stop()


def listen(start, *arguments):
    peer = start(ENNEAD, "listen", "dtls://127.0.0.1:0", "--cert", "server.pem", "--key",
                 "server.key", "--echo", "--keep", "--json", *arguments)
    peer.wait_for(b"}\n")
    return peer, json.loads(peer.text.splitlines()[0])["port"]


def ready(peer):
    peer.wait_for(b'"ready"')
    return next(e for e in map(json.loads, (line for line in peer.text.splitlines()
                                            if line.startswith(b"{") and line.endswith(b"}")))
                if e["event"] == "ready")


def connect(start, port, *arguments):
    return start(ENNEAD, "connect", f"dtls://localhost:{port}", "-4", "--ca", "ca.pem", "--json",
                 *arguments)


def need(command):
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not there")


# ---- OpenSSL: DTLS 1.2 ------------------------------------------------------------------------

@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                   "ECDHE-ECDSA-CHACHA20-POLY1305"])
@pytest.mark.parametrize("mtu", [None, 300])
def test_openssl_client(start, suite, mtu):
    server, port = listen(start)
    client = start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                   "ca.pem", "-verify_return_error", "-cipher", suite,
                   *(["-mtu", str(mtu)] if mtu else []))
    client.wait_for(b"Verify return code: 0")
    client.say(MESSAGE)
    client.wait_for(MESSAGE.encode() + b"\n")
    assert ready(server)["version"] == "DTLSv1.2"
    assert suite.encode() in client.text


@pytest.mark.parametrize("arguments", [[], ["-listen"], ["-mtu", "300"], ["-Verify", "1", "-CAfile", "ca.pem"]],
                         ids=["plain", "cookie", "small", "mutual"])
def test_openssl_server(start, arguments):
    port = free_port()
    server = start("openssl", "s_server", "-dtls1_2", "-accept", str(port), "-cert", "server.pem",
                   "-key", "server.key", *arguments)
    server.wait_for(b"ACCEPT")
    identity = ["--cert", "client.pem", "--key", "client.key"] if "-Verify" in arguments else []
    client = connect(start, port, *identity)
    assert ready(client)["version"] == "DTLSv1.2"
    client.say(MESSAGE)
    server.wait_for(MESSAGE.encode())
    server.say("and back")
    client.wait_for(b"and back")


def test_openssl_resumes(start, pki):
    server, port = listen(start)
    first = start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                  "ca.pem", "-sess_out", "sess")
    first.wait_for(b"Verify return code: 0")
    first.stop()
    second = start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                   "ca.pem", "-sess_in", "sess")
    second.wait_for(b"Reused, ")
    second.say(MESSAGE)
    second.wait_for(MESSAGE.encode() + b"\n")


# ---- GnuTLS: DTLS 1.2 ------------------------------------------------------------------------

def test_gnutls_client(start):
    need("gnutls-cli")
    server, port = listen(start)
    client = start("gnutls-cli", "--udp", "--x509cafile", "ca.pem", "-p", str(port), "localhost",
                   "--sni-hostname", "localhost")
    client.wait_for(b"Handshake was completed")
    client.say(MESSAGE)
    client.wait_for(MESSAGE.encode() + b"\n")
    assert ready(server)["version"] == "DTLSv1.2"


def test_gnutls_server(start):
    need("gnutls-serv")
    port = free_port()
    server = start("gnutls-serv", "--udp", "--echo", "-p", str(port), "--x509certfile", "server.pem",
                   "--x509keyfile", "server.key", "--disable-client-cert")
    server.wait_for(b"listening")
    client = connect(start, port)
    assert ready(client)["version"] == "DTLSv1.2"
    client.say(MESSAGE)
    client.wait_for(MESSAGE.encode() + b"\n")


# ---- NSS: DTLS 1.2, and 1.3 with that of Debian 13 ----------------------------------------------

def nss(debian, *arguments):
    if not NSS:
        pytest.skip("NSS is not there")
    if debian == 13 and not HAVE_NEWER:
        pytest.skip("the libraries of tools/newer.sh are not there")
    return [*([NEWER, "run"] if debian == 13 else []), NSS, *arguments]


CASES = pytest.mark.parametrize("debian,version", [(12, "1.2"), (13, "1.2"), (13, "1.3")])


@CASES
def test_nss_client(start, debian, version):
    server, port = listen(start)
    client = start(*nss(debian, "client", "db", str(port), "localhost", version, MESSAGE))
    client.wait_for(MESSAGE.encode())
    assert ready(server)["version"] == "DTLSv" + version


@CASES
def test_nss_server(start, debian, version):
    port = free_port()
    server = start(*nss(debian, "server", "db", str(port), "server", version))
    server.wait_for(b"listening")
    client = connect(start, port)
    assert ready(client)["version"] == "DTLSv" + version
    client.say(MESSAGE)
    client.wait_for(MESSAGE.encode() + b"\n")
