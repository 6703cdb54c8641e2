# SPDX-License-Identifier: Apache-2.0
"""tools/check.py: what it counts, and that nothing passes for being silent."""

import importlib.util
import time
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location(
    "check", Path(__file__).resolve().parents[2] / "tools" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


@pytest.mark.parametrize("text,status,passed,failed,skipped", [
    ("1..2\nok 1 - a\nok 2 - b\n", 0, 2, 0, 0),
    ("TAP version 13\nok 1\n1..1\n", 0, 1, 0, 0),
    ("1..2\nok 1 - a\nnot ok 2 - b\n", 1, 1, 1, 0),
    ("1..2\nok 1 - a\nok 2 - b # SKIP no such thing\n", 0, 1, 0, 1),
    ("1..0 # skip not here\n", 0, 0, 0, 1),
    ("1..0 # skip not here\n", 77, 0, 0, 1),
    ("1..2\nok 1 - a\n", 0, 1, 1, 0),             # fewer than planned
    ("1..1\nok 1 - a\nok 2 - b\n", 0, 2, 1, 0),   # more
    ("ok 1 - a\n", 0, 1, 1, 0),                   # no plan
    ("", 0, 0, 1, 0),                             # nothing at all
    ("1..1\nok 1 - a\n", 1, 1, 1, 0),             # a bad end
    ("1..1\nok 1 - a\n", -11, 1, 1, 0),
    ("1..1\nok 1 - a\nBail out! no more\n", 0, 1, 1, 0),
    ("okay then\n1..1\nok 1\n", 0, 1, 0, 0),
])
def test_tap(text, status, passed, failed, skipped):
    result = check.Result("x")
    check.parse_tap(result, text, status)
    assert (result.passed, len(result.failed), len(result.skipped)) == (passed, failed, skipped)
    assert result.good == (failed == 0)


@pytest.mark.parametrize("cases,status,passed,failed,skipped", [
    ('<testcase classname="a" name="b"/>', 0, 1, 0, 0),
    ('<testcase classname="a" name="b"><failure/></testcase>', 1, 0, 1, 0),
    ('<testcase classname="a" name="b"><error/></testcase>', 1, 0, 1, 0),
    ('<testcase classname="a" name="b"><skipped message="no"/></testcase>', 0, 0, 0, 1),
    ('<testcase classname="a" name="b"/>', 3, 1, 1, 0),
    ("", 5, 0, 1, 0),
])
def test_junit(tmp_path, cases, status, passed, failed, skipped):
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    result = check.Result("x")
    check.parse_junit(result, report, status)
    assert (result.passed, len(result.failed), len(result.skipped)) == (passed, failed, skipped)


def test_junit_that_was_not_written(tmp_path):
    result = check.Result("x")
    check.parse_junit(result, tmp_path / "none", 0)
    assert not result.good


def test_run(tmp_path, monkeypatch):
    assert check.run(["sh", "-c", "echo a; echo b >&2; exit 3"], None, tmp_path, 10) == ("a\nb\n", 3)
    text, status = check.run([str(tmp_path / "none")], None, tmp_path, 10)
    assert status == 127 and "Bail out!" in text
    begin = time.monotonic()
    text, status = check.run(["sh", "-c", "echo begun; sleep 60"], None, tmp_path, 0.3)
    assert status == 124 and text.startswith("begun\n") and "Bail out!" in text
    monkeypatch.setattr(check, "GRACE", 0.3)  # a child that has left the group keeps the pipe
    text, status = check.run(["sh", "-c", "setsid sleep 5 & echo left; sleep 60"], None, tmp_path,
                             0.3)
    assert status == 124 and text.startswith("left\n")
    assert time.monotonic() - begin < 4
    assert not check.RUNNING
