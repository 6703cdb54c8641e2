# SPDX-License-Identifier: Apache-2.0
"""ennead survey: what `ennead features` claims is proved, and nothing more is claimed."""

import functools
import json
import os
import subprocess

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")


def run(*arguments):
    return subprocess.run([ENNEAD, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120)


@pytest.fixture(scope="module")
def table():
    """The features of each protocol as `ennead features` has them."""
    return {row["scheme"]: row for row in json.loads(run("features", "--json").stdout)}


@pytest.fixture(scope="module")
def surveyed():
    return {scheme: row["features"] for scheme, row in everything().items()}


@functools.cache
def everything():
    done = run("survey", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["scheme"]: row for row in json.loads(done.stdout)}


def test_what_is_there_besides_is_proved_too():
    more = everything()["tls"]["more"]
    assert len(more) >= 7
    for row in more:
        assert row["result"] == "proved" or (row["result"] == "absent" and "needs" in row["evidence"])
        assert row["evidence"]


def test_every_protocol_that_is_built_is_surveyed(table, surveyed):
    assert set(surveyed) == {scheme for scheme, row in table.items() if row["built"]}


def test_every_claim_is_proved(table, surveyed):
    for scheme, rows in surveyed.items():
        claims = table[scheme]["features"]
        assert [row["feature"] for row in rows] == list(claims)
        for row in rows:
            claim = claims[row["feature"]]
            assert row["survey"] == claim["survey"]
            if claim["built"]:
                assert row["result"] in ("proved", "substrate"), (scheme, row)
                assert row["evidence"]
            elif claim["survey"] == "U":
                assert row["result"] in ("not offered", "proved"), (scheme, row)
            else:
                assert row["result"] == "not built", (scheme, row)


def test_what_is_not_built_is_said_to_be_so(surveyed):
    def result(scheme, feature):
        return next(row["result"] for row in surveyed[scheme] if row["feature"] == feature)

    assert result("wireguard", "Application authentication delegation") == "not built"
    assert result("wireguard", "Early data support") == "not offered"
    assert result("tls", "Connection mobility") == "not offered"
    assert result("tls", "Source validation") == "substrate"


def test_only_what_tcp_does_is_left_to_the_substrate(surveyed):
    left = [(scheme, row["feature"]) for scheme, rows in surveyed.items() for row in rows
            if row["result"] == "substrate"]
    assert left == [("tls", "Source validation")]


@pytest.mark.parametrize("scheme, title", [("tls", "TLS"), ("wireguard", "WireGuard")])
def test_one_protocol_as_text(scheme, title):
    done = run("survey", scheme)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == ""
    assert lines[0].startswith(title + " (")
    assert len(lines) == 17 + len(everything()[scheme]["more"])
    assert not any(line != line.rstrip() for line in lines)
    assert any("Authenticated encryption" in line and " M  proved " in line for line in lines)


def test_a_protocol_without_an_engine_is_not_built():
    done = run("survey", "quic", "--json")
    assert done.returncode == 0
    (protocol,) = json.loads(done.stdout)
    assert {row["result"] for row in protocol["features"]} <= {"not built", "not offered"}


def test_a_mistyped_protocol_is_refused_with_the_nearest():
    done = run("survey", "wiregaurd")
    assert done.returncode == 1
    assert "wireguard" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("arguments", [("--fast",), ("tls", "wireguard")])
def test_wrong_arguments(arguments):
    done = run("survey", *arguments)
    assert done.returncode == 1 and done.stdout == "" and done.stderr


def test_help():
    assert "--json" in run("survey", "--help").stdout
    assert "[PROTOCOL]" in run("help", "survey").stdout
