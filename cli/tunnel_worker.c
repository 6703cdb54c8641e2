/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker: the engine, the interface, the sockets, wg(8)'s socket, and what the guardian says.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ennead/privilege.h"
#include "tunnel_names.h"
#include "tunnel_status.h"

struct worker {
	const struct tunnel_options *o;
	struct tunnel_log *log;
	int status;
	bool stopping;
	bool started;
	uv_loop_t loop;
	struct enn_env env;
	FILE *keylog;
	struct tunnel_device device;
	struct tunnel_server *server;
	struct tunnel_names *names;
	struct tunnel_status *line;

	uv_timer_t end; /* of a failed engine */
	uv_pipe_t guardian;
	struct tunnel_message head; /* what arrives from there */
	size_t head_len;
	char *body;
	size_t body_len;
	char input[65536];
};

/* ---- the environment -------------------------------------------------------------------------- */

static void to_log(void *ctx, enum enn_log_level level, const char *text)
{
	tunnel_log(ctx, level, "%s", text);
}

static void to_keylog(void *ctx, const char *line)
{
	FILE *file = ctx;

	fprintf(file, "%s\n", line);
	(void)fflush(file);
}

static int64_t wall_offset(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)uv_hrtime();
}

static bool open_keylog(struct worker *w)
{
	if (w->o->keylog == NULL) {
		return true;
	}
	int fd = open(w->o->keylog, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	w->keylog = fd < 0 ? NULL : fdopen(fd, "a");
	if (w->keylog == NULL) {
		tunnel_log(w->log, ENN_LOG_ERROR, "%s: %s", w->o->keylog, strerror(errno));
		return false;
	}
	w->env.keylog = to_keylog;
	w->env.keylog_ctx = w->keylog;
	return true;
}

/* ---- configuration ---------------------------------------------------------------------------- */

static void change_of(const struct tunnel_peer *peer, struct enn_wireguard_peer_change *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->public_key, peer->public_key, sizeof(out->public_key));
	memcpy(out->preshared_key, peer->preshared_key, sizeof(out->preshared_key));
	/* what the file does not say is not kept from before */
	out->flags = ENN_WIREGUARD_PEER_REPLACE_IPS | ENN_WIREGUARD_PEER_PSK |
		     ENN_WIREGUARD_PEER_KEEPALIVE;
	out->persistent_keepalive = peer->keepalive;
	out->allowed_ips = peer->allowed_ips;
	out->allowed_ips_count = peer->allowed_count;
	if (peer->endpoint.family != ENN_FAMILY_NONE) {
		out->flags |= ENN_WIREGUARD_PEER_ENDPOINT;
		out->endpoint = peer->endpoint;
	}
}

/* The file as a change that makes the interface what the file says, and leaves the sessions of the
 * peers that stay. */
static bool configure(struct worker *w, const struct tunnel_config *config, enn_time now)
{
	struct enn_wireguard_change change = {.set_private_key = config->has_private_key,
					      .replace_peers = true,
					      .set_mtu = config->mtu != 0,
					      .mtu = config->mtu,
					      .peer_count = config->peer_count};
	size_t size = config->peer_count * sizeof(change.peers[0]);
	struct enn_wireguard_peer_change *peers = malloc(size + 1);
	struct enn_error error;

	if (peers == NULL) {
		tunnel_log(w->log, ENN_LOG_ERROR, "out of memory");
		return false;
	}
	for (size_t i = 0; i < config->peer_count; i++) {
		change_of(&config->peers[i], &peers[i]);
	}
	change.peers = peers;
	memcpy(change.private_key, config->private_key, sizeof(change.private_key));
	enum enn_status status = enn_wireguard_configure(w->device.engine, now, &change, &error);
	OPENSSL_cleanse(peers, size);
	OPENSSL_cleanse(&change, sizeof(change));
	free(peers);
	if (status != ENN_OK) {
		tunnel_log_error(w->log, "the configuration was refused", &error);
	}
	return status == ENN_OK;
}

static void set_sockets(struct worker *w, const struct tunnel_config *config,
			const struct tunnel_reload *reload)
{
	struct enn_tunnel *tunnel = w->device.tunnel;
	struct enn_error error;

	if (reload->has_mark && reload->mark != enn_tunnel_mark(tunnel) &&
	    enn_tunnel_set_mark(tunnel, reload->mark, &error) != ENN_OK) {
		tunnel_log_error(w->log, "the mark stays as it was", &error);
	}
	if (config->has_listen_port && config->listen_port != 0 &&
	    config->listen_port != enn_tunnel_port(tunnel) &&
	    enn_tunnel_set_port(tunnel, config->listen_port, &error) != ENN_OK) {
		tunnel_log_error(w->log, "the port stays as it was", &error);
	}
}

/* The file was read anew by the guardian, who has found no error in it. */
static void reload(struct worker *w)
{
	struct tunnel_reload header;
	struct tunnel_config config;
	struct tunnel_config_error error;

	if (w->body_len < sizeof(header)) {
		return;
	}
	memcpy(&header, w->body, sizeof(header));
	if (!tunnel_config_parse(w->body + sizeof(header), w->body_len - sizeof(header), &config,
				 &error)) {
		tunnel_log(w->log, ENN_LOG_ERROR, "%u:%u: %s", error.line, error.column,
			   error.text);
		return;
	}
	set_sockets(w, &config, &header);
	if (configure(w, &config, enn_tunnel_now(w->device.tunnel))) {
		if (!tunnel_names_set(w->names, &config)) {
			tunnel_log(w->log, ENN_LOG_ERROR, "out of memory");
		}
		tunnel_log(w->log, ENN_LOG_INFO, "read anew: %zu peer%s", config.peer_count,
			   config.peer_count == 1 ? "" : "s");
	}
	tunnel_config_free(&config);
	enn_tunnel_wake(w->device.tunnel);
}

/* ---- the guardian ----------------------------------------------------------------------------- */

static void drop_body(struct worker *w)
{
	if (w->body != NULL) {
		OPENSSL_cleanse(w->body, w->body_len);
	}
	free(w->body);
	w->body = NULL;
	w->body_len = 0;
	w->head_len = 0;
}

static void on_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void stop(struct worker *w, int status)
{
	if (w->stopping) {
		return;
	}
	w->stopping = true;
	w->status = status;
	drop_body(w);
	uv_close((uv_handle_t *)&w->guardian, on_closed);
	uv_close((uv_handle_t *)&w->end, on_closed);
	tunnel_status_free(w->line);
	tunnel_names_free(w->names);
	tunnel_server_free(w->server);
	enn_tunnel_free(w->device.tunnel);
	w->line = NULL;
	w->names = NULL;
	w->server = NULL;
	w->device.tunnel = NULL;
}

static void go(struct worker *w)
{
	struct enn_error error;

	if (w->started) {
		return;
	}
	w->started = true;
	if (enn_tunnel_start(w->device.tunnel, &error) != ENN_OK) {
		tunnel_log_error(w->log, "cannot start", &error);
		stop(w, CLI_LOCAL);
		return;
	}
	if (w->o->daemon) {
		tunnel_detach_output(w->o, w->log);
	}
	w->line = tunnel_status_new(&w->loop, w->o, &w->device, w->log);
}

static void take_message(struct worker *w)
{
	switch (w->head.type) {
	case TUNNEL_GO:
		go(w);
		break;
	case TUNNEL_CONFIG:
		reload(w);
		break;
	default:
		stop(w, CLI_OK);
		break;
	}
	drop_body(w);
}

static size_t take_part(void *to, size_t have, size_t want, const char *from, size_t len)
{
	size_t n = want - have < len ? want - have : len;

	memcpy((char *)to + have, from, n);
	return n;
}

static void take_input(struct worker *w, const char *data, size_t len)
{
	do {
		if (w->head_len < sizeof(w->head)) {
			size_t n = take_part(&w->head, w->head_len, sizeof(w->head), data, len);
			w->head_len += n;
			data += n;
			len -= n;
			if (w->head_len < sizeof(w->head)) {
				return;
			}
			w->body = malloc((size_t)w->head.len + 1);
			w->body_len = 0;
			if (w->body == NULL) {
				stop(w, CLI_LOCAL);
				return;
			}
		}
		size_t n = take_part(w->body, w->body_len, w->head.len, data, len);
		w->body_len += n;
		data += n;
		len -= n;
		if (w->body_len == w->head.len) {
			take_message(w);
		}
	} while (len > 0 && !w->stopping);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct worker *w = handle->data;

	(void)suggested;
	*buf = uv_buf_init(w->input, sizeof(w->input));
}

static void on_guardian(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct worker *w = stream->data;

	if (n < 0) {
		stop(w, CLI_OK); /* it is gone */
	} else if (n > 0) {
		take_input(w, buf->base, (size_t)n);
		OPENSSL_cleanse(buf->base, (size_t)n);
	}
}

static void on_end(uv_timer_t *timer)
{
	stop(timer->data, CLI_LOST);
}

static void on_event(void *ctx, const struct enn_event *event)
{
	struct worker *w = ctx;

	if (event->type == ENN_EVENT_FAILED) {
		tunnel_log_error(w->log, "the tunnel failed", &event->u.error);
		/* not now: the tunnel is calling us */
		(void)uv_timer_start(&w->end, on_end, 0, 0);
	} else if (w->line != NULL) {
		tunnel_status_event(w->line, event);
	}
}

/* ---- from nothing to the loop ----------------------------------------------------------------- */

static bool make_engine(struct worker *w, const struct tunnel_config *config)
{
	struct enn_error error;

	w->env = (struct enn_env){.wall_offset = wall_offset(), .log = to_log, .log_ctx = w->log};
	if (!open_keylog(w)) {
		return false;
	}
	if (enn_crypto_new(ENN_CRYPTO_AUTO, &w->env.crypto) != ENN_OK) {
		tunnel_log(w->log, ENN_LOG_ERROR, "the cryptographic libraries cannot be used");
		return false;
	}
	if (enn_wireguard_new(&w->env, &w->device.engine, &error) != ENN_OK) {
		tunnel_log_error(w->log, "cannot start", &error);
		return false;
	}
	return configure(w, config, uv_hrtime());
}

static bool make_tunnel(struct worker *w, const struct tunnel_config *config, uint32_t mark)
{
	struct enn_tunnel_options options = {
		.interface = w->o->interface,
		.queues = w->o->queues,
		.mtu = config->mtu != 0 ? config->mtu : ENN_WIREGUARD_DEFAULT_MTU,
		.listen_port = config->listen_port,
		.mark = mark,
		.no_offload = w->o->no_offload,
	};
	struct enn_error error;

	if (enn_tunnel_new(&w->loop, &w->env, w->device.engine, &options, &w->device.tunnel,
			   &error) != ENN_OK) {
		tunnel_log_error(w->log, "cannot make the tunnel", &error);
		w->device.tunnel = NULL;
		return false;
	}
	enn_tunnel_on_event(w->device.tunnel, on_event, w);
	w->device.log = w->log;
	return true;
}

static bool make_services(struct worker *w, const struct tunnel_config *config, int fd)
{
	int listening = tunnel_socket_open(enn_tunnel_interface(w->device.tunnel), w->log);

	w->server = listening < 0 ? NULL : tunnel_server_new(&w->loop, listening, &w->device);
	w->names = w->server == NULL ? NULL : tunnel_names_new(&w->loop, &w->device);
	if (w->names == NULL) {
		return false;
	}
	w->guardian.data = w;
	if (uv_pipe_open(&w->guardian, fd) != 0 ||
	    uv_read_start((uv_stream_t *)&w->guardian, on_alloc, on_guardian) != 0) {
		tunnel_log(w->log, ENN_LOG_ERROR, "the guardian cannot be reached");
		return false;
	}
	return tunnel_names_set(w->names, config);
}

static bool give_up_privileges(struct worker *w)
{
	struct enn_privilege_options options = {
		/* SO_MARK is set anew with each socket, when wg(8) asks for another port */
		.user = w->o->user,
		.keep_net_admin = !w->o->drop_all,
		.no_filter = w->o->no_filter,
	};
	struct enn_error error;

	if (enn_privilege_drop(&options, &error) != ENN_OK) {
		tunnel_log_error(w->log, "the privileges cannot be dropped", &error);
		return false;
	}
	return true;
}

static bool tell_started(struct worker *w, int fd)
{
	struct tunnel_started started = {.index = enn_tunnel_interface_index(w->device.tunnel),
					 .port = enn_tunnel_port(w->device.tunnel),
					 .mtu = enn_tunnel_mtu(w->device.tunnel)};

	(void)snprintf(started.interface, sizeof(started.interface), "%s",
		       enn_tunnel_interface(w->device.tunnel));
	return tunnel_message_send(fd, TUNNEL_STARTED, &started, sizeof(started), NULL, 0);
}

/* Returns the exit status that its failure means. */
static int set_up(struct worker *w, const struct tunnel_config *config, uint32_t mark, int fd)
{
	if (!make_engine(w, config)) {
		return CLI_LOCAL;
	}
	if (!make_tunnel(w, config, mark)) {
		return CLI_CONNECT;
	}
	/* the guardian learns first of what it will have to remove */
	if (make_services(w, config, fd) && tell_started(w, fd) && give_up_privileges(w) &&
	    tunnel_message_send(fd, TUNNEL_CONFINED, NULL, 0, NULL, 0)) {
		return CLI_OK;
	}
	return CLI_LOCAL;
}

static void ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t none;

	/* they are the guardian's; it tells us */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)sigaction(signals[i], &action, NULL);
	}
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything is told to close and does so in a turn or two, but for a look-up that waits for a name
 * server: that, and the loop which it belongs to, is left to the end of the process. */
static bool close_loop(struct worker *w)
{
	for (int i = 0; i < 10 && uv_loop_alive(&w->loop) != 0; i++) {
		(void)uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	return uv_loop_close(&w->loop) == 0;
}

int tunnel_worker(const struct tunnel_options *o, struct tunnel_config *config, uint32_t mark,
		  int fd, struct tunnel_log *log)
{
	struct worker *w = calloc(1, sizeof(*w));

	ignore_signals();
	if (w == NULL || uv_loop_init(&w->loop) != 0) {
		tunnel_log(log, ENN_LOG_ERROR, "out of memory");
		free(w);
		return CLI_LOCAL;
	}
	w->o = o;
	w->log = log;
	(void)uv_pipe_init(&w->loop, &w->guardian, 0); /* neither can fail */
	(void)uv_timer_init(&w->loop, &w->end);
	w->end.data = w;
	int failure = set_up(w, config, mark, fd);
	tunnel_config_free(config);
	if (failure != CLI_OK) {
		stop(w, failure);
	}
	while (!w->stopping) {
		(void)uv_run(&w->loop, UV_RUN_ONCE);
	}
	bool closed = close_loop(w);
	enn_engine_free(w->device.engine);
	enn_crypto_free(w->env.crypto);
	if (w->keylog != NULL) {
		(void)fclose(w->keylog);
	}
	int status = w->status;
	if (closed) {
		OPENSSL_cleanse(w, sizeof(*w));
		free(w);
	}
	return status;
}
