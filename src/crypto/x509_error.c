/* SPDX-License-Identifier: Apache-2.0
 *
 * What libcrypto found wrong with a path, as a reason, an alert and a sentence that says which
 * certificate and what about it.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/compiler.h"
#include "base/log.h"
#include "crypto/x509_internal.h"

static const struct verdict {
	int code;
	enum enn_reason reason;
	uint8_t alert;
} verdicts[] = {
	{X509_V_ERR_CERT_HAS_EXPIRED, ENN_REASON_CERT_EXPIRED, ENN_X509_ALERT_EXPIRED},
	{X509_V_ERR_CERT_NOT_YET_VALID, ENN_REASON_CERT_NOT_YET_VALID, ENN_X509_ALERT_EXPIRED},
	{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ENN_REASON_CERT_SELF_SIGNED,
	 ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ENN_REASON_CERT_UNKNOWN_ISSUER,
	 ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ENN_REASON_CERT_UNKNOWN_ISSUER,
	 ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ENN_REASON_CERT_UNKNOWN_ISSUER,
	 ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, ENN_REASON_CERT_UNKNOWN_ISSUER,
	 ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_CERT_UNTRUSTED, ENN_REASON_CERT_UNKNOWN_ISSUER, ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_CERT_REJECTED, ENN_REASON_CERT_UNKNOWN_ISSUER, ENN_X509_ALERT_UNKNOWN_CA},
	{X509_V_ERR_HOSTNAME_MISMATCH, ENN_REASON_CERT_NAME_MISMATCH, ENN_X509_ALERT_BAD},
	{X509_V_ERR_IP_ADDRESS_MISMATCH, ENN_REASON_CERT_NAME_MISMATCH, ENN_X509_ALERT_BAD},
	{X509_V_ERR_INVALID_PURPOSE, ENN_REASON_CERT_WRONG_USAGE, ENN_X509_ALERT_UNSUPPORTED},
	{X509_V_ERR_INVALID_CA, ENN_REASON_CERT_WRONG_USAGE, ENN_X509_ALERT_UNSUPPORTED},
	{X509_V_ERR_KEYUSAGE_NO_CERTSIGN, ENN_REASON_CERT_WRONG_USAGE, ENN_X509_ALERT_UNSUPPORTED},
	{X509_V_ERR_PATH_LENGTH_EXCEEDED, ENN_REASON_CERT_WRONG_USAGE, ENN_X509_ALERT_UNSUPPORTED},
	{X509_V_ERR_CERT_REVOKED, ENN_REASON_CERT_REVOKED, ENN_X509_ALERT_REVOKED},
	{X509_V_ERR_UNABLE_TO_GET_CRL, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE, ENN_REASON_CERT_CRL_PROBLEM,
	 ENN_X509_ALERT_BAD},
	{X509_V_ERR_CRL_SIGNATURE_FAILURE, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_CRL_NOT_YET_VALID, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_CRL_HAS_EXPIRED, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, ENN_REASON_CERT_CRL_PROBLEM,
	 ENN_X509_ALERT_BAD},
	{X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, ENN_REASON_CERT_CRL_PROBLEM,
	 ENN_X509_ALERT_BAD},
	{X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, ENN_REASON_CERT_CRL_PROBLEM,
	 ENN_X509_ALERT_BAD},
	{X509_V_ERR_DIFFERENT_CRL_SCOPE, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_CRL_PATH_VALIDATION_ERROR, ENN_REASON_CERT_CRL_PROBLEM, ENN_X509_ALERT_BAD},
	{X509_V_ERR_EE_KEY_TOO_SMALL, ENN_REASON_CERT_WEAK, ENN_X509_ALERT_BAD},
	{X509_V_ERR_CA_KEY_TOO_SMALL, ENN_REASON_CERT_WEAK, ENN_X509_ALERT_BAD},
	{X509_V_ERR_CA_MD_TOO_WEAK, ENN_REASON_CERT_WEAK, ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM, ENN_REASON_CERT_WEAK,
	 ENN_X509_ALERT_UNSUPPORTED},
	{X509_V_ERR_CERT_SIGNATURE_FAILURE, ENN_REASON_CERT_BAD_SIGNATURE, ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, ENN_REASON_CERT_BAD_SIGNATURE,
	 ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, ENN_REASON_CERT_OTHER,
	 ENN_X509_ALERT_UNSUPPORTED},
	{X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, ENN_REASON_CERT_MALFORMED, ENN_X509_ALERT_BAD},
	{X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, ENN_REASON_CERT_MALFORMED, ENN_X509_ALERT_BAD},
	{X509_V_ERR_INVALID_EXTENSION, ENN_REASON_CERT_MALFORMED, ENN_X509_ALERT_BAD},
	{X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, ENN_REASON_CERT_OTHER,
	 ENN_X509_ALERT_UNSUPPORTED},
};

static struct verdict verdict_of(int code)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(verdicts); i++) {
		if (verdicts[i].code == code) {
			return verdicts[i];
		}
	}
	return (struct verdict){code, ENN_REASON_CERT_OTHER, ENN_X509_ALERT_BAD};
}

/* "2026-01-31 12:00:00 UTC" */
void enn_x509_seconds_text(int64_t seconds, char out[ENN_X509_DATE_MAX])
{
	struct tm tm;
	time_t t = (time_t)seconds;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0) {
		(void)snprintf(out, 32, "(no date)");
	}
}

void enn_x509_date_text(const ASN1_TIME *time, char out[ENN_X509_DATE_MAX])
{
	int64_t seconds;

	if (enn_x509_seconds(time, &seconds)) {
		enn_x509_seconds_text(seconds, out);
	} else {
		(void)snprintf(out, 32, "(no date)");
	}
}

/* Appends one alternative name; a name with anything but printable ASCII is left out. */
static size_t add_name(char *out, size_t cap, size_t len, const char *name, size_t name_len)
{
	for (size_t i = 0; i < name_len; i++) {
		if (name[i] <= ' ' || name[i] > '~') {
			return len;
		}
	}
	int n = snprintf(out + len, cap - len, "%s%.*s", len == 0 ? "" : ", ", (int)name_len, name);
	if (n < 0 || (size_t)n >= cap - len) {
		out[len] = '\0';
		return len;
	}
	return len + (size_t)n;
}

/* The DNS names and addresses of a certificate, as many as fit. */
static void names_text(const X509 *cert, char *out, size_t cap)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	size_t len = 0;

	out[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		ASN1_STRING *value =
			GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type == GEN_DNS) {
			len = add_name(out, cap, len, (const char *)ASN1_STRING_get0_data(value),
				       (size_t)ASN1_STRING_length(value));
		} else if (type == GEN_IPADD) {
			char text[INET6_ADDRSTRLEN];
			int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
			bool whole = family == AF_INET || ASN1_STRING_length(value) == 16;
			if (whole && inet_ntop(family, ASN1_STRING_get0_data(value), text,
					       sizeof(text)) != NULL) {
				len = add_name(out, cap, len, text, strlen(text));
			}
		}
	}
	GENERAL_NAMES_free(names);
	if (len == 0) {
		(void)snprintf(out, cap, "no name");
	}
}

static void sentence(X509_STORE_CTX *ctx, X509 *cert, const struct verdict *v,
		     const struct enn_verify_policy *policy, struct enn_error *error)
{
	char subject[ENN_X509_TEXT_MAX];
	char other[ENN_X509_TEXT_MAX];
	char date[32];
	char now[32];
	const char *use = policy->peer_is_server ? "servers" : "clients";
	char *text = error->text;
	size_t cap = sizeof(error->text);
	int depth = X509_STORE_CTX_get_error_depth(ctx);

	enn_x509_subject(cert, subject);
	switch (v->reason) {
	case ENN_REASON_CERT_EXPIRED:
		enn_x509_date_text(X509_get0_notAfter(cert), date);
		enn_x509_seconds_text(policy->wall_seconds, now);
		(void)snprintf(text, cap, "certificate \"%s\" expired on %s, it is now %s", subject,
			       date, now);
		break;
	case ENN_REASON_CERT_NOT_YET_VALID:
		enn_x509_date_text(X509_get0_notBefore(cert), date);
		enn_x509_seconds_text(policy->wall_seconds, now);
		(void)snprintf(text, cap, "certificate \"%s\" is not valid before %s, it is now %s",
			       subject, date, now);
		break;
	case ENN_REASON_CERT_SELF_SIGNED:
		(void)snprintf(text, cap, "certificate \"%s\" is self-signed and not trusted",
			       subject);
		break;
	case ENN_REASON_CERT_UNKNOWN_ISSUER:
		enn_x509_name_text(X509_get_issuer_name(cert), other);
		(void)snprintf(text, cap, "certificate \"%s\": its issuer \"%s\" is not trusted",
			       subject, other);
		break;
	case ENN_REASON_CERT_NAME_MISMATCH:
		names_text(cert, other, sizeof(other));
		(void)snprintf(text, cap, "certificate is for %s, not for \"%.*s\"", other, 72,
			       policy->name);
		break;
	case ENN_REASON_CERT_WRONG_USAGE:
		(void)snprintf(text, cap, "certificate \"%s\" may not be used for %s (%s)", subject,
			       depth > 0 ? "issuing certificates" : use,
			       X509_verify_cert_error_string(v->code));
		break;
	case ENN_REASON_CERT_REVOKED:
		(void)snprintf(text, cap, "certificate \"%s\" has been revoked", subject);
		break;
	case ENN_REASON_CERT_CRL_PROBLEM:
		enn_x509_name_text(X509_get_issuer_name(cert), other);
		(void)snprintf(text, cap,
			       "revocation of \"%s\" cannot be checked: CRL of \"%s\": %s", subject,
			       other, X509_verify_cert_error_string(v->code));
		break;
	case ENN_REASON_CERT_WEAK:
		(void)snprintf(text, cap, "certificate \"%s\" is too weak: %s", subject,
			       X509_verify_cert_error_string(v->code));
		break;
	default:
		(void)snprintf(text, cap, "certificate \"%s\": %s", subject,
			       X509_verify_cert_error_string(v->code));
		break;
	}
}

enum enn_status enn_x509_explain(X509_STORE_CTX *ctx, const struct enn_verify_policy *policy,
				 struct enn_error *error)
{
	int code = X509_STORE_CTX_get_error(ctx);
	struct verdict v = verdict_of(code);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);

	if (code == X509_V_ERR_OUT_OF_MEM) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "certificate",
				     "out of memory");
	}
	if (error == NULL) {
		return ENN_E_AUTH;
	}
	(void)enn_error_set(error, ENN_E_AUTH, v.reason, "certificate", "%s",
			    X509_verify_cert_error_string(code));
	error->wire_code = v.alert;
	if (cert == NULL) {
		cert = X509_STORE_CTX_get0_cert(ctx);
	}
	if (cert != NULL) {
		sentence(ctx, cert, &v, policy, error);
	}
	return ENN_E_AUTH;
}
