/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8448: our server engine in the place of the traces' server, for §3, §6 and §7.
 *
 * The client's records go in as they are. Compared byte for byte: the record of the ServerHello and the change_cipher_spec
 * behind it, the messages Certificate, CertificateVerify and Finished, all secrets, application data and
 * alerts. Not compared: EncryptedExtensions and CertificateRequest, whose extensions are the server's choice (see
 * replay.h), and therefore the record that they share with the rest of the flight as a whole. The signature is the
 * trace's, as the answer to WANT_IDENTITY; that it verifies over the right bytes is what test_client.c shows.
 *
 * §4 and §5 cannot be played by our server: the ticket of §4 is sealed with a key that only the RFC's server
 * had, and §5 retries with a cookie, which our server does not send and refuses to get.
 */
#include "replay.h"

#include <stdio.h>

static struct enn_bytes message(const struct replay *r, bool server, const char *type)
{
	char step[80];

	(void)snprintf(step, sizeof(step), "construct a%s %s handshake message",
		       type[0] == 'E' ? "n" : "", type);
	return trace_find(r->trace, server, step, 0, type);
}

/* The next message of a run of them. */
static struct enn_bytes take(struct enn_reader *r)
{
	struct enn_bytes header = enn_read_bytes(r, ENN_HS_HEADER);
	assert_true(enn_reader_ok(r));
	size_t len = (size_t)header.data[1] << 16 | (size_t)header.data[2] << 8 | header.data[3];
	struct enn_bytes body = enn_read_bytes(r, len);
	assert_true(enn_reader_ok(r));
	return (struct enn_bytes){header.data, ENN_HS_HEADER + body.len};
}

/* Our engine waits for a signature: the messages so far become the trace's. */
static void use_trace_messages(struct replay *r, bool client_certificate)
{
	struct enn_bytes all[5] = {
		trace_find(r->trace, false, "send handshake record", 0, "payload"),
		message(r, true, "ServerHello"),
		message(r, true, "EncryptedExtensions"),
	};
	size_t count = 3;

	if (client_certificate) {
		all[count++] = message(r, true, "CertificateRequest");
	}
	all[count++] = message(r, true, "Certificate");
	replay_transcript(r, all, count);
}

/* Opens our flight with the trace's keys and compares what can be. */
static void check_flight(struct replay *r, bool client_certificate)
{
	struct enn_bytes prk = trace_find(r->trace, true,
					  "derive write traffic keys for handshake data", 0, "PRK");
	struct enn_tls_keys keys = {.protection = &enn_tls_protection_13};
	uint8_t key[16];
	uint8_t type = 0;
	uint8_t alert = 0;
	uint8_t *content = NULL;
	size_t len = 0;

	enn_traffic_keys(enn_label_tls13, enn_hash_alg(ENN_HASH_SHA256), prk.data, key, sizeof(key),
			 keys.iv);
	assert_int_equal(enn_aead_new(&r->env, enn_aead_alg(ENN_AEAD_AES_128_GCM), ENN_AEAD_OPEN,
				      key, &keys.aead),
			 ENN_OK);
	assert_true(enn_tls_open_record(&keys, r->sent.data, r->sent.len, &type, &content, &len,
					&alert));
	assert_int_equal(type, ENN_TLS_HANDSHAKE);
	struct enn_reader flight = enn_reader_of(content, len);
	assert_int_equal(take(&flight).data[0], ENN_HS_ENCRYPTED_EXTENSIONS);
	if (client_certificate) {
		assert_int_equal(take(&flight).data[0], ENN_HS_CERTIFICATE_REQUEST);
	}
	const char *same[] = {"Certificate", "CertificateVerify", "Finished"};
	for (size_t i = 0; i < ENN_ARRAY_LEN(same); i++) {
		struct enn_bytes m = take(&flight);
		assert_bytes(message(r, true, same[i]), m.data, m.len);
	}
	assert_true(enn_reader_done(&flight));
	enn_aead_free(&r->env, keys.aead);
	r->sent.len = 0;
}

static void take_client_flight(struct replay *r, bool client_certificate)
{
	if (replay_tls(r)->carrier.result.middlebox_compatible) {
		replay_ingest(r, trace_find(r->trace, false, "send change_cipher_spec record", 0,
					    "complete record"));
	}
	replay_ingest(r,
		      trace_find(r->trace, false, "send handshake record", 1, "complete record"));
	if (client_certificate) {
		struct enn_info info;
		enn_engine_info(r->engine, &info);
		assert_int_equal(info.peer_chain_len, 1);
		assert_bytes(replay_leaf(message(r, false, "Certificate")), info.peer_chain[0].der,
			     info.peer_chain[0].len);
		replay_answer_peer(r);
	}
	assert_true(r->ready);
}

static void play(const char *trace, bool client_certificate)
{
	struct replay *r = replay_new(trace);
	struct enn_bytes hello = message(r, true, "ServerHello");
	struct enn_bytes none = {NULL, 0};

	replay_add_certificate(r, message(r, true, "Certificate"));
	assert_int_equal(enn_security_set_u64(r->security, ENN_SECURITY_TICKETS, 0), ENN_OK);
	assert_int_equal(
		enn_security_set_bool(r->security, ENN_SECURITY_REQUEST_CLIENT, client_certificate),
		ENN_OK);
	script_add(&r->script, (struct enn_bytes){hello.data + 6, ENN_HS_RANDOM});
	script_add(&r->script, trace_find(r->trace, true, "create an ephemeral x25519 key pair", 0,
					  "private key"));
	replay_start(r, true, none);
	replay_ingest(r,
		      trace_find(r->trace, false, "send handshake record", 0, "complete record"));
	use_trace_messages(r, client_certificate);
	replay_answer_signature(r, replay_signature(message(r, true, "CertificateVerify")));

	replay_transmit(r);
	replay_expect(r, trace_find(r->trace, true, "send handshake record", 0, "complete record"));
	if (replay_tls(r)->carrier.result.middlebox_compatible) {
		replay_expect(r, trace_find(r->trace, true, "send change_cipher_spec record", 0,
					    "complete record"));
	}
	check_flight(r, client_certificate);
	take_client_flight(r, client_certificate);
	replay_check_secrets(r);
	replay_rest(r, true);
	replay_free(r);
}

static void test_simple(void **state)
{
	(void)state;
	play("simple", false);
}

static void test_client_authentication(void **state)
{
	(void)state;
	play("client-auth", true);
}

static void test_compatibility(void **state)
{
	(void)state;
	play("compatibility", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_client_authentication),
		cmocka_unit_test(test_compatibility),
	};
	return cmocka_run_group_tests_name("rfc8448_server", tests, NULL, NULL);
}
