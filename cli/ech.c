/* SPDX-License-Identifier: Apache-2.0
 *
 * Encrypted ClientHello (RFC 9849) in connect and listen: configurations from files, and from a server that
 * refused ours.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_LIST 65537

/* The block of a PEM file, or base64 as in the DNS, or the bytes themselves. */
static size_t decode(const char *text, size_t len, uint8_t *out)
{
	BIO *in = BIO_new_mem_buf(text, (int)len);
	char *name = NULL;
	char *header = NULL;
	unsigned char *data = NULL;
	long data_len = 0;
	size_t got = 0;

	while (in != NULL && got == 0 && PEM_read_bio(in, &name, &header, &data, &data_len) == 1) {
		if (strcmp(name, CLI_ECH_PEM) == 0 && data_len <= MAX_LIST) {
			got = (size_t)data_len;
			memcpy(out, data, got);
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)data_len);
	}
	BIO_free(in);
	return got;
}

static size_t decode_base64(const char *text, size_t len, uint8_t *out)
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
		len--;
	}
	if (len == 0 || len % 4 != 0 || len / 4 * 3 > MAX_LIST) {
		return 0;
	}
	int n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
	size_t padding = (size_t)(text[len - 1] == '=') + (size_t)(text[len - 2] == '=');
	return n > 0 ? (size_t)n - padding : 0;
}

bool cli_add_ech(const struct cli_options *o, struct enn_security *s)
{
	struct enn_error error;
	size_t len = 0;

	for (size_t i = 0; i < o->ech_key.count; i++) {
		if (enn_security_add_ech_key_file(s, o->ech_key.item[i], &error) != ENN_OK) {
			cli_error("%s: %s", o->ech_key.item[i], error.text);
			return false;
		}
	}
	if (o->ech == NULL) {
		return true;
	}
	uint8_t *text = cli_read_file(o->ech, &len);
	uint8_t *list = malloc(MAX_LIST + 4);
	size_t list_len = 0;
	enum enn_status status = ENN_E_MEMORY;
	error.text[0] = '\0';
	if (text != NULL && list != NULL && len <= MAX_LIST * 2) {
		list_len = decode((const char *)text, len, list);
		list_len = list_len > 0 ? list_len : decode_base64((const char *)text, len, list);
		status = enn_security_set_ech_configs(s, list_len > 0 ? list : text,
						      list_len > 0 ? list_len : len, &error);
		if (status != ENN_OK) {
			cli_error("%s: %s", o->ech, error.text);
		}
	}
	if (text != NULL) {
		explicit_bzero(text, len); /* it may hold the server's key as well */
	}
	free(text);
	free(list);
	return status == ENN_OK;
}

bool cli_keep_ech_retry(struct enn_connection c, struct cli_ech_retry *retry)
{
	struct enn_connection_info info;

	if (enn_connection_info(c, &info) != ENN_OK || info.security.ech_retry_len == 0) {
		return false;
	}
	const struct enn_info *s = &info.security;
	retry->list = malloc(s->ech_retry_len);
	retry->text = malloc((s->ech_retry_len + 2) / 3 * 4 + 1);
	if (retry->list == NULL || retry->text == NULL) {
		cli_free_ech_retry(retry);
		return false;
	}
	memcpy(retry->list, s->ech_retry, s->ech_retry_len);
	retry->len = s->ech_retry_len;
	(void)EVP_EncodeBlock((unsigned char *)retry->text, s->ech_retry, (int)retry->len);
	return true;
}

void cli_free_ech_retry(struct cli_ech_retry *retry)
{
	free(retry->list);
	free(retry->text);
	*retry = (struct cli_ech_retry){.list = NULL};
}
