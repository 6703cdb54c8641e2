/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing a=crypto lines (RFC 4568 §9).
 */
#include "protocols/srtp/sdes.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"
#include "base/mem.h"

#define KEY_TEXT 64 /* of 46 bytes, with its NUL: 65 */

static const char prefix[] = "a=crypto:";

/* ---- reading words ----------------------------------------------------------------------------- */

/* Up to the next `end`, which is skipped, or to the end of all. */
static struct enn_bytes word(struct enn_reader *r, char end)
{
	struct enn_bytes w = {r->pos, 0};

	while (enn_reader_left(r) > 0) {
		if (enn_read_u8(r) == (uint8_t)end) {
			return w;
		}
		w.len++;
	}
	return w;
}

static bool is(struct enn_bytes w, const char *text)
{
	return w.len == strlen(text) && strncasecmp((const char *)w.data, text, w.len) == 0;
}

/* What follows `text` at the beginning of w. */
static bool after(struct enn_bytes w, const char *text, struct enn_bytes *rest)
{
	size_t len = strlen(text);

	if (w.len < len || strncasecmp((const char *)w.data, text, len) != 0) {
		return false;
	}
	*rest = (struct enn_bytes){w.data + len, w.len - len};
	return true;
}

static bool has(struct enn_bytes w, char c)
{
	return w.len > 0 && memchr(w.data, c, w.len) != NULL;
}

/* Decimal without leading zeros, at most `most`. */
static bool number(struct enn_bytes w, uint64_t most, uint64_t *out)
{
	struct enn_reader r = enn_reader_of(w.data, w.len);
	uint64_t value = 0;

	if (w.len == 0 || w.len > 19) {
		return false;
	}
	for (size_t i = 0; i < w.len; i++) {
		uint8_t c = enn_read_u8(&r);
		if (c < '0' || c > '9' || (i == 0 && c == '0' && w.len > 1)) {
			return false;
		}
		value = value * 10 + (uint64_t)(c - '0');
	}
	*out = value;
	return value <= most;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static bool parse_key(struct enn_bytes text, const struct enn_srtp_suite *suite,
		      struct enn_srtp_master *out)
{
	uint8_t raw[ENN_SRTP_MAX_KEY + ENN_SRTP_MAX_SALT];
	size_t want = (size_t)suite->key_len + suite->salt_len;
	size_t len = 0;
	const char *end = NULL;

	/* RFC 4568 §6.1: padding says nothing. */
	while (text.len > 0 && text.data[text.len - 1] == '=') {
		text.len--;
	}
	bool good = text.len <= KEY_TEXT &&
		    sodium_base642bin(raw, sizeof(raw), (const char *)text.data, text.len, NULL,
				      &len, &end, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
		    end == (const char *)text.data + text.len && len == want;
	if (good) {
		memcpy(out->key, raw, suite->key_len);
		memcpy(out->salt, raw + suite->key_len, suite->salt_len);
	}
	enn_wipe(raw, sizeof(raw));
	return good;
}

/* A number, or 2^number. */
static bool parse_lifetime(struct enn_bytes text, struct enn_srtp_master *out)
{
	struct enn_bytes power;
	uint64_t value = 0;

	if (after(text, "2^", &power)) {
		if (!number(power, 48, &value)) {
			return false;
		}
		value = UINT64_C(1) << value;
	} else if (!number(text, ENN_SRTP_RTP_LIFETIME, &value)) {
		return false;
	}
	out->lifetime = value;
	return value > 0;
}

/* MKI:length. The value is written big endian into that many bytes. */
static bool parse_mki(struct enn_bytes text, struct enn_srtp_master *out)
{
	struct enn_reader r = enn_reader_of(text.data, text.len);
	struct enn_bytes value = word(&r, ':');
	struct enn_bytes rest = {r.pos, enn_reader_left(&r)};
	uint64_t mki = 0;
	uint64_t len = 0;

	if (!number(value, UINT64_MAX, &mki) || !number(rest, ENN_SRTP_MAX_MKI, &len) || len == 0 ||
	    (len < 8 && mki >> (8 * len) != 0)) {
		return false;
	}
	out->mki_len = (uint8_t)len;
	memset(out->mki, 0, sizeof(out->mki));
	for (size_t i = 0; i < len && i < 8; i++) {
		out->mki[len - 1 - i] = (uint8_t)(mki >> (8 * i));
	}
	return true;
}

static const char *parse_inline(struct enn_bytes text, const struct enn_srtp_suite *suite,
				struct enn_srtp_master *out)
{
	struct enn_reader r;
	struct enn_bytes rest;

	if (!after(text, "inline:", &rest)) {
		return "a key that is not inline";
	}
	r = enn_reader_of(rest.data, rest.len);
	if (!parse_key(word(&r, '|'), suite, out)) {
		return "the key is no Base64, or has not the suite's length";
	}
	if (enn_reader_left(&r) == 0) {
		return text.data[text.len - 1] == '|' ? "an empty field of a key" : NULL;
	}
	struct enn_bytes field = word(&r, '|');
	if (!has(field, ':')) {
		if (!parse_lifetime(field, out)) {
			return "the lifetime is no number the suite allows";
		}
		if (enn_reader_left(&r) == 0) {
			return text.data[text.len - 1] == '|' ? "an empty field of a key" : NULL;
		}
		field = word(&r, '|');
	}
	return parse_mki(field, out) && enn_reader_left(&r) == 0
		       ? NULL
		       : "the MKI is not of the form number:length";
}

static const char *parse_keys(struct enn_bytes text, const struct enn_srtp_suite *suite,
			      struct enn_srtp_sdes *out)
{
	struct enn_reader r = enn_reader_of(text.data, text.len);

	do {
		if (out->master_count == ENN_SRTP_MASTERS) {
			return "more than 16 keys";
		}
		struct enn_srtp_master *m = &out->master[out->master_count++];
		const char *bad = parse_inline(word(&r, ';'), suite, m);
		if (bad != NULL) {
			return bad;
		}
		if (m->mki_len != out->master[0].mki_len) {
			return "MKIs of different lengths";
		}
	} while (enn_reader_left(&r) > 0);
	for (size_t i = 1; i < out->master_count; i++) {
		if (out->master[0].mki_len == 0) {
			return "several keys without MKI";
		}
		for (size_t k = 0; k < i; k++) {
			if (memcmp(out->master[i].mki, out->master[k].mki,
				   out->master[0].mki_len) == 0) {
				return "two keys with one MKI";
			}
		}
	}
	return NULL;
}

/* ---- session parameters ------------------------------------------------------------------------ */

static enum enn_status parse_parameter(struct enn_bytes w, struct enn_srtp_sdes *out,
				       const char **why)
{
	struct enn_bytes rest;
	uint64_t value = 0;

	if (is(w, "UNENCRYPTED_SRTP")) {
		out->unencrypted_rtp = true;
	} else if (is(w, "UNENCRYPTED_SRTCP")) {
		out->unencrypted_rtcp = true;
	} else if (is(w, "UNAUTHENTICATED_SRTP")) {
		out->unauthenticated_rtp = true;
	} else if (after(w, "KDR=", &rest)) {
		if (!number(rest, 24, &value) || value == 0) {
			*why = "KDR is 1 to 24";
			return ENN_E_PARSE;
		}
		out->kdr = (uint8_t)value;
	} else if (after(w, "WSH=", &rest)) {
		if (!number(rest, UINT32_MAX, &value) || value < 64) {
			*why = "WSH is a number from 64 on";
			return ENN_E_PARSE;
		}
		out->window = (uint32_t)value;
	} else if (!is(w, "FEC_ORDER=FEC_SRTP") &&
		   !has((struct enn_bytes){w.data, w.len > 0}, '-')) {
		*why = "a session parameter that is not known"; /* §6.3.7: the whole line is not for us */
		return ENN_E_UNSUPPORTED;
	}
	return ENN_OK;
}

static bool is_blank(uint8_t c)
{
	return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

enum enn_status enn_srtp_sdes_parse(struct enn_bytes line, struct enn_srtp_sdes *out,
				    const char **why)
{
	const char *ignored;
	uint64_t tag = 0;

	why = why == NULL ? &ignored : why;
	*why = "no tag, suite and key";
	memset(out, 0, sizeof(*out));
	while (line.len > 0 && is_blank(line.data[line.len - 1])) {
		line.len--;
	}
	if (line.len > ENN_SRTP_SDES_MAX || has(line, '\n') || has(line, '\r') || has(line, '\0')) {
		return ENN_E_PARSE;
	}
	(void)after(line, prefix, &line);
	struct enn_reader r = enn_reader_of(line.data, line.len);
	struct enn_bytes name;
	if (!number(word(&r, ' '), 999999999, &tag) || (name = word(&r, ' ')).len == 0 ||
	    enn_reader_left(&r) == 0) {
		return ENN_E_PARSE;
	}
	out->tag = (uint32_t)tag;
	const struct enn_srtp_suite *suite = enn_srtp_suite_by_name(name);
	if (suite == NULL) {
		*why = "a suite that is not known";
		return ENN_E_UNSUPPORTED;
	}
	out->suite = suite->id;
	*why = parse_keys(word(&r, ' '), suite, out);
	enum enn_status status = *why == NULL ? ENN_OK : ENN_E_PARSE;
	while (status == ENN_OK && enn_reader_left(&r) > 0) {
		struct enn_bytes w = word(&r, ' ');
		if (w.len > 0) {
			status = parse_parameter(w, out, why);
		}
	}
	if (status == ENN_OK && suite->aead && out->unauthenticated_rtp) {
		*why = "an AEAD always authenticates"; /* RFC 7714 §14.1 */
		status = ENN_E_PARSE;
	}
	return status;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void text(struct enn_writer *w, const char *s)
{
	enn_write_bytes(w, s, strlen(s));
}

static void decimal(struct enn_writer *w, uint64_t value)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	text(w, digits);
}

static void write_master(struct enn_writer *w, const struct enn_srtp_suite *suite,
			 const struct enn_srtp_master *m)
{
	uint8_t raw[ENN_SRTP_MAX_KEY + ENN_SRTP_MAX_SALT];
	char base64[KEY_TEXT + 8];

	memcpy(raw, m->key, suite->key_len);
	memcpy(raw + suite->key_len, m->salt, suite->salt_len);
	(void)sodium_bin2base64(base64, sizeof(base64), raw,
				(size_t)suite->key_len + suite->salt_len,
				sodium_base64_VARIANT_ORIGINAL);
	text(w, "inline:");
	text(w, base64);
	enn_wipe(raw, sizeof(raw));
	enn_wipe(base64, sizeof(base64));
	if (m->lifetime != 0) {
		unsigned power = 0;
		while (power < 48 && m->lifetime != UINT64_C(1) << power) {
			power++;
		}
		bool is_power = m->lifetime == UINT64_C(1) << power;
		text(w, is_power ? "|2^" : "|");
		decimal(w, is_power ? power : m->lifetime);
	}
	if (m->mki_len > 0) {
		uint64_t mki = 0;
		for (size_t i = 0; i < m->mki_len; i++) {
			w->bad = w->bad || mki >> 56 != 0; /* longer than any that can be read */
			mki = mki << 8 | m->mki[i];
		}
		text(w, "|");
		decimal(w, mki);
		text(w, ":");
		decimal(w, m->mki_len);
	}
}

void enn_srtp_sdes_write(struct enn_writer *w, const struct enn_srtp_sdes *sdes)
{
	const struct enn_srtp_suite *suite = enn_srtp_suite(sdes->suite);

	if (suite == NULL || suite->name == NULL || sdes->master_count == 0 ||
	    sdes->master_count > ENN_SRTP_MASTERS) {
		w->bad = true;
		return;
	}
	text(w, prefix);
	decimal(w, sdes->tag);
	text(w, " ");
	text(w, suite->name);
	for (size_t i = 0; i < sdes->master_count; i++) {
		text(w, i == 0 ? " " : ";");
		write_master(w, suite, &sdes->master[i]);
	}
	if (sdes->kdr != 0) {
		text(w, " KDR=");
		decimal(w, sdes->kdr);
	}
	text(w, sdes->unencrypted_rtp ? " UNENCRYPTED_SRTP" : "");
	text(w, sdes->unencrypted_rtcp ? " UNENCRYPTED_SRTCP" : "");
	text(w, sdes->unauthenticated_rtp ? " UNAUTHENTICATED_SRTP" : "");
	if (sdes->window != 0) {
		text(w, " WSH=");
		decimal(w, sdes->window);
	}
}

void enn_srtp_sdes_policy(const struct enn_srtp_sdes *sdes, struct enn_srtp_policy *policy)
{
	uint32_t window = sdes->window > 1u << 15 ? 1u << 15 : sdes->window;

	*policy = (struct enn_srtp_policy){
		.suite = sdes->suite,
		.master = sdes->master,
		.master_count = sdes->master_count,
		.kdr = sdes->kdr,
		.window = window,
		.unencrypted_rtp = sdes->unencrypted_rtp,
		.unencrypted_rtcp = sdes->unencrypted_rtcp,
		.unauthenticated_rtp = sdes->unauthenticated_rtp,
	};
}
