/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a scenario that can be switched off, by number and by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dgram_world.h"

/* Parts: 64 troubles, then deeds, then flows, then the last host, then half of the quiet and of the storm. */
#define FIRST_DEED  64u
#define FIRST_FLOW  (FIRST_DEED + DGRAM_DEEDS)
#define LAST_HOST   (FIRST_FLOW + DGRAM_FLOWS)
#define QUIET	    (LAST_HOST + 1)
#define HALF_STORM  (QUIET + 1)
#define PARTS	    (HALF_STORM + 1)
#define LEAST_STORM (ENN_SECOND)

size_t dgram_parts(void)
{
	return PARTS;
}

/* An empty name: that part is not there, or off already. */
void dgram_part_name(const struct dgram_scenario *s, const struct dgram_protocol *p, size_t part,
		     char *out, size_t cap)
{
	size_t i;

	out[0] = '\0';
	if (part < FIRST_DEED) {
		if (dgram_has(s, (unsigned)part)) {
			(void)snprintf(out, cap, "%s", dgram_trouble_name(p, (unsigned)part));
		}
	} else if (part < FIRST_FLOW) {
		i = part - FIRST_DEED;
		if (i < s->deeds && !s->deed[i].off && s->deed[i].target < s->hosts) {
			(void)snprintf(out, cap, "deed:%zu", i);
		}
	} else if (part < LAST_HOST) {
		i = part - FIRST_FLOW;
		if (i < s->flows && !s->flow[i].off && s->flow[i].from < s->hosts &&
		    s->flow[i].to < s->hosts) {
			(void)snprintf(out, cap, "flow:%zu", i);
		}
	} else if (part == LAST_HOST && s->hosts > 2) {
		(void)snprintf(out, cap, "hosts:%u", s->hosts - 1);
	} else if (part == QUIET && s->quiet > 0) {
		(void)snprintf(out, cap, "quiet:0");
	} else if (part == HALF_STORM && s->storm > LEAST_STORM) {
		(void)snprintf(out, cap, "storm:%llu",
			       (unsigned long long)(s->storm / 2 / ENN_MILLISECOND));
	}
}

static bool switch_off_trouble(struct dgram_scenario *s, const struct dgram_protocol *p,
			       const char *name)
{
	for (unsigned t = 0; t < 64; t++) {
		const char *known = dgram_trouble_name(p, t);
		if (known != NULL && strcmp(known, name) == 0) {
			s->troubles &= ~(UINT64_C(1) << t);
			return true;
		}
	}
	return false;
}

static bool switch_off(struct dgram_scenario *s, const struct dgram_protocol *p, const char *name)
{
	unsigned long long n;

	if (sscanf(name, "deed:%llu", &n) == 1 && n < s->deeds) {
		s->deed[n].off = true;
	} else if (sscanf(name, "flow:%llu", &n) == 1 && n < s->flows) {
		s->flow[n].off = true;
	} else if (sscanf(name, "hosts:%llu", &n) == 1 && n >= 2 && n <= s->hosts) {
		s->hosts = (unsigned)n;
	} else if (strcmp(name, "quiet:0") == 0) {
		s->quiet = 0;
	} else if (sscanf(name, "storm:%llu", &n) == 1 && n > 0) {
		s->storm = n * ENN_MILLISECOND;
	} else {
		return switch_off_trouble(s, p, name);
	}
	return true;
}

bool dgram_switch_off(struct dgram_scenario *s, const struct dgram_protocol *p, const char *names)
{
	char name[64];

	while (*names != '\0') {
		size_t len = strcspn(names, ",");
		if (len >= sizeof(name)) {
			return false;
		}
		memcpy(name, names, len);
		name[len] = '\0';
		if (!switch_off(s, p, name)) {
			return false;
		}
		names += len + (names[len] == ',');
	}
	return true;
}
