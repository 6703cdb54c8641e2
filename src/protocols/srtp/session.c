/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: the policy, the master keys, the table of streams.
 */
#include "protocols/srtp/internal.h"

/* ---- policy ------------------------------------------------------------------------------------ */

static bool has_encrypted_ids(const struct enn_srtp_policy *p)
{
	return (p->encrypted_ids[0] | p->encrypted_ids[1] | p->encrypted_ids[2] |
		p->encrypted_ids[3]) != 0;
}

static bool ranges_meet(const struct enn_srtp_master *a, const struct enn_srtp_master *b)
{
	return a->to == 0 || b->to == 0 || (a->from <= b->to && b->from <= a->to);
}

/* RFC 4568 §6.1: several keys all have an MKI, of one length. Without it ranges may tell them apart. */
static const char *bad_masters(const struct enn_srtp_policy *p)
{
	if (p->master == NULL || p->master_count == 0 || p->master_count > ENN_SRTP_MASTERS) {
		return "there must be 1 to 16 master keys";
	}
	for (size_t i = 0; i < p->master_count; i++) {
		const struct enn_srtp_master *a = &p->master[i];
		if (a->mki_len > ENN_SRTP_MAX_MKI || a->mki_len != p->master[0].mki_len) {
			return "the MKIs of all master keys must have one length, at most 128 "
			       "bytes";
		}
		if (a->to != 0 && (a->from > a->to || a->to >= ENN_SRTP_RTP_LIFETIME)) {
			return "a master key's range of indices is empty or too long";
		}
		for (size_t k = 0; k < i; k++) {
			const struct enn_srtp_master *b = &p->master[k];
			bool same = a->mki_len > 0 ? memcmp(a->mki, b->mki, a->mki_len) == 0
						   : ranges_meet(a, b);
			if (same) {
				return "two master keys have the same MKI, or none and no ranges";
			}
		}
	}
	return NULL;
}

static const char *bad_policy(const struct enn_srtp_policy *p)
{
	const struct enn_srtp_suite *suite = enn_srtp_suite(p->suite);

	if (suite == NULL) {
		return "there is no such suite";
	}
	if (!p->null_allowed && (!suite->cipher || p->unencrypted_rtp || p->unencrypted_rtcp ||
				 p->unauthenticated_rtp)) {
		return "packets without encryption or authentication need null_allowed";
	}
	if (suite->aead && p->unauthenticated_rtp) {
		return "an AEAD always authenticates";
	}
	if (p->kdr > 24) {
		return "the key derivation rate is at most 2^24";
	}
	if (p->window != 0 && (p->window < 64 || p->window > 1u << 15)) {
		return "the replay window has 64 to 32768 packets";
	}
	if (p->cryptex != ENN_SRTP_CRYPTEX_OFF && has_encrypted_ids(p)) {
		return "Cryptex and encrypted header extension elements exclude each other";
	}
	return bad_masters(p);
}

static uint32_t window_words(size_t window)
{
	uint32_t words = 2;

	/* one word is only partly in use */
	while ((size_t)(words - 1) * 64 < window) {
		words *= 2;
	}
	return words;
}

/* ---- master keys ------------------------------------------------------------------------------- */

static enum enn_status append_master(struct enn_srtp_session *s, const struct enn_srtp_master *from)
{
	struct srtp_master *m;

	ENN_TRY(srtp_master_new(s, from, &m));
	m->number = s->next_number++;
	s->master[s->master_count++] = m;
	if (s->current == NULL) {
		s->current = m;
	}
	return ENN_OK;
}

enum enn_status enn_srtp_session_add_master(struct enn_srtp_session *s,
					    const struct enn_srtp_master *master)
{
	if (s->master_count == ENN_SRTP_MASTERS) {
		return ENN_E_LIMIT;
	}
	if (master->mki_len != s->mki_len || (master->to != 0 && master->from > master->to) ||
	    master->to >= ENN_SRTP_RTP_LIFETIME) {
		return ENN_E_ARGUMENT;
	}
	for (size_t i = 0; i < s->master_count; i++) {
		const struct srtp_master *m = s->master[i];
		const struct enn_srtp_master other = {.from = m->from, .to = m->to};
		if (s->mki_len > 0 ? memcmp(m->mki, master->mki, s->mki_len) == 0
				   : ranges_meet(master, &other)) {
			return ENN_E_ARGUMENT;
		}
	}
	return append_master(s, master);
}

static size_t find_master(const struct enn_srtp_session *s, size_t number)
{
	size_t i = 0;

	while (i < s->master_count && s->master[i]->number != number) {
		i++;
	}
	return i;
}

enum enn_status enn_srtp_session_use_master(struct enn_srtp_session *s, size_t number)
{
	size_t i = find_master(s, number);

	if (i == s->master_count) {
		return ENN_E_NOT_FOUND;
	}
	s->current = s->master[i];
	return ENN_OK;
}

enum enn_status enn_srtp_session_drop_master(struct enn_srtp_session *s, size_t number)
{
	size_t i = find_master(s, number);

	if (i == s->master_count) {
		return ENN_E_NOT_FOUND;
	}
	if (s->master_count == 1 || (s->sending && s->master[i] == s->current)) {
		return ENN_E_STATE;
	}
	if (s->current == s->master[i]) {
		s->current = s->master[i == 0 ? 1 : 0];
	}
	srtp_master_free(s, s->master[i]);
	s->master_count--;
	memmove(&s->master[i], &s->master[i + 1], (s->master_count - i) * sizeof(s->master[0]));
	return ENN_OK;
}

enum enn_status enn_srtp_session_replace_masters(struct enn_srtp_session *s,
						 const struct enn_srtp_master *master)
{
	struct srtp_master *m;

	if (master->mki_len != s->mki_len) {
		return ENN_E_ARGUMENT;
	}
	ENN_TRY(srtp_master_new(s, master, &m));
	for (size_t i = 0; i < s->master_count; i++) {
		srtp_master_free(s, s->master[i]);
	}
	m->number = s->next_number++;
	s->master[0] = m;
	s->master_count = 1;
	s->current = m;
	return ENN_OK;
}

/* An MKI is no secret: it is in every packet. */
struct srtp_master *srtp_master_by_mki(const struct enn_srtp_session *s, const uint8_t *mki)
{
	for (size_t i = 0; i < s->master_count; i++) {
		if (memcmp(s->master[i]->mki, mki, s->mki_len) == 0) {
			return s->master[i];
		}
	}
	return NULL;
}

struct srtp_master *srtp_master_by_index(const struct enn_srtp_session *s, uint64_t index)
{
	for (size_t i = 0; i < s->master_count; i++) {
		struct srtp_master *m = s->master[i];
		if (m->to == 0 || (index >= m->from && index <= m->to)) {
			return m;
		}
	}
	return NULL;
}

static enum enn_srtp_key_state state_of(const struct srtp_master *m)
{
	enum enn_srtp_key_state state = ENN_SRTP_KEY_FRESH;

	for (unsigned i = 0; i < 2; i++) {
		if (m->used[i] >= m->limit[i]) {
			return ENN_SRTP_KEY_EXPIRED;
		}
		if (m->used[i] >= m->limit[i] - m->limit[i] / 16) {
			state = ENN_SRTP_KEY_EXPIRING;
		}
	}
	return state;
}

enum enn_srtp_key_state enn_srtp_session_key_state(const struct enn_srtp_session *s)
{
	enum enn_srtp_key_state worst = ENN_SRTP_KEY_FRESH;

	if (s->sending) {
		return state_of(s->current);
	}
	for (size_t i = 0; i < s->master_count; i++) {
		enum enn_srtp_key_state state = state_of(s->master[i]);
		worst = state > worst ? state : worst;
	}
	return worst;
}

/* ---- streams ----------------------------------------------------------------------------------- */

struct srtp_stream *srtp_stream_find(const struct enn_srtp_session *s, uint32_t ssrc)
{
	struct srtp_stream *found = NULL;

	HASH_FIND(hh, s->streams, &ssrc, sizeof(ssrc), found);
	return found;
}

enum enn_srtp_result srtp_stream_make(struct enn_srtp_session *s, uint32_t ssrc,
				      struct srtp_stream **out)
{
	const struct enn_env *env = s->env;
	size_t size = sizeof(struct srtp_stream) + 2 * (size_t)s->window_words * sizeof(uint64_t);

	*out = NULL;
	if (s->stream_count >= s->max_streams) {
		return ENN_SRTP_MANY_STREAMS;
	}
	struct srtp_stream *stream = enn_alloc(env, size);
	if (stream == NULL) {
		return ENN_SRTP_NO_MEMORY;
	}
	stream->ssrc = ssrc;
	stream->size = size;
	for (unsigned i = 0; i < 2; i++) {
		stream->seen[i].words = s->window_words;
		stream->seen[i].bits = stream->bits + (size_t)i * s->window_words;
	}
	HASH_ADD(hh, s->streams, ssrc, sizeof(stream->ssrc), stream);
	if (stream->hh.tbl == NULL) {
		enn_free(env, stream, size);
		return ENN_SRTP_NO_MEMORY;
	}
	s->stream_count++;
	*out = stream;
	return ENN_SRTP_OK;
}

static void stream_free(struct enn_srtp_session *s, struct srtp_stream *stream)
{
	const struct enn_env *env = s->env;

	HASH_DEL(s->streams, stream); /* NOLINT(clang-analyzer-*): uthash */
	enn_free(env, stream, stream->size);
	s->stream_count--;
}

bool srtp_index_guess(const struct srtp_stream *stream, uint16_t sequence, uint64_t *index)
{
	if (stream == NULL || stream->seen[0].next == 0) {
		*index = (uint64_t)(stream == NULL ? 0 : stream->roc) << 16 | sequence;
		return true;
	}
	uint64_t highest = stream->seen[0].next - 1;
	uint16_t last = (uint16_t)highest; /* s_l */
	uint64_t roc = highest >> 16;
	if (stream->roc > roc) { /* given from outside since */
		*index = (uint64_t)stream->roc << 16 | sequence;
		return true;
	}
	if (last < 0x8000 && sequence > last && sequence - last > 0x8000) {
		if (roc == 0) {
			return false;
		}
		roc--;
	} else if (last >= 0x8000 && last - 0x8000 > sequence) {
		roc++;
	}
	*index = roc << 16 | sequence;
	return *index < ENN_SRTP_RTP_LIFETIME;
}

enum enn_status enn_srtp_session_set_roc(struct enn_srtp_session *s, uint32_t ssrc, uint32_t roc)
{
	struct srtp_stream *stream = srtp_stream_find(s, ssrc);

	if (stream == NULL) {
		enum enn_srtp_result result = srtp_stream_make(s, ssrc, &stream);
		if (result != ENN_SRTP_OK) {
			return result == ENN_SRTP_NO_MEMORY ? ENN_E_MEMORY : ENN_E_LIMIT;
		}
	}
	uint64_t next = stream->seen[0].next;
	if (roc < stream->roc || (next > 0 && roc < (next - 1) >> 16)) {
		return ENN_E_ARGUMENT;
	}
	stream->roc = roc;
	return ENN_OK;
}

enum enn_status enn_srtp_session_get_roc(const struct enn_srtp_session *s, uint32_t ssrc,
					 uint32_t *roc)
{
	const struct srtp_stream *stream = srtp_stream_find(s, ssrc);

	if (stream == NULL) {
		return ENN_E_NOT_FOUND;
	}
	uint64_t next = stream->seen[0].next;
	uint32_t seen = next == 0 ? 0 : (uint32_t)((next - 1) >> 16);
	*roc = seen > stream->roc ? seen : stream->roc;
	return ENN_OK;
}

enum enn_status enn_srtp_session_drop_stream(struct enn_srtp_session *s, uint32_t ssrc)
{
	struct srtp_stream *stream = srtp_stream_find(s, ssrc);

	if (stream == NULL) {
		return ENN_E_NOT_FOUND;
	}
	stream_free(s, stream);
	return ENN_OK;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void configure(struct enn_srtp_session *s, const struct enn_srtp_policy *p)
{
	s->suite = enn_srtp_suite(p->suite);
	s->mki_len = p->master[0].mki_len;
	s->kdr = p->kdr;
	s->encrypt[0] = s->suite->cipher && !p->unencrypted_rtp;
	s->encrypt[1] = s->suite->cipher && !p->unencrypted_rtcp;
	s->tag[0] = p->unauthenticated_rtp ? 0 : s->suite->rtp_tag;
	s->tag[1] = s->suite->rtcp_tag;
	s->cryptex = p->cryptex;
	s->masks_headers = has_encrypted_ids(p);
	memcpy(s->encrypted_ids, p->encrypted_ids, sizeof(s->encrypted_ids));
	s->max_streams = p->max_streams == 0 ? DEFAULT_STREAMS : p->max_streams;
	s->window_words = window_words(p->window == 0 ? DEFAULT_WINDOW : p->window);
}

enum enn_status enn_srtp_session_new(const struct enn_env *env,
				     const struct enn_srtp_policy *policy, bool sending,
				     struct enn_srtp_session **out, const char **why)
{
	const char *bad = bad_policy(policy);
	enum enn_status status = ENN_OK;

	*out = NULL;
	if (why != NULL) {
		*why = bad;
	}
	if (bad != NULL) {
		return ENN_E_ARGUMENT;
	}
	struct enn_srtp_session *s = enn_alloc(env, sizeof(*s));
	if (s == NULL) {
		return ENN_E_MEMORY;
	}
	s->env = env;
	s->sending = sending;
	configure(s, policy);
	for (size_t i = 0; status == ENN_OK && i < policy->master_count; i++) {
		status = append_master(s, &policy->master[i]);
	}
	if (status != ENN_OK) {
		enn_srtp_session_free(s);
		return status;
	}
	*out = s;
	return ENN_OK;
}

void enn_srtp_session_free(struct enn_srtp_session *s)
{
	if (s == NULL) {
		return;
	}
	while (s->streams != NULL) {
		stream_free(s, s->streams);
	}
	for (size_t i = 0; i < s->master_count; i++) {
		srtp_master_free(s, s->master[i]);
	}
	enn_free_secret(s->env, s, sizeof(*s));
}

size_t enn_srtp_session_overhead(const struct enn_srtp_session *s, bool rtcp)
{
	size_t tag = s->suite->aead ? AEAD_TAG : s->tag[rtcp];
	return tag + s->mki_len + (rtcp ? SRTCP_INDEX : 0);
}

void srtp_count(struct enn_srtp_session *s, const struct enn_srtp_packet *packet)
{
	if (packet->result == ENN_SRTP_OK) {
		s->stats.packets++;
		s->stats.bytes += packet->len;
	} else {
		s->stats.refused[packet->result]++;
	}
}

void enn_srtp_session_stats(const struct enn_srtp_session *s, struct enn_srtp_stats *stats)
{
	*stats = s->stats;
	stats->streams = s->stream_count;
}
