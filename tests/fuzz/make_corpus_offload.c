/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes seeds for the offload target: large packets of each kind, and the same as trains of small
 * ones. usage: make_corpus_offload DIRECTORY (with the target's folder in it)
 */
#include <stdio.h>
#include <string.h>

#include "../runtime/packets.h"
#include "fuzz.h"

static const char *directory;

static void save(const char *name, int number, const uint8_t *data, size_t len)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/offload/%s-%d", directory, name, number);
	FILE *file = fopen(path, "wb");
	FUZZ_ASSERT(file != NULL && fwrite(data, 1, len, file) == len);
	(void)fclose(file);
}

/* Small packets, so that a fuzzer has many in few bytes. */
static void save_kind(int number)
{
	static uint8_t out[8192];
	struct virtio_net_hdr header;
	struct enn_cut cut;
	struct packet_shape s = {.v6 = (number & 1) != 0,
				 .udp = (number & 2) != 0,
				 .dont_fragment = (number & 4) != 0,
				 .ttl = 64,
				 .flags = 0x18,
				 .options = 12,
				 .payload = 100};
	size_t len =
		packet_make_large(&s, (uint64_t)number, 24, &header, out + 1 + ENN_VNET_HEADER);
	uint8_t copy[1024];
	size_t n;

	out[0] = 0;
	memcpy(out + 1, &header, ENN_VNET_HEADER);
	save("cut", number, out, 1 + ENN_VNET_HEADER + len);
	memcpy(copy, out + 1 + ENN_VNET_HEADER, len);
	FUZZ_ASSERT(enn_cut_begin(&cut, &header, copy, len) == ENN_OK);
	out[0] = 3;
	len = 1;
	while ((n = enn_cut_next(&cut, out + len + 2)) > 0) {
		out[len] = (uint8_t)(n >> 8);
		out[len + 1] = (uint8_t)n;
		len += n + 2;
	}
	save("join", number, out, len);
}

int main(int argc, char **argv)
{
	FUZZ_ASSERT(argc == 2);
	directory = argv[1];
	for (int i = 0; i < 8; i++) {
		save_kind(i);
	}
	return 0;
}
