/* SPDX-License-Identifier: Apache-2.0
 *
 * The observer of TLS records.
 */
#include "wire_tls.h"

#include <string.h>

#define TYPE_CCS	 20
#define TYPE_ALERT	 21
#define TYPE_HANDSHAKE	 22
#define TYPE_APPLICATION 23
#define TAG		 16u
#define MAX_PLAINTEXT	 16384u

void sim_wire_init(struct sim_wire *wire, bool server, uint64_t watched, uint64_t padding,
		   uint64_t limit, enum sim_wire_version version)
{
	memset(wire, 0, sizeof(*wire));
	wire->server = server;
	wire->watched = watched;
	wire->padding = padding;
	wire->limit = limit;
	wire->version = version;
}

bool sim_wire_whole(const struct sim_wire *wire)
{
	return wire->header_len == 0 && wire->left == 0;
}

static bool is_protected(const struct sim_wire *wire)
{
	bool after_ccs = wire->version == SIM_WIRE_TLS12 && wire->ccs > 0;

	return wire->header[0] == TYPE_APPLICATION || (after_ccs && wire->header[0] != TYPE_CCS);
}

static void look(struct sim_wire *wire, enum sim_wire_part part, uint32_t index)
{
	if (wire->offset == wire->watched) {
		wire->spot = (struct sim_wire_spot){.part = part,
						    .type = wire->header[0],
						    .previous = wire->last_type,
						    .is_protected = is_protected(wire),
						    .index = index,
						    .record = wire->records};
	}
}

/* RFC 8446 §5.2, §5.4: a protected record's size, and what a padding policy must make of it. Alerts are
 * not padded: two bytes and the content type. */
static const char *check_protected(struct sim_wire *wire, uint32_t length)
{
	uint32_t inner = length - TAG;

	wire->protected_records++;
	if (length < TAG + 1 || inner > MAX_PLAINTEXT + 1) {
		return "a protected record has an impossible length";
	}
	if (inner > wire->limit) {
		return "a protected record is longer than the peer takes";
	}
	if (wire->padding > 1 && inner % wire->padding != 0 && inner != wire->limit && inner != 3) {
		return "a record does not follow the padding policy";
	}
	return NULL;
}

/* RFC 5246 §6.2: after change_cipher_spec every record is protected, whatever its type. The least that protection
 * adds is a tag; the most, with CBC, an initialisation vector, a block of padding and a MAC. */
static const char *check_header_12(struct sim_wire *wire, uint8_t type, uint32_t length)
{
	if (type == TYPE_CCS) {
		return length != 1 || wire->ccs++ > 0 ? "a strange change_cipher_spec" : NULL;
	}
	if (wire->ccs == 0) {
		bool wrong = type == TYPE_APPLICATION || (type == TYPE_ALERT && length != 2) ||
			     length == 0 || length > MAX_PLAINTEXT;
		wire->hellos += type == TYPE_HANDSHAKE;
		return wrong ? "a strange unprotected record" : NULL;
	}
	wire->protected_records++;
	return length < TAG || length > wire->limit + 80 ? "a protected record of a strange length"
							 : NULL;
}

/* Whatever the version. */
static const char *check_header_either(struct sim_wire *wire, uint8_t type, uint32_t length)
{
	if (type == TYPE_CCS) {
		return length != 1 || wire->ccs++ > 0 ? "a strange change_cipher_spec" : NULL;
	}
	wire->hellos += type == TYPE_HANDSHAKE;
	return length == 0 || length > MAX_PLAINTEXT + 80 ? "a record of a strange length" : NULL;
}

static const char *check_header(struct sim_wire *wire)
{
	const uint8_t *h = wire->header;
	uint32_t version = (uint32_t)(h[1] << 8 | h[2]);
	uint32_t length = (uint32_t)(h[3] << 8 | h[4]);
	/* §5.1: a first ClientHello, which may take several records, may say 0x0301 */
	bool first_hello = !wire->server && wire->records == wire->hellos && h[0] == TYPE_HANDSHAKE;

	if (version != 0x0303 && !(first_hello && version == 0x0301)) {
		return "a record has a wrong version";
	}
	if (h[0] < TYPE_CCS || h[0] > TYPE_APPLICATION) {
		return "a record has an unknown type";
	}
	if (wire->version != SIM_WIRE_TLS13) {
		return wire->version == SIM_WIRE_TLS12 ? check_header_12(wire, h[0], length)
						       : check_header_either(wire, h[0], length);
	}
	switch (h[0]) {
	case TYPE_CCS: /* §5: at most one, a dummy */
		return length != 1 || wire->ccs++ > 0 ? "a strange change_cipher_spec" : NULL;
	case TYPE_ALERT: /* a HelloRetryRequest takes the client's early keys away again */
		return length != 2 || (wire->server && wire->protected_records > 0)
			       ? "a strange unprotected alert"
			       : NULL;
	case TYPE_HANDSHAKE:
		wire->hellos++;
		if (length == 0 || length > MAX_PLAINTEXT) {
			return "an unprotected handshake record has an impossible length";
		}
		if (wire->server && wire->protected_records > 0) {
			return "an unprotected handshake record after protected ones";
		}
		return NULL;
	default:
		return check_protected(wire, length);
	}
}

static void end_record(struct sim_wire *wire)
{
	wire->last_type = wire->header[0];
	wire->header_len = 0;
	wire->records++;
}

static void see_header(struct sim_wire *wire, uint8_t byte)
{
	static const enum sim_wire_part parts[5] = {SIM_WIRE_TYPE, SIM_WIRE_VERSION,
						    SIM_WIRE_VERSION, SIM_WIRE_LENGTH,
						    SIM_WIRE_LENGTH};
	static const uint8_t index[5] = {0, 0, 1, 0, 1};
	uint8_t at = wire->header_len++;

	wire->header[at] = byte;
	look(wire, parts[at], index[at]);
	if (wire->header_len < 5) {
		return;
	}
	const char *wrong = check_header(wire);
	wire->wrong = wire->wrong == NULL ? wrong : wire->wrong;
	wire->left = (uint32_t)(wire->header[3] << 8 | wire->header[4]);
	wire->body_index = 0;
	if (wire->left == 0) {
		end_record(wire);
	}
}

/* §5.1: what may be sent without protection is a hello: type 1 from the client, 2 from the server. A long
 * one may go on in a further record, which only the client's can be here. */
static void check_body(struct sim_wire *wire, uint8_t first)
{
	bool start = wire->header[0] == TYPE_HANDSHAKE && wire->hellos == 1 &&
		     (wire->version == SIM_WIRE_TLS13 || wire->ccs == 0);

	if (start && first != (wire->server ? 2 : 1) && wire->wrong == NULL) {
		wire->wrong = "an unprotected handshake message that is no hello";
	}
}

void sim_wire_see(struct sim_wire *wire, const uint8_t *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (wire->left == 0) {
			see_header(wire, data[i]);
			i++;
			wire->offset++;
			continue;
		}
		if (wire->body_index == 0) {
			check_body(wire, data[i]);
		}
		size_t n = len - i < wire->left ? len - i : wire->left;
		if (wire->watched >= wire->offset && wire->watched < wire->offset + n) {
			uint32_t ahead = (uint32_t)(wire->watched - wire->offset);
			wire->spot = (struct sim_wire_spot){.part = SIM_WIRE_BODY,
							    .type = wire->header[0],
							    .previous = wire->last_type,
							    .is_protected = is_protected(wire),
							    .index = wire->body_index + ahead,
							    .record = wire->records};
		}
		wire->offset += n;
		wire->body_index += (uint32_t)n;
		wire->left -= (uint32_t)n;
		i += n;
		if (wire->left == 0) {
			end_record(wire);
		}
	}
}
