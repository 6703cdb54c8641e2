/* SPDX-License-Identifier: Apache-2.0
 *
 * The library-independent half of a peer program: flags, sockets, the script of
 * actions, the report.
 *
 * Actions, in order, on each connection after its handshake:
 *   send:PATH  wait:BYTES  echo  rekey  rekey:both  request  final  waitfinal  close  abort
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
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

/* ---- values -------------------------------------------------------------------------- */

bool peer_load(struct peer_blob *blob, const char *path)
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

/* ---- flags --------------------------------------------------------------------------- */

enum kind { SWITCH, TEXT, NUMBER, SIGNED, LIST, FILE_CONTENT, SPECIAL };

#define FLAG(name, kind, member)                                                                   \
	{                                                                                          \
		name, kind, offsetof(struct peer_options, member), 0                               \
	}
#define LIST_FLAG(name, member)                                                                    \
	{                                                                                          \
		name, LIST, offsetof(struct peer_options, member),                                 \
			offsetof(struct peer_options, n_##member)                                  \
	}

static const struct flag {
	const char *name;
	enum kind kind;
	size_t at, count_at;
} flags[] = {
	FLAG("port", NUMBER, port),
	FLAG("again-port", NUMBER, again_port),
	FLAG("connections", NUMBER, connections),
	FLAG("timeout", NUMBER, timeout_s),
	FLAG("ca", TEXT, ca),
	FLAG("cert", TEXT, cert),
	FLAG("key", TEXT, key),
	FLAG("crl", TEXT, crl),
	FLAG("raw-key", TEXT, raw_key),
	FLAG("raw-key-der", TEXT, raw_key_der),
	FLAG("peer-key", TEXT, peer_key),
	FLAG("staple", TEXT, staple),
	FLAG("want-status", SWITCH, want_status),
	FLAG("compress", TEXT, compress),
	FLAG("record-size-limit", NUMBER, record_size_limit),
	FLAG("name", TEXT, name),
	FLAG("sni-expect", TEXT, sni_expect),
	FLAG("no-verify", SWITCH, no_verify),
	FLAG("auth", SPECIAL, auth),
	LIST_FLAG("suite", suites),
	LIST_FLAG("group", groups),
	LIST_FLAG("alpn", alpn),
	FLAG("shares", SIGNED, shares),
	FLAG("psk", SPECIAL, psk),
	FLAG("psk-ke", SWITCH, psk_ke),
	FLAG("later", SWITCH, later),
	FLAG("tls12", SWITCH, tls12),
	FLAG("cookie", SWITCH, cookie),
	FLAG("no-compat", SWITCH, no_compat),
	FLAG("ech", TEXT, ech),
	FLAG("ech-retry-out", TEXT, ech_retry_out),
	FLAG("ech-name", TEXT, ech_name),
	FLAG("ech-out", TEXT, ech_out),
	FLAG("ech-grease", SWITCH, ech_grease),
	FLAG("pss-keys", SWITCH, pss_keys),
	FLAG("fallback", SWITCH, fallback),
	FLAG("no-ems", SWITCH, no_ems),
	FLAG("no-etm", SWITCH, no_etm),
	FLAG("export", SPECIAL, export_label),
	FLAG("export-empty", SWITCH, export_empty),
	FLAG("early", FILE_CONTENT, early),
	FLAG("early-max", NUMBER, early_max),
	FLAG("session-in", FILE_CONTENT, session_in),
	FLAG("session-out", TEXT, session_out),
	FLAG("padding", NUMBER, padding),
	FLAG("max-frag", NUMBER, max_frag),
	FLAG("max-fragment-length", NUMBER, max_fragment_length),
	FLAG("tickets", SIGNED, tickets),
	FLAG("keylog", TEXT, keylog),
	LIST_FLAG("do", actions),
};

#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

static bool set_special(struct peer_options *o, const char *name, char *value)
{
	if (strcmp(name, "auth") == 0) {
		o->auth = strcmp(value, "require") == 0 ? AUTH_REQUIRE : AUTH_REQUEST;
		return true;
	}
	return strcmp(name, "psk") == 0 ? split_psk(o, value) : split_export(o, value);
}

static bool set_flag(struct peer_options *o, const struct flag *flag, char *value)
{
	void *at = (char *)o + flag->at;
	size_t *count = (size_t *)(void *)((char *)o + flag->count_at);

	switch (flag->kind) {
	case SWITCH:
		*(bool *)at = true;
		return true;
	case TEXT:
		*(const char **)at = value;
		return true;
	case NUMBER:
		*(unsigned *)at = (unsigned)strtoul(value, NULL, 10);
		return true;
	case SIGNED:
		*(int *)at = atoi(value);
		return true;
	case LIST:
		if (*count == PEER_MAX_LIST) {
			return false;
		}
		((const char **)at)[(*count)++] = value;
		return true;
	case FILE_CONTENT:
		return peer_load(at, value);
	case SPECIAL:
		return set_special(o, flag->name, value);
	}
	return false;
}

static const struct flag *find_flag(const char *text)
{
	for (size_t i = 0; strncmp(text, "--", 2) == 0 && i < N_FLAGS; i++) {
		if (strcmp(flags[i].name, text + 2) == 0) {
			return &flags[i];
		}
	}
	return NULL;
}

static bool parse(struct peer_options *o, int argc, char **argv)
{
	*o = (struct peer_options){.connections = 1, .shares = -1, .tickets = -1, .timeout_s = 20};
	if (argc < 2) {
		return false;
	}
	o->server = strcmp(argv[1], "server") == 0;
	for (int i = 2; i < argc; i++) {
		const struct flag *flag = find_flag(argv[i]);
		bool takes = flag != NULL && flag->kind != SWITCH;

		if (flag == NULL || (takes && i + 1 == argc) ||
		    !set_flag(o, flag, takes ? argv[i + 1] : NULL)) {
			say("bad flag or value: %s", argv[i]);
			return false;
		}
		i += takes;
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
	bool ok = peer_load(&blob, path) && send_all(blob.data, blob.len);

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
	if (strcmp(action, "request") == 0) {
		return peer_library_request(&peer.report);
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
		"{s:b, s:b, s:b, s:b, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, "
		"s:o, s:o, s:I, "
		"s:I, s:I, s:s, s:s, s:i}",
		"ech", r->ech, "later", r->later, "raw_key", r->raw_key, "status", r->status,
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
		peer.report.later = peer.o.server && peer.o.later && peer_library_has_cert();
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
			ok = peer_load(&peer.o.session_in, peer.o.session_out);
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
		say("usage: peer client|server [--port N …]; the flags are those of peer.h");
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
