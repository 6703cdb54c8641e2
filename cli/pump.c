/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop of connect and listen.
 */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- signals --------------------------------------------------------------------------------- */

/* All that a signal handler may touch. */
static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t hangup_signal;

static void on_signal(int number)
{
	if (number == SIGHUP) {
		hangup_signal = 1;
	} else {
		stop_signal = number;
	}
}

void pump_catch_hangup(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGHUP, &action, NULL);
}

bool pump_take_hangup(void)
{
	bool came = hangup_signal != 0;

	hangup_signal = 0;
	return came;
}

void pump_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
}

/* ---- life ----------------------------------------------------------------------------------------- */

struct pump *pump_new(struct pump_loop *loop, struct enn_connection c)
{
	struct pump *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		cli_error("out of memory");
		return NULL;
	}
	p->c = c;
	p->in = -1;
	p->out = -1;
	p->source = PUMP_FROM_NOTHING;
	p->messages = cli_has_messages(loop->o);
	p->started = enn_context_now(loop->context);
	p->next = loop->pumps;
	loop->pumps = p;
	loop->pump_count++;
	return p;
}

static void close_in(struct pump *p)
{
	if (p->owns_fds && p->in >= 0) {
		(void)close(p->in);
	}
	p->in = -1;
}

static void close_out(struct pump *p)
{
	if (p->owns_fds && p->out >= 0 && p->out != p->in) {
		(void)close(p->out);
	}
	p->out = -1;
}

void pump_free(struct pump_loop *loop, struct pump *p)
{
	for (struct pump **at = &loop->pumps; *at != NULL; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			loop->pump_count--;
			break;
		}
	}
	for (; p->loan_count > 0; p->loan_count--) {
		(void)enn_message_release(p->loan[p->loan_first].loan);
		p->loan_first = (p->loan_first + 1) % (PUMP_RECEIVES + 1);
	}
	close_in(p);
	close_out(p);
	enn_connection_free(p->c);
	for (size_t i = 0; i < PUMP_BUFFERS; i++) {
		free(p->buffer[i].mem);
	}
	free(p);
}

/* ---- ends -------------------------------------------------------------------------------------------- */

/* Sets p->in or p->out to a descriptor of our own. */
static bool duplicate(int *to, int standard)
{
	*to = fcntl(standard, F_DUPFD_CLOEXEC, 3);
	if (*to < 0) {
		cli_error("standard %s: %s", standard == STDIN_FILENO ? "input" : "output",
			  strerror(errno));
	}
	return *to >= 0;
}

/* A writer that cannot block us: pipes and terminals are opened anew, so that the flag is ours alone. */
static bool attach_stdout(struct pump *p)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	p->owns_fds = true;
	if (fd >= 0 && lseek(fd, 0, SEEK_CUR) < 0) {
		p->out = fd;
		return true;
	}
	if (fd >= 0) { /* a file: keep its offset */
		(void)close(fd);
	}
	if (!duplicate(&p->out, STDOUT_FILENO)) {
		return false;
	}
	bool known = fstat(p->out, &st) == 0;
	p->out_is_socket = known && S_ISSOCK(st.st_mode);
	p->out_may_block = fd < 0 && !p->out_is_socket && !(known && S_ISREG(st.st_mode));
	return true;
}

bool pump_attach(struct pump_loop *loop, struct pump *p)
{
	const struct cli_options *o = loop->o;

	if (o->exec != NULL) {
		return pump_exec(loop, p);
	}
	if (o->echo) {
		p->source = PUMP_FROM_ECHO;
		return true;
	}
	if (!o->discard && !attach_stdout(p)) {
		return false;
	}
	if (o->send_bytes > 0) {
		p->source = PUMP_FROM_ZEROS;
		p->zeros_left = o->send_bytes;
		return true;
	}
	if (o->listen && o->discard) {
		return true; /* a sink: nothing of ours to send */
	}
	if (!duplicate(&p->in, STDIN_FILENO)) {
		return false;
	}
	p->source = PUMP_FROM_FD;
	p->owns_fds = true;
	p->stop_on_peer_end = isatty(STDIN_FILENO) == 1;
	return true;
}

/* ---- from here to the peer ----------------------------------------------------------------------------- */

static void lose(struct pump *p, int status)
{
	p->status = status;
	cli_ignore(enn_connection_abort(p->c));
}

static void send_final(struct pump *p)
{
	struct enn_message_context message = {.flags = ENN_MESSAGE_FINAL};

	if (p->final_sent || !p->established || p->messages) {
		return;
	}
	enum enn_status status = enn_connection_send(p->c, NULL, 0, &message);
	if (status == ENN_OK) {
		p->final_sent = true;
		p->sends++;
	}
}

static int free_buffer(struct pump *p)
{
	for (int i = 0; i < PUMP_BUFFERS; i++) {
		if (p->buffer[i].busy) {
			continue;
		}
		if (p->buffer[i].mem == NULL) {
			p->buffer[i].mem = calloc(1, PUMP_BUFFER_SIZE);
		}
		return p->buffer[i].mem == NULL ? -1 : i;
	}
	return -1;
}

/* Sends a buffer; it is busy until its Sent event, whose token is the buffer's number plus one. */
static bool send_buffer(struct pump *p, int i, size_t len)
{
	struct enn_message_context message = {.token = (void *)(uintptr_t)(i + 1)};

	if (p->messages) {
		return pump_send_messages(p, i, len);
	}
	if (enn_connection_send_borrowed(p->c, p->buffer[i].mem, len, &message) != ENN_OK) {
		return false;
	}
	p->buffer[i].busy = true;
	p->sends++;
	p->sent += len;
	return true;
}

static bool wants_input(struct pump *p)
{
	return p->established && !p->over && !p->in_ended && !p->closing &&
	       p->source == PUMP_FROM_FD && p->in >= 0 && p->cutting == 0 && free_buffer(p) >= 0;
}

static void take_input(struct pump *p)
{
	int i = free_buffer(p);
	size_t len = 0;
	ssize_t n = i < 0	  ? -1
		    : p->messages ? pump_read_lines(p, i, &len)
				  : read(p->in, p->buffer[i].mem, PUMP_BUFFER_SIZE);

	len = n > 0 && !p->messages ? (size_t)n : len;
	if (len > 0 && !send_buffer(p, i, len)) {
		lose(p, CLI_LOST);
		return;
	}
	if (n > 0) {
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	/* EIO: a terminal that has gone. Else the peer must not take what it got for all. */
	if (n < 0 && p->child == 0 && errno != EIO) {
		cli_error("reading: %s", strerror(errno));
		close_in(p);
		p->in_ended = true;
		lose(p, CLI_LOCAL);
		return;
	}
	p->in_ended = true;
	if (p->child == 0) {
		close_in(p);
	}
	send_final(p);
}

static void send_zeros(struct pump *p)
{
	int i;

	while (p->zeros_left > 0 && !p->over && p->cutting == 0 && (i = free_buffer(p)) >= 0) {
		size_t n =
			p->zeros_left < PUMP_BUFFER_SIZE ? (size_t)p->zeros_left : PUMP_BUFFER_SIZE;
		if (!send_buffer(p, i, n)) {
			return;
		}
		p->zeros_left -= n;
	}
	if (p->zeros_left == 0) {
		p->in_ended = true;
		send_final(p);
	}
}

/* ---- from the peer to here ------------------------------------------------------------------------------- */

static void ask_more(struct pump *p)
{
	while (p->established && !p->over && !p->peer_ended &&
	       p->receives + p->loan_count < PUMP_RECEIVES) {
		if (enn_connection_receive(p->c, 0, 0, NULL) != ENN_OK) {
			return;
		}
		p->receives++;
	}
}

static void drop_first_loan(struct pump *p)
{
	(void)enn_message_release(p->loan[p->loan_first].loan);
	p->loan_first = (p->loan_first + 1) % (PUMP_RECEIVES + 1);
	p->loan_count--;
	ask_more(p);
}

static ssize_t put(const struct pump *p, const uint8_t *data, size_t len)
{
	struct pollfd fd = {.fd = p->out, .events = POLLOUT};

	if (p->out < 0) {
		return (ssize_t)len;
	}
	if (p->out_is_socket) {
		return send(p->out, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (p->out_may_block) { /* so much fits into what is writable (pipe(7)) */
		if (poll(&fd, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		len = len < PIPE_BUF ? len : PIPE_BUF;
	}
	return write(p->out, data, len);
}

/* Writes what is waiting as far as the reader takes it. */
static void give_output(struct pump *p)
{
	while (p->loan_count > 0) {
		struct pump_loan *l = &p->loan[p->loan_first];
		ssize_t n = put(p, l->data + l->done, l->len - l->done);
		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR) {
				return;
			}
			/* a reader that has gone wants no more; that is not the peer's fault */
			bool gone = errno == EPIPE || errno == ECONNRESET;
			if (!gone) {
				cli_error("writing: %s", strerror(errno));
			}
			p->status = gone && p->child != 0 ? p->status : CLI_LOCAL;
			close_out(p);
			if (p->child == 0) {
				lose(p, p->status);
				return;
			}
			continue;
		}
		l->done += (size_t)n;
		if (l->done == l->len) {
			drop_first_loan(p);
		}
	}
	if (p->peer_ended && p->out >= 0 && p->child != 0) {
		(void)shutdown(p->out, SHUT_WR); /* the command sees the end of its input */
	}
}

static void keep_loan(struct pump *p, const struct enn_taps_event *e)
{
	size_t at = (p->loan_first + p->loan_count) % (PUMP_RECEIVES + 1);

	p->loan[at] = (struct pump_loan){
		.data = e->u.received.data, .len = e->u.received.len, .loan = e->u.received.loan};
	p->loan_count++;
}

/* Echo: the loan goes back as a borrowed message and is released when it was sent. */
static void echo(struct pump *p, const struct enn_taps_event *e)
{
	struct enn_message_context message = {.token = (void *)(uintptr_t)e->u.received.loan.id};

	if (enn_connection_send_borrowed(p->c, e->u.received.data, e->u.received.len, &message) ==
	    ENN_OK) {
		p->sends++;
		p->sent += e->u.received.len;
	} else {
		(void)enn_message_release(e->u.received.loan);
	}
}

static void received(struct pump *p, const struct enn_taps_event *e)
{
	p->receives--;
	p->received += e->u.received.len;
	if (e->u.received.flags & ENN_MESSAGE_FINAL) {
		p->peer_ended = true;
	}
	if (e->u.received.len == 0) {
		(void)enn_message_release(e->u.received.loan);
	} else if (p->source == PUMP_FROM_ECHO) {
		echo(p, e);
	} else {
		keep_loan(p, e);
	}
	give_output(p);
	if (p->peer_ended && p->source == PUMP_FROM_ECHO) {
		send_final(p);
	}
	if (p->source != PUMP_FROM_ECHO || p->sends < 64) {
		ask_more(p);
	}
}

static void sent(struct pump *p, const struct enn_taps_event *e)
{
	uintptr_t token = (uintptr_t)e->token;

	p->sends--;
	if (p->in_ended) {
		send_final(p); /* if it was refused because the window was full */
	}
	if (token == 0) {
		return;
	}
	if (p->source == PUMP_FROM_ECHO) {
		struct enn_loan loan = {p->c.context, token};
		(void)enn_message_release(loan);
		ask_more(p);
	} else if (token <= PUMP_BUFFERS) {
		if (p->messages) {
			pump_message_sent(p, (int)token - 1);
			(void)pump_cut(p); /* if it cannot, the connection's last event says why */
		} else {
			p->buffer[token - 1].busy = false;
		}
		if (p->source == PUMP_FROM_ZEROS) {
			send_zeros(p);
		}
	}
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

/* Both ways are done: closes gracefully. */
static void maybe_close(struct pump *p)
{
	bool done_sending = p->in_ended || p->source == PUMP_FROM_NOTHING ||
			    (p->source == PUMP_FROM_ECHO && p->final_sent) || p->stop_on_peer_end;

	if (!p->established || p->closing || p->over) {
		return;
	}
	bool quiet = pump_quiet_end(p) <= enn_context_now(p->c.context);
	if ((p->peer_ended && p->loan_count == 0 && done_sending) || quiet) {
		p->closing = true;
		cli_ignore(enn_connection_close(p->c));
	}
}

void pump_start(struct pump_loop *loop, struct pump *p)
{
	p->established = true;
	p->quiet_since = enn_context_now(loop->context);
	p->wait = loop->o->wait > 0 ? (enn_time)(loop->o->wait * 1e9)
		  : p->source == PUMP_FROM_ECHO || p->source == PUMP_FROM_NOTHING ? ENN_TIME_NEVER
										  : ENN_SECOND;
	ask_more(p);
	if (p->source == PUMP_FROM_ZEROS) {
		send_zeros(p);
	}
	if (p->source == PUMP_FROM_NOTHING) {
		p->in_ended = true;
		send_final(p);
	}
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static struct pump *find(struct pump_loop *loop, struct enn_connection c)
{
	struct pump *p = loop->pumps;

	while (p != NULL && p->c.id != c.id) {
		p = p->next;
	}
	return p;
}

static void handle(struct pump_loop *loop, const struct enn_taps_event *e)
{
	struct pump *p = e->connection.id == 0 ? NULL : find(loop, e->connection);

	switch (e->type) {
	case ENN_TAPS_RECEIVED:
		if (p != NULL) {
			received(p, e);
		} else {
			(void)enn_message_release(e->u.received.loan);
		}
		break;
	case ENN_TAPS_SENT:
	case ENN_TAPS_EXPIRED:
	case ENN_TAPS_SEND_ERROR:
		if (p != NULL) {
			sent(p, e);
		}
		break;
	case ENN_TAPS_RECEIVE_ERROR:
		if (p != NULL) {
			p->receives--;
		}
		break;
	case ENN_TAPS_CLOSED:
	case ENN_TAPS_CONNECTION_ERROR:
	case ENN_TAPS_ESTABLISHMENT_ERROR:
		if (p != NULL) {
			p->over = true;
		}
		loop->on_event(loop, e, p);
		break;
	default:
		loop->on_event(loop, e, p);
		break;
	}
	if (p != NULL && find(loop, e->connection) == p) {
		p->quiet_since = enn_context_now(loop->context);
		maybe_close(p);
	}
}

static int timeout_ms(struct pump_loop *loop)
{
	enn_time now = enn_context_now(loop->context);
	enn_time at = enn_context_deadline(loop->context);
	enn_time most = now + 500 * ENN_MILLISECOND; /* progress, children, signals */

	at = at < most ? at : most;
	for (const struct pump *p = loop->pumps; p != NULL; p = p->next) {
		enn_time quiet = pump_quiet_end(p);
		at = quiet < at ? quiet : at;
	}
	return at <= now ? 0 : (int)((at - now + ENN_MILLISECOND - 1) / ENN_MILLISECOND);
}

/* Room for the context and both ends of each pump. */
static bool make_poll_room(struct pump_loop *loop)
{
	size_t cap = 16 + 4 * loop->pump_count;

	if (loop->fds_cap >= 1 + 2 * loop->pump_count) {
		return true;
	}
	struct pollfd *fds = realloc(loop->fds, cap * sizeof(*fds));
	loop->fds = fds == NULL ? loop->fds : fds;
	struct pump **owner = realloc(loop->owner, cap * sizeof(struct pump *));
	loop->owner = owner == NULL ? loop->owner : owner;
	if (fds == NULL || owner == NULL) {
		return false;
	}
	loop->fds_cap = cap;
	return true;
}

static void wait_and_move(struct pump_loop *loop)
{
	struct pollfd *fds = loop->fds;
	struct pump **owner = loop->owner;
	nfds_t n = 1;

	fds[0] = (struct pollfd){.fd = enn_context_fd(loop->context), .events = POLLIN};
	for (struct pump *p = loop->pumps; p != NULL; p = p->next) {
		if (wants_input(p)) {
			owner[n] = p;
			fds[n++] = (struct pollfd){.fd = p->in, .events = POLLIN};
		}
		if (p->loan_count > 0 && p->out >= 0) {
			owner[n] = p;
			fds[n++] = (struct pollfd){.fd = p->out, .events = POLLOUT};
		}
	}
	if (poll(fds, n, timeout_ms(loop)) < 0) {
		return;
	}
	for (nfds_t i = 1; i < n; i++) {
		if (fds[i].revents == 0) {
			continue;
		}
		if (fds[i].events == POLLIN) {
			take_input(owner[i]);
		} else {
			give_output(owner[i]);
		}
		maybe_close(owner[i]);
	}
}

static void show_progress(struct pump_loop *loop)
{
	uint64_t sent_bytes = 0;
	uint64_t received_bytes = 0;
	enn_time first = enn_context_now(loop->context);

	for (struct pump *p = loop->pumps; p != NULL; p = p->next) {
		sent_bytes += p->sent;
		received_bytes += p->received;
		first = p->started < first ? p->started : first;
	}
	if (loop->pumps != NULL) {
		cli_progress(loop->o, sent_bytes, received_bytes,
			     (double)(enn_context_now(loop->context) - first) / 1e9);
	}
}

static int turn(struct pump_loop *loop)
{
	struct enn_taps_event events[16];
	enn_time next_progress = 0;

	while (!loop->done(loop)) {
		if (stop_signal != 0) {
			loop->interrupted = true;
			return CLI_INTERRUPTED;
		}
		if (!make_poll_room(loop)) {
			cli_error("out of memory");
			return CLI_LOCAL;
		}
		wait_and_move(loop);
		enn_context_step(loop->context);
		size_t n;
		while ((n = enn_poll(loop->context, events, 16, 0)) > 0) {
			for (size_t i = 0; i < n; i++) {
				handle(loop, &events[i]);
			}
		}
		while (waitpid(-1, NULL, WNOHANG) > 0) {
		}
		for (struct pump *p = loop->pumps; p != NULL; p = p->next) {
			maybe_close(p);
		}
		if (enn_context_now(loop->context) >= next_progress) {
			next_progress = enn_context_now(loop->context) + 500 * ENN_MILLISECOND;
			show_progress(loop);
		}
	}
	return loop->status;
}

int pump_run(struct pump_loop *loop)
{
	int status = turn(loop);

	cli_progress_end();
	free(loop->fds);
	free(loop->owner);
	loop->fds = NULL;
	loop->owner = NULL;
	loop->fds_cap = 0;
	return status;
}
