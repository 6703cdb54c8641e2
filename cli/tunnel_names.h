/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints that are names: looked up in the background, again and again until they are found.
 */
#ifndef ENN_CLI_TUNNEL_NAMES_H
#define ENN_CLI_TUNNEL_NAMES_H

#include <uv.h>

#include "tunnel.h"
#include "tunnel_server.h"

struct tunnel_names;

/* NULL: out of memory. device is borrowed. */
struct tunnel_names *tunnel_names_new(uv_loop_t *loop, const struct tunnel_device *device);
/* The names of this configuration instead of those before. False: out of memory. */
bool tunnel_names_set(struct tunnel_names *names, const struct tunnel_config *config);
/* The loop must run until look-ups under way are over. NULL is legal. */
void tunnel_names_free(struct tunnel_names *names);

#endif
