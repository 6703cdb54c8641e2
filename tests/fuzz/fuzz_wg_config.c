/* SPDX-License-Identifier: Apache-2.0
 *
 * wg-quick's file format: what is accepted is its own normal form when it is printed; what is
 * refused is refused with a place and a reason.
 */
#include <stdio.h>
#include <string.h>

#include "../../cli/tunnel_config.h"
#include "fuzz.h"

static char *print(const struct tunnel_config *config, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	FUZZ_ASSERT(out != NULL);
	tunnel_config_print(out, config, true);
	FUZZ_ASSERT(fclose(out) == 0);
	return text;
}

static void check_error(const struct tunnel_config_error *error, size_t size)
{
	FUZZ_ASSERT(error->text[0] != '\0' && error->line >= 1 && error->column >= 1);
	FUZZ_ASSERT(error->line <= size + 1 && error->column <= size + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tunnel_config config;
	struct tunnel_config_error error;
	struct tunnel_config again;
	size_t first_len = 0;
	size_t second_len = 0;

	if (!tunnel_config_parse((const char *)data, size, &config, &error)) {
		check_error(&error, size);
		return 0;
	}
	char *first = print(&config, &first_len);
	FUZZ_ASSERT(tunnel_config_parse(first, first_len, &again, &error));
	FUZZ_ASSERT(again.peer_count == config.peer_count);
	char *second = print(&again, &second_len);
	FUZZ_ASSERT(first_len == second_len && memcmp(first, second, first_len) == 0);
	free(first);
	free(second);
	tunnel_config_free(&again);
	tunnel_config_free(&config);
	return 0;
}
