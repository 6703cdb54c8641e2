/* SPDX-License-Identifier: Apache-2.0
 *
 * A DTLS client, a listener, and a network that does what the input says, byte by byte: see enum deed. Whatever
 * it does, a message arrives at most once and unchanged, and an engine that has ended stays ended.
 */
#include <string.h>

#include "ennead/engine.h"
#include "ennead/security.h"
#include "fuzz.h"
#include "protocols/registry.h"

enum deed {
	DELIVER, /* the oldest datagram */
	DROP,
	DUPLICATE,
	LATER,	/* behind all others */
	CHANGE, /* where, how */
	CUT,	/* to so many bytes */
	INVENT, /* to whom, length, bytes */
	MOMENT, /* tenths of a second pass */
	SEND,	/* from whom */
	REKEY,	/* whose */
	CLOSE,	/* who */
	SETTLE, /* everything arrives */
	DEEDS
};

#define ROOM	 2048u
#define ON_WAY	 32u
#define MESSAGES 64u

struct datagram {
	uint8_t data[ROOM];
	size_t len;
	bool to_server;
};

static struct {
	struct enn_engine *e[2]; /* the client's, and the listener's if there is one */
	struct enn_acceptor *acceptor;
	struct datagram way[ON_WAY];
	size_t count;
	enn_time now;
	uint8_t sent[2][MESSAGES]; /* numbers; a message is its number, four times */
	size_t sent_count[2];
	bool seen[2][MESSAGES]; /* by who got it */
	bool over[2];
} w;

static struct {
	const uint8_t *at;
	size_t left;
} script;

static uint8_t next(void)
{
	if (script.left == 0) {
		return 0;
	}
	script.left--;
	return *script.at++;
}

static struct enn_path path_to(bool server)
{
	struct enn_address c = {.ip = {192, 0, 2, 1}, .port = 1000, .family = ENN_FAMILY_IPV4};
	struct enn_address s = {.ip = {192, 0, 2, 2}, .port = 2000, .family = ENN_FAMILY_IPV4};

	return server ? (struct enn_path){.local = s, .remote = c}
		      : (struct enn_path){.local = c, .remote = s};
}

static void received(int who, const struct enn_message *m)
{
	if ((m->flags & ENN_MESSAGE_FINAL) != 0) {
		return;
	}
	FUZZ_ASSERT(m->len == 4 && m->data[0] < MESSAGES);
	FUZZ_ASSERT(m->data[1] == m->data[0] && m->data[3] == m->data[0]);
	FUZZ_ASSERT(m->data[0] < w.sent_count[1 - who]); /* it was sent */
	FUZZ_ASSERT(!w.seen[who][m->data[0]]);
	w.seen[who][m->data[0]] = true;
}

static void take_events(int who)
{
	struct enn_answer yes = {.type = ENN_ANSWER_PEER, .accept = true};
	struct enn_event event;

	while (w.e[who] != NULL) {
		enn_engine_next_event(w.e[who], w.now, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_RECEIVED:
			received(who, &event.u.received);
			break;
		case ENN_EVENT_VALIDATE_PEER:
			FUZZ_ASSERT(enn_engine_answer(w.e[who], w.now, &yes) == ENN_OK);
			break;
		case ENN_EVENT_FAILED:
		case ENN_EVENT_CLOSED:
			FUZZ_ASSERT(!w.over[who]);
			w.over[who] = true;
			break;
		default:
			FUZZ_ASSERT(!w.over[who]);
			break;
		}
	}
}

static void push(bool to_server, const uint8_t *data, size_t len)
{
	if (w.count < ON_WAY && len <= ROOM) {
		struct datagram *d = &w.way[w.count++];
		memcpy(d->data, data, len);
		d->len = len;
		d->to_server = to_server;
	}
}

static void collect(int who)
{
	static uint8_t buf[65536];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};

	for (int turns = 0; w.e[who] != NULL && turns < 64; turns++) {
		take_events(who);
		FUZZ_ASSERT(enn_engine_transmit(w.e[who], w.now, &batch) == ENN_OK);
		if (batch.len == 0) {
			return;
		}
		for (size_t at = 0; at < batch.len; at += batch.segment_size) {
			size_t left = batch.len - at;
			push(who == 0, buf + at,
			     left < batch.segment_size ? left : batch.segment_size);
		}
	}
}

/* The engine at the listener that it is for; NULL: nobody's. */
static struct enn_engine *accept(struct datagram *d)
{
	const struct enn_path path = path_to(true);
	struct enn_packet p = {.data = d->data, .len = d->len};
	uint8_t reply[ROOM];
	struct enn_batch batch = {.buf = reply, .cap = sizeof(reply)};
	struct enn_engine *e = NULL;
	bool created = false;

	FUZZ_ASSERT(enn_acceptor_accept(w.acceptor, w.now, &path, &p, 1, &batch, &e, &created) ==
		    ENN_OK);
	FUZZ_ASSERT(batch.len <= 3 * d->len);
	push(false, reply, batch.len);
	if (created) { /* one is enough: the one before goes */
		enn_engine_free(w.e[1]);
		w.e[1] = e;
		w.over[1] = false;
		FUZZ_ASSERT(enn_engine_start(e, w.now) == ENN_OK);
	}
	return e;
}

static void deliver(struct datagram d)
{
	int who = d.to_server ? 1 : 0;
	const struct enn_path path = path_to(d.to_server);
	struct enn_engine *e = d.to_server ? accept(&d) : w.e[0];
	struct enn_packet p = {.data = d.data, .len = d.len};

	if (e == NULL) {
		return;
	}
	FUZZ_ASSERT(e == w.e[who]);
	enum enn_status status = enn_engine_ingest(e, w.now, &path, &p, 1);
	FUZZ_ASSERT(status == ENN_OK || w.over[who]);
	take_events(who);
}

static struct datagram pop(void)
{
	struct datagram d = w.way[0];

	memmove(w.way, w.way + 1, --w.count * sizeof(w.way[0]));
	return d;
}

static void settle(void)
{
	for (int n = 0; n < 64 && w.count > 0; n++) {
		deliver(pop());
		collect(0);
		collect(1);
	}
}

static void pass_time(void)
{
	w.now += next() * (ENN_SECOND / 10);
	for (int who = 0; who < 2; who++) {
		if (w.e[who] != NULL && enn_engine_deadline(w.e[who]) <= w.now) {
			enn_engine_expire(w.e[who], w.now);
		}
	}
}

static void send(int who)
{
	static uint8_t text[2][MESSAGES][4]; /* lent */
	uint8_t number = (uint8_t)w.sent_count[who];

	if (w.e[who] == NULL || number == MESSAGES) {
		return;
	}
	memset(text[who][number], number, 4);
	struct enn_message m = {.data = text[who][number], .len = 4};
	if (enn_engine_send(w.e[who], w.now, &m) == ENN_OK) {
		w.sent_count[who]++;
	}
}

static void do_one(enum deed deed)
{
	int who = deed >= SEND ? next() & 1 : 0;

	switch (deed) {
	case MOMENT:
		pass_time();
		return;
	case SEND:
		send(who);
		return;
	case REKEY:
	case CLOSE:
		if (w.e[who] != NULL && !w.over[who]) {
			(void)!(deed == REKEY ? enn_engine_rekey(w.e[who], w.now, true)
					      : enn_engine_close(w.e[who], w.now, 0));
		}
		return;
	case SETTLE:
		settle();
		return;
	case INVENT: {
		uint8_t data[256];
		bool to_server = (next() & 1) != 0;
		size_t len = next();
		for (size_t i = 0; i < len; i++) {
			data[i] = next();
		}
		push(to_server, data, len);
		return;
	}
	default:
		break;
	}
	if (w.count == 0) {
		return;
	}
	struct datagram d = pop();
	if (deed == CHANGE && d.len > 0) {
		d.data[((size_t)next() << 8 | next()) % d.len] ^= (uint8_t)(next() | 1);
	} else if (deed == CUT) {
		d.len = d.len * next() / 256;
	}
	if (deed == LATER || deed == DUPLICATE) {
		push(d.to_server, d.data, d.len);
	}
	if (deed != DROP && deed != LATER) {
		deliver(d);
	}
}

static struct enn_security *make_security(bool server, uint8_t shape)
{
	static const uint8_t key[32] = "a key of thirty-two bytes, so it";
	struct enn_security *s = enn_security_new();
	struct enn_credential *k = NULL;

	FUZZ_ASSERT(s != NULL);
	if ((shape & 1) != 0) {
		FUZZ_ASSERT(enn_credential_psk(key, 4, key, 32, ENN_PSK_SHA256, &k) == ENN_OK);
	} else if (server || (shape & 2) != 0) {
		FUZZ_ASSERT(enn_credential_x509_pem(fuzz_cert_pem(), strlen(fuzz_cert_pem()),
						    fuzz_key_pem(), strlen(fuzz_key_pem()), &k,
						    NULL) == ENN_OK);
	}
	FUZZ_ASSERT(k == NULL || enn_security_add_credential(s, k) == ENN_OK);
	enn_credential_free(k);
	FUZZ_ASSERT(enn_security_trust_pem(s, fuzz_cert_pem(), strlen(fuzz_cert_pem()), NULL) ==
		    ENN_OK);
	FUZZ_ASSERT(enn_security_set_bool(s, ENN_SECURITY_REQUEST_CLIENT, (shape & 2) != 0) ==
		    ENN_OK);
	FUZZ_ASSERT(enn_security_set_bool(s, ENN_SECURITY_DELEGATE_PEER, (shape & 8) != 0) ==
		    ENN_OK);
	FUZZ_ASSERT(
		enn_security_set_list(s, ENN_SECURITY_VERSIONS,
				      (shape & 4) != 0 && !server ? "TLSv1.2" : "TLSv1.3:TLSv1.2",
				      NULL) == ENN_OK);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_env *env = fuzz_env();
	struct enn_engine_options options = {.server_name = "localhost", .path = path_to(false)};
	struct enn_security *s[2];

	fuzz_env_reset();
	memset(&w, 0, sizeof(w));
	w.now = ENN_SECOND;
	script.at = data;
	script.left = size;
	uint8_t shape = next();
	s[0] = make_security(false, shape);
	s[1] = make_security(true, shape);
	FUZZ_ASSERT(enn_engine_new_client(&enn_dtls_protocol, env, s[0], &options, &w.e[0], NULL) ==
		    ENN_OK);
	FUZZ_ASSERT(enn_acceptor_new(&enn_dtls_protocol, env, s[1], &w.acceptor, NULL) == ENN_OK);
	FUZZ_ASSERT(enn_engine_start(w.e[0], w.now) == ENN_OK);
	collect(0);
	for (int n = 0; n < 400 && script.left > 0; n++) {
		do_one((enum deed)(next() % DEEDS));
		collect(0);
		collect(1);
	}
	enn_engine_free(w.e[0]);
	enn_engine_free(w.e[1]);
	enn_acceptor_free(w.acceptor);
	enn_security_free(s[0]);
	enn_security_free(s[1]);
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
	return 0;
}
