#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every suite and lint of Ennead and ends with one line: N passed, N failed, N skipped.

The tests are those that Meson knows (`test()` in tests/**/meson.build). A program that prints TAP
counts each of its points, a pytest suite each of its cases, a lint counts as one. The unit, sim, fuzz and
api suites run a second time under AddressSanitizer and UBSan, and the valgrind suite under memcheck.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
SANITIZED_SUITES = {"unit", "sim", "fuzz", "api", "vectors"}
SERIAL_SUITES = {"interop", "cli", "install"}
WAITING_SUITE = "waits"  # serial among themselves, mostly idle: beside the other serial ones
LANES = {"beside": 2, "alone": 1, "waiting": 1}  # how many tests of a kind run at once
MARKS = {"valgrind", WAITING_SUITE}  # suites that say how to run a test, not what it is
GRACE = 10  # seconds in which what was killed must be gone
RUNNING = set()  # in sessions of their own, so that Ctrl-C does not reach them
LINTS = ["format", "layers", "sizes", "headers", "exports", "leftovers", "tidy", "manuals"]


class Result:
    """What one program or lint said."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failed = []
        self.skipped = []
        self.seconds = 0.0
        self.output = ""

    @property
    def good(self):
        return not self.failed


def parse_tap(result, text, status):
    """Counts TAP points; a wrong plan, a bail-out and a bad exit are failures too."""
    plan = None
    points = 0
    for line in text.splitlines():
        match = re.match(r"(?:\d+: )?1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?", line, re.I)
        if match:
            plan = (plan or 0) + int(match.group(1))
            if match.group(2) is not None and int(match.group(1)) == 0:
                result.skipped.append(match.group(2) or "no reason given")
            continue
        match = re.match(r"(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)", line)
        if match:
            points += 1
            skip = re.search(r"#\s*skip\S*\s*(.*)", match.group(2), re.I)
            if skip:
                result.skipped.append(match.group(2))
            elif match.group(1):
                result.failed.append(match.group(2) or f"point {points}")
            else:
                result.passed += 1
        elif line.startswith("Bail out!"):
            result.failed.append(line)
    if status not in (0, 77) and not result.failed:
        result.failed.append(f"exit status {status}")
    if plan is None or plan != points:
        result.failed.append(f"planned {plan} points, ran {points}")


def parse_junit(result, path, status):
    if not path.exists():
        result.failed.append(f"pytest wrote no report, exit status {status}")
        return
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed.append(name)
        elif skip is not None:
            result.skipped.append(f"{name}: {skip.get('message')}")
        else:
            result.passed += 1
    if status not in (0, 5) and not result.failed:
        result.failed.append(f"pytest exit status {status}")
    if status == 5:
        result.failed.append("pytest found no tests")


def kill_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(command, env, cwd, timeout):
    """The program's output and exit status; a time-out kills its whole process group."""
    try:
        process = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
    except OSError as error:
        return f"Bail out! {command[0]}: {error.strerror}\n", 127
    RUNNING.add(process)
    try:
        out, _ = process.communicate(timeout=timeout)
        return out.decode(errors="replace"), process.returncode
    except subprocess.TimeoutExpired:
        kill_group(process)
        try:
            out, _ = process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired as late:  # somebody who left the group has its output
            out = late.stdout or b""
        return out.decode(errors="replace") + f"\nBail out! no end after {timeout} s\n", 124
    finally:
        RUNNING.discard(process)


def run_test(test, label, wrap):
    result = Result(f"{label} {test['name']}")
    env = {**os.environ, **test["env"], "ENN_SOURCE": str(TOP)}
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    command = wrap + list(test["cmd"])
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ennead-check-") as temporary:
        report = Path(temporary) / "report.xml"
        is_pytest = "pytest" in command
        if is_pytest:
            command += [f"--junitxml={report}", "-o", "junit_family=xunit1"]
        result.output, status = run(command, env, test["workdir"] or test["build"], test["timeout"])
        if is_pytest:
            parse_junit(result, report, status)
        else:
            parse_tap(result, result.output, status)
    result.seconds = time.monotonic() - begin
    return result


def run_lint(name):
    result = Result(f"lint {name}")
    begin = time.monotonic()
    result.output, status = run([sys.executable, str(TOP / "tools" / "lint.py"), name],
                                dict(os.environ), str(TOP), 900)
    if status == 0:
        result.passed = 1
    elif status == 77:
        result.skipped.append(result.output.strip().splitlines()[-1])
    else:
        result.failed.append(name)
    result.seconds = time.monotonic() - begin
    return result


def tests_of(build):
    listed = subprocess.run(["meson", "introspect", "--tests", str(build)], check=True,
                            stdout=subprocess.PIPE).stdout
    tests = json.loads(listed)
    for test in tests:
        test["build"] = str(build)  # Meson's own default place to run
        test["suites"] = {suite.split(":")[-1] for suite in test["suite"]}
    return tests


def jobs(only):
    """Pairs of (lane, function): lane is a name of LANES."""
    plain = tests_of(BUILD / "check")
    memcheck = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
                "--errors-for-leak-kinds=definite", "--trace-children=no"]
    for test in plain:
        label = "/".join(sorted(test["suites"] - MARKS))
        lane = "beside"
        if WAITING_SUITE in test["suites"]:
            lane = "waiting"
        elif test["suites"] & SERIAL_SUITES or not test.get("is_parallel", True):
            lane = "alone"
        if not only or test["suites"] & only:
            yield lane, lambda test=test, label=label: run_test(test, label, [])
        if "valgrind" in test["suites"] and (not only or "valgrind" in only):
            slow = dict(test, timeout=test["timeout"] * 6)
            yield "beside", lambda test=slow: run_test(test, "valgrind", memcheck)
    for test in tests_of(BUILD / "asan"):
        suites = test["suites"] & SANITIZED_SUITES
        if suites and "pytest" not in test["cmd"] and (not only or "asan" in only):
            slow = dict(test, timeout=test["timeout"] * 4)
            label = "asan/" + "/".join(sorted(suites))
            yield "beside", lambda test=slow, label=label: run_test(test, label, [])
    if not only or "lint" in only:
        for name in LINTS:
            yield "beside", lambda name=name: run_lint(name)


def show(result, verbose):
    mark = "ok  " if result.good else "FAIL"
    counts = f"{result.passed} passed"
    if result.failed:
        counts += f", {len(result.failed)} failed"
    if result.skipped:
        counts += f", {len(result.skipped)} skipped"
    print(f"{mark} {result.name:48} {counts:34} {result.seconds:6.1f} s", flush=True)
    if verbose or not result.good:
        for line in result.output.splitlines()[-200:]:
            print(f"     | {line}")
        for name in result.failed:
            print(f"     failed: {name}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", help="only these: unit, sim, interop, asan, lint, …")
    parser.add_argument("-v", action="store_true", help="show the output of what passes too")
    arguments = parser.parse_args()
    begin = time.monotonic()
    results = []
    pools = {lane: concurrent.futures.ThreadPoolExecutor(max_workers=workers)
             for lane, workers in LANES.items()}
    work = list(jobs(set(arguments.suites)))
    try:
        # What can share the processors first; then the rest, the patient beside the busy.
        for lanes in (("beside",), ("alone", "waiting")):
            futures = [pools[lane].submit(function) for lane, function in work if lane in lanes]
            for future in concurrent.futures.as_completed(futures):
                results.append(future.result())
                show(results[-1], arguments.v)
    except KeyboardInterrupt:
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for process in list(RUNNING):
            kill_group(process)
        print("interrupted", flush=True)
        return 130

    skipped = [(r.name, reason) for r in results for reason in r.skipped]
    failed = [(r.name, name) for r in results for name in r.failed]
    for name, reason in skipped:
        print(f"SKIPPED  {name}: {reason}")
    for name, what in failed:
        print(f"FAILED   {name}: {what}")
    print(f"in {time.monotonic() - begin:.0f} s")
    print(f"{sum(r.passed for r in results)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped", flush=True)
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
