/* SPDX-License-Identifier: Apache-2.0
 *
 * Moves data between connections and file descriptors: one poll() loop for all of
 * them, borrowed sends and loans, no copies of our own.
 */
#ifndef ENN_CLI_PUMP_H
#define ENN_CLI_PUMP_H

#include "cli.h"

#define PUMP_BUFFERS	 8
#define PUMP_BUFFER_SIZE ((size_t)256 * 1024)
#define PUMP_RECEIVES	 4
#define PUMP_MESSAGE	 1200 /* bytes of what has no lines: they fit a packet on any path */

enum pump_source { PUMP_FROM_FD, PUMP_FROM_ZEROS, PUMP_FROM_ECHO, PUMP_FROM_NOTHING };

struct pump_loan {
	const uint8_t *data;
	size_t len;
	size_t done;
	struct enn_loan loan;
};

struct pump_buffer {
	uint8_t *mem;
	bool busy;
	/* where it is cut into messages: how much is, and how many are on their way */
	size_t len;
	size_t cut;
	size_t open;
};

/* One connection with its two ends here. */
struct pump {
	struct enn_connection c;
	struct pump *next;
	enum pump_source source;
	int in;	   /* PUMP_FROM_FD */
	int out;   /* -1: discard */
	int child; /* pid of --exec, 0 if none */
	bool owns_fds;
	bool out_is_socket;
	bool out_may_block;    /* neither a file nor ours alone: no more than fits at once */
	bool stop_on_peer_end; /* an interactive end: the peer's end ends us too */
	uint64_t zeros_left;
	struct pump_buffer buffer[PUMP_BUFFERS];
	bool messages; /* the protocol carries messages: messages.c */
	int cutting;   /* number of the buffer that is being cut, plus one; 0: none */
	uint8_t kept[PUMP_MESSAGE];
	size_t kept_len;
	enn_time wait; /* how long a silence ends it */
	enn_time quiet_since;
	/* a ring of received data on its way out */
	struct pump_loan loan[PUMP_RECEIVES + 1];
	size_t loan_first;
	size_t loan_count;
	size_t receives; /* open receive requests */
	size_t sends;	 /* not reported yet */
	bool established;
	bool in_ended;
	bool final_sent;
	bool peer_ended;
	bool closing;
	bool over;
	int status; /* enum cli_exit */
	uint64_t sent;
	uint64_t received;
	enn_time started;
};

struct pump_loop {
	const struct cli_options *o;
	struct enn_context *context;
	struct pump *pumps;
	size_t pump_count;
	struct pollfd *fds; /* of poll(), with room for all pumps; owner[i] waits for fds[i] */
	struct pump **owner;
	size_t fds_cap;
	/* Events that are not one connection's data. */
	void (*on_event)(struct pump_loop *loop, const struct enn_taps_event *event,
			 struct pump *p);
	bool (*done)(struct pump_loop *loop);
	void *user;
	enn_time deadline; /* of the user's */
	int status;
	bool interrupted;
};

struct pump *pump_new(struct pump_loop *loop, struct enn_connection c);
/* Connects the ends as the options say: stdin and stdout, --exec, --echo, --discard, --send-bytes. */
bool pump_attach(struct pump_loop *loop, struct pump *p);
/* Joins it to the command of --exec (exec.c). */
bool pump_exec(struct pump_loop *loop, struct pump *p);
void pump_free(struct pump_loop *loop, struct pump *p);
/* The connection is established: data may flow. */
void pump_start(struct pump_loop *loop, struct pump *p);
/* Messages: sends what the buffer holds in pieces. False: nothing can be sent any more. */
bool pump_send_messages(struct pump *p, int i, size_t len);
/* Goes on with the buffer that is being cut. */
bool pump_cut(struct pump *p);
void pump_message_sent(struct pump *p, int i);
/* Like read into the buffer; *len is what it then holds. */
ssize_t pump_read_lines(struct pump *p, int i, size_t *len);
/* When it is to be closed because nothing comes any more. */
enn_time pump_quiet_end(const struct pump *p);
/* Runs until done says so or a signal came. Returns the status. */
int pump_run(struct pump_loop *loop);
/* SIGINT and SIGTERM end pump_run; SIGPIPE is ignored. */
void pump_signals(void);
/* SIGHUP no longer ends the process: pump_take_hangup tells once that it came. */
void pump_catch_hangup(void);
bool pump_take_hangup(void);

#endif
