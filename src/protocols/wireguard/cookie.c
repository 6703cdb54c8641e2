/* SPDX-License-Identifier: Apache-2.0
 *
 * Against floods of handshakes (WP §5.3, §5.4.4, §5.4.7): mac1 shows that the
 * sender knows whom it talks to; under load a cookie shows that it receives what is sent
 * to its address, and then each address has a limited rate.
 */
#include "crypto/blake2s.h"
#include "crypto/xchacha.h"
#include "protocols/wireguard/internal.h"

/* Handshake messages a second that are no load yet: a third of a core. */
#define LOAD_RATE  2000
#define LOAD_BURST 200
/* Cookies a second: a flood shall not take the time that data need. */
#define REPLY_RATE  20000
#define REPLY_BURST 256
/* How long load is assumed to go on after the last sign of it. */
#define LOAD_TIME ENN_SECOND

static const struct enn_rate_policy rate_policy = {.per_second = 20, .burst = 5, .places = 8192};

enum enn_status enn_wg_cookies_open(struct enn_wireguard *d)
{
	uint8_t seed[16];

	ENN_TRY(enn_random(d->env, seed, sizeof(seed)));
	d->cookies.messages.left = LOAD_BURST;
	d->cookies.replies.left = REPLY_BURST;
	d->cookies.rates = enn_rate_limit_new(d->env, &rate_policy, seed);
	return d->cookies.rates == NULL ? ENN_E_MEMORY : ENN_OK;
}

void enn_wg_cookies_close(struct enn_wireguard *d)
{
	enn_rate_limit_free(d->cookies.rates);
	enn_wipe(d->cookies.secret, sizeof(d->cookies.secret));
	enn_wipe(d->cookies.cookie, sizeof(d->cookies.cookie));
}

/* ---- load ---------------------------------------------------------------------------------- */

bool enn_wg_under_load(const struct enn_wireguard *d, enn_time now)
{
	return d->cookies.always || now < d->cookies.load_until;
}

/* False: there is none left. */
static bool take_token(struct enn_wg_tokens *t, enn_time now, uint32_t rate, uint32_t burst)
{
	enn_time passed = now - t->at;
	enn_time earned = passed >= ENN_SECOND ? burst : passed * rate / ENN_SECOND;

	if (earned > 0) {
		t->at = now;
		t->left = t->left + earned > burst ? burst : t->left + (uint32_t)earned;
	}
	if (t->left == 0) {
		return false;
	}
	t->left--;
	return true;
}

static void count_message(struct enn_wg_cookies *c, enn_time now)
{
	if (!take_token(&c->messages, now, LOAD_RATE, LOAD_BURST)) {
		c->load_until = now + LOAD_TIME;
	}
}

/* ---- the cookies that we give --------------------------------------------------------------- */

/* MAC(secret, address and port of the sender) */
static enum enn_status cookie_of(struct enn_wireguard *d, enn_time now, uint8_t *cookie)
{
	const struct enn_address *from = &d->input.path.remote;
	struct enn_wg_cookies *c = &d->cookies;
	uint8_t source[19];
	struct enn_writer w = enn_writer_of(source, sizeof(source));

	if (now >= c->secret_until) {
		ENN_TRY(enn_random(d->env, c->secret, sizeof(c->secret)));
		c->secret_until = now + COOKIE_SECRET_TIME;
	}
	enn_write_u8(&w, from->family);
	enn_write_bytes(&w, from->ip, sizeof(from->ip));
	enn_write_u16(&w, from->port);
	return enn_blake2s_mac(d->env, c->secret, sizeof(c->secret), source, sizeof(source),
			       cookie);
}

static bool has_mac2(struct enn_bytes message)
{
	static const uint8_t none[ENN_WG_MAC];

	return memcmp(message.data + message.len - ENN_WG_MAC, none, sizeof(none)) != 0;
}

static bool mac2_fits(struct enn_wireguard *d, struct enn_bytes message)
{
	uint8_t mac[ENN_WG_MAC];
	size_t covered = message.len - ENN_WG_MAC;

	return enn_blake2s_mac(d->env, d->cookies.cookie, ENN_WG_COOKIE, message.data, covered,
			       mac) == ENN_OK &&
	       enn_equal_secret(mac, message.data + covered, sizeof(mac));
}

/* What is cheap comes first, and who has a cookie is not held up by those who have none. */
static enum enn_wg_verdict judge_under_load(struct enn_wireguard *d, enn_time now,
					    struct enn_bytes message)
{
	bool tried = has_mac2(message);

	if (!tried && !take_token(&d->cookies.replies, now, REPLY_RATE, REPLY_BURST)) {
		return VERDICT_DROP;
	}
	if (cookie_of(d, now, d->cookies.cookie) != ENN_OK) {
		return VERDICT_DROP;
	}
	if (!tried) {
		return VERDICT_COOKIE;
	}
	if (mac2_fits(d, message)) {
		const struct enn_address *from = &d->input.path.remote;
		return enn_rate_limit_take(d->cookies.rates, now, from) ? VERDICT_WORK
									: VERDICT_DROP;
	}
	/* One of the last secret, or none at all. */
	return take_token(&d->cookies.replies, now, REPLY_RATE, REPLY_BURST) ? VERDICT_COOKIE
									     : VERDICT_DROP;
}

enum enn_wg_verdict enn_wg_judge(struct enn_wireguard *d, enn_time now, struct enn_bytes message)
{
	uint8_t mac[ENN_WG_MAC];
	size_t covered = message.len - ENN_WG_MACS;

	if (!d->local.present ||
	    enn_blake2s_mac(d->env, d->local.mac1_key, ENN_WG_HASH, message.data, covered, mac) !=
		    ENN_OK ||
	    !enn_equal_secret(mac, message.data + covered, sizeof(mac))) {
		return VERDICT_DROP;
	}
	count_message(&d->cookies, now);
	return enn_wg_under_load(d, now) ? judge_under_load(d, now, message) : VERDICT_WORK;
}

/* Bound to the mac1 of the message, which only its sender and whom it was sent to have seen. */
void enn_wg_reply_cookie(struct enn_wireguard *d, struct enn_bytes message)
{
	uint8_t nonce[ENN_WG_NONCE];
	uint8_t sealed[ENN_WG_COOKIE + ENN_WG_TAG];
	struct enn_reader r = enn_reader_of(message.data, message.len);
	struct enn_bytes mac1 = {message.data + message.len - ENN_WG_MACS, ENN_WG_MAC};

	if (d->reply_tail - d->reply_head == REPLY_RING ||
	    enn_wg_random(&d->tools, nonce, sizeof(nonce)) != ENN_OK) {
		return;
	}
	enn_xchacha_seal(d->local.cookie_key, nonce, mac1, d->cookies.cookie, ENN_WG_COOKIE,
			 sealed);
	(void)enn_read_u32_le(&r); /* the type */
	const struct enn_wg_cookie_reply reply = {
		.receiver = enn_read_u32_le(&r),
		.nonce = {nonce, sizeof(nonce)},
		.cookie = {sealed, sizeof(sealed)},
	};
	struct enn_wg_reply *out = &d->replies[d->reply_tail++ % REPLY_RING];
	out->path = d->input.path;
	enn_wg_write_cookie_reply(&reply, out->message);
}

/* ---- the cookies that we get ---------------------------------------------------------------- */

void enn_wg_receive_cookie(struct enn_wireguard *d, enn_time now, struct enn_bytes message)
{
	struct enn_wg_cookie_reply m;
	uint8_t cookie[ENN_WG_COOKIE];

	enn_wg_parse_cookie_reply(message, &m);
	struct enn_wg_index *index = enn_wg_index_find(d, m.receiver);
	struct enn_wg_peer *p = index == NULL ? NULL : index->peer;
	if (p == NULL || !p->mac1_sent) {
		d->handshakes_dropped++;
		return;
	}
	struct enn_bytes mac1 = {p->last_mac1, sizeof(p->last_mac1)};
	if (enn_xchacha_open(p->remote.cookie_key, m.nonce.data, mac1, m.cookie.data, m.cookie.len,
			     cookie) != ENN_OK) {
		d->handshakes_dropped++;
		return;
	}
	/* It is used by the next message, which the retry timer makes (WP §6.6). */
	memcpy(p->cookie, cookie, sizeof(cookie));
	p->cookie_until = now + COOKIE_SECRET_TIME - COOKIE_LATENCY;
	p->mac1_sent = false;
}

enum enn_status enn_wg_add_macs(struct enn_wg_peer *p, enn_time now, uint8_t *message, size_t len)
{
	const struct enn_env *env = p->device->env;
	uint8_t *mac1 = message + len - ENN_WG_MACS;
	uint8_t *mac2 = message + len - ENN_WG_MAC;

	ENN_TRY(enn_blake2s_mac(env, p->remote.mac1_key, ENN_WG_HASH, message, len - ENN_WG_MACS,
				mac1));
	memcpy(p->last_mac1, mac1, ENN_WG_MAC);
	p->mac1_sent = true;
	if (now < p->cookie_until) {
		return enn_blake2s_mac(env, p->cookie, ENN_WG_COOKIE, message, len - ENN_WG_MAC,
				       mac2);
	}
	memset(mac2, 0, ENN_WG_MAC);
	return ENN_OK;
}
