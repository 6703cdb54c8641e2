/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handshake leaves behind, and telling it to the application.
 */
#include "features/compression.h"
#include "handshake/internal.h"

void enn_handshake_result_drop_chain(struct enn_handshake_result *result, const struct enn_env *env)
{
	enn_free(env, result->peer_chain, result->peer_chain_size);
	result->peer_chain = NULL;
	result->peer_chain_size = 0;
	enn_free(env, result->peer_status, result->peer_status_len);
	result->peer_status = NULL;
	result->peer_status_len = 0;
}

void enn_handshake_result_clear(struct enn_handshake_result *result, const struct enn_env *env)
{
	enn_handshake_result_drop_chain(result, env);
	enn_post_auth_free(result->post_auth, env);
	enn_free(env, result->alpn, result->alpn_len);
	enn_free(env, result->psk_identity, result->psk_identity_len);
	enn_free(env, result->ech_retry, result->ech_retry_len);
	if (result->server_name != NULL) {
		enn_free(env, result->server_name, strlen(result->server_name) + 1);
	}
	enn_wipe(result, sizeof(*result));
}

void enn_handshake_result_trim(struct enn_handshake_result *result, const struct enn_env *env,
			       const struct enn_security *security)
{
	if (!enn_security_flag(security, ENN_SECURITY_KEEP_PEER_CHAIN)) {
		enn_handshake_result_drop_chain(result, env);
	}
}

static void chain_info(const struct enn_handshake_result *result, struct enn_info *info)
{
	struct enn_reader r = enn_reader_of(result->peer_chain, result->peer_chain_size);

	if (result->peer_raw_key) {
		struct enn_bytes spki = enn_read_vector(&r, 3, 0, 0xffffff);
		info->peer_key = spki.data;
		info->peer_key_len = spki.len;
		return;
	}
	while (enn_reader_left(&r) > 0 && info->peer_chain_len < ENN_MAX_CERTIFICATES) {
		struct enn_bytes der = enn_read_vector(&r, 3, 0, 0xffffff);
		info->peer_chain[info->peer_chain_len].der = der.data;
		info->peer_chain[info->peer_chain_len].len = der.len;
		info->peer_chain_len++;
	}
}

void enn_handshake_result_info(const struct enn_handshake_result *result, struct enn_info *info)
{
	const struct enn_kx_alg *group = enn_kx_alg_by_tls(result->group);
	const struct enn_sig_alg *signature = enn_sig_alg_by_tls(result->signature);

	info->server = result->server;
	info->version = result->version == ENN_TLS_1_3	 ? "TLSv1.3"
			: result->version == ENN_TLS_1_2 ? "TLSv1.2"
							 : NULL;
	info->extended_main_secret = result->extended_main_secret;
	info->version_code = result->version;
	if (result->suite != NULL) {
		info->cipher = result->suite->name;
		info->cipher_code = result->suite->code;
	}
	info->key_exchange = group == NULL ? NULL : group->name;
	info->key_exchange_code = result->group;
	info->signature = signature == NULL ? NULL : signature->name;
	info->signature_code = result->signature;
	info->alpn = result->alpn;
	info->alpn_len = result->alpn_len;
	info->server_name = result->server_name;
	info->resumed = result->resumed;
	info->external_psk = result->external_psk;
	info->hello_retry = result->hello_retry;
	info->peer_authenticated = result->peer_authenticated;
	info->certificate_compression = enn_compression_name(result->certificate_compression);
	info->peer_status_good = result->peer_status_good;
	info->peer_status = result->peer_status;
	info->peer_status_len = result->peer_status_len;
	info->encrypt_then_mac = result->encrypt_then_mac;
	info->max_fragment_length = result->max_fragment_length;
	info->tickets_expected = result->tickets_expected;
	info->post_handshake_auth = result->post_auth != NULL;
	info->record_size_limit = result->max_fragment_length != 0 ? 0 : result->send_limit;
	info->peer_raw_key = result->peer_raw_key;
	info->certificate_requested = result->certificate_requested;
	info->ech_accepted = result->ech_accepted;
	info->ech_configured = result->ech_configured;
	info->ech_retry = result->ech_retry;
	info->ech_retry_len = result->ech_retry_len;
	info->early_data = result->early_data;
	info->psk_identity = result->psk_identity;
	info->psk_identity_len = result->psk_identity_len;
	chain_info(result, info);
}
