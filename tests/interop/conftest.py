# SPDX-License-Identifier: Apache-2.0
"""Fixtures: certificates, data files, the peer and role of a test, and the matrix."""
import hashlib
import os
from pathlib import Path

import pytest

from matrix import Matrix
from pki import NAME, Pki
from process import LIMIT
from programs import DRIVER, PEERS, PROGRAMS, Program, flags, script, show

LIBRARY_SECTION = "TLS libraries (Ennead's role first)"
COLUMNS = [(peer, role) for peer in PEERS for role in ("client", "server")]
COLUMN_NAMES = ["%s → %s" % (("client", p) if r == "client" else ("server", p)) for p, r in COLUMNS]
MATRIX = Matrix()
MATRIX.columns(LIBRARY_SECTION, COLUMN_NAMES)


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
    """One pair of programs: Ennead in `role`, `peer` at the other end."""

    def __init__(self, peer, role, pki, tmp, data):
        self.peer, self.role, self.pki, self.tmp, self.data = peer, role, pki, tmp, data
        self.program = PROGRAMS / PEERS[peer][0]
        self.running = []

    def na(self, reason):
        pytest.skip("n/a: " + reason)

    def na_for(self, peers, reason, role=None):
        if self.peer in ([peers] if isinstance(peers, str) else peers) and role in (None, self.role):
            self.na(reason)

    # ---- starting programs ------------------------------------------------

    def start(self, *args):
        program = Program(flags(args))
        self.running.append(program)
        return program

    def driver(self, *args, role=None):
        return self.start(DRIVER, role or self.role, args)

    def other(self, *args):
        return self.start(self.program, "server" if self.role == "client" else "client", args)

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

    # ---- whole connections -----------------------------------------------------

    def connect(self, ours=(), theirs=(), cert="p256", trust=True, name=NAME, limit=LIMIT, middle=None):
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

    def check_good(self, mine, yours, data):
        assert mine.result == "closed", show(mine, yours)
        assert mine["info"]["version"] == "TLSv1.3"
        assert yours is not None and yours.handshake, show(mine, yours)
        assert yours.version == "TLSv1.3" and yours.error is None, show(yours)
        assert yours.end in ("closed", "local"), show(yours)
        if not mine.bytes_in_early and not yours.bytes_in_early:
            assert (mine.bytes_in, mine.sha256_in) == (data.size, data.sha256), show(mine)
            assert (yours.bytes_in, yours.sha256_in) == (data.size, data.sha256), show(yours)
        # A client closes, and enn_engine_close drops what still arrives.
        assert mine.final_seen or self.role == "client", show(mine)

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


# ---- fixtures ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    sizes = {"small": 5000, "early": 700, "big": 16 << 20, "medium": 200_000}
    return {name: Data(folder, name, size) for name, size in sizes.items()}


@pytest.fixture
def link(request, pki, data, tmp_path):
    peer, role = request.param
    if not (PROGRAMS / PEERS[peer][0]).exists():
        pytest.skip("%s not tested: install %s and build again" % (peer, PEERS[peer][1]))
    the_link = Link(peer, role, pki, tmp_path, data)
    yield the_link
    the_link.stop()


@pytest.fixture
def programs():
    """Starts processes for a test and ends those that are left."""
    running = []

    def start(kind, *args, **more):
        process = kind(flags(args), **more)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()


# ---- the matrix: @pytest.mark.row("text with {parameters}") -----------------------------------


def pytest_configure(config):
    config.addinivalue_line("markers", "row(text): the row of the matrix that a test fills")
    config.addinivalue_line("markers", "cell(section, column): the place of a test without a link")
    if not DRIVER.exists():
        raise pytest.UsageError("build first: %s is missing" % DRIVER)


def pytest_generate_tests(metafunc):
    if "link" in metafunc.fixturenames:
        metafunc.parametrize("link", COLUMNS, indirect=True, ids=["%s-%s" % c for c in COLUMNS])


def place(item):
    """(section, row, column) of a test, or None."""
    row = item.get_closest_marker("row")
    if row is None:
        return None
    params = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    if "link" in params:
        column = COLUMN_NAMES[COLUMNS.index(tuple(params.pop("link")))]
        section = LIBRARY_SECTION
    else:
        section, column = item.get_closest_marker("cell").args
        column = column.format(**params)
    return section, row.args[0].format(**params), column


def pytest_collection_finish(session):
    for item in session.items:
        where = place(item)
        if where is not None:
            section, row, column = where
            MATRIX.columns(section, [])
            if column not in MATRIX.sections[section]["columns"]:
                MATRIX.sections[section]["columns"].append(column)
            MATRIX.expect(section, row)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report, where = outcome.get_result(), place(item)
    if where is None or (report.when != "call" and not (report.failed or report.skipped)):
        return
    if report.skipped:
        reason = call.excinfo.value.msg
        MATRIX.put(*where, "n/a", reason[5:] if reason.startswith("n/a: ") else reason)
    else:
        MATRIX.put(*where, "pass" if report.passed else "FAIL")


def pytest_terminal_summary(terminalreporter, config):
    if not any(t["rows"] for t in MATRIX.sections.values()):
        return
    text = MATRIX.markdown()
    path = Path(os.environ.get("INTEROP_MATRIX", PROGRAMS.parent.parent / "interop-matrix.md"))
    path.write_text(text, encoding="utf-8")
    terminalreporter.write_line("")
    terminalreporter.write_line(text)
    for peer, (program, package) in PEERS.items():
        if not (PROGRAMS / program).exists():
            terminalreporter.write_line("NOT TESTED: %s. Install %s." % (peer, package), red=True)


def pytest_sessionfinish(session, exitstatus):
    """A full run must leave no cell of the libraries' table empty."""
    config = session.config
    partial = config.option.keyword or any("::" in a for a in config.args) or \
        config.option.collectonly or getattr(config.option, "maxfail", 0) or session.shouldstop
    files = {Path(str(item.fspath)).name for item in session.items}
    every = {p.name for p in Path(__file__).parent.glob("test_*.py")}
    if partial or files != every or exitstatus != 0:
        return
    holes = [h for h in MATRIX.holes() if h[0] == LIBRARY_SECTION]
    if holes:
        session.exitstatus = 1
        print("\nunexplained holes in the matrix: %s" % holes)
