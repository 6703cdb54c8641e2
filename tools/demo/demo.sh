#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make demo: real connections on loopback, each step checked. Exit 1 if any step fails.
# usage: demo.sh BUILD_DIRECTORY
set -u
build=$(cd "$1" && pwd)
ennead=$build/cli/ennead
work=$(mktemp -d "${TMPDIR:-/tmp}/ennead-demo.XXXXXX")
pids=()
failures=0

cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1

if [ -t 1 ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' off=$'\e[0m'
else
	bold='' green='' red='' dim='' off=''
fi

title() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
note() { printf '  %s%s%s\n' "$dim" "$*" "$off"; }
good() { printf '  %sok%s    %s\n' "$green" "$off" "$*"; }
bad() {
	printf '  %sFAIL%s  %s\n' "$red" "$off" "$*"
	[ -s err ] && sed 's/^/        | /' err | tail -n 12
	failures=$((failures + 1))
}
# check WHAT COMMAND…: the command decides.
check() {
	local what=$1
	shift
	if "$@"; then good "$what"; else bad "$what"; fi
}
has() { grep -qE -- "$1" "$2"; }
show() { sed 's/^/        /' "$1"; }

# Waits until a file has a line; 10 seconds at most.
wait_for() {
	for _ in $(seq 200); do
		grep -qE -- "$1" "$2" 2>/dev/null && return 0
		sleep 0.05
	done
	return 1
}

# listen NAME ARGUMENTS…: a listener on a free port; its port in $port.
listen() {
	local name=$1
	shift
	"$ennead" listen tls://127.0.0.1:0 "$@" </dev/null >"$name.out" 2>"$name.err" &
	pids+=($!)
	wait_for 'listening on tls://127.0.0.1:[0-9]+' "$name.err" || return 1
	port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$name.err" | head -n 1)
}
connect() { timeout 60 "$ennead" connect "tls://localhost:$port" -4 --ca ca.pem "$@" 2>err; }

title "1. A certificate authority of our own"
"$ennead" keygen --ca --name 'Demo CA' --out ca 2>err &&
	"$ennead" keygen --issuer ca --host localhost --host 127.0.0.1 --server --out server 2>>err &&
	"$ennead" keygen --issuer ca --name alice --client --out alice 2>>err &&
	"$ennead" keygen --ca --name 'Another CA' --out other 2>>err &&
	"$ennead" keygen --issuer other --name mallory --client --out mallory 2>>err
check "a CA, a server certificate, client certificates (P-256)" test $? -eq 0
check "openssl verifies the server certificate" \
	bash -c 'openssl verify -CAfile ca.pem server.pem >/dev/null 2>err'

title "2. A listener and a connection"
listen echo --cert server.pem --key server.key --echo --keep --accept-early-data --alpn demo/1
note "ennead listen tls://127.0.0.1:$port --cert server.pem --key server.key --echo"
answer=$(printf 'hello, ennead' | connect --alpn demo/1 -v)
check "hello came back through TLS 1.3" test "$answer" = 'hello, ennead'
check "what was negotiated" has 'TLSv1.3, TLS_AES_128_GCM_SHA256, X25519' err
show err

title "3. One GiB"
listen sink --cert server.pem --key server.key --discard --keep
begin=$(date +%s%N)
connect --send-bytes 1G --discard -v
status=$?
end=$(date +%s%N)
check "1 GiB moved and closed in order" test $status -eq 0
check "every byte is accounted for" has '1073741824 bytes sent' err
awk -v ns=$((end - begin)) 'BEGIN { printf "        %.2f s, %.0f MiB/s, encryption and decryption on this machine\n", ns / 1e9, 1024 / (ns / 1e9) }'

title "4. Resumption"
listen echo2 --cert server.pem --key server.key --echo --keep --accept-early-data
printf 'first' | connect --session-file session -v >/dev/null
check "a full handshake, and a session kept in a file" test -s session
printf 'second' | connect --session-file session -v >out
check "the second connection resumed it" has 'session resumed' err
check "and carried data" has second out

title "5. A 0-RTT request"
printf 'early bird' >request
printf ' and the rest' | connect --session-file session --early-data request -v >out
check "early data was accepted" has 'early data accepted' err
check "request and rest came back in order" has '^early bird and the rest$' out

title "6. A key update"
printf 'under new keys' | connect --update-keys -v >out
check "both directions have new keys" \
	bash -c 'grep -q "sending keys renewed" err && grep -q "receiving keys renewed" err'
check "data flows under them" has 'under new keys' out

title "7. Mutual authentication"
listen mutual --cert server.pem --key server.key --client-ca ca.pem --require-client --echo --keep -v
printf 'it is alice' | connect --cert alice.pem --key alice.key >out
check "alice is let in" has 'it is alice' out
check "the listener knows her" has 'CN=alice' mutual.err
printf 'it is mallory' | connect --cert mallory.pem --key mallory.key >out
check "mallory, certified by another CA, is refused (exit status not 0)" test $? -ne 0
wait_for 'refused' mutual.err
check "the listener says why" has 'refused: .*(issuer|authority|CA)' mutual.err
grep -h refused mutual.err | tail -n 1 | sed 's/^/        /'

title "8. A refusal from our side"
listen wrong --cert server.pem --key server.key --echo --keep
timeout 20 "$ennead" connect "tls://127.0.0.1:$port" --ca other.pem </dev/null >out 2>err
check "a server of an unknown CA is refused with exit status 3" test $? -eq 3
show err
timeout 20 "$ennead" connect "tls://127.0.0.1:$port" --ca ca.pem --name example.org </dev/null >out 2>err
check "a server of another name is refused with exit status 3" test $? -eq 3
show err

title "9. The same listener, driven by openssl s_client"
listen peer --cert server.pem --key server.key --echo --keep
(printf 'hello from openssl\n'; sleep 1) |
	timeout 20 openssl s_client -connect "127.0.0.1:$port" -CAfile ca.pem -verify_return_error \
		-servername localhost -quiet >out 2>err
check "openssl s_client and ennead listen agree" has 'hello from openssl' out

title "10. ennead connect against openssl s_server"
for try in 1 2 3 4 5; do
	port=$((20000 + (RANDOM + try) % 30000))
	openssl s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -tls1_3 -rev \
		>s_server.out 2>s_server.err &
	server=$!
	pids+=("$server")
	wait_for ACCEPT s_server.out && break
done
(printf 'ennead\n'; sleep 1) | connect -v >out
check "openssl turned the line round" has 'daenne' out
show err

title "Result"
if [ "$failures" -eq 0 ]; then
	good "every step worked"
else
	bad "$failures steps failed"
	exit 1
fi
