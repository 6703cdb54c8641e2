/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include <stdlib.h>

#include "protocols/registry.h"

static void take_events(struct tls_pair *p, struct tls_end *end)
{
	struct enn_answer yes = {.type = ENN_ANSWER_PEER, .accept = true};
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(end->e, p->now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_READY:
			end->ready = true;
			enn_engine_info(end->e, &end->info);
			break;
		case ENN_EVENT_STORE_SESSION:
			assert_true(event.u.session.len <= sizeof(end->session));
			memcpy(end->session, event.u.session.data, event.u.session.len);
			end->session_len = event.u.session.len;
			end->sessions++;
			break;
		case ENN_EVENT_FAILED:
			end->failed = true;
			end->error = event.u.error;
			break;
		case ENN_EVENT_RECEIVED:
			end->received += event.u.received.len;
			break;
		case ENN_EVENT_PEER_AUTHENTICATED:
			end->authenticated++;
			end->accepted = event.u.authenticated.accepted;
			enn_engine_info(end->e, &end->info);
			break;
		case ENN_EVENT_SENT:
		case ENN_EVENT_EARLY_DATA:
		case ENN_EVENT_KEYS_UPDATED:
		case ENN_EVENT_CLOSED:
			break;
		default:
			end->questions++;
			if (p->ask != NULL) {
				p->ask(p, end, &event);
			} else {
				MUST(enn_engine_answer(end->e, p->now, &yes));
			}
			break;
		}
	}
}

static bool carry(struct tls_pair *p, struct tls_end *from, struct tls_end *to)
{
	static uint8_t buf[65536];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};

	take_events(p, from);
	MUST(enn_engine_transmit(from->e, p->now, &batch));
	if (batch.len == 0) {
		return false;
	}
	if (p->wire != NULL) {
		batch.len = p->wire(p, to, buf, batch.len, sizeof(buf));
	}
	struct enn_packet packet = {.data = buf, .len = batch.len};
	enum enn_status status = enn_engine_ingest(to->e, p->now, NULL, &packet, 1);
	assert_true(status == ENN_OK || to->failed);
	take_events(p, to);
	return true;
}

void tls_pair_go_on(struct tls_pair *p)
{
	bool any;

	do {
		any = carry(p, &p->client, &p->server);
		any = carry(p, &p->server, &p->client) || any;
	} while (any);
}

void tls_pair_run(struct tls_pair *p, const struct enn_env *env, struct enn_security *client,
		  struct enn_security *server, const char *name, const struct tls_end *session)
{
	struct enn_engine_options options = {.server_name = name};
	struct enn_error error;

	memset(&p->client, 0, sizeof(p->client));
	memset(&p->server, 0, sizeof(p->server));
	p->now = p->now == 0 ? ENN_SECOND : p->now;
	if (session != NULL) {
		options.session = session->session;
		options.session_len = session->session_len;
	}
	if (enn_engine_new_client(&enn_tls_protocol, env, client, &options, &p->client.e, &error) !=
		    ENN_OK ||
	    enn_engine_new_server(&enn_tls_protocol, p->server_env == NULL ? env : p->server_env,
				  server, NULL, &p->server.e, &error) != ENN_OK) {
		fail_msg("%s", error.text);
	}
	MUST(enn_engine_start(p->client.e, p->now));
	MUST(enn_engine_start(p->server.e, p->now));
	if (p->begun != NULL) {
		p->begun(p);
	}
	if (p->early != NULL) {
		struct enn_message early = {.data = (const uint8_t *)p->early,
					    .len = strlen(p->early),
					    .flags = ENN_MESSAGE_EARLY};
		MUST(enn_engine_send(p->client.e, p->now, &early));
	}
	tls_pair_go_on(p);
}

void tls_pair_free(struct tls_pair *p)
{
	enn_engine_free(p->client.e);
	enn_engine_free(p->server.e);
	p->client.e = p->server.e = NULL;
}

void tls_pair_must_be_ready(const struct tls_pair *p)
{
	const struct tls_end *bad = p->client.failed && p->client.error.origin == ENN_ORIGIN_LOCAL
					    ? &p->client
					    : &p->server;

	if (!p->client.ready || !p->server.ready || p->client.failed || p->server.failed) {
		fail_msg("the %s says: %s", bad == &p->client ? "client" : "server",
			 bad->failed ? bad->error.text : "nothing");
	}
}

void tls_pair_must_fail(const struct tls_pair *p, bool by_server, enum enn_reason reason,
			unsigned alert)
{
	const struct tls_end *by = by_server ? &p->server : &p->client;
	const struct tls_end *told = by_server ? &p->client : &p->server;

	if (!by->failed || by->error.origin != ENN_ORIGIN_LOCAL) {
		fail_msg("the %s did not refuse; the other says: %s",
			 by_server ? "server" : "client",
			 told->failed ? told->error.text : "nothing");
	}
	if (by->error.reason != reason || by->error.wire_code != alert) {
		fail_msg("refused for %s with alert %u: %s", enn_reason_name(by->error.reason),
			 (unsigned)by->error.wire_code, by->error.text);
	}
	assert_true(told->failed);
	assert_int_equal(told->error.origin, ENN_ORIGIN_PEER);
	assert_int_equal(told->error.wire_code, alert);
}

/* ---- versions --------------------------------------------------------------------------------- */

static const char *version; /* NULL: as the library has it */

int tls_use_12(void **state)
{
	(void)state;
	version = "TLSv1.2";
	return 0;
}

int tls_use_13(void **state)
{
	(void)state;
	version = "TLSv1.3";
	return 0;
}

/* ---- parameters ------------------------------------------------------------------------------- */

struct enn_security *tls_security(const char *const *settings)
{
	struct enn_security *s = enn_security_new();
	struct enn_error error;

	assert_non_null(s);
	MUST(enn_security_set_bool(s, ENN_SECURITY_KEEP_PEER_CHAIN, true));
	if (version != NULL) {
		MUST(enn_security_set_list(s, ENN_SECURITY_VERSIONS, version, NULL));
	}
	for (; settings != NULL && *settings != NULL; settings++) {
		char name[64];
		size_t len = strcspn(*settings, "=");
		assert_true(len < sizeof(name));
		memcpy(name, *settings, len);
		name[len] = '\0';
		if (enn_security_parse(s, name, *settings + len + 1, &error) != ENN_OK) {
			fail_msg("%s: %s", *settings, error.text);
		}
	}
	return s;
}

void tls_trust(struct enn_security *s, const struct cert *anchor)
{
	MUST(enn_security_trust_pem(s, anchor->pem, strlen(anchor->pem), NULL));
}

struct enn_credential *tls_credential(const struct cert *leaf, const struct cert *const *rest,
				      size_t rest_count)
{
	struct enn_credential *k = NULL;
	struct enn_error error;
	size_t len = strlen(leaf->pem);

	for (size_t i = 0; i < rest_count; i++) {
		len += strlen(rest[i]->pem);
	}
	char *chain = malloc(len + 1);
	assert_non_null(chain);
	(void)strcpy(chain, leaf->pem);
	for (size_t i = 0; i < rest_count; i++) {
		(void)strcat(chain, rest[i]->pem);
	}
	if (enn_credential_x509_pem(chain, len, leaf->key_pem, strlen(leaf->key_pem), &k, &error) !=
	    ENN_OK) {
		fail_msg("%s", error.text);
	}
	free(chain);
	return k;
}

void tls_add_certificate(struct enn_security *s, const struct cert *leaf)
{
	struct enn_credential *k = tls_credential(leaf, NULL, 0);

	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
}
