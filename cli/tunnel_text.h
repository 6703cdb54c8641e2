/* SPDX-License-Identifier: Apache-2.0
 *
 * What configuration files and the UAPI have in common: numbers, addresses, prefixes,
 * endpoints and keys, as pieces of text that need no NUL at their end.
 */
#ifndef ENN_CLI_TUNNEL_TEXT_H
#define ENN_CLI_TUNNEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/ennead.h"
#include "ennead/netlink.h"
#include "ennead/wireguard.h"

struct text {
	const char *at;
	size_t len;
};

#define TEXT_PREFIX_MAX	  52 /* the longest prefix that text_from_prefix writes, with its NUL */
#define TEXT_ENDPOINT_MAX 72
#define TEXT_HEX_KEY	  (2 * ENN_WIREGUARD_KEY + 1)

struct text text_of(const char *string);
/* Without the white space at both ends. */
struct text text_trim(struct text t);
/* Case counts, or (fold) does not. */
bool text_is(struct text t, const char *string);
bool text_folds_to(struct text t, const char *string);
/* Cuts at the first `separator`: *head is what is before it, and the rest is returned with at
 * behind it, or with at NULL if there was none. */
struct text text_cut(struct text t, char separator, struct text *head);
/* A copy with a NUL (malloc); NULL: out of memory. */
char *text_copy(struct text t);

/* All of them: false if the text is anything else, or more than that. */
bool text_number(struct text t, uint64_t most, uint64_t *out);	   /* decimal */
bool text_any_number(struct text t, uint64_t most, uint64_t *out); /* or 0x… */
bool text_ip(struct text t, uint8_t ip[16], uint8_t *family);
/* "10.0.0.0/8"; a single address is a prefix of all its bits. */
bool text_prefix(struct text t, struct enn_prefix *out);
/* "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:51820". */
bool text_endpoint(struct text t, struct enn_address *out);

/* They return buf. */
const char *text_from_prefix(const struct enn_prefix *prefix, char buf[TEXT_PREFIX_MAX]);
const char *text_from_endpoint(const struct enn_address *address, char buf[TEXT_ENDPOINT_MAX]);

/* Keys in hexadecimal, in a time that tells nothing of them. */
bool text_hex_key(struct text t, uint8_t key[ENN_WIREGUARD_KEY]);
void text_from_hex_key(const uint8_t key[ENN_WIREGUARD_KEY], char out[TEXT_HEX_KEY]);
bool text_key_is_zero(const uint8_t key[ENN_WIREGUARD_KEY]);

/* What a line may name, nearest to what it does name; NULL: nothing is near. Case does not count. */
const char *text_nearest(struct text word, const char *const *names, size_t count);

#endif
