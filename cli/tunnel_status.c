/* SPDX-License-Identifier: Apache-2.0
 *
 * The status line: peers, the age of the newest handshake, rates.
 */
#include "tunnel_status.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVERY	  1000	/* ms */
#define MAX_PEERS 10000 /* with more, only their number is told: looking at each takes too long */

struct tunnel_status {
	uv_timer_t timer;
	const struct tunnel_device *device;
	struct tunnel_log *log;
	bool terminal;
	bool service;
	bool closed;
	uint64_t last; /* uv_hrtime */
	struct enn_tunnel_stats before;
};

struct peers {
	size_t count;
	size_t connected;
	int64_t newest; /* UNIX time in nanoseconds */
};

static struct peers count_peers(const struct enn_engine *engine)
{
	struct enn_wireguard_info info;
	struct enn_wireguard_peer_info peer;
	struct peers peers = {.count = 0};
	uint64_t cursor = 0;

	enn_wireguard_info(engine, &info);
	peers.count = info.peer_count;
	OPENSSL_cleanse(&info, sizeof(info));
	while (peers.count <= MAX_PEERS && enn_wireguard_next_peer(engine, &cursor, &peer)) {
		peers.connected += peer.has_session ? 1 : 0;
		peers.newest =
			peer.last_handshake > peers.newest ? peer.last_handshake : peers.newest;
		OPENSSL_cleanse(peer.preshared_key, sizeof(peer.preshared_key));
	}
	return peers;
}

static const char *rate(uint64_t bytes, double seconds, char *buf, size_t cap)
{
	static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
	double n = (double)bytes * 8 / seconds;
	size_t u = 0;

	for (; n >= 1000 && u + 1 < sizeof(units) / sizeof(units[0]); u++) {
		n /= 1000;
	}
	(void)snprintf(buf, cap, n >= 100 || u == 0 ? "%.0f %s" : "%.1f %s", n, units[u]);
	return buf;
}

static const char *age(int64_t when, char *buf, size_t cap)
{
	int64_t seconds = (int64_t)time(NULL) - when / 1000000000;

	if (when == 0) {
		(void)snprintf(buf, cap, "no handshake yet");
	} else if (seconds < 120) {
		(void)snprintf(buf, cap, "handshake %lld s ago",
			       (long long)(seconds > 0 ? seconds : 0));
	} else if (seconds < 7200) {
		(void)snprintf(buf, cap, "handshake %lld min ago", (long long)(seconds / 60));
	} else {
		(void)snprintf(buf, cap, "handshake %lld h ago", (long long)(seconds / 3600));
	}
	return buf;
}

static void describe(struct tunnel_status *s, char *out, size_t cap)
{
	struct peers peers = count_peers(s->device->engine);
	struct enn_tunnel_stats now;
	uint64_t time_now = uv_hrtime();
	double seconds = (double)(time_now - s->last) / 1e9;
	char in[32];
	char sent[32];
	char newest[80];

	enn_tunnel_stats(s->device->tunnel, &now);
	seconds = seconds > 0.001 ? seconds : 0.001;
	if (peers.count > MAX_PEERS) {
		(void)snprintf(newest, sizeof(newest), "port %u",
			       enn_tunnel_port(s->device->tunnel));
	} else {
		char text[48];
		(void)snprintf(newest, sizeof(newest), "%zu connected, %s", peers.connected,
			       age(peers.newest, text, sizeof(text)));
	}
	(void)snprintf(
		out, cap, "%s: %zu peer%s, %s; in %s, out %s",
		enn_tunnel_interface(s->device->tunnel), peers.count, peers.count == 1 ? "" : "s",
		newest,
		rate(now.inner_out_bytes - s->before.inner_out_bytes, seconds, in, sizeof(in)),
		rate(now.inner_in_bytes - s->before.inner_in_bytes, seconds, sent, sizeof(sent)));
	s->before = now;
	s->last = time_now;
}

static void on_timer(uv_timer_t *timer)
{
	struct tunnel_status *s = timer->data;
	char text[256];

	describe(s, text, sizeof(text));
	if (s->terminal) {
		fprintf(stderr, "\r%s\033[K", text);
		(void)fflush(stderr);
	}
	if (s->service) {
		tunnel_notify("STATUS=%s", text);
	}
}

struct tunnel_status *tunnel_status_new(uv_loop_t *loop, const struct tunnel_options *o,
					const struct tunnel_device *device, struct tunnel_log *log)
{
	bool service = getenv("NOTIFY_SOCKET") != NULL;
	bool terminal =
		!o->daemon && !o->quiet && o->log_file == NULL && isatty(STDERR_FILENO) == 1;
	struct tunnel_status *s = service || terminal ? calloc(1, sizeof(*s)) : NULL;

	if (s == NULL) {
		return NULL;
	}
	s->device = device;
	s->log = log;
	s->terminal = terminal;
	s->service = service;
	s->last = uv_hrtime();
	(void)uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	/* the service manager is not told every second */
	unsigned every = terminal ? EVERY : 10 * EVERY;
	if (uv_timer_start(&s->timer, on_timer, EVERY, every) == 0) {
		uv_unref((uv_handle_t *)&s->timer);
	}
	log->status_line = terminal;
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tunnel_status_free(struct tunnel_status *s)
{
	if (s == NULL) {
		return;
	}
	if (s->terminal) {
		fputc('\n', stderr);
	}
	s->log->status_line = false;
	uv_close((uv_handle_t *)&s->timer, on_closed);
}

void tunnel_status_event(struct tunnel_status *s, const struct enn_event *event)
{
	/* the line is current when it matters: a handshake is over, a peer has moved */
	if (event->type == ENN_EVENT_READY || event->type == ENN_EVENT_PATH_CHANGED) {
		(void)uv_timer_start(&s->timer, on_timer, 100, s->terminal ? EVERY : 10 * EVERY);
	}
}
