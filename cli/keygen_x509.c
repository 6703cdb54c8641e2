/* SPDX-License-Identifier: Apache-2.0
 *
 * Making certificates, requests and revocation lists (RFC 5280, RFC 2986).
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "keygen.h"

static void *complain(const char *what)
{
	char text[160];
	unsigned long code = ERR_get_error();

	ERR_error_string_n(code, text, sizeof(text));
	cli_error("keygen: %s%s%s", what, code ? ": " : "", code ? text : "");
	return NULL;
}

EVP_PKEY *keygen_key(const char *type)
{
	EVP_PKEY *key = NULL;

	if (strcmp(type, "p256") == 0) {
		key = EVP_EC_gen("P-256");
	} else if (strcmp(type, "p384") == 0) {
		key = EVP_EC_gen("P-384");
	} else if (strcmp(type, "ed25519") == 0) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	} else if (strcmp(type, "rsa2048") == 0) {
		key = EVP_RSA_gen(2048);
	} else if (strcmp(type, "rsa3072") == 0) {
		key = EVP_RSA_gen(3072);
	} else {
		static const char *const types[] = {"p256", "p384", "ed25519", "rsa2048",
						    "rsa3072"};
		const char *near = cli_nearest(type, types, 5);
		cli_error("keygen: there is no key type '%s'%s%s (p256, p384, ed25519, rsa2048, "
			  "rsa3072)",
			  type, near ? "; the nearest is " : "", near ? near : "");
		return NULL;
	}
	return key != NULL ? key : complain("key generation failed");
}

/* Ed25519 hashes by itself. */
static const EVP_MD *digest_for(EVP_PKEY *key)
{
	if (EVP_PKEY_is_a(key, "ED25519")) {
		return NULL;
	}
	return EVP_PKEY_get_bits(key) == 384 ? EVP_sha384() : EVP_sha256();
}

static bool set_serial(X509 *x)
{
	unsigned char bytes[16];
	BIGNUM *n = NULL;
	bool good = RAND_bytes(bytes, sizeof(bytes)) == 1;

	bytes[0] &= 0x7f;
	n = good ? BN_bin2bn(bytes, sizeof(bytes), NULL) : NULL;
	good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return good;
}

static bool add_extension(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool good = e != NULL && X509_add_ext(x, e, -1) == 1;

	X509_EXTENSION_free(e);
	return good;
}

static bool looks_like_address(const char *host)
{
	return strchr(host, ':') != NULL || strspn(host, "0123456789.") == strlen(host);
}

static bool alternative_names(const struct keygen *k, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < k->host_count; i++) {
		int n = snprintf(out + at, cap - at, "%s%s:%s", i ? "," : "",
				 looks_like_address(k->host[i]) ? "IP" : "DNS", k->host[i]);
		if (n < 0 || (size_t)n >= cap - at || strpbrk(k->host[i], ", ") != NULL) {
			cli_error("keygen: '%s' is not a host name", k->host[i]);
			return false;
		}
		at += (size_t)n;
	}
	return true;
}

static bool add_extensions(const struct keygen *k, X509 *x, X509 *issuer)
{
	X509V3_CTX ctx;
	char names[4096];
	bool both = k->client == k->server;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	bool good = add_extension(x, &ctx, NID_basic_constraints,
				  k->ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
		    add_extension(x, &ctx, NID_key_usage,
				  k->ca ? "critical,keyCertSign,cRLSign"
					: "critical,digitalSignature") &&
		    add_extension(x, &ctx, NID_subject_key_identifier, "hash") &&
		    add_extension(x, &ctx, NID_authority_key_identifier, "keyid:always");
	if (good && !k->ca) {
		good = add_extension(x, &ctx, NID_ext_key_usage,
				     both	 ? "serverAuth,clientAuth"
				     : k->client ? "clientAuth"
						 : "serverAuth");
	}
	if (good && k->host_count > 0) {
		good = alternative_names(k, names, sizeof(names)) &&
		       add_extension(x, &ctx, NID_subject_alt_name, names);
	}
	return good;
}

static X509_NAME *common_name(const struct keygen *k)
{
	X509_NAME *name = X509_NAME_new();
	const char *cn = k->name ? k->name : k->host_count > 0 ? k->host[0] : "ennead";

	if (name != NULL && X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
						       (const unsigned char *)cn, -1, -1, 0) != 1) {
		X509_NAME_free(name);
		return NULL;
	}
	return name;
}

/* Everything but the extensions and the signature. */
static X509 *begin_certificate(const struct keygen *k, EVP_PKEY *key, const X509_NAME *subject,
			       X509 *issuer)
{
	X509 *x = X509_new();
	const X509_NAME *from = issuer ? X509_get_subject_name(issuer) : subject;

	if (x == NULL || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
	    X509_gmtime_adj(X509_getm_notBefore(x), k->days < 0 ? k->days * 86400L : -300) ==
		    NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(x), k->days < 0 ? -60 : k->days * 86400L) == NULL ||
	    X509_set_subject_name(x, subject) != 1 || X509_set_issuer_name(x, from) != 1 ||
	    X509_set_pubkey(x, key) != 1) {
		X509_free(x);
		return complain("the certificate could not be made");
	}
	return x;
}

X509 *keygen_certificate(const struct keygen *k, EVP_PKEY *subject_key, X509 *issuer,
			 EVP_PKEY *issuer_key)
{
	X509_NAME *subject = common_name(k);
	EVP_PKEY *signer = issuer_key ? issuer_key : subject_key;
	X509 *x = subject ? begin_certificate(k, subject_key, subject, issuer) : NULL;

	X509_NAME_free(subject);
	if (x != NULL && (!add_extensions(k, x, issuer ? issuer : x) ||
			  X509_sign(x, signer, digest_for(signer)) == 0)) {
		X509_free(x);
		return complain("the certificate could not be made");
	}
	return x;
}

X509_REQ *keygen_request(const struct keygen *k, EVP_PKEY *key)
{
	X509_REQ *request = X509_REQ_new();
	X509_NAME *subject = common_name(k);
	STACK_OF(X509_EXTENSION) *list = NULL;
	char names[4096];
	bool good = request != NULL && subject != NULL &&
		    X509_REQ_set_subject_name(request, subject) == 1 &&
		    X509_REQ_set_pubkey(request, key) == 1;

	if (good && k->host_count > 0) {
		X509_EXTENSION *e =
			alternative_names(k, names, sizeof(names))
				? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names)
				: NULL;
		good = e != NULL && X509v3_add_ext(&list, e, -1) != NULL &&
		       X509_REQ_add_extensions(request, list) == 1;
		X509_EXTENSION_free(e);
	}
	good = good && X509_REQ_sign(request, key, digest_for(key)) > 0;
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	X509_NAME_free(subject);
	if (!good) {
		X509_REQ_free(request);
		return complain("the request could not be made");
	}
	return request;
}

/* Only the alternative names are taken over: what a certificate is for is the issuer's say. */
static bool copy_names(X509 *x, X509_REQ *request)
{
	STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(request);
	int at = X509v3_get_ext_by_NID(list, NID_subject_alt_name, -1);
	bool good = at < 0 || X509_add_ext(x, X509v3_get_ext(list, at), -1) == 1;

	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return good;
}

X509 *keygen_sign_request(const struct keygen *k, X509_REQ *request, X509 *issuer,
			  EVP_PKEY *issuer_key)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);
	struct keygen plain = *k;
	X509 *x = NULL;

	plain.host_count = 0;
	if (key == NULL || X509_REQ_verify(request, key) != 1) {
		return complain("the request's signature does not verify");
	}
	x = begin_certificate(k, key, X509_REQ_get_subject_name(request), issuer);
	if (x != NULL && (!add_extensions(&plain, x, issuer) || !copy_names(x, request) ||
			  X509_sign(x, issuer_key, digest_for(issuer_key)) == 0)) {
		X509_free(x);
		return complain("the certificate could not be made");
	}
	return x;
}

static bool add_revoked(X509_CRL *crl, const char *path, const ASN1_TIME *when)
{
	BIO *in = BIO_new_file(path, "r");
	X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	X509_REVOKED *entry = X509_REVOKED_new();
	bool good = x != NULL && entry != NULL &&
		    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(x)) == 1 &&
		    X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)when) == 1 &&
		    X509_CRL_add0_revoked(crl, entry) == 1;

	if (!good) {
		X509_REVOKED_free(entry);
		(void)complain(path);
	}
	X509_free(x);
	BIO_free(in);
	return good;
}

X509_CRL *keygen_crl(const struct keygen *k, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60);
	ASN1_TIME *next = X509_gmtime_adj(NULL, k->days * 86400L);
	bool good = crl != NULL && now != NULL && next != NULL &&
		    X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
		    X509_CRL_set1_lastUpdate(crl, now) == 1 &&
		    X509_CRL_set1_nextUpdate(crl, next) == 1;

	for (size_t i = 0; good && i < k->revoke_count; i++) {
		good = add_revoked(crl, k->revoke[i], now);
	}
	good = good && X509_CRL_sort(crl) == 1 &&
	       X509_CRL_sign(crl, issuer_key, digest_for(issuer_key)) > 0;
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	if (!good) {
		X509_CRL_free(crl);
		return complain("the revocation list could not be made");
	}
	return crl;
}
