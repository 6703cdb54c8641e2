/* SPDX-License-Identifier: Apache-2.0
 *
 * NSS over UDP, which no command of its package speaks:
 *   nss-dtls client DATABASE PORT NAME VERSION MESSAGE    prints the answer
 *   nss-dtls server DATABASE PORT NICKNAME VERSION        echoes until the peer closes
 * VERSION is 1.2 or 1.3. What was negotiated goes to standard error. DATABASE is of certutil and pk12util.
 */
#include <arpa/inet.h>
#include <keyhi.h>
#include <nspr.h>
#include <nss.h>
#include <pk11pub.h>
#include <private/pprio.h>
#include <ssl.h>
#include <sslproto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT PR_SecondsToInterval(10)

static int failed(const char *what)
{
	const char *name = PR_ErrorToName(PR_GetError());

	fprintf(stderr, "%s: %s\n", what, name == NULL ? "?" : name);
	return 1;
}

static struct sockaddr_in loopback(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)atoi(port)),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket that is connected to the server, or to whoever writes first. */
static int open_socket(int server, const char *port)
{
	struct sockaddr_in a = loopback(port);
	socklen_t len = sizeof(a);
	char byte;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (server) {
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
			return -1;
		}
		fprintf(stderr, "listening\n");
		if (recvfrom(fd, &byte, 1, MSG_PEEK, (struct sockaddr *)&a, &len) < 0) {
			return -1;
		}
	}
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static int set_version(PRFileDesc *fd, const char *version)
{
	PRUint16 v = strcmp(version, "1.3") == 0 ? SSL_LIBRARY_VERSION_TLS_1_3
						 : SSL_LIBRARY_VERSION_TLS_1_2;
	const SSLVersionRange range = {v, v};

	return SSL_VersionRangeSet(fd, &range) == SECSuccess;
}

static int set_identity(PRFileDesc *fd, const char *nickname)
{
	CERTCertificate *cert = PK11_FindCertFromNickname(nickname, NULL);
	SECKEYPrivateKey *key = cert == NULL ? NULL : PK11_FindKeyByAnyCert(cert, NULL);

	return key != NULL && SSL_ConfigServerCert(fd, cert, key, NULL, 0) == SECSuccess;
}

static void tell(PRFileDesc *fd)
{
	SSLChannelInfo info;
	SSLCipherSuiteInfo suite;

	if (SSL_GetChannelInfo(fd, &info, sizeof(info)) == SECSuccess &&
	    SSL_GetCipherSuiteInfo(info.cipherSuite, &suite, sizeof(suite)) == SECSuccess) {
		fprintf(stderr, "connected %04x %s\n", info.protocolVersion, suite.cipherSuiteName);
	}
}

static int run_server(PRFileDesc *fd)
{
	char data[16384];
	int n;

	while ((n = PR_Recv(fd, data, sizeof(data), 0, LIMIT)) > 0) {
		if (PR_Send(fd, data, n, 0, LIMIT) != n) {
			return failed("send");
		}
	}
	return 0;
}

static int run_client(PRFileDesc *fd, const char *message)
{
	char data[16384];
	int n = (int)strlen(message);

	if (PR_Send(fd, message, n, 0, LIMIT) != n) {
		return failed("send");
	}
	n = PR_Recv(fd, data, sizeof(data), 0, LIMIT);
	if (n < 0) {
		return failed("receive");
	}
	return fwrite(data, 1, (size_t)n, stdout) == (size_t)n ? 0 : 1;
}

int main(int argc, char **argv)
{
	int server = argc == 6 && strcmp(argv[1], "server") == 0;

	if (!server && (argc != 7 || strcmp(argv[1], "client") != 0)) {
		return 2;
	}
	PR_Init(PR_USER_THREAD, PR_PRIORITY_NORMAL, 0);
	if (NSS_Init(argv[2]) != SECSuccess || NSS_SetDomesticPolicy() != SECSuccess) {
		return failed("init");
	}
	if (server && SSL_ConfigServerSessionIDCache(0, 0, 0, argv[2]) != SECSuccess) {
		return failed("cache");
	}
	int sock = open_socket(server, argv[3]);
	PRFileDesc *fd = sock < 0 ? NULL : DTLS_ImportFD(NULL, PR_ImportUDPSocket(sock));
	if (fd == NULL || !set_version(fd, argv[5]) || (server && !set_identity(fd, argv[4])) ||
	    (!server && SSL_SetURL(fd, argv[4]) != SECSuccess)) {
		return failed("set up");
	}
	if (SSL_ResetHandshake(fd, server) != SECSuccess ||
	    SSL_ForceHandshakeWithTimeout(fd, LIMIT) != SECSuccess) {
		return failed("handshake");
	}
	tell(fd);
	int status = server ? run_server(fd) : run_client(fd, argv[6]);
	(void)PR_Close(fd);
	return status;
}
