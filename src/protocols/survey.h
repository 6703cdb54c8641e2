/* SPDX-License-Identifier: Apache-2.0
 *
 * The survey's table of features (draft-ietf-taps-transport-security-03 §5.1
 * and §5.3), one initialiser per protocol for enn_protocol.features.
 *
 * The footnotes of the table are folded in: U* (only with MPTCP) and U** (only TCP's SYN cookies)
 * are U, S+ (transport packets only) is S.
 *
 * The five mandatory features are what the survey lets an application assume everywhere. Its own
 * text takes three of them back, and those are U here: tcpcrypt authenticates nobody, it gives the
 * application a session id to do that with (§4.6), hence no public-key and no responder
 * authentication; CurveCP cannot import a pre-shared key (§6.1).
 */
#ifndef ENN_PROTOCOLS_SURVEY_H
#define ENN_PROTOCOLS_SURVEY_H

#include "ennead/protocol.h"

#define ENN_SURVEY_CELL_M ENN_SUPPORT_MANDATORY
#define ENN_SURVEY_CELL_S ENN_SUPPORT_SUPPORTED
#define ENN_SURVEY_CELL_U ENN_SUPPORT_UNSUPPORTED

#define ENN_SURVEY_ROW(ae, fs, pk, ra, psk, an, ad, ma, dm, cm, sv, afn, cx, sc, lhp, ed)          \
	{                                                                                          \
		[ENN_FEATURE_AUTHENTICATED_ENCRYPTION] = ENN_SURVEY_CELL_##ae,                     \
		[ENN_FEATURE_FORWARD_SECRECY] = ENN_SURVEY_CELL_##fs,                              \
		[ENN_FEATURE_PUBLIC_KEY_AUTHENTICATION] = ENN_SURVEY_CELL_##pk,                    \
		[ENN_FEATURE_RESPONDER_AUTHENTICATION] = ENN_SURVEY_CELL_##ra,                     \
		[ENN_FEATURE_PRE_SHARED_KEY] = ENN_SURVEY_CELL_##psk,                              \
		[ENN_FEATURE_ALGORITHM_NEGOTIATION] = ENN_SURVEY_CELL_##an,                        \
		[ENN_FEATURE_AUTHENTICATION_DELEGATION] = ENN_SURVEY_CELL_##ad,                    \
		[ENN_FEATURE_MUTUAL_AUTHENTICATION] = ENN_SURVEY_CELL_##ma,                        \
		[ENN_FEATURE_DOS_MITIGATION] = ENN_SURVEY_CELL_##dm,                               \
		[ENN_FEATURE_CONNECTION_MOBILITY] = ENN_SURVEY_CELL_##cm,                          \
		[ENN_FEATURE_SOURCE_VALIDATION] = ENN_SURVEY_CELL_##sv,                            \
		[ENN_FEATURE_APPLICATION_NEGOTIATION] = ENN_SURVEY_CELL_##afn,                     \
		[ENN_FEATURE_CONFIGURATION_EXTENSIONS] = ENN_SURVEY_CELL_##cx,                     \
		[ENN_FEATURE_SESSION_CACHE] = ENN_SURVEY_CELL_##sc,                                \
		[ENN_FEATURE_LENGTH_HIDING_PADDING] = ENN_SURVEY_CELL_##lhp,                       \
		[ENN_FEATURE_EARLY_DATA] = ENN_SURVEY_CELL_##ed,                                   \
	}

/* clang-format off */
/*                                           AE FS PK RA PSK  AN AD MA DM CM SV AFN CX SC LHP ED */
#define ENN_SURVEY_TLS       ENN_SURVEY_ROW( M, M, M, M, M,   S, S, S, S, U, M, S,  S, S, S,  S)
#define ENN_SURVEY_DTLS      ENN_SURVEY_ROW( M, M, M, M, M,   S, S, S, S, S, M, S,  S, S, S,  U)
#define ENN_SURVEY_QUIC      ENN_SURVEY_ROW( M, M, M, M, M,   S, S, S, S, S, M, S,  S, S, S,  S)
#define ENN_SURVEY_IKEV2_ESP ENN_SURVEY_ROW( M, M, M, M, M,   S, S, M, S, S, M, S,  S, S, S,  U)
#define ENN_SURVEY_SRTP      ENN_SURVEY_ROW( M, M, M, M, M,   S, S, S, S, U, M, S,  S, S, U,  U)
#define ENN_SURVEY_TCPCRYPT  ENN_SURVEY_ROW( M, M, U, U, M,   S, M, U, U, U, M, U,  U, S, U,  U)
#define ENN_SURVEY_WIREGUARD ENN_SURVEY_ROW( M, M, M, M, M,   U, S, M, S, U, M, U,  U, U, S,  U)
#define ENN_SURVEY_MINIMALT  ENN_SURVEY_ROW( M, M, M, M, M,   U, U, M, S, M, M, U,  U, U, S,  U)
#define ENN_SURVEY_CURVECP   ENN_SURVEY_ROW( M, M, M, M, U,   U, U, S, S, M, M, U,  U, U, S,  U)
/* clang-format on */

#endif
