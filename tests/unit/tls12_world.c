/* SPDX-License-Identifier: Apache-2.0 */
#include "tls12_world.h"

#include "handshake/wire.h"
#include "hs_pair.h"
#include "ocsp.h"

struct tls12_world tls12;

static struct cert *make(const char *subject, const char *key_type, bool ca)
{
	static long serial;

	return cert_make(&(struct cert_options){
		.subject = subject,
		.names = ca ? NULL : "DNS:" TLS12_HOST,
		.key_type = key_type,
		.issuer = ca ? NULL : tls12.root,
		.ca = ca,
		.serial = ++serial,
	});
}

int tls12_open(void **state)
{
	(void)state;
	tls12.root = make("root", "P-256", true);
	tls12.ecdsa = make("ecdsa", "P-256", false);
	tls12.ed25519 = make("ed25519", "ED25519", false);
	tls12.rsa = make("rsa", "RSA-2048", false);
	tls12.client = make("client", "P-256", false);
	tls12.rsa_client = make("rsa client", "RSA-2048", false);
	test_env_open(&tls12.t, ENN_CRYPTO_AUTO);
	tls12.t.env.wall_offset = (CERT_NOW - 1) * (int64_t)ENN_SECOND; /* now is one second */
	return 0;
}

int tls12_close(void **state)
{
	struct cert *all[] = {tls12.root, tls12.ecdsa,	tls12.ed25519,
			      tls12.rsa,  tls12.client, tls12.rsa_client};

	(void)state;
	test_env_close(&tls12.t);
	for (size_t i = 0; i < ENN_ARRAY_LEN(all); i++) {
		cert_free(all[i]);
	}
	return 0;
}

/* ---- flows -------------------------------------------------------------------------------------- */

#define CH                                                                                         \
	{                                                                                          \
		'c', ENN_HS_CLIENT_HELLO                                                           \
	}
#define SH                                                                                         \
	{                                                                                          \
		's', ENN_HS_SERVER_HELLO                                                           \
	}
#define CERT                                                                                       \
	{                                                                                          \
		's', ENN_HS_CERTIFICATE                                                            \
	}
#define STATUS                                                                                     \
	{                                                                                          \
		's', ENN_HS_CERTIFICATE_STATUS                                                     \
	}
#define SKE                                                                                        \
	{                                                                                          \
		's', ENN_HS_SERVER_KEY_EXCHANGE                                                    \
	}
#define REQUEST                                                                                    \
	{                                                                                          \
		's', ENN_HS_CERTIFICATE_REQUEST                                                    \
	}
#define DONE                                                                                       \
	{                                                                                          \
		's', ENN_HS_SERVER_HELLO_DONE                                                      \
	}
#define TICKET                                                                                     \
	{                                                                                          \
		's', ENN_HS_NEW_SESSION_TICKET                                                     \
	}
#define CKE                                                                                        \
	{                                                                                          \
		'c', ENN_HS_CLIENT_KEY_EXCHANGE                                                    \
	}
#define S_CCS                                                                                      \
	{                                                                                          \
		's', HS_CHANGE_CIPHER_SPEC                                                         \
	}
#define S_FIN                                                                                      \
	{                                                                                          \
		's', ENN_HS_FINISHED                                                               \
	}
#define C_CCS                                                                                      \
	{                                                                                          \
		'c', HS_CHANGE_CIPHER_SPEC                                                         \
	}
#define C_FIN                                                                                      \
	{                                                                                          \
		'c', ENN_HS_FINISHED                                                               \
	}

const struct tls12_flow tls12_flows[] = {
	{"full",
	 TLS12_FULL,
	 {CH, SH, CERT, SKE, DONE, CKE, C_CCS, C_FIN, TICKET, S_CCS, S_FIN},
	 11},
	{"mutual",
	 TLS12_MUTUAL,
	 {CH,
	  SH,
	  CERT,
	  SKE,
	  REQUEST,
	  DONE,
	  {'c', ENN_HS_CERTIFICATE},
	  CKE,
	  {'c', ENN_HS_CERTIFICATE_VERIFY},
	  C_CCS,
	  C_FIN,
	  S_CCS,
	  S_FIN},
	 13},
	{"psk", TLS12_PSK, {CH, SH, SKE, DONE, CKE, C_CCS, C_FIN, S_CCS, S_FIN}, 9},
	{"status",
	 TLS12_STATUS,
	 {CH, SH, CERT, STATUS, SKE, DONE, CKE, C_CCS, C_FIN, TICKET, S_CCS, S_FIN},
	 12},
	{"resumed by ticket", TLS12_TICKET, {CH, SH, S_CCS, S_FIN, C_CCS, C_FIN}, 6},
	{"resumed by id", TLS12_ID, {CH, SH, S_CCS, S_FIN, C_CCS, C_FIN}, 6},
};
const size_t tls12_flow_count = ENN_ARRAY_LEN(tls12_flows);

bool tls12_resumes(enum tls12_kind kind)
{
	return kind == TLS12_TICKET || kind == TLS12_ID;
}

/* ---- parameters ---------------------------------------------------------------------------------- */

void tls12_add_psk(struct enn_security *s, const char *identity, uint8_t key)
{
	struct enn_credential *k = NULL;
	uint8_t secret[32];

	memset(secret, key, sizeof(secret));
	MUST(enn_credential_psk((const uint8_t *)identity, strlen(identity), secret, sizeof(secret),
				ENN_PSK_SHA256, &k));
	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
}

static void add_stapled(struct enn_security *s)
{
	struct enn_credential *k = tls_credential(tls12.ecdsa, NULL, 0);
	struct enn_bytes response =
		ocsp_make(&(struct ocsp_options){.about = tls12.ecdsa, .issuer = tls12.root});

	MUST(enn_credential_set_ocsp(k, response.data, response.len, NULL));
	MUST(enn_security_add_credential(s, k));
	enn_credential_free(k);
	ocsp_free(response);
}

struct tls12_sides tls12_sides_of(enum tls12_kind kind, const char *client, const char *server)
{
	/* What goes into the store instead of a ticket is also what a client without tickets gets. */
	const char *tickets = kind == TLS12_ID || kind == TLS12_MUTUAL ? "tickets=0" : "tickets=1";
	const char *const c[] = {"protocolVersion=TLSv1.2", client, NULL};
	const char *const s[] = {"protocolVersion=TLSv1.2", tickets, server, NULL};
	const char *const m[] = {"protocolVersion=TLSv1.2", tickets, "requireClient=true", server,
				 NULL};
	struct tls12_sides sides = {tls_security(c), tls_security(kind == TLS12_MUTUAL ? m : s)};

	if (kind == TLS12_PSK) {
		tls12_add_psk(sides.client, "somebody", 7);
		tls12_add_psk(sides.server, "somebody", 7);
		return sides;
	}
	tls_trust(sides.client, tls12.root);
	if (kind == TLS12_STATUS) {
		add_stapled(sides.server);
	} else {
		tls_add_certificate(sides.server, tls12.ecdsa);
	}
	if (kind == TLS12_MUTUAL) {
		tls_trust(sides.server, tls12.root);
		tls_add_certificate(sides.client, tls12.client);
	}
	return sides;
}

void tls12_sides_free(struct tls12_sides *sides)
{
	enn_security_free(sides->client);
	enn_security_free(sides->server);
}
