/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello in the NSS peer: its draft is the one that became RFC 9849, with the same
 * version number. The key and the configuration are NSS's own.
 */
#include "nss_parts.h"

#include <keyhi.h>
#include <pk11hpke.h>
#include <pk11pub.h>
#include <secoid.h>
#include <sslexp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	SECKEYPublicKey *public;
	SECKEYPrivateKey *private;
	PRUint8 list[512];
	unsigned len;
} ech;

static bool make_key(void)
{
	SECOidData *curve = SECOID_FindOIDByTag(SEC_OID_CURVE25519);
	PK11SlotInfo *slot = PK11_GetInternalKeySlot();
	unsigned char oid[32];
	SECItem params = {siBuffer, oid, 0};

	if (curve == NULL || curve->oid.len + 2 > sizeof(oid)) {
		return false;
	}
	oid[0] = SEC_ASN1_OBJECT_ID;
	oid[1] = (unsigned char)curve->oid.len;
	memcpy(oid + 2, curve->oid.data, curve->oid.len);
	params.len = curve->oid.len + 2;
	ech.private = PK11_GenerateKeyPair(slot, CKM_EC_KEY_PAIR_GEN, &params, &ech.public,
					   PR_FALSE, PR_FALSE, NULL);
	PK11_FreeSlot(slot);
	return ech.private != NULL;
}

static bool write_file(const char *path, const unsigned char *data, size_t len)
{
	FILE *f = fopen(path, "wb");
	bool ok = f != NULL && fwrite(data, 1, len, f) == len;

	if (f != NULL) {
		fclose(f);
	}
	return ok;
}

bool nss_ech_open(const struct peer_options *o)
{
	const HpkeSymmetricSuite suites[] = {{HpkeKdfHkdfSha256, HpkeAeadAes128Gcm},
					     {HpkeKdfHkdfSha256, HpkeAeadChaCha20Poly1305}};

	return make_key() &&
	       SSL_EncodeEchConfigId(7, o->ech_name, 64, HpkeDhKemX25519Sha256, ech.public, suites,
				     2, ech.list, &ech.len, sizeof(ech.list)) == SECSuccess &&
	       write_file(o->ech_out, ech.list, ech.len);
}

void nss_ech_close(void)
{
	SECKEY_DestroyPrivateKey(ech.private);
	SECKEY_DestroyPublicKey(ech.public);
}

SECStatus nss_ech_set(PRFileDesc *fd, const struct peer_options *o)
{
	struct peer_blob list = {NULL, 0};
	SECStatus status;

	if (o->server) {
		return o->ech_name == NULL ? SECSuccess
					   : SSL_SetServerEchConfigs(fd, ech.public, ech.private,
								     ech.list, ech.len);
	}
	if (o->ech_grease) {
		return SSL_EnableTls13GreaseEch(fd, PR_TRUE);
	}
	if (o->ech == NULL) {
		return SECSuccess;
	}
	if (!peer_load(&list, o->ech)) {
		return SECFailure;
	}
	status = SSL_SetClientEchConfigs(fd, list.data, (unsigned)list.len);
	free(list.data);
	return status;
}

void nss_ech_keep_retry(PRFileDesc *fd, const struct peer_options *o)
{
	SECItem item = {siBuffer, NULL, 0};

	if (o->ech_retry_out != NULL && SSL_GetEchRetryConfigs(fd, &item) == SECSuccess) {
		write_file(o->ech_retry_out, item.data, item.len);
		SECITEM_FreeItem(&item, PR_FALSE);
	}
}
