/* SPDX-License-Identifier: Apache-2.0
 *
 * A toy: the smallest protocol over datagrams that keeps the simulator's rules, and
 * versions of it that each break one. With it the simulator itself is tested.
 *
 *   type (1) | sender (1) | counter (8) | sealed … | tag (16)
 *
 * All share one key. To send to B, A asks for B's nonce of this life (hello, echoed by the reply), and seals what it sends
 * with that nonce as additional data, so what was meant for an earlier life does not open.
 */
#ifndef ENN_TESTS_SIM_DGRAM_TOY_H
#define ENN_TESTS_SIM_DGRAM_TOY_H

#include "ennead/engine.h"

enum toy_defect {
	TOY_SOUND,
	TOY_TWICE,     /* does not look for replays */
	TOY_TRUSTING,  /* does not look whether the tag fits */
	TOY_PLAIN,     /* forgets to seal now and then */
	TOY_KEY,       /* sends its key as padding */
	TOY_BUSY,      /* its deadline stays in the past */
	TOY_LOUD,      /* answers a hello three times */
	TOY_FORGETFUL, /* loses every seventh message */
	TOY_HOARDER,   /* takes memory for each hello */
	TOY_LEAKY,     /* does not free it all */
	TOY_ORDER,     /* reports messages as sent in the wrong order */
	TOY_DEAF,      /* hears nothing after 10 seconds */
	TOY_DEFECTS
};
extern const char *const toy_defect_names[TOY_DEFECTS];

#define TOY_PEERS 5
#define TOY_HELLO 64

/* peers[i] is where host i is; the first byte of a message says to whom it goes, that of a received one from
 * whom it is. */
enum enn_status toy_new(const struct enn_env *env, enum toy_defect defect, unsigned self,
			const struct enn_address peers[TOY_PEERS], const uint8_t key[16],
			struct enn_engine **out);
/* One that has nothing to say until somebody says hello. */
enum enn_status toy_acceptor_new(const struct enn_env *env, enum toy_defect defect, unsigned self,
				 const struct enn_address peers[TOY_PEERS], const uint8_t key[16],
				 struct enn_acceptor **out);

#endif
