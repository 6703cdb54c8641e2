#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the benchmarks and puts their rows together.
#   bench/run.sh BUILD-FOLDER OUTPUT-FOLDER [PREFIX of the rows wanted …]
# Each protocol has one program, BUILD-FOLDER/bench/bench_<protocol>; wireguard_tunnel.py adds what
# takes processes and namespaces. Without a prefix report.json is made anew; with
# one, only the rows that were measured are replaced in it.
set -eu

build=$1
out=$2
shift 2
here=$(dirname "$0")
mkdir -p "$out/parts"
rm -f "$out/parts"/*.json

only=
for prefix in "$@"; do
	only="$only --only $prefix"
done
[ -n "$only" ] || rm -f "$out/report.json"

for program in "$build"/bench/bench_*; do
	[ -f "$program" ] && [ -x "$program" ] || continue
	# shellcheck disable=SC2086 # a list of options
	"$program" $only --bars --json "$out/parts/$(basename "$program").json"
done
# shellcheck disable=SC2086
ENNEAD=$build/cli/ennead WIREGUARD_PROGRAMS=$build/bench \
	/usr/bin/python3 "$here/wireguard_tunnel.py" $only --bars --json "$out/parts/wireguard_tunnel.json"
"$here/report" --merge "$out/report.json" "$out/parts"/*.json
echo "rows: $out/report.json"
