/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes seeds for the WireGuard targets: real messages in every state, and scripts of what happens
 * on networks. usage: make_corpus_wireguard DIRECTORY (with the targets' folders in it)
 */
#include <stdio.h>
#include <string.h>

#include "wireguard.h"

static const char *directory;
static int serial;

static void save(const char *target, const uint8_t *data, size_t len)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s/real-%d", directory, target, serial++);
	FILE *file = fopen(path, "wb");
	FUZZ_ASSERT(file != NULL);
	(void)fwrite(data, 1, len, file);
	(void)fclose(file);
}

/* ---- single messages ---------------------------------------------------------------------------- */

/* state, then repair, length and bytes of each */
static void save_message(uint8_t state, uint8_t repair, const uint8_t *data, size_t len)
{
	uint8_t out[FUZZ_WG_PACKET + 4] = {state, repair, (uint8_t)(len >> 8), (uint8_t)len};

	memcpy(out + 4, data, len);
	save("wireguard_message", out, len + 4);
}

static void tap(struct fuzz_wg *w, const struct fuzz_wg_packet *packet)
{
	(void)w;
	/* in each state; as it is, and with indices and mac1 put right */
	for (uint8_t state = 0; state < 6; state++) {
		save_message(state, 0, packet->data, packet->len);
		save_message(state, 3, packet->data, packet->len);
	}
}

static void real_messages(void)
{
	static struct fuzz_wg w;
	const struct enn_wireguard_change load = {.set_under_load = true, .under_load = true};

	fuzz_env_reset();
	fuzz_wg_open(&w);
	w.tap = tap;
	fuzz_wg_configure(&w, 0, &load);
	FUZZ_ASSERT(fuzz_wg_send(&w, 1, 61)); /* initiation */
	fuzz_wg_settle(&w);		      /* cookie reply */
	fuzz_wg_wait(&w, 6 * ENN_SECOND);     /* initiation with mac2, response, data */
	fuzz_wg_settle(&w);
	FUZZ_ASSERT(w.message[0].delivered);
	w.tap = NULL;
	fuzz_wg_close(&w);
}

static void made_messages(void)
{
	static const uint8_t late[12] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t six[40] = {0x60, [7] = 64, [8] = 0xfc};
	static const uint8_t four[20] = {0x45, 0, 0, 20, [12] = 11};

	for (uint8_t state = 0; state < 6; state++) {
		save_message(state, 1 | 8, late, sizeof(late)); /* a sound initiation */
		save_message(state, 1 | 8 | 32, late, 8);
		save_message(state, 1 | 2 | 16, (const uint8_t *)"\1", 1);
		save_message(state, 1 | 2 | 16, (const uint8_t *)"\2", 1);
		save_message(state, 2 | 16, (const uint8_t *)"\3", 1);
	}
	for (uint8_t state = 2; state < 5; state++) {
		save_message(state, 4, four, sizeof(four));
		save_message(state, 4, six, sizeof(six));
		save_message(state, 4 | 32, four, 0); /* a keepalive */
		save_message(state, 4, (const uint8_t *)"E", 1);
	}
}

/* ---- scripts: see enum deed in fuzz_wireguard_engine.c --------------------------------------------- */

static void scripts(void)
{
	enum {
		SEND,
		DELIVER,
		DROP,
		DUPLICATE,
		LATER,
		CHANGE,
		CUT,
		EXTEND,
		MOMENT,
		WHILE,
		REPLAY,
		SETTLE,
		TOGETHER,
		LEND,
		RECONFIGURE,
		RESTART,
		REKEY,
		MOVE
	};
	static const uint8_t programs[][32] = {
		{SEND, 0, 10, SETTLE, SEND, 1, 20, SETTLE, REPLAY, 0, REPLAY, 1, REPLAY, 2, REPLAY,
		 131, SETTLE},
		{SEND, 0, 10, SEND, 1, 10, DELIVER, DELIVER, DELIVER, DELIVER, WHILE, 2, SETTLE},
		{SEND, 0, 9, DROP, WHILE, 20, SETTLE, SEND, 0, 9, SETTLE},
		{SEND, 0, 9, SETTLE, WHILE, 25, SEND, 0, 9, SEND, 1, 9, SETTLE, WHILE, 37, SEND, 1,
		 9, SETTLE},
		{SEND, 0, 9, SETTLE, SEND, 0, 9, SEND, 0, 9, SEND, 0, 9, LATER, DUPLICATE,
		 TOGETHER},
		{SEND, 1, 9,   SETTLE, SEND,	1,    9, CHANGE, 20,	 1,  DELIVER, SEND,
		 1,    9, CUT, 200,    DELIVER, SEND, 1, 9,	 EXTEND, 16, 0,	      DELIVER},
		{SEND, 0, 9, SETTLE, RESTART, 1, SEND, 0, 9, SETTLE, WHILE, 4, SETTLE},
		{SEND, 0, 9, SETTLE, MOVE, 0, SEND, 0, 9, SETTLE, SEND, 1, 9, SETTLE},
		{RECONFIGURE, 1, 1, 3, SEND, 0, 9, SETTLE, MOMENT, 55, SETTLE},
		{SEND, 0,      9,	    SETTLE, SEND, 0, 9,	   LEND, RECONFIGURE, 1,     0,
		 0,    SETTLE, RECONFIGURE, 1,	    0,	  8, SEND, 0,	 9,	      SETTLE},
		{SEND, 0, 9, SETTLE, MOMENT, 60, REKEY, 0, REKEY, 1, SETTLE, WHILE, 2, SETTLE},
		{RECONFIGURE, 0, 5, 2, SETTLE, WHILE, 3, SETTLE, WHILE, 120, SETTLE},
		{SEND, 0, 9, SETTLE, RECONFIGURE, 0, 7, 4, SETTLE, RECONFIGURE, 0, 7, 8, SETTLE},
		{SEND, 0, 9, SETTLE, RECONFIGURE, 0, 7, 1, MOMENT, 60, REKEY, 1, SETTLE},
		{SEND, 0,      250,	    SEND, 0,  1, SEND, 0, 33, SEND,  0,
		 77,   SETTLE, RECONFIGURE, 1,	  20, 7, SEND, 1, 5,  SETTLE},
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		save("wireguard_engine", programs[i], sizeof(programs[i]));
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		return 1;
	}
	directory = argv[1];
	(void)fuzz_env();
	real_messages();
	made_messages();
	scripts();
	return 0;
}
