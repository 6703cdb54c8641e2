# SPDX-License-Identifier: Apache-2.0
"""A pool: three listeners behind a TCP balancer, which share their sessions in one redis-server."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")
PASSWORD = "a pool's password"
WINDOW = 1.0  # seconds: of early data

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None,
                                reason="redis-server is not there")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


class Redis:
    def __init__(self, where):
        self.where = where
        self.port = free_port()
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--requirepass", PASSWORD, "--dir", str(self.where)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(lambda: self.command("PING").startswith(b"+PONG"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self, on):
        self.process.send_signal(19 if on else 18)  # SIGSTOP, SIGCONT

    def command(self, text):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                s.sendall(f'AUTH "{PASSWORD}"\r\nSELECT 2\r\n{text}\r\nQUIT\r\n'.encode())
                answer = b""
                while data := s.recv(65536):
                    answer += data
                return answer.split(b"\r\n", 2)[2]
        except ConnectionError:
            return b""

    @property
    def url(self):
        return f"redis://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/2"


class Listener:
    def __init__(self, where, *arguments):
        self.log = []
        self.process = subprocess.Popen(
            [ENNEAD, "listen", "tls://127.0.0.1:0", "--cert", "server.pem", "--key", "server.key",
             "--keep", "--json", "-v", *arguments], cwd=where, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stderr.readline())["port"]
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=10) == 0
        self.reader.join()
        self.process.stderr.close()


class Balancer:
    """Each connection to the next server; what clients send first can be kept."""

    def __init__(self, ports):
        self.ports = ports
        self.turn = 0
        self.first = []  # for each connection the first piece that the client sent
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            port = self.ports[self.turn % len(self.ports)]
            self.turn += 1
            server = socket.create_connection(("127.0.0.1", port))
            self.first.append(b"")
            index = len(self.first) - 1
            threading.Thread(target=self.pump, args=(client, server, index), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, None), daemon=True).start()

    def pump(self, source, sink, index):
        answered = False
        try:
            while data := source.recv(65536):
                if index is not None and not answered:
                    self.first[index] += data
                    answered = len(self.first[index]) > 0 and data[0] != 22
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for it in (source, sink):  # close() alone would wait for the other thread's recv
                with contextlib.suppress(OSError):
                    it.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.socket.close()


class Pool:
    def __init__(self, where, redis, *arguments, url=None):
        self.where = where
        self.listeners = [Listener(where, "--session-store", url or redis.url, "--pool-key", "pool.key",
                                   *arguments) for _ in range(3)]
        self.balancer = Balancer([it.port for it in self.listeners])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.balancer.close()
        for it in self.listeners:
            it.stop()

    def connect(self, *arguments, port=None):
        done = subprocess.run(
            [ENNEAD, "connect", f"tls://localhost:{port or self.balancer.port}", "-4", "--ca",
             "ca.pem", "--session-file", "session", "--json", *arguments], cwd=self.where,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=20)
        events = [json.loads(line) for line in done.stderr.splitlines()]
        assert done.returncode == 0, events
        return next(e for e in events if e["event"] == "ready")

    def resumed(self, *arguments, times=1):
        return [self.connect(*arguments)["resumed"] for _ in range(times)]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    at = tmp_path_factory.mktemp("pool")

    def keygen(*arguments):
        subprocess.run([ENNEAD, "keygen", *arguments], cwd=at, check=True,
                       stdout=subprocess.DEVNULL)
    keygen("--out", "ca", "--ca", "--name", "Test CA")
    keygen("--out", "server", "--issuer", "ca", "--host", "localhost", "--server")
    keygen("pool-key", "--out", "pool.key")
    keygen("pool-key", "--out", "other.key")
    (at / "early").write_text("early")
    return at


@pytest.fixture
def redis(where):
    it = Redis(where)
    it.start()
    yield it
    if it.process.poll() is None:
        it.kill()


@pytest.fixture(autouse=True)
def no_session(where):
    (where / "session").unlink(missing_ok=True)


def keys(redis, kind):
    return redis.command(f"KEYS ennead:{kind}*").count(b"ennead:")


def test_pool_key_file(where):
    assert (where / "pool.key").stat().st_mode & 0o777 == 0o600
    again = subprocess.run([ENNEAD, "keygen", "pool-key", "--out", "pool.key"], cwd=where,
                           stderr=subprocess.PIPE, text=True)
    assert again.returncode != 0 and "--force" in again.stderr
    (where / "open.key").write_text((where / "pool.key").read_text())
    (where / "open.key").chmod(0o644)
    for arguments, says in ((["--pool-key", "open.key", "--session-store", "redis://127.0.0.1"], "may read"),
                            (["--pool-key", "pool.key"], "go together"),
                            (["--pool-key", "pool.key", "--session-store", "http://x"], "scheme"),
                            (["--pool-key", "pool.key", "--session-store", "redis://x/y"], "database")):
        done = subprocess.run([ENNEAD, "listen", "tls://127.0.0.1:0", "--cert", "server.pem", "--key",
                               "server.key", *arguments], cwd=where, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=10)
        assert done.returncode == 1 and says in done.stderr, done.stderr


@pytest.mark.parametrize("arguments,version", [
    ([], "TLSv1.3"), (["--stateful-tickets"], "TLSv1.3"), (["--protocols", "TLSv1.2"], "TLSv1.2"),
    (["--protocols", "TLSv1.2", "--tickets", "0"], "TLSv1.2")],
    ids=["stateless", "stateful", "tls12-ticket", "tls12-id"])
def test_resume_on_any(where, redis, arguments, version):
    with Pool(where, redis, *arguments) as pool:
        wait_until(lambda: keys(redis, "k") > 0)
        time.sleep(0.3)  # all of them have fetched it
        first = pool.connect()
        assert not first["resumed"] and first["version"] == version
        assert pool.resumed(times=5) == [True] * 5


def test_stateful_ticket_is_for_one_use(where, redis):
    with Pool(where, redis, "--stateful-tickets") as pool:
        wait_until(lambda: keys(redis, "k") > 0)
        pool.connect()
        wait_until(lambda: keys(redis, "s") > 0)
        used = (where / "session").read_bytes()
        assert pool.resumed() == [True]
        (where / "session").write_bytes(used)
        assert pool.resumed() == [False]


def test_store_goes_and_comes_back(where, redis):
    with Pool(where, redis, "--stateful-tickets") as pool:
        wait_until(lambda: keys(redis, "k") > 0)
        pool.connect()
        assert pool.resumed(times=3) == [True] * 3
        redis.pause(True)  # it is there and says nothing: a fifth of a second for the first who asks
        assert pool.resumed() == [False]
        redis.pause(False)
        redis.kill()
        assert pool.resumed(times=4) == [False] * 4
        redis.start()
        # Each of the three finds by itself that it is back.
        wait_until(lambda: pool.resumed(times=4) == [True] * 4, seconds=20)


def test_stateless_tickets_outlive_the_store(where, redis):
    with Pool(where, redis) as pool:
        wait_until(lambda: keys(redis, "k") > 0)
        time.sleep(0.3)
        pool.connect()
        redis.kill()
        assert pool.resumed(times=3) == [True] * 3


def test_no_more_rights_than_documented(where, redis):
    """docs/sessions.md says what a user of the store must be allowed."""
    docs = open(os.path.join(os.environ["ENN_SOURCE"], "docs/sessions.md")).read()
    rule = next(line for line in docs.splitlines() if line.startswith("user ennead "))
    assert redis.command("ACL SETUSER " + rule.removeprefix("user ")).startswith(b"+OK")
    url = redis.url.replace(f":{PASSWORD.replace(' ', '%20')}@", "ennead:password@")
    with Pool(where, redis, "--stateful-tickets", "--accept-early-data", "-o",
              "earlyDataWindowMilliseconds=500", "--discard", url=url) as pool:
        wait_until(lambda: keys(redis, "k") > 0 and keys(redis, "e") > 0)
        time.sleep(1)
        pool.connect()
        assert pool.resumed(times=3) == [True] * 3
        assert pool.connect("--early-data", "early")["early_data"] == "accepted"
        assert not any("NOPERM" in str(e) for it in pool.listeners for e in it.log)


def test_another_pool_key_opens_nothing(where, redis):
    with Pool(where, redis) as pool:
        wait_until(lambda: keys(redis, "k") > 0)
        time.sleep(0.3)
        pool.connect()
        stranger = Listener(where, "--session-store", redis.url, "--pool-key", "other.key")
        assert not pool.connect(port=stranger.port)["resumed"]
        stranger.stop()


def replay(flight, port):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(0.5)
        s.sendall(flight)
        try:
            s.recv(65536)
        except (TimeoutError, ConnectionError):
            pass


def capture(where):
    """The first flight of a client that is let in nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = subprocess.Popen(
            [ENNEAD, "connect", f"tls://localhost:{server.getsockname()[1]}", "-4", "--ca", "ca.pem",
             "--session-file", "session", "--early-data", "early", "--quiet"], cwd=where,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with server.accept()[0] as s:
            s.settimeout(0.1)
            flight = b""
            try:
                while data := s.recv(65536):
                    flight += data
            except TimeoutError:
                pass
        client.wait(timeout=10)
    return flight


def accepted(pool):
    time.sleep(0.2)
    return sum(e["event"] == "early_data" and e["accepted"] for it in pool.listeners for e in it.log)


@pytest.mark.parametrize("arguments", [[], ["--stateful-tickets"]], ids=["stateless", "stateful"])
def test_replay_is_accepted_once(where, redis, arguments):
    window = str(int(WINDOW * 1000))
    with Pool(where, redis, "--accept-early-data", "-o", f"earlyDataWindowMilliseconds={window}",
              "--discard", *arguments) as pool:
        wait_until(lambda: keys(redis, "e") > 0)
        time.sleep(1.5 * WINDOW)  # the store must know of all replays that could come
        pool.connect()
        assert pool.connect("--early-data", "early")["early_data"] == "accepted"
        assert accepted(pool) == 1
        flight = capture(where)
        assert len(flight) > 300
        threads = [threading.Thread(target=replay, args=(flight, it.port))
                   for it in pool.listeners for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert accepted(pool) == 2


def test_no_early_data_without_the_store(where, redis):
    with Pool(where, redis, "--accept-early-data", "-o", "earlyDataWindowMilliseconds=1000",
              "--discard") as pool:
        wait_until(lambda: keys(redis, "e") > 0)
        time.sleep(1.5 * WINDOW)
        pool.connect()
        redis.kill()
        ready = pool.connect("--early-data", "early")
        assert ready["resumed"] and ready["early_data"] == "rejected"
