/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run does, as plain data drawn from its seed before anything happens: the
 * parameters of both sides, what their applications do, the network, and what
 * goes wrong. Nothing else decides, so a scenario can also be written by hand
 * (the sweeps do).
 */
#ifndef ENN_TESTS_SIM_SCENARIO_H
#define ENN_TESTS_SIM_SCENARIO_H

#include "net.h"
#include "pki.h"

/* Up to four choices out of a small table, best first. */
struct sim_list {
	uint8_t count;
	uint8_t at[4];
};
extern const char *const sim_suite_names[3];
extern const char *const sim_version_names[2]; /* TLSv1.3, TLSv1.2 */
#define SIM_SUITES12 7u
#define SIM_CBC12    3u /* the first with CBC */
extern const char *const sim_suite12_names[SIM_SUITES12];
extern const char *const sim_group_names[3];
extern const char *const sim_mode_names[2]; /* psk_ke, psk_dhe_ke */
extern const char *const sim_alpn_names[3];

enum sim_psk {
	SIM_PSK_NONE,
	SIM_PSK_SHARED,
	SIM_PSK_OTHER_KEY, /* the identity is known, the key differs: client only */
	SIM_PSK_UNKNOWN,   /* an identity that the server does not know: client only */
};

enum sim_trust {
	SIM_TRUST_ROOT,
	SIM_TRUST_STRANGER, /* an anchor that did not sign the peer's certificate */
	SIM_TRUST_DELEGATE, /* ENN_EVENT_VALIDATE_PEER */
	SIM_TRUST_NONE,	    /* verifyPeer off; client only */
};

/* How an application ends its direction. */
enum sim_finish {
	SIM_FINISH_FINAL,	/* ENN_MESSAGE_FINAL on the last message */
	SIM_FINISH_EMPTY_FINAL, /* in an empty message of its own */
	SIM_FINISH_AFTER_PEER,	/* FINAL, once the peer's has come */
	SIM_FINISH_CLOSE,	/* close() when all was given to send, READY provided */
	SIM_FINISH_CLOSE_EARLY, /* close() when the first part was given to send */
	SIM_FINISH_COUNT
};

/* What a driver does besides the protocol's own course. */
enum sim_upset {
	SIM_UPSET_NONE,
	SIM_UPSET_FREE,	  /* frees the engine at its turn number upset_turn; the stream is reset */
	SIM_UPSET_CANCEL, /* close() at that turn, whatever the state */
};

struct sim_side {
	/* security parameters */
	struct sim_list suites, groups, modes, alpn;
	struct sim_list versions;
	uint8_t suite12; /* TLS 1.2: one of sim_suite12_names, with each kind of authentication */
	enum sim_trust trust;
	bool wrong_name; /* client: asks for another server than the certificate's */
	bool has_certificate;
	enum sim_key key;
	bool external_key;
	enum sim_psk psk;
	bool psk_sha384;
	bool ask_psk; /* server: knows its PSKs only when asked */
	bool request_client, require_client;
	bool resume, early, grease, compatible, keep_chain;
	unsigned key_shares, tickets;
	uint64_t padding, max_record, key_update_records, max_early_data, timeout_ms;
	uint64_t record_limit, max_fragment; /* what this side takes, what a client asks for */
	/* answers to questions */
	bool answer_yes;
	enn_time answer_delay;
	/* the application */
	size_t bytes;	    /* to send in all */
	size_t early_bytes; /* of these, the first ones as early data */
	size_t message_min, message_max;
	enum sim_finish finish;
	unsigned rekeys, rekey_both; /* how often; percent that ask the peer too */
	unsigned pause_percent;	     /* after a piece of data, take a rest … */
	enn_time pause;		     /* … of this length */
	size_t batch_min, batch_max; /* capacity given to transmit */
	unsigned pieces;	     /* packets of one ingest, at most */
	bool misuse;		     /* tries what the contract forbids, now and then */
	enum sim_upset upset;
	unsigned upset_turn;
};

/* One connection of a run. */
struct sim_connection {
	struct sim_side side[2];	/* [0] client, [1] server */
	struct sim_pipe_shape shape[2]; /* [0] client to server */
	struct sim_fault fault[2];
	bool offer_session;  /* of an earlier connection */
	bool replay;	     /* afterwards, the client's first flight is played to a fresh server */
	enn_time gap;	     /* time since the connection before */
	bool server_restart; /* has lost its memory of early data since */
};

#define SIM_MAX_CONNECTIONS 3

struct sim_scenario {
	uint64_t seed;
	size_t count;
	bool libcrypto; /* instead of the back end chosen at run time */
	struct sim_connection connection[SIM_MAX_CONNECTIONS];
};

/* Everything out of the seed. */
void sim_scenario_draw(struct sim_scenario *s, uint64_t seed);
/* A plain full handshake with a little data, without faults: what hand-written ones start from. */
void sim_scenario_plain(struct sim_scenario *s, uint64_t seed, size_t connections);
/* What the two negotiate: 0x0304, 0x0303, or 0. */
unsigned sim_version(const struct sim_connection *c);
/* "A:B:C" of the chosen names. */
void sim_list_text(const struct sim_list *list, const char *const *names, char *out, size_t cap);
/* For people: one line per connection and side. */
void sim_scenario_print(const struct sim_scenario *s);

#endif
