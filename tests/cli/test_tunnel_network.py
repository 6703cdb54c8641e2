# SPDX-License-Identifier: Apache-2.0
"""What `ennead tunnel` sets up around its interface, what it gives up, and how it tidies up."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from tunnels import ENNEAD, Tunnel, command, name, namespace, needs_tunnels, private_key, \
    public_key, some_keys, tunnel, until, write

pytestmark = needs_tunnels

PRIVATE = private_key("network")
A, B, C = some_keys(3)


@pytest.fixture
def netns():
    with namespace() as it:
        yield it


def ip(netns, *arguments):
    return json.loads(command("ip", "-json", *arguments, netns=netns).stdout or "[]")


def conf(tmp_path, *lines, peers=(), table="auto"):
    text = ["[Interface]", f"PrivateKey = {PRIVATE}", f"Table = {table}", *lines]
    for key, ips in peers:
        text += ["[Peer]", f"PublicKey = {key}", f"AllowedIPs = {ips}"]
    return write(tmp_path / "wg.conf", *text)


def routes(netns, interface, table="main", family="-4"):
    found = ip(netns, family, "route", "show", "table", table)
    return sorted(route["dst"] for route in found if route.get("dev") == interface)


def rules(netns, family="-4"):
    return [{key: rule[key] for key in ("table", "fwmark", "not", "suppress_prefixlen") if key in rule}
            for rule in ip(netns, family, "rule", "show")]


PLAIN = {"-4": [{"table": "local"}, {"table": "main"}, {"table": "default"}],
         "-6": [{"table": "local"}, {"table": "main"}]}


def through(table):
    return [{"table": "local"}, {"table": "main", "suppress_prefixlen": 0},
            {"table": str(table), "fwmark": hex(table), "not": None}]


def gone(netns, it):
    links = [link["ifname"] for link in ip(netns, "link", "show")]
    assert it.interface not in links
    assert not os.path.exists(f"/var/run/wireguard/{it.interface}.sock")
    for family in ("-4", "-6"):
        assert rules(netns, family) == PLAIN[family]


# ---- addresses, routes, rules -----------------------------------------------------------------

def test_addresses_mtu_and_routes(netns, tmp_path):
    path = conf(tmp_path, "Address = 10.9.0.1/24, fd09::1/64, 10.8.0.1", "MTU = 1380",
                peers=[(A, "10.9.0.2/32, 192.168.7.0/24"), (B, "fd09::5/128, fd77::/16"),
                       (C, "192.168.7.0/24")])
    with tunnel(netns, path) as it:
        link = ip(netns, "address", "show", "dev", it.interface)[0]
        assert link["mtu"] == 1380 and "UP" in link["flags"]
        addresses = {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]}
        assert addresses == {"10.9.0.1/24", "fd09::1/64", "10.8.0.1/32"}  # and no link-local one
        # its own network has a route already
        assert routes(netns, it.interface) == ["10.9.0.0/24", "192.168.7.0/24"]
        assert routes(netns, it.interface, family="-6") == ["fd09::/64", "fd77::/16"]
        assert rules(netns) == PLAIN["-4"]
        assert it.stop() == 0
        gone(netns, it)


def test_default_mtu(netns, tmp_path):
    with tunnel(netns, conf(tmp_path)) as it:
        assert ip(netns, "link", "show", "dev", it.interface)[0]["mtu"] == 1420


def test_table_off_and_number(netns, tmp_path):
    with tunnel(netns, conf(tmp_path, table="off", peers=[(A, "0.0.0.0/0, 10.0.0.0/8")])) as it:
        assert routes(netns, it.interface) == [] and rules(netns) == PLAIN["-4"]
    with tunnel(netns, conf(tmp_path, table="777", peers=[(A, "0.0.0.0/0, 10.0.0.0/8")])) as it:
        assert routes(netns, it.interface, "777") == ["10.0.0.0/8", "default"]
        assert routes(netns, it.interface) == [] and rules(netns) == PLAIN["-4"]


def test_default_route(netns, tmp_path):
    path = conf(tmp_path, "Address = 10.9.0.1/24",
                peers=[(A, "0.0.0.0/0, ::/0, 192.168.7.0/24")])
    with tunnel(netns, path) as it:
        assert rules(netns)[:3] == through(51820) and rules(netns, "-6")[:3] == through(51820)
        assert routes(netns, it.interface, "51820") == ["default"]
        assert routes(netns, it.interface, "51820", "-6") == ["default"]
        assert routes(netns, it.interface) == ["10.9.0.0/24", "192.168.7.0/24"]
        assert it.dump()[0][3] == "0xca6c"
        marks = command("cat", "/proc/sys/net/ipv4/conf/all/src_valid_mark", netns=netns)
        assert marks.stdout.strip() == "1"
        # a second tunnel takes the next table, and leaves the first alone when it goes
        with tunnel(netns, conf(tmp_path, peers=[(B, "0.0.0.0/0")])) as second:
            assert second.dump()[0][3] == "0xca6d"
            assert rules(netns)[:3] == through(51821)
        assert rules(netns)[:3] == through(51820) and rules(netns, "-6")[:3] == through(51820)
        it.stop()
        gone(netns, it)


def test_strict_filter_is_warned_of(netns, tmp_path):
    path = conf(tmp_path, peers=[(A, "0.0.0.0/0")])
    command("ip", "tuntap", "add", "mode", "tun", "name", "outside", netns=netns)
    with tunnel(netns, path) as it:
        assert it.stop() == 0 and "rp_filter" not in it.text()
    command("sysctl", "-qw", "net.ipv4.conf.outside.rp_filter=1", netns=netns)
    with tunnel(netns, path, ready="rp_filter"):
        pass
    command("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=2", netns=netns)
    with tunnel(netns, path) as it:
        assert it.stop() == 0 and "rp_filter" not in it.text()


def test_default_route_with_its_own_mark(netns, tmp_path):
    path = conf(tmp_path, "FwMark = 0x333", peers=[(A, "::/0")])
    with tunnel(netns, path) as it:
        assert rules(netns, "-6")[:3] == through(0x333) and rules(netns) == PLAIN["-4"]
        assert it.dump()[0][3] == "0x333"


def test_rules_of_a_killed_tunnel_are_replaced(netns, tmp_path):
    path = conf(tmp_path, peers=[(A, "0.0.0.0/0")])
    with tunnel(netns, path) as it:
        worker = it.worker()
        it.process.kill()
        it.process.wait()
        until(lambda: not os.path.exists(f"/proc/{worker}"), "the worker's end")
    assert len(rules(netns)) == 5  # nobody was left to remove them
    with tunnel(netns, path, interface=it.interface) as it:
        own = [rule for rule in rules(netns) if rule["table"] == "51820"]
        assert len(own) == 1 and it.stop() == 0
    assert not os.path.exists(f"/var/run/wireguard/{it.interface}.sock")


def test_a_route_that_is_taken(netns, tmp_path):
    command("ip", "tuntap", "add", "mode", "tun", "name", "other", netns=netns)
    command("ip", "link", "set", "other", "up", netns=netns)
    command("ip", "route", "add", "10.55.0.0/16", "dev", "other", netns=netns)
    path = conf(tmp_path, peers=[(A, "10.55.0.0/16")])
    with tunnel(netns, path, ready="another interface has a route") as it:
        assert it.process.wait(timeout=20) == 5
        gone(netns, it)
    assert routes(netns, "other") == ["10.55.0.0/16"]


def test_kernel_explains(netns, tmp_path):
    path = conf(tmp_path, "Address = ff02::99/64")
    with tunnel(netns, path, ready="Address ff02::99/64") as it:
        assert it.process.wait(timeout=20) == 5
        gone(netns, it)


def test_many_routes(netns, tmp_path):
    peers = [(key, f"10.{i >> 8}.{i & 255}.0/24") for i, key in enumerate(some_keys(2000))]
    with tunnel(netns, conf(tmp_path, peers=peers)) as it:
        assert len(routes(netns, it.interface)) == 2000


# ---- reading the file anew --------------------------------------------------------------------

def test_reload(netns, tmp_path):
    path = conf(tmp_path, peers=[(A, "10.1.0.0/16"), (B, "10.2.0.0/16")])
    with tunnel(netns, path) as it:
        conf(tmp_path, "ListenPort = 51777",
             peers=[(B, "10.2.0.0/16, 10.4.0.0/16"), (C, "0.0.0.0/0")])
        it.process.send_signal(signal.SIGHUP)
        it.wait_for("read anew")
        assert {row[0]: row[3] for row in it.dump()[1:]} == {
            B: "10.2.0.0/16,10.4.0.0/16", C: "0.0.0.0/0"}
        assert it.dump()[0][2:] == ["51777", "0xca6c"]
        until(lambda: routes(netns, it.interface) == ["10.2.0.0/16", "10.4.0.0/16"], "the routes")
        until(lambda: rules(netns)[:3] == through(51820), "the rules")
        path.write_text("")
        it.process.send_signal(signal.SIGHUP)
        it.wait_for("no [Interface]")
        path.write_text("[Interface]\nnonsense = 1\n")
        it.process.send_signal(signal.SIGHUP)
        it.wait_for("wg.conf:2:1: ")
        assert len(it.dump()) == 3
        conf(tmp_path, peers=[(A, "10.1.0.0/16")])
        it.process.send_signal(signal.SIGHUP)
        it.wait_for("read anew")
        until(lambda: rules(netns) == PLAIN["-4"], "the rules' end")
        assert it.stop() == 0
        gone(netns, it)


# ---- scripts ----------------------------------------------------------------------------------

def test_hooks_in_order(netns, tmp_path):
    out = tmp_path / "out"
    path = conf(tmp_path, "Address = 10.9.0.1/24",
                f"PreUp = echo PreUp %i $(ip -o link show %i up | wc -l) >> {out}",
                f"PostUp = echo PostUp $(ip -o route show dev %i | wc -l) >> {out}",
                f"PostUp = echo second >> {out}",
                f"PreDown = echo PreDown $(ip -o link show %i up | wc -l) >> {out}",
                f"PostDown = ip link show %i >/dev/null 2>&1 || echo PostDown >> {out}")
    with tunnel(netns, path, "--allow-scripts") as it:
        assert it.stop(signal.SIGINT) == 0
    assert out.read_text().splitlines() == [
        f"PreUp {it.interface} 0", "PostUp 1", "second", "PreDown 1", "PostDown"]


def test_a_hook_that_fails(netns, tmp_path):
    out = tmp_path / "out"
    path = conf(tmp_path, "PostUp = exit 3", f"PostDown = echo down > {out}",
                peers=[(A, "0.0.0.0/0")])
    with tunnel(netns, path, "--allow-scripts", ready="PostUp failed") as it:
        assert it.process.wait(timeout=20) == 5
        gone(netns, it)
    assert out.read_text() == "down\n"


def test_dns(netns, tmp_path, monkeypatch):
    path = conf(tmp_path, "DNS = 10.9.0.53, fd09::53, example.org, corp.example")
    with tunnel(netns, path, ready="DNS is not set"):
        pass
    log = tmp_path / "log"
    script = tmp_path / "resolvconf"
    script.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" = -d ] || cat >> {log}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with tunnel(netns, path, "--allow-scripts") as it:
        assert it.stop() == 0
    assert log.read_text().splitlines() == [
        f"-a {it.interface} -m 0 -x", "nameserver 10.9.0.53", "nameserver fd09::53",
        "search example.org corp.example", f"-d {it.interface} -f"]


# ---- privileges -------------------------------------------------------------------------------

def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


CAP_NET_BIND_SERVICE, CAP_NET_ADMIN = 1 << 10, 1 << 12


@pytest.mark.parametrize("options,capabilities", [
    ([], CAP_NET_ADMIN | CAP_NET_BIND_SERVICE), (["--drop-all"], 0)])
def test_privileges_are_dropped(netns, tmp_path, options, capabilities):
    with tunnel(netns, conf(tmp_path), *options) as it:
        status = status_of(it.worker())
        assert set(status["Uid"].split()) == {"65534"} and set(status["Gid"].split()) == {"65534"}
        assert status["Groups"].strip() == ""
        assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == capabilities
        assert int(status["CapBnd"], 16) == int(status["CapInh"], 16) == 0
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        failed = command("wg", "set", it.interface, "fwmark", "0x5", check=False)
        assert (failed.returncode == 0) == (capabilities != 0), failed.stderr


def test_without_being_root(netns, tmp_path):
    """With CAP_NET_ADMIN alone there is no user to change to; the rest is given up all the same."""
    path = conf(tmp_path, "Address = 10.9.0.1/24", peers=[(A, "10.2.0.0/16")])
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | 0o111)
    run = (f"mknod {tmp_path}/tun c 10 200 && chmod 666 {tmp_path}/tun && "
           f"mount --bind {tmp_path}/tun /dev/net/tun && mkdir -p /var/run/wireguard && "
           "mount -t tmpfs -o mode=777 none /var/run/wireguard && exec setpriv --reuid 65534 "
           "--regid 65534 --clear-groups --inh-caps +net_admin --ambient-caps +net_admin \"$@\"")
    with tunnel(netns, path, through=["unshare", "--mount", "sh", "-c", run, "sh"]) as it:
        assert routes(netns, it.interface) == ["10.2.0.0/16", "10.9.0.0/24"]
        status = status_of(it.worker())
        assert int(status["CapPrm"], 16) == CAP_NET_ADMIN
        assert int(status["CapAmb"], 16) == int(status["CapInh"], 16) == 0
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert it.stop() == 0


def test_unknown_user(netns, tmp_path):
    with tunnel(netns, conf(tmp_path), "--user", "nobody-of-that-name",
                ready="there is no user") as it:
        assert it.process.wait(timeout=20) == 5
        gone(netns, it)


# ---- names ------------------------------------------------------------------------------------

def test_endpoint_by_name(netns, tmp_path):
    path = conf(tmp_path, table="off", peers=[(A, "10.0.0.0/8")])
    path.write_text(path.read_text() + "Endpoint = localhost:4321\n[Peer]\n"
                    f"PublicKey = {B}\nEndpoint = does-not-exist.invalid:1\n")
    with tunnel(netns, path) as it:
        endpoints = until(lambda: (rows := {row[0]: row[2] for row in it.dump()[1:]})[A] != "(none)"
                          and rows, "the look-up")
        assert endpoints[A] in ("127.0.0.1:4321", "[::1]:4321") and endpoints[B] == "(none)"
        it.has_said("does-not-exist.invalid is not found")
        assert it.stop() == 0


def test_name_server_that_does_not_answer(netns, tmp_path):
    command("ip", "tuntap", "add", "mode", "tun", "name", "silent", netns=netns)
    command("ip", "address", "add", "10.66.0.1/24", "dev", "silent", netns=netns)
    command("ip", "link", "set", "silent", "up", netns=netns)
    (tmp_path / "resolv.conf").write_text("nameserver 10.66.0.2\n")
    path = conf(tmp_path, table="off", peers=[(A, "10.0.0.0/8")])
    path.write_text(path.read_text() + "Endpoint = vpn.example.org:1\n")
    through = ["unshare", "--mount", "sh", "-c", f"mount --bind {tmp_path}/resolv.conf "
               "/etc/resolv.conf && exec \"$@\"", "sh"]
    with tunnel(netns, path, through=through) as it:
        assert len(it.dump()) == 2
        begun = time.monotonic()
        assert it.stop() == 0 and "killing" not in it.text()
        assert time.monotonic() - begun < 3


# ---- the end ----------------------------------------------------------------------------------

def test_worker_killed(netns, tmp_path):
    with tunnel(netns, conf(tmp_path, peers=[(A, "0.0.0.0/0")])) as it:
        os.kill(it.worker(), signal.SIGKILL)
        assert it.process.wait(timeout=20) == 4
        gone(netns, it)


def test_guardian_killed(netns, tmp_path):
    with tunnel(netns, conf(tmp_path)) as it:
        worker = it.worker()
        it.process.kill()
        until(lambda: not os.path.exists(f"/proc/{worker}"), "the worker's end")
    links = [link["ifname"] for link in ip(netns, "link", "show")]
    assert it.interface not in links


def test_twice_the_same_interface(netns, tmp_path):
    with tunnel(netns, conf(tmp_path, "ListenPort = 51700")) as it:
        again = command(ENNEAD, "tunnel", conf(tmp_path), "--interface", it.interface, netns=netns,
                        check=False)
        assert again.returncode == 2, again.stderr
        assert len(it.dump()) == 1
        other = command(ENNEAD, "tunnel", conf(tmp_path, "ListenPort = 51700"), "--interface",
                        name("y"), netns=netns, check=False)
        assert other.returncode == 2 and "in use" in other.stderr, other.stderr
        assert len(it.dump()) == 1


# ---- as a service -----------------------------------------------------------------------------

def test_daemon(netns, tmp_path):
    interface, pid_file, log = name("d"), tmp_path / "pid", tmp_path / "log"
    done = command(ENNEAD, "tunnel", conf(tmp_path), "--interface", interface, "--daemon",
                   "--pid-file", pid_file, "--log", log, netns=netns, check=False)
    assert done.returncode == 0, done.stderr
    pid = int(pid_file.read_text())
    try:
        assert command("wg", "show", interface).returncode == 0
        assert "is up" in log.read_text()
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the daemon's end")
    assert not pid_file.exists()
    assert interface not in [link["ifname"] for link in ip(netns, "link", "show")]


def test_daemon_tells_what_goes_wrong(netns, tmp_path):
    done = command(ENNEAD, "tunnel", conf(tmp_path, "Address = ff02::99/64"), "--interface",
                   name("d"), "--daemon", "--pid-file", tmp_path / "pid", netns=netns, check=False)
    assert done.returncode == 5 and "Address ff02::99/64" in done.stderr
    assert not (tmp_path / "pid").exists()


def test_systemd_is_told(netns, tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        path.chmod(0o777)
        for parent in tmp_path.parents:  # the worker is somebody else
            if str(parent) != "/" and str(parent) != "/tmp":
                parent.chmod(parent.stat().st_mode | 0o111)
        tmp_path.chmod(0o711)
        s.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        with tunnel(netns, conf(tmp_path)) as it:
            assert s.recv(1000).decode().startswith("READY=1\n")
            status = s.recv(1000).decode()
            assert status.startswith(f"STATUS={it.interface}: 0 peers"), status
            it.process.send_signal(signal.SIGHUP)
            assert s.recv(1000) == b"RELOADING=1" and s.recv(1000) == b"READY=1"
            it.stop()
        words = s.recv(1000)
        while words != b"STOPPING=1":
            words = s.recv(1000)


def test_status_line_on_a_terminal(netns, tmp_path):
    primary, secondary = os.openpty()
    process = subprocess.Popen(
        ["ip", "netns", "exec", netns, ENNEAD, "tunnel", str(conf(tmp_path, peers=[(A, "10.0.0.0/8")])),
         "--interface", name("t")], stdin=subprocess.DEVNULL, stderr=secondary)
    os.close(secondary)
    text = b""
    try:
        while b"no handshake yet" not in text:
            text += os.read(primary, 1000)
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0
        os.close(primary)
    assert b"1 peer, 0 connected, no handshake yet; in 0 bit/s, out 0 bit/s" in text
