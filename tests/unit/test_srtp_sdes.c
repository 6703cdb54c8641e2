/* SPDX-License-Identifier: Apache-2.0
 *
 * a=crypto lines: the examples of RFC 4568, what is refused, and there and back.
 */
#include "protocols/srtp/sdes.h"
#include "srtp.h"

static enum enn_status parse(const char *line, struct enn_srtp_sdes *out)
{
	const char *why = NULL;
	enum enn_status status = enn_srtp_sdes_parse(
		(struct enn_bytes){(const uint8_t *)line, strlen(line)}, out, &why);

	assert_int_equal(status == ENN_OK, why == NULL);
	return status;
}

#define KEY "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"

/* RFC 4568 §6.1 */
static void example(void **state)
{
	struct enn_srtp_sdes s;

	(void)state;
	assert_int_equal(parse("a=crypto:1 AES_CM_128_HMAC_SHA1_80 " KEY "|2^20|1:4\r\n", &s),
			 ENN_OK);
	assert_int_equal(s.tag, 1);
	assert_int_equal(s.suite, ENN_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(s.master_count, 1);
	assert_memory_equal(s.master[0].key, "wDfvg&T+)xG7@fb5", 16);
	assert_memory_equal(s.master[0].salt, "jU,RaA}\\|p0%*#", 14);
	assert_int_equal(s.master[0].lifetime, 1u << 20);
	assert_int_equal(s.master[0].mki_len, 4);
	assert_hex(s.master[0].mki, 4, "00000001");
	/* without the lifetime */
	assert_int_equal(parse("1 AES_CM_128_HMAC_SHA1_80 "
			       "inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4",
			       &s),
			 ENN_OK);
	assert_int_equal(s.master[0].lifetime, 0);
	assert_hex(s.master[0].mki, 4, "0000042a");
	assert_int_equal(parse("2 aes_cm_128_hmac_sha1_32 " KEY "|1:1;" KEY
			       "|2:1 KDR=5 UNENCRYPTED_SRTCP WSH=128 FEC_ORDER=FEC_SRTP -later=1",
			       &s),
			 ENN_OK);
	assert_int_equal(s.master_count, 2);
	assert_int_equal(s.kdr, 5);
	assert_int_equal(s.window, 128);
	assert_true(s.unencrypted_rtcp);
	assert_false(s.unencrypted_rtp);
	struct enn_srtp_policy policy;
	enn_srtp_sdes_policy(&s, &policy);
	assert_int_equal(policy.master_count, 2);
	assert_int_equal(policy.window, 128);
	assert_false(policy.null_allowed);
}

static void refused(void **state)
{
	static const struct {
		const char *line;
		enum enn_status want;
	} v[] = {
		{"", ENN_E_PARSE},
		{"a=crypto:", ENN_E_PARSE},
		{"a=crypto:1 AES_CM_128_HMAC_SHA1_80", ENN_E_PARSE},
		{"01 AES_CM_128_HMAC_SHA1_80 " KEY, ENN_E_PARSE},
		{"x AES_CM_128_HMAC_SHA1_80 " KEY, ENN_E_PARSE},
		{"1234567890 AES_CM_128_HMAC_SHA1_80 " KEY, ENN_E_PARSE},
		{"1 F8_128_HMAC_SHA1_80 " KEY, ENN_E_UNSUPPORTED},
		{"1 AES_256_CM_HMAC_SHA1_80 " KEY, ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 url:x", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSo",
		 ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSo!",
		 ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|0", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|010", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|2^49", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|2^20|", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|2^20|1", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|1:129", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|1:0", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|256:1", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|1:1|2^20", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY ";" KEY, ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|1:1;" KEY "|1:1", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY "|1:1;" KEY "|2:2", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY " KDR=0", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY " KDR=25", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY " WSH=63", ENN_E_PARSE},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY " FEC_ORDER=SRTP_FEC", ENN_E_UNSUPPORTED},
		{"1 AES_CM_128_HMAC_SHA1_80 " KEY " NEW=1", ENN_E_UNSUPPORTED},
		{"1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw== "
		 "UNAUTHENTICATED_SRTP",
		 ENN_E_PARSE},
	};
	struct enn_srtp_sdes s;

	(void)state;
	for (size_t i = 0; i < ENN_ARRAY_LEN(v); i++) {
		if (parse(v[i].line, &s) != v[i].want) {
			fail_msg("%s", v[i].line);
		}
	}
	/* padding or none */
	assert_int_equal(
		parse("1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw", &s),
		ENN_OK);
	assert_int_equal(
		parse("1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==", &s),
		ENN_OK);
}

static void there_and_back(void **state)
{
	(void)state;
	for (int id = 0; id < ENN_SRTP_NULL_HMAC_SHA1_80; id++) {
		struct enn_srtp_sdes s = {.tag = 7,
					  .suite = (enum enn_srtp_suite_id)id,
					  .master = {srtp_master_of(1), srtp_master_of(2)},
					  .master_count = 2,
					  .kdr = 24,
					  .unencrypted_rtp = true,
					  .window = 64};
		struct enn_srtp_sdes back;
		uint8_t line[1024];
		struct enn_writer w = enn_writer_of(line, sizeof(line));
		const struct enn_srtp_suite *suite = enn_srtp_suite(s.suite);

		s.master[0].lifetime = 12345;
		s.master[1].lifetime = 1u << 31;
		for (unsigned i = 0; i < 2; i++) {
			s.master[i].mki_len = 3;
			s.master[i].mki[2] = (uint8_t)i;
		}
		enn_srtp_sdes_write(&w, &s);
		assert_true(enn_writer_ok(&w));
		assert_int_equal(enn_srtp_sdes_parse((struct enn_bytes){line, enn_writer_len(&w)},
						     &back, NULL),
				 ENN_OK);
		assert_int_equal(back.suite, s.suite);
		assert_int_equal(back.kdr, 24);
		assert_true(back.unencrypted_rtp && !back.unencrypted_rtcp);
		for (unsigned i = 0; i < 2; i++) {
			assert_memory_equal(back.master[i].key, s.master[i].key, suite->key_len);
			assert_memory_equal(back.master[i].salt, s.master[i].salt, suite->salt_len);
			assert_memory_equal(back.master[i].mki, s.master[i].mki, 3);
			assert_int_equal(back.master[i].lifetime, s.master[i].lifetime);
		}
		w = enn_writer_of(line, 60);
		enn_srtp_sdes_write(&w, &s);
		assert_false(enn_writer_ok(&w));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example),
		cmocka_unit_test(refused),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
