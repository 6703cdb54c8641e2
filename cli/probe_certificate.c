/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates that a probed server shows, and what is wrong with them. Whether they are
 * trusted is for the library to say, in a connection that verifies; what else there is to object
 * to is found here, all of it and not only the first.
 */
#include "probe.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY	       86400
#define EXPIRES_SOON   ((int64_t)14 * DAY)
#define MOST_LEAF_DAYS 398 /* CA/Browser Forum, Baseline Requirements §6.3.2 */

static void problem(struct probe *p, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void problem(struct probe *p, const char *what, const char *format, ...)
{
	va_list args;
	struct probe_problem *found = &p->problem[p->problem_count];

	if (p->problem_count == PROBE_PROBLEMS) {
		return;
	}
	p->problem_count++;
	found->what = what;
	va_start(args, format);
	(void)vsnprintf(found->text, sizeof(found->text), format, args);
	va_end(args);
}

/* ---- chains ----------------------------------------------------------------------------------------- */

static bool same_leaf(const struct probe_chain *chain, const struct probe_shot *shot)
{
	return shot->info.peer_chain_len > 0 && chain->count > 0 &&
	       chain->certificate[0].len == shot->info.peer_chain[0].len &&
	       memcmp(chain->certificate[0].der, shot->info.peer_chain[0].der,
		      chain->certificate[0].len) == 0;
}

bool probe_shows_first_chain(const struct probe *p, const struct probe_shot *shot)
{
	return p->chain_count > 0 && same_leaf(&p->chain[0], shot);
}

static void on_verdict(struct probe_shot *shot)
{
	struct probe_chain *chain = shot->user;

	chain->judged = shot->ready || shot->reached;
	chain->trusted = shot->ready;
	chain->error = shot->error;
	chain->stapled = chain->stapled || shot->info.peer_status_len > 0;
	chain->staple_good = shot->info.peer_status_good;
}

void probe_keep_chain(struct probe *p, const struct probe_shot *shot, enum probe_version version)
{
	struct probe_chain *chain = &p->chain[p->chain_count];

	for (size_t i = 0; i < p->chain_count; i++) {
		if (same_leaf(&p->chain[i], shot)) {
			return;
		}
	}
	if (p->chain_count == PROBE_CHAINS || shot->info.peer_chain_len == 0 ||
	    shot->info.signature == NULL) {
		return;
	}
	p->chain_count++;
	chain->version = version;
	chain->compression = shot->info.certificate_compression;
	chain->stapled = shot->info.peer_status_len > 0;
	(void)snprintf(chain->signature, sizeof(chain->signature), "%s", shot->info.signature);
	for (size_t i = 0; i < shot->info.peer_chain_len; i++) {
		chain->certificate[i].der = malloc(shot->info.peer_chain[i].len + 1);
		if (chain->certificate[i].der == NULL) {
			break;
		}
		memcpy(chain->certificate[i].der, shot->info.peer_chain[i].der,
		       shot->info.peer_chain[i].len);
		chain->certificate[i].len = shot->info.peer_chain[i].len;
		chain->count++;
	}
	/* The signature that showed it shows it again, this time to be verified. */
	struct probe_shot *verdict = probe_fire(p, on_verdict, chain);
	if (verdict != NULL) {
		(void)probe_policy(verdict->policy, version, "signatures", chain->signature);
		verdict->verify = true;
	}
}

/* ---- problems ------------------------------------------------------------------------------------------ */

static void judge_dates(struct probe *p, const struct certificate *c, bool leaf)
{
	int64_t now = (int64_t)time(NULL);

	if (c->ends < now) {
		problem(p, "expired", "%.64s expired on %s", c->subject, c->not_after);
	} else if (c->ends < now + EXPIRES_SOON) {
		problem(p, "expires soon", "%.64s expires on %s", c->subject, c->not_after);
	}
	if (c->begins > now) {
		problem(p, "not yet valid", "%.64s is valid from %s", c->subject, c->not_before);
	}
	if (leaf && (c->ends - c->begins) / DAY > MOST_LEAF_DAYS) {
		problem(p, "long lived", "%.64s is valid for %lld days, more than %d", c->subject,
			(long long)((c->ends - c->begins) / DAY), MOST_LEAF_DAYS);
	}
}

/* RFC 9325 §4.2 and §4.5 */
static void judge_strength(struct probe *p, const struct certificate *c)
{
	if (c->rsa ? c->bits < 2048 : c->bits < 224) {
		problem(p, "weak key", "%.64s has a key of %d bits", c->subject, c->bits);
	}
	if (c->weak_signature && !c->self_issued) {
		problem(p, "weak signature", "%.64s is signed with %s", c->subject, c->signature);
	}
}

static void judge_leaf(struct probe *p, const struct probe_chain *chain,
		       const struct certificate *c)
{
	if (p->name[0] != '\0' &&
	    !certificate_is_for(chain->certificate[0].der, chain->certificate[0].len, p->name)) {
		problem(p, "wrong name", "%.64s is not for %.64s", c->subject, p->name);
	}
	if (c->names[0] == '\0') {
		problem(p, "no names", "%.64s has no subject alternative names (RFC 9525 §2)",
			c->subject);
	}
	if (c->self_issued) {
		problem(p, "self-signed", "%.64s is signed by itself", c->subject);
	}
	if (c->authority) {
		problem(p, "authority", "%.64s is an authority's certificate", c->subject);
	}
}

/* RFC 8446 §4.4.2: each certificate certifies the one before it; RFC 5246 §7.4.2 insists. */
static void judge_order(struct probe *p, const struct probe_chain *chain, size_t i,
			const struct certificate *c)
{
	if (i > 0 &&
	    !certificate_issued_by(chain->certificate[i - 1].der, chain->certificate[i - 1].len,
				   chain->certificate[i].der, chain->certificate[i].len)) {
		problem(p, "chain order", "certificate %zu did not issue the one before it: %.64s",
			i, c->subject);
	}
	if (i > 0 && c->self_issued) {
		problem(p, "root sent", "certificate %zu is a root, which need not be sent: %.64s",
			i, c->subject);
	}
}

static void judge_chain(struct probe *p, const struct probe_chain *chain)
{
	struct certificate c;

	for (size_t i = 0; i < chain->count; i++) {
		if (!certificate_read(chain->certificate[i].der, chain->certificate[i].len, &c)) {
			problem(p, "malformed", "certificate %zu cannot be read", i);
			continue;
		}
		judge_dates(p, &c, i == 0);
		judge_strength(p, &c);
		if (i == 0) {
			judge_leaf(p, chain, &c);
		}
		judge_order(p, chain, i, &c);
	}
	if (chain->judged && !chain->trusted) {
		problem(p, "not trusted", "%s", chain->error.text);
	}
}

void probe_find_problems(struct probe *p)
{
	for (size_t i = 0; i < p->chain_count; i++) {
		judge_chain(p, &p->chain[i]);
	}
	if (!p->version[PROBE_TLS13].supported) {
		problem(p, "old versions only", "TLS 1.3 is not spoken: %.120s",
			p->version[PROBE_TLS13].error.text);
	}
	for (int v = 0; v < PROBE_VERSIONS; v++) {
		const struct probe_of_version *of = &p->version[v];
		if (of->old_suites.count > 0) {
			problem(p, "obsolete suites", "%s and %zu more with CBC (RFC 9325 §4.1)",
				of->old_suites.name[0], of->old_suites.count - 1);
		}
		if (v == PROBE_TLS12 && of->supported && !of->info.extended_main_secret) {
			problem(p, "main secret", "TLS 1.2 without RFC 7627 (RFC 9325 §3.5)");
		}
		if (probe_failed_at(&of->error, "ServerHello.renegotiation_info")) {
			problem(p, "renegotiation", "TLS 1.2 without RFC 5746 (RFC 9325 §3.5)");
		}
		if (of->cbc_without_etm) {
			problem(p, "obsolete suites",
				"CBC without encrypt-then-MAC is chosen (RFC 7366)");
		}
	}
}
