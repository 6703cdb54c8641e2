/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of every shape, for the sweeps: small, without faults; the last
 * connection of each is the one of interest.
 */
#ifndef ENN_TESTS_SIM_SHAPES_H
#define ENN_TESTS_SIM_SHAPES_H

#include "scenario.h"

#define SIM_SHAPES 12

struct sim_shape {
	const char *name;
	void (*make)(struct sim_scenario *s);
};
extern const struct sim_shape sim_shapes[SIM_SHAPES];

#endif
