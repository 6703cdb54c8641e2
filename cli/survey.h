/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead survey: each feature that this build has is exercised on two engines in
 * memory, with a wire between them that the check can read, change and replay, and
 * a clock that it moves.
 */
#ifndef ENN_CLI_SURVEY_H
#define ENN_CLI_SURVEY_H

#include "cli.h"

#define SURVEY_EVIDENCE 160
#define SURVEY_PACKET	4096 /* bytes of one packet, or of one write on a byte stream */
#define SURVEY_WIRE	64   /* packets under way in one direction */
#define SURVEY_INBOX	4096

/* ---- checks ---------------------------------------------------------------------------------- */

struct survey {
	const struct enn_protocol *protocol;
	struct enn_env env;
	void *fixture; /* of the protocol's own: certificates, for example */
	char evidence[SURVEY_EVIDENCE];
	bool refuted;
	bool absent;
};

/* A check does its worst, calls survey_expect on the way and survey_tell at its end. */
typedef void (*survey_check)(struct survey *s);

/* What a protocol has here besides the table's features; the last row has no name. */
struct survey_more {
	const char *name;
	survey_check check;
};
extern const struct survey_more survey_tls_more[];

struct survey_subject {
	enum enn_protocol_id id;
	bool (*open)(struct survey *s); /* makes the fixture; may be NULL */
	void (*close)(struct survey *s);
	survey_check check[ENN_FEATURE_COUNT];
	/* Features that the substrate brings: what of, as in "by TCP". */
	const char *substrate[ENN_FEATURE_COUNT];
	const struct survey_more *more; /* may be NULL */
};
extern const struct survey_subject survey_tls;
extern const struct survey_subject survey_wireguard;

/* The feature is not there; the first reason is the evidence. */
void survey_refute(struct survey *s, const char *why);
/* The library below lacks what it takes: neither proved nor refuted. */
void survey_absent(struct survey *s, const char *why);
/* A condition without which the feature is not there. */
static inline bool survey_expect(struct survey *s, bool condition, const char *otherwise)
{
	if (!condition) {
		survey_refute(s, otherwise);
	}
	return condition;
}
/* What was seen, if everything held. */
void survey_tell(struct survey *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- a live pair ----------------------------------------------------------------------------- */

struct survey_packet {
	struct enn_path path; /* as its receiver sees it */
	size_t len;
	uint8_t data[SURVEY_PACKET];
};

struct survey_side {
	struct enn_engine *engine;
	struct enn_address address;
	/* What it has sent and the other has not got. */
	struct survey_packet out[SURVEY_WIRE];
	size_t out_count;
	/* What it was told. */
	unsigned events[ENN_EVENT_PEER_AUTHENTICATED + 1];
	struct enn_error error; /* with ENN_EVENT_FAILED */
	uint64_t peer;		/* of the last event that names one */
	uint8_t inbox[SURVEY_INBOX];
	size_t inbox_len;
	uint32_t flags; /* of everything received */
	uint8_t session[SURVEY_PACKET];
	size_t session_len;
	bool early_accepted;
	/* Answers to questions; NULL: yes to the peer, no to everything else. */
	void (*answer)(struct survey_side *side, enn_time now, const struct enn_event *event);
	void *answer_ctx;
};

/* Side 0 begins, side 1 answers. */
struct survey_pair {
	struct survey *survey;
	enn_time now;
	struct survey_side side[2];
};

/* Without engines, which the check makes; NULL, and refuted, without memory. */
struct survey_pair *survey_pair_new(struct survey *s);
void survey_pair_free(struct survey_pair *p);
/* The loop of engine.h for one side; what it sends stays on its wire. */
void survey_pair_run(struct survey_pair *p, int side);
/* Gives `to` what is on the other's wire, and runs it. */
void survey_pair_deliver(struct survey_pair *p, int to);
/* The same with one packet of the check's. */
void survey_pair_inject(struct survey_pair *p, int to, const struct survey_packet *packet);
/* Both sides, until the wires are empty. */
void survey_pair_settle(struct survey_pair *p);
/* Moves the clock through every deadline, with the wires working. */
void survey_pair_wait(struct survey_pair *p, enn_time duration);
/* Queues a message and runs the side. data must stay. */
enum enn_status survey_pair_send(struct survey_pair *p, int from, const void *data, size_t len,
				 uint32_t flags);
/* True if the inbox holds exactly this; empties it. */
bool survey_pair_got(struct survey_pair *p, int side, const void *data, size_t len);
/* Is the text on the wire of this side, in clear? */
bool survey_pair_shows(const struct survey_pair *p, int side, const void *text, size_t len);
void survey_pair_lose(struct survey_pair *p, int side);

#endif
