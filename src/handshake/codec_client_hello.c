/* SPDX-License-Identifier: Apache-2.0
 *
 * The ClientHello parser (RFC 8446 §4.1.2, §4.2).
 */
#include "handshake/codec.h"
#include "handshake/codec_util.h"

/* A list of u16 in a 2-byte vector, not empty. */
static bool u16_list(struct enn_reader *data, struct enn_bytes *out)
{
	*out = enn_read_vector(data, 2, 2, UINT16_MAX - 1);
	return enn_reader_done(data) && out->len % 2 == 0;
}

/* RFC 6066 §3: a host name is ASCII. What no terminal or log should have to show does not go further. */
static bool is_host_name(struct enn_bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] <= ' ' || name.data[i] > '~') {
			return false;
		}
	}
	return true;
}

/* A list of names; only host_name (0) is defined and it may come once. */
static bool server_name(struct enn_reader *data, struct enn_client_hello *out)
{
	struct enn_reader list = enn_read_sub(data, 2, 1, UINT16_MAX);
	while (enn_reader_left(&list) > 0) {
		uint8_t type = enn_read_u8(&list);
		struct enn_bytes name = enn_read_vector(&list, 2, 1, UINT16_MAX);
		if (type != 0) {
			continue;
		}
		if (enn_reader_ok(&list)) {
			out->bad_server_name = out->server_name.len > 0 || out->bad_server_name ||
					       !is_host_name(name);
			out->server_name = name;
		}
	}
	return enn_reader_done(data) && enn_reader_done(&list);
}

static bool alpn(struct enn_reader *data, struct enn_client_hello *out)
{
	out->alpn = enn_read_vector(data, 2, 2, UINT16_MAX);
	struct enn_reader list = enn_reader_of(out->alpn.data, out->alpn.len);
	while (enn_reader_left(&list) > 0) {
		(void)enn_read_vector(&list, 1, 1, 255);
	}
	return enn_reader_done(data) && enn_reader_done(&list);
}

static bool key_share(struct enn_reader *data, struct enn_client_hello *out)
{
	out->key_shares = enn_read_vector(data, 2, 0, UINT16_MAX);
	struct enn_reader list = enn_reader_of(out->key_shares.data, out->key_shares.len);
	while (enn_reader_left(&list) > 0) {
		(void)enn_read_u16(&list);
		(void)enn_read_vector(&list, 2, 1, UINT16_MAX);
	}
	return enn_reader_done(data) && enn_reader_done(&list);
}

/* §4.2.11. That there are as many binders as identities is for the state machine. */
static bool pre_shared_key(struct enn_reader *data, struct enn_client_hello *out,
			   const uint8_t *body)
{
	out->psk_identities = enn_read_vector(data, 2, 7, UINT16_MAX);
	out->binders_offset = (size_t)(data->pos - body);
	out->psk_binders = enn_read_vector(data, 2, 33, UINT16_MAX);
	if (!enn_reader_done(data)) {
		return false;
	}
	struct enn_reader list = enn_reader_of(out->psk_identities.data, out->psk_identities.len);
	for (; enn_reader_left(&list) > 0; out->psk_count++) {
		(void)enn_read_vector(&list, 2, 1, UINT16_MAX);
		(void)enn_read_u32(&list);
	}
	if (!enn_reader_done(&list)) {
		return false;
	}
	list = enn_reader_of(out->psk_binders.data, out->psk_binders.len);
	for (; enn_reader_left(&list) > 0; out->binder_count++) {
		(void)enn_read_vector(&list, 1, 32, 255);
	}
	return enn_reader_done(&list);
}

static bool extension(struct enn_client_hello *out, uint16_t type, struct enn_reader *data,
		      const uint8_t *body)
{
	switch (type) {
	case ENN_EXT_SERVER_NAME:
		out->has |= ENN_HAS_SERVER_NAME;
		return server_name(data, out);
	case ENN_EXT_SUPPORTED_GROUPS:
		out->has |= ENN_HAS_SUPPORTED_GROUPS;
		return u16_list(data, &out->groups);
	case ENN_EXT_SIGNATURE_ALGORITHMS:
		out->has |= ENN_HAS_SIGNATURE_ALGORITHMS;
		return u16_list(data, &out->signatures);
	case ENN_EXT_SIGNATURE_ALGORITHMS_CERT:
		out->has |= ENN_HAS_SIGNATURE_ALGORITHMS_CERT;
		return u16_list(data, &out->cert_signatures);
	case ENN_EXT_ALPN:
		out->has |= ENN_HAS_ALPN;
		return alpn(data, out);
	case ENN_EXT_SUPPORTED_VERSIONS:
		out->has |= ENN_HAS_SUPPORTED_VERSIONS;
		out->versions = enn_read_vector(data, 1, 2, 254);
		return enn_reader_done(data) && out->versions.len % 2 == 0;
	case ENN_EXT_KEY_SHARE:
		out->has |= ENN_HAS_KEY_SHARE;
		return key_share(data, out);
	case ENN_EXT_PSK_KEY_EXCHANGE_MODES:
		out->has |= ENN_HAS_PSK_MODES;
		out->psk_modes = enn_read_vector(data, 1, 1, 255);
		return enn_reader_done(data);
	case ENN_EXT_PRE_SHARED_KEY:
		out->has |= ENN_HAS_PRE_SHARED_KEY;
		return pre_shared_key(data, out, body);
	case ENN_EXT_EARLY_DATA:
		out->has |= ENN_HAS_EARLY_DATA;
		return enn_reader_done(data);
	case ENN_EXT_COOKIE:
		out->has |= ENN_HAS_COOKIE;
		out->cookie = enn_read_vector(data, 2, 1, UINT16_MAX);
		return enn_reader_done(data);
	case ENN_EXT_CERTIFICATE_AUTHORITIES:
		out->has |= ENN_HAS_CERTIFICATE_AUTHORITIES;
		return enn_codec_authorities(data, &out->authorities);
	case ENN_EXT_POST_HANDSHAKE_AUTH:
		out->has |= ENN_HAS_POST_HANDSHAKE_AUTH;
		return enn_reader_done(data);
	default:
		(void)enn_views_add(&out->views, type, enn_read_bytes(data, enn_reader_left(data)));
		return true; /* §4.1.2: servers MUST ignore unrecognised extensions */
	}
}

bool enn_parse_client_hello(struct enn_bytes body, bool datagram, struct enn_client_hello *out,
			    struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	struct enn_extension_set seen = {{0}};

	memset(out, 0, sizeof(*out));
	out->legacy_version = enn_read_u16(&r);
	out->random = enn_read_bytes(&r, ENN_HS_RANDOM);
	out->session_id = enn_read_vector(&r, 1, 0, ENN_HS_MAX_SESSION_ID);
	if (datagram) { /* RFC 6347 §4.2.1 */
		out->hello_cookie = enn_read_vector(&r, 1, 0, 255);
	}
	out->cipher_suites = enn_read_vector(&r, 2, 2, UINT16_MAX - 1);
	out->compression = enn_read_vector(&r, 1, 1, 255);
	if (!enn_reader_ok(&r) || out->cipher_suites.len % 2 != 0) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "ClientHello",
				       "is malformed");
	}
	if (out->legacy_version <= ENN_SSL_3) { /* §D.5 */
		return enn_codec_fault(fault, ENN_ALERT_PROTOCOL_VERSION, "ClientHello",
				       "is of SSL");
	}
	if (enn_reader_left(&r) == 0) {
		return true; /* an old client: no version extension, for the state machine to judge */
	}
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "ClientHello",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		uint16_t type;
		struct enn_reader data;
		/* §4.2.11: pre_shared_key MUST be the last extension. */
		if (out->has & ENN_HAS_PRE_SHARED_KEY) {
			return enn_codec_fault(fault, ENN_ALERT_ILLEGAL_PARAMETER,
					       "ClientHello.pre_shared_key",
					       "is not the last extension");
		}
		if (!enn_codec_next_extension(&list, &seen, &type, &data, "ClientHello", fault)) {
			return false;
		}
		if (!extension(out, type, &data, body.data)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "ClientHello",
					       "has a malformed extension");
		}
	}
	if (out->bad_server_name) { /* well-formed, but it says nothing */
		return enn_codec_fault(fault, ENN_ALERT_ILLEGAL_PARAMETER,
				       "ClientHello.server_name", "is not one host name");
	}
	return true;
}
