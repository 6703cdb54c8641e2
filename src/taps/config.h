/* SPDX-License-Identifier: Apache-2.0
 *
 * What a preconnection holds. Connections and listeners keep a reference to it as it
 * was; a preconnection that is changed afterwards first makes itself a copy.
 */
#ifndef ENN_TAPS_CONFIG_H
#define ENN_TAPS_CONFIG_H

#include "ennead/taps.h"

#define ENN_MAX_REMOTES 8
#define ENN_MAX_LOCALS	8
#define ENN_MAX_ENTRIES 16
#define ENN_ENTRY_NAME	64
#define ENN_HOST_MAX	256

struct enn_remote {
	char host[ENN_HOST_MAX];    /* "" for an address without a name */
	struct enn_address address; /* of a literal; otherwise family NONE, and the port */
};

struct enn_local {
	char host[ENN_HOST_MAX]; /* "" for every address */
	uint16_t port;
};

/* One pair of a property of type `set`. */
struct enn_entry {
	enum enn_property property;
	enum enn_preference preference;
	char name[ENN_ENTRY_NAME];
};

struct enn_config {
	struct enn_env env; /* its allocator; a preconnection may outlive its context */
	unsigned refs;
	void *user;
	struct enn_security *security; /* NULL: none was given yet */
	bool named;		       /* server_name was set, maybe to "" */
	char server_name[ENN_HOST_MAX];
	struct enn_remote *remote[ENN_MAX_REMOTES];
	size_t remotes;
	struct enn_local *local[ENN_MAX_LOCALS];
	size_t locals;
	struct enn_entry *entry[ENN_MAX_ENTRIES];
	size_t entries;
	enum enn_protocol_id allowed[ENN_PROTOCOL_COUNT];
	size_t allowed_count; /* 0: all */
	uint64_t value[ENN_PROPERTY_COUNT];
	bool set[ENN_PROPERTY_COUNT];
	uint8_t *session; /* of enn_preconnection_set_session, until a connection took it */
	size_t session_len;
};

struct enn_config *enn_config_new(const struct enn_env *env);
struct enn_config *enn_config_ref(struct enn_config *config);
void enn_config_free(struct enn_config *config); /* drops one reference */
/* One that nobody else refers to: itself, or a copy in exchange for the caller's reference. NULL:
 * out of memory, and the reference is still the caller's. */
struct enn_config *enn_config_own(struct enn_config *config);

/* The name that the peer must prove; NULL if none. */
const char *enn_config_server_name(const struct enn_config *config);

/* ---- properties (properties.c) ------------------------------------------------------- */

enum enn_property_type {
	ENN_PROPERTY_TYPE_pref,
	ENN_PROPERTY_TYPE_bool,
	ENN_PROPERTY_TYPE_u64,
	ENN_PROPERTY_TYPE_limit,
	ENN_PROPERTY_TYPE_duration,
	ENN_PROPERTY_TYPE_direction,
	ENN_PROPERTY_TYPE_multipath,
	ENN_PROPERTY_TYPE_handover,
	ENN_PROPERTY_TYPE_scheduler,
	ENN_PROPERTY_TYPE_capacity,
	ENN_PROPERTY_TYPE_state,
	ENN_PROPERTY_TYPE_set,
};

enum enn_property_phase {
	ENN_PROPERTY_PHASE_selection,
	ENN_PROPERTY_PHASE_connection,
	ENN_PROPERTY_PHASE_message,
	ENN_PROPERTY_PHASE_readonly,
};

struct enn_property_row {
	const char *name;
	enum enn_property_type type;
	uint64_t value; /* default */
	enum enn_property_phase phase;
	const char *doc;
};

/* NULL for an unknown id. */
const struct enn_property_row *enn_property_at(enum enn_property id);
/* Is the value in the type's range? */
bool enn_property_valid(enum enn_property id, uint64_t value);
/* Text to value, for every type but set. Errors: ENN_E_ARGUMENT, ENN_E_PARSE. */
enum enn_status enn_property_parse(enum enn_property id, const char *text, uint64_t *value,
				   struct enn_error *error);
bool enn_preference_parse(const char *text, size_t len, enum enn_preference *out);

/* ---- selection (select.c) ------------------------------------------------------------ */

struct enn_choice {
	const struct enn_protocol *protocol;
	bool pruned;
	char why[ENN_ERROR_TEXT_MAX]; /* it was pruned, or is not the first */
	enum enn_reason reason;
};

/* Every protocol of `list` (NULL-terminated), those that are left over first and in order of
 * preference, then the pruned in the registry's order. Returns how many; the first is what is used
 * unless it is pruned. */
size_t enn_select(const struct enn_config *config, const struct enn_protocol *const *list,
		  bool listen, struct enn_choice out[ENN_PROTOCOL_COUNT]);
/* Does the protocol, as this build runs it, give what a selection property of type pref asks? */
bool enn_protocol_gives(const struct enn_protocol *protocol, enum enn_property id);
/* The first required interface; NULL if none is. */
const char *enn_required_interface(const struct enn_config *config);
/* Is the interface prohibited, or another one required? */
bool enn_interface_refused(const struct enn_config *config, const char *name);

#endif
