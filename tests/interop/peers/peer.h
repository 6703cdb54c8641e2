/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer program: another TLS library behind the same flags, the same script of
 * actions and the same JSON report, so that one test serves every library.
 * peer.c is the program; <library>_peer.c is the part that knows the library.
 */
#ifndef TESTS_INTEROP_PEER_H
#define TESTS_INTEROP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_MAX_LIST 16

enum client_auth { AUTH_NONE, AUTH_REQUEST, AUTH_REQUIRE };

struct peer_blob {
	unsigned char *data;
	size_t len;
};

struct peer_options {
	bool server;
	unsigned port;
	unsigned again_port; /* client: of the second and later connections, if not 0 */
	unsigned connections;
	const char *ca, *cert, *key, *crl;
	const char *raw_key; /* SPKI in PEM of --key: shown instead of a certificate (RFC 7250) */
	const char *raw_key_der; /* the same in DER */
	const char *peer_key;	 /* SPKI in DER: the peer must show it */
	const char *staple;	 /* server: OCSP response in DER */
	bool want_status;	 /* client */
	const char *compress;	 /* zlib, zstd: certificates, both ways (RFC 8879) */
	const char *name;	 /* client: SNI and the name to check */
	const char *sni_expect;	 /* server: any other name is refused */
	bool no_verify;
	enum client_auth auth;
	const char *suites[PEER_MAX_LIST]; /* IANA names */
	size_t n_suites;
	const char *groups[PEER_MAX_LIST]; /* X25519, P-256, P-384 */
	size_t n_groups;
	const char *alpn[PEER_MAX_LIST];
	size_t n_alpn;
	int shares; /* client: key shares in the first hello; -1 is the library's default */
	const char *psk_identity;
	struct peer_blob psk;
	bool psk_ke; /* only psk_ke where a PSK is used */
	bool later;  /* clients can be asked for a certificate once connected (RFC 8446 §4.6.2) */
	bool tls12;  /* nothing newer than TLS 1.2 */
	bool cookie; /* server: HelloRetryRequest with a cookie */
	bool no_compat;
	/* Encrypted ClientHello. Client: an ECHConfigList, or GREASE; where to write what a server wants
	 * instead. Server: its public name, and where to write the list that it makes. */
	const char *ech, *ech_retry_out, *ech_name, *ech_out;
	bool ech_grease;
	bool pss_keys; /* NSS: rsa_pss_pss besides the usual signatures */
	bool fallback; /* TLS 1.2 client: TLS_FALLBACK_SCSV (RFC 7507) */
	bool no_ems;   /* TLS 1.2: without the extended main secret (RFC 7627) */
	bool no_etm;   /* TLS 1.2: without encrypt-then-MAC (RFC 7366) */
	const char *export_label;
	size_t export_len;
	bool export_empty;	/* with an empty context; else without one */
	struct peer_blob early; /* client */
	unsigned early_max;	/* server; 0 accepts none */
	struct peer_blob session_in;
	const char *session_out;
	unsigned padding;	      /* to multiples of */
	unsigned max_frag;	      /* largest plaintext fragment sent */
	unsigned record_size_limit;   /* RFC 8449 */
	unsigned max_fragment_length; /* the extension of RFC 6066 */
	int tickets;		      /* server; -1 is the library's default */
	const char *keylog;
	const char *actions[PEER_MAX_LIST];
	size_t n_actions;
	unsigned timeout_s;
};

/* Filled in by the library's part as far as it knows; -1 and NULL mean unknown or none. */
struct peer_report {
	bool handshake;
	char version[32], cipher[64], group[32], alpn[64], sni[128];
	bool resumed, peer_cert, raw_key, status;
	bool later; /* server: a certificate came when it was asked for later */
	bool ech;
	char early[16]; /* client: accepted, rejected */
	int alert_in, alert_out;
	char error[256];
	unsigned char exported[256];
	bool has_export;
};

/* What a read ended with, where it is not a number of bytes. */
#define PEER_CLOSED    ((ssize_t)0)  /* close_notify */
#define PEER_TRUNCATED ((ssize_t)-1) /* the stream ended without it */
#define PEER_ERROR     ((ssize_t)-2) /* anything else; report.error says what */

/* Each returns false with report->error set. Blocking; one connection at a time. */
bool peer_library_open(const struct peer_options *o, struct peer_report *report);
bool peer_library_connect(const struct peer_options *o, int fd, struct peer_report *report);
/* After a failed connect too. */
void peer_library_disconnect(void);
void peer_library_close(void);
ssize_t peer_library_read(unsigned char *buf, size_t len, struct peer_report *report);
bool peer_library_write(const unsigned char *buf, size_t len, struct peer_report *report);
/* Sends close_notify; reading stays possible. */
bool peer_library_final(struct peer_report *report);
bool peer_library_rekey(bool both, struct peer_report *report);
/* Server, TLS 1.3: asks for the client's certificate. The answer may take until data was read. */
bool peer_library_request(struct peer_report *report);
/* Server: whether the client has shown a certificate by now. */
bool peer_library_has_cert(void);
extern const char peer_library_name[];

/* For the library's part: what was read before the handshake ended (early data). */
void peer_take_early(const unsigned char *data, size_t len);
bool peer_load(struct peer_blob *blob, const char *path);
void peer_save_session(const unsigned char *data, size_t len);
bool peer_fail(struct peer_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
