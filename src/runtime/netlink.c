/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests to the kernel's rtnetlink(7): the socket, its errors, and what concerns one interface.
 */
#include "runtime/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* ---- prefixes --------------------------------------------------------------------------------- */

void enn_prefix_mask(struct enn_prefix *prefix)
{
	unsigned bits = prefix->bits;

	for (unsigned i = 0; i < sizeof(prefix->ip); i++) {
		unsigned here = bits < 8 ? bits : 8;
		prefix->ip[i] = (uint8_t)(prefix->ip[i] & (0xff00u >> here));
		bits -= here;
	}
}

bool enn_prefix_contains(const struct enn_prefix *outer, const struct enn_prefix *inner)
{
	struct enn_prefix a = *outer;
	struct enn_prefix b = *inner;

	if (a.family != b.family || a.bits > b.bits) {
		return false;
	}
	b.bits = a.bits;
	enn_prefix_mask(&a);
	enn_prefix_mask(&b);
	return memcmp(a.ip, b.ip, sizeof(a.ip)) == 0;
}

/* ---- life ------------------------------------------------------------------------------------- */

enum enn_status enn_netlink_new(struct enn_netlink **out, struct enn_error *error)
{
	struct enn_netlink *n = calloc(1, sizeof(*n));
	int on = 1;

	*out = NULL;
	if (n == NULL) {
		return enn_error_set(error, ENN_E_MEMORY, ENN_REASON_OUT_OF_MEMORY, "netlink",
				     "out of memory");
	}
	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (n->socket == NULL || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int failure = errno;
		(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "netlink",
				    "no netlink socket: %s", strerror(failure));
		if (error != NULL) {
			error->sys_errno = failure;
		}
		enn_netlink_free(n);
		return ENN_E_SYSTEM;
	}
	/* both only make the answers better */
	(void)mnl_socket_setsockopt(n->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(n->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	n->port = mnl_socket_get_portid(n->socket);
	*out = n;
	return ENN_OK;
}

void enn_netlink_free(struct enn_netlink *n)
{
	if (n == NULL) {
		return;
	}
	while (n->steps != NULL) {
		struct enn_netlink_step *step = n->steps;
		n->steps = step->next;
		free(step);
	}
	if (n->socket != NULL) {
		(void)mnl_socket_close(n->socket);
	}
	free(n);
}

/* ---- one request ------------------------------------------------------------------------------ */

struct nlmsghdr *enn_netlink_begin(struct enn_netlink *n, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(n->request);

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	message->nlmsg_seq = ++n->sequence;
	return message;
}

struct search {
	uint16_t type;
	enum mnl_attr_data_type form;
	const struct nlattr *found;
};

static int look(const struct nlattr *attribute, void *ctx)
{
	struct search *search = ctx;

	if (mnl_attr_get_type(attribute) == search->type &&
	    mnl_attr_validate(attribute, search->form) >= 0) {
		search->found = attribute;
	}
	return MNL_CB_OK;
}

const struct nlattr *enn_netlink_attribute(const struct nlmsghdr *message, size_t offset,
					   uint16_t type, enum mnl_attr_data_type form)
{
	struct search search = {.type = type, .form = form};

	if (offset <= mnl_nlmsg_get_payload_len(message)) {
		(void)mnl_attr_parse(message, (unsigned)offset, look, &search);
	}
	return search.found;
}

/* The kernel's own explanation (NLMSGERR_ATTR_MSG), or NULL. */
static const char *explanation(const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*answer);

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS)) {
		return NULL;
	}
	/* the request comes back behind the error, unless only its header does */
	if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
		offset += answer->msg.nlmsg_len - sizeof(answer->msg);
	}
	const struct nlattr *text =
		enn_netlink_attribute(message, offset, NLMSGERR_ATTR_MSG, MNL_TYPE_NUL_STRING);
	return text == NULL ? NULL : mnl_attr_get_str(text);
}

static enum enn_status refuse(struct enn_error *error, const char *doing, int number,
			      const char *why)
{
	(void)enn_error_set(error, ENN_E_SYSTEM, ENN_REASON_SYSTEM, "netlink", "%s: %s%s%s%s",
			    doing, strerror(number), why ? " (" : "", why ? why : "",
			    why ? ")" : "");
	if (error != NULL) {
		error->sys_errno = number;
	}
	return ENN_E_SYSTEM;
}

/* One message of the answer. True: it was the last; *status says how it ended. */
static bool take(const struct nlmsghdr *message, mnl_cb_t each, void *ctx, const char *doing,
		 enum enn_status *status, struct enn_error *error)
{
	if (message->nlmsg_type == NLMSG_DONE) {
		return true;
	}
	if (message->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(*answer) && answer->error != 0) {
			*status = refuse(error, doing, -answer->error, explanation(message));
		}
		return true;
	}
	if (each != NULL) {
		(void)each(message, ctx);
	}
	return false;
}

enum enn_status enn_netlink_ask(struct enn_netlink *n, struct nlmsghdr *message, mnl_cb_t each,
				void *ctx, const char *doing, struct enn_error *error)
{
	enum enn_status status = ENN_OK;
	unsigned sequence = message->nlmsg_seq;

	/* both bits: each alone is NLM_F_REPLACE or NLM_F_EXCL */
	if ((message->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
		message->nlmsg_flags |= NLM_F_ACK;
	}
	if (mnl_socket_sendto(n->socket, message, message->nlmsg_len) < 0) {
		return refuse(error, doing, errno, NULL);
	}
	for (;;) {
		ssize_t received = mnl_socket_recvfrom(n->socket, n->answer, sizeof(n->answer));
		if (received < 0 && errno == EINTR) {
			continue;
		}
		if (received < 0) {
			return refuse(error, doing, errno, NULL);
		}
		int left = (int)received;
		const struct nlmsghdr *part = (const struct nlmsghdr *)(const void *)n->answer;
		for (; mnl_nlmsg_ok(part, left); part = mnl_nlmsg_next(part, &left)) {
			if (mnl_nlmsg_seq_ok(part, sequence) &&
			    mnl_nlmsg_portid_ok(part, n->port) &&
			    take(part, each, ctx, doing, &status, error)) {
				return status;
			}
		}
	}
}

/* ---- an interface ----------------------------------------------------------------------------- */

/* No link-local address of its own: a tunnel has the addresses that it was given, as the
 * kernel's WireGuard does it. Without IPv6 there is nothing to say. */
static void no_link_local(struct enn_netlink *n, unsigned index)
{
	struct nlmsghdr *message = enn_netlink_begin(n, RTM_NEWLINK, 0);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));

	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)index;
	struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *v6 = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, v6);
	mnl_attr_nest_end(message, families);
	enum enn_status status =
		enn_netlink_ask(n, message, NULL, NULL, "link-local addresses", NULL);
	(void)status;
}

enum enn_status enn_netlink_set_link(struct enn_netlink *n, unsigned index, uint16_t mtu, bool up,
				     struct enn_error *error)
{
	struct nlmsghdr *message;
	struct ifinfomsg *link;

	if (up) {
		no_link_local(n, index);
	}
	message = enn_netlink_begin(n, RTM_NEWLINK, 0);
	link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)index;
	link->ifi_change = IFF_UP;
	link->ifi_flags = up ? IFF_UP : 0;
	if (mtu != 0) {
		mnl_attr_put_u32(message, IFLA_MTU, mtu);
	}
	return enn_netlink_ask(n, message, NULL, NULL,
			       up ? "the interface cannot be brought up"
				  : "the interface cannot be brought down",
			       error);
}

enum enn_status enn_netlink_add_address(struct enn_netlink *n, unsigned index,
					const struct enn_prefix *address, struct enn_error *error)
{
	struct nlmsghdr *message = enn_netlink_begin(n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	bool v4 = address->family == ENN_FAMILY_IPV4;

	header->ifa_family = v4 ? AF_INET : AF_INET6;
	header->ifa_prefixlen = address->bits;
	header->ifa_scope = RT_SCOPE_UNIVERSE;
	header->ifa_index = index;
	mnl_attr_put(message, IFA_LOCAL, v4 ? 4 : 16, address->ip);
	mnl_attr_put(message, IFA_ADDRESS, v4 ? 4 : 16, address->ip);
	return enn_netlink_ask(n, message, NULL, NULL, "the address cannot be set", error);
}
