/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead probe: what a TLS server can do, found out by connecting to it. A shot is one connection
 * with its own security parameters; what came of it decides about further shots. probe_run.c
 * fires them, a few at a time; probe_plan.c decides, with probe_extensions.c; probe_certificate.c judges
 * certificates;
 * probe_report.c tells.
 */
#ifndef ENN_CLI_PROBE_H
#define ENN_CLI_PROBE_H

#include "certificate.h"
#include "cli.h"

#define PROBE_POLICY	4096
#define PROBE_NAME	48 /* of an algorithm */
#define PROBE_LIST	32 /* algorithms of one kind */
#define PROBE_CHAINS	4
#define PROBE_PROTOCOLS 12
#define PROBE_PROBLEMS	24
#define PROBE_SESSION	16384

enum probe_version { PROBE_TLS13, PROBE_TLS12, PROBE_VERSIONS };

struct probe;
struct probe_shot;
struct probe_search;

/* One connection. Zeroed fields ask for an ordinary one. */
struct probe_shot {
	struct probe_shot *next;
	struct probe *probe;
	/* Looks at what came of it and may add shots. */
	void (*done)(struct probe_shot *shot);
	void *user;
	/* what is asked for */
	char policy[PROBE_POLICY];
	const char *setting[4][2]; /* further security parameters */
	const char *protocol[PROBE_PROTOCOLS];
	const uint8_t *session; /* of the probe */
	size_t session_len;
	bool verify;
	bool no_name;
	bool hide;	   /* encrypts the ClientHello as --ech says */
	bool want_tickets; /* waits for them */
	bool want_update;  /* renews the keys of both directions */
	/* what came of it */
	bool reached; /* there is a transport connection */
	bool ready;
	struct enn_info info; /* its pointers are valid in done only */
	struct enn_error error;
	bool stored; /* a session */
	int64_t ticket_expires;
	bool peer_updated;
	bool broke; /* after it was ready */
	/* on its way */
	struct enn_connection c;
	bool settled; /* done was called */
	enn_time linger;
};

/* Algorithms that the server took, in the order in which it did. */
struct probe_list {
	char name[PROBE_LIST][PROBE_NAME];
	size_t count;
	const char *order; /* "server's", "client's"; NULL: not known */
	bool complete;	   /* it was asked until nothing was left */
};

struct probe_tickets {
	bool asked;
	bool offered;
	int64_t lifetime; /* seconds */
	bool resumed;
	bool resumed_again; /* the same session a second time: the server keeps no record of it */
	enum enn_early_data_state early_data;
	uint8_t session[PROBE_SESSION];
	size_t session_len;
};

struct probe_of_version {
	bool known; /* this build can speak it */
	bool supported;
	struct enn_error error; /* if not */
	struct probe_list suites;
	struct probe_list old_suites; /* with CBC */
	bool cbc_without_etm;	      /* chosen: MAC-then-encrypt (RFC 7366) */
	struct probe_list groups;
	struct probe_list signatures;
	bool retry;	  /* answered a HelloRetryRequest */
	bool needs_share; /* refuses a ClientHello without a key share */
	struct probe_tickets tickets;
	struct enn_info info; /* of the first connection; no pointers of the connection's */
};

struct probe_chain {
	struct {
		uint8_t *der;
		size_t len;
	} certificate[ENN_MAX_CERTIFICATES];
	size_t count;
	char signature[PROBE_NAME]; /* that shows it */
	enum probe_version version;
	const char *compression; /* that it came in; NULL: none */
	bool stapled;		 /* an OCSP response came with it */
	bool staple_good;
	bool judged;
	bool trusted;
	struct enn_error error; /* if not */
};

/* A finding that somebody should do something about. */
struct probe_problem {
	const char *what; /* "expired" */
	char text[160];
};

struct probe {
	const struct cli_options *o;
	const char *asked[PROBE_PROTOCOLS]; /* application protocols; none: the usual */
	size_t asked_count;
	struct enn_context *context;
	struct enn_address address; /* of the first connection: all others go there too */
	const char *name;	    /* that the server must prove */
	struct probe_shot *waiting;
	struct probe_shot **last;
	struct probe_shot *open;
	size_t open_count;
	struct probe_search *searches; /* of the plan */
	unsigned connections;
	unsigned unanswered; /* timed out, refused or reset: findings that are missing */
	enn_time started;
	enn_time deadline;
	bool timed_out;
	bool reached;
	struct enn_error error; /* why nothing was */
	/* findings */
	struct probe_of_version version[PROBE_VERSIONS];
	struct probe_list protocols;
	const char *unknown_protocol; /* "ignored", "refused" */
	const char *without_name;     /* "the same certificate", "another certificate", "refused" */
	const char *key_update;
	bool asks_client;   /* for a certificate */
	bool raw_keys_only; /* it has no certificate: every shot takes raw public keys */
	bool raw_key_asked;
	char raw_key[CERTIFICATE_PIN]; /* that it shows; "": none */
	struct probe_list compression; /* of its certificate */
	const char *ech_grease;	       /* "ignored", "answered", "refused"; NULL: not asked */
	const char *ech;	       /* with --ech: "accepted", … */
	struct enn_error ech_error;    /* if not */
	struct probe_chain chain[PROBE_CHAINS];
	size_t chain_count;
	struct probe_problem problem[PROBE_PROBLEMS];
	size_t problem_count;
	enn_time ended;
};

/* ---- probe_run.c ------------------------------------------------------------------------------ */

/* A shot that waits for its turn; NULL without memory. Fill it in before the next turn. */
struct probe_shot *probe_fire(struct probe *p, void (*done)(struct probe_shot *shot), void *user);
/* Until nothing waits and nothing is open, or the time is over. */
void probe_run(struct probe *p);
void probe_clear(struct probe *p);

/* ---- probe_plan.c ------------------------------------------------------------------------------ */

extern const char *const probe_version_name[PROBE_VERSIONS];
/* The first shot; everything follows from what comes of it. */
void probe_begin(struct probe *p);
/* Frees what the plan has made. */
void probe_end(struct probe *p);
/* A policy with all that this build knows of a version, but for one list ("suites"). */
bool probe_policy(char policy[PROBE_POLICY], enum probe_version version, const char *list,
		  const char *names);

/* Was this what was wrong? */
bool probe_failed_at(const struct enn_error *error, const char *where);

/* ---- probe_extensions.c -------------------------------------------------------------------------- */

/* Single questions about a version that is spoken. */
void probe_ask_extensions(struct probe *p, enum probe_version version);

/* ---- probe_certificate.c ------------------------------------------------------------------------ */

/* Keeps the chain of a shot that is ready, if it is a new one. */
void probe_keep_chain(struct probe *p, const struct probe_shot *shot, enum probe_version version);
/* Writes down what is wrong with the chains and with the rest. */
void probe_find_problems(struct probe *p);
/* "the same …" as the first chain, or not. */
bool probe_shows_first_chain(const struct probe *p, const struct probe_shot *shot);

/* ---- probe_report.c ------------------------------------------------------------------------------ */

void probe_print(const struct probe *p);
void probe_print_json(const struct probe *p);

#endif
