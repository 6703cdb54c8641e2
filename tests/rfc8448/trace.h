/* SPDX-License-Identifier: Apache-2.0
 *
 * The traces of RFC 8448 as data/ has them: steps with named values.
 */
#ifndef ENN_TESTS_RFC8448_TRACE_H
#define ENN_TESTS_RFC8448_TRACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

#define TRACE_VALUES 10
#define TRACE_STEPS  160

struct trace_value {
	char name[24];
	uint8_t *data;
	size_t len;
};

struct trace_step {
	bool server; /* who does it */
	char name[80];
	struct trace_value value[TRACE_VALUES];
	size_t count;
};

struct trace {
	const char *name;
	struct trace_step step[TRACE_STEPS];
	size_t count;
};

/* "simple", "resumed", "retry", "client-auth", "compatibility". Fails the test if it cannot be read. */
struct trace *trace_load(const char *name);
void trace_free(struct trace *trace);

bool trace_is(const struct trace_step *step, const char *name);
bool trace_begins(const struct trace_step *step, const char *prefix);
/* What stands in quotes in the step's name, without "tls13 ". */
const char *trace_label(const struct trace_step *step, char out[32]);
bool trace_has(const struct trace_step *step, const char *value);
/* Fails the test if there is no such value. */
struct enn_bytes trace_get(const struct trace_step *step, const char *value);
/* The nth step (from 0) of that party and name that has the value; fails the test if there is none. */
struct enn_bytes trace_find(const struct trace *trace, bool server, const char *name, size_t nth,
			    const char *value);

void assert_bytes(struct enn_bytes expected, const uint8_t *data, size_t len);

/* For env->random: gives out these bytes in order; more is a failure of the source. */
struct script {
	uint8_t data[512];
	size_t len;
	size_t pos;
};
void script_add(struct script *script, struct enn_bytes bytes);
int script_random(void *ctx, uint8_t *out, size_t len);

#endif
