/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl's side: client and server in one thread over memory.
 *
 * The BIO is this file's own, because it costs less than either of libssl's memory BIOs: one direction is
 * a flat buffer, or, once the handshake is over, just a view of libssl's own write buffer, which stays
 * as it is until the next record is written. So libssl pays one copy, which it cannot do without
 * (into its read buffer), and none for the wire.
 */
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

#define LANE_ROOM	 65536
#define IDLE_CONNECTIONS 64

/* One direction of the wire. */
struct lane {
	uint8_t *buf;
	size_t len;
	const uint8_t *view; /* buf, or what libssl wrote last */
	size_t pos;
	bool lend;
};

struct side {
	SSL_CTX *ctx;
	SSL *ssl;
	struct lane *in;
	struct lane *out;
};

struct libssl {
	BIO_METHOD *method;
	struct lane up;
	struct lane down;
	struct side client;
	struct side server;
	SSL_SESSION *session;
	bool keep_session;
	size_t record;
	uint8_t *message;
	uint8_t *sink;
	struct bench_heap *client_heap;
	struct bench_heap *server_heap;
};

/* ---- the wire --------------------------------------------------------------------------------------- */

static int lane_write(BIO *bio, const char *data, int len)
{
	struct lane *lane = ((struct side *)BIO_get_data(bio))->out;

	BIO_clear_retry_flags(bio);
	if (lane->lend && lane->len == 0) {
		lane->view = (const uint8_t *)data;
		lane->pos = 0;
		lane->len = (size_t)len;
		return len;
	}
	BENCH_NEED(!lane->lend && lane->pos + lane->len + (size_t)len <= LANE_ROOM);
	if (lane->len == 0) {
		lane->view = lane->buf;
		lane->pos = 0;
	}
	memcpy(lane->buf + lane->pos + lane->len, data, (size_t)len);
	lane->len += (size_t)len;
	return len;
}

static int lane_read(BIO *bio, char *out, int cap)
{
	struct lane *lane = ((struct side *)BIO_get_data(bio))->in;
	size_t n = lane->len < (size_t)cap ? lane->len : (size_t)cap;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, lane->view + lane->pos, n);
	lane->pos += n;
	lane->len -= n;
	return (int)n;
}

static long lane_ctrl(BIO *bio, int command, long number, void *ptr)
{
	(void)bio;
	(void)number;
	(void)ptr;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int lane_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void attach(struct libssl *l, struct side *side)
{
	BIO *bio = BIO_new(l->method);

	BENCH_NEED(bio != NULL);
	BIO_set_data(bio, side);
	SSL_set_bio(side->ssl, bio, bio);
}

/* ---- handshakes ---------------------------------------------------------------------------------------- */

static void charge(const struct libssl *l, const struct side *side)
{
	if (l->client_heap != NULL) {
		bench_heap_count(side == &l->client ? l->client_heap : l->server_heap);
	}
}

static bool advance(struct libssl *l, struct side *side)
{
	charge(l, side);
	int result = SSL_do_handshake(side->ssl);
	if (result != 1 && SSL_get_error(side->ssl, result) != SSL_ERROR_WANT_READ) {
		bench_die("libssl: handshake failed, verify result %ld",
			  SSL_get_verify_result(side->ssl));
	}
	return result == 1;
}

/* Reads what comes without data: tickets. */
static void take_tickets(struct libssl *l)
{
	charge(l, &l->client);
	int result = SSL_read(l->client.ssl, l->sink, 1);
	BENCH_NEED(result < 0 && SSL_get_error(l->client.ssl, result) == SSL_ERROR_WANT_READ);
}

static void open_pair(struct libssl *l)
{
	charge(l, &l->client);
	l->client.ssl = SSL_new(l->client.ctx);
	BENCH_NEED(l->client.ssl != NULL && SSL_set1_host(l->client.ssl, TLS_NAME) == 1 &&
		   SSL_set_tlsext_host_name(l->client.ssl, TLS_NAME) == 1);
	SSL_set_connect_state(l->client.ssl);
	attach(l, &l->client);
	if (l->session != NULL) {
		BENCH_NEED(SSL_set_session(l->client.ssl, l->session) == 1);
	}
	charge(l, &l->server);
	l->server.ssl = SSL_new(l->server.ctx);
	BENCH_NEED(l->server.ssl != NULL);
	SSL_set_accept_state(l->server.ssl);
	attach(l, &l->server);

	l->up.lend = false;
	l->down.lend = false;
	bool client = false;
	bool server = false;
	for (int round = 0; !(client && server); round++) {
		BENCH_NEED(round < 8);
		client = client || advance(l, &l->client);
		server = server || advance(l, &l->server);
	}
	if (l->down.len > 0) {
		take_tickets(l);
	}
	l->up.lend = true;
	l->down.lend = true;
}

/* Without a shutdown on the wire, as Ennead's engines are freed without one; but libssl must believe in one, or it
 * spoils the session. */
void libssl_disconnect(struct libssl *l)
{
	SSL_set_shutdown(l->client.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_set_shutdown(l->server.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(l->client.ssl);
	SSL_free(l->server.ssl);
	l->client.ssl = NULL;
	l->server.ssl = NULL;
}

void libssl_connect(struct libssl *l)
{
	open_pair(l);
}

void libssl_handshakes(void *ctx, size_t n)
{
	struct libssl *l = ctx;

	for (size_t i = 0; i < n; i++) {
		open_pair(l);
		libssl_disconnect(l);
	}
}

/* ---- bulk ----------------------------------------------------------------------------------------------- */

/* One record's worth from the client, then all of it out of the server. */
static void move_record(struct libssl *l, size_t offset, size_t len)
{
	size_t done = 0;

	BENCH_NEED(SSL_write(l->client.ssl, l->message + offset, (int)len) == (int)len);
	while (done < len) {
		int n = SSL_read(l->server.ssl, l->sink, TLS_MESSAGE);
		BENCH_NEED(n > 0);
		done += (size_t)n;
	}
}

void libssl_bulk(void *ctx, size_t n)
{
	struct libssl *l = ctx;

	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; at < TLS_MESSAGE; at += l->record) {
			move_record(l, at, l->record);
		}
	}
}

void libssl_bulk_single(void *ctx, size_t n)
{
	struct libssl *l = ctx;
	for (size_t i = 0; i < n; i++) {
		move_record(l, 0, l->record);
	}
}

/* ---- heap -------------------------------------------------------------------------------------------------- */

static void say(struct libssl *l, struct side *from, struct side *to)
{
	charge(l, from);
	BENCH_NEED(SSL_write(from->ssl, l->message, 64) == 64);
	charge(l, to);
	BENCH_NEED(SSL_read(to->ssl, l->sink, TLS_MESSAGE) == 64);
}

static void make_idle(struct libssl *l)
{
	open_pair(l);
	/* RELEASE_BUFFERS gives the write buffer back at once: it cannot be lent. */
	l->up.lend = false;
	l->down.lend = false;
	say(l, &l->client, &l->server);
	say(l, &l->server, &l->client);
}

void libssl_idle(struct libssl *l, double *client, double *server)
{
	struct bench_heap client_heap = {.calls = 0};
	struct bench_heap server_heap = {.calls = 0};
	SSL *open[2 * IDLE_CONNECTIONS];

	SSL_CTX_set_mode(l->client.ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_mode(l->server.ctx, SSL_MODE_RELEASE_BUFFERS);
	for (size_t i = 0; i < 4; i++) {
		make_idle(l);
		libssl_disconnect(l);
	}
	l->client_heap = &client_heap;
	l->server_heap = &server_heap;
	for (size_t i = 0; i < IDLE_CONNECTIONS; i++) {
		make_idle(l);
		open[2 * i] = l->client.ssl;
		open[2 * i + 1] = l->server.ssl;
	}
	bench_heap_count(NULL);
	l->client_heap = NULL;
	for (size_t i = 0; i < 2 * IDLE_CONNECTIONS; i++) {
		SSL_free(open[i]);
	}
	*client = (double)client_heap.bytes / IDLE_CONNECTIONS;
	*server = (double)server_heap.bytes / IDLE_CONNECTIONS;
}

/* ---- set-up --------------------------------------------------------------------------------------------------- */

static bool set_version(SSL_CTX *ctx, const struct tls_setup *setup)
{
	int version = tls_is_12(setup) ? TLS1_2_VERSION : TLS1_3_VERSION;

	if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1) {
		return false;
	}
	if (!tls_is_12(setup)) {
		return SSL_CTX_set_ciphersuites(ctx, setup->suite) == 1;
	}
	/* The certificate's curve has to be among the groups there (RFC 8422 §5.1). One ticket at most in TLS 1.2, and that by an option; libssl knows such suites by other names. */
	if (setup->tickets == 0 && !setup->resume) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	}
	return SSL_CTX_set_cipher_list(ctx, OPENSSL_cipher_name(setup->suite)) == 1;
}

static SSL_CTX *make_ctx(const struct tls_setup *setup, bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	const struct tls_identity *id = server ? &setup->pki->server : &setup->pki->client;

	BENCH_NEED(ctx != NULL && set_version(ctx, setup) &&
		   SSL_CTX_set1_groups_list(ctx, tls_is_12(setup) ? "X25519:P-256" : "X25519") ==
			   1 &&
		   SSL_CTX_set_num_tickets(ctx, setup->tickets) == 1 &&
		   X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), setup->pki->root.cert) == 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* No search for a chain to send in each handshake; one read for header and record. */
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (server || setup->mutual) {
		BENCH_NEED(SSL_CTX_use_certificate(ctx, id->cert) == 1 &&
			   SSL_CTX_use_PrivateKey(ctx, id->key) == 1);
	}
	if (!server || setup->mutual) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return ctx;
}

static void make_session(struct libssl *l, const struct tls_setup *setup)
{
	BENCH_NEED(SSL_CTX_set_num_tickets(l->server.ctx, 1) == 1);
	open_pair(l);
	l->session = SSL_get1_session(l->client.ssl);
	BENCH_NEED(l->session != NULL && SSL_SESSION_is_resumable(l->session) == 1);
	libssl_disconnect(l);
	BENCH_NEED(SSL_CTX_set_num_tickets(l->server.ctx, setup->tickets) == 1);
}

/* One connection, to see that it is what the row says. */
static void check(struct libssl *l, const struct tls_setup *setup)
{
	int resumed = setup->resume ? 1 : 0;

	open_pair(l);
	BENCH_NEED(strcmp(SSL_CIPHER_standard_name(SSL_get_current_cipher(l->client.ssl)),
			  setup->suite) == 0 &&
		   SSL_get_verify_result(l->client.ssl) == X509_V_OK &&
		   (tls_is_12(setup) || SSL_get_negotiated_group(l->client.ssl) == NID_X25519) &&
		   SSL_session_reused(l->client.ssl) == resumed &&
		   SSL_session_reused(l->server.ssl) == resumed);
	X509 *client = SSL_get1_peer_certificate(l->server.ssl);
	BENCH_NEED((client != NULL) == setup->mutual);
	X509_free(client);
	libssl_disconnect(l);
}

struct libssl *libssl_new(const struct tls_setup *setup)
{
	struct libssl *l = calloc(1, sizeof(*l));

	BENCH_NEED(l != NULL);
	l->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lane");
	BENCH_NEED(l->method != NULL && BIO_meth_set_write(l->method, lane_write) == 1 &&
		   BIO_meth_set_read(l->method, lane_read) == 1 &&
		   BIO_meth_set_ctrl(l->method, lane_ctrl) == 1 &&
		   BIO_meth_set_create(l->method, lane_create) == 1);
	l->up.buf = malloc(LANE_ROOM);
	l->down.buf = malloc(LANE_ROOM);
	l->message = malloc(TLS_MESSAGE);
	l->sink = malloc(TLS_MESSAGE);
	BENCH_NEED(l->up.buf != NULL && l->down.buf != NULL && l->message != NULL &&
		   l->sink != NULL);
	memset(l->message, 'e', TLS_MESSAGE);
	l->client.out = &l->up;
	l->client.in = &l->down;
	l->server.out = &l->down;
	l->server.in = &l->up;
	l->record = setup->record;
	l->client.ctx = make_ctx(setup, false);
	l->server.ctx = make_ctx(setup, true);
	if (setup->resume) {
		make_session(l, setup);
	}
	check(l, setup);
	return l;
}

void libssl_free(struct libssl *l)
{
	SSL_SESSION_free(l->session);
	SSL_CTX_free(l->client.ctx);
	SSL_CTX_free(l->server.ctx);
	BIO_meth_free(l->method);
	free(l->up.buf);
	free(l->down.buf);
	free(l->message);
	free(l->sink);
	free(l);
}
