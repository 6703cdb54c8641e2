/* SPDX-License-Identifier: Apache-2.0
 *
 * An observer of one direction of a TLS connection who has no keys: it sees
 * record headers only, checks what can be checked of them, and tells what kind of
 * byte stands at a given offset.
 */
#ifndef ENN_TESTS_SIM_WIRE_TLS_H
#define ENN_TESTS_SIM_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_wire_part {
	SIM_WIRE_UNSEEN, /* the offset was never transmitted */
	SIM_WIRE_TYPE,
	SIM_WIRE_VERSION,
	SIM_WIRE_LENGTH,
	SIM_WIRE_BODY,
};

struct sim_wire_spot {
	enum sim_wire_part part;
	uint8_t type;	  /* of the record */
	uint8_t previous; /* type of the record before; 0: none */
	bool is_protected;
	uint32_t index;	 /* of the byte in its part */
	uint64_t record; /* the record's number in this direction */
};

/* Which version the records must be of. */
enum sim_wire_version {
	SIM_WIRE_TLS13,
	SIM_WIRE_TLS12,
	SIM_WIRE_EITHER, /* somebody who changes bytes may have a say in it */
};

struct sim_wire {
	bool server; /* whose transmissions these are */
	enum sim_wire_version version;
	uint64_t watched; /* the offset asked about; UINT64_MAX: none */
	struct sim_wire_spot spot;
	uint64_t padding; /* the padding policy that protected records must show; 0: not checked */
	uint64_t limit; /* the longest plaintext of a protected record, type and padding included */

	uint64_t offset;
	uint8_t header[5];
	uint8_t header_len;
	uint8_t last_type;
	uint32_t left; /* of the body */
	uint32_t body_index;
	uint64_t records;
	uint64_t protected_records;
	unsigned hellos; /* unprotected handshake records */
	unsigned ccs;
	const char *wrong;
};

void sim_wire_init(struct sim_wire *wire, bool server, uint64_t watched, uint64_t padding,
		   uint64_t limit, enum sim_wire_version version);
/* Takes what was transmitted, in order. wire->wrong becomes static text if a record is not as RFC 8446 §5
 * or RFC 5246 §6.2 says. */
void sim_wire_see(struct sim_wire *wire, const uint8_t *data, size_t len);
/* True between records. */
bool sim_wire_whole(const struct sim_wire *wire);

#endif
