/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tunnel shows of itself while it runs: a line on the terminal, and to systemd.
 */
#ifndef ENN_CLI_TUNNEL_STATUS_H
#define ENN_CLI_TUNNEL_STATUS_H

#include <uv.h>

#include "tunnel.h"
#include "tunnel_server.h"

struct tunnel_status;

/* NULL: nobody looks, or out of memory; both are fine. *log learns of the line. */
struct tunnel_status *tunnel_status_new(uv_loop_t *loop, const struct tunnel_options *o,
					const struct tunnel_device *device, struct tunnel_log *log);
/* The loop must run until its handle is closed. NULL is legal. */
void tunnel_status_free(struct tunnel_status *s);
/* Something that the engine told. */
void tunnel_status_event(struct tunnel_status *s, const struct enn_event *event);

#endif
