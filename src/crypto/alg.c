/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of algorithms.
 */
#include "crypto/alg.h"

#include "base/compiler.h"

/* seal_limit: RFC 8446 §5.5 allows 2^24.5 full records for AES-GCM; with ChaCha20-Poly1305 the
 * sequence number wraps first. open_failure_limit: RFC 9147 §4.5.3 (2^36 for all of them) is the
 * strictest of its readers. */
static const struct enn_aead_alg aeads[ENN_CBC_END] = {
	[ENN_AEAD_AES_128_GCM] = {.id = ENN_AEAD_AES_128_GCM,
				  .name = "AEAD_AES_128_GCM",
				  .key_len = 16,
				  .nonce_len = 12,
				  .tag_len = 16,
				  .esp_transform = 20,
				  .tcpcrypt = 0x0001,
				  .srtp_profile = 0x0007,
				  .seal_limit = UINT64_C(23726566),
				  .open_failure_limit = UINT64_C(1) << 36},
	[ENN_AEAD_AES_256_GCM] = {.id = ENN_AEAD_AES_256_GCM,
				  .name = "AEAD_AES_256_GCM",
				  .key_len = 32,
				  .nonce_len = 12,
				  .tag_len = 16,
				  .esp_transform = 20,
				  .tcpcrypt = 0x0002,
				  .srtp_profile = 0x0008,
				  .seal_limit = UINT64_C(23726566),
				  .open_failure_limit = UINT64_C(1) << 36},
	[ENN_AEAD_CHACHA20_POLY1305] = {.id = ENN_AEAD_CHACHA20_POLY1305,
					.name = "AEAD_CHACHA20_POLY1305",
					.key_len = 32,
					.nonce_len = 12,
					.tag_len = 16,
					.esp_transform = 28,
					.tcpcrypt = 0x0010,
					.srtp_profile = 0,
					.seal_limit = UINT64_MAX,
					.open_failure_limit = UINT64_C(1) << 36},
	/* The nonce is the initialisation vector. seal_limit: 2^42 blocks of 128 bits, where two equal ones have
	 * a chance of 2^-45. */
	[ENN_CBC_AES_128_SHA1] = {.id = ENN_CBC_AES_128_SHA1,
				  .name = "AES_128_CBC_HMAC_SHA1",
				  .key_len = 16,
				  .nonce_len = 16,
				  .tag_len = 20,
				  .mac_key_len = 20,
				  .seal_limit = UINT64_C(1) << 32,
				  .open_failure_limit = UINT64_C(1) << 36},
	[ENN_CBC_AES_256_SHA1] = {.id = ENN_CBC_AES_256_SHA1,
				  .name = "AES_256_CBC_HMAC_SHA1",
				  .key_len = 32,
				  .nonce_len = 16,
				  .tag_len = 20,
				  .mac_key_len = 20,
				  .seal_limit = UINT64_C(1) << 32,
				  .open_failure_limit = UINT64_C(1) << 36},
	[ENN_CBC_AES_128_SHA256] = {.id = ENN_CBC_AES_128_SHA256,
				    .name = "AES_128_CBC_HMAC_SHA256",
				    .key_len = 16,
				    .nonce_len = 16,
				    .tag_len = 32,
				    .mac_key_len = 32,
				    .seal_limit = UINT64_C(1) << 32,
				    .open_failure_limit = UINT64_C(1) << 36},
	[ENN_CBC_AES_256_SHA384] = {.id = ENN_CBC_AES_256_SHA384,
				    .name = "AES_256_CBC_HMAC_SHA384",
				    .key_len = 32,
				    .nonce_len = 16,
				    .tag_len = 48,
				    .mac_key_len = 48,
				    .seal_limit = UINT64_C(1) << 32,
				    .open_failure_limit = UINT64_C(1) << 36},
};

static const struct enn_hash_alg hashes[ENN_HASH_COUNT] = {
	[ENN_HASH_SHA256] = {ENN_HASH_SHA256, "SHA-256", 32, 64},
	[ENN_HASH_SHA384] = {ENN_HASH_SHA384, "SHA-384", 48, 128},
	[ENN_HASH_SHA512] = {ENN_HASH_SHA512, "SHA-512", 64, 128},
};

/* tls_group: RFC 8446 §4.2.7, draft-ietf-tls-ecdhe-mlkem §4; ike_group: RFC 8031 §4, RFC 5903 §3. Those that a
 * libcrypto may lack are at the end. */
static const struct enn_kx_alg groups[ENN_KX_COUNT] = {
	[ENN_KX_X25519] = {ENN_KX_X25519, "X25519", 0x001d, 31, 32, 32, 32},
	[ENN_KX_P256] = {ENN_KX_P256, "P-256", 0x0017, 19, 65, 65, 32},
	[ENN_KX_P384] = {ENN_KX_P384, "P-384", 0x0018, 20, 97, 97, 48},
	[ENN_KX_X25519_MLKEM768] = {ENN_KX_X25519_MLKEM768, "X25519MLKEM768", 0x11ec, 0, 1216, 1120,
				    64},
	[ENN_KX_P256_MLKEM768] = {ENN_KX_P256_MLKEM768, "SecP256r1MLKEM768", 0x11eb, 0, 1249, 1153,
				  64},
};

/* RFC 8446 §4.2.3; the level is half the output of the hash, 128 bits for Ed25519. */
static const struct enn_sig_alg signatures[] = {
	{0x0403, "ecdsa_secp256r1_sha256", ENN_KEY_P256, ENN_SIG_NONE, ENN_HASH_SHA256, 8},
	{0x0503, "ecdsa_secp384r1_sha384", ENN_KEY_P384, ENN_SIG_NONE, ENN_HASH_SHA384, 12},
	{0x0807, "ed25519", ENN_KEY_ED25519, ENN_SIG_NONE, -1, 8},
	{0x0804, "rsa_pss_rsae_sha256", ENN_KEY_RSA, ENN_SIG_PSS, ENN_HASH_SHA256, 8},
	{0x0805, "rsa_pss_rsae_sha384", ENN_KEY_RSA, ENN_SIG_PSS, ENN_HASH_SHA384, 12},
	{0x0806, "rsa_pss_rsae_sha512", ENN_KEY_RSA, ENN_SIG_PSS, ENN_HASH_SHA512, 16},
	{0x0809, "rsa_pss_pss_sha256", ENN_KEY_RSA_PSS, ENN_SIG_PSS, ENN_HASH_SHA256, 8},
	{0x080a, "rsa_pss_pss_sha384", ENN_KEY_RSA_PSS, ENN_SIG_PSS, ENN_HASH_SHA384, 12},
	{0x080b, "rsa_pss_pss_sha512", ENN_KEY_RSA_PSS, ENN_SIG_PSS, ENN_HASH_SHA512, 16},
	{0x0401, "rsa_pkcs1_sha256", ENN_KEY_RSA, ENN_SIG_PKCS1, ENN_HASH_SHA256, 8},
	{0x0501, "rsa_pkcs1_sha384", ENN_KEY_RSA, ENN_SIG_PKCS1, ENN_HASH_SHA384, 12},
	{0x0601, "rsa_pkcs1_sha512", ENN_KEY_RSA, ENN_SIG_PKCS1, ENN_HASH_SHA512, 16},
};

/* RFC 8446 §B.4 */
static const struct enn_tls_suite suites[] = {
	{0x1301, "TLS_AES_128_GCM_SHA256", ENN_AEAD_AES_128_GCM, ENN_HASH_SHA256, 0x0304,
	 ENN_SUITE_ANY},
	{0x1302, "TLS_AES_256_GCM_SHA384", ENN_AEAD_AES_256_GCM, ENN_HASH_SHA384, 0x0304,
	 ENN_SUITE_ANY},
	{0x1303, "TLS_CHACHA20_POLY1305_SHA256", ENN_AEAD_CHACHA20_POLY1305, ENN_HASH_SHA256,
	 0x0304, ENN_SUITE_ANY},
	/* RFC 5289, 7905 */
	{0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ENN_AEAD_AES_128_GCM, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_ECDSA},
	{0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ENN_AEAD_AES_256_GCM, ENN_HASH_SHA384,
	 0x0303, ENN_SUITE_ECDSA},
	{0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", ENN_AEAD_CHACHA20_POLY1305,
	 ENN_HASH_SHA256, 0x0303, ENN_SUITE_ECDSA},
	{0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ENN_AEAD_AES_128_GCM, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_RSA},
	{0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", ENN_AEAD_AES_256_GCM, ENN_HASH_SHA384,
	 0x0303, ENN_SUITE_RSA},
	{0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ENN_AEAD_CHACHA20_POLY1305,
	 ENN_HASH_SHA256, 0x0303, ENN_SUITE_RSA},
	/* RFC 8442, 7905 */
	{0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", ENN_AEAD_AES_128_GCM, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_PSK},
	{0xd002, "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384", ENN_AEAD_AES_256_GCM, ENN_HASH_SHA384,
	 0x0303, ENN_SUITE_PSK},
	{0xccac, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", ENN_AEAD_CHACHA20_POLY1305,
	 ENN_HASH_SHA256, 0x0303, ENN_SUITE_PSK},
	/* Legacy, RFC 8422 §6, RFC 5289 §3.1, RFC 5489 §3: with encrypt_then_mac only */
	{0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", ENN_CBC_AES_128_SHA1, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_ECDSA},
	{0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", ENN_CBC_AES_256_SHA1, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_ECDSA},
	{0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", ENN_CBC_AES_128_SHA256, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_ECDSA},
	{0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", ENN_CBC_AES_256_SHA384, ENN_HASH_SHA384,
	 0x0303, ENN_SUITE_ECDSA},
	{0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", ENN_CBC_AES_128_SHA1, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_RSA},
	{0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", ENN_CBC_AES_256_SHA1, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_RSA},
	{0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ENN_CBC_AES_128_SHA256, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_RSA},
	{0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", ENN_CBC_AES_256_SHA384, ENN_HASH_SHA384,
	 0x0303, ENN_SUITE_RSA},
	{0xc035, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA", ENN_CBC_AES_128_SHA1, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_PSK},
	{0xc036, "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA", ENN_CBC_AES_256_SHA1, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_PSK},
	{0xc037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", ENN_CBC_AES_128_SHA256, ENN_HASH_SHA256,
	 0x0303, ENN_SUITE_PSK},
	{0xc038, "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384", ENN_CBC_AES_256_SHA384, ENN_HASH_SHA384,
	 0x0303, ENN_SUITE_PSK},
};

const struct enn_aead_alg *enn_aead_alg(enum enn_aead_id id)
{
	return (size_t)id < ENN_ARRAY_LEN(aeads) ? &aeads[id] : NULL;
}

const struct enn_hash_alg *enn_hash_alg(enum enn_hash_id id)
{
	return (size_t)id < ENN_ARRAY_LEN(hashes) ? &hashes[id] : NULL;
}

const struct enn_kx_alg *enn_kx_alg(enum enn_kx_id id)
{
	return (size_t)id < ENN_ARRAY_LEN(groups) ? &groups[id] : NULL;
}

const struct enn_kx_alg *enn_kx_alg_by_tls(uint16_t group)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(groups); i++) {
		if (groups[i].tls_group == group) {
			return &groups[i];
		}
	}
	return NULL;
}

const struct enn_sig_alg *enn_sig_alg_at(size_t index)
{
	return index < ENN_ARRAY_LEN(signatures) ? &signatures[index] : NULL;
}

const struct enn_sig_alg *enn_sig_alg_by_tls(uint16_t scheme)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(signatures); i++) {
		if (signatures[i].tls_scheme == scheme) {
			return &signatures[i];
		}
	}
	return NULL;
}

const struct enn_tls_suite *enn_tls_suite_at(size_t index)
{
	return index < ENN_ARRAY_LEN(suites) ? &suites[index] : NULL;
}

const struct enn_tls_suite *enn_tls_suite_by_code(uint16_t code)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(suites); i++) {
		if (suites[i].code == code) {
			return &suites[i];
		}
	}
	return NULL;
}

size_t enn_tls_suite_key_len(const struct enn_tls_suite *suite)
{
	return enn_aead_alg(suite->aead)->key_len;
}

size_t enn_tls_suite_mac_len(const struct enn_tls_suite *suite)
{
	return enn_aead_alg(suite->aead)->mac_key_len;
}

/* RFC 5288 §3: the salt of 4 bytes; RFC 7905 §2: the whole nonce; with CBC each record has its own. */
size_t enn_tls_suite_iv_len(const struct enn_tls_suite *suite)
{
	if (enn_tls_suite_mac_len(suite) > 0) {
		return 0;
	}
	return suite->aead == ENN_AEAD_CHACHA20_POLY1305 ? 12 : 4;
}
