#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs into a folder of its own and builds a stranger's program against that. TAP.
# usage: run.sh SOURCE BUILD
set -u
source=$1 build=$2
prefix=$(mktemp -d "${TMPDIR:-/tmp}/ennead-install.XXXXXX")
trap 'rm -rf "$prefix"' EXIT
n=0
point() {
	n=$((n + 1))
	local what=$1
	shift
	if "$@" >"$prefix/log" 2>&1; then echo "ok $n - $what"; else
		echo "not ok $n - $what"
		sed 's/^/# /' "$prefix/log"
	fi
}
echo 1..11
libdir=$(cd "$build" && meson introspect --buildoptions |
	/usr/bin/python3 -c 'import json,sys;print({o["name"]:o["value"] for o in json.load(sys.stdin)}["libdir"])')
point "install" env DESTDIR="$prefix" meson install -C "$build" --no-rebuild --quiet
root=$prefix/usr/local
export PKG_CONFIG_PATH=$root/$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$prefix
point "pkg-config knows it" pkg-config --exists 'ennead >= 0.1'
# shellcheck disable=SC2046
point "an external program builds" cc -std=c17 -Wall -Wextra -Werror -o "$prefix/external" \
	"$source/tests/install/external.c" $(pkg-config --cflags --libs ennead)
point "and runs" env LD_LIBRARY_PATH="$root/$libdir" "$prefix/external"
# Without the shared library in sight the linker takes libennead.a, and what pkg-config --static names.
static=$prefix/static
mkdir -p "$static/lib"
point "the static library is there" cp "$root/$libdir/libennead.a" "$static/lib/"
build_static() {
	local flags
	flags=$(pkg-config --static --cflags --libs ennead) || return
	# shellcheck disable=SC2086 # words
	cc -std=c17 -Wall -Wextra -Werror -o "$static/external" "$source/tests/install/external.c" \
		${flags//-L$root\/$libdir/-L$static/lib}
}
needs_no_shared() {
	! ldd "$static/external" | grep libennead
}
point "an external program builds with it" build_static
point "and needs no shared one" needs_no_shared
point "and runs" "$static/external"
point "the command runs" env LD_LIBRARY_PATH="$root/$libdir" "$root/bin/ennead" version
point "completion is there" test -s "$root/share/bash-completion/completions/ennead"
point "manuals are there" test -s "$root/share/man/man1/ennead-connect.1"
