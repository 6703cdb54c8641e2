/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest client: connects, says hello, prints what comes back.
 *
 *     client HOST PORT [TRUST.pem]
 *
 * Without a trust file the server must prove itself to the system's authorities.
 */
#include <stdio.h>
#include <string.h>

#include <ennead/ennead.h>

static int complain(const struct enn_error *error)
{
	char line[256];

	(void)fprintf(stderr, "client: %s\n", enn_error_string(error, line, sizeof(line)));
	return 1;
}

/* Handles one event. Returns 0 or 1 when the program is to end with it, else -1. */
static int handle(const struct enn_taps_event *event)
{
	switch (event->type) {
	case ENN_TAPS_READY:
		/* one receive at a time: the next when this one was printed */
		return enn_connection_receive(event->connection, 1, 0, NULL) == ENN_OK ? -1 : 1;
	case ENN_TAPS_RECEIVED: {
		bool end = event->u.received.end_of_message;
		(void)fwrite(event->u.received.data, 1, event->u.received.len, stdout);
		(void)enn_message_release(event->u.received.loan);
		if (!end) {
			return enn_connection_receive(event->connection, 1, 0, NULL) == ENN_OK ? -1
											       : 1;
		}
		return -1;
	}
	case ENN_TAPS_CLOSED:
		return 0; /* we said FINAL and so did the server */
	case ENN_TAPS_ESTABLISHMENT_ERROR:
	case ENN_TAPS_CONNECTION_ERROR:
		return complain(&event->u.error);
	default:
		return -1;
	}
}

static int run(struct enn_context *context, struct enn_preconnection *pre)
{
	static const char hello[] = "hello\n";
	struct enn_message_context last = {.flags = ENN_MESSAGE_FINAL};
	struct enn_connection connection;
	struct enn_taps_event event;
	struct enn_error error;
	int result = -1;

	if (enn_preconnection_initiate_with_send(pre, hello, strlen(hello), &last, &connection,
						 &error) != ENN_OK) {
		return complain(&error);
	}
	while (result < 0 && enn_poll(context, &event, 1, ENN_TIME_NEVER) == 1) {
		result = handle(&event);
	}
	enn_connection_free(connection);
	return result < 0 ? 1 : result;
}

int main(int argc, char **argv)
{
	struct enn_context *context = NULL;
	struct enn_error error = {0};
	int result = 1;

	if (argc != 3 && argc != 4) {
		(void)fprintf(stderr, "usage: client HOST PORT [TRUST.pem]\n");
		return 2;
	}
	if (enn_context_new(NULL, &context, &error) != ENN_OK) {
		return complain(&error);
	}
	struct enn_security *security = enn_security_new();
	struct enn_preconnection *pre = enn_preconnection_new(context);
	if (argc == 4 && enn_security_trust_file(security, argv[3], &error) != ENN_OK) {
		result = complain(&error);
	} else if (enn_preconnection_add_remote(pre, argv[1], argv[2]) != ENN_OK ||
		   enn_preconnection_set_security(pre, security) != ENN_OK) {
		(void)fprintf(stderr, "client: bad host or port\n");
	} else {
		result = run(context, pre);
	}
	enn_preconnection_free(pre);
	enn_security_free(security);
	enn_context_free(context);
	return result;
}
