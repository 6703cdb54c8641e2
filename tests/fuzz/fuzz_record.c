/* SPDX-License-Identifier: Apache-2.0
 *
 * The record layer: a server takes the input as its byte stream, cut into pieces of a size that the first byte
 * chooses; and whatever seals must open to the same bytes.
 */
#include <string.h>

#include "ennead/engine.h"
#include "ennead/security.h"
#include "fuzz.h"
#include "protocols/registry.h"
#include "protocols/tls/internal.h"

static struct enn_engine *make_server(void)
{
	static struct enn_security *s; /* shared: nothing in it changes */
	struct enn_engine *e = NULL;
	struct enn_error error;
	struct enn_engine_options options = {.server_name = NULL};

	if (s == NULL) {
		struct enn_credential *k = NULL;
		s = enn_security_new();
		FUZZ_ASSERT(s != NULL &&
			    enn_credential_psk((const uint8_t *)"id", 2,
					       (const uint8_t *)"a pre-shared key of 32 bytes ...",
					       32, ENN_PSK_SHA256, &k) == ENN_OK &&
			    enn_security_add_credential(s, k) == ENN_OK);
		enn_credential_free(k);
	}
	FUZZ_ASSERT(enn_engine_new_server(&enn_tls_protocol, fuzz_env(), s, &options, &e, &error) ==
		    ENN_OK);
	FUZZ_ASSERT(enn_engine_start(e, 1) == ENN_OK);
	return e;
}

static void stream(const uint8_t *data, size_t size, size_t piece)
{
	struct enn_engine *e = make_server();
	uint8_t copy[256];

	for (size_t at = 0; at < size; at += piece) {
		struct enn_packet packet = {.data = copy,
					    .len = size - at < piece ? size - at : piece};
		struct enn_event event;
		memcpy(copy, data + at, packet.len);
		if (enn_engine_ingest(e, 1, NULL, &packet, 1) != ENN_OK) {
			break;
		}
		do {
			enn_engine_next_event(e, 1, &event);
			FUZZ_ASSERT(event.type != ENN_EVENT_READY);
		} while (event.type != ENN_EVENT_NONE);
	}
	enn_engine_free(e);
}

struct kind {
	const struct enn_tls_protection *protection;
	enum enn_aead_id aead;
};

static const struct kind kinds[] = {
	{&enn_tls_protection_13, ENN_AEAD_AES_128_GCM},
	{&enn_tls_protection_12_gcm, ENN_AEAD_AES_128_GCM},
	{&enn_tls_protection_12_chacha, ENN_AEAD_CHACHA20_POLY1305},
	{&enn_tls_protection_12_cbc, ENN_CBC_AES_128_SHA1},
	{&enn_tls_protection_12_cbc, ENN_CBC_AES_256_SHA384},
};

/* Seal, then open; then open with one byte changed, which must fail. */
static void round_trip(const struct kind *kind, const uint8_t *data, size_t size)
{
	static const uint8_t key[80] = {1};
	struct enn_env *env = fuzz_env();
	const struct enn_aead_alg *alg = enn_aead_alg(kind->aead);
	struct enn_tls_keys seal = {.protection = kind->protection, .sequence = size};
	struct enn_tls_keys open = {.protection = kind->protection, .sequence = size};
	uint8_t record[ENN_TLS_MAX_OVERHEAD + 512 + 64];
	uint8_t copy[sizeof(record)];
	uint8_t type = 0;
	uint8_t alert = 0;
	uint8_t *content = NULL;
	size_t len = 0;

	size = size < 512 ? size : 512;
	FUZZ_ASSERT(enn_aead_new(env, alg, ENN_AEAD_SEAL, key, &seal.aead) == ENN_OK &&
		    enn_aead_new(env, alg, ENN_AEAD_OPEN, key, &open.aead) == ENN_OK);
	memcpy(record + kind->protection->prefix, data, size);
	size_t total = enn_tls_seal_in_place(&seal, env, 23, record, size, size % 64);
	FUZZ_ASSERT(total > 0 && total <= sizeof(record));
	memcpy(copy, record, total);
	FUZZ_ASSERT(enn_tls_open_record(&open, copy, total, &type, &content, &len, &alert));
	FUZZ_ASSERT(type == 23 && len == size && memcmp(content, data, size) == 0);
	open.sequence = seal.sequence - 1;
	memcpy(copy, record, total);
	copy[ENN_TLS_HEADER + size % (total - ENN_TLS_HEADER)] ^= 1;
	FUZZ_ASSERT(!enn_tls_open_record(&open, copy, total, &type, &content, &len, &alert));
	enn_aead_free(env, seal.aead);
	enn_aead_free(env, open.aead);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)fuzz_env();
	fuzz_env_reset();
	if (size > 1) {
		stream(data + 1, size - 1, data[0] == 0 ? 256 : data[0]);
		round_trip(&kinds[data[1] % ENN_ARRAY_LEN(kinds)], data + 1, size - 1);
	}
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
	return 0;
}
