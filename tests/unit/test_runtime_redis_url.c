/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a session store is: what its URL may look like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "runtime/redis_store.h"

static const struct {
	const char *text, *host, *path, *user, *password;
	uint16_t port;
	unsigned database;
} good[] = {
	{"redis://localhost", "localhost", "", "", "", 6379, 0},
	{"redis://localhost/", "localhost", "", "", "", 6379, 0},
	{"redis://10.0.0.5:1/7", "10.0.0.5", "", "", "", 1, 7},
	{"redis://[::1]:6380/65535", "::1", "", "", "", 6380, 65535},
	{"redis://[2001:db8::1]", "2001:db8::1", "", "", "", 6379, 0},
	{"redis://:secret@h", "h", "", "", "secret", 6379, 0},
	{"redis://me:secret@h:65535", "h", "", "me", "secret", 65535, 0},
	{"redis://me:a%20p%40ss%2f@h", "h", "", "me", "a p@ss/", 6379, 0},
	{"redis://me:p@ss@h", "h", "", "me", "p@ss", 6379, 0},
	{"unix:///run/redis.sock", "", "/run/redis.sock", "", "", 0, 0},
	{"unix:///run/redis.sock?db=3", "", "/run/redis.sock", "", "", 0, 3},
};

static const struct {
	const char *text, *what;
} bad[] = {
	{"", "scheme"},
	{"localhost:6379", "scheme"},
	{"rediss://localhost", "scheme"},
	{"REDIS://localhost", "scheme"},
	{"redis://", "host"},
	{"redis:///0", "host"},
	{"redis://:6379", "host"},
	{"redis://h:", "host"},
	{"redis://h:0", "host"},
	{"redis://h:65536", "host"},
	{"redis://h:+1", "host"},
	{"redis://h:1x", "host"},
	{"redis://[::1", "host"},
	{"redis://[::1]x", "host"},
	{"redis://h/x", "database"},
	{"redis://h/-1", "database"},
	{"redis://h/65536", "database"},
	{"redis://h/99999999999999999999", "database"},
	{"redis://secret@h", "password"},
	{"redis://me:@h", "password"},
	{"redis://me:%zz@h", "password"},
	{"redis://me:%0@h", "password"},
	{"redis://me:%00@h", "password"},
	{"unix://", "path"},
	{"unix://relative", "path"},
	{"unix:///", "path"},
	{"unix:///s?x=1", "follows"},
	{"unix:///s?db=", "follows"},
	{"unix:///s?db=1x", "follows"},
};

static void good_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct enn_redis_url url;
		const char *what = NULL;

		if (!enn_redis_parse_url(good[i].text, &url, &what)) {
			fail_msg("%s: %s", good[i].text, what);
		}
		assert_string_equal(url.host, good[i].host);
		assert_string_equal(url.path, good[i].path);
		assert_string_equal(url.user, good[i].user);
		assert_string_equal(url.password, good[i].password);
		assert_int_equal(url.port, good[i].port);
		assert_int_equal(url.database, good[i].database);
	}
}

static void bad_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct enn_redis_url url;
		const char *what = NULL;

		if (enn_redis_parse_url(bad[i].text, &url, &what)) {
			fail_msg("%s is taken", bad[i].text);
		}
		if (strstr(what, bad[i].what) == NULL) {
			fail_msg("%s: %s", bad[i].text, what);
		}
	}
}

/* Whatever is too long for its field is refused, and not cut. */
static void long_ones(void **state)
{
	char text[2048];
	struct enn_redis_url url;
	const char *what;
	(void)state;

	for (size_t len = 1; len < 1000; len++) {
		size_t at = strlen("redis://");
		memcpy(text, "redis://", at + 1);
		memset(text + at, 'h', len);
		text[at + len] = '\0';
		assert_int_equal(enn_redis_parse_url(text, &url, &what), len < sizeof(url.host));

		memcpy(text, "unix:///", at + 1);
		memset(text + at, 'p', len);
		text[at + len] = '\0';
		assert_int_equal(enn_redis_parse_url(text, &url, &what),
				 len + 1 < sizeof(url.path));

		memcpy(text, "redis://u:", at + 3);
		memset(text + at + 2, 'x', len);
		memcpy(text + at + 2 + len, "@h", 3);
		assert_int_equal(enn_redis_parse_url(text, &url, &what),
				 len < sizeof(url.password));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(long_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
