/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses, routes and rules of a tunnel, by the conventions of wg-quick(8).
 *
 * Table = auto: each allowed IP is a route in the main table. A default route cannot go there, for
 * then the tunnel's own packets would go into the tunnel. It goes to a table of its
 * own, with two rules before the main table's:
 *	packets without the tunnel's mark look up that table,
 *	but first what the main table knows better than by its default route.
 * The tunnel marks its own packets with the number of the table.
 */
#include "tunnel_network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_TABLE 51820 /* as wg-quick's, so that it is recognized */

bool tunnel_network_open(struct tunnel_network *n, const struct tunnel_log *log)
{
	struct enn_error error;

	memset(n, 0, sizeof(*n));
	if (enn_netlink_new(&n->netlink, &error) != ENN_OK) {
		tunnel_log_error(log, "cannot configure the network", &error);
		return false;
	}
	return true;
}

void tunnel_network_close(struct tunnel_network *n, const struct tunnel_log *log)
{
	struct enn_error error;

	if (n->netlink != NULL && enn_netlink_undo(n->netlink, &error) != ENN_OK) {
		tunnel_log_error(log, "a routing rule is left behind", &error);
	}
	enn_netlink_free(n->netlink);
	free(n->routes.item);
	memset(n, 0, sizeof(*n));
}

/* ---- what is wanted --------------------------------------------------------------------------- */

static struct enn_prefix prefix_of(const struct enn_wireguard_prefix *ip)
{
	struct enn_prefix prefix = {.family = ip->family, .bits = ip->bits};

	memcpy(prefix.ip, ip->ip, sizeof(prefix.ip));
	enn_prefix_mask(&prefix);
	return prefix;
}

static bool wants_default(const struct tunnel_config *config, uint8_t family)
{
	if (config->table != TUNNEL_TABLE_AUTO) {
		return false;
	}
	for (size_t i = 0; i < config->peer_count; i++) {
		const struct tunnel_peer *peer = &config->peers[i];
		for (size_t j = 0; j < peer->allowed_count; j++) {
			if (peer->allowed_ips[j].bits == 0 &&
			    peer->allowed_ips[j].family == family) {
				return true;
			}
		}
	}
	return false;
}

bool tunnel_network_plan(struct tunnel_network *n, const struct tunnel_config *config,
			 uint32_t *mark, const struct tunnel_log *log)
{
	struct enn_error error;

	*mark = config->fwmark;
	if (!wants_default(config, ENN_FAMILY_IPV4) && !wants_default(config, ENN_FAMILY_IPV6)) {
		return true;
	}
	if (*mark == 0) {
		*mark = n->own_table;
	}
	if (*mark == 0 && enn_netlink_free_table(n->netlink, FIRST_TABLE, mark, &error) != ENN_OK) {
		tunnel_log_error(log, "cannot route everything through the tunnel", &error);
		return false;
	}
	n->own_table = *mark;
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct enn_netlink_route *x = a;
	const struct enn_netlink_route *y = b;

	if (x->table != y->table) {
		return x->table < y->table ? -1 : 1;
	}
	if (x->to.family != y->to.family) {
		return x->to.family < y->to.family ? -1 : 1;
	}
	/* the more specific first, so that nothing is led astray in between */
	if (x->to.bits != y->to.bits) {
		return x->to.bits > y->to.bits ? -1 : 1;
	}
	return memcmp(x->to.ip, y->to.ip, sizeof(x->to.ip));
}

/* The kernel makes a route to an address's own network. */
static bool is_connected(const struct tunnel_config *config, const struct enn_prefix *prefix)
{
	for (size_t i = 0; i < config->address_count; i++) {
		const struct enn_prefix *address = &config->addresses[i];
		unsigned all = address->family == ENN_FAMILY_IPV4 ? 32 : 128;
		if (address->bits < all && enn_prefix_contains(address, prefix)) {
			return true;
		}
	}
	return false;
}

static uint32_t table_of(const struct tunnel_network *n, const struct tunnel_config *config,
			 const struct enn_prefix *prefix)
{
	if (config->table == TUNNEL_TABLE_NUMBER) {
		return config->table_number;
	}
	return prefix->bits == 0 ? n->own_table : ENN_NETLINK_TABLE_MAIN;
}

static bool collect(const struct tunnel_network *n, const struct tunnel_config *config,
		    struct tunnel_routes *routes)
{
	size_t most = 0;

	memset(routes, 0, sizeof(*routes));
	for (size_t i = 0; i < config->peer_count; i++) {
		most += config->peers[i].allowed_count;
	}
	if (most == 0 || config->table == TUNNEL_TABLE_OFF) {
		return true;
	}
	routes->item = calloc(most, sizeof(routes->item[0]));
	if (routes->item == NULL) {
		return false;
	}
	for (size_t i = 0; i < config->peer_count; i++) {
		for (size_t j = 0; j < config->peers[i].allowed_count; j++) {
			struct enn_prefix to = prefix_of(&config->peers[i].allowed_ips[j]);
			uint32_t table = table_of(n, config, &to);
			if (table != ENN_NETLINK_TABLE_MAIN || !is_connected(config, &to)) {
				routes->item[routes->count++] = (struct enn_netlink_route){
					.to = to, .index = n->index, .table = table};
			}
		}
	}
	qsort(routes->item, routes->count, sizeof(routes->item[0]), compare);
	size_t kept = 0;
	for (size_t i = 0; i < routes->count; i++) {
		if (i == 0 || compare(&routes->item[i], &routes->item[kept - 1]) != 0) {
			routes->item[kept++] = routes->item[i];
		}
	}
	routes->count = kept;
	return true;
}

/* ---- routes ----------------------------------------------------------------------------------- */

static bool add_route(struct tunnel_network *n, const struct enn_netlink_route *route,
		      const struct tunnel_log *log)
{
	struct enn_error error;
	char text[TEXT_PREFIX_MAX];
	char what[TEXT_PREFIX_MAX + 24];

	if (enn_netlink_add_route(n->netlink, route, &error) == ENN_OK) {
		tunnel_log(log, ENN_LOG_DEBUG, "route to %s in table %u",
			   text_from_prefix(&route->to, text), route->table);
		return true;
	}
	(void)snprintf(what, sizeof(what), "AllowedIPs %s", text_from_prefix(&route->to, text));
	tunnel_log_error(log, what, &error);
	if (error.sys_errno == EEXIST) {
		tunnel_log(log, ENN_LOG_ERROR,
			   "another interface has a route to exactly %s; Table = off leaves the "
			   "routes to you",
			   text);
	}
	return false;
}

/* Adds what is new and removes what is no longer wanted: a walk through two sorted lists. */
static bool set_routes(struct tunnel_network *n, struct tunnel_routes *wanted,
		       const struct tunnel_log *log)
{
	struct tunnel_routes *had = &n->routes;
	bool good = true;
	size_t i = 0;
	size_t j = 0;

	while (i < had->count || j < wanted->count) {
		int order = i == had->count	 ? 1
			    : j == wanted->count ? -1
						 : compare(&had->item[i], &wanted->item[j]);
		struct enn_error error;
		if (order > 0) {
			good = add_route(n, &wanted->item[j++], log) && good;
		} else if (order < 0) {
			if (enn_netlink_remove_route(n->netlink, &had->item[i++], &error) !=
			    ENN_OK) {
				tunnel_log_error(log, "an old route stays", &error);
				good = false;
			}
		} else {
			i++;
			j++;
		}
	}
	free(had->item);
	*had = *wanted;
	return good;
}

/* ---- rules ------------------------------------------------------------------------------------ */

static int filter_of(const char *interface)
{
	char path[64 + NAME_MAX];
	char value = '0';

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!read(fd, &value, 1);
		(void)close(fd);
	}
	return value - '0';
}

/* What peers send has no mark. With a strict filter (1; the greater of the interface's and "all"
 * counts) it is dropped, for the way back to them, without a mark, is the tunnel. */
static void warn_of_filter(const struct tunnel_network *n, const struct tunnel_log *log)
{
	DIR *all = opendir("/proc/sys/net/ipv4/conf");
	char own[IF_NAMESIZE] = "";
	int common = filter_of("all");
	const struct dirent *entry;

	(void)if_indextoname(n->index, own);
	while (all != NULL && (entry = readdir(all)) != NULL) {
		const char *name = entry->d_name;
		if (name[0] == '.' || strcmp(name, own) == 0 || strcmp(name, "lo") == 0 ||
		    strcmp(name, "all") == 0 || strcmp(name, "default") == 0) {
			continue;
		}
		int here = filter_of(name);
		if ((here > common ? here : common) == 1) {
			tunnel_log(log, ENN_LOG_WARNING,
				   "rp_filter of %s is strict (1): what peers send there may be "
				   "dropped; 2 is enough",
				   name);
		}
	}
	if (all != NULL) {
		(void)closedir(all);
	}
}

static bool add_rules(struct tunnel_network *n, uint8_t family, const struct tunnel_log *log)
{
	struct enn_netlink_rule own = {
		.family = family, .table = n->own_table, .mark = n->own_table, .unmarked = true};
	struct enn_netlink_rule better = {
		.family = family, .table = ENN_NETLINK_TABLE_MAIN, .suppress_default = true};
	struct enn_error error;

	/* each comes before those that are there, so the second is asked first */
	if (enn_netlink_add_rule(n->netlink, &own, &error) != ENN_OK ||
	    enn_netlink_add_rule(n->netlink, &better, &error) != ENN_OK) {
		tunnel_log_error(log, "cannot route everything through the tunnel", &error);
		return false;
	}
	if (family == ENN_FAMILY_IPV4) {
		if (enn_netlink_respect_marks(&error) != ENN_OK) {
			tunnel_log(log, ENN_LOG_WARNING, "%s", error.text);
		}
		warn_of_filter(n, log);
	}
	return true;
}

static bool set_rules(struct tunnel_network *n, const struct tunnel_config *config,
		      const struct tunnel_log *log)
{
	bool v4 = wants_default(config, ENN_FAMILY_IPV4);
	bool v6 = wants_default(config, ENN_FAMILY_IPV6);
	struct enn_error error;

	if (v4 == n->rules_v4 && v6 == n->rules_v6 && n->rules_for == n->own_table) {
		return true;
	}
	if (enn_netlink_undo(n->netlink, &error) != ENN_OK) {
		tunnel_log_error(log, "an old routing rule stays", &error);
	}
	n->rules_for = n->own_table;
	n->rules_v4 = v4;
	n->rules_v6 = v6;
	return (!v4 || add_rules(n, ENN_FAMILY_IPV4, log)) &&
	       (!v6 || add_rules(n, ENN_FAMILY_IPV6, log));
}

/* ---- all of it -------------------------------------------------------------------------------- */

bool tunnel_network_change(struct tunnel_network *n, const struct tunnel_config *config,
			   const struct tunnel_log *log)
{
	struct tunnel_routes wanted;

	if (!collect(n, config, &wanted)) {
		tunnel_log(log, ENN_LOG_ERROR, "out of memory");
		return false;
	}
	/* the table is filled before a rule leads there */
	bool good = set_routes(n, &wanted, log);
	return set_rules(n, config, log) && good;
}

bool tunnel_network_up(struct tunnel_network *n, const struct tunnel_config *config, unsigned index,
		       uint16_t mtu, const struct tunnel_log *log)
{
	struct enn_error error;
	char text[TEXT_PREFIX_MAX];
	char what[TEXT_PREFIX_MAX + 16];

	n->index = index;
	for (size_t i = 0; i < config->address_count; i++) {
		const struct enn_prefix *address = &config->addresses[i];
		if (enn_netlink_add_address(n->netlink, index, address, &error) != ENN_OK) {
			(void)snprintf(what, sizeof(what), "Address %s",
				       text_from_prefix(address, text));
			tunnel_log_error(log, what, &error);
			return false;
		}
	}
	if (enn_netlink_set_link(n->netlink, index, mtu, true, &error) != ENN_OK) {
		tunnel_log_error(log, "cannot bring the interface up", &error);
		return false;
	}
	return tunnel_network_change(n, config, log);
}
