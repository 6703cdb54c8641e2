# SPDX-License-Identifier: Apache-2.0
"""keygen ech, and Encrypted ClientHello on the command line where libcrypto has HPKE (3.2)."""

import base64
import json
import re
import select
import socket
import stat
import subprocess
import threading

import pytest

from command import COMMAND


def run(*arguments, cwd, data=b""):
    return subprocess.run([*COMMAND, *arguments], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd=cwd, timeout=30)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    where = tmp_path_factory.mktemp("ech")
    for arguments in (["--ca", "--name", "CA", "--out", "ca"],
                      ["--issuer", "ca", "--host", "localhost", "--host", "public.example", "--server",
                       "--out", "server"]):
        assert run("keygen", *arguments, cwd=where).returncode == 0
    made = run("keygen", "ech", "--name", "public.example", "--out", "key", cwd=where)
    assert made.returncode == 0 and made.stderr == b""
    (where / "list").write_bytes(made.stdout)
    (where / "binary").write_bytes(base64.b64decode(made.stdout))
    return where


def test_keygen(files):
    text = (files / "key").read_text()
    assert stat.S_IMODE((files / "key").stat().st_mode) == 0o600
    blocks = re.findall(r"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END", text, re.S)
    assert [name for name, _ in blocks] == ["PRIVATE KEY", "ECHCONFIG"]
    config = (files / "binary").read_bytes()
    assert base64.b64decode(blocks[1][1]) == config
    # RFC 9849 §4: a list of its length, version 0xfe0d, X25519 with HKDF-SHA256
    assert int.from_bytes(config[:2], "big") == len(config) - 2
    assert config[2:4] == b"\xfe\x0d" and config[7:11] == b"\x00\x20\x00\x20"
    assert b"\x0epublic.example" in config
    public = subprocess.run(["openssl", "pkey", "-in", "key", "-pubout", "-outform", "DER"],
                            cwd=files, stdout=subprocess.PIPE, check=True).stdout[-32:]
    assert public in config


@pytest.mark.parametrize("arguments, says", [
    (["--name", "public.example", "--out", "key"], b"--force"),
    (["--name", "192.0.2.1", "--out", "other"], b"not a host name"),
    (["--name", "public.example"], b"--out"),
    (["--out", "other", "more"], b"takes"),
    (["--nmae", "a"], b"unknown"),
])
def test_keygen_mistakes(files, arguments, says):
    done = run("keygen", "ech", *arguments, cwd=files)
    assert done.returncode != 0 and done.stdout == b"" and says in done.stderr
    assert not (files / "other").exists()


def has_hpke(files):
    return b"no HPKE" not in run("connect", "tls://localhost:1", "--ech", "list", cwd=files).stderr


@pytest.mark.parametrize("form", ["list", "binary", "key"])
def test_connect(files, form):
    if not has_hpke(files):
        done = run("connect", "tls://localhost:1", "--ech", form, cwd=files)
        assert done.returncode == 1 and b"OpenSSL 3.2 or later" in done.stderr
        return
    server = subprocess.Popen([*COMMAND, "listen", "tls://127.0.0.1:0", "--cert", "server.pem", "--key",
                               "server.key", "--ech-key", "key", "--echo", "--json"], cwd=files,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    port = json.loads(server.stderr.readline())["port"]
    done = run("connect", f"tls://localhost:{port}", "-4", "--ca", "ca.pem", "--ech", form, "--json",
               cwd=files, data=b"hidden")
    _, events = server.communicate(timeout=30)
    assert done.returncode == 0 and done.stdout == b"hidden", done.stderr
    assert json.loads(done.stderr.splitlines()[0])["ech"] is True
    assert json.loads(events.splitlines()[0])["ech"] is True


def listen(files, *arguments):
    """A listener for one connection, or so many as --connections says; its port."""
    server = subprocess.Popen([*COMMAND, "listen", "tls://127.0.0.1:0", "--cert", "server.pem", "--key",
                               "server.key", "--echo", "--json", *arguments], cwd=files,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return server, json.loads(server.stderr.readline())["port"]


@pytest.fixture(scope="module")
def other(files):
    """A configuration for a key that no server here has."""
    made = run("keygen", "ech", "--name", "public.example", "--out", "other-key", cwd=files)
    (files / "other").write_bytes(made.stdout)
    return "other"


def connect(files, port, *arguments):
    return run("connect", f"tls://localhost:{port}", "-4", "--ca", "ca.pem", *arguments, cwd=files,
               data=b"hidden")


@pytest.mark.hpke
def test_retry(files, other):
    """RFC 9849 §6.1.6: once more, with the configurations of the server that proved its public name."""
    server, port = listen(files, "--ech-key", "key")
    done = connect(files, port, "--ech", other, "--json")
    _, events = server.communicate(timeout=30)
    assert done.returncode == 0 and done.stdout == b"hidden", done.stderr
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in said[:2]] == ["ech_retry", "ready"]
    assert base64.b64decode(said[0]["configs"]) == (files / "binary").read_bytes()
    assert said[1]["ech"] is True
    # what the listener saw: a connection under the public name that was given up, and a hidden one
    assert b'"ech":true' in events


@pytest.mark.hpke
def test_retry_in_words(files, other):
    server, port = listen(files, "--ech-key", "key")
    done = connect(files, port, "--ech", other)
    server.communicate(timeout=30)
    assert done.returncode == 0 and done.stdout == b"hidden", done.stderr
    assert done.stderr.count(b"once more") == 1
    assert (files / "list").read_bytes().strip() in done.stderr


@pytest.mark.hpke
@pytest.mark.parametrize("case", ["no key", "wrong certificate"])
def test_no_retry(files, other, case):
    """A server that has no configurations, or that does not prove the public name, is not tried again."""
    key, config = ["--ech-key", "key"], other
    if case == "no key":
        key = []
    else:
        made = run("keygen", "ech", "--name", "elsewhere.example", "--out", "elsewhere", "--force",
                   cwd=files)
        (files / "elsewhere.list").write_bytes(made.stdout)
        config = "elsewhere.list"
    server, port = listen(files, *key)
    done = connect(files, port, "--ech", config, "--json")
    server.kill()
    server.communicate(timeout=30)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 3 and [event["event"] for event in said] == ["error"], said


@pytest.mark.hpke
def test_second_refusal(files, other):
    """A server that changes its mind again ends it: one retry, no more."""
    first, port = listen(files, "--ech-key", "key")
    relay = socket.create_server(("127.0.0.1", 0))
    made = run("keygen", "ech", "--name", "public.example", "--out", "third", "--force", cwd=files)
    assert made.returncode == 0
    second, second_port = listen(files, "--ech-key", "third")
    thread = threading.Thread(target=pass_on, args=(relay, [port, second_port]))
    thread.start()
    done = connect(files, relay.getsockname()[1], "--ech", other, "--json")
    relay.close()
    for server in (first, second):
        server.kill()
        server.communicate(timeout=30)
    thread.join(timeout=30)
    said = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert done.returncode == 3 and said == ["ech_retry", "error"], done.stderr


def pass_on(relay, ports):
    """Each connection to the next port."""
    for port in ports:
        client, _ = relay.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            pair = {client: server, server: client}
            while pair:
                ready, _, _ = select.select(list(pair), [], [], 30)
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        pair.clear()
                        break
                    pair[end].sendall(data)


def test_what_is_no_list(files):
    (files / "nonsense").write_bytes(b"no list")
    done = run("connect", "tls://localhost:1", "--ech", "nonsense", cwd=files)
    assert done.returncode == 1 and b"nonsense:" in done.stderr
    assert run("connect", "tls://localhost:1", "--ech", "/nowhere", cwd=files).returncode == 1
