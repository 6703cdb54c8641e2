/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead listen: accepts connections and joins each to stdin and stdout, a command,
 * an echo or nothing.
 */
#include <stdlib.h>

#include "pump.h"

struct listen {
	struct enn_listener listener;
	uint64_t accepted;
	uint64_t ended;
	bool stopped;
};

void cli_listen_help(FILE *out)
{
	cli_options_help(out, CLI_FOR_LISTEN);
}

/* Only one connection at a time can have our stdin. */
static bool shares_stdio(const struct cli_options *o)
{
	return o->exec == NULL && !o->echo && !(o->discard);
}

static uint64_t limit(const struct cli_options *o)
{
	if (o->connections == 0) {
		return shares_stdio(o) ? 1 : UINT64_MAX;
	}
	return shares_stdio(o) ? 1 : o->connections;
}

static void accepted(struct pump_loop *loop, const struct enn_taps_event *e)
{
	struct listen *state = loop->user;
	struct pump *p = pump_new(loop, e->connection);

	if (p == NULL) {
		enn_connection_free(e->connection);
		return;
	}
	state->accepted++;
	cli_report_ready(loop->o, e->connection);
	if (!pump_attach(loop, p)) {
		p->status = CLI_LOCAL;
		cli_ignore(enn_connection_abort(p->c));
		return;
	}
	if (loop->o->update_keys && enn_connection_update_keys(e->connection, true) != ENN_OK) {
		cli_error("the keys could not be renewed");
	}
	if (loop->o->request_later && enn_connection_request_peer(e->connection) != ENN_OK) {
		cli_report_warning(loop->o, "the client did not say that it can be asked later");
	}
	pump_start(loop, p);
}

static void ended(struct pump_loop *loop, const struct enn_taps_event *e, struct pump *p)
{
	struct listen *state = loop->user;

	if (e->type == ENN_TAPS_CLOSED) {
		cli_report_end(loop->o, e->connection);
		loop->status = p->status != CLI_OK ? p->status : loop->status;
	} else if (p->status != CLI_OK) {
		loop->status = p->status;
	} else {
		cli_report_error(loop->o, "connection lost", &e->u.error);
		loop->status =
			loop->o->connections == 1 ? cli_exit_for(&e->u.error, true) : loop->status;
	}
	state->ended++;
}

static void on_event(struct pump_loop *loop, const struct enn_taps_event *e, struct pump *p)
{
	struct listen *state = loop->user;

	switch (e->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		accepted(loop, e);
		break;
	case ENN_TAPS_STOPPED:
		state->stopped = true;
		if (e->u.error.status != ENN_OK) {
			cli_report_error(loop->o, "listening ended", &e->u.error);
			loop->status = CLI_CONNECT;
		}
		break;
	case ENN_TAPS_CLOSED:
	case ENN_TAPS_CONNECTION_ERROR:
		if (p != NULL) {
			ended(loop, e, p);
		}
		break;
	case ENN_TAPS_SOFT_ERROR:
		/* somebody who did not get through the handshake; the next one may */
		cli_report_error(loop->o, "a client was refused", &e->u.error);
		break;
	default:
		cli_report_event(loop->o, e);
		break;
	}
}

/* Frees what is over and written out, and lets the next client in. */
static void sweep(struct pump_loop *loop)
{
	struct listen *state = loop->user;
	struct pump *next;

	for (struct pump *p = loop->pumps; p != NULL; p = next) {
		next = p->next;
		if (!p->over || (p->loan_count > 0 && p->out >= 0)) {
			continue;
		}
		pump_free(loop, p);
		bool more = loop->o->connections == 0 || state->accepted < loop->o->connections;
		if (shares_stdio(loop->o) && more) {
			cli_ignore(enn_listener_set_new_connection_limit(state->listener, 1));
		}
	}
}

/* SIGHUP: certificates, keys, CRLs and OCSP responses are read again, for those who come from now on. What
 * cannot be used changes nothing. */
static void reload(struct pump_loop *loop)
{
	struct listen *state = loop->user;
	struct enn_security *security = cli_security(loop->o);
	struct enn_error error;

	if (security == NULL) { /* which was told */
		cli_report_warning(loop->o, "nothing was reloaded: the old files stay in use");
		return;
	}
	if (enn_listener_set_security(state->listener, security, &error) == ENN_OK) {
		cli_report_reloaded(loop->o);
	} else {
		cli_report_error(loop->o, "nothing was reloaded", &error);
	}
	enn_security_free(security);
}

static bool done(struct pump_loop *loop)
{
	struct listen *state = loop->user;

	if (pump_take_hangup()) {
		reload(loop);
	}
	sweep(loop);
	if (state->stopped) {
		return true;
	}
	return loop->o->connections != 0 && state->ended >= loop->o->connections &&
	       loop->pumps == NULL;
}

static int start(struct pump_loop *loop, struct enn_security *security)
{
	const struct cli_options *o = loop->o;
	struct listen *state = loop->user;
	struct enn_preconnection *pre = enn_preconnection_new(loop->context);
	struct enn_error error;
	const char *host = o->host[0] == '\0' ? NULL : o->host;

	if (pre == NULL || enn_preconnection_add_local(pre, host, o->service) != ENN_OK ||
	    enn_preconnection_allow_protocol(pre, o->protocol->id) != ENN_OK ||
	    enn_preconnection_set_pref(pre, ENN_PROPERTY_SOFT_ERROR_NOTIFY, ENN_PREFER) != ENN_OK ||
	    enn_preconnection_set_security(pre, security) != ENN_OK) {
		cli_error("'%s' is not an endpoint", o->host);
		enn_preconnection_free(pre);
		return CLI_USAGE;
	}
	if (!cli_apply_properties(o, pre)) {
		enn_preconnection_free(pre);
		return CLI_USAGE;
	}
	enum enn_status status = enn_preconnection_listen(pre, &state->listener, &error);
	enn_preconnection_free(pre);
	if (status != ENN_OK) {
		cli_report_error(o, "cannot listen", &error);
		return CLI_CONNECT;
	}
	status = enn_listener_set_new_connection_limit(state->listener, limit(o));
	cli_report_listening(o, state->listener);
	return status == ENN_OK ? pump_run(loop) : CLI_LOCAL;
}

int cli_listen(int argc, char **argv)
{
	struct cli_options o;
	struct listen state = {.accepted = 0};
	struct pump_loop loop = {.o = &o, .on_event = on_event, .done = done, .user = &state};
	struct enn_error error;
	bool help = false;

	if (!cli_parse_options(argc, argv, CLI_FOR_LISTEN, &o, &help)) {
		return CLI_USAGE;
	}
	if (help) {
		cli_listen_help(stdout);
		return CLI_OK;
	}
	pump_signals();
	pump_catch_hangup();
	struct enn_context_options options = {.keylog_path = o.keylog,
					      .log = o.verbose > 0 ? cli_report_log : NULL,
					      .log_ctx = &o};
	if (enn_context_new(&options, &loop.context, &error) != ENN_OK) {
		cli_report_error(&o, "cannot start", &error);
		return CLI_LOCAL;
	}
	struct enn_security *security =
		cli_open_session_store(&o, loop.context) ? cli_security(&o) : NULL;
	int status = security == NULL ? CLI_USAGE : start(&loop, security);
	enn_security_free(security);
	while (loop.pumps != NULL) {
		pump_free(&loop, loop.pumps);
	}
	enn_session_store_free(o.store);
	enn_context_free(loop.context);
	/* a server that was told to stop did what it was told */
	return loop.interrupted && o.connections != 1 ? CLI_OK : status;
}
