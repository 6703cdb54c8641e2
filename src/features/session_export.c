/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's sessions as bytes, to keep them over a restart:
 *
 *   "ENNSESS" u8 version | secret [32] | u32 count | count × entry | MAC [32]
 *   entry: digest of the key [32] | u64 expires | u32 length | session
 *
 * Entries stand in the order of their use, the oldest first. The secret is what the digests are made
 * with, and the store that imports goes on with it; the MAC, made with it too, is a check against damage:
 * who can write where the bytes are kept can give a client any session.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "crypto/hash.h"
#include "features/session_store.h"

#include <utlist.h>

#define VERSION	  1
#define HEAD_LEN  (8u + ENN_STORE_DIGEST + 4u)
#define ENTRY_LEN (ENN_STORE_DIGEST + 8u + 4u)
#define MAC_LEN	  32u

static const uint8_t magic[8] = {'E', 'N', 'N', 'S', 'E', 'S', 'S', VERSION};

static void mac_of(const uint8_t *secret, const uint8_t *data, size_t len, uint8_t mac[MAC_LEN])
{
	enn_hmac_once(enn_hash_alg(ENN_HASH_SHA256), secret, ENN_STORE_DIGEST, data, len, mac);
}

/* ---- export ----------------------------------------------------------------------------------- */

static bool is_kept(const struct enn_store_entry *e, int64_t wall_now)
{
	return e->expiry.at > wall_now;
}

static void write_entry(struct enn_writer *w, const struct enn_store_entry *e)
{
	enn_write_bytes(w, e->digest, ENN_STORE_DIGEST);
	enn_write_u64(w, (uint64_t)e->expiry.at);
	enn_write_u32(w, (uint32_t)e->len);
	enn_write_bytes(w, e->value, e->len);
}

/* With the lock held. */
static enum enn_status export(const struct enn_session_store *store, int64_t wall_now, uint8_t *out,
			      size_t *len) {
	const struct enn_store_entry *e; size_t need = HEAD_LEN + MAC_LEN; uint32_t count = 0;

	DL_FOREACH(store->sessions, e){need += is_kept(e, wall_now) ? ENTRY_LEN + e->len : 0;
				       count += is_kept(e, wall_now);}
if (out == NULL || *len < need)
{
	*len = need;
	return ENN_E_SPACE;
}
struct enn_writer w = enn_writer_of(out, need);
enn_write_bytes(&w, magic, sizeof(magic));
enn_write_bytes(&w, store->secret, ENN_STORE_DIGEST);
enn_write_u32(&w, count);
DL_FOREACH(store->sessions, e)
{
	if (is_kept(e, wall_now)) {
		write_entry(&w, e);
	}
}
mac_of(store->secret, out, need - MAC_LEN, out + need - MAC_LEN);
*len = need;
return ENN_OK;
}

enum enn_status enn_session_store_export(struct enn_session_store *store, int64_t wall_now,
					 uint8_t *out, size_t *len)
{
	if (store == NULL || len == NULL || (out == NULL && *len > 0)) {
		return ENN_E_ARGUMENT;
	}
	(void)pthread_mutex_lock(&store->lock);
	enum enn_status status = export(store, wall_now, out, len);
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}

/* ---- import ----------------------------------------------------------------------------------- */

struct entry {
	const uint8_t *digest;
	int64_t expires;
	struct enn_bytes value;
};

static bool read_entry(struct enn_reader *r, struct entry *e)
{
	e->digest = enn_read_bytes(r, ENN_STORE_DIGEST).data;
	uint64_t expires = enn_read_u64(r);
	e->value = enn_read_vector(r, 4, 1, ENN_STORE_MAX_VALUE);
	e->expires = (int64_t)expires;
	return enn_reader_ok(r) && expires <= INT64_MAX;
}

/* The entries, once all of it has been found to be whole; `secret` is lent from data. */
static bool open_bytes(struct enn_bytes data, struct enn_reader *entries, const uint8_t **secret,
		       uint32_t *count)
{
	uint8_t mac[MAC_LEN];
	struct entry e;

	if (data.len < HEAD_LEN + MAC_LEN) {
		return false;
	}
	struct enn_reader r = enn_reader_of(data.data, data.len - MAC_LEN);
	struct enn_bytes start = enn_read_bytes(&r, sizeof(magic));
	*secret = enn_read_bytes(&r, ENN_STORE_DIGEST).data;
	*count = enn_read_u32(&r);
	if (!enn_reader_ok(&r) || memcmp(start.data, magic, sizeof(magic)) != 0) {
		return false;
	}
	mac_of(*secret, data.data, data.len - MAC_LEN, mac);
	if (!enn_equal_secret(mac, data.data + data.len - MAC_LEN, MAC_LEN)) {
		return false;
	}
	*entries = r;
	for (uint32_t i = 0; i < *count; i++) {
		if (!read_entry(&r, &e)) {
			return false;
		}
	}
	return enn_reader_done(&r);
}

/* With the lock held. A session for which there is no memory is left out. */
static void take_entry(struct enn_session_store *store, int64_t wall_now, const struct entry *e)
{
	uint8_t *value = e->expires > wall_now ? malloc(e->value.len) : NULL;

	if (value == NULL) {
		return;
	}
	memcpy(value, e->value.data, e->value.len);
	if (enn_session_store_put_digest(store, e->digest, value, e->value.len, e->expires) !=
	    ENN_OK) {
		enn_wipe(value, e->value.len);
		free(value);
	}
}

enum enn_status enn_session_store_import(struct enn_session_store *store, int64_t wall_now,
					 const uint8_t *data, size_t len)
{
	const uint8_t *secret;
	struct enn_reader r;
	struct entry e;
	uint32_t count;
	enum enn_status status = ENN_OK;

	if (store == NULL || data == NULL) {
		return ENN_E_ARGUMENT;
	}
	if (!open_bytes((struct enn_bytes){data, len}, &r, &secret, &count)) {
		return ENN_E_PARSE;
	}
	(void)pthread_mutex_lock(&store->lock);
	if (store->expiries.count > 0) { /* its digests are made with another secret */
		status = ENN_E_STATE;
	} else {
		memcpy(store->secret, secret, ENN_STORE_DIGEST);
		for (uint32_t i = 0; i < count && read_entry(&r, &e); i++) {
			take_entry(store, wall_now, &e);
		}
	}
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}
