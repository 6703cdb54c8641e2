/* SPDX-License-Identifier: Apache-2.0
 *
 * A stranger's program: built against the installed library with what pkg-config says,
 * nothing of this tree. Makes a client engine and looks at its first flight.
 */
#include <ennead/ennead.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct enn_env env = {.crypto = NULL};
	struct enn_error error;
	struct enn_engine *engine = NULL;
	struct enn_engine_options options = {.server_name = "example.org"};
	uint8_t buf[4096];
	struct enn_batch batch = {.buf = buf, .cap = sizeof(buf)};
	struct enn_security *security = enn_security_new();
	int status = 1;

	if (security != NULL && strcmp(enn_version(), ENNEAD_VERSION) == 0 &&
	    enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) == ENN_OK &&
	    enn_engine_new_client(enn_protocol_by_scheme("tls"), &env, security, &options, &engine,
				  &error) == ENN_OK &&
	    enn_engine_start(engine, 0) == ENN_OK &&
	    enn_engine_transmit(engine, 0, &batch) == ENN_OK && batch.len > 100 && buf[0] == 22) {
		printf("ennead %s wrote a ClientHello of %zu bytes\n", enn_version(), batch.len);
		status = 0;
	}
	enn_engine_free(engine);
	enn_security_free(security);
	enn_crypto_free(env.crypto);
	return status;
}
