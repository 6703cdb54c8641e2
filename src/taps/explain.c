/* SPDX-License-Identifier: Apache-2.0
 *
 * What became of every candidate, and why.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "taps/internal.h"

static const struct {
	const char *name;
	const char *text;
} fates[] = {
	[ENN_CANDIDATE_PRUNED] = {"pruned", "ruled out before it was tried"},
	[ENN_CANDIDATE_UNRESOLVED] = {"unresolved", "the name has no address"},
	[ENN_CANDIDATE_WAITING] = {"waiting", "not started yet"},
	[ENN_CANDIDATE_CONNECTING] = {"connecting", "the transport is connecting"},
	[ENN_CANDIDATE_HANDSHAKE] = {"handshake", "the security handshake is under way"},
	[ENN_CANDIDATE_WON] = {"won", "the first whose security handshake was complete"},
	[ENN_CANDIDATE_LOST] = {"lost", "another was faster, or the attempt was given up"},
	[ENN_CANDIDATE_UNTRIED] = {"untried", "it was never needed"},
	[ENN_CANDIDATE_FAILED] = {"failed", "it failed"},
};

const char *enn_candidate_fate_name(enum enn_candidate_fate fate)
{
	return (unsigned)fate < ENN_ARRAY_LEN(fates) ? fates[fate].name : "?";
}

static void report_attempt(const struct enn_conn *c, const struct enn_attempt *a,
			   struct enn_candidate_report *out)
{
	memset(out, 0, sizeof(*out));
	out->fate = a->fate;
	out->protocol = c->protocol;
	out->remote = a->remote;
	out->started = a->started;
	out->ended = a->ended;
	if (a->error != NULL) {
		out->error = *a->error;
	} else {
		(void)enn_error_set(&out->error, ENN_OK, ENN_REASON_NONE, "race", "%s",
				    fates[a->fate].text);
		out->error.wire_code = ENN_NO_WIRE_CODE;
	}
}

/* Remote endpoints of which no address came. */
static bool unresolved(const struct enn_conn *c, const struct enn_remote *remote, size_t group)
{
	if (remote->address.family != ENN_FAMILY_NONE || c->server) {
		return false;
	}
	return (c->resolved >> group & 1) == 0;
}

size_t enn_connection_explain(struct enn_connection connection, struct enn_candidate_report *out,
			      size_t n)
{
	const struct enn_conn *c = enn_conn_of(connection);
	struct enn_choice choice[ENN_PROTOCOL_COUNT];
	size_t rows = 0;

	if (c == NULL) {
		return 0;
	}
	for (size_t i = 0; i < c->attempts; i++, rows++) {
		if (rows < n) {
			report_attempt(c, c->attempt[i], &out[rows]);
		}
	}
	for (size_t i = 0; !c->server && i < c->config->remotes; i++) {
		const struct enn_remote *remote = c->config->remote[i];
		if (!unresolved(c, remote, i)) {
			continue;
		}
		if (rows < n) {
			memset(&out[rows], 0, sizeof(out[rows]));
			out[rows].fate = c->establish == NULL ? ENN_CANDIDATE_UNRESOLVED
							      : ENN_CANDIDATE_WAITING;
			out[rows].protocol = c->protocol;
			(void)enn_error_set(&out[rows].error,
					    c->establish == NULL ? ENN_E_NOT_FOUND : ENN_OK,
					    c->establish == NULL ? ENN_REASON_RESOLUTION_FAILED
								 : ENN_REASON_NONE,
					    "resolution", "%.100s: no address", remote->host);
			out[rows].error.wire_code = ENN_NO_WIRE_CODE;
		}
		rows++;
	}
	size_t choices = enn_select(c->config, c->ctx->protocols, c->server, choice);
	for (size_t i = 0; i < choices; i++) {
		if (choice[i].protocol == c->protocol) {
			continue;
		}
		if (rows < n) {
			memset(&out[rows], 0, sizeof(out[rows]));
			out[rows].protocol = choice[i].protocol;
			out[rows].fate =
				choice[i].pruned ? ENN_CANDIDATE_PRUNED : ENN_CANDIDATE_UNTRIED;
			(void)enn_error_set(&out[rows].error,
					    choice[i].pruned ? ENN_E_NOT_FOUND : ENN_OK,
					    choice[i].reason, "selection", "%s", choice[i].why);
			out[rows].error.wire_code = ENN_NO_WIRE_CODE;
		}
		rows++;
	}
	return rows;
}
