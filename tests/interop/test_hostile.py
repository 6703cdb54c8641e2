# SPDX-License-Identifier: Apache-2.0
"""What is not TLS 1.3 on the port: refused at once, with an alert where one can be sent."""
import socket
import struct

import pytest

from pki import NAME
from process import LIMIT
from programs import DRIVER, Program, settings, show

SECTION = "Not TLS 1.3 on the port"
UNEXPECTED, RECORD_OVERFLOW, HANDSHAKE_FAILURE, DECODE_ERROR, PROTOCOL_VERSION = 10, 22, 40, 50, 70


def record(kind, body, version=0x0301):
    return struct.pack(">BHH", kind, version, len(body)) + body


def hello(version=0x0303, extensions=b""):
    body = struct.pack(">H", version) + bytes(32) + b"\0" + b"\0\x04\x13\x01\xc0\x2f" + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


SSLV2 = bytes.fromhex("802e0100020015000000100700c003008001008006004004008002000500000a")
SSLV2 += bytes(16)

SERVER_HELLO_1_2 = record(22, b"\x02\0\0\x26\3\3" + bytes(32) + b"\0\xc0\x2f\0", 0x0303)

# name -> (bytes, alerts that fit)
TO_SERVER = {
    "SSLv2 hello": (SSLV2, (UNEXPECTED, DECODE_ERROR, PROTOCOL_VERSION, RECORD_OVERFLOW)),
    "HTTP request": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", (UNEXPECTED, DECODE_ERROR,
                                                            PROTOCOL_VERSION, RECORD_OVERFLOW)),
    "SSH banner": (b"SSH-2.0-OpenSSH_9.2\r\n", (UNEXPECTED, DECODE_ERROR, PROTOCOL_VERSION,
                                                RECORD_OVERFLOW)),
    "zero bytes": (bytes(64), (UNEXPECTED, DECODE_ERROR, PROTOCOL_VERSION)),
    "random bytes": (bytes((i * 167 + 91) % 256 for i in range(512)),
                     (UNEXPECTED, DECODE_ERROR, PROTOCOL_VERSION, RECORD_OVERFLOW)),
    "record of 2^14+1 plain bytes": (record(22, hello() + bytes(16500)), (RECORD_OVERFLOW,)),
    "empty handshake record": (record(22, b""), (UNEXPECTED, DECODE_ERROR)),
    "application data first": (record(23, bytes(40)), (UNEXPECTED,)),
    # RFC 7627 §5.1
    "TLS 1.2 hello without extended_master_secret": (record(22, hello()), (HANDSHAKE_FAILURE,)),
    "TLS 1.0 hello": (record(22, hello(0x0301)), (PROTOCOL_VERSION,)),
    "SSLv3 hello": (record(22, hello(0x0300), 0x0300), (PROTOCOL_VERSION,)),
    # RFC 8446 §D.5: whatever its extensions say.
    "SSLv3 hello that offers TLS 1.3": (record(22, hello(0x0300, b"\0\x2b\0\3\2\3\4")),
                                        (PROTOCOL_VERSION,)),
    # They are ignored, however many there are; what is missing is a version.
    "TLS 1.0 hello with 4000 unknown extensions": (
        record(22, hello(0x0301, b"".join(struct.pack(">HH", 0x1000 + i, 0) for i in range(4000)))),
        (PROTOCOL_VERSION,)),
    "empty alert record": (record(21, b""), (UNEXPECTED,)),
    "ServerHello first": (record(22, b"\x02\0\0\x02\3\3"), (UNEXPECTED,)),
    "hello cut inside its extensions": (record(22, hello(extensions=b"\0\x2b\0\xff\x01")),
                                        (DECODE_ERROR,)),
    "handshake message of 16 MiB announced": (record(22, b"\x01\xff\xff\xff" + bytes(200)),
                                              (UNEXPECTED, DECODE_ERROR, 47, 80)),
}

TO_CLIENT = {
    "HTTP answer": (b"HTTP/1.1 400 Bad Request\r\n\r\n",
                    (UNEXPECTED, DECODE_ERROR, PROTOCOL_VERSION,
                                                         RECORD_OVERFLOW)),
    "SSH banner": (b"SSH-2.0-OpenSSH_9.2\r\n", (UNEXPECTED, DECODE_ERROR, PROTOCOL_VERSION,
                                                RECORD_OVERFLOW)),
    "application data first": (record(23, bytes(40), 0x0303), (UNEXPECTED,)),
    "ClientHello first": (record(22, hello(), 0x0303), (UNEXPECTED,)),
    # RFC 7627 §5.2, RFC 5746 §3.4
    "TLS 1.2 ServerHello without extensions": (SERVER_HELLO_1_2, (HANDSHAKE_FAILURE,)),
    "record of 2^14+257 bytes": (record(22, bytes(16641), 0x0303), (RECORD_OVERFLOW, UNEXPECTED,
                                                                    DECODE_ERROR)),
}


def read_alert(sock):
    """The last plain alert of what arrives until the end: (level, description) or None."""
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    alert = None
    while len(data) >= 5:
        kind, _, length = struct.unpack(">BHH", data[:5])
        if kind == 21 and length == 2:
            alert = (data[5], data[6])
        data = data[5 + length:]
    return alert


def check(report, alert, fitting):
    assert report.result == "failed" and report.origin == "local", show(report)
    assert report.alert in fitting, show(report)
    assert alert == (2, report.alert), show(alert, report)
    assert report["error"]["text"] and report["error"]["where"], show(report)
    assert not report["info"]["ready"] and report.bytes_in == 0


def server(programs, pki, *more):
    cert = pki("p256")
    return programs(Program, DRIVER, "server", "--port", 0, "--cert", cert.chain, "--key", cert.key,
                    *more)


@pytest.mark.row("{what}")
@pytest.mark.cell(SECTION, "server")
@pytest.mark.parametrize("what", TO_SERVER)
def test_to_server(programs, pki, what):
    data, fitting = TO_SERVER[what]
    ours = server(programs, pki)
    with socket.create_connection(("127.0.0.1", ours.port()), LIMIT) as sock:
        sock.sendall(data)
        alert = read_alert(sock)
    check(ours.report(), alert, fitting)


@pytest.mark.row("{what}")
@pytest.mark.cell(SECTION, "client")
@pytest.mark.parametrize("what", TO_CLIENT)
def test_to_client(programs, pki, what):
    data, fitting = TO_CLIENT[what]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        ours = programs(Program, DRIVER, "client", "--port", listener.getsockname()[1], "--ca",
                        pki.ca,
                        "--name", NAME)
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(LIMIT)
            sock.sendall(data)
            alert = read_alert(sock)
    check(ours.report(), alert, fitting)


@pytest.mark.row("TLS 1.2 where only 1.3 is allowed")
@pytest.mark.cell(SECTION, "server")
def test_old_to_server(programs, pki):
    ours = server(programs, pki, settings(protocolVersion="TLSv1.3"))
    with socket.create_connection(("127.0.0.1", ours.port()), LIMIT) as sock:
        sock.sendall(record(22, hello()))
        alert = read_alert(sock)
    check(ours.report(), alert, (PROTOCOL_VERSION,))


@pytest.mark.row("TLS 1.2 where only 1.3 is allowed")
@pytest.mark.cell(SECTION, "client")
def test_old_to_client(programs, pki):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        ours = programs(Program, DRIVER, "client", "--port", listener.getsockname()[1], "--ca",
                        pki.ca, "--name", NAME, settings(protocolVersion="TLSv1.3"))
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(LIMIT)
            sock.sendall(SERVER_HELLO_1_2)
            alert = read_alert(sock)
    check(ours.report(), alert, (PROTOCOL_VERSION,))


@pytest.mark.row("nothing but the end of the stream")
@pytest.mark.cell(SECTION, "server")
def test_nothing_to_server(programs, pki):
    ours = server(programs, pki)
    socket.create_connection(("127.0.0.1", ours.port()), LIMIT).close()
    report = ours.report()
    assert (report.result, report.reason, report.origin) == ("failed", "TRUNCATED",
                                                             "network"), show(report)


@pytest.mark.row("nothing but the end of the stream")
@pytest.mark.cell(SECTION, "client")
def test_nothing_to_client(programs, pki):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        ours = programs(Program, DRIVER, "client", "--port", listener.getsockname()[1], "--ca",
                        pki.ca,
                        "--name", NAME)
        sock, _ = listener.accept()
        sock.settimeout(LIMIT)
        sock.recv(1)
        sock.shutdown(socket.SHUT_WR)
        report = ours.report()
        sock.close()
    assert (report.result, report.reason, report.origin) == ("failed", "TRUNCATED",
                                                             "network"), show(report)


@pytest.mark.row("silence: the handshake times out")
@pytest.mark.cell(SECTION, "server")
def test_silence(programs, pki):
    cert = pki("p256")
    ours = programs(Program, DRIVER, "server", "--port", 0, "--cert", cert.chain, "--key", cert.key,
                    settings(handshakeTimeoutMilliseconds=150))
    with socket.create_connection(("127.0.0.1", ours.port()), LIMIT) as sock:
        sock.settimeout(LIMIT)
        read_alert(sock)
    report = ours.report()
    assert (report.result, report.reason) == ("failed", "TIMEOUT"), show(report)


@pytest.mark.row("silence: the handshake times out")
@pytest.mark.cell(SECTION, "client")
def test_silence_client(programs, pki):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        ours = programs(Program, DRIVER, "client", "--port", listener.getsockname()[1], "--ca",
                        pki.ca,
                        "--name", NAME, settings(handshakeTimeoutMilliseconds=150))
        sock, _ = listener.accept()
        with sock:
            report = ours.report()
    assert (report.result, report.reason) == ("failed", "TIMEOUT"), show(report)
