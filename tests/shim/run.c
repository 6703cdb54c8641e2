/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of the shim: the engine, the socket and poll().
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "shim.h"

/* Bytes that may wait for the peer before the shim stops reading. */
#define WAITING_MAX ((uint64_t)1 << 20)
#define DATA_MAX    65536

struct block {
	struct block *after;
	size_t len;
	uint32_t flags;
	uint8_t data[];
};

enn_time shim_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (enn_time)t.tv_sec * ENN_SECOND + (enn_time)t.tv_nsec;
}

bool shim_queue(struct shim *s, const void *data, size_t len, uint32_t flags)
{
	const uint8_t *from = data;

	do {
		size_t piece = len < s->flags->chunk ? len : s->flags->chunk;
		struct block *block = malloc(sizeof(*block) + piece);

		if (block == NULL) {
			return false;
		}
		*block = (struct block){.len = piece, .flags = flags};
		memcpy(block->data, from, piece);
		*s->tail = block;
		s->tail = &block->after;
		s->next = s->next != NULL ? s->next : block;
		s->waiting += piece;
		from += piece;
		len -= piece;
	} while (len > 0);
	return true;
}

void shim_free_blocks(struct shim *s)
{
	while (s->blocks != NULL) {
		struct block *block = s->blocks;

		s->blocks = block->after;
		free(block);
	}
}

/* ---- events -------------------------------------------------------------------------- */

static bool export(struct shim *s)
{
	const char *text = s->flags->export;
	const char *colon = text != NULL ? strchr(text, ':') : NULL;
	uint8_t context[128];
	size_t context_len = 0;
	char label[128], *end;

	if (text == NULL) {
		return true;
	}
	if (colon == NULL || (size_t)(colon - text) >= sizeof(label)) {
		return false;
	}
	memcpy(label, text, (size_t)(colon - text));
	label[colon - text] = 0;
	s->exported_len = strtoul(colon + 1, &end, 10);
	if (s->exported_len > MAX_EXPORT || (*end != 0 && *end != ':') ||
	    (*end == ':' &&
	     !unhex(end + 1, strlen(end + 1), context, sizeof(context), &context_len))) {
		return false;
	}
	return enn_engine_export_key(s->engine, label, *end == ':' ? context : NULL, context_len,
				     false, s->exported, s->exported_len) == ENN_OK;
}

static bool on_ready(struct shim *s)
{
	const struct flags *f = s->flags;

	s->ready = true;
	enn_engine_info(s->engine, &s->info);
	if (!export(s)) {
		say(s->number, ":USAGE:EXPORT: no keying material for --export");
		return false;
	}
	if (f->send_export && !shim_queue(s, s->exported, s->exported_len, 0)) {
		return false;
	}
	return f->send == NULL || shim_queue(s, f->send, strlen(f->send), 0);
}

static bool on_received(struct shim *s, const struct enn_message *m)
{
	size_t keep = m->len < DATA_MAX - s->data_len ? m->len : DATA_MAX - s->data_len;
	uint8_t inverted[16640];

	if (m->len > 0) {
		memcpy(s->data + s->data_len, m->data, keep);
		s->data_len += keep;
		s->data[s->data_len] = 0;
	}
	s->received_end = s->received_end || (m->flags & ENN_MESSAGE_FINAL) != 0;
	if (m->len == 0 || s->ended || s->flags->traffic >= TRAFFIC_DISCARD) {
		return true;
	}
	if (s->flags->traffic == TRAFFIC_ECHO) {
		return shim_queue(s, m->data, m->len, 0);
	}
	for (size_t done = 0; done < m->len;) {
		size_t len = m->len - done < sizeof(inverted) ? m->len - done : sizeof(inverted);

		for (size_t i = 0; i < len; i++) {
			inverted[i] = (uint8_t)~m->data[done + i];
		}
		if (!shim_queue(s, inverted, len, 0)) {
			return false;
		}
		done += len;
	}
	return true;
}

static bool on_session(struct shim *s, const struct enn_event *event)
{
	uint8_t *copy = malloc(event->u.session.len);

	if (copy == NULL) {
		return false;
	}
	memcpy(copy, event->u.session.data, event->u.session.len);
	free(s->session);
	s->session = copy;
	s->session_len = event->u.session.len;
	s->sessions++;
	return true;
}

static bool answer(struct shim *s, const struct enn_event *event)
{
	struct enn_answer a = {.hash = ENN_PSK_SHA256};
	uint8_t key[256];

	if (event->type == ENN_EVENT_VALIDATE_PEER) {
		a.type = ENN_ANSWER_PEER;
		a.accept = s->flags->validate == VERDICT_ACCEPT;
	} else {
		a.type = ENN_ANSWER_PSK;
		a.data = key;
		a.accept = unhex(s->flags->psk_answer, strlen(s->flags->psk_answer), key,
				 sizeof(key), &a.len);
	}
	return enn_engine_answer(s->engine, shim_now(), &a) == ENN_OK;
}

static bool on_event(struct shim *s, const struct enn_event *event)
{
	struct block *block = s->blocks;

	switch (event->type) {
	case ENN_EVENT_READY:
		return on_ready(s);
	case ENN_EVENT_RECEIVED:
		return on_received(s, &event->u.received);
	case ENN_EVENT_SENT:
		s->blocks = block->after;
		if (s->blocks == NULL) {
			s->tail = &s->blocks;
		}
		s->waiting -= block->len;
		free(block);
		return true;
	case ENN_EVENT_STORE_SESSION:
		return on_session(s, event);
	case ENN_EVENT_VALIDATE_PEER:
	case ENN_EVENT_WANT_PSK:
		return answer(s, event);
	case ENN_EVENT_CLOSED:
		s->closed = true;
		return true;
	case ENN_EVENT_FAILED:
		s->failed = true;
		s->error = event->u.error;
		return true;
	default:
		return true;
	}
}

/* ---- what is to be sent ---------------------------------------------------------------- */

static bool give(struct shim *s)
{
	bool did = false;

	while (s->next != NULL && (s->ready || (s->next->flags & ENN_MESSAGE_EARLY) != 0)) {
		struct enn_message m = {.data = s->next->data,
					.len = s->next->len,
					.user = s->next,
					.flags = s->next->flags};

		if (enn_engine_send(s->engine, shim_now(), &m) != ENN_OK) {
			break;
		}
		s->next = s->next->after;
		did = true;
	}
	return did;
}

static bool finish(struct shim *s)
{
	size_t awaited = s->flags->expect_data != NULL ? strlen(s->flags->expect_data) : 0;
	bool now = s->flags->traffic == TRAFFIC_NONE || s->received_end ||
		   (s->flags->ending != ENDING_WAIT && s->data_len >= awaited);

	if (!s->ready || s->ended || !now || s->waiting > 0 ||
	    s->key_updates < s->flags->key_updates) {
		return false;
	}
	s->ended = true;
	switch (s->flags->ending) {
	case ENDING_CLOSE:
		return enn_engine_close(s->engine, shim_now(), 0) == ENN_OK;
	case ENDING_ABORT:
		return false;
	case ENDING_WAIT:
	case ENDING_HALF:
		break;
	}
	return shim_queue(s, "", 0, ENN_MESSAGE_FINAL);
}

static bool work(struct shim *s)
{
	bool did = give(s);

	if (s->ready && s->key_updates < s->flags->key_updates) {
		s->key_updates++;
		if (enn_engine_rekey(s->engine, shim_now(), s->flags->key_update_both) != ENN_OK) {
			say(s->number, ":USAGE:KEY_UPDATE: it is not possible here");
		}
		did = true;
	}
	return finish(s) || did;
}

/* ---- the socket ------------------------------------------------------------------------- */

static void flush(struct shim *s)
{
	for (;;) {
		ssize_t n;
		size_t len;

		if (s->out_pos == s->out_len) {
			struct enn_batch batch = {.buf = s->out, .cap = s->out_cap};

			if (enn_engine_transmit(s->engine, shim_now(), &batch) != ENN_OK ||
			    batch.len == 0) {
				return;
			}
			s->out_pos = 0;
			s->out_len = batch.len;
		}
		len = s->out_len - s->out_pos;
		if (s->flags->segment > 0 && len > s->flags->segment) {
			len = s->flags->segment;
		}
		n = send(s->fd, s->out + s->out_pos, len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		/* A peer that is gone takes nothing; what it said last may still be there to read. */
		s->out_pos += n > 0 ? (size_t)n : len;
	}
}

static bool settle(struct shim *s)
{
	bool did;

	do {
		struct enn_event event;

		did = false;
		for (;;) {
			enn_engine_next_event(s->engine, shim_now(), &event);
			if (event.type == ENN_EVENT_NONE) {
				break;
			}
			did = true;
			if (!on_event(s, &event)) {
				return false;
			}
		}
		did = work(s) || did;
		flush(s);
	} while (did);
	return true;
}

static bool take(struct shim *s)
{
	size_t cap = s->flags->segment > 0 && s->flags->segment < s->in_cap ? s->flags->segment
									    : s->in_cap;
	struct enn_packet packet = {.data = s->in};
	ssize_t n = recv(s->fd, s->in, cap, 0);
	enum enn_status status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (n <= 0) {
		s->eof = true;
		status = enn_engine_end(s->engine, shim_now());
	} else {
		packet.len = (size_t)n;
		status = enn_engine_ingest(s->engine, shim_now(), NULL, &packet, 1);
	}
	return status == ENN_OK || status == ENN_E_FAILED || status == ENN_E_CLOSED;
}

/* The stream is read to its end, so that nothing that was written last is lost to a reset. */
static void linger(struct shim *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	enn_time stop = shim_now() + ENN_SECOND;

	(void)shutdown(s->fd, SHUT_WR);
	while (!s->eof && shim_now() < stop && poll(&p, 1, 1000) == 1) {
		ssize_t n = recv(s->fd, s->in, s->in_cap, 0);

		s->eof = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	}
}

enum status run(struct shim *s)
{
	enn_time stop = shim_now() + s->flags->timeout_ms * ENN_MILLISECOND;

	if (s->flags->early != NULL &&
	    !shim_queue(s, s->flags->early, strlen(s->flags->early), ENN_MESSAGE_EARLY)) {
		return STATUS_SYSTEM;
	}
	if (enn_engine_start(s->engine, shim_now()) != ENN_OK) {
		return STATUS_SYSTEM;
	}
	for (;;) {
		struct pollfd p = {.fd = s->fd};
		bool aborted;
		enn_time now, next;

		if (!settle(s)) {
			return STATUS_SYSTEM;
		}
		aborted = s->ended && s->flags->ending == ENDING_ABORT;
		if (s->out_pos == s->out_len && (s->closed || s->failed || aborted)) {
			break;
		}
		now = shim_now();
		if (now >= stop) {
			return STATUS_TIMEOUT;
		}
		p.events = (short)((s->out_pos < s->out_len ? POLLOUT : 0) |
				   (s->eof || s->waiting > WAITING_MAX ? 0 : POLLIN));
		p.fd = p.events != 0 ? s->fd : -1;
		next = enn_engine_deadline(s->engine);
		next = next < stop ? next : stop;
		if (poll(&p, 1, next <= now ? 0 : (int)((next - now) / ENN_MILLISECOND) + 1) < 0 &&
		    errno != EINTR) {
			return STATUS_SYSTEM;
		}
		if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !s->eof && !take(s)) {
			return STATUS_SYSTEM;
		}
		if (enn_engine_deadline(s->engine) <= shim_now()) {
			enn_engine_expire(s->engine, shim_now());
		}
	}
	linger(s);
	if (!s->failed) {
		return STATUS_OK;
	}
	if (s->error.reason == ENN_REASON_TIMEOUT) {
		return STATUS_TIMEOUT;
	}
	return s->error.origin == ENN_ORIGIN_LOCAL  ? STATUS_LOCAL
	       : s->error.origin == ENN_ORIGIN_PEER ? STATUS_PEER
						    : STATUS_NETWORK;
}
