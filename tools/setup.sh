#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages named in tools/packages/, those of the lists given as arguments:
#   tools/setup.sh build test
# Asks nothing and returns at once when all is there. A package with an architecture behind its
# name is wanted only there.
set -eu
cd "$(dirname "$0")/packages"

arch=$(dpkg --print-architecture)
wanted=$(for list in "$@"; do sed 's/#.*//' "$list.txt"; done |
	awk -v arch="$arch" 'NF == 1 || $2 == arch { print $1 }' | sort -u)
installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii *//p' | sort -u)
missing=$(comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed"))
[ -n "$missing" ] || exit 0

become=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "setup: these Debian packages are missing, and only root can install them:" $missing >&2
		exit 1
	fi
	become=sudo
fi
echo "setup: installing" $missing >&2
export DEBIAN_FRONTEND=noninteractive
$become apt-get update -q >&2
# shellcheck disable=SC2086
$become env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
