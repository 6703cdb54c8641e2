/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of the configuration protocol.
 *
 * A request is kept in the form of the change that it asks for, never as text: its keys are
 * wiped with it. Nothing is applied before its last line, so that it is applied
 * as a whole or not at all.
 */
#include "tunnel_uapi.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ----------------------------------------------------------------------------------- */

/* realloc that leaves no keys behind. */
static bool grow(void **array, size_t *capacity, size_t count, size_t size)
{
	if (count < *capacity) {
		return true;
	}
	size_t more = *capacity == 0 ? 16 : 2 * *capacity;
	void *bigger = calloc(more, size);
	if (bigger == NULL) {
		return false;
	}
	if (count > 0) {
		memcpy(bigger, *array, count * size);
		OPENSSL_cleanse(*array, count * size);
	}
	free(*array);
	*array = bigger;
	*capacity = more;
	return true;
}

void uapi_reset(struct uapi_request *r)
{
	if (r->peers != NULL) {
		OPENSSL_cleanse(r->peers, r->peer_count * sizeof(r->peers[0]));
	}
	free(r->peers);
	free(r->first_ip);
	free(r->ips);
	OPENSSL_cleanse(r, sizeof(*r));
	memset(r, 0, sizeof(*r));
}

/* ---- the interface ---------------------------------------------------------------------------- */

/* They return 0 or an errno. */
typedef int (*take_value)(struct uapi_request *r, struct text value);

static struct enn_wireguard_peer_change *current(struct uapi_request *r)
{
	return &r->peers[r->peer_count - 1];
}

static int take_true(struct text value)
{
	return text_is(value, "true") ? 0 : EINVAL;
}

static int take_private_key(struct uapi_request *r, struct text value)
{
	r->change.set_private_key = true;
	return text_hex_key(value, r->change.private_key) ? 0 : EINVAL;
}

static int take_listen_port(struct uapi_request *r, struct text value)
{
	uint64_t n = 0;

	if (!text_number(value, UINT16_MAX, &n)) {
		return EINVAL;
	}
	r->has_listen_port = true;
	r->listen_port = (uint16_t)n;
	return 0;
}

static int take_fwmark(struct uapi_request *r, struct text value)
{
	uint64_t n = 0;

	/* an empty value is an older way of saying 0 */
	if (value.len > 0 && !text_any_number(value, UINT32_MAX, &n)) {
		return EINVAL;
	}
	r->has_fwmark = true;
	r->fwmark = (uint32_t)n;
	return 0;
}

static int take_replace_peers(struct uapi_request *r, struct text value)
{
	r->change.replace_peers = true;
	return take_true(value);
}

static int take_public_key(struct uapi_request *r, struct text value)
{
	void *peers = r->peers;
	void *first = r->first_ip;
	size_t capacity = r->peer_capacity;

	if (!grow(&peers, &capacity, r->peer_count, sizeof(r->peers[0]))) {
		return ENOMEM;
	}
	r->peers = peers;
	capacity = r->peer_capacity;
	if (!grow(&first, &capacity, r->peer_count, sizeof(r->first_ip[0]))) {
		return ENOMEM; /* peers is larger than peer_capacity says, which does no harm */
	}
	r->first_ip = first;
	r->peer_capacity = capacity;
	r->first_ip[r->peer_count++] = r->ip_count;
	memset(current(r), 0, sizeof(*current(r)));
	return text_hex_key(value, current(r)->public_key) ? 0 : EINVAL;
}

/* ---- a peer ----------------------------------------------------------------------------------- */

static int take_flag(struct uapi_request *r, struct text value, uint32_t flag)
{
	current(r)->flags |= flag;
	return take_true(value);
}

static int take_remove(struct uapi_request *r, struct text value)
{
	return take_flag(r, value, ENN_WIREGUARD_PEER_REMOVE);
}

static int take_update_only(struct uapi_request *r, struct text value)
{
	return take_flag(r, value, ENN_WIREGUARD_PEER_UPDATE_ONLY);
}

static int take_replace_ips(struct uapi_request *r, struct text value)
{
	return take_flag(r, value, ENN_WIREGUARD_PEER_REPLACE_IPS);
}

static int take_preshared_key(struct uapi_request *r, struct text value)
{
	current(r)->flags |= ENN_WIREGUARD_PEER_PSK;
	return text_hex_key(value, current(r)->preshared_key) ? 0 : EINVAL;
}

static int take_endpoint(struct uapi_request *r, struct text value)
{
	current(r)->flags |= ENN_WIREGUARD_PEER_ENDPOINT;
	return text_endpoint(value, &current(r)->endpoint) ? 0 : EINVAL;
}

static int take_keepalive(struct uapi_request *r, struct text value)
{
	uint64_t n = 0;

	if (!text_number(value, UINT16_MAX, &n)) {
		return EINVAL;
	}
	current(r)->flags |= ENN_WIREGUARD_PEER_KEEPALIVE;
	current(r)->persistent_keepalive = (uint16_t)n;
	return 0;
}

static int take_allowed_ip(struct uapi_request *r, struct text value)
{
	struct enn_wireguard_prefix ip = {.family = ENN_FAMILY_NONE};
	struct enn_prefix prefix;
	void *ips = r->ips;

	if (value.len > 0 && (value.at[0] == '-' || value.at[0] == '+')) {
		ip.remove = value.at[0] == '-';
		value.at++;
		value.len--;
	}
	if (!text_prefix(value, &prefix)) {
		return EINVAL;
	}
	memcpy(ip.ip, prefix.ip, sizeof(ip.ip));
	ip.family = prefix.family;
	ip.bits = prefix.bits;
	if (!grow(&ips, &r->ip_capacity, r->ip_count, sizeof(ip))) {
		return ENOMEM;
	}
	r->ips = ips;
	r->ips[r->ip_count++] = ip;
	current(r)->allowed_ips_count++;
	return 0;
}

static int take_version(struct uapi_request *r, struct text value)
{
	(void)r;
	return text_is(value, "1") ? 0 : EPROTONOSUPPORT;
}

static const struct {
	const char *name;
	bool of_peer;
	take_value take;
} keys[] = {
	{"private_key", false, take_private_key},
	{"listen_port", false, take_listen_port},
	{"fwmark", false, take_fwmark},
	{"replace_peers", false, take_replace_peers},
	{"public_key", false, take_public_key}, /* begins a peer, also behind another */
	{"remove", true, take_remove},
	{"update_only", true, take_update_only},
	{"preshared_key", true, take_preshared_key},
	{"endpoint", true, take_endpoint},
	{"persistent_keepalive_interval", true, take_keepalive},
	{"replace_allowed_ips", true, take_replace_ips},
	{"allowed_ip", true, take_allowed_ip},
	{"protocol_version", true, take_version},
};

static int take_setting(struct uapi_request *r, struct text line)
{
	struct text name;
	struct text value = text_cut(line, '=', &name);

	if (value.at == NULL) {
		return EINVAL;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!text_is(name, keys[i].name)) {
			continue;
		}
		bool in_peer = r->peer_count > 0;
		if (in_peer != keys[i].of_peer && keys[i].take != take_public_key) {
			return EINVAL;
		}
		return keys[i].take(r, value);
	}
	return EINVAL;
}

/* ---- the whole request ------------------------------------------------------------------------ */

/* By key, and the same key in the order in which it came. */
static int compare(const void *a, const void *b, void *ctx)
{
	const struct enn_wireguard_peer_change *peers = ctx;
	const size_t *x = a;
	const size_t *y = b;
	int order = memcmp(peers[*x].public_key, peers[*y].public_key, ENN_WIREGUARD_KEY);

	return order != 0 ? order : *x < *y ? -1 : 1;
}

/* replace_peers makes every peer new: what the request does not say is not kept from before. That is
 * said where a peer is named first; later lines about it only add. Its endpoint and its session
 * may stay, for the peer is the same. */
static int reset_peers(struct uapi_request *r)
{
	size_t *order = calloc(r->peer_count, sizeof(order[0]));

	if (order == NULL) {
		return ENOMEM;
	}
	for (size_t i = 0; i < r->peer_count; i++) {
		order[i] = i;
	}
	qsort_r(order, r->peer_count, sizeof(order[0]), compare, r->peers);
	for (size_t i = 0; i < r->peer_count; i++) {
		struct enn_wireguard_peer_change *peer = &r->peers[order[i]];
		if (i == 0 || memcmp(peer->public_key, r->peers[order[i - 1]].public_key,
				     ENN_WIREGUARD_KEY) != 0) {
			peer->flags |= ENN_WIREGUARD_PEER_REPLACE_IPS | ENN_WIREGUARD_PEER_PSK |
				       ENN_WIREGUARD_PEER_KEEPALIVE;
		}
	}
	free(order);
	return 0;
}

static void finish(struct uapi_request *r)
{
	if (r->kind != UAPI_SET || r->error != 0) {
		return;
	}
	if (r->change.replace_peers && r->peer_count > 0) {
		r->error = reset_peers(r);
	}
	for (size_t i = 0; i < r->peer_count; i++) {
		r->peers[i].allowed_ips =
			r->peers[i].allowed_ips_count > 0 ? r->ips + r->first_ip[i] : NULL;
	}
	r->change.peers = r->peers;
	r->change.peer_count = r->peer_count;
}

static int begin(struct uapi_request *r, struct text line)
{
	if (text_is(line, "get=1")) {
		r->kind = UAPI_GET;
		return 0;
	}
	r->kind = UAPI_SET;
	return text_is(line, "set=1") ? 0 : EPROTONOSUPPORT;
}

bool uapi_take_line(struct uapi_request *r, struct text line)
{
	int error = 0;

	if (line.len == 0) {
		finish(r);
		return true;
	}
	r->bytes += line.len + 1;
	if (r->bytes > UAPI_MAX_BYTES) {
		error = EMSGSIZE;
	} else if (r->error != 0) {
		return false;
	} else if (r->kind == UAPI_NOTHING) {
		error = begin(r, line);
	} else {
		error = r->kind == UAPI_SET ? take_setting(r, line) : EINVAL;
	}
	r->error = r->error != 0 ? r->error : error;
	return false;
}
