# SPDX-License-Identifier: Apache-2.0
"""Two `ennead tunnel` and what goes through them."""

import contextlib
import signal
import socket
import threading

import pytest

from tunnels import command, name, namespace, needs_tunnels, private_key, public_key, tunnel, until, \
    write

pytestmark = needs_tunnels

LEFT, RIGHT, PSK = private_key("left"), private_key("right"), private_key("psk")


@pytest.fixture
def pair():
    """Two namespaces with a cable: 10.200.0.1 and .2, fd20::1 and ::2."""
    with namespace("l") as left, namespace("r") as right:
        ends = name("v"), name("v")
        command("ip", "link", "add", ends[0], "netns", left, "type", "veth", "peer", "name", ends[1],
                "netns", right)
        for netns, end, number in ((left, ends[0], 1), (right, ends[1], 2)):
            command("ip", "address", "add", f"10.200.0.{number}/24", "dev", end, netns=netns)
            command("ip", "address", "add", f"fd20::{number}/64", "dev", end, "nodad", netns=netns)
            command("ip", "link", "set", end, "up", netns=netns)
        yield left, right


def conf(path, own, number, peer, *lines, allowed=None, port=51820):
    return write(path, "[Interface]", f"PrivateKey = {own}", f"ListenPort = {port}",
                 f"Address = 10.9.0.{number}/24, fd09::{number}/64", "[Peer]",
                 f"PublicKey = {public_key(peer)}", f"PresharedKey = {PSK}",
                 f"AllowedIPs = {allowed or f'10.9.0.{3 - number}/32, fd09::{3 - number}/128'}", *lines)


@contextlib.contextmanager
def joined(pair, tmp_path, endpoint, *options, allowed=None):
    left, right = pair
    with tunnel(right, conf(tmp_path / "right.conf", RIGHT, 2, LEFT), *options) as server:
        path = conf(tmp_path / "left.conf", LEFT, 1, RIGHT, f"Endpoint = {endpoint}:51820",
                    allowed=allowed)
        with tunnel(left, path, *options) as client:
            yield client, server


def ping(netns, address, *options, count=3, check=True):
    return command("ping", "-n", "-c", count, "-i", "0.05", "-W", "2", *options, address, netns=netns,
                   check=check).returncode == 0


def transfer(left, right, address, size):
    """size bytes over TCP from left to right; what arrived."""
    program = ("import socket,sys\n"
               "s=socket.create_server((sys.argv[1],7777),family=socket.AF_INET6 if ':' in sys.argv[1]"
               " else socket.AF_INET)\nprint('listening',flush=True)\nc,_=s.accept()\nn=0\n"
               "while d:=c.recv(1<<20): n+=len(d)\nprint(n)\n")
    import subprocess
    server = subprocess.Popen(["ip", "netns", "exec", right, "/usr/bin/python3", "-c", program,
                               address], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "listening\n"
        client = ("import socket,sys\ns=socket.create_connection((sys.argv[1],7777),20)\n"
                  "n=int(sys.argv[2])\nb=bytes(1<<20)\n"
                  "while n: n-=s.send(b[:n])\ns.close()\n")
        command("/usr/bin/python3", "-c", client, address, size, netns=left)
        return int(server.communicate(timeout=40)[0])
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


@pytest.mark.parametrize("endpoint", ["10.200.0.2", "[fd20::2]"])
@pytest.mark.parametrize("options", [(), ("--no-offload",), ("--queues", "2")])
def test_ping_and_tcp(pair, tmp_path, endpoint, options):
    left, right = pair
    with joined(pair, tmp_path, endpoint, *options) as (client, server):
        for address in ("10.9.0.2", "fd09::2"):
            assert ping(left, address)
            assert ping(left, address, "-s", "1300")
            assert transfer(left, right, address, 3_000_001) == 3_000_001
        assert transfer(right, left, "10.9.0.1", 1_000_003) == 1_000_003
        for it in (client, server):
            row = it.dump()[1]
            assert int(row[4]) > 0 and int(row[5]) > 1_000_000 and int(row[6]) > 1_000_000


def test_everything_through_the_tunnel(pair, tmp_path):
    """The endpoint itself is behind the default route: only the mark keeps the tunnel out of itself."""
    left, right = pair
    command("ip", "address", "add", "198.51.100.1/32", "dev", "lo", netns=right)
    command("ip", "address", "add", "203.0.113.1/32", "dev", "lo", netns=right)
    command("ip", "route", "add", "default", "via", "10.200.0.2", netns=left)
    command("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=2", netns=left)
    with joined(pair, tmp_path, "198.51.100.1", allowed="0.0.0.0/0, ::/0") as (client, server):
        assert ping(left, "203.0.113.1")
        assert int(client.dump()[1][5]) > 0
        route = command("ip", "route", "get", "203.0.113.1", netns=left).stdout
        assert client.interface in route and "10.9.0.1" in route
        # what the main table knows better does not go there
        assert client.interface not in command("ip", "route", "get", "10.200.0.2", netns=left).stdout
        server.stop()
        assert not ping(left, "203.0.113.1", count=1, check=False)
        client.stop()
        assert ping(left, "203.0.113.1")


def test_reload_keeps_the_session(pair, tmp_path):
    left, _ = pair
    with joined(pair, tmp_path, "10.200.0.2") as (client, _):
        assert ping(left, "10.9.0.2")
        before = client.dump()[1][4]
        client.process.send_signal(signal.SIGHUP)
        client.wait_for("read anew")
        assert ping(left, "10.9.0.2")
        assert client.dump()[1][4] == before  # no new handshake


def test_another_port_while_it_runs(pair, tmp_path):
    left, _ = pair
    with joined(pair, tmp_path, "10.200.0.2") as (client, server):
        assert ping(left, "10.9.0.2")
        client.wg("set", client.interface, "listen-port", "52222")
        assert ping(left, "10.9.0.2")
        assert until(lambda: server.dump()[1][2] == "10.200.0.1:52222", "the new endpoint")
        client.wg("set", client.interface, "fwmark", "0x99")
        assert ping(left, "10.9.0.2")


def test_a_port_that_is_taken(pair, tmp_path):
    left, _ = pair
    with joined(pair, tmp_path, "10.200.0.2") as (client, _), contextlib.ExitStack() as stack:
        taken = threading.Event()
        port = []

        def take():
            # a socket belongs to the namespace of the thread that made it
            import ctypes
            import os
            fd = os.open(f"/var/run/netns/{left}", os.O_RDONLY)
            assert ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) == 0
            os.close(fd)
            s = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            s.bind(("0.0.0.0", 0))
            port.append(s.getsockname()[1])
            taken.set()

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        assert taken.is_set()
        done = command("wg", "set", client.interface, "listen-port", port[0], check=False)
        assert done.returncode != 0 and "in use" in done.stderr, done.stderr
        assert client.dump()[0][2] == "51820" and ping(left, "10.9.0.2")


def test_key_log(pair, tmp_path):
    left, _ = pair
    log = tmp_path / "keys"
    with joined(pair, tmp_path, "10.200.0.2", "--key-log", log):
        assert ping(left, "10.9.0.2")
        text = until(log.read_text, "a line in the key log")
    assert "=" in text and (log.stat().st_mode & 0o777) == 0o600


def test_removed_peer_gets_nothing(pair, tmp_path):
    left, _ = pair
    with joined(pair, tmp_path, "10.200.0.2") as (_, server):
        assert ping(left, "10.9.0.2")
        server.wg("set", server.interface, "peer", public_key(LEFT), "remove")
        assert not ping(left, "10.9.0.2", count=1, check=False)


def test_many_peers_do_not_stop_the_packets(pair, tmp_path):
    """10,000 peers come and are listed while packets flow."""
    from tunnels import some_keys
    left, _ = pair
    with joined(pair, tmp_path, "10.200.0.2") as (client, _):
        assert ping(left, "10.9.0.2")
        more = []
        for i, key in enumerate(some_keys(10000)):
            more += ["[Peer]", f"PublicKey = {key}",
                     f"AllowedIPs = 10.{20 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32"]
        path = write(tmp_path / "more", *more)
        stop = threading.Event()
        worst = []

        def watch():
            while not stop.is_set():
                text = command("ping", "-n", "-c", "5", "-i", "0.02", "-W", "2", "10.9.0.2",
                               netns=left).stdout
                worst.append(float(text.rsplit("/", 2)[-2]))

        thread = threading.Thread(target=watch)
        thread.start()
        for _ in range(3):
            client.wg("addconf", client.interface, path)
            assert len(client.dump()) == 10002
        stop.set()
        thread.join()
        assert worst and max(worst) < 1000
