# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: pipes, half close, exit statuses, files, refusals."""

import contextlib
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import time

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")
TIMEOUT = 40


def run(*arguments, data=b"", cwd=None, timeout=TIMEOUT):
    return subprocess.run([ENNEAD, *map(str, arguments)], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd=cwd, timeout=timeout)


def keygen(where, out, *arguments):
    done = run("keygen", "--out", out, *arguments, cwd=where)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("pki")
    keygen(where, "ca", "--ca", "--name", "Test CA")
    keygen(where, "other", "--ca", "--name", "Other CA")
    local = ("--host", "localhost", "--host", "127.0.0.1", "--host", "::1")
    keygen(where, "server", "--issuer", "ca", *local, "--server")
    keygen(where, "expired", "--issuer", "ca", *local, "--server", "--days", "-3")
    keygen(where, "alone", *local)
    keygen(where, "client-only", "--issuer", "ca", *local, "--client")
    keygen(where, "revoked", "--issuer", "ca", *local, "--server")
    keygen(where, "elsewhere", "--issuer", "ca", "--host", "elsewhere.example", "--server")
    keygen(where, "alice", "--issuer", "ca", "--name", "alice", "--client")
    keygen(where, "mallory", "--issuer", "other", "--name", "mallory", "--client")
    keygen(where, "ca", "--issuer", "ca", "--crl", "--revoke", "revoked.pem")
    for kind in ("p384", "ed25519", "rsa2048"):
        keygen(where, kind, "--issuer", "ca", *local, "--type", kind)
    (where / "psk").write_text("00112233445566778899aabbccddeeff\n")
    return where


class Listener:
    """`ennead listen` on a free port; stopped by its pid."""

    def __init__(self, pki, *arguments, cert="server", stdin=subprocess.DEVNULL,
                 stdout=subprocess.PIPE):
        credentials = ["--cert", f"{cert}.pem", "--key", f"{cert}.key"] if cert else []
        self.process = subprocess.Popen(
            [ENNEAD, "listen", "tls://127.0.0.1:0", *credentials, "--json", *map(str, arguments)],
            stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=pki)
        line = self.process.stderr.readline()
        try:
            self.port = json.loads(line)["port"]
        except (ValueError, KeyError):
            raise AssertionError(line + self.process.stderr.read()) from None
        self.url = f"tls://localhost:{self.port}"

    def events(self):
        return [json.loads(line) for line in self.process.stderr.read().splitlines()]

    def stop(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=TIMEOUT)
        return out, [json.loads(line) for line in err.splitlines()]


@contextlib.contextmanager
def listener(pki, *arguments, **options):
    it = Listener(pki, *arguments, **options)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.kill()
        it.process.wait()
        for stream in (it.process.stdout, it.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()


def connect(pki, it, *arguments, data=b"", ca="ca"):
    trust = ["--ca", f"{ca}.pem"] if ca else []
    return run("connect", it.url, "-4", *trust, *arguments, data=data, cwd=pki)


def random_bytes(size):
    return hashlib.shake_256(b"seed").digest(size)


# ---- data -------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 5_000_000])
def test_echo(pki, size):
    data = random_bytes(size)
    with listener(pki, "--echo", "--keep") as it:
        done = connect(pki, it, data=data)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == data


def test_stdin_and_stdout_both_ways(pki, tmp_path):
    there, back = random_bytes(3_000_000), random_bytes(2_000_001)[::-1]
    (tmp_path / "back").write_bytes(back)
    got = tmp_path / "got"
    with open(tmp_path / "back", "rb") as source, open(got, "wb") as sink:
        with listener(pki, stdin=source, stdout=sink) as it:
            done = connect(pki, it, data=there)
            assert it.process.wait(timeout=TIMEOUT) == 0
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == back
    assert got.read_bytes() == there


def test_half_close(pki):
    """The end of our input does not end what comes from the peer."""
    with listener(pki, "--exec", "cat >/dev/null; echo all of it was read", "--keep") as it:
        done = connect(pki, it, data=b"x" * 100_000)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"all of it was read\n"


def test_exec_of_connect(pki, tmp_path):
    out = tmp_path / "out"
    with listener(pki, "--send-bytes", "1M", "--keep") as it:
        done = connect(pki, it, "--exec", f"wc -c >{out}")
    assert done.returncode == 0, done.stderr.decode()
    for _ in range(100):
        if out.exists() and out.read_text().strip():
            break
        time.sleep(0.05)
    assert out.read_text().strip() == str(1 << 20)


def test_send_bytes_and_discard(pki):
    with listener(pki, "--discard", "--keep") as it:
        done = connect(pki, it, "--send-bytes", "64M", "--discard", "--json")
    assert done.returncode == 0
    closed = [e for e in map(json.loads, done.stderr.splitlines()) if e["event"] == "closed"]
    assert closed[0]["bytes_sent"] == 64 << 20


def test_output_to_a_slow_reader(pki, tmp_path):
    """Back-pressure: a reader that takes its time gets everything."""
    with listener(pki, "--send-bytes", "8M", "--keep") as it:
        command = (f"{ENNEAD} connect {it.url} -4 --ca ca.pem </dev/null | "
                   "(sleep 1; wc -c)")
        done = subprocess.run(["/bin/sh", "-c", command], cwd=pki, stdout=subprocess.PIPE,
                              timeout=TIMEOUT)
    assert done.stdout.strip() == str(8 << 20).encode()


def test_connections_side_by_side(pki):
    with listener(pki, "--echo", "--keep") as it:
        clients = [subprocess.Popen([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for _ in range(8)]
        for i, client in enumerate(clients):
            out, _ = client.communicate(b"number %d" % i, timeout=TIMEOUT)
            assert out == b"number %d" % i


def test_one_connection_and_exit(pki):
    with listener(pki, "--echo") as it:
        assert connect(pki, it, data=b"once").stdout == b"once"
        assert it.process.wait(timeout=TIMEOUT) == 0


# ---- what was negotiated ----------------------------------------------------------------------

def ready(done):
    return next(e for e in map(json.loads, done.stderr.splitlines()) if e["event"] == "ready")


@pytest.mark.parametrize("kind,signature", [("server", "ecdsa_secp256r1_sha256"),
                                            ("p384", "ecdsa_secp384r1_sha384"),
                                            ("ed25519", "ed25519"),
                                            ("rsa2048", "rsa_pss_rsae_sha256")])
def test_key_types(pki, kind, signature):
    with listener(pki, "--echo", "--keep", cert=kind) as it:
        done = connect(pki, it, "--json", data=b"x")
    assert done.returncode == 0
    assert ready(done)["signature"] == signature


@pytest.mark.parametrize("cipher", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                    "TLS_CHACHA20_POLY1305_SHA256"])
@pytest.mark.parametrize("group", ["X25519", "P-256", "P-384"])
def test_suites_and_groups(pki, cipher, group):
    with listener(pki, "--echo", "--keep") as it:
        done = connect(pki, it, "--json", "--ciphers", cipher, "--groups", group, data=b"x")
    assert done.returncode == 0
    assert (ready(done)["cipher"], ready(done)["group"]) == (cipher, group)


def test_retry_and_alpn(pki):
    with listener(pki, "--echo", "--keep", "--groups", "P-384", "--alpn", "b,a") as it:
        done = connect(pki, it, "--json", "--alpn", "a,b", data=b"x")
    assert ready(done)["retry"] is True
    assert ready(done)["alpn"] == "b"


def test_psk(pki):
    psk = ("--psk-identity", "me", "--psk-file", "psk")
    with listener(pki, "--echo", "--keep", *psk, cert=None) as it:
        done = connect(pki, it, "--json", *psk, data=b"by key", ca=None)
        assert done.stdout == b"by key"
        assert ready(done)["psk"] is True
        wrong = connect(pki, it, data=b"x")
        assert wrong.returncode == 3


def test_imported_psk(pki):
    psk = ("--psk-identity", "me", "--psk-file", "psk", "--psk-context", "a and b")
    with listener(pki, "--echo", "--keep", *psk, cert=None) as it:
        done = connect(pki, it, "--json", *psk, data=b"by key", ca=None)
        assert done.stdout == b"by key"
        assert ready(done)["psk"] is True
        for other in (psk[:4], (*psk[:5], "b and a")):
            assert connect(pki, it, *other, data=b"x", ca=None).returncode == 3


def test_update_keys(pki):
    with listener(pki, "--echo", "--keep") as it:
        done = connect(pki, it, "--json", "--update-keys", data=b"x" * 10000)
    directions = {e["direction"] for e in map(json.loads, done.stderr.splitlines())
                  if e["event"] == "keys_updated"}
    assert directions == {"send", "receive"}


def test_session_file_and_early_data(pki, tmp_path):
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(b"early ")
    with listener(pki, "--echo", "--keep", "--accept-early-data") as it:
        first = connect(pki, it, "--json", "--session-file", session, data=b"x")
        assert ready(first)["resumed"] is False
        assert stat.S_IMODE(session.stat().st_mode) == 0o600
        second = connect(pki, it, "--json", "--session-file", session, data=b"x")
        assert ready(second)["resumed"] is True
        third = connect(pki, it, "--json", "--session-file", session, "--early-data", early,
                        data=b"late")
        assert ready(third)["early_data"] == "accepted"
        assert third.stdout == b"early late"


# What the first connection was told to check, and what the second.
WEAKER = [
    ("alone", ["--insecure"], ["--ca", "ca.pem"], rb"self-signed"),
    ("elsewhere", ["--ca", "ca.pem", "-o", "checkName=false"], ["--ca", "ca.pem"],
     rb"certificate is for another name"),
    ("server", ["--ca", "ca.pem"], ["--ca", "other.pem"], rb"not trusted|issuer"),
    ("revoked", ["--ca", "ca.pem"], ["--ca", "ca.pem", "--crl", "ca.crl"], rb"revoked"),
    ("server", ["--ca", "ca.pem"],
     ["--ca", "ca.pem", "-o", "certificateSignatureAlgorithm=ed25519"], rb"not allowed"),
]


@pytest.mark.parametrize("cert,first,second,message", WEAKER)
def test_session_file_of_weaker_checks(pki, tmp_path, cert, first, second, message):
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(b"a secret for the right server only")
    options = ["--json", "--session-file", session]
    with listener(pki, "--echo", "--keep", "--accept-early-data", cert=cert) as it:
        assert ready(connect(pki, it, *first, *options, ca=None))["resumed"] is False
        refused = connect(pki, it, *second, *options, "--early-data", early, ca=None)
        assert refused.returncode == 3 and refused.stdout == b"", refused.stderr.decode()
        assert re.search(message, refused.stderr), refused.stderr.decode()
        assert ready(connect(pki, it, *first, *options, ca=None))["resumed"] is True


def test_session_file_of_another_client(pki, tmp_path):
    options = ["--json", "--session-file", tmp_path / "session"]
    alice = ["--cert", "alice.pem", "--key", "alice.key"]
    with listener(pki, "--echo", "--keep", "--client-ca", "ca.pem", "--require-client") as it:
        assert ready(connect(pki, it, *options, *alice, data=b"x"))["resumed"] is False
        assert ready(connect(pki, it, *options, *alice, data=b"x"))["resumed"] is True
        nobody = connect(pki, it, *options, data=b"x")
        assert nobody.returncode != 0 and b"certificate_required" in nobody.stderr
        mallory = connect(pki, it, *options, "--cert", "mallory.pem", "--key", "mallory.key")
        assert mallory.returncode != 0 and b"unknown_ca" in mallory.stderr


def test_session_file_that_is_none(pki, tmp_path):
    session = tmp_path / "session"
    with listener(pki, "--echo", "--keep") as it:
        for content in (b"", b"\x01", b"no session", bytes(300), random_bytes(4000)):
            session.write_bytes(content)
            done = connect(pki, it, "--json", "--session-file", session, data=b"x")
            assert (done.returncode, done.stdout) == (0, b"x"), done.stderr.decode()
            assert ready(done)["resumed"] is False
            assert session.read_bytes() != content


def test_early_data_without_session_goes_later(pki, tmp_path):
    early = tmp_path / "early"
    early.write_bytes(b"not so early ")
    with listener(pki, "--echo", "--keep") as it:
        done = connect(pki, it, "--json", "--early-data", early, data=b"late")
    assert ready(done)["early_data"] == "none"
    assert done.stdout == b"not so early late"


def test_keylog(pki, tmp_path):
    log = tmp_path / "keys"
    with listener(pki, "--echo", "--keep") as it:
        connect(pki, it, "--keylog", log, data=b"x")
    labels = {line.split()[0] for line in log.read_text().splitlines()}
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"} <= labels


def test_settings(pki):
    with listener(pki, "--echo", "--keep", "-o", "padding=512") as it:
        done = connect(pki, it, "-o", "keyShares=3", "-o", "maxRecord=512", data=b"y" * 5000)
        assert done.stdout == b"y" * 5000
        wrong = connect(pki, it, "-o", "padding=no")
        assert wrong.returncode == 1
        wrong = connect(pki, it, "-o", "pading=1")
        assert wrong.returncode == 1 and b"pad" in wrong.stderr
        wrong = connect(pki, it, "--ciphers", "TLS_AES_128_GCN_SHA256")
        assert wrong.returncode == 1 and b"TLS_AES_128_GCM_SHA256" in wrong.stderr


# ---- refusals: each has its own message -------------------------------------------------------

REFUSALS = [
    ("server", ["--ca", "other.pem"], rb"not trusted|issuer"),
    ("server", ["--ca", "ca.pem", "--name", "example.org"], rb"not for \"example.org\""),
    ("expired", ["--ca", "ca.pem"], rb"expired"),
    ("alone", ["--ca", "ca.pem"], rb"self-signed"),
    ("client-only", ["--ca", "ca.pem"], rb"usage|purpose|server"),
    ("revoked", ["--ca", "ca.pem", "--crl", "ca.crl"], rb"revoked"),
]


@pytest.mark.parametrize("cert,options,message", REFUSALS)
def test_refused_server(pki, cert, options, message):
    with listener(pki, "--echo", "--keep", cert=cert) as it:
        done = connect(pki, it, *options, ca=None)
        assert done.returncode == 3, done.stderr.decode()
        assert re.search(message, done.stderr), done.stderr.decode()
        assert b"sent alert" in done.stderr
        good = connect(pki, it, "--insecure", ca=None, data=b"x")
        assert good.stdout == b"x" and b"WARNING" in good.stderr


def test_each_refusal_has_its_own_message(pki):
    seen = set()
    for cert, options, _ in REFUSALS:
        with listener(pki, "--echo", "--keep", cert=cert) as it:
            text = connect(pki, it, *options, "--json", ca=None).stderr.splitlines()[-1]
            seen.add(json.loads(text)["reason"])
    assert len(seen) == len(REFUSALS)


def test_mutual_authentication(pki):
    with listener(pki, "--echo", "--keep", "--client-ca", "ca.pem", "--require-client") as it:
        good = connect(pki, it, "--cert", "alice.pem", "--key", "alice.key", data=b"alice")
        assert (good.returncode, good.stdout) == (0, b"alice")
        none = connect(pki, it, data=b"nobody")
        assert none.returncode != 0 and b"certificate_required" in none.stderr
        wrong = connect(pki, it, "--cert", "mallory.pem", "--key", "mallory.key", data=b"m")
        assert wrong.returncode != 0 and b"unknown_ca" in wrong.stderr
        _, events = it.stop()
    assert any(c["subject"] == "CN=alice" for e in events for c in e.get("chain", []))
    assert sum(e["event"] == "error" for e in events) == 2


@pytest.mark.parametrize("who, accepted", [("alice", True), (None, False), ("mallory", None)])
def test_authentication_later(pki, who, accepted):
    own = ["--cert", f"{who}.pem", "--key", f"{who}.key"] if who else []
    with listener(pki, "--echo", "--keep", "--client-ca", "ca.pem", "--request-later") as it:
        # whoever has closed its direction answers nothing: stay until the echo is there
        client = subprocess.Popen(
            [ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem", "--answer-later", *own], cwd=pki,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        client.stdin.write(b"x")
        echo = client.stdout.read(1)
        _, err = client.communicate(timeout=TIMEOUT)
        unasked = connect(pki, it, *own, data=b"y")
        assert unasked.stdout == b"y"
        _, events = it.stop()
    told = [e["accepted"] for e in events if e["event"] == "authenticated"]
    assert told == ([] if accepted is None else [accepted])
    if accepted is None:
        assert client.returncode != 0 and b"unknown_ca" in err
    else:
        assert echo == b"x" and client.returncode == 0


# ---- exit statuses and messages -----------------------------------------------------------------

def test_nobody_there(pki):
    with listener(pki, "--echo") as it:
        it.process.kill()
        it.process.wait()
        assert connect(pki, it).returncode == 2


def test_not_tls(pki):
    with listener(pki, "--echo", "--keep") as it:
        import socket
        with socket.create_connection(("127.0.0.1", it.port)) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            s.settimeout(10)
            assert s.recv(100)[:1] == b"\x15"  # an alert
        assert connect(pki, it, data=b"still there").stdout == b"still there"


def test_early_data_larger_than_the_window(pki, tmp_path):
    early = tmp_path / "early"
    early.write_bytes(random_bytes(3_000_000))
    with listener(pki, "--echo", "--keep") as it:
        done = connect(pki, it, "--early-data", early)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == early.read_bytes()


def test_unreadable_input_is_no_end(pki, tmp_path):
    with listener(pki, "--keep", "--exec", f"cat > {tmp_path}/got; sleep 1") as it:
        folder = os.open(tmp_path, os.O_RDONLY)
        done = subprocess.run([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                              stdin=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=TIMEOUT)
        os.close(folder)
        assert done.returncode == 5 and b"directory" in done.stderr, done.stderr.decode()
        time.sleep(0.3)
        _, events = it.stop()
    assert any(e["event"] == "error" for e in events)  # the listener was not told that this was all


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(pki, closed):
    with listener(pki, "--echo", "--keep") as it:
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" connect {it.url} -4 --ca ca.pem -vv {closed}', ENNEAD],
            input=b"hello", stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=pki,
            timeout=TIMEOUT)
        _, events = it.stop()
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == (b"hello" if closed == "2>&-" else b"")
    assert not any(e["event"] == "error" for e in events)


def test_output_that_cannot_be_written(pki):
    with open("/dev/full", "wb") as full, listener(pki, "--echo", "--keep") as it:
        done = subprocess.run([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                              input=b"x" * 100_000, stdout=full, stderr=subprocess.PIPE,
                              timeout=TIMEOUT)
        assert done.returncode == 5 and b"space" in done.stderr
        for command in ("features", "version", "help"):
            done = subprocess.run([ENNEAD, command], stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 5 and b"space" in done.stderr, command


def test_reader_that_goes(pki):
    with listener(pki, "--send-bytes", "1G", "--keep", "--discard") as it:
        pipe = subprocess.Popen([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        assert len(pipe.stdout.read(100_000)) == 100_000
        pipe.stdout.close()
        assert pipe.wait(timeout=TIMEOUT) == 5
        assert pipe.stderr.read() == b""
        pipe.stderr.close()


def test_output_to_a_socket_that_is_full(pki):
    """A reader that wants to be written to first must not stop what is sent to the peer."""
    import socket
    ours, theirs = socket.socketpair()
    data = random_bytes(4_000_000)
    with listener(pki, "--echo", "--keep") as it:
        client = subprocess.Popen([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                                  stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
        theirs.close()
        ours.settimeout(TIMEOUT)
        ours.sendall(data[:1_000_000])  # more than the buffers on the way back hold
        got = bytearray()
        ours.sendall(data[1_000_000:1_500_000])
        ours.shutdown(socket.SHUT_WR)
        while piece := ours.recv(65536):
            got += piece
        assert client.wait(timeout=TIMEOUT) == 0
        client.stderr.close()
    ours.close()
    assert bytes(got) == data[:1_500_000]


def test_many_connections_at_once(pki):
    import fcntl
    import socket
    import ssl
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    with listener(pki, "--exec", "cat", "--keep") as it:
        fcntl.fcntl(it.process.stderr, fcntl.F_SETPIPE_SZ, 1 << 20)  # nobody reads its events
        peers = [context.wrap_socket(socket.create_connection(("127.0.0.1", it.port), 10),
                                     server_hostname="localhost") for _ in range(270)]
        for number in (0, 135, 269):  # the oldest gets its turn as well as the newest
            peers[number].sendall(b"are you there?")
            assert peers[number].recv(100) == b"are you there?", number
        for peer in peers:
            peer.close()


def test_peer_killed(pki):
    with listener(pki, stdin=subprocess.PIPE) as it:
        client = subprocess.Popen([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        it.process.stdin.write(b"half a mess")
        it.process.stdin.flush()
        assert client.stdout.read(11) == b"half a mess"
        it.process.kill()
        _, err = client.communicate(timeout=TIMEOUT)
    assert client.returncode == 4, err.decode()


def test_peer_killed_as_our_input_ends(pki):
    with listener(pki, stdin=subprocess.PIPE) as it:
        client = subprocess.Popen([ENNEAD, "connect", it.url, "-4", "--ca", "ca.pem"], cwd=pki,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        it.process.stdin.write(b"half a mess")
        it.process.stdin.flush()
        assert client.stdout.read(11) == b"half a mess"
        client.send_signal(signal.SIGSTOP)  # it sees both ends at once
        it.process.kill()
        it.process.wait()
        client.stdin.close()
        client.stdin = None
        client.send_signal(signal.SIGCONT)
        _, err = client.communicate(timeout=TIMEOUT)
    assert client.returncode == 4, err.decode()


@pytest.mark.parametrize("arguments,word", [
    (["conect", "tls://a:1"], b"connect"),
    (["connect"], b"URL"),
    (["connect", "tls://"], b"host"),
    (["connect", "tls://a:"], b"port"),
    (["connect", "tls://:443"], b"host"),
    (["connect", "tls://::1:443"], b"brackets"),
    (["connect", "tls://[::1"], b"host"),
    (["connect", "tls://[::1]443"], b"host"),
    (["connect", "tls://[::1]x:443"], b"host"),
    (["connect", "tls://a:1/path"], b"path"),
    (["connect", f"tls://{'a' * 300}:1"], b"host"),
    (["listen", "tls://"], b"host"),
    (["connect", "foo://a:1"], b"foo"),
    (["connect", "quic://a:1"], b"QUIC"),
    (["connect", "tls://a:1", "--cypher", "x"], b"did you mean"),
    (["connect", "tls://a:1", "-x"], b"'-x'"),
    (["connect", "tls://a:1", "-vx4"], b"'-x'"),
    (["connect", "-vx", "tls://a:1"], b"'-x'"),
    (["connect", "tls://a:1", "--quiet=yes"], b"'--quiet' takes no value"),
    (["connect", "tls://a:1", "--timeout"], b"needs a value"),
    (["connect", "tls://a:1", "--timeout", "nan"], b"time"),
    (["connect", "tls://a:1", "--send-bytes", " -5"], b"number"),
    (["connect", "tls://a:1", "--send-bytes", "99999999999999999999"], b"number"),
    (["connect", "tls://a:1", "--send-bytes", "18446744073709551615K"], b"number"),
    (["connect", "tls://a:1", "--send-bytes", "0"], b"at least 1"),
    (["connect", "tls://a:1", "--echo", "--exec", "x"], b"exclude"),
    (["connect", "tls://a:1", "tls://b:1"], b"one URL"),
    (["connect", "tls://a:1", "--session-file", "/dev/null"], b"not a regular file"),
    (["connect", "tls://a:1", "--session-file", "/"], b"not a regular file"),
    (["connect", "tls://a:1", "--psk-identity", "x", "--psk-file", "/dev/null"], b"16 to 128"),
    (["connect", "tls://a:1", "--psk-identity", "x", "--psk-file", "/dev/zero"], b"large"),
    (["connect", "tls://a:1", "-o", "padding"], b"NAME=VALUE"),
    (["listen", "tls://127.0.0.1:0"], b"--cert"),
    (["listen", "tls://127.0.0.1:0", "--cert", "x.pem"], b"--key"),
    (["keygen", "--ca"], b"--out"),
    (["keygen", "--out", "x", "--ca", "--type", "p265"], b"p256"),
])
def test_wrong_usage(tmp_path, arguments, word):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 5)
    assert word in done.stderr, done.stderr.decode()


def test_port_is_443_unless_said(tmp_path):
    for url in ("tls://127.0.0.1", "tls://127.0.0.1/", "tls://[::1]"):
        done = run("connect", url, "--json", "--timeout", "5", cwd=tmp_path)
        assert done.returncode in (2, 3), done.stderr.decode()  # nobody is there, or no Ennead
        assert json.loads(done.stderr.splitlines()[-1])["event"] == "error"


def test_interrupt(pki):
    with listener(pki, "--echo", "--keep") as it:
        it.stop()
        assert it.process.returncode == 0
    with listener(pki, "--echo") as it:
        it.stop()
        assert it.process.returncode == 130


# ---- the other commands --------------------------------------------------------------------------

def test_keygen(pki, tmp_path):
    keygen(pki, tmp_path / "request", "--csr", "--host", "example.org")
    keygen(pki, tmp_path / "signed", "--issuer", "ca", "--sign-csr", tmp_path / "request.csr")
    keygen(pki, tmp_path / "below", "--ca", "--issuer", "ca", "--name", "Below")
    keygen(pki, tmp_path / "leaf", "--issuer", tmp_path / "below", "--host", "example.org")
    openssl = ["openssl", "verify", "-CAfile", str(pki / "ca.pem")]
    subprocess.run([*openssl, "-verify_hostname", "example.org", str(tmp_path / "signed.pem")],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*openssl, "-untrusted", str(tmp_path / "below.pem"), str(tmp_path / "leaf.pem")],
                   check=True, stdout=subprocess.DEVNULL)
    assert stat.S_IMODE((tmp_path / "leaf.key").stat().st_mode) == 0o600
    again = run("keygen", "--out", tmp_path / "leaf", "--ca")
    assert again.returncode == 5 and b"--force" in again.stderr
    (tmp_path / "leaf.key").unlink()
    again = run("keygen", "--out", tmp_path / "leaf", "--ca")
    assert again.returncode == 5 and not (tmp_path / "leaf.key").exists()


def test_features():
    rows = json.loads(run("features", "--json").stdout)
    assert [row["scheme"] for row in rows] == ["tls", "dtls", "quic", "ikev2", "srtp", "tcpcrypt",
                                               "wireguard", "minimalt", "curvecp"]
    assert rows[0]["built"] and rows[0]["features"]["Early data support"]["built"] \
        if "Early data support" in rows[0]["features"] else rows[0]["built"]
    table = run("features").stdout.decode()
    assert table.count("\n") > 10 and "\033" not in table


@pytest.mark.parametrize("command", ["connect", "listen", "keygen", "features", "version"])
def test_help(command):
    done = run("help", command)
    assert done.returncode == 0 and done.stdout.startswith(b"usage: ennead " + command.encode())


def test_demo():
    top = os.environ.get("ENN_SOURCE", ".")
    build = os.path.dirname(os.path.dirname(os.path.abspath(ENNEAD)))
    done = subprocess.run([f"{top}/tools/demo/demo.sh", build], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout.decode()
