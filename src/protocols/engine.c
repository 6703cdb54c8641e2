/* SPDX-License-Identifier: Apache-2.0
 *
 * The public engine calls: arguments are checked here, once for all protocols,
 * and then the protocol's own entry is called.
 */
#include "ennead/engine.h"

#include <string.h>

#include "base/log.h"
#include "ennead/protocol.h"
#include "ennead/security.h"
#include "features/security.h"

#define SENDABLE_FLAGS ((uint32_t)(ENN_MESSAGE_FINAL | ENN_MESSAGE_EARLY))

/* ---- construction ---------------------------------------------------------------------------- */

static enum enn_status bad_argument(struct enn_error *error, const char *what)
{
	return enn_error_set(error, ENN_E_ARGUMENT, ENN_REASON_INVALID_CONFIGURATION, "engine",
			     "%s", what);
}

static enum enn_status not_built(struct enn_error *error, const struct enn_protocol *protocol,
				 const char *what)
{
	return enn_error_set(error, ENN_E_UNSUPPORTED, ENN_REASON_INVALID_CONFIGURATION, "engine",
			     "%s has no %s in this build", protocol->name, what);
}

static enum enn_status check_environment(const struct enn_protocol *protocol,
					 const struct enn_env *env,
					 const struct enn_security *security, const void *out,
					 struct enn_error *error)
{
	if (protocol == NULL || env == NULL || security == NULL || out == NULL) {
		return bad_argument(error, "a parameter is missing");
	}
	if (env->crypto == NULL) {
		return bad_argument(error, "the environment has no cryptographic context");
	}
	if ((env->alloc == NULL) != (env->free == NULL)) {
		return bad_argument(error, "the environment's alloc and free come together");
	}
	return ENN_OK;
}

typedef enum enn_status (*constructor)(const struct enn_protocol *protocol,
				       const struct enn_env *env, struct enn_security *security,
				       const struct enn_engine_options *options,
				       struct enn_engine **out, struct enn_error *error);

static enum enn_status new_engine(constructor make, const char *role,
				  const struct enn_protocol *protocol, const struct enn_env *env,
				  struct enn_security *security,
				  const struct enn_engine_options *options, struct enn_engine **out,
				  struct enn_error *error)
{
	static const struct enn_engine_options none;

	if (options == NULL) {
		options = &none;
	}
	if (options->session == NULL && options->session_len > 0) {
		return bad_argument(error, "the session has a length and no bytes");
	}
	if (make == NULL) {
		return not_built(error, protocol, role);
	}
	return make(protocol, env, security, options, out, error);
}

enum enn_status enn_engine_new_client(const struct enn_protocol *protocol,
				      const struct enn_env *env, struct enn_security *security,
				      const struct enn_engine_options *options,
				      struct enn_engine **out, struct enn_error *error)
{
	if (out != NULL) {
		*out = NULL;
	}
	ENN_TRY(check_environment(protocol, env, security, out, error));
	return new_engine(protocol->new_client, "client", protocol, env, security, options, out,
			  error);
}

enum enn_status enn_engine_new_server(const struct enn_protocol *protocol,
				      const struct enn_env *env, struct enn_security *security,
				      const struct enn_engine_options *options,
				      struct enn_engine **out, struct enn_error *error)
{
	if (out != NULL) {
		*out = NULL;
	}
	ENN_TRY(check_environment(protocol, env, security, out, error));
	return new_engine(protocol->new_server, "server", protocol, env, security, options, out,
			  error);
}

void enn_engine_free(struct enn_engine *e)
{
	if (e != NULL) {
		e->ops->free(e);
	}
}

/* ---- the verbs ------------------------------------------------------------------------------- */

enum enn_status enn_engine_start(struct enn_engine *e, enn_time now)
{
	if (e == NULL) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->start == NULL ? ENN_E_UNSUPPORTED : e->ops->start(e, now);
}

/* Packets need to know where they came from; a stream is known by the driver. */
static bool needs_path(const struct enn_protocol *protocol)
{
	return protocol->substrate == ENN_SUBSTRATE_DATAGRAM ||
	       protocol->substrate == ENN_SUBSTRATE_IP_PACKET;
}

static bool good_packets(const struct enn_packet *packets, size_t count)
{
	if (packets == NULL && count > 0) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (packets[i].data == NULL && packets[i].len > 0) {
			return false;
		}
	}
	return true;
}

enum enn_status enn_engine_ingest(struct enn_engine *e, enn_time now, const struct enn_path *path,
				  struct enn_packet *packets, size_t count)
{
	if (e == NULL || !good_packets(packets, count) ||
	    (path == NULL && needs_path(e->protocol))) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->ingest == NULL ? ENN_E_UNSUPPORTED
				      : e->ops->ingest(e, now, path, packets, count);
}

enum enn_status enn_engine_end(struct enn_engine *e, enn_time now)
{
	if (e == NULL) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->end == NULL ? ENN_E_UNSUPPORTED : e->ops->end(e, now);
}

/* Leaves an empty batch behind whatever happens next. */
static enum enn_status check_batch(struct enn_batch *batch, const struct enn_protocol *protocol)
{
	if (batch == NULL) {
		return ENN_E_ARGUMENT;
	}
	batch->len = 0;
	batch->segment_size = 0;
	if (batch->buf == NULL) {
		return ENN_E_ARGUMENT;
	}
	return batch->cap < protocol->min_batch ? ENN_E_SPACE : ENN_OK;
}

enum enn_status enn_engine_transmit(struct enn_engine *e, enn_time now, struct enn_batch *batch)
{
	if (e == NULL) {
		return ENN_E_ARGUMENT;
	}
	ENN_TRY(check_batch(batch, e->protocol));
	return e->ops->transmit == NULL ? ENN_E_UNSUPPORTED : e->ops->transmit(e, now, batch);
}

enn_time enn_engine_deadline(const struct enn_engine *e)
{
	if (e == NULL || e->ops->deadline == NULL) {
		return ENN_TIME_NEVER;
	}
	return e->ops->deadline(e);
}

void enn_engine_expire(struct enn_engine *e, enn_time now)
{
	if (e != NULL && e->ops->expire != NULL) {
		e->ops->expire(e, now);
	}
}

enum enn_status enn_engine_send(struct enn_engine *e, enn_time now,
				const struct enn_message *message)
{
	if (e == NULL || message == NULL || (message->data == NULL && message->len > 0) ||
	    (message->flags & ~SENDABLE_FLAGS) != 0) {
		return ENN_E_ARGUMENT;
	}
	if (message->stream != 0 && e->protocol->service != ENN_SERVICE_MULTISTREAM) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->send == NULL ? ENN_E_UNSUPPORTED : e->ops->send(e, now, message);
}

void enn_engine_next_event(struct enn_engine *e, enn_time now, struct enn_event *event)
{
	if (event == NULL) {
		return;
	}
	event->type = ENN_EVENT_NONE;
	if (e != NULL && e->ops->next_event != NULL) {
		e->ops->next_event(e, now, event);
	}
}

static bool good_answer(const struct enn_answer *answer)
{
	if (answer == NULL || (answer->data == NULL && answer->len > 0)) {
		return false;
	}
	switch (answer->type) {
	case ENN_ANSWER_PEER:
	case ENN_ANSWER_STORE:
		return true;
	case ENN_ANSWER_PSK:
		return !answer->accept || (answer->len > 0 && (answer->hash == ENN_PSK_SHA256 ||
							       answer->hash == ENN_PSK_SHA384));
	case ENN_ANSWER_SIGNATURE:
		return !answer->accept || answer->len > 0;
	case ENN_ANSWER_CREDENTIAL:
		/* what can be shown to a client: certificates and raw keys */
		return answer->credential == NULL ||
		       answer->credential->type == ENN_CREDENTIAL_X509 ||
		       answer->credential->type == ENN_CREDENTIAL_RAW_KEY;
	}
	return false;
}

enum enn_status enn_engine_answer(struct enn_engine *e, enn_time now,
				  const struct enn_answer *answer)
{
	if (e == NULL || !good_answer(answer)) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->answer == NULL ? ENN_E_UNSUPPORTED : e->ops->answer(e, now, answer);
}

/* ---- the survey's post-connection interfaces ------------------------------------------------- */

enum enn_status enn_engine_request_peer(struct enn_engine *e, enn_time now)
{
	if (e == NULL) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->request_peer == NULL ? ENN_E_UNSUPPORTED : e->ops->request_peer(e, now);
}

enum enn_status enn_engine_rekey(struct enn_engine *e, enn_time now, bool both)
{
	if (e == NULL) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->rekey == NULL ? ENN_E_UNSUPPORTED : e->ops->rekey(e, now, both);
}

enum enn_status enn_engine_migrate(struct enn_engine *e, enn_time now, const struct enn_path *path)
{
	if (e == NULL || path == NULL) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->migrate == NULL ? ENN_E_UNSUPPORTED : e->ops->migrate(e, now, path);
}

enum enn_status enn_engine_export_key(struct enn_engine *e, const char *label,
				      const uint8_t *context, size_t context_len, bool early,
				      uint8_t *out, size_t len)
{
	if (e == NULL || label == NULL || (context == NULL && context_len > 0) || out == NULL ||
	    len == 0) {
		return ENN_E_ARGUMENT;
	}
	if (e->ops->export_key == NULL) {
		return ENN_E_UNSUPPORTED;
	}
	return e->ops->export_key(e, label, context, context_len, early, out, len);
}

enum enn_status enn_engine_close(struct enn_engine *e, enn_time now, uint64_t code)
{
	if (e == NULL) {
		return ENN_E_ARGUMENT;
	}
	return e->ops->close == NULL ? ENN_E_UNSUPPORTED : e->ops->close(e, now, code);
}

void enn_engine_info(const struct enn_engine *e, struct enn_info *info)
{
	if (info == NULL) {
		return;
	}
	memset(info, 0, sizeof(*info));
	if (e == NULL) {
		return;
	}
	info->protocol = e->protocol;
	if (e->ops->info != NULL) {
		e->ops->info(e, info);
	}
}

bool enn_engine_error(const struct enn_engine *e, struct enn_error *error)
{
	if (e == NULL || error == NULL || e->ops->error == NULL) {
		return false;
	}
	return e->ops->error(e, error);
}

/* ---- listeners ------------------------------------------------------------------------------- */

enum enn_status enn_acceptor_new(const struct enn_protocol *protocol, const struct enn_env *env,
				 struct enn_security *security, struct enn_acceptor **out,
				 struct enn_error *error)
{
	if (out != NULL) {
		*out = NULL;
	}
	ENN_TRY(check_environment(protocol, env, security, out, error));
	if (protocol->new_acceptor == NULL) {
		return not_built(error, protocol, "acceptor");
	}
	return protocol->new_acceptor(protocol, env, security, out, error);
}

enum enn_status enn_acceptor_accept(struct enn_acceptor *a, enn_time now,
				    const struct enn_path *path, struct enn_packet *packets,
				    size_t count, struct enn_batch *reply, struct enn_engine **out,
				    bool *created)
{
	if (out != NULL) {
		*out = NULL;
	}
	if (created != NULL) {
		*created = false;
	}
	if (a == NULL || out == NULL || created == NULL || path == NULL ||
	    !good_packets(packets, count)) {
		return ENN_E_ARGUMENT;
	}
	ENN_TRY(check_batch(reply, a->protocol));
	if (a->ops->accept == NULL) {
		return ENN_E_UNSUPPORTED;
	}
	return a->ops->accept(a, now, path, packets, count, reply, out, created);
}

void enn_acceptor_free(struct enn_acceptor *a)
{
	if (a != NULL) {
		a->ops->free(a);
	}
}
