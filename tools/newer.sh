#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Debian 13's programs and libraries on a machine that runs another release:
#   tools/newer.sh                   unpacks the packages of tools/packages/newer.txt, and what
#                                    they depend on, into build/newer/root; at once when it is there
#   tools/newer.sh run PROGRAM …     runs a program of that folder, or one of ours with its libraries
# debootstrap finds, fetches and verifies the packages; nothing of them is installed, so no root is
# wanted. Where they cannot be had the tests that use them say so and are skipped.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
list=$top/tools/packages/newer.txt
newer=${ENN_NEWER:-$top/build/newer}
root=$newer/root
suite=trixie
libraries=lib/$(uname -m)-linux-gnu

if [ "${1:-}" = run ]; then
	if [ ! -f "$newer/stamp" ]; then
		echo "1..0 # SKIP no Debian 13 folder: tools/newer.sh makes it"
		[ "${CMOCKA_MESSAGE_OUTPUT:-}" = TAP ] && exit 0
		exit 77
	fi
	program=$2
	shift 2
	case $program in */*) ;; *) program=$root/usr/bin/$program ;; esac
	loader=$(echo "$root/usr/$libraries"/ld-linux-*.so.*)
	exec "$loader" --library-path "$root/usr/$libraries:/usr/$libraries" "$program" "$@"
fi

packages=$(sed 's/#.*//' "$list" | xargs)
stamp="$suite: $packages"
if [ "$(cat "$newer/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi

give_up() {
	echo "newer: NO DEBIAN 13 FOLDER: $1. Tests with OpenSSL 3.5, mbedTLS 3.6 … are skipped." >&2
	exit 0
}

if ! command -v debootstrap >/dev/null; then
	give_up "debootstrap is not installed"
fi
# From where this machine has its own release.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# shellcheck disable=SC2016 # the words in $() are apt's
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
	'Created-By: Packages' | awk -v code="$codename" '$1 == code && $2 == "main" { print $3; exit }')
if [ -z "$mirror" ]; then
	give_up "apt knows no mirror of $codename"
fi
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
for name in http_proxy https_proxy; do
	if [ -n "${!name:-}" ]; then
		export "${name?}"
	fi
done

begin=$SECONDS
fetched=$newer/fetched
log=$newer/log
rm -rf "$root" "$newer/stamp"
mkdir -p "$root" "$fetched"
for try in 1 2; do
	# What was fetched in the first try is not fetched again.
	if timeout 300 debootstrap --download-only --variant=minbase \
		--include="${packages// /,}" "$suite" "$fetched" "$mirror" >"$log" 2>&1; then
		break
	fi
	if [ "$try" = 2 ]; then
		give_up "$(tail -n 1 "$log"), see $log"
	fi
done
if ! printf '%s\0' "$fetched"/var/cache/apt/archives/*.deb |
	xargs -0 -P 2 -I '{}' dpkg-deb -x '{}' "$root" >>"$log" 2>&1; then
	give_up "a package could not be unpacked, see $log"
fi
rm -rf "$fetched" "$root"/usr/share/{doc,man,locale}
echo "$stamp" >"$newer/stamp"
echo "newer: Debian 13 in ${newer#"$top"/} after $((SECONDS - begin)) s: $packages" >&2
