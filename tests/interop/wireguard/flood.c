/* SPDX-License-Identifier: Apache-2.0
 *
 * Floods a WireGuard port with handshake initiations that anybody can make who knows the public key:
 * mac1 is right, all else is random, and the IPv4 source addresses are not the sender's.
 *
 *   wireguard-flood TARGET PORT PUBLIC-KEY FIRST-SOURCE SOURCES RATE SECONDS [PERIOD]
 *
 * It goes at RATE messages a second, those of each PERIOD (seconds) at once, and ends by itself.
 * Prints how many left. For our own network
 * namespaces only: raw sockets, and sources from FIRST-SOURCE on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crypto/blake2s.h"
#include "crypto/crypto.h"
#include "ennead/env.h"
#include "ennead/wireguard.h"
#include "protocols/wireguard/wire.h"

#define MESSAGES 4096
#define BATCH	 64u
#define COVERED	 (ENN_WG_INITIATION_LEN - ENN_WG_MACS)

struct message {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t data[ENN_WG_INITIATION_LEN];
} __attribute__((packed));

struct flood {
	struct sockaddr_in target;
	uint8_t key[ENN_WIREGUARD_KEY];
	uint32_t first_source;
	unsigned long sources;
	unsigned long rate;
	double seconds;
	double period;
	struct message message[MESSAGES];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "wireguard-flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make(struct flood *f, const struct enn_env *env)
{
	static const char label[8] = {'m', 'a', 'c', '1', '-', '-', '-', '-'}; /* WP §5.4.4 */
	uint8_t mac1_key[ENN_BLAKE2S];
	const struct enn_bytes pieces[] = {{(const uint8_t *)label, sizeof(label)},
					   {f->key, sizeof(f->key)}};

	if (enn_blake2s(env, pieces, 2, mac1_key) != ENN_OK) {
		die("BLAKE2s");
	}
	for (size_t i = 0; i < MESSAGES; i++) {
		struct message *m = &f->message[i];
		if (getrandom(m->data, COVERED, 0) != (ssize_t)COVERED) {
			die("getrandom");
		}
		memcpy(m->data, (const uint8_t[]){ENN_WG_INITIATION, 0, 0, 0}, 4);
		if (enn_blake2s_mac(env, mac1_key, sizeof(mac1_key), m->data, COVERED,
				    m->data + COVERED) != ENN_OK) {
			die("BLAKE2s");
		}
		m->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
		m->ip.saddr = htonl(f->first_source + (uint32_t)(i % f->sources));
		m->ip.daddr = f->target.sin_addr.s_addr;
		m->udp.source = htons((uint16_t)(1024 + i));
		m->udp.dest = f->target.sin_port;
		m->udp.len = htons(sizeof(m->udp) + sizeof(m->data));
	}
}

static unsigned long send_batch(struct flood *f, int fd, unsigned long at, unsigned count)
{
	struct mmsghdr headers[BATCH];
	struct iovec pieces[BATCH];

	for (unsigned i = 0; i < count; i++) {
		pieces[i] =
			(struct iovec){&f->message[(at + i) % MESSAGES], sizeof(struct message)};
		headers[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &f->target,
							  .msg_namelen = sizeof(f->target),
							  .msg_iov = &pieces[i],
							  .msg_iovlen = 1}};
	}
	int sent = sendmmsg(fd, headers, count, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN) {
		die("sendmmsg");
	}
	return sent < 0 ? 0 : (unsigned long)sent;
}

static unsigned long run(struct flood *f, int fd)
{
	double begin = now();
	unsigned long due_before = 0;
	unsigned long sent = 0;

	while (now() - begin < f->seconds) {
		unsigned long due = (unsigned long)((now() - begin + f->period) * (double)f->rate);
		while (due_before < due) {
			unsigned long left = due - due_before;
			unsigned count = left < BATCH ? (unsigned)left : BATCH;
			sent += send_batch(f, fd, due_before, count);
			due_before += count;
		}
		(void)nanosleep(&(struct timespec){.tv_sec = (time_t)f->period,
						   .tv_nsec = (long)(fmod(f->period, 1) * 1e9)},
				NULL);
	}
	return sent;
}

int main(int argc, char **argv)
{
	static struct flood f;
	struct enn_env env = {0};
	struct in_addr source;

	if (argc < 8 || argc > 9 || inet_pton(AF_INET, argv[1], &f.target.sin_addr) != 1 ||
	    enn_wireguard_key_decode(argv[3], strlen(argv[3]), f.key) != ENN_OK ||
	    inet_pton(AF_INET, argv[4], &source) != 1) {
		(void)fputs("usage: wireguard-flood TARGET PORT PUBLIC-KEY FIRST-SOURCE SOURCES "
			    "RATE SECONDS [PERIOD]\n",
			    stderr);
		return 2;
	}
	f.target.sin_family = AF_INET;
	f.target.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	f.first_source = ntohl(source.s_addr);
	f.sources = strtoul(argv[5], NULL, 10);
	f.rate = strtoul(argv[6], NULL, 10);
	f.seconds = strtod(argv[7], NULL);
	f.period = argc == 9 ? strtod(argv[8], NULL) : 0.0005;
	if (f.sources == 0 || f.sources > 65536 || f.seconds > 60) {
		(void)fputs("wireguard-flood: 1 to 65536 sources, at most 60 seconds\n", stderr);
		return 2;
	}
	if (enn_crypto_new(ENN_CRYPTO_AUTO, &env.crypto) != ENN_OK) {
		die("enn_crypto_new");
	}
	make(&f, &env);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0) {
		die("socket");
	}
	(void)printf("%lu\n", run(&f, fd));
	(void)close(fd);
	enn_crypto_free(env.crypto);
	return 0;
}
