/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead connect: one connection, joined to stdin and stdout.
 */
#include <stdlib.h>
#include <string.h>

#include "pump.h"

struct connect {
	struct pump *pump;
	bool over;
	bool established;
	struct cli_ech_retry retry; /* there: the next connection is made with it */
	bool retried;
};

void cli_connect_help(FILE *out)
{
	cli_options_help(out, CLI_FOR_CONNECT);
}

static void update_keys(const struct cli_options *o, struct enn_connection c)
{
	if (o->update_keys && enn_connection_update_keys(c, true) != ENN_OK) {
		cli_error("the keys could not be renewed");
	}
}

static void save_session(const struct cli_options *o, const struct enn_taps_event *e)
{
	uint8_t session[65536];
	size_t len = sizeof(session);

	if (o->session_file == NULL ||
	    enn_connection_take_session(e->connection, session, &len) != ENN_OK) {
		return;
	}
	(void)cli_session_write(o->session_file, session, len);
	explicit_bzero(session, len);
}

static void finish(struct pump_loop *loop, const struct enn_taps_event *e)
{
	struct connect *state = loop->user;
	struct pump *p = state->pump;

	state->over = true;
	if (e->type == ENN_TAPS_CLOSED) {
		cli_report_end(loop->o, p->c);
		loop->status = p->status;
		return;
	}
	if (p->status != CLI_OK) { /* ended from here, and said why already */
		loop->status = p->status;
		return;
	}
	/* RFC 9849 §6.1.6: once, and only because the server has proved its public name. */
	if (e->type == ENN_TAPS_ESTABLISHMENT_ERROR && !state->retried &&
	    e->u.error.reason == ENN_REASON_ECH_REFUSED &&
	    cli_keep_ech_retry(e->connection, &state->retry)) {
		return;
	}
	cli_report_error(loop->o, state->established ? "connection lost" : "cannot connect",
			 &e->u.error);
	loop->status = cli_exit_for(&e->u.error, state->established);
}

static void on_event(struct pump_loop *loop, const struct enn_taps_event *e, struct pump *p)
{
	struct connect *state = loop->user;

	switch (e->type) {
	case ENN_TAPS_READY:
		state->established = true;
		cli_report_ready(loop->o, e->connection);
		if (!pump_attach(loop, p)) {
			p->status = CLI_LOCAL;
			cli_ignore(enn_connection_abort(p->c));
			return;
		}
		update_keys(loop->o, e->connection);
		pump_start(loop, p);
		break;
	case ENN_TAPS_SESSION_STORED:
		save_session(loop->o, e);
		cli_report_event(loop->o, e);
		break;
	case ENN_TAPS_CLOSED:
	case ENN_TAPS_CONNECTION_ERROR:
	case ENN_TAPS_ESTABLISHMENT_ERROR:
		finish(loop, e);
		break;
	default:
		cli_report_event(loop->o, e);
		break;
	}
}

static bool done(struct pump_loop *loop)
{
	const struct connect *state = loop->user;
	/* what has been received is written out, whatever became of the connection */
	return state->over && (state->pump->loan_count == 0 || state->pump->out < 0);
}

static bool add_session(const struct cli_options *o, struct enn_preconnection *pre)
{
	size_t len = 0;
	uint8_t *data = NULL;
	bool good = o->session_file == NULL || cli_session_read(o->session_file, &data, &len);

	if (data != NULL && enn_preconnection_set_session(pre, data, len) != ENN_OK) {
		cli_error("%s: the session cannot be used", o->session_file);
		good = false;
	}
	if (data != NULL) {
		explicit_bzero(data, len);
		free(data);
	}
	return good;
}

/* In place of what --ech says. */
static bool use_retry(struct enn_security *security, const struct cli_ech_retry *retry)
{
	struct enn_error error;

	if (retry->list == NULL ||
	    enn_security_set_ech_configs(security, retry->list, retry->len, &error) == ENN_OK) {
		return true;
	}
	cli_error("the server's configurations for ECH: %s", error.text);
	return false;
}

static struct enn_preconnection *describe(const struct cli_options *o, struct enn_context *context,
					  const struct cli_ech_retry *retry)
{
	struct enn_preconnection *pre = enn_preconnection_new(context);
	struct enn_security *security = cli_security(o);
	bool good = pre != NULL && security != NULL;

	if (good && !use_retry(security, retry)) {
		enn_security_free(security);
		enn_preconnection_free(pre);
		return NULL;
	}
	good = good && enn_preconnection_add_remote(pre, o->host, o->service) == ENN_OK;
	good = good && enn_preconnection_allow_protocol(pre, o->protocol->id) == ENN_OK;
	good = good && enn_preconnection_set_security(pre, security) == ENN_OK;
	if (good && o->family != 0) {
		good = enn_preconnection_add_local(pre, o->family == 4 ? "0.0.0.0" : "::", "0") ==
		       ENN_OK;
	}
	if (good && o->name != NULL) {
		good = enn_preconnection_set_server_name(pre, o->name) == ENN_OK;
	}
	if (pre != NULL && security != NULL && !good) {
		cli_error("'%s' is not an endpoint", o->host);
	}
	good = good && cli_apply_properties(o, pre) && add_session(o, pre);
	enn_security_free(security);
	if (!good) {
		enn_preconnection_free(pre);
		return NULL;
	}
	return pre;
}

static int start(struct pump_loop *loop, struct enn_preconnection *pre)
{
	const struct cli_options *o = loop->o;
	struct connect *state = loop->user;
	struct enn_connection c;
	struct enn_error error;
	size_t len = 0;
	uint8_t *early = NULL;
	struct enn_message_context message = {.flags = ENN_MESSAGE_EARLY};
	enum enn_status status;

	if (o->early_data_file != NULL) {
		early = cli_read_file(o->early_data_file, &len);
		if (early == NULL) {
			return CLI_LOCAL;
		}
		status =
			enn_preconnection_initiate_with_send(pre, early, len, &message, &c, &error);
		free(early);
	} else {
		status = enn_preconnection_initiate(pre, &c, &error);
	}
	if (status != ENN_OK) {
		cli_report_error(o, "cannot connect", &error);
		return status == ENN_E_NOT_FOUND || status == ENN_E_ARGUMENT ? CLI_USAGE
									     : CLI_CONNECT;
	}
	state->pump = pump_new(loop, c);
	if (state->pump == NULL) {
		return CLI_LOCAL;
	}
	state->pump->sends = early != NULL ? 1 : 0;
	state->pump->sent = len;
	return pump_run(loop);
}

/* One connection, from the description to its end. */
static int connect_once(struct pump_loop *loop)
{
	struct connect *state = loop->user;
	struct enn_preconnection *pre = describe(loop->o, loop->context, &state->retry);
	int status = pre == NULL ? CLI_USAGE : start(loop, pre);

	enn_preconnection_free(pre);
	if (state->pump != NULL) {
		pump_free(loop, state->pump);
		state->pump = NULL;
	}
	return status;
}

static int connect_and_retry(struct pump_loop *loop)
{
	struct connect *state = loop->user;
	int status = connect_once(loop);

	if (state->retry.list != NULL && !loop->interrupted) {
		cli_report_ech_retry(loop->o, &state->retry);
		state->retried = true;
		state->over = false;
		status = connect_once(loop);
	}
	cli_free_ech_retry(&state->retry);
	return status;
}

int cli_connect(int argc, char **argv)
{
	struct cli_options o;
	struct connect state = {.pump = NULL};
	struct pump_loop loop = {.o = &o, .on_event = on_event, .done = done, .user = &state};
	struct enn_error error;
	bool help = false;

	if (!cli_parse_options(argc, argv, CLI_FOR_CONNECT, &o, &help)) {
		return CLI_USAGE;
	}
	if (help) {
		cli_connect_help(stdout);
		return CLI_OK;
	}
	pump_signals();
	struct enn_context_options options = {.keylog_path = o.keylog,
					      .log = o.verbose > 0 ? cli_report_log : NULL,
					      .log_ctx = &o};
	if (enn_context_new(&options, &loop.context, &error) != ENN_OK) {
		cli_report_error(&o, "cannot start", &error);
		return CLI_LOCAL;
	}
	bool loaded = cli_load_session_cache(&o);
	int status = loaded ? connect_and_retry(&loop) : CLI_USAGE;
	if (loaded && status != CLI_USAGE && !cli_save_session_cache(&o) && status == CLI_OK) {
		status = CLI_LOCAL;
	}
	enn_session_store_free(o.store);
	enn_context_free(loop.context);
	return status;
}
