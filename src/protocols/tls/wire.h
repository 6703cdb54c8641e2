/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS record on the wire (RFC 8446 §5; RFC 5246 §6.2).
 *
 *   TLSPlaintext                      TLSCiphertext
 *   +----+--------+--------+          +----+--------+--------+
 *   |type| 0x0303 | length |          | 23 | 0x0303 | length |   ◄── the additional data
 *   +----+--------+--------+          +----+--------+--------+
 *   | fragment, ≤ 2^14     |          | AEAD( content │ type │ zeros ) │ tag |
 *   +----------------------+          +-------------------------------------+  ≤ 2^14 + 256
 *
 *   TLS 1.2: AES-GCM (RFC 5288), ChaCha20-Poly1305 (RFC 7905: no explicit nonce), CBC (RFC 7366)
 *   +----+--------+--------+          +----+--------+--------+
 *   |type| 0x0303 | length |          |type| 0x0303 | length |
 *   +----+--------+--------+----+     +----+--------+--------+-----------------------+
 *   | nonce, 8 │ AEAD( content ) │ tag |   | IV, 16 │ CBC( content │ padding ) │ MAC |
 *   +-----------------------------+        +-----------------------------------------+
 *   additional data, and what the MAC covers before the IV:
 *   sequence number u64 │ type │ 0x0303 │ length of the content (CBC: of IV and ciphertext)
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
#define ENN_TLS_TAG	      16u  /* of every AEAD here */
#define ENN_TLS_12_AAD	      13u
#define ENN_TLS_12_MAX_BODY   (ENN_TLS_MAX_PLAINTEXT + 2048u) /* RFC 5246 §6.2.3 */
#define ENN_TLS_EXPLICIT      8u			      /* nonce of AES-GCM in TLS 1.2 */
#define ENN_TLS_BLOCK	      16u
#define ENN_TLS_MAX_NONCE     16u
/* The most that TLS 1.2 adds: header, IV, a block of padding, the MAC of SHA-384. */
#define ENN_TLS_MAX_OVERHEAD (ENN_TLS_HEADER + 2u * ENN_TLS_BLOCK + 48u)
/* What a protected record of TLS 1.3 adds to its content: header, content type, tag. */
#define ENN_TLS_OVERHEAD (ENN_TLS_HEADER + 1u + ENN_TLS_TAG)

#endif
