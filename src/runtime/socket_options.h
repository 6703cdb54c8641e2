/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of a socket. Zeroed is nothing.
 */
#ifndef ENN_RUNTIME_SOCKET_OPTIONS_H
#define ENN_RUNTIME_SOCKET_OPTIONS_H

#include "ennead/engine.h"

struct enn_socket_options {
	const char *interface;	  /* bind to this device */
	struct enn_address local; /* bind to this address, if it has a family */
	uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT */
	uint32_t keepalive_s;	  /* TCP: idle seconds before the first probe */
	uint64_t pacing;	  /* bytes per second */
	uint8_t dscp;
	int8_t temporary; /* IPv6 source address: 1 temporary, -1 public, 0 the system's choice */
};

#endif
