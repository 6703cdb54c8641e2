# SPDX-License-Identifier: Apache-2.0
"""connect and listen over WireGuard: messages instead of a stream."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")
TIMEOUT = 40


def run(*arguments, data=b"", timeout=TIMEOUT):
    return subprocess.run([ENNEAD, *map(str, arguments)], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)


class Identity:
    def __init__(self, where, name):
        secret = run("keygen", "wireguard").stdout
        self.file = where / f"{name}.key"
        self.file.write_bytes(secret)
        self.public = run("keygen", "wireguard", "--pubkey", data=secret).stdout.decode().strip()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    where = tmp_path_factory.mktemp("keys")
    made = {name: Identity(where, name) for name in ("server", "alice", "bob", "mallory")}
    made["psk"] = where / "psk"
    made["psk"].write_bytes(run("keygen", "wireguard", "--psk").stdout)
    return made


@contextlib.contextmanager
def listening(keys, *arguments, psk=False, stdin=subprocess.DEVNULL):
    suffix = f":{keys['psk']}" if psk else ""
    process = subprocess.Popen(
        [ENNEAD, "listen", "wireguard://127.0.0.1:0", "--private-key", keys["server"].file,
         "--peer-key", keys["alice"].public + suffix, "--peer-key", keys["bob"].public, "--json",
         *map(str, arguments)], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        line = json.loads(process.stderr.readline())
        assert line["event"] == "listening" and line["url"].startswith("wireguard://127.0.0.1:")
        process.url = line["url"]
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                stream.close()


def connect(keys, url, *arguments, who="alice", psk=False, data=b""):
    suffix = f":{keys['psk']}" if psk else ""
    return run("connect", url, "--private-key", keys[who].file, "--peer-key",
               keys["server"].public + suffix, *arguments, data=data)


@pytest.mark.parametrize("data", [
    b"one line\n", b"several\nlines\n\nand no newline", b"x" * 50_000, bytes(range(256)) * 40])
def test_echo(keys, data):
    with listening(keys, "--echo", "--keep") as it:
        done = connect(keys, it.url, "--wait", "0.5", data=data)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == data


def test_preshared_key_and_report(keys):
    with listening(keys, "--echo", "--keep", psk=True) as it:
        done = connect(keys, it.url, "--json", "--wait", "0.3", psk=True, data=b"hello\n")
        refused = connect(keys, it.url, "--timeout", "0.5", data=b"hello\n")
    assert done.stdout == b"hello\n"
    ready = next(e for e in map(json.loads, done.stderr.splitlines()) if e["event"] == "ready")
    assert ready["cipher"] == "ChaCha20-Poly1305" and ready["psk"] and ready["authenticated"]
    assert refused.returncode == 2 and b"no answer" in refused.stderr


def test_two_clients(keys):
    with listening(keys, "--echo", "--keep") as it:
        for who in ("alice", "bob", "alice"):
            done = connect(keys, it.url, "--wait", "0.3", who=who, data=who.encode())
            assert done.stdout == who.encode(), done.stderr.decode()
        it.send_signal(signal.SIGINT)
        assert it.wait(timeout=TIMEOUT) == 0


def test_stranger(keys):
    with listening(keys, "--echo", "--keep") as it:
        begin = time.monotonic()
        done = connect(keys, it.url, "--timeout", "0.5", who="mallory", data=b"hello\n")
        assert 0.4 < time.monotonic() - begin < 10
    assert done.returncode == 2
    assert done.stdout == b""


def test_standard_input_and_output(keys):
    with listening(keys, "--wait", "0.5", stdin=subprocess.PIPE) as it:
        it.stdin.write(b"from the server\n")
        it.stdin.close()
        done = connect(keys, it.url, "--wait", "0.5", data=b"from the client\n")
        assert it.wait(timeout=TIMEOUT) == 0
        assert it.stdout.read() == b"from the client\n"
    assert done.stdout == b"from the server\n"


def test_command(keys):
    with listening(keys, "--exec", "while read -r x; do echo re: $x; done", "--keep") as it:
        done = connect(keys, it.url, "--wait", "0.5", "--exec",
                       "echo question; read answer; echo \"$answer\" >&2")
    assert done.returncode == 0
    assert done.stderr == b"re: question\n"


def test_nobody_there(keys):
    with listening(keys, "--echo", "--keep") as it:
        url = it.url
    done = connect(keys, url, "--timeout", "0.5", data=b"hello\n")
    assert done.returncode == 2
    assert b"refused" in done.stderr


@pytest.mark.parametrize("arguments, complaint", [
    ([], b"--private-key"),
    (["--private-key", "SERVER"], b"--peer-key"),
    (["--private-key", "/nonexistent", "--peer-key", "PUBLIC"], b"/nonexistent"),
    (["--private-key", "SERVER", "--peer-key", "PUBLIC", "--peer-key", "OTHER"], b"one --peer-key"),
    (["--private-key", "SERVER", "--peer-key", "short"], b"public key"),
    (["--private-key", "SERVER", "--peer-key", "PUBLIC", "-o", "reliability=require"],
     b"reliability"),
])
def test_usage(keys, arguments, complaint):
    words = {"SERVER": keys["server"].file, "PUBLIC": keys["alice"].public,
             "OTHER": keys["bob"].public}
    done = run("connect", "wireguard://127.0.0.1:9", *(words.get(a, a) for a in arguments))
    assert done.returncode == 1, done.stderr.decode()
    assert complaint in done.stderr


def test_static_keys_are_not_for_tls(keys):
    done = run("connect", "tls://127.0.0.1:9", "--private-key", keys["server"].file)
    assert done.returncode == 1
    assert b"TLS" in done.stderr
