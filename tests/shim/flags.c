/* SPDX-License-Identifier: Apache-2.0
 *
 * The shim's flags. One or two dashes; a value is the next word. With `on-initial-` or `on-resume-` before
 * its name a flag is for the first connection, or for all others, only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

enum kind { SWITCH, TEXT, REPEATED, NUMBER, ID, CHOICE };

struct flag {
	const char *name;
	enum kind kind;
	size_t at, count_at;
	const char *choices; /* "first second", for an enum in that order */
	const char *help;
};

#define AT(member) offsetof(struct flags, member)

static const struct flag flags[] = {
	{"port", NUMBER, AT(port), 0, NULL, "connect to this port of the loopback interface"},
	{"listen", SWITCH, AT(listen), 0, NULL,
	 "listen on --port instead (0: any; told on stderr)"},
	{"ipv6", SWITCH, AT(ipv6), 0, NULL, "::1 instead of 127.0.0.1"},
	{"shim-id", ID, AT(shim_id), AT(has_shim_id), NULL,
	 "write these 8 bytes, little-endian, before anything else"},
	{"role", CHOICE, AT(role), 0, "client server", "which side of TLS to be"},
	{"resume", NUMBER, AT(resume), 0, NULL, "connections after the first; a client resumes"},
	{"no-session", SWITCH, AT(no_session), 0, NULL, "client: do not offer the session it has"},
	{"timeout", NUMBER, AT(timeout_ms), 0, NULL, "milliseconds for each connection (10000)"},
	{"cert", REPEATED, AT(cert), AT(certs), NULL, "PEM chain of ours"},
	{"key", REPEATED, AT(key), AT(keys), NULL, "its key, once for each --cert"},
	{"trust", REPEATED, AT(trust), AT(trusts), NULL, "PEM authorities of the peer"},
	{"crl", REPEATED, AT(crl), AT(crls), NULL, "PEM revocation lists"},
	{"name", TEXT, AT(name), 0, NULL, "client: server name sent and checked"},
	{"psk", REPEATED, AT(psk), AT(psks), NULL, "external PSK, IDENTITY:HEX"},
	{"psk-answer", TEXT, AT(psk_answer), 0, NULL,
	 "server: HEX key for any identity, when asked"},
	{"validate", CHOICE, AT(validate), 0, "none accept refuse",
	 "be asked about the peer instead of validating it, and answer so"},
	{"set", REPEATED, AT(set), AT(sets), NULL, "PARAMETER=VALUE, any security parameter"},
	{"policy", TEXT, AT(policy), 0, NULL, "algorithm policy"},
	{"alpn", TEXT, AT(alpn), 0, NULL, "A,B: application protocols, best first"},
	{"send", TEXT, AT(send), 0, NULL, "text to send once the handshake is over"},
	{"early", TEXT, AT(early), 0, NULL, "client: text to send as early data where it can be"},
	{"traffic", CHOICE, AT(traffic), 0, "echo invert discard none",
	 "what happens to received data; none: end without reading"},
	{"chunk", NUMBER, AT(chunk), 0, NULL, "bytes a message (16384)"},
	{"segment", NUMBER, AT(segment), 0, NULL, "at most so many bytes a write and a read"},
	{"key-updates", NUMBER, AT(key_updates), 0, NULL, "renew the sending keys so often"},
	{"key-update-both", SWITCH, AT(key_update_both), 0, NULL,
	 "… and ask the peer to do it too"},
	{"ending", CHOICE, AT(ending), 0, "wait close half abort",
	 "once the peer has ended; at once (after --expect-data) both ways; … one way; … with no "
	 "alert"},
	{"export", TEXT, AT(export), 0, NULL, "LABEL:LENGTH[:HEX] keying material, context in HEX"},
	{"send-export", SWITCH, AT(send_export), 0, NULL, "send it to the peer first of all"},
	{"expect-version", TEXT, AT(expect_version), 0, NULL, "TLSv1.3, TLSv1.2"},
	{"expect-cipher", TEXT, AT(expect_cipher), 0, NULL, "IANA name"},
	{"expect-group", TEXT, AT(expect_group), 0, NULL, "name, or none"},
	{"expect-signature", TEXT, AT(expect_signature), 0, NULL, "the peer's, IANA name, or none"},
	{"expect-alpn", TEXT, AT(expect_alpn), 0, NULL, "protocol, or none"},
	{"expect-server-name", TEXT, AT(expect_server_name), 0, NULL, "server: name, or none"},
	{"expect-psk", TEXT, AT(expect_psk), 0, NULL, "external identity, or none"},
	{"expect-resumed", TEXT, AT(expect_resumed), 0, NULL, "yes, no"},
	{"expect-retry", TEXT, AT(expect_retry), 0, NULL, "HelloRetryRequest: yes, no"},
	{"expect-early", TEXT, AT(expect_early), 0, NULL, "none, offered, accepted, rejected"},
	{"expect-authenticated", TEXT, AT(expect_authenticated), 0, NULL, "the peer: yes, no"},
	{"expect-raw-key", TEXT, AT(expect_raw_key), 0, NULL, "the peer's is one: yes, no"},
	{"expect-compression", TEXT, AT(expect_compression), 0, NULL,
	 "of the peer's certificate: zlib, brotli, zstd, none"},
	{"expect-export", TEXT, AT(expect_export), 0, NULL, "HEX of --export"},
	{"expect-sessions", TEXT, AT(expect_sessions), 0, NULL, "how many came, in decimal"},
	{"expect-data", TEXT, AT(expect_data), 0, NULL, "all that the peer sent, as text"},
	{"expect-failure", TEXT, AT(expect_failure), 0, NULL,
	 "a part of :WHOSE:ALERT:REASON: that must be the result"},
};

#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

void flags_help(void)
{
	fputs("tls_shim --port N [--role server] [flags]\n", stderr);
	for (size_t i = 0; i < N_FLAGS; i++) {
		fprintf(stderr, "  --%-22s %s%s%s%s\n", flags[i].name, flags[i].help,
			flags[i].choices != NULL ? " (" : "",
			flags[i].choices != NULL ? flags[i].choices : "",
			flags[i].choices != NULL ? ")" : "");
	}
}

bool unhex(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len)
{
	*len = text_len / 2;
	if (text_len % 2 != 0 || *len > cap) {
		return false;
	}
	for (size_t i = 0; i < *len; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], 0}, *end;

		out[i] = (uint8_t)strtoul(digits, &end, 16);
		if (end != digits + 2) {
			return false;
		}
	}
	return true;
}

static bool choose(const char *choices, const char *value, int *out)
{
	size_t len = strlen(value);

	for (int i = 0; choices != NULL; i++) {
		if (strncmp(choices, value, len) == 0 &&
		    (choices[len] == ' ' || choices[len] == 0)) {
			*out = i;
			return true;
		}
		choices = strchr(choices, ' ');
		choices = choices != NULL ? choices + 1 : NULL;
	}
	return false;
}

static bool set(struct flags *f, const struct flag *flag, const char *value)
{
	void *at = (char *)f + flag->at;
	size_t *count = (void *)((char *)f + flag->count_at);
	char *end = NULL;

	switch (flag->kind) {
	case SWITCH:
		*(bool *)at = true;
		return true;
	case TEXT:
		*(const char **)at = value;
		return true;
	case REPEATED:
		if (*count == MAX_REPEATED) {
			return false;
		}
		((const char **)at)[(*count)++] = value;
		return true;
	case NUMBER:
		*(unsigned *)at = (unsigned)strtoul(value, &end, 10);
		return *value != 0 && *end == 0;
	case ID:
		*(uint64_t *)at = strtoull(value, &end, 10);
		*(bool *)((char *)f + flag->count_at) = true;
		return *value != 0 && *end == 0;
	case CHOICE:
		return choose(flag->choices, value, at);
	}
	return false;
}

static const struct flag *find(const char *name)
{
	for (size_t i = 0; i < N_FLAGS; i++) {
		if (strcmp(flags[i].name, name) == 0) {
			return &flags[i];
		}
	}
	return NULL;
}

/* Takes a prefix off the name; *mine says whether it fits the connection. */
static const char *strip(const char *word, unsigned number, bool *mine)
{
	static const char initial[] = "on-initial-", resume[] = "on-resume-";
	const char *name = word + strspn(word, "-");

	*mine = true;
	if (strncmp(name, initial, sizeof(initial) - 1) == 0) {
		*mine = number == 0;
		return name + sizeof(initial) - 1;
	}
	if (strncmp(name, resume, sizeof(resume) - 1) == 0) {
		*mine = number > 0;
		return name + sizeof(resume) - 1;
	}
	return name;
}

enum status flags_read(struct flags *f, int argc, char **argv, unsigned number)
{
	*f = (struct flags){.timeout_ms = 10000, .chunk = 16384};
	for (int i = 1; i < argc; i++) {
		bool mine;
		const char *name = strip(argv[i], number, &mine);
		const struct flag *flag = argv[i][0] == '-' ? find(name) : NULL;
		const char *value = NULL;

		if (flag == NULL) {
			say(number, ":USAGE:UNIMPLEMENTED_FLAG: %s", argv[i]);
			return STATUS_UNIMPLEMENTED;
		}
		if (flag->kind != SWITCH && ++i < argc) {
			value = argv[i];
		}
		if ((flag->kind != SWITCH && value == NULL) || (mine && !set(f, flag, value))) {
			say(number, ":USAGE:BAD_VALUE: --%s %s", name, value != NULL ? value : "");
			return STATUS_USAGE;
		}
	}
	if (f->certs != f->keys || (f->port == 0 && !f->listen) || f->port > UINT16_MAX ||
	    f->chunk == 0) {
		say(number, ":USAGE:BAD_VALUE: --port is needed, and one --key for each --cert");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}
