/* SPDX-License-Identifier: Apache-2.0
 *
 * Two handshakes joined message by message, without records: a test sees each message before it is
 * delivered, and may change it, leave it out or put another in its place.
 */
#ifndef ENN_TESTS_UNIT_HS_PAIR_H
#define ENN_TESTS_UNIT_HS_PAIR_H

#include "handshake/handshake.h"
#include "support.h"

#define HS_CHANGE_CIPHER_SPEC 0x100 /* among the types of messages: a record of TLS 1.2 */
#define HS_MAX_MESSAGE	      16384

struct hs_message {
	unsigned type;
	enum enn_level level;
	size_t len; /* with the header */
	uint8_t data[HS_MAX_MESSAGE];
};

/* The keys of one direction, as they were given to the carrier. */
struct hs_keys {
	bool given;
	const struct enn_tls_suite *suite;
	size_t len;
	uint8_t block[128]; /* key, IV and MAC key */
};

struct hs_end {
	struct enn_handshake_carrier c; /* first */
	struct enn_handshake *hs;
	struct hs_message *queue[16]; /* what it sent and the other has not got */
	size_t queued;
	uint8_t *room;
	struct hs_keys sends, receives;
	bool reads_protected; /* the peer's change_cipher_spec came */
	bool complete, failed;
	enum enn_handshake_outcome question; /* parked with it */
	uint8_t session[4096];		     /* client, at the end: to resume with */
	size_t session_len;
};

struct hs_pair {
	struct hs_end client, server;
	enn_time now;
	size_t delivered;
	/* Sees each message that goes to an end. False: it is lost. */
	bool (*edit)(struct hs_pair *p, struct hs_end *to, struct hs_message *m);
	/* Answers what an end asks. NULL: peers are accepted. */
	void (*ask)(struct hs_pair *p, struct hs_end *end);
	void *user;
};

/* Runs a handshake until both are complete, one failed, or nothing moves. Only `edit`, `ask` and `user` of p are
 * looked at. False: no memory for a handshake. */
bool hs_pair_run(struct hs_pair *p, const struct enn_env *env, struct enn_security *client,
		 struct enn_security *server, const char *name, const struct hs_end *session);
void hs_pair_free(struct hs_pair *p);
/* Fails the test unless both are complete and have the same keys. */
void hs_pair_must_be_complete(const struct hs_pair *p);
/* Fails the test unless this end failed, with this alert. */
void hs_end_must_fail(const struct hs_end *end, unsigned alert, const char *what);

/* The length in a message's header after its body changed. */
void hs_message_fix(struct hs_message *m);
/* The extension list of a ClientHello or ServerHello: the offset of its u16 length. */
size_t hs_message_extensions(const struct hs_message *m);
/* Takes an extension out of a hello; false: it had none. */
bool hs_message_drop_extension(struct hs_message *m, uint16_t type);
void hs_message_add_extension(struct hs_message *m, uint16_t type, const void *data, size_t len);
/* The same with what it had of this type before. */
void hs_message_set_extension(struct hs_message *m, uint16_t type, const void *data, size_t len);

#endif
