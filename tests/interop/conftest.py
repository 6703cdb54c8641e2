# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and the book-keeping of the matrix.

A test names its row with @pytest.mark.row("text with {parameters}"). A test that takes `link` runs
once for each peer and role, which are the columns, in each version of TLS that it names with
@pytest.mark.versions("1.3", "1.2"), and in 1.3 where it names none; any other names its place with
@pytest.mark.cell(section, column). @pytest.mark.na(reason, peer=…, role=…, version=…, parameter=…)
takes cells out that cannot be tried: they are not collected, and the matrix shows the reason. A peer is
a library ("OpenSSL") or one release of it ("OpenSSL 3.5").
"""
import os
import re
from pathlib import Path

import pytest

from link import Data, Link
from matrix import Matrix
from pki import Pki
from programs import DRIVER, PEERS, PROGRAMS, TOP, flags
from tools import SECTION as TOOLS_SECTION
from tools import Bench, without_command

collect_ignore = ["dtls", "wireguard"]  # a run of its own, with its own fixtures and matrix

LIBRARY_SECTIONS = {version: "TLS %s (Ennead's role → the peer)" % version
                    for version in ("1.3", "1.2")}
# The versions that Ennead speaks when nothing is said.
SPOKEN = re.search(r'"protocolVersion", list, "([^"]*)"',
                   (TOP / "include/ennead/security.def").read_text(encoding="utf-8")).group(1)
COLUMNS = [(version, name, role) for version in LIBRARY_SECTIONS if version in SPOKEN
           for name, peer in PEERS.items() if version in peer.versions
           for role in ("client", "server")]
MATRIX = Matrix()


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
    version, name, role = request.param
    peer = PEERS[name]
    if peer.command() is None:
        pytest.skip(peer.missing())
    the_link = Link(peer, version, role, pki, tmp_path, data)
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


@pytest.fixture
def bench(programs, pki, data, tmp_path):
    return Bench(programs, pki, data, tmp_path)


# ---- the matrix --------------------------------------------------------------------------------


def pytest_configure(config):
    for line in ("row(text): the row of the matrix that a test fills",
                 "cell(section, column): the place of a test without a link",
                 "versions(*names): of TLS that a test with a link is for",
                 "na(reason, **parameters): cells that cannot be tried"):
        config.addinivalue_line("markers", line)
    if not DRIVER.exists():
        raise pytest.UsageError("build first: %s is missing" % DRIVER)


def pytest_generate_tests(metafunc):
    if "link" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("versions")
        columns = [c for c in COLUMNS if c[0] in (mark.args if mark else ("1.3",))]
        metafunc.parametrize("link", columns, indirect=True,
                             ids=["-".join(c).replace(" ", "-") for c in columns])


def parameters(item):
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def place(item):
    """(section, row, column) of a test, or None."""
    row, params = item.get_closest_marker("row"), parameters(item)
    if row is None:
        return None
    if "link" in params:
        version, peer, role = params.pop("link")
        section, column = LIBRARY_SECTIONS[version], "%s → %s" % (role, peer)
    else:
        section, column = item.get_closest_marker("cell").args
    return section, row.args[0].format(**params), column


def not_applicable(item):
    """The reason of the first mark that fits the test's parameters, or None."""
    params = parameters(item)
    version, peer, role = params.pop("link", (None, None, None))
    library = PEERS[peer].library if peer else None
    params = {name: (value,) for name, value in params.items()}
    params.update(version=(version,), role=(role,), peer=(peer, library))
    for mark in item.iter_markers("na"):
        wanted = {k: v if isinstance(v, tuple) else (v,) for k, v in mark.kwargs.items()}
        if all(set(params.get(name, ())) & set(values) for name, values in wanted.items()):
            return mark.args[0]
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    chosen, left_out = [], []
    # Of a version that is not spoken nothing is left.
    items[:] = [item for item in items if isinstance(parameters(item).get("link", ()), tuple)]
    for item in items:
        where, reason = place(item), not_applicable(item)
        if where is not None:
            MATRIX.expect(*where)
            if reason is not None:
                MATRIX.put(*where, "n/a", reason)
        (chosen if reason is None else left_out).append(item)
    items[:] = chosen
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report, where = outcome.get_result(), place(item)
    if where is None or (report.when != "call" and not (report.failed or report.skipped)):
        return
    if report.skipped:
        MATRIX.put(*where, "skip", call.excinfo.value.msg)
    else:
        MATRIX.put(*where, "pass" if report.passed else "FAIL")


def explain(section, row, column):
    """Why the tables beside the libraries' have cells that no test fills; None is a hole."""
    if section == TOOLS_SECTION:
        return without_command(row, column)
    if section not in LIBRARY_SECTIONS.values():
        return "can be said to a %s only" % ("client" if column == "server" else "server")
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    """A run of everything must leave no cell empty."""
    every = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    seen = {Path(str(item.fspath)).name for item in session.items}
    option = session.config.option
    if seen != every or option.keyword or option.markexpr or option.maxfail or option.collectonly:
        return
    for section, row, column in MATRIX.holes():
        reason = explain(section, row, column)
        if reason is not None:
            MATRIX.put(section, row, column, "n/a", reason)
    if MATRIX.holes() and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if not MATRIX.sections:
        return
    text = MATRIX.markdown()
    path = Path(os.environ.get("INTEROP_MATRIX", PROGRAMS.parent.parent / "interop-matrix.md"))
    path.write_text(text, encoding="utf-8")
    terminalreporter.write_line("")
    terminalreporter.write_line(text)
    for peer in PEERS.values():
        if peer.command() is None:
            terminalreporter.write_line("NOT TESTED: " + peer.missing(), red=True)
