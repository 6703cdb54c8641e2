/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a target over its corpus without libFuzzer, and over every prefix and a few mutations of each
 * file. TAP: one point a file.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define LARGEST_INPUT 65536

static void vary(const uint8_t *data, size_t size)
{
	static uint8_t copy[LARGEST_INPUT];

	LLVMFuzzerTestOneInput(data, size);
	size_t step = size / 64 + 1;
	for (size_t i = 0; i < size; i += step) {
		memcpy(copy, data, size);
		LLVMFuzzerTestOneInput(copy, i);
		copy[i] = (uint8_t)(copy[i] ^ (1u << (i % 8)));
		LLVMFuzzerTestOneInput(copy, size);
		copy[i] = 0xff;
		LLVMFuzzerTestOneInput(copy, size);
	}
}

int main(int argc, char **argv)
{
	static uint8_t data[LARGEST_INPUT];
	int n = 0;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		puts("Bail out! no corpus");
		return 1;
	}
	LLVMFuzzerTestOneInput(data, 0);
	while ((entry = readdir(dir)) != NULL) {
		char path[4096];
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (file == NULL) {
			continue;
		}
		size_t size = fread(data, 1, sizeof(data), file);
		(void)fclose(file);
		vary(data, size);
		printf("ok %d - %s\n", ++n, entry->d_name);
		(void)fflush(stdout);
	}
	(void)closedir(dir);
	printf("1..%d\n", n);
	return n > 0 ? 0 : 1;
}
