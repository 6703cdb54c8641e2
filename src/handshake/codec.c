/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsers of the server's and the common messages; ClientHello has a file of
 * its own.
 */
#include "handshake/codec.h"

#include "handshake/codec_util.h"

const uint8_t enn_hello_retry_random[ENN_HS_RANDOM] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

bool enn_u16_list_has(struct enn_bytes list, uint16_t code)
{
	struct enn_reader r = enn_reader_of(list.data, list.len);
	while (enn_reader_left(&r) >= 2) {
		if (enn_read_u16(&r) == code) {
			return true;
		}
	}
	return false;
}

bool enn_codec_fault(struct enn_fault *fault, uint8_t alert, const char *where, const char *what)
{
	fault->alert = alert;
	fault->where = where;
	fault->what = what;
	return false;
}

bool enn_codec_next_extension(struct enn_reader *list, struct enn_extension_set *seen,
			      uint16_t *type, struct enn_reader *data, const char *where,
			      struct enn_fault *fault)
{
	*type = enn_read_u16(list);
	*data = enn_read_sub(list, 2, 0, UINT16_MAX);
	if (!enn_reader_ok(list)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, where,
				       "has a truncated extension");
	}
	/* §4.2: there MUST NOT be more than one extension of the same type. */
	uint64_t bit = (uint64_t)1 << (*type & 63);
	if ((seen->bits[*type >> 6] & bit) != 0) {
		return enn_codec_fault(fault, ENN_ALERT_ILLEGAL_PARAMETER, where,
				       "repeats an extension");
	}
	seen->bits[*type >> 6] |= bit;
	return true;
}

/* ---- views ------------------------------------------------------------------------ */

static const uint16_t view_types[ENN_VIEW_COUNT] = {
	[ENN_VIEW_SERVER_NAME] = ENN_EXT_SERVER_NAME,
	[ENN_VIEW_ALPN] = ENN_EXT_ALPN,
	[ENN_VIEW_MAX_FRAGMENT_LENGTH] = ENN_EXT_MAX_FRAGMENT_LENGTH,
	[ENN_VIEW_STATUS_REQUEST] = ENN_EXT_STATUS_REQUEST,
	[ENN_VIEW_EC_POINT_FORMATS] = ENN_EXT_EC_POINT_FORMATS,
	[ENN_VIEW_USE_SRTP] = ENN_EXT_USE_SRTP,
	[ENN_VIEW_SCT] = ENN_EXT_SCT,
	[ENN_VIEW_CLIENT_CERTIFICATE_TYPE] = ENN_EXT_CLIENT_CERTIFICATE_TYPE,
	[ENN_VIEW_SERVER_CERTIFICATE_TYPE] = ENN_EXT_SERVER_CERTIFICATE_TYPE,
	[ENN_VIEW_PADDING] = ENN_EXT_PADDING,
	[ENN_VIEW_ENCRYPT_THEN_MAC] = ENN_EXT_ENCRYPT_THEN_MAC,
	[ENN_VIEW_EXTENDED_MAIN_SECRET] = ENN_EXT_EXTENDED_MAIN_SECRET,
	[ENN_VIEW_COMPRESS_CERTIFICATE] = ENN_EXT_COMPRESS_CERTIFICATE,
	[ENN_VIEW_RECORD_SIZE_LIMIT] = ENN_EXT_RECORD_SIZE_LIMIT,
	[ENN_VIEW_SESSION_TICKET] = ENN_EXT_SESSION_TICKET,
	[ENN_VIEW_OID_FILTERS] = ENN_EXT_OID_FILTERS,
	[ENN_VIEW_QUIC_TRANSPORT_PARAMETERS] = ENN_EXT_QUIC_TRANSPORT_PARAMETERS,
	[ENN_VIEW_TICKET_REQUEST] = ENN_EXT_TICKET_REQUEST,
	[ENN_VIEW_ECH_OUTER_EXTENSIONS] = ENN_EXT_ECH_OUTER_EXTENSIONS,
	[ENN_VIEW_ENCRYPTED_CLIENT_HELLO] = ENN_EXT_ENCRYPTED_CLIENT_HELLO,
	[ENN_VIEW_RENEGOTIATION_INFO] = ENN_EXT_RENEGOTIATION_INFO,
};

uint16_t enn_view_type(enum enn_view view)
{
	return view_types[view];
}

bool enn_views_add(struct enn_views *views, uint16_t type, struct enn_bytes data)
{
	for (unsigned i = 0; i < ENN_VIEW_COUNT; i++) {
		if (view_types[i] == type) {
			views->has |= ENN_VIEW_BIT(i);
			views->data[i] = data;
			return true;
		}
	}
	return false;
}

bool enn_parse_views(struct enn_bytes list, const char *where, struct enn_views *views,
		     uint16_t *unknown, struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(list.data, list.len);
	struct enn_extension_set seen = {{0}};
	bool first = true;

	memset(views, 0, sizeof(*views));
	while (enn_reader_left(&r) > 0) {
		uint16_t type;
		struct enn_reader data;
		if (!enn_codec_next_extension(&r, &seen, &type, &data, where, fault)) {
			return false;
		}
		if (!enn_views_add(views, type, enn_read_bytes(&data, enn_reader_left(&data))) &&
		    first && unknown != NULL) {
			*unknown = type;
			first = false;
		}
	}
	return true;
}

/* ---- ServerHello ------------------------------------------------------------------ */

static bool server_hello_extension(struct enn_server_hello *out, uint16_t type,
				   struct enn_reader *data)
{
	switch (type) {
	case ENN_EXT_SUPPORTED_VERSIONS:
		out->has |= ENN_HAS_SUPPORTED_VERSIONS;
		out->selected_version = enn_read_u16(data);
		return enn_reader_done(data);
	case ENN_EXT_KEY_SHARE:
		out->has |= ENN_HAS_KEY_SHARE;
		out->group = enn_read_u16(data);
		if (!out->retry) {
			out->share = enn_read_vector(data, 2, 1, UINT16_MAX);
		}
		return enn_reader_done(data);
	case ENN_EXT_PRE_SHARED_KEY:
		out->has |= ENN_HAS_PRE_SHARED_KEY;
		out->psk_index = enn_read_u16(data);
		return enn_reader_done(data);
	case ENN_EXT_COOKIE:
		out->has |= ENN_HAS_COOKIE;
		out->cookie = enn_read_vector(data, 2, 1, UINT16_MAX);
		return enn_reader_done(data);
	default:
		if (enn_views_add(&out->views, type, enn_read_bytes(data, enn_reader_left(data)))) {
			return true;
		}
		if (!(out->has & ENN_HAS_UNKNOWN)) {
			out->unknown_extension = type;
		}
		out->has |= ENN_HAS_UNKNOWN;
		return true;
	}
}

bool enn_parse_server_hello(struct enn_bytes body, struct enn_server_hello *out,
			    struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	struct enn_extension_set seen = {{0}};

	memset(out, 0, sizeof(*out));
	out->legacy_version = enn_read_u16(&r);
	out->random = enn_read_bytes(&r, ENN_HS_RANDOM);
	out->session_id = enn_read_vector(&r, 1, 0, ENN_HS_MAX_SESSION_ID);
	out->cipher_suite = enn_read_u16(&r);
	out->compression = enn_read_u8(&r);
	if (!enn_reader_ok(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "ServerHello",
				       "is truncated");
	}
	if (out->legacy_version <= ENN_SSL_3) { /* §D.5 */
		return enn_codec_fault(fault, ENN_ALERT_PROTOCOL_VERSION, "ServerHello",
				       "is of SSL");
	}
	out->retry = memcmp(out->random.data, enn_hello_retry_random, ENN_HS_RANDOM) == 0;
	if (enn_reader_left(&r) == 0) {
		return true; /* no extensions at all: an old version, for the state machine to judge */
	}
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "ServerHello",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		uint16_t type;
		struct enn_reader data;
		if (!enn_codec_next_extension(&list, &seen, &type, &data, "ServerHello", fault)) {
			return false;
		}
		if (!server_hello_extension(out, type, &data)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "ServerHello",
					       "has a malformed extension");
		}
	}
	return true;
}

/* ---- EncryptedExtensions ------------------------------------------------------------ */

static bool encrypted_extension(struct enn_encrypted_extensions *out, uint16_t type,
				struct enn_reader *data)
{
	switch (type) {
	case ENN_EXT_SERVER_NAME: /* RFC 6066 §3: empty in this direction */
		out->has |= ENN_HAS_SERVER_NAME;
		return enn_reader_done(data);
	case ENN_EXT_SUPPORTED_GROUPS: { /* for later connections only (§4.2.7) */
		struct enn_bytes groups = enn_read_vector(data, 2, 2, UINT16_MAX);
		out->has |= ENN_HAS_SUPPORTED_GROUPS;
		return enn_reader_done(data) && groups.len % 2 == 0;
	}
	case ENN_EXT_ALPN: { /* RFC 7301 §3.1: exactly one name */
		struct enn_reader list = enn_read_sub(data, 2, 2, UINT16_MAX);
		out->has |= ENN_HAS_ALPN;
		out->alpn = enn_read_vector(&list, 1, 1, 255);
		return enn_reader_done(data) && enn_reader_done(&list);
	}
	case ENN_EXT_EARLY_DATA:
		out->has |= ENN_HAS_EARLY_DATA;
		return enn_reader_done(data);
	case ENN_EXT_SIGNATURE_ALGORITHMS:
	case ENN_EXT_SIGNATURE_ALGORITHMS_CERT:
	case ENN_EXT_SUPPORTED_VERSIONS:
	case ENN_EXT_KEY_SHARE:
	case ENN_EXT_PRE_SHARED_KEY:
	case ENN_EXT_PSK_KEY_EXCHANGE_MODES:
	case ENN_EXT_COOKIE:
	case ENN_EXT_CERTIFICATE_AUTHORITIES:
	case ENN_EXT_POST_HANDSHAKE_AUTH:
		out->misplaced_extension = type;
		return true;
	default:
		if (enn_views_add(&out->views, type, enn_read_bytes(data, enn_reader_left(data)))) {
			return true;
		}
		if (!(out->has & ENN_HAS_UNKNOWN)) {
			out->unknown_extension = type;
		}
		out->has |= ENN_HAS_UNKNOWN;
		return true;
	}
}

bool enn_parse_encrypted_extensions(struct enn_bytes body, struct enn_encrypted_extensions *out,
				    struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	struct enn_extension_set seen = {{0}};

	memset(out, 0, sizeof(*out));
	out->misplaced_extension = UINT16_MAX;
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "EncryptedExtensions",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		uint16_t type;
		struct enn_reader data;
		if (!enn_codec_next_extension(&list, &seen, &type, &data, "EncryptedExtensions",
					      fault)) {
			return false;
		}
		if (!encrypted_extension(out, type, &data)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "EncryptedExtensions",
					       "has a malformed extension");
		}
	}
	return true;
}

/* §4.2.4: DistinguishedName authorities<3..2^16-1>, <1..2^16-1> each. */
bool enn_codec_authorities(struct enn_reader *data, struct enn_bytes *out)
{
	*out = enn_read_vector(data, 2, 3, UINT16_MAX);
	struct enn_reader names = enn_reader_of(out->data, out->len);

	while (enn_reader_left(&names) > 0) {
		(void)enn_read_vector(&names, 2, 1, UINT16_MAX);
	}
	return enn_reader_done(data) && enn_reader_done(&names);
}

/* ---- CertificateRequest --------------------------------------------------------------- */

static bool certificate_request_extension(struct enn_certificate_request *out, uint16_t type,
					  struct enn_reader *data)
{
	switch (type) {
	case ENN_EXT_SIGNATURE_ALGORITHMS:
		out->has |= ENN_HAS_SIGNATURE_ALGORITHMS;
		out->signatures = enn_read_vector(data, 2, 2, UINT16_MAX - 1);
		return enn_reader_done(data) && out->signatures.len % 2 == 0;
	case ENN_EXT_SIGNATURE_ALGORITHMS_CERT:
		out->has |= ENN_HAS_SIGNATURE_ALGORITHMS_CERT;
		out->cert_signatures = enn_read_vector(data, 2, 2, UINT16_MAX - 1);
		return enn_reader_done(data) && out->cert_signatures.len % 2 == 0;
	case ENN_EXT_CERTIFICATE_AUTHORITIES:
		out->has |= ENN_HAS_CERTIFICATE_AUTHORITIES;
		return enn_codec_authorities(data, &out->authorities);
	default:
		(void)enn_views_add(&out->views, type, enn_read_bytes(data, enn_reader_left(data)));
		return true; /* §4.3.2: unrecognised ones are ignored */
	}
}

bool enn_parse_certificate_request(struct enn_bytes body, struct enn_certificate_request *out,
				   struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	struct enn_extension_set seen = {{0}};

	memset(out, 0, sizeof(*out));
	out->context = enn_read_vector(&r, 1, 0, 255);
	struct enn_reader list = enn_read_sub(&r, 2, 2, UINT16_MAX);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "CertificateRequest",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		uint16_t type;
		struct enn_reader data;
		if (!enn_codec_next_extension(&list, &seen, &type, &data, "CertificateRequest",
					      fault)) {
			return false;
		}
		if (!certificate_request_extension(out, type, &data)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "CertificateRequest",
					       "has a malformed extension");
		}
	}
	return true;
}

/* ---- Certificate, CertificateVerify --------------------------------------------------- */

bool enn_parse_certificate(struct enn_bytes body, size_t max, struct enn_certificate_message *out,
			   struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	memset(out, 0, sizeof(*out));
	out->context = enn_read_vector(&r, 1, 0, 255);
	struct enn_reader list = enn_read_sub(&r, 3, 0, 0xffffff);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "Certificate",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		struct enn_bytes der = enn_read_vector(&list, 3, 1, 0xffffff);
		struct enn_bytes extensions = enn_read_vector(&list, 2, 0, UINT16_MAX);
		if (!enn_reader_ok(&list)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "Certificate",
					       "has a truncated entry");
		}
		if (out->count == max || out->count == ENN_ARRAY_LEN(out->certificates)) {
			return enn_codec_fault(fault, ENN_ALERT_BAD_CERTIFICATE, "Certificate",
					       "has more certificates than allowed");
		}
		out->extensions[out->count] = extensions;
		out->certificates[out->count++] = der;
	}
	return true;
}

bool enn_parse_certificate_verify(struct enn_bytes body, struct enn_certificate_verify *out,
				  struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	out->scheme = enn_read_u16(&r);
	out->signature = enn_read_vector(&r, 2, 0, UINT16_MAX);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "CertificateVerify",
				       "has a wrong length");
	}
	return true;
}

/* ---- NewSessionTicket, KeyUpdate -------------------------------------------------------- */

bool enn_parse_new_session_ticket(struct enn_bytes body, struct enn_new_session_ticket *out,
				  struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);
	struct enn_extension_set seen = {{0}};

	memset(out, 0, sizeof(*out));
	out->lifetime = enn_read_u32(&r);
	out->age_add = enn_read_u32(&r);
	out->nonce = enn_read_vector(&r, 1, 0, 255);
	out->ticket = enn_read_vector(&r, 2, 1, UINT16_MAX);
	struct enn_reader list = enn_read_sub(&r, 2, 0, UINT16_MAX - 1);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "NewSessionTicket",
				       "has a wrong length");
	}
	while (enn_reader_left(&list) > 0) {
		uint16_t type;
		struct enn_reader data;
		if (!enn_codec_next_extension(&list, &seen, &type, &data, "NewSessionTicket",
					      fault)) {
			return false;
		}
		if (type != ENN_EXT_EARLY_DATA) {
			(void)enn_views_add(&out->views, type,
					    enn_read_bytes(&data, enn_reader_left(&data)));
			continue; /* §4.6.1: unrecognised ones are ignored */
		}
		out->has_early_data = true;
		out->max_early_data = enn_read_u32(&data);
		if (!enn_reader_done(&data)) {
			return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR,
					       "NewSessionTicket.early_data", "is malformed");
		}
	}
	return true;
}

bool enn_parse_key_update(struct enn_bytes body, uint8_t *request_update, struct enn_fault *fault)
{
	struct enn_reader r = enn_reader_of(body.data, body.len);

	*request_update = enn_read_u8(&r);
	if (!enn_reader_done(&r)) {
		return enn_codec_fault(fault, ENN_ALERT_DECODE_ERROR, "KeyUpdate",
				       "has a wrong length");
	}
	if (*request_update > 1) {
		return enn_codec_fault(fault, ENN_ALERT_ILLEGAL_PARAMETER,
				       "KeyUpdate.request_update", "has an undefined value");
	}
	return true;
}
