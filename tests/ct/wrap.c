/* SPDX-License-Identifier: Apache-2.0
 *
 * Where secrets begin and where they end, for memcheck. The linker puts these functions before the ones they are
 * named after (--wrap), so the library under test is the one that ships.
 *
 * A secret byte is marked undefined where it is born: memcheck then reports every branch and
 * every address that depends on it, or on anything computed from it. It is marked defined where
 * it stops being secret:
 *   - ciphertext and tag, when a record or ticket was sealed: they go to the network;
 *   - plaintext, when it was opened: it is data, and keys inside it are marked again when they are
 *     parsed; whether a tag fitted is public;
 *   - a public key; a client's binder, which is sent in the clear; the digest of the rules that
 *     a session is bound to, in which PSKs take part;
 *   - the answer of enn_equal_secret, not what it compared.
 */
#include "wrap.h"

#include <valgrind/memcheck.h>

#include "crypto/aead.h"
#include "crypto/kx.h"
#include "handshake/internal.h"

static bool drawing_keys;

bool ct_drawing_keys(void)
{
	return drawing_keys;
}

void ct_secret(const void *p, size_t len)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

void ct_public(const void *p, size_t len)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, len);
}

bool ct_is_secret(const void *p, size_t len)
{
	return VALGRIND_CHECK_MEM_IS_DEFINED(p, len) != 0;
}

/* ---- key exchange ------------------------------------------------------------------------- */

enum enn_status __real_enn_kx_generate(const struct enn_env *env, const struct enn_kx_alg *alg,
				       struct enn_kx_key **out, uint8_t *public_key);
enum enn_status __wrap_enn_kx_generate(const struct enn_env *env, const struct enn_kx_alg *alg,
				       struct enn_kx_key **out, uint8_t *public_key);
enum enn_status __wrap_enn_kx_generate(const struct enn_env *env, const struct enn_kx_alg *alg,
				       struct enn_kx_key **out, uint8_t *public_key)
{
	drawing_keys = true;
	enum enn_status status = __real_enn_kx_generate(env, alg, out, public_key);
	drawing_keys = false;
	ct_public(&status, sizeof(status));
	ct_public(public_key, alg->public_len);
	return status;
}

enum enn_status __real_enn_kx_derive(struct enn_kx_key *key, const uint8_t *peer, size_t peer_len,
				     uint8_t *secret);
enum enn_status __wrap_enn_kx_derive(struct enn_kx_key *key, const uint8_t *peer, size_t peer_len,
				     uint8_t *secret);
enum enn_status __wrap_enn_kx_derive(struct enn_kx_key *key, const uint8_t *peer, size_t peer_len,
				     uint8_t *secret)
{
	enum enn_status status = __real_enn_kx_derive(key, peer, peer_len, secret);
	ct_public(&status, sizeof(status)); /* whether the peer's point was valid */
	ct_secret(secret, enn_kx_key_alg(key)->secret_len);
	return status;
}

enum enn_status __real_enn_kx_respond(const struct enn_env *env, const struct enn_kx_alg *alg,
				      const uint8_t *peer, size_t peer_len, uint8_t *public_key,
				      uint8_t *secret);
enum enn_status __wrap_enn_kx_respond(const struct enn_env *env, const struct enn_kx_alg *alg,
				      const uint8_t *peer, size_t peer_len, uint8_t *public_key,
				      uint8_t *secret);
enum enn_status __wrap_enn_kx_respond(const struct enn_env *env, const struct enn_kx_alg *alg,
				      const uint8_t *peer, size_t peer_len, uint8_t *public_key,
				      uint8_t *secret)
{
	drawing_keys = true;
	enum enn_status status =
		__real_enn_kx_respond(env, alg, peer, peer_len, public_key, secret);
	drawing_keys = false;
	ct_public(&status, sizeof(status));
	ct_public(public_key, alg->reply_len);
	ct_secret(secret, alg->secret_len);
	return status;
}

/* ---- records and tickets -------------------------------------------------------------------- */

static void sealed(struct enn_aead *aead, const struct enn_aead_job *job)
{
	size_t tag = enn_aead_algorithm(aead)->tag_len;
	ct_public(job->out, job->in_len + job->trailer_len + tag);
}

static void opened(struct enn_aead *aead, const struct enn_aead_job *job)
{
	ct_public(job->out, job->in_len - enn_aead_algorithm(aead)->tag_len);
}

enum enn_status __real_enn_aead_seal(struct enn_aead *aead, struct enn_aead_job *job);
enum enn_status __wrap_enn_aead_seal(struct enn_aead *aead, struct enn_aead_job *job);
enum enn_status __wrap_enn_aead_seal(struct enn_aead *aead, struct enn_aead_job *job)
{
	enum enn_status status = __real_enn_aead_seal(aead, job);
	sealed(aead, job);
	return status;
}

void __real_enn_aead_seal_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count);
void __wrap_enn_aead_seal_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count);
void __wrap_enn_aead_seal_batch(struct enn_aead *aead, struct enn_aead_job *jobs, size_t count)
{
	__real_enn_aead_seal_batch(aead, jobs, count);
	for (size_t i = 0; i < count; i++) {
		sealed(aead, &jobs[i]);
	}
}

enum enn_status __real_enn_aead_open(struct enn_aead *aead, struct enn_aead_job *job);
enum enn_status __wrap_enn_aead_open(struct enn_aead *aead, struct enn_aead_job *job);
enum enn_status __wrap_enn_aead_open(struct enn_aead *aead, struct enn_aead_job *job)
{
	enum enn_status status = __real_enn_aead_open(aead, job);
	ct_public(&status, sizeof(status));
	opened(aead, job);
	return status;
}

/* ---- comparing, binders, sessions ------------------------------------------------------------- */

bool __real_enn_equal_secret(const void *a, const void *b, size_t len);
bool __wrap_enn_equal_secret(const void *a, const void *b, size_t len);
bool __wrap_enn_equal_secret(const void *a, const void *b, size_t len)
{
	bool equal = __real_enn_equal_secret(a, b, len);
	ct_public(&equal, sizeof(equal));
	return equal;
}

/* Only a client's calls come from another file and so come through here; a server's expected binder
 * stays secret until it was compared. */
void __real_enn_psk_binder(const struct enn_handshake *hs, const struct enn_hash_alg *hash,
			   struct enn_bytes key, bool external, struct enn_bytes partial,
			   uint8_t *out);
void __wrap_enn_psk_binder(const struct enn_handshake *hs, const struct enn_hash_alg *hash,
			   struct enn_bytes key, bool external, struct enn_bytes partial,
			   uint8_t *out);
void __wrap_enn_psk_binder(const struct enn_handshake *hs, const struct enn_hash_alg *hash,
			   struct enn_bytes key, bool external, struct enn_bytes partial,
			   uint8_t *out)
{
	__real_enn_psk_binder(hs, hash, key, external, partial, out);
	ct_public(out, hash->len);
}

void __real_enn_security_digest_rules(struct enn_security *security);
void __wrap_enn_security_digest_rules(struct enn_security *security);
void __wrap_enn_security_digest_rules(struct enn_security *security)
{
	__real_enn_security_digest_rules(security);
	ct_public(security->rules, sizeof(security->rules));
	ct_public(security->client_rules, sizeof(security->client_rules));
}

bool __real_enn_session_decode(struct enn_bytes data, struct enn_session *out);
bool __wrap_enn_session_decode(struct enn_bytes data, struct enn_session *out);
bool __wrap_enn_session_decode(struct enn_bytes data, struct enn_session *out)
{
	bool good = __real_enn_session_decode(data, out);
	if (good) {
		ct_secret(out->psk.data, out->psk.len);
	}
	return good;
}
