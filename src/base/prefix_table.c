/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary trie with path compression. A node stands for a prefix; its two
 * children are longer prefixes that differ in the bit behind it. A node without
 * an owner is there because two prefixes part at it.
 */
#include "base/prefix_table.h"

/* An address from its most significant bit on; IPv4 fills the first half of hi. */
struct key {
	uint64_t hi;
	uint64_t lo;
};

struct enn_prefix_node {
	struct key key; /* bits behind the prefix are zero */
	struct enn_prefix_node *child[2];
	struct enn_prefix_node *parent;
	struct enn_prefix_owner *owner;
	uint8_t bits; /* what a look-up reads ends here, within one cache line */
	uint8_t family;
	/* among the prefixes of the owner, in order of insertion; next also links spare nodes */
	struct enn_prefix_node *next;
	struct enn_prefix_node *prev;
};

/* ---- keys ------------------------------------------------------------------------------------- */

static struct key read_key(const uint8_t *ip, size_t len)
{
	struct enn_reader r = enn_reader_of(ip, len);
	struct key key = {0, 0};

	if (len == 4) {
		key.hi = (uint64_t)enn_read_u32(&r) << 32;
	} else {
		key.hi = enn_read_u64(&r);
		key.lo = enn_read_u64(&r);
	}
	return key;
}

/* The first n bits of 64. */
static uint64_t first_bits(unsigned n)
{
	return n == 0 ? 0 : UINT64_MAX << (64 - n);
}

static struct key masked(struct key key, unsigned bits)
{
	struct key out = {key.hi & first_bits(bits < 64 ? bits : 64),
			  key.lo & first_bits(bits > 64 ? bits - 64 : 0)};
	return out;
}

static bool covers(const struct enn_prefix_node *node, struct key key)
{
	struct key cut = masked(key, node->bits);
	return cut.hi == node->key.hi && cut.lo == node->key.lo;
}

static unsigned bit_of(struct key key, unsigned at)
{
	return (unsigned)(at < 64 ? key.hi >> (63 - at) : key.lo >> (127 - at)) & 1;
}

/* How many leading bits two keys share. */
static unsigned shared_bits(struct key a, struct key b)
{
	if (a.hi != b.hi) {
		return (unsigned)__builtin_clzll(a.hi ^ b.hi);
	}
	return a.lo == b.lo ? 128 : 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
}

/* ---- owners ----------------------------------------------------------------------------------- */

static void give(struct enn_prefix_node *node, struct enn_prefix_owner *owner)
{
	struct enn_prefix_node *last = owner->first == NULL ? NULL : owner->first->prev;

	node->owner = owner;
	owner->count++;
	node->next = NULL;
	if (last == NULL) {
		owner->first = node;
		node->prev = node; /* the first one's prev is the last */
	} else {
		last->next = node;
		node->prev = last;
		owner->first->prev = node;
	}
}

static void take(struct enn_prefix_node *node, struct enn_prefix_owner *owner)
{
	if (owner->first == node) {
		owner->first = node->next;
	} else {
		node->prev->next = node->next;
	}
	if (node->next != NULL) {
		node->next->prev = node->prev;
	} else if (owner->first != NULL) {
		owner->first->prev = node->prev;
	}
	owner->count--;
	node->owner = NULL;
	node->next = node->prev = NULL;
}

/* ---- nodes ------------------------------------------------------------------------------------ */

enum enn_status enn_prefix_reserve(struct enn_prefix_table *t, size_t prefixes)
{
	while (t->spare_count < 2 * prefixes) {
		struct enn_prefix_node *node = enn_alloc(t->env, sizeof(*node));
		if (node == NULL) {
			return ENN_E_MEMORY;
		}
		node->next = t->spare;
		t->spare = node;
		t->spare_count++;
	}
	return ENN_OK;
}

static struct enn_prefix_node *spare_node(struct enn_prefix_table *t, struct key key, unsigned bits,
					  uint8_t family)
{
	struct enn_prefix_node *node = t->spare;

	t->spare = node->next;
	t->spare_count--;
	*node = (struct enn_prefix_node){
		.key = masked(key, bits), .bits = (uint8_t)bits, .family = family};
	return node;
}

static void free_spare(struct enn_prefix_table *t)
{
	while (t->spare != NULL) {
		struct enn_prefix_node *node = t->spare;
		t->spare = node->next;
		enn_free(t->env, node, sizeof(*node));
	}
	t->spare_count = 0;
}

static struct enn_prefix_node **root_of(struct enn_prefix_table *t, uint8_t family)
{
	return family == 4 ? &t->root4 : &t->root6;
}

static struct enn_prefix_node **link_to(struct enn_prefix_table *t,
					const struct enn_prefix_node *node)
{
	if (node->parent == NULL) {
		return root_of(t, node->family);
	}
	return &node->parent->child[node->parent->child[1] == node];
}

/* A node that owns nothing and parts nothing goes. */
static void prune(struct enn_prefix_table *t, struct enn_prefix_node *node)
{
	while (node != NULL && node->owner == NULL &&
	       (node->child[0] == NULL || node->child[1] == NULL)) {
		struct enn_prefix_node *parent = node->parent;
		struct enn_prefix_node *child =
			node->child[0] != NULL ? node->child[0] : node->child[1];
		*link_to(t, node) = child;
		if (child != NULL) {
			child->parent = parent;
		}
		enn_free(t->env, node, sizeof(*node));
		node = parent;
	}
}

/* ---- the table -------------------------------------------------------------------------------- */

static struct key key_of(const struct enn_prefix *prefix)
{
	return masked(read_key(prefix->ip, prefix->family == 4 ? 4 : 16), prefix->bits);
}

/* Puts `above` where `node` was, and node below it. */
static void insert_above(struct enn_prefix_table *t, struct enn_prefix_node *node,
			 struct enn_prefix_node *above)
{
	*link_to(t, node) = above;
	above->parent = node->parent;
	above->child[bit_of(node->key, above->bits)] = node;
	node->parent = above;
}

/* The node of exactly this prefix, made if need be. */
static struct enn_prefix_node *place(struct enn_prefix_table *t, struct key key, unsigned bits,
				     uint8_t family)
{
	struct enn_prefix_node **at = root_of(t, family);
	struct enn_prefix_node *parent = NULL;

	while (*at != NULL && (*at)->bits <= bits && covers(*at, key)) {
		if ((*at)->bits == bits) {
			return *at;
		}
		parent = *at;
		at = &parent->child[bit_of(key, parent->bits)];
	}
	struct enn_prefix_node *node = spare_node(t, key, bits, family);
	struct enn_prefix_node *other = *at;
	if (other == NULL) {
		node->parent = parent;
		*at = node;
		return node;
	}
	unsigned shared = shared_bits(key, other->key);
	if (shared >= bits) {
		insert_above(t, other, node);
		return node;
	}
	struct enn_prefix_node *fork = spare_node(t, key, shared, family);
	insert_above(t, other, fork);
	fork->child[bit_of(key, shared)] = node;
	node->parent = fork;
	return node;
}

struct enn_prefix_owner *enn_prefix_insert(struct enn_prefix_table *t,
					   const struct enn_prefix *prefix,
					   struct enn_prefix_owner *owner)
{
	struct enn_prefix_node *node = place(t, key_of(prefix), prefix->bits, prefix->family);
	struct enn_prefix_owner *before = node->owner;

	if (before == owner) {
		return before;
	}
	if (before != NULL) {
		take(node, before);
	} else {
		t->count++;
	}
	give(node, owner);
	return before;
}

static void remove_node(struct enn_prefix_table *t, struct enn_prefix_node *node,
			struct enn_prefix_owner *owner)
{
	take(node, owner);
	t->count--;
	prune(t, node);
}

bool enn_prefix_remove(struct enn_prefix_table *t, const struct enn_prefix *prefix,
		       struct enn_prefix_owner *owner)
{
	struct key key = key_of(prefix);
	struct enn_prefix_node *node = *root_of(t, prefix->family);

	while (node != NULL && node->bits < prefix->bits && covers(node, key)) {
		node = node->child[bit_of(key, node->bits)];
	}
	if (node == NULL || node->bits != prefix->bits || !covers(node, key) || owner == NULL ||
	    node->owner != owner) {
		return false;
	}
	remove_node(t, node, owner);
	return true;
}

void enn_prefix_remove_all(struct enn_prefix_table *t, struct enn_prefix_owner *owner)
{
	while (owner->first != NULL) {
		remove_node(t, owner->first, owner);
	}
}

static struct enn_prefix_owner *lookup(const struct enn_prefix_node *node, struct key key,
				       unsigned len)
{
	struct enn_prefix_owner *best = NULL;

	while (node != NULL && covers(node, key)) {
		if (node->owner != NULL) {
			best = node->owner;
		}
		if (node->bits == len) {
			break;
		}
		node = node->child[bit_of(key, node->bits)];
	}
	return best;
}

struct enn_prefix_owner *enn_prefix_lookup4(const struct enn_prefix_table *t, const uint8_t *ip)
{
	return lookup(t->root4, read_key(ip, 4), 32);
}

struct enn_prefix_owner *enn_prefix_lookup6(const struct enn_prefix_table *t, const uint8_t *ip)
{
	return lookup(t->root6, read_key(ip, 16), 128);
}

bool enn_prefix_walk(const struct enn_prefix_owner *owner, const struct enn_prefix_node **at,
		     struct enn_prefix *out)
{
	const struct enn_prefix_node *n = *at == NULL ? owner->first : (*at)->next;

	if (n == NULL) {
		return false;
	}
	*at = n;
	*out = (struct enn_prefix){.family = n->family, .bits = n->bits};
	struct enn_writer w = enn_writer_of(out->ip, sizeof(out->ip));
	enn_write_u64(&w, n->key.hi);
	enn_write_u64(&w, n->key.lo);
	return true;
}

size_t enn_prefix_list(const struct enn_prefix_owner *owner, struct enn_prefix *out, size_t cap)
{
	const struct enn_prefix_node *at = NULL;

	for (size_t i = 0; i < cap && enn_prefix_walk(owner, &at, &out[i]); i++) {
	}
	return owner->count;
}

static void clear(struct enn_prefix_table *t, struct enn_prefix_node *node)
{
	/* Down to a leaf, and up again: the depth is the peers' choice, the stack is ours. */
	while (node != NULL) {
		struct enn_prefix_node *child =
			node->child[0] != NULL ? node->child[0] : node->child[1];
		if (child != NULL) {
			node->child[child == node->child[1]] = NULL;
			node = child;
			continue;
		}
		struct enn_prefix_node *parent = node->parent;
		if (node->owner != NULL) {
			take(node, node->owner);
		}
		enn_free(t->env, node, sizeof(*node));
		node = parent;
	}
}

void enn_prefix_clear(struct enn_prefix_table *t)
{
	clear(t, t->root4);
	clear(t, t->root6);
	t->root4 = t->root6 = NULL;
	t->count = 0;
	free_spare(t);
}
