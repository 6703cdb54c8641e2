/* SPDX-License-Identifier: Apache-2.0
 *
 * Path validation: policy in, X509_verify_cert, what libcrypto does not check, verdict out.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/x509_internal.h"

/* Fills *param's address or host. false: out of memory. */
static bool set_name(X509_VERIFY_PARAM *param, const char *name)
{
	uint8_t address[16];
	size_t len = enn_x509_address(name, address);

	X509_VERIFY_PARAM_set_hostflags(param, ENN_X509_NAME_FLAGS);
	if (len > 0) {
		return X509_VERIFY_PARAM_set1_ip(param, address, len) == 1;
	}
	return X509_VERIFY_PARAM_set1_host(param, name, enn_x509_host_len(name)) == 1;
}

static bool set_policy(X509_STORE_CTX *ctx, const struct enn_verify_policy *policy)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	int purpose = policy->peer_is_server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
	int use = policy->peer_is_server ? X509_TRUST_SSL_SERVER : X509_TRUST_SSL_CLIENT;

	X509_VERIFY_PARAM_set_time(param, (time_t)policy->wall_seconds);
	if (policy->check_revocation) {
		(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK |
								 X509_V_FLAG_CRL_CHECK_ALL);
	}
	return X509_VERIFY_PARAM_set_purpose(param, purpose) == 1 &&
	       X509_VERIFY_PARAM_set_trust(param, use) == 1 &&
	       (policy->name == NULL || set_name(param, policy->name));
}

/* ---- signature algorithms inside the chain --------------------------------------------------- */

/* Whether a scheme of TLS covers a signature with this key algorithm and hash. For ECDSA the
 * curve of a scheme does not bind the signatures in certificates, where a P-384 issuer may sign
 * with SHA-256; nor does the issuer's key type bind PSS. */
static bool covers(const struct enn_sig_alg *alg, int key_nid, int hash_nid)
{
	static const int hashes[ENN_HASH_COUNT] = {
		[ENN_HASH_SHA256] = NID_sha256,
		[ENN_HASH_SHA384] = NID_sha384,
		[ENN_HASH_SHA512] = NID_sha512,
	};

	if (alg->hash >= 0 && hashes[alg->hash] != hash_nid) {
		return false;
	}
	switch (key_nid) {
	case NID_rsaEncryption:
		return alg->padding == ENN_SIG_PKCS1;
	case NID_rsassaPss:
		return alg->padding == ENN_SIG_PSS;
	case NID_X9_62_id_ecPublicKey:
		return alg->key == ENN_KEY_P256 || alg->key == ENN_KEY_P384;
	case NID_ED25519:
		return alg->key == ENN_KEY_ED25519;
	default:
		return false;
	}
}

bool enn_x509_signature_allowed(X509 *cert, const uint16_t *schemes, size_t count)
{
	int hash_nid;
	int key_nid;

	if (X509_get_signature_info(cert, &hash_nid, &key_nid, NULL, NULL) != 1) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		const struct enn_sig_alg *alg = enn_sig_alg_by_tls(schemes[i]);
		if (alg != NULL && covers(alg, key_nid, hash_nid)) {
			return true;
		}
	}
	return false;
}

/* RFC 8446 §4.2.3: every certificate but the anchor, whose signature is not checked. */
static enum enn_status check_signatures(STACK_OF(X509) * path,
					const struct enn_verify_policy *policy,
					struct enn_error *error)
{
	char subject[ENN_X509_TEXT_MAX];

	for (int i = 0; i < sk_X509_num(path) - 1; i++) {
		X509 *cert = sk_X509_value(path, i);
		if (enn_x509_signature_allowed(cert, policy->cert_signatures,
					       policy->cert_signatures_len)) {
			continue;
		}
		const char *name = OBJ_nid2sn(X509_get_signature_nid(cert));
		(void)enn_error_set(
			error, ENN_E_AUTH, ENN_REASON_CERT_WEAK, "certificate",
			"certificate \"%s\" is signed with %s, which is not allowed here",
			enn_x509_subject(cert, subject), name == NULL ? "?" : name);
		if (error != NULL) {
			error->wire_code = ENN_X509_ALERT_UNSUPPORTED;
		}
		return ENN_E_AUTH;
	}
	return ENN_OK;
}

/* ---- pins -------------------------------------------------------------------------------------- */

static bool is_pinned(X509 *cert, const struct enn_verify_policy *policy)
{
	uint8_t digest[32];

	if (!enn_x509_spki_digest(cert, digest)) {
		return false;
	}
	for (size_t i = 0; i < policy->pins_len; i++) {
		if (memcmp(policy->pins[i], digest, sizeof(digest)) == 0) {
			return true;
		}
	}
	return false;
}

/* RFC 7469 §2.6: any certificate of the validated path, the anchor too. */
static enum enn_status check_pins(STACK_OF(X509) * path, const struct enn_verify_policy *policy,
				  struct enn_error *error)
{
	char subject[ENN_X509_TEXT_MAX];

	if (policy->pins_len == 0) {
		return ENN_OK;
	}
	for (int i = 0; i < sk_X509_num(path); i++) {
		if (is_pinned(sk_X509_value(path, i), policy)) {
			return ENN_OK;
		}
	}
	(void)enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_PIN_MISMATCH, "certificate",
			    "no key in the path of certificate \"%s\" is pinned",
			    enn_x509_subject(sk_X509_value(path, 0), subject));
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_UNKNOWN;
	}
	return ENN_E_AUTH;
}

/* ---- how long the verdict holds -------------------------------------------------------------- */

static bool narrow(struct enn_chain_facts *facts, const ASN1_TIME *from, const ASN1_TIME *until)
{
	int64_t seconds;

	if (!enn_x509_seconds(from, &seconds)) {
		return false;
	}
	facts->valid_from = seconds > facts->valid_from ? seconds : facts->valid_from;
	if (until == NULL) {
		return true; /* a CRL without nextUpdate */
	}
	if (!enn_x509_seconds(until, &seconds)) {
		return false;
	}
	facts->valid_until = seconds < facts->valid_until ? seconds : facts->valid_until;
	return true;
}

/* Which CRLs were used libcrypto does not tell; taking all of them errs on the short side. */
static bool narrow_to_crls(struct enn_chain_facts *facts, X509_STORE *store)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		if (crl != NULL &&
		    !narrow(facts, X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl))) {
			return false;
		}
	}
	return true;
}

static void remember(struct enn_trust *trust, const struct enn_peer_chain *chain,
		     const struct enn_verify_policy *policy, const uint8_t *digest,
		     struct enn_chain_facts *facts)
{
	STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(trust->ctx);

	facts->key = chain->key;
	facts->may_sign = chain->may_sign;
	for (int i = 0; i < sk_X509_num(path); i++) {
		X509 *cert = sk_X509_value(path, i);
		if (!narrow(facts, X509_get0_notBefore(cert), X509_get0_notAfter(cert))) {
			return;
		}
	}
	if (policy->check_revocation && !narrow_to_crls(facts, trust->store)) {
		return;
	}
	enn_chain_cache_add(trust->cache, digest, facts);
}

/* ---- the call -------------------------------------------------------------------------------- */

static enum enn_status validate(struct enn_trust *trust, struct enn_peer_chain *chain,
				const struct enn_verify_policy *policy,
				struct enn_chain_facts *facts, struct enn_error *error)
{
	X509_STORE_CTX *ctx = trust->ctx;

	/* libcrypto would take an empty name as none to check. */
	if (policy->name != NULL && enn_x509_host_len(policy->name) == 0) {
		(void)enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_NAME_MISMATCH, "certificate",
				    "\"%.64s\" is no host name that a certificate could be for",
				    policy->name);
		if (error != NULL) {
			error->wire_code = ENN_X509_ALERT_BAD;
		}
		return ENN_E_AUTH;
	}
	if (X509_STORE_CTX_init(ctx, trust->store, chain->leaf, chain->others) != 1 ||
	    !set_policy(ctx, policy)) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "certificate",
				     "out of memory");
	}
	if (X509_verify_cert(ctx) != 1) {
		return enn_x509_explain(ctx, policy, error);
	}
	STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
	ENN_TRY(check_signatures(path, policy, error));
	ENN_TRY(check_pins(path, policy, error));
	return enn_x509_check_status(path, policy, facts, error);
}

enum enn_status enn_trust_verify(struct enn_trust *trust, struct enn_peer_chain *chain,
				 const struct enn_verify_policy *policy, struct enn_error *error)
{
	uint8_t digest[ENN_X509_DIGEST];

	trust->frozen = true;
	if (trust->cache != NULL) {
		enn_chain_cache_digest(chain, policy, digest);
		const struct enn_chain_facts *facts =
			enn_chain_cache_find(trust->cache, digest, policy->wall_seconds);
		if (facts != NULL) {
			enn_peer_chain_adopt(chain, facts->key, facts->may_sign);
			return ENN_OK;
		}
	}
	ENN_TRY(enn_peer_chain_load(chain, error));
	ERR_set_mark();
	struct enn_chain_facts verdict = {.valid_from = INT64_MIN, .valid_until = INT64_MAX};
	enum enn_status status = validate(trust, chain, policy, &verdict, error);
	if (status == ENN_OK && trust->cache != NULL) {
		remember(trust, chain, policy, digest, &verdict);
	}
	X509_STORE_CTX_cleanup(trust->ctx);
	ERR_pop_to_mark();
	return status;
}
