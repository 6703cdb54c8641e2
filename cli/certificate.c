/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, read with libcrypto and told in words.
 */
#include "certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static X509 *parse(const uint8_t *der, size_t len)
{
	const unsigned char *p = der;

	return d2i_X509(NULL, &p, (long)len);
}

/* What a BIO has collected, without anything that a terminal would act on. */
static void take_text(BIO *bio, char *out, size_t cap)
{
	char *data = NULL;
	long n = bio == NULL ? 0 : BIO_get_mem_data(bio, &data);
	size_t len = n > 0 ? (size_t)n : 0;

	len = len < cap ? len : cap - 1;
	for (size_t i = 0; i < len; i++) {
		out[i] = (char)(data[i] < ' ' || data[i] > '~' ? '?' : data[i]);
	}
	out[len] = '\0';
	BIO_free(bio);
}

static void read_name(const X509_NAME *name, char *out, size_t cap)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio != NULL) {
		X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
	}
	take_text(bio, out, cap);
}

static void read_names(const X509 *x, char *out, size_t cap)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	BIO *bio = BIO_new(BIO_s_mem());

	for (int i = 0; bio != NULL && i < sk_GENERAL_NAME_num(names); i++) {
		BIO_puts(bio, i > 0 ? ", " : "");
		GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i));
	}
	take_text(bio, out, cap);
	GENERAL_NAMES_free(names);
}

static int64_t read_time(const ASN1_TIME *time, char out[CERTIFICATE_DATE])
{
	struct tm tm = {.tm_year = 70, .tm_mday = 1};

	if (ASN1_TIME_to_tm(time, &tm) != 1 ||
	    strftime(out, CERTIFICATE_DATE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		(void)snprintf(out, CERTIFICATE_DATE, "?");
	}
	return (int64_t)timegm(&tm);
}

static void read_key(X509 *x, struct certificate *c)
{
	const EVP_PKEY *key = X509_get0_pubkey(x);
	char group[32] = "";

	if (key == NULL) {
		(void)snprintf(c->key, sizeof(c->key), "unreadable");
		return;
	}
	c->bits = EVP_PKEY_get_bits(key);
	c->rsa = EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
	if (EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1) {
		const char *nist = EC_curve_nid2nist(OBJ_txt2nid(group));
		(void)snprintf(c->key, sizeof(c->key), "EC %s", nist == NULL ? group : nist);
	} else if (c->rsa) {
		(void)snprintf(c->key, sizeof(c->key), "%s %d", EVP_PKEY_get0_type_name(key),
			       c->bits);
	} else {
		const char *name = EVP_PKEY_get0_type_name(key);
		(void)snprintf(c->key, sizeof(c->key), "%s", name == NULL ? "unknown" : name);
	}
}

bool certificate_key_pin(const uint8_t *spki, size_t len, char pin[CERTIFICATE_PIN])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned hash_len = 0;

	pin[0] = '\0';
	if (EVP_Digest(spki, len, hash, &hash_len, EVP_sha256(), NULL) != 1) {
		return false;
	}
	memcpy(pin, "sha256/", 7);
	(void)EVP_EncodeBlock((unsigned char *)pin + 7, hash, (int)hash_len);
	return true;
}

static void read_digests(const X509 *x, struct certificate *c)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	unsigned char *spki = NULL;
	int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);

	if (X509_digest(x, EVP_sha256(), hash, &len) == 1) {
		for (unsigned i = 0; i < len && i < 32; i++) {
			(void)snprintf(c->fingerprint + (size_t)2 * i, 3, "%02x", hash[i]);
		}
	}
	if (spki_len > 0) {
		(void)certificate_key_pin(spki, (size_t)spki_len, c->pin);
	}
	OPENSSL_free(spki);
}

static void read_signature(const X509 *x, struct certificate *c)
{
	int nid = X509_get_signature_nid(x);
	int digest = NID_undef;
	const char *name = OBJ_nid2ln(nid);

	(void)snprintf(c->signature, sizeof(c->signature), "%s", name == NULL ? "unknown" : name);
	(void)OBJ_find_sigid_algs(nid, &digest, NULL);
	c->weak_signature = digest == NID_md5 || digest == NID_sha1 || digest == NID_md2;
}

static void read_serial(const X509 *x, char *out, size_t cap)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio != NULL) {
		i2a_ASN1_INTEGER(bio, serial);
	}
	take_text(bio, out, cap);
}

bool certificate_read(const uint8_t *der, size_t len, struct certificate *out)
{
	X509 *x = parse(der, len);

	*out = (struct certificate){.bits = 0};
	if (x == NULL) {
		return false;
	}
	read_name(X509_get_subject_name(x), out->subject, sizeof(out->subject));
	read_name(X509_get_issuer_name(x), out->issuer, sizeof(out->issuer));
	read_names(x, out->names, sizeof(out->names));
	out->begins = read_time(X509_get0_notBefore(x), out->not_before);
	out->ends = read_time(X509_get0_notAfter(x), out->not_after);
	read_key(x, out);
	read_signature(x, out);
	read_serial(x, out->serial, sizeof(out->serial));
	read_digests(x, out);
	out->authority = X509_check_ca(x) > 0;
	out->self_issued = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
	X509_free(x);
	return true;
}

bool certificate_is_for(const uint8_t *der, size_t len, const char *name)
{
	X509 *x = parse(der, len);
	bool fits = x != NULL &&
		    (X509_check_ip_asc(x, name, 0) == 1 ||
		     X509_check_host(x, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1);

	X509_free(x);
	return fits;
}

bool certificate_issued_by(const uint8_t *der, size_t len, const uint8_t *issuer, size_t issuer_len)
{
	X509 *x = parse(der, len);
	X509 *by = parse(issuer, issuer_len);
	bool fits = x != NULL && by != NULL && X509_check_issued(by, x) == X509_V_OK &&
		    X509_verify(x, X509_get0_pubkey(by)) == 1;

	X509_free(x);
	X509_free(by);
	return fits;
}

json_t *certificate_json(const struct certificate *c)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "subject", c->subject,
			 "issuer", c->issuer, "names", c->names, "not_before", c->not_before,
			 "not_after", c->not_after, "key", c->key, "signature", c->signature,
			 "serial", c->serial, "sha256", c->fingerprint, "pin", c->pin);
}

void certificate_print(FILE *out, const struct certificate *c, const char *indent)
{
	fprintf(out, "%ssubject    %s\n", indent, c->subject);
	if (c->names[0] != '\0') {
		fprintf(out, "%snames      %s\n", indent, c->names);
	}
	fprintf(out, "%sissuer     %s\n", indent, c->issuer);
	fprintf(out, "%svalid      %s to %s\n", indent, c->not_before, c->not_after);
	fprintf(out, "%skey        %s, pin %s\n", indent, c->key, c->pin);
	fprintf(out, "%ssigned     %s, serial %s\n", indent, c->signature, c->serial);
}
