# SPDX-License-Identifier: Apache-2.0
"""ennead probe against our own listener, OpenSSL's, and those that are no servers at all."""

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time

import pytest

from command import COMMAND

SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]


def run(*arguments, cwd=None, timeout=40):
    return subprocess.run([*COMMAND, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                          timeout=timeout)


def keygen(where, out, *arguments):
    done = run("keygen", "--out", out, *arguments, cwd=where)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    where = tmp_path_factory.mktemp("probe")
    local = ("--host", "localhost", "--host", "127.0.0.1", "--server")
    keygen(where, "ca", "--ca", "--name", "Test CA")
    for name, more in (("server", ()), ("rsa", ("--type", "rsa2048")), ("old", ("--days", "-3"))):
        keygen(where, name, "--issuer", "ca", *local, *more)
    keygen(where, "alone", *local)
    keygen(where, "elsewhere", "--issuer", "ca", "--host", "elsewhere.example", "--server")
    (where / "disorder.pem").write_text((where / "server.pem").read_text() +
                                        (where / "alone.pem").read_text())
    shutil.copy(where / "server.key", where / "disorder.key")
    return where


@contextlib.contextmanager
def listener(pki, *arguments, cert="server"):
    process = subprocess.Popen([*COMMAND, "listen", "tls://127.0.0.1:0", "--cert", f"{cert}.pem",
                                "--key", f"{cert}.key", "--echo", "--keep", "--json", *arguments],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=pki, text=True)
    # read on, or the listener would wait for its reader
    port = json.loads(process.stderr.readline())["port"]
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    reader.start()
    try:
        yield f"tls://localhost:{port}"
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stderr.close()


def probe(pki, url, *arguments, status=0):
    done = run("probe", url, "-4", "--json", "--ca", "ca.pem", *arguments, cwd=pki)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def version(found, name):
    return next(v for v in found["versions"] if v["version"] == name)


def problems(found):
    return {p["what"] for p in found["problems"]} - {"long lived"}


def test_own_listener(pki):
    with listener(pki, "--accept-early-data", "--alpn", "http/1.1,h2", "--cert", "rsa.pem", "--key",
                  "rsa.key") as url:
        found = probe(pki, url)
    assert found["complete"] and found["connections"] < 100
    assert found["address"].startswith("127.0.0.1:")
    tls13 = version(found, "TLSv1.3")
    assert tls13["supported"]
    assert sorted(tls13["suites"]["names"]) == sorted(SUITES)
    assert {"X25519", "P-256", "P-384"} <= set(tls13["groups"]["names"])
    assert tls13["groups"]["order"] in ("server", "client")
    assert tls13["signatures"]["names"][0] == "ecdsa_secp256r1_sha256"
    assert "rsa_pss_rsae_sha256" in tls13["signatures"]["names"]
    assert tls13["record_size_limit"] == 16385
    assert tls13["retry"] and tls13["key_update"] == "answered"
    resumption = tls13["resumption"]
    assert resumption["resumed"]
    assert resumption["early_data"] == "accepted"
    assert 86000 < resumption["lifetime"] <= 86400
    assert set(found["alpn"]["names"]) == {"h2", "http/1.1"}
    assert found["unknown_alpn"] == "refused"
    assert found["asks_client"] is False
    assert [(chain["ocsp"], chain["compression"]) for chain in found["chains"]] == [("none", None)] * 2
    assert [chain["trusted"] for chain in found["chains"]] == [True, True]
    leaf = found["chains"][0]["certificates"][0]
    assert leaf["subject"] == "CN=localhost" and "DNS:localhost" in leaf["names"]
    assert leaf["key"] == "EC P-256" and found["chains"][1]["certificates"][0]["key"] == "RSA 2048"
    assert problems(found) == set()


def test_what_is_off_is_not_found(pki):
    with listener(pki, "--policy", "versions=TLSv1.3:groups=P-384:suites=TLS_AES_256_GCM_SHA384",
                  "--tickets", "0") as url:
        found = probe(pki, url)
    tls13 = version(found, "TLSv1.3")
    assert tls13["suites"]["names"] == ["TLS_AES_256_GCM_SHA384"]
    assert tls13["groups"]["names"] == ["P-384"]
    assert tls13["groups"]["order"] is None
    assert not tls13["resumption"]["offered"] and not tls13["resumption"]["resumed"]
    assert not version(found, "TLSv1.2")["supported"]
    assert found["alpn"]["names"] == [] and found["unknown_alpn"] == "ignored"


@pytest.mark.parametrize("cert, expected", [
    ("old", {"expired", "not trusted"}),
    ("alone", {"self-signed", "not trusted"}),
    ("elsewhere", {"wrong name", "not trusted"}),
    ("disorder", {"chain order", "root sent"}),
])
def test_certificate_problems(pki, cert, expected):
    with listener(pki, cert=cert) as url:
        found = probe(pki, url, "--check", status=6)
    assert expected <= problems(found), found["problems"]


def test_client_certificate_and_compression(pki):
    (pki / "both.pem").write_text((pki / "server.pem").read_text() + (pki / "ca.pem").read_text())
    shutil.copy(pki / "server.key", pki / "both.key")
    with listener(pki, "--client-ca", "ca.pem", "--request-client", cert="both") as url:
        found = probe(pki, url)
    assert found["asks_client"] is True
    assert found["chains"][0]["compression"] in ("brotli", "zstd", "zlib")
    assert found["chains"][0]["trusted"] and problems(found) == {"root sent"}


def test_compression(pki):
    """Every algorithm that the server takes, not only the one that it likes best."""
    (pki / "long.pem").write_text((pki / "server.pem").read_text() + (pki / "ca.pem").read_text())
    shutil.copy(pki / "server.key", pki / "long.key")
    with listener(pki, "--compress", "zlib:brotli", cert="long") as url:
        found = probe(pki, url)
    assert set(version(found, "TLSv1.3")["compression"]["names"]) == {"zlib", "brotli"}
    with listener(pki, "--compress", "none", cert="long") as url:
        found = probe(pki, url)
        table = run("probe", url, "-4", "--ca", "ca.pem", cwd=pki).stdout
    assert version(found, "TLSv1.3")["compression"]["names"] == []
    assert "\n  compression       none\n" in table


@pytest.fixture(scope="module")
def raw_key(pki):
    done = run("keygen", "--raw-key", "--out", "raw", cwd=pki)
    assert done.returncode == 0, done.stderr
    return subprocess.run("openssl pkey -in raw.key -pubout -outform DER | openssl dgst -sha256 -binary |"
                          " base64", shell=True, cwd=pki, stdout=subprocess.PIPE, check=True,
                          text=True).stdout.strip()


def test_raw_key_beside_a_certificate(pki, raw_key):
    with listener(pki, "--raw-key", "raw.key") as url:
        found = probe(pki, url)
        table = run("probe", url, "-4", "--ca", "ca.pem", cwd=pki).stdout
    assert found["raw_key"] == "sha256/" + raw_key
    assert len(found["chains"]) == 1 and found["chains"][0]["trusted"]
    assert f"\nraw keys          sha256/{raw_key}\n" in table
    with listener(pki) as url:
        assert probe(pki, url)["raw_key"] is None


def test_raw_key_only(pki, raw_key):
    """A server without a certificate is probed all the same (RFC 7250)."""
    process = subprocess.Popen([*COMMAND, "listen", "tls://127.0.0.1:0", "--raw-key", "raw.key", "--echo",
                                "--keep", "--json"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               cwd=pki, text=True)
    url = "tls://localhost:%d" % json.loads(process.stderr.readline())["port"]
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        found = probe(pki, url)
    finally:
        process.terminate()
        process.wait()
    assert found["raw_key"] == "sha256/" + raw_key and found["chains"] == []
    assert all(version(found, name)["supported"] for name in ("TLSv1.3", "TLSv1.2"))
    assert sorted(version(found, "TLSv1.3")["suites"]["names"]) == sorted(SUITES)


def hidden(pki):
    """keygen ech; whether this libcrypto can use what it makes."""
    for name in ("ech", "stranger"):
        done = run("keygen", "ech", "--name", "localhost", "--out", name, "--force", cwd=pki)
        (pki / (name + ".list")).write_text(done.stdout)
    return "no HPKE" not in run("probe", "tls://localhost:1", "--ech", "ech.list", cwd=pki).stderr


def test_ech(pki):
    able = hidden(pki)
    with listener(pki, *(["--ech-key", "ech"] if able else [])) as url:
        found = version(probe(pki, url), "TLSv1.3")["ech"]
        assert found == {"grease": "answered" if able else "ignored", "configured": None}
        if not able:  # the run with the libcrypto of tools/newer.sh goes on
            return
        found = version(probe(pki, url, "--ech", "ech.list"), "TLSv1.3")["ech"]
        assert found == {"grease": "answered", "configured": "accepted"}
        found = version(probe(pki, url, "--ech", "stranger.list"), "TLSv1.3")["ech"]
        assert found == {"grease": "answered", "configured": "refused, others offered"}
        table = run("probe", url, "-4", "--ca", "ca.pem", "--ech", "ech.list", cwd=pki).stdout
        assert "  ECH               yes: it answers with configurations\n" in table
        assert "with --ech accepted\n" in table
    with listener(pki) as url:
        found = version(probe(pki, url, "--ech", "ech.list"), "TLSv1.3")["ech"]
        assert found == {"grease": "ignored", "configured": "refused"}


@pytest.mark.parametrize("revoked", [False, True])
def test_ocsp(pki, revoked):
    serial = subprocess.run(["openssl", "x509", "-in", "server.pem", "-noout", "-serial"], cwd=pki,
                            check=True, stdout=subprocess.PIPE, text=True).stdout.split("=")[1].strip()
    state = "R\t401231235959Z\t200101000000Z" if revoked else "V\t401231235959Z\t"
    (pki / "index").write_text(f"{state}\t{serial}\tunknown\t/CN=localhost\n")
    for command in ([*"-issuer ca.pem -cert server.pem -no_nonce -reqout request".split()],
                    [*"-index index -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin request "
                      "-respout response -ndays 1".split()]):
        subprocess.run(["openssl", "ocsp", *command], cwd=pki, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with listener(pki, "--ocsp", "response") as url:
        found = probe(pki, url)
    chain = found["chains"][0]
    if revoked:
        assert not chain["trusted"] and chain["ocsp"] == "stapled"
        assert problems(found) == {"not trusted"} and "revoked" in chain["error"]
    else:
        assert chain["trusted"] and chain["ocsp"] == "good" and problems(found) == set()


def test_unknown_authority_and_name(pki):
    with listener(pki) as url:
        done = run("probe", url, "-4", "--json", "--name", "other.example", cwd=pki)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert problems(found) == {"wrong name", "not trusted"}


def test_table(pki):
    with listener(pki) as url:
        done = run("probe", url, "-4", "--ca", "ca.pem", cwd=pki)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith(url + " at 127.0.0.1:")
    assert any(line.startswith("TLSv1.3 ") and line.endswith("yes") for line in lines)
    assert any(line.startswith("  suites ") and "TLS_AES_" in line for line in lines)
    assert any(line.startswith("problems ") for line in lines)
    assert not any(line != line.rstrip() for line in lines)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def openssl(pki, *arguments):
    port = free_port()
    process = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
                                "server.pem", "-key", "server.key", "-quiet", "-naccept", "200",
                                *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=pki)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"tls://localhost:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def test_openssl(pki):
    with openssl(pki, "-alpn", "http/1.1", "-groups", "P-256:X25519", "-serverpref",
                 "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "-cipher",
                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256") as url:
        found = probe(pki, url)
    tls13 = version(found, "TLSv1.3")
    assert tls13["suites"] == {"names": ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"],
                               "order": "server"}
    assert set(tls13["groups"]["names"]) == {"P-256", "X25519"}
    assert tls13["signatures"]["names"] == ["ecdsa_secp256r1_sha256"]
    assert tls13["resumption"]["resumed"]
    assert tls13["resumption"]["early_data"] == "not offered"
    assert found["alpn"]["names"] == ["http/1.1"]
    assert problems(found) == set()
    tls12 = version(found, "TLSv1.2")
    assert tls12["suites"] == {"names": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                                         "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
                               "order": "server"}
    # without P-256 the server's certificate may not be shown (RFC 8422 §5.1)
    assert tls12["groups"]["names"] == ["P-256"]
    assert tls12["obsolete_suites"]["names"] == []
    assert tls12["resumption"]["resumed"] and tls12["extended_main_secret"]


def test_obsolete_suites(pki):
    with openssl(pki, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256",
                 "-no_ticket") as url:
        found = probe(pki, url)
    tls12 = version(found, "TLSv1.2")
    assert not version(found, "TLSv1.3")["supported"]
    assert tls12["suites"]["names"] == ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    assert tls12["obsolete_suites"]["names"] == ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"]
    assert problems(found) == {"obsolete suites", "old versions only"}


def test_old_versions_only(pki):
    with openssl(pki, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0") as url:
        done = run("probe", url, "-4", "--json", cwd=pki)
    found = json.loads(done.stdout)
    assert done.returncode == 3
    assert not any(v["supported"] for v in found["versions"])
    assert "protocol_version" in version(found, "TLSv1.3")["error"]
    assert problems(found) == {"old versions only"}


def test_nobody_there(pki):
    done = run("probe", f"tls://127.0.0.1:{free_port()}")
    assert done.returncode == 2 and "cannot connect" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("says", [b"", b"220 mail.example ESMTP\r\n"])
def test_somebody_who_speaks_no_tls(says):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()
        held = []

        def serve():
            while not over.is_set():
                with contextlib.suppress(OSError):
                    c, _ = server.accept()
                    held.append(c)
                    c.sendall(says)
        thread = threading.Thread(target=serve)
        thread.start()
        begun = time.monotonic()
        done = run("probe", f"tls://127.0.0.1:{server.getsockname()[1]}", "--timeout", "4")
        over.set()
        thread.join()
        for c in held:
            c.close()
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - begun < 6


@pytest.mark.parametrize("arguments", [
    (), ("wireguard://127.0.0.1:1",), ("tls://a:1", "tls://b:2"), ("tls://a:1", "--ca", "/nowhere"),
    ("tls://a:1", "--parallel", "0"), ("tls://a:1", "--echo")])
def test_wrong_arguments(arguments):
    done = run("probe", *arguments)
    assert done.returncode == 1 and done.stdout == "" and done.stderr
