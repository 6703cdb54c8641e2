#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every fuzz target for a while, two at a time, and prints what came of it.
# usage: fuzz.sh BUILD SECONDS [TARGET…]
# New inputs go to BUILD/corpus/TARGET; the seeds in tests/fuzz/corpus stay as they are.
set -u
build=$1 seconds=$2
shift 2
top=$(cd "$(dirname "$0")/.." && pwd)
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
	for t in "$build"/tests/fuzz/fuzz_*; do
		[ -f "$t" ] && [ -x "$t" ] && targets+=("$(basename "$t")")
	done
fi
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no targets in $build" >&2; exit 1; }

one() {
	local target=$1 corpus=$build/corpus/$1 log=$build/$1.log
	mkdir -p "$corpus" "$build/crashes"
	"$build/tests/fuzz/$target" -max_total_time="$seconds" -print_final_stats=1 -timeout=20 \
		-rss_limit_mb=4096 -artifact_prefix="$build/crashes/$target-" \
		"$corpus" "$top/tests/fuzz/corpus/${target#fuzz_}" >"$log" 2>&1
	local status=$?
	printf '%-24s %8s s  %12s runs  cov %6s  %s\n' "$target" "$seconds" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
		"$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | tr -dc 0-9)" \
		"$([ $status -eq 0 ] && echo clean || echo "FOUND SOMETHING, see $log")"
	return $status
}
export -f one
export build seconds top
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'one {}' || exit 1
