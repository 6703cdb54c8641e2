/* SPDX-License-Identifier: Apache-2.0
 *
 * DTLS on the wire.
 *
 *   DTLSPlaintext, and all records of 1.2 (RFC 6347 §4.1, RFC 9147 §4)
 *   +---------+---------------+------------+---------------+-------------+----------
 *   | type u8 | version u16   | epoch u16  | sequence u48  | length u16  | fragment …
 *   +---------+---------------+------------+---------------+-------------+----------
 *   protected in 1.2, AES-GCM: 8 bytes of nonce (epoch and sequence), ciphertext, tag;
 *   ChaCha20-Poly1305: ciphertext, tag. Additional data: epoch, sequence, type, version, length of the content.
 *
 *   DTLSCiphertext of 1.3 (RFC 9147 §4): the unified header
 *    0 1 2 3 4 5 6 7
 *   +-+-+-+-+-+-+-+-+----------------------------+-----------------------------+-------------+----------
 *   |0|0|1|C|S|L|E E| connection ID, if C        | sequence, 16 bits if S or 8 | length, if L | AEAD( … )
 *   +-+-+-+-+-+-+-+-+----------------------------+-----------------------------+-------------+----------
 *   E: the low bits of the epoch. The sequence number is masked; additional data is the header before that.
 *   Inside: content, its type, zeros.
 *
 *   Handshake message in fragments (RFC 6347 §4.2.2, RFC 9147 §5.2)
 *   +---------+------------+-------------+----------------------+----------------------+----------
 *   | type u8 | length u24 | number u16  | fragment offset u24  | fragment length u24  | body …
 *   +---------+------------+-------------+----------------------+----------------------+----------
 *
 *   ACK (RFC 9147 §7): <0..2^16-1> of { u64 epoch, u64 sequence }
 */
#ifndef ENN_PROTOCOLS_DTLS_WIRE_H
#define ENN_PROTOCOLS_DTLS_WIRE_H

enum enn_dtls_content {
	ENN_DTLS_CHANGE_CIPHER_SPEC = 20, /* 1.2 */
	ENN_DTLS_ALERT = 21,
	ENN_DTLS_HANDSHAKE = 22,
	ENN_DTLS_APPLICATION_DATA = 23,
	ENN_DTLS_ACK = 26, /* 1.3 */
};

enum enn_dtls_alert_level { ENN_DTLS_ALERT_WARNING = 1, ENN_DTLS_ALERT_FATAL = 2 };

/* The first byte of a unified header: 001CSLEE. */
#define ENN_DTLS_UNIFIED	0x20u
#define ENN_DTLS_UNIFIED_MASK	0xe0u
#define ENN_DTLS_UNIFIED_CID	0x10u
#define ENN_DTLS_UNIFIED_SEQ16	0x08u
#define ENN_DTLS_UNIFIED_LENGTH 0x04u
#define ENN_DTLS_UNIFIED_EPOCH	0x03u

#define ENN_DTLS_HEADER	       13u
#define ENN_DTLS_FRAGMENT      12u /* the header of a fragment */
#define ENN_DTLS_UNIFIED_LEN   5u  /* of the headers that we write: 16 bits of sequence, length */
#define ENN_DTLS_EXPLICIT      8u  /* nonce of AES-GCM in 1.2 */
#define ENN_DTLS_TAG	       16u
#define ENN_DTLS_MAX_PLAINTEXT 16384u
/* The most that a record adds to its content. */
#define ENN_DTLS_OVERHEAD (ENN_DTLS_HEADER + ENN_DTLS_EXPLICIT + ENN_DTLS_TAG)

/* Epochs of 1.3 (RFC 9147 §6.1). In 1.2 0 is plain and 1 protected. */
#define ENN_DTLS_EPOCH_PLAIN	   0u
#define ENN_DTLS_EPOCH_HANDSHAKE   2u
#define ENN_DTLS_EPOCH_APPLICATION 3u

#define ENN_DTLS_MAX_SEQUENCE ((UINT64_C(1) << 48) - 1)

#endif
