/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2: a table of wrong values in otherwise right handshakes, who refuses them, and with which alert
 * (RFC 5246 §7.4, RFC 5746, RFC 7507, RFC 7627, RFC 8422 §5, RFC 8446 §4.1.3).
 */
#include "base/bytes.h"
#include "hs_pair.h"
#include "tls12_world.h"

#define BOTH  "protocolVersion=TLSv1.3:TLSv1.2"
#define LAX   "requireExtendedMainSecret=false"
#define P_256 "supportedGroup=P-256"

/* What is done to the one message. */
enum edit {
	DROP,  /* extension `code` */
	SET,   /* extension `code` becomes `data` */
	ADD,   /* one more of it */
	PUT,   /* `data` at offset `at` of the body; from its end, if negative */
	FLIP,  /* one bit at offset `at` */
	SUITE, /* the list of cipher suites of a ClientHello becomes `data` */
	ECHO,  /* the session id of a ServerHello becomes the client's */
	BODY,  /* the whole body becomes `data` */
};

/* Offsets in a ServerHello behind its session id. */
#define AT_SUITE       1000
#define AT_COMPRESSION 1002

struct row {
	const char *name;
	enum tls12_kind kind;
	unsigned type; /* of the message */
	enum edit edit;
	int at;
	uint16_t code;
	const char *data;
	size_t len;
	const char *client, *server; /* one more setting */
	char by;		     /* who refuses */
	unsigned alert;
	char from; /* whose Certificate or Finished; 0: only one side sends this type */
};

struct run {
	const struct row *row;
	uint8_t session_id[33]; /* of the ClientHello, with its length */
	bool edited;
};

/* A server that took an edited hello finds out at the client's Finished. */
#define TAKEN .by = 's', .alert = ENN_ALERT_DECRYPT_ERROR

#define DATA(text) .data = text, .len = sizeof(text) - 1

/* ---- editing ----------------------------------------------------------------------------------- */

static void put_suites(struct hs_message *m, const struct row *row)
{
	size_t at = ENN_HS_HEADER + 2 + ENN_HS_RANDOM;

	at += 1u + m->data[at];
	size_t old = (size_t)m->data[at] << 8 | m->data[at + 1];
	memmove(m->data + at + 2 + row->len, m->data + at + 2 + old, m->len - at - 2 - old);
	memcpy(m->data + at + 2, row->data, row->len);
	m->data[at] = 0;
	m->data[at + 1] = (uint8_t)row->len;
	m->len = m->len - old + row->len;
	hs_message_fix(m);
}

static void put_session_id(struct hs_message *m, const uint8_t id[33])
{
	uint8_t *at = m->data + ENN_HS_HEADER + 2 + ENN_HS_RANDOM;
	size_t old = 1u + at[0];
	size_t rest = m->len - (size_t)(at - m->data) - old;

	assert_true(id[0] > 0);
	memmove(at + 1 + id[0], at + old, rest);
	memcpy(at, id, 1u + id[0]);
	m->len = (size_t)(at - m->data) + 1 + id[0] + rest;
	hs_message_fix(m);
}

static uint8_t *place_of(struct hs_message *m, int at)
{
	if (at >= AT_SUITE) {
		return m->data + hs_message_extensions(m) + at - AT_COMPRESSION - 1;
	}
	return at < 0 ? m->data + m->len + at : m->data + ENN_HS_HEADER + at;
}

static void apply(struct hs_message *m, const struct run *run)
{
	const struct row *row = run->row;

	switch (row->edit) {
	case DROP:
		assert_true(hs_message_drop_extension(m, row->code));
		break;
	case SET:
		hs_message_set_extension(m, row->code, row->data, row->len);
		break;
	case ADD:
		hs_message_add_extension(m, row->code, row->data, row->len);
		break;
	case PUT:
		memcpy(place_of(m, row->at), row->data, row->len);
		break;
	case FLIP:
		*place_of(m, row->at) ^= 1;
		break;
	case SUITE:
		put_suites(m, row);
		break;
	case ECHO:
		put_session_id(m, run->session_id);
		break;
	case BODY:
		memcpy(m->data + ENN_HS_HEADER, row->data, row->len);
		m->len = ENN_HS_HEADER + row->len;
		hs_message_fix(m);
		break;
	}
}

static bool edit(struct hs_pair *p, struct hs_end *to, struct hs_message *m)
{
	struct run *run = p->user;
	const struct row *row = run->row;

	if (m->type == ENN_HS_CLIENT_HELLO) {
		const uint8_t *id = m->data + ENN_HS_HEADER + 2 + ENN_HS_RANDOM;
		memcpy(run->session_id, id, 1u + id[0]);
	}
	if (m->type == row->type && !run->edited &&
	    (row->from == 0 || to == (row->from == 'c' ? &p->server : &p->client))) {
		run->edited = true;
		apply(m, run);
	}
	return true;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static const struct row client_hellos[] = {
	{"no renegotiation_info: for the server that is nothing", .edit = DROP, .code = 0xff01,
	 .by = 'c', .alert = 40},
	{"renegotiation_info of a second handshake", .edit = SET, .code = 0xff01, DATA("\1\7"),
	 .by = 's', .alert = 40},
	{"empty renegotiation_info", .edit = SET, .code = 0xff01, DATA(""), .by = 's', .alert = 40},
	{"no extended main secret", .edit = DROP, .code = 23, .by = 's', .alert = 40},
	{"no extended main secret, for the client", .edit = DROP, .code = 23, .server = LAX,
	 .by = 'c', .alert = 40},
	{"extended main secret with data", .edit = SET, .code = 23, DATA("\0"), .by = 's',
	 .alert = 50},
	{"fallback", .edit = SUITE, DATA("\xc0\x2b\x56\x00"), .server = BOTH, .by = 's',
	 .alert = ENN_ALERT_INAPPROPRIATE_FALLBACK},
	{"fallback to the best there is", .edit = SUITE, DATA("\xc0\x2b\x56\x00"), TAKEN},
	{"signalling suite of RFC 5746 besides", .edit = SUITE, DATA("\xc0\x2b\x00\xff"), TAKEN},
	{"no shared suite", .edit = SUITE, DATA("\xc0\x2d\x00\x2f\x13\x01"), .by = 's',
	 .alert = 40},
	{"suites of the other kind of key", .edit = SUITE, DATA("\xc0\x2f\xc0\x30"), .by = 's',
	 .alert = 40},
	{"CBC", .edit = SUITE, DATA("\xc0\x09\xc0\x0a"), .by = 's', .alert = 40},
	{"compressed points only", .edit = SET, .code = 11, DATA("\1\1"), .by = 's', .alert = 47},
	{"truncated point formats", .edit = SET, .code = 11, DATA("\2\0"), .by = 's', .alert = 50},
	{"empty point formats", .edit = SET, .code = 11, DATA(""), .by = 's', .alert = 50},
	{"no point formats", .edit = DROP, .code = 11, TAKEN},
	{"no groups: any", .edit = DROP, .code = 10, TAKEN},
	{"no shared group", .edit = SET, .code = 10, DATA("\0\2\1\0"), .by = 's', .alert = 40},
	{"no signature algorithms: SHA-1", .edit = DROP, .code = 13, .by = 's', .alert = 40},
	{"signature algorithms of RSA", .edit = SET, .code = 13, DATA("\0\4\x08\x04\x04\x01"),
	 .by = 's', .alert = 40},
	{"signature algorithms of SHA-1", .edit = SET, .code = 13, DATA("\0\2\2\3"), .by = 's',
	 .alert = 40},
	{"another ticket", .edit = SET, .code = 35,
	 DATA("0123456789012345678901234567890123456789012345678901234567890123456789"), TAKEN},
	{"TLS 1.1", .edit = PUT, .at = 0, DATA("\3\2"), .by = 's', .alert = 70},
	{"a version to come", .edit = PUT, .at = 0, DATA("\3\4"), TAKEN},
	{"TLS 1.1 by extension", .edit = SET, .code = 43, DATA("\2\3\2"), .by = 's', .alert = 70},
	{"two of an extension", .edit = ADD, .code = 23, DATA(""), .by = 's', .alert = 47},
	{"an unknown extension", .edit = ADD, .code = 0x1234, DATA("x"), TAKEN},
	{"a name with a NUL", .edit = SET, .code = 0, DATA("\0\6\0\0\3a\0b"), .by = 's',
	 .alert = 47},
	{"a name with an escape", .edit = SET, .code = 0, DATA("\0\6\0\0\3a\033b"), .by = 's',
	 .alert = 47},
	{"a name in UTF-8", .edit = SET, .code = 0, DATA("\0\5\0\0\2\xc3\xa9"), .by = 's',
	 .alert = 47},
	{"two names", .edit = SET, .code = 0, DATA("\0\x0c\0\0\3a.b\0\0\3c.d"), .by = 's',
	 .alert = 47},
	{"an empty name", .edit = SET, .code = 0, DATA("\0\3\0\0\0"), .by = 's', .alert = 50},
	{"a name of another type", .edit = SET, .code = 0, DATA("\0\4\1\0\1x"), TAKEN},
	{"downgrade by an attacker", .edit = DROP, .code = 43, .client = BOTH, .server = BOTH,
	 .by = 'c', .alert = 47},
	{"ticket of nobody, extended main secret gone", TLS12_TICKET, .edit = DROP, .code = 23,
	 .server = LAX, .by = 's', .alert = 40},
	{"changed ticket", TLS12_TICKET, .edit = SET, .code = 35,
	 DATA("0123456789012345678901234567890123456789012345678901234567890123456789"), TAKEN},
	{"no ticket after all", TLS12_TICKET, .edit = SET, .code = 35, DATA(""), TAKEN},
	{"the session's suite is gone", TLS12_TICKET, .edit = SUITE, DATA("\xc0\x2c"), TAKEN},
	{"another id", TLS12_ID, .edit = FLIP, .at = 40, TAKEN},
	{"extended main secret gone, by id", TLS12_ID, .edit = DROP, .code = 23, .server = LAX,
	 .by = 's', .alert = 40},
};

static const struct row server_hellos[] = {
	{"no renegotiation_info", .edit = DROP, .code = 0xff01, .alert = 40},
	{"renegotiation_info of a second handshake", .edit = SET, .code = 0xff01, DATA("\2\7\7"),
	 .alert = 40},
	{"no extended main secret", .edit = DROP, .code = 23, .alert = 40},
	{"extended main secret with data", .edit = SET, .code = 23, DATA("\0"), .alert = 50},
	{"server name with data", .edit = SET, .code = 0, DATA("\0\2\0\0"), .alert = 50},
	{"ticket extension with data", .edit = SET, .code = 35, DATA("x"), .alert = 50},
	{"status extension with data", .edit = SET, .code = 5, DATA("\1"), .alert = 50},
	{"compressed points", .edit = SET, .code = 11, DATA("\1\1"), .alert = 47},
	{"truncated point formats", .edit = SET, .code = 11, DATA("\2\0"), .alert = 50},
	{"an unknown extension", .edit = ADD, .code = 0x1234, DATA(""), .alert = 110},
	{"ALPN that was not offered", .edit = ADD, .code = 16, DATA("\0\3\2h2"), .alert = 110},
	{"encrypt-then-MAC that was not offered", .edit = ADD, .code = 22, DATA(""), .alert = 110},
	{"a cookie", .edit = ADD, .code = 44, DATA("\0\1x"), .alert = 110},
	{"two of an extension", .edit = ADD, .code = 23, DATA(""), .alert = 47},
	{"TLS 1.3 that was not offered", .edit = ADD, .code = 43, DATA("\3\4"), .alert = 47},
	{"TLS 1.2 by extension", .edit = ADD, .code = 43, DATA("\3\3"), .alert = 47},
	{"TLS 1.1", .edit = PUT, .at = 0, DATA("\3\2"), .alert = 70},
	{"TLS 1.3 as of old", .edit = PUT, .at = 0, DATA("\3\4"), .alert = 70},
	{"suite of TLS 1.3", .edit = PUT, .at = AT_SUITE, DATA("\x13\1"), .alert = 47},
	{"suite that is not allowed", .edit = PUT, .at = AT_SUITE, DATA("\xc0\x09"), .alert = 47},
	{"suite of another PRF", .edit = PUT, .at = AT_SUITE, DATA("\xc0\x2c"), .by = 's',
	 .alert = 51},
	{"suite of another kind of key", .edit = PUT, .at = AT_SUITE, DATA("\xc0\x2f"),
	 .alert = 47},
	{"suite of a PSK that we do not have", .edit = PUT, .at = AT_SUITE, DATA("\xd0\x01"),
	 .alert = 47},
	{"compression", .edit = PUT, .at = AT_COMPRESSION, DATA("\1"), .alert = 47},
	{"sentinel of TLS 1.2", .edit = PUT, .at = 26, DATA("DOWNGRD\1"), .client = BOTH,
	 .alert = 47},
	{"sentinel of TLS 1.1", .edit = PUT, .at = 26, DATA("DOWNGRD\0"), .client = BOTH,
	 .alert = 47},
	{"no sentinel", .edit = PUT, .at = 26, DATA("DOWNGRD\2"), .client = BOTH, .alert = 51},
	{"a sentinel for others", .edit = PUT, .at = 26, DATA("DOWNGRD\1"), .alert = 51},
	{"resumption out of nothing", .edit = ECHO, .client = BOTH, .alert = 47},
	{"resumed with another suite", TLS12_TICKET, .edit = PUT, .at = AT_SUITE, DATA("\xc0\x2c"),
	 .alert = 47},
	{"resumed without extended main secret", TLS12_TICKET, .edit = DROP, .code = 23,
	 .client = LAX, .alert = 40},
	{"resumed with another random", TLS12_TICKET, .edit = FLIP, .at = 10, .alert = 51},
};

static const struct row others[] = {
	{"no certificate of the server", .type = ENN_HS_CERTIFICATE, .from = 's', .edit = BODY,
	 DATA("\0\0\0"), .by = 'c', .alert = 50},
	{"an empty certificate", .type = ENN_HS_CERTIFICATE, .from = 's', .edit = BODY,
	 DATA("\0\0\3\0\0\0"), .by = 'c', .alert = 50},
	{"a certificate that is none", .type = ENN_HS_CERTIFICATE, .from = 's', .edit = BODY,
	 DATA("\0\0\4\0\0\1x"), .by = 'c', .alert = 42},
	{"another curve_type", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 0, DATA("\1"),
	 .by = 'c', .alert = 47},
	{"another curve, signed for", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 1,
	 DATA("\0\x17"), .by = 'c', .alert = 51},
	{"a changed share", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = FLIP, .at = 10, .by = 'c',
	 .alert = 51},
	{"a changed signature", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = FLIP, .at = -5,
	 .by = 'c', .alert = 51},
	{"signature of another key type", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 36,
	 DATA("\x08\x07"), .by = 'c', .alert = 47},
	{"signature of another kind", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 36,
	 DATA("\x08\x04"), .by = 'c', .alert = 47},
	{"signature with SHA-1", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 36,
	 DATA("\2\3"), .by = 'c', .alert = 47},
	{"signature with another hash", .type = ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 36,
	 DATA("\5\3"), .by = 'c', .alert = 51},
	{"a curve that was not offered", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT,
	 .at = 3, DATA("\0\x19"), .by = 'c', .alert = 47},
	{"the group of another length", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 3,
	 DATA("\0\x17"), .by = 'c', .alert = 47},
	{"a share of zeros", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 6,
	 DATA("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), .by = 'c',
	 .alert = 47},
	{"a hybrid of TLS 1.3", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 3,
	 DATA("\x11\xec"), .by = 'c', .alert = 47},
	{"a point that is not on the curve", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = FLIP,
	 .at = 46, .client = P_256, .server = P_256, .by = 'c', .alert = 47},
	{"the point at infinity", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = BODY,
	 DATA("\0\0\3\0\x17\1\0"), .client = P_256, .server = P_256, .by = 'c', .alert = 47},
	{"a compressed point", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 6,
	 DATA("\2"), .client = P_256, .server = P_256, .by = 'c', .alert = 47},
	{"a hybrid point", TLS12_PSK, ENN_HS_SERVER_KEY_EXCHANGE, .edit = PUT, .at = 6, DATA("\6"),
	 .client = P_256, .server = P_256, .by = 'c', .alert = 47},
	{"ServerHelloDone with data", .type = ENN_HS_SERVER_HELLO_DONE, .edit = BODY, DATA("x"),
	 .by = 'c', .alert = 50},
	{"no kind of client certificate", TLS12_MUTUAL, ENN_HS_CERTIFICATE_REQUEST, .edit = BODY,
	 DATA("\0\0\2\4\3\0\0"), .by = 'c', .alert = 50},
	{"no signature algorithm for it", TLS12_MUTUAL, ENN_HS_CERTIFICATE_REQUEST, .edit = BODY,
	 DATA("\1\x40\0\0\0\0"), .by = 'c', .alert = 50},
	{"half a signature algorithm", TLS12_MUTUAL, ENN_HS_CERTIFICATE_REQUEST, .edit = BODY,
	 DATA("\1\x40\0\3\4\3\4\0\0"), .by = 'c', .alert = 50},
	{"an empty authority", TLS12_MUTUAL, ENN_HS_CERTIFICATE_REQUEST, .edit = BODY,
	 DATA("\1\x40\0\2\4\3\0\2\0\0"), .by = 'c', .alert = 50},
	{"certificates that the client has not", TLS12_MUTUAL, ENN_HS_CERTIFICATE_REQUEST,
	 .edit = BODY, DATA("\1\1\0\2\4\3\0\0"), .by = 's', .alert = 40},
	{"signatures that the client cannot make", TLS12_MUTUAL, ENN_HS_CERTIFICATE_REQUEST,
	 .edit = BODY, DATA("\1\x40\0\2\x08\7\0\0"), .by = 's', .alert = 40},
	{"no certificate of the client", TLS12_MUTUAL, ENN_HS_CERTIFICATE, .from = 'c',
	 .edit = BODY, DATA("\0\0\0"), .by = 's', .alert = 40},
	{"a changed CertificateVerify", TLS12_MUTUAL, ENN_HS_CERTIFICATE_VERIFY, .edit = FLIP,
	 .at = -5, .by = 's', .alert = 51},
	{"CertificateVerify of another kind", TLS12_MUTUAL, ENN_HS_CERTIFICATE_VERIFY, .edit = PUT,
	 .at = 0, DATA("\x08\x04"), .by = 's', .alert = 47},
	{"CertificateVerify with SHA-1", TLS12_MUTUAL, ENN_HS_CERTIFICATE_VERIFY, .edit = PUT,
	 .at = 0, DATA("\2\3"), .by = 's', .alert = 47},
	{"a client's share of zeros", .type = ENN_HS_CLIENT_KEY_EXCHANGE, .edit = PUT, .at = 1,
	 DATA("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), .by = 's',
	 .alert = 47},
	{"a client's share that is short", .type = ENN_HS_CLIENT_KEY_EXCHANGE, .edit = BODY,
	 DATA("\4abcd"), .by = 's', .alert = 47},
	{"a client's share that is empty", .type = ENN_HS_CLIENT_KEY_EXCHANGE, .edit = BODY,
	 DATA("\0"), .by = 's', .alert = 50},
	{"a client's point that is not on the curve", .type = ENN_HS_CLIENT_KEY_EXCHANGE,
	 .edit = FLIP, .at = 40, .client = P_256, .server = P_256, .by = 's', .alert = 47},
	{"a client's point at infinity", .type = ENN_HS_CLIENT_KEY_EXCHANGE, .edit = BODY,
	 DATA("\1\0"), .client = P_256, .server = P_256, .by = 's', .alert = 47},
	{"a client's compressed point", .type = ENN_HS_CLIENT_KEY_EXCHANGE, .edit = PUT, .at = 1,
	 DATA("\3"), .client = P_256, .server = P_256, .by = 's', .alert = 47},
	{"a changed client's share", .type = ENN_HS_CLIENT_KEY_EXCHANGE, .edit = FLIP, .at = 5,
	 TAKEN},
	{"another identity", TLS12_PSK, ENN_HS_CLIENT_KEY_EXCHANGE, .edit = FLIP, .at = 4,
	 .by = 's', .alert = ENN_ALERT_UNKNOWN_PSK_IDENTITY},
	{"a changed ticket", .type = ENN_HS_NEW_SESSION_TICKET, .edit = FLIP, .at = -5, .by = 'c',
	 .alert = 51},
	{"a changed status", TLS12_STATUS, ENN_HS_CERTIFICATE_STATUS, .edit = FLIP, .at = -5,
	 .by = 'c', .alert = ENN_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE},
	{"a status of another type", TLS12_STATUS, ENN_HS_CERTIFICATE_STATUS, .edit = PUT, .at = 0,
	 DATA("\2"), .by = 'c', .alert = 47},
	{"the client's Finished", .type = ENN_HS_FINISHED, .from = 'c', .edit = FLIP, .at = 0,
	 .by = 's', .alert = 51},
	{"the server's Finished", .type = ENN_HS_FINISHED, .from = 's', .edit = FLIP, .at = -1,
	 .by = 'c', .alert = 51},
	{"the server's Finished, resumed", TLS12_TICKET, ENN_HS_FINISHED, .from = 's', .edit = FLIP,
	 .at = 5, .by = 'c', .alert = 51},
	{"the client's Finished, resumed", TLS12_TICKET, ENN_HS_FINISHED, .from = 'c', .edit = FLIP,
	 .at = 5, .by = 's', .alert = 51},
	{"the client's Finished, resumed by id", TLS12_ID, ENN_HS_FINISHED, .from = 'c',
	 .edit = FLIP, .at = 11, .by = 's', .alert = 51},
};

/* ---- running ------------------------------------------------------------------------------------------- */

static struct hs_pair pair; /* large */
static struct hs_end session;

static void first_session(struct tls12_sides *sides)
{
	memset(&pair, 0, sizeof(pair));
	assert_true(
		hs_pair_run(&pair, &tls12.t.env, sides->client, sides->server, TLS12_HOST, NULL));
	hs_pair_must_be_complete(&pair);
	session = pair.client;
	hs_pair_free(&pair);
}

/* Whether the row came out as it says. All rows are run, so that one run shows all that is wrong. */
static bool run_row(const struct row *row)
{
	struct run run = {.row = row};
	bool resumes = tls12_resumes(row->kind);
	struct tls12_sides sides = tls12_sides_of(row->kind, row->client, row->server);

	if (resumes) {
		first_session(&sides);
	}
	memset(&pair, 0, sizeof(pair));
	pair.edit = edit;
	pair.user = &run;
	assert_true(hs_pair_run(&pair, &tls12.t.env, sides.client, sides.server, TLS12_HOST,
				resumes ? &session : NULL));
	const struct hs_end *end = row->by == 's' ? &pair.server : &pair.client;
	const struct hs_end *other = row->by == 's' ? &pair.client : &pair.server;
	bool good = run.edited && end->failed && end->c.error.wire_code == row->alert;
	if (!good) {
		print_message("# %s: %s; alert %u: %s\n", row->name,
			      !run.edited     ? "there was no such message"
			      : other->failed ? "refused by the other side"
			      : !end->failed  ? "not refused"
					      : "another alert",
			      (unsigned)(other->failed ? other : end)->c.error.wire_code,
			      (other->failed ? other : end)->c.error.text);
	}
	hs_pair_free(&pair);
	assert_int_equal(tls12.t.live_bytes, 0);
	tls12_sides_free(&sides);
	return good;
}

static void test_client_hellos(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(client_hellos); i++) {
		struct row row = client_hellos[i];
		row.type = ENN_HS_CLIENT_HELLO;
		wrong += !run_row(&row);
	}
	assert_int_equal(wrong, 0);
}

static void test_server_hellos(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(server_hellos); i++) {
		struct row row = server_hellos[i];
		row.type = ENN_HS_SERVER_HELLO;
		row.by = row.by == 0 ? 'c' : row.by;
		wrong += !run_row(&row);
	}
	assert_int_equal(wrong, 0);
}

static void test_other_messages(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(others); i++) {
		wrong += !run_row(&others[i]);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_hellos),
		cmocka_unit_test(test_server_hellos),
		cmocka_unit_test(test_other_messages),
	};
	return cmocka_run_group_tests(tests, tls12_open, tls12_close);
}
