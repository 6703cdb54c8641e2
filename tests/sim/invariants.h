/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold: after every step, at the end of a connection, and what an
 * independent reading of the scenario says its outcome is.
 */
#ifndef ENN_TESTS_SIM_INVARIANTS_H
#define ENN_TESTS_SIM_INVARIANTS_H

#include "handshake/session.h"
#include "world.h"

/* The outcome of a connection that nothing disturbs. */
struct sim_expect {
	bool success;
	/* of a failure: who decides it, why, and with which alert */
	bool by_server;
	enum enn_reason reason;
	uint8_t alert;
	bool either; /* the other side may find a reason of its own first */
	bool quiet;  /* the other side may not be able to read that alert */
	/* of a success */
	uint16_t version;
	uint16_t suite, group; /* group 0: psk_ke, or a resumption of TLS 1.2 */
	bool hello_retry, resumed, external_psk;
	const char *alpn; /* "" for none */
	bool server_knows_client;
	bool client_knows_server;
	enum enn_early_data_state early;
	bool early_open;     /* depends on times: accepted or rejected */
	bool resend_refused; /* rejected early data may end in failure: the ALPN changed */
};

/* ---- oracle_tls12.c ---- */
/* The part of sim_expect that is TLS 1.2's: the version was decided. */
void sim_expect12(struct sim_expect *x, const struct sim_run *run, size_t index);

/* ---- oracle_tls.c ---- */
/* What both versions share: whether a session of the run may be offered, and who authenticates whom. */
bool sim_offers_session(const struct sim_run *run, const struct sim_connection *conn,
			struct enn_session *view);
bool sim_takes_session(const struct sim_run *run, const struct sim_connection *conn);
bool sim_server_knows(const struct sim_side *c, const struct sim_side *s);
bool sim_choose_alpn(struct sim_expect *x, const struct sim_side *c, const struct sim_side *s);
bool sim_authenticate(struct sim_expect *x, const struct sim_side *c, const struct sim_side *s);
void sim_fails(struct sim_expect *x, bool by_server, enum enn_reason reason, uint8_t alert);
/* Before the connection runs: it may take the session of an earlier one. */
void sim_expect(struct sim_expect *x, const struct sim_run *run, size_t index);

/* ---- invariants.c ---- */
void sim_check_step(struct sim_world *w);
void sim_check_end(struct sim_world *w, const struct sim_expect *x);
/* After the engine is gone. */
void sim_check_heap(struct sim_endpoint *ep);
/* Plays the client's first flight to a fresh server with the same memory. */
void sim_check_replay(struct sim_world *w);

#endif
