/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2 inside the handshake (RFC 5246): ECDHE with certificates (RFC 8422) or a pre-shared key (RFC 5489).
 *
 *   ClientHello  ──►                        ServerKeyExchange          ClientKeyExchange
 *                ◄── ServerHello            [<0..2^16-1> PSK hint]     [<0..2^16-1> PSK identity]
 *                    Certificate            u8 curve_type = 3          <1..255> public key
 *                    CertificateStatus      u16 named_curve
 *                    ServerKeyExchange      <1..255> public key
 *                    CertificateRequest     [u16 scheme, <0..2^16-1> signature over
 *                ◄── ServerHelloDone         both randoms and what is above]
 *   Certificate
 *   ClientKeyExchange
 *   CertificateVerify
 *   [ccs] Finished ──►
 *                ◄── NewSessionTicket
 *                ◄── [ccs] Finished         a resumption: ServerHello, NewSessionTicket, [ccs] Finished,
 *                                           then the client's [ccs] Finished
 */
#ifndef ENN_HANDSHAKE_TLS12_H
#define ENN_HANDSHAKE_TLS12_H

#include "handshake/internal.h"

#define ENN_TLS12_SECRET	     48
#define ENN_TLS12_VERIFY_DATA	     12
#define ENN_TLS12_RENEGOTIATION_SCSV 0x00ff /* RFC 5746 §3.3 */
#define ENN_TLS12_FALLBACK_SCSV	     0x5600 /* RFC 7507 */

/* What only a handshake that may become one of TLS 1.2 needs. */
struct enn_tls12 {
	/* All messages so far: CertificateVerify signs them as they are, hashed as its scheme wants. */
	struct enn_buffer messages;
	bool keep;			 /* they are kept */
	bool lost;			 /* … but there was no memory */
	struct enn_buffer signed_params; /* what ServerKeyExchange signs */
	uint8_t main_secret[ENN_TLS12_SECRET];
	const struct enn_kx_alg *group;
	struct enn_kx_key *share;	       /* server: until the client's comes */
	uint8_t public_key[ENN_MAX_KX_PUBLIC]; /* ours */
	uint8_t shared[ENN_MAX_KX_SECRET];
	size_t shared_len;
	bool resumes; /* the session is taken up again */
	bool status_expected;
	bool ticket_expected; /* client: NewSessionTicket will come; server: is to be sent */
	uint8_t *ticket;
	size_t ticket_len;
	uint32_t ticket_lifetime;
	uint8_t session_id[ENN_HS_MAX_SESSION_ID]; /* the server's */
	size_t session_id_len;
	struct enn_session session; /* server: what is resumed; borrows from state */
	uint8_t *state;
	size_t state_len;
};

/* Server: asks a session store that is elsewhere for the session whose id a client offers: *ask, park. */
enum enn_status enn_tls12_ask_store(struct enn_handshake *hs, enn_time now,
				    const struct enn_client_hello *ch, bool *ask);

/* ---- tls12_keys.c ----------------------------------------------------------------------- */
/* PRF (RFC 5246 §5): label and two seeds. */
void enn_tls12_prf(const struct enn_hash_alg *hash, struct enn_bytes secret, const char *label,
		   struct enn_bytes seed, struct enn_bytes more, uint8_t *out, size_t len);
/* The main secret from the premaster secret, extended (RFC 7627) if that was negotiated; the transcript is
 * at ClientKeyExchange. Logs it. */
void enn_tls12_make_main_secret(struct enn_handshake *hs, struct enn_bytes premaster);
/* Hands the keys of one direction to the carrier. */
enum enn_status enn_tls12_keys(struct enn_handshake *hs, enum enn_direction direction);
void enn_tls12_verify_data(const struct enn_handshake *hs, bool by_server,
			   uint8_t out[ENN_TLS12_VERIFY_DATA]);
void enn_tls12_log_secret(struct enn_handshake *hs);

/* ---- codec_tls12.c ------------------------------------------------------------------------ */
struct enn_tls12_key_exchange {
	struct enn_bytes hint; /* with a PSK */
	uint16_t curve;
	struct enn_bytes public_key;
	struct enn_bytes params; /* what is signed of it */
	uint16_t scheme;
	struct enn_bytes signature;
};
bool enn_parse_server_key_exchange(struct enn_bytes body, bool psk,
				   struct enn_tls12_key_exchange *out, struct enn_fault *fault);
bool enn_parse_client_key_exchange(struct enn_bytes body, bool psk, struct enn_bytes *identity,
				   struct enn_bytes *public_key, struct enn_fault *fault);
bool enn_parse_certificate12(struct enn_bytes body, bool raw_key, size_t max,
			     struct enn_certificate_message *out, struct enn_fault *fault);
struct enn_tls12_certificate_request {
	struct enn_bytes types;
	struct enn_bytes signatures;
	struct enn_bytes authorities;
};
bool enn_parse_certificate_request12(struct enn_bytes body,
				     struct enn_tls12_certificate_request *out,
				     struct enn_fault *fault);
bool enn_parse_ticket12(struct enn_bytes body, uint32_t *lifetime, struct enn_bytes *ticket,
			struct enn_fault *fault);

/* ---- tls12.c: what both sides do -------------------------------------------------------------- */
enum enn_status enn_tls12_fail(struct enn_handshake *hs, enum enn_alert alert,
			       enum enn_reason reason, const char *where, const char *what);
/* The suite with this code if it is one of TLS 1.2 and is configured. */
const struct enn_tls_suite *enn_tls12_suite(const struct enn_handshake *hs, uint16_t code);
/* Of a list of schemes those that a suite's authentication can use, in *out (room for as many). */
struct enn_bytes enn_tls12_filter_schemes(struct enn_bytes schemes, enum enn_suite_auth auth,
					  uint8_t *out, size_t cap);
enum enn_status enn_tls12_send_certificate(struct enn_handshake *hs);
enum enn_status enn_tls12_receive_certificate(struct enn_handshake *hs, enn_time now,
					      struct enn_bytes body, bool *empty);
/* Checks a signature of the peer's over data. */
enum enn_status enn_tls12_verify(struct enn_handshake *hs, uint16_t scheme, struct enn_bytes data,
				 struct enn_bytes signature, const char *where);
/* Signs data with the own key, or takes `external` if that is not empty. *ask: no key here. out has room for
 * ENN_MAX_SIGNATURE. */
enum enn_status enn_tls12_sign(struct enn_handshake *hs, struct enn_bytes data,
			       struct enn_bytes external, uint8_t *out, size_t *len, bool *ask);
enum enn_status enn_tls12_send_finished(struct enn_handshake *hs);
/* Before the message joins the transcript. */
enum enn_status enn_tls12_check_finished(struct enn_handshake *hs, struct enn_bytes body);
/* premaster secret of ECDHE (RFC 8422 §5.10) or of ECDHE_PSK (RFC 5489 §2), and the main secret from it. */
enum enn_status enn_tls12_derive(struct enn_handshake *hs, struct enn_bytes psk);
/* renegotiation_info of a first handshake (RFC 5746 §3.4, §3.6): one zero byte. */
bool enn_tls12_renegotiation_ok(const struct enn_views *views);
/* ec_point_formats, where it is sent, must name the uncompressed form (RFC 8422 §5.1.2). */
bool enn_tls12_points_ok(const struct enn_views *views, bool *malformed);
void enn_tls12_write_empty(struct enn_handshake *hs, struct enn_writer *w, enum enn_view view);
void enn_tls12_write_renegotiation(struct enn_handshake *hs, struct enn_writer *w);

/* ---- tls12_session.c --------------------------------------------------------------------------- */
/* Server: whether the client resumes: then session and main secret are set. */
enum enn_status enn_tls12_find_session(struct enn_handshake *hs, enn_time now,
				       const struct enn_client_hello *ch);
/* Server: a ticket now, or the session into the store. */
enum enn_status enn_tls12_send_ticket(struct enn_handshake *hs, enn_time now);
void enn_tls12_store_session(struct enn_handshake *hs, enn_time now);
/* Client: takes up the offered session. */
enum enn_status enn_tls12_resume(struct enn_handshake *hs);

#endif
