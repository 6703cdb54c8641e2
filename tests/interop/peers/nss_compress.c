/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed certificates (RFC 8879) in the NSS peer. NSS, from 3.101, does the messages and leaves the
 * compression to its application; this machine's headers may be older than the library that runs.
 */
#include <prmem.h>
#include <secitem.h>
#include <ssl.h>
#include <sslexp.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "nss_parts.h"

struct algorithm { /* SSLCertificateCompressionAlgorithm of its sslt.h */
	PRUint16 id;
	const char *name;
	SECStatus (*encode)(const SECItem *input, SECItem *output);
	SECStatus (*decode)(const SECItem *input, unsigned char *output, size_t len, size_t *used);
};

static SECStatus deflate_it(const SECItem *in, SECItem *out)
{
	uLongf len = compressBound(in->len);

	if (SECITEM_AllocItem(NULL, out, (unsigned)len) == NULL ||
	    compress(out->data, &len, in->data, in->len) != Z_OK) {
		return SECFailure;
	}
	out->len = (unsigned)len;
	return SECSuccess;
}

static SECStatus inflate_it(const SECItem *in, unsigned char *out, size_t len, size_t *used)
{
	uLongf n = len;

	if (uncompress(out, &n, in->data, in->len) != Z_OK) {
		return SECFailure;
	}
	*used = n;
	return SECSuccess;
}

static SECStatus zstd_it(const SECItem *in, SECItem *out)
{
	size_t len = ZSTD_compressBound(in->len);

	if (SECITEM_AllocItem(NULL, out, (unsigned)len) == NULL) {
		return SECFailure;
	}
	len = ZSTD_compress(out->data, len, in->data, in->len, 3);
	if (ZSTD_isError(len) != 0) {
		return SECFailure;
	}
	out->len = (unsigned)len;
	return SECSuccess;
}

static SECStatus unzstd_it(const SECItem *in, unsigned char *out, size_t len, size_t *used)
{
	size_t n = ZSTD_decompress(out, len, in->data, in->len);

	if (ZSTD_isError(n) != 0) {
		return SECFailure;
	}
	*used = n;
	return SECSuccess;
}

SECStatus nss_compress_set(PRFileDesc *fd, const struct peer_options *o)
{
	static const struct algorithm zlib = {1, "zlib", deflate_it, inflate_it};
	static const struct algorithm zstd = {3, "zstd", zstd_it, unzstd_it};

	if (o->compress == NULL) {
		return SECSuccess;
	}
	return SSL_EXPERIMENTAL_API("SSL_SetCertificateCompressionAlgorithm",
				    (PRFileDesc *, struct algorithm),
				    (fd, strcmp(o->compress, "zlib") == 0 ? zlib : zstd));
}
