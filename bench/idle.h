/* SPDX-License-Identifier: Apache-2.0
 *
 * Ten thousand idle connections: the listeners that hold them, each in a process of its own.
 */
#ifndef ENN_BENCH_IDLE_H
#define ENN_BENCH_IDLE_H

#include <stdint.h>

#include "tls.h"

#define IDLE_MESSAGE                                                                               \
	64u /* bytes that each connection carries there and back before it falls idle */

/* Listens on a free port of 127.0.0.1, writes the port (in host order) to report_fd, and sends back what
 * comes on each connection. On SIGTERM it stops listening, ends every connection in the orderly
 * way, and returns when all are over: 0, or 1 if that failed. */
int idle_serve_ours(const struct tls_pki *pki, int report_fd);
int idle_serve_libssl(const struct tls_pki *pki, int report_fd);

#endif
