/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2: the pseudorandom function and what is made with it (RFC 5246 §5, §6.3, §7.4.9, §8.1; RFC 7627 §4;
 * RFC 5705 §4).
 */
#include "handshake/tls12.h"

/* P_hash(secret, seed) = HMAC(secret, A(1) + seed) + HMAC(secret, A(2) + seed) + …, A(i) = HMAC(secret, A(i-1)). */
static void prf(const struct enn_hash_alg *hash, struct enn_bytes secret,
		const struct enn_bytes *seeds, size_t count, uint8_t *out, size_t len)
{
	struct enn_hmac keyed;
	struct enn_hmac m;
	uint8_t a[ENN_MAX_HASH];
	uint8_t block[ENN_MAX_HASH];

	enn_hmac_init(&keyed, hash, secret.data, secret.len);
	m = keyed;
	for (size_t i = 0; i < count; i++) {
		enn_hmac_update(&m, seeds[i].data, seeds[i].len);
	}
	enn_hmac_final(&m, a);
	while (len > 0) {
		size_t n = len < hash->len ? len : hash->len;
		m = keyed;
		enn_hmac_update(&m, a, hash->len);
		for (size_t i = 0; i < count; i++) {
			enn_hmac_update(&m, seeds[i].data, seeds[i].len);
		}
		enn_hmac_final(&m, block);
		memcpy(out, block, n);
		out += n;
		len -= n;
		m = keyed;
		enn_hmac_update(&m, a, hash->len);
		enn_hmac_final(&m, a);
	}
	enn_wipe(&keyed, sizeof(keyed));
	enn_wipe(a, sizeof(a));
	enn_wipe(block, sizeof(block));
}

void enn_tls12_prf(const struct enn_hash_alg *hash, struct enn_bytes secret, const char *label,
		   struct enn_bytes seed, struct enn_bytes more, uint8_t *out, size_t len)
{
	const struct enn_bytes seeds[] = {
		{(const uint8_t *)label, strlen(label)},
		seed,
		more,
	};

	prf(hash, secret, seeds, ENN_ARRAY_LEN(seeds), out, len);
}

static struct enn_bytes main_secret(const struct enn_handshake *hs)
{
	return (struct enn_bytes){hs->tls12->main_secret, ENN_TLS12_SECRET};
}

void enn_tls12_log_secret(struct enn_handshake *hs)
{
	struct enn_handshake_result *result = &hs->c->result;

	memcpy(result->exporter_secret, hs->tls12->main_secret, ENN_TLS12_SECRET);
	enn_hs_keylog_line(hs, "CLIENT_RANDOM", hs->tls12->main_secret, ENN_TLS12_SECRET);
}

void enn_tls12_make_main_secret(struct enn_handshake *hs, struct enn_bytes premaster)
{
	const struct enn_handshake_result *result = &hs->c->result;
	uint8_t digest[ENN_MAX_HASH];
	struct enn_bytes none = {NULL, 0};

	if (result->extended_main_secret) {
		enn_hs_transcript_hash(hs, digest);
		struct enn_bytes session_hash = {digest, hs->hash->len};
		enn_tls12_prf(hs->hash, premaster, "extended master secret", session_hash, none,
			      hs->tls12->main_secret, ENN_TLS12_SECRET);
	} else {
		struct enn_bytes client = {result->client_random, ENN_HS_RANDOM};
		struct enn_bytes server = {result->server_random, ENN_HS_RANDOM};
		enn_tls12_prf(hs->hash, premaster, "master secret", client, server,
			      hs->tls12->main_secret, ENN_TLS12_SECRET);
	}
	enn_tls12_log_secret(hs);
}

/* The key block's parts of one side: MAC keys, keys, IVs, each the client's first. */
static struct enn_tls12_keys part_of(const struct enn_tls_suite *suite, const uint8_t *block,
				     bool by_server)
{
	size_t mac = enn_tls_suite_mac_len(suite);
	size_t key = enn_tls_suite_key_len(suite);
	size_t iv = enn_tls_suite_iv_len(suite);
	size_t second = by_server ? 1 : 0;

	return (struct enn_tls12_keys){
		.suite = suite,
		.mac = {block + second * mac, mac},
		.key = {block + 2 * mac + second * key, key},
		.iv = {block + 2 * mac + 2 * key + second * iv, iv},
	};
}

enum enn_status enn_tls12_keys(struct enn_handshake *hs, enum enn_direction direction)
{
	const struct enn_handshake_result *result = &hs->c->result;
	struct enn_bytes server = {result->server_random, ENN_HS_RANDOM};
	struct enn_bytes client = {result->client_random, ENN_HS_RANDOM};
	uint8_t block[2 * (ENN_MAX_HASH + ENN_MAX_AEAD_KEY + 16)];
	bool by_server = hs->server == (direction == ENN_DIRECTION_SEND);

	enn_tls12_prf(hs->hash, main_secret(hs), "key expansion", server, client, block,
		      sizeof(block));
	struct enn_tls12_keys keys = part_of(result->suite, block, by_server);
	enum enn_status status = hs->c->ops->keys12(hs->c, direction, &keys);
	enn_wipe(block, sizeof(block));
	if (status == ENN_E_MEMORY) {
		return enn_handshake_no_memory(hs->c, "traffic keys");
	}
	if (status != ENN_OK && status != ENN_E_FAILED) {
		return enn_tls12_fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_PROTOCOL_FAILED,
				      "traffic keys", "traffic keys could not be made");
	}
	return status;
}

void enn_tls12_verify_data(const struct enn_handshake *hs, bool by_server,
			   uint8_t out[ENN_TLS12_VERIFY_DATA])
{
	uint8_t digest[ENN_MAX_HASH];
	struct enn_bytes none = {NULL, 0};

	enn_hs_transcript_hash(hs, digest);
	struct enn_bytes seed = {digest, hs->hash->len};
	enn_tls12_prf(hs->hash, main_secret(hs), by_server ? "server finished" : "client finished",
		      seed, none, out, ENN_TLS12_VERIFY_DATA);
}

void enn_tls12_exporter(const struct enn_handshake_result *result, const char *label,
			const uint8_t *context, size_t context_len, bool has_context, uint8_t *out,
			size_t len)
{
	uint8_t length[2];
	struct enn_writer w = enn_writer_of(length, sizeof(length));
	struct enn_bytes secret = {result->exporter_secret, ENN_TLS12_SECRET};

	enn_write_u16(&w, (uint16_t)context_len);
	const struct enn_bytes seeds[] = {
		{(const uint8_t *)label, strlen(label)},
		{result->client_random, ENN_HS_RANDOM},
		{result->server_random, ENN_HS_RANDOM},
		{length, has_context ? sizeof(length) : 0},
		{context, has_context ? context_len : 0},
	};
	prf(enn_hash_alg(result->suite->hash), secret, seeds, ENN_ARRAY_LEN(seeds), out, len);
}
