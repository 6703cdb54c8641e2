/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration protocol of WireGuard: requests that change an engine, and what get then tells
 * of it, which must make another engine the same.
 */
#include <string.h>

#include "../../cli/tunnel_uapi.h"
#include "fuzz.h"

static const struct uapi_extra extra = {.listen_port = 51820, .fwmark = 7};

/* In parts, which must be as long as was asked for, but for the end of a peer. */
static struct uapi_buffer get(const struct enn_engine *engine, size_t want)
{
	struct uapi_buffer all = {.data = NULL};
	uint64_t cursor = 0;
	bool first = true;
	bool more = true;
	size_t target = want;

	for (; more; first = false) {
		more = uapi_get(engine, &extra, &cursor, first, target, &all);
		FUZZ_ASSERT(!all.failed && all.data != NULL);
		FUZZ_ASSERT(!more || all.len >= target);
		target = all.len + want;
	}
	FUZZ_ASSERT(all.len > 9 && memcmp(all.data + all.len - 9, "errno=0\n\n", 9) == 0);
	return all;
}

static void apply(struct enn_engine *engine, struct uapi_request *request, bool must)
{
	struct enn_error error = {.status = ENN_OK};
	bool good = request->error == 0 && request->kind == UAPI_SET &&
		    enn_wireguard_configure(engine, 0, &request->change, &error) == ENN_OK;

	FUZZ_ASSERT(good || !must);
	FUZZ_ASSERT(good || request->kind != UAPI_SET || request->error != 0 ||
		    uapi_errno_of(&error) > 0 || error.status == ENN_OK);
	uapi_reset(request);
}

static bool is_told_only(struct text line)
{
	static const char *const names[] = {"last_handshake_time_sec=", "last_handshake_time_nsec=",
					    "tx_bytes=", "rx_bytes=", "errno="};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (line.len >= strlen(names[i]) &&
		    memcmp(line.at, names[i], strlen(names[i])) == 0) {
			return true;
		}
	}
	return false;
}

/* What get says, as a request. */
static void copy(const struct uapi_buffer *told, struct enn_engine *engine)
{
	struct uapi_request request = {.kind = UAPI_NOTHING};
	struct text rest = {told->data, told->len};
	bool done = uapi_take_line(&request, text_of("set=1"));

	while (!done && rest.at != NULL) {
		struct text line;
		rest = text_cut(rest, '\n', &line);
		FUZZ_ASSERT(line.len < UAPI_MAX_LINE);
		done = !is_told_only(line) && uapi_take_line(&request, line);
	}
	FUZZ_ASSERT(done && request.has_listen_port && request.listen_port == extra.listen_port);
	FUZZ_ASSERT(request.has_fwmark && request.fwmark == extra.fwmark);
	apply(engine, &request, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_engine *engine = NULL;
	struct enn_engine *other = NULL;
	struct uapi_request request = {.kind = UAPI_NOTHING};
	struct text rest = {(const char *)data, size};

	if (size == 0 || size > 65536) {
		return 0;
	}
	fuzz_env_reset();
	FUZZ_ASSERT(enn_wireguard_new(fuzz_env(), &engine, NULL) == ENN_OK);
	FUZZ_ASSERT(enn_wireguard_new(fuzz_env(), &other, NULL) == ENN_OK);
	while (rest.at != NULL) {
		struct text line;
		rest = text_cut(rest, '\n', &line);
		if (uapi_take_line(&request, line)) {
			apply(engine, &request, false);
		}
	}
	uapi_reset(&request);
	struct uapi_buffer first = get(engine, 1 + size % 4096);
	copy(&first, other);
	struct uapi_buffer second = get(other, 1 << 20);
	FUZZ_ASSERT(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	uapi_buffer_free(&first);
	uapi_buffer_free(&second);
	enn_engine_free(engine);
	enn_engine_free(other);
	return 0;
}
