/* SPDX-License-Identifier: Apache-2.0
 *
 * The library-independent half of a peer program: flags, sockets, the script of
 * actions, the report.
 *
 * Actions, in order, on each connection after its handshake:
 *   send:PATH  wait:BYTES  echo  rekey  rekey:both  final  waitfinal  close  abort
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

enum end { END_NONE, END_CLOSED, END_TRUNCATED, END_ERROR, END_LOCAL };

static struct {
	struct peer_options o;
	struct peer_report report;
	EVP_MD_CTX *hash;
	uint64_t bytes_in, bytes_in_early, bytes_out;
	enum end end;
	unsigned sessions;
} peer;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(stderr);
}

bool peer_fail(struct peer_report *report, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (report->error[0] == 0) {
		vsnprintf(report->error, sizeof(report->error), format, args);
	}
	va_end(args);
	return false;
}

/* ---- flags --------------------------------------------------------------------------- */

static bool load(struct peer_blob *blob, const char *path)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
		size = ftell(f);
		rewind(f);
	}
	if (size < 0 || (blob->data = malloc((size_t)size + 1)) == NULL) {
		say("cannot read %s", path);
		if (f != NULL) {
			fclose(f);
		}
		return false;
	}
	blob->len = fread(blob->data, 1, (size_t)size, f);
	fclose(f);
	return true;
}

static bool split_psk(struct peer_options *o, char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL) {
		return false;
	}
	*colon = 0;
	o->psk_identity = text;
	o->psk.len = strlen(colon + 1) / 2;
	o->psk.data = malloc(o->psk.len + 1);
	for (size_t i = 0; o->psk.data != NULL && i < o->psk.len; i++) {
		unsigned byte = 0;

		if (sscanf(colon + 1 + 2 * i, "%2x", &byte) != 1) {
			return false;
		}
		o->psk.data[i] = (unsigned char)byte;
	}
	return o->psk.data != NULL;
}

static bool split_export(struct peer_options *o, char *text)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL) {
		return false;
	}
	*colon = 0;
	o->export_label = text;
	o->export_len = strtoul(colon + 1, NULL, 10);
	return o->export_len > 0 && o->export_len <= sizeof(peer.report.exported);
}

static bool add(const char **list, size_t *n, const char *value)
{
	if (*n == PEER_MAX_LIST) {
		return false;
	}
	list[(*n)++] = value;
	return true;
}

static const char names[] =
	"port again-port connections ca cert key crl name sni-expect no-verify auth suite "
	"group alpn shares psk psk-ke tls12 cookie no-compat export early "
	"early-max session-in session-out padding max-frag tickets keylog do "
	"timeout";

/* One flag as a word; every flag that is not a switch takes a value. */
static bool set_flag(struct peer_options *o, const char *flag, char *v)
{
	struct {
		const char *flag;
		const char **text;
		unsigned *number;
		bool *on;
	} table[] = {
		{"port", NULL, &o->port, NULL},
		{"again-port", NULL, &o->again_port, NULL},
		{"connections", NULL, &o->connections, NULL},
		{"early-max", NULL, &o->early_max, NULL},
		{"padding", NULL, &o->padding, NULL},
		{"max-frag", NULL, &o->max_frag, NULL},
		{"timeout", NULL, &o->timeout_s, NULL},
		{"ca", &o->ca, NULL, NULL},
		{"cert", &o->cert, NULL, NULL},
		{"key", &o->key, NULL, NULL},
		{"crl", &o->crl, NULL, NULL},
		{"name", &o->name, NULL, NULL},
		{"sni-expect", &o->sni_expect, NULL, NULL},
		{"session-out", &o->session_out, NULL, NULL},
		{"keylog", &o->keylog, NULL, NULL},
		{"no-verify", NULL, NULL, &o->no_verify},
		{"psk-ke", NULL, NULL, &o->psk_ke},
		{"tls12", NULL, NULL, &o->tls12},
		{"cookie", NULL, NULL, &o->cookie},
		{"no-compat", NULL, NULL, &o->no_compat},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].flag, flag) != 0) {
			continue;
		}
		if (table[i].text != NULL) {
			*table[i].text = v;
		} else if (table[i].number != NULL) {
			*table[i].number = (unsigned)strtoul(v, NULL, 10);
		} else {
			*table[i].on = true;
		}
		return true;
	}
	if (strcmp(flag, "suite") == 0) {
		return add(o->suites, &o->n_suites, v);
	}
	if (strcmp(flag, "group") == 0) {
		return add(o->groups, &o->n_groups, v);
	}
	if (strcmp(flag, "alpn") == 0) {
		return add(o->alpn, &o->n_alpn, v);
	}
	if (strcmp(flag, "do") == 0) {
		return add(o->actions, &o->n_actions, v);
	}
	if (strcmp(flag, "auth") == 0) {
		o->auth = strcmp(v, "require") == 0 ? AUTH_REQUIRE : AUTH_REQUEST;
		return true;
	}
	if (strcmp(flag, "shares") == 0) {
		o->shares = atoi(v);
		return true;
	}
	if (strcmp(flag, "tickets") == 0) {
		o->tickets = atoi(v);
		return true;
	}
	if (strcmp(flag, "psk") == 0) {
		return split_psk(o, v);
	}
	if (strcmp(flag, "export") == 0) {
		return split_export(o, v);
	}
	if (strcmp(flag, "early") == 0) {
		return load(&o->early, v);
	}
	return strcmp(flag, "session-in") == 0 && load(&o->session_in, v);
}

static bool is_switch(const char *flag)
{
	static const char *const switches[] = {"no-verify", "psk-ke", "tls12", "cookie",
					       "no-compat"};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (strcmp(switches[i], flag) == 0) {
			return true;
		}
	}
	return false;
}

static bool parse(struct peer_options *o, int argc, char **argv)
{
	*o = (struct peer_options){.connections = 1, .shares = -1, .tickets = -1, .timeout_s = 20};
	if (argc < 2) {
		return false;
	}
	o->server = strcmp(argv[1], "server") == 0;
	for (int i = 2; i < argc; i++) {
		const char *flag = argv[i];
		char *value = NULL;

		if (strncmp(flag, "--", 2) != 0) {
			return false;
		}
		flag += 2;
		if (!is_switch(flag)) {
			if (++i == argc) {
				return false;
			}
			value = argv[i];
		}
		if (!set_flag(o, flag, value)) {
			say("bad flag --%s", flag);
			return false;
		}
	}
	return o->server || strcmp(argv[1], "client") == 0;
}

/* ---- actions ------------------------------------------------------------------------- */

static void take(const unsigned char *data, size_t len)
{
	peer.bytes_in += len;
	(void)EVP_DigestUpdate(peer.hash, data, len);
}

void peer_take_early(const unsigned char *data, size_t len)
{
	peer.bytes_in_early += len;
	take(data, len);
}

void peer_save_session(const unsigned char *data, size_t len)
{
	FILE *f;

	peer.sessions++;
	if (peer.o.session_out == NULL || (f = fopen(peer.o.session_out, "wb")) == NULL) {
		return;
	}
	if (fwrite(data, 1, len, f) != len) {
		say("cannot write %s", peer.o.session_out);
	}
	fclose(f);
}

/* Reads one piece; false when the stream is over, with peer.end saying how. */
static bool read_some(unsigned char *buf, size_t cap, size_t *len)
{
	ssize_t n = peer_library_read(buf, cap, &peer.report);

	if (n <= 0) {
		peer.end = n == PEER_CLOSED ? END_CLOSED
					    : (n == PEER_TRUNCATED ? END_TRUNCATED : END_ERROR);
		return false;
	}
	*len = (size_t)n;
	take(buf, *len);
	return true;
}

static bool send_all(const unsigned char *data, size_t len)
{
	while (len > 0) {
		size_t most = peer.o.max_frag > 0 ? peer.o.max_frag : 16384;
		size_t piece = len < most ? len : most;

		if (!peer_library_write(data, piece, &peer.report)) {
			peer.end = END_ERROR;
			return false;
		}
		data += piece;
		len -= piece;
		peer.bytes_out += piece;
	}
	return true;
}

static bool send_file(const char *path)
{
	struct peer_blob blob = {NULL, 0};
	bool ok = load(&blob, path) && send_all(blob.data, blob.len);

	free(blob.data);
	return ok;
}

static bool act(const char *action, int fd)
{
	static unsigned char buf[65536];
	size_t len = 0;

	if (strncmp(action, "send:", 5) == 0) {
		return send_file(action + 5);
	}
	if (strncmp(action, "wait:", 5) == 0) {
		uint64_t want = strtoull(action + 5, NULL, 10);

		while (peer.bytes_in < want) {
			if (!read_some(buf, sizeof(buf), &len)) {
				return false;
			}
		}
		say("received %llu", (unsigned long long)peer.bytes_in);
		return true;
	}
	if (strcmp(action, "echo") == 0) {
		while (read_some(buf, sizeof(buf), &len)) {
			if (!send_all(buf, len)) {
				return false;
			}
		}
		return peer.end == END_CLOSED;
	}
	if (strcmp(action, "waitfinal") == 0) {
		while (read_some(buf, sizeof(buf), &len)) {
		}
		return peer.end == END_CLOSED;
	}
	if (strncmp(action, "rekey", 5) == 0) {
		return peer_library_rekey(strcmp(action, "rekey:both") == 0, &peer.report);
	}
	if (strcmp(action, "final") == 0) {
		return peer_library_final(&peer.report);
	}
	if (strcmp(action, "close") == 0) {
		peer.end = peer.end == END_NONE ? END_LOCAL : peer.end;
		return peer_library_final(&peer.report);
	}
	if (strcmp(action, "abort") == 0) {
		peer.end = END_LOCAL;
		shutdown(fd, SHUT_RDWR);
		return false;
	}
	return peer_fail(&peer.report, "unknown action %s", action);
}

/* ---- report -------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	return text[0] != 0 ? json_string(text) : json_null();
}

static json_t *number_or_null(int number)
{
	return number >= 0 ? json_integer(number) : json_null();
}

static void hex(char *out, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sprintf(out + 2 * i, "%02x", data[i]);
	}
	out[2 * len] = 0;
}

static void print_report(void)
{
	static const char *const ends[] = {"none", "closed", "truncated", "error", "local"};
	char digest_text[65], export_text[2 * sizeof(peer.report.exported) + 1] = "";
	unsigned char digest[32] = {0};
	struct peer_report *r = &peer.report;
	json_t *object;

	(void)EVP_DigestFinal_ex(peer.hash, digest, NULL);
	hex(digest_text, digest, sizeof(digest));
	if (r->has_export) {
		hex(export_text, r->exported, peer.o.export_len);
	}
	object = json_pack(
		"{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:I, "
		"s:I, s:I, s:s, s:s, s:i}",
		"library", peer_library_name, "handshake", r->handshake, "version",
		text_or_null(r->version), "cipher", text_or_null(r->cipher), "group",
		text_or_null(r->group), "alpn", text_or_null(r->alpn), "sni", text_or_null(r->sni),
		"resumed", r->resumed, "peer_cert", r->peer_cert, "early", text_or_null(r->early),
		"alert_in", number_or_null(r->alert_in), "alert_out", number_or_null(r->alert_out),
		"error", text_or_null(r->error), "export", text_or_null(export_text), "bytes_in",
		(json_int_t)peer.bytes_in, "bytes_in_early", (json_int_t)peer.bytes_in_early,
		"bytes_out", (json_int_t)peer.bytes_out, "sha256_in", digest_text, "end",
		ends[peer.end], "sessions", (int)peer.sessions);
	if (object != NULL) {
		json_dumpf(object, stdout, JSON_COMPACT);
		json_decref(object);
	}
	fputc('\n', stdout);
	fflush(stdout);
}

/* ---- sockets ------------------------------------------------------------------------- */

static void serve_one(int fd)
{
	struct timeval limit = {.tv_sec = (time_t)peer.o.timeout_s};
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	peer.report = (struct peer_report){.alert_in = -1, .alert_out = -1};
	peer.bytes_in = peer.bytes_in_early = peer.bytes_out = 0;
	peer.end = END_NONE;
	peer.sessions = 0;
	peer.hash = EVP_MD_CTX_new();
	if (peer.hash == NULL || EVP_DigestInit_ex(peer.hash, EVP_sha256(), NULL) != 1) {
		exit(4);
	}
	if (peer_library_connect(&peer.o, fd, &peer.report)) {
		peer.report.handshake = true;
		say("handshake");
		for (size_t i = 0; i < peer.o.n_actions; i++) {
			if (!act(peer.o.actions[i], fd)) {
				break;
			}
		}
	} else {
		peer.end = END_ERROR;
	}
	peer_library_disconnect();
	shutdown(fd, SHUT_WR);
	close(fd);
	print_report();
	EVP_MD_CTX_free(peer.hash);
}

static int open_socket(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)peer.o.port)};
	socklen_t len = sizeof(sa);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0) {
		return -1;
	}
	if (!peer.o.server) {
		return connect(fd, (struct sockaddr *)&sa, len) == 0 ? fd : -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, 8) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
		return -1;
	}
	say("listening %u", ntohs(sa.sin_port));
	return fd;
}

static bool serve(void)
{
	int fd = open_socket();

	for (unsigned i = 0; fd >= 0 && i < peer.o.connections; i++) {
		int accepted = accept(fd, NULL, NULL);

		if (accepted < 0) {
			close(fd);
			return false;
		}
		serve_one(accepted);
	}
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

/* The first connection is for a session; the others resume the last one, with early data if there
 * is any. One process, because NSS wraps what it saves with a key that dies with it. */
static bool connect_all(void)
{
	struct peer_blob early = peer.o.early;
	bool ok = true;

	for (unsigned i = 0; ok && i < peer.o.connections; i++) {
		bool first = i == 0 && peer.o.connections > 1;
		int fd;

		peer.o.port = i > 0 && peer.o.again_port != 0 ? peer.o.again_port : peer.o.port;
		fd = open_socket();
		peer.o.early = first ? (struct peer_blob){NULL, 0} : early;
		if (i > 0 && peer.o.session_out != NULL && access(peer.o.session_out, R_OK) == 0) {
			free(peer.o.session_in.data);
			ok = load(&peer.o.session_in, peer.o.session_out);
		}
		ok = ok && fd >= 0;
		if (ok) {
			serve_one(fd);
		}
	}
	return ok;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (!parse(&peer.o, argc, argv)) {
		say("usage: peer client|server [flags]; flags: %s", names);
		return 2;
	}
	/* Whatever a library does, the program does not outlive the test. */
	alarm(peer.o.timeout_s * peer.o.connections + 5);
	if (!peer_library_open(&peer.o, &peer.report)) {
		say("open: %s", peer.report.error);
		return 3;
	}
	if (!(peer.o.server ? serve() : connect_all())) {
		perror("socket");
		return 4;
	}
	peer_library_close();
	free(peer.o.early.data);
	free(peer.o.session_in.data);
	free(peer.o.psk.data);
	return 0;
}
