# SPDX-License-Identifier: Apache-2.0
"""connect --session-cache: the sessions with many servers, kept in one file over the runs."""

import contextlib
import json
import os
import subprocess
import threading

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("cache")

    def keygen(*arguments):
        subprocess.run([ENNEAD, "keygen", *arguments], cwd=where, check=True,
                       stdout=subprocess.DEVNULL)
    keygen("--out", "ca", "--ca", "--name", "Test CA")
    keygen("--out", "server", "--issuer", "ca", "--host", "localhost", "--server")
    return where


@pytest.fixture
def cache(pki):
    path = pki / "cache"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return path


@contextlib.contextmanager
def listener(pki, *arguments):
    process = subprocess.Popen([ENNEAD, "listen", "tls://127.0.0.1:0", "--cert", "server.pem",
                                "--key", "server.key", "--keep", "--json", "--discard", *arguments],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, cwd=pki, text=True)
    port = json.loads(process.stderr.readline())["port"]
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    reader.start()
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stderr.close()


def run(pki, port, *arguments):
    return subprocess.run([ENNEAD, "connect", f"tls://localhost:{port}", "-4", "--ca", "ca.pem",
                           "--session-cache", "cache", "--json", *arguments], cwd=pki,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=30)


def resumed(pki, port, *arguments):
    done = run(pki, port, *arguments)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return next(e for e in events if e["event"] == "ready")["resumed"]


@pytest.mark.parametrize("version", ["TLSv1.3", "TLSv1.2"])
def test_many_servers(pki, cache, version):
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(listener(pki, "--protocols", version)) for _ in range(3)]
        assert [resumed(pki, port) for port in ports] == [False] * 3
        assert cache.stat().st_mode & 0o777 == 0o600
        assert [resumed(pki, port) for port in ports] == [True] * 3
        assert [resumed(pki, port) for port in reversed(ports)] == [True] * 3
    assert [p.name for p in pki.iterdir() if p.name.startswith("cache.")] == []


def test_a_damaged_cache_is_replaced(pki, cache):
    with listener(pki) as port:
        assert not resumed(pki, port)
        whole = cache.read_bytes()
        cache.write_bytes(whole[:-40])
        done = run(pki, port)
        assert done.returncode == 0 and "damaged" in done.stderr
        assert resumed(pki, port)


def test_what_others_may_read_is_not_used(pki, cache):
    with listener(pki) as port:
        assert not resumed(pki, port)
        before = cache.read_bytes()
        cache.chmod(0o640)
        done = run(pki, port)
        assert done.returncode == 1 and "chmod 600" in done.stderr
        assert cache.read_bytes() == before


def test_no_device_and_no_folder(pki):
    with listener(pki) as port:
        for path in ("/dev/null", "."):
            done = subprocess.run([ENNEAD, "connect", f"tls://localhost:{port}", "--ca", "ca.pem",
                                   "--session-cache", path], cwd=pki, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  timeout=30)
            assert done.returncode != 0 and path in done.stderr, done.stderr
    assert os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


def test_a_cache_that_cannot_be_written(pki):
    with listener(pki) as port:
        done = subprocess.run([ENNEAD, "connect", f"tls://localhost:{port}", "-4", "--ca", "ca.pem",
                               "--session-cache", "none/cache"], cwd=pki,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=30)
        assert done.returncode != 0 and "none/cache" in done.stderr


def test_one_way_or_the_other(pki, cache):
    done = run(pki, 1, "--session-file", "session")
    assert done.returncode == 1 and "--session-cache" in done.stderr
