/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes back from outside: session blobs (an application's file) and tickets (a client's word). What
 * decodes is then used: a client resumes with it, and a server finds it in a ticket of its own.
 */
#include <string.h>

#include "ennead/engine.h"
#include "features/session_cache.h"
#include "fuzz.h"
#include "handshake/session.h"
#include "protocols/registry.h"

static const uint8_t ticket_key[64] =
	"a ticket key that every run of this target shares, 64 bytes ..";

static void pass(struct enn_engine *from, struct enn_engine *to)
{
	static uint8_t buf[65536];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
	struct enn_event event;

	FUZZ_ASSERT(enn_engine_transmit(from, 1, &batch) == ENN_OK);
	struct enn_packet packet = {.data = buf, .len = batch.len};
	if (batch.len > 0) {
		(void)!enn_engine_ingest(to, 1, NULL, &packet, 1);
	}
	do {
		enn_engine_next_event(to, 1, &event);
	} while (event.type != ENN_EVENT_NONE);
}

static struct enn_security *make_security(bool server, const struct enn_session *s)
{
	struct enn_security *security = enn_security_new();
	struct enn_credential *k = NULL;

	FUZZ_ASSERT(security != NULL &&
		    enn_security_set_bool(security, ENN_SECURITY_VERIFY_PEER, false) == ENN_OK &&
		    enn_security_set_bool(security, ENN_SECURITY_KEEP_PEER_CHAIN, true) == ENN_OK &&
		    enn_security_set_bool(security, ENN_SECURITY_EARLY_DATA, true) == ENN_OK);
	if (s->alpn.len > 0) {
		FUZZ_ASSERT(enn_security_add_alpn(security, s->alpn.data, s->alpn.len) == ENN_OK);
	}
	if (server) {
		FUZZ_ASSERT(enn_credential_x509_pem(fuzz_cert_pem(), strlen(fuzz_cert_pem()),
						    fuzz_key_pem(), strlen(fuzz_key_pem()), &k,
						    NULL) == ENN_OK &&
			    enn_security_add_credential(security, k) == ENN_OK &&
			    enn_security_ticket_key(security, ticket_key, 64, s->issued) == ENN_OK);
		enn_credential_free(k);
	}
	return security;
}

/* A connection that resumes: the client from a session that ends in `ticket`, the server from what
 * is in that. The client's own rules are put into it, or it would not be offered; the server
 * judges what the ticket says. */
static void resume(const struct enn_env *env, const struct enn_session *s, struct enn_bytes ticket)
{
	uint8_t blob[8192];
	struct enn_session offered = *s;
	struct enn_security *security[2] = {make_security(false, s), make_security(true, s)};
	struct enn_engine *client = NULL;
	struct enn_engine *server = NULL;
	struct enn_engine_options options = {.session = blob};
	struct enn_message early = {
		.data = ticket_key, .len = 64, .flags = ENN_MESSAGE_EARLY | ENN_MESSAGE_FINAL};
	struct enn_info info;
	char name[256] = "localhost";

	if (s->server_name.len > 0 && s->server_name.len <= 253 &&
	    memchr(s->server_name.data, 0, s->server_name.len) == NULL) {
		memcpy(name, s->server_name.data, s->server_name.len);
		name[s->server_name.len] = '\0';
	}
	options.server_name = name;
	enn_security_digest_rules(security[0]);
	offered.rules = enn_security_rules(security[0], false);
	offered.ticket = ticket;
	offered.peer = (struct enn_bytes){NULL, 0};
	options.session_len = enn_session_encode(&offered, blob, sizeof(blob));
	FUZZ_ASSERT(options.session_len > 0);
	FUZZ_ASSERT(enn_engine_new_client(&enn_tls_protocol, env, security[0], &options, &client,
					  NULL) == ENN_OK);
	FUZZ_ASSERT(enn_engine_new_server(&enn_tls_protocol, env, security[1], NULL, &server,
					  NULL) == ENN_OK);
	FUZZ_ASSERT(enn_engine_start(client, 1) == ENN_OK && enn_engine_start(server, 1) == ENN_OK);
	FUZZ_ASSERT(enn_engine_send(client, 1, &early) == ENN_OK);
	for (int i = 0; i < 3; i++) {
		pass(client, server);
		pass(server, client);
	}
	enn_engine_info(server, &info);
	FUZZ_ASSERT(!info.ready || info.cipher != NULL);
	enn_engine_free(client);
	enn_engine_free(server);
	enn_security_free(security[0]);
	enn_security_free(security[1]);
}

/* A server's state as it is: sealed into a ticket that a client with the same PSK offers. */
static void resume_from_ticket(struct enn_ticket_keys *keys, const struct enn_session *s,
			       const uint8_t *state, size_t len)
{
	uint8_t ticket[4096 + ENN_TICKET_OVERHEAD];
	struct enn_env env = *fuzz_env();
	size_t ticket_len = 0;

	env.wall_offset = s->issued; /* so that it has not expired */
	FUZZ_ASSERT(enn_ticket_seal(keys, &env, s->issued, ENN_SECOND, state, len, ticket,
				    sizeof(ticket), &ticket_len) == ENN_OK);
	resume(&env, s, (struct enn_bytes){ticket, ticket_len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct enn_ticket_keys *keys;
	struct enn_env *env = fuzz_env();
	struct enn_bytes blob = {data, size};
	struct enn_session s;
	uint8_t out[4096];
	size_t len = 0;

	fuzz_env_reset();
	if (keys == NULL) {
		keys = enn_ticket_keys_new();
		FUZZ_ASSERT(keys != NULL &&
			    enn_ticket_keys_set(keys, ticket_key, 64, env->wall_offset) == ENN_OK);
	}
	if (size > sizeof(out)) {
		return 0;
	}
	if (enn_session_decode(blob, &s)) {
		FUZZ_ASSERT(enn_session_size(&s) == size);
		FUZZ_ASSERT(enn_session_encode(&s, out, sizeof(out)) == size);
		if (s.lifetime > 0 && s.issued < INT64_MAX / 2 && s.issued > INT64_MIN / 2) {
			resume_from_ticket(keys, &s, data, size);
			resume(env, &s, s.ticket);
		}
	}
	enum enn_status status =
		enn_ticket_open(keys, env, env->wall_offset, data, size, out, sizeof(out), &len);
	FUZZ_ASSERT(status != ENN_OK || len < size);
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
	return 0;
}
