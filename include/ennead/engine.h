/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine contract: one protocol endpoint as a pure state machine.
 *
 * An engine never blocks, sleeps, opens, reads a clock or, once its handshake
 * is over, allocates per packet. It is driven by exactly these verbs:
 *
 *            network                         application
 *               │ ingest / end                    │ send / close / rekey …
 *               ▼                                 ▼
 *          ┌──────────────────────────────────────────┐
 *          │                 engine                   │◄── expire (time)
 *          └──────────────────────────────────────────┘
 *               │ transmit                        │ next_event
 *               ▼                                 ▼
 *            network                         application
 *
 * THE LOOP. After *any* call that changes an engine (start, ingest, end,
 * expire, send, answer, rekey, migrate, close) the driver does, in this order:
 *   1. next_event until ENN_EVENT_NONE, acting on each event;
 *   2. transmit until it fills nothing, writing each batch to the network;
 *   3. again from 1 if 2 wrote anything (sealing a message makes its SENT event);
 *   4. arm one timer for deadline().
 * `examples/poll_engine.c` is this loop in full.
 *
 * LENT INPUT. ingest does not copy. The packet descriptors' buffers belong to
 * the engine until next_event has returned ENN_EVENT_NONE; the engine decrypts
 * in place and ENN_EVENT_RECEIVED points into them. On a byte stream an
 * unfinished record at the end of the input is copied into the engine (bounded
 * by one record), so the buffers are the caller's again after the NONE. Over
 * datagrams what RECEIVED told of still lies in them: a driver may keep it beyond
 * the NONE, as the tunnel does to join packets, until it uses the buffers again.
 * A driver that cannot take more data simply stops calling next_event and
 * ingest: that is the inbound back-pressure.
 *
 * LENT OUTPUT. Data given to send is not copied either. It must stay valid and
 * unchanged until the ENN_EVENT_SENT with the same `user` value (or until the
 * engine fails, closes or is freed). transmit encrypts straight from it
 * into the batch. The send queue has a fixed number of places; when they are
 * taken, send answers ENN_E_AGAIN until a SENT event: the outbound back-pressure.
 *
 * QUESTIONS. Where an answer may take time (trust, a PSK, a signature, a session
 * store) the engine emits an event, parks in a named state and goes on with
 * enn_engine_answer. There are no blocking callbacks.
 *
 * FAILURE. A failed engine stays failed: ENN_EVENT_FAILED is the last event,
 * later calls return ENN_E_FAILED, and transmit still hands out the closing
 * alert or packet, so keep step 2 of the loop once more. Free is legal at any time.
 *
 * THREADS. An engine belongs to the thread that runs it, with its enn_env.
 */
#ifndef ENNEAD_ENGINE_H
#define ENNEAD_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enn_engine;
struct enn_security;
struct enn_credential;
struct enn_protocol;
struct enn_acceptor;

/* ---- below the engine: paths, packets, batches ----------------------------- */

enum enn_family { ENN_FAMILY_NONE = 0, ENN_FAMILY_IPV4 = 4, ENN_FAMILY_IPV6 = 6 };

struct enn_address {
	uint8_t ip[16]; /* network order; IPv4 uses the first four */
	uint32_t scope; /* IPv6 scope id, host order */
	uint16_t port;	/* host order */
	uint8_t family; /* enum enn_family */
};

/* The 4-tuple that packets came on or are to leave on. All zero where the
 * substrate is a byte stream: the driver knows its socket. */
struct enn_path {
	struct enn_address local;
	struct enn_address remote;
};

/* One packet from the network, or, on a byte stream, one piece of it of any
 * length: there give one piece a call, several are copied together. See LENT INPUT. */
struct enn_packet {
	uint8_t *data;
	size_t len;
	uint8_t ecn; /* the two ECN bits of the IP header */
};

/* One transmission. The caller sets buf and cap; transmit sets the rest.
 * Byte stream: len bytes to write, segment_size 0. Datagram: len bytes that hold
 * packets of segment_size bytes each (the last may be shorter), all for `path`
 * with `ecn`: one sendmsg with UDP_SEGMENT, or a loop where there is no GSO. */
struct enn_batch {
	uint8_t *buf;
	size_t cap;
	size_t len;
	size_t segment_size;
	struct enn_path path;
	uint8_t ecn;
};

/* ---- above the engine: messages -------------------------------------------- */

enum enn_message_flag {
	/* The last data in this direction: after it the engine sends the protocol's
	 * authenticated end of data (TLS close_notify, QUIC FIN). May come with len 0. */
	ENN_MESSAGE_FINAL = 1u << 0,
	/* May be sent as early data (0-RTT): safely replayable in the words of RFC 9622.
	 * If the peer rejects early data the engine sends it again after the handshake,
	 * once, unless the application protocol changed: then the engine fails. */
	ENN_MESSAGE_EARLY = 1u << 1,
	/* Received only: arrived as early data, an attacker may have replayed it. */
	ENN_MESSAGE_WAS_EARLY = 1u << 2,
};

struct enn_message {
	const uint8_t *data; /* see LENT OUTPUT */
	size_t len;
	void *user;	 /* comes back with ENN_EVENT_SENT */
	uint64_t stream; /* 0 where the protocol has one stream */
	uint32_t flags;	 /* enum enn_message_flag */
};

/* ---- events ------------------------------------------------------------------ */

/* The survey's section 6 in one enum. */
enum enn_event_type {
	ENN_EVENT_NONE = 0,
	/* The handshake is complete and the peer is authenticated as configured. */
	ENN_EVENT_READY,
	/* Data. u.received is lent until the next call of next_event; from a protocol over datagrams
	 * it points into the ingested packets and stays valid until they are used again. A final piece has
	 * ENN_MESSAGE_FINAL (len may be 0): the peer's authenticated end of data. */
	ENN_EVENT_RECEIVED,
	/* u.sent.user is the caller's again: sealed and handed to transmit (stream
	 * protocols), or acknowledged (protocols that retransmit from it). In order. */
	ENN_EVENT_SENT,
	/* Client: early data was accepted or rejected. Server: early data begins. */
	ENN_EVENT_EARLY_DATA,
	/* Identity validation was delegated: answer with ENN_ANSWER_PEER. The engine is
	 * parked in the handshake. enn_engine_info has the peer's chain. */
	ENN_EVENT_VALIDATE_PEER,
	/* Server: a client named an unknown PSK identity. Answer with ENN_ANSWER_PSK. */
	ENN_EVENT_WANT_PSK,
	/* Server, enn_security_ask_credential: whose certificate, or parameters, does u.credential's name
	 * want? Answer with ENN_ANSWER_CREDENTIAL. Nothing is decided yet; lent until the answer. */
	ENN_EVENT_WANT_CREDENTIAL,
	/* Server, whose session store is elsewhere (enn_context_redis_store): take the value of u.store.key out of
	 * it, or claim the key. Answer with ENN_ANSWER_STORE; "no" is always a good answer: the handshake is then a
	 * full one, or early data is refused. Lent until the answer. */
	ENN_EVENT_SESSION_TAKE,
	ENN_EVENT_SESSION_CLAIM,
	/* Server, the same: put u.store.value there under u.store.key until u.store.expires. No answer; lent until
	 * the next call of next_event. Contains secrets. */
	ENN_EVENT_SESSION_PUT,
	/* A credential without private key was chosen: sign u.sign.input with u.sign.scheme
	 * and answer with ENN_ANSWER_SIGNATURE. */
	ENN_EVENT_WANT_IDENTITY,
	/* The source address was validated (datagram protocols). */
	ENN_EVENT_VALIDATE_SOURCE,
	/* u.session is a session to store for a later connection to this peer. Lent until the
	 * next call of next_event. Contains secrets. */
	ENN_EVENT_STORE_SESSION,
	/* Traffic keys changed in one direction (u.keys.direction). */
	ENN_EVENT_KEYS_UPDATED,
	/* A key nears its limit and the protocol cannot renew it by itself. */
	ENN_EVENT_KEYS_EXPIRING,
	ENN_EVENT_PATH_CHANGED,
	/* Both directions ended in an orderly way. The last event. */
	ENN_EVENT_CLOSED,
	/* The last event of a failed engine; u.error says all there is to say. */
	ENN_EVENT_FAILED,
	/* Server: the client answered enn_engine_request_peer. u.authenticated.accepted: it showed an identity, which is
	 * valid; enn_engine_info has the chain as after READY. Else it has none to show: what that means is the
	 * application's to say. One that is wrong ends the connection. */
	ENN_EVENT_PEER_AUTHENTICATED,
};

enum enn_direction { ENN_DIRECTION_SEND = 0, ENN_DIRECTION_RECEIVE = 1 };

struct enn_event {
	enum enn_event_type type;
	uint64_t peer; /* engines with many peers: which one it is about; else 0 */
	union {
		struct enn_message received;
		struct {
			void *user;
			uint64_t stream;
		} sent;
		struct {
			bool accepted;
		} early_data;
		struct {
			bool accepted;
		} authenticated;
		struct {
			const uint8_t *identity;
			size_t identity_len;
		} psk;
		struct {
			const char *server_name; /* not NUL-terminated, printable ASCII */
			size_t server_name_len;	 /* 0: the client names none */
			const uint8_t *alpn;	 /* what it offers: u8 length, id, … (RFC 7301) */
			size_t alpn_len;
		} credential;
		struct {
			const uint8_t *key;
			size_t key_len;
			const uint8_t *value; /* PUT */
			size_t value_len;
			int64_t expires; /* PUT, CLAIM: UNIX time in nanoseconds */
		} store;
		struct {
			uint16_t scheme;      /* TLS SignatureScheme code point */
			const uint8_t *input; /* the bytes to sign, not yet hashed */
			size_t input_len;
			/* Lent until the answer. NULL: the engine has none to name. */
			struct enn_credential *credential;
		} sign;
		struct {
			const uint8_t *data; /* opaque; give it to enn_engine_options.session */
			size_t len;
			int64_t expires; /* UNIX time in nanoseconds */
		} session;
		struct {
			enum enn_direction direction;
			uint64_t generation; /* 1 for the first update; engines with many peers
					      * tell a peer's first keys too, as 0 */
		} keys;
		struct enn_path path;
		struct enn_error error;
	} u;
};

enum enn_answer_type {
	ENN_ANSWER_PEER,
	ENN_ANSWER_PSK,
	ENN_ANSWER_SIGNATURE,
	ENN_ANSWER_CREDENTIAL,
	ENN_ANSWER_STORE
};

/* The reply to a question event. Everything is copied. */
struct enn_answer {
	enum enn_answer_type type;
	bool accept; /* PEER: accept or refuse. STORE, of a claim: the key was not there before, and is now.
		      * Others: false means "I have none". */
	const uint8_t *
		data; /* PSK: the key. SIGNATURE: the signature. STORE: the value that was taken. */
	size_t len;
	uint32_t hash; /* PSK: enum enn_psk_hash */
	/* STORE, of a claim: since when all claims are in this store, UNIX time in nanoseconds. */
	int64_t since;
	/* CREDENTIAL: references are taken. security: the connection goes on under these parameters, with
	 * their own trust, algorithms, ALPN and ticket keys; they freeze. credential: this one is used if its
	 * key fits what the client can check. Neither: what the server has. accept false: unrecognized_name. */
	struct enn_security *security;
	struct enn_credential *credential;
};

/* ---- construction -------------------------------------------------------------- */

/* Plain data, all borrowed for the constructor's call only. Zeroed is valid. */
struct enn_engine_options {
	const char *server_name; /* client: who the peer must be, and SNI. NULL: no name is
				  * checked only if the security parameters say so, else an error */
	const uint8_t *session;	 /* client: from ENN_EVENT_STORE_SESSION, or NULL */
	size_t session_len;
	struct enn_path path; /* datagram protocols */
};

/* Both take a reference on security, which is immutable from then on. env is borrowed for
 * the engine's life. The engine does nothing until start.
 * Errors: ENN_E_MEMORY, ENN_E_ARGUMENT, ENN_E_UNSUPPORTED; *error (may be NULL) says why. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_new_client(
	const struct enn_protocol *protocol, const struct enn_env *env,
	struct enn_security *security, const struct enn_engine_options *options,
	struct enn_engine **out, struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_new_server(
	const struct enn_protocol *protocol, const struct enn_env *env,
	struct enn_security *security, const struct enn_engine_options *options,
	struct enn_engine **out, struct enn_error *error);
/* Frees and wipes; legal at any time. NULL is legal. Sends nothing: close first. */
ENN_API void enn_engine_free(struct enn_engine *e);

/* ---- the verbs -------------------------------------------------------------------- */

/* Begins: a client writes its first flight, a server waits. Once. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_start(struct enn_engine *e, enn_time now);

/* Bytes from the network; see LENT INPUT. path may be NULL on a byte stream. packets[] itself
 * is only read during the call on a byte stream with count 1, else lent like the buffers.
 * ENN_E_AGAIN: events of the last ingest are still to be taken; nothing was lent.
 * ENN_E_FAILED, ENN_E_CLOSED: the data was ignored. Protocol violations are events. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_ingest(struct enn_engine *e, enn_time now,
							 const struct enn_path *path,
							 struct enn_packet *packets, size_t count);

/* The byte stream below ended (FIN) after all that was ingested. An engine that has not seen the
 * protocol's own end of data fails with ENN_REASON_TRUNCATED. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_end(struct enn_engine *e, enn_time now);

/* Fills one batch. batch->len 0 afterwards: nothing to send now. cap must be at least
 * enn_protocol.min_batch bytes (ENN_E_SPACE). Never fails for another reason. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_transmit(struct enn_engine *e, enn_time now,
							   struct enn_batch *batch);

/* When the engine next wants expire(); ENN_TIME_NEVER if it does not. */
ENN_API enn_time enn_engine_deadline(const struct enn_engine *e);
ENN_API void enn_engine_expire(struct enn_engine *e, enn_time now);

/* Queues one message; see LENT OUTPUT. Legal from start on: data without ENN_MESSAGE_EARLY waits
 * for READY. ENN_E_AGAIN: the queue is full. ENN_E_CLOSED: after a FINAL message or
 * close. ENN_E_ARGUMENT: unknown flags, or longer than the service allows. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_send(struct enn_engine *e, enn_time now,
						       const struct enn_message *message);

/* Takes the next event; *event is ENN_EVENT_NONE when there is none. */
ENN_API void enn_engine_next_event(struct enn_engine *e, enn_time now, struct enn_event *event);

/* Answers the question the engine is parked on. ENN_E_STATE: it is parked on no such question. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_answer(struct enn_engine *e, enn_time now,
							 const struct enn_answer *answer);

/* ---- the survey's post-connection interfaces ------------------------------------ */

/* Renews the sending keys; with `both`, asks the peer to renew its own too. After READY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_rekey(struct enn_engine *e, enn_time now,
							bool both);

/* Server: asks the client who it is (TLS 1.3: RFC 8446 §4.6.2), now, though it was let in without: requestClient and
 * requireClient are about the handshake. ENN_EVENT_PEER_AUTHENTICATED is the answer, unless the connection ends before;
 * data goes on in both directions meanwhile. ENN_E_UNSUPPORTED: this protocol or this client cannot (enn_info.
 * post_handshake_auth); ENN_E_AGAIN: four requests are unanswered. After READY. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_request_peer(struct enn_engine *e, enn_time now);

/* Moves the connection to another path. ENN_E_UNSUPPORTED where the survey says U. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_migrate(struct enn_engine *e, enn_time now,
							  const struct enn_path *path);

/* Keying material bound to this connection (RFC 8446 §7.5, RFC 5705 in TLS). context NULL is the empty
 * context; in TLS 1.2 it is none, which is another one. There, without RFC 7627's extended main secret:
 * ENN_E_UNSUPPORTED. After READY, and on a client with early data before it, with early = true. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_export_key(struct enn_engine *e,
							     const char *label,
							     const uint8_t *context,
							     size_t context_len, bool early,
							     uint8_t *out, size_t len);

/* Ends both directions: queued messages still go out, then the protocol's close; data that still
 * arrives is dropped. CLOSED follows when the close has been handed to transmit and the peer's
 * has arrived, or end() was called. code is protocol-specific, 0 for an ordinary end. */
ENN_API ENN_MUST_CHECK enum enn_status enn_engine_close(struct enn_engine *e, enn_time now,
							uint64_t code);

/* ---- what was negotiated ---------------------------------------------------------- */

enum enn_early_data_state {
	ENN_EARLY_DATA_NONE = 0, /* not offered */
	ENN_EARLY_DATA_OFFERED,
	ENN_EARLY_DATA_ACCEPTED,
	ENN_EARLY_DATA_REJECTED,
};

#define ENN_MAX_CERTIFICATES 16

/* Everything here lives as long as the engine, is NULL or 0 where it does not apply, and is
 * static text where it is a name. The peer's chain is kept until READY and, if the security
 * parameters say keep-peer-chain, after it. */
struct enn_info {
	const struct enn_protocol *protocol;
	bool server;
	bool ready;
	const char *version;	  /* "TLSv1.3" */
	const char *cipher;	  /* "TLS_AES_128_GCM_SHA256" */
	const char *key_exchange; /* "X25519"; NULL with psk_ke */
	const char *signature;	  /* the peer's: "ecdsa_secp256r1_sha256"; NULL with a PSK */
	uint16_t version_code;
	uint16_t cipher_code;
	uint16_t key_exchange_code;
	uint16_t signature_code;
	const uint8_t *alpn;
	size_t alpn_len;
	const char *server_name; /* server: what the client asked for */
	bool resumed;		 /* by a session */
	bool external_psk;
	bool hello_retry;
	bool peer_authenticated;    /* by certificate, raw public key or PSK */
	bool peer_raw_key;	    /* the peer showed a raw public key (RFC 7250): peer_key */
	bool certificate_requested; /* the server asked the client for a certificate */
	bool extended_main_secret;  /* TLS 1.2 with RFC 7627 */
	bool ech_accepted;	    /* the ClientHello was encrypted (RFC 9849) */
	bool ech_configured; /* client with echGrease: the server has it, and sent configurations */
	/* Client, failed with ENN_REASON_ECH_REFUSED: the ECHConfigList of the authenticated server to try
	 * again with, once; NULL: it has none, and may be asked in the clear. */
	const uint8_t *ech_retry;
	size_t ech_retry_len;
	enum enn_early_data_state early_data;
	const uint8_t *psk_identity; /* external */
	size_t psk_identity_len;
	struct {
		const uint8_t *der;
		size_t len;
	} peer_chain[ENN_MAX_CERTIFICATES];
	size_t peer_chain_len;
	const char *certificate_compression; /* "brotli": the peer's certificate came so */
	bool peer_status_good;	    /* an OCSP response came with the certificate and is good */
	const uint8_t *peer_status; /* the OCSP response that came, in DER; kept like the chain */
	size_t peer_status_len;
	const uint8_t *peer_key; /* its SubjectPublicKeyInfo in DER; kept like the chain */
	size_t peer_key_len;
	bool encrypt_then_mac;	      /* TLS 1.2 with CBC (RFC 7366) */
	uint16_t record_size_limit;   /* what the peer takes (RFC 8449); 0: it did not say */
	uint16_t max_fragment_length; /* negotiated (RFC 6066); 0: not */
	bool post_handshake_auth;     /* the client can be asked later: enn_engine_request_peer */
	uint8_t tickets_expected;     /* server: sends so many; client: was told so (RFC 9149) */
	uint64_t keys_sent;	      /* key updates so far, by direction */
	uint64_t keys_received;
	size_t max_message; /* bytes of the longest message that send takes; 0: no limit */
};
ENN_API void enn_engine_info(const struct enn_engine *e, struct enn_info *info);

/* Copies the failure of a failed engine; false if it has not failed. */
ENN_API bool enn_engine_error(const struct enn_engine *e, struct enn_error *error);

/* ---- listeners ------------------------------------------------------------------- */

/* The passive side of a datagram protocol: demultiplexes packets to connections, validates
 * sources without keeping state, creates connections. Byte-stream protocols need none: each
 * accepted stream is one enn_engine_new_server, and enn_acceptor_new answers ENN_E_UNSUPPORTED.
 *
 * Packets of one call come from one path. *out is the engine to which they belong (lent by the
 * acceptor, which keeps owning the demultiplexing entry; the caller frees the engine, which
 * removes it), with *created true if it is new; NULL if the packets were consumed: then `reply`
 * may hold a stateless answer. */
ENN_API ENN_MUST_CHECK enum enn_status enn_acceptor_new(const struct enn_protocol *protocol,
							const struct enn_env *env,
							struct enn_security *security,
							struct enn_acceptor **out,
							struct enn_error *error);
ENN_API ENN_MUST_CHECK enum enn_status enn_acceptor_accept(struct enn_acceptor *a, enn_time now,
							   const struct enn_path *path,
							   struct enn_packet *packets, size_t count,
							   struct enn_batch *reply,
							   struct enn_engine **out, bool *created);
ENN_API void enn_acceptor_free(struct enn_acceptor *a);

/* ---- for those who write an engine ----------------------------------------------- */

/* An engine's first member is `struct enn_engine base`; its constructor fills it in. Each entry has
 * the contract of the public call of the same name, which checks arguments before it gets
 * there. A NULL entry answers ENN_E_UNSUPPORTED. free releases the memory too. */
struct enn_engine_ops {
	void (*free)(struct enn_engine *e);
	enum enn_status (*start)(struct enn_engine *e, enn_time now);
	enum enn_status (*ingest)(struct enn_engine *e, enn_time now, const struct enn_path *path,
				  struct enn_packet *packets, size_t count);
	enum enn_status (*end)(struct enn_engine *e, enn_time now);
	enum enn_status (*transmit)(struct enn_engine *e, enn_time now, struct enn_batch *batch);
	enn_time (*deadline)(const struct enn_engine *e);
	void (*expire)(struct enn_engine *e, enn_time now);
	enum enn_status (*send)(struct enn_engine *e, enn_time now,
				const struct enn_message *message);
	void (*next_event)(struct enn_engine *e, enn_time now, struct enn_event *event);
	enum enn_status (*answer)(struct enn_engine *e, enn_time now,
				  const struct enn_answer *answer);
	enum enn_status (*rekey)(struct enn_engine *e, enn_time now, bool both);
	enum enn_status (*migrate)(struct enn_engine *e, enn_time now, const struct enn_path *path);
	enum enn_status (*export_key)(struct enn_engine *e, const char *label,
				      const uint8_t *context, size_t context_len, bool early,
				      uint8_t *out, size_t len);
	enum enn_status (*close)(struct enn_engine *e, enn_time now, uint64_t code);
	void (*info)(const struct enn_engine *e, struct enn_info *info);
	bool (*error)(const struct enn_engine *e, struct enn_error *error);
	enum enn_status (*request_peer)(struct enn_engine *e, enn_time now);
};

struct enn_engine {
	const struct enn_engine_ops *ops;
	const struct enn_protocol *protocol;
};

/* An acceptor works the same way. */
struct enn_acceptor_ops {
	void (*free)(struct enn_acceptor *a);
	enum enn_status (*accept)(struct enn_acceptor *a, enn_time now, const struct enn_path *path,
				  struct enn_packet *packets, size_t count, struct enn_batch *reply,
				  struct enn_engine **out, bool *created);
};

struct enn_acceptor {
	const struct enn_acceptor_ops *ops;
	const struct enn_protocol *protocol;
};

#ifdef __cplusplus
}
#endif
#endif
