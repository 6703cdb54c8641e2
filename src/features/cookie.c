/* SPDX-License-Identifier: Apache-2.0
 *
 * Stateless cookies.
 */
#include "features/cookie.h"

#include "base/compiler.h"

#define COOKIE_FORMAT 0xc0 /* no session has this format: neither can stand in for the other */

enum enn_status enn_cookie_seal(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, int64_t key_lifetime, struct enn_bytes address,
				struct enn_bytes state, uint8_t *out, size_t cap, size_t *out_len)
{
	size_t bound = 10 + address.len + state.len;
	uint8_t *plain = enn_alloc(env, bound);

	*out_len = 0;
	if (plain == NULL) {
		return ENN_E_MEMORY;
	}
	struct enn_writer w = enn_writer_of(plain, bound);
	enn_write_u8(&w, COOKIE_FORMAT);
	enn_write_u64(&w, (uint64_t)wall_now);
	enn_write_vector(&w, 1, address.data, address.len);
	enn_write_bytes(&w, state.data, state.len);
	enum enn_status status = ENN_E_SPACE;
	if (enn_writer_ok(&w)) {
		status = enn_ticket_seal(keys, env, wall_now, key_lifetime, plain,
					 enn_writer_len(&w), out, cap, out_len);
	}
	enn_free_secret(env, plain, bound);
	return status;
}

enum enn_status enn_cookie_open(struct enn_ticket_keys *keys, const struct enn_env *env,
				int64_t wall_now, struct enn_bytes address, struct enn_bytes cookie,
				uint8_t *room, struct enn_bytes *state)
{
	size_t len = 0;
	enum enn_status status = enn_ticket_open(keys, env, wall_now, cookie.data, cookie.len, room,
						 cookie.len, &len);

	if (status == ENN_E_MEMORY) {
		return status;
	}
	struct enn_reader r = enn_reader_of(room, status == ENN_OK ? len : 0);
	uint8_t format = enn_read_u8(&r);
	int64_t made = (int64_t)enn_read_u64(&r);
	struct enn_bytes bound_to = enn_read_vector(&r, 1, 0, 255);
	*state = enn_read_bytes(&r, enn_reader_left(&r));
	if (!enn_reader_done(&r) || format != COOKIE_FORMAT ||
	    !enn_bytes_equal(bound_to, address)) {
		return ENN_E_NOT_FOUND;
	}
	/* One from the future is of a clock that was set back. */
	int64_t age;
	if (__builtin_sub_overflow(wall_now, made, &age) || age < 0 || age >= ENN_COOKIE_LIFETIME) {
		return ENN_E_STALE;
	}
	return ENN_OK;
}
