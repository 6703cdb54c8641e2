/* SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm policies: a profile and what is to be different from it, read item by item into a
 * draft of all lists, which takes effect as a whole or not at all.
 */
#include "features/policy.h"

#include <string.h>

#include "base/log.h"

/* Profiles in words of the grammar itself; `modern` is security.def's defaults. RFC 8446 §4.4.3 keeps PKCS #1
 * v1.5 out of TLS 1.3, whatever is allowed here. */
static const struct profile {
	const char *name;
	const char *means;
	const char *doc;
} profiles[] = {
	{"modern", "", "AEAD with forward secrecy only, what RFC 9325 recommends (the default)"},
	/* RFC 9325 §3.5 makes the extended master secret a duty of implementations; RFC 7627 §5.2 and §5.3 let
	 * those go on who wish to speak with older ones. */
	{"compatible", "modern:without-ems:+rsa_pkcs1_sha256:+rsa_pkcs1_sha384:+rsa_pkcs1_sha512",
	 "modern, and TLS 1.2 with peers without RSA-PSS or extended master secret"},
	{"fips-like", "modern:!CHACHA20:!X25519:!MLKEM:!ED25519",
	 "AES-GCM, P-256 and P-384, ECDSA and RSA: nothing that FIPS 140 does not know"},
};

static const struct kind {
	const char *name;
	const char *alias;
	enum enn_security_parameter parameter;
	enum enn_alg_kind alg;
} kinds[ENN_POLICY_KINDS] = {
	[ENN_POLICY_VERSIONS] = {"versions", "version", ENN_SECURITY_VERSIONS, ENN_ALG_VERSION},
	[ENN_POLICY_SUITES] = {"suites", "ciphers", ENN_SECURITY_CIPHER_SUITES, ENN_ALG_SUITE},
	[ENN_POLICY_GROUPS] = {"groups", "curves", ENN_SECURITY_GROUPS, ENN_ALG_GROUP},
	[ENN_POLICY_SIGNATURES] = {"signatures", "sigalgs", ENN_SECURITY_SIGNATURES,
				   ENN_ALG_SIGNATURE},
	[ENN_POLICY_CERT_SIGNATURES] = {"certificate-signatures", "cert-sigalgs",
					ENN_SECURITY_CERT_SIGNATURES, ENN_ALG_SIGNATURE},
	[ENN_POLICY_PSK_MODES] = {"psk-modes", "psk-mode", ENN_SECURITY_PSK_MODES,
				  ENN_ALG_PSK_MODE},
};

/* What can be removed in one word: everything whose name has this in it; NULL: nothing of the kind. */
static const struct class
{
	const char *name;
	const char *suite;
	const char *group;
	const char *signature;
} classes[] = {
	{"RSA", "_RSA_", NULL, "rsa_"},	      {"ECDSA", "_ECDSA_", NULL, "ecdsa_"},
	{"PSK", "_PSK_", NULL, NULL},	      {"AES128", "_AES_128_", NULL, NULL},
	{"AES256", "_AES_256_", NULL, NULL},  {"AESGCM", "_GCM_", NULL, NULL},
	{"CHACHA20", "CHACHA20", NULL, NULL}, {"CBC", "_CBC_", NULL, NULL},
	{"PKCS1", NULL, NULL, "rsa_pkcs1"},   {"PSS", NULL, NULL, "rsa_pss"},
	{"MLKEM", NULL, "MLKEM", NULL},
};

/* One item of the text, without its sign. */
struct item {
	const char *name;
	size_t len;
	char sign; /* '+', '-', '!', or 0 */
	size_t number;
	size_t character; /* where the name begins; both count from 1 */
};

enum enn_security_parameter enn_policy_parameter(enum enn_policy_kind kind)
{
	return kinds[kind].parameter;
}

/* ---- what is wrong ------------------------------------------------------------------------------ */

static enum enn_status wrong(const struct item *item, struct enn_error *error, const char *what,
			     const char *name)
{
	return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "policy",
			     "policy: '%.*s' (item %zu, character %zu) %s%s",
			     item->len > 64 ? 64 : (int)item->len, item->name, item->number,
			     item->character, what, name);
}

static void nearer(const struct item *item, const char *name, const char **best, size_t *least)
{
	size_t d = enn_alg_distance(item->name, item->len, name);

	if (d < *least) {
		*least = d;
		*best = name;
	}
}

/* The algorithm of one kind, or of any (ENN_POLICY_KINDS), that was probably meant; where something is removed
 * it may be a class too. */
static const char *nearest_algorithm(const struct item *item, enum enn_policy_kind only)
{
	const char *best = "";
	size_t least = SIZE_MAX;

	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		if (only == ENN_POLICY_KINDS || only == (enum enn_policy_kind)k) {
			nearer(item, enn_alg_nearest(kinds[k].alg, item->name, item->len), &best,
			       &least);
		}
	}
	for (size_t i = 0; item->sign != 0 && item->sign != '+' && i < ENN_ARRAY_LEN(classes);
	     i++) {
		nearer(item, classes[i].name, &best, &least);
	}
	return best;
}

static enum enn_status no_profile(const struct item *item, struct enn_error *error)
{
	const char *best = "";
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		nearer(item, profiles[i].name, &best, &least);
	}
	return wrong(item, error, "is no profile, nearest is ", best);
}

static enum enn_status no_kind(const struct item *item, struct enn_error *error)
{
	const char *best = "";
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < ENN_POLICY_KINDS; i++) {
		nearer(item, kinds[i].name, &best, &least);
		nearer(item, kinds[i].alias, &best, &least);
	}
	return wrong(item, error, "is no kind of list, nearest is ", best);
}

/* ---- finding ------------------------------------------------------------------------------------- */

static bool is_name(const struct item *item, const char *name)
{
	return enn_alg_distance(item->name, item->len, name) == 0;
}

static const struct profile *find_profile(const struct item *item)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		if (is_name(item, profiles[i].name)) {
			return &profiles[i];
		}
	}
	return NULL;
}

static const struct class *find_class(const struct item *item)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(classes); i++) {
		if (is_name(item, classes[i].name)) {
			return &classes[i];
		}
	}
	return NULL;
}

static const char *fragment_of(const struct class *c, enum enn_alg_kind kind)
{
	return kind == ENN_ALG_SUITE	   ? c->suite
	       : kind == ENN_ALG_GROUP	   ? c->group
	       : kind == ENN_ALG_SIGNATURE ? c->signature
					   : NULL;
}

/* RFC 9325 §4.1: suites in CBC mode are for those who say so. */
static bool is_cbc(enum enn_policy_kind k, uint16_t code)
{
	return k == ENN_POLICY_SUITES && strstr(enn_alg_name(ENN_ALG_SUITE, code), "_CBC_") != NULL;
}

/* ---- changing the draft ---------------------------------------------------------------------------- */

static enum enn_status add(struct enn_policy *p, enum enn_policy_kind k, uint16_t code,
			   const struct item *item, struct enn_error *error)
{
	struct enn_code_list *list = &p->list[k];

	if (enn_code_list_has(&p->barred[k], code)) {
		return wrong(item, error, "was removed for good before it", "");
	}
	if (is_cbc(k, code) && !p->legacy_cbc) {
		return wrong(item, error, "is obsolete (RFC 9325 §4.1): only behind ",
			     "'legacy-cbc'");
	}
	bool absent = kinds[k].alg == ENN_ALG_GROUP && !enn_kx_available(code);
	if (absent || enn_code_list_has(list, code)) {
		return ENN_OK;
	}
	if (list->count == ENN_SECURITY_LIST_MAX) {
		return wrong(item, error, "is one more than fits", "");
	}
	list->code[list->count++] = code;
	return ENN_OK;
}

static void take_out(struct enn_code_list *list, uint16_t code)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (list->code[i] != code) {
			list->code[kept++] = list->code[i];
		}
	}
	while (list->count > kept) {
		list->code[--list->count] = 0;
	}
}

static void remove_code(struct enn_policy *p, enum enn_policy_kind k, uint16_t code, bool for_good)
{
	take_out(&p->list[k], code);
	if (for_good && !enn_code_list_has(&p->barred[k], code) &&
	    p->barred[k].count < ENN_SECURITY_LIST_MAX) {
		p->barred[k].code[p->barred[k].count++] = code;
	}
}

static void remove_class(struct enn_policy *p, const struct class *c, bool for_good)
{
	for (int i = 0; i < ENN_POLICY_KINDS; i++) {
		enum enn_policy_kind k = (enum enn_policy_kind)i;
		const char *fragment = fragment_of(c, kinds[k].alg);
		const char *name;
		uint16_t code;
		for (size_t at = 0;
		     fragment != NULL && (name = enn_alg_at(kinds[k].alg, at, &code)) != NULL;
		     at++) {
			if (strstr(name, fragment) != NULL) {
				remove_code(p, k, code, for_good);
			}
		}
	}
}

/* +NAME, -NAME, !NAME: in every list of the kind; a signature algorithm has two. */
static enum enn_status refine(struct enn_policy *p, const struct item *item,
			      struct enn_error *error)
{
	const struct class *c = item->sign == '+' ? NULL : find_class(item);
	bool known = c != NULL;

	if (c != NULL) {
		remove_class(p, c, item->sign == '!');
	}
	for (int i = 0; c == NULL && i < ENN_POLICY_KINDS; i++) {
		enum enn_policy_kind k = (enum enn_policy_kind)i;
		int32_t code = enn_alg_find(kinds[k].alg, item->name, item->len);
		if (code < 0) {
			continue;
		}
		known = true;
		if (item->sign != '+') {
			remove_code(p, k, (uint16_t)code, item->sign == '!');
		} else {
			ENN_TRY(add(p, k, (uint16_t)code, item, error));
		}
	}
	return known ? ENN_OK
		     : wrong(item, error, "is unknown, nearest is ",
			     nearest_algorithm(item, ENN_POLICY_KINDS));
}

/* KIND=NAME: the list begins anew, and the names after it are its own until the next sign. */
static enum enn_status begin_list(struct enn_policy *p, struct item *item, size_t equals, int *open,
				  struct enn_error *error)
{
	struct item word = *item;

	word.len = equals;
	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		if (is_name(&word, kinds[k].name) || is_name(&word, kinds[k].alias)) {
			*open = k;
			p->list[k] = (struct enn_code_list){.count = 0};
			item->name += equals + 1;
			item->len -= equals + 1;
			item->character += equals + 1;
			return ENN_OK;
		}
	}
	return no_kind(&word, error);
}

static enum enn_status add_to_open(struct enn_policy *p, int open, const struct item *item,
				   struct enn_error *error)
{
	enum enn_policy_kind k = (enum enn_policy_kind)open;
	int32_t code = enn_alg_find(kinds[k].alg, item->name, item->len);

	if (item->len == 0) {
		return wrong(item, error, "is empty", "");
	}
	if (code < 0) {
		return wrong(item, error, "is unknown here, nearest is ",
			     nearest_algorithm(item, k));
	}
	return add(p, k, (uint16_t)code, item, error);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static enum enn_status apply(struct enn_policy *p, const char *text, struct enn_error *error);

static enum enn_status start_from(struct enn_policy *p, const struct profile *profile,
				  struct enn_error *error)
{
	if (profile->means[0] != '\0') {
		return apply(p, profile->means, error);
	}
	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		const char *names = enn_security_parameter_default(kinds[k].parameter);
		ENN_TRY(enn_security_parse_list(kinds[k].parameter, names, &p->list[k], error));
	}
	return ENN_OK;
}

static enum enn_status apply_item(struct enn_policy *p, struct item *item, int *open,
				  struct enn_error *error)
{
	const char *equals = memchr(item->name, '=', item->len);

	if (item->sign != 0) {
		*open = -1;
		return refine(p, item, error);
	}
	if (equals != NULL) {
		ENN_TRY(begin_list(p, item, (size_t)(equals - item->name), open, error));
	} else if (is_name(item, "legacy-cbc") || is_name(item, "without-ems")) {
		*(is_name(item, "legacy-cbc") ? &p->legacy_cbc : &p->without_ems) = true;
		*open = -1;
		return ENN_OK;
	}
	if (*open >= 0) {
		return add_to_open(p, *open, item, error);
	}
	if (item->number > 1) {
		return wrong(item, error,
			     "needs a sign (+ - !) or a kind of list before it, as in ",
			     "groups=X25519:P-256");
	}
	const struct profile *profile = find_profile(item);
	return profile == NULL ? no_profile(item, error) : start_from(p, profile, error);
}

static enum enn_status apply(struct enn_policy *p, const char *text, struct enn_error *error)
{
	const char *at = text;
	int open = -1; /* the list that names without a sign go on with */

	for (size_t number = 1;; number++) {
		size_t len = strcspn(at, ":, \t\n");
		bool sign = len > 0 && strchr("+-!", *at) != NULL;
		struct item item = {.name = at + sign,
				    .len = len - sign,
				    .sign = (char)(sign ? *at : 0),
				    .number = number,
				    .character = (size_t)(at - text) + sign + 1};
		if (item.len == 0) {
			return wrong(&item, error, "is empty", "");
		}
		ENN_TRY(apply_item(p, &item, &open, error));
		if (at[len] == '\0') {
			return ENN_OK;
		}
		at += len + 1;
	}
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static bool has_suite_of(const struct enn_policy *p, uint16_t version)
{
	for (size_t i = 0; i < p->list[ENN_POLICY_SUITES].count; i++) {
		const struct enn_tls_suite *suite =
			enn_tls_suite_by_code(p->list[ENN_POLICY_SUITES].code[i]);
		if (suite != NULL && suite->version == version) {
			return true;
		}
	}
	return false;
}

/* A version without suites, and suites without their version, say nothing. */
static void match_versions(struct enn_policy *p)
{
	struct enn_code_list versions = p->list[ENN_POLICY_VERSIONS];
	struct enn_code_list suites = p->list[ENN_POLICY_SUITES];

	for (size_t i = 0; i < versions.count; i++) {
		if (!has_suite_of(p, versions.code[i])) {
			take_out(&p->list[ENN_POLICY_VERSIONS], versions.code[i]);
		}
	}
	for (size_t i = 0; i < suites.count; i++) {
		if (!enn_code_list_has(&versions, enn_tls_suite_by_code(suites.code[i])->version)) {
			take_out(&p->list[ENN_POLICY_SUITES], suites.code[i]);
		}
	}
}

enum enn_status enn_policy_parse(struct enn_policy *p, const char *text, struct enn_error *error)
{
	static const struct profile *const modern = &profiles[0];

	*p = (struct enn_policy){.legacy_cbc = false};
	/* Without a profile, lists and refinements start from the default too. */
	ENN_TRY(start_from(p, modern, error));
	ENN_TRY(apply(p, text, error));
	match_versions(p);
	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		if (p->list[k].count == 0) {
			return enn_error_set(error, ENN_E_ARGUMENT,
					     ENN_REASON_INVALID_CONFIGURATION, "policy",
					     "policy: nothing is left of the %s", kinds[k].name);
		}
	}
	return ENN_OK;
}

enum enn_status enn_security_set_policy(struct enn_security *s, const char *text,
					struct enn_error *error)
{
	struct enn_policy policy;

	if (s == NULL || text == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "policy", "a parameter is missing");
	}
	if (atomic_load(&s->frozen)) {
		return enn_security_frozen("policy", error);
	}
	ENN_TRY(enn_policy_parse(&policy, text, error));
	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		s->list[kinds[k].parameter] = policy.list[k];
	}
	s->value[ENN_SECURITY_LEGACY_CBC] = policy.legacy_cbc;
	s->value[ENN_SECURITY_REQUIRE_EMS] = !policy.without_ems;
	return ENN_OK;
}

/* ---- back to text ------------------------------------------------------------------------------------ */

const char *enn_policy_at(size_t index, const char **means, const char **doc)
{
	if (index >= ENN_ARRAY_LEN(profiles)) {
		return NULL;
	}
	if (means != NULL) {
		*means = profiles[index].means;
	}
	if (doc != NULL) {
		*doc = profiles[index].doc;
	}
	return profiles[index].name;
}

static bool same_list(const struct enn_code_list *a, const struct enn_code_list *b)
{
	return a->count == b->count && memcmp(a->code, b->code, a->count * sizeof(a->code[0])) == 0;
}

/* Appends as snprintf would: counts what does not fit. */
static void put(char *buf, size_t cap, size_t *len, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i <= n && *len + i < cap; i++) {
		buf[*len + i] = *len + i + 1 == cap ? '\0' : text[i];
	}
	*len += n;
}

static void put_list(char *buf, size_t cap, size_t *len, enum enn_alg_kind kind,
		     const struct enn_code_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		put(buf, cap, len, i > 0 ? ":" : "");
		put(buf, cap, len, enn_alg_name(kind, list->code[i]));
	}
}

size_t enn_security_get_list(const struct enn_security *s, enum enn_security_parameter id,
			     char *buf, size_t cap)
{
	size_t len = 0;

	put(buf, cap, &len, "");
	if (s != NULL && (unsigned)id < ENN_SECURITY_PARAMETER_COUNT &&
	    enn_security_type(id) == ENN_SECURITY_TYPE_list) {
		put_list(buf, cap, &len, enn_security_list_kind(id), &s->list[id]);
	}
	return len;
}

const char *enn_security_list_name(enum enn_security_parameter id, size_t index)
{
	uint16_t code;

	if ((unsigned)id >= ENN_SECURITY_PARAMETER_COUNT ||
	    enn_security_type(id) != ENN_SECURITY_TYPE_list) {
		return NULL;
	}
	return enn_alg_at(enn_security_list_kind(id), index, &code);
}

/* How many lists differ from the profile's. */
static int differences(const struct enn_security *s, const struct enn_policy *p)
{
	int n = (p->legacy_cbc != enn_security_flag(s, ENN_SECURITY_LEGACY_CBC)) +
		(p->without_ems == enn_security_flag(s, ENN_SECURITY_REQUIRE_EMS));

	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		n += !same_list(&s->list[kinds[k].parameter], &p->list[k]);
	}
	return n;
}

size_t enn_security_policy_text(const struct enn_security *s, char *buf, size_t cap)
{
	struct enn_policy nearest = {.legacy_cbc = false};
	const char *name = "";
	int least = ENN_POLICY_KINDS + 3;
	size_t len = 0;

	put(buf, cap, &len, "");
	if (s == NULL) {
		return 0;
	}
	for (size_t i = 0; i < ENN_ARRAY_LEN(profiles); i++) {
		struct enn_policy p;
		bool weaker = enn_policy_parse(&p, profiles[i].name, NULL) != ENN_OK ||
			      (p.without_ems && enn_security_flag(s, ENN_SECURITY_REQUIRE_EMS));
		if (!weaker && differences(s, &p) < least) {
			least = differences(s, &p);
			nearest = p;
			name = profiles[i].name;
		}
	}
	put(buf, cap, &len, name);
	if (enn_security_flag(s, ENN_SECURITY_LEGACY_CBC)) {
		put(buf, cap, &len, ":legacy-cbc");
	}
	if (!enn_security_flag(s, ENN_SECURITY_REQUIRE_EMS) && !nearest.without_ems) {
		put(buf, cap, &len, ":without-ems");
	}
	for (int k = 0; k < ENN_POLICY_KINDS; k++) {
		const struct enn_code_list *list = &s->list[kinds[k].parameter];
		if (same_list(list, &nearest.list[k])) {
			continue;
		}
		put(buf, cap, &len, ":");
		put(buf, cap, &len, kinds[k].name);
		put(buf, cap, &len, "=");
		put_list(buf, cap, &len, kinds[k].alg, list);
	}
	return len;
}
