/* SPDX-License-Identifier: Apache-2.0
 *
 * Two engines of TLS 1.2 that are past their handshake: keys given by hand through the carrier's keys12.
 */
#ifndef ENN_TESTS_UNIT_RECORD12_H
#define ENN_TESTS_UNIT_RECORD12_H

#include "protocols/tls/internal.h"
#include "support.h"

#define R12_SUITES 7
/* AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305, then the four with CBC. */
extern const struct enn_tls_suite r12_suite[R12_SUITES];

struct r12_end {
	struct enn_engine *e;
	struct enn_tls *t;
	struct enn_error error;
	uint8_t got[70000];
	size_t got_len;
	size_t sent; /* SENT events */
	bool final, closed, failed;
	unsigned expiring, updated;
};

struct r12_pair {
	struct r12_end client, server;
};

/* The keys of one direction of a suite: the same bytes on every call. */
struct enn_tls12_keys r12_keys(const struct enn_tls_suite *suite, bool client_writes);
/* An engine in the middle of a handshake of TLS 1.2 (the version is decided), without keys. */
void r12_start(struct r12_end *end, const struct enn_env *env, bool server,
	       const char *const *settings);
/* The handshake is over. */
void r12_open(struct r12_end *end, const struct enn_tls_suite *suite);
/* Both, with each other's keys, and each has the other's change_cipher_spec. */
void r12_pair_open(struct r12_pair *p, const struct enn_env *env, const struct enn_tls_suite *suite,
		   const char *const *settings);
void r12_free(struct r12_end *end);
void r12_events(struct r12_end *end);
/* Bytes to the engine, then its events. */
void r12_feed(struct r12_end *end, const uint8_t *data, size_t len);
/* What the engine has to send now. */
size_t r12_take(struct r12_end *end, uint8_t *out, size_t cap);
/* What one has to send goes to the other. */
void r12_carry(struct r12_end *from, struct r12_end *to);
void r12_send(struct r12_end *end, const uint8_t *data, size_t len, uint32_t flags);
/* A record of any type from `from`, made with its keys, to `to`. */
void r12_inject(struct r12_end *from, struct r12_end *to, uint8_t type, const uint8_t *content,
		size_t len);
/* It has failed by itself with this alert. */
void r12_must_fail(const struct r12_end *end, unsigned alert);

#endif
