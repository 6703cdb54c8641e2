/* SPDX-License-Identifier: Apache-2.0
 *
 * The public engine calls: what is refused before an engine sees it, and that the rest
 * arrives with its arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ennead/protocol.h"
#include "ennead/security.h"

/* ---- an engine that writes down how it was called -------------------------------------------- */

struct fake {
	struct enn_engine base;
	struct enn_acceptor acceptor;
	const char *called;
	enn_time now;
	const void *pointer;
	const void *pointer2;
	size_t number;
	bool flag;
	const struct enn_engine_options *options;
};

static struct fake fake;

static enum enn_status note(const char *name, enn_time now, const void *pointer, size_t number)
{
	fake.called = name;
	fake.now = now;
	fake.pointer = pointer;
	fake.number = number;
	return ENN_E_CLOSED; /* an answer that the dispatch never makes up by itself */
}

static void fake_free(struct enn_engine *e)
{
	(void)note("free", 0, e, 0);
}
static enum enn_status fake_start(struct enn_engine *e, enn_time now)
{
	return note("start", now, e, 0);
}
static enum enn_status fake_ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
				   struct enn_packet *packets, size_t count)
{
	(void)e;
	fake.pointer2 = path;
	return note("ingest", now, packets, count);
}
static enum enn_status fake_end(struct enn_engine *e, enn_time now)
{
	return note("end", now, e, 0);
}
static enum enn_status fake_transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	(void)e;
	return note("transmit", now, batch, batch->len + batch->segment_size);
}
static enn_time fake_deadline(const struct enn_engine *e)
{
	(void)note("deadline", 0, e, 0);
	return 77;
}
static void fake_expire(struct enn_engine *e, enn_time now)
{
	(void)note("expire", now, e, 0);
}
static enum enn_status fake_send(struct enn_engine *e, enn_time now,
				 const struct enn_message *message)
{
	(void)e;
	return note("send", now, message, message->len);
}
static void fake_next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	(void)e;
	(void)note("next_event", now, event, (size_t)event->type);
	event->type = ENN_EVENT_READY;
}
static enum enn_status fake_answer(struct enn_engine *e, enn_time now,
				   const struct enn_answer *answer)
{
	(void)e;
	return note("answer", now, answer, answer->len);
}
static enum enn_status fake_rekey(struct enn_engine *e, enn_time now, bool both)
{
	fake.flag = both;
	return note("rekey", now, e, 0);
}
static enum enn_status fake_migrate(struct enn_engine *e, enn_time now, const struct enn_path *path)
{
	(void)e;
	return note("migrate", now, path, 0);
}
static enum enn_status fake_export_key(struct enn_engine *e, const char *label,
				       const uint8_t *context, size_t context_len, bool early,
				       uint8_t *out, size_t len)
{
	(void)e;
	(void)out;
	fake.flag = early;
	fake.pointer2 = context;
	return note("export_key", context_len, label, len);
}
static enum enn_status fake_close(struct enn_engine *e, enn_time now, uint64_t code)
{
	return note("close", now, e, (size_t)code);
}
static void fake_info(const struct enn_engine *e, struct enn_info *info)
{
	(void)note("info", 0, e, info->cipher_code);
	info->ready = true;
}
static bool fake_error(const struct enn_engine *e, struct enn_error *error)
{
	(void)note("error", 0, e, 0);
	error->status = ENN_E_AUTH;
	return true;
}
static void fake_acceptor_free(struct enn_acceptor *a)
{
	(void)note("acceptor free", 0, a, 0);
}
static enum enn_status fake_accept(struct enn_acceptor *a, enn_time now,
				   const struct enn_path *path, struct enn_packet *packets,
				   size_t count, struct enn_batch *reply, struct enn_engine **out,
				   bool *created)
{
	(void)a;
	(void)path;
	(void)packets;
	(void)reply;
	*out = &fake.base;
	*created = true;
	return note("accept", now, reply, count);
}

static const struct enn_engine_ops all = {
	.free = fake_free,
	.start = fake_start,
	.ingest = fake_ingest,
	.end = fake_end,
	.transmit = fake_transmit,
	.deadline = fake_deadline,
	.expire = fake_expire,
	.send = fake_send,
	.next_event = fake_next_event,
	.answer = fake_answer,
	.rekey = fake_rekey,
	.migrate = fake_migrate,
	.export_key = fake_export_key,
	.close = fake_close,
	.info = fake_info,
	.error = fake_error,
};
static const struct enn_engine_ops only_free = {.free = fake_free};
static const struct enn_acceptor_ops acceptor_all = {fake_acceptor_free, fake_accept};
static const struct enn_acceptor_ops acceptor_only_free = {.free = fake_acceptor_free};

static enum enn_status fake_new(const struct enn_protocol *protocol, const struct enn_env *env,
				struct enn_security *security,
				const struct enn_engine_options *options, struct enn_engine **out,
				struct enn_error *error)
{
	(void)protocol;
	(void)security;
	(void)error;
	fake.options = options;
	*out = &fake.base;
	(void)note("new", 0, env, 0);
	return ENN_OK;
}

static enum enn_status fake_new_acceptor(const struct enn_protocol *protocol,
					 const struct enn_env *env, struct enn_security *security,
					 struct enn_acceptor **out, struct enn_error *error)
{
	(void)protocol;
	(void)security;
	(void)error;
	*out = &fake.acceptor;
	(void)note("new acceptor", 0, env, 0);
	return ENN_OK;
}

static const struct enn_protocol stream = {
	.name = "stream",
	.substrate = ENN_SUBSTRATE_BYTE_STREAM,
	.service = ENN_SERVICE_BYTE_STREAM,
	.min_batch = 100,
	.new_client = fake_new,
	.new_server = fake_new,
};
static const struct enn_protocol datagram = {
	.name = "datagram",
	.substrate = ENN_SUBSTRATE_DATAGRAM,
	.service = ENN_SERVICE_MULTISTREAM,
	.min_batch = 100,
	.new_acceptor = fake_new_acceptor,
};

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.called = "";
	fake.base.ops = &all;
	fake.base.protocol = &stream;
	fake.acceptor.ops = &acceptor_all;
	fake.acceptor.protocol = &datagram;
	return 0;
}

#define REFUSED(status, call)                                                                      \
	do {                                                                                       \
		fake.called = "";                                                                  \
		assert_int_equal(call, status);                                                    \
		assert_string_equal(fake.called, "");                                              \
	} while (0)

#define PASSED(name, call)                                                                         \
	do {                                                                                       \
		fake.called = "";                                                                  \
		assert_int_equal(call, ENN_E_CLOSED);                                              \
		assert_string_equal(fake.called, name);                                            \
	} while (0)

/* ---- construction ---------------------------------------------------------------------------- */

/* Never dereferenced by the dispatch. */
static struct enn_crypto *some_crypto(void)
{
	return (struct enn_crypto *)&fake;
}
static struct enn_security *some_security(void)
{
	return (struct enn_security *)&fake;
}

static void *some_alloc(void *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	return NULL;
}

static void test_construction(void **state)
{
	struct enn_env env = {.crypto = some_crypto()};
	struct enn_engine_options options = {.session_len = 3};
	struct enn_security *security = some_security();
	struct enn_engine *e = &fake.base;
	struct enn_error error;
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_new_client(NULL, &env, security, NULL, &e, &error));
	assert_null(e);
	assert_int_equal(error.status, ENN_E_ARGUMENT);
	REFUSED(ENN_E_ARGUMENT, enn_engine_new_client(&stream, NULL, security, NULL, &e, NULL));
	REFUSED(ENN_E_ARGUMENT, enn_engine_new_client(&stream, &env, NULL, NULL, &e, NULL));
	REFUSED(ENN_E_ARGUMENT, enn_engine_new_client(&stream, &env, security, NULL, NULL, NULL));
	REFUSED(ENN_E_ARGUMENT,
		enn_engine_new_server(&stream, &env, security, &options, &e, &error));
	REFUSED(ENN_E_ARGUMENT, enn_engine_new_server(NULL, &env, security, NULL, &e, NULL));
	env.alloc = some_alloc;
	REFUSED(ENN_E_ARGUMENT, enn_engine_new_client(&stream, &env, security, NULL, &e, &error));
	assert_non_null(strstr(error.text, "alloc and free"));
	env.alloc = NULL;
	env.crypto = NULL;
	REFUSED(ENN_E_ARGUMENT, enn_engine_new_client(&stream, &env, security, NULL, &e, &error));
	assert_non_null(strstr(error.text, "cryptographic context"));
	env.crypto = some_crypto();

	assert_int_equal(enn_engine_new_client(&stream, &env, security, NULL, &e, &error), ENN_OK);
	assert_string_equal(fake.called, "new");
	assert_ptr_equal(e, &fake.base);
	assert_null(fake.options->server_name); /* NULL is zeroed options */
	options.session_len = 0;
	assert_int_equal(enn_engine_new_server(&stream, &env, security, &options, &e, &error),
			 ENN_OK);
	assert_ptr_equal(fake.options, &options);

	REFUSED(ENN_E_UNSUPPORTED,
		enn_engine_new_client(&datagram, &env, security, NULL, &e, &error));
	assert_string_equal(error.text, "datagram has no client in this build");
	REFUSED(ENN_E_UNSUPPORTED,
		enn_engine_new_server(&datagram, &env, security, NULL, &e, &error));
	assert_string_equal(error.text, "datagram has no server in this build");
	assert_null(e);
}

static void test_freeing(void **state)
{
	(void)state;

	enn_engine_free(NULL);
	enn_acceptor_free(NULL);
	assert_string_equal(fake.called, "");
	enn_engine_free(&fake.base);
	assert_string_equal(fake.called, "free");
	enn_acceptor_free(&fake.acceptor);
	assert_string_equal(fake.called, "acceptor free");
}

/* ---- the verbs ------------------------------------------------------------------------------- */

static void test_ingest(void **state)
{
	struct enn_engine *e = &fake.base;
	struct enn_path path = {0};
	uint8_t byte = 0;
	struct enn_packet good[2] = {{&byte, 1, 0}, {NULL, 0, 0}};
	struct enn_packet bad[2] = {{&byte, 1, 0}, {NULL, 1, 0}};
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_ingest(NULL, 1, NULL, good, 1));
	REFUSED(ENN_E_ARGUMENT, enn_engine_ingest(e, 1, NULL, NULL, 1));
	REFUSED(ENN_E_ARGUMENT, enn_engine_ingest(e, 1, NULL, bad, 2));
	PASSED("ingest", enn_engine_ingest(e, 5, NULL, good, 2));
	assert_int_equal(fake.now, 5);
	assert_ptr_equal(fake.pointer, good);
	assert_int_equal(fake.number, 2);
	PASSED("ingest", enn_engine_ingest(e, 5, NULL, NULL, 0));
	/* Datagrams come from somewhere. */
	e->protocol = &datagram;
	REFUSED(ENN_E_ARGUMENT, enn_engine_ingest(e, 1, NULL, good, 1));
	PASSED("ingest", enn_engine_ingest(e, 5, &path, good, 1));
	assert_ptr_equal(fake.pointer2, &path);
}

static void test_transmit(void **state)
{
	struct enn_engine *e = &fake.base;
	uint8_t buf[100];
	struct enn_batch batch = {.buf = buf, .cap = 99, .len = 7, .segment_size = 8};
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_transmit(NULL, 1, &batch));
	REFUSED(ENN_E_ARGUMENT, enn_engine_transmit(e, 1, NULL));
	REFUSED(ENN_E_SPACE, enn_engine_transmit(e, 1, &batch));
	assert_int_equal(batch.len, 0); /* nothing to send, whatever the caller looks at */
	batch.cap = 100;
	batch.buf = NULL;
	batch.len = 7;
	REFUSED(ENN_E_ARGUMENT, enn_engine_transmit(e, 1, &batch));
	assert_int_equal(batch.len, 0);
	batch.buf = buf;
	batch.len = 7;
	batch.segment_size = 8;
	PASSED("transmit", enn_engine_transmit(e, 9, &batch));
	assert_int_equal(fake.now, 9);
	assert_ptr_equal(fake.pointer, &batch);
	assert_int_equal(fake.number, 0); /* it got an empty batch */
}

static void test_send(void **state)
{
	struct enn_engine *e = &fake.base;
	uint8_t byte = 0;
	struct enn_message m = {.data = &byte, .len = 1};
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_send(NULL, 1, &m));
	REFUSED(ENN_E_ARGUMENT, enn_engine_send(e, 1, NULL));
	for (unsigned bit = 0; bit < 32; bit++) {
		m.flags = 1u << bit;
		if (m.flags == ENN_MESSAGE_FINAL || m.flags == ENN_MESSAGE_EARLY) {
			PASSED("send", enn_engine_send(e, 3, &m));
			assert_ptr_equal(fake.pointer, &m);
			assert_int_equal(fake.now, 3);
		} else { /* ENN_MESSAGE_WAS_EARLY too */
			REFUSED(ENN_E_ARGUMENT, enn_engine_send(e, 1, &m));
		}
	}
	m.flags = ENN_MESSAGE_FINAL | ENN_MESSAGE_EARLY;
	PASSED("send", enn_engine_send(e, 3, &m));
	m.data = NULL;
	REFUSED(ENN_E_ARGUMENT, enn_engine_send(e, 1, &m));
	m.len = 0;
	PASSED("send", enn_engine_send(e, 3, &m));
	m.stream = 4;
	REFUSED(ENN_E_ARGUMENT, enn_engine_send(e, 1, &m)); /* there is one stream */
	e->protocol = &datagram;
	PASSED("send", enn_engine_send(e, 3, &m));
}

static void test_events(void **state)
{
	struct enn_engine *e = &fake.base;
	struct enn_event event = {.type = ENN_EVENT_FAILED};
	(void)state;

	enn_engine_next_event(NULL, 1, &event);
	assert_int_equal(event.type, ENN_EVENT_NONE);
	enn_engine_next_event(e, 1, NULL);
	assert_string_equal(fake.called, "");
	event.type = ENN_EVENT_FAILED;
	enn_engine_next_event(e, 4, &event);
	assert_string_equal(fake.called, "next_event");
	assert_int_equal(fake.now, 4);
	assert_int_equal(fake.number, ENN_EVENT_NONE); /* what the engine found in it */
	assert_int_equal(event.type, ENN_EVENT_READY);
}

static void test_answer(void **state)
{
	struct enn_engine *e = &fake.base;
	uint8_t key[32] = {0};
	struct enn_answer a = {.type = ENN_ANSWER_PEER, .accept = true};
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(NULL, 1, &a));
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, NULL));
	PASSED("answer", enn_engine_answer(e, 6, &a));
	assert_int_equal(fake.now, 6);
	assert_ptr_equal(fake.pointer, &a);
	a.type = (enum enn_answer_type)9;
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, &a));
	a.type = ENN_ANSWER_PSK;
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, &a)); /* a key, but no bytes */
	a.accept = false;
	PASSED("answer", enn_engine_answer(e, 6, &a));
	a.accept = true;
	a.data = key;
	a.len = sizeof(key);
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, &a)); /* no hash */
	a.hash = 3;
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, &a));
	a.hash = ENN_PSK_SHA384;
	PASSED("answer", enn_engine_answer(e, 6, &a));
	a.data = NULL;
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, &a));
	a.type = ENN_ANSWER_SIGNATURE;
	a.len = 0;
	REFUSED(ENN_E_ARGUMENT, enn_engine_answer(e, 1, &a));
	a.accept = false;
	PASSED("answer", enn_engine_answer(e, 6, &a));
	a.accept = true;
	a.data = key;
	a.len = 1;
	PASSED("answer", enn_engine_answer(e, 6, &a));
}

static void test_plain_verbs(void **state)
{
	struct enn_engine *e = &fake.base;
	struct enn_path path = {0};
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_start(NULL, 1));
	PASSED("start", enn_engine_start(e, 2));
	assert_int_equal(fake.now, 2);
	REFUSED(ENN_E_ARGUMENT, enn_engine_end(NULL, 1));
	PASSED("end", enn_engine_end(e, 2));
	REFUSED(ENN_E_ARGUMENT, enn_engine_rekey(NULL, 1, true));
	PASSED("rekey", enn_engine_rekey(e, 2, true));
	assert_true(fake.flag);
	REFUSED(ENN_E_ARGUMENT, enn_engine_migrate(NULL, 1, &path));
	REFUSED(ENN_E_ARGUMENT, enn_engine_migrate(e, 1, NULL));
	PASSED("migrate", enn_engine_migrate(e, 2, &path));
	assert_ptr_equal(fake.pointer, &path);
	REFUSED(ENN_E_ARGUMENT, enn_engine_close(NULL, 1, 0));
	PASSED("close", enn_engine_close(e, 2, 55));
	assert_int_equal(fake.number, 55);
	assert_true(enn_engine_deadline(NULL) == ENN_TIME_NEVER);
	assert_int_equal(enn_engine_deadline(e), 77);
	fake.called = "";
	enn_engine_expire(NULL, 1);
	assert_string_equal(fake.called, "");
	enn_engine_expire(e, 8);
	assert_string_equal(fake.called, "expire");
	assert_int_equal(fake.now, 8);
}

static void test_export(void **state)
{
	struct enn_engine *e = &fake.base;
	uint8_t out[8], context[2] = {0};
	(void)state;

	REFUSED(ENN_E_ARGUMENT, enn_engine_export_key(NULL, "l", NULL, 0, false, out, 8));
	REFUSED(ENN_E_ARGUMENT, enn_engine_export_key(e, NULL, NULL, 0, false, out, 8));
	REFUSED(ENN_E_ARGUMENT, enn_engine_export_key(e, "l", NULL, 1, false, out, 8));
	REFUSED(ENN_E_ARGUMENT, enn_engine_export_key(e, "l", NULL, 0, false, NULL, 8));
	REFUSED(ENN_E_ARGUMENT, enn_engine_export_key(e, "l", NULL, 0, false, out, 0));
	PASSED("export_key", enn_engine_export_key(e, "l", NULL, 0, false, out, 8));
	PASSED("export_key", enn_engine_export_key(e, "l", context, 2, true, out, 8));
	assert_true(fake.flag);
	assert_ptr_equal(fake.pointer2, context);
	assert_int_equal(fake.number, 8);
}

static void test_reports(void **state)
{
	struct enn_engine *e = &fake.base;
	struct enn_info info;
	struct enn_error error;
	(void)state;

	memset(&info, 0xff, sizeof(info));
	enn_engine_info(NULL, &info);
	assert_null(info.protocol);
	assert_false(info.ready);
	memset(&info, 0xff, sizeof(info));
	enn_engine_info(e, NULL);
	assert_string_equal(fake.called, "");
	enn_engine_info(e, &info);
	assert_int_equal(fake.number, 0); /* zeroed before the engine fills it in */
	assert_ptr_equal(info.protocol, &stream);
	assert_true(info.ready);
	assert_null(info.peer_chain[ENN_MAX_CERTIFICATES - 1].der);
	REFUSED(false, enn_engine_error(NULL, &error));
	REFUSED(false, enn_engine_error(e, NULL));
	assert_true(enn_engine_error(e, &error));
	assert_int_equal(error.status, ENN_E_AUTH);
}

/* An engine that offers nothing but to be freed. */
static void test_unsupported(void **state)
{
	struct enn_engine *e = &fake.base;
	uint8_t buf[100];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf), .len = 4};
	struct enn_message m = {.len = 0};
	struct enn_answer a = {.type = ENN_ANSWER_PEER};
	struct enn_path path = {0};
	struct enn_event event = {.type = ENN_EVENT_FAILED};
	struct enn_info info;
	struct enn_error error;
	(void)state;

	e->ops = &only_free;
	assert_int_equal(enn_engine_start(e, 0), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_ingest(e, 0, NULL, NULL, 0), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_end(e, 0), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_transmit(e, 0, &batch), ENN_E_UNSUPPORTED);
	assert_int_equal(batch.len, 0);
	assert_true(enn_engine_deadline(e) == ENN_TIME_NEVER);
	enn_engine_expire(e, 0);
	assert_int_equal(enn_engine_send(e, 0, &m), ENN_E_UNSUPPORTED);
	enn_engine_next_event(e, 0, &event);
	assert_int_equal(event.type, ENN_EVENT_NONE);
	assert_int_equal(enn_engine_answer(e, 0, &a), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_rekey(e, 0, false), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_migrate(e, 0, &path), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_export_key(e, "l", NULL, 0, false, buf, 1), ENN_E_UNSUPPORTED);
	assert_int_equal(enn_engine_close(e, 0, 0), ENN_E_UNSUPPORTED);
	enn_engine_info(e, &info);
	assert_ptr_equal(info.protocol, &stream);
	assert_false(enn_engine_error(e, &error));
	enn_engine_free(e);
	assert_string_equal(fake.called, "free");
}

static void test_acceptor(void **state)
{
	struct enn_env env = {.crypto = some_crypto()};
	struct enn_acceptor *a = &fake.acceptor;
	struct enn_engine *e = &fake.base;
	struct enn_path path = {0};
	uint8_t buf[100];
	struct enn_packet packet = {buf, 1, 0};
	struct enn_batch reply = {.buf = buf, .cap = 99};
	struct enn_error error;
	bool created = true;
	(void)state;

	REFUSED(ENN_E_UNSUPPORTED, enn_acceptor_new(&stream, &env, some_security(), &a, &error));
	assert_string_equal(error.text, "stream has no acceptor in this build");
	assert_null(a);
	REFUSED(ENN_E_ARGUMENT, enn_acceptor_new(&datagram, &env, NULL, &a, NULL));
	REFUSED(ENN_E_ARGUMENT, enn_acceptor_new(&datagram, &env, some_security(), NULL, NULL));
	assert_int_equal(enn_acceptor_new(&datagram, &env, some_security(), &a, &error), ENN_OK);
	assert_ptr_equal(a, &fake.acceptor);

	REFUSED(ENN_E_SPACE, enn_acceptor_accept(a, 1, &path, &packet, 1, &reply, &e, &created));
	assert_null(e);
	assert_false(created);
	reply.cap = 100;
	REFUSED(ENN_E_ARGUMENT,
		enn_acceptor_accept(NULL, 1, &path, &packet, 1, &reply, &e, &created));
	REFUSED(ENN_E_ARGUMENT, enn_acceptor_accept(a, 1, NULL, &packet, 1, &reply, &e, &created));
	REFUSED(ENN_E_ARGUMENT, enn_acceptor_accept(a, 1, &path, NULL, 1, &reply, &e, &created));
	REFUSED(ENN_E_ARGUMENT, enn_acceptor_accept(a, 1, &path, &packet, 1, NULL, &e, &created));
	REFUSED(ENN_E_ARGUMENT,
		enn_acceptor_accept(a, 1, &path, &packet, 1, &reply, NULL, &created));
	REFUSED(ENN_E_ARGUMENT, enn_acceptor_accept(a, 1, &path, &packet, 1, &reply, &e, NULL));
	PASSED("accept", enn_acceptor_accept(a, 7, &path, &packet, 1, &reply, &e, &created));
	assert_int_equal(fake.now, 7);
	assert_ptr_equal(e, &fake.base);
	assert_true(created);
	a->ops = &acceptor_only_free;
	REFUSED(ENN_E_UNSUPPORTED,
		enn_acceptor_accept(a, 1, &path, &packet, 1, &reply, &e, &created));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_construction, setup),
		cmocka_unit_test_setup(test_freeing, setup),
		cmocka_unit_test_setup(test_ingest, setup),
		cmocka_unit_test_setup(test_transmit, setup),
		cmocka_unit_test_setup(test_send, setup),
		cmocka_unit_test_setup(test_events, setup),
		cmocka_unit_test_setup(test_answer, setup),
		cmocka_unit_test_setup(test_plain_verbs, setup),
		cmocka_unit_test_setup(test_export, setup),
		cmocka_unit_test_setup(test_reports, setup),
		cmocka_unit_test_setup(test_unsupported, setup),
		cmocka_unit_test_setup(test_acceptor, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
