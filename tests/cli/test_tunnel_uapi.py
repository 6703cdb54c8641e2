# SPDX-License-Identifier: Apache-2.0
"""The ordinary wg(8), unmodified, against `ennead tunnel`; and the socket with our own words."""

import base64
import contextlib
import os
import socket
import stat
import time

import pytest

from tunnels import command, namespace, needs_tunnels, private_key, public_key, some_keys, tunnel, \
    write

pytestmark = needs_tunnels

PRIVATE = private_key("uapi")
A, B, C = some_keys(3)
PSK = private_key("psk")


@pytest.fixture(scope="module")
def netns():
    with namespace() as it:
        yield it


@pytest.fixture
def running(netns, tmp_path):
    conf = write(tmp_path / "wg.conf", "[Interface]", f"PrivateKey = {PRIVATE}", "Table = off",
                 "[Peer]", f"PublicKey = {A}", f"PresharedKey = {PSK}",
                 "AllowedIPs = 10.9.0.2/32, fd09::/64", "Endpoint = 127.0.0.1:1000",
                 "PersistentKeepalive = 25")
    with tunnel(netns, conf) as it:
        yield it


def path_of(it):
    return f"/var/run/wireguard/{it.interface}.sock"


# ---- wg ---------------------------------------------------------------------------------------

def test_dump(running):
    interface, peer = running.settings()
    assert interface[:2] == [PRIVATE, public_key(PRIVATE)]
    assert int(interface[2]) > 0 and interface[3] == "off"
    assert peer == [A, PSK, "127.0.0.1:1000", "10.9.0.2/32,fd09::/64", "0", "0", "0", "25"]
    every = [row.split("\t") for row in running.wg("show", "all", "dump").splitlines()]
    assert [running.interface, *interface] in every
    assert [running.interface, *peer[:6]] in [row[:7] for row in every]


def test_show(running):
    text = running.wg("show", running.interface)
    for words in (f"interface: {running.interface}", f"public key: {public_key(PRIVATE)}",
                  f"peer: {A}", "preshared key: (hidden)", "endpoint: 127.0.0.1:1000",
                  "allowed ips: 10.9.0.2/32, fd09::/64", "persistent keepalive: every 25 seconds"):
        assert words in text
    assert running.interface in running.wg("show", "interfaces").split()


def test_set_interface(running, tmp_path):
    new = private_key("other")
    running.wg("set", running.interface, "private-key", write(tmp_path / "key", new),
               "listen-port", "51999", "fwmark", "0x77")
    assert running.settings()[0] == [new, public_key(new), "51999", "0x77"]
    running.wg("set", running.interface, "fwmark", "off")
    assert running.settings()[0][3] == "off"


def test_set_peers(running, tmp_path):
    psk = write(tmp_path / "psk", PSK)
    running.wg("set", running.interface, "peer", B, "preshared-key", psk, "endpoint", "[::1]:99",
               "allowed-ips", "10.9.1.0/24,::/0", "persistent-keepalive", "7",
               "peer", C, "allowed-ips", "10.9.2.0/24")
    peers = {row[0]: row[1:] for row in running.settings()[1:]}
    assert peers[B] == [PSK, "[::1]:99", "10.9.1.0/24,::/0", "0", "0", "0", "7"]
    assert peers[C] == ["(none)", "(none)", "10.9.2.0/24", "0", "0", "0", "off"]
    running.wg("set", running.interface, "peer", B, "preshared-key", "/dev/null", "allowed-ips", "",
               "persistent-keepalive", "off", "peer", A, "remove")
    peers = {row[0]: row[1:] for row in running.settings()[1:]}
    assert peers[B] == ["(none)", "[::1]:99", "(none)", "0", "0", "0", "off"]
    assert A not in peers


def test_endpoint_with_a_scope(running):
    running.wg("set", running.interface, "peer", B, "endpoint", "[fe80::1%lo]:99")
    assert {row[0]: row[2] for row in running.settings()[1:]}[B] == "[fe80::1%lo]:99"


def test_allowed_ips_move_to_the_last_who_names_them(running):
    running.wg("set", running.interface, "peer", B, "allowed-ips", "fd09::/64")
    peers = {row[0]: row[3] for row in running.settings()[1:]}
    assert peers == {A: "10.9.0.2/32", B: "fd09::/64"}


def config(*peers, interface=("ListenPort = 51888",)):
    lines = ["[Interface]", f"PrivateKey = {PRIVATE}", *interface]
    for key, ips, *more in peers:
        lines += ["[Peer]", f"PublicKey = {key}", f"AllowedIPs = {ips}", *more]
    return lines


def test_setconf_addconf_syncconf(running, tmp_path):
    def apply(how, *peers):
        running.wg(how, running.interface, write(tmp_path / "conf", *config(*peers)))
        return {row[0]: (row[1], row[3], row[7]) for row in running.settings()[1:]}

    # setconf: what the file does not say of a peer is not kept
    assert apply("setconf", (A, "10.1.0.0/16"), (B, "10.2.0.0/16", "PersistentKeepalive = 9")) == {
        A: ("(none)", "10.1.0.0/16", "off"), B: ("(none)", "10.2.0.0/16", "9")}
    assert running.settings()[0][2] == "51888"
    # addconf: the others stay
    assert apply("addconf", (C, "10.3.0.0/16")) == {
        A: ("(none)", "10.1.0.0/16", "off"), B: ("(none)", "10.2.0.0/16", "9"),
        C: ("(none)", "10.3.0.0/16", "off")}
    # syncconf: those that are not named go
    assert apply("syncconf", (C, "10.3.1.0/24"), (B, "10.2.0.0/16", f"PresharedKey = {PSK}")) == {
        C: ("(none)", "10.3.1.0/24", "off"), B: (PSK, "10.2.0.0/16", "9")}


def test_showconf_is_what_setconf_takes(running, tmp_path):
    text = running.wg("showconf", running.interface)
    before = running.settings()
    running.wg("set", running.interface, "peer", A, "remove")
    running.wg("setconf", running.interface, write(tmp_path / "conf", text))
    assert running.settings() == before


def test_refused_by_the_engine(running):
    before = running.settings()
    zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    done = command("wg", "set", running.interface, "peer", zero, "allowed-ips", "10.0.0.0/8",
                   check=False)
    # a key that no handshake can be made with: refused, or kept and useless, but nothing else changes
    assert [row for row in running.settings() if row[0] != zero] == before
    if done.returncode != 0:
        assert "Unknown error" not in done.stderr


def test_ten_thousand_peers(running, tmp_path):
    peers = [(key, f"10.{10 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32", f"PresharedKey = {PSK}",
              f"Endpoint = 127.0.0.1:{1000 + i}") for i, key in enumerate(some_keys(10000))]
    path = write(tmp_path / "conf", *config(*peers))
    for how in ("setconf", "addconf", "syncconf"):
        begun = time.monotonic()
        running.wg(how, running.interface, path)
        assert len(running.settings()) == 10001
        assert time.monotonic() - begun < 5
    want = {key: ips for key, ips, *_ in peers}
    assert {row[0]: row[3] for row in running.settings()[1:]} == want
    running.wg("syncconf", running.interface, write(tmp_path / "conf", *config(peers[17])))
    assert [row[0] for row in running.settings()[1:]] == [peers[17][0]]


# ---- the socket -------------------------------------------------------------------------------

@contextlib.contextmanager
def talk(it):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(path_of(it))
        yield s


def answer(s):
    data = b""
    while not data.endswith(b"\n\n"):
        part = s.recv(65536)
        assert part, data
        data += part
    return data.decode()


def ask(s, *lines):
    s.sendall("".join(line + "\n" for line in lines).encode() + b"\n")
    return answer(s)


def settings(s):
    """What get tells, without what was sent meanwhile."""
    return [line for line in ask(s, "get=1").splitlines() if not line.startswith("tx_bytes")]


def hex_of(key):
    return base64.b64decode(key).hex()


def test_socket_is_its_owners(running):
    mode = os.stat(path_of(running))
    assert stat.S_IMODE(mode.st_mode) == 0o600 and mode.st_uid == 0


def test_get_has_every_key(running):
    with talk(running) as s:
        keys = [line.split("=")[0] for line in ask(s, "get=1").splitlines() if line]
    assert keys == ["private_key", "listen_port", "public_key", "preshared_key",
                    "protocol_version", "endpoint", "last_handshake_time_sec",
                    "last_handshake_time_nsec", "tx_bytes", "rx_bytes",
                    "persistent_keepalive_interval", "allowed_ip", "allowed_ip", "errno"]


def test_several_requests_on_one_connection(running):
    with talk(running) as s:
        for i in range(50):
            assert ask(s, "set=1", f"public_key={hex_of(B)}",
                       f"persistent_keepalive_interval={i}") == "errno=0\n\n"
            assert f"persistent_keepalive_interval={i}\n" in ask(s, "get=1")
        # and all at once, in as few writes as the kernel makes of it
        s.sendall(b"get=1\n\n" * 20)
        text = ""
        while text.count("errno=0\n\n") < 20:
            text += s.recv(65536).decode()
        assert text.count("private_key=") == 20


def test_byte_by_byte(running):
    with talk(running) as s:
        for byte in f"set=1\npublic_key={hex_of(C)}\nallowed_ip=10.77.0.0/16\n\n".encode():
            s.send(bytes([byte]))
        assert answer(s) == "errno=0\n\n"
    assert {row[0]: row[3] for row in running.settings()[1:]}[C] == "10.77.0.0/16"


def test_flags(running):
    with talk(running) as s:
        # a peer that is not there stays away
        assert ask(s, "set=1", f"public_key={hex_of(B)}", "update_only=true",
                   "allowed_ip=10.0.0.0/8") == "errno=0\n\n"
        assert hex_of(B) not in ask(s, "get=1")
        # one prefix goes, the other stays
        assert ask(s, "set=1", f"public_key={hex_of(A)}", "allowed_ip=-fd09::/64") == "errno=0\n\n"
        text = ask(s, "get=1")
        assert "fd09" not in text and "allowed_ip=10.9.0.2/32\n" in text
        assert ask(s, "set=1", f"public_key={hex_of(A)}", "replace_allowed_ips=true",
                   "allowed_ip=10.5.0.0/16", "protocol_version=1") == "errno=0\n\n"
        text = ask(s, "get=1")
        assert "allowed_ip=10.5.0.0/16\n" in text and "10.9.0.2" not in text
        assert ask(s, "set=1", "replace_peers=true") == "errno=0\n\n"
        assert "public_key" not in ask(s, "get=1")
        assert ask(s, "set=1", "private_key=" + "0" * 64) == "errno=0\n\n"
        assert "private_key" not in ask(s, "get=1")


@pytest.mark.parametrize("lines", [
    ["set=2"], ["hello"], ["get=1", "public_key=" + "00" * 32], ["set=1", "nonsense=1"],
    ["set=1", "nonsense"], ["set=1", "listen_port=65536"], ["set=1", "fwmark=x"],
    ["set=1", "private_key=12"], ["set=1", "private_key=" + "0g" * 32],
    ["set=1", "replace_peers=false"], ["set=1", "endpoint=127.0.0.1:1"],
    ["set=1", "public_key=00"], ["set=1", f"public_key={'11' * 32}", "endpoint=localhost:1"],
    ["set=1", f"public_key={'11' * 32}", "endpoint=127.0.0.1:0"],
    ["set=1", f"public_key={'11' * 32}", "allowed_ip=10.0.0.0/33"],
    ["set=1", f"public_key={'11' * 32}", "protocol_version=2"],
    ["set=1", f"public_key={'11' * 32}", "persistent_keepalive_interval=65536"],
    ["set=1", f"public_key={'11' * 32}", "listen_port=1"],
    ["set=1", "x" * 5000], ["set=1", "private_key=\0"],
])
def test_what_is_wrong_changes_nothing(running, lines):
    with talk(running) as s:
        before = settings(s)
        text = ask(s, *lines)
        assert text.startswith("errno=-") and text.count("\n") == 2, text
        # also not what was right before the wrong line
        if lines[0] == "set=1":
            assert ask(s, "set=1", "listen_port=51001", *lines[1:]).startswith("errno=-")
        assert settings(s) == before


def test_a_client_that_goes_away_or_stalls(running, tmp_path):
    peers = [(key, f"10.{i >> 8}.{i & 255}.0/24") for i, key in enumerate(some_keys(3000))]
    running.wg("setconf", running.interface, write(tmp_path / "conf", *config(*peers)))
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stalled = stack.enter_context(talk(running))
            stalled.sendall(b"get=1\n\n" * 5)  # and reads nothing
        half = stack.enter_context(talk(running))
        half.sendall(f"set=1\npublic_key={hex_of(B)}\nremove=true\n".encode())
        gone = stack.enter_context(talk(running))
        gone.sendall(b"get=1\n\n")
        gone.close()
        assert len(running.settings()) == 3001
    # a request without its end was none
    assert B in [row[0] for row in running.settings()[1:]]


def test_many_connections(running):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            try:
                stack.enter_context(talk(running))
            except OSError:
                break
    assert len(running.settings()) == 2
