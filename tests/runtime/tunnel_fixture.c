/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine without security, and a namespace with a tunnel.
 */
#include "tunnel_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ennead/netlink.h"
#include "ennead/protocol.h"
#include "runtime/address.h"

/* ---- the engine ---------------------------------------------------------------------- */

static enum enn_status start(struct enn_engine *e, enn_time now)
{
	(void)e;
	(void)now;
	return ENN_OK;
}

static enum enn_status ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
			      struct enn_packet *packets, size_t count)
{
	struct carrier *c = (struct carrier *)e;

	(void)now;
	(void)path;
	c->packets = packets;
	c->count = count;
	c->next = 0;
	return ENN_OK;
}

/* Equal packets that follow each other, the last may be shorter. */
static enum enn_status transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	struct carrier *c = (struct carrier *)e;

	(void)now;
	batch->len = 0;
	batch->path = c->path;
	while (c->sealed != c->tail) {
		const struct enn_message *m = &c->queue[c->sealed % CARRIER_ROOM];
		if (batch->len > 0 &&
		    (batch->len % batch->segment_size != 0 || m->len > batch->segment_size ||
		     batch->len + m->len > 65000)) {
			break;
		}
		memcpy(batch->buf + batch->len, m->data, m->len);
		batch->segment_size = batch->len == 0 ? m->len : batch->segment_size;
		batch->len += m->len;
		c->sealed++;
	}
	return ENN_OK;
}

static enn_time deadline(const struct enn_engine *e)
{
	return ((const struct carrier *)e)->deadline;
}

static void expire(struct enn_engine *e, enn_time now)
{
	struct carrier *c = (struct carrier *)e;

	assert_true(now >= c->deadline);
	c->deadline = ENN_TIME_NEVER;
	c->expired++;
}

static enum enn_status send_packet(struct enn_engine *e, enn_time now,
				   const struct enn_message *message)
{
	struct carrier *c = (struct carrier *)e;

	(void)now;
	if (c->refuse) {
		return ENN_E_NOT_FOUND;
	}
	if (c->tail - c->head == CARRIER_ROOM) {
		return ENN_E_AGAIN;
	}
	c->queue[c->tail++ % CARRIER_ROOM] = *message;
	return ENN_OK;
}

static void next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	struct carrier *c = (struct carrier *)e;

	(void)now;
	memset(event, 0, sizeof(*event));
	if (c->fail && !c->failed) {
		c->failed = true;
		event->type = ENN_EVENT_FAILED;
	} else if (c->next < c->count) {
		event->type = ENN_EVENT_RECEIVED;
		event->u.received = (struct enn_message){.data = c->packets[c->next].data,
							 .len = c->packets[c->next].len};
		c->next++;
	} else if (c->head != c->sealed) {
		event->type = ENN_EVENT_SENT;
		event->u.sent.user = c->queue[c->head++ % CARRIER_ROOM].user;
	}
}

void carrier_init(struct carrier *c)
{
	static const struct enn_protocol protocol = {.name = "carrier",
						     .substrate = ENN_SUBSTRATE_DATAGRAM,
						     .service = ENN_SERVICE_IP_PACKET,
						     .min_batch = 2048};
	static const struct enn_engine_ops ops = {.start = start,
						  .ingest = ingest,
						  .transmit = transmit,
						  .deadline = deadline,
						  .expire = expire,
						  .send = send_packet,
						  .next_event = next_event};

	memset(c, 0, sizeof(*c));
	c->base.ops = &ops;
	c->base.protocol = &protocol;
	c->deadline = ENN_TIME_NEVER;
}

/* ---- the namespace ------------------------------------------------------------------- */

bool world_enter(void)
{
	struct enn_netlink *n;

	if (access("/dev/net/tun", R_OK | W_OK) != 0 || unshare(CLONE_NEWNET) != 0) {
		return false;
	}
	assert_int_equal(enn_netlink_new(&n, NULL), ENN_OK);
	assert_int_equal(enn_netlink_set_link(n, if_nametoindex("lo"), 0, true, NULL), ENN_OK);
	enn_netlink_free(n);
	return true;
}

static int bound(const char *ip, uint16_t port, uint16_t *became)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(sa);
	int size = 16 * 1024 * 1024;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*became = ntohs(sa.sin_port);
	return fd;
}

static void on_event(void *ctx, const struct enn_event *event)
{
	struct world *w = ctx;

	w->events++;
	w->last = *event;
}

static void address_interface(const struct world *w)
{
	struct enn_netlink *n;
	struct enn_prefix address = {.family = ENN_FAMILY_IPV4, .bits = 24};

	assert_int_equal(inet_pton(AF_INET, INSIDE, address.ip), 1);
	assert_int_equal(enn_netlink_new(&n, NULL), ENN_OK);
	unsigned index = enn_tunnel_interface_index(w->tunnel);
	assert_int_equal(enn_netlink_add_address(n, index, &address, NULL), ENN_OK);
	assert_int_equal(enn_netlink_set_link(n, index, 0, true, NULL), ENN_OK);
	enn_netlink_free(n);
}

void world_open(struct world *w, const struct enn_tunnel_options *options)
{
	struct enn_error error;
	uint16_t port;

	memset(w, 0, sizeof(*w));
	carrier_init(&w->carrier);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	enum enn_status status =
		enn_tunnel_new(&w->loop, &w->env, &w->carrier.base, options, &w->tunnel, &error);
	if (status != ENN_OK) {
		fail_msg("%s", error.text);
	}
	enn_tunnel_on_event(w->tunnel, on_event, w);
	address_interface(w);
	w->outside = bound("127.0.0.1", 0, &port);
	w->inside = bound(INSIDE, INSIDE_PORT, &(uint16_t){0});
	assert_true(enn_address_parse("127.0.0.1", port, &w->carrier.path.remote));
	assert_int_equal(enn_tunnel_start(w->tunnel, NULL), ENN_OK);
}

void world_close(struct world *w)
{
	enn_tunnel_free(w->tunnel);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	(void)close(w->inside);
	(void)close(w->outside);
}

void world_wait(struct world *w, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t end = uv_hrtime() + 10 * ENN_SECOND;

	while (poll(&p, 1, 0) == 0) {
		if (uv_hrtime() > end) {
			fail_msg("nothing came");
		}
		(void)uv_run(&w->loop, UV_RUN_NOWAIT);
	}
}

void world_settle(struct world *w)
{
	static const struct timespec moment = {.tv_nsec = 1000000};

	for (int i = 0; i < 20; i++) {
		(void)uv_run(&w->loop, UV_RUN_NOWAIT);
		(void)nanosleep(&moment, NULL);
	}
}

void world_remove_interface(struct world *w)
{
	char buf[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct mnl_socket *s = mnl_socket_open(NETLINK_ROUTE);

	assert_non_null(s);
	h->nlmsg_type = RTM_DELLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
	i->ifi_index = (int)enn_tunnel_interface_index(w->tunnel);
	assert_int_equal(mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID), 0);
	assert_true(mnl_socket_sendto(s, h, h->nlmsg_len) > 0);
	assert_true(mnl_socket_recvfrom(s, buf, sizeof(buf)) > 0);
	assert_int_equal(((struct nlmsgerr *)mnl_nlmsg_get_payload((void *)buf))->error, 0);
	(void)mnl_socket_close(s);
}
