/* SPDX-License-Identifier: Apache-2.0
 *
 * The system's side of a tunnel: what of its configuration becomes addresses, routes and rules.
 */
#ifndef ENN_CLI_TUNNEL_NETWORK_H
#define ENN_CLI_TUNNEL_NETWORK_H

#include "ennead/netlink.h"
#include "tunnel.h"

/* Routes, sorted and without doubles. */
struct tunnel_routes {
	struct enn_netlink_route *item;
	size_t count;
};

struct tunnel_network {
	struct enn_netlink *netlink;
	unsigned index;
	/* Table = auto with a default route: it goes to a table of its own, where only packets look
	 * that the tunnel itself has not marked. */
	uint32_t own_table; /* 0: none; also the mark */
	uint32_t rules_for; /* the table that the rules name */
	bool rules_v4;
	bool rules_v6;
	struct tunnel_routes routes;
};

bool tunnel_network_open(struct tunnel_network *n, const struct tunnel_log *log);
/* Before the interface is made: *mark is what outer packets must bear. */
bool tunnel_network_plan(struct tunnel_network *n, const struct tunnel_config *config,
			 uint32_t *mark, const struct tunnel_log *log);
/* Addresses, MTU, link, rules, routes. */
bool tunnel_network_up(struct tunnel_network *n, const struct tunnel_config *config, unsigned index,
		       uint16_t mtu, const struct tunnel_log *log);
/* Routes and rules as another configuration wants them; plan it before. */
bool tunnel_network_change(struct tunnel_network *n, const struct tunnel_config *config,
			   const struct tunnel_log *log);
/* Takes back what does not disappear with the interface. */
void tunnel_network_close(struct tunnel_network *n, const struct tunnel_log *log);

#endif
