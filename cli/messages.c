/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages out of what is read, for protocols that carry messages and may lose some: a
 * line with its newline is one, and what has no lines goes in pieces that fit a packet. Read
 * together again they are what they were made from.
 */
#include <string.h>
#include <unistd.h>

#include "pump.h"

bool cli_has_messages(const struct cli_options *o)
{
	return o->protocol->service == ENN_SERVICE_DATAGRAM ||
	       o->protocol->service == ENN_SERVICE_IP_PACKET;
}

static size_t next_message(const struct pump *p, const uint8_t *data, size_t len)
{
	size_t most = len < PUMP_MESSAGE ? len : PUMP_MESSAGE;
	const uint8_t *end = p->source == PUMP_FROM_ZEROS ? NULL : memchr(data, '\n', most);

	return end == NULL ? most : (size_t)(end - data) + 1;
}

bool pump_cut(struct pump *p)
{
	while (p->cutting != 0) {
		struct pump_buffer *b = &p->buffer[p->cutting - 1];
		struct enn_message_context message = {.token = (void *)(uintptr_t)p->cutting};
		size_t n = next_message(p, b->mem + b->cut, b->len - b->cut);
		enum enn_status status =
			enn_connection_send_borrowed(p->c, b->mem + b->cut, n, &message);
		if (status == ENN_E_AGAIN) {
			return true; /* the rest after the next Sent */
		}
		if (status != ENN_OK) {
			return false;
		}
		b->cut += n;
		b->open++;
		p->sends++;
		p->sent += n;
		if (b->cut == b->len) {
			p->cutting = 0;
		}
	}
	return true;
}

bool pump_send_messages(struct pump *p, int i, size_t len)
{
	struct pump_buffer *b = &p->buffer[i];

	b->busy = true;
	b->len = len;
	b->cut = 0;
	p->cutting = i + 1;
	return pump_cut(p);
}

void pump_message_sent(struct pump *p, int i)
{
	struct pump_buffer *b = &p->buffer[i];

	b->open--;
	b->busy = b->open > 0 || b->cut < b->len;
}

/* The unfinished line at the end of a full buffer waits for the rest of it. */
static size_t keep_line(struct pump *p, const uint8_t *data, size_t len)
{
	const uint8_t *newline = memrchr(data, '\n', len);
	size_t rest = newline == NULL ? len : len - (size_t)(newline - data) - 1;

	if (rest >= PUMP_MESSAGE) {
		return len;
	}
	memcpy(p->kept, data + len - rest, rest);
	p->kept_len = rest;
	return len - rest;
}

ssize_t pump_read_lines(struct pump *p, int i, size_t *len)
{
	uint8_t *mem = p->buffer[i].mem;
	size_t kept = p->kept_len;

	memcpy(mem, p->kept, kept);
	ssize_t n = read(p->in, mem + kept, PUMP_BUFFER_SIZE - kept);
	if (n < 0) {
		return n;
	}
	p->kept_len = 0;
	*len = kept + (size_t)n;
	if (*len == PUMP_BUFFER_SIZE) {
		*len = keep_line(p, mem, *len);
	}
	return n;
}

/* When the silence has lasted long enough to end by. The peer's end cannot be seen, so what ends
 * is our input, and then the answers to it. */
enn_time pump_quiet_end(const struct pump *p)
{
	if (!p->messages || !p->established || p->closing || p->over || p->wait == ENN_TIME_NEVER ||
	    p->sends > 0 || p->loan_count > 0 || p->cutting != 0) {
		return ENN_TIME_NEVER;
	}
	if (!p->in_ended && p->source != PUMP_FROM_ECHO) {
		return ENN_TIME_NEVER;
	}
	return p->quiet_since + p->wait;
}
