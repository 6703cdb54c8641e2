/* SPDX-License-Identifier: Apache-2.0
 *
 * What an authority says about a certificate that it issued: OCSP responses (RFC 6960) that came with
 * the handshake, and certificates that may not come without one (RFC 7633).
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/x509_internal.h"

#define SKEW		300   /* seconds that the responder's clock may be ahead */
#define UNTIL_UNLIMITED 86400 /* without nextUpdate there is newer information at any time (§2.4) */
#define STATUS_REQUEST	5     /* RFC 7633 §4.2.1: the number of the extension */
#define AUTH_LEVEL	2     /* as for paths (x509_trust.c) */

static enum enn_status problem(struct enn_error *error, X509 *leaf, const char *what)
{
	char subject[ENN_X509_TEXT_MAX];

	(void)enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_STATUS_PROBLEM, "certificate status",
			    "the OCSP response for \"%s\" %s", enn_x509_subject(leaf, subject),
			    what);
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_BAD_STATUS;
	}
	return ENN_E_AUTH;
}

/* ---- must-staple ------------------------------------------------------------------------------- */

static bool must_have_status(X509 *leaf)
{
	TLS_FEATURE *features = X509_get_ext_d2i(leaf, NID_tlsfeature, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
		found = found ||
			ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST;
	}
	TLS_FEATURE_free(features);
	return found;
}

static enum enn_status check_absence(X509 *leaf, const struct enn_verify_policy *policy,
				     struct enn_error *error)
{
	char subject[ENN_X509_TEXT_MAX];
	bool promised = policy->status_asked && must_have_status(leaf);

	if (!promised && !policy->status_required) {
		return ENN_OK;
	}
	(void)enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_STATUS_PROBLEM, "certificate status",
			    "certificate \"%s\" came without an OCSP response, %s",
			    enn_x509_subject(leaf, subject),
			    promised ? "which it promises to have (TLS feature)"
				     : "which is required");
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_BAD_STATUS;
	}
	return ENN_E_AUTH;
}

/* ---- the response -------------------------------------------------------------------------------- */

static OCSP_BASICRESP *parse(struct enn_bytes der, const char **what)
{
	const unsigned char *at = der.data;
	OCSP_RESPONSE *response =
		der.len > INT32_MAX ? NULL : d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
	OCSP_BASICRESP *basic = NULL;

	*what = "is malformed";
	if (response != NULL && at == der.data + der.len) {
		if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
			*what = "says that the responder could not answer";
		} else {
			basic = OCSP_response_get1_basic(response);
		}
	}
	OCSP_RESPONSE_free(response);
	return basic;
}

/* In libcrypto's own context: the issuer's key may be one of the reduced context (x509_library.c), which
 * OCSP does not know. */
static X509 *ordinary_copy(X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	const unsigned char *at = der;
	X509 *copy = len > 0 ? d2i_X509(NULL, &at, len) : NULL;

	OPENSSL_free(der);
	return copy;
}

/* §4.2.2.2: signed by the issuer, or by one whom the issuer itself certified for that. The path to the
 * issuer has been validated: it is the anchor here. */
static enum enn_status check_signer(OCSP_BASICRESP *basic, X509 *issuer,
				    const struct enn_verify_policy *policy, bool *good)
{
	X509_STORE *store = X509_STORE_new();
	X509 *copy = ordinary_copy(issuer);

	*good = false;
	if (store == NULL || copy == NULL || X509_STORE_add_cert(store, copy) != 1) {
		X509_STORE_free(store);
		X509_free(copy);
		return ENN_E_MEMORY;
	}
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
	X509_VERIFY_PARAM_set_time(param, (time_t)policy->wall_seconds);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	STACK_OF(X509) *helpers = sk_X509_new_null();
	if (helpers != NULL && sk_X509_push(helpers, copy) > 0) {
		/* the issuer is also where a direct signer is looked for */
		*good = OCSP_basic_verify(basic, helpers, store, 0) == 1;
	}
	sk_X509_free(helpers);
	X509_free(copy);
	X509_STORE_free(store);
	return ENN_OK;
}

/* Whether a single response is about the leaf: by the hash that it uses itself (§4.1.1). */
static bool is_about(const OCSP_CERTID *id, X509 *leaf, X509 *issuer)
{
	ASN1_OBJECT *hash = NULL;
	OCSP_CERTID *ours = NULL;

	if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id) != 1) {
		return false;
	}
	const EVP_MD *md = EVP_get_digestbyobj(hash);
	if (md != NULL) {
		ours = OCSP_cert_to_id(md, leaf, issuer);
	}
	bool about = ours != NULL && OCSP_id_cmp(ours, id) == 0;
	OCSP_CERTID_free(ours);
	return about;
}

static OCSP_SINGLERESP *find(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		if (is_about(OCSP_SINGLERESP_get0_id(single), leaf, issuer)) {
			return single;
		}
	}
	return NULL;
}

static enum enn_status revoked(struct enn_error *error, X509 *leaf,
			       const ASN1_GENERALIZEDTIME *when, int reason)
{
	char subject[ENN_X509_TEXT_MAX];
	char date[ENN_X509_DATE_MAX];
	bool told = reason >= 0 && reason != OCSP_REVOKED_STATUS_UNSPECIFIED;

	enn_x509_date_text(when, date);
	(void)enn_error_set(error, ENN_E_AUTH, ENN_REASON_CERT_REVOKED, "certificate status",
			    "certificate \"%s\" was revoked on %s%s%s, says its OCSP response",
			    enn_x509_subject(leaf, subject), date, told ? ": " : "",
			    told ? OCSP_crl_reason_str(reason) : "");
	if (error != NULL) {
		error->wire_code = ENN_X509_ALERT_REVOKED;
	}
	return ENN_E_AUTH;
}

/* §2.4: thisUpdate has come, nextUpdate has not passed. */
static bool times(const ASN1_GENERALIZEDTIME *this_update, const ASN1_GENERALIZEDTIME *next_update,
		  int64_t *from, int64_t *until)
{
	if (!enn_x509_seconds(this_update, from)) {
		return false;
	}
	*until = *from + UNTIL_UNLIMITED;
	*from -= SKEW;
	return next_update == NULL || enn_x509_seconds(next_update, until);
}

static enum enn_status judge(OCSP_SINGLERESP *single, X509 *leaf,
			     const struct enn_verify_policy *policy, struct enn_chain_facts *facts,
			     struct enn_error *error)
{
	ASN1_GENERALIZEDTIME *when = NULL;
	ASN1_GENERALIZEDTIME *this_update = NULL;
	ASN1_GENERALIZEDTIME *next_update = NULL;
	int reason = -1;
	int64_t from = 0;
	int64_t until = 0;
	int status = OCSP_single_get0_status(single, &reason, &when, &this_update, &next_update);

	/* An old word that it was revoked is still true: only "on hold" is ever taken back. */
	if (status == V_OCSP_CERTSTATUS_REVOKED) {
		return revoked(error, leaf, when, reason);
	}
	if (!times(this_update, next_update, &from, &until)) {
		return problem(error, leaf, "has malformed times");
	}
	if (policy->wall_seconds < from) {
		return problem(error, leaf, "is from the future");
	}
	if (policy->wall_seconds >= until) {
		char what[64];
		char date[ENN_X509_DATE_MAX];
		enn_x509_seconds_text(until, date);
		(void)snprintf(what, sizeof(what), "expired on %s", date);
		return problem(error, leaf, what);
	}
	if (status != V_OCSP_CERTSTATUS_GOOD) {
		return problem(error, leaf, "says that the responder does not know it");
	}
	facts->valid_from = from > facts->valid_from ? from : facts->valid_from;
	facts->valid_until = until < facts->valid_until ? until : facts->valid_until;
	return ENN_OK;
}

enum enn_status enn_x509_check_status(STACK_OF(X509) * path, const struct enn_verify_policy *policy,
				      struct enn_chain_facts *facts, struct enn_error *error)
{
	X509 *leaf = sk_X509_value(path, 0);
	const char *what = NULL;
	bool good = false;

	if (sk_X509_num(path) < 2) {
		return ENN_OK; /* an anchor: nobody above it could say anything */
	}
	if (policy->status.len == 0) {
		return check_absence(leaf, policy, error);
	}
	X509 *issuer = sk_X509_value(path, 1);
	OCSP_BASICRESP *basic = parse(policy->status, &what);
	if (basic == NULL) {
		return problem(error, leaf, what);
	}
	enum enn_status status = check_signer(basic, issuer, policy, &good);
	OCSP_SINGLERESP *single = find(basic, leaf, issuer);
	if (status != ENN_OK) {
		(void)enn_error_set(error, status, ENN_REASON_OUT_OF_MEMORY, "certificate status",
				    "out of memory");
	} else if (!good) {
		status = problem(error, leaf, "is not signed by the issuer or its responder");
	} else if (single == NULL) {
		status = problem(error, leaf, "is about other certificates");
	} else {
		status = judge(single, leaf, policy, facts, error);
	}
	OCSP_BASICRESP_free(basic);
	return status;
}

bool enn_x509_status_until(struct enn_bytes response, int64_t *until)
{
	const char *what = NULL;
	int64_t from = 0;
	bool good = false;

	ERR_set_mark();
	OCSP_BASICRESP *basic = parse(response, &what);
	*until = INT64_MAX;
	for (int i = 0; i < (basic == NULL ? 0 : OCSP_resp_count(basic)); i++) {
		ASN1_GENERALIZEDTIME *this_update = NULL;
		ASN1_GENERALIZEDTIME *next_update = NULL;
		int64_t one = 0;
		(void)OCSP_single_get0_status(OCSP_resp_get0(basic, i), NULL, NULL, &this_update,
					      &next_update);
		good = times(this_update, next_update, &from, &one);
		*until = one < *until ? one : *until;
		if (!good) {
			break;
		}
	}
	OCSP_BASICRESP_free(basic);
	ERR_pop_to_mark();
	return good;
}
