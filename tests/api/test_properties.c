/* SPDX-License-Identifier: Apache-2.0
 *
 * The property table against RFC 9622, setting and parsing, and what properties prune.
 */
#include "fixture.h"

#include <string.h>

#include "taps/config.h"

static int setup(void **state)
{
	static struct fixture f;

	fixture_open(&f, NULL, true);
	fixture_preconnections(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

/* Names and defaults as RFC 9622 §6.2, §8.1, §8.2, §9.1.3 and §8.1.11 give them; typed in here a
 * second time so that a change of the table is noticed. */
static const struct {
	const char *name;
	uint64_t value;
} rfc[] = {
	{"reliability", ENN_REQUIRE},
	{"preserveMsgBoundaries", ENN_NO_PREFERENCE},
	{"perMsgReliability", ENN_NO_PREFERENCE},
	{"preserveOrder", ENN_REQUIRE},
	{"zeroRttMsg", ENN_NO_PREFERENCE},
	{"multistreaming", ENN_PREFER},
	{"fullChecksumSend", ENN_REQUIRE},
	{"fullChecksumRecv", ENN_REQUIRE},
	{"congestionControl", ENN_REQUIRE},
	{"keepAlive", ENN_NO_PREFERENCE},
	{"interface", 0},
	{"pvd", 0},
	{"useTemporaryLocalAddress", ENN_PREFER},
	{"multipath", ENN_MULTIPATH_DISABLED},
	{"advertisesAltaddr", 0},
	{"direction", ENN_BIDIRECTIONAL},
	{"softErrorNotify", ENN_NO_PREFERENCE},
	{"activeReadBeforeSend", ENN_NO_PREFERENCE},
	{"recvChecksumLen", UINT64_MAX},
	{"connPriority", 100},
	{"connTimeout", ENN_TIME_NEVER},
	{"keepAliveTimeout", ENN_TIME_NEVER},
	{"connScheduler", ENN_SCHEDULER_WFQ},
	{"connCapacityProfile", ENN_CAPACITY_DEFAULT},
	{"multipathPolicy", ENN_HANDOVER},
	{"minSendRate", UINT64_MAX},
	{"minRecvRate", UINT64_MAX},
	{"maxSendRate", UINT64_MAX},
	{"maxRecvRate", UINT64_MAX},
	{"groupConnLimit", UINT64_MAX},
	{"isolateSession", 0},
	{"tcp.userTimeoutValue", ENN_TIME_NEVER},
	{"tcp.userTimeoutEnabled", 0},
	{"tcp.userTimeoutChangeable", 1},
	{"connState", ENN_STATE_ESTABLISHING},
	{"canSend", 0},
	{"canReceive", 0},
	{"singularTransmissionMsgMaxLen", 0},
	{"sendMsgMaxLen", UINT64_MAX},
	{"recvMsgMaxLen", UINT64_MAX},
	{"msgLifetime", ENN_TIME_NEVER},
	{"msgPriority", 100},
	{"msgOrdered", 1},
	{"safelyReplayable", 0},
	{"final", 0},
	{"msgChecksumLen", UINT64_MAX},
	{"msgReliable", 1},
	{"msgCapacityProfile", ENN_CAPACITY_DEFAULT},
	{"noFragmentation", 0},
	{"noSegmentation", 0},
};

static void test_table(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sizeof(rfc) / sizeof(rfc[0]), ENN_PROPERTY_COUNT);
	for (size_t i = 0; i < ENN_PROPERTY_COUNT; i++) {
		enum enn_property id = enn_property_find(rfc[i].name);
		uint64_t value = 0;
		assert_int_equal(id, i);
		assert_string_equal(enn_property_name(id), rfc[i].name);
		assert_true(strlen(enn_property_doc(id)) > 10);
		if (enn_property_at(id)->type == ENN_PROPERTY_TYPE_set) {
			assert_int_equal(enn_preconnection_get(f->client_pre, id, &value),
					 ENN_E_ARGUMENT);
			continue;
		}
		CHECK(enn_preconnection_get(f->client_pre, id, &value));
		assert_int_equal(value, rfc[i].value);
		assert_true(enn_property_valid(id, value));
	}
	assert_null(enn_property_name(ENN_PROPERTY_COUNT));
	assert_null(enn_property_doc(ENN_PROPERTY_COUNT));
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(enn_property_find("CONNTIMEOUT"), ENN_PROPERTY_CONN_TIMEOUT);
	assert_int_equal(enn_property_find("conn_timeout"), ENN_PROPERTY_CONN_TIMEOUT);
	assert_int_equal(enn_property_find("conn-timeout-"), ENN_PROPERTY_CONN_TIMEOUT);
	assert_int_equal(enn_property_find("connTimeou"), ENN_PROPERTY_COUNT);
	assert_int_equal(enn_property_find("connTimeouts"), ENN_PROPERTY_COUNT);
	assert_int_equal(enn_property_find(""), ENN_PROPERTY_COUNT);
	assert_int_equal(enn_property_find("tcp.usertimeoutvalue"),
			 ENN_PROPERTY_TCP_USER_TIMEOUT_VALUE);
}

static void test_typed_setters(void **state)
{
	struct fixture *f = *state;
	struct enn_preconnection *p = f->client_pre;
	uint64_t value = 0;

	CHECK(enn_preconnection_set_pref(p, ENN_PROPERTY_KEEP_ALIVE, ENN_AVOID));
	CHECK(enn_preconnection_get(p, ENN_PROPERTY_KEEP_ALIVE, &value));
	assert_int_equal(value, ENN_AVOID);
	assert_int_equal(
		enn_preconnection_set_pref(p, ENN_PROPERTY_KEEP_ALIVE, (enum enn_preference)6),
		ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_pref(p, ENN_PROPERTY_CONN_TIMEOUT, ENN_AVOID),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_bool(p, ENN_PROPERTY_KEEP_ALIVE, true),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_u64(p, ENN_PROPERTY_KEEP_ALIVE, ENN_AVOID),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_u64(p, ENN_PROPERTY_DIRECTION, 3), ENN_E_ARGUMENT);
	CHECK(enn_preconnection_set_u64(p, ENN_PROPERTY_DIRECTION, ENN_UNIDIRECTIONAL_SEND));
	CHECK(enn_preconnection_set_bool(p, ENN_PROPERTY_ISOLATE_SESSION, true));
	assert_int_equal(enn_preconnection_set_u64(p, ENN_PROPERTY_CONN_STATE, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_bool(p, ENN_PROPERTY_CAN_SEND, true),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_u64(p, ENN_PROPERTY_COUNT, 0), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_entry(p, ENN_PROPERTY_INTERFACE, ENN_REQUIRE, ""),
			 ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_set_entry(p, ENN_PROPERTY_KEEP_ALIVE, ENN_REQUIRE, "lo"),
			 ENN_E_ARGUMENT);
	CHECK(enn_preconnection_set_entry(p, ENN_PROPERTY_INTERFACE, ENN_REQUIRE, "lo"));
}

static void expect_parse(struct enn_preconnection *p, const char *name, const char *text,
			 uint64_t expected)
{
	uint64_t value = ~expected;
	struct enn_error error;

	if (enn_preconnection_parse(p, name, text, &error) != ENN_OK) {
		fail_msg("%s", error.text);
	}
	CHECK(enn_preconnection_get(p, enn_property_find(name), &value));
	assert_int_equal(value, expected);
}

static void test_parse(void **state)
{
	struct fixture *f = *state;
	struct enn_preconnection *p = f->client_pre;
	struct enn_error error;

	expect_parse(p, "multistreaming", "Require", ENN_REQUIRE);
	expect_parse(p, "multistreaming", "no preference", ENN_NO_PREFERENCE);
	expect_parse(p, "multistreaming", "noPreference", ENN_NO_PREFERENCE);
	expect_parse(p, "multistreaming", "prohibit", ENN_PROHIBIT);
	expect_parse(p, "isolate-session", "TRUE", 1);
	expect_parse(p, "isolateSession", "off", 0);
	expect_parse(p, "connTimeout", "1500", 1500 * ENN_MILLISECOND);
	expect_parse(p, "connTimeout", "never", ENN_TIME_NEVER);
	expect_parse(p, "maxSendRate", "1000000", 1000000);
	expect_parse(p, "maxSendRate", "Unlimited", UINT64_MAX);
	expect_parse(p, "connPriority", "7", 7);
	expect_parse(p, "direction", "unidirectional send", ENN_UNIDIRECTIONAL_SEND);
	expect_parse(p, "connCapacityProfile", "low-latency-interactive",
		     ENN_CAPACITY_LOW_LATENCY_INTERACTIVE);
	expect_parse(p, "multipath", "passive", ENN_MULTIPATH_PASSIVE);
	expect_parse(p, "connScheduler", "rr", ENN_SCHEDULER_RR);
	CHECK(enn_preconnection_parse(p, "interface", "require lo", NULL));

	assert_int_equal(enn_preconnection_parse(p, "conTimeout", "1", &error), ENN_E_ARGUMENT);
	assert_non_null(strstr(error.text, "connTimeout"));
	assert_int_equal(enn_preconnection_parse(p, "connTimeout", "1s", &error), ENN_E_PARSE);
	assert_non_null(strstr(error.text, "milliseconds"));
	assert_int_equal(enn_preconnection_parse(p, "connTimeout", "", &error), ENN_E_PARSE);
	assert_int_equal(enn_preconnection_parse(p, "connTimeout", "-1", &error), ENN_E_PARSE);
	assert_int_equal(enn_preconnection_parse(p, "connTimeout", "99999999999999999999", &error),
			 ENN_E_PARSE);
	assert_int_equal(enn_preconnection_parse(p, "multistreaming", "maybe", &error),
			 ENN_E_PARSE);
	assert_non_null(strstr(error.text, "prohibit"));
	assert_int_equal(enn_preconnection_parse(p, "interface", "lo", &error), ENN_E_PARSE);
	assert_int_equal(enn_preconnection_parse(p, "canSend", "true", &error), ENN_E_ARGUMENT);
	assert_int_equal(enn_preconnection_parse(p, NULL, "true", &error), ENN_E_ARGUMENT);
}

/* ---- selection ----------------------------------------------------------------------- */

static struct enn_candidate_report row_of(struct fixture *f, enum enn_protocol_id id)
{
	struct enn_candidate_report rows[16];
	size_t n = enn_preconnection_explain(f->client_pre, false, rows, 16);

	assert_int_equal(n, ENN_PROTOCOL_COUNT);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].protocol->id == id) {
			return rows[i];
		}
	}
	fail_msg("protocol %d has no row", id);
	return rows[0];
}

static void expect_pruned(struct fixture *f, enum enn_protocol_id id, const char *why)
{
	struct enn_candidate_report row = row_of(f, id);

	assert_int_equal(row.fate, ENN_CANDIDATE_PRUNED);
	if (strstr(row.error.text, why) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", row.error.text, why);
	}
}

static void expect_refusal(struct fixture *f, const char *why)
{
	struct enn_error error;

	CHECK(enn_preconnection_add_remote(f->client_pre, "127.0.0.1", "1"));
	assert_int_equal(enn_preconnection_initiate(f->client_pre, &f->client, &error),
			 ENN_E_NOT_FOUND);
	assert_int_equal(error.reason, ENN_REASON_NO_CANDIDATES);
	assert_non_null(strstr(error.text, why));
	assert_int_equal(f->client.id, 0);
}

static void test_default_selection(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(row_of(f, ENN_PROTOCOL_TLS).fate, ENN_CANDIDATE_WAITING);
	expect_pruned(f, ENN_PROTOCOL_DTLS, "reliability");
	expect_pruned(f, ENN_PROTOCOL_QUIC, "no engine");
	expect_pruned(f, ENN_PROTOCOL_TCPCRYPT, "no engine");
}

static void test_require_prunes(void **state)
{
	struct fixture *f = *state;

	CHECK(enn_preconnection_set_pref(f->client_pre, ENN_PROPERTY_MULTISTREAMING, ENN_REQUIRE));
	expect_pruned(f, ENN_PROTOCOL_TLS, "has no multistreaming, which is required");
	expect_pruned(f, ENN_PROTOCOL_QUIC, "no engine");
	expect_refusal(f, "multistreaming");
}

static void test_prohibit_prunes(void **state)
{
	struct fixture *f = *state;

	CHECK(enn_preconnection_set_pref(f->client_pre, ENN_PROPERTY_RELIABILITY, ENN_PROHIBIT));
	expect_pruned(f, ENN_PROTOCOL_TLS, "always has reliability, which is prohibited");
	expect_refusal(f, "reliability");
}

/* What TLS can do and need not is no reason to prune it. */
static void test_prohibit_of_the_optional(void **state)
{
	struct fixture *f = *state;

	CHECK(enn_preconnection_set_pref(f->client_pre, ENN_PROPERTY_ZERO_RTT_MSG, ENN_PROHIBIT));
	CHECK(enn_preconnection_set_pref(f->client_pre, ENN_PROPERTY_KEEP_ALIVE, ENN_PROHIBIT));
	assert_int_equal(row_of(f, ENN_PROTOCOL_TLS).fate, ENN_CANDIDATE_WAITING);
}

static void test_boundaries_prune(void **state)
{
	struct fixture *f = *state;

	CHECK(enn_preconnection_set_pref(f->client_pre, ENN_PROPERTY_PRESERVE_MSG_BOUNDARIES,
					 ENN_REQUIRE));
	expect_pruned(f, ENN_PROTOCOL_TLS, "preserveMsgBoundaries");
}

static void test_allowed_protocols(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enn_preconnection_allow_protocol(f->client_pre, (enum enn_protocol_id)77),
			 ENN_E_ARGUMENT);
	CHECK(enn_preconnection_allow_protocol(f->client_pre, ENN_PROTOCOL_QUIC));
	CHECK(enn_preconnection_allow_protocol(f->client_pre, ENN_PROTOCOL_QUIC));
	expect_pruned(f, ENN_PROTOCOL_TLS, "not among the protocols that were allowed");
	/* the refusal tells of the protocol that was wanted */
	expect_refusal(f, "QUIC: this build has no engine");
	CHECK(enn_preconnection_allow_protocol(f->client_pre, ENN_PROTOCOL_TLS));
	assert_int_equal(row_of(f, ENN_PROTOCOL_TLS).fate, ENN_CANDIDATE_WAITING);
}

static void test_interfaces(void **state)
{
	struct fixture *f = *state;

	CHECK(enn_preconnection_parse(f->client_pre, "interface", "require no-such-if0", NULL));
	expect_pruned(f, ENN_PROTOCOL_TLS, "no-such-if0");
}

static void test_pvd(void **state)
{
	struct fixture *f = *state;

	CHECK(enn_preconnection_parse(f->client_pre, "pvd", "prefer example.com", NULL));
	assert_int_equal(row_of(f, ENN_PROTOCOL_TLS).fate, ENN_CANDIDATE_WAITING);
	CHECK(enn_preconnection_parse(f->client_pre, "pvd", "require example.com", NULL));
	expect_pruned(f, ENN_PROTOCOL_TLS, "provisioning domain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_typed_setters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_selection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_require_prunes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prohibit_prunes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prohibit_of_the_optional, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boundaries_prune, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed_protocols, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interfaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pvd, setup, teardown),
	};

	return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
