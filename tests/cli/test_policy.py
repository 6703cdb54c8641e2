# SPDX-License-Identifier: Apache-2.0
"""Algorithm policies as a user meets them: the table, the option, the mistakes."""

import json
import os
import re
import subprocess

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")


def run(*arguments):
    return subprocess.run([ENNEAD, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)


def policy(text):
    done = run("features", "--policy", text, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_profiles():
    modern, compatible, fips = map(policy, ("modern", "compatible", "fips-like"))
    for it in (modern, compatible, fips):
        assert it["versions"][0] == "TLSv1.3"
        assert not any("CBC" in suite for suite in it["suites"])
        assert it["psk_modes"] == ["psk_dhe_ke"]
    assert "rsa_pkcs1_sha256" in set(compatible["signatures"]) - set(modern["signatures"])
    assert fips["groups"] == ["P-256", "P-384"]
    assert not any("CHACHA20" in suite for suite in fips["suites"])


def test_table():
    done = run("features", "--policy", "fips-like:!RSA")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("policy             fips-like:")
    assert "signatures=ecdsa_secp256r1_sha256:" in lines[0]
    assert any(re.match(r"suites +TLS_AES_\S+ +TLSv1.3$", line) for line in lines)
    assert any(re.match(r"groups +P-256$", line) for line in lines)
    assert not any(line != line.rstrip() for line in lines)


def test_what_is_printed_can_be_given():
    once = policy("compatible:groups=P-384:P-256:-ed25519")
    assert policy(once["policy"]) == once


def test_every_profile_is_in_the_help():
    text = run("help", "features").stdout
    assert all(re.search(rf"^  {name} ", text, re.M) for name in ("modern", "compatible", "fips-like"))


@pytest.mark.parametrize("command", [("features",), ("connect", "tls://localhost:1"),
                                     ("listen", "tls://localhost:0", "--psk-identity", "a",
                                      "--psk-file", "/dev/null")])
def test_mistakes(command):
    wrong = "modern:+X25159"
    done = run(*command, "--policy", wrong)
    assert done.returncode == 1 and done.stdout == ""
    if command[0] != "listen":  # which complains about its key first
        assert "'X25159' (item 2, character 9) is unknown, nearest is X25519" in done.stderr


def test_a_value_is_needed():
    done = run("features", "--policy")
    assert done.returncode == 1 and "needs a value" in done.stderr
