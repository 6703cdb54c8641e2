/* SPDX-License-Identifier: Apache-2.0
 *
 * Status codes and error values.
 *
 * Misuse that the caller can see is a return value of the call; everything
 * that the network or the peer does is an event that carries a
 * `struct enn_error`. There is no thread-local or global error state.
 */
#ifndef ENNEAD_ERROR_H
#define ENNEAD_ERROR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ENN_API	       __attribute__((visibility("default")))
#define ENN_MUST_CHECK __attribute__((warn_unused_result))
#else
#define ENN_API
#define ENN_MUST_CHECK
#endif

/* What a call answers. 0 is success, everything negative is not. */
enum enn_status {
	ENN_OK = 0,
	ENN_E_AGAIN = -1,	/* nothing wrong: not possible now, try after the next event */
	ENN_E_MEMORY = -2,	/* an allocation failed; the object is unchanged or failed */
	ENN_E_ARGUMENT = -3,	/* an argument is outside what the call documents */
	ENN_E_STATE = -4,	/* the call is not allowed in this state */
	ENN_E_UNSUPPORTED = -5, /* this protocol or build does not offer it */
	ENN_E_SPACE = -6,	/* the caller's buffer is too small */
	ENN_E_PARSE = -7,	/* input does not have the required form */
	ENN_E_CRYPTO = -8,	/* a cryptographic operation failed (bad tag, bad point, bad key) */
	ENN_E_AUTH = -9,	/* the peer is not who it should be */
	ENN_E_CLOSED = -10,	/* this direction, or the whole connection, is closed */
	ENN_E_FAILED = -11,	/* the object failed earlier and stays failed */
	ENN_E_NOT_FOUND = -12,	/* no such name, entry, file or handle */
	ENN_E_SYSTEM = -13,	/* an operating system call failed; see sys_errno */
	ENN_E_LIMIT = -14,	/* a configured limit would be passed */
	ENN_E_STALE = -15,	/* the handle names an object that is gone */
};

/* Why a connection could not be made or ended. The first block are the reason
 * codes that RFC 9623 suggests; the second block tells apart what an operator
 * has to do something about. */
enum enn_reason {
	ENN_REASON_NONE = 0,
	ENN_REASON_INVALID_CONFIGURATION,
	ENN_REASON_NO_CANDIDATES,
	ENN_REASON_RESOLUTION_FAILED,
	ENN_REASON_ESTABLISHMENT_FAILED,
	ENN_REASON_POLICY_PROHIBITED,
	ENN_REASON_NOT_CLONEABLE,
	ENN_REASON_MESSAGE_TOO_LARGE,
	ENN_REASON_PROTOCOL_FAILED, /* the peer broke the protocol, or says that we did */
	ENN_REASON_INVALID_MESSAGE_PROPERTIES,
	ENN_REASON_DEFRAMING_FAILED,
	ENN_REASON_CONNECTION_ABORTED,
	ENN_REASON_TIMEOUT,

	ENN_REASON_CERT_EXPIRED = 32,
	ENN_REASON_CERT_NOT_YET_VALID,
	ENN_REASON_CERT_SELF_SIGNED,
	ENN_REASON_CERT_UNKNOWN_ISSUER,
	ENN_REASON_CERT_NAME_MISMATCH,
	ENN_REASON_CERT_WRONG_USAGE,
	ENN_REASON_CERT_REVOKED,
	ENN_REASON_CERT_CRL_PROBLEM, /* a CRL is needed and is missing, expired or bad */
	ENN_REASON_CERT_WEAK,	     /* key or signature algorithm below policy */
	ENN_REASON_CERT_BAD_SIGNATURE,
	ENN_REASON_CERT_MALFORMED,
	ENN_REASON_CERT_MISSING,  /* the peer sent none and one is required */
	ENN_REASON_CERT_REJECTED, /* the application, or the peer, refused it */
	ENN_REASON_CERT_OTHER,
	ENN_REASON_CERT_KEY_UNKNOWN,	 /* a raw public key that is not trusted */
	ENN_REASON_CERT_PIN_MISMATCH,	 /* no key of the path is pinned */
	ENN_REASON_CERT_STATUS_PROBLEM,	 /* an OCSP response is needed and is missing, old or bad */
	ENN_REASON_UNKNOWN_NAME,	 /* the server does not serve the name that was asked for */
	ENN_REASON_NO_SHARED_PARAMETERS, /* version, suite, group, signature or ALPN */
	ENN_REASON_UNKNOWN_PSK,
	ENN_REASON_ECH_REFUSED, /* the server did not take our Encrypted ClientHello */
	ENN_REASON_TRUNCATED,	/* the transport ended without an authenticated end of data */
	ENN_REASON_KEYS_EXHAUSTED,
	ENN_REASON_OUT_OF_MEMORY,
	ENN_REASON_SYSTEM, /* see sys_errno */
};

/* Who caused it. */
enum enn_origin {
	ENN_ORIGIN_LOCAL = 0, /* this side decided or failed */
	ENN_ORIGIN_PEER,      /* the peer said so (a received alert, for example) */
	ENN_ORIGIN_NETWORK,   /* the path or the operating system */
};

#define ENN_ERROR_TEXT_MAX 192
#define ENN_NO_WIRE_CODE   UINT64_MAX

/* One failure, by value. Plain data: copy it freely, nothing to free. */
struct enn_error {
	enum enn_status status;
	enum enn_reason reason;
	enum enn_origin origin;
	int sys_errno;	    /* errno of the failed system call, or 0 */
	uint64_t wire_code; /* TLS alert, QUIC error code, IKE notify …; ENN_NO_WIRE_CODE if none */
	const char *where; /* static: the message or field, "ServerHello.key_share"; never NULL */
	char text[ENN_ERROR_TEXT_MAX]; /* one sentence for a person, NUL-terminated, no secrets */
};

/* Static English names: "ENN_E_AGAIN", "certificate has expired". Never NULL. */
ENN_API const char *enn_status_name(enum enn_status status);
ENN_API const char *enn_reason_name(enum enn_reason reason);

/* Formats *error as one line, "text (where, sent alert 42 bad_certificate)".
 * Writes at most cap bytes including the NUL and returns buf. */
ENN_API const char *enn_error_string(const struct enn_error *error, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
