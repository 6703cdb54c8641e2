/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, addresses, prefixes, endpoints and keys as text.
 */
#include "tunnel_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

struct text text_of(const char *string)
{
	return (struct text){string, strlen(string)};
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct text text_trim(struct text t)
{
	while (t.len > 0 && is_space(t.at[0])) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && is_space(t.at[t.len - 1])) {
		t.len--;
	}
	return t;
}

bool text_is(struct text t, const char *string)
{
	return t.len == strlen(string) && memcmp(t.at, string, t.len) == 0;
}

bool text_folds_to(struct text t, const char *string)
{
	return t.len == strlen(string) && strncasecmp(t.at, string, t.len) == 0;
}

struct text text_cut(struct text t, char separator, struct text *head)
{
	const char *found = t.len > 0 ? memchr(t.at, separator, t.len) : NULL;

	*head = t;
	if (found == NULL) {
		return (struct text){NULL, 0};
	}
	head->len = (size_t)(found - t.at);
	return (struct text){found + 1, t.len - head->len - 1};
}

char *text_copy(struct text t)
{
	char *copy = malloc(t.len + 1);

	if (copy != NULL) {
		memcpy(copy, t.at, t.len);
		copy[t.len] = '\0';
	}
	return copy;
}

/* ---- numbers ---------------------------------------------------------------------------------- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool number(struct text t, unsigned base, uint64_t most, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t.len; i++) {
		unsigned digit = (unsigned)digit_of(t.at[i]);
		if (digit >= base || n > (UINT64_MAX - digit) / base) {
			return false;
		}
		n = n * base + digit;
		if (n > most) {
			return false;
		}
	}
	*out = n;
	return t.len > 0;
}

bool text_number(struct text t, uint64_t most, uint64_t *out)
{
	return number(t, 10, most, out);
}

bool text_any_number(struct text t, uint64_t most, uint64_t *out)
{
	if (t.len > 2 && t.at[0] == '0' && (t.at[1] | 0x20) == 'x') {
		return number((struct text){t.at + 2, t.len - 2}, 16, most, out);
	}
	return number(t, 10, most, out);
}

/* ---- addresses -------------------------------------------------------------------------------- */

/* inet_pton wants a NUL. */
static bool terminate(struct text t, char *out, size_t cap)
{
	if (t.len == 0 || t.len >= cap || memchr(t.at, '\0', t.len) != NULL) {
		return false;
	}
	memcpy(out, t.at, t.len);
	out[t.len] = '\0';
	return true;
}

bool text_ip(struct text t, uint8_t ip[16], uint8_t *family)
{
	char literal[INET6_ADDRSTRLEN];

	memset(ip, 0, 16);
	if (!terminate(t, literal, sizeof(literal))) {
		return false;
	}
	if (inet_pton(AF_INET, literal, ip) == 1) {
		*family = ENN_FAMILY_IPV4;
		return true;
	}
	*family = ENN_FAMILY_IPV6;
	return inet_pton(AF_INET6, literal, ip) == 1;
}

bool text_prefix(struct text t, struct enn_prefix *out)
{
	struct text ip;
	struct text bits = text_cut(t, '/', &ip);
	uint64_t n = 0;

	memset(out, 0, sizeof(*out));
	if (!text_ip(ip, out->ip, &out->family)) {
		return false;
	}
	unsigned most = out->family == ENN_FAMILY_IPV4 ? 32 : 128;
	if (bits.at == NULL) {
		n = most;
	} else if (!text_number(bits, most, &n)) {
		return false;
	}
	out->bits = (uint8_t)n;
	return true;
}

/* A scope is an interface's name or its number. */
static bool scope(struct text t, uint32_t *out)
{
	char name[IF_NAMESIZE];
	uint64_t n = 0;

	if (text_number(t, UINT32_MAX, &n)) {
		*out = (uint32_t)n;
		return n != 0;
	}
	*out = terminate(t, name, sizeof(name)) ? if_nametoindex(name) : 0;
	return *out != 0;
}

bool text_endpoint(struct text t, struct enn_address *out)
{
	bool bracket = t.len > 0 && t.at[0] == '[';
	struct text ip;
	struct text port;
	uint64_t n = 0;

	memset(out, 0, sizeof(*out));
	if (bracket) {
		t.at++;
		t.len--;
		port = text_cut(t, ']', &ip);
		if (port.len < 1 || port.at[0] != ':') {
			return false;
		}
		port.at++;
		port.len--;
	} else {
		port = text_cut(t, ':', &ip);
	}
	struct text zone = text_cut(ip, '%', &ip);
	if (port.at == NULL || !text_number(port, UINT16_MAX, &n) || n == 0 ||
	    !text_ip(ip, out->ip, &out->family) || bracket != (out->family == ENN_FAMILY_IPV6)) {
		return false;
	}
	out->port = (uint16_t)n;
	return zone.at == NULL || (bracket && scope(zone, &out->scope));
}

const char *text_from_prefix(const struct enn_prefix *prefix, char buf[TEXT_PREFIX_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?";
	int family = prefix->family == ENN_FAMILY_IPV4 ? AF_INET : AF_INET6;

	(void)inet_ntop(family, prefix->ip, ip, sizeof(ip));
	(void)snprintf(buf, TEXT_PREFIX_MAX, "%s/%u", ip, prefix->bits);
	return buf;
}

const char *text_from_endpoint(const struct enn_address *address, char buf[TEXT_ENDPOINT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?";
	char zone[12] = "";

	if (address->family == ENN_FAMILY_IPV4) {
		(void)inet_ntop(AF_INET, address->ip, ip, sizeof(ip));
		(void)snprintf(buf, TEXT_ENDPOINT_MAX, "%s:%u", ip, address->port);
		return buf;
	}
	(void)inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
	if (address->scope != 0) {
		(void)snprintf(zone, sizeof(zone), "%%%u", address->scope);
	}
	(void)snprintf(buf, TEXT_ENDPOINT_MAX, "[%s%s]:%u", ip, zone, address->port);
	return buf;
}

/* ---- keys ------------------------------------------------------------------------------------- */

/* 0 to 15, or a number with bits above 255 for what is no digit; no branch and no table depends
 * on c. Each term is all ones where c is in its range, because only then both differences are
 * not negative. */
static uint32_t hex_value(uint8_t c)
{
	int32_t n = c;
	int32_t letter = n & ~0x20;
	int32_t is_digit = ~(((n - '0') | ('9' - n)) >> 31);
	int32_t is_letter = ~(((letter - 'A') | ('F' - letter)) >> 31);

	return (uint32_t)((is_digit & (n - '0')) | (is_letter & (letter - 'A' + 10)) |
			  (~(is_digit | is_letter) & 0x100));
}

bool text_hex_key(struct text t, uint8_t key[ENN_WIREGUARD_KEY])
{
	uint32_t wrong = 0;

	if (t.len != 2 * (size_t)ENN_WIREGUARD_KEY) {
		return false;
	}
	for (size_t i = 0; i < ENN_WIREGUARD_KEY; i++) {
		uint32_t high = hex_value((uint8_t)t.at[2 * i]);
		uint32_t low = hex_value((uint8_t)t.at[2 * i + 1]);
		wrong |= (high | low) >> 8;
		key[i] = (uint8_t)(high << 4 | (low & 15));
	}
	return wrong == 0;
}

static char hex_digit(uint32_t n)
{
	/* 'a' - '0' - 10 is 39; the shift is all ones where n is above 9 */
	return (char)('0' + n + ((uint32_t)((int32_t)(9 - (int32_t)n) >> 31) & 39));
}

void text_from_hex_key(const uint8_t key[ENN_WIREGUARD_KEY], char out[TEXT_HEX_KEY])
{
	for (size_t i = 0; i < ENN_WIREGUARD_KEY; i++) {
		out[2 * i] = hex_digit(key[i] >> 4);
		out[2 * i + 1] = hex_digit(key[i] & 15);
	}
	out[TEXT_HEX_KEY - 1] = '\0';
}

bool text_key_is_zero(const uint8_t key[ENN_WIREGUARD_KEY])
{
	uint8_t any = 0;

	for (size_t i = 0; i < ENN_WIREGUARD_KEY; i++) {
		any |= key[i];
	}
	return any == 0;
}

/* ---- names ------------------------------------------------------------------------------------ */

#define MAX_NAMES 24
#define MAX_NAME  32

static void fold(char *out, const char *name, size_t len)
{
	size_t i = 0;

	for (; i < len && i < MAX_NAME - 1; i++) {
		out[i] = (char)tolower((unsigned char)name[i]);
	}
	out[i] = '\0';
}

const char *text_nearest(struct text word, const char *const *names, size_t count)
{
	char folded[MAX_NAMES][MAX_NAME];
	const char *folds[MAX_NAMES] = {NULL};
	char target[MAX_NAME];

	if (word.len >= MAX_NAME || count > MAX_NAMES) {
		return NULL;
	}
	fold(target, word.at, word.len);
	for (size_t i = 0; i < count; i++) {
		fold(folded[i], names[i], strlen(names[i]));
		folds[i] = folded[i];
	}
	const char *near = cli_nearest(target, folds, count);
	for (size_t i = 0; i < count; i++) {
		if (near == folds[i]) {
			return names[i];
		}
	}
	return NULL;
}
