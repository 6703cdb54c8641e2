/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS 1.3 record on the wire (RFC 8446 §5).
 *
 *   TLSPlaintext                      TLSCiphertext
 *   +----+--------+--------+          +----+--------+--------+
 *   |type| 0x0303 | length |          | 23 | 0x0303 | length |   ◄── the additional data
 *   +----+--------+--------+          +----+--------+--------+
 *   | fragment, ≤ 2^14     |          | AEAD( content │ type │ zeros ) │ tag |
 *   +----------------------+          +-------------------------------------+  ≤ 2^14 + 256
 */
#ifndef ENN_PROTOCOLS_TLS_WIRE_H
#define ENN_PROTOCOLS_TLS_WIRE_H

enum enn_tls_content {
	ENN_TLS_CHANGE_CIPHER_SPEC = 20,
	ENN_TLS_ALERT = 21,
	ENN_TLS_HANDSHAKE = 22,
	ENN_TLS_APPLICATION_DATA = 23,
};

enum enn_tls_alert_level { ENN_TLS_ALERT_WARNING = 1, ENN_TLS_ALERT_FATAL = 2 };

#define ENN_TLS_HEADER	      5u
#define ENN_TLS_MAX_PLAINTEXT 16384u
#define ENN_TLS_MAX_EXPANSION 256u /* §5.2 */
#define ENN_TLS_TAG	      16u  /* of every TLS 1.3 suite here */
/* What a protected record adds to its content: header, content type, tag. */
#define ENN_TLS_OVERHEAD (ENN_TLS_HEADER + 1u + ENN_TLS_TAG)

#endif
