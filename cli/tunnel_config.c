/* SPDX-License-Identifier: Apache-2.0
 *
 * wg-quick's file format: sections, "Key = value" lines, comments from '#' to the end of the line.
 * Case counts neither in the names of sections nor of keys. A pure function over a buffer.
 */
#include "tunnel_config.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct parser {
	struct tunnel_config *config;
	struct tunnel_config_error *error;
	const char *line;
	unsigned number; /* of the line */
	enum section { NOWHERE, INTERFACE, PEER } section;
	size_t peer_capacity;
};

static bool fail(struct parser *p, struct text where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool fail(struct parser *p, struct text where, const char *format, ...)
{
	va_list args;

	p->error->line = p->number;
	p->error->column = (unsigned)(where.at - p->line) + 1;
	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not, a line above */
	(void)vsnprintf(p->error->text, sizeof(p->error->text), format, args);
	va_end(args);
	return false;
}

/* For messages: what is printed of a value that is not secret. */
static int shown(struct text t)
{
	return t.len > 60 ? 60 : (int)t.len;
}

static bool no_memory(struct parser *p, struct text where)
{
	return fail(p, where, "out of memory");
}

/* Makes place for one more of `size` bytes in an array whose capacity is the next power of two.
 * There may be keys in the old place. */
static bool grow(void **array, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0) {
		return true;
	}
	size_t capacity = count == 0 ? 1 : 2 * count;
	void *bigger = capacity > SIZE_MAX / size ? NULL : malloc(capacity * size);
	if (bigger == NULL) {
		return false;
	}
	if (count > 0) {
		memcpy(bigger, *array, count * size);
		OPENSSL_cleanse(*array, count * size);
	}
	free(*array);
	*array = bigger;
	return true;
}

static bool add_string(struct parser *p, struct tunnel_strings *list, struct text value)
{
	void *items = list->item;
	char *copy;

	if (!grow(&items, list->count, sizeof(list->item[0]))) {
		return no_memory(p, value);
	}
	list->item = items;
	copy = text_copy(value);
	if (copy == NULL) {
		return no_memory(p, value);
	}
	list->item[list->count++] = copy;
	return true;
}

/* ---- values ----------------------------------------------------------------------------------- */

static bool take_key(struct parser *p, struct text value, uint8_t key[ENN_WIREGUARD_KEY])
{
	/* the value is not shown: it may be a secret with a slip in it */
	if (enn_wireguard_key_decode(value.at, value.len, key) != ENN_OK) {
		return fail(p, value,
			    "not a key: 44 characters of base64 are wanted, as `ennead keygen "
			    "wireguard` prints them, and these are %zu",
			    value.len);
	}
	return true;
}

static bool take_number(struct parser *p, struct text value, uint64_t most, uint64_t *out)
{
	if (!text_number(value, most, out)) {
		return fail(p, value, "'%.*s' is not a number from 0 to %llu", shown(value),
			    value.at, (unsigned long long)most);
	}
	return true;
}

typedef bool (*take_item)(struct parser *p, struct text item);

/* Items between commas. */
static bool take_list(struct parser *p, struct text value, take_item take)
{
	while (value.at != NULL) {
		struct text item;
		value = text_cut(value, ',', &item);
		item = text_trim(item);
		if (item.len == 0) {
			return fail(p, item, "nothing stands between two commas");
		}
		if (!take(p, item)) {
			return false;
		}
	}
	return true;
}

static bool bad_prefix(struct parser *p, struct text item)
{
	return fail(p, item, "'%.*s' is not an address like 10.0.0.1/24 or fd00::1/64", shown(item),
		    item.at);
}

/* ---- [Interface] ------------------------------------------------------------------------------ */

static bool take_private_key(struct parser *p, struct text value)
{
	p->config->has_private_key = take_key(p, value, p->config->private_key);
	return p->config->has_private_key;
}

static bool take_listen_port(struct parser *p, struct text value)
{
	uint64_t n = 0;

	p->config->has_listen_port = take_number(p, value, UINT16_MAX, &n);
	p->config->listen_port = (uint16_t)n;
	return p->config->has_listen_port;
}

static bool take_fwmark(struct parser *p, struct text value)
{
	uint64_t n = 0;

	if (!text_folds_to(value, "off") && !text_any_number(value, UINT32_MAX, &n)) {
		return fail(p, value, "'%.*s' is not a mark: a number, 0x… or off is wanted",
			    shown(value), value.at);
	}
	p->config->has_fwmark = true;
	p->config->fwmark = (uint32_t)n;
	return true;
}

static bool take_one_address(struct parser *p, struct text item)
{
	struct enn_prefix prefix;
	void *array = p->config->addresses;

	if (!text_prefix(item, &prefix)) {
		return bad_prefix(p, item);
	}
	if (!grow(&array, p->config->address_count, sizeof(prefix))) {
		return no_memory(p, item);
	}
	p->config->addresses = array;
	p->config->addresses[p->config->address_count++] = prefix;
	return true;
}

static bool take_address(struct parser *p, struct text value)
{
	return take_list(p, value, take_one_address);
}

/* What is no address is a domain to search in. */
static bool take_one_dns(struct parser *p, struct text item)
{
	uint8_t ip[16];
	uint8_t family;

	if (text_ip(item, ip, &family)) {
		return add_string(p, &p->config->dns, item);
	}
	for (size_t i = 0; i < item.len; i++) {
		char c = item.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-' || c == '_')) {
			return fail(p, item, "'%.*s' is neither an address nor a domain",
				    shown(item), item.at);
		}
	}
	return add_string(p, &p->config->search, item);
}

static bool take_dns(struct parser *p, struct text value)
{
	return take_list(p, value, take_one_dns);
}

static bool take_mtu(struct parser *p, struct text value)
{
	uint64_t n = 0;

	/* RFC 791: every host takes 68 bytes. 65455 leaves place for our own headers. */
	if (!text_number(value, 65455, &n) || n < 68) {
		return fail(p, value, "'%.*s' is not an MTU from 68 to 65455", shown(value),
			    value.at);
	}
	p->config->mtu = (uint16_t)n;
	return true;
}

static bool take_table(struct parser *p, struct text value)
{
	static const struct {
		const char *name;
		enum tunnel_table table;
		uint32_t number;
	} names[] = {
		{"auto", TUNNEL_TABLE_AUTO, 0},	       {"off", TUNNEL_TABLE_OFF, 0},
		{"main", TUNNEL_TABLE_NUMBER, 254},    {"local", TUNNEL_TABLE_NUMBER, 255},
		{"default", TUNNEL_TABLE_NUMBER, 253},
	};
	uint64_t n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (text_folds_to(value, names[i].name)) {
			p->config->table = names[i].table;
			p->config->table_number = names[i].number;
			return true;
		}
	}
	if (!text_any_number(value, UINT32_MAX, &n) || n == 0) {
		return fail(p, value, "'%.*s' is no table: a number, auto or off is wanted",
			    shown(value), value.at);
	}
	p->config->table = TUNNEL_TABLE_NUMBER;
	p->config->table_number = (uint32_t)n;
	return true;
}

static bool take_hook(struct parser *p, enum tunnel_hook hook, struct text value)
{
	return add_string(p, &p->config->hooks[hook], value);
}

static bool take_pre_up(struct parser *p, struct text value)
{
	return take_hook(p, TUNNEL_PRE_UP, value);
}

static bool take_post_up(struct parser *p, struct text value)
{
	return take_hook(p, TUNNEL_POST_UP, value);
}

static bool take_pre_down(struct parser *p, struct text value)
{
	return take_hook(p, TUNNEL_PRE_DOWN, value);
}

static bool take_post_down(struct parser *p, struct text value)
{
	return take_hook(p, TUNNEL_POST_DOWN, value);
}

static bool take_save(struct parser *p, struct text value)
{
	p->config->save = text_folds_to(value, "true");
	if (!p->config->save && !text_folds_to(value, "false")) {
		return fail(p, value, "'%.*s' is neither true nor false", shown(value), value.at);
	}
	return true;
}

/* ---- [Peer] ----------------------------------------------------------------------------------- */

static struct tunnel_peer *current(struct parser *p)
{
	return &p->config->peers[p->config->peer_count - 1];
}

static bool take_public_key(struct parser *p, struct text value)
{
	current(p)->has_public_key = take_key(p, value, current(p)->public_key);
	return current(p)->has_public_key;
}

static bool take_preshared_key(struct parser *p, struct text value)
{
	current(p)->has_preshared_key = take_key(p, value, current(p)->preshared_key);
	return current(p)->has_preshared_key;
}

static bool take_one_allowed_ip(struct parser *p, struct text item)
{
	struct tunnel_peer *peer = current(p);
	struct enn_prefix prefix;
	void *array = peer->allowed_ips;

	if (!text_prefix(item, &prefix)) {
		return bad_prefix(p, item);
	}
	if (!grow(&array, peer->allowed_count, sizeof(peer->allowed_ips[0]))) {
		return no_memory(p, item);
	}
	peer->allowed_ips = array;
	struct enn_wireguard_prefix *to = &peer->allowed_ips[peer->allowed_count++];
	memset(to, 0, sizeof(*to));
	memcpy(to->ip, prefix.ip, sizeof(to->ip));
	to->family = prefix.family;
	to->bits = prefix.bits;
	return true;
}

static bool take_allowed_ips(struct parser *p, struct text value)
{
	return value.len == 0 || take_list(p, value, take_one_allowed_ip);
}

static bool bad_endpoint(struct parser *p, struct text value)
{
	return fail(p, value,
		    "'%.*s' is not an endpoint like vpn.example.org:51820 or "
		    "[2001:db8::1]:51820",
		    shown(value), value.at);
}

/* name:port; the name is resolved later. */
static bool named_endpoint(struct text value, struct text *name, uint16_t *port)
{
	uint64_t n = 0;
	struct text service = text_cut(value, ':', name);

	if (name->len == 0 || name->len > 255 || !text_number(service, UINT16_MAX, &n) || n == 0) {
		return false;
	}
	for (size_t i = 0; i < name->len; i++) {
		if (name->at[i] <= ' ' || name->at[i] == 0x7f || strchr("[]/%", name->at[i])) {
			return false;
		}
	}
	*port = (uint16_t)n;
	return true;
}

static bool take_endpoint(struct parser *p, struct text value)
{
	struct tunnel_peer *peer = current(p);
	struct enn_address address;
	struct text name = value;

	if (!text_endpoint(value, &address)) {
		memset(&address, 0, sizeof(address));
		if (!named_endpoint(value, &name, &address.port)) {
			return bad_endpoint(p, value);
		}
	}
	free(peer->host);
	peer->endpoint = address;
	peer->host = text_copy(name);
	return peer->host != NULL || no_memory(p, value);
}

static bool take_keepalive(struct parser *p, struct text value)
{
	uint64_t n = 0;

	if (!text_folds_to(value, "off") && !text_number(value, UINT16_MAX, &n)) {
		return fail(p, value, "'%.*s' is not a number of seconds up to 65535, nor off",
			    shown(value), value.at);
	}
	current(p)->has_keepalive = true;
	current(p)->keepalive = (uint16_t)n;
	return true;
}

/* ---- lines ------------------------------------------------------------------------------------ */

static const struct key {
	const char *name;
	enum section section;
	bool (*take)(struct parser *p, struct text value);
} keys[] = {
	{"PrivateKey", INTERFACE, take_private_key},
	{"ListenPort", INTERFACE, take_listen_port},
	{"FwMark", INTERFACE, take_fwmark},
	{"Address", INTERFACE, take_address},
	{"DNS", INTERFACE, take_dns},
	{"MTU", INTERFACE, take_mtu},
	{"Table", INTERFACE, take_table},
	{"PreUp", INTERFACE, take_pre_up},
	{"PostUp", INTERFACE, take_post_up},
	{"PreDown", INTERFACE, take_pre_down},
	{"PostDown", INTERFACE, take_post_down},
	{"SaveConfig", INTERFACE, take_save},
	{"PublicKey", PEER, take_public_key},
	{"PresharedKey", PEER, take_preshared_key},
	{"AllowedIPs", PEER, take_allowed_ips},
	{"Endpoint", PEER, take_endpoint},
	{"PersistentKeepalive", PEER, take_keepalive},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

const char *tunnel_hook_name(enum tunnel_hook hook)
{
	static const char *const names[TUNNEL_HOOKS] = {"PreUp", "PostUp", "PreDown", "PostDown"};

	return names[hook];
}

static const char *section_name(enum section section)
{
	return section == PEER ? "[Peer]" : "[Interface]";
}

static bool unknown_key(struct parser *p, struct text name)
{
	const char *names[KEYS];
	size_t count = 0;

	for (size_t i = 0; i < KEYS; i++) {
		if (keys[i].section == p->section) {
			names[count++] = keys[i].name;
		}
	}
	const char *near = text_nearest(name, names, count);
	return fail(p, name, "%s has no key '%.*s'%s%s%s", section_name(p->section), shown(name),
		    name.at, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool take_line(struct parser *p, struct text line)
{
	struct text name;
	struct text value = text_cut(line, '=', &name);

	name = text_trim(name);
	if (value.at == NULL) {
		return fail(p, line, "neither a [Section] nor a line of the form Key = value");
	}
	value = text_trim(value);
	if (p->section == NOWHERE) {
		return fail(p, name, "a line before the first section, [Interface] or [Peer]");
	}
	const struct key *elsewhere = NULL;
	for (size_t i = 0; i < KEYS; i++) {
		if (!text_folds_to(name, keys[i].name)) {
			continue;
		}
		if (keys[i].section != p->section) {
			elsewhere = &keys[i];
			continue;
		}
		if (value.len == 0 && keys[i].take != take_allowed_ips) {
			return fail(p, value, "%s has no value", keys[i].name);
		}
		return keys[i].take(p, value);
	}
	if (elsewhere != NULL) {
		return fail(p, name, "%s belongs to %s", elsewhere->name,
			    section_name(elsewhere->section));
	}
	return unknown_key(p, name);
}

/* A peer without a key cannot be: told where its section begins. */
static bool end_section(struct parser *p)
{
	if (p->section != PEER || current(p)->has_public_key) {
		return true;
	}
	p->error->line = current(p)->line;
	p->error->column = 1;
	(void)snprintf(p->error->text, sizeof(p->error->text), "this [Peer] has no PublicKey");
	return false;
}

static bool begin_peer(struct parser *p, struct text where)
{
	void *array = p->config->peers;

	if (!grow(&array, p->config->peer_count, sizeof(p->config->peers[0]))) {
		return no_memory(p, where);
	}
	p->config->peers = array;
	struct tunnel_peer *peer = &p->config->peers[p->config->peer_count++];
	memset(peer, 0, sizeof(*peer));
	peer->line = p->number;
	return true;
}

static bool take_section(struct parser *p, struct text line)
{
	static const char *const names[] = {"[Interface]", "[Peer]"};

	if (!end_section(p)) {
		return false;
	}
	if (text_folds_to(line, names[0])) {
		p->section = INTERFACE;
		p->config->has_interface = true;
		return true;
	}
	if (text_folds_to(line, names[1])) {
		p->section = PEER;
		return begin_peer(p, line);
	}
	const char *near = text_nearest(line, names, 2);
	return fail(p, line, "there is no section %.*s%s%s%s", shown(line), line.at,
		    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool take_text(struct parser *p, struct text rest)
{
	while (rest.at != NULL) {
		struct text line;
		struct text comment;
		rest = text_cut(rest, '\n', &line);
		p->line = line.at;
		p->number++;
		comment = text_cut(line, '#', &line);
		(void)comment;
		line = text_trim(line);
		if (line.len == 0) {
			continue;
		}
		if (memchr(line.at, '\0', line.len) != NULL) {
			return fail(p, line, "a NUL byte: this is no text");
		}
		if (line.at[0] == '[' ? !take_section(p, line) : !take_line(p, line)) {
			return false;
		}
	}
	return end_section(p);
}

bool tunnel_config_parse(const char *data, size_t len, struct tunnel_config *config,
			 struct tunnel_config_error *error)
{
	struct parser p = {.config = config, .error = error, .line = data};

	memset(config, 0, sizeof(*config));
	memset(error, 0, sizeof(*error));
	/* an editor's byte order mark */
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		len -= 3;
	}
	if (!take_text(&p, (struct text){data, len})) {
		tunnel_config_free(config);
		return false;
	}
	return true;
}
