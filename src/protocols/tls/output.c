/* SPDX-License-Identifier: Apache-2.0
 *
 * From messages to bytes: handshake flights, the send queue, key updates, alerts.
 *
 * Application data is sealed straight from the application's memory into the caller's
 * batch; only handshake records pass through a buffer of ours.
 */
#include "protocols/tls/internal.h"

#define SEAL_BATCH 16

/* ---- handshake flights -------------------------------------------------------------------------- */

/* In TLS 1.2 change_cipher_spec means something. */
static bool dummy_ccs_due(const struct enn_tls *t)
{
	return t->carrier.result.middlebox_compatible && !enn_tls_is_12(t) && !t->ccs_sent;
}

uint8_t *enn_tls_reserve(struct enn_handshake_carrier *c, enum enn_level level, size_t cap)
{
	struct enn_tls *t = enn_tls_of(c);

	/* §D.4: the client's dummy change_cipher_spec also goes before a second ClientHello */
	if (level == ENN_LEVEL_INITIAL && t->hello_sent && dummy_ccs_due(t) &&
	    enn_tls_write_ccs(t) != ENN_OK) {
		return NULL;
	}
	/* A HelloRetryRequest ends early data: the second ClientHello is in the clear again. */
	if (level == ENN_LEVEL_INITIAL && t->send.protection != NULL) {
		enn_aead_free(c->env, t->send.aead);
		t->send.aead = NULL;
		t->send.protection = NULL;
		t->send.level = ENN_LEVEL_INITIAL;
	}
	if (enn_buffer_reserve(&t->flight, c->env, cap) != ENN_OK) {
		return NULL;
	}
	return enn_buffer_tail(&t->flight);
}

void enn_tls_commit(struct enn_handshake_carrier *c, enum enn_level level, uint8_t type, size_t len)
{
	struct enn_tls *t = enn_tls_of(c);

	(void)level;
	enn_buffer_added(&t->flight, len);
	/* §D.4: the server's goes behind its first message, a retry or a ServerHello */
	if (type == ENN_HS_SERVER_HELLO && dummy_ccs_due(t)) {
		t->ccs_after_flight = true;
	}
}

enum enn_status enn_tls_write_ccs(struct enn_tls *t)
{
	static const uint8_t ccs[] = {ENN_TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};
	t->ccs_sent = true;
	return enn_buffer_append(&t->out, t->carrier.env, ccs, sizeof(ccs));
}

/* One record into `out`, protected if there are keys. */
static enum enn_status write_record(struct enn_tls *t, uint8_t type, const uint8_t *content,
				    size_t len, size_t padding)
{
	const struct enn_tls_protection *p = t->send.protection;
	size_t prefix = p == NULL ? ENN_TLS_HEADER : p->prefix;
	size_t total = p == NULL ? ENN_TLS_HEADER + len : p->size(&t->send, len, padding);

	ENN_TRY(enn_buffer_reserve(&t->out, t->carrier.env, total));
	uint8_t *record = enn_buffer_tail(&t->out);
	memcpy(record + prefix, content, len);
	if (p == NULL) {
		/* §5.1: the first ClientHello may say 0x0301 for old middleboxes */
		bool first = !t->carrier.result.server && !t->hello_sent;
		enn_tls_write_header(record, type, first ? ENN_TLS_1_0 : ENN_TLS_1_2, len);
	} else if (enn_tls_seal_in_place(&t->send, t->carrier.env, type, record, len, padding) !=
		   total) {
		return ENN_E_CRYPTO;
	}
	enn_buffer_added(&t->out, total);
	return ENN_OK;
}

enum enn_status enn_tls_write_warning(struct enn_tls *t, uint8_t alert)
{
	uint8_t content[2] = {ENN_TLS_ALERT_WARNING, alert};

	ENN_TRY(enn_tls_flush(t));
	return write_record(t, ENN_TLS_ALERT, content, sizeof(content), 0);
}

enum enn_status enn_tls_flush(struct enn_tls *t)
{
	size_t most = enn_tls_most_content(t);

	while (enn_buffer_len(&t->flight) > 0) {
		size_t n = enn_buffer_len(&t->flight);
		n = n < most ? n : most;
		size_t padding = t->send.protection == NULL ? 0 : enn_tls_padding(t, n);
		ENN_TRY(write_record(t, ENN_TLS_HANDSHAKE, enn_buffer_data(&t->flight), n,
				     padding));
		enn_buffer_consume(&t->flight, n);
	}
	if (t->flight.mem != NULL) {
		enn_buffer_clear(&t->flight, t->carrier.env);
		t->hello_sent = t->hello_sent || !t->carrier.result.server;
	}
	if (t->ccs_after_flight) {
		t->ccs_after_flight = false;
		ENN_TRY(enn_tls_write_ccs(t));
	}
	return ENN_OK;
}

/* Moves whole or part records that are ready; true when none is left. */
static bool drain_out(struct enn_tls *t, struct enn_writer *w)
{
	size_t n = enn_buffer_len(&t->out);
	size_t room = enn_writer_left(w);

	n = n < room ? n : room;
	if (n > 0) {
		enn_write_bytes(w, enn_buffer_data(&t->out), n);
		enn_buffer_consume(&t->out, n);
	}
	if (enn_buffer_len(&t->out) > 0) {
		return false;
	}
	if (t->out.mem != NULL) {
		enn_buffer_clear(&t->out, t->carrier.env);
	}
	return true;
}

/* ---- key updates ------------------------------------------------------------------------------------ */

static uint64_t record_limit(const struct enn_tls *t)
{
	uint64_t policy = t->carrier.security->value[ENN_SECURITY_KEY_UPDATE_RECORDS];
	uint64_t limit = enn_aead_algorithm(t->send.aead)->seal_limit;

	if (policy != 0 && policy < limit) {
		limit = policy < 2 ? 2 : policy;
	}
	return limit;
}

/* Whether the sending keys have served long enough: TLS 1.3 renews them before the next record. TLS 1.2 cannot:
 * the application is told, once, where TLS 1.3 would renew or when an eighth of what is sound is left, and the
 * connection ends at the AEAD's own limit (RFC 9325 §4.4). */
static bool keys_spent(struct enn_tls *t)
{
	if (!enn_tls_is_12(t)) {
		return t->send.sequence + 1 >= record_limit(t);
	}
	uint64_t most = enn_aead_algorithm(t->send.aead)->seal_limit;
	uint64_t near = record_limit(t) < most - most / 8 ? record_limit(t) : most - most / 8;
	if (t->send.sequence + 1 >= near && !t->send.expiring) {
		t->send.expiring = true;
		t->pending |= ENN_TLS_PENDING_KEYS_EXPIRING;
	}
	return t->send.sequence + 1 >= most;
}

/* §4.6.3: the KeyUpdate goes out under the old key, all after it under the new one. */
static enum enn_status send_key_update(struct enn_tls *t)
{
	t->key_update_owed = false;
	ENN_TRY(enn_post_send_key_update(&t->carrier, t->key_update_request));
	t->key_update_request = false;
	ENN_TRY(enn_tls_flush(t));
	ENN_TRY(enn_tls_update_keys(t, &t->send));
	t->pending |= ENN_TLS_PENDING_KEYS_SENT;
	return ENN_OK;
}

static void renew_keys(struct enn_tls *t)
{
	if (enn_tls_is_12(t)) {
		enn_tls_fail(t, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_KEYS_EXHAUSTED, "record",
			     "the sending key has protected as many records as it may, and TLS 1.2 "
			     "cannot renew it");
	} else if (send_key_update(t) != ENN_OK) {
		(void)enn_handshake_no_memory(&t->carrier, "KeyUpdate");
		enn_tls_failed(t);
	}
}

/* ---- alerts --------------------------------------------------------------------------------------------- */

static bool write_alert(struct enn_tls *t, struct enn_writer *w, uint8_t level, uint8_t alert)
{
	const struct enn_tls_protection *p = t->send.protection;
	uint8_t record[ENN_TLS_MAX_OVERHEAD + 2];
	size_t prefix = p == NULL ? ENN_TLS_HEADER : p->prefix;
	size_t len = ENN_TLS_HEADER + 2;

	if (enn_writer_left(w) < sizeof(record)) {
		return false;
	}
	record[prefix] = level;
	record[prefix + 1] = alert;
	if (p == NULL) {
		enn_tls_write_header(record, ENN_TLS_ALERT, ENN_TLS_1_2, 2);
	} else {
		len = enn_tls_seal_in_place(&t->send, t->carrier.env, ENN_TLS_ALERT, record, 2, 0);
	}
	enn_write_bytes(w, record, len);
	return true;
}

/* ---- the send queue ---------------------------------------------------------------------------------------- */

static struct enn_message *queue_at(struct enn_tls *t, size_t i)
{
	return &t->queue[(t->queue_head + i) % ENN_TLS_QUEUE];
}

void enn_tls_rewind_early(struct enn_tls *t)
{
	t->queue_sealed = 0;
	t->queue_offset = 0;
}

/* Whether sealed messages may be reported: early ones only once the server has decided. */
static bool may_report(const struct enn_tls *t)
{
	return t->hs == NULL || !enn_handshake_may_send_early(t->hs);
}

bool enn_tls_take_sent(struct enn_tls *t, struct enn_event *event)
{
	if (t->queue_sealed == 0 || !may_report(t)) {
		return false;
	}
	const struct enn_message *m = queue_at(t, 0);
	if ((m->flags & ENN_MESSAGE_FINAL) && !t->send_closed) {
		return false; /* its close_notify is still to go */
	}
	event->type = ENN_EVENT_SENT;
	event->u.sent.user = m->user;
	event->u.sent.stream = m->stream;
	t->queue_head = (uint8_t)((t->queue_head + 1) % ENN_TLS_QUEUE);
	t->queue_len--;
	t->queue_sealed--;
	return true;
}

/* The next message that may be sealed now, NULL if there is none. */
static struct enn_message *next_message(struct enn_tls *t)
{
	if (t->queue_sealed == t->queue_len || t->send.protection == NULL) {
		return NULL;
	}
	struct enn_message *m = queue_at(t, t->queue_sealed);
	if (t->send.level == ENN_LEVEL_APPLICATION) {
		bool open = t->state == ENN_TLS_STATE_OPEN ||
			    (t->hs != NULL && enn_handshake_may_send_half_rtt(t->hs));
		return open ? m : NULL;
	}
	if (t->send.level == ENN_LEVEL_EARLY && t->hs != NULL &&
	    enn_handshake_may_send_early(t->hs) && (m->flags & ENN_MESSAGE_EARLY) &&
	    t->early_sent < t->carrier.result.max_early_data) {
		return m;
	}
	return NULL;
}

/* How much of the queue goes into the next record: content bytes, and over how many messages. */
static size_t record_content(struct enn_tls *t, struct enn_message *m, size_t most, bool *gather)
{
	size_t len = m->len - t->queue_offset;

	*gather = false;
	if (len >= most || t->send.level == ENN_LEVEL_EARLY) {
		return len < most ? len : most;
	}
	/* Several short messages share a record: fewer tags and system calls for the price of a copy. */
	for (size_t i = t->queue_sealed + 1u; i < t->queue_len && len < most; i++) {
		const struct enn_message *next = queue_at(t, i);
		size_t add = next->len < most - len ? next->len : most - len;
		*gather = *gather || add > 0;
		len += add;
	}
	return len;
}

/* Marks n content bytes as sealed, from the current position on. */
static void advance_queue(struct enn_tls *t, size_t n, uint8_t *copy_to)
{
	while (t->queue_sealed < t->queue_len) {
		const struct enn_message *m = queue_at(t, t->queue_sealed);
		size_t left = m->len - t->queue_offset;
		size_t take = left < n ? left : n;
		if (copy_to != NULL && take > 0) {
			memcpy(copy_to, m->data + t->queue_offset, take);
			copy_to += take;
		}
		n -= take;
		t->queue_offset += take;
		if (t->queue_offset < m->len) {
			return;
		}
		t->queue_offset = 0;
		t->queue_sealed++;
		if (n == 0) {
			return;
		}
	}
}

/* Jobs side by side, as the AEAD takes them; each points into its own sealing. */
struct seal_batch {
	struct enn_aead_job job[SEAL_BATCH];
	struct enn_tls_sealing sealing[SEAL_BATCH];
	size_t count;
};

static enum enn_status seal_all(struct enn_tls *t, struct seal_batch *b)
{
	enum enn_status status = ENN_OK;

	if (b->count == 1) {
		status = enn_aead_seal(t->send.aead, &b->job[0]);
	} else if (b->count > 1) {
		enn_aead_seal_batch(t->send.aead, b->job, b->count);
		for (size_t i = 0; i < b->count; i++) {
			status = b->job[i].status != ENN_OK ? b->job[i].status : status;
		}
	}
	b->count = 0;
	return status;
}

/* Plans one record of application data; false if the batch has no good room left. */
static bool plan_record(struct enn_tls *t, struct enn_message *m, struct enn_writer *w,
			struct seal_batch *b, enum enn_status *status)
{
	const struct enn_tls_protection *p = t->send.protection;
	size_t most = enn_tls_most_content(t);
	size_t fits = p->fits(&t->send, enn_writer_left(w));
	bool gather = false;

	if (fits == 0) {
		return false;
	}
	if (t->send.level == ENN_LEVEL_EARLY) {
		size_t budget = t->carrier.result.max_early_data - t->early_sent;
		most = budget < most ? budget : most;
	}
	size_t len = record_content(t, m, most, &gather);
	size_t padding = enn_tls_padding(t, len);
	/* A server that rejects early data skips only so much of it, padding included (RFC 8446 §4.2.10). */
	if (t->send.level == ENN_LEVEL_EARLY &&
	    t->early_sent + t->early_padded + len + padding > t->carrier.result.max_early_data) {
		padding = 0;
	}
	if (len + padding > fits) {
		/* No short record at the end of a batch that holds others: the next one has room. */
		if (enn_writer_len(w) > 0) {
			return false;
		}
		padding = 0;
		len = record_content(t, m, fits < most ? fits : most, &gather);
	}
	uint8_t *record = enn_write_space(w, p->size(&t->send, len, padding));
	const uint8_t *in = m->data + t->queue_offset;
	advance_queue(t, len, gather ? record + p->prefix : NULL);
	*status = p->plan(&t->send, t->carrier.env, &b->sealing[b->count], record,
			  ENN_TLS_APPLICATION_DATA, gather ? record + p->prefix : in, len, padding);
	b->job[b->count] = b->sealing[b->count].job;
	b->count++;
	if (t->send.level == ENN_LEVEL_EARLY) {
		t->early_sent += (uint32_t)len;
		t->early_padded += (uint32_t)padding;
	}
	return true;
}

/* Seals what the batch has room for. Stops early when the key must be renewed. */
static enum enn_status send_data(struct enn_tls *t, struct enn_writer *w)
{
	struct seal_batch b;
	struct enn_message *m;
	enum enn_status status = ENN_OK;

	b.count = 0;
	while (status == ENN_OK && (m = next_message(t)) != NULL) {
		if (m->len == t->queue_offset) { /* an empty message has no record */
			advance_queue(t, 0, NULL);
			continue;
		}
		if (t->send.level == ENN_LEVEL_APPLICATION && keys_spent(t)) {
			t->key_update_owed = true;
			break;
		}
		if (!plan_record(t, m, w, &b, &status)) {
			break;
		}
		if (b.count == SEAL_BATCH && status == ENN_OK) {
			status = seal_all(t, &b);
		}
	}
	enum enn_status last = status == ENN_OK ? seal_all(t, &b) : ENN_OK;
	return status != ENN_OK ? status : last;
}

/* ---- transmit ------------------------------------------------------------------------------------------------- */

static bool all_sealed(const struct enn_tls *t)
{
	return t->queue_sealed == t->queue_len;
}

static void send_close(struct enn_tls *t, struct enn_writer *w)
{
	if (t->send_closed || !all_sealed(t) || !(t->final_queued || t->closing) ||
	    t->state == ENN_TLS_STATE_IDLE || t->send.level != ENN_LEVEL_APPLICATION ||
	    t->hs != NULL) {
		return;
	}
	if (write_alert(t, w, ENN_TLS_ALERT_WARNING, ENN_ALERT_CLOSE_NOTIFY)) {
		t->send_closed = true;
		enn_tls_check_closed(t);
	}
}

/* The alert that ends the connection. §6.1: user_canceled is followed by a close_notify. */
static bool transmit_alert(struct enn_tls *t, struct enn_writer *w)
{
	bool warning = t->alert == ENN_ALERT_CLOSE_NOTIFY || t->alert == ENN_ALERT_USER_CANCELED;

	if (!write_alert(t, w, warning ? ENN_TLS_ALERT_WARNING : ENN_TLS_ALERT_FATAL, t->alert)) {
		return false;
	}
	t->alert_pending = t->alert == ENN_ALERT_USER_CANCELED;
	t->alert = ENN_ALERT_CLOSE_NOTIFY;
	return t->alert_pending;
}

static void seal_failed(struct enn_tls *t, enum enn_status status)
{
	if (status == ENN_E_MEMORY) {
		(void)enn_handshake_no_memory(&t->carrier, "record");
		enn_tls_failed(t);
	} else {
		enn_tls_fail(t, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "record",
			     "sealing a record failed");
	}
}

/* One round: false when there is nothing more to do for this batch. */
static bool transmit_round(struct enn_tls *t, struct enn_writer *w)
{
	enum enn_status status = enn_tls_flush(t);
	if (status != ENN_OK) {
		enn_buffer_clear(&t->flight, t->carrier.env);
		seal_failed(t, status);
	}
	if (!drain_out(t, w)) {
		return false;
	}
	if (t->alert_pending) {
		return transmit_alert(t, w);
	}
	if (t->state == ENN_TLS_STATE_FAILED || t->state == ENN_TLS_STATE_CLOSED) {
		return false;
	}
	/* §4.6.2: a client's Certificate is out, and its signature must follow before anything else. */
	if (!t->carrier.result.server &&
	    enn_post_auth_exchange(t->carrier.result.post_auth) != NULL) {
		return false;
	}
	if (t->key_update_owed && t->state == ENN_TLS_STATE_OPEN && !t->send_closed) {
		renew_keys(t);
		return true;
	}
	uint8_t *before = w->pos;
	if (send_data(t, w) != ENN_OK) {
		w->pos = before;
		seal_failed(t, ENN_E_CRYPTO);
		return true;
	}
	if (t->key_update_owed && t->state == ENN_TLS_STATE_OPEN && !t->send_closed) {
		return true;
	}
	send_close(t, w);
	return false;
}

void enn_tls_transmit(struct enn_tls *t, enn_time now, struct enn_batch *batch)
{
	struct enn_writer w = enn_writer_of(batch->buf, batch->cap);

	(void)now;
	while (transmit_round(t, &w)) {
	}
	batch->len = enn_writer_len(&w);
	batch->segment_size = 0;
	batch->ecn = 0;
}
