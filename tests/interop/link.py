# SPDX-License-Identifier: Apache-2.0
"""A pair of programs, Ennead's driver and a peer, and the ways in which tests use it."""
import hashlib

import pytest

from pki import NAME
from process import LIMIT
from programs import DRIVER, Program, flags, newer, script, show


class Data:
    """A file of digits and newlines: no byte of it is a command letter of any peer's shell."""

    def __init__(self, folder, name, size):
        line = b"".join(b"%015d:" % (i * 7919) for i in range(1 << 12)).replace(b":", b"\n")
        self.bytes = (line * (size // len(line) + 1))[:size]
        self.path = folder / name
        self.path.write_bytes(self.bytes)
        self.size = size
        self.sha256 = hashlib.sha256(self.bytes).hexdigest()


class Link:
    """One pair of programs: Ennead in `role`, `peer` at the other end, which speaks only `version`."""

    def __init__(self, peer, version, role, pki, tmp, data):
        self.peer, self.version, self.role = peer, version, role
        self.pki, self.tmp, self.data = pki, tmp, data
        self.library = peer.library
        self.running = []
        self.ours = DRIVER

    # ---- starting programs ------------------------------------------------

    def start(self, *args):
        program = Program(flags(args))
        self.running.append(program)
        return program

    def driver(self, *args, role=None):
        return self.start(self.ours, role or self.role, args)

    def use_newer(self):
        """From now on Ennead runs with Debian 13's libcrypto: it has HPKE and ML-KEM."""
        self.ours = newer(DRIVER)
        if self.ours is None:
            pytest.skip("no libcrypto with HPKE and ML-KEM: run tools/newer.sh")

    def other(self, *args):
        return self.start(self.peer.command(), "server" if self.role == "client" else "client",
                          "--tls12" if self.version == "1.2" else None, args)

    def stop(self):
        for program in self.running:
            program.kill()

    # ---- certificates -------------------------------------------------------

    def identity(self, kind):
        cert = self.pki(kind)
        return ["--cert", cert.chain, "--key", cert.key]

    def server_flags(self, kind="p256"):
        return self.identity(kind) if kind else []

    def client_flags(self, name=NAME):
        return ["--ca", self.pki.ca, "--name", name]

    def pkcs1(self, kind):
        """In TLS 1.2 mbedTLS, and a wolfSSL client, sign with PKCS #1, which is not ours by default."""
        if self.version == "1.2" and kind.endswith("rsa") and self.library in ("mbedTLS",
                                                                               "wolfSSL"):
            return ["--set", "signatureAlgorithm=ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:"
                    "rsa_pkcs1_sha256"]
        return []

    # ---- whole connections -----------------------------------------------------

    def connect(self, ours=(), theirs=(), cert="p256", trust=True, name=NAME, limit=LIMIT,
                middle=None):
        """Starts the server, then the client, and returns both lists of reports, ours first.
        middle(port) may put something between them and returns the port to connect to."""
        server_flags = self.server_flags(cert)
        client_flags = self.client_flags(name) if trust else ["--name", name]
        if self.role == "client":
            server = self.other(server_flags, theirs)
            port = server.port()
            client = self.driver("--port", middle(port) if middle else port, client_flags, ours)
            return client.reports(limit), server.reports(limit)
        server = self.driver("--port", 0, server_flags, ours)
        port = server.port()
        client = self.other("--port", middle(port) if middle else port, client_flags, theirs)
        return server.reports(limit), client.reports(limit)

    def exchange(self, data=None):
        """Flags with which both sides send `data`, receive as much and close: the client first."""
        data = data or self.data["small"]
        ours = ["--send", data.path, "--receive", data.size, "--finish",
                "close" if self.role == "client" else "wait"]
        wait, send = "wait:%d" % data.size, "send:%s" % data.path
        if self.role == "client":
            return ours, script(wait, send, "waitfinal", "close")
        return ours, script(send, wait, "close")

    def talk(self, ours=(), theirs=(), data=None, **more):
        """A connection that must work, with data both ways and an orderly end."""
        data = data or self.data["small"]
        our_flags, their_flags = self.exchange(data)
        mine, yours = self.connect([our_flags, ours], [their_flags, theirs], **more)
        for i, report in enumerate(mine):
            self.check_good(report, yours[i] if i < len(yours) else None, data)
        return mine[-1], yours[-1]

    def twice(self, ours=(), theirs=(), second=()):
        """A full handshake for a session, then a second connection with it. As a client Ennead runs
        twice and `second` are flags of its second run; the peer's client program runs once."""
        our_flags, their_flags = self.exchange()
        session = self.tmp / "session"
        if self.role == "client":
            server = self.other(self.server_flags(), their_flags, "--connections", 2, theirs)
            base = ["--port", server.port(), self.client_flags(), our_flags, ours]
            first = self.driver(base, "--want-sessions", 1, "--session-out", session).report()
            again = self.driver(base, "--session-in", "%s.0" % session, second).report()
            return [first, again], server.reports()
        server = self.driver("--port", 0, self.server_flags(), our_flags, "--connections", 2, ours)
        client = self.other("--port", server.port(), self.client_flags(), their_flags,
                            "--connections",
                            2, "--session-out", session, theirs)
        return server.reports(), client.reports()

    def twice_elsewhere(self):
        """A session of one server is offered to another that cannot know it: the reports of this."""
        our_flags, their_flags = self.exchange()
        session = self.tmp / "session"
        if self.role == "client":
            servers = [self.other(self.server_flags(), their_flags) for _ in range(2)]
            ports = [server.port() for server in servers]
            self.driver("--port", ports[0], self.client_flags(), our_flags, "--want-sessions", 1,
                        "--session-out", session).report()
            mine = self.driver("--port", ports[1], self.client_flags(), our_flags, "--session-in",
                               "%s.0" % session).report()
            yours = servers[1].report()
        else:
            servers = [self.driver("--port", 0, self.server_flags(), our_flags) for _ in range(2)]
            client = self.other("--port", servers[0].port(), "--again-port", servers[1].port(),
                                self.client_flags(), their_flags, "--connections", 2, "--session-out",
                                session)
            mine, yours = servers[1].report(), client.report()
        return mine, yours

    def check_good(self, mine, yours, data):
        assert mine.result == "closed", show(mine, yours)
        assert mine["info"]["version"] == "TLSv" + self.version, show(mine, yours)
        assert yours is not None and yours.handshake, show(mine, yours)
        assert yours.version == mine["info"]["version"] and yours.error is None, show(yours)
        assert yours.end in ("closed", "local"), show(yours)
        if not mine.bytes_in_early and not yours.bytes_in_early:
            assert (mine.bytes_in, mine.sha256_in) == (data.size, data.sha256), show(mine)
            assert (yours.bytes_in, yours.sha256_in) == (data.size, data.sha256), show(yours)
        # A client closes, and enn_engine_close drops what still arrives.
        assert mine.final_seen or self.role == "client", show(mine)

    def check_group(self, mine, yours, group):
        assert mine["info"]["key_exchange"] == group, show(mine, yours)
        # mbedTLS does not tell.
        assert yours.group == (None if self.library == "mbedTLS" else group), show(mine, yours)

    def refused(self, ours=(), theirs=(), **more):
        """A connection that must fail; the reports of both sides."""
        our_flags, their_flags = self.exchange()
        mine, yours = self.connect([our_flags, ours], [their_flags, theirs], **more)
        assert mine[-1].result == "failed", show(mine, yours)
        return mine[-1], yours[-1]

    def we_refuse(self, reason, alert, **more):
        mine, yours = self.refused(**more)
        assert (mine.origin, mine.alert, mine.reason) == ("local", alert, reason), show(mine, yours)
        assert mine["error"]["text"] and mine["error"]["where"], show(mine)
        assert yours.alert_in == alert, show(mine, yours)
        return mine, yours

    def they_refuse(self, alerts=None, **more):
        mine, yours = self.refused(**more)
        assert mine.origin == "peer", show(mine, yours)
        if yours.alert_out is not None:
            assert mine.alert == yours.alert_out, show(mine, yours)
        if alerts is not None:
            assert mine.alert in alerts, show(mine, yours)
        return mine, yours
