/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the files of data/.
 */
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int nibble(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	assert_non_null(at);
	return (int)(at - digits);
}

static void add_hex(struct trace_value *v, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_int_equal(strlen(hex) % 2, 0);
	v->data = realloc(v->data, v->len + n);
	assert_non_null(v->data);
	for (size_t i = 0; i < n; i++) {
		v->data[v->len + i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	}
	v->len += n;
}

static struct trace_value *add_value(struct trace *t, const char *line)
{
	assert_true(t->count > 0);
	struct trace_step *step = &t->step[t->count - 1];
	assert_true(step->count < TRACE_VALUES);
	struct trace_value *v = &step->value[step->count++];
	size_t len = strcspn(line, ":");

	assert_true(len < sizeof(v->name));
	memcpy(v->name, line, len);
	v->data = malloc(1); /* an empty value is a value */
	assert_non_null(v->data);
	return v;
}

static void add_step(struct trace *t, const char *line)
{
	assert_true(t->count < TRACE_STEPS);
	struct trace_step *step = &t->step[t->count++];

	step->server = strncmp(line, "server ", 7) == 0;
	assert_true(step->server || strncmp(line, "client ", 7) == 0);
	assert_true(strlen(line + 7) < sizeof(step->name));
	memcpy(step->name, line + 7, strlen(line + 7) + 1);
}

struct trace *trace_load(const char *name)
{
	const char *folder = getenv("RFC8448_DATA");
	char path[512];
	char line[256];
	struct trace *t = calloc(1, sizeof(*t));
	struct trace_value *v = NULL;

	assert_non_null(t);
	t->name = name;
	(void)snprintf(path, sizeof(path), "%s/%s.txt", folder == NULL ? "." : folder, name);
	FILE *f = fopen(path, "r");
	if (f == NULL) {
		fail_msg("%s cannot be read: RFC8448_DATA names the folder", path);
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#') {
			continue;
		}
		if (strncmp(line, "    ", 4) == 0) {
			assert_non_null(v);
			add_hex(v, line + 4);
		} else if (strncmp(line, "  ", 2) == 0) {
			v = add_value(t, line + 2);
		} else {
			add_step(t, line);
		}
	}
	(void)fclose(f);
	assert_true(t->count > 0);
	return t;
}

void trace_free(struct trace *t)
{
	for (size_t i = 0; i < t->count; i++) {
		for (size_t k = 0; k < t->step[i].count; k++) {
			free(t->step[i].value[k].data);
		}
	}
	free(t);
}

bool trace_is(const struct trace_step *step, const char *name)
{
	return strcmp(step->name, name) == 0;
}

bool trace_begins(const struct trace_step *step, const char *prefix)
{
	return strncmp(step->name, prefix, strlen(prefix)) == 0;
}

const char *trace_label(const struct trace_step *step, char out[32])
{
	const char *from = strstr(step->name, "\"tls13 ");

	assert_non_null(from);
	from += strlen("\"tls13 ");
	size_t len = strcspn(from, "\"");
	assert_true(len < 32);
	memcpy(out, from, len);
	out[len] = '\0';
	return out;
}

static const struct trace_value *find_value(const struct trace_step *step, const char *name)
{
	for (size_t i = 0; i < step->count; i++) {
		if (strcmp(step->value[i].name, name) == 0) {
			return &step->value[i];
		}
	}
	return NULL;
}

bool trace_has(const struct trace_step *step, const char *value)
{
	return find_value(step, value) != NULL;
}

struct enn_bytes trace_get(const struct trace_step *step, const char *value)
{
	const struct trace_value *v = find_value(step, value);

	if (v == NULL) {
		fail_msg("\"%s\" has no value \"%s\"", step->name, value);
	}
	return (struct enn_bytes){v->data, v->len};
}

struct enn_bytes trace_find(const struct trace *t, bool server, const char *name, size_t nth,
			    const char *value)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct trace_step *step = &t->step[i];
		if (step->server == server && trace_is(step, name) && trace_has(step, value) &&
		    nth-- == 0) {
			return trace_get(step, value);
		}
	}
	fail_msg("%s: no step \"%s\" with a value \"%s\"", t->name, name, value);
	return (struct enn_bytes){NULL, 0};
}

void assert_bytes(struct enn_bytes expected, const uint8_t *data, size_t len)
{
	assert_int_equal(len, expected.len);
	if (len > 0) {
		assert_memory_equal(data, expected.data, len);
	}
}

void script_add(struct script *s, struct enn_bytes bytes)
{
	assert_true(bytes.len <= sizeof(s->data) - s->len);
	memcpy(s->data + s->len, bytes.data, bytes.len);
	s->len += bytes.len;
}

int script_random(void *ctx, uint8_t *out, size_t len)
{
	struct script *s = ctx;

	if (len > s->len - s->pos) {
		return -1;
	}
	memcpy(out, s->data + s->pos, len);
	s->pos += len;
	return 0;
}
