/* SPDX-License-Identifier: Apache-2.0
 *
 * ct_tls CASE: a TLS connection in which every secret is marked for memcheck (see wrap.c). Run by
 * run.py under valgrind, which reports what our code makes depend on a secret.
 *
 * Cases whose name begins with "control" do something forbidden and must be reported.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ennead/engine.h"
#include "ennead/protocol.h"
#include "ennead/security.h"
#include "handshake/session.h"
#include "pki.h"
#include "protocols/tls/internal.h"
#include "rng.h"
#include "wrap.h"

struct setup {
	const char *name;
	const char *suite;
	const char *group;
	bool retry, mutual, psk, ke, early, tamper, wrong_psk;
	enum sim_key key;
};

static const struct setup setups[] = {
	{.name = "full", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519"},
	{.name = "mutual",
	 .suite = "TLS_AES_256_GCM_SHA384",
	 .group = "P-256",
	 .mutual = true,
	 .key = SIM_KEY_P256},
	{.name = "retry",
	 .suite = "TLS_CHACHA20_POLY1305_SHA256",
	 .group = "P-384",
	 .retry = true,
	 .key = SIM_KEY_P384},
	{.name = "psk", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519", .psk = true},
	{.name = "psk_ke",
	 .suite = "TLS_CHACHA20_POLY1305_SHA256",
	 .group = "X25519",
	 .psk = true,
	 .ke = true},
	{.name = "wrong-psk",
	 .suite = "TLS_AES_128_GCM_SHA256",
	 .group = "X25519",
	 .psk = true,
	 .wrong_psk = true},
	{.name = "early", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519", .early = true},
	{.name = "tamper", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519", .tamper = true},
	{.name = "control-branch", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519"},
	{.name = "control-index", .suite = "TLS_AES_256_GCM_SHA384", .group = "P-256"},
	{.name = "control-compare", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519"},
	{.name = "control-session", .suite = "TLS_AES_128_GCM_SHA256", .group = "X25519"},
};

struct side {
	struct enn_engine *e;
	bool ready, failed, closed, accepted_early;
	size_t received;
};

struct lab {
	const struct setup *setup;
	struct sim_pki *pki;
	struct enn_env env;
	struct sim_rng rng;
	struct enn_session_store *store;
	uint8_t ticket_key[64];
	uint8_t session[4096];
	size_t session_len;
};

static const uint8_t app_data[3000] = "application data is no key, and is not marked";

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "ct: %s\n", what);
		exit(2);
	}
}

static int env_random(void *ctx, uint8_t *out, size_t len)
{
	sim_rng_fill(ctx, out, len);
	if (ct_drawing_keys()) {
		ct_secret(out, len);
	}
	return 0;
}

/* ---- making -------------------------------------------------------------------------------- */

static void add_psk(struct enn_security *s, bool wrong)
{
	struct enn_credential *psk;
	uint8_t key[32];

	memset(key, 0x5a, sizeof(key));
	key[9] ^= wrong;
	ct_secret(key, sizeof(key));
	must(enn_credential_psk((const uint8_t *)"ct", 2, key, sizeof(key), ENN_PSK_SHA256, &psk) ==
			     ENN_OK &&
		     enn_security_add_credential(s, psk) == ENN_OK,
	     "psk");
	enn_credential_free(psk);
}

static struct enn_security *make_security(struct lab *lab, bool server)
{
	const struct setup *x = lab->setup;
	struct enn_security *s = enn_security_new();
	const char *root = sim_pki_root(lab->pki);
	char groups[32];

	(void)snprintf(groups, sizeof(groups), "%s", x->group);
	bool ok =
		s != NULL && enn_security_trust_pem(s, root, strlen(root), NULL) == ENN_OK &&
		enn_security_parse(s, "ciphersuite", x->suite, NULL) == ENN_OK &&
		enn_security_parse(s, "supportedGroup", groups, NULL) == ENN_OK &&
		enn_security_parse(s, "pskMode", x->ke ? "psk_ke" : "psk_dhe_ke", NULL) == ENN_OK &&
		enn_security_set_u64(s, ENN_SECURITY_KEY_SHARES, x->retry ? 0 : 1) == ENN_OK &&
		enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, x->early) == ENN_OK &&
		enn_security_set_u64(s, ENN_SECURITY_PADDING, 64) == ENN_OK;
	if (x->psk) {
		add_psk(s, x->wrong_psk && !server);
	} else if (server || x->mutual) {
		ok = ok &&
		     enn_security_add_credential(
			     s, sim_pki_credential(lab->pki, server, x->key, false)) == ENN_OK;
	}
	if (server) {
		ok = ok &&
		     enn_security_set_bool(s, ENN_SECURITY_REQUIRE_CLIENT, x->mutual) == ENN_OK &&
		     enn_security_set_session_store(s, lab->store) == ENN_OK &&
		     enn_security_ticket_key(s, lab->ticket_key, 64, lab->env.wall_offset) ==
			     ENN_OK;
	}
	must(ok, "security parameters");
	return s;
}

static void make_engine(struct lab *lab, struct side *side, bool server)
{
	const struct enn_protocol *tls = enn_protocol_by_id(ENN_PROTOCOL_TLS);
	struct enn_security *s = make_security(lab, server);
	struct enn_engine_options options = {.server_name = server ? NULL : SIM_SERVER_NAME};

	memset(side, 0, sizeof(*side));
	if (!server && lab->session_len > 0) {
		options.session = lab->session;
		options.session_len = lab->session_len;
	}
	must((server ? enn_engine_new_server(tls, &lab->env, s, &options, &side->e, NULL)
		     : enn_engine_new_client(tls, &lab->env, s, &options, &side->e, NULL)) ==
			     ENN_OK &&
		     enn_engine_start(side->e, ENN_SECOND) == ENN_OK,
	     "engine");
	enn_security_free(s);
}

/* ---- running ---------------------------------------------------------------------------------- */

static void take_events(struct lab *lab, struct side *side)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(side->e, ENN_SECOND, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			side->ready = true;
			break;
		case ENN_EVENT_RECEIVED:
			side->received += event.u.received.len;
			break;
		case ENN_EVENT_EARLY_DATA:
			side->accepted_early = event.u.early_data.accepted;
			break;
		case ENN_EVENT_STORE_SESSION:
			must(event.u.session.len <= sizeof(lab->session), "session");
			memcpy(lab->session, event.u.session.data, event.u.session.len);
			lab->session_len = event.u.session.len;
			break;
		case ENN_EVENT_FAILED:
			side->failed = true;
			break;
		case ENN_EVENT_CLOSED:
			side->closed = true;
			break;
		default:
			break;
		}
	}
}

/* One side's output to the other; true if there was any. */
static bool carry(struct lab *lab, struct side *from, struct side *to, bool flip)
{
	static uint8_t buf[65536];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};

	take_events(lab, from);
	must(enn_engine_transmit(from->e, ENN_SECOND, &batch) == ENN_OK, "transmit");
	if (batch.len == 0) {
		return false;
	}
	/* what is on the wire is public, or the marking is wrong */
	must(!ct_is_secret(buf, batch.len), "a marked byte on the wire");
	if (flip) {
		buf[batch.len - 1] ^= 1;
	}
	struct enn_packet packet = {.data = buf, .len = batch.len};
	enum enn_status status = enn_engine_ingest(to->e, ENN_SECOND, NULL, &packet, 1);
	must(status == ENN_OK || to->failed || to->closed, "ingest");
	take_events(lab, to);
	return true;
}

static void settle(struct lab *lab, struct side *client, struct side *server)
{
	bool any;

	do {
		any = carry(lab, client, server, false);
		any = carry(lab, server, client, false) || any;
	} while (any);
}

static void send_data(struct side *side, uint32_t flags)
{
	struct enn_message m = {.data = app_data, .len = sizeof(app_data), .flags = flags};
	must(enn_engine_send(side->e, ENN_SECOND, &m) == ENN_OK, "send");
}

/* ---- controls: each of these must be reported ------------------------------------------------- */

static volatile int sink;

static void control(struct lab *lab, struct side *client)
{
	static const uint8_t table[256] = {1};
	const struct enn_tls *t = (const struct enn_tls *)client->e;
	const char *name = lab->setup->name;
	uint8_t exported[32];

	must(enn_engine_export_key(client->e, "EXPORTER-ct", NULL, 0, false, exported, 32) ==
		     ENN_OK,
	     "export");
	if (strcmp(name, "control-branch") == 0 && exported[3] & 1) {
		sink = 1;
	}
	if (strcmp(name, "control-index") == 0) {
		sink = table[t->send.secret[5]];
	}
	if (strcmp(name, "control-compare") == 0) {
		sink = memcmp(t->receive.iv, app_data, sizeof(t->receive.iv)) == 0;
	}
	if (strcmp(name, "control-session") == 0) {
		struct enn_bytes blob = {lab->session, lab->session_len};
		struct enn_session view;
		must(enn_session_decode(blob, &view), "session");
		if (view.psk.data[0] > 7) {
			sink = 2;
		}
	}
}

/* ---- cases -------------------------------------------------------------------------------------- */

static void connect_once(struct lab *lab)
{
	struct side client, server;
	uint8_t exported[32];

	make_engine(lab, &client, false);
	make_engine(lab, &server, true);
	if (lab->session_len > 0 && lab->setup->early) {
		send_data(&client, ENN_MESSAGE_EARLY);
	}
	settle(lab, &client, &server);
	if (lab->setup->wrong_psk) {
		must(server.failed && client.failed, "a wrong PSK was accepted");
	} else {
		must(client.ready && server.ready, "no connection");
		must(enn_engine_export_key(server.e, "EXPORTER-ct", (const uint8_t *)"x", 1, false,
					   exported, 32) == ENN_OK,
		     "export");
		send_data(&client, 0);
		send_data(&server, 0);
		must(enn_engine_rekey(client.e, ENN_SECOND, true) == ENN_OK, "rekey");
		settle(lab, &client, &server);
		must(client.received >= sizeof(app_data), "data");
		control(lab, &client);
		send_data(&client, ENN_MESSAGE_FINAL);
		if (lab->setup->tamper) {
			(void)carry(lab, &client, &server, true);
			must(server.failed, "a changed record was accepted");
		}
		settle(lab, &client, &server);
	}
	enn_engine_free(client.e);
	enn_engine_free(server.e);
	if (lab->setup->early && lab->store != NULL) {
		printf("# early data %s\n", server.accepted_early ? "accepted" : "not accepted");
	}
}

int main(int argc, char **argv)
{
	static struct lab lab;
	bool mb = argc > 2 && strcmp(argv[2], "ipsec-mb") == 0;

	for (size_t i = 0; argc > 1 && i < sizeof(setups) / sizeof(setups[0]); i++) {
		lab.setup = strcmp(setups[i].name, argv[1]) == 0 ? &setups[i] : lab.setup;
	}
	must(lab.setup != NULL, "usage: ct_tls CASE [ipsec-mb]");
	sim_rng_libcrypto(1);
	sim_rng_seed(&lab.rng, 1, 1);
	enum enn_status status =
		enn_crypto_new(mb ? ENN_CRYPTO_IPSEC_MB : ENN_CRYPTO_LIBCRYPTO, &lab.env.crypto);
	if (mb && status == ENN_E_UNSUPPORTED) {
		return 77;
	}
	must(status == ENN_OK, "crypto");
	lab.pki = sim_pki_new(1u << lab.setup->key);
	lab.env.random = env_random;
	lab.env.random_ctx = &lab.rng;
	lab.env.wall_offset = SIM_EPOCH * (int64_t)ENN_SECOND;
	lab.store = enn_session_store_new(16);
	sim_rng_fill(&lab.rng, lab.ticket_key, sizeof(lab.ticket_key));
	ct_secret(lab.ticket_key + 16, 48); /* the first 16 bytes are its public name */
	connect_once(&lab);
	if (lab.setup->early) {
		connect_once(&lab); /* resumes */
	}
	enn_session_store_free(lab.store);
	sim_pki_free(lab.pki);
	enn_crypto_free(lab.env.crypto);
	return 0;
}
