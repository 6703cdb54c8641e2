/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: between the socket API's form, text, and struct enn_address.
 */
#ifndef ENN_RUNTIME_ADDRESS_H
#define ENN_RUNTIME_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "ennead/engine.h"

/* False if *sa is of neither family. */
bool enn_address_from_sockaddr(const struct sockaddr *sa, struct enn_address *out);
/* Returns the length; 0 if the address has no family. */
socklen_t enn_address_to_sockaddr(const struct enn_address *address, struct sockaddr_storage *out);
/* A literal address, with "%interface" on IPv6. False if `text` is not one. */
bool enn_address_parse(const char *text, uint16_t port, struct enn_address *out);
/* "443" or "https". False if there is no such TCP service. */
bool enn_service_parse(const char *text, uint16_t *port);
bool enn_address_equal(const struct enn_address *a, const struct enn_address *b);
/* The name of the interface that has this local address; false if none has. name has IF_NAMESIZE
 * bytes. */
bool enn_address_interface(const struct enn_address *local, char *name);

#endif
