/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets in (RFC 3711 §3.3 and §3.4, RFC 7714 §8 and §9): looked at one by one, opened in runs that have their session
 * keys in common, and only then let into the table of streams and the replay lists.
 */
#include "protocols/srtp/internal.h"

static uint32_t get_u32(const uint8_t *at)
{
	struct enn_reader r = enn_reader_of(at, 4);
	return enn_read_u32(&r);
}

static void put_u32(uint8_t *at, uint32_t value)
{
	struct enn_writer w = enn_writer_of(at, 4);
	enn_write_u32(&w, value);
}

/* ---- looking ----------------------------------------------------------------------------------- */

/* A stream that is not there yet is made when its first packet has proved authentic. */
static enum enn_srtp_result look_up(const struct enn_srtp_session *s, struct srtp_item *item)
{
	item->stream = srtp_stream_find(s, item->ssrc);
	return item->stream == NULL && s->stream_count >= s->max_streams ? ENN_SRTP_MANY_STREAMS
									 : ENN_SRTP_OK;
}

static bool is_fresh(const struct srtp_item *item, unsigned rtcp)
{
	return item->stream == NULL || enn_replay_fresh(&item->stream->seen[rtcp], item->index);
}

static enum enn_srtp_result key_of(const struct enn_srtp_session *s, const struct srtp_item *item,
				   unsigned rtcp, const uint8_t *mki, struct srtp_master **out)
{
	struct srtp_master *m = s->mki_len > 0	      ? srtp_master_by_mki(s, mki)
				: s->master_count > 1 ? srtp_master_by_index(s, item->index)
						      : s->master[0];

	if (m == NULL ||
	    (rtcp == 0 && m->to != 0 && (item->index < m->from || item->index > m->to))) {
		return ENN_SRTP_UNKNOWN_KEY;
	}
	*out = m;
	/* RFC 4568 §6.1: nothing is accepted after a key's lifetime. */
	return m->used[rtcp] >= m->limit[rtcp] ? ENN_SRTP_EXPIRED_KEY : ENN_SRTP_OK;
}

static enum enn_srtp_result look_rtp(const struct enn_srtp_session *s, struct srtp_item *item,
				     struct srtp_master **master)
{
	const struct enn_srtp_packet *p = item->packet;
	size_t tail = enn_srtp_session_overhead(s, false);

	if (!enn_rtp_parse((struct enn_bytes){p->data, p->len}, &item->rtp) ||
	    p->len - item->rtp.payload < tail) {
		return ENN_SRTP_MALFORMED;
	}
	item->ssrc = item->rtp.ssrc;
	item->end = p->len - tail;
	item->body = item->rtp.payload;
	enum enn_srtp_result result = srtp_cryptex_check(s, item);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	result = look_up(s, item);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	bool checked = s->suite->aead || s->tag[0] > 0;
	if (!srtp_index_guess(item->stream, item->rtp.sequence, &item->index) ||
	    (checked && !is_fresh(item, 0))) {
		return ENN_SRTP_REPLAYED;
	}
	/* [MKI][tag]; AES-GCM: [tag][MKI] */
	return key_of(s, item, 0, p->data + p->len - s->tag[0] - s->mki_len, master);
}

static enum enn_srtp_result look_rtcp(const struct enn_srtp_session *s, struct srtp_item *item,
				      struct srtp_master **master)
{
	const struct enn_srtp_packet *p = item->packet;
	size_t tail = enn_srtp_session_overhead(s, true);

	if (p->len < RTCP_HEADER + tail) {
		return ENN_SRTP_MALFORMED;
	}
	const uint8_t *mki = p->data + p->len - s->tag[1] - s->mki_len;
	uint32_t word = get_u32(mki - SRTCP_INDEX);
	item->ssrc = get_u32(p->data + 4);
	item->index = word & ~SRTCP_ENCRYPTED;
	item->body = RTCP_HEADER;
	item->end = p->len - tail;
	item->cryptex = false;
	/* RFC 4568 §6.3.2: all of them are encrypted, or none. */
	if (((word & SRTCP_ENCRYPTED) != 0) != s->encrypt[1]) {
		return ENN_SRTP_REFUSED;
	}
	enum enn_srtp_result result = look_up(s, item);
	if (result != ENN_SRTP_OK) {
		return result;
	}
	if (!is_fresh(item, 1)) {
		return ENN_SRTP_REPLAYED;
	}
	return key_of(s, item, 1, mki, master);
}

/* ---- opening ----------------------------------------------------------------------------------- */

static void verify(struct srtp_run *run)
{
	const struct enn_srtp_session *s = run->s;
	size_t tag = s->tag[run->rtcp];
	struct enn_mac_job mac[RUN];

	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		struct enn_srtp_packet *p = item->packet;
		p->result = ENN_SRTP_OK;
		if (tag == 0) {
			continue;
		}
		memcpy(item->tag, p->data + p->len - tag, tag);
		if (run->rtcp == 0) { /* its room is that of MKI and tag */
			put_u32(p->data + item->end, (uint32_t)(item->index >> 16));
		}
		mac[i].text = p->data;
		mac[i].len = item->end + 4; /* with ROC, or with E and index */
	}
	if (tag == 0) {
		return;
	}
	enn_hmac_sha1_batch(run->keys->cm, mac, run->count);
	for (size_t i = 0; i < run->count; i++) {
		if (!enn_equal_secret(mac[i].mac, run->item[i].tag, tag)) {
			run->item[i].packet->result = ENN_SRTP_FORGED;
		}
	}
}

static void open_cm(struct srtp_run *run)
{
	const struct enn_srtp_session *s = run->s;
	struct enn_ctr_job ctr[RUN];
	size_t count = 0;

	verify(run);
	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		struct enn_ctr_job *job = &ctr[count];
		if (item->packet->result != ENN_SRTP_OK) {
			continue;
		}
		srtp_cryptex_gather(item);
		memcpy(job->iv, item->nonce, sizeof(job->iv));
		job->text = item->packet->data + item->body;
		job->len = item->end - item->body;
		count++;
	}
	enum enn_status status = s->encrypt[run->rtcp] && count > 0
					 ? enn_ctr_batch(run->keys->cm, ctr, count)
					 : ENN_OK;
	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		if (item->packet->result == ENN_SRTP_OK) {
			srtp_cryptex_scatter(item);
			item->packet->result = status == ENN_OK ? ENN_SRTP_OK : ENN_SRTP_BROKEN;
		}
	}
}

/* Where RTP has the tag at the end of the text, RTCP has E and index behind it. */
static void aead_job(const struct srtp_run *run, struct srtp_item *item, struct enn_aead_job *job)
{
	const struct enn_srtp_session *s = run->s;
	uint8_t *data = item->packet->data;
	uint8_t word[SRTCP_INDEX] = {0};

	*job = (struct enn_aead_job){.nonce = item->nonce, .aad = data};
	if (run->rtcp != 0) {
		memcpy(word, data + item->end + AEAD_TAG, sizeof(word));
	}
	if (!s->encrypt[run->rtcp]) {
		memcpy(item->tag, data + item->end, AEAD_TAG);
		job->aad_len = item->end;
		if (run->rtcp != 0) {
			memcpy(data + item->end, word, sizeof(word));
			job->aad_len += sizeof(word);
		}
		job->in = item->tag;
		job->in_len = AEAD_TAG;
		job->out = item->tag;
		return;
	}
	job->in = data + item->body;
	job->in_len = item->end - item->body + AEAD_TAG;
	job->out = data + item->body;
	job->aad_len = item->body;
	if (run->rtcp != 0) {
		memcpy(item->aad, data, RTCP_HEADER);
		memcpy(item->aad + RTCP_HEADER, word, sizeof(word));
		job->aad = item->aad;
		job->aad_len = sizeof(item->aad);
	}
}

static void open_aead(struct srtp_run *run)
{
	struct enn_aead_job jobs[RUN];

	for (size_t i = 0; i < run->count; i++) {
		srtp_cryptex_gather(&run->item[i]);
		aead_job(run, &run->item[i], &jobs[i]);
	}
	enn_aead_open_batch(run->keys->aead, jobs, run->count);
	for (size_t i = 0; i < run->count; i++) {
		srtp_cryptex_scatter(&run->item[i]);
		run->item[i].packet->result =
			jobs[i].status == ENN_OK ? ENN_SRTP_OK : ENN_SRTP_FORGED;
	}
}

/* ---- letting in -------------------------------------------------------------------------------- */

static void let_in(struct srtp_run *run, struct srtp_item *item)
{
	struct enn_srtp_session *s = run->s;
	struct enn_srtp_packet *p = item->packet;

	if (p->result == ENN_SRTP_OK && item->stream == NULL) {
		p->result = srtp_stream_make(s, item->ssrc, &item->stream);
	}
	if (p->result != ENN_SRTP_OK) {
		return;
	}
	bool fresh = enn_replay_accept(&item->stream->seen[run->rtcp], item->index);
	bool checked = s->suite->aead || s->tag[run->rtcp] > 0;
	if (!fresh && checked) { /* twice among these packets */
		p->result = ENN_SRTP_REPLAYED;
		return;
	}
	if (run->master->used[run->rtcp] >= run->master->limit[run->rtcp]) {
		p->result = ENN_SRTP_EXPIRED_KEY;
		return;
	}
	run->master->used[run->rtcp]++;
	p->len = item->end;
	if (run->rtcp == 0) {
		srtp_cryptex_end(item);
		if (s->masks_headers && srtp_mask_header(s, run->keys, item) != ENN_OK) {
			p->result = ENN_SRTP_BROKEN;
		}
	}
}

static void open(struct srtp_run *run)
{
	struct enn_srtp_session *s = run->s;

	if (run->count == 0) {
		return;
	}
	for (size_t i = 0; i < run->count; i++) {
		struct srtp_item *item = &run->item[i];
		srtp_nonce(s, run->keys->salt, item->ssrc, item->index, item->nonce);
	}
	if (s->suite->aead) {
		open_aead(run);
	} else {
		open_cm(run);
	}
	for (size_t i = 0; i < run->count; i++) {
		let_in(run, &run->item[i]);
		srtp_count(s, run->item[i].packet);
	}
	run->count = 0;
}

/* ---- runs -------------------------------------------------------------------------------------- */

/* The first packet of a stream sets where its indices are, so a second one waits for it. */
static bool waits(const struct srtp_run *run, const struct srtp_item *item)
{
	for (size_t i = 0; item->stream == NULL && i < run->count; i++) {
		if (run->item[i].stream == NULL && run->item[i].ssrc == item->ssrc) {
			return true;
		}
	}
	return false;
}

static enum enn_srtp_result look(const struct enn_srtp_session *s, struct srtp_item *item,
				 struct srtp_master **master)
{
	struct enn_srtp_packet *p = item->packet;

	return p->kind == ENN_SRTP_RTCP	 ? look_rtcp(s, item, master)
	       : p->kind == ENN_SRTP_RTP ? look_rtp(s, item, master)
					 : ENN_SRTP_MALFORMED;
}

static enum enn_srtp_result prepare(struct srtp_run *run, struct enn_srtp_packet *p)
{
	struct enn_srtp_session *s = run->s;
	struct srtp_item *item = &run->item[run->count];
	struct srtp_master *master = NULL;

	if (p->kind == ENN_SRTP_OTHER) {
		p->kind = enn_srtp_classify((struct enn_bytes){p->data, p->len});
	}
	unsigned rtcp = p->kind == ENN_SRTP_RTCP;
	item->packet = p;
	enum enn_srtp_result result = look(s, item, &master);
	if (result == ENN_SRTP_OK && waits(run, item)) {
		open(run);
		item = &run->item[0];
		item->packet = p;
		result = look(s, item, &master);
	}
	if (result != ENN_SRTP_OK) {
		return result;
	}
	struct srtp_keys *keys = srtp_keys_find(s, master, rtcp, item->index);
	if (run->count > 0 && (keys == NULL || keys != run->keys)) {
		struct srtp_item kept = *item;
		open(run);
		run->item[0] = kept;
		item = &run->item[0];
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

size_t enn_srtp_unprotect(struct enn_srtp_session *s, struct enn_srtp_packet *packets, size_t count)
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
			open(&run);
		}
	}
	open(&run);
	for (size_t i = 0; i < count; i++) {
		good += packets[i].result == ENN_SRTP_OK;
	}
	return good;
}
