/* SPDX-License-Identifier: Apache-2.0
 *
 * The identities of a simulation: one CA and a leaf per kind of key for each
 * side, made once per process and the same in every process.
 */
#ifndef ENN_TESTS_SIM_PKI_H
#define ENN_TESTS_SIM_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ennead/security.h"
#include "scan.h"

enum sim_key { SIM_KEY_ED25519, SIM_KEY_P256, SIM_KEY_P384, SIM_KEY_RSA, SIM_KEY_COUNT };

#define SIM_SERVER_NAME "server.sim.example"
/* Certificates are valid for a year around this UNIX time (2026-01-01). */
#define SIM_EPOCH INT64_C(1767225600)

struct sim_pki;

#define SIM_KEYS_ALL ((1u << SIM_KEY_COUNT) - 1)

/* Identities for the kinds of key in the set `keys` of bits 1 << enum sim_key; asking for another is a mistake.
 * Aborts if libcrypto cannot: there is nothing to test then. Draws from libcrypto's generator, so seed that
 * first. */
struct sim_pki *sim_pki_new(unsigned keys);
void sim_pki_free(struct sim_pki *pki);

/* Lent. `external` has the chain and no key. */
struct enn_credential *sim_pki_credential(const struct sim_pki *pki, bool server, enum sim_key key,
					  bool external);
/* The trust anchor, and one that signed nothing here; PEM. */
const char *sim_pki_root(const struct sim_pki *pki);
const char *sim_pki_stranger(const struct sim_pki *pki);
/* The leaf and its private key; PEM. */
const char *sim_pki_leaf_pem(const struct sim_pki *pki, bool server, enum sim_key key);
const char *sim_pki_key_pem(const struct sim_pki *pki, bool server, enum sim_key key);
/* What the owner of an external key answers to ENN_EVENT_WANT_IDENTITY. The length, 0 if it cannot. */
size_t sim_pki_sign(const struct sim_pki *pki, bool server, enum sim_key key, uint16_t scheme,
		    const uint8_t *input, size_t len, uint8_t *signature, size_t cap);
/* Adds the private keys to what must not be seen. */
void sim_pki_secrets(const struct sim_pki *pki, struct sim_scan *scan);

#endif
