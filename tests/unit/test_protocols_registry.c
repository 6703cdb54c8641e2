/* SPDX-License-Identifier: Apache-2.0
 *
 * The nine protocols held against the survey's table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ennead/protocol.h"

/* draft-ietf-taps-transport-security-03 §5.3, footnotes and all. */
static const char *const header = "Protocol AN AD MA DM CM SV AFN CX SC LHP ED";
static const struct {
	const char *title;
	const char *cells;
} survey[] = {
	{"TLS", "S S S S U* M S S S S S"},	 {"DTLS", "S S S S S M S S S S U"},
	{"IETF QUIC", "S S S S S M S S S S S"},	 {"IKEv2+ESP", "S S M S S M S S S S U"},
	{"SRTP+DTLS", "S S S S U M S S S U U"},	 {"tcpcrypt", "S M U U** U* M U U S U U"},
	{"WireGuard", "U S M S U M U U U S+ U"}, {"MinimalT", "U U M S M M U U U S U"},
	{"CurveCP", "U U S S M M U U U S U"},
};

/* Copies the next word of a line, without footnote marks; false at its end. */
static bool next_word(const char **line, char *word, size_t cap)
{
	size_t n = 0;

	while (**line == ' ') {
		(*line)++;
	}
	while (**line != '\0' && **line != ' ' && n + 1 < cap) {
		if (strchr("*+", **line) == NULL) {
			word[n++] = **line;
		}
		(*line)++;
	}
	word[n] = '\0';
	return n > 0;
}

static char letter(enum enn_support support)
{
	return support == ENN_SUPPORT_MANDATORY	  ? 'M'
	       : support == ENN_SUPPORT_SUPPORTED ? 'S'
						  : 'U';
}

static void test_table(void **state)
{
	char word[16];
	(void)state;

	assert_int_equal(sizeof(survey) / sizeof(survey[0]), ENN_PROTOCOL_COUNT);
	for (size_t row = 0; row < ENN_PROTOCOL_COUNT; row++) {
		const struct enn_protocol *p = enn_protocol_at(row);
		const char *cells = survey[row].cells;
		assert_non_null(p);
		assert_string_equal(p->title, survey[row].title);
		unsigned f = ENN_FEATURE_OPTIONAL_FIRST;
		for (; next_word(&cells, word, sizeof(word)); f++) {
			assert_true(f < ENN_FEATURE_COUNT);
			assert_int_equal(letter(enn_protocol_feature(p, (enum enn_feature)f)),
					 word[0]);
		}
		assert_int_equal(f, ENN_FEATURE_COUNT);
	}
	assert_null(enn_protocol_at(ENN_PROTOCOL_COUNT));
	assert_null(enn_protocol_at(SIZE_MAX));
}

static void test_columns(void **state)
{
	const char *words = header;
	char word[16];
	(void)state;

	assert_true(next_word(&words, word, sizeof(word)));
	for (unsigned f = 0; f < ENN_FEATURE_COUNT; f++) {
		enum enn_feature feature = (enum enn_feature)f;
		assert_true(strlen(enn_feature_name(feature)) > 5);
		if (f < ENN_FEATURE_OPTIONAL_FIRST) {
			assert_string_equal(enn_feature_abbreviation(feature), "");
		} else {
			assert_true(next_word(&words, word, sizeof(word)));
			assert_string_equal(enn_feature_abbreviation(feature), word);
		}
	}
	assert_false(next_word(&words, word, sizeof(word)));
	assert_string_equal(enn_feature_name(ENN_FEATURE_COUNT), "unknown feature");
	assert_string_equal(enn_feature_abbreviation(ENN_FEATURE_COUNT), "");
}

/* §5.1 holds for all, but for what the survey's own §4.6 and §6.1 take back. */
static void test_mandatory(void **state)
{
	(void)state;

	for (size_t row = 0; row < ENN_PROTOCOL_COUNT; row++) {
		const struct enn_protocol *p = enn_protocol_at(row);
		for (unsigned f = 0; f < ENN_FEATURE_OPTIONAL_FIRST; f++) {
			bool exception =
				(p->id == ENN_PROTOCOL_TCPCRYPT &&
				 (f == ENN_FEATURE_PUBLIC_KEY_AUTHENTICATION ||
				  f == ENN_FEATURE_RESPONDER_AUTHENTICATION)) ||
				(p->id == ENN_PROTOCOL_CURVECP && f == ENN_FEATURE_PRE_SHARED_KEY);
			assert_int_equal(enn_protocol_feature(p, (enum enn_feature)f),
					 exception ? ENN_SUPPORT_UNSUPPORTED
						   : ENN_SUPPORT_MANDATORY);
		}
	}
}

static void test_look_up(void **state)
{
	static const char *const schemes[] = {"tls",	  "dtls",      "quic",	   "ikev2",  "srtp",
					      "tcpcrypt", "wireguard", "minimalt", "curvecp"};
	(void)state;

	for (size_t i = 0; i < ENN_PROTOCOL_COUNT; i++) {
		const struct enn_protocol *p = enn_protocol_at(i);
		assert_int_equal(p->id, i + 1);
		assert_string_equal(p->scheme, schemes[i]);
		assert_ptr_equal(enn_protocol_by_scheme(schemes[i]), p);
		assert_ptr_equal(enn_protocol_by_id((enum enn_protocol_id)(i + 1)), p);
		assert_true(strlen(p->name) > 0 && strlen(p->spec) > 0);
	}
	assert_ptr_equal(enn_protocol_by_scheme("TLS"), enn_protocol_at(0));
	assert_ptr_equal(enn_protocol_by_scheme("WireGuard"), enn_protocol_at(6));
	assert_null(enn_protocol_by_scheme("tl"));
	assert_null(enn_protocol_by_scheme("tlss"));
	assert_null(enn_protocol_by_scheme(""));
	assert_null(enn_protocol_by_scheme(NULL));
	assert_null(enn_protocol_by_id((enum enn_protocol_id)0));
	assert_null(enn_protocol_by_id((enum enn_protocol_id)10));
}

/* Nothing is claimed to be built that the protocol does not offer, or that has no engine. */
static void test_built(void **state)
{
	(void)state;

	for (size_t row = 0; row < ENN_PROTOCOL_COUNT; row++) {
		const struct enn_protocol *p = enn_protocol_at(row);
		bool engine = p->new_client != NULL && p->new_server != NULL;
		assert_true((p->new_client == NULL) == (p->new_server == NULL));
		assert_true(engine || (p->built == 0 && p->interfaces == 0));
		assert_int_equal(p->built >> ENN_FEATURE_COUNT, 0);
		for (unsigned f = 0; f < ENN_FEATURE_COUNT; f++) {
			enum enn_feature feature = (enum enn_feature)f;
			assert_int_equal(enn_protocol_built(p, feature), p->built >> f & 1);
			assert_true(!enn_protocol_built(p, feature) ||
				    enn_protocol_feature(p, feature) != ENN_SUPPORT_UNSUPPORTED);
		}
	}
	assert_true(enn_protocol_at(0)->new_client != NULL);
	assert_false(enn_protocol_built(NULL, ENN_FEATURE_EARLY_DATA));
	assert_false(enn_protocol_built(enn_protocol_at(0), ENN_FEATURE_COUNT));
	assert_int_equal(enn_protocol_feature(NULL, ENN_FEATURE_EARLY_DATA),
			 ENN_SUPPORT_UNSUPPORTED);
	assert_int_equal(enn_protocol_feature(enn_protocol_at(0), ENN_FEATURE_COUNT),
			 ENN_SUPPORT_UNSUPPORTED);
}

static void test_layers(void **state)
{
	(void)state;

	assert_int_equal(enn_protocol_by_id(ENN_PROTOCOL_TLS)->substrate,
			 ENN_SUBSTRATE_BYTE_STREAM);
	assert_int_equal(enn_protocol_by_id(ENN_PROTOCOL_TLS)->service, ENN_SERVICE_BYTE_STREAM);
	assert_int_equal(enn_protocol_by_id(ENN_PROTOCOL_QUIC)->service, ENN_SERVICE_MULTISTREAM);
	assert_int_equal(enn_protocol_by_id(ENN_PROTOCOL_TCPCRYPT)->substrate,
			 ENN_SUBSTRATE_INSIDE_TCP);
	assert_int_equal(enn_protocol_by_id(ENN_PROTOCOL_IKEV2_ESP)->service,
			 ENN_SERVICE_IP_PACKET);
	/* Connections carry messages; an interface (wireguard.h) carries IP packets. */
	assert_int_equal(enn_protocol_by_id(ENN_PROTOCOL_WIREGUARD)->service, ENN_SERVICE_DATAGRAM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_columns),
		cmocka_unit_test(test_mandatory), cmocka_unit_test(test_look_up),
		cmocka_unit_test(test_built),	  cmocka_unit_test(test_layers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
