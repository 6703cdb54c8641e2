/* SPDX-License-Identifier: Apache-2.0
 *
 * The interop driver's loop: a bare engine, a TCP socket and poll().
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "driver.h"

/* Echoed bytes that may wait before the driver stops reading. */
#define ECHO_MAX ((uint64_t)1 << 20)
/* After the last write the socket is read to its end, so that an alert is not lost to a reset. */
#define LINGER_MS 1500

enn_time clock_now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (enn_time)ts.tv_sec * ENN_SECOND + (enn_time)ts.tv_nsec;
}

enn_time now_mono(void)
{
	return clock_now(CLOCK_MONOTONIC);
}

/* ---- events ------------------------------------------------------------------------ */

static bool hold_echo(struct conn *c, const uint8_t *data, size_t len)
{
	struct echo_block *block = malloc(sizeof(*block) + len);

	if (block == NULL) {
		return false;
	}
	memcpy(block->data, data, len);
	block->len = len;
	block->next = NULL;
	*c->echo_tail = block;
	c->echo_tail = &block->next;
	if (c->echo_next == NULL) {
		c->echo_next = block;
	}
	c->echo_backlog += len;
	return true;
}

static bool on_received(struct conn *c, const struct enn_message *m)
{
	uint64_t before = c->bytes_in;

	c->bytes_in += m->len;
	if ((m->flags & ENN_MESSAGE_WAS_EARLY) != 0) {
		c->bytes_in_early += m->len;
	}
	if (EVP_DigestUpdate(c->hash_in, m->data, m->len) != 1) {
		return false;
	}
	if (c->out_file != NULL && fwrite(m->data, 1, m->len, c->out_file) != m->len) {
		return false;
	}
	if (before < c->o->receive && c->bytes_in >= c->o->receive) {
		progress("received %llu", (unsigned long long)c->bytes_in);
	}
	if ((m->flags & ENN_MESSAGE_FINAL) != 0) {
		c->final_seen = true;
		progress("final");
	}
	return !c->o->echo || m->len == 0 || hold_echo(c, m->data, m->len);
}

static void on_sent(struct conn *c, void *user)
{
	struct echo_block *block = c->echo_head;

	if (!c->o->echo) {
		c->sealed += (uintptr_t)user;
		return;
	}
	if (block == NULL || block != user) {
		return; /* the empty FINAL message */
	}
	c->sealed += block->len;
	c->echo_backlog -= block->len;
	c->echo_head = block->next;
	if (c->echo_head == NULL) {
		c->echo_tail = &c->echo_head;
	}
	free(block);
}

static void save_session(struct conn *c, const struct enn_event *event)
{
	char path[512];
	FILE *f;

	if (c->o->session_out != NULL) {
		snprintf(path, sizeof(path), "%s.%u", c->o->session_out, c->sessions);
		f = fopen(path, "wb");
		if (f == NULL || fwrite(event->u.session.data, 1, event->u.session.len, f) !=
					 event->u.session.len) {
			progress("cannot write %s", path);
		}
		if (f != NULL) {
			fclose(f);
		}
	}
	c->sessions++;
}

static void save_ech_retry(const struct conn *c)
{
	struct enn_info info;
	FILE *f;

	enn_engine_info(c->e, &info);
	if (c->o->ech_retry_out == NULL || info.ech_retry == NULL) {
		return;
	}
	f = fopen(c->o->ech_retry_out, "wb");
	if (f == NULL || fwrite(info.ech_retry, 1, info.ech_retry_len, f) != info.ech_retry_len) {
		progress("cannot write %s", c->o->ech_retry_out);
	}
	if (f != NULL) {
		fclose(f);
	}
}

static bool on_event(struct conn *c, enn_time now, const struct enn_event *event)
{
	report_event(c, event);
	switch (event->type) {
	case ENN_EVENT_READY:
		c->ready = true;
		report_ready(c);
		return true;
	case ENN_EVENT_RECEIVED:
		return on_received(c, &event->u.received);
	case ENN_EVENT_SENT:
		on_sent(c, event->u.sent.user);
		return true;
	case ENN_EVENT_STORE_SESSION:
		save_session(c, event);
		return true;
	case ENN_EVENT_KEYS_UPDATED:
		c->keys_in += event->u.keys.direction == ENN_DIRECTION_RECEIVE;
		return true;
	case ENN_EVENT_VALIDATE_PEER:
		return answer_peer(c, now);
	case ENN_EVENT_WANT_PSK:
		return answer_psk(c, now, event);
	case ENN_EVENT_WANT_IDENTITY:
		return answer_sign(c, now, event);
	case ENN_EVENT_PEER_AUTHENTICATED:
		c->answered_later = true;
		c->accepted_later = event->u.authenticated.accepted;
		return true;
	case ENN_EVENT_CLOSED:
		c->closed = true;
		return true;
	case ENN_EVENT_FAILED:
		c->failed = true;
		c->error = event->u.error;
		save_ech_retry(c);
		return true;
	default:
		return true;
	}
}

static bool take_events(struct conn *c)
{
	struct enn_event event;

	for (;;) {
		enn_time now = now_mono();

		enn_engine_next_event(c->e, now, &event);
		if (event.type == ENN_EVENT_NONE) {
			return true;
		}
		if (!on_event(c, now, &event)) {
			return false;
		}
	}
}

/* ---- what the application wants next; each says whether it did something --------------- */

static bool push_blob(struct conn *c, const struct blob *blob, size_t *queued, uint32_t flags)
{
	bool did = false;

	while (*queued < blob->len) {
		size_t len = blob->len - *queued < c->o->chunk ? blob->len - *queued : c->o->chunk;
		struct enn_message m = {.data = blob->data + *queued,
					.len = len,
					.user = (void *)(uintptr_t)len,
					.flags = flags};

		/* A key update goes between two messages: no further than to the next one. */
		if (flags == 0 && c->next_rekey < c->o->rekeys &&
		    *queued >= c->o->rekey[c->next_rekey].after) {
			return did;
		}
		if (enn_engine_send(c->e, now_mono(), &m) != ENN_OK) {
			return did;
		}
		*queued += len;
		did = true;
	}
	return did;
}

static bool push_echo(struct conn *c)
{
	bool did = false;

	while (c->echo_next != NULL) {
		struct echo_block *block = c->echo_next;
		struct enn_message m = {.data = block->data, .len = block->len, .user = block};

		if (enn_engine_send(c->e, now_mono(), &m) != ENN_OK) {
			return did;
		}
		c->echo_next = block->next;
		did = true;
	}
	return did;
}

static bool push_rekey(struct conn *c)
{
	const struct rekey_point *point = &c->o->rekey[c->next_rekey];

	if (!c->ready || c->next_rekey == c->o->rekeys || c->sealed < point->after) {
		return false;
	}
	c->next_rekey++;
	if (enn_engine_rekey(c->e, now_mono(), point->both) != ENN_OK) {
		progress("rekey refused");
	}
	return true;
}

static bool push_request(struct conn *c)
{
	if (!c->o->request_later || c->asked_later) {
		return false;
	}
	c->asked_later = true;
	if (enn_engine_request_peer(c->e, now_mono()) != ENN_OK) {
		progress("request refused");
	}
	return true;
}

static bool work_is_done(const struct conn *c)
{
	return c->ready && c->queued == c->o->send.len && c->sealed >= c->queued &&
	       c->bytes_in >= c->o->receive && c->sessions >= c->o->want_sessions &&
	       c->keys_in >= c->o->want_rekeys && c->next_rekey == c->o->rekeys &&
	       (!c->o->request_later || c->answered_later) && c->echo_backlog == 0 &&
	       (!c->o->echo || c->final_seen);
}

static bool push_end(struct conn *c)
{
	struct enn_message final = {.flags = ENN_MESSAGE_FINAL};

	if (c->closing || c->final_sent || !work_is_done(c)) {
		return false;
	}
	switch (c->o->finish) {
	case FINISH_CLOSE:
		c->closing = true;
		return enn_engine_close(c->e, now_mono(), 0) == ENN_OK;
	case FINISH_WAIT:
		if (!c->final_seen) {
			return false;
		}
		break;
	case FINISH_HALF:
		break;
	case FINISH_ABORT:
		c->broken = true;
		return false;
	}
	c->final_sent = enn_engine_send(c->e, now_mono(), &final) == ENN_OK;
	return c->final_sent;
}

static bool push_work(struct conn *c)
{
	bool did;

	if (c->closed || c->failed || c->broken) {
		return false;
	}
	did = push_blob(c, &c->o->early, &c->early_queued, ENN_MESSAGE_EARLY);
	if (!c->ready) {
		return did;
	}
	did = push_request(c) || did;
	did = push_blob(c, &c->o->send, &c->queued, 0) || did;
	did = push_echo(c) || did;
	did = push_rekey(c) || did;
	return push_end(c) || did;
}

/* ---- the socket ------------------------------------------------------------------------ */

/* Writes until the engine has nothing left or the socket takes no more. */
static bool flush(struct conn *c)
{
	for (;;) {
		if (c->out_pos == c->out_len) {
			struct enn_batch batch = {.buf = c->out, .cap = c->out_cap};

			if (enn_engine_transmit(c->e, now_mono(), &batch) != ENN_OK) {
				progress("transmit failed");
				return false;
			}
			c->out_pos = 0;
			c->out_len = batch.len;
			if (batch.len == 0) {
				return true;
			}
		}
		while (c->out_pos < c->out_len) {
			size_t len = c->out_len - c->out_pos;
			ssize_t n;

			len = c->o->segment != 0 && len > c->o->segment ? c->o->segment : len;
			n = send(c->fd, c->out + c->out_pos, len, MSG_NOSIGNAL);
			if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
				return true;
			}
			if (n < 0) {
				/* The peer is gone; what it said last may still be readable. */
				c->out_pos = c->out_len;
				return true;
			}
			c->out_pos += (size_t)n;
		}
	}
}

/* Events, application, socket until none of them moves. */
static bool settle(struct conn *c)
{
	bool did;

	do {
		uint64_t sealed = c->sealed;

		if (!take_events(c)) {
			return false;
		}
		did = push_work(c);
		if (!flush(c) || !take_events(c)) {
			return false;
		}
		did = did || c->sealed != sealed;
	} while (did);
	return true;
}

static bool read_socket(struct conn *c)
{
	size_t cap = c->o->segment != 0 && c->o->segment < c->in_cap ? c->o->segment : c->in_cap;
	struct enn_packet packet = {.data = c->in};
	enum enn_status status;
	ssize_t n = recv(c->fd, c->in, cap, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (n <= 0) {
		c->eof = true;
		progress(n < 0 ? "reset" : "eof");
		status = enn_engine_end(c->e, now_mono());
	} else {
		packet.len = (size_t)n;
		status = enn_engine_ingest(c->e, now_mono(), NULL, &packet, 1);
	}
	if (status != ENN_OK && status != ENN_E_FAILED && status != ENN_E_CLOSED) {
		progress("ingest: %s", enn_status_name(status));
		return false;
	}
	return true;
}

static int wait_ms(struct conn *c, enn_time stop)
{
	enn_time now = now_mono(), next = enn_engine_deadline(c->e);

	next = next < stop ? next : stop;
	return next <= now ? 0 : (int)((next - now) / ENN_MILLISECOND) + 1;
}

void linger(struct conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	enn_time stop = now_mono() + LINGER_MS * ENN_MILLISECOND;

	shutdown(c->fd, SHUT_WR);
	while (!c->eof && now_mono() < stop) {
		if (poll(&p, 1, LINGER_MS) > 0) {
			ssize_t n = recv(c->fd, c->in, c->in_cap, 0);

			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
				return;
			}
		}
	}
}

enum result run(struct conn *c)
{
	enn_time stop = now_mono() + c->o->timeout_ms * ENN_MILLISECOND;
	struct pollfd p = {.fd = c->fd};

	if (enn_engine_start(c->e, now_mono()) != ENN_OK) {
		progress("start failed");
		return RESULT_USAGE;
	}
	for (;;) {
		bool writing;

		if (!settle(c)) {
			return RESULT_SYSTEM;
		}
		writing = c->out_pos < c->out_len;
		if (!writing && (c->closed || c->failed || c->broken)) {
			break;
		}
		if (now_mono() >= stop) {
			return RESULT_TIMEOUT;
		}
		p.events = (short)((writing ? POLLOUT : 0) |
				   (c->eof || c->echo_backlog > ECHO_MAX ? 0 : POLLIN));
		p.fd = p.events != 0 ? c->fd : -1;
		if (poll(&p, 1, wait_ms(c, stop)) < 0 && errno != EINTR) {
			return RESULT_SYSTEM;
		}
		if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !c->eof && !read_socket(c)) {
			return RESULT_SYSTEM;
		}
		if (enn_engine_deadline(c->e) <= now_mono()) {
			enn_engine_expire(c->e, now_mono());
		}
	}
	return c->failed ? RESULT_FAILED : c->broken ? RESULT_ABORTED : RESULT_CLOSED;
}
