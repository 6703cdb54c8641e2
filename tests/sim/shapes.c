/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of every shape, for the sweeps.
 */
#include "shapes.h"

static void shape_full(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7001, 1);
}

static void shape_mutual(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7002, 1);
	struct sim_side *client = &s->connection[0].side[0];
	struct sim_side *server = &s->connection[0].side[1];

	client->has_certificate = true;
	client->key = SIM_KEY_P256;
	server->require_client = true;
	client->suites = server->suites = (struct sim_list){1, {1}};
	client->alpn = server->alpn = (struct sim_list){2, {0, 1}};
}

static void shape_retry(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7003, 1);
	s->connection[0].side[0].key_shares = 0;
	s->connection[0].side[1].suites = (struct sim_list){1, {2}};
	s->connection[0].side[0].padding = 64;
	s->connection[0].side[1].max_record = 200; /* the server's flight in many records */
}

static void shape_psk(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7004, 1);
	for (int i = 0; i < 2; i++) {
		struct sim_side *side = &s->connection[0].side[i];
		side->psk = SIM_PSK_SHARED;
		side->modes = (struct sim_list){1, {0}};
		side->has_certificate = false;
		side->compatible = false;
		side->grease = false;
	}
}

static void shape_updates(struct sim_scenario *s)
{
	shape_psk(s);
	for (int i = 0; i < 2; i++) {
		struct sim_side *side = &s->connection[0].side[i];
		side->tickets = 0;
		side->rekeys = 3;
		side->rekey_both = 50;
		side->bytes = 600;
		side->message_min = side->message_max = 60;
		side->batch_min = side->batch_max = 256;
		side->key_update_records = 4;
		side->finish = i == 0 ? SIM_FINISH_EMPTY_FINAL : SIM_FINISH_AFTER_PEER;
	}
}

static void early_data(struct sim_scenario *s, uint64_t seed)
{
	sim_scenario_plain(s, seed, 2);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 2; i++) {
			s->connection[k].side[i].early = true;
		}
	}
	s->connection[1].side[0].bytes = 250;
	s->connection[1].side[0].early_bytes = 200;
	s->connection[1].replay = true;
}

static void shape_early(struct sim_scenario *s)
{
	early_data(s, 7005);
}

static void shape_early_refused(struct sim_scenario *s)
{
	early_data(s, 7006);
	s->connection[1].side[1].early = false;
}

static void shape_early_retry(struct sim_scenario *s)
{
	early_data(s, 7007);
	s->connection[1].side[1].groups = (struct sim_list){1, {1}};
}

static void speak_12(struct sim_scenario *s)
{
	for (size_t k = 0; k < s->count; k++) {
		s->connection[k].side[0].versions = (struct sim_list){1, {1}};
	}
}

/* TLS 1.2: the client shows a certificate; small records. */
static void shape_mutual_12(struct sim_scenario *s)
{
	shape_mutual(s);
	s->seed = 7008;
	speak_12(s);
	s->connection[0].side[0].record_limit = 300;
}

static void shape_resumed_12(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7009, 2);
	speak_12(s);
}

static void shape_by_id_12(struct sim_scenario *s)
{
	sim_scenario_plain(s, 7010, 2);
	speak_12(s);
	for (int k = 0; k < 2; k++) {
		s->connection[k].side[1].tickets = 0;
		for (int i = 0; i < 2; i++) {
			s->connection[k].side[i].suite12 = SIM_CBC12;
		}
	}
}

static void shape_psk_12(struct sim_scenario *s)
{
	shape_psk(s);
	s->seed = 7011;
	speak_12(s);
	s->connection[0].side[0].suite12 = s->connection[0].side[1].suite12 = 2;
}

const struct sim_shape sim_shapes[SIM_SHAPES] = {
	{"full", shape_full},
	{"mutual", shape_mutual},
	{"retry", shape_retry},
	{"psk_ke", shape_psk},
	{"updates", shape_updates},
	{"early", shape_early},
	{"early-refused", shape_early_refused},
	{"early-retry", shape_early_retry},
	{"mutual-12", shape_mutual_12},
	{"resumed-12", shape_resumed_12},
	{"by-id-12", shape_by_id_12},
	{"psk-12", shape_psk_12},
};
