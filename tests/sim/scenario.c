/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing scenarios.
 */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

const char *const sim_suite_names[3] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					"TLS_CHACHA20_POLY1305_SHA256"};
const char *const sim_version_names[2] = {"TLSv1.3", "TLSv1.2"};
const char *const sim_suite12_names[SIM_SUITES12] = {
	"AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256", "AES_128_CBC_SHA",
	"AES_256_CBC_SHA",    "AES_128_CBC_SHA256", "AES_256_CBC_SHA384"};
const char *const sim_group_names[3] = {"X25519", "P-256", "P-384"};
const char *const sim_mode_names[2] = {"psk_ke", "psk_dhe_ke"};
const char *const sim_alpn_names[3] = {"h2", "http/1.1", "ennead/1"};

void sim_list_text(const struct sim_list *list, const char *const *names, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->count && n < cap; i++) {
		n += (size_t)snprintf(out + n, cap - n, "%s%s", i > 0 ? ":" : "",
				      names[list->at[i]]);
	}
}

static bool speaks(const struct sim_side *side, uint8_t version)
{
	return memchr(side->versions.at, version, side->versions.count) != NULL;
}

unsigned sim_version(const struct sim_connection *c)
{
	if (speaks(&c->side[0], 0) && speaks(&c->side[1], 0)) {
		return 0x0304; /* never less when both can */
	}
	return speaks(&c->side[0], 1) && speaks(&c->side[1], 1) ? 0x0303 : 0;
}

/* ---- a plain one -------------------------------------------------------------------------- */

static void plain_side(struct sim_side *side, bool server)
{
	*side = (struct sim_side){
		.suites = {3, {0, 1, 2}},
		.versions = {2, {0, 1}},
		.groups = {2, {0, 1}},
		.modes = {1, {1}},
		.has_certificate = server,
		.key = SIM_KEY_ED25519,
		.resume = true,
		.grease = true,
		.compatible = true,
		.key_shares = 1,
		.tickets = 1,
		.max_record = 16384,
		.record_limit = 16385,
		.max_early_data = 16384,
		.timeout_ms = 30000,
		.answer_yes = true,
		.bytes = 100,
		.message_min = 100,
		.message_max = 100,
		.batch_min = 20000,
		.batch_max = 20000,
		.pieces = 1,
	};
}

void sim_scenario_plain(struct sim_scenario *s, uint64_t seed, size_t connections)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->count = connections;
	for (size_t i = 0; i < connections; i++) {
		struct sim_connection *c = &s->connection[i];
		plain_side(&c->side[0], false);
		plain_side(&c->side[1], true);
		for (int d = 0; d < 2; d++) {
			c->shape[d].latency = ENN_MILLISECOND;
			c->shape[d].capacity = 1 << 20;
		}
		c->gap = ENN_SECOND;
		c->offer_session = i > 0;
	}
}

/* ---- parameters ------------------------------------------------------------------------------- */

/* A random order of a random subset of n choices, at least one. */
static struct sim_list draw_list(struct sim_rng *r, uint8_t n)
{
	struct sim_list list = {0, {0}};
	uint8_t pool[4];

	for (uint8_t i = 0; i < n; i++) {
		pool[i] = i;
	}
	uint64_t want = sim_rng_range(r, 1, n);
	while (list.count < want) {
		uint64_t at = sim_rng_below(r, n);
		list.at[list.count++] = pool[at];
		pool[at] = pool[--n];
	}
	return list;
}

static enum sim_key draw_key(struct sim_rng *r)
{
	static const enum sim_key keys[] = {SIM_KEY_ED25519, SIM_KEY_ED25519, SIM_KEY_ED25519,
					    SIM_KEY_P256,    SIM_KEY_P256,    SIM_KEY_P256,
					    SIM_KEY_ED25519, SIM_KEY_ED25519, SIM_KEY_P256,
					    SIM_KEY_ED25519, SIM_KEY_P384,    SIM_KEY_RSA};
	return keys[sim_rng_below(r, sizeof(keys) / sizeof(keys[0]))];
}

static enum sim_trust draw_trust(struct sim_rng *r, bool server)
{
	uint64_t x = sim_rng_below(r, 100);

	if (x < 70) {
		return SIM_TRUST_ROOT;
	}
	if (x < 76) {
		return SIM_TRUST_STRANGER;
	}
	return x < 94 || server ? SIM_TRUST_DELEGATE : SIM_TRUST_NONE;
}

static void draw_psk(struct sim_rng *r, struct sim_side *client, struct sim_side *server)
{
	bool sha384 = sim_rng_chance(r, 30);

	if (!sim_rng_chance(r, 35)) {
		return;
	}
	uint64_t x = sim_rng_below(r, 100);
	client->psk = x < 75 ? SIM_PSK_SHARED : x < 88 ? SIM_PSK_OTHER_KEY : SIM_PSK_UNKNOWN;
	server->psk = sim_rng_chance(r, 90) ? SIM_PSK_SHARED : SIM_PSK_NONE;
	client->psk_sha384 = sha384;
	server->psk_sha384 = sha384;
	server->ask_psk = sim_rng_chance(r, 30);
	if (server->psk != SIM_PSK_NONE || server->ask_psk) {
		server->has_certificate = sim_rng_chance(r, 60);
	}
}

static struct sim_list draw_versions(struct sim_rng *r)
{
	uint64_t x = sim_rng_below(r, 100);

	if (x < 8) {
		return (struct sim_list){1, {0}};
	}
	return x < 25 ? (struct sim_list){1, {1}} : (struct sim_list){2, {0, 1}};
}

static void draw_parameters(struct sim_rng *r, struct sim_side *side, bool server)
{
	static const uint64_t paddings[] = {0, 0, 0, 16, 64, 256, 1024, 4096, 16384};
	static const uint64_t records[] = {16384, 16384, 16384, 64, 100, 1000, 4096, 16383};

	static const uint64_t limits[] = {16385, 16385, 16385, 16385, 16385,
					  16384, 0,	64,    300,   5000};
	static const uint64_t fragments[] = {0, 0, 0, 0, 0, 0, 512, 4096};

	side->suites = sim_rng_chance(r, 50) ? side->suites : draw_list(r, 3);
	side->groups = sim_rng_chance(r, 40) ? side->groups : draw_list(r, 3);
	side->modes = sim_rng_chance(r, 60) ? side->modes : draw_list(r, 2);
	side->versions = draw_versions(r);
	side->alpn.count = 0;
	if (sim_rng_chance(r, 50)) {
		side->alpn = draw_list(r, 3);
	}
	side->trust = draw_trust(r, server);
	side->wrong_name = !server && sim_rng_chance(r, 3);
	side->has_certificate = server || sim_rng_chance(r, 50);
	side->key = draw_key(r);
	side->external_key = sim_rng_chance(r, 15);
	side->request_client = server && sim_rng_chance(r, 30);
	side->require_client = server && sim_rng_chance(r, 15);
	side->resume = !sim_rng_chance(r, 8);
	side->early = sim_rng_chance(r, 60);
	side->grease = sim_rng_chance(r, 70);
	side->compatible = sim_rng_chance(r, 70);
	side->keep_chain = sim_rng_chance(r, 30);
	side->key_shares = (unsigned)sim_rng_below(r, 4);
	side->tickets = (unsigned)sim_rng_below(r, 4);
	side->padding = paddings[sim_rng_below(r, 9)];
	side->max_record = records[sim_rng_below(r, 8)];
	if (side->padding > 256 && side->max_record < 1000) {
		side->max_record = 1000; /* a flight of hundreds of full records says nothing new */
	}
	side->record_limit = limits[sim_rng_below(r, 10)];
	side->max_fragment = server ? 0 : fragments[sim_rng_below(r, 8)];
	side->key_update_records = sim_rng_chance(r, 25) ? sim_rng_range(r, 1, 20) : 0;
	side->max_early_data = sim_rng_chance(r, 70) ? 16384 : sim_rng_size(r, 1, 40000);
	side->answer_yes = !sim_rng_chance(r, 12);
	side->answer_delay = sim_rng_chance(r, 50) ? 0 : sim_rng_below(r, 2000) * ENN_MILLISECOND;
}

/* ---- applications -------------------------------------------------------------------------------- */

static void draw_application(struct sim_rng *r, struct sim_side *side)
{
	uint64_t x = sim_rng_below(r, 100);

	side->bytes = x < 15 ? 0 : x < 92 ? sim_rng_size(r, 1, 9000) : sim_rng_size(r, 1, 102400);
	side->message_max = sim_rng_size(r, 1, 20000);
	if (side->message_max < side->bytes / 300) {
		side->message_max = side->bytes / 300;
	}
	side->message_min = sim_rng_chance(r, 50) ? 0 : side->message_max / 2;
	side->early_bytes = sim_rng_chance(r, 60) ? sim_rng_below(r, side->bytes + 1) : 0;
	static const enum sim_finish finishes[] = {SIM_FINISH_FINAL,	  SIM_FINISH_FINAL,
						   SIM_FINISH_FINAL,	  SIM_FINISH_EMPTY_FINAL,
						   SIM_FINISH_AFTER_PEER, SIM_FINISH_CLOSE,
						   SIM_FINISH_CLOSE_EARLY};
	side->finish = finishes[sim_rng_below(r, 7)];
	side->rekeys = sim_rng_chance(r, 25) ? (unsigned)sim_rng_size(r, 1, 40) : 0;
	side->rekey_both = (unsigned)sim_rng_below(r, 101);
	if (sim_rng_chance(r, 25)) {
		side->pause_percent = (unsigned)sim_rng_range(r, 5, 60);
		side->pause = sim_rng_size(r, 1, 3000) * ENN_MILLISECOND;
	}
	side->batch_max = sim_rng_chance(r, 60) ? 66000 : sim_rng_size(r, 256, 20000);
	side->batch_min = sim_rng_chance(r, 50) ? side->batch_max : 256;
	side->pieces = sim_rng_chance(r, 80) ? 1 : 4;
	side->misuse = sim_rng_chance(r, 15);
}

/* Few bytes at a time only where there are not many of them and they travel fast: virtual time runs out too. */
static void draw_shape(struct sim_rng *r, struct sim_pipe_shape *shape,
		       const struct sim_side *sender)
{
	bool little = sender->bytes < 3000 && sender->padding < 256;

	shape->segments = (enum sim_segments)sim_rng_below(r, SIM_SEGMENTS_COUNT);
	shape->latency = sim_rng_size(r, 1, 100 * ENN_MILLISECOND);
	shape->jitter = sim_rng_chance(r, 50) ? 0 : sim_rng_size(r, 1, 50 * ENN_MILLISECOND);
	shape->capacity = sim_rng_chance(r, 70) ? 65536 : sim_rng_size(r, little ? 1 : 4000, 30000);
	if (shape->capacity < 4000) {
		shape->latency = sim_rng_below(r, 100 * ENN_MICROSECOND);
		shape->jitter = 0;
	}
}

/* ---- what goes wrong -------------------------------------------------------------------------------- */

static void draw_fault(struct sim_rng *r, struct sim_connection *c)
{
	struct sim_fault *fault = &c->fault[sim_rng_below(r, 2)];

	fault->kind = (enum sim_fault_kind)sim_rng_range(r, 1, SIM_FAULT_COUNT - 1);
	fault->offset = sim_rng_chance(r, 70) ? sim_rng_below(r, 2500) : sim_rng_size(r, 0, 60000);
	fault->mask = (uint8_t)(1u << sim_rng_below(r, 8));
	if (sim_rng_chance(r, 20)) {
		fault->mask = (uint8_t)sim_rng_range(r, 1, 255);
	}
	fault->len = (size_t)sim_rng_size(r, 1, 2000);
}

static void draw_upset(struct sim_rng *r, struct sim_connection *c)
{
	struct sim_side *side = &c->side[sim_rng_below(r, 2)];

	side->upset = sim_rng_chance(r, 50) ? SIM_UPSET_FREE : SIM_UPSET_CANCEL;
	side->upset_turn = (unsigned)sim_rng_size(r, 0, 60);
}

/* Not more than one of them: what follows from it must be predictable. */
static void draw_trouble(struct sim_rng *r, struct sim_connection *c)
{
	uint64_t x = sim_rng_below(r, 100);

	if (x < 35) {
		draw_fault(r, c);
	} else if (x < 42) {
		draw_upset(r, c);
	} else if (x < 45) { /* somebody is too slow to answer */
		struct sim_side *side = &c->side[sim_rng_below(r, 2)];
		side->timeout_ms = sim_rng_range(r, 1, 3000);
	}
}

/* ---- the whole --------------------------------------------------------------------------------------- */

/* One must end first. */
static void both_cannot_wait(struct sim_connection *c)
{
	if (c->side[0].finish == SIM_FINISH_AFTER_PEER &&
	    c->side[1].finish == SIM_FINISH_AFTER_PEER) {
		c->side[0].finish = SIM_FINISH_FINAL;
	}
}

/* Later connections are like the one before, but for a few things. */
static void vary(struct sim_rng *r, struct sim_connection *c)
{
	struct sim_side *client = &c->side[0];
	struct sim_side *server = &c->side[1];

	if (sim_rng_chance(r, 15)) {
		client->suites = draw_list(r, 3);
	}
	if (sim_rng_chance(r, 15)) {
		server->groups = draw_list(r, 3);
	}
	if (sim_rng_chance(r, 10)) {
		client->alpn = draw_list(r, 3);
	}
	if (sim_rng_chance(r, 10)) {
		server->early = !server->early;
	}
	if (sim_rng_chance(r, 10)) {
		server->require_client = true;
	}
	if (sim_rng_chance(r, 10)) {
		client->trust = draw_trust(r, false);
	}
	for (int i = 0; i < 2; i++) {
		draw_application(r, &c->side[i]);
	}
	both_cannot_wait(c);
	c->offer_session = sim_rng_chance(r, 92);
	c->replay = sim_rng_chance(r, 40);
	c->server_restart = sim_rng_chance(r, 10);
	c->gap = sim_rng_chance(r, 80) ? sim_rng_size(r, 0, 100 * ENN_SECOND)
				       : sim_rng_below(r, 100000) * ENN_SECOND;
}

/* The first of several must leave a session, or the later ones have nothing to resume. */
static void pacify(struct sim_rng *r, struct sim_connection *c)
{
	struct sim_side *client = &c->side[0];
	struct sim_side *server = &c->side[1];

	if (client->trust == SIM_TRUST_STRANGER) {
		client->trust = SIM_TRUST_ROOT;
	}
	client->wrong_name = false;
	server->require_client = false;
	server->trust = SIM_TRUST_ROOT;
	server->alpn = client->alpn;
	server->versions = client->versions;
	client->early = server->early = sim_rng_chance(r, 80);
	for (int i = 0; i < 2; i++) {
		c->side[i].answer_yes = true;
		c->side[i].resume = true;
		c->side[i].tickets += c->side[i].tickets == 0;
		c->side[i].finish = c->side[i].finish == SIM_FINISH_CLOSE ? SIM_FINISH_FINAL
									  : c->side[i].finish;
	}
}

static void draw_first(struct sim_rng *r, struct sim_connection *c)
{
	for (int i = 0; i < 2; i++) {
		plain_side(&c->side[i], i == 1);
		draw_parameters(r, &c->side[i], i == 1);
		draw_application(r, &c->side[i]);
	}
	both_cannot_wait(c);
	uint64_t suite12 = sim_rng_below(r, 2 * SIM_SUITES12);
	c->side[0].suite12 = c->side[1].suite12 =
		(uint8_t)(suite12 < SIM_SUITES12 ? suite12 : suite12 % SIM_CBC12);
	draw_psk(r, &c->side[0], &c->side[1]);
	c->gap = sim_rng_below(r, 1000) * ENN_SECOND;
}

void sim_scenario_draw(struct sim_scenario *s, uint64_t seed)
{
	static const uint8_t counts[] = {1, 1, 1, 1, 1, 2, 2, 2, 3};
	struct sim_rng r;

	memset(s, 0, sizeof(*s));
	sim_rng_seed(&r, seed, 1);
	s->seed = seed;
	s->count = counts[sim_rng_below(&r, sizeof(counts))];
	s->libcrypto = sim_rng_chance(&r, 30);
	for (size_t i = 0; i < s->count; i++) {
		struct sim_connection *c = &s->connection[i];
		if (i == 0) {
			draw_first(&r, c);
			if (s->count > 1) {
				pacify(&r, c);
			}
			if (s->count == 2 && sim_version(c) == 0x0303 && sim_rng_chance(&r, 50)) {
				c->side[1].tickets = 0; /* a session by its id */
			}
		} else {
			*c = s->connection[i - 1];
			memset(c->fault, 0, sizeof(c->fault));
			for (int k = 0; k < 2; k++) {
				c->side[k].upset = SIM_UPSET_NONE;
				c->side[k].timeout_ms = 30000;
			}
			vary(&r, c);
		}
		draw_shape(&r, &c->shape[0], &c->side[0]);
		draw_shape(&r, &c->shape[1], &c->side[1]);
		if (i + 1 == s->count || sim_rng_chance(&r, 20)) {
			draw_trouble(&r, c);
		}
	}
}

/* ---- for people ---------------------------------------------------------------------------------------- */

static void print_side(const struct sim_side *side, bool server)
{
	static const char *const finishes[SIM_FINISH_COUNT] = {"final", "empty final", "after peer",
							       "close", "close early"};
	static const char *const trusts[] = {"root", "stranger", "delegate", "none"};
	static const char *const psks[] = {"none", "shared", "other key", "unknown"};
	static const char *const keys[] = {"ed25519", "p256", "p384", "rsa"};
	char suites[128], groups[64], modes[64], alpn[64], versions[32];

	sim_list_text(&side->versions, sim_version_names, versions, sizeof(versions));

	sim_list_text(&side->suites, sim_suite_names, suites, sizeof(suites));
	sim_list_text(&side->groups, sim_group_names, groups, sizeof(groups));
	sim_list_text(&side->modes, sim_mode_names, modes, sizeof(modes));
	sim_list_text(&side->alpn, sim_alpn_names, alpn, sizeof(alpn));
	printf("#   %s: %s | %s (%u shares) | %s | alpn %s\n", server ? "server" : "client", suites,
	       groups, side->key_shares, modes, alpn[0] == '\0' ? "-" : alpn);
	printf("#     cert %s%s, trust %s%s, psk %s%s%s%s%s, resume %d early %d tickets %u "
	       "max-early %llu answer %s after %llu ms\n",
	       side->has_certificate ? keys[side->key] : "none",
	       side->external_key ? " (external)" : "", trusts[side->trust],
	       side->wrong_name ? " (wrong name)" : "", psks[side->psk],
	       side->psk_sha384 ? "/384" : "", side->ask_psk ? " asked" : "",
	       side->request_client ? ", requests" : "", side->require_client ? ", requires" : "",
	       side->resume, side->early, side->tickets, (unsigned long long)side->max_early_data,
	       side->answer_yes ? "yes" : "no",
	       (unsigned long long)(side->answer_delay / ENN_MILLISECOND));
	printf("#     %s, in 1.2 %s, takes records of %llu, asks for %llu\n", versions,
	       sim_suite12_names[side->suite12], (unsigned long long)side->record_limit,
	       (unsigned long long)side->max_fragment);
	printf("#     padding %llu record %llu update %llu timeout %llu | %zu bytes (%zu early) in "
	       "%zu..%zu, %s, %u rekeys (%u%% both), pause %u%%, batch %zu..%zu, pieces %u%s%s\n",
	       (unsigned long long)side->padding, (unsigned long long)side->max_record,
	       (unsigned long long)side->key_update_records, (unsigned long long)side->timeout_ms,
	       side->bytes, side->early_bytes, side->message_min, side->message_max,
	       finishes[side->finish], side->rekeys, side->rekey_both, side->pause_percent,
	       side->batch_min, side->batch_max, side->pieces, side->misuse ? ", misuse" : "",
	       side->upset == SIM_UPSET_FREE	 ? ", freed"
	       : side->upset == SIM_UPSET_CANCEL ? ", cancelled"
						 : "");
}

void sim_scenario_print(const struct sim_scenario *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sim_connection *c = &s->connection[i];
		printf("# connection %zu%s%s%s\n", i + 1, c->offer_session ? ", session" : "",
		       c->replay ? ", replay" : "", c->server_restart ? ", restarted server" : "");
		print_side(&c->side[0], false);
		print_side(&c->side[1], true);
		for (int d = 0; d < 2; d++) {
			printf("#   %s: segments %d, latency %llu us, jitter %llu us, capacity "
			       "%zu, fault %s at %llu mask %02x len %zu\n",
			       d == 0 ? "->" : "<-", (int)c->shape[d].segments,
			       (unsigned long long)(c->shape[d].latency / ENN_MICROSECOND),
			       (unsigned long long)(c->shape[d].jitter / ENN_MICROSECOND),
			       c->shape[d].capacity, sim_fault_name(c->fault[d].kind),
			       (unsigned long long)c->fault[d].offset, c->fault[d].mask,
			       c->fault[d].len);
		}
	}
}
