/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of ennead/netlink.h: one request to the kernel and its answer.
 */
#ifndef ENN_RUNTIME_NETLINK_H
#define ENN_RUNTIME_NETLINK_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "ennead/netlink.h"

#define ENN_NETLINK_BUFFER 32768 /* the most that the kernel gives at a time */

/* A rule that is to be taken back. */
struct enn_netlink_step {
	struct enn_netlink_step *next;
	struct enn_netlink_rule rule;
	uint32_t priority; /* that the kernel chose */
};

struct enn_netlink {
	struct mnl_socket *socket;
	unsigned port;
	unsigned sequence;
	struct enn_netlink_step *steps; /* the newest first */
	char request[1024];
	char answer[ENN_NETLINK_BUFFER];
};

/* Begins a request in n->request. */
struct nlmsghdr *enn_netlink_begin(struct enn_netlink *n, uint16_t type, uint16_t flags);

/* Sends it and waits for the end of the answer. Each message goes to `each`, if there is
 * one. doing says for the error's text what was tried. */
enum enn_status enn_netlink_ask(struct enn_netlink *n, struct nlmsghdr *message, mnl_cb_t each,
				void *ctx, const char *doing, struct enn_error *error);

/* The attribute of this type behind a header of `offset` bytes, if it is of this form; or NULL. */
const struct nlattr *enn_netlink_attribute(const struct nlmsghdr *message, size_t offset,
					   uint16_t type, enum mnl_attr_data_type form);

#endif
