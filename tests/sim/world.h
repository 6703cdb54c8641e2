/* SPDX-License-Identifier: Apache-2.0
 *
 * One simulated connection: two engines, the network between them, a virtual
 * clock, and the drivers and applications that use the engines as
 * ennead/engine.h says.
 */
#ifndef ENN_TESTS_SIM_WORLD_H
#define ENN_TESTS_SIM_WORLD_H

#include <stdbool.h>

#include "ennead/engine.h"
#include "ennead/protocol.h"
#include "ennead/security.h"
#include "heap.h"
#include "net.h"
#include "pki.h"
#include "rng.h"
#include "scan.h"
#include "scenario.h"
#include "wire_tls.h"

/* What all runs of a process share. */
struct sim_lab {
	struct sim_pki *pki;
	struct enn_crypto *crypto;    /* the back end chosen at run time */
	struct enn_crypto *libcrypto; /* that one only */
	bool verbose;
};
void sim_lab_open(struct sim_lab *lab);
void sim_lab_close(struct sim_lab *lab);

/* A session as a client's application keeps it, and what an all-knowing observer knows of it. */
struct sim_session {
	uint8_t *blob;
	size_t len;
	int64_t server_issued;	   /* UNIX time at which the server made the ticket */
	bool client_authenticated; /* to the server, by certificate */
	struct sim_side side[2];   /* the parameters under which it was made */
};

/* What outlives a connection inside one run. */
struct sim_run {
	struct sim_lab *lab;
	const struct sim_scenario *scenario;
	enn_time now;
	int64_t skew; /* of the client's wall clock */
	uint8_t ticket_key[64];
	struct enn_session_store *store; /* the server's */
	struct sim_session session;	 /* the newest */
	/* One side of the last connection is given no memory, or no random bytes, at its n-th request. */
	struct {
		bool server;
		bool for_good;		     /* and at none after it */
		uint64_t allocation, random; /* from 1; 0: never */
	} starve;
	bool starved; /* it came to that */
	/* libcrypto gets no memory now and then, so anything may fail; called before the engines of the last
	 * connection are made. */
	void (*starve_libcrypto)(struct sim_run *run);
	bool starving;
	bool was_ready[2];   /* in the last connection: [0] client */
	uint64_t hash;	     /* of all bytes and events */
	char violation[320]; /* the first invariant that did not hold; empty: all did */
	struct {
		uint64_t steps, bytes, ready, tls12, resumed, early, failed;
	} count;
	uint64_t sent[2];	  /* bytes of the last connection, by direction */
	size_t peak_before_ready; /* of any engine's memory */
};

struct sim_outgoing { /* a message lent to the engine */
	uint8_t *data;
	size_t len;
	uint64_t number;
	bool final;
};

#define SIM_OUTGOING 64
#define SIM_SECRETS  8

struct sim_world;

struct sim_endpoint {
	struct sim_world *w;
	const struct sim_side *side;
	bool server;
	const char *name;
	struct enn_env env;
	struct sim_heap heap;
	struct sim_rng rng;    /* the driver's and the application's decisions */
	struct sim_rng random; /* the engine's */
	uint64_t randoms, random_fails_at;
	bool random_failed;
	struct enn_security *security;
	struct enn_engine *e; /* NULL: never made, or freed */
	unsigned turns;

	/* input */
	uint8_t *lent;
	struct enn_packet packets[4];
	bool lending;
	bool paused;
	unsigned pauses;
	enn_time wake;
	const uint8_t *held; /* received data that the resting application still looks at */
	size_t held_len;
	uint64_t held_at;
	bool fin_seen, end_called;
	uint64_t stopped_reading_at; /* stream offset; UINT64_MAX: it has not */

	/* the question that the engine is parked on */
	enum enn_event_type question;
	enn_time answer_at;
	uint16_t scheme;
	uint8_t sign_input[16384];
	size_t sign_input_len;
	uint8_t identity[64];
	size_t identity_len;

	/* output */
	uint8_t *batch;
	size_t batch_len, batch_at;
	uint64_t transmitted;  /* bytes that the engine has produced */
	uint64_t close_offset; /* of the end of its close_notify; UINT64_MAX: unknown */
	bool half_closes;      /* shuts the stream down as soon as its own data has ended */

	/* the application's sending */
	struct sim_outgoing out[SIM_OUTGOING];
	uint64_t given, reported; /* messages */
	uint64_t given_bytes;
	uint64_t early_given; /* bytes */
	unsigned rekeyed;
	bool final_given, final_sent, close_called, cancelled;
	bool upset; /* the scenario's upset has happened */

	/* and receiving */
	uint64_t received, early_received; /* bytes */
	bool final_received;

	/* what the events said */
	bool started, ready, failed, closed, early_decided, early_accepted, expiring;
	enn_time ready_at;
	uint64_t generation[2];
	struct enn_error error;
	struct enn_info info; /* at READY, without its pointers */
	char alpn[32];
	uint8_t exported[3][32];
	struct {
		char label[40];
		uint8_t secret[48];
		size_t len;
	} secrets[SIM_SECRETS];
	size_t secret_count;
};

struct sim_world {
	struct sim_run *run;
	const struct sim_connection *c;
	size_t index; /* of the connection */
	enn_time now;
	struct sim_endpoint ep[2]; /* [0] client */
	struct sim_pipe pipe[2];   /* [0] client to server */
	struct sim_wire wire[2];
	struct sim_scan scan;
	uint64_t skip_end; /* client's stream up to here may be early data that the server skips */
	bool forced;	   /* nothing moved any more, so the streams were ended */
	uint8_t *flight;   /* the client's bytes before it heard of the server */
	size_t flight_len;
};

/* Says what does not hold; the first word counts. */
void sim_violation(struct sim_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static inline bool sim_violated(const struct sim_run *run)
{
	return run->violation[0] != '\0';
}
void sim_trace(const struct sim_world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Mixes into run->hash. */
void sim_hash(struct sim_run *run, const void *data, size_t len);

/* ---- world.c ---- */
void sim_run_init(struct sim_run *run, struct sim_lab *lab, const struct sim_scenario *scenario);
void sim_run_free(struct sim_run *run);
/* Runs connection `index` to its end and checks everything. */
void sim_run_connection(struct sim_run *run, size_t index);
/* All of a scenario. */
void sim_run_all(struct sim_run *run);
/* In pieces, for those who drive by themselves: makes both ends, runs until nothing moves. */
void sim_world_open(struct sim_world *w, struct sim_run *run, size_t index);
void sim_world_go(struct sim_world *w);
void sim_world_close(struct sim_world *w);

/* ---- config_tls.c ---- */
/* The security object of one side; aborts where the scenario contradicts itself. NULL: out of memory. */
struct enn_security *sim_security(const struct sim_run *run, const struct sim_connection *c,
				  bool server);
extern const uint8_t sim_psk_identity[], sim_psk_key[32];
extern const size_t sim_psk_identity_len;

/* ---- endpoint.c ---- */
void sim_endpoint_init(struct sim_endpoint *ep, struct sim_world *w, bool server);
/* Makes the engine and starts it. */
void sim_endpoint_open(struct sim_endpoint *ep);
void sim_endpoint_free_engine(struct sim_endpoint *ep);
void sim_endpoint_close(struct sim_endpoint *ep);
/* The loop of engine.h until nothing moves. */
void sim_endpoint_pump(struct sim_endpoint *ep);
bool sim_endpoint_can_read(const struct sim_endpoint *ep);
/* n bytes, or the end of the stream. */
void sim_endpoint_input(struct sim_endpoint *ep, const uint8_t *data, size_t n);
void sim_endpoint_end(struct sim_endpoint *ep);
/* The next time at which it wants to be called, and that call. */
enn_time sim_endpoint_deadline(const struct sim_endpoint *ep);
void sim_endpoint_expire(struct sim_endpoint *ep);
/* Failed, closed or freed. */
bool sim_endpoint_over(const struct sim_endpoint *ep);

/* ---- events.c ---- */
bool sim_take_events(struct sim_endpoint *ep);
void sim_answer(struct sim_endpoint *ep);

/* ---- application.c ---- */
/* Does what it likes now; true if it called the engine. */
bool sim_application_turn(struct sim_endpoint *ep);
void sim_application_received(struct sim_endpoint *ep, const struct enn_message *m);
void sim_application_sent(struct sim_endpoint *ep, const void *user);
void sim_application_check(struct sim_endpoint *ep, const uint8_t *data, size_t len, uint64_t at);
/* The n bytes at a place in what one side sends. */
void sim_application_bytes(const struct sim_world *w, bool server, uint64_t at, uint8_t *out,
			   size_t n);
void sim_application_free(struct sim_endpoint *ep);

#endif
