/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets out (RFC 3711 §3.3 and §3.4, RFC 7714 §8 and §9): prepared one by one, then sealed in runs that have their session
 * keys in common.
 */
#include "protocols/srtp/internal.h"

static void put_u32(uint8_t *at, uint32_t value)
{
	struct enn_writer w = enn_writer_of(at, 4);
	enn_write_u32(&w, value);
}

/* E || index */
static uint32_t esrtcp(const struct enn_srtp_session *s, const struct srtp_item *item)
{
	return (uint32_t)item->index | (s->encrypt[1] ? SRTCP_ENCRYPTED : 0);
}

/* ---- preparing --------------------------------------------------------------------------------- */

static enum enn_srtp_result stream_of(struct enn_srtp_session *s, struct srtp_item *item)
{
	item->stream = srtp_stream_find(s, item->ssrc);
	return item->stream != NULL ? ENN_SRTP_OK : srtp_stream_make(s, item->ssrc, &item->stream);
}

/* The key in use, or the one whose range begins here. */
static enum enn_srtp_result key_of(struct enn_srtp_session *s, struct srtp_item *item,
				   unsigned rtcp, struct srtp_master **out)
{
	struct srtp_master *m = s->current;

	if (rtcp == 0 && m->to != 0 && (item->index < m->from || item->index > m->to)) {
		m = srtp_master_by_index(s, item->index);
		if (m == NULL) {
			return ENN_SRTP_UNKNOWN_KEY;
		}
		s->current = m;
	}
	if (m->used[rtcp] >= m->limit[rtcp]) {
		return ENN_SRTP_EXPIRED_KEY;
	}
	*out = m;
	return ENN_SRTP_OK;
}

static enum enn_srtp_result prepare_rtp(struct enn_srtp_session *s, struct srtp_item *item,
					struct srtp_master **master)
{
	struct enn_srtp_packet *p = item->packet;
	size_t room = enn_srtp_session_overhead(s, false);

	/* ROC is behind the packet while the tag is computed. */
	room = room < 4 && s->tag[0] > 0 ? 4 : room;
	if (!enn_rtp_parse((struct enn_bytes){p->data, p->len}, &item->rtp)) {
		return ENN_SRTP_MALFORMED;
	}
	if (s->cryptex != ENN_SRTP_CRYPTEX_OFF && !item->rtp.has_extension &&
	    item->rtp.csrc_count > 0) {
		room += RTP_EXTENSION;
	}
	if (p->cap < p->len || p->cap - p->len < room) {
		return ENN_SRTP_NO_ROOM;
	}
	item->ssrc = item->rtp.ssrc;
	enum enn_srtp_result result = stream_of(s, item);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	if (!srtp_index_guess(item->stream, item->rtp.sequence, &item->index)) {
		return item->stream->seen[0].next > ENN_SRTP_RTP_LIFETIME / 2 ? ENN_SRTP_EXPIRED_KEY
									      : ENN_SRTP_REPLAYED;
	}
	result = key_of(s, item, 0, master);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	item->body = 0;
	result = srtp_cryptex_begin(s, item);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	/* The same index twice would be the same keystream twice (RFC 3711 §9.1). */
	if (!enn_replay_accept(&item->stream->seen[0], item->index)) {
		return ENN_SRTP_REPLAYED;
	}
	item->body = item->cryptex ? item->body : item->rtp.payload;
	item->end = p->len;
	return ENN_SRTP_OK;
}

static enum enn_srtp_result prepare_rtcp(struct enn_srtp_session *s, struct srtp_item *item,
					 struct srtp_master **master)
{
	struct enn_srtp_packet *p = item->packet;

	if (!enn_rtcp_sender((struct enn_bytes){p->data, p->len}, &item->ssrc)) {
		return ENN_SRTP_MALFORMED;
	}
	if (p->cap < p->len || p->cap - p->len < enn_srtp_session_overhead(s, true)) {
		return ENN_SRTP_NO_ROOM;
	}
	enum enn_srtp_result result = stream_of(s, item);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	/* RFC 3711 §3.4: not reset by re-keying, so a session of its own comes after 2^31 packets. */
	if (item->stream->rtcp_next >= ENN_SRTP_RTCP_LIFETIME) {
		return ENN_SRTP_EXPIRED_KEY;
	}
	result = key_of(s, item, 1, master);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	item->index = item->stream->rtcp_next++;
	item->cryptex = false;
	item->body = RTCP_HEADER;
	item->end = p->len;
	return ENN_SRTP_OK;
}

/* ---- sealing ----------------------------------------------------------------------------------- */

static void append_mki(const struct srtp_run *run, struct enn_srtp_packet *p)
{
	memcpy(p->data + p->len, run->master->mki, run->s->mki_len);
	p->len += run->s->mki_len;
}

static void seal_cm(struct srtp_run *run)
{
	const struct enn_srtp_session *s = run->s;
	struct enn_ctr_job ctr[RUN];
	struct enn_mac_job mac[RUN];
	enum enn_status status = ENN_OK;

	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		srtp_cryptex_gather(item);
		memcpy(ctr[i].iv, item->nonce, sizeof(ctr[i].iv));
		ctr[i].text = item->packet->data + item->body;
		ctr[i].len = item->end - item->body;
	}
	if (s->encrypt[run->rtcp]) {
		status = enn_ctr_batch(run->keys->cm, ctr, run->count);
	}
	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		struct enn_srtp_packet *p = item->packet;
		srtp_cryptex_scatter(item);
		/* Authenticated: the packet, then E and index; or then ROC, which is not sent. */
		if (run->rtcp != 0) {
			put_u32(p->data + item->end, esrtcp(s, item));
			p->len = item->end + SRTCP_INDEX;
		} else if (s->tag[0] > 0) {
			put_u32(p->data + item->end, (uint32_t)(item->index >> 16));
		}
		mac[i].text = p->data;
		mac[i].len = item->end + 4;
		p->result = status == ENN_OK ? ENN_SRTP_OK : ENN_SRTP_BROKEN;
	}
	size_t tag = s->tag[run->rtcp];
	if (tag > 0) {
		enn_hmac_sha1_batch(run->keys->cm, mac, run->count);
	}
	for (size_t i = 0; i < run->count; i++) {
		struct enn_srtp_packet *p = run->item[i].packet;
		append_mki(run, p);
		memcpy(p->data + p->len, mac[i].mac, tag);
		p->len += tag;
	}
}

/* What is encrypted, and what is only authenticated (RFC 7714 §8.2, §9.2, §9.3). */
static void aead_job(const struct srtp_run *run, struct srtp_item *item, struct enn_aead_job *job)
{
	const struct enn_srtp_session *s = run->s;
	uint8_t *data = item->packet->data;

	*job = (struct enn_aead_job){.nonce = item->nonce, .aad = data};
	if (!s->encrypt[run->rtcp]) {
		job->aad_len = item->end;
		if (run->rtcp != 0) {
			put_u32(data + item->end, esrtcp(s, item));
			job->aad_len += SRTCP_INDEX;
		}
		job->in = item->tag;
		job->out = item->tag;
		return;
	}
	job->in = data + item->body;
	job->in_len = item->end - item->body;
	job->out = data + item->body;
	job->aad_len = item->body;
	if (run->rtcp != 0) {
		memcpy(item->aad, data, RTCP_HEADER);
		put_u32(item->aad + RTCP_HEADER, esrtcp(s, item));
		job->aad = item->aad;
		job->aad_len = sizeof(item->aad);
	}
}

static void seal_aead(struct srtp_run *run)
{
	const struct enn_srtp_session *s = run->s;
	struct enn_aead_job jobs[RUN];

	for (size_t i = 0; i < run->count; i++) {
		srtp_cryptex_gather(&run->item[i]);
		aead_job(run, &run->item[i], &jobs[i]);
	}
	enn_aead_seal_batch(run->keys->aead, jobs, run->count);
	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		struct enn_srtp_packet *p = item->packet;
		srtp_cryptex_scatter(item);
		p->result = jobs[i].status == ENN_OK ? ENN_SRTP_OK : ENN_SRTP_BROKEN;
		if (!s->encrypt[run->rtcp]) {
			memcpy(p->data + item->end, item->tag, AEAD_TAG);
		}
		p->len = item->end + AEAD_TAG;
		if (run->rtcp != 0) {
			put_u32(p->data + p->len, esrtcp(s, item));
			p->len += SRTCP_INDEX;
		}
		append_mki(run, p);
	}
}

static void seal(struct srtp_run *run)
{
	struct enn_srtp_session *s = run->s;
	bool masked = true;

	if (run->count == 0) {
		return;
	}
	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		srtp_nonce(s, run->keys->salt, item->ssrc, item->index, item->nonce);
		if (s->masks_headers && run->rtcp == 0) {
			masked = srtp_mask_header(s, run->keys, item) == ENN_OK && masked;
		}
	}
	if (s->suite->aead) {
		seal_aead(run);
	} else {
		seal_cm(run);
	}
	run->master->used[run->rtcp] += run->count;
	for (size_t i = 0; i < run->count; i++) {
		struct enn_srtp_packet *p = run->item[i].packet;
		p->result = masked ? p->result : ENN_SRTP_BROKEN;
		srtp_count(s, p);
	}
	run->count = 0;
}

/* ---- runs -------------------------------------------------------------------------------------- */

static enum enn_srtp_result prepare(struct srtp_run *run, struct enn_srtp_packet *p)
{
	struct enn_srtp_session *s = run->s;
	struct srtp_item *item = &run->item[run->count];
	struct srtp_master *master = NULL;
	enum enn_srtp_result result;

	if (p->kind == ENN_SRTP_OTHER) {
		p->kind = enn_srtp_classify((struct enn_bytes){p->data, p->len});
	}
	unsigned rtcp = p->kind == ENN_SRTP_RTCP;
	item->packet = p;
	if (p->kind == ENN_SRTP_OTHER) {
		return ENN_SRTP_MALFORMED;
	}
	/* Packets that are only prepared count towards the limit too. */
	if (run->count > 0 &&
	    run->master->limit[run->rtcp] - run->master->used[run->rtcp] <= run->count) {
		struct srtp_item kept = *item;
		seal(run);
		item = &run->item[0];
		*item = kept;
	}
	result = rtcp ? prepare_rtcp(s, item, &master) : prepare_rtp(s, item, &master);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	struct srtp_keys *keys = srtp_keys_find(s, master, rtcp, item->index);
	if (run->count > 0 && (keys != run->keys || keys == NULL)) {
		struct srtp_item kept = *item;
		seal(run);
		run->item[0] = kept;
	}
	if (keys == NULL && srtp_keys_make(s, master, rtcp, item->index, &keys) != ENN_OK) {
		return ENN_SRTP_BROKEN;
	}
	run->keys = keys;
	run->master = master;
	run->rtcp = rtcp;
	run->count++;
	return ENN_SRTP_OK;
}

size_t enn_srtp_protect(struct enn_srtp_session *s, struct enn_srtp_packet *packets, size_t count)
{
	struct srtp_run run;
	size_t good = 0;

	run.s = s;
	run.count = 0;
	for (size_t i = 0; i < count; i++) {
		enum enn_srtp_result result = prepare(&run, &packets[i]);
		if (result != ENN_SRTP_OK) {
			packets[i].result = result;
			srtp_count(s, &packets[i]);
		}
		if (run.count == RUN) {
			seal(&run);
		}
	}
	seal(&run);
	for (size_t i = 0; i < count; i++) {
		good += packets[i].result == ENN_SRTP_OK;
	}
	return good;
}
