/* SPDX-License-Identifier: Apache-2.0
 *
 * Name look-ups through libuv's thread pool.
 */
#include "runtime/resolver.h"

#include <netdb.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/address.h"

#define MOST 64

struct enn_lookup {
	uv_getaddrinfo_t request;
	struct enn_runtime *rt;
	enn_lookup_done done; /* NULL: cancelled */
	void *owner;
	enum enn_family family;
	uint16_t port;
	size_t most;
};

static void on_result(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct enn_lookup *lookup = request->data;
	struct enn_runtime *rt = lookup->rt;
	struct enn_address found[MOST];
	size_t count = 0;

	for (struct addrinfo *i = status == 0 ? list : NULL; i != NULL && count < lookup->most;
	     i = i->ai_next) {
		if (enn_address_from_sockaddr(i->ai_addr, &found[count])) {
			found[count].port = lookup->port;
			count++;
		}
	}
	if (list != NULL) {
		uv_freeaddrinfo(list);
	}
	if (lookup->done != NULL) {
		lookup->done(lookup->owner, lookup->family, found, count, status);
	}
	enn_free(&rt->env, lookup, sizeof(*lookup));
	enn_runtime_lookup_done(rt);
}

enum enn_status enn_lookup_start(struct enn_runtime *rt, const char *host, uint16_t port,
				 enum enn_family family, size_t most, enn_lookup_done done,
				 void *owner, struct enn_lookup **out)
{
	struct addrinfo hints = {.ai_family = family == ENN_FAMILY_IPV4 ? AF_INET : AF_INET6,
				 .ai_socktype = SOCK_STREAM,
				 .ai_protocol = IPPROTO_TCP};
	struct enn_lookup *lookup = enn_alloc(&rt->env, sizeof(*lookup));

	if (lookup == NULL) {
		return ENN_E_MEMORY;
	}
	lookup->rt = rt;
	lookup->done = done;
	lookup->owner = owner;
	lookup->family = family;
	lookup->port = port;
	lookup->most = most < MOST ? most : MOST;
	lookup->request.data = lookup;
	int status = uv_getaddrinfo(rt->uv, &lookup->request, on_result, host, NULL, &hints);
	if (status != 0) {
		enn_free(&rt->env, lookup, sizeof(*lookup));
		return status == UV_ENOMEM ? ENN_E_MEMORY : ENN_E_SYSTEM;
	}
	rt->lookups++;
	*out = lookup;
	return ENN_OK;
}

void enn_lookup_cancel(struct enn_lookup *lookup)
{
	if (lookup != NULL) {
		lookup->done = NULL;
		/* Works while it waits for a thread; otherwise its answer is dropped when it
		 * comes. */
		(void)uv_cancel((uv_req_t *)&lookup->request);
	}
}
