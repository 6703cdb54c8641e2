/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS shim: one program that a foreign conformance runner starts for each of its tests, to act
 * as client or server as its flags say. Shared by its files; README.md has the flags.
 */
#ifndef TESTS_SHIM_SHIM_H
#define TESTS_SHIM_SHIM_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ennead/engine.h>
#include <ennead/protocol.h>
#include <ennead/security.h>

/* What the program ends with. The first connection that does not end with 0 decides. */
enum status {
	STATUS_OK = 0,
	STATUS_LOCAL = 1,	/* the engine refused something the peer did, or a parameter */
	STATUS_USAGE = 2,	/* wrong flags, unreadable files */
	STATUS_EXPECTATION = 3, /* the connection went well, but not as expected */
	STATUS_PEER = 4,	/* the peer refused: an alert came */
	STATUS_NETWORK = 5,	/* the stream ended without an end of data */
	STATUS_TIMEOUT = 6,
	STATUS_SYSTEM = 7,	   /* a socket could not be made, memory is short */
	STATUS_UNIMPLEMENTED = 89, /* a flag that this program does not know */
};

enum role { ROLE_CLIENT, ROLE_SERVER };
enum traffic { TRAFFIC_ECHO, TRAFFIC_INVERT, TRAFFIC_DISCARD, TRAFFIC_NONE };
enum ending { ENDING_WAIT, ENDING_CLOSE, ENDING_HALF, ENDING_ABORT };
enum verdict { VERDICT_NONE, VERDICT_ACCEPT, VERDICT_REFUSE };

#define MAX_REPEATED 16
#define MAX_EXPORT   255

/* The flags of one connection. */
struct flags {
	/* where */
	enum role role;
	unsigned port;
	bool listen, ipv6, has_shim_id;
	uint64_t shim_id;
	unsigned resume, timeout_ms;
	/* who */
	const char *cert[MAX_REPEATED], *key[MAX_REPEATED], *trust[MAX_REPEATED];
	const char *crl[MAX_REPEATED], *psk[MAX_REPEATED];
	size_t certs, keys, trusts, crls, psks;
	const char *name, *psk_answer;
	enum verdict validate;
	bool no_session;
	/* how */
	const char *set[MAX_REPEATED];
	size_t sets;
	const char *policy, *alpn;
	/* what is sent */
	const char *send, *early;
	enum traffic traffic;
	unsigned chunk, segment, key_updates;
	bool key_update_both;
	enum ending ending;
	const char *export;
	bool send_export;
	/* what must come of it; NULL is no matter */
	const char *expect_version, *expect_cipher, *expect_group, *expect_signature;
	const char *expect_alpn, *expect_server_name, *expect_psk, *expect_resumed;
	const char *expect_retry, *expect_early, *expect_authenticated, *expect_export;
	const char *expect_data, *expect_sessions, *expect_compression, *expect_raw_key;
	const char *expect_failure;
};

/* One connection. */
struct shim {
	const struct flags *flags;
	const struct enn_env *env;
	unsigned number;
	struct enn_engine *engine;
	int fd;
	uint8_t *in, *out;
	size_t in_cap, out_cap, out_len, out_pos;
	struct block *blocks;	    /* everything queued or sent and not yet SENT, in order */
	struct block *next, **tail; /* the first that the engine has not taken */
	bool ready, received_end, ended, closed, failed, eof;
	unsigned key_updates, sessions;
	uint64_t waiting; /* bytes in blocks */
	char *data;	  /* received, NUL-terminated, as far as --expect-data needs it */
	size_t data_len;
	uint8_t exported[MAX_EXPORT];
	size_t exported_len;
	struct enn_error error;
	struct enn_info info; /* as of READY */
	char alpn[256];
	/* client: the last session that came; it is for the next connection */
	uint8_t *session;
	size_t session_len;
};

/* flags.c. Reads the flags that concern connection `number`; STATUS_OK, or what to exit with. */
enum status flags_read(struct flags *f, int argc, char **argv, unsigned number);
void flags_help(void);

/* security.c. NULL: it has been said why. */
struct enn_security *security_make(const struct flags *f, struct enn_session_store *store);

/* run.c */
enum status run(struct shim *s);
enn_time shim_now(void);
bool shim_queue(struct shim *s, const void *data, size_t len, uint32_t flags);
void shim_free_blocks(struct shim *s);

/* check.c: what was expected, and the names of failures. */
enum status check(const struct shim *s, enum status status);
void say(unsigned number, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hexadecimal digits to bytes; false if there is anything else. */
bool unhex(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len);

#endif
