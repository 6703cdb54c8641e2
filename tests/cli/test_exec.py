# SPDX-License-Identifier: Apache-2.0
"""listen --exec: each connection its own process, told with whom it speaks; a browser loads a page."""

import contextlib
import json
import os
import shutil
import subprocess
import threading

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")


def keygen(where, out, *arguments):
    subprocess.run([ENNEAD, "keygen", "--out", out, *arguments], cwd=where, check=True,
                   stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("exec")
    keygen(where, "ca", "--ca", "--name", "Test CA")
    keygen(where, "server", "--issuer", "ca", "--host", "localhost", "--host", "127.0.0.1", "--server")
    keygen(where, "alice", "--issuer", "ca", "--name", "alice", "--host", "alice.example", "--client")
    return where


@contextlib.contextmanager
def listener(pki, command, *arguments):
    process = subprocess.Popen([ENNEAD, "listen", "tls://127.0.0.1:0", "--cert", "server.pem",
                                "--key", "server.key", "--exec", command, "--keep", "--json",
                                *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               cwd=pki, text=True)
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


def told(pki, port, *arguments, environment=None):
    done = subprocess.run([ENNEAD, "connect", f"tls://localhost:{port}", "-4", "--ca", "ca.pem",
                           "--json", *arguments], cwd=pki, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
                          env=environment)
    assert done.returncode == 0, done.stderr
    ready = next(e for e in map(json.loads, done.stderr.splitlines()) if e["event"] == "ready")
    return dict(line.removeprefix("ENNEAD_").split("=", 1) for line in done.stdout.splitlines()), ready


def test_what_a_command_is_told(pki):
    with listener(pki, "env | grep ^ENNEAD_", "--alpn", "one,two", "--client-ca", "ca.pem",
                  "--request-client") as port:
        it, ready = told(pki, port, "--alpn", "two")
        assert it["PROTOCOL"] == "tls"
        for variable, field in (("VERSION", "version"), ("CIPHER", "cipher"), ("GROUP", "group")):
            assert it[variable] == ready[field]
        assert (it["ALPN"], it["SERVER_NAME"]) == ("two", "localhost")
        assert (it["RESUMED"], it["EARLY_DATA"], it["PEER_AUTHENTICATED"]) == ("0", "none", "0")
        assert it["LOCAL"] == f"127.0.0.1:{port}" and it["REMOTE"].startswith("127.0.0.1:")
        assert not any(name.startswith("PEER_S") for name in it)

        it, ready = told(pki, port, "--cert", "alice.pem", "--key", "alice.key")
        assert it["PEER_AUTHENTICATED"] == "1" and "ALPN" not in it
        assert it["PEER_SUBJECT"] == "CN=alice" and it["PEER_ISSUER"] == "CN=Test CA"
        assert it["PEER_NAMES"] == "DNS:alice.example"
        der = subprocess.run("openssl x509 -in alice.pem -pubkey -noout | openssl pkey -pubin "
                             "-outform DER | openssl dgst -sha256 -binary | base64", shell=True,
                             cwd=pki, check=True, stdout=subprocess.PIPE, text=True).stdout
        assert it["PEER_PIN"] == "sha256/" + der.strip()


def test_nothing_is_told_that_is_not_so(pki):
    """What the listener was started with under these names is not passed on, nor control characters."""
    os.environ["ENNEAD_PEER_SUBJECT"] = "CN=root"
    try:
        with listener(pki, "env | grep ^ENNEAD_") as port:
            it, _ = told(pki, port)
    finally:
        del os.environ["ENNEAD_PEER_SUBJECT"]
    assert "PEER_SUBJECT" not in it and it["PEER_AUTHENTICATED"] == "0"
    with listener(pki, "env | grep ^ENNEAD_", "--alpn", "a\tb\x7f$(id)") as port:
        it, _ = told(pki, port, "--alpn", "a\tb\x7f$(id)")
    assert it["ALPN"] == "a?b?$(id)"


def test_each_connection_has_its_process(pki):
    with listener(pki, "echo $$; cat") as port:
        clients = [subprocess.Popen([ENNEAD, "connect", f"tls://localhost:{port}", "-4", "--ca",
                                     "ca.pem"], cwd=pki, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True) for _ in range(4)]
        answers = [client.communicate("to the end\n", timeout=30)[0] for client in clients]
    assert all(answer.endswith("\nto the end\n") for answer in answers)
    assert len({answer.split("\n")[0] for answer in answers}) == 4


# ---- a browser ----------------------------------------------------------------------------------

PAGE = """
read -r method path version
while read -r line && [ "$line" != "$(printf '\\r')" ]; do :; done
echo "$method $path" >> requests
body="<p>$ENNEAD_VERSION, $ENNEAD_ALPN, $ENNEAD_SERVER_NAME</p>"
printf 'HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: %d\\r\\n' ${#body}
printf 'Connection: close\\r\\n\\r\\n%s' "$body"
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.skipif(shutil.which("certutil") is None, reason="certutil is not installed")
@pytest.mark.parametrize("trusted, version", [(True, "TLSv1.3"), (True, "TLSv1.2"),
                                              (False, "TLSv1.3")])
def test_chromium_loads_a_page(pki, tmp_path, trusted, version):
    """The browser validates the certificate: without the authority in its store it does not ask."""
    store = tmp_path / ".pki" / "nssdb"
    store.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{store}", "--empty-password"], check=True)
    if trusted:
        subprocess.run(["certutil", "-A", "-d", f"sql:{store}", "-n", "ca", "-t", "C,,", "-i",
                        "ca.pem"], check=True, cwd=pki)
    (pki / "page").write_text(PAGE)
    (pki / "requests").write_text("")
    with listener(pki, "sh page", "--alpn", "http/1.1", "--protocols", version) as port:
        done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu",
                               "--no-first-run", "--disable-background-networking",
                               f"--user-data-dir={tmp_path / 'data'}", "--dump-dom",
                               f"https://localhost:{port}/some/page"],
                              env={**os.environ, "HOME": str(tmp_path)}, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    requests = (pki / "requests").read_text()
    if trusted:
        assert f"<p>{version}, http/1.1, localhost</p>" in done.stdout
        assert "GET /some/page\n" in requests
    else:
        assert "http/1.1, localhost" not in done.stdout and "GET" not in requests
