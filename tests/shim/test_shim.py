# SPDX-License-Identifier: Apache-2.0
"""The shim against itself, against openssl, and as a runner would use it."""
import os
import socket
import struct
import subprocess
import threading

import pytest

SHIM = os.environ["TLS_SHIM"]
LIMIT = 20
OK, LOCAL, USAGE, EXPECTATION, PEER, NETWORK, TIMEOUT, UNIMPLEMENTED = 0, 1, 2, 3, 4, 5, 6, 89


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    made = {}
    for name, key in (("server", "ec"), ("other", "ec"), ("client", "ec")):
        cert, private = folder / (name + ".pem"), folder / (name + ".key")
        usage = "clientAuth" if name == "client" else "serverAuth"
        subprocess.run(["openssl", "req", "-x509", "-newkey", key, "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", private, "-out", cert,
                        "-days", "9", "-subj", "/CN=" + name, "-addext",
                        "subjectAltName=DNS:shim.test", "-addext", "extendedKeyUsage=" + usage],
                       check=True, capture_output=True)
        made[name] = (str(cert), str(private))
    return made


class Shim:
    def __init__(self, *args):
        self.child = subprocess.Popen([SHIM, *map(str, args)], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.text = ""

    def port(self):
        line = self.child.stderr.readline().decode()
        assert line.startswith("listening "), line
        return int(line.split()[1])

    def end(self):
        _, err = self.child.communicate(timeout=LIMIT)
        self.text += err.decode()
        return self.child.returncode


def pair(pki, server=(), client=(), trust="server"):
    """Exit statuses and texts of a server and of a client that connects to it."""
    cert, key = pki["server"]
    first = Shim("--listen", "--port", 0, "--role", "server", "--cert", cert, "--key", key, *server)
    second = Shim("--port", first.port(), "--role", "client", "--trust", pki[trust][0], "--name",
                  "shim.test", *client)
    return (first.end(), second.end()), (first.text, second.text)


HELLO = ("--traffic", "discard", "--send", "hello", "--expect-data", "hello", "--ending", "close")


def test_echo(pki):
    status, text = pair(pki, ("--expect-data", "hello", "--expect-server-name", "shim.test"), HELLO)
    assert status == (OK, OK), text


def test_negotiated(pki):
    algorithms = ("--expect-version", "TLSv1.3", "--expect-cipher", "TLS_AES_256_GCM_SHA384",
                  "--expect-group", "P-384", "--expect-alpn", "two", "--expect-retry", "yes",
                  "--expect-resumed", "no", "--expect-psk", "none")
    status, text = pair(
        pki, ("--set", "supportedGroup=P-384", "--alpn", "two,one", *algorithms),
        ("--alpn", "one,two", "--set", "ciphersuite=TLS_AES_256_GCM_SHA384", *algorithms,
         "--expect-authenticated", "yes", "--expect-signature", "ecdsa_secp256r1_sha256", *HELLO))
    assert status == (OK, OK), text


def test_mutual(pki):
    cert, key = pki["client"]
    server = ("--trust", cert, "--set", "requireClient=true", "--expect-authenticated", "yes")
    status, text = pair(pki, server, ("--cert", cert, "--key", key, *HELLO))
    assert status == (OK, OK), text
    status, text = pair(pki, server, HELLO)
    assert status[0] == LOCAL and ":LOCAL:CERTIFICATE_REQUIRED:CERT_MISSING:" in text[0]
    assert status[1] == PEER and ":PEER:CERTIFICATE_REQUIRED:CERT_MISSING:" in text[1]


def test_resumption_and_early_data(pki):
    server = ("--resume", 2, "--set", "earlyData=true", "--on-resume-expect-resumed", "yes",
              "--on-resume-expect-early", "accepted", "--on-initial-expect-early", "none",
              "--on-resume-expect-data", "zerohello")
    client = ("--resume", 2, "--traffic", "discard", "--early", "zero", "--send", "hello", "--expect-data", "zerohello",
              "--ending", "close", "--on-resume-expect-resumed", "yes",
              "--on-resume-expect-early", "accepted", "--on-initial-expect-resumed", "no")
    status, text = pair(pki, server, client)
    assert status == (OK, OK), text


def test_session_not_offered(pki):
    status, text = pair(pki, ("--resume", 1, "--expect-resumed", "no"),
                        ("--resume", 1, "--no-session", "--expect-resumed", "no", *HELLO))
    assert status == (OK, OK), text


def test_exporter(pki):
    export = ("--export", "EXPORTER-shim:24:00ff", "--traffic", "discard")
    cert, key = pki["server"]
    server = Shim("--listen", "--port", 0, "--role", "server", "--cert", cert, "--key", key,
                  *export, "--expect-export", "00")
    client = Shim("--port", server.port(), "--trust", cert, "--name", "shim.test", *export,
                  "--expect-export", "11", "--ending", "close")
    assert (server.end(), client.end()) == (EXPECTATION, EXPECTATION)
    found = [text.split(":EXPECTATION:EXPORT: ")[1].split()[0] for text in (server.text,
                                                                           client.text)]
    assert found[0] == found[1] and len(found[0]) == 48, found


def test_psk(pki):
    status, text = pair(pki, ("--psk", "joe:00112233445566778899aabbccddeeff", "--expect-psk", "joe"),
                        ("--psk", "joe:00112233445566778899aabbccddeeff", *HELLO))
    assert status == (OK, OK), text
    status, text = pair(pki, ("--psk-answer", "00112233445566778899aabbccddeeff"),
                        ("--psk", "jim:00112233445566778899aabbccddeeff", "--expect-psk", "jim",
                         *HELLO))
    assert status == (OK, OK), text


def test_key_updates(pki):
    status, text = pair(pki, ("--traffic", "invert"),
                        ("--key-updates", 3, "--key-update-both", "--traffic", "discard", "--send", "hello", "--ending",
                         "half", "--segment", 7))
    assert status == (OK, OK), text


def test_failures_have_names(pki):
    status, text = pair(pki, client=HELLO, trust="other")
    assert status == (PEER, LOCAL), text
    assert ":LOCAL:UNKNOWN_CA:CERT_SELF_SIGNED:" in text[1] and ":PEER:UNKNOWN_CA:" in text[0]
    status, text = pair(pki, ("--expect-failure", ":PEER:UNKNOWN_CA:"),
                        ("--expect-failure", ":LOCAL:"), trust="other")
    assert status == (OK, OK), text
    status, text = pair(pki, ("--expect-failure", ":PEER:"), HELLO)
    assert status[0] == EXPECTATION and ":EXPECTATION:FAILURE:" in text[0]


def test_endings(pki):
    status, text = pair(pki, client=("--traffic", "discard", "--ending", "abort"))
    assert status == (NETWORK, OK) and ":NETWORK:NONE:TRUNCATED:" in text[0], text
    status, text = pair(pki, ("--timeout", 300), ("--timeout", 5000))
    assert status[0] == TIMEOUT and ":LOCAL:NONE:TIMEOUT:" in text[0], text


@pytest.mark.parametrize("args, status", [(("--port", 1, "--no-such-flag"), UNIMPLEMENTED),
                                          (("--port", "x"), USAGE), (("--role", "nobody"), USAGE),
                                          (("--listen", "--set", "nothing=1"), USAGE),
                                          (("--listen", "--cert", "/nowhere"), USAGE)])
def test_usage(args, status):
    shim = Shim(*args)
    assert shim.end() == status, shim.text
    assert ":USAGE:" in shim.text


def test_runner_is_connected_to(pki):
    """A runner listens, and each connection of the shim says which shim it is."""
    cert, key = pki["server"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        shim = Shim("-port", listener.getsockname()[1], "-shim-id", 0x0102030405, "-role", "server",
                    "-cert", cert, "-key", key)
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(LIMIT)
            assert sock.recv(8, socket.MSG_WAITALL) == struct.pack("<Q", 0x0102030405)
            sock.sendall(b"\x16\x03\x01\x00\x00")
            assert sock.recv(16) == b"\x15\x03\x03\x00\x02\x02\x0a"
        assert shim.end() == LOCAL
        assert ":LOCAL:UNEXPECTED_MESSAGE:PROTOCOL_FAILED:" in shim.text


def test_openssl_server(pki, tmp_path):
    cert, key = pki["server"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", cert, "-key",
                               key, "-rev", "-naccept", "2"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        while b"ACCEPT" not in server.stdout.readline():
            pass
        thread = threading.Thread(target=server.stdout.read, daemon=True)
        thread.start()
        shim = Shim("--port", port, "--trust", cert, "--name", "shim.test", "--send", "olleh\n",
                    "--traffic", "discard", "--expect-data", "hello\n", "--ending", "close", "--resume", 1,
                    "--on-resume-expect-resumed", "yes", "--on-initial-expect-resumed", "no")
        assert shim.end() == OK, shim.text
    finally:
        server.kill()
        server.wait(LIMIT)
