# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and the matrix: what was tried with whom.

A test names its row with @pytest.mark.row("text with {parameters}"). One that takes `meeting` runs
once for each peer and role; these are the columns. A test for certain peers only names
them, and why, with @pytest.mark.only(reason, peer=…, role=…): the other cells are not collected.
"""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import Lab  # noqa: E402
from matrix import Matrix  # noqa: E402
from meeting import LEFT, ROLES, Meeting  # noqa: E402
from peers import ENNEAD, PROGRAMS, missing  # noqa: E402
from vm import VirtualMachine, prepare  # noqa: E402

SECTION = "WireGuard (%s's role → the peer)" % LEFT
OTHER = "WireGuard, the command alone"
COLUMNS = [(peer, role) for peer in ("wireguard-go", "Linux kernel") for role in ROLES]
MATRIX = Matrix()


def obstacle():
    """Why nothing at all can run here, or None."""
    if os.geteuid() != 0:
        return "network namespaces and TUN interfaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    lacking = missing("ip", "wg", "wireguard-go", "iperf3", "ping", "tshark")
    return "%s is not installed" % lacking if lacking else None


@pytest.fixture(scope="session")
def machine():
    """The virtual machine, or the reason (str) why there is none."""
    try:
        made = prepare()
    except Exception as why:  # pylint: disable=broad-except
        made = "it cannot be made: %s" % why
    if isinstance(made, str):
        yield made
        return
    lab = Lab()
    running = None
    try:
        space = lab.namespace()
        running = VirtualMachine(space, *made)
        space.ip("link add br0 type bridge", "link set tap0 master br0", "link set br0 up")
        yield running
    finally:
        if running is not None:
            running.close()
        lab.close()


@pytest.fixture
def meeting(request, tmp_path):
    peer, role = request.param
    vm = None
    if peer == "Linux kernel":
        vm = request.getfixturevalue("machine")
        if isinstance(vm, str):
            pytest.skip("Linux kernel not tested: " + vm)
    the_meeting = Meeting(peer, role, tmp_path, vm)
    yield the_meeting
    the_meeting.close(failed=getattr(request.node, "failed", False))


@pytest.fixture
def lab():
    the_lab = Lab()
    yield the_lab
    the_lab.close()


# ---- the matrix --------------------------------------------------------------------------------------


def pytest_configure(config):
    for line in ("row(text): the row of the matrix that a test fills",
                 "only(reason, peer, role): the cells that a test is for"):
        config.addinivalue_line("markers", line)
    if not ENNEAD.exists():
        raise pytest.UsageError("build first: %s is missing" % ENNEAD)


def pytest_generate_tests(metafunc):
    if "meeting" in metafunc.fixturenames:
        metafunc.parametrize("meeting", COLUMNS, indirect=True,
                             ids=["%s-%s" % (c[0].replace(" ", "-"), c[1]) for c in COLUMNS])


def parameters(item):
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def place(item):
    """(section, row, column) of a test, or None."""
    row, params = item.get_closest_marker("row"), parameters(item)
    if row is None:
        return None
    where = params.pop("meeting", None)
    text = row.args[0].format(**params)
    if where is None:
        return OTHER, text, LEFT
    return SECTION, text, "%s → %s" % (where[1], where[0])


def left_out(item):
    """The reason why a cell is not for this test, or None."""
    peer, role = parameters(item).get("meeting", (None, None))
    for mark in item.iter_markers("only"):
        if mark.kwargs.get("peer", peer) != peer or mark.kwargs.get("role", role) != role:
            return mark.args[0]
    return None


def pytest_collection_modifyitems(config, items):
    kept, dropped = [], []
    # The virtual machine last: who waits for it has seen the rest.
    items.sort(key=lambda item: parameters(item).get("meeting", ("",))[0] == "Linux kernel")
    for item in items:
        where, reason = place(item), left_out(item)
        if where is not None:
            MATRIX.expect(*where)
            if reason is not None:
                MATRIX.put(*where, "n/a", reason)
        (kept if reason is None else dropped).append(item)
    items[:] = kept
    if dropped:
        config.hook.pytest_deselected(items=dropped)


def pytest_runtest_setup(item):
    reason = obstacle()
    if reason is not None:
        pytest.skip("WireGuard not tested: " + reason)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report, where = outcome.get_result(), place(item)
    if report.failed:
        item.failed = True
    if where is None or (report.when != "call" and not (report.failed or report.skipped)):
        return
    if report.skipped:
        MATRIX.put(*where, "skip", call.excinfo.value.msg)
    else:
        MATRIX.put(*where, "pass" if report.passed else "FAIL")


def pytest_terminal_summary(terminalreporter):
    if not MATRIX.sections:
        return
    text = MATRIX.markdown()
    path = Path(os.environ.get("WIREGUARD_MATRIX", PROGRAMS / "wireguard-matrix.md"))
    path.write_text(text, encoding="utf-8")
    terminalreporter.write_line("")
    terminalreporter.write_line(text)
