/* SPDX-License-Identifier: Apache-2.0
 *
 * Attackers. They see every packet that any host sends, can keep it from
 * arriving, and can send anything from any address; they have no keys.
 */
#ifndef ENN_TESTS_SIM_DGRAM_ATTACK_H
#define ENN_TESTS_SIM_DGRAM_ATTACK_H

#include "dgram_world.h"

void dgram_recorder_open(struct dgram_world *w);
void dgram_recorder_close(struct dgram_world *w);
/* One turn of an attack that is a deed of the scenario. */
void dgram_attack(struct dgram_world *w, const struct dgram_deed *deed, struct sim_rng *r);
/* Somebody's address that is no host's. */
struct enn_address dgram_stranger(struct sim_rng *r, unsigned family);

#endif
