/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the configuration protocol.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel_uapi.h"

/* ---- the buffer ------------------------------------------------------------------------------- */

void uapi_buffer_free(struct uapi_buffer *b)
{
	if (b->data != NULL) {
		OPENSSL_cleanse(b->data, b->capacity);
	}
	free(b->data);
	memset(b, 0, sizeof(*b));
}

static bool reserve(struct uapi_buffer *b, size_t more)
{
	size_t capacity = b->capacity == 0 ? 4096 : b->capacity;

	if (b->failed || more > SIZE_MAX / 4 - b->len) {
		b->failed = true;
		return false;
	}
	while (capacity < b->len + more) {
		capacity *= 2;
	}
	if (capacity == b->capacity) {
		return true;
	}
	char *bigger = malloc(capacity);
	if (bigger == NULL) {
		b->failed = true;
		return false;
	}
	if (b->data != NULL) {
		memcpy(bigger, b->data, b->len);
		OPENSSL_cleanse(b->data, b->capacity);
	}
	free(b->data);
	b->data = bigger;
	b->capacity = capacity;
	return true;
}

static void put(struct uapi_buffer *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A line of at most UAPI_MAX_LINE bytes. */
static void put(struct uapi_buffer *b, const char *format, ...)
{
	va_list args;

	if (!reserve(b, UAPI_MAX_LINE)) {
		return;
	}
	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not, two lines above */
	int n = vsnprintf(b->data + b->len, UAPI_MAX_LINE, format, args);
	va_end(args);
	b->len += (size_t)n;
}

static void put_key(struct uapi_buffer *b, const char *name, const uint8_t key[ENN_WIREGUARD_KEY])
{
	char hex[TEXT_HEX_KEY];

	text_from_hex_key(key, hex);
	put(b, "%s=%s\n", name, hex);
	OPENSSL_cleanse(hex, sizeof(hex));
}

void uapi_put_errno(struct uapi_buffer *b, int number)
{
	/* wg(8) wants it negative, like a system call's answer */
	put(b, "errno=%d\n\n", -number);
}

int uapi_errno_of(const struct enn_error *error)
{
	switch (error->status) {
	case ENN_OK:
		return 0;
	case ENN_E_MEMORY:
		return ENOMEM;
	case ENN_E_LIMIT:
		return ENOSPC;
	case ENN_E_SYSTEM:
		return error->sys_errno != 0 ? error->sys_errno : EIO;
	default:
		return EINVAL;
	}
}

/* ---- get -------------------------------------------------------------------------------------- */

static void put_interface(struct uapi_buffer *b, const struct enn_engine *engine,
			  const struct uapi_extra *extra)
{
	struct enn_wireguard_info info;

	enn_wireguard_info(engine, &info);
	if (info.has_private_key) {
		put_key(b, "private_key", info.private_key);
	}
	OPENSSL_cleanse(&info, sizeof(info));
	put(b, "listen_port=%u\n", extra->listen_port);
	if (extra->fwmark != 0) {
		put(b, "fwmark=%u\n", extra->fwmark);
	}
}

static void put_allowed_ips(struct uapi_buffer *b, const struct enn_engine *engine,
			    const struct enn_wireguard_peer_info *peer)
{
	struct enn_wireguard_prefix few[16];
	struct enn_wireguard_prefix *all = few;
	size_t cap = sizeof(few) / sizeof(few[0]);
	char text[TEXT_PREFIX_MAX];

	if (peer->allowed_ips_count > cap) {
		cap = peer->allowed_ips_count;
		all = calloc(cap, sizeof(all[0]));
		if (all == NULL) {
			b->failed = true;
			return;
		}
	}
	size_t count = enn_wireguard_allowed_ips(engine, peer->id, all, cap);
	count = count < cap ? count : cap;
	for (size_t i = 0; i < count; i++) {
		struct enn_prefix prefix = {.family = all[i].family, .bits = all[i].bits};
		memcpy(prefix.ip, all[i].ip, sizeof(prefix.ip));
		put(b, "allowed_ip=%s\n", text_from_prefix(&prefix, text));
	}
	if (all != few) {
		free(all);
	}
}

static void put_peer(struct uapi_buffer *b, const struct enn_engine *engine,
		     const struct enn_wireguard_peer_info *peer)
{
	char text[TEXT_ENDPOINT_MAX];

	put_key(b, "public_key", peer->public_key);
	put_key(b, "preshared_key", peer->preshared_key);
	put(b, "protocol_version=1\n");
	if (peer->path.remote.family != ENN_FAMILY_NONE) {
		put(b, "endpoint=%s\n", text_from_endpoint(&peer->path.remote, text));
	}
	put(b, "last_handshake_time_sec=%lld\nlast_handshake_time_nsec=%lld\n",
	    (long long)(peer->last_handshake / 1000000000),
	    (long long)(peer->last_handshake % 1000000000));
	put(b, "tx_bytes=%llu\nrx_bytes=%llu\npersistent_keepalive_interval=%u\n",
	    (unsigned long long)peer->sent_bytes, (unsigned long long)peer->received_bytes,
	    peer->persistent_keepalive);
	put_allowed_ips(b, engine, peer);
}

bool uapi_get(const struct enn_engine *engine, const struct uapi_extra *extra, uint64_t *cursor,
	      bool first, size_t want, struct uapi_buffer *out)
{
	struct enn_wireguard_peer_info peer;
	bool more = true;

	if (first) {
		put_interface(out, engine, extra);
	}
	while (out->len < want && !out->failed && more) {
		more = enn_wireguard_next_peer(engine, cursor, &peer);
		if (more) {
			put_peer(out, engine, &peer);
		}
	}
	OPENSSL_cleanse(&peer, sizeof(peer));
	if (!more && !out->failed) {
		uapi_put_errno(out, 0);
	}
	return more && !out->failed;
}
