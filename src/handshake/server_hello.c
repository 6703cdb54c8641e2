/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's judgement of a ClientHello: version, suite, PSK, group, names,
 * early data; then HelloRetryRequest or ServerHello (RFC 8446 §4.1, §4.2, §9.2).
 */
#include "features/early_data.h"
#include "handshake/internal.h"
#include "handshake/reasons.h"
#include "handshake/tls12.h"

/* What was chosen out of one ClientHello. */
struct choice {
	const struct enn_tls_suite *suite;
	const struct enn_kx_alg *group; /* NULL with psk_ke */
	struct enn_bytes share;		/* the client's for it; empty: a retry is needed */
	struct enn_psk_choice psk;
};

static enum enn_status fail(struct enn_handshake *hs, enum enn_alert alert, enum enn_reason reason,
			    const char *where, const char *what)
{
	return enn_handshake_fail(hs->c, alert, reason, where, "%s", what);
}

/* ---- form and version ----------------------------------------------------------------------- */

/* §4.2.1: supported_versions alone, or the old field where it is missing. */
static bool client_offers(const struct enn_handshake *hs, const struct enn_client_hello *ch,
			  uint16_t version)
{
	uint16_t old = enn_hs_wire_version(hs, ENN_TLS_1_2);

	if (ch->has & ENN_HAS_SUPPORTED_VERSIONS) {
		return enn_u16_list_has(ch->versions, enn_hs_wire_version(hs, version));
	}
	/* DTLS counts downwards. */
	return version == ENN_TLS_1_2 &&
	       (hs->c->datagram ? ch->legacy_version >> 8 == old >> 8 && ch->legacy_version <= old
				: ch->legacy_version >= old);
}

/* The highest that both offer; a HelloRetryRequest has said that it is 1.3. */
static enum enn_status choose_version(struct enn_handshake *hs, const struct enn_client_hello *ch,
				      uint16_t *version)
{
	*version = ENN_TLS_1_3;
	if (enn_hs_offers(hs, ENN_TLS_1_3) && client_offers(hs, ch, ENN_TLS_1_3)) {
		return ENN_OK;
	}
	*version = ENN_TLS_1_2;
	if (enn_hs_offers(hs, ENN_TLS_1_2) && client_offers(hs, ch, ENN_TLS_1_2) &&
	    !hs->c->result.hello_retry) {
		return enn_tls12_begin(hs);
	}
	return fail(hs, ENN_ALERT_PROTOCOL_VERSION, ENN_REASON_NO_SHARED_PARAMETERS,
		    "ClientHello.supported_versions",
		    enn_hs_offers(hs, ENN_TLS_1_3) && !enn_hs_offers(hs, ENN_TLS_1_2)
			    ? "the client does not offer TLS 1.3"
			    : "the client offers no version that is allowed here");
}

static enum enn_status check_compression(struct enn_handshake *hs,
					 const struct enn_client_hello *ch)
{
	if (ch->compression.len != 1 || ch->compression.data[0] != 0) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.legacy_compression_methods",
			    "a TLS 1.3 client offers compression");
	}
	return ENN_OK;
}

/* §9.2: which extensions must come together. */
static enum enn_status check_extensions(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	bool psk = (ch->has & ENN_HAS_PRE_SHARED_KEY) != 0;
	const char *missing = NULL;

	if (!psk && !(ch->has & ENN_HAS_SIGNATURE_ALGORITHMS)) {
		missing = "ClientHello.signature_algorithms";
	} else if (!psk && !(ch->has & ENN_HAS_SUPPORTED_GROUPS)) {
		missing = "ClientHello.supported_groups";
	} else if ((ch->has & ENN_HAS_SUPPORTED_GROUPS) && !(ch->has & ENN_HAS_KEY_SHARE)) {
		missing = "ClientHello.key_share";
	} else if ((ch->has & ENN_HAS_KEY_SHARE) && !(ch->has & ENN_HAS_SUPPORTED_GROUPS)) {
		missing = "ClientHello.supported_groups";
	} else if (psk && !(ch->has & ENN_HAS_PSK_MODES)) {
		missing = "ClientHello.psk_key_exchange_modes";
	}
	if (missing != NULL) {
		return fail(hs, ENN_ALERT_MISSING_EXTENSION, ENN_REASON_PROTOCOL_FAILED, missing,
			    "a mandatory extension is missing");
	}
	if ((ch->has & ENN_HAS_EARLY_DATA) && !psk) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.early_data", "early data is offered without a PSK");
	}
	return ENN_OK;
}

/* §4.1.2: what the second ClientHello may not change, as far as it matters. */
static enum enn_status check_second(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct enn_bytes session_id = {hs->session_id, hs->session_id_len};

	if (memcmp(ch->random.data, hs->random, ENN_HS_RANDOM) != 0 ||
	    !enn_bytes_equal(ch->session_id, session_id) || enn_server_name_changed(hs, ch)) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello", "the second ClientHello differs from the first");
	}
	if (ch->has & ENN_HAS_EARLY_DATA) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.early_data",
			    "early data is offered after a HelloRetryRequest");
	}
	return enn_cookie_check(hs, ch);
}

/* ---- suite and group ------------------------------------------------------------------------- */

/* By our order. With a PSK: one with its hash, and for a resumption its own suite if we can, because
 * only that keeps early data (§4.2.10). */
static const struct enn_tls_suite *choose_suite(const struct enn_handshake *hs,
						const struct enn_client_hello *ch,
						const struct enn_psk_choice *psk)
{
	const struct enn_code_list *ours =
		enn_security_list(hs->security, ENN_SECURITY_CIPHER_SUITES);

	if (psk->chosen && !psk->external && enn_code_list_has(ours, psk->session.suite) &&
	    enn_u16_list_has(ch->cipher_suites, psk->session.suite)) {
		return enn_tls_suite_by_code(psk->session.suite);
	}
	for (size_t i = 0; i < ours->count; i++) {
		const struct enn_tls_suite *suite = enn_tls_suite_by_code(ours->code[i]);
		if (suite->version == ENN_TLS_1_3 &&
		    enn_u16_list_has(ch->cipher_suites, suite->code) &&
		    (!psk->chosen || enn_hash_alg(suite->hash) == psk->hash)) {
			return suite;
		}
	}
	return NULL;
}

/* §4.2.8: one share per group at most, each of an offered group. */
static enum enn_status find_share(struct enn_handshake *hs, const struct enn_client_hello *ch,
				  uint16_t group, struct enn_bytes *share)
{
	struct enn_reader list = enn_reader_of(ch->key_shares.data, ch->key_shares.len);

	*share = (struct enn_bytes){NULL, 0};
	while (enn_reader_left(&list) > 0) {
		uint16_t code = enn_read_u16(&list);
		struct enn_bytes key = enn_read_vector(&list, 2, 1, UINT16_MAX);
		if (code != group) {
			continue;
		}
		if (share->len > 0) {
			return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				    "ClientHello.key_share", "two key shares for one group");
		}
		*share = key;
	}
	return ENN_OK;
}

static enum enn_status check_shares(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct enn_reader list = enn_reader_of(ch->key_shares.data, ch->key_shares.len);

	while (enn_reader_left(&list) > 0) {
		uint16_t code = enn_read_u16(&list);
		(void)enn_read_vector(&list, 2, 1, UINT16_MAX);
		if (!enn_u16_list_has(ch->groups, code)) {
			return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				    "ClientHello.key_share",
				    "a key share for a group that is not in supported_groups");
		}
	}
	return ENN_OK;
}

/* Our best group for which a share came; else our best shared group, to be asked for. */
static enum enn_status choose_group(struct enn_handshake *hs, const struct enn_client_hello *ch,
				    struct choice *choice)
{
	const struct enn_code_list *ours = enn_security_list(hs->security, ENN_SECURITY_GROUPS);

	ENN_TRY(check_shares(hs, ch));
	for (size_t i = 0; i < ours->count; i++) {
		struct enn_bytes share = {NULL, 0};
		if (!enn_u16_list_has(ch->groups, ours->code[i])) {
			continue;
		}
		ENN_TRY(find_share(hs, ch, ours->code[i], &share));
		if (choice->group == NULL || (choice->share.len == 0 && share.len > 0)) {
			choice->group = enn_kx_alg_by_tls(ours->code[i]);
			choice->share = share;
		}
	}
	if (choice->group == NULL) {
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_NO_SHARED_PARAMETERS,
			    "ClientHello.supported_groups", "no key exchange group is shared");
	}
	return ENN_OK;
}

/* ---- names --------------------------------------------------------------------------------------- */

static enum enn_status take_names(struct enn_handshake *hs, const struct enn_client_hello *ch)
{
	struct enn_handshake_result *result = &hs->c->result;

	if (ch->server_name.len > 0 && ch->server_name.len <= 255 &&
	    enn_hs_copy_name(hs->env, &result->server_name, ch->server_name) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello.server_name");
	}
	if (hs->security->alpn_count == 0 || !(ch->has & ENN_HAS_ALPN)) {
		return ENN_OK;
	}
	for (size_t i = 0; i < hs->security->alpn_count; i++) {
		struct enn_bytes ours = {hs->security->alpn[i]->id, hs->security->alpn[i]->len};
		struct enn_reader list = enn_reader_of(ch->alpn.data, ch->alpn.len);
		while (enn_reader_left(&list) > 0) {
			size_t len = result->alpn_len;
			if (!enn_bytes_equal(ours, enn_read_vector(&list, 1, 1, 255))) {
				continue;
			}
			if (enn_hs_copy(hs->env, &result->alpn, &len, ours) != ENN_OK) {
				return enn_handshake_no_memory(hs->c, "ClientHello.alpn");
			}
			result->alpn_len = (uint8_t)len;
			return ENN_OK;
		}
	}
	return fail(hs, ENN_ALERT_NO_APPLICATION_PROTOCOL, ENN_REASON_NO_SHARED_PARAMETERS,
		    "ClientHello.alpn", "no application protocol is shared"); /* RFC 7301 §3.2 */
}

/* ---- HelloRetryRequest and ServerHello --------------------------------------------------------------- */

/* What both begin with: up to the extensions, and the key share (in a retry without a key), if there is to be one.
 * Returns the mark of the list of extensions. */
static size_t write_hello_start(struct enn_handshake *hs, struct enn_writer *w,
				const uint8_t *random, const struct enn_tls_suite *suite,
				uint16_t group, struct enn_bytes share)
{
	enn_write_u16(w, enn_hs_wire_version(hs, ENN_TLS_1_2));
	enn_write_bytes(w, random, ENN_HS_RANDOM);
	/* RFC 9147 §5.2: not echoed there */
	enn_write_vector(w, 1, hs->session_id, hs->c->datagram ? 0 : hs->session_id_len);
	enn_write_u16(w, suite->code);
	enn_write_u8(w, 0);
	size_t list = enn_write_begin(w, 2);
	if (group != 0) {
		enn_write_u16(w, ENN_EXT_KEY_SHARE);
		size_t data = enn_write_begin(w, 2);
		enn_write_u16(w, group);
		if (share.len > 0) {
			enn_write_vector(w, 2, share.data, share.len);
		}
		enn_write_end(w, data, 2);
	}
	enn_write_u16(w, ENN_EXT_SUPPORTED_VERSIONS);
	enn_write_u16(w, 2);
	enn_write_u16(w, enn_hs_wire_version(hs, ENN_TLS_1_3));
	return list;
}

static enum enn_status send_server_hello(struct enn_handshake *hs, const uint8_t *random,
					 const struct choice *choice, const uint8_t *share)
{
	uint16_t group = choice->group == NULL ? 0 : choice->group->tls_group;
	struct enn_bytes key = {share, choice->group == NULL ? 0 : choice->group->reply_len};
	struct enn_hs_out out;

	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_SERVER_HELLO,
			     128 + ENN_MAX_KX_PUBLIC));
	size_t list = write_hello_start(hs, &out.w, random, choice->suite, group, key);
	if (choice->psk.chosen) {
		enn_write_u16(&out.w, ENN_EXT_PRE_SHARED_KEY);
		enn_write_u16(&out.w, 2);
		enn_write_u16(&out.w, choice->psk.index);
	}
	enn_write_end(&out.w, list, 2);
	ENN_TRY(enn_hs_finish_length(hs, &out));
	enn_ech_confirm(hs, &out.w, false);
	enn_hs_commit_raw(hs, &out);
	return ENN_OK;
}

static void write_hello_retry(struct enn_handshake *hs, struct enn_hs_out *out)
{
	struct enn_bytes none = {NULL, 0};

	size_t list = write_hello_start(hs, &out->w, enn_hello_retry_random, hs->c->result.suite,
					hs->retry_group, none);
	enn_cookie_write(hs, &out->w);
	enn_ech_answer_retry(hs, &out->w); /* the last one */
	enn_write_end(&out->w, list, 2);
}

static enum enn_status send_hello_retry(struct enn_handshake *hs, const struct enn_client_hello *ch,
					const struct choice *choice, struct enn_bytes message)
{
	bool cookie = enn_cookie_wanted(hs);
	struct enn_hs_out out;

	if (hs->c->result.hello_retry) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.key_share",
			    "the second ClientHello lacks the key share that was asked for");
	}
	enn_hs_transcript_choose(hs, enn_hash_alg(choice->suite->hash));
	enn_hs_transcript_add(hs, message.data, message.len);
	/* A share that came is not asked for again (§4.1.4): then the cookie is all there is. */
	hs->retry_group =
		choice->group != NULL && choice->share.len == 0 ? choice->group->tls_group : 0;
	if (cookie) {
		ENN_TRY(enn_cookie_make(hs, ch, choice->suite->code, hs->retry_group));
	}
	enn_hs_transcript_retry(hs);
	hs->psk_answered = false; /* the second ClientHello may offer other identities */
	hs->c->result.hello_retry = true;
	hs->c->result.suite = choice->suite;
	if (ch->has & ENN_HAS_EARLY_DATA) {
		hs->c->result.early_data = ENN_EARLY_DATA_REJECTED;
		hs->early_skip = ENN_SKIP_UNTIL_SECOND_HELLO;
	}
	hs->state = ENN_HS_SERVER_EXPECT_SECOND_CLIENT_HELLO;
	ENN_TRY(enn_hs_begin(hs, &out, ENN_LEVEL_INITIAL, ENN_HS_SERVER_HELLO,
			     128 + hs->cookie_len));
	write_hello_retry(hs, &out);
	ENN_TRY(enn_hs_finish_length(hs, &out));
	enn_ech_confirm(hs, &out.w, true);
	enn_hs_commit_raw(hs, &out);
	return ENN_OK;
}

/* A second ClientHello of which the first was seen elsewhere: the cookie has the rest. */
static enum enn_status continue_from_cookie(struct enn_handshake *hs,
					    const struct enn_client_hello *ch)
{
	ENN_TRY(enn_cookie_continue(hs, ch));
	size_t cap = ENN_HS_HEADER + 128 + hs->cookie_len;
	uint8_t *room = enn_alloc(hs->env, cap);
	struct enn_hs_out out = {.w = enn_writer_of(room, cap), .type = ENN_HS_SERVER_HELLO};
	if (room == NULL) {
		return enn_handshake_no_memory(hs->c, "HelloRetryRequest");
	}
	enn_write_u8(&out.w, ENN_HS_SERVER_HELLO);
	(void)enn_write_begin(&out.w, 3);
	write_hello_retry(hs, &out); /* the same that was sent then */
	enum enn_status status = enn_hs_finish_length(hs, &out);
	enn_hs_transcript_add(hs, room, enn_writer_len(&out.w));
	enn_free(hs->env, room, cap);
	return status;
}

/* §4.2.8: after a retry exactly the share that was asked for. */
static enum enn_status check_retry(struct enn_handshake *hs, const struct enn_client_hello *ch,
				   const struct choice *choice)
{
	if (!hs->c->result.hello_retry) {
		return ENN_OK;
	}
	struct enn_reader list = enn_reader_of(ch->key_shares.data, ch->key_shares.len);
	uint16_t group = enn_read_u16(&list);
	(void)enn_read_vector(&list, 2, 1, UINT16_MAX);
	bool share = hs->retry_group == 0 || (enn_reader_done(&list) && group == hs->retry_group);
	if (!share || choice->suite != hs->c->result.suite) {
		return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.key_share",
			    "the second ClientHello does not follow the HelloRetryRequest");
	}
	return ENN_OK;
}

/* ---- early data ---------------------------------------------------------------------------------------- */

/* §4.2.10: all that must be equal. Why it is not; NULL: it is. */
static const char *early_data_mismatch(struct enn_handshake *hs, const struct enn_client_hello *ch,
				       const struct choice *choice)
{
	const struct enn_session *s = &choice->psk.session;
	struct enn_bytes alpn = {hs->c->result.alpn, hs->c->result.alpn_len};
	struct enn_bytes binder = {NULL, 0};

	if (hs->c->datagram) {
		return "early data is not built for DTLS";
	}
	if (!enn_security_flag(hs->security, ENN_SECURITY_EARLY_DATA)) {
		return "it is not accepted here";
	}
	if (!choice->psk.chosen || choice->psk.external || choice->psk.index != 0 ||
	    s->max_early_data == 0) {
		return "the first session offered is not the one resumed, or allows none";
	}
	if (s->suite != choice->suite->code) {
		return "the session had another cipher suite";
	}
	if (!enn_bytes_equal(alpn, s->alpn)) {
		return "the session had another application protocol";
	}
	if (hs->c->result.hello_retry || !enn_psk_binder_at(ch, 0, &binder)) {
		return "there was a HelloRetryRequest";
	}
	return NULL;
}

static const char stale[] = "it is not fresh: the client's clock, or a long way";

/* Fresh, and not seen before by any server that has the same store (§8). */
static const char *remote_obstacle(struct enn_handshake *hs, enn_time now,
				   const struct choice *choice)
{
	int64_t issued = choice->psk.session.issued;
	uint32_t age = choice->psk.client_age_ms;
	int64_t until, since;

	if (!enn_early_data_is_fresh(hs->security, enn_hs_wall(hs->env, now), issued, age,
				     &until)) {
		return stale;
	}
	if (!enn_store_claimed(hs, &since)) {
		return "it may be a replay, or the session store cannot tell";
	}
	return enn_early_data_is_covered(hs->security, issued, age, since)
		       ? NULL
		       : "the session store is too young to know of replays";
}

static const char *early_data_obstacle(struct enn_handshake *hs, enn_time now,
				       const struct enn_client_hello *ch,
				       const struct choice *choice)
{
	const struct enn_session *s = &choice->psk.session;
	struct enn_bytes binder = {NULL, 0};
	const char *why = early_data_mismatch(hs, ch, choice);

	if (why != NULL || enn_store_is_remote(hs)) {
		return why != NULL ? why : remote_obstacle(hs, now, choice);
	}
	(void)enn_psk_binder_at(ch, 0, &binder);
	switch (enn_early_data_check(hs->security, enn_hs_wall(hs->env, now), s->issued,
				     choice->psk.client_age_ms, binder.data, binder.len)) {
	case ENN_EARLY_DATA_FRESH:
		return NULL;
	case ENN_EARLY_DATA_STALE:
		return stale;
	default:
		return "it may be a replay";
	}
}

/* Early data that would be accepted is claimed in a store that is elsewhere, once the client has proved that it
 * has the key: nobody else may use up a claim. */
static enum enn_status claim_early_data(struct enn_handshake *hs, enn_time now,
					const struct enn_client_hello *ch, struct enn_bytes message,
					const struct choice *choice, bool *ask)
{
	struct enn_bytes binder = {NULL, 0};
	int64_t until;

	*ask = false;
	if (!(ch->has & ENN_HAS_EARLY_DATA) || !enn_store_is_remote(hs) ||
	    early_data_mismatch(hs, ch, choice) != NULL ||
	    !enn_early_data_is_fresh(hs->security, enn_hs_wall(hs->env, now),
				     choice->psk.session.issued, choice->psk.client_age_ms,
				     &until)) {
		return ENN_OK;
	}
	(void)enn_psk_binder_at(ch, 0, &binder);
	ENN_TRY(enn_psk_verify_binder(hs, ch, &choice->psk, message));
	return enn_store_claim(hs, binder, until, ask) == ENN_OK
		       ? ENN_OK
		       : enn_handshake_no_memory(hs->c, "ClientHello.early_data");
}

static enum enn_status decide_early_data(struct enn_handshake *hs, enn_time now,
					 const struct enn_client_hello *ch,
					 const struct choice *choice,
					 enum enn_handshake_outcome *outcome)
{
	struct enn_handshake_result *result = &hs->c->result;
	uint8_t transcript[ENN_MAX_HASH];
	uint8_t secret[ENN_MAX_SECRET];

	hs->early_skip = ENN_SKIP_NONE;
	if (!(ch->has & ENN_HAS_EARLY_DATA)) {
		return ENN_OK;
	}
	const char *why = early_data_obstacle(hs, now, ch, choice);
	enn_reasons_session(hs, "early data is rejected", why);
	if (why != NULL) {
		result->early_data = ENN_EARLY_DATA_REJECTED;
		hs->early_skip = ENN_SKIP_UNDECIPHERABLE;
		return ENN_OK;
	}
	result->early_data = ENN_EARLY_DATA_ACCEPTED;
	result->max_early_data = choice->psk.session.max_early_data;
	*outcome = ENN_OUTCOME_EARLY_DATA;
	enn_hs_transcript_hash(hs, transcript);
	enn_hs_traffic_secret(hs, "c e traffic", "CLIENT_EARLY_TRAFFIC_SECRET", transcript, secret);
	enn_hs_traffic_secret(hs, "e exp master", "EARLY_EXPORTER_SECRET", transcript,
			      hs->early_exporter);
	enum enn_status status = enn_hs_secret(hs, ENN_DIRECTION_RECEIVE, ENN_LEVEL_EARLY, secret);
	enn_wipe(secret, sizeof(secret));
	return status;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static enum enn_status take_resumption(struct enn_handshake *hs, const struct enn_psk_choice *psk)
{
	struct enn_handshake_result *result = &hs->c->result;

	if (psk->external) {
		result->external_psk = true;
		result->peer_authenticated = true;
		if (enn_hs_copy(hs->env, &result->psk_identity, &result->psk_identity_len,
				psk->identity) != ENN_OK) {
			return enn_handshake_no_memory(hs->c, "ClientHello.pre_shared_key");
		}
		return ENN_OK;
	}
	result->resumed = true;
	result->peer_authenticated = psk->session.peer_authenticated;
	return enn_certificate_restore(hs, &psk->session);
}

static enum enn_status park_for_psk(struct enn_handshake *hs, struct enn_bytes message,
				    enum enn_handshake_outcome *outcome)
{
	size_t at = (size_t)(hs->question.data - message.data);
	bool again = message.data == enn_buffer_data(&hs->held);

	if (!again) {
		enn_buffer_clear(&hs->held, hs->env);
	}
	if (!again && enn_buffer_append(&hs->held, hs->env, message.data, message.len) != ENN_OK) {
		return enn_handshake_no_memory(hs->c, "ClientHello.pre_shared_key");
	}
	hs->question.data = enn_buffer_data(&hs->held) + at;
	hs->resume_at = hs->c->result.hello_retry ? ENN_HS_SERVER_EXPECT_SECOND_CLIENT_HELLO
						  : ENN_HS_SERVER_EXPECT_CLIENT_HELLO;
	hs->state = ENN_HS_SERVER_AWAIT_PSK;
	*outcome = ENN_OUTCOME_WANT_PSK;
	return ENN_OK;
}

/* Answers with a ServerHello and the rest of the flight. */
static enum enn_status answer_hello(struct enn_handshake *hs, enn_time now,
				    const struct enn_client_hello *ch, struct enn_bytes message,
				    struct choice *choice, enum enn_handshake_outcome *outcome)
{
	uint8_t random[ENN_HS_RANDOM];
	uint8_t share[ENN_MAX_KX_PUBLIC];
	uint8_t secret[ENN_MAX_KX_SECRET];
	struct enn_bytes shared = {NULL, 0};
	const struct enn_hash_alg *hash = enn_hash_alg(choice->suite->hash);

	hs->c->result.suite = choice->suite;
	hs->c->result.version = ENN_TLS_1_3;
	ENN_TRY(enn_record_size_choose(hs, &ch->views));
	enn_hs_transcript_choose(hs, hash);
	enn_key_schedule_early(&hs->ks, enn_hs_prefix(hs->c), hash,
			       choice->psk.chosen ? choice->psk.key : NULL, choice->psk.key_len);
	if (choice->psk.chosen) {
		ENN_TRY(enn_psk_verify_binder(hs, ch, &choice->psk, message));
		ENN_TRY(take_resumption(hs, &choice->psk));
	}
	ENN_TRY(enn_ticket_request_choose(hs, &ch->views));
	hs->post_auth_offered = (ch->has & ENN_HAS_POST_HANDSHAKE_AUTH) != 0;
	enn_hs_transcript_add(hs, message.data, message.len);
	ENN_TRY(decide_early_data(hs, now, ch, choice, outcome));
	if (enn_random(hs->env, random, sizeof(random)) != ENN_OK) {
		return fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
			    "the random source failed");
	}
	if (choice->group != NULL) {
		enum enn_status status = enn_kx_respond(hs->env, choice->group, choice->share.data,
							choice->share.len, share, secret);
		if (status == ENN_E_MEMORY) {
			return enn_handshake_no_memory(hs->c, "ServerHello.key_share");
		}
		if (status == ENN_E_SYSTEM) {
			return fail(hs, ENN_ALERT_INTERNAL_ERROR, ENN_REASON_SYSTEM, "random",
				    "the random source failed");
		}
		if (status != ENN_OK) {
			return fail(hs, ENN_ALERT_ILLEGAL_PARAMETER, ENN_REASON_PROTOCOL_FAILED,
				    "ClientHello.key_share",
				    "the client's key share is not a valid public key");
		}
		hs->c->result.group = choice->group->tls_group;
		shared = (struct enn_bytes){secret, choice->group->secret_len};
	}
	enum enn_status status = send_server_hello(hs, random, choice, share);
	if (status == ENN_OK) {
		status = enn_server_flight(hs, ch, shared, outcome);
	}
	enn_wipe(secret, sizeof(secret));
	return status;
}

static enum enn_status choose(struct enn_handshake *hs, enn_time now,
			      const struct enn_client_hello *ch, struct choice *choice, bool *ask)
{
	*ask = false;
	if (ch->has & ENN_HAS_PRE_SHARED_KEY) {
		ENN_TRY(enn_psk_choose(hs, now, ch, &choice->psk, ask));
		if (*ask) {
			return ENN_OK;
		}
	}
	choice->suite = choose_suite(hs, ch, &choice->psk);
	if (choice->suite == NULL) {
		return fail(hs, ENN_ALERT_HANDSHAKE_FAILURE, ENN_REASON_NO_SHARED_PARAMETERS,
			    "ClientHello.cipher_suites", "no cipher suite is shared");
	}
	/* §4.1.3: psk_ke has no key share; without a PSK there must be a group. */
	if (choice->psk.chosen && choice->psk.mode == ENN_PSK_MODE_KE) {
		return ENN_OK;
	}
	if (!(ch->has & ENN_HAS_KEY_SHARE)) {
		return fail(hs, ENN_ALERT_MISSING_EXTENSION, ENN_REASON_PROTOCOL_FAILED,
			    "ClientHello.key_share", "there is no key share");
	}
	return choose_group(hs, ch, choice);
}

enum enn_status enn_server_client_hello(struct enn_handshake *hs, enn_time now,
					struct enn_bytes body, struct enn_bytes message,
					enum enn_handshake_outcome *outcome)
{
	struct enn_client_hello ch;
	struct enn_fault fault;
	struct choice choice = {.suite = NULL};
	uint16_t version = ENN_TLS_1_3;
	bool ask = false;
	enum enn_status status;

	if (!enn_parse_client_hello(body, hs->c->datagram, &ch, &fault)) {
		return enn_hs_fault(hs, &fault);
	}
	ENN_TRY(enn_ech_open(hs, &ch, &message));
	ENN_TRY(enn_server_name_ask(hs, &ch, message, outcome, &ask));
	if (ask) {
		return ENN_OK;
	}
	ENN_TRY(choose_version(hs, &ch, &version));
	if (version == ENN_TLS_1_3) {
		ENN_TRY(check_compression(hs, &ch));
		ENN_TRY(check_extensions(hs, &ch));
	}
	bool second = hs->c->result.hello_retry;
	if (second) {
		ENN_TRY(check_second(hs, &ch));
	} else {
		memcpy(hs->random, ch.random.data, ENN_HS_RANDOM);
		memcpy(hs->session_id, ch.session_id.data, ch.session_id.len);
		hs->session_id_len = (uint8_t)ch.session_id.len;
		hs->c->result.middlebox_compatible = ch.session_id.len > 0;
	}
	ENN_TRY(take_names(hs, &ch));
	if (version == ENN_TLS_1_2) {
		ENN_TRY(enn_tls12_ask_store(hs, now, &ch, &ask));
		if (ask) {
			return enn_store_park(hs, message, outcome);
		}
		return enn_tls12_client_hello(hs, now, &ch, message, outcome);
	}
	if (!second && (ch.has & ENN_HAS_COOKIE) && enn_cookie_wanted(hs)) {
		ENN_TRY(continue_from_cookie(hs, &ch));
		ENN_TRY(check_second(hs, &ch));
	}
	hs->c->result.max_early_data = (uint32_t)hs->security->value[ENN_SECURITY_MAX_EARLY_DATA];
	uint8_t mode;
	hs->c->result.tickets_usable = enn_psk_choose_mode(hs, &ch, &mode);
	status = choose(hs, now, &ch, &choice, &ask);
	if (status == ENN_OK && !ask) {
		enn_reasons_server(hs, &ch, choice.suite, choice.group, choice.share.len > 0,
				   choice.psk.chosen);
	}
	if (status == ENN_OK && ask) {
		status = hs->ask_store ? enn_store_park(hs, message, outcome)
				       : park_for_psk(hs, message, outcome);
	} else if (status == ENN_OK &&
		   ((choice.group != NULL && choice.share.len == 0) || enn_cookie_wanted(hs))) {
		status = send_hello_retry(hs, &ch, &choice, message);
	} else if (status == ENN_OK) {
		status = check_retry(hs, &ch, &choice);
		if (status == ENN_OK && !choice.psk.chosen) {
			status = enn_certificate_choose_server(hs, &ch);
		}
		if (status == ENN_OK) {
			status = claim_early_data(hs, now, &ch, message, &choice, &ask);
		}
		if (status == ENN_OK && ask) {
			status = enn_store_park(hs, message, outcome);
		} else if (status == ENN_OK) {
			status = answer_hello(hs, now, &ch, message, &choice, outcome);
		}
	}
	enn_psk_choice_clear(&choice.psk, hs->env);
	return status;
}
