/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulator's random numbers.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_METHOD: the only way to seed libcrypto's whole default library */
#include "rng.h"

#include <openssl/rand.h>
#include <string.h>

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void sim_rng_seed(struct sim_rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed;

	x = splitmix(&x) ^ stream * UINT64_C(0xd1342543de82ef95);
	for (size_t i = 0; i < 4; i++) {
		r->s[i] = splitmix(&x);
	}
}

static uint64_t rotate_left(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

uint64_t sim_rng_u64(struct sim_rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t sim_rng_below(struct sim_rng *r, uint64_t n)
{
	return sim_rng_u64(r) % n; /* the bias is of no account here */
}

uint64_t sim_rng_range(struct sim_rng *r, uint64_t low, uint64_t high)
{
	return low + sim_rng_below(r, high - low + 1);
}

bool sim_rng_chance(struct sim_rng *r, unsigned percent)
{
	return sim_rng_below(r, 100) < percent;
}

uint64_t sim_rng_size(struct sim_rng *r, uint64_t low, uint64_t high)
{
	unsigned bits = 0;

	while (bits < 63 && (high - low) >> bits > 0) {
		bits++;
	}
	uint64_t top = UINT64_C(1) << sim_rng_below(r, bits + 1u);
	uint64_t x = sim_rng_below(r, top);
	return low + (x > high - low ? high - low : x);
}

void sim_rng_fill(struct sim_rng *r, uint8_t *out, size_t len)
{
	while (len > 0) {
		uint64_t x = sim_rng_u64(r);
		size_t n = len < sizeof(x) ? len : sizeof(x);
		memcpy(out, &x, n);
		out += n;
		len -= n;
	}
}

/* ---- libcrypto ------------------------------------------------------------------------------ */

static struct sim_rng libcrypto_stream;

static int rand_bytes(unsigned char *out, int len)
{
	sim_rng_fill(&libcrypto_stream, out, (size_t)len);
	return 1;
}

static int rand_status(void)
{
	return 1;
}

void sim_rng_libcrypto(uint64_t seed)
{
	static const RAND_METHOD method = {
		.bytes = rand_bytes, .pseudorand = rand_bytes, .status = rand_status};
	static bool installed;

	sim_rng_seed(&libcrypto_stream, seed, 99);
	if (!installed) {
		installed = RAND_set_rand_method(&method) == 1;
	}
}
