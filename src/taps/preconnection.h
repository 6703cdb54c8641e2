/* SPDX-License-Identifier: Apache-2.0
 *
 * The preconnection: a context and a configuration.
 */
#ifndef ENN_TAPS_PRECONNECTION_H
#define ENN_TAPS_PRECONNECTION_H

#include "taps/config.h"

struct enn_preconnection {
	struct enn_context *ctx; /* not touched by setters and free: it may be gone */
	struct enn_config *config;
};

/* The configuration, ready to be changed; NULL: out of memory. */
struct enn_config *enn_preconnection_change(struct enn_preconnection *pre);
/* The configuration with security parameters in it. */
enum enn_status enn_preconnection_complete(struct enn_preconnection *pre, struct enn_error *error);
/* Selects a protocol; ENN_E_NOT_FOUND with *error if nothing is left over. */
enum enn_status enn_preconnection_select(struct enn_preconnection *pre, bool listen,
					 const struct enn_protocol **out, struct enn_error *error);

#endif
