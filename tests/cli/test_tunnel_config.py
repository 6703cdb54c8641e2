# SPDX-License-Identifier: Apache-2.0
"""wg-quick's file format as `ennead tunnel --check` understands it, and WireGuard keys."""

import shutil
import subprocess

import pytest

from tunnels import ENNEAD, command, ennead, private_key, some_keys, write

PRIVATE = private_key("a")
PUBLIC, OTHER = some_keys(2)
INTERFACE = "[Interface]"
PEER = f"[Peer]\nPublicKey = {PUBLIC}"


def checked(tmp_path, *lines, keys=True):
    path = write(tmp_path / "wg0.conf", *lines)
    return ennead("tunnel", "--check", *(["--show-keys"] if keys else []), path)


def normal(tmp_path, *lines):
    done = checked(tmp_path, *lines)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


EVERYTHING = f"""[Interface]
PrivateKey = {PRIVATE}
ListenPort = 51820
FwMark = 0xca6c
Address = 10.9.0.1/24
Address = fd09::1/64
DNS = 10.9.0.53
DNS = example.org
MTU = 1380
Table = 1234
PreUp = echo pre %i
PostUp = echo post; true
PreDown = echo = equal
PostDown = echo last
SaveConfig = true

[Peer]
PublicKey = {PUBLIC}
PresharedKey = {PRIVATE}
AllowedIPs = 10.9.0.2/32, fd09::2/128
Endpoint = 192.0.2.1:51820
PersistentKeepalive = 25

[Peer]
PublicKey = {OTHER}
AllowedIPs =
Endpoint = [2001:db8::1]:443
PersistentKeepalive = off
"""


def test_everything_is_its_own_normal_form(tmp_path):
    assert normal(tmp_path, EVERYTHING) == EVERYTHING


def test_case_space_and_comments(tmp_path):
    lines = ["\ufeff# first", "\t[INTERFACE]  # here", f"privatekey={PRIVATE}#", "ADDRESS=10.9.0.1/24 ,",
             ""]
    # a list may not end in nothing …
    assert checked(tmp_path, *lines).returncode == 1
    lines[3] = "ADDRESS =10.9.0.1/24 ,fd09::1/64\r"
    # … but white space is free
    text = normal(tmp_path, *lines, "[peer]", f"publickEY =  {PUBLIC}\t", "allowedips = 0.0.0.0/0",
                  "allowedips = ::/0", "persistentkeepalive=0")
    assert "Address = 10.9.0.1/24\nAddress = fd09::1/64\n" in text
    assert "AllowedIPs = 0.0.0.0/0, ::/0\n" in text
    assert "PersistentKeepalive = off\n" in text


def test_secrets_are_hidden_unless_asked_for(tmp_path):
    done = checked(tmp_path, EVERYTHING, keys=False)
    assert PRIVATE not in done.stdout and done.stdout.count("(hidden)") == 2
    assert PUBLIC in done.stdout


@pytest.mark.parametrize("line,expected", [
    ("Table = off", "Table = off"),
    ("Table = auto", None),
    ("Table = main", "Table = 254"),
    ("Table = 0x10", "Table = 16"),
    ("FwMark = off", "FwMark = off"),
    ("FwMark = 51820", "FwMark = 0xca6c"),
    ("ListenPort = 0", "ListenPort = 0"),
    ("Address = 10.1.2.3", "Address = 10.1.2.3/32"),
    ("Address = fd09:0:0::1", "Address = fd09::1/128"),
])
def test_interface_values(tmp_path, line, expected):
    text = normal(tmp_path, INTERFACE, line)
    assert text == (f"[Interface]\n{expected}\n" if expected else "[Interface]\n")


@pytest.mark.parametrize("line,expected", [
    ("AllowedIPs = 10.1.2.3/8", "AllowedIPs = 10.0.0.0/8"),
    ("AllowedIPs = 10.1.2.3", "AllowedIPs = 10.1.2.3/32"),
    ("AllowedIPs = fd09::ffff/16", "AllowedIPs = fd09::/16"),
    ("Endpoint = vpn.example.org:1", "Endpoint = vpn.example.org:1"),
    ("PersistentKeepalive = 65535", "PersistentKeepalive = 65535"),
])
def test_peer_values(tmp_path, line, expected):
    assert expected in normal(tmp_path, PEER, line).splitlines()


@pytest.mark.parametrize("text,place,words", [
    ("Address = 10.0.0.1", "1:1", "before the first section"),
    ("nonsense", "1:1", "neither a [Section] nor"),
    ("[Interfac]", "1:1", "did you mean [Interface]"),
    ("[Nothing]", "1:1", "no section"),
    (f"{INTERFACE}\nPrivatKey = x", "2:1", "did you mean 'PrivateKey'"),
    (f"{INTERFACE}\n  adress = x", "2:3", "did you mean 'Address'"),
    (f"{INTERFACE}\nFrobnicate = x", "2:1", "has no key 'Frobnicate'"),
    (f"{INTERFACE}\nEndpoint = a:1", "2:1", "belongs to [Peer]"),
    (f"{PEER}\nMTU = 1400", "3:1", "belongs to [Interface]"),
    (f"{INTERFACE}\nPrivateKey = {PRIVATE[:-2]}=", "2:14", "44 characters"),
    (f"{INTERFACE}\nPrivateKey = {PRIVATE[:-1]}A", "2:14", "not a key"),
    (f"{INTERFACE}\nListenPort = 65536", "2:14", "0 to 65535"),
    (f"{INTERFACE}\nListenPort = -1", "2:14", "not a number"),
    (f"{INTERFACE}\nFwMark = 0x100000000", "2:10", "not a mark"),
    (f"{INTERFACE}\nAddress = 10.0.0.1/33", "2:11", "not an address"),
    (f"{INTERFACE}\nAddress = 10.0.0.1/24, ,10.0.0.2", "2:24", "between two commas"),
    (f"{INTERFACE}\nMTU = 67", "2:7", "not an MTU"),
    (f"{INTERFACE}\nMTU =", "2:6", "MTU has no value"),
    (f"{INTERFACE}\nTable = blue", "2:9", "no table"),
    (f"{INTERFACE}\nTable = 0", "2:9", "no table"),
    (f"{INTERFACE}\nSaveConfig = maybe", "2:14", "neither true nor false"),
    (f"{INTERFACE}\nDNS = exa mple", "2:7", "neither an address nor a domain"),
    ("[Peer]\nAllowedIPs = 10.0.0.0/8", "1:1", "no PublicKey"),
    (f"[Peer]\n{PEER}", "1:1", "no PublicKey"),
    (f"{PEER}\nAllowedIPs = 10.0.0.0/8, blue", "3:26", "'blue' is not an address"),
    (f"{PEER}\nEndpoint = example.org", "3:12", "not an endpoint"),
    (f"{PEER}\nEndpoint = 192.0.2.1:0", "3:12", "not an endpoint"),
    (f"{PEER}\nEndpoint = 2001:db8::1:80", "3:12", "not an endpoint"),
    (f"{PEER}\nEndpoint = [192.0.2.1]:80", "3:12", "not an endpoint"),
    (f"{PEER}\nPersistentKeepalive = often", "3:23", "seconds"),
    (f"{PEER}\nPresharedKey = short", "3:16", "not a key"),
])
def test_errors_say_where_and_what(tmp_path, text, place, words):
    done = checked(tmp_path, text)
    assert done.returncode == 1 and done.stdout == ""
    assert f"wg0.conf:{place}: " in done.stderr and words in done.stderr, done.stderr


def test_secrets_are_not_in_messages(tmp_path):
    wrong = PRIVATE[:-3] + "!" + PRIVATE[-2:]
    done = checked(tmp_path, INTERFACE, f"PrivateKey = {wrong}")
    assert done.returncode == 1 and wrong[:20] not in done.stderr


def test_warns_of_a_file_for_everybody(tmp_path):
    path = write(tmp_path / "wg0.conf", INTERFACE, f"PrivateKey = {PRIVATE}")
    assert ennead("tunnel", "--check", path).stderr == ""
    path.chmod(0o644)
    done = ennead("tunnel", "--check", path)
    assert done.returncode == 0 and "read by everybody" in done.stderr


def test_scripts_are_refused_without_leave(tmp_path):
    path = write(tmp_path / "wg0.conf", INTERFACE, f"PrivateKey = {PRIVATE}", "PostUp = true")
    done = ennead("tunnel", path)
    assert done.returncode == 1 and "--allow-scripts" in done.stderr and "PostUp" in done.stderr


@pytest.mark.parametrize("arguments,words", [
    ([], "file is needed"),
    (["a", "b"], "one configuration file"),
    (["no-such-tunnel"], "/etc/wireguard/no-such-tunnel.conf"),
    (["--chek", "a"], "did you mean '--check'"),
    (["--queues", "0", "a"], "1 to 256"),
    (["--interface", "sixteen-letters.", "a"], "1 to 15"),
])
def test_wrong_usage(arguments, words):
    done = ennead("tunnel", *arguments)
    assert done.returncode == 1 and words in done.stderr, done.stderr


def test_standard_input(tmp_path):
    text = f"[Interface]\nPrivateKey = {PRIVATE}\n"
    assert ennead("tunnel", "--check", "--show-keys", "-", data=text).stdout == text
    done = ennead("tunnel", "-", "--interface", "enc", data="")
    assert done.returncode == 1 and "no [Interface]" in done.stderr


def test_names_that_are_no_interface(tmp_path):
    path = write(tmp_path / "a name that is too long.conf", INTERFACE, f"PrivateKey = {PRIVATE}")
    done = ennead("tunnel", path)
    assert done.returncode == 1 and "--interface" in done.stderr


def test_many_peers(tmp_path):
    peers = [f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32"
             for i, key in enumerate(some_keys(20000))]
    assert normal(tmp_path, INTERFACE, *peers).count("[Peer]") == 20000


# ---- keys -------------------------------------------------------------------------------------

needs_wg = pytest.mark.skipif(shutil.which("wg") is None, reason="NOT TESTED: wg is not installed")


@needs_wg
def test_keygen_agrees_with_wg():
    for _ in range(8):
        made = command("wg", "genkey").stdout
        ours = ennead("keygen", "wireguard", "--pubkey", data=made)
        assert ours.stdout == command("wg", "pubkey", data=made).stdout
        own = ennead("keygen", "wireguard")
        assert own.returncode == 0
        assert own.stderr == "public key: " + command("wg", "pubkey", data=own.stdout).stdout


def test_keygen_psk_is_new_each_time():
    keys = {ennead("keygen", "wireguard", "--psk").stdout for _ in range(4)}
    assert len(keys) == 4 and all(len(key) == 45 for key in keys)


@pytest.mark.parametrize("data", ["", "abc", "A" * 44, PRIVATE + "x", PRIVATE[:-1] + "A"])
def test_keygen_refuses_what_is_no_key(data):
    done = ennead("keygen", "wireguard", "--pubkey", data=data)
    assert done.returncode == 1 and done.stdout == ""


def test_keygen_usage_and_warning(tmp_path):
    assert ennead("keygen", "wireguard", "--psk", "--pubkey").returncode == 1
    assert ennead("keygen", "wireguard", "extra").returncode == 1
    with open(tmp_path / "key", "w", encoding="ascii") as out:
        (tmp_path / "key").chmod(0o644)
        done = subprocess.run([ENNEAD, "keygen", "wireguard"], stdout=out,
                              stderr=subprocess.PIPE, text=True, check=True)
    assert "everybody" in done.stderr
