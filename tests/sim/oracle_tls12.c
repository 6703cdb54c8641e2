/* SPDX-License-Identifier: Apache-2.0
 *
 * What two endpoints that come to TLS 1.2 must agree on, or which of them must refuse: RFC 5246 §7.3, RFC 8422,
 * RFC 5489, RFC 5077 once more, from the scenario alone.
 */
#include <string.h>

#include "invariants.h"

enum { AUTH_ECDSA, AUTH_RSA, AUTH_PSK };

static const uint16_t suite_codes[SIM_SUITES12][3] = {
	{0xc02b, 0xc02f, 0xd001}, {0xc02c, 0xc030, 0xd002}, {0xcca9, 0xcca8, 0xccac},
	{0xc009, 0xc013, 0xc035}, {0xc00a, 0xc014, 0xc036}, {0xc023, 0xc027, 0xc037},
	{0xc024, 0xc028, 0xc038},
};
static const uint16_t group_codes[3] = {0x001d, 0x0017, 0x0018};

/* The server's best that the client has too; 0: none. */
static uint16_t choose_group(const struct sim_side *c, const struct sim_side *s)
{
	for (int i = 0; i < s->groups.count; i++) {
		if (memchr(c->groups.at, s->groups.at[i], c->groups.count) != NULL) {
			return group_codes[s->groups.at[i]];
		}
	}
	return 0;
}

/* By ticket; or, from a server that gives none, by id, as long as the server remembers. */
static bool resumes(const struct sim_run *run, const struct sim_connection *conn)
{
	struct enn_session view;

	return sim_offers_session(run, conn, &view) && view.version == 0x0303 &&
	       sim_takes_session(run, conn) && !(view.by_id && conn->server_restart);
}

static void expect_psk(struct sim_expect *x, const struct sim_side *c, const struct sim_side *s)
{
	if (!sim_server_knows(c, s)) {
		sim_fails(x, true, ENN_REASON_UNKNOWN_PSK, 115);
	} else if (c->psk == SIM_PSK_OTHER_KEY) { /* the client's Finished cannot be opened */
		sim_fails(x, true, ENN_REASON_PROTOCOL_FAILED, 20);
	} else {
		x->success = x->external_psk = true;
		x->server_knows_client = x->client_knows_server = true;
	}
}

void sim_expect12(struct sim_expect *x, const struct sim_run *run, size_t index)
{
	const struct sim_connection *conn = &run->scenario->connection[index];
	const struct sim_side *c = &conn->side[0];
	const struct sim_side *s = &conn->side[1];
	bool certificate = s->has_certificate;
	bool psk = c->psk != SIM_PSK_NONE && (s->psk != SIM_PSK_NONE || s->ask_psk);

	x->early = ENN_EARLY_DATA_NONE;
	if (!sim_choose_alpn(x, c, s)) {
		sim_fails(x, true, ENN_REASON_NO_SHARED_PARAMETERS, 120);
		return;
	}
	if (resumes(run, conn)) {
		struct enn_session view;
		(void)sim_offers_session(run, conn, &view);
		x->success = x->resumed = true;
		x->suite = view.suite;
		x->server_knows_client = run->session.client_authenticated;
		x->client_knows_server = view.peer_authenticated;
		return;
	}
	x->group = choose_group(c, s);
	if ((!certificate && !psk) || x->group == 0) {
		sim_fails(x, true, ENN_REASON_NO_SHARED_PARAMETERS, 40);
		return;
	}
	/* A certificate for another name is worth less than a PSK. */
	bool by_psk = !certificate || (psk && c->wrong_name);
	int auth = by_psk ? AUTH_PSK : s->key == SIM_KEY_RSA ? AUTH_RSA : AUTH_ECDSA;
	x->suite = suite_codes[s->suite12][auth];
	if (!by_psk) {
		x->success = sim_authenticate(x, c, s);
	} else {
		expect_psk(x, c, s);
	}
}
