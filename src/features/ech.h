/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello (RFC 9849): configurations, and the keys behind them.
 *
 *   ECHConfigList: <4..2^16-1> of
 *     u16 version = 0xfe0d   <0..2^16-1> contents:
 *       u8 config_id   u16 kem_id   <1..2^16-1> public_key
 *       <4..2^16-4> cipher_suites of (u16 kdf, u16 aead)
 *       u8 maximum_name_length   <1..255> public_name   <0..2^16-1> extensions
 */
#ifndef ENN_FEATURES_ECH_H
#define ENN_FEATURES_ECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "crypto/hpke.h"

#define ENN_ECH_VERSION	 0xfe0d
#define ENN_ECH_MAX_KEYS 8

/* One ECHConfig; the views borrow from the list. */
struct enn_ech_config {
	struct enn_bytes raw; /* all of it: goes into HPKE's info */
	uint16_t version;
	uint8_t config_id;
	uint16_t kem;
	struct enn_bytes public_key;
	struct enn_bytes suites;
	uint8_t maximum_name_length;
	struct enn_bytes public_name;
	bool known; /* this version, and nothing in it that must be understood and is not */
};

/* Takes the next off a list (without the list's own length). False: malformed. */
bool enn_ech_config_next(struct enn_reader *list, struct enn_ech_config *out);
/* The first configuration of a list (with its length) that we can use, and the suite to use. False:
 * there is none. *well_formed says whether the list is one at all. */
bool enn_ech_choose(struct enn_bytes list, struct enn_ech_config *out, struct enn_hpke_suite *suite,
		    bool *well_formed);
/* Whether a configuration offers this pair of KDF and AEAD. */
bool enn_ech_has_suite(const struct enn_ech_config *config, uint16_t kdf, uint16_t aead);
/* "tls ech", a zero, and the configuration. Returns the length, 0 if it does not fit. */
size_t enn_ech_info(const struct enn_ech_config *config, uint8_t out[ENN_HPKE_MAX_INFO]);

/* A server's key with its one configuration. */
struct enn_ech_key {
	struct enn_hpke_key *key;
	uint8_t *config;
	size_t config_len;
};

/* What security parameters hold. */
struct enn_ech_settings {
	uint8_t *list; /* client: the ECHConfigList of the server */
	size_t list_len;
	struct enn_ech_key key[ENN_ECH_MAX_KEYS]; /* server: the first is the one to hand out */
	size_t key_count;
};
/* False: no memory; `to` is empty then. */
bool enn_ech_settings_copy(struct enn_ech_settings *to, const struct enn_ech_settings *from);
void enn_ech_settings_clear(struct enn_ech_settings *settings);

#endif
