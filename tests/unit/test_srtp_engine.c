/* SPDX-License-Identifier: Apache-2.0
 *
 * Two SRTP engines with a hostile network between them, seeded: packets are lost, doubled, delayed, changed, cut, invented, and
 * those of the past are sent again. What arrives must be what was sent, once, and nothing else; what was not
 * lost, changed or too late must arrive.
 */
#include "ennead/protocol.h"
#include "protocols/srtp/engine.h"
#include "srtp.h"

#define PACKETS 600u
#define SEEDS	60u
#define CAP	16384u
#define MARKER	"pLa1NtX7"

struct datagram {
	uint8_t data[SRTP_ROOM];
	size_t len;
	bool sound; /* as it was sent, for the first time */
};

struct world {
	struct test_env t;
	uint64_t seed;
	struct enn_engine *engine[2];
	struct enn_path path[2];
	uint8_t plain[PACKETS][SRTP_ROOM];
	size_t plain_len[PACKETS];
	bool delivered[PACKETS];
	bool must[PACKETS];
	size_t given, told, received;
	struct datagram sent[PACKETS]; /* for replays */
	size_t sent_count;
	struct datagram held[16]; /* delayed */
	size_t held_count;
	unsigned expiring, failed, closed;
};

static uint64_t draw(struct world *w, uint64_t n)
{
	return (test_random(&w->seed) >> 20) % n;
}

/* ---- one engine's events ------------------------------------------------------------------------ */

static void took(struct world *w, const struct enn_message *m)
{
	for (size_t i = 0; i < w->given; i++) {
		if (m->len == w->plain_len[i] && memcmp(m->data, w->plain[i], m->len) == 0) {
			assert_false(w->delivered[i]);
			w->delivered[i] = true;
			w->received++;
			return;
		}
	}
	fail_msg("something was delivered that nobody sent");
}

static void events(struct world *w, unsigned side)
{
	struct enn_event event;

	for (;;) {
		enn_engine_next_event(w->engine[side], 0, &event);
		switch (event.type) {
		case ENN_EVENT_NONE:
			return;
		case ENN_EVENT_RECEIVED:
			assert_int_equal(side, 1);
			took(w, &event.u.received);
			break;
		case ENN_EVENT_SENT:
			assert_ptr_equal(event.u.sent.user, w->plain[w->told]);
			w->told++;
			break;
		case ENN_EVENT_KEYS_EXPIRING:
			w->expiring++;
			break;
		case ENN_EVENT_FAILED:
			assert_int_equal(event.u.error.reason, ENN_REASON_KEYS_EXHAUSTED);
			w->failed++;
			break;
		case ENN_EVENT_CLOSED:
			w->closed++;
			break;
		default:
			assert_int_equal(event.type, ENN_EVENT_READY);
			break;
		}
	}
}

/* ---- the network -------------------------------------------------------------------------------- */

static void arrive(struct world *w, const struct datagram *d)
{
	/* exactly as long as it is, so that a sanitizer sees what is read beyond */
	uint8_t *copy = malloc(d->len > 0 ? d->len : 1);
	struct enn_packet packet = {.data = copy, .len = d->len};

	assert_non_null(copy);
	memcpy(copy, d->data, d->len);
	assert_int_equal(enn_engine_ingest(w->engine[1], 0, &w->path[1], &packet, 1), ENN_OK);
	events(w, 1);
	free(copy);
}

static void attack(struct world *w)
{
	struct datagram d = {.len = draw(w, 80)};

	if (w->sent_count > 0 && draw(w, 2) == 0) {
		d = w->sent[draw(w, w->sent_count)];
		if (draw(w, 2) == 0) {
			d.len = draw(w, d.len);
		}
		/* a replay of what has not arrived is no replay: change it */
		if (d.len > 0) {
			d.data[draw(w, d.len)] ^= (uint8_t)(1 + draw(w, 255));
		}
	} else {
		test_fill(&w->seed, d.data, d.len);
		d.data[0] = (uint8_t)(0x80 | (d.data[0] & 0x1f));
	}
	arrive(w, &d);
}

static void cross(struct world *w, const uint8_t *data, size_t len, size_t number)
{
	struct datagram *d = &w->sent[w->sent_count++];

	memcpy(d->data, data, len);
	d->len = len;
	assert_null(memmem(data, len, MARKER, 8)); /* nothing in the clear */
	w->must[number] = true;
	switch (draw(w, 8)) {
	case 0:
		w->must[number] = false; /* lost */
		break;
	case 1:
		arrive(w, d);
		arrive(w, d);
		break;
	case 2:
		if (w->held_count < 16) {
			w->held[w->held_count++] = *d;
			break;
		}
		arrive(w, d);
		break;
	case 3:
		attack(w);
		arrive(w, d);
		break;
	default:
		arrive(w, d);
	}
	if (draw(w, 6) == 0) {
		for (; w->held_count > 0; w->held_count--) {
			arrive(w, &w->held[w->held_count - 1]);
		}
	}
	if (draw(w, 5) == 0) {
		attack(w);
	}
}

static void pump(struct world *w, size_t *number)
{
	static uint8_t buf[CAP];

	for (;;) {
		struct enn_batch batch = {.buf = buf,
					  .cap = draw(w, 3) == 0 ? ENN_SRTP_MIN_BATCH : CAP};
		assert_int_equal(enn_engine_transmit(w->engine[0], 0, &batch), ENN_OK);
		if (batch.len == 0) {
			if (enn_engine_deadline(w->engine[0]) != ENN_TIME_NEVER) {
				enn_engine_expire(w->engine[0], 0);
				events(w, 0);
				assert_int_equal(enn_engine_deadline(w->engine[0]), ENN_TIME_NEVER);
			}
			return;
		}
		assert_memory_equal(&batch.path, &w->path[0], sizeof(batch.path));
		for (size_t at = 0; at < batch.len; at += batch.segment_size) {
			size_t left = batch.len - at;
			cross(w, buf + at, left < batch.segment_size ? left : batch.segment_size,
			      (*number)++);
		}
		events(w, 0);
	}
}

/* ---- traffic ------------------------------------------------------------------------------------ */

static void make_packet(struct world *w, size_t i)
{
	struct srtp_buffer b;
	uint32_t ssrc = 1 + (uint32_t)(i % 3);
	size_t len = draw(w, 4) == 0 ? draw(w, 1000) : 40 + draw(w, 3) * 20;

	if (draw(w, 10) == 0) {
		srtp_rtcp(&b, ssrc, (uint32_t)i);
		memcpy(b.data + 8, MARKER, 8);
	} else {
		srtp_rtp(&b, ssrc, (uint16_t)(65300 + i), len + 12);
		memcpy(b.data + 12, &i, 4);
		memcpy(b.data + 16, MARKER, 8);
	}
	memcpy(w->plain[i], b.data, b.p.len);
	w->plain_len[i] = b.p.len;
}

static void open_world(struct world *w, uint64_t seed, uint64_t lifetime)
{
	struct enn_srtp_master master = srtp_master_of((uint8_t)seed);
	struct enn_srtp_policy policy = {.suite = (enum enn_srtp_suite_id)(seed % 8),
					 .master = &master,
					 .master_count = 1,
					 .kdr = seed % 3 == 0 ? 6 : 0};
	struct enn_srtp_keys keys = {.send = &policy, .receive = &policy};

	memset(w, 0, sizeof(*w));
	w->seed = seed * 7919 + 1;
	master.lifetime = lifetime;
	test_env_open(&w->t, srtp_backend);
	for (unsigned i = 0; i < 2; i++) {
		keys.path.remote = (struct enn_address){.ip = {192, 0, 2, (uint8_t)(2 - i)},
							.port = 5004,
							.family = ENN_FAMILY_IPV4};
		w->path[i] = keys.path;
		assert_int_equal(enn_srtp_engine_new(&w->t.env, &keys, &w->engine[i], NULL),
				 ENN_OK);
		assert_int_equal(enn_engine_start(w->engine[i], 0), ENN_OK);
		events(w, i);
	}
}

static void close_world(struct world *w)
{
	enn_engine_free(w->engine[0]);
	enn_engine_free(w->engine[1]);
	test_env_close(&w->t);
}

static enum enn_status give(struct world *w)
{
	make_packet(w, w->given);
	const struct enn_message m = {.data = w->plain[w->given],
				      .len = w->plain_len[w->given],
				      .user = w->plain[w->given]};
	enum enn_status status = enn_engine_send(w->engine[0], 0, &m);
	w->given += status == ENN_OK;
	return status;
}

static void hostile_network(void **state)
{
	static struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		size_t number = 0;
		open_world(&w, seed, 0);
		while (w.given < PACKETS) {
			for (uint64_t n = 1 + draw(&w, 40); n > 0 && w.given < PACKETS; n--) {
				assert_int_equal(give(&w), ENN_OK);
			}
			pump(&w, &number);
			assert_int_equal(w.told, w.given);
		}
		for (; w.held_count > 0; w.held_count--) {
			arrive(&w, &w.held[w.held_count - 1]);
		}
		assert_int_equal(number, PACKETS);
		for (size_t i = 0; i < PACKETS; i++) {
			assert_int_equal(w.delivered[i], w.must[i]);
		}
		/* all of it once more: not one is taken */
		size_t received = w.received;
		for (size_t i = 0; i < PACKETS; i++) {
			if (w.must[i]) {
				arrive(&w, &w.sent[i]);
			}
		}
		assert_int_equal(w.received, received);
		close_world(&w);
	}
}

static void keys_end(void **state)
{
	static struct world w;
	size_t number = 0;

	(void)state;
	open_world(&w, 8, 200);
	while (give(&w) == ENN_OK) {
		pump(&w, &number);
	}
	assert_true(number >= 200 && number < 300); /* RTCP has a count of its own */
	assert_true(w.expiring >= 1);
	assert_int_equal(w.failed, 1);
	struct enn_error error;
	assert_true(enn_engine_error(w.engine[0], &error));
	assert_int_equal(error.reason, ENN_REASON_KEYS_EXHAUSTED);
	close_world(&w);
}

static void contract(void **state)
{
	static struct world w;
	static const uint8_t nonsense[20] = {0};
	static uint8_t large[ENN_SRTP_MIN_BATCH] = {0x80};
	size_t number = 0;
	struct enn_info info;
	struct enn_message m = {.data = nonsense, .len = sizeof(nonsense)};

	(void)state;
	open_world(&w, 1, 0);
	enn_engine_info(w.engine[0], &info);
	assert_true(info.ready);
	assert_string_equal(info.protocol->name, "SRTP");
	assert_int_equal(enn_engine_send(w.engine[0], 0, &m), ENN_E_ARGUMENT);
	m.data = large;
	m.len = info.max_message + 1;
	assert_int_equal(enn_engine_send(w.engine[0], 0, &m), ENN_E_ARGUMENT);
	assert_int_equal(enn_engine_start(w.engine[0], 0), ENN_E_STATE);
	assert_int_equal(enn_engine_rekey(w.engine[0], 0, true), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_deadline(w.engine[0]), ENN_TIME_NEVER);
	for (int i = 0; i < 256; i++) {
		assert_int_equal(give(&w), ENN_OK);
	}
	assert_int_equal(give(&w), ENN_E_AGAIN);
	/* what is queued still goes out */
	assert_int_equal(enn_engine_close(w.engine[0], 0, 0), ENN_OK);
	events(&w, 0);
	assert_int_equal(w.closed, 0);
	pump(&w, &number);
	assert_int_equal(number, 256);
	assert_int_equal(w.closed, 1);
	assert_int_equal(give(&w), ENN_E_CLOSED);
	close_world(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_network),
		cmocka_unit_test(keys_end),
		cmocka_unit_test(contract),
	};

	srtp_backend = test_backend(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
