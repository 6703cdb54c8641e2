/* SPDX-License-Identifier: Apache-2.0
 *
 * Security parameters by name and text; PEM credentials, trust anchors and revocation lists.
 */
#include <string.h>

#include "ennead/security.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enn_error error = {.status = ENN_OK};
	struct enn_credential *credential = NULL;
	char text[4096];

	if (size < 2 || size > sizeof(text)) {
		return 0;
	}
	struct enn_security *s = enn_security_new();
	FUZZ_ASSERT(s != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	char *value = memchr(text, '=', size - 1);
	if (data[0] % 5 == 0 && value != NULL) {
		*value++ = '\0';
		if (enn_security_parse(s, text, value, &error) != ENN_OK) {
			FUZZ_ASSERT(error.text[0] != '\0');
		}
	} else if (data[0] % 5 == 1) {
		if (enn_credential_x509_pem(text, size - 1, text, size - 1, &credential, &error) !=
		    ENN_OK) {
			FUZZ_ASSERT(credential == NULL && error.text[0] != '\0');
		}
		enn_credential_free(credential);
	} else if (data[0] % 5 == 3) {
		if (enn_credential_x509_external(text, size - 1, &credential, &error) != ENN_OK) {
			FUZZ_ASSERT(credential == NULL && error.text[0] != '\0');
		}
		enn_credential_free(credential);
	} else if (data[0] % 5 == 4) {
		if (enn_security_crl_pem(s, text, size - 1, &error) != ENN_OK) {
			FUZZ_ASSERT(error.text[0] != '\0');
		}
	} else if (enn_security_trust_pem(s, text, size - 1, &error) != ENN_OK) {
		FUZZ_ASSERT(error.text[0] != '\0');
	}
	enn_security_free(s);
	return 0;
}
