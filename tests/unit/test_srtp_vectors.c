/* SPDX-License-Identifier: Apache-2.0
 *
 * The specifications' own packets and keys: RFC 3711 B.3, RFC 6188 §7, RFC 6904 A, RFC 7714 §16 and §17, RFC 9335 A. The
 * keystreams of RFC 3711 B.2 and RFC 6188 are in test_crypto_ctr_hmac.c.
 */
#include "srtp.h"

/* ---- key derivation ---------------------------------------------------------------------------- */

static void derivation(void **state)
{
	static const struct {
		size_t len;
		const char *key;
		const char *salt;
		struct {
			enum enn_srtp_label label;
			size_t len;
			const char *want;
		} out[6];
	} v[] = {
		{16,
		 "E1F97A0D3E018BE0D64FA32C06DE4139",
		 "0EC675AD498AFEEBB6960B3AABE6",
		 {{ENN_SRTP_LABEL_RTP_KEY, 16, "C61E7A93744F39EE10734AFE3FF7A087"},
		  {ENN_SRTP_LABEL_RTP_SALT, 14, "30CBBC08863D8C85D49DB34A9AE1"},
		  {ENN_SRTP_LABEL_RTP_AUTH, 94,
		   "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE"
		   "E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25"
		   "6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2"},
		  {ENN_SRTP_LABEL_HEADER_KEY, 16, "549752054D6FB708622C4A2E596A1B93"},
		  {ENN_SRTP_LABEL_HEADER_SALT, 14, "AB01818174C40D39A3781F7C2D27"}}},
		{32,
		 "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
		 "3b04803de51ee7c96423ab5b78d2",
		 {{ENN_SRTP_LABEL_RTP_KEY, 32,
		   "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"},
		  {ENN_SRTP_LABEL_RTP_SALT, 14, "fa31791685ca444a9e07c6c64e93"},
		  {ENN_SRTP_LABEL_RTP_AUTH, 20, "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"}}},
		{24,
		 "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
		 "c8522f3acd4ce86d5add78edbb11",
		 {{ENN_SRTP_LABEL_RTP_KEY, 24, "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb"},
		  {ENN_SRTP_LABEL_RTP_SALT, 14, "2372b82d639b6d8503a47adc0a6c"},
		  {ENN_SRTP_LABEL_RTP_AUTH, 20, "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb"}}},
	};
	struct test_env t;

	(void)state;
	test_env_open(&t, srtp_backend);
	for (size_t i = 0; i < ENN_ARRAY_LEN(v); i++) {
		uint8_t key[32];
		uint8_t salt[14];
		(void)unhex(v[i].key, key, sizeof(key));
		(void)unhex(v[i].salt, salt, sizeof(salt));
		for (size_t k = 0; k < 6 && v[i].out[k].len > 0; k++) {
			uint8_t out[94];
			assert_int_equal(enn_srtp_derive(&t.env, key, v[i].len, salt, sizeof(salt),
							 v[i].out[k].label, 0, out,
							 v[i].out[k].len),
					 ENN_OK);
			assert_hex(out, v[i].out[k].len, v[i].out[k].want);
		}
	}
	test_env_close(&t);
}

/* ---- RFC 6904 A.2 ------------------------------------------------------------------------------ */

static void header_extension(void **state)
{
	struct srtp_pair pair;
	struct srtp_buffer b;
	struct enn_srtp_master master = {.mki_len = 0};
	/* ids 1, 3 and 4 */
	struct enn_srtp_policy policy = {.master = &master,
					 .master_count = 1,
					 .encrypted_ids = {1u << 1 | 1u << 3 | 1u << 4}};

	(void)state;
	(void)unhex("E1F97A0D3E018BE0D64FA32C06DE4139", master.key, sizeof(master.key));
	(void)unhex("0EC675AD498AFEEBB6960B3AABE6", master.salt, sizeof(master.salt));
	srtp_open(&pair, &policy);
	size_t len = unhex("900f1234 decafbad cafebabe bede0006 17414273A475262748220000C8308E46"
			   "55996386B395FB00 abababab",
			   b.data, SRTP_ROOM);
	srtp_raw(&b, b.data, len, ENN_SRTP_RTP);
	srtp_across(&pair, &b);
	assert_hex(b.data + 16, 24, "17588A9270F4E15E1C220000C8309546A994F0BC54789700");
	srtp_close(&pair);
}

/* ---- RFC 7714 ---------------------------------------------------------------------------------- */

static void set_keys(struct srtp_pair *pair, unsigned rtcp)
{
	uint8_t key[32];
	struct enn_srtp_session *const both[2] = {pair->out, pair->in};

	for (size_t i = 0; i < sizeof(key); i++) {
		key[i] = (uint8_t)i;
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(srtp_keys_set(both[i], &both[i]->master[0]->keys[rtcp][0], rtcp,
					       key, (const uint8_t *)"Quid pro quo"),
				 ENN_OK);
	}
}

static void gcm(enum enn_srtp_suite_id suite, bool rtcp, bool encrypted, const char *plain,
		const char *want)
{
	struct srtp_pair pair;
	struct srtp_buffer b;
	struct srtp_stream *stream;
	const struct enn_srtp_policy policy = {.suite = suite,
					       .null_allowed = true,
					       .unencrypted_rtp = !encrypted,
					       .unencrypted_rtcp = !encrypted};

	srtp_open(&pair, &policy);
	set_keys(&pair, rtcp);
	size_t len = unhex(plain, b.data, SRTP_ROOM);
	srtp_raw(&b, b.data, len, rtcp ? ENN_SRTP_RTCP : ENN_SRTP_RTP);
	if (rtcp) {
		assert_int_equal(srtp_stream_make(pair.out, 0x4d617273, &stream), ENN_SRTP_OK);
		stream->rtcp_next = 0x5d4;
	}
	srtp_across(&pair, &b);
	assert_hex(b.data, b.p.len, want);
	srtp_close(&pair);
}

#define RTP_PLAIN                                                                                  \
	"8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976"                  \
	"69736120 696e2070 61727465 73207472 6573"
#define RTCP_PLAIN                                                                                 \
	"81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61"                  \
	"deadbeef deadbeef deadbeef deadbeef deadbeef"

static void gcm_rtp(void **state)
{
	(void)state;
	gcm(ENN_SRTP_AEAD_AES_128_GCM, false, true, RTP_PLAIN, /* §16.1.1 */
	    "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5"
	    "0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce");
	gcm(ENN_SRTP_AEAD_AES_128_GCM, false, false, RTP_PLAIN, /* §16.1.3 */
	    RTP_PLAIN "2249 3f82d2bc e397e9d7 9e3b19aa 4216");
	gcm(ENN_SRTP_AEAD_AES_256_GCM, false, true, RTP_PLAIN, /* §16.2.1 */
	    "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238"
	    "9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13");
	gcm(ENN_SRTP_AEAD_AES_256_GCM, false, false, RTP_PLAIN, /* §16.2.3 */
	    RTP_PLAIN "a866 d5910f88 7463067c eefec452 15d4");
}

static void gcm_rtcp(void **state)
{
	(void)state;
	gcm(ENN_SRTP_AEAD_AES_128_GCM, true, true, RTCP_PLAIN, /* §17.1 */
	    "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d"
	    "c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872"
	    "45d9eade 800005d4");
	gcm(ENN_SRTP_AEAD_AES_256_GCM, true, true, RTCP_PLAIN, /* §17.2 */
	    "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50"
	    "a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c"
	    "b26ac3be 800005d4");
	gcm(ENN_SRTP_AEAD_AES_128_GCM, true, false, RTCP_PLAIN, /* §17.3 */
	    RTCP_PLAIN "841dd968 3dd78ec9 2ae58790 125f62b3 000005d4");
	gcm(ENN_SRTP_AEAD_AES_256_GCM, true, false, RTCP_PLAIN, /* §17.4 */
	    RTCP_PLAIN "91db4afb feee5a97 8fab4393 ed2615fe 000005d4");
}

/* ---- RFC 9335 A -------------------------------------------------------------------------------- */

static const struct {
	const char *plain;
	const char *cm;
	const char *gcm;
} cryptex_packets[] = {
	{"900f1235decafbadcafebabebede000151000200abababababababababababababababab",
	 "900f1235decafbadcafebabec0de0001eb92365251c3e036f8de27e9c27ee3e0b4651d9fbc4218a7"
	 "0244522f34a5",
	 "900f1235decafbadcafebabec0de000139972dc9572c4d99e8fc355de743fb2e94f9d8ff54e72f41"
	 "93bbc5c74ffab0fa9fa0fbeb"},
	{"900f1236decafbadcafebabe1000000105020002abababababababababababababababab",
	 "900f1236decafbadcafebabec2de00014ed9cc4e6a712b3096c5ca77339d4204ce0d77396cab6958"
	 "5fbce38194a5",
	 "900f1236decafbadcafebabec2de0001bb75a4c545cd1f413bdb7daa2b1e3263de313667c9632490"
	 "81b35a65f5cb6c88b394235f"},
	{"920f1238decafbadcafebabe0001e2400000b26ebede000151000200abababababababababababab"
	 "abababab",
	 "920f1238decafbadcafebabe8bb6e12b5cff16ddc0de000192838c8c09e58393e1de3a9a74734d67"
	 "45671338c3acf11da2df8423bee0",
	 "920f1238decafbadcafebabe63bbccc4a7f695c4c0de00018ad7c71fac70a80c92866b4c6ba98546"
	 "ef913586e95ffaaffe956885bb0647a8bc094ac8"},
	{"920f1239decafbadcafebabe0001e2400000b26e1000000105020002abababababababababababab"
	 "abababab",
	 "920f1239decafbadcafebabef70e513eb90b9b25c2de0001bbed4848faa644665f3d7f34125914e9"
	 "f4d0ae923c6f479b95a0f7b53133",
	 "920f1239decafbadcafebabe3680524f8d312b00c2de0001c78d120038422bc111a7187a18246f98"
	 "0c059cc6bc9df8b626394eca344e4b05d80fea83"},
	{"920f123adecafbadcafebabe0001e2400000b26ebede0000abababababababababababababababab",
	 "920f123adecafbadcafebabe7130b6abfe2ab0e3c0de0000e3d9f64b25c9e74cb4cf8e43fb92e378"
	 "1c2c0ceab6b3a499a14c",
	 "920f123adecafbadcafebabe15b6bb4337906fffc0de0000b7b964537a2b03ab7ba5389ce9331712"
	 "6b5d974df30c6884dcb651c5e120c1da"},
	{"920f123bdecafbadcafebabe0001e2400000b26e10000000abababababababababababababababab",
	 "920f123bdecafbadcafebabecbf24c124330e1c8c2de0000599dd45bc9d687b603e8b59d771fd38e"
	 "88b170e0cd31e125eabe",
	 "920f123bdecafbadcafebabedcb38c9e48bf95f4c2de000061ee432cf920317076613258d3ce4236"
	 "c06ac429681ad08413512dc98b5207d8"},
};

static void cryptex_with(enum enn_srtp_suite_id suite, const char *key, const char *salt)
{
	struct enn_srtp_master master = {.mki_len = 0};
	const struct enn_srtp_policy policy = {.suite = suite,
					       .master = &master,
					       .master_count = 1,
					       .cryptex = ENN_SRTP_CRYPTEX_REQUIRED};

	(void)unhex(key, master.key, sizeof(master.key));
	(void)unhex(salt, master.salt, sizeof(master.salt));
	for (size_t i = 0; i < ENN_ARRAY_LEN(cryptex_packets); i++) {
		struct srtp_pair pair;
		struct srtp_buffer b;
		srtp_open(&pair, &policy);
		size_t len = unhex(cryptex_packets[i].plain, b.data, SRTP_ROOM);
		srtp_raw(&b, b.data, len, ENN_SRTP_RTP);
		srtp_across(&pair, &b);
		assert_hex(b.data, b.p.len,
			   suite == ENN_SRTP_AEAD_AES_128_GCM ? cryptex_packets[i].gcm
							      : cryptex_packets[i].cm);
		srtp_close(&pair);
	}
}

static void cryptex(void **state)
{
	(void)state;
	cryptex_with(ENN_SRTP_AES_CM_128_HMAC_SHA1_80, "e1f97a0d3e018be0d64fa32c06de4139",
		     "0ec675ad498afeebb6960b3aabe6");
	cryptex_with(ENN_SRTP_AEAD_AES_128_GCM, "000102030405060708090a0b0c0d0e0f",
		     "a0a1a2a3a4a5a6a7a8a9aaab");
}

/* RFC 9335 §5.2: CSRCs without an extension get an empty one, and the result is that of A.1.5. */
static void cryptex_adds(void **state)
{
	struct enn_srtp_master master = {.mki_len = 0};
	const struct enn_srtp_policy policy = {
		.master = &master, .master_count = 1, .cryptex = ENN_SRTP_CRYPTEX_ON};
	struct srtp_pair pair;
	struct srtp_buffer b;

	(void)state;
	(void)unhex("e1f97a0d3e018be0d64fa32c06de4139", master.key, sizeof(master.key));
	(void)unhex("0ec675ad498afeebb6960b3aabe6", master.salt, sizeof(master.salt));
	srtp_open(&pair, &policy);
	size_t len =
		unhex("820f123adecafbadcafebabe0001e2400000b26eabababababababababababababababab",
		      b.data, SRTP_ROOM);
	srtp_raw(&b, b.data, len, ENN_SRTP_RTP);
	assert_int_equal(srtp_send(&pair, &b), ENN_SRTP_OK);
	assert_hex(b.data, b.p.len, cryptex_packets[4].cm);
	srtp_close(&pair);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derivation), cmocka_unit_test(header_extension),
		cmocka_unit_test(gcm_rtp),    cmocka_unit_test(gcm_rtcp),
		cmocka_unit_test(cryptex),    cmocka_unit_test(cryptex_adds),
	};

	srtp_backend = test_backend(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
