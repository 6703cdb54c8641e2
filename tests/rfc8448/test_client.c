/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8448: our client engine in the place of the traces' client.
 *
 * Compared byte for byte: the key share and PSK binder of the ClientHello, all secrets, all records that the client
 * sends after its ClientHello (early data, change_cipher_spec, EndOfEarlyData, Certificate,
 * CertificateVerify, Finished, application data, alerts), and what it makes of the server's records. Not
 * compared: the rest of the ClientHello (see replay.h). The RFC's client signature is not of a repeatable scheme
 * and its key is not in the RFC, so the trace's is given as the answer to WANT_IDENTITY, after
 * it was verified over the bytes that our engine asked to be signed.
 *
 * The server's EncryptedExtensions answer record_size_limit, which the RFC's client offered and ours does not: ours
 * rightly refuses that answer. It is cut out of the message that the engine sees, and the transcript
 * gets the message as it was.
 */
#include "replay.h"

#include <stdlib.h>

#define RECORD_SIZE_LIMIT 28

struct messages {
	struct enn_bytes m[8];
	size_t count;
	uint8_t message_hash[36];
};

static void add(struct messages *all, struct enn_bytes message)
{
	assert_true(all->count < 8);
	all->m[all->count++] = message;
}

static bool has_bytes(struct enn_bytes in, struct enn_bytes part)
{
	for (size_t i = 0; i + part.len <= in.len; i++) {
		if (memcmp(in.data + i, part.data, part.len) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- the client's hellos ------------------------------------------------------------------------------ */

static struct enn_bytes hello_of(struct replay *r, size_t nth)
{
	return trace_find(r->trace, false, "send handshake record", nth, "payload");
}

static void script_hello(struct replay *r)
{
	struct enn_bytes hello = hello_of(r, 0);

	script_add(&r->script, (struct enn_bytes){hello.data + 6, ENN_HS_RANDOM});
	script_add(&r->script, (struct enn_bytes){hello.data + 39, hello.data[38]});
	script_add(&r->script, trace_find(r->trace, false, "create an ephemeral x25519 key pair", 0,
					  "private key"));
}

/* Our hello goes nowhere; its key share is the trace's. */
static void drop_hello(struct replay *r, const char *key_step)
{
	struct enn_bytes key = trace_find(r->trace, false, key_step, 0, "public key");

	replay_transmit(r);
	assert_true(has_bytes((struct enn_bytes){r->sent.data, r->sent.len}, key));
	r->sent.len = 0;
}

/* ---- the server's flight ----------------------------------------------------------------------------------- */

/* EncryptedExtensions without record_size_limit. */
static struct enn_bytes without_size_limit(struct enn_bytes message, uint8_t *room, size_t cap)
{
	struct enn_reader m = enn_reader_of(message.data, message.len);
	struct enn_writer w = enn_writer_of(room, cap);

	enn_write_u8(&w, enn_read_u8(&m));
	size_t body = enn_write_begin(&w, 3);
	(void)enn_read_u24(&m);
	struct enn_reader list = enn_read_sub(&m, 2, 0, UINT16_MAX);
	size_t kept = enn_write_begin(&w, 2);
	while (enn_reader_left(&list) > 0) {
		uint16_t type = enn_read_u16(&list);
		struct enn_bytes data = enn_read_vector(&list, 2, 0, UINT16_MAX);
		if (type != RECORD_SIZE_LIMIT) {
			enn_write_u16(&w, type);
			enn_write_vector(&w, 2, data.data, data.len);
		}
	}
	enn_write_end(&w, kept, 2);
	enn_write_end(&w, body, 3);
	assert_true(enn_reader_done(&m) && enn_reader_done(&list) && enn_writer_ok(&w));
	assert_true(enn_writer_len(&w) < message.len);
	return (struct enn_bytes){room, enn_writer_len(&w)};
}

/* Handshake bytes as if they had come out of a record. */
static void feed(struct replay *r, struct enn_bytes bytes)
{
	assert_int_equal(
		enn_buffer_append(&replay_tls(r)->messages, &r->env, bytes.data, bytes.len),
		ENN_OK);
	replay_events(r);
}

/* Opens the record with the keys that our engine derived, then gives it the messages. */
static void take_flight(struct replay *r, struct enn_bytes record, struct enn_bytes payload,
			struct messages *all)
{
	struct enn_bytes extensions =
		trace_find(r->trace, true, "construct an EncryptedExtensions handshake message", 0,
			   "EncryptedExtensions");
	struct enn_bytes rest = {payload.data + extensions.len, payload.len - extensions.len};
	uint8_t room[2048];
	uint8_t cut[256];
	uint8_t type = 0;
	uint8_t alert = 0;
	uint8_t *content = NULL;
	size_t len = 0;

	assert_true(record.len <= sizeof(room));
	memcpy(room, record.data, record.len);
	assert_true(enn_tls_open_record(&replay_tls(r)->receive, room, record.len, &type, &content,
					&len, &alert));
	assert_int_equal(type, ENN_TLS_HANDSHAKE);
	assert_bytes(payload, content, len);
	assert_memory_equal(payload.data, extensions.data, extensions.len);

	feed(r, without_size_limit(extensions, cut, sizeof(cut)));
	add(all, extensions);
	replay_transcript(r, all->m, all->count);
	feed(r, rest);
	/* a server that authenticates by PSK sends no certificate to be judged */
	if (!replay_tls(r)->carrier.result.resumed) {
		replay_answer_peer(r);
	}
}

/* The client's certificate: our engine asks for a signature over what the trace's signature verifies. */
static void answer_with_trace_signature(struct replay *r)
{
	struct enn_bytes certificate = trace_find(
		r->trace, false, "construct a Certificate handshake message", 0, "Certificate");
	struct enn_bytes signature = replay_signature(
		trace_find(r->trace, false, "construct a CertificateVerify handshake message", 0,
			   "CertificateVerify"));
	struct enn_bytes leaf = replay_leaf(certificate);
	struct enn_peer_chain *chain;

	assert_int_equal(enn_peer_chain_parse(&leaf, 1, &chain, NULL), ENN_OK);
	assert_int_equal(enn_verify(&r->env, enn_sig_alg_by_tls(r->sign_scheme),
				    enn_peer_chain_key(chain), r->sign_input, r->sign_input_len,
				    signature.data, signature.len),
			 ENN_OK);
	enn_peer_chain_free(chain);
	replay_answer_signature(r, signature);
}

/* ---- whole traces --------------------------------------------------------------------------------------------- */

/* Everything the trace's client sends between the server's flight and its own Finished, in order. */
static void expect_client_flight(struct replay *r, size_t hellos)
{
	size_t skipped = 0;

	replay_transmit(r);
	for (size_t i = 0; i < r->trace->count; i++) {
		const struct trace_step *step = &r->trace->step[i];
		bool handshake = trace_is(step, "send handshake record");
		if (step->server ||
		    !(handshake || trace_is(step, "send change_cipher_spec record"))) {
			continue;
		}
		if (handshake && skipped < hellos) {
			skipped++;
			continue;
		}
		replay_expect(r, trace_get(step, "complete record"));
	}
	assert_int_equal(r->sent.len, 0);
}

/* From the ServerHello to the end of the trace. */
static void finish(struct replay *r, struct messages *all, size_t server_records, size_t hellos)
{
	replay_ingest(r, trace_find(r->trace, true, "send handshake record", server_records,
				    "complete record"));
	add(all, trace_find(r->trace, true, "send handshake record", server_records, "payload"));
	if (replay_tls(r)->carrier.result.middlebox_compatible) {
		replay_ingest(r, trace_find(r->trace, true, "send change_cipher_spec record", 0,
					    "complete record"));
	}
	take_flight(
		r,
		trace_find(r->trace, true, "send handshake record", server_records + 1,
			   "complete record"),
		trace_find(r->trace, true, "send handshake record", server_records + 1, "payload"),
		all);
	if (r->question == ENN_EVENT_WANT_IDENTITY) {
		answer_with_trace_signature(r);
	}
	assert_true(r->ready);
	expect_client_flight(r, hellos);
	replay_check_secrets(r);
	replay_rest(r, false);
}

/* §3, §6, §7: one hello, and the rest. */
static void replay_one_round_trip(const char *trace, bool certificate)
{
	struct replay *r = replay_new(trace);
	struct messages all = {.count = 0};
	struct enn_bytes none = {NULL, 0};

	if (certificate) {
		replay_add_certificate(r, trace_find(r->trace, false,
						     "construct a Certificate handshake message", 0,
						     "Certificate"));
	}
	script_hello(r);
	replay_start(r, false, none);
	drop_hello(r, "create an ephemeral x25519 key pair");
	add(&all, hello_of(r, 0));
	replay_transcript(r, all.m, all.count);
	finish(r, &all, 0, 1);
	if (strcmp(trace, "simple") == 0) { /* the ticket that §4 resumes with */
		struct enn_session session;
		assert_true(enn_session_decode(r->session, &session));
		assert_bytes(trace_find(r->trace, true,
					"generate resumption secret \"tls13 resumption\"", 0,
					"expanded"),
			     session.psk.data, session.psk.len);
		assert_int_equal(session.lifetime, 30);
		assert_int_equal(session.age_add, 0xfad6aac5);
		assert_int_equal(session.max_early_data, 1024);
		assert_int_equal(session.ticket.len, 0xb2);
	}
	replay_free(r);
}

static void test_simple(void **state)
{
	(void)state;
	replay_one_round_trip("simple", false);
}

static void test_client_authentication(void **state)
{
	(void)state;
	replay_one_round_trip("client-auth", true);
}

static void test_compatibility(void **state)
{
	(void)state;
	replay_one_round_trip("compatibility", false);
}

/* §5: the retry asks for P-256 and carries a cookie, which our second hello must return. */
static void test_retry(void **state)
{
	struct replay *r = replay_new("retry");
	struct messages all = {.count = 0};
	struct enn_bytes none = {NULL, 0};
	struct enn_bytes request =
		trace_find(r->trace, true, "send handshake record", 0, "payload");

	(void)state;
	script_hello(r);
	script_add(&r->script, trace_find(r->trace, false, "create an ephemeral P-256 key pair", 0,
					  "private key"));
	replay_start(r, false, none);
	drop_hello(r, "create an ephemeral x25519 key pair");
	replay_ingest(r, trace_find(r->trace, true, "send handshake record", 0, "complete record"));
	replay_transmit(r);
	/* the cookie is the last extension but one: 44, its length, and what follows up to
	 * supported_versions, which takes six bytes */
	struct enn_bytes cookie = {request.data + request.len - 6 - 0x78, 0x78};
	assert_int_equal(cookie.data[1], ENN_EXT_COOKIE);
	assert_true(has_bytes((struct enn_bytes){r->sent.data, r->sent.len}, cookie));
	drop_hello(r, "create an ephemeral P-256 key pair");

	add(&all, replay_message_hash(hello_of(r, 0), all.message_hash));
	add(&all, request);
	add(&all, hello_of(r, 1));
	replay_transcript(r, all.m, all.count);
	finish(r, &all, 1, 2);
	replay_free(r);
}

/* ---- §4 ------------------------------------------------------------------------------------------------------------ */

/* The session that §3 left behind, out of the values of §3. */
static size_t make_session(const struct replay *r, uint8_t *out, size_t cap)
{
	struct trace *simple = trace_load("simple");
	struct enn_bytes message =
		trace_find(simple, true, "construct a NewSessionTicket handshake message", 0,
			   "NewSessionTicket");
	struct enn_new_session_ticket ticket;
	struct enn_fault fault;

	assert_true(enn_parse_new_session_ticket(
		(struct enn_bytes){message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER},
		&ticket, &fault));
	enn_security_digest_rules(r->security);
	struct enn_session session = {
		.version = ENN_TLS_1_3,
		.suite = 0x1301,
		.issued = r->env.wall_offset + (int64_t)r->now,
		.lifetime = ticket.lifetime,
		.age_add = ticket.age_add,
		.max_early_data = ticket.max_early_data,
		.peer_authenticated = true,
		.rules = enn_security_rules(r->security, false),
		.psk = trace_find(simple, true, "generate resumption secret \"tls13 resumption\"",
				  0, "expanded"),
		.server_name = {(const uint8_t *)"server", 6},
		.ticket = ticket.ticket,
	};
	size_t len = enn_session_encode(&session, out, cap);
	assert_true(len > 0);
	trace_free(simple);
	return len;
}

/* The keys of early data hang on the ClientHello alone: they are derived again over the trace's. */
static void use_trace_early_keys(struct replay *r)
{
	struct enn_tls *t = replay_tls(r);
	const struct enn_tls_suite *suite = enn_tls_suite_by_code(0x1301);
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t secret[ENN_MAX_SECRET];

	enn_hash_peek(enn_hs_transcript(t->hs, enn_hash_alg(ENN_HASH_SHA256)), transcript);
	enn_key_schedule_derive(&t->hs->ks, "c e traffic", transcript, secret);
	assert_bytes(
		trace_find(r->trace, false, "derive secret \"tls13 c e traffic\"", 0, "expanded"),
		secret, 32);
	assert_int_equal(t->carrier.ops->secret(&t->carrier, ENN_DIRECTION_SEND, ENN_LEVEL_EARLY,
						suite, secret),
			 ENN_OK);
}

static void check_binder(struct replay *r)
{
	struct enn_bytes prefix =
		trace_find(r->trace, false, "calculate PSK binder", 0, "ClientHello prefix");
	struct enn_bytes psk = trace_find(r->trace, false, "extract secret \"early\"", 0, "IKM");
	uint8_t binder[ENN_MAX_HASH];

	enn_hs_transcript_start(replay_tls(r)->hs);
	enn_psk_binder(replay_tls(r)->hs, enn_hash_alg(ENN_HASH_SHA256), psk, false, prefix,
		       binder);
	assert_bytes(trace_find(r->trace, false, "calculate PSK binder", 0, "finished"), binder,
		     32);
}

static void test_resumed(void **state)
{
	struct replay *r = replay_new("resumed");
	struct messages all = {.count = 0};
	uint8_t session[1024];

	(void)state;
	size_t len = make_session(r, session, sizeof(session));
	assert_int_equal(enn_security_set_bool(r->security, ENN_SECURITY_EARLY_DATA, true), ENN_OK);
	script_hello(r);
	replay_start(r, false, (struct enn_bytes){session, len});
	drop_hello(r, "create an ephemeral x25519 key pair");
	check_binder(r);
	add(&all, hello_of(r, 0));
	replay_transcript(r, all.m, all.count);

	use_trace_early_keys(r);
	replay_send(r, trace_find(r->trace, false, "send application_data record", 0, "payload"),
		    ENN_MESSAGE_EARLY);
	replay_expect(r, trace_find(r->trace, false, "send application_data record", 0,
				    "complete record"));
	finish(r, &all, 0, 1);
	assert_true(r->early_accepted);
	assert_true(replay_tls(r)->carrier.result.resumed);
	replay_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),	      cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_retry),	      cmocka_unit_test(test_client_authentication),
		cmocka_unit_test(test_compatibility),
	};
	return cmocka_run_group_tests_name("rfc8448_client", tests, NULL, NULL);
}
