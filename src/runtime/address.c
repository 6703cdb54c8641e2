/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: between the socket API's form, text, and struct enn_address.
 */
#include "runtime/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ennead/taps.h"

bool enn_address_from_sockaddr(const struct sockaddr *sa, struct enn_address *out)
{
	memset(out, 0, sizeof(*out));
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof(in));
		memcpy(out->ip, &in.sin_addr, 4);
		out->port = ntohs(in.sin_port);
		out->family = ENN_FAMILY_IPV4;
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof(in6));
		memcpy(out->ip, &in6.sin6_addr, 16);
		out->port = ntohs(in6.sin6_port);
		out->scope = in6.sin6_scope_id;
		out->family = ENN_FAMILY_IPV6;
		return true;
	}
	return false;
}

socklen_t enn_address_to_sockaddr(const struct enn_address *address, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address->family == ENN_FAMILY_IPV4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
		memcpy(&in.sin_addr, address->ip, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	if (address->family == ENN_FAMILY_IPV6) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
					   .sin6_port = htons(address->port),
					   .sin6_scope_id = address->scope};
		memcpy(&in6.sin6_addr, address->ip, 16);
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

bool enn_address_parse(const char *text, uint16_t port, struct enn_address *out)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "%");

	memset(out, 0, sizeof(*out));
	out->port = port;
	if (len == 0 || len >= sizeof(host)) {
		return false;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	if (text[len] == '\0' && inet_pton(AF_INET, host, out->ip) == 1) {
		out->family = ENN_FAMILY_IPV4;
		return true;
	}
	if (inet_pton(AF_INET6, host, out->ip) != 1) {
		return false;
	}
	out->family = ENN_FAMILY_IPV6;
	if (text[len] == '%') {
		const char *zone = text + len + 1;
		char *end = NULL;
		unsigned long number = strtoul(zone, &end, 10);
		out->scope = if_nametoindex(zone);
		if (out->scope == 0 && *zone != '\0' && *end == '\0' && number <= UINT32_MAX) {
			out->scope = (uint32_t)number;
		}
		return out->scope != 0;
	}
	return true;
}

bool enn_service_parse(const char *text, uint16_t *port)
{
	char *end = NULL;
	unsigned long number;
	struct servent entry;
	struct servent *found = NULL;
	char buf[2048];

	if (*text >= '0' && *text <= '9') {
		number = strtoul(text, &end, 10);
		if (*end != '\0' || number > UINT16_MAX) {
			return false;
		}
		*port = (uint16_t)number;
		return true;
	}
	if (getservbyname_r(text, "tcp", &entry, buf, sizeof(buf), &found) != 0 || found == NULL) {
		return false;
	}
	*port = ntohs((uint16_t)found->s_port);
	return true;
}

bool enn_address_equal(const struct enn_address *a, const struct enn_address *b)
{
	size_t len = a->family == ENN_FAMILY_IPV4 ? 4 : 16;

	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->ip, b->ip, len) == 0;
}

bool enn_address_interface(const struct enn_address *local, char *name)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (getifaddrs(&list) != 0) {
		return false;
	}
	for (struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
		struct enn_address a;
		if (i->ifa_addr == NULL || !enn_address_from_sockaddr(i->ifa_addr, &a)) {
			continue;
		}
		a.port = local->port;
		a.scope = local->scope; /* the same link-local address may be on several */
		if (enn_address_equal(&a, local) &&
		    (local->scope == 0 || if_nametoindex(i->ifa_name) == local->scope)) {
			(void)snprintf(name, IF_NAMESIZE, "%s", i->ifa_name);
			found = true;
		}
	}
	freeifaddrs(list);
	return found;
}

const char *enn_address_string(const struct enn_address *address, char *buf, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (cap == 0) {
		return buf;
	}
	if (address->family == ENN_FAMILY_IPV4) {
		(void)inet_ntop(AF_INET, address->ip, ip, sizeof(ip));
		(void)snprintf(buf, cap, "%s:%u", ip, address->port);
	} else if (address->family == ENN_FAMILY_IPV6) {
		(void)inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
		if (address->scope != 0) {
			(void)snprintf(buf, cap, "[%s%%%u]:%u", ip, address->scope, address->port);
		} else {
			(void)snprintf(buf, cap, "[%s]:%u", ip, address->port);
		}
	} else {
		(void)snprintf(buf, cap, "none");
	}
	return buf;
}
