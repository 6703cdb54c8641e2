/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters: the object's life and its typed values. Everything
 * about a single parameter comes from security.def.
 */
#include "ennead/security.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "features/security.h"

/* bool and u64 defaults are numbers, list defaults are strings: each row is used in both tables
 * and the type says which of the two is meant. */
#define NUMBER_OF_bool(def)	((def) ? 1 : 0)
#define NUMBER_OF_u64(def)	(def)
#define NUMBER_OF_list(def)	0
#define NAMES_OF_bool(def)	NULL
#define NAMES_OF_u64(def)	NULL
#define NAMES_OF_list(def)	(def)
#define TEXT_OF_bool(text, def) text
#define TEXT_OF_u64(text, def)	text
#define TEXT_OF_list(text, def) def

struct row {
	const char *name;
	const char *doc;
	const char *text;  /* the default as text */
	const char *names; /* the default of a list */
	uint64_t number;   /* the default of the others */
	enum enn_security_type type;
};

static const struct row rows[ENN_SECURITY_PARAMETER_COUNT] = {
#define ENN_SECURITY_PARAMETER(id, name, type, def, doc)                                           \
	{name,                                                                                     \
	 doc,                                                                                      \
	 TEXT_OF_##type(#def, def),                                                                \
	 NAMES_OF_##type(def),                                                                     \
	 NUMBER_OF_##type(def),                                                                    \
	 ENN_SECURITY_TYPE_##type},
#include "ennead/security.def"
#undef ENN_SECURITY_PARAMETER
};

/* Numbers that are not listed may have any value. The milliseconds stop where nanoseconds in 64
 * bits are still safe to add. */
struct range {
	enum enn_security_parameter id;
	uint64_t min;
	uint64_t max;
};

static const struct range ranges[] = {
	{ENN_SECURITY_KEY_SHARES, 0, 3},
	{ENN_SECURITY_TICKETS, 0, 16},
	{ENN_SECURITY_TICKETS_WANTED, 0, 255}, /* RFC 9149: a uint8 */
	{ENN_SECURITY_TICKETS_WANTED_RESUMED, 0, 255},
	{ENN_SECURITY_HELLO_PADDING, 0, 4096},
	{ENN_SECURITY_TICKET_LIFETIME, 0, 604800}, /* RFC 8446 §4.6.1 */
	{ENN_SECURITY_MAX_CACHED_SESSIONS, 0, UINT32_MAX},
	{ENN_SECURITY_MAX_EARLY_DATA, 0, UINT32_MAX}, /* RFC 8446 §4.2.10: a uint32 */
	{ENN_SECURITY_EARLY_DATA_WINDOW, 0, 604800000},
	{ENN_SECURITY_PADDING, 0, 16384},
	{ENN_SECURITY_MAX_RECORD, 64, 16384},
	{ENN_SECURITY_RECORD_SIZE_LIMIT, 0, 16385},
	{ENN_SECURITY_MAX_FRAGMENT_LENGTH, 0, 4096},
	{ENN_SECURITY_HANDSHAKE_TIMEOUT, 0, UINT32_MAX},
};

static bool valid(enum enn_security_parameter id)
{
	return (unsigned)id < ENN_SECURITY_PARAMETER_COUNT;
}

static bool is_type(enum enn_security_parameter id, enum enn_security_type type)
{
	return valid(id) && rows[id].type == type;
}

enum enn_security_type enn_security_type(enum enn_security_parameter id)
{
	return rows[id].type;
}

bool enn_security_range(enum enn_security_parameter id, uint64_t *min, uint64_t *max)
{
	if (!is_type(id, ENN_SECURITY_TYPE_u64)) {
		return false;
	}
	*min = 0;
	*max = UINT64_MAX;
	for (size_t i = 0; i < ENN_ARRAY_LEN(ranges); i++) {
		if (ranges[i].id == id) {
			*min = ranges[i].min;
			*max = ranges[i].max;
		}
	}
	return true;
}

const char *enn_security_parameter_name(enum enn_security_parameter id)
{
	return valid(id) ? rows[id].name : NULL;
}

const char *enn_security_parameter_doc(enum enn_security_parameter id)
{
	return valid(id) ? rows[id].doc : NULL;
}

const char *enn_security_parameter_default(enum enn_security_parameter id)
{
	return valid(id) ? rows[id].text : NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool set_defaults(struct enn_security *s)
{
	for (unsigned i = 0; i < ENN_SECURITY_PARAMETER_COUNT; i++) {
		enum enn_security_parameter id = (enum enn_security_parameter)i;
		s->value[id] = rows[id].number;
		if (rows[id].type == ENN_SECURITY_TYPE_list &&
		    enn_security_set_list(s, id, rows[id].names, NULL) != ENN_OK) {
			return false;
		}
	}
	return true;
}

struct enn_security *enn_security_new(void)
{
	struct enn_security *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return NULL;
	}
	atomic_init(&s->refs, 1);
	atomic_init(&s->frozen, false);
	s->own = enn_trust_new();
	if (s->own == NULL || !set_defaults(s)) {
		enn_security_free(s);
		return NULL;
	}
	s->trust = enn_trust_ref(s->own);
	return s;
}

static bool copy_alpn(struct enn_security *to, const struct enn_security *from)
{
	for (size_t i = 0; i < from->alpn_count; i++) {
		to->alpn[i] = malloc(sizeof(*to->alpn[i]));
		if (to->alpn[i] == NULL) {
			return false;
		}
		*to->alpn[i] = *from->alpn[i];
		to->alpn_count = i + 1;
	}
	return true;
}

/* Shared: trust objects are never changed in place, an addition puts a new one there (trust.c).
 * So what was loaded from the system is not loaded again for the copy. */
static void copy_trust(struct enn_security *to, const struct enn_security *from)
{
	to->own = enn_trust_ref(from->own);
	to->trust = enn_trust_ref(from->trust);
	to->trust_complete = from->trust_complete;
	to->system_trust_set = from->system_trust_set;
}

/* Stores and ticket keys that the object made for itself stay with it: a copy may have other
 * rules, and a session made under one object's rules is not good under another's. */
static bool copy_sessions(struct enn_security *to, const struct enn_security *from)
{
	to->store_given = from->store_given;
	if (from->store_given) {
		to->store = enn_session_store_ref(from->store);
	}
	to->tickets_given = from->tickets_given;
	if (from->tickets_given) {
		bool shared = from->tickets == enn_session_store_tickets(to->store);
		to->tickets = shared ? enn_ticket_keys_ref(from->tickets)
				     : enn_ticket_keys_copy(from->tickets);
		return to->tickets != NULL;
	}
	return true;
}

struct enn_security *enn_security_copy(const struct enn_security *security)
{
	struct enn_security *s;

	if (security == NULL) {
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		return NULL;
	}
	atomic_init(&s->refs, 1);
	atomic_init(&s->frozen, false);
	memcpy(s->value, security->value, sizeof(s->value));
	memcpy(s->list, security->list, sizeof(s->list));
	s->ask_psk = security->ask_psk;
	s->ask_credential = security->ask_credential;
	for (size_t i = 0; i < security->credential_count; i++) {
		s->credential[i] = enn_credential_ref(security->credential[i]);
	}
	s->credential_count = security->credential_count;
	copy_trust(s, security);
	if (!copy_alpn(s, security) || !copy_sessions(s, security) ||
	    !enn_security_copy_peer_keys(s, security) ||
	    !enn_digest_set_copy(&s->raw_keys, &security->raw_keys) ||
	    !enn_digest_set_copy(&s->pins, &security->pins) ||
	    !enn_ech_settings_copy(&s->ech, &security->ech)) {
		enn_security_free(s);
		return NULL;
	}
	return s;
}

enum enn_status enn_security_inherit(struct enn_security *to, const struct enn_security *from)
{
	if (to->store == NULL && from->store != NULL) {
		to->store = enn_session_store_ref(from->store);
	}
	if (to->tickets == NULL && from->tickets != NULL) {
		to->tickets = enn_ticket_keys_copy(from->tickets);
		return to->tickets == NULL ? ENN_E_MEMORY : ENN_OK;
	}
	return ENN_OK;
}

struct enn_security *enn_security_ref(struct enn_security *security)
{
	if (security != NULL) {
		atomic_fetch_add_explicit(&security->refs, 1, memory_order_relaxed);
	}
	return security;
}

void enn_security_free(struct enn_security *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (size_t i = 0; i < s->alpn_count; i++) {
		free(s->alpn[i]);
	}
	for (size_t i = 0; i < s->credential_count; i++) {
		enn_credential_free(s->credential[i]);
	}
	enn_security_free_peer_keys(s);
	enn_digest_set_free(&s->raw_keys);
	enn_digest_set_free(&s->pins);
	enn_ech_settings_clear(&s->ech);
	enn_trust_free(s->trust);
	enn_trust_free(s->own);
	enn_session_store_free(s->store);
	enn_ticket_keys_free(s->tickets);
	free(s);
}

/* ---- values ---------------------------------------------------------------------------------- */

enum enn_status enn_security_set_bool(struct enn_security *s, enum enn_security_parameter id,
				      bool value)
{
	if (s == NULL || !is_type(id, ENN_SECURITY_TYPE_bool)) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	s->value[id] = value;
	if (id == ENN_SECURITY_SYSTEM_TRUST) {
		s->system_trust_set = true;
		enn_security_trust_changed(s);
	}
	return ENN_OK;
}

/* Numbers with gaps in their range. */
static bool exists(enum enn_security_parameter id, uint64_t value)
{
	switch (id) {
	case ENN_SECURITY_RECORD_SIZE_LIMIT: /* RFC 8449 §4 */
		return value == 0 || value >= 64;
	case ENN_SECURITY_MAX_FRAGMENT_LENGTH: /* RFC 6066 §4 */
		return value == 0 || (value >= 512 && (value & (value - 1)) == 0);
	default:
		return true;
	}
}

enum enn_status enn_security_set_u64(struct enn_security *s, enum enn_security_parameter id,
				     uint64_t value)
{
	uint64_t min, max;

	if (s == NULL || !enn_security_range(id, &min, &max) || value < min || value > max ||
	    !exists(id, value)) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	s->value[id] = value;
	return ENN_OK;
}

bool enn_security_get_bool(const struct enn_security *s, enum enn_security_parameter id)
{
	return s != NULL && is_type(id, ENN_SECURITY_TYPE_bool) && s->value[id] != 0;
}

uint64_t enn_security_get_u64(const struct enn_security *s, enum enn_security_parameter id)
{
	return s != NULL && is_type(id, ENN_SECURITY_TYPE_u64) ? s->value[id] : 0;
}

enum enn_status enn_security_add_alpn(struct enn_security *s, const uint8_t *id, size_t len)
{
	struct enn_alpn_id *entry;

	if (s == NULL || id == NULL || len == 0 || len > sizeof(entry->id)) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	for (size_t i = 0; i < s->alpn_count; i++) {
		if (s->alpn[i]->len == len && memcmp(s->alpn[i]->id, id, len) == 0) {
			return ENN_OK; /* it keeps the place it has */
		}
	}
	if (s->alpn_count == ENN_SECURITY_MAX_ALPN) {
		return ENN_E_LIMIT;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		return ENN_E_MEMORY;
	}
	entry->len = (uint8_t)len;
	memcpy(entry->id, id, len);
	s->alpn[s->alpn_count++] = entry;
	return ENN_OK;
}

enum enn_status enn_security_add_credential(struct enn_security *s,
					    struct enn_credential *credential)
{
	if (s == NULL || credential == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	if (s->credential_count == ENN_SECURITY_MAX_CREDENTIALS) {
		return ENN_E_LIMIT;
	}
	s->credential[s->credential_count++] = enn_credential_ref(credential);
	return ENN_OK;
}

enum enn_status enn_security_ask_psk(struct enn_security *s, bool on)
{
	if (s == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	s->ask_psk = on;
	return ENN_OK;
}

enum enn_status enn_security_ask_credential(struct enn_security *s, bool on)
{
	if (s == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	s->ask_credential = on;
	return ENN_OK;
}

enum enn_status enn_security_set_session_store(struct enn_security *s,
					       struct enn_session_store *store)
{
	if (s == NULL || store == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (atomic_load(&s->frozen)) {
		return ENN_E_STATE;
	}
	(void)enn_session_store_ref(store); /* before the free: it may be the same */
	enn_session_store_free(s->store);
	s->store = store;
	s->store_given = true;
	return ENN_OK;
}

enum enn_status enn_security_ticket_key(struct enn_security *s, const uint8_t *key, size_t len,
					int64_t wall_now)
{
	if (s == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (s->tickets == NULL) {
		s->tickets = enn_ticket_keys_new();
		if (s->tickets == NULL) {
			return ENN_E_MEMORY;
		}
	}
	ENN_TRY(enn_ticket_keys_set(s->tickets, key, len, wall_now));
	s->tickets_given = true;
	return ENN_OK;
}

/* ---- freezing -------------------------------------------------------------------------------- */

enum enn_status enn_security_acquire(struct enn_security *s, struct enn_error *error)
{
	if (s == NULL) {
		return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION,
				     "security", "there are no security parameters");
	}
	if (!atomic_load(&s->frozen)) {
		if (s->store == NULL) {
			s->store = enn_session_store_new(
				(size_t)s->value[ENN_SECURITY_MAX_CACHED_SESSIONS]);
		}
		if (s->tickets == NULL) {
			struct enn_ticket_keys *pool = enn_session_store_tickets(s->store);
			s->tickets =
				pool != NULL ? enn_ticket_keys_ref(pool) : enn_ticket_keys_new();
		}
		if (s->store == NULL || s->tickets == NULL) {
			return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY,
					     "security", "out of memory");
		}
		enn_security_digest_rules(s);
		atomic_store(&s->frozen, true);
	}
	(void)enn_security_ref(s);
	return ENN_OK;
}
