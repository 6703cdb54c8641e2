/* SPDX-License-Identifier: Apache-2.0
 *
 * The survey's features of WireGuard, on two interfaces.
 */
#include <string.h>

#include "survey.h"

#define KEY ENN_WIREGUARD_KEY

/* The messages (white paper §5.4) as far as a check looks at them. */
enum { INITIATION = 1, RESPONSE = 2, COOKIE_REPLY = 3, TRANSPORT = 4 };
#define INITIATION_EPHEMERAL 8
#define RESPONSE_EPHEMERAL   12
#define MAC2		     16 /* at the end of both; not looked at without load */
#define OVERHEAD	     ENN_WIREGUARD_OVERHEAD

#define INNER 64
static const char secret_text[] = "nobody may read this";

/* ---- two interfaces ---------------------------------------------------------------------------- */

/* What differs from two interfaces that know each other. */
struct setup {
	bool stranger[2]; /* side i expects somebody else's key */
	const uint8_t *psk[2];
	bool under_load; /* side 1 */
};

struct keys {
	uint8_t secret[2][KEY];
	uint8_t known[2][KEY]; /* what side i takes its peer for */
};

static bool make_keys(const struct survey *s, const struct setup *setup, struct keys *k)
{
	uint8_t other[KEY];
	bool good = true;

	for (int i = 0; i < 2; i++) {
		good = good && enn_wireguard_generate_key(&s->env, k->secret[i]) == ENN_OK &&
		       enn_wireguard_public_key(&s->env, k->secret[i], k->known[1 - i]) == ENN_OK;
	}
	for (int i = 0; i < 2; i++) {
		if (setup->stranger[i]) {
			good = good && enn_wireguard_generate_key(&s->env, other) == ENN_OK &&
			       enn_wireguard_public_key(&s->env, other, k->known[i]) == ENN_OK;
		}
	}
	return good;
}

static bool make_side(struct survey_pair *p, int i, const struct setup *setup, const struct keys *k)
{
	struct survey_side *side = &p->side[i];
	struct enn_wireguard_prefix allowed = {
		.ip = {10, 0, 0, (uint8_t)(2 - i)}, .family = ENN_FAMILY_IPV4, .bits = 32};
	struct enn_wireguard_peer_change peer = {
		.flags = ENN_WIREGUARD_PEER_ENDPOINT | ENN_WIREGUARD_PEER_PSK,
		.endpoint = p->side[1 - i].address,
		.allowed_ips = &allowed,
		.allowed_ips_count = 1,
	};
	struct enn_wireguard_change change = {.set_private_key = true,
					      .peers = &peer,
					      .peer_count = 1,
					      .set_mtu = true,
					      .mtu = ENN_WIREGUARD_DEFAULT_MTU,
					      .set_under_load = true,
					      .under_load = setup->under_load && i == 1};

	memcpy(peer.public_key, k->known[i], KEY);
	memcpy(change.private_key, k->secret[i], KEY);
	if (setup->psk[i] != NULL) {
		memcpy(peer.preshared_key, setup->psk[i], KEY);
	}
	return enn_wireguard_new(&p->survey->env, &side->engine, NULL) == ENN_OK &&
	       enn_wireguard_configure(side->engine, p->now, &change, NULL) == ENN_OK &&
	       enn_engine_start(side->engine, p->now) == ENN_OK;
}

/* NULL, and refuted, if it cannot be made. */
static struct survey_pair *meet(struct survey *s, const struct setup *setup)
{
	struct survey_pair *p = survey_pair_new(s);
	struct keys k;

	if (p == NULL || !survey_expect(s,
					make_keys(s, setup, &k) && make_side(p, 0, setup, &k) &&
						make_side(p, 1, setup, &k),
					"the interfaces cannot be made")) {
		survey_pair_free(p);
		return NULL;
	}
	return p;
}

/* ---- packets ------------------------------------------------------------------------------------ */

/* IPv4 (RFC 791 §3.1) as far as a tunnel looks at it. */
static void make_packet(uint8_t *out, int from, size_t len)
{
	const uint8_t addresses[8] = {10, 0, 0, (uint8_t)(from + 1), 10, 0, 0, (uint8_t)(2 - from)};

	memset(out, 0, len);
	out[0] = 0x45;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	memcpy(out + 12, addresses, sizeof(addresses));
	if (len >= 20 + sizeof(secret_text)) {
		memcpy(out + 20, secret_text, sizeof(secret_text));
	}
}

static void send(struct survey_pair *p, int from, size_t len)
{
	uint8_t packet[ENN_WIREGUARD_DEFAULT_MTU];

	make_packet(packet, from, len);
	(void)survey_expect(p->survey, survey_pair_send(p, from, packet, len, 0) == ENN_OK,
			    "the interface did not take a packet");
}

static bool arrived(struct survey_pair *p, int from, size_t len)
{
	uint8_t packet[ENN_WIREGUARD_DEFAULT_MTU];

	make_packet(packet, from, len);
	return survey_pair_got(p, 1 - from, packet, len);
}

static void talk(struct survey_pair *p, int from)
{
	send(p, from, INNER);
	survey_pair_settle(p);
	(void)survey_expect(p->survey, arrived(p, from, INNER), "a packet did not arrive");
}

/* The first message of this type on a side's wire. */
static struct survey_packet *find(struct survey_pair *p, int side, uint8_t type)
{
	for (size_t i = 0; i < p->side[side].out_count; i++) {
		if (p->side[side].out[i].data[0] == type) {
			return &p->side[side].out[i];
		}
	}
	return NULL;
}

/* Takes a copy of it; false, and refuted, if it is not there. */
static bool record(struct survey_pair *p, int side, uint8_t type, struct survey_packet *out)
{
	const struct survey_packet *packet = find(p, side, type);

	if (!survey_expect(p->survey, packet != NULL, "a message of the handshake is missing")) {
		return false;
	}
	*out = *packet;
	return true;
}

/* Injects the packet once for each bit of its first len bytes, with that bit changed. */
static size_t inject_flipped(struct survey_pair *p, int to, const struct survey_packet *packet,
			     size_t len)
{
	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct survey_packet changed = *packet;
		changed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		survey_pair_inject(p, to, &changed);
	}
	return 8 * len;
}

static struct enn_wireguard_info info_of(const struct survey_pair *p, int side)
{
	struct enn_wireguard_info info;

	enn_wireguard_info(p->side[side].engine, &info);
	return info;
}

static bool has_session(const struct survey_pair *p, int side)
{
	struct enn_wireguard_peer_info info;
	uint64_t cursor = 0;

	return enn_wireguard_next_peer(p->side[side].engine, &cursor, &info) && info.has_session;
}

/* ---- mandatory features ------------------------------------------------------------------------- */

static void authenticated_encryption(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = false});
	struct survey_packet whole;

	if (p == NULL) {
		return;
	}
	talk(p, 0);
	send(p, 0, INNER);
	(void)survey_expect(s, !survey_pair_shows(p, 0, secret_text, sizeof(secret_text)),
			    "the text is on the wire in clear");
	if (record(p, 0, TRANSPORT, &whole)) {
		survey_pair_lose(p, 0);
		uint64_t before = info_of(p, 1).packets_dropped;
		size_t flips = inject_flipped(p, 1, &whole, whole.len);
		(void)survey_expect(s,
				    p->side[1].inbox_len == 0 &&
					    info_of(p, 1).packets_dropped - before == flips,
				    "a changed message was taken");
		survey_pair_inject(p, 1, &whole);
		(void)survey_expect(s, arrived(p, 0, INNER), "the true message was refused");
		survey_pair_inject(p, 1, &whole);
		(void)survey_expect(s, p->side[1].inbox_len == 0, "a replayed message was taken");
		survey_tell(s,
			    "each of %zu flipped bits made the message be dropped; so did a replay",
			    flips);
	}
	survey_pair_free(p);
}

/* One handshake by hand: the ephemeral keys of both sides. */
static void shake_hands(struct survey_pair *p, uint8_t ephemeral[2][KEY])
{
	struct survey_packet m;

	send(p, 0, INNER);
	if (record(p, 0, INITIATION, &m)) {
		memcpy(ephemeral[0], m.data + INITIATION_EPHEMERAL, KEY);
	}
	survey_pair_deliver(p, 1);
	if (record(p, 1, RESPONSE, &m)) {
		memcpy(ephemeral[1], m.data + RESPONSE_EPHEMERAL, KEY);
	}
	survey_pair_settle(p);
	p->side[1].inbox_len = 0;
}

static void forward_secrecy(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = false});
	uint8_t first[2][KEY] = {{0}}, second[2][KEY] = {{0}};
	struct survey_packet old;

	if (p == NULL) {
		return;
	}
	shake_hands(p, first);
	survey_pair_wait(p, 121 * ENN_SECOND); /* keys are renewed after 120 (WP §6.1) */
	shake_hands(p, second);
	(void)survey_expect(
		s, memcmp(first[0], second[0], KEY) != 0 && memcmp(first[1], second[1], KEY) != 0,
		"an ephemeral key was used twice");
	send(p, 0, INNER);
	if (record(p, 0, TRANSPORT, &old)) {
		survey_pair_lose(p, 0);
		talk(p, 0);
		talk(p, 1);
		(void)survey_expect(s, has_session(p, 0) && has_session(p, 1), "there are no keys");
		survey_pair_wait(p, 541 * ENN_SECOND); /* three times reject-after (WP §6.3) */
		(void)survey_expect(s, !has_session(p, 0) && !has_session(p, 1),
				    "keys outlived their time");
		survey_pair_inject(p, 1, &old);
		(void)survey_expect(s, p->side[1].inbox_len == 0, "a recorded message was opened");
	}
	survey_tell(
		s,
		"each handshake had new ephemeral keys; 540 s after the last, keys were gone and "
		"a recorded message stayed shut");
	survey_pair_free(p);
}

static void public_key_authentication(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = false});
	struct enn_wireguard_info client;
	struct enn_wireguard_peer_info peer;
	uint8_t packet[INNER];
	uint64_t cursor = 0;

	if (p == NULL) {
		return;
	}
	talk(p, 0);
	client = info_of(p, 0);
	(void)survey_expect(s,
			    enn_wireguard_next_peer(p->side[1].engine, &cursor, &peer) &&
				    peer.id == p->side[1].peer && peer.has_session &&
				    memcmp(peer.public_key, client.public_key, KEY) == 0,
			    "the responder does not know the initiator's key");
	make_packet(packet, 0, sizeof(packet));
	packet[15] = 9; /* from 10.0.0.9, which is not this key's */
	cli_ignore(survey_pair_send(p, 0, packet, sizeof(packet), 0));
	survey_pair_settle(p);
	(void)survey_expect(s, p->side[1].inbox_len == 0,
			    "a packet came from an address that is not its sender's");
	survey_tell(
		s, "the responder knew the initiator by its static key, and dropped a packet whose "
		   "source is not that key's");
	survey_pair_free(p);
}

static void responder_authentication(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.stranger = {true, false}});
	struct survey_packet response;
	size_t flips = 0;

	if (p == NULL) {
		return;
	}
	send(p, 0, INNER);
	survey_pair_wait(p, 30 * ENN_SECOND);
	(void)survey_expect(s, p->side[0].events[ENN_EVENT_READY] == 0 && !has_session(p, 0),
			    "a responder with another key was accepted");
	survey_pair_free(p);
	p = meet(s, &(struct setup){.under_load = false});
	if (p == NULL) {
		return;
	}
	send(p, 0, INNER);
	survey_pair_deliver(p, 1);
	if (record(p, 1, RESPONSE, &response)) {
		survey_pair_lose(p, 1);
		flips = inject_flipped(p, 0, &response, response.len - MAC2);
		(void)survey_expect(s, p->side[0].events[ENN_EVENT_READY] == 0,
				    "a changed response was accepted");
		survey_pair_inject(p, 0, &response);
		(void)survey_expect(s, p->side[0].events[ENN_EVENT_READY] == 1,
				    "the true response was refused");
	}
	survey_tell(
		s,
		"a responder with another key stayed unheard; each of %zu flipped bits spoilt a "
		"true response",
		flips);
	survey_pair_free(p);
}

static void preshared_key(struct survey *s)
{
	static const uint8_t one[KEY] = {1, 2, 3};
	static const uint8_t two[KEY] = {1, 2, 4};
	static const struct {
		const uint8_t *psk[2];
		bool fits;
	} cases[] = {{{one, one}, true},
		     {{one, two}, false},
		     {{one, NULL}, false},
		     {{NULL, one}, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct survey_pair *p =
			meet(s, &(struct setup){.psk = {cases[i].psk[0], cases[i].psk[1]}});
		if (p == NULL) {
			return;
		}
		send(p, 0, INNER);
		survey_pair_wait(p, 30 * ENN_SECOND);
		(void)survey_expect(s, arrived(p, 0, INNER) == cases[i].fits,
				    cases[i].fits ? "equal keys did not connect"
						  : "different keys connected");
		survey_pair_free(p);
	}
	survey_tell(s,
		    "equal keys connected; different ones, and one side without, did not in 30 s");
}

/* ---- optional features ---------------------------------------------------------------------------- */

static void mutual_authentication(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.stranger = {false, true}});

	if (p == NULL) {
		return;
	}
	send(p, 0, INNER);
	survey_pair_deliver(p, 1);
	(void)survey_expect(s, p->side[1].out_count == 0, "an unknown initiator got an answer");
	survey_pair_wait(p, 30 * ENN_SECOND);
	(void)survey_expect(s,
			    p->side[0].events[ENN_EVENT_READY] == 0 &&
				    p->side[1].events[ENN_EVENT_READY] == 0 &&
				    p->side[1].inbox_len == 0,
			    "an unknown initiator was accepted");
	survey_tell(s, "%llu initiations with an unknown static key: no answer, no session",
		    (unsigned long long)info_of(p, 1).handshakes_dropped);
	survey_pair_free(p);
}

/* The same initiation again and again, from many addresses; what it brought on the wire. */
static void flood(struct survey_pair *p, const struct survey_packet *initiation, size_t count,
		  size_t *cookies, size_t *bytes)
{
	for (size_t i = 0; i < count; i++) {
		struct survey_packet spoofed = *initiation;
		spoofed.path.remote.ip[2] = (uint8_t)(100 + i / 200);
		spoofed.path.remote.ip[3] = (uint8_t)(i % 200);
		survey_pair_inject(p, 1, &spoofed);
		*cookies += find(p, 1, COOKIE_REPLY) != NULL ? 1 : 0;
		for (size_t k = 0; k < p->side[1].out_count; k++) {
			*bytes += p->side[1].out[k].len;
		}
		survey_pair_lose(p, 1);
	}
}

static void force_load(struct survey_pair *p)
{
	const struct enn_wireguard_change change = {.set_under_load = true, .under_load = true};

	cli_ignore(enn_wireguard_configure(p->side[1].engine, p->now, &change, NULL));
}

static void dos_mitigation(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = false});
	struct survey_packet initiation;
	const size_t count = 1000;
	size_t cookies = 0;
	size_t bytes = 0;

	if (p == NULL) {
		return;
	}
	send(p, 0, INNER);
	if (record(p, 0, INITIATION, &initiation)) {
		survey_pair_lose(p, 0);
		flood(p, &initiation, count, &cookies, &bytes);
		(void)survey_expect(s, cookies > 0 && info_of(p, 1).under_load,
				    "a flood of handshakes was not taken for load");
		(void)survey_expect(s, bytes < count * initiation.len,
				    "the answers to a flood are more than the flood");
		force_load(p);
		survey_pair_wait(p, 13 * ENN_SECOND); /* two retries: for the cookie, and with it */
		(void)survey_expect(s, arrived(p, 0, INNER), "a true peer could not connect");
		survey_tell(
			s,
			"%zu spoofed initiations: %zu cookies, %zu bytes for %zu; a peer connected "
			"under load",
			count, cookies, bytes, count * initiation.len);
	}
	survey_pair_free(p);
}

static void source_validation(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = true});
	struct survey_packet first, second;

	if (p == NULL) {
		return;
	}
	send(p, 0, INNER);
	if (record(p, 0, INITIATION, &first)) {
		survey_pair_deliver(p, 1);
		(void)survey_expect(
			s, find(p, 1, COOKIE_REPLY) != NULL && find(p, 1, RESPONSE) == NULL,
			"no cookie was asked for");
		survey_pair_deliver(p, 0);
	}
	p->now += 6 * ENN_SECOND; /* the retry (WP §6.4) */
	enn_engine_expire(p->side[0].engine, p->now);
	survey_pair_run(p, 0);
	if (record(p, 0, INITIATION, &second)) {
		struct survey_packet elsewhere[2] = {second, second};
		survey_pair_lose(p, 0);
		elsewhere[0].path.remote.ip[3]++;
		elsewhere[1].path.remote.port++;
		for (int i = 0; i < 2; i++) {
			survey_pair_inject(p, 1, &elsewhere[i]);
			(void)survey_expect(
				s, find(p, 1, RESPONSE) == NULL && find(p, 1, COOKIE_REPLY) != NULL,
				"a cookie was good for another address");
			survey_pair_lose(p, 1);
		}
		survey_pair_inject(p, 1, &second);
		(void)survey_expect(s, find(p, 1, RESPONSE) != NULL,
				    "the cookie was not good for its own address");
	}
	survey_tell(s, "a cookie was good from its address and port only; others were asked for "
		       "their own");
	survey_pair_free(p);
}

static void length_hiding_padding(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = false});
	const size_t shortest = 20, longest = 520;
	size_t sizes = 0;
	size_t last = 0;

	if (p == NULL) {
		return;
	}
	talk(p, 0);
	for (size_t len = shortest; len <= longest && !s->refuted; len++) {
		send(p, 0, len);
		const struct survey_packet *m = find(p, 0, TRANSPORT);
		if (survey_expect(s, m != NULL && (m->len - OVERHEAD) % 16 == 0,
				  "a message is no multiple of 16 bytes")) {
			sizes += m->len != last ? 1 : 0;
			last = m->len;
		}
		survey_pair_settle(p);
		(void)survey_expect(s, arrived(p, 0, len), "the padding was not taken off");
	}
	survey_tell(
		s, "packets of %zu different lengths became messages of %zu, multiples of 16 bytes",
		longest - shortest + 1, sizes);
	survey_pair_free(p);
}

/* The survey's table denies it; the white paper has it (WP §2.1). */
static void connection_mobility(struct survey *s)
{
	struct survey_pair *p = meet(s, &(struct setup){.under_load = false});
	struct survey_packet moved;

	if (p == NULL) {
		return;
	}
	talk(p, 0);
	send(p, 0, INNER);
	if (record(p, 0, TRANSPORT, &moved)) {
		survey_pair_lose(p, 0);
		moved.path.remote.ip[3] = 77;
		(void)inject_flipped(p, 1, &moved, 32);
		(void)survey_expect(s, p->side[1].events[ENN_EVENT_PATH_CHANGED] == 0,
				    "a message that is not authentic moved the peer");
		survey_pair_inject(p, 1, &moved);
		send(p, 1, INNER);
		const struct survey_packet *answer = find(p, 1, TRANSPORT);
		(void)survey_expect(s,
				    p->side[1].events[ENN_EVENT_PATH_CHANGED] == 1 &&
					    answer != NULL && answer->path.local.ip[3] == 77,
				    "the peer was not followed to its new address");
	}
	survey_tell(s, "beyond the survey's table: an authentic message from a new address moved "
		       "the peer, "
		       "others did not");
	survey_pair_free(p);
}

const struct survey_subject survey_wireguard = {
	.id = ENN_PROTOCOL_WIREGUARD,
	.check =
		{
			[ENN_FEATURE_AUTHENTICATED_ENCRYPTION] = authenticated_encryption,
			[ENN_FEATURE_FORWARD_SECRECY] = forward_secrecy,
			[ENN_FEATURE_PUBLIC_KEY_AUTHENTICATION] = public_key_authentication,
			[ENN_FEATURE_RESPONDER_AUTHENTICATION] = responder_authentication,
			[ENN_FEATURE_PRE_SHARED_KEY] = preshared_key,
			[ENN_FEATURE_MUTUAL_AUTHENTICATION] = mutual_authentication,
			[ENN_FEATURE_DOS_MITIGATION] = dos_mitigation,
			[ENN_FEATURE_SOURCE_VALIDATION] = source_validation,
			[ENN_FEATURE_CONNECTION_MOBILITY] = connection_mobility,
			[ENN_FEATURE_LENGTH_HIDING_PADDING] = length_hiding_padding,
		},
};
