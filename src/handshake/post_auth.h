/* SPDX-License-Identifier: Apache-2.0
 *
 * Authentication of the client after the handshake (RFC 8446 §4.6.2), as carriers use it. There is a
 * struct enn_post_auth in the result of a handshake in which the client offered it, else NULL; with NULL these
 * calls say that it was not.
 */
#ifndef ENN_HANDSHAKE_POST_AUTH_H
#define ENN_HANDSHAKE_POST_AUTH_H

#include "handshake/handshake.h"

void enn_post_auth_free(struct enn_post_auth *p, const struct enn_env *env);
/* Gives up an exchange that is under way. */
void enn_post_auth_drop(struct enn_post_auth *p, const struct enn_env *env);
/* The exchange that is under way: nothing else may come from the client, or go to the server, until it is over. It may be
 * parked on a question. NULL: none. */
struct enn_handshake *enn_post_auth_exchange(const struct enn_post_auth *p);
/* Whether the client showed anything in the last one. */
bool enn_post_auth_accepted(const struct enn_post_auth *p);

/* In all: secret is the client's application traffic secret of now (§4.4.4).
 * Server: writes a CertificateRequest to the carrier. ENN_E_UNSUPPORTED: the client did not offer it; ENN_E_AGAIN: four
 * are unanswered; ENN_E_MEMORY; ENN_E_FAILED with carrier->error set. */
enum enn_status enn_post_auth_request(struct enn_handshake_carrier *c, const uint8_t *secret);
/* Takes one message of it. Server: ENN_OUTCOME_PEER_AUTHENTICATED at the end. */
enum enn_status enn_post_auth_receive(struct enn_handshake_carrier *c, enn_time now,
				      struct enn_bytes message, const uint8_t *secret,
				      enum enn_handshake_outcome *outcome);
/* As enn_handshake_answer, of an exchange that is parked. */
enum enn_status enn_post_auth_answer(struct enn_handshake_carrier *c, enn_time now,
				     const struct enn_answer *answer,
				     enum enn_handshake_outcome *outcome);

#endif
