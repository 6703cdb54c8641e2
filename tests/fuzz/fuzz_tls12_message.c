/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages that only TLS 1.2 has, or has in another form, chosen by the first byte; and what is made of their
 * lists afterwards.
 */
#include <string.h>

#include "fuzz.h"
#include "handshake/tls12.h"

static bool within(struct enn_bytes part, struct enn_bytes whole)
{
	return part.len == 0 ||
	       (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static bool key_exchange(struct enn_bytes body, bool psk, struct enn_fault *fault)
{
	struct enn_tls12_key_exchange m;
	bool good = enn_parse_server_key_exchange(body, psk, &m, fault);

	FUZZ_ASSERT(within(m.hint, body) && within(m.public_key, body) && within(m.params, body) &&
		    within(m.signature, body));
	if (good) { /* nothing is left between the parts, nor behind them */
		FUZZ_ASSERT(m.public_key.len > 0 && m.params.len == 4 + m.public_key.len);
		FUZZ_ASSERT(body.len ==
			    (psk ? 2 + m.hint.len : 4 + m.signature.len) + m.params.len);
	}
	return good;
}

static bool client_key_exchange(struct enn_bytes body, bool psk, struct enn_fault *fault)
{
	struct enn_bytes identity;
	struct enn_bytes key;
	bool good = enn_parse_client_key_exchange(body, psk, &identity, &key, fault);

	if (good) {
		FUZZ_ASSERT(key.len > 0 && within(key, body) && within(identity, body));
		FUZZ_ASSERT(body.len == (psk ? 2 + identity.len : 0) + 1 + key.len);
	}
	return good;
}

/* The first byte of it: how many certificates are allowed. */
static bool certificate(struct enn_bytes body, bool raw, struct enn_fault *fault)
{
	struct enn_certificate_message m;
	size_t max = body.len == 0 ? 0 : body.data[0];
	size_t sum = 0;

	body = body.len == 0 ? body : (struct enn_bytes){body.data + 1, body.len - 1};
	bool good = enn_parse_certificate12(body, raw, max, &m, fault);
	if (good) {
		FUZZ_ASSERT(m.count <= ENN_MAX_CERTIFICATES && m.count <= (raw ? 1 : max));
		for (size_t i = 0; i < m.count; i++) {
			FUZZ_ASSERT(m.certificates[i].len > 0 && within(m.certificates[i], body));
			sum += 3 + m.certificates[i].len;
		}
		FUZZ_ASSERT(raw ? body.len == (m.count == 0 ? 3 : sum) : body.len == 3 + sum);
	}
	return good;
}

static bool request(struct enn_bytes body, struct enn_fault *fault)
{
	static const enum enn_suite_auth kinds[] = {ENN_SUITE_ECDSA, ENN_SUITE_RSA, ENN_SUITE_PSK};
	struct enn_tls12_certificate_request m;
	uint8_t kept[64];
	bool good = enn_parse_certificate_request12(body, &m, fault);

	if (!good) {
		return false;
	}
	FUZZ_ASSERT(m.types.len > 0 && m.signatures.len > 0 && m.signatures.len % 2 == 0);
	FUZZ_ASSERT(body.len == 5 + m.types.len + m.signatures.len + m.authorities.len);
	for (size_t i = 0; i < ENN_ARRAY_LEN(kinds); i++) {
		struct enn_bytes some =
			enn_tls12_filter_schemes(m.signatures, kinds[i], kept, sizeof(kept));
		FUZZ_ASSERT(some.len <= sizeof(kept) && some.len <= m.signatures.len &&
			    some.len % 2 == 0 && (kinds[i] != ENN_SUITE_PSK || some.len == 0));
	}
	return true;
}

static bool ticket(struct enn_bytes body, struct enn_fault *fault)
{
	uint32_t lifetime;
	struct enn_bytes t;
	bool good = enn_parse_ticket12(body, &lifetime, &t, fault);

	FUZZ_ASSERT(!good || (body.len == 6 + t.len && within(t, body)));
	return good;
}

static bool status(struct enn_bytes body, struct enn_fault *fault)
{
	struct enn_bytes response;
	bool good = enn_parse_certificate_status(body, "CertificateStatus", &response, fault);

	FUZZ_ASSERT(!good || (response.len > 0 && body.len == 4 + response.len));
	return good;
}

/* Extensions whose contents are looked into by TLS 1.2 only; they have no fault. */
static void extensions(struct enn_bytes body)
{
	struct enn_views views = {.has = 0};
	bool malformed = false;

	(void)enn_views_add(&views, ENN_EXT_EC_POINT_FORMATS, body);
	bool points = enn_tls12_points_ok(&views, &malformed);
	FUZZ_ASSERT(!points || (!malformed && body.len >= 2 && body.data[0] == body.len - 1));
	memset(&views, 0, sizeof(views));
	(void)enn_views_add(&views, ENN_EXT_RENEGOTIATION_INFO, body);
	FUZZ_ASSERT(enn_tls12_renegotiation_ok(&views) == (body.len == 1 && body.data[0] == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_fault fault = {.where = NULL};
	bool good = true;

	if (size == 0) {
		return 0;
	}
	struct enn_bytes body = {data + 1, size - 1};
	switch (data[0] % 10) {
	case 0:
	case 1:
		good = key_exchange(body, data[0] % 10 == 1, &fault);
		break;
	case 2:
	case 3:
		good = client_key_exchange(body, data[0] % 10 == 3, &fault);
		break;
	case 4:
	case 5:
		good = certificate(body, data[0] % 10 == 5, &fault);
		break;
	case 6:
		good = request(body, &fault);
		break;
	case 7:
		good = ticket(body, &fault);
		break;
	case 8:
		good = status(body, &fault);
		break;
	default:
		extensions(body);
		break;
	}
	FUZZ_ASSERT(good || (fault.where != NULL && fault.alert != 0));
	return 0;
}
