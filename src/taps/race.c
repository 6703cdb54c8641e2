/* SPDX-License-Identifier: Apache-2.0
 *
 * Happy Eyeballs version 2 (RFC 8305).
 */
#include "taps/race.h"

#include <string.h>

#include "runtime/address.h"

#define LEAST_DELAY (10 * ENN_MILLISECOND) /* §8: MUST NOT be less */
#define MOST_DELAY  (2 * ENN_SECOND)

static uint8_t family_bit(enum enn_family family)
{
	return family == ENN_FAMILY_IPV6 ? 1 : 2;
}

void enn_race_init(struct enn_race *race, enn_time attempt_delay, enn_time resolution_delay,
		   size_t max)
{
	memset(race, 0, sizeof(*race));
	race->attempt_delay = attempt_delay < LEAST_DELAY  ? LEAST_DELAY
			      : attempt_delay > MOST_DELAY ? MOST_DELAY
							   : attempt_delay;
	race->resolution_delay = resolution_delay;
	race->max = max < ENN_RACE_MAX ? max : ENN_RACE_MAX;
	race->first_usable = ENN_TIME_NEVER;
}

void enn_race_expect(struct enn_race *race, size_t group, enum enn_family family)
{
	race->group[group].open |= family_bit(family);
}

static bool known(const struct enn_race *race, const struct enn_address *address)
{
	for (size_t i = 0; i < race->count; i++) {
		if (enn_address_equal(&race->candidate[i].address, address)) {
			return true;
		}
	}
	return false;
}

void enn_race_add(struct enn_race *race, enn_time now, size_t group, enum enn_family family,
		  const struct enn_address *addresses, size_t count)
{
	race->group[group].open &= (uint8_t)~family_bit(family);
	for (size_t i = 0; i < count; i++) {
		if (known(race, &addresses[i])) {
			continue;
		}
		if (race->count == race->max) {
			race->dropped++;
			continue;
		}
		race->candidate[race->count] = (struct enn_race_candidate){.address = addresses[i],
									   .group = (uint8_t)group};
		race->count++;
		race->waiting++;
		if (race->first_usable == ENN_TIME_NEVER) {
			race->first_usable = now;
		}
	}
}

static bool find_waiting(const struct enn_race *race, size_t group, enum enn_family family,
			 size_t *index)
{
	for (size_t i = 0; i < race->count; i++) {
		const struct enn_race_candidate *c = &race->candidate[i];
		if (c->state == ENN_RACE_WAITING && c->group == group &&
		    c->address.family == family) {
			*index = i;
			return true;
		}
	}
	return false;
}

/* The best of those that wait. */
static bool pick(const struct enn_race *race, size_t *index)
{
	for (size_t g = 0; g < ENN_RACE_GROUPS; g++) {
		enum enn_family first =
			race->group[g].last == ENN_FAMILY_IPV6 ? ENN_FAMILY_IPV4 : ENN_FAMILY_IPV6;
		enum enn_family second =
			first == ENN_FAMILY_IPV6 ? ENN_FAMILY_IPV4 : ENN_FAMILY_IPV6;
		if (find_waiting(race, g, first, index) || find_waiting(race, g, second, index)) {
			return true;
		}
	}
	return false;
}

/* Could an open look-up bring something that should go before this candidate? §3: then the
 * first attempt waits for it, for the resolution delay. */
static bool better_may_come(const struct enn_race *race, const struct enn_race_candidate *c)
{
	for (size_t g = 0; g < c->group; g++) {
		if (race->group[g].open != 0) {
			return true;
		}
	}
	return c->address.family == ENN_FAMILY_IPV4 &&
	       (race->group[c->group].open & family_bit(ENN_FAMILY_IPV6)) != 0;
}

static bool first_attempt(const struct enn_race *race)
{
	return race->waiting == race->count;
}

/* When the best of those that wait may start; ENN_TIME_NEVER if none waits. */
static enn_time start_time(const struct enn_race *race, size_t *index)
{
	enn_time when = 0;

	if (!pick(race, index)) {
		return ENN_TIME_NEVER;
	}
	if (first_attempt(race) && better_may_come(race, &race->candidate[*index])) {
		when = race->first_usable + race->resolution_delay;
	}
	if (race->running > 0 && race->next_attempt > when) {
		when = race->next_attempt;
	}
	return when;
}

bool enn_race_start(struct enn_race *race, enn_time now, size_t *index)
{
	size_t i = 0;

	if (start_time(race, &i) > now) {
		return false;
	}
	struct enn_race_candidate *c = &race->candidate[i];
	c->state = ENN_RACE_RUNNING;
	race->group[c->group].last = c->address.family;
	race->waiting--;
	race->running++;
	race->next_attempt = now + race->attempt_delay;
	*index = i;
	return true;
}

void enn_race_failed(struct enn_race *race, enn_time now, size_t index)
{
	if (race->candidate[index].state == ENN_RACE_RUNNING) {
		race->running--;
		race->candidate[index].state = ENN_RACE_FAILED;
		race->next_attempt = now; /* §5: the next starts at once */
	}
}

void enn_race_doubt(struct enn_race *race, enn_time now)
{
	if (race->next_attempt > now) {
		race->next_attempt = now;
	}
}

enn_time enn_race_deadline(const struct enn_race *race)
{
	size_t index = 0;

	return start_time(race, &index);
}

bool enn_race_over(const struct enn_race *race)
{
	for (size_t g = 0; g < ENN_RACE_GROUPS; g++) {
		if (race->group[g].open != 0) {
			return false;
		}
	}
	return race->running == 0 && race->waiting == 0;
}
