/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard's cross-platform configuration protocol, without its socket: lines of "key=value" in,
 * a change of the interface or the text that describes it out.
 */
#ifndef ENN_CLI_TUNNEL_UAPI_H
#define ENN_CLI_TUNNEL_UAPI_H

#include "tunnel_text.h"

#define UAPI_MAX_LINE  256		   /* the longest line that has a meaning is 77 bytes */
#define UAPI_MAX_BYTES ((size_t)256 << 20) /* of one request: about 500,000 peers */

enum uapi_kind { UAPI_NOTHING, UAPI_GET, UAPI_SET };

/* One request, as it grows line by line. Zeroed is empty. */
struct uapi_request {
	enum uapi_kind kind;
	int error; /* errno of the first line that was wrong; the others are skipped */
	size_t bytes;
	bool has_listen_port;
	uint16_t listen_port;
	bool has_fwmark;
	uint32_t fwmark;
	/* Valid when the request is complete. */
	struct enn_wireguard_change change;

	struct enn_wireguard_peer_change *peers;
	size_t *first_ip; /* of each peer, in ips */
	size_t peer_count;
	size_t peer_capacity;
	struct enn_wireguard_prefix *ips;
	size_t ip_count;
	size_t ip_capacity;
};

/* Takes one line without its newline. True: it was the empty line that ends the request. */
bool uapi_take_line(struct uapi_request *request, struct text line);
/* Wipes and empties it. */
void uapi_reset(struct uapi_request *request);

/* A text that grows. Wiped when it is freed. */
struct uapi_buffer {
	char *data;
	size_t len;
	size_t capacity;
	bool failed; /* out of memory: what it holds is not all */
};
void uapi_buffer_free(struct uapi_buffer *b);

/* What get tells besides what the engine knows. */
struct uapi_extra {
	uint16_t listen_port;
	uint32_t fwmark;
};

/* The answer to get comes in parts of about `want` bytes, so that many peers do not stop the loop.
 * *cursor is 0 to begin with. False: this part was the last, with "errno=0". */
bool uapi_get(const struct enn_engine *engine, const struct uapi_extra *extra, uint64_t *cursor,
	      bool first, size_t want, struct uapi_buffer *out);
/* "errno=…" and the empty line; number is an errno. */
void uapi_put_errno(struct uapi_buffer *out, int number);
int uapi_errno_of(const struct enn_error *error);

#endif
