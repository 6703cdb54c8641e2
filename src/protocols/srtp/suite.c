/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of suites, and names.
 */
#include <strings.h>

#include "base/compiler.h"
#include "protocols/srtp/srtp.h"

#define CM(id_, name_, dtls_, key_, tag_)                                                          \
	{                                                                                          \
		.id = (id_), .name = (name_), .dtls_profile = (dtls_), .key_len = (key_),          \
		.salt_len = 14, .rtp_tag = (tag_), .rtcp_tag = 10, .cipher = true                  \
	}
#define GCM(id_, name_, dtls_, key_)                                                               \
	{                                                                                          \
		.id = (id_), .name = (name_), .dtls_profile = (dtls_), .key_len = (key_),          \
		.salt_len = 12, .aead = true, .cipher = true                                       \
	}
#define NONE(id_, dtls_, tag_)                                                                     \
	{                                                                                          \
		.id = (id_), .dtls_profile = (dtls_), .key_len = 16, .salt_len = 14,               \
		.rtp_tag = (tag_), .rtcp_tag = 10                                                  \
	}

/* RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.1; RFC 5764 §4.1.2, RFC 7714 §14.2. The tag of RTCP has 80 bits also where that of
 * RTP has 32. */
static const struct enn_srtp_suite suites[ENN_SRTP_SUITE_COUNT] = {
	CM(ENN_SRTP_AES_CM_128_HMAC_SHA1_80, "AES_CM_128_HMAC_SHA1_80", 1, 16, 10),
	CM(ENN_SRTP_AES_CM_128_HMAC_SHA1_32, "AES_CM_128_HMAC_SHA1_32", 2, 16, 4),
	CM(ENN_SRTP_AES_192_CM_HMAC_SHA1_80, "AES_192_CM_HMAC_SHA1_80", 0, 24, 10),
	CM(ENN_SRTP_AES_192_CM_HMAC_SHA1_32, "AES_192_CM_HMAC_SHA1_32", 0, 24, 4),
	CM(ENN_SRTP_AES_256_CM_HMAC_SHA1_80, "AES_256_CM_HMAC_SHA1_80", 0, 32, 10),
	CM(ENN_SRTP_AES_256_CM_HMAC_SHA1_32, "AES_256_CM_HMAC_SHA1_32", 0, 32, 4),
	GCM(ENN_SRTP_AEAD_AES_128_GCM, "AEAD_AES_128_GCM", 7, 16),
	GCM(ENN_SRTP_AEAD_AES_256_GCM, "AEAD_AES_256_GCM", 8, 32),
	NONE(ENN_SRTP_NULL_HMAC_SHA1_80, 5, 10),
	NONE(ENN_SRTP_NULL_HMAC_SHA1_32, 6, 4),
};

const struct enn_srtp_suite *enn_srtp_suite(enum enn_srtp_suite_id id)
{
	return (unsigned)id < ENN_SRTP_SUITE_COUNT ? &suites[id] : NULL;
}

const struct enn_srtp_suite *enn_srtp_suite_by_name(struct enn_bytes name)
{
	for (size_t i = 0; i < ENN_SRTP_SUITE_COUNT; i++) {
		const char *own = suites[i].name;
		if (own != NULL && strlen(own) == name.len &&
		    strncasecmp(own, (const char *)name.data, name.len) == 0) {
			return &suites[i];
		}
	}
	return NULL;
}

const struct enn_srtp_suite *enn_srtp_suite_by_dtls(uint16_t profile)
{
	for (size_t i = 0; i < ENN_SRTP_SUITE_COUNT; i++) {
		if (profile != 0 && suites[i].dtls_profile == profile) {
			return &suites[i];
		}
	}
	return NULL;
}

const char *enn_srtp_result_name(enum enn_srtp_result result)
{
	static const char *const names[ENN_SRTP_RESULT_COUNT] = {
		[ENN_SRTP_OK] = "good",
		[ENN_SRTP_MALFORMED] = "not RTP or RTCP",
		[ENN_SRTP_NO_ROOM] = "the buffer is too small",
		[ENN_SRTP_REPLAYED] = "replayed, or too old",
		[ENN_SRTP_FORGED] = "the tag does not fit",
		[ENN_SRTP_UNKNOWN_KEY] = "no master key for it",
		[ENN_SRTP_EXPIRED_KEY] = "the key's lifetime is used up",
		[ENN_SRTP_MANY_STREAMS] = "more streams than allowed",
		[ENN_SRTP_REFUSED] = "against the policy",
		[ENN_SRTP_NO_MEMORY] = "out of memory",
		[ENN_SRTP_BROKEN] = "the cryptographic library failed",
	};

	return (unsigned)result < ENN_SRTP_RESULT_COUNT ? names[result] : "unknown";
}
