/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest echo server. Nothing is copied: what was received is sent from where it
 * lies, and given back when it is sent. As the next piece is asked for only then, a
 * client that does not read is not read from either.
 *
 *     echo_server PORT CHAIN.pem KEY.pem
 *
 * Prints the port it listens on (PORT may be 0) and serves until it is killed.
 */
#include <stdio.h>

#include <ennead/ennead.h>

static int complain(const char *what, const struct enn_error *error)
{
	char line[256];

	(void)fprintf(stderr, "echo_server: %s: %s\n", what,
		      enn_error_string(error, line, sizeof(line)));
	return 1;
}

/* The loan travels through the send as its token. */
static void echo(const struct enn_taps_event *event)
{
	struct enn_message_context message = {
		.token = (void *)(uintptr_t)event->u.received.loan.id,
		.flags = event->u.received.flags & ENN_MESSAGE_FINAL,
	};

	if (enn_connection_send_borrowed(event->connection, event->u.received.data,
					 event->u.received.len, &message) != ENN_OK) {
		(void)enn_message_release(event->u.received.loan);
		(void)enn_connection_abort(event->connection);
	}
}

/* After the client's FINAL there is no next piece: then the answer is ENN_E_CLOSED. */
static void next_piece(struct enn_connection connection)
{
	if (enn_connection_receive(connection, 1, 0, NULL) == ENN_E_MEMORY) {
		(void)enn_connection_abort(connection);
	}
}

static void handle(struct enn_context *context, const struct enn_taps_event *event)
{
	struct enn_loan loan = {context, (uint64_t)(uintptr_t)event->token};

	switch (event->type) {
	case ENN_TAPS_CONNECTION_RECEIVED:
		next_piece(event->connection);
		break;
	case ENN_TAPS_RECEIVED:
		echo(event);
		break;
	case ENN_TAPS_SENT:
	case ENN_TAPS_SEND_ERROR:
		(void)enn_message_release(loan);
		next_piece(event->connection);
		break;
	case ENN_TAPS_CONNECTION_ERROR:
		(void)complain("connection", &event->u.error);
		enn_connection_free(event->connection);
		break;
	case ENN_TAPS_CLOSED:
		enn_connection_free(event->connection);
		break;
	default:
		break;
	}
}

static int serve(struct enn_context *context, struct enn_preconnection *pre)
{
	struct enn_listener listener;
	struct enn_address address;
	struct enn_taps_event event;
	struct enn_error error = {0};

	if (enn_preconnection_listen(pre, &listener, &error) != ENN_OK) {
		return complain("listen", &error);
	}
	if (enn_listener_local_address(listener, 0, &address) == ENN_OK) {
		(void)printf("%u\n", address.port);
		(void)fflush(stdout);
	}
	while (enn_poll(context, &event, 1, ENN_TIME_NEVER) == 1) {
		handle(context, &event);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct enn_context *context = NULL;
	struct enn_credential *credential = NULL;
	struct enn_error error = {0};
	int result = 1;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: echo_server PORT CHAIN.pem KEY.pem\n");
		return 2;
	}
	if (enn_context_new(NULL, &context, &error) != ENN_OK) {
		return complain("context", &error);
	}
	struct enn_security *security = enn_security_new();
	struct enn_preconnection *pre = enn_preconnection_new(context);
	if (enn_credential_x509_file(argv[2], argv[3], &credential, &error) != ENN_OK) {
		result = complain("credential", &error);
	} else if (enn_security_add_credential(security, credential) != ENN_OK ||
		   enn_preconnection_set_security(pre, security) != ENN_OK ||
		   enn_preconnection_add_local(pre, NULL, argv[1]) != ENN_OK) {
		(void)fprintf(stderr, "echo_server: bad port\n");
	} else {
		result = serve(context, pre);
	}
	enn_credential_free(credential);
	enn_preconnection_free(pre);
	enn_security_free(security);
	enn_context_free(context);
	return result;
}
