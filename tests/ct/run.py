#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of ct_tls under memcheck and prints TAP. usage: run.py CT_TLS SUPPRESSIONS

A case passes if memcheck has nothing to say; a control passes if it has.
"""

import concurrent.futures
import shutil
import subprocess
import sys

CASES = ["full", "mutual", "retry", "psk", "psk_ke", "wrong-psk", "early", "tamper"]
# The other AEAD back end, for each of its two kinds of code.
IPSEC_MB_CASES = ["full", "retry", "tamper"]
CONTROLS = ["control-branch", "control-index", "control-compare", "control-session"]
REPORTED = 9
SKIPPED = 77


def run(case):
    name, backend = case
    command = ["valgrind", "-q", f"--error-exitcode={REPORTED}", "--leak-check=no",
               f"--suppressions={sys.argv[2]}", sys.argv[1], name, backend]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    return done.returncode, done.stdout


def main():
    if shutil.which("valgrind") is None:
        print("1..0 # skip valgrind is not installed")
        return 0
    cases = ([(name, "libcrypto") for name in CASES + CONTROLS] +
             [(name, "ipsec-mb") for name in IPSEC_MB_CASES])
    print(f"1..{len(cases)}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for number, (case, (status, output)) in enumerate(zip(cases, pool.map(run, cases)), 1):
            control = case[0] in CONTROLS
            name = f"{case[0]} ({case[1]}){' is reported' if control else ''}"
            if status == SKIPPED:
                print(f"ok {number} - {name} # skip this processor or build has no ipsec-mb")
                continue
            good = status == (REPORTED if control else 0)
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {name}")
            if not good:
                print(f"# exit status {status}")
                for line in output.splitlines()[:60]:
                    print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
