/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <string.h>

#include "ennead/engine.h"
#include "ennead/security.h"
#include "fuzz.h"
#include "protocols/registry.h"
#include "protocols/tls/internal.h"

#define PIPE 65536

struct side {
	struct enn_engine *engine;
	uint8_t out[PIPE]; /* on its way to the other side */
	size_t out_len;
	bool ready;
	bool over;
	size_t sends; /* borrowed and not given back */
};

/* A change to one of the helper's handshake messages, before it is protected: only so do changed messages get
 * past the record layer. */
enum forgery {
	FORGE_XOR,
	FORGE_SET,
	FORGE_TRUNCATE,
	FORGE_EXTEND,
	FORGE_TYPE,
	FORGE_REPLACE,
	FORGE_DUPLICATE,
	FORGE_DROP,
	FORGE_COUNT
};

struct forge {
	bool armed;
	uint8_t wait; /* messages that go out unchanged before */
	enum forgery what;
	uint16_t at;
	uint8_t value;
	uint8_t bytes[64];
};

struct world {
	struct side victim;
	struct side helper;
	struct forge forge[4];
	const uint8_t *in;
	size_t left;
	enn_time now;
	struct session *session;
};

static const uint8_t app_data[20000] = {'d', 'a', 't', 'a'};
/* Of first, honest connections, of each version one: the same for every input. */
static struct session {
	uint8_t data[4096];
	size_t len;
} sessions[2];

/* That of TLS 1.2, where nothing else is spoken. */
static struct session *session_of(uint8_t options)
{
	return &sessions[(options & 24) == 8];
}

static uint8_t next(struct world *w)
{
	if (w->left == 0) {
		return 0;
	}
	w->left--;
	return *w->in++;
}

/* ---- forgery ---------------------------------------------------------------------------------- */

static struct world *current;
static const struct enn_handshake_carrier_ops *real_ops;

static void arm(struct world *w)
{
	for (size_t i = 0; i < 4; i++) {
		struct forge *f = &w->forge[i];
		if (f->armed) {
			continue;
		}
		f->armed = true;
		f->wait = next(w) & 15;
		f->what = (enum forgery)(next(w) % FORGE_COUNT);
		f->at = (uint16_t)(next(w) << 8 | next(w));
		f->value = next(w);
		if (f->what == FORGE_EXTEND || f->what == FORGE_REPLACE) {
			f->value &= 63;
			for (size_t k = 0; k < f->value; k++) {
				f->bytes[k] = next(w);
			}
		}
		return;
	}
}

static struct forge *due(struct world *w)
{
	struct forge *found = NULL;

	for (size_t i = 0; i < 4 && w != NULL; i++) {
		struct forge *f = &w->forge[i];
		if (f->armed && f->wait == 0 && found == NULL) {
			found = f;
			f->armed = false;
		} else if (f->armed && f->wait > 0) {
			f->wait--;
		}
	}
	return found;
}

/* The message as it goes out: its length. room is larger than len by 64. */
static size_t forge_message(const struct forge *f, uint8_t *message, size_t len)
{
	size_t body = len - ENN_HS_HEADER;

	switch (f->what) {
	case FORGE_XOR:
		message[f->at % len] ^= f->value;
		return len;
	case FORGE_SET:
		message[f->at % len] = f->value;
		return len;
	case FORGE_TYPE:
		message[0] = f->value;
		return len;
	case FORGE_TRUNCATE:
		body = f->at % (body + 1);
		break;
	case FORGE_EXTEND:
		memcpy(message + len, f->bytes, f->value);
		body += f->value;
		break;
	case FORGE_REPLACE: {
		size_t at = f->at % (body + 1);
		memcpy(message + ENN_HS_HEADER + at, f->bytes, f->value);
		body = at + f->value > body ? at + f->value : body;
		break;
	}
	default:
		return len;
	}
	message[1] = (uint8_t)(body >> 16);
	message[2] = (uint8_t)(body >> 8);
	message[3] = (uint8_t)body;
	return ENN_HS_HEADER + body;
}

static void forging_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type,
			   size_t len)
{
	static uint8_t copy[65536 + 64];
	struct enn_tls *t = enn_tls_of(c);
	const struct forge *f = due(current);

	if (f == NULL || len > 65536) {
		real_ops->commit(c, level, type, len);
		return;
	}
	memcpy(copy, enn_buffer_tail(&t->flight), len);
	len = forge_message(f, copy, len);
	for (int i = f->what == FORGE_DROP ? 2 : f->what == FORGE_DUPLICATE ? 0 : 1; i < 2; i++) {
		FUZZ_ASSERT(enn_buffer_reserve(&t->flight, c->env, len) == ENN_OK);
		memcpy(enn_buffer_tail(&t->flight), copy, len);
		real_ops->commit(c, level, type, len);
	}
}

static void let_forge(struct side *helper)
{
	static struct enn_handshake_carrier_ops ops;
	struct enn_tls *t = (struct enn_tls *)helper->engine;

	real_ops = t->carrier.ops;
	ops = *real_ops;
	ops.commit = forging_commit;
	t->carrier.ops = &ops;
}

/* ---- making ------------------------------------------------------------------------------------- */

static struct enn_security *build_security(bool server, uint8_t flags)
{
	static const uint8_t key[32] = "a pre-shared key of 32 bytes ...";
	static const uint8_t ticket_key[64] =
		"the ticket key of the fuzzed server, the same in each of them..";
	struct enn_security *s = enn_security_new();
	struct enn_credential *k = NULL;
	struct enn_error error;
	bool good = s != NULL;

	if (flags & 1) {
		good = good && enn_credential_psk((const uint8_t *)"id", 2, key, 32, ENN_PSK_SHA256,
						  &k) == ENN_OK;
	} else {
		good = good && enn_credential_x509_pem(fuzz_cert_pem(), strlen(fuzz_cert_pem()),
						       fuzz_key_pem(), strlen(fuzz_key_pem()), &k,
						       &error) == ENN_OK;
	}
	good = good && enn_security_add_credential(s, k) == ENN_OK &&
	       enn_security_trust_pem(s, fuzz_cert_pem(), strlen(fuzz_cert_pem()), &error) ==
		       ENN_OK;
	enn_credential_free(k);
	if ((flags & 33) == 32) { /* a raw public key besides the certificate */
		uint8_t spki[128];
		size_t len = sizeof(spki);
		good = good &&
		       enn_credential_raw_key_pem(fuzz_key_pem(), strlen(fuzz_key_pem()), &k,
						  &error) == ENN_OK &&
		       enn_credential_spki(k, spki, &len) == ENN_OK &&
		       enn_security_trust_raw_key(s, spki, len, &error) == ENN_OK &&
		       enn_security_add_credential(s, k) == ENN_OK;
		enn_credential_free(k);
	}
	good = good &&
	       enn_security_set_bool(s, ENN_SECURITY_REQUEST_CLIENT, (flags & 2) != 0) == ENN_OK;
	good = good &&
	       enn_security_set_bool(s, ENN_SECURITY_EARLY_DATA, (flags & 4) != 0) == ENN_OK;
	good = good &&
	       enn_security_set_bool(s, ENN_SECURITY_DELEGATE_PEER, (flags & 8) != 0) == ENN_OK;
	good = good &&
	       enn_security_set_u64(s, ENN_SECURITY_KEY_SHARES, flags & 16 ? 0 : 1) == ENN_OK;
	good = good && enn_security_set_u64(s, ENN_SECURITY_PADDING, flags & 32 ? 64 : 0) == ENN_OK;
	good = good && enn_security_parse(s, "pskMode", flags & 64 ? "psk_ke" : "psk_dhe_ke",
					  &error) == ENN_OK;
	good = good && (!server || enn_security_ask_credential(s, (flags & 80) == 16) == ENN_OK);
	good = good && (!server || enn_security_ask_psk(s, (flags & 128) != 0) == ENN_OK);
	good = good && (!server || enn_security_ticket_key(s, ticket_key, 64,
							   fuzz_env()->wall_offset) == ENN_OK);
	FUZZ_ASSERT(good);
	return s;
}

/* Versions: both by default (with a cookie, padding and a wish for tickets in one of the two ways to say so), or TLS 1.2 on
 * both sides, or TLS 1.3 on the server only; the suites with CBC; small
 * records. */
static void set_records(struct enn_security *s, bool server, uint8_t options)
{
	static const char *const versions[4] = {NULL, "TLSv1.2", "TLSv1.3:TLSv1.2", "TLSv1.3"};
	static const char cbc[] = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:"
				  "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384:TLS_AES_128_GCM_SHA256";
	const char *version = versions[options >> 3 & 3];
	struct enn_error error;
	bool good;

	good = enn_security_set_bool(s, ENN_SECURITY_POST_HANDSHAKE_AUTH, true) == ENN_OK;
	if ((options & 24) == 16) {
		good = good &&
		       enn_security_set_bool(s, ENN_SECURITY_HELLO_RETRY_COOKIE, true) == ENN_OK &&
		       enn_security_set_u64(s, ENN_SECURITY_TICKETS_WANTED, 3) == ENN_OK &&
		       enn_security_set_u64(s, ENN_SECURITY_HELLO_PADDING, 512) == ENN_OK;
	}
	if (good && version != NULL && (server || (options & 24) != 24)) {
		good = enn_security_parse(s, "protocolVersion", version, &error) == ENN_OK;
	}
	if (options & 32) {
		good = good && enn_security_set_bool(s, ENN_SECURITY_LEGACY_CBC, true) == ENN_OK &&
		       enn_security_parse(s, "ciphersuite", cbc, &error) == ENN_OK;
	}
	if (options & 64) {
		good = good &&
		       enn_security_set_u64(s, ENN_SECURITY_RECORD_SIZE_LIMIT, 64) == ENN_OK;
	}
	if (options & 128) {
		good = good &&
		       enn_security_set_u64(s, ENN_SECURITY_MAX_FRAGMENT_LENGTH, 512) == ENN_OK &&
		       enn_security_set_u64(s, ENN_SECURITY_RECORD_SIZE_LIMIT, 0) == ENN_OK;
	}
	FUZZ_ASSERT(good);
}

/* A copy of one that was built once: reading PEM costs more than a handshake. The copy has an empty store, so that
 * no input sees what an earlier one left. */
static struct enn_security *make_security(bool server, uint8_t flags, uint8_t options)
{
	static struct enn_security *built[2][256];
	struct enn_security **kept = &built[server][flags];

	if (*kept == NULL) {
		*kept = build_security(server, flags);
	}
	struct enn_security *s = enn_security_copy(*kept);
	FUZZ_ASSERT(s != NULL);
	set_records(s, server, options);
	return s;
}

static struct enn_engine *make_engine(bool server, uint8_t flags, uint8_t options_byte)
{
	struct enn_security *s = make_security(server, flags, options_byte);
	struct enn_engine *e = NULL;
	struct enn_error error;
	struct enn_engine_options options = {.server_name = "localhost"};

	if (options_byte & 1) {
		options.session = session_of(options_byte)->data;
		options.session_len = session_of(options_byte)->len;
	}
	FUZZ_ASSERT((server ? enn_engine_new_server(&enn_tls_protocol, fuzz_env(), s, &options, &e,
						    &error)
			    : enn_engine_new_client(&enn_tls_protocol, fuzz_env(), s, &options, &e,
						    &error)) == ENN_OK);
	enn_security_free(s);
	return e;
}

static void on_event(struct world *w, struct side *side, const struct enn_event *event)
{
	FUZZ_ASSERT(!side->over); /* CLOSED and FAILED are the last */
	switch (event->type) {
	case ENN_EVENT_READY:
		FUZZ_ASSERT(!side->ready);
		side->ready = true;
		break;
	case ENN_EVENT_RECEIVED:
		FUZZ_ASSERT(side->ready || (event->u.received.flags & ENN_MESSAGE_WAS_EARLY));
		break;
	case ENN_EVENT_SENT:
		FUZZ_ASSERT(side->sends > 0);
		side->sends--;
		break;
	case ENN_EVENT_VALIDATE_PEER:
	case ENN_EVENT_WANT_PSK: {
		struct enn_answer answer = {.type = event->type == ENN_EVENT_WANT_PSK
							    ? ENN_ANSWER_PSK
							    : ENN_ANSWER_PEER,
					    .accept = (w->now & 1) == 0,
					    .data = app_data,
					    .len = 32,
					    .hash = ENN_PSK_SHA256};
		FUZZ_ASSERT(enn_engine_answer(side->engine, w->now, &answer) == ENN_OK);
		break;
	}
	case ENN_EVENT_WANT_CREDENTIAL: {
		struct enn_answer answer = {.type = ENN_ANSWER_CREDENTIAL,
					    .accept = (w->now & 3) != 3};
		FUZZ_ASSERT(event->u.credential.server_name_len <= 255);
		FUZZ_ASSERT(enn_engine_answer(side->engine, w->now, &answer) == ENN_OK);
		break;
	}
	case ENN_EVENT_STORE_SESSION:
		if (w->session->len == 0 && event->u.session.len <= sizeof(w->session->data)) {
			memcpy(w->session->data, event->u.session.data, event->u.session.len);
			w->session->len = event->u.session.len;
		}
		break;
	case ENN_EVENT_CLOSED:
		side->over = true;
		break;
	case ENN_EVENT_FAILED:
		side->over = true;
		FUZZ_ASSERT(event->u.error.text[0] != '\0' && event->u.error.where != NULL);
		FUZZ_ASSERT(event->u.error.status != ENN_OK);
		break;
	default:
		break;
	}
}

static void settle(struct world *w, struct side *side)
{
	struct enn_event event;
	bool wrote;

	do {
		do {
			enn_engine_next_event(side->engine, w->now, &event);
			if (event.type != ENN_EVENT_NONE) {
				on_event(w, side, &event);
			}
		} while (event.type != ENN_EVENT_NONE);
		struct enn_batch batch = {.buf = side->out + side->out_len,
					  .cap = PIPE - side->out_len};
		wrote = false;
		if (batch.cap >= 256) {
			FUZZ_ASSERT(enn_engine_transmit(side->engine, w->now, &batch) == ENN_OK);
			FUZZ_ASSERT(batch.len <= batch.cap);
			side->out_len += batch.len;
			wrote = batch.len > 0;
		}
	} while (wrote);
}

static void feed(struct world *w, struct side *to, uint8_t *data, size_t len)
{
	struct enn_packet packet = {.data = data, .len = len};

	if (len > 0) {
		(void)!enn_engine_ingest(to->engine, w->now, NULL, &packet, 1);
	}
	settle(w, to);
}

/* Up to n bytes of what one side wrote. */
static void carry(struct world *w, struct side *from, struct side *to, size_t n, bool flip)
{
	uint8_t copy[PIPE];

	n = n < from->out_len ? n : from->out_len;
	memcpy(copy, from->out, n);
	memmove(from->out, from->out + n, from->out_len - n);
	from->out_len -= n;
	if (flip && n > 0) {
		size_t at = ((size_t)next(w) << 8 | next(w)) % n;
		copy[at] = (uint8_t)(copy[at] ^ (next(w) | 1));
	}
	feed(w, to, copy, n);
}

static void carry_all(struct world *w)
{
	for (int i = 0; i < 8; i++) {
		carry(w, &w->helper, &w->victim, PIPE, false);
		carry(w, &w->victim, &w->helper, PIPE, false);
	}
}

/* Bytes of the input, as they are or in a record. */
static void inject(struct world *w, bool record)
{
	uint8_t bytes[5 + 256];
	size_t at = record ? 5 : 0;
	uint8_t type = record ? next(w) : 0;
	size_t n = next(w);

	n = n < w->left ? n : w->left;
	memcpy(bytes + at, w->in, n);
	w->in += n;
	w->left -= n;
	if (record) {
		enn_tls_write_header(bytes, (uint8_t)(20 + type % 5), 0x0303, n);
	}
	feed(w, &w->victim, bytes, at + n);
}

/* Bytes of the input sealed with the helper's keys: they get past the record layer. */
static void inject_sealed(struct world *w)
{
	struct enn_tls *t = (struct enn_tls *)w->helper.engine;
	uint8_t record[ENN_TLS_MAX_OVERHEAD + 256 + 64];
	uint8_t type = (uint8_t)(20 + next(w) % 5);
	size_t n = next(w);
	const uint8_t *content = w->in;

	n = n < w->left ? n : w->left;
	w->in += n;
	w->left -= n;
	if (t->send.protection == NULL) {
		return;
	}
	memcpy(record + t->send.protection->prefix, content, n);
	size_t len = enn_tls_seal_in_place(&t->send, t->carrier.env, type, record, n, 0);
	feed(w, &w->victim, record, len);
}

static void send_data(struct world *w, struct side *side, uint8_t flags)
{
	struct enn_message message = {
		.data = app_data, .len = (size_t)next(w) * 70, .flags = flags & 3u};

	if (enn_engine_send(side->engine, w->now, &message) == ENN_OK) {
		side->sends++;
	}
	settle(w, side);
}

static void step(struct world *w)
{
	uint8_t op = next(w);

	if (op == 255) {
		arm(w);
		return;
	}
	if (op == 254) { /* whichever is the server */
		(void)!enn_engine_request_peer(w->victim.engine, w->now);
		(void)!enn_engine_request_peer(w->helper.engine, w->now);
		settle(w, &w->victim);
		settle(w, &w->helper);
		return;
	}
	switch (op % 14) {
	case 0:
		carry(w, &w->helper, &w->victim, next(w), false);
		break;
	case 1:
		carry(w, &w->helper, &w->victim, PIPE, false);
		break;
	case 2:
		carry(w, &w->victim, &w->helper, PIPE, false);
		break;
	case 3:
		carry(w, &w->helper, &w->victim, (size_t)next(w) * 8, true);
		break;
	case 4:
		inject(w, false);
		break;
	case 5:
		inject(w, true);
		break;
	case 6:
		inject_sealed(w);
		break;
	case 7:
		send_data(w, &w->victim, op >> 4);
		break;
	case 8:
		send_data(w, &w->helper, op >> 4);
		break;
	case 9:
		(void)!enn_engine_rekey((op & 16 ? &w->victim : &w->helper)->engine, w->now,
					op & 32);
		settle(w, op & 16 ? &w->victim : &w->helper);
		break;
	case 10:
		w->now += (enn_time)next(w) * ENN_SECOND + 1;
		enn_engine_expire(w->victim.engine, w->now);
		settle(w, &w->victim);
		break;
	case 11:
		(void)!enn_engine_close(w->victim.engine, w->now, 0);
		settle(w, &w->victim);
		break;
	case 12:
		(void)!enn_engine_end(w->victim.engine, w->now);
		settle(w, &w->victim);
		break;
	default:
		carry_all(w);
		break;
	}
}

/* options: bit 0 resume, bits 1 and 2 how many messages of the helper are forged from the beginning, the others
 * see set_records. */
static void run(bool server, uint8_t flags, uint8_t options, const uint8_t *data, size_t size)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.in = data;
	w.left = size;
	w.now = ENN_SECOND;
	w.session = session_of(options);
	w.victim.engine = make_engine(server, flags, options);
	w.helper.engine = make_engine(!server, flags, options);
	for (int i = 0; i < (options >> 1 & 3); i++) {
		arm(&w);
	}
	current = &w;
	let_forge(&w.helper);
	FUZZ_ASSERT(enn_engine_start(w.victim.engine, w.now) == ENN_OK);
	FUZZ_ASSERT(enn_engine_start(w.helper.engine, w.now) == ENN_OK);
	settle(&w, &w.victim);
	settle(&w, &w.helper);
	for (int steps = 0; w.left > 0 && steps < 200; steps++) {
		step(&w);
	}
	current = NULL;
	enn_engine_free(w.victim.engine);
	enn_engine_free(w.helper.engine);
}

void fuzz_engine(bool server, const uint8_t *data, size_t size)
{
	static const uint8_t honest[] = {13, 13};

	(void)fuzz_env();
	fuzz_env_reset();
	if (sessions[0].len == 0) {
		run(false, 4, 0, honest, sizeof(honest)); /* a session that allows early data */
		fuzz_env_reset();
		run(false, 4, 8, honest, sizeof(honest));
		fuzz_env_reset();
		FUZZ_ASSERT(sessions[0].len > 0 && sessions[1].len > 0);
	}
	if (size >= 2) {
		run(server, data[0], data[1], data + 2, size - 2);
	}
	FUZZ_ASSERT(fuzz_env_allocated() == 0);
}
