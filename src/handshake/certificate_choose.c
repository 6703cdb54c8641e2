/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of our credentials to show: its kind (RFC 7250), a key that can sign what the peer verifies
 * (RFC 8446 §4.4.2.2), and then the name, the issuer and the signatures that the peer would like.
 */
#include "handshake/reasons.h"

static bool can_sign(const struct enn_credential *k, const struct enn_sig_alg *alg, bool any_curve)
{
	if (k->key ==
	    NULL) { /* whoever has it is told the scheme, and takes its curve for the key's */
		return alg->key == (k->type == ENN_CREDENTIAL_RAW_KEY
					    ? k->key_type
					    : enn_chain_key_type(k->chain));
	}
	return any_curve ? enn_sig_fits_private12(alg, k->key) : enn_sig_fits_private(alg, k->key);
}

/* The first scheme in our order that the peer accepts and the credential's key can make. */
static uint16_t first_scheme(const struct enn_handshake *hs, const struct enn_credential *k,
			     struct enn_bytes signatures, bool any_curve)
{
	const struct enn_code_list *ours = enn_security_list(hs->security, ENN_SECURITY_SIGNATURES);

	for (size_t i = 0; i < ours->count; i++) {
		const struct enn_sig_alg *alg = enn_sig_alg_by_tls(ours->code[i]);
		if (alg == NULL ||
		    (alg->padding == ENN_SIG_PKCS1 && hs->c->result.version != ENN_TLS_1_2) ||
		    !enn_u16_list_has(signatures, ours->code[i])) {
			continue;
		}
		if (can_sign(k, alg, any_curve)) {
			return ours->code[i];
		}
	}
	return 0;
}

/* In TLS 1.2 a P-256 key may sign a SHA-384 hash, for a peer that takes nothing else. */
static uint16_t scheme_for(const struct enn_handshake *hs, const struct enn_credential *k,
			   struct enn_bytes signatures)
{
	uint16_t scheme = first_scheme(hs, k, signatures, false);

	return scheme == 0 && hs->c->result.version == ENN_TLS_1_2
		       ? first_scheme(hs, k, signatures, true)
		       : scheme;
}

static size_t split_names(struct enn_bytes list, struct enn_bytes *names, size_t max)
{
	struct enn_reader r = enn_reader_of(list.data, list.len);
	size_t count = 0;
	while (enn_reader_left(&r) > 0 && count < max) {
		names[count++] = enn_read_vector(&r, 2, 1, UINT16_MAX);
	}
	return count;
}

static enum enn_credential_type credential_type(uint8_t certificate_type)
{
	return certificate_type == ENN_CERTIFICATE_RAW_KEY ? ENN_CREDENTIAL_RAW_KEY
							   : ENN_CREDENTIAL_X509;
}

/* What the peer would like besides what it needs. */
struct wish {
	char host[256]; /* "" for any */
	struct enn_bytes names[32];
	size_t name_count;
	uint16_t schemes[64];
	size_t scheme_count;
};

static void make_wish(const struct enn_handshake *hs, struct enn_bytes name,
		      struct enn_bytes authorities, struct enn_bytes signatures, struct wish *wish)
{
	/* §4.2.3: without signature_algorithms_cert, signature_algorithms is for certificates too. */
	struct enn_bytes list = hs->cert_signatures.len > 0 ? hs->cert_signatures : signatures;
	struct enn_reader r = enn_reader_of(list.data, list.len);

	memset(wish->host, 0, sizeof(wish->host));
	if (name.len > 0 && name.len < sizeof(wish->host)) {
		memcpy(wish->host, name.data, name.len);
	}
	wish->name_count = split_names(authorities, wish->names, ENN_ARRAY_LEN(wish->names));
	wish->scheme_count = 0;
	while (enn_reader_left(&r) >= 2 && wish->scheme_count < ENN_ARRAY_LEN(wish->schemes)) {
		wish->schemes[wish->scheme_count++] = enn_read_u16(&r);
	}
}

enum fit {
	FIT_SIGNATURES = 1,
	FIT_AUTHORITY = 2,
	FIT_WILDCARD = 4,
	FIT_NAME = 8,
	FIT_ALL = FIT_SIGNATURES | FIT_AUTHORITY | FIT_NAME,
};

_Static_assert(FIT_ALL == ENN_CERTIFICATE_FITS_ALL, "what hs->own_fit is compared with");

/* How well a credential fits: whose it is counts most, then whether the peer can check it. */
static unsigned fit_of(const struct enn_credential *k, const struct wish *wish)
{
	unsigned fit = 0;

	if (k->type == ENN_CREDENTIAL_RAW_KEY) {
		return FIT_ALL; /* it has no name, issuer or signature */
	}
	if (wish->host[0] == '\0' || enn_chain_has_name(k->chain, wish->host)) {
		fit |= FIT_NAME;
	} else if (enn_chain_fits_name(k->chain, wish->host)) {
		fit |= FIT_WILDCARD;
	}
	if (enn_chain_fits_authorities(k->chain, wish->names, wish->name_count)) {
		fit |= FIT_AUTHORITY;
	}
	if (enn_chain_fits_signatures(k->chain, wish->schemes, wish->scheme_count)) {
		fit |= FIT_SIGNATURES;
	}
	return fit;
}

static uint16_t usable_scheme(const struct enn_handshake *hs, const struct enn_credential *k,
			      struct enn_bytes signatures)
{
	return k->type == credential_type(hs->own_type) ? scheme_for(hs, k, signatures) : 0;
}

bool enn_certificate_choose(struct enn_handshake *hs, struct enn_bytes signatures,
			    struct enn_bytes name, struct enn_bytes authorities)
{
	struct wish wish;
	unsigned best = 0;

	hs->own = NULL;
	hs->own_scheme = 0;
	hs->own_fits_name = false;
	hs->own_fit = 0;
	if (hs->given != NULL) { /* the application knows whose it is */
		hs->own_scheme = usable_scheme(hs, hs->given, signatures);
		if (hs->own_scheme != 0) {
			hs->own = hs->given;
			hs->own_fits_name = true;
			hs->own_fit = FIT_ALL;
			return true;
		}
	}
	make_wish(hs, name, authorities, signatures, &wish);
	for (size_t i = 0; i < hs->security->credential_count && best != FIT_ALL; i++) {
		struct enn_credential *k = hs->security->credential[i];
		uint16_t scheme = usable_scheme(hs, k, signatures);
		unsigned fit = scheme == 0 ? 0 : fit_of(k, &wish);
		/* The first of equals, and of those that fit nothing: the client may still take it. */
		if (scheme != 0 && (hs->own == NULL || fit > best)) {
			hs->own = k;
			hs->own_scheme = scheme;
			best = fit;
		}
	}
	hs->own_fits_name = (best & (FIT_NAME | FIT_WILDCARD)) != 0;
	hs->own_fit = best;
	return hs->own != NULL;
}

static bool has_credential(const struct enn_security *s, enum enn_credential_type type)
{
	for (size_t i = 0; i < s->credential_count; i++) {
		if (s->credential[i]->type == type) {
			return true;
		}
	}
	return false;
}

/* No own credential can be used: why, as well as it can be told. */
static enum enn_status none_fits(struct enn_handshake *hs, struct enn_bytes types)
{
	bool x509 = has_credential(hs->security, ENN_CREDENTIAL_X509);
	bool raw = has_credential(hs->security, ENN_CREDENTIAL_RAW_KEY);
	bool shared = false;

	if (!x509 && !raw) {
		return enn_handshake_fail(
			hs->c, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_UNKNOWN_PSK,
			"ClientHello.signature_algorithms",
			"the client offers no known PSK and there is no certificate");
	}
	for (size_t i = 0; i < types.len; i++) {
		shared = shared || (x509 && types.data[i] == ENN_CERTIFICATE_X509) ||
			 (raw && types.data[i] == ENN_CERTIFICATE_RAW_KEY);
	}
	if (!shared) { /* RFC 7250 §4.2 */
		return enn_handshake_fail(hs->c, ENN_ALERT_UNSUPPORTED_CERTIFICATE,
					  ENN_REASON_NO_SHARED_PARAMETERS,
					  "ClientHello.server_certificate_type",
					  "the client takes no kind of certificate that is here");
	}
	return enn_handshake_fail(hs->c, ENN_ALERT_HANDSHAKE_FAILURE,
				  ENN_REASON_NO_SHARED_PARAMETERS,
				  "ClientHello.signature_algorithms",
				  "no certificate fits the client's signature algorithms");
}

/* RFC 6066 §3: a server that does not know the name may end the handshake. */
static enum enn_status check_name(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	if (hs->own_fits_name || ch->server_name.len == 0 ||
	    !enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_KNOWN_NAME)) {
		return ENN_OK;
	}
	return enn_handshake_fail(hs->c, ENN_ALERT_UNRECOGNIZED_NAME, ENN_REASON_UNKNOWN_NAME,
				  "ClientHello.server_name", "no certificate is for \"%s\"",
				  hs->c->result.server_name == NULL ? ""
								    : hs->c->result.server_name);
}

static enum enn_status choose_server(struct enn_handshake *hs, const struct enn_client_hello *ch,
				     struct enn_bytes signatures)
{
	struct enn_bytes types;

	if (!(ch->has & ENN_HAS_SIGNATURE_ALGORITHMS)) {
		return enn_handshake_fail(hs->c, ENN_ALERT_MISSING_EXTENSION,
					  ENN_REASON_UNKNOWN_PSK,
					  "ClientHello.signature_algorithms",
					  "no offered PSK is known and the client takes no "
					  "certificate");
	}
	if (enn_security_flag(hs->security, ENN_SECURITY_REQUEST_CLIENT) ||
	    enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)) {
		ENN_TRY(enn_raw_key_choose_peer(hs, ch));
	}
	ENN_TRY(enn_status_take_request(hs, &ch->views));
	ENN_TRY(enn_compress_take(hs, &ch->views, "ClientHello.compress_certificate"));
	ENN_TRY(enn_raw_key_types(hs, ch, ENN_VIEW_SERVER_CERTIFICATE_TYPE, &types));
	/* RFC 7250 §4.1: the client's order. */
	for (size_t i = 0; i < types.len; i++) {
		hs->own_type = types.data[i];
		if ((hs->own_type == ENN_CERTIFICATE_X509 ||
		     hs->own_type == ENN_CERTIFICATE_RAW_KEY) &&
		    enn_certificate_choose(hs, signatures, ch->server_name, ch->authorities)) {
			return check_name(hs, ch);
		}
	}
	return none_fits(hs, types);
}

enum enn_status enn_certificate_try_server(struct enn_handshake *hs,
					   const struct enn_client_hello *ch,
					   struct enn_bytes signatures)
{
	/* Whatever we may sign with, our certificates may be signed with all that the client takes. */
	hs->cert_signatures = ch->cert_signatures.len > 0 ? ch->cert_signatures : ch->signatures;
	enum enn_status status = choose_server(hs, ch, signatures);
	hs->cert_signatures =
		(struct enn_bytes){NULL, 0}; /* the message does not outlive the call */
	return status;
}

enum enn_status enn_certificate_choose_server(struct enn_handshake *hs,
					      const struct enn_client_hello *ch)
{
	ENN_TRY(enn_certificate_try_server(hs, ch, ch->signatures));
	enn_reasons_certificate(hs, ch->server_name);
	return ENN_OK;
}

bool enn_certificate_wanted(const struct enn_handshake *hs)
{
	return (enn_security_flag(hs->security, ENN_SECURITY_REQUEST_CLIENT) ||
		enn_security_flag(hs->security, ENN_SECURITY_REQUIRE_CLIENT)) &&
	       !hs->peer_type_excluded && !hs->c->result.resumed && !hs->c->result.external_psk;
}

/* ---- whom we trust, by name ----------------------------------------------------------------------- */

static bool sends_authorities(const struct enn_handshake *hs)
{
	return enn_security_flag(hs->security, ENN_SECURITY_SEND_AUTHORITIES) &&
	       enn_trust_has_anchors(hs->security->own);
}

size_t enn_certificate_authorities_size(const struct enn_handshake *hs)
{
	return sends_authorities(hs) ? 6 + enn_trust_names_size(hs->security->own) : 0;
}

void enn_certificate_write_names(const struct enn_handshake *hs, struct enn_writer *w)
{
	if (sends_authorities(hs)) {
		enn_trust_write_names(hs->security->own, w);
	}
}

void enn_certificate_write_authorities(struct enn_handshake *hs, struct enn_writer *w)
{
	if (!sends_authorities(hs)) {
		return;
	}
	enn_write_u16(w, ENN_EXT_CERTIFICATE_AUTHORITIES);
	size_t data = enn_write_begin(w, 2);
	size_t names = enn_write_begin(w, 2);
	enn_trust_write_names(hs->security->own, w);
	enn_write_end(w, names, 2);
	enn_write_end(w, data, 2);
}
