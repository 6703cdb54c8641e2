# SPDX-License-Identifier: Apache-2.0
"""Completion for bash: what it offers is what the command has."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")
SCRIPT = Path(__file__).resolve().parents[2] / "completions" / "ennead"

# As bash calls it: the program, the word, the word before.
CALL = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_ennead "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words):
    done = subprocess.run(["bash", "--norc", "-c", CALL, "bash", SCRIPT, ENNEAD, *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.stderr == "" and done.returncode == 0, done.stderr
    return done.stdout.split()


def help_of(*words):
    return subprocess.run([ENNEAD, "help", *words], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def commands():
    return re.findall(r"^  ([a-z]+) ", help_of().split("examples:")[0], re.M)


def test_commands():
    assert {"connect", "listen", "tunnel", "keygen", "features", "help", "version"} <= set(commands())
    assert complete("") == commands()
    assert complete("con") == ["connect"]
    assert complete("help", "fea") == ["features"]
    assert complete("nonsense", "--") == []


def options_of(text):
    """The rows of a help: what stands in the first column."""
    rows = [re.sub(r"   .*", "", line.strip()) for line in text.splitlines()
            if line.startswith("  ")]
    return re.findall(r"--[a-z0-9-]+", "\n".join(rows))


@pytest.mark.parametrize("command", ["connect", "listen", "probe", "tunnel", "features"])
def test_options(command):
    assert_known(options_of(help_of(command)), command)


def test_options_of_sections():
    first, wireguard, ech, pool = re.split("^keygen [a-z-]+ ", help_of("keygen"), flags=re.M)
    assert_known(options_of(first), "keygen")
    assert_known(options_of(wireguard), "keygen", "wireguard")
    assert_known(options_of(ech), "keygen", "ech")
    assert_known(options_of(pool), "keygen", "pool-key")
    assert complete("keygen", "w") == ["wireguard"]
    assert complete("keygen", "") == ["wireguard", "ech", "pool-key"]
    assert complete("connect", "tls://host:1", "--js") == ["--json"]


def assert_known(options, *command):
    assert options and complete(*command, "--") == options
    for option in options:  # there is such an option: what is complained about is another thing
        done = subprocess.run([ENNEAD, *command, option, "\n", "-h"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        assert "unknown option" not in done.stderr and "is unknown" not in done.stderr, option


def test_values():
    assert complete("keygen", "--type", "") == ["p256", "p384", "ed25519", "rsa2048", "rsa3072"]
    assert complete("keygen", "--type", "rsa") == ["rsa2048", "rsa3072"]
    assert complete("connect", "--ca", "") == []  # file names are bash's own
    assert complete("connect", "--name", "-") == []
    assert complete("connect", "--quiet", "--js") == ["--json"]


def test_is_loaded():
    done = subprocess.run(["bash", "--norc", "-c", '. "$1" && complete -p ennead', "bash", SCRIPT],
                          stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "complete -o bashdefault -o default -F _ennead ennead\n"
