/* SPDX-License-Identifier: Apache-2.0
 *
 * WireGuard in the simulator over datagrams: who knows whom and how, IP packets as
 * messages, and an observer who watches the wire without keys.
 */
#ifndef ENN_TESTS_SIM_WIREGUARD_WORLD_H
#define ENN_TESTS_SIM_WIREGUARD_WORLD_H

#include "dgram_world.h"
#include "ennead/wireguard.h"

/* Own troubles. */
enum {
	WG_PSK = DGRAM_OWN, /* pre-shared keys */
	WG_WRONG_PSK,	    /* some pairs have different ones */
	WG_ONE_SIDED,	    /* some endpoints are known to one side only, or to none */
	WG_SIX,		    /* some outer addresses are IPv6 */
	WG_KEEPALIVE,	    /* persistent keepalives */
	WG_LOAD,	    /* some hosts always ask for cookies */
	WG_STRANGERS,	    /* some pairs are not configured at all */
	WG_TROUBLES_END
};

/* Own deeds; length is the time until the other half of it. */
enum {
	WG_DEED_REMOVE = DGRAM_DEED_OWN, /* a peer goes, and comes back */
	WG_DEED_NEW_PSK,		 /* for a pair, on one side and then on the other */
	WG_DEED_NEW_KEY,		 /* a host's private key; its peers learn of it later */
	WG_DEED_ROUTES,			 /* a peer's allowed IPs are given to nobody, and back */
	WG_DEED_ENDPOINT,		 /* a peer's endpoint is set to where it is now */
	WG_DEED_LOAD,			 /* under load, and not */
	WG_DEED_REKEY,			 /* enn_engine_rekey */
	WG_DEED_SAME,			 /* the whole configuration again, as it is */
	WG_DEED_KEEPALIVE,		 /* another interval, and back */
	WG_DEEDS_END
};

/* What a scenario says of one host's view of another. */
struct wg_view {
	uint8_t knows;	/* the endpoint */
	uint8_t family; /* of it */
	uint16_t keepalive;
};
struct wg_pair {
	uint8_t strangers, psk, wrong_psk;
};
struct wg_plan {
	uint16_t mtu[DGRAM_HOSTS];
	uint8_t load[DGRAM_HOSTS];
	struct wg_view view[DGRAM_HOSTS][DGRAM_HOSTS];
	struct wg_pair pair[DGRAM_HOSTS][DGRAM_HOSTS]; /* [smaller][larger] */
};

#define WG_TRUSTED    64
#define WG_GREETED    64
#define WG_STREAMS    256
#define WG_INDICES    512
#define WG_IDENTITIES 128

/* A sender's use of one session: what the observer sees of it. */
struct wg_stream {
	uint8_t from, to; /* to: DGRAM_STRANGER if it has not seen the handshake */
	bool initiator;	  /* `from` has begun it */
	uint32_t life, receiver;
	uint64_t counter; /* the next */
	enn_time first;	  /* on the sender's clock */
};

struct wg_host {
	uint8_t private_key[ENN_WIREGUARD_KEY];
	uint8_t public_key[ENN_WIREGUARD_KEY];
	uint8_t mac1_key[32]; /* of messages to it */
	unsigned keys;	      /* private keys so far */
	bool load;
	struct enn_address trusted[WG_TRUSTED]; /* endpoints that it was configured with */
	size_t trusted_count;
	/* addresses from which something came that deserves an answer */
	struct enn_address greeted[WG_GREETED];
	size_t greeted_count;
	uint64_t bytes_out, bytes_in; /* in this life; without cookie replies */
	enn_time load_since;
	int64_t wall_high; /* the latest time that an earlier life may have told */
	bool forgot;	   /* a peer was removed: old initiations may be news again */
	bool loaded;	   /* it was under load: messages may not have been read */
	/* by peer: initiations up to this one are known to be old, and the first that came since; by transmission */
	uint32_t answered[DGRAM_HOSTS], unanswered[DGRAM_HOSTS];
	/* by peer */
	enn_time last_initiation[DGRAM_HOSTS]; /* sent, on its clock; ENN_TIME_NEVER: none */
	enn_time must_initiate[DGRAM_HOSTS];   /* since when, on its clock; NEVER: need not */
	bool mac2_seen[DGRAM_HOSTS];	       /* initiations with a cookie have come */
	enn_time last_passed[DGRAM_HOSTS];     /* any packet either way, in the calm */
	enn_time owed[DGRAM_HOSTS]; /* since when an answer is due, in the calm; NEVER: none */
};

struct wg_world {
	struct wg_plan plan; /* what is switched off is taken out */
	struct wg_host host[DGRAM_HOSTS];
	uint8_t psk[DGRAM_HOSTS][DGRAM_HOSTS][ENN_WIREGUARD_KEY]; /* as each side has it */
	bool removed[DGRAM_HOSTS][DGRAM_HOSTS];
	bool unrouted[DGRAM_HOSTS][DGRAM_HOSTS];
	uint16_t keepalive[DGRAM_HOSTS][DGRAM_HOSTS];
	unsigned drawn;		    /* pre-shared keys so far */
	struct sim_scan identities; /* public keys, which never cross the wire in clear */
	struct {		    /* all that there have been */
		uint8_t public_key[ENN_WIREGUARD_KEY];
		uint8_t mac1_key[32];
		uint8_t host;
	} identity[WG_IDENTITIES];
	size_t identity_count;
	struct wg_stream stream[WG_STREAMS];
	size_t streams;
	struct {
		uint32_t value;
		uint8_t owner;
		bool responder;
	} index[WG_INDICES]; /* that handshake messages have named */
	size_t indices;
	uint64_t initiations, responses, cookies, data, keepalives;
};

static inline struct wg_world *wg_of(const struct dgram_world *w)
{
	return w->own;
}

extern const struct dgram_protocol wg_protocol; /* wireguard_world.c */

/* ---- wireguard_plan.c ---- */
extern const char *const wg_trouble_names[WG_TROUBLES_END - DGRAM_OWN];
extern const char *const wg_deed_names[WG_DEEDS_END - DGRAM_DEED_OWN];
void wg_draw(struct dgram_scenario *s, struct sim_rng *r);
void wg_print(const struct dgram_scenario *s);
bool wg_lossless(const struct dgram_scenario *s);
/* The scenario's plan without what is switched off. */
void wg_plan_of(const struct dgram_scenario *s, struct wg_plan *plan);

/* ---- wireguard_config.c ---- */
void wg_open(struct dgram_world *w);
void wg_close(struct dgram_world *w);
enum enn_status wg_make(struct dgram_host *h);
void wg_deed(struct dgram_world *w, const struct dgram_deed *d);
void wg_calm(struct dgram_world *w);
/* Is the peer configured on this side, and routed? */
bool wg_linked(const struct dgram_world *w, unsigned a, unsigned b);
/* The host whose key a peer id of h's engine has; DGRAM_STRANGER. */
unsigned wg_peer_host(const struct dgram_host *h, uint64_t id);
bool wg_peer_info(const struct dgram_host *h, unsigned peer, struct enn_wireguard_peer_info *info);

/* ---- wireguard_packet.c ---- */
size_t wg_wrap(struct dgram_world *w, const struct dgram_message *m, const uint8_t *payload,
	       uint8_t *out);
bool wg_unwrap(struct dgram_end *end, const struct enn_event *event, const uint8_t **payload,
	       size_t *len, unsigned *from);
size_t wg_forge(struct dgram_world *w, unsigned target, bool first, struct sim_rng *r, uint8_t *out,
		size_t cap);
const char *wg_describe(const uint8_t *data, size_t len);
/* The inner address of a host; n distinguishes several. */
void wg_inner_address(unsigned host, unsigned family, unsigned n, uint8_t out[16]);

/* ---- wireguard_observer.c ---- */
void wg_saw_sent(struct dgram_host *h, const struct enn_path *path, const uint8_t *data,
		 size_t len);
void wg_saw_arrived(struct dgram_host *h, const struct dgram_datagram *d);
void wg_saw_received(struct dgram_host *h, unsigned from);
void wg_check(struct dgram_world *w);
void wg_check_end(struct dgram_world *w);
size_t wg_memory(const struct dgram_host *h);

#endif
