/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server does with extensions of which one connection says all there is to say: compressed
 * certificates (RFC 8879), raw public keys (RFC 7250), Encrypted ClientHello (RFC 9849).
 */
#include <string.h>

#include "probe.h"

static struct probe_shot *fire(struct probe *p, enum probe_version version,
			       void (*done)(struct probe_shot *shot), const char *parameter,
			       const char *value)
{
	struct probe_shot *shot = probe_fire(p, done, p);

	if (shot != NULL) {
		(void)probe_policy(shot->policy, version, NULL, NULL);
		shot->setting[0][0] = parameter;
		shot->setting[0][1] = value;
	}
	return shot;
}

/* ---- compressed certificates --------------------------------------------------------------------- */

/* One algorithm on offer: a server uses it, or sends the certificate as it is. */
static void on_compression(struct probe_shot *shot)
{
	struct probe_list *found = &shot->probe->compression;
	const char *name = shot->info.certificate_compression;

	if (shot->ready && name != NULL && found->count < PROBE_LIST) {
		(void)snprintf(found->name[found->count++], PROBE_NAME, "%s", name);
	}
	found->complete = found->complete || shot->ready;
}

static void ask_compression(struct probe *p)
{
	const char *name;

	for (size_t i = 0;
	     (name = enn_security_list_name(ENN_SECURITY_CERT_COMPRESSION, i)) != NULL; i++) {
		if (strcmp(name, "none") != 0) {
			(void)fire(p, PROBE_TLS13, on_compression, "certificateCompression", name);
		}
	}
}

/* ---- raw public keys ------------------------------------------------------------------------------- */

/* They are first on offer, certificates second. */
static void on_raw_key(struct probe_shot *shot)
{
	struct probe *p = shot->probe;

	p->raw_key_asked = shot->ready;
	if (shot->ready && shot->info.peer_raw_key &&
	    !certificate_key_pin(shot->info.peer_key, shot->info.peer_key_len, p->raw_key)) {
		(void)snprintf(p->raw_key, sizeof(p->raw_key), "malformed");
	}
}

/* ---- Encrypted ClientHello --------------------------------------------------------------------------- */

/* RFC 9849 §7.1: a server that has it answers what it cannot open with its configurations. */
static void on_grease(struct probe_shot *shot)
{
	shot->probe->ech_grease = !shot->ready		      ? "refused"
				  : shot->info.ech_configured ? "answered"
							      : "ignored";
}

static void on_ech(struct probe_shot *shot)
{
	bool refused = shot->error.reason == ENN_REASON_ECH_REFUSED;

	shot->probe->ech = shot->ready && shot->info.ech_accepted    ? "accepted"
			   : refused && shot->info.ech_retry_len > 0 ? "refused, others offered"
			   : refused				     ? "refused"
								     : "failed";
	shot->probe->ech_error = shot->error;
}

static void ask_ech(struct probe *p)
{
	struct probe_shot *shot;

	(void)fire(p, PROBE_TLS13, on_grease, "echGrease", "true");
	if (p->o->ech != NULL && (shot = fire(p, PROBE_TLS13, on_ech, NULL, NULL)) != NULL) {
		shot->hide = true;
		shot->verify = true; /* what a refusal says counts only then (§6.1.6) */
	}
}

void probe_ask_extensions(struct probe *p, enum probe_version version)
{
	(void)fire(p, version, on_raw_key, "rawPublicKeys", "true");
	if (version == PROBE_TLS13) {
		ask_compression(p);
		ask_ech(p);
	}
}
