/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a Redis server is: redis://[[user]:password@]host[:port][/db], unix:///path[?db=n].
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/redis_store.h"

#define DEFAULT_PORT 6379

static bool copy(char *to, size_t cap, const char *from, size_t len)
{
	if (len >= cap) {
		return false;
	}
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* RFC 3986 §2.1, in place. */
static bool decode(char *text)
{
	char *to = text;

	for (const char *c = text; *c != '\0'; c++) {
		if (*c != '%') {
			*to++ = *c;
			continue;
		}
		int high = hex(c[1]);
		int low = high < 0 ? -1 : hex(c[2]);
		if (low < 0 || (high == 0 && low == 0)) {
			return false;
		}
		*to++ = (char)(high << 4 | low);
		c += 2;
	}
	*to = '\0';
	return true;
}

static bool number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9') {
		return false;
	}
	*out = strtoul(text, &end, 10);
	return *end == '\0' && *out <= max;
}

static bool parse_user(struct enn_redis_url *url, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);

	if (colon == NULL) {
		return false;
	}
	return copy(url->user, sizeof(url->user), text, (size_t)(colon - text)) &&
	       copy(url->password, sizeof(url->password), colon + 1,
		    len - (size_t)(colon + 1 - text)) &&
	       decode(url->user) && decode(url->password) && url->password[0] != '\0';
}

/* host, host:port, [address]:port */
static bool parse_host(struct enn_redis_url *url, const char *text)
{
	const char *end = strchr(text, ':');
	unsigned long port = DEFAULT_PORT;

	if (text[0] == '[') {
		text++;
		end = strchr(text, ']');
		if (end == NULL ||
		    !copy(url->host, sizeof(url->host), text, (size_t)(end - text))) {
			return false;
		}
		end++;
		if (*end != '\0' && *end != ':') {
			return false;
		}
	} else {
		end = end == NULL ? text + strlen(text) : end;
		if (!copy(url->host, sizeof(url->host), text, (size_t)(end - text))) {
			return false;
		}
	}
	if (*end == ':' && (!number(end + 1, UINT16_MAX, &port) || port == 0)) {
		return false;
	}
	url->port = (uint16_t)port;
	return url->host[0] != '\0';
}

static bool parse_tcp(const char *text, struct enn_redis_url *url, const char **what)
{
	char rest[512];
	unsigned long database = 0;
	const char *at = strrchr(text, '@');

	*what = "user and password";
	if (at != NULL && !parse_user(url, text, (size_t)(at - text))) {
		return false;
	}
	text = at == NULL ? text : at + 1;
	*what = "its length";
	if (!copy(rest, sizeof(rest), text, strlen(text))) {
		return false;
	}
	char *slash = strchr(rest, '/');
	if (slash != NULL) {
		*slash = '\0';
		*what = "the number of the database";
		if (slash[1] != '\0' && !number(slash + 1, 65535, &database)) {
			return false;
		}
	}
	url->database = (unsigned)database;
	*what = "host and port";
	return parse_host(url, rest);
}

static bool parse_unix(const char *text, struct enn_redis_url *url, const char **what)
{
	const char *query = strchr(text, '?');
	unsigned long database = 0;

	*what = "the path";
	if (text[0] != '/' || text[1] == '\0' ||
	    !copy(url->path, sizeof(url->path), text,
		  query == NULL ? strlen(text) : (size_t)(query - text))) {
		return false;
	}
	*what = "what follows the path";
	if (query != NULL &&
	    (strncmp(query, "?db=", 4) != 0 || !number(query + 4, 65535, &database))) {
		return false;
	}
	url->database = (unsigned)database;
	return true;
}

bool enn_redis_parse_url(const char *text, struct enn_redis_url *url, const char **what)
{
	memset(url, 0, sizeof(*url));
	if (strncmp(text, "redis://", 8) == 0) {
		return parse_tcp(text + 8, url, what);
	}
	if (strncmp(text, "unix://", 7) == 0) {
		return parse_unix(text + 7, url, what);
	}
	*what = "the scheme, which is redis: or unix:";
	return false;
}
