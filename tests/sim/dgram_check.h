/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold in every run over datagrams, whatever the protocol.
 */
#ifndef ENN_TESTS_SIM_DGRAM_CHECK_H
#define ENN_TESTS_SIM_DGRAM_CHECK_H

#include "dgram_world.h"

/* A batch as transmit filled it, before it is cut into packets. room: the capacity that was given. */
void dgram_check_batch(struct dgram_end *end, const struct enn_batch *batch, size_t room);
/* A packet leaves a host: no secret and no plaintext is in it, and not too much goes to strangers. */
void dgram_check_sent(struct dgram_host *h, const struct enn_path *path, const uint8_t *data,
		      size_t len);
/* A packet reaches a host's socket. */
void dgram_check_arrived(struct dgram_host *h, const struct dgram_datagram *d);
/* Its first unchanged copy in this life of the host. */
bool dgram_is_news(const struct dgram_host *h, const struct dgram_datagram *d);
/* After expire and the loop: an engine must not want to be called again at once, again and again. */
void dgram_check_rest(struct dgram_end *end, bool moved);
void dgram_check_heap(struct dgram_host *h);
void dgram_check_step(struct dgram_world *w);
void dgram_check_end(struct dgram_world *w);
/* Some time after close: it has ended, and calls say so. */
void dgram_check_closed(struct dgram_end *end);
/* After a host's engines are gone. */
void dgram_check_empty(struct dgram_host *h);

#endif
