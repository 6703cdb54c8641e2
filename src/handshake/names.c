/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of handshake messages, as RFC 8446 writes them.
 */
#include <stddef.h>

#include "base/compiler.h"
#include "handshake/wire.h"

struct name {
	unsigned code;
	const char *text;
};

static const struct name messages[] = {
	{ENN_HS_HELLO_REQUEST, "HelloRequest"},
	{ENN_HS_HELLO_VERIFY_REQUEST, "HelloVerifyRequest"},
	{ENN_HS_CLIENT_HELLO, "ClientHello"},
	{ENN_HS_SERVER_HELLO, "ServerHello"},
	{ENN_HS_NEW_SESSION_TICKET, "NewSessionTicket"},
	{ENN_HS_END_OF_EARLY_DATA, "EndOfEarlyData"},
	{ENN_HS_ENCRYPTED_EXTENSIONS, "EncryptedExtensions"},
	{ENN_HS_CERTIFICATE, "Certificate"},
	{ENN_HS_SERVER_KEY_EXCHANGE, "ServerKeyExchange"},
	{ENN_HS_CERTIFICATE_REQUEST, "CertificateRequest"},
	{ENN_HS_SERVER_HELLO_DONE, "ServerHelloDone"},
	{ENN_HS_CERTIFICATE_VERIFY, "CertificateVerify"},
	{ENN_HS_CLIENT_KEY_EXCHANGE, "ClientKeyExchange"},
	{ENN_HS_FINISHED, "Finished"},
	{ENN_HS_CERTIFICATE_STATUS, "CertificateStatus"},
	{ENN_HS_KEY_UPDATE, "KeyUpdate"},
	{ENN_HS_COMPRESSED_CERTIFICATE, "CompressedCertificate"},
	{ENN_HS_MESSAGE_HASH, "message_hash"},
};

const char *enn_handshake_type_name(unsigned type)
{
	for (size_t i = 0; i < ENN_ARRAY_LEN(messages); i++) {
		if (messages[i].code == type) {
			return messages[i].text;
		}
	}
	return "unknown";
}
