#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The simulator on seeds that nobody has run, for a while. A failing seed is printed with the command
# that replays it.
# usage: soak.sh BUILD SECONDS
set -u
build=$1 end=$(($(date +%s) + $2))
first=$(($(date +%s) * 1000000))
runs=0
while [ "$(date +%s)" -lt "$end" ]; do
	last=$((first + 4999))
	for simulator in sim_tls sim_wireguard; do
		if ! "$build/tests/sim/$simulator" --seeds "$first..$last" >"$build/soak.log" 2>&1; then
			cat "$build/soak.log"
			echo "soak: $simulator failed within seeds $first..$last" >&2
			exit 1
		fi
		runs=$((runs + 5000))
	done
	first=$((last + 1))
done
echo "soak: $runs seeded runs, no failure"
