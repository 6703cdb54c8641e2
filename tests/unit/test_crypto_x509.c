/* SPDX-License-Identifier: Apache-2.0
 *
 * Path validation: what is accepted, and every reason to refuse, each with its own reason, alert
 * and sentence.
 */
#include <stdlib.h>

#include "certs.h"
#include "crypto/x509.h"
#include "support.h"

#define HOST "server.example"

/* A root, an intermediate and what both can sign. */
static struct cert *root;
static struct cert *middle;
static struct cert *leaf;
static struct cert *leaf_of_root;

static const uint16_t all_schemes[] = {0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806,
				       0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601};

static int make_pki(void **state)
{
	(void)state;
	root = cert_make(&(struct cert_options){.subject = "Root",
						.ca = true,
						.not_before = CERT_NOW - 100 * CERT_DAY,
						.not_after = CERT_NOW + 100 * CERT_DAY});
	middle = cert_make(&(struct cert_options){
		.subject = "Middle", .ca = true, .issuer = root, .serial = 2});
	leaf = cert_make(&(struct cert_options){.subject = "Leaf",
						.names = "DNS:" HOST ",IP:192.0.2.7,IP:2001:db8::7",
						.extended_key_usage = "serverAuth",
						.issuer = middle,
						.serial = 3});
	leaf_of_root = cert_make(&(struct cert_options){
		.subject = "Leaf of root", .names = "DNS:" HOST, .issuer = root, .serial = 4});
	return 0;
}

static int free_pki(void **state)
{
	(void)state;
	cert_free(root);
	cert_free(middle);
	cert_free(leaf);
	cert_free(leaf_of_root);
	return 0;
}

/* One verification: who is trusted, what the peer sends, what is asked, what is expected. */
struct ask {
	const struct cert *anchor;
	const struct cert *chain[4];
	const char *name; /* HOST unless set; "" is not checked */
	const char *crl[2];
	bool revocation;
	bool client; /* the peer is a client */
	int64_t now;
	const uint16_t *schemes;
	size_t scheme_count;
};

static enum enn_status verify(const struct ask *a, struct enn_error *error)
{
	struct enn_trust *trust = enn_trust_new();
	struct enn_bytes der[4];
	size_t count = 0;
	struct enn_peer_chain *chain;

	memset(error, 0, sizeof(*error));
	if (a->anchor != NULL) {
		assert_int_equal(
			enn_trust_add_pem(trust, a->anchor->pem, strlen(a->anchor->pem), error),
			ENN_OK);
	}
	for (size_t i = 0; i < 2 && a->crl[i] != NULL; i++) {
		assert_int_equal(enn_trust_add_crl_pem(trust, a->crl[i], strlen(a->crl[i]), error),
				 ENN_OK);
	}
	for (; count < 4 && a->chain[count] != NULL; count++) {
		der[count] = a->chain[count]->der;
	}
	const char *name = a->name == NULL ? HOST : a->name[0] == '\0' ? NULL : a->name;
	struct enn_verify_policy policy = {
		.peer_is_server = !a->client,
		.name = name,
		.wall_seconds = a->now == 0 ? CERT_NOW : a->now,
		.check_revocation = a->revocation,
		.cert_signatures = a->schemes == NULL ? all_schemes : a->schemes,
		.cert_signatures_len = a->schemes == NULL ? 12 : a->scheme_count,
	};
	assert_int_equal(enn_peer_chain_parse(der, count, &chain, error), ENN_OK);
	enum enn_status status = enn_trust_verify(trust, chain, &policy, error);
	/* Asked again, with the cache in between, the answer is the same. */
	struct enn_error again;
	assert_int_equal(enn_trust_verify(trust, chain, &policy, &again), status);
	assert_int_equal(enn_trust_verify(trust, chain, &policy, NULL), status);
	enn_peer_chain_free(chain);
	enn_trust_free(trust);
	return status;
}

static void accepted(const struct ask *a)
{
	struct enn_error error;
	enum enn_status status = verify(a, &error);
	if (status != ENN_OK) {
		print_error("%s: %s\n", enn_reason_name(error.reason), error.text);
	}
	assert_int_equal(status, ENN_OK);
}

static void refused(const struct ask *a, enum enn_reason reason, uint64_t alert, const char *says)
{
	struct enn_error error;
	enum enn_status status = verify(a, &error);
	if (status != ENN_E_AUTH || error.reason != reason || strstr(error.text, says) == NULL) {
		print_error("status %s, reason %s: %s\n", enn_status_name(status),
			    enn_reason_name(error.reason), error.text);
	}
	assert_int_equal(status, ENN_E_AUTH);
	assert_int_equal(error.status, ENN_E_AUTH);
	assert_int_equal(error.reason, reason);
	assert_int_equal(error.wire_code, alert);
	assert_string_equal(error.where, "certificate");
	assert_non_null(strstr(error.text, says));
}

/* ---- accepted ------------------------------------------------------------------------------- */

static void test_good(void **state)
{
	(void)state;
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle}});
	accepted(&(struct ask){.anchor = root, .chain = {leaf_of_root}});
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle, root}});
	/* Others in between do not matter, nor does their order (RFC 8446 §4.4.2). */
	accepted(&(struct ask){.anchor = root, .chain = {leaf, leaf_of_root, root, middle}});
	/* An anchor need not be a root, and may be the leaf itself. */
	accepted(&(struct ask){.anchor = middle, .chain = {leaf}});
	accepted(&(struct ask){.anchor = leaf, .chain = {leaf}});
	/* Without an EKU every use is allowed. */
	accepted(
		&(struct ask){.anchor = root, .chain = {leaf_of_root}, .client = true, .name = ""});
}

static void test_names(void **state)
{
	struct cert *wild;
	(void)state;
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = ""});
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "SERVER.Example"});
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = HOST "."});
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "192.0.2.7"});
	accepted(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "2001:db8::7"});
	accepted(
		&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "2001:DB8:0::0007"});
	wild = cert_make(&(struct cert_options){
		.names = "DNS:*.wild.example,DNS:f*.part.example,DNS:*", .issuer = root});
	accepted(&(struct ask){.anchor = root, .chain = {wild}, .name = "a.wild.example"});
	const char *const wrong[] = {
		"wild.example",	    "a.b.wild.example", ".wild.example", ".",
		"foo.part.example", "example",		"localhost",	 "*.wild.example "};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		refused(&(struct ask){.anchor = root, .chain = {wild}, .name = wrong[i]},
			ENN_REASON_CERT_NAME_MISMATCH, 42, wrong[i]);
	}
	cert_free(wild);
}

/* An empty name must not switch the check off. */
static void test_empty_name(void **state)
{
	struct enn_trust *trust = enn_trust_new();
	struct enn_peer_chain *chain;
	struct enn_error error;
	struct enn_verify_policy policy = {.peer_is_server = true,
					   .name = "",
					   .wall_seconds = CERT_NOW,
					   .cert_signatures = all_schemes,
					   .cert_signatures_len = 12};
	(void)state;
	assert_int_equal(enn_trust_add_pem(trust, root->pem, strlen(root->pem), NULL), ENN_OK);
	assert_int_equal(enn_peer_chain_parse(&leaf_of_root->der, 1, &chain, NULL), ENN_OK);
	assert_int_equal(enn_trust_verify(trust, chain, &policy, &error), ENN_E_AUTH);
	assert_int_equal(error.reason, ENN_REASON_CERT_NAME_MISMATCH);
	assert_int_equal(error.wire_code, 42);
	policy.name = NULL;
	assert_int_equal(enn_trust_verify(trust, chain, &policy, &error), ENN_OK);
	enn_peer_chain_free(chain);
	enn_trust_free(trust);
}

static void test_wrong_name(void **state)
{
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "wrong.example"},
		ENN_REASON_CERT_NAME_MISMATCH, 42,
		"certificate is for server.example, 192.0.2.7, 2001:db8::7, not for "
		"\"wrong.example\"");
	refused(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "192.0.2.8"},
		ENN_REASON_CERT_NAME_MISMATCH, 42, "not for \"192.0.2.8\"");
	refused(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "2001:db8::8"},
		ENN_REASON_CERT_NAME_MISMATCH, 42, "2001:db8::8");
	refused(&(struct ask){.anchor = root, .chain = {leaf, middle}, .name = "sub." HOST},
		ENN_REASON_CERT_NAME_MISMATCH, 42, "sub." HOST);
}

/* RFC 9525 §6.3: the common name is no name, and an address is not matched by a DNS name. */
static void test_common_name_is_no_name(void **state)
{
	struct cert *c = cert_make(&(struct cert_options){.subject = HOST, .issuer = root});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {c}}, ENN_REASON_CERT_NAME_MISMATCH, 42,
		"certificate is for no name");
	cert_free(c);
	c = cert_make(&(struct cert_options){.names = "DNS:192.0.2.1,email:a@b.c", .issuer = root});
	refused(&(struct ask){.anchor = root, .chain = {c}, .name = "192.0.2.1"},
		ENN_REASON_CERT_NAME_MISMATCH, 42, "192.0.2.1");
	cert_free(c);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void test_expired(void **state)
{
	struct cert *old = cert_make(&(struct cert_options){.subject = "Old",
							    .names = "DNS:" HOST,
							    .issuer = root,
							    .not_before = CERT_NOW - 9 * CERT_DAY,
							    .not_after = CERT_NOW - CERT_DAY});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {old}}, ENN_REASON_CERT_EXPIRED, 45,
		"\"CN=Old\" expired on 2025-06-14 15:06:40 UTC, it is now 2025-06-15 15:06:40 UTC");
	accepted(&(struct ask){.anchor = root, .chain = {old}, .now = CERT_NOW - CERT_DAY - 1});
	refused(&(struct ask){.anchor = root, .chain = {old}, .now = CERT_NOW - CERT_DAY + 1},
		ENN_REASON_CERT_EXPIRED, 45, "expired");
	cert_free(old);
	/* The intermediate and the root count too. */
	struct cert *brief = cert_make(&(struct cert_options){
		.subject = "Brief", .ca = true, .issuer = root, .not_after = CERT_NOW - 1});
	struct cert *below = cert_make(
		&(struct cert_options){.subject = "Below", .names = "DNS:" HOST, .issuer = brief});
	refused(&(struct ask){.anchor = root, .chain = {below, brief}}, ENN_REASON_CERT_EXPIRED, 45,
		"\"CN=Brief\" expired");
	refused(&(struct ask){.anchor = brief, .chain = {below}}, ENN_REASON_CERT_EXPIRED, 45,
		"\"CN=Brief\" expired");
	cert_free(brief);
	cert_free(below);
}

static void test_not_yet_valid(void **state)
{
	struct cert *early = cert_make(&(struct cert_options){.subject = "Early",
							      .names = "DNS:" HOST,
							      .issuer = root,
							      .not_before = CERT_NOW + CERT_DAY});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {early}}, ENN_REASON_CERT_NOT_YET_VALID, 45,
		"\"CN=Early\" is not valid before 2025-06-16 15:06:40 UTC, it is now 2025-06-15");
	accepted(&(struct ask){.anchor = root, .chain = {early}, .now = CERT_NOW + CERT_DAY});
	cert_free(early);
}

/* ---- trust ----------------------------------------------------------------------------------- */

static void test_self_signed(void **state)
{
	struct cert *self =
		cert_make(&(struct cert_options){.subject = "Self", .names = "DNS:" HOST});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {self}}, ENN_REASON_CERT_SELF_SIGNED, 48,
		"certificate \"CN=Self\" is self-signed and not trusted");
	refused(&(struct ask){.chain = {self}}, ENN_REASON_CERT_SELF_SIGNED, 48, "self-signed");
	accepted(&(struct ask){.anchor = self, .chain = {self}});
	cert_free(self);
}

static void test_unknown_ca(void **state)
{
	struct cert *other = cert_make(&(struct cert_options){.subject = "Other", .ca = true});
	struct cert *twin = cert_make(&(struct cert_options){.subject = "Root", .ca = true});
	(void)state;
	refused(&(struct ask){.anchor = other, .chain = {leaf_of_root}},
		ENN_REASON_CERT_UNKNOWN_ISSUER, 48,
		"certificate \"CN=Leaf of root\": its issuer \"CN=Root\" is not trusted");
	refused(&(struct ask){.anchor = other, .chain = {leaf, middle}},
		ENN_REASON_CERT_UNKNOWN_ISSUER, 48, "CN=Root");
	refused(&(struct ask){.anchor = other, .chain = {leaf, middle, root}},
		ENN_REASON_CERT_UNKNOWN_ISSUER, 48, "CN=Root");
	/* The intermediate is missing. */
	refused(&(struct ask){.anchor = root, .chain = {leaf}}, ENN_REASON_CERT_UNKNOWN_ISSUER, 48,
		"CN=Middle");
	/* An anchor of the same name with another key is another CA. */
	refused(&(struct ask){.anchor = twin, .chain = {leaf_of_root}},
		ENN_REASON_CERT_UNKNOWN_ISSUER, 48, "CN=Root");
	refused(&(struct ask){.chain = {leaf, middle, root}}, ENN_REASON_CERT_UNKNOWN_ISSUER, 48,
		"not trusted");
	cert_free(other);
	cert_free(twin);
}

/* ---- usage ----------------------------------------------------------------------------------- */

static void test_wrong_usage(void **state)
{
	struct cert *client = cert_make(&(struct cert_options){.subject = "Client",
							       .names = "DNS:" HOST,
							       .extended_key_usage = "clientAuth",
							       .issuer = root});
	struct cert *crl_only = cert_make(&(struct cert_options){.subject = "No use",
								 .names = "DNS:" HOST,
								 .key_usage = "critical,cRLSign",
								 .issuer = root});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {client}}, ENN_REASON_CERT_WRONG_USAGE, 43,
		"certificate \"CN=Client\" may not be used for servers");
	accepted(&(struct ask){.anchor = root, .chain = {client}, .client = true, .name = ""});
	refused(&(struct ask){.anchor = root, .chain = {leaf, middle}, .client = true, .name = ""},
		ENN_REASON_CERT_WRONG_USAGE, 43,
		"certificate \"CN=Leaf\" may not be used for clients");
	refused(&(struct ask){.anchor = root, .chain = {crl_only}}, ENN_REASON_CERT_WRONG_USAGE, 43,
		"\"CN=No use\" may not be used for servers");
	cert_free(client);
	cert_free(crl_only);
}

static void test_not_a_ca(void **state)
{
	struct cert *fake = cert_make(&(struct cert_options){
		.subject = "Fake CA", .issuer = root, .key_usage = "digitalSignature"});
	struct cert *below = cert_make(
		&(struct cert_options){.subject = "Below", .names = "DNS:" HOST, .issuer = fake});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {below, fake}}, ENN_REASON_CERT_WRONG_USAGE,
		43, "\"CN=Fake CA\" may not be used for issuing certificates");
	cert_free(fake);
	cert_free(below);
	fake = cert_make(&(struct cert_options){.subject = "Short CA",
						.issuer = root,
						.basic_constraints = "critical,CA:TRUE,pathlen:0",
						.key_usage = "keyCertSign"});
	struct cert *sub =
		cert_make(&(struct cert_options){.subject = "Sub", .ca = true, .issuer = fake});
	below = cert_make(
		&(struct cert_options){.subject = "Below", .names = "DNS:" HOST, .issuer = sub});
	refused(&(struct ask){.anchor = root, .chain = {below, sub, fake}},
		ENN_REASON_CERT_WRONG_USAGE, 43, "\"CN=Short CA\" may not be used for issuing");
	cert_free(fake);
	cert_free(sub);
	cert_free(below);
}

static void test_may_sign(void **state)
{
	struct cert *no = cert_make(&(struct cert_options){
		.names = "DNS:" HOST, .key_usage = "keyAgreement", .issuer = root});
	struct cert *silent = cert_make(
		&(struct cert_options){.names = "DNS:" HOST, .key_usage = "", .issuer = root});
	const struct cert *const certs[] = {leaf, silent, no};
	const bool expect[] = {true, true, false};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct enn_peer_chain *chain;
		assert_int_equal(enn_peer_chain_parse(&certs[i]->der, 1, &chain, NULL), ENN_OK);
		assert_int_equal(enn_peer_chain_may_sign(chain), expect[i]);
		assert_int_equal(enn_public_key_type(enn_peer_chain_key(chain)), ENN_KEY_P256);
		enn_peer_chain_free(chain);
	}
	cert_free(no);
	cert_free(silent);
}

static void test_critical_extension(void **state)
{
	struct cert *odd =
		cert_make(&(struct cert_options){.subject = "Odd",
						 .names = "DNS:" HOST,
						 .extension = "1.2.3.4=critical,DER:0500",
						 .issuer = root});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {odd}}, ENN_REASON_CERT_OTHER, 43, "CN=Odd");
	cert_free(odd);
}

/* An extension that cannot be read: nothing may be left behind, whoever notices first. */
static void test_broken_extension(void **state)
{
	struct cert *odd = cert_make(&(struct cert_options){.subject = "Odd",
							    .names = "DNS:" HOST,
							    .extension = "2.5.29.30=DER:0500",
							    .issuer = root});
	(void)state;
	struct enn_peer_chain *chain;
	struct enn_error error;
	struct enn_trust *trust = enn_trust_new();
	struct enn_verify_policy policy = {.peer_is_server = true,
					   .name = HOST,
					   .wall_seconds = CERT_NOW,
					   .cert_signatures = all_schemes,
					   .cert_signatures_len = 12};
	assert_int_equal(enn_trust_add_pem(trust, root->pem, strlen(root->pem), NULL), ENN_OK);
	assert_int_equal(enn_peer_chain_parse(&odd->der, 1, &chain, &error), ENN_OK);
	assert_int_equal(enn_trust_verify(trust, chain, &policy, &error), ENN_E_AUTH);
	assert_int_equal(error.reason, ENN_REASON_CERT_MALFORMED);
	assert_int_equal(error.wire_code, 42);
	enn_peer_chain_free(chain);
	enn_trust_free(trust);
	cert_free(odd);
}

/* A key of a kind that TLS 1.3 here has no use for, in the leaf and above it. */
static void test_unsupported_key(void **state)
{
	struct cert *ca = cert_make(&(struct cert_options){
		.subject = "Odd CA", .ca = true, .key_type = "ED448", .issuer = root});
	struct cert *below = cert_make(
		&(struct cert_options){.subject = "Below", .names = "DNS:" HOST, .issuer = ca});
	struct enn_peer_chain *chain;
	struct enn_error error;
	(void)state;
	assert_int_equal(enn_peer_chain_parse(&ca->der, 1, &chain, &error), ENN_OK);
	assert_int_equal(enn_peer_chain_load(chain, &error), ENN_E_AUTH);
	assert_int_equal(error.reason, ENN_REASON_CERT_OTHER);
	assert_int_equal(error.wire_code, 43);
	assert_string_equal(error.text,
			    "certificate \"CN=Odd CA\" has a key that cannot be used here: ED448");
	assert_null(enn_peer_chain_key(chain));
	enn_peer_chain_free(chain);
	struct enn_error refusal;
	assert_int_equal(verify(&(struct ask){.anchor = root, .chain = {below, ca}}, &refusal),
			 ENN_E_AUTH);
	assert_in_range(refusal.reason, ENN_REASON_CERT_EXPIRED, ENN_REASON_CERT_OTHER);
	cert_free(ca);
	cert_free(below);
}

static void test_name_constraints(void **state)
{
	struct cert *ca = cert_make(&(struct cert_options){
		.subject = "Narrow",
		.ca = true,
		.issuer = root,
		.extension = "nameConstraints=critical,permitted;DNS:other.example"});
	struct cert *out = cert_make(
		&(struct cert_options){.subject = "Outside", .names = "DNS:" HOST, .issuer = ca});
	struct cert *in = cert_make(&(struct cert_options){
		.subject = "Inside", .names = "DNS:a.other.example", .issuer = ca});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {out, ca}}, ENN_REASON_CERT_OTHER, 42,
		"permitted subtree violation");
	accepted(&(struct ask){.anchor = root, .chain = {in, ca}, .name = "a.other.example"});
	cert_free(ca);
	cert_free(out);
	cert_free(in);
}

/* ---- revocation ------------------------------------------------------------------------------ */

static void test_revoked(void **state)
{
	const long serials[] = {2, 3};
	char *of_root = crl_make(&(struct crl_options){.issuer = root});
	char *of_middle = crl_make(&(struct crl_options){.issuer = middle});
	char *revoked = crl_make(
		&(struct crl_options){.issuer = middle, .revoked = serials, .revoked_count = 2});
	char *no_middle = crl_make(
		&(struct crl_options){.issuer = root, .revoked = serials, .revoked_count = 1});
	struct ask ask = {.anchor = root,
			  .chain = {leaf, middle},
			  .crl = {of_root, of_middle},
			  .revocation = true};
	(void)state;
	accepted(&ask);
	ask.crl[1] = revoked;
	refused(&ask, ENN_REASON_CERT_REVOKED, 44, "certificate \"CN=Leaf\" has been revoked");
	ask.revocation = false;
	accepted(&ask);
	ask.revocation = true;
	ask.crl[0] = no_middle;
	ask.crl[1] = of_middle;
	refused(&ask, ENN_REASON_CERT_REVOKED, 44, "certificate \"CN=Middle\" has been revoked");
	free(of_root);
	free(of_middle);
	free(revoked);
	free(no_middle);
}

static void test_crl_problems(void **state)
{
	char *of_root = crl_make(&(struct crl_options){.issuer = root});
	char *of_middle = crl_make(&(struct crl_options){.issuer = middle});
	char *old = crl_make(&(struct crl_options){.issuer = middle, .next_update = CERT_NOW - 10});
	char *early =
		crl_make(&(struct crl_options){.issuer = middle, .last_update = CERT_NOW + 10});
	char *broken = crl_make(&(struct crl_options){.issuer = middle, .break_signature = true});
	struct ask ask = {.anchor = root, .chain = {leaf, middle}, .revocation = true};
	(void)state;
	refused(&ask, ENN_REASON_CERT_CRL_PROBLEM, 42,
		"revocation of \"CN=Leaf\" cannot be checked: CRL of \"CN=Middle\"");
	ask.crl[0] = of_root;
	refused(&ask, ENN_REASON_CERT_CRL_PROBLEM, 42, "CRL of \"CN=Middle\"");
	ask.crl[0] = of_middle;
	refused(&ask, ENN_REASON_CERT_CRL_PROBLEM, 42, "CRL of \"CN=Root\"");
	ask.crl[0] = of_root;
	ask.crl[1] = old;
	refused(&ask, ENN_REASON_CERT_CRL_PROBLEM, 42, "CRL has expired");
	ask.crl[1] = early;
	refused(&ask, ENN_REASON_CERT_CRL_PROBLEM, 42, "CRL is not yet valid");
	ask.crl[1] = broken;
	refused(&ask, ENN_REASON_CERT_CRL_PROBLEM, 42, "CRL signature failure");
	/* An anchor in the middle needs no CRL from above it. */
	accepted(&(struct ask){
		.anchor = middle, .chain = {leaf}, .crl = {of_middle}, .revocation = true});
	refused(
		&(struct ask){
			.anchor = middle, .chain = {leaf}, .crl = {of_root}, .revocation = true},
		ENN_REASON_CERT_CRL_PROBLEM, 42, "CRL of \"CN=Middle\"");
	free(of_root);
	free(of_middle);
	free(old);
	free(early);
	free(broken);
}

/* ---- strength and signatures ----------------------------------------------------------------- */

static void test_weak(void **state)
{
	struct cert *small = cert_make(&(struct cert_options){
		.subject = "Small", .names = "DNS:" HOST, .key_type = "RSA-1024", .issuer = root});
	struct cert *sha1 = cert_make(&(struct cert_options){
		.subject = "Old hash", .names = "DNS:" HOST, .hash = "SHA1", .issuer = root});
	struct cert *ca = cert_make(&(struct cert_options){
		.subject = "Small CA", .ca = true, .key_type = "RSA-1024", .issuer = root});
	struct cert *below = cert_make(
		&(struct cert_options){.subject = "Below", .names = "DNS:" HOST, .issuer = ca});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {small}}, ENN_REASON_CERT_WEAK, 42,
		"certificate \"CN=Small\" is too weak: ");
	refused(&(struct ask){.anchor = root, .chain = {sha1}}, ENN_REASON_CERT_WEAK, 42,
		"certificate \"CN=Old hash\" is too weak: ");
	refused(&(struct ask){.anchor = root, .chain = {below, ca}}, ENN_REASON_CERT_WEAK, 42,
		"certificate \"CN=Small CA\" is too weak: ");
	cert_free(small);
	cert_free(sha1);
	cert_free(ca);
	cert_free(below);
}

static void test_bad_signature(void **state)
{
	struct cert *broken = cert_make(&(struct cert_options){.subject = "Broken",
							       .names = "DNS:" HOST,
							       .issuer = root,
							       .break_signature = true});
	(void)state;
	refused(&(struct ask){.anchor = root, .chain = {broken}}, ENN_REASON_CERT_BAD_SIGNATURE, 42,
		"certificate \"CN=Broken\": ");
	cert_free(broken);
	broken = cert_make(&(struct cert_options){.subject = "Middle",
						  .ca = true,
						  .issuer = root,
						  .same_key_as = middle,
						  .serial = 2,
						  .break_signature = true});
	refused(&(struct ask){.anchor = root, .chain = {leaf, broken}},
		ENN_REASON_CERT_BAD_SIGNATURE, 42, "certificate \"CN=Middle\": ");
	cert_free(broken);
}

/* Each kind of issuer, and policy about its signatures (RFC 8446 §4.2.3). */
static void test_signature_algorithms(void **state)
{
	static const struct {
		const char *issuer;
		const char *hash;
		bool pss;
		uint16_t scheme;
	} kinds[] = {
		{"P-256", "SHA256", false, 0x0403},    {"P-384", "SHA384", false, 0x0503},
		{"P-384", "SHA256", false, 0x0403},    {"ED25519", NULL, false, 0x0807},
		{"RSA-2048", "SHA256", false, 0x0401}, {"RSA-2048", "SHA384", false, 0x0501},
		{"RSA-2048", "SHA512", false, 0x0601}, {"RSA-2048", "SHA256", true, 0x0804},
		{"RSA-2048", "SHA512", true, 0x0806},  {"RSA-PSS", "SHA384", false, 0x080a},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct cert *ca = cert_make(&(struct cert_options){
			.subject = "Kind", .ca = true, .key_type = kinds[i].issuer});
		struct cert *c = cert_make(&(struct cert_options){.subject = "Signed",
								  .names = "DNS:" HOST,
								  .issuer = ca,
								  .hash = kinds[i].hash,
								  .pss = kinds[i].pss});
		struct ask ask = {.anchor = ca, .chain = {c}};
		accepted(&ask);
		ask.schemes = &kinds[i].scheme;
		ask.scheme_count = 1;
		accepted(&ask);
		ask.scheme_count = 0;
		refused(&ask, ENN_REASON_CERT_WEAK, 43,
			"certificate \"CN=Signed\" is signed with ");
		const uint16_t other = kinds[i].scheme == 0x0403 ? 0x0401 : 0x0403;
		ask.schemes = &other;
		ask.scheme_count = 1;
		refused(&ask, ENN_REASON_CERT_WEAK, 43, "not allowed here");
		cert_free(ca);
		cert_free(c);
	}
	/* How the anchor signed itself is nobody's business. */
	struct cert *old = cert_make(&(struct cert_options){
		.subject = "Old root", .ca = true, .key_type = "RSA-2048", .hash = "SHA1"});
	struct cert *c = cert_make(
		&(struct cert_options){.subject = "New", .names = "DNS:" HOST, .issuer = old});
	accepted(&(struct ask){.anchor = old, .chain = {c}});
	cert_free(old);
	cert_free(c);
}

/* ---- malformed ------------------------------------------------------------------------------- */

static void malformed(const uint8_t *der, size_t len)
{
	struct enn_bytes view = {der, len};
	struct enn_peer_chain *chain;
	struct enn_error error;
	enum enn_status status = enn_peer_chain_parse(&view, 1, &chain, &error);

	if (status == ENN_OK) {
		status = enn_peer_chain_load(chain, &error);
		assert_null(enn_peer_chain_key(chain));
		assert_false(enn_peer_chain_may_sign(chain));
		enn_peer_chain_free(chain);
	}
	assert_int_equal(status, ENN_E_AUTH);
	assert_int_equal(error.reason, ENN_REASON_CERT_MALFORMED);
	assert_int_equal(error.wire_code, 42);
	assert_non_null(strstr(error.text, "certificate 1 "));
}

static void test_malformed(void **state)
{
	static uint8_t copy[4096];
	struct enn_peer_chain *chain;
	struct enn_error error;

	(void)state;
	assert_int_equal(enn_peer_chain_parse(NULL, 0, &chain, &error), ENN_E_AUTH);
	assert_int_equal(error.reason, ENN_REASON_CERT_MISSING);
	for (size_t len = 0; len < leaf->der.len; len++) {
		malformed(leaf->der.data, len);
	}
	memcpy(copy, leaf->der.data, leaf->der.len);
	copy[leaf->der.len] = 0;
	malformed(copy, leaf->der.len + 1);
	copy[0] = 0x31;
	malformed(copy, leaf->der.len);
	memcpy(copy, (const uint8_t[]){0x30, 0x03, 0x02, 0x01, 0x01}, 5);
	malformed(copy, 5);
	/* The second certificate is the bad one. */
	struct enn_bytes two[2] = {leaf->der, {copy, 5}};
	assert_int_equal(enn_peer_chain_parse(two, 2, &chain, &error), ENN_OK);
	assert_int_equal(enn_peer_chain_load(chain, &error), ENN_E_AUTH);
	assert_non_null(strstr(error.text, "certificate 2 "));
	enn_peer_chain_free(chain);
	enn_peer_chain_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_empty_name),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_common_name_is_no_name),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_not_yet_valid),
		cmocka_unit_test(test_self_signed),
		cmocka_unit_test(test_unknown_ca),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_not_a_ca),
		cmocka_unit_test(test_may_sign),
		cmocka_unit_test(test_critical_extension),
		cmocka_unit_test(test_broken_extension),
		cmocka_unit_test(test_unsupported_key),
		cmocka_unit_test(test_name_constraints),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_crl_problems),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_bad_signature),
		cmocka_unit_test(test_signature_algorithms),
		cmocka_unit_test(test_malformed),
	};
	return cmocka_run_group_tests(tests, make_pki, free_pki);
}
