# SPDX-License-Identifier: Apache-2.0
"""How the two ends of `ennead connect` and `listen` prove who they are: raw public keys, pins, OCSP
responses, several certificates, and files that are renewed while the listener runs."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from test_cli import TIMEOUT, connect, keygen, listener, run


def raw_key(where, name, *arguments):
    done = run("keygen", "--out", name, "--raw-key", *arguments, cwd=where)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("identity")
    keygen(where, "ca", "--ca", "--name", "Test CA")
    for name in ("server", "second"):
        keygen(where, name, "--issuer", "ca", "--host", "localhost", "--server")
    keygen(where, "www", "--issuer", "ca", "--host", "www.example", "--server")
    pins = {name: raw_key(where, name) for name in ("mine", "theirs")}
    pins["ed"] = raw_key(where, "ed", "--type", "ed25519")
    (where / "pins").write_text(json.dumps(pins))
    return where


def pin_of_certificate(where, name):
    """The pin as openssl tells it."""
    def pipe(data, *command):
        return subprocess.run(["openssl", *command], input=data, stdout=subprocess.PIPE, cwd=where,
                              check=True, timeout=TIMEOUT).stdout
    key = pipe(b"", "x509", "-in", f"{name}.pem", "-pubkey", "-noout")
    der = pipe(key, "pkey", "-pubin", "-outform", "DER")
    return "sha256/" + pipe(pipe(der, "dgst", "-sha256", "-binary"), "base64", "-A").decode()


# ---- raw public keys and pins -------------------------------------------------------------------

def test_keygen_raw_key(pki):
    pins = json.loads((pki / "pins").read_text())
    assert re.fullmatch(r"sha256/[A-Za-z0-9+/]{43}=", pins["mine"])
    assert (pki / "mine.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----")
    assert (pki / "mine.key").stat().st_mode & 0o777 == 0o600
    assert not (pki / "mine.pem").exists()
    again = run("keygen", "--out", "mine", "--raw-key", cwd=pki)
    assert again.returncode != 0


@pytest.mark.parametrize("server", ["theirs", "ed"])
def test_raw_keys_both_ways(pki, server):
    with listener(pki, "--raw-key", f"{server}.key", "--peer-raw-key", "mine.pub", "--require-client",
                  "--echo", "--keep", cert=None) as it:
        done = connect(pki, it, "--peer-raw-key", f"{server}.pub", "--raw-key", "mine.key", ca=None,
                       data=b"hello")
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == b"hello"
        # another key of the server's, another of the client's, none, a client that wants certificates
        assert connect(pki, it, "--peer-raw-key", "mine.pub", "--raw-key", "mine.key",
                       ca=None).returncode == 3
        for more in (["--raw-key", "theirs.key"], []):
            refused = connect(pki, it, "--peer-raw-key", f"{server}.pub", *more, ca=None,
                              data=b"x" * 100_000)
            assert refused.returncode in (3, 4), refused.stderr.decode()
        assert connect(pki, it, "--raw-key", "mine.key").returncode == 3


def test_pins(pki):
    with listener(pki, "--echo", "--keep") as it:
        for name in ("server", "ca"):
            done = connect(pki, it, "--pin", pin_of_certificate(pki, name), data=b"pinned")
            assert done.returncode == 0 and done.stdout == b"pinned", done.stderr.decode()
        wrong = connect(pki, it, "--pin", pin_of_certificate(pki, "second"))
        assert wrong.returncode == 3
        assert b"pinned" in wrong.stderr
        # a pin is not a reason to trust
        assert connect(pki, it, "--pin", pin_of_certificate(pki, "server"), ca=None).returncode == 3
    assert run("connect", "tls://localhost:1", "--pin", "sha256/short").returncode == 1


# ---- OCSP ---------------------------------------------------------------------------------------

def ocsp_response(where, name, out, revoked=False):
    """Made by openssl's responder, which signs with the authority's key."""
    serial = subprocess.run(["openssl", "x509", "-in", f"{name}.pem", "-serial", "-noout"], cwd=where,
                            stdout=subprocess.PIPE, check=True,
                            timeout=TIMEOUT).stdout.decode().strip().split("=")[1]
    state = "R\t350101000000Z\t250101000000Z,keyCompromise" if revoked else "V\t350101000000Z\t"
    (where / "index.txt").write_text(f"{state}\t{serial}\tunknown\t/CN={name}\n")
    (where / "index.txt.attr").write_text("unique_subject = no\n")
    for command in (["-issuer", "ca.pem", "-cert", f"{name}.pem", "-no_nonce", "-reqout", "request"],
                    ["-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem",
                     "-reqin", "request", "-respout", out, "-ndays", "2"]):
        subprocess.run(["openssl", "ocsp", *command], cwd=where, check=True, timeout=TIMEOUT,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_ocsp(pki):
    ocsp_response(pki, "server", "good.ocsp")
    ocsp_response(pki, "server", "revoked.ocsp", revoked=True)
    with listener(pki, "--ocsp", "good.ocsp", "--echo", "--keep") as it:
        done = connect(pki, it, "--require-ocsp", data=b"stapled")
        assert done.returncode == 0 and done.stdout == b"stapled", done.stderr.decode()
    with listener(pki, "--echo", "--keep") as it:
        assert connect(pki, it).returncode == 0
        assert connect(pki, it, "--require-ocsp").returncode == 3
    with listener(pki, "--ocsp", "revoked.ocsp", "--echo", "--keep") as it:
        refused = connect(pki, it)
        assert refused.returncode == 3
        assert b"was revoked on 2025-01-01" in refused.stderr
    (pki / "none.ocsp").write_bytes(b"nothing")
    done = run("listen", "tls://127.0.0.1:0", "--cert", "server.pem", "--key", "server.key", "--ocsp",
               "none.ocsp", cwd=pki)
    assert done.returncode == 1 and b"none.ocsp" in done.stderr


# ---- several certificates, and renewed ones -----------------------------------------------------

def test_strict_names(pki):
    with listener(pki, "--cert", "www.pem", "--key", "www.key", "-o", "requireKnownName=true", "--echo",
                  "--keep") as it:
        for name, status in (("localhost", 0), ("www.example", 0), ("else.example", 3)):
            done = connect(pki, it, "--name", name)
            assert done.returncode == status, done.stderr.decode()
        assert b"unrecognized_name" in done.stderr


def next_event(it, *wanted):
    while True:
        line = it.process.stderr.readline()
        assert line, "the listener ended"
        event = json.loads(line)
        if event["event"] in wanted:
            return event


def shown(done):
    return [json.loads(line) for line in done.stderr.splitlines() if b'"ready"' in line][0]


def test_reload(pki, tmp_path):
    for name in ("ca.pem", "server.pem", "server.key"):
        shutil.copy(pki / name, tmp_path / name)
    with listener(tmp_path, "--keep", "--echo") as it:
        first = pin_of_certificate(tmp_path, "server")
        assert connect(tmp_path, it, "--pin", first).returncode == 0

        # a certificate whose key is not there yet: the old pair stays in use
        shutil.copy(pki / "second.pem", tmp_path / "server.pem")
        it.process.send_signal(signal.SIGHUP)
        # the reason is a plain line of its own
        while b"server." not in (line := it.process.stderr.readline()):
            assert line
        assert next_event(it, "warning", "reloaded")["event"] == "warning"
        assert connect(tmp_path, it, "--pin", first).returncode == 0

        shutil.copy(pki / "second.key", tmp_path / "server.key")
        it.process.send_signal(signal.SIGHUP)
        assert next_event(it, "warning", "reloaded")["event"] == "reloaded"
        assert connect(tmp_path, it, "--pin", first).returncode == 3
        second = pin_of_certificate(tmp_path, "server")
        assert connect(tmp_path, it, "--pin", second, data=b"new").stdout == b"new"
