/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tunnel's interface needs of the system around it: addresses, routes and rules of policy
 * routing, set through Linux's netlink.
 *
 * Addresses and routes disappear with their interface. Rules do not: a struct enn_netlink
 * remembers those that were added through it, and enn_netlink_undo takes them back.
 *
 * All calls block for the time of a system call and need CAP_NET_ADMIN, in the network namespace
 * in which enn_netlink_new was called. They fail with ENN_E_SYSTEM: sys_errno is the kernel's answer,
 * and the text has its explanation where it gives one. No call prints or starts a program.
 */
#ifndef ENNEAD_NETLINK_H
#define ENNEAD_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enn_netlink;

struct enn_prefix {
	uint8_t ip[16]; /* network order; IPv4 uses the first four; the rest is zero */
	uint8_t family; /* enum enn_family */
	uint8_t bits;
};

/* Clears the host bits. */
ENN_API void enn_prefix_mask(struct enn_prefix *prefix);
/* True if all of `inner` is in `outer`. */
ENN_API bool enn_prefix_contains(const struct enn_prefix *outer, const struct enn_prefix *inner);

ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_new(struct enn_netlink **out,
						       struct enn_error *error);
/* Undoes nothing. NULL is legal. */
ENN_API void enn_netlink_free(struct enn_netlink *n);

/* ---- an interface ----------------------------------------------------------------- */

/* mtu 0: as it is. An interface that is brought up gets no link-local address by itself. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_set_link(struct enn_netlink *n, unsigned index,
							    uint16_t mtu, bool up,
							    struct enn_error *error);
/* The address keeps its host bits; its network becomes a route of the interface by itself once it
 * is up. Adding what is there is no error. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_add_address(struct enn_netlink *n,
							       unsigned index,
							       const struct enn_prefix *address,
							       struct enn_error *error);

/* ---- routes -------------------------------------------------------------------------- */

#define ENN_NETLINK_TABLE_MAIN 254

struct enn_netlink_route {
	struct enn_prefix to; /* host bits are ignored */
	unsigned index;	      /* of the interface */
	uint32_t table;	      /* 0 means the main table */
};

/* ENN_E_SYSTEM with EEXIST: another route to there is in this table. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_add_route(struct enn_netlink *n,
							     const struct enn_netlink_route *route,
							     struct enn_error *error);
/* What is gone already is removed: no error. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_remove_route(
	struct enn_netlink *n, const struct enn_netlink_route *route, struct enn_error *error);
/* The lowest table from `first` on that has no routes of either family. ENN_E_NOT_FOUND: none
 * among a thousand. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_free_table(struct enn_netlink *n, uint32_t first,
							      uint32_t *table,
							      struct enn_error *error);

/* ---- rules --------------------------------------------------------------------------- */

struct enn_netlink_rule {
	uint8_t family;	       /* enum enn_family */
	uint32_t table;	       /* where to look up */
	uint32_t mark;	       /* only for packets with this mark; 0: whatever the mark */
	bool unmarked;	       /* only for packets without that mark */
	bool suppress_default; /* what it finds does not count if it is a default route */
};

/* It comes before the rules that are there, but for that of the local addresses. An equal rule for
 * another table than main, which a process that was killed has left, is replaced. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_add_rule(struct enn_netlink *n,
							    const struct enn_netlink_rule *rule,
							    struct enn_error *error);

/* ---- the end ------------------------------------------------------------------------- */

/* Takes back the rules, the newest first. Goes on after an error and reports the first. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_undo(struct enn_netlink *n,
							struct enn_error *error);

/* net.ipv4.conf.all.src_valid_mark: the check of a packet's source address (rp_filter) respects its
 * mark. Without it the answers of marked packets are dropped where the default route
 * is a tunnel. It stays set. */
ENN_API ENN_MUST_CHECK enum enn_status enn_netlink_respect_marks(struct enn_error *error);

#ifdef __cplusplus
}
#endif
#endif
