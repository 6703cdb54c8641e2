/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes, and the rules that choose among their tables.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "runtime/netlink.h"

/* ---- routes ----------------------------------------------------------------------------------- */

static struct nlmsghdr *route_message(struct enn_netlink *n, uint16_t type, uint16_t flags,
				      const struct enn_netlink_route *route)
{
	struct nlmsghdr *message = enn_netlink_begin(n, type, flags);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	uint32_t table = route->table == 0 ? ENN_NETLINK_TABLE_MAIN : route->table;
	struct enn_prefix to = route->to;
	bool v4 = to.family == ENN_FAMILY_IPV4;

	enn_prefix_mask(&to);
	header->rtm_family = v4 ? AF_INET : AF_INET6;
	header->rtm_dst_len = to.bits;
	header->rtm_table = table < 256 ? (unsigned char)table : RT_TABLE_UNSPEC;
	header->rtm_type = RTN_UNICAST;
	/* to somebody on the link: no gateway is named */
	header->rtm_scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	header->rtm_protocol = RTPROT_STATIC;
	mnl_attr_put_u32(message, RTA_TABLE, table);
	mnl_attr_put_u32(message, RTA_OIF, route->index);
	mnl_attr_put(message, RTA_DST, v4 ? 4 : 16, to.ip);
	return message;
}

enum enn_status enn_netlink_add_route(struct enn_netlink *n, const struct enn_netlink_route *route,
				      struct enn_error *error)
{
	return enn_netlink_ask(n, route_message(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route),
			       NULL, NULL, "the route cannot be added", error);
}

enum enn_status enn_netlink_remove_route(struct enn_netlink *n,
					 const struct enn_netlink_route *route,
					 struct enn_error *error)
{
	struct enn_error why = {.status = ENN_OK};
	enum enn_status status = enn_netlink_ask(n, route_message(n, RTM_DELROUTE, 0, route), NULL,
						 NULL, "the route cannot be removed", &why);

	if (status != ENN_OK && why.sys_errno != ESRCH && why.sys_errno != ENODEV) {
		if (error != NULL) {
			*error = why;
		}
		return status;
	}
	return ENN_OK;
}

#define TABLES_LOOKED_AT 1000

struct tables {
	uint32_t first;
	bool taken[TABLES_LOOKED_AT];
};

static int note_table(const struct nlmsghdr *message, void *ctx)
{
	struct tables *tables = ctx;
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header)) {
		return MNL_CB_OK;
	}
	const struct nlattr *wide =
		enn_netlink_attribute(message, sizeof(*header), RTA_TABLE, MNL_TYPE_U32);
	uint32_t table = wide == NULL ? header->rtm_table : mnl_attr_get_u32(wide);
	if (table >= tables->first && table - tables->first < TABLES_LOOKED_AT) {
		tables->taken[table - tables->first] = true;
	}
	return MNL_CB_OK;
}

enum enn_status enn_netlink_free_table(struct enn_netlink *n, uint32_t first, uint32_t *table,
				       struct enn_error *error)
{
	struct tables tables = {.first = first};
	struct nlmsghdr *message = enn_netlink_begin(n, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->rtm_family = AF_UNSPEC;
	enum enn_status status = enn_netlink_ask(n, message, note_table, &tables,
						 "the routes cannot be listed", error);
	if (status != ENN_OK) {
		return status;
	}
	for (uint32_t i = 0; i < TABLES_LOOKED_AT; i++) {
		if (!tables.taken[i]) {
			*table = first + i;
			return ENN_OK;
		}
	}
	return enn_error_set(error, ENN_E_NOT_FOUND, ENN_REASON_SYSTEM, "netlink",
			     "no free routing table");
}

/* ---- rules ------------------------------------------------------------------------------------ */

static struct nlmsghdr *rule_message(struct enn_netlink *n, uint16_t type, uint16_t flags,
				     const struct enn_netlink_rule *rule)
{
	struct nlmsghdr *message = enn_netlink_begin(n, type, flags);
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->family = rule->family == ENN_FAMILY_IPV4 ? AF_INET : AF_INET6;
	header->table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_UNSPEC;
	header->action = FR_ACT_TO_TBL;
	header->flags = rule->unmarked ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u32(message, FRA_TABLE, rule->table);
	if (rule->mark != 0) {
		mnl_attr_put_u32(message, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(message, FRA_FWMASK, UINT32_MAX);
	}
	if (rule->suppress_default) {
		mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, 0);
	}
	return message;
}

static enum enn_status delete_rule(struct enn_netlink *n, const struct enn_netlink_rule *rule,
				   uint32_t priority, struct enn_error *error)
{
	struct nlmsghdr *message = rule_message(n, RTM_DELRULE, 0, rule);

	if (priority != 0) {
		mnl_attr_put_u32(message, FRA_PRIORITY, priority);
	}
	return enn_netlink_ask(n, message, NULL, NULL, "the rule cannot be removed", error);
}

/* The kernel echoes the rule with the priority that it chose. */
static int note_priority(const struct nlmsghdr *message, void *ctx)
{
	uint32_t *priority = ctx;

	if (message->nlmsg_type != RTM_NEWRULE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct fib_rule_hdr)) {
		return MNL_CB_OK;
	}
	const struct nlattr *chosen = enn_netlink_attribute(message, sizeof(struct fib_rule_hdr),
							    FRA_PRIORITY, MNL_TYPE_U32);
	*priority = chosen == NULL ? *priority : mnl_attr_get_u32(chosen);
	return MNL_CB_OK;
}

enum enn_status enn_netlink_add_rule(struct enn_netlink *n, const struct enn_netlink_rule *rule,
				     struct enn_error *error)
{
	struct enn_netlink_step *step = calloc(1, sizeof(*step));

	if (step == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "netlink",
				     "out of memory");
	}
	if (rule->table != ENN_NETLINK_TABLE_MAIN) {
		while (delete_rule(n, rule, 0, NULL) == ENN_OK) {
		}
	}
	step->rule = *rule;
	enum enn_status status =
		enn_netlink_ask(n, rule_message(n, RTM_NEWRULE, NLM_F_CREATE | NLM_F_ECHO, rule),
				note_priority, &step->priority, "the rule cannot be added", error);
	if (status != ENN_OK) {
		free(step);
		return status;
	}
	step->next = n->steps;
	n->steps = step;
	return ENN_OK;
}

enum enn_status enn_netlink_undo(struct enn_netlink *n, struct enn_error *error)
{
	enum enn_status first = ENN_OK;

	while (n->steps != NULL) {
		struct enn_netlink_step *step = n->steps;
		enum enn_status status =
			delete_rule(n, &step->rule, step->priority, first == ENN_OK ? error : NULL);
		first = first == ENN_OK ? status : first;
		n->steps = step->next;
		free(step);
	}
	return first;
}

/* ---- marks ------------------------------------------------------------------------------------ */

enum enn_status enn_netlink_respect_marks(struct enn_error *error)
{
	static const char path[] = "/proc/sys/net/ipv4/conf/all/src_valid_mark";
	char now = '0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!read(fd, &now, 1);
		(void)close(fd);
	}
	if (now == '1') {
		return ENN_OK; /* also where it can only be read, like in many containers */
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, "1\n", 2) == 2;
	int failure = errno;
	if (fd >= 0) {
		(void)close(fd);
	}
	if (good) {
		return ENN_OK;
	}
	(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "src_valid_mark",
			    "%s cannot be set: %s", path, strerror(failure));
	if (error != NULL) {
		error->sys_errno = failure;
	}
	return ENN_E_SYSTEM;
}
