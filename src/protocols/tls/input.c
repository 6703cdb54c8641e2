/* SPDX-License-Identifier: Apache-2.0
 *
 * From bytes to events: finding records, opening them, and giving their content
 * to the handshake, the application or the alert protocol.
 *
 * One step handles one record or one handshake message and stops as soon as an event is
 * pending, so that events come out in the order of the wire.
 */
#include "base/log.h"
#include "handshake/codec.h"
#include "protocols/tls/internal.h"

#define SKIP_FLOOR	  65536u /* so much early data is skipped, whatever is configured */
#define MAX_CCS		  32	 /* dummy change_cipher_spec records of one handshake */
#define MAX_EMPTY_RECORDS 64	 /* in a row, without any content */
#define MAX_WARNINGS	  4	 /* TLS 1.2 */

/* ---- finding a record ----------------------------------------------------------------------- */

void enn_tls_drop_input(struct enn_tls *t)
{
	t->lent = NULL;
	t->lent_len = 0;
}

static void consume_lent(struct enn_tls *t, size_t n)
{
	t->lent += n;
	t->lent_len -= n;
}

static bool stash(struct enn_tls *t, size_t n)
{
	if (n > t->lent_len) {
		n = t->lent_len;
	}
	if (n == 0) {
		return true;
	}
	if (t->partial.mem == NULL && enn_buffer_reserve(&t->partial, t->carrier.env,
							 ENN_TLS_HEADER + ENN_TLS_MAX_PLAINTEXT +
								 ENN_TLS_MAX_EXPANSION) != ENN_OK) {
		(void)enn_handshake_no_memory(&t->carrier, "record");
		enn_tls_failed(t);
		return false;
	}
	if (enn_buffer_append(&t->partial, t->carrier.env, t->lent, n) != ENN_OK) {
		(void)enn_handshake_no_memory(&t->carrier, "record");
		enn_tls_failed(t);
		return false;
	}
	consume_lent(t, n);
	return true;
}

void enn_tls_stash_input(struct enn_tls *t)
{
	(void)stash(t, t->lent_len);
}

/* RFC 8446 §5.1, §5.2; in TLS 1.2 every record is protected once one is (RFC 5246 §6.2.3). */
static size_t longest_body(const struct enn_tls *t, uint8_t type)
{
	const struct enn_tls_protection *p = t->receive.protection;

	if (p != NULL && (!p->typed || type == ENN_TLS_APPLICATION_DATA)) {
		return p->longest_body;
	}
	return type == ENN_TLS_APPLICATION_DATA ? ENN_TLS_MAX_PLAINTEXT + ENN_TLS_MAX_EXPANSION
						: ENN_TLS_MAX_PLAINTEXT;
}

/* Checks a header; *total is the record's whole length. */
static bool check_header(struct enn_tls *t, const uint8_t *header, size_t *total)
{
	struct enn_reader r = enn_reader_of(header, ENN_TLS_HEADER);
	uint8_t type = enn_read_u8(&r);
	(void)enn_read_u16(&r); /* §5.1: legacy_record_version MUST be ignored */
	size_t length = enn_read_u16(&r);
	size_t most = longest_body(t, type);

	if (type < ENN_TLS_CHANGE_CIPHER_SPEC || type > ENN_TLS_APPLICATION_DATA) {
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			     "record.type", "record type %u: the peer does not speak TLS", type);
		return false;
	}
	if (length > most) {
		enn_tls_fail(t, ENN_ALERT_RECORD_OVERFLOW, ENN_REASON_PROTOCOL_FAILED,
			     "record.length", "a record of %zu bytes is too long", length);
		return false;
	}
	*total = ENN_TLS_HEADER + length;
	return true;
}

/* The next whole record: in the stash if there is one, else where it was lent. */
static uint8_t *next_record(struct enn_tls *t, size_t *total)
{
	if (t->partial_done > 0) {
		enn_buffer_consume(&t->partial, t->partial_done);
		t->partial_done = 0;
	}
	if (enn_buffer_len(&t->partial) == 0) {
		if (t->lent_len >= ENN_TLS_HEADER) {
			uint8_t *record = t->lent;
			if (!check_header(t, record, total)) {
				return NULL;
			}
			if (*total <= t->lent_len) {
				consume_lent(t, *total);
				return record;
			}
		}
		(void)stash(t, t->lent_len);
		return NULL;
	}
	size_t have = enn_buffer_len(&t->partial);
	if (have < ENN_TLS_HEADER && !stash(t, ENN_TLS_HEADER - have)) {
		return NULL;
	}
	have = enn_buffer_len(&t->partial);
	if (have < ENN_TLS_HEADER || !check_header(t, enn_buffer_data(&t->partial), total)) {
		return NULL;
	}
	if (have < *total && !stash(t, *total - have)) {
		return NULL;
	}
	if (enn_buffer_len(&t->partial) < *total) {
		return NULL;
	}
	t->partial_done = *total;
	return t->partial.mem + t->partial.head;
}

/* Whether the rules of TLS 1.2 hold: it was negotiated, or may still be. */
static bool may_be_12(const struct enn_tls *t)
{
	const struct enn_code_list *versions =
		enn_security_list(t->carrier.security, ENN_SECURITY_VERSIONS);

	return enn_tls_is_12(t) ||
	       (t->carrier.result.version == 0 && enn_code_list_has(versions, ENN_TLS_1_2));
}

/* ---- handshake messages --------------------------------------------------------------------------- */

static void free_session(struct enn_tls *t)
{
	enn_free_secret(t->carrier.env, t->session, t->session_len);
	t->session = NULL;
	t->session_len = 0;
}

void enn_tls_outcome(struct enn_tls *t, enn_time now, enum enn_status status,
		     enum enn_handshake_outcome outcome)
{
	if (status != ENN_OK) {
		enn_tls_failed(t);
		return;
	}
	switch (outcome) {
	case ENN_OUTCOME_GO_ON:
		break;
	case ENN_OUTCOME_EARLY_DATA:
		t->pending |= ENN_TLS_PENDING_EARLY_DATA;
		if (t->carrier.result.early_data == ENN_EARLY_DATA_REJECTED) {
			enn_tls_rewind_early(t);
		}
		break;
	case ENN_OUTCOME_VALIDATE_PEER:
	case ENN_OUTCOME_WANT_PSK:
	case ENN_OUTCOME_WANT_STORE:
	case ENN_OUTCOME_WANT_CREDENTIAL:
	case ENN_OUTCOME_WANT_SIGNATURE:
		t->question = outcome;
		t->pending |= ENN_TLS_PENDING_QUESTION;
		break;
	case ENN_OUTCOME_PEER_AUTHENTICATED:
		t->pending |= ENN_TLS_PENDING_AUTHENTICATED;
		break;
	case ENN_OUTCOME_COMPLETE: {
		bool changed = t->carrier.result.early_data == ENN_EARLY_DATA_REJECTED &&
			       t->early_sent > 0 && enn_handshake_changed_alpn(t->hs);
		free_session(t);
		if (enn_handshake_take_session(t->hs, now, &t->session, &t->session_len,
					       &t->session_expires) != ENN_OK) {
			enn_tls_failed(t);
			return;
		}
		enn_handshake_free(t->hs);
		t->hs = NULL;
		if (changed) {
			enn_tls_fail(t, ENN_ALERT_NO_APPLICATION_PROTOCOL,
				     ENN_REASON_NO_SHARED_PARAMETERS, "early data",
				     "early data was rejected and the application protocol "
				     "changed: it cannot be sent again");
			return;
		}
		t->state = ENN_TLS_STATE_OPEN;
		t->deadline = ENN_TIME_NEVER;
		t->pending |= ENN_TLS_PENDING_READY;
		if (t->session != NULL) {
			t->pending |= ENN_TLS_PENDING_SESSION;
		}
		if (t->carrier.result.server && t->carrier.result.tickets_usable &&
		    !enn_tls_is_12(t)) {
			unsigned n = t->carrier.result.tickets_expected;
			for (unsigned i = 0; i < n && t->state == ENN_TLS_STATE_OPEN; i++) {
				if (enn_post_send_ticket(&t->carrier, now) != ENN_OK) {
					enn_tls_failed(t);
				}
			}
		}
		break;
	}
	}
}

static void receive_key_update(struct enn_tls *t, struct enn_bytes message, bool more)
{
	uint8_t request = 0;
	struct enn_fault fault;
	struct enn_bytes body = {message.data + ENN_HS_HEADER, message.len - ENN_HS_HEADER};

	if (!enn_parse_key_update(body, &request, &fault)) {
		enn_tls_fail(t, (enum enn_alert)fault.alert, ENN_REASON_PROTOCOL_FAILED,
			     fault.where, "%s %s", fault.where, fault.what);
		return;
	}
	if (more) { /* §5.1: a key change ends its record */
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			     "KeyUpdate", "data follows a KeyUpdate in its record");
		return;
	}
	if (enn_tls_update_keys(t, &t->receive) != ENN_OK) {
		enn_tls_fail(t, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_PROTOCOL_FAILED, "KeyUpdate",
			     "new keys could not be made");
		return;
	}
	t->pending |= ENN_TLS_PENDING_KEYS_RECEIVED;
	if (request == 1 && !t->send_closed) {
		t->key_update_owed = true; /* one answer for however many requests (§4.6.3) */
	}
}

static void receive_ticket(struct enn_tls *t, enn_time now, struct enn_bytes message)
{
	free_session(t);
	if (enn_post_receive_ticket(&t->carrier, now, message, &t->session, &t->session_len,
				    &t->session_expires) != ENN_OK) {
		enn_tls_failed(t);
		return;
	}
	if (t->session != NULL) {
		t->pending |= ENN_TLS_PENDING_SESSION;
	}
}

static void unexpected_message(struct enn_tls *t, uint8_t type)
{
	enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
		     enn_handshake_type_name(type), "unexpected %s (%u) after the handshake",
		     enn_handshake_type_name(type), type);
}

/* TLS 1.2: warnings and wishes to renegotiate are no reason to fail, but nobody needs many. */
static bool bear_warning(struct enn_tls *t, const char *where)
{
	if (++t->warnings <= MAX_WARNINGS) {
		return true;
	}
	enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED, where,
		     "more than %d warnings and requests to renegotiate", MAX_WARNINGS);
	return false;
}

/* RFC 5246 §7.4.1.1, RFC 5746 §4.4, §4.5: nobody renegotiates here. */
static void post_handshake_12(struct enn_tls *t, struct enn_bytes message)
{
	uint8_t type = message.data[0];
	uint8_t asks = t->carrier.result.server ? ENN_HS_CLIENT_HELLO : ENN_HS_HELLO_REQUEST;

	if (type != asks || (type == ENN_HS_HELLO_REQUEST && message.len > ENN_HS_HEADER)) {
		unexpected_message(t, type);
	} else if (bear_warning(t, enn_handshake_type_name(type)) && !t->send_closed &&
		   enn_tls_write_warning(t, ENN_ALERT_NO_RENEGOTIATION) != ENN_OK) {
		(void)enn_handshake_no_memory(&t->carrier, "record");
		enn_tls_failed(t);
	}
}

/* §4.6.2: nothing may come between the messages of an authentication. */
static bool is_authentication(const struct enn_tls *t, uint8_t type)
{
	return type == ENN_HS_CERTIFICATE_REQUEST || type == ENN_HS_CERTIFICATE ||
	       type == ENN_HS_CERTIFICATE_VERIFY || type == ENN_HS_FINISHED ||
	       enn_tls_exchange(t) != NULL;
}

/* §4.6: what may come after the handshake. */
static void post_handshake(struct enn_tls *t, enn_time now, struct enn_bytes message, bool more)
{
	uint8_t type = message.data[0];

	if (enn_tls_is_12(t)) {
		post_handshake_12(t, message);
	} else if (is_authentication(t, type) && (t->closing || t->send_closed)) {
		return; /* we could not answer, or do not want to know any more */
	} else if (is_authentication(t, type)) {
		enum enn_handshake_outcome outcome;
		const uint8_t *secret =
			t->carrier.result.server ? t->receive.secret : t->send.secret;
		enum enn_status status =
			enn_post_auth_receive(&t->carrier, now, message, secret, &outcome);
		enn_tls_outcome(t, now, status, outcome);
	} else if (type == ENN_HS_KEY_UPDATE) {
		receive_key_update(t, message, more);
	} else if (type == ENN_HS_NEW_SESSION_TICKET && !t->carrier.result.server) {
		receive_ticket(t, now, message);
	} else {
		unexpected_message(t, type);
	}
}

/* RFC 5246 §7.4.1.1: a client in the middle of a handshake ignores a HelloRequest, which is in no transcript. */
static bool is_idle_request(const struct enn_tls *t, struct enn_bytes message)
{
	return message.data[0] == ENN_HS_HELLO_REQUEST && message.len == ENN_HS_HEADER &&
	       !t->carrier.result.server && may_be_12(t);
}

static void handshake_message(struct enn_tls *t, enn_time now, struct enn_bytes message, bool more)
{
	enum enn_handshake_outcome outcome;

	if (is_idle_request(t, message)) {
		(void)bear_warning(t, "HelloRequest");
		return;
	}
	enum enn_status status =
		enn_handshake_receive(t->hs, now, t->receive.level, message, more, &outcome);
	enn_tls_outcome(t, now, status, outcome);
}

/* Takes one whole handshake message; false if there is none yet. */
static bool step_message(struct enn_tls *t, enn_time now)
{
	struct enn_reader r =
		enn_reader_of(enn_buffer_data(&t->messages), enn_buffer_len(&t->messages));
	size_t most = t->carrier.env->limits.max_handshake_message;

	if (enn_reader_left(&r) < ENN_HS_HEADER) {
		return false;
	}
	struct enn_reader header = r;
	uint8_t type = enn_read_u8(&header);
	size_t total = ENN_HS_HEADER + enn_read_u24(&header);
	if (total - ENN_HS_HEADER > (most == 0 ? ENN_HS_DEFAULT_MAX_MESSAGE : most)) {
		enn_tls_fail(t, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED,
			     enn_handshake_type_name(type),
			     "%s of %zu bytes is larger than allowed",
			     enn_handshake_type_name(type), total);
		return true;
	}
	if (enn_reader_left(&r) < total) {
		return false;
	}
	struct enn_bytes message = enn_read_bytes(&r, total);
	bool more = enn_reader_left(&r) > 0;
	if (t->hs == NULL) {
		post_handshake(t, now, message, more);
	} else {
		handshake_message(t, now, message, more);
	}
	enn_buffer_consume(&t->messages, total);
	if (enn_buffer_len(&t->messages) == 0) {
		enn_buffer_clear(&t->messages, t->carrier.env);
	}
	return true;
}

/* ---- content of records ------------------------------------------------------------------------------ */

static void receive_alert(struct enn_tls *t, const uint8_t *content, size_t len)
{
	struct enn_reader r = enn_reader_of(content, len);
	uint8_t level = enn_read_u8(&r);
	uint8_t alert = enn_read_u8(&r);

	if (len == 0) { /* RFC 8446 §5.1, §5.4 */
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED, "alert",
			     "an empty alert record");
		return;
	}
	if (!enn_reader_done(&r)) {
		enn_tls_fail(t, ENN_ALERT_DECODE_ERROR, ENN_REASON_PROTOCOL_FAILED, "alert",
			     "an alert record does not hold one alert");
		return;
	}
	if (alert == ENN_ALERT_USER_CANCELED) {
		t->peer_canceled = true; /* §6.1: a close_notify follows */
		return;
	}
	/* RFC 8446 §6: the level is implied by the type and is ignored. In TLS 1.2 it says whether that was the
	 * end (RFC 5246 §7.2). */
	if (level == ENN_TLS_ALERT_WARNING && alert != ENN_ALERT_CLOSE_NOTIFY && may_be_12(t)) {
		(void)bear_warning(t, "alert");
		return;
	}
	/* A client is open one flight before its server: what the server cancels then is no end of data. */
	if (alert == ENN_ALERT_CLOSE_NOTIFY && t->state == ENN_TLS_STATE_OPEN &&
	    !t->peer_canceled) {
		t->receive_closed = true;
		if (!t->closing) {
			t->received = NULL;
			t->received_len = 0;
			t->received_flags = ENN_MESSAGE_FINAL;
			t->pending |= ENN_TLS_PENDING_RECEIVED;
		}
		enn_tls_check_closed(t);
		return;
	}
	if (t->peer_canceled) {
		alert = ENN_ALERT_USER_CANCELED;
	}
	(void)enn_error_set(&t->carrier.error, ENN_E_FAILED,
			    alert == ENN_ALERT_CLOSE_NOTIFY || t->peer_canceled
				    ? ENN_REASON_CONNECTION_ABORTED
				    : ENN_REASON_PROTOCOL_FAILED,
			    t->hs != NULL ? "handshake" : "connection", "the peer sent alert %u %s",
			    alert, enn_alert_name(alert) == NULL ? "" : enn_alert_name(alert));
	t->carrier.error.origin = ENN_ORIGIN_PEER;
	t->carrier.error.wire_code = alert;
	if (alert >= ENN_ALERT_BAD_CERTIFICATE && alert <= ENN_ALERT_UNKNOWN_CA &&
	    alert != ENN_ALERT_ILLEGAL_PARAMETER) {
		t->carrier.error.reason = ENN_REASON_CERT_REJECTED;
	} else if (alert == ENN_ALERT_CERTIFICATE_REQUIRED) {
		t->carrier.error.reason = ENN_REASON_CERT_MISSING;
	} else if (alert == ENN_ALERT_UNKNOWN_PSK_IDENTITY) {
		t->carrier.error.reason = ENN_REASON_UNKNOWN_PSK;
	} else if (alert == ENN_ALERT_HANDSHAKE_FAILURE || alert == ENN_ALERT_PROTOCOL_VERSION ||
		   alert == ENN_ALERT_INSUFFICIENT_SECURITY ||
		   alert == ENN_ALERT_NO_APPLICATION_PROTOCOL) {
		t->carrier.error.reason = ENN_REASON_NO_SHARED_PARAMETERS;
	}
	enn_tls_failed(t);
}

static void receive_application_data(struct enn_tls *t, const uint8_t *content, size_t len)
{
	bool early = t->receive.level == ENN_LEVEL_EARLY;

	if (t->receive.level == ENN_LEVEL_HANDSHAKE || t->receive.level == ENN_LEVEL_INITIAL ||
	    (t->hs != NULL && enn_tls_is_12(t)) ||
	    enn_post_auth_exchange(t->carrier.result.post_auth) != NULL) {
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			     "application data", "application data during the handshake");
		return;
	}
	if (early) {
		if (len > t->carrier.result.max_early_data - t->early_bytes) { /* §4.6.1 */
			enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
				     "early data", "more early data than max_early_data_size");
			return;
		}
		t->early_bytes += (uint32_t)len;
	}
	if (len == 0) {
		if (++t->empty_records > MAX_EMPTY_RECORDS) {
			enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
				     "application data", "too many empty records");
		}
		return;
	}
	t->empty_records = 0;
	if (t->closing) {
		return;
	}
	t->received = content;
	t->received_len = len;
	t->received_flags = early ? ENN_MESSAGE_WAS_EARLY : 0;
	t->pending |= ENN_TLS_PENDING_RECEIVED;
}

static void receive_handshake(struct enn_tls *t, const uint8_t *content, size_t len)
{
	if (len == 0) { /* §5.1 */
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED, "record",
			     "an empty handshake record");
		return;
	}
	if (enn_buffer_append(&t->messages, t->carrier.env, content, len) != ENN_OK) {
		(void)enn_handshake_no_memory(&t->carrier, "handshake message");
		enn_tls_failed(t);
	}
}

/* RFC 5246 §7.1: it begins the keys that wait for it, and comes once. A dummy one, before the version was
 * decided, is not what a peer of TLS 1.2 sends. */
static bool take_ccs_12(struct enn_tls *t, const uint8_t *content, size_t len)
{
	return len == 1 && content[0] == 1 && t->ccs_received++ == 0 && enn_tls_switch_keys12(t);
}

/* RFC 8446 §5, §D.4: a dummy is dropped between the first ClientHello and the peer's Finished, and is an error
 * at any other time or with any other content. */
static bool take_ccs_13(struct enn_tls *t, const uint8_t *content, size_t len)
{
	bool hello_seen = !t->carrier.result.server || t->receive.protection != NULL ||
			  t->carrier.result.hello_retry;

	return t->hs != NULL && hello_seen && len == 1 && content[0] == 1 &&
	       ++t->ccs_received <= MAX_CCS;
}

static void receive_ccs(struct enn_tls *t, const uint8_t *content, size_t len)
{
	if (!(enn_tls_is_12(t) ? take_ccs_12(t, content, len) : take_ccs_13(t, content, len))) {
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			     "change_cipher_spec", "an unexpected change_cipher_spec");
	}
}

static void receive_content(struct enn_tls *t, uint8_t type, const uint8_t *content, size_t len)
{
	/* §5.1: nothing may come between the fragments of a handshake message. */
	if (type != ENN_TLS_HANDSHAKE && enn_buffer_len(&t->messages) > 0) {
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED, "record",
			     "record type %u inside a handshake message", type);
		return;
	}
	switch (type) {
	case ENN_TLS_HANDSHAKE:
		receive_handshake(t, content, len);
		break;
	case ENN_TLS_APPLICATION_DATA:
		receive_application_data(t, content, len);
		break;
	case ENN_TLS_ALERT:
		receive_alert(t, content, len);
		break;
	default:
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			     "record.type", "inner record type %u", type);
		break;
	}
}

/* ---- records ----------------------------------------------------------------------------------------------- */

/* §4.2.10: early data that was not accepted is skipped, up to what we would have allowed (with the
 * overhead that its records may have). */
static bool skip_early(struct enn_tls *t, size_t record_len)
{
	/* A ticket may be from a time when more was allowed: a floor keeps such clients working. */
	uint64_t allowed = t->carrier.result.max_early_data;
	uint64_t most = 2 * (allowed > SKIP_FLOOR ? allowed : SKIP_FLOOR) + ENN_TLS_MAX_PLAINTEXT;

	if (t->early_bytes + (uint64_t)record_len > most) {
		return false;
	}
	t->early_bytes += (uint32_t)record_len;
	return true;
}

static void open_protected(struct enn_tls *t, uint8_t *record, size_t total)
{
	uint8_t type = 0;
	uint8_t alert = 0;
	uint8_t *content = NULL;
	size_t len = 0;

	t->receive.limit = enn_tls_limit(&t->receive, t->carrier.result.receive_limit);
	if (!enn_tls_open_record(&t->receive, record, total, &type, &content, &len, &alert)) {
		bool skip = t->hs != NULL && t->receive.sequence == 0 &&
			    alert == ENN_ALERT_BAD_RECORD_MAC &&
			    enn_handshake_early_skip(t->hs) == ENN_SKIP_UNDECIPHERABLE;
		if (!skip || !skip_early(t, total)) {
			enn_tls_fail(t, (enum enn_alert)alert, ENN_REASON_PROTOCOL_FAILED, "record",
				     alert == ENN_ALERT_BAD_RECORD_MAC
					     ? "a record does not authenticate"
					     : "a protected record is malformed");
		}
		return;
	}
	receive_content(t, type, content, len);
}

static void open_plain(struct enn_tls *t, uint8_t type, const uint8_t *content, size_t len)
{
	bool skip = type == ENN_TLS_APPLICATION_DATA && t->hs != NULL &&
		    enn_handshake_early_skip(t->hs) == ENN_SKIP_UNTIL_SECOND_HELLO;

	if (skip && skip_early(t, len)) {
		return;
	}
	size_t most = t->carrier.result.max_fragment_length;
	if (most != 0 && len > most) { /* RFC 6066 §4 */
		enn_tls_fail(t, ENN_ALERT_RECORD_OVERFLOW, ENN_REASON_PROTOCOL_FAILED,
			     "record.length", "a record of %zu bytes where %zu were negotiated",
			     len, most);
		return;
	}
	receive_content(t, type, content, len);
}

static bool step_record(struct enn_tls *t)
{
	size_t total = 0;
	uint8_t *record = next_record(t, &total);

	if (record == NULL) {
		return false;
	}
	uint8_t type = record[0];
	const uint8_t *content = record + ENN_TLS_HEADER;
	size_t len = total - ENN_TLS_HEADER;
	const struct enn_tls_protection *p = t->receive.protection;
	if (p != NULL && !p->typed) {
		open_protected(t, record, total);
	} else if (type == ENN_TLS_CHANGE_CIPHER_SPEC) {
		if (enn_buffer_len(&t->messages) > 0) {
			receive_content(t, type, content, len);
		} else {
			receive_ccs(t, content, len);
		}
	} else if (p == NULL) {
		open_plain(t, type, content, len);
	} else if (type == ENN_TLS_APPLICATION_DATA) {
		open_protected(t, record, total);
	} else if (type == ENN_TLS_ALERT && t->hs != NULL && t->receive.sequence == 0) {
		/* a peer that failed before it had keys: believe that it failed */
		receive_alert(t, content, len);
	} else {
		enn_tls_fail(t, ENN_ALERT_UNEXPECTED_MESSAGE, ENN_REASON_PROTOCOL_FAILED,
			     "record.type", "an unprotected record of type %u", type);
	}
	return true;
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

static void at_end(struct enn_tls *t)
{
	if (t->receive_closed || t->closing) {
		t->receive_closed = true;
		enn_tls_check_closed(t);
		return;
	}
	(void)enn_error_set(&t->carrier.error, ENN_E_FAILED, ENN_REASON_TRUNCATED,
			    t->hs != NULL ? "handshake" : "connection", "the byte stream ended %s",
			    t->hs != NULL ? "during the handshake"
					  : "without close_notify: data may have been cut off");
	t->carrier.error.origin = ENN_ORIGIN_NETWORK;
	t->carrier.error.wire_code = ENN_NO_WIRE_CODE;
	enn_tls_failed(t);
}

bool enn_tls_advance(struct enn_tls *t, enn_time now)
{
	while (t->pending == 0) {
		if (t->state == ENN_TLS_STATE_FAILED || t->state == ENN_TLS_STATE_CLOSED ||
		    t->receive_closed) {
			enn_tls_drop_input(t); /* §6.1: data after a closure alert is ignored */
			if (t->partial_done > 0) {
				enn_buffer_clear(&t->partial, t->carrier.env);
				t->partial_done = 0;
			}
			return false;
		}
		if (enn_tls_parked(t)) {
			enn_tls_stash_input(t);
			return false;
		}
		if (!step_message(t, now) && !step_record(t)) {
			if (t->pending != 0) {
				break;
			}
			if (t->ended && t->lent_len == 0 && t->state != ENN_TLS_STATE_FAILED) {
				at_end(t);
				continue;
			}
			return false;
		}
	}
	return true;
}
