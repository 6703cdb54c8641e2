#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Known-answer vectors for WireGuard, computed from the white paper (WP) and nothing of ours.

    vectors.py            writes vectors/handshake.json
    vectors.py --check    computes everything again and compares; exit status 1 if it differs

The primitives are those of the specifications in plain Python (RFC 7748, RFC 8439,
draft-irtf-cfrg-xchacha; BLAKE2s is hashlib's), so that no library which the engine uses has a part
in it. All inputs are fixed below. Each handshake lists the chaining key C, the hash H and the AEAD key
after every step of WP §5.4.2 and §5.4.3.
"""

import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parent / "vectors" / "handshake.json"

# ---- primitives -----------------------------------------------------------------------------------

P = 2 ** 255 - 19


def dh(private, public):
    """X25519 (RFC 7748 §5)."""
    k = bytearray(private)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    u = int.from_bytes(public, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swapped ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public_of(private):
    return dh(private, (9).to_bytes(32, "little"))


def chacha_rounds(words):
    """Twenty rounds (RFC 8439 §2.3), without the addition at the end."""
    s = list(words)

    def quarter(a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = s[x] + s[y] & 0xffffffff
            v = s[z] ^ s[x]
            s[z] = (v << turn | v >> 32 - turn) & 0xffffffff

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def chacha20(key, counter, nonce, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        start = [*SIGMA, *struct.unpack("<8I", key), counter + i // 64,
                 *struct.unpack("<3I", nonce)]
        mixed = chacha_rounds(start)
        stream = struct.pack("<16I", *(a + b & 0xffffffff for a, b in zip(start, mixed)))
        out += bytes(a ^ b for a, b in zip(data[i:i + 64], stream))
    return bytes(out)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2 ** 130 - 5)
    return (total + int.from_bytes(key[16:], "little") & (1 << 128) - 1).to_bytes(16, "little")


def aead(key, nonce, plain, aad):
    """ChaCha20-Poly1305 (RFC 8439 §2.8)."""
    def filled(text):
        return text + bytes(-len(text) % 16)

    sealed = chacha20(key, 1, nonce, plain)
    text = filled(aad) + filled(sealed) + struct.pack("<QQ", len(aad), len(sealed))
    return sealed + poly1305(chacha20(key, 0, nonce, bytes(32)), text)


def xaead(key, nonce, plain, aad):
    """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha §2)."""
    s = chacha_rounds([*SIGMA, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce[:16])])
    return aead(struct.pack("<8I", *s[:4], *s[12:]), bytes(4) + nonce[16:], plain, aad)


# ---- WP §5.4 --------------------------------------------------------------------------------------

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"


def HASH(text):
    return hashlib.blake2s(text).digest()


def MAC(key, text):
    return hashlib.blake2s(text, key=key, digest_size=16).digest()


def KDF(n, key, text):
    """The n values of KDFn."""
    root = hmac.new(key, text, hashlib.blake2s).digest()
    out, last = [], b""
    for i in range(n):
        last = hmac.new(root, last + bytes([i + 1]), hashlib.blake2s).digest()
        out.append(last)
    return out


def AEAD(key, counter, plain, aad):
    return aead(key, bytes(4) + struct.pack("<Q", counter), plain, aad)


def tai64n(unix_ns):
    """Seconds since 1970 as TAI, and nanoseconds, with a grain of 2^24 ns (WP §5.4.2 leaves it open)."""
    unix_ns -= unix_ns % (1 << 24)
    return struct.pack(">QI", (1 << 62) + 10 + unix_ns // 10 ** 9, unix_ns % 10 ** 9)


class Noise:
    """C and H, and the list of what they were."""

    def __init__(self, responder_public):
        self.C = HASH(CONSTRUCTION)
        self.H = HASH(HASH(self.C + IDENTIFIER) + responder_public)
        self.steps = []
        self.note("begin")

    def note(self, name, key=None):
        step = {"step": name, "C": self.C.hex(), "H": self.H.hex()}
        if key is not None:
            step["key"] = key.hex()
        self.steps.append(step)

    def mix_hash(self, text):
        self.H = HASH(self.H + text)

    def ephemeral(self, name, public):
        self.C, = KDF(1, self.C, public)
        self.mix_hash(public)
        self.note(name)

    def dh(self, name, private, public):
        self.C, = KDF(1, self.C, dh(private, public))
        self.note(name)

    def dh_seal(self, name, private, public, plain):
        self.C, key = KDF(2, self.C, dh(private, public))
        sealed = AEAD(key, 0, plain, self.H)
        self.mix_hash(sealed)
        self.note(name, key)
        return sealed

    def psk_seal_nothing(self, name, psk):
        self.C, tau, key = KDF(3, self.C, psk)
        self.mix_hash(tau)
        sealed = AEAD(key, 0, b"", self.H)
        self.mix_hash(sealed)
        self.note(name, key)
        return sealed


def add_macs(message, receiver_public, cookie=None):
    message += MAC(HASH(b"mac1----" + receiver_public), message)
    return message + (MAC(cookie, message) if cookie else bytes(16))


def initiation(noise, v, cookie=None):
    """WP §5.4.2"""
    e = public_of(v["e_i"])
    noise.ephemeral("initiation: ephemeral", e)
    static = noise.dh_seal("initiation: static", v["e_i"], public_of(v["s_r"]),
                           public_of(v["s_i"]))
    stamp = noise.dh_seal("initiation: timestamp", v["s_i"], public_of(v["s_r"]),
                          tai64n(v["time"]))
    message = struct.pack("<II", 1, v["index_i"]) + e + static + stamp
    return add_macs(message, public_of(v["s_r"]), cookie)


def response(noise, v):
    """WP §5.4.3"""
    e = public_of(v["e_r"])
    noise.ephemeral("response: ephemeral", e)
    noise.dh("response: ephemeral with ephemeral", v["e_r"], public_of(v["e_i"]))
    noise.dh("response: ephemeral with static", v["e_r"], public_of(v["s_i"]))
    nothing = noise.psk_seal_nothing("response: nothing", v["psk"])
    message = struct.pack("<III", 2, v["index_r"], v["index_i"]) + e + nothing
    return add_macs(message, public_of(v["s_i"]))


def transport(key, receiver, counter, packet, mtu):
    """WP §5.4.6: padded to a multiple of 16, but not beyond the MTU."""
    padded = packet + bytes(-len(packet) % 16)
    if len(padded) > mtu:
        padded = packet + bytes(max(mtu - len(packet), 0))
    return struct.pack("<IIQ", 4, receiver, counter) + AEAD(key, counter, padded, b"")


def inner(source, destination, length):
    """An IPv4 packet as far as a tunnel looks at it."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0,
                       bytes([10, 0, 0, source]), bytes([10, 0, 0, destination]))
    return head + bytes(i % 251 for i in range(length - 20))


# ---- the vectors ----------------------------------------------------------------------------------

MTU = 1420
SECOND = 10 ** 9


def key(label):
    """A private key that looks random and is a valid scalar already."""
    k = bytearray(HASH(label.encode()))
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    return bytes(k)


def inputs(name, psk):
    return {"s_i": key(name + " initiator static"), "s_r": key(name + " responder static"),
            "e_i": key(name + " initiator ephemeral"), "e_r": key(name + " responder ephemeral"),
            "index_i": int.from_bytes(HASH(b"index i " + name.encode())[:4], "little"),
            "index_r": int.from_bytes(HASH(b"index r " + name.encode())[:4], "little"),
            "time": 1_700_000_001 * SECOND, "psk": psk}


def packets(v, first, second):
    """Both ways; the counters at the end are far from the beginning to show all eight bytes."""
    far = 0x0102030405060708
    sizes = [(0, 100), (1, 112), (2, MTU), (3, MTU - 1), (far, 20)]
    out = []
    for counter, length in sizes:
        for way, k, to, ends in (("i to r", first, v["index_r"], (1, 2)),
                                 ("r to i", second, v["index_i"], (2, 1))):
            packet = inner(*ends, length)
            out.append({"way": way, "counter": f"{counter:016x}", "packet": packet.hex(),
                        "message": transport(k, to, counter, packet, MTU).hex()})
    return out


def handshake(name, psk):
    v = inputs(name, psk)
    noise = Noise(public_of(v["s_r"]))
    first = initiation(noise, v)
    second = response(noise, v)
    to_responder, to_initiator = KDF(2, noise.C, b"")
    return {"name": name, **described(v), "steps": noise.steps, "initiation": first.hex(),
            "response": second.hex(), "key i to r": to_responder.hex(),
            "key r to i": to_initiator.hex(), "packets": packets(v, to_responder, to_initiator)}


def described(v):
    s_i, s_r = public_of(v["s_i"]), public_of(v["s_r"])
    return {"initiator private": v["s_i"].hex(), "initiator public": s_i.hex(),
            "responder private": v["s_r"].hex(), "responder public": s_r.hex(),
            "initiator ephemeral": v["e_i"].hex(), "responder ephemeral": v["e_r"].hex(),
            "initiator index": f"{v['index_i']:08x}", "responder index": f"{v['index_r']:08x}",
            "psk": v["psk"].hex(), "unix time": v["time"] // SECOND,
            "timestamp": tai64n(v["time"]).hex(), "mtu": MTU,
            "static shared": dh(v["s_i"], s_r).hex(),
            "mac1 key of initiator": HASH(b"mac1----" + s_i).hex(),
            "mac1 key of responder": HASH(b"mac1----" + s_r).hex(),
            "cookie key of initiator": HASH(b"cookie--" + s_i).hex(),
            "cookie key of responder": HASH(b"cookie--" + s_r).hex()}


def under_load():
    """WP §5.4.7 and §5.4.4: initiation, cookie reply, and the initiation again with mac2.

    What a cookie is computed over is the responder's own affair; ours is the family of the address (4 or
    6), sixteen bytes of it, and the port in network order.
    """
    v = inputs("under load", bytes(32))
    s_r = public_of(v["s_r"])
    noise = Noise(s_r)
    first = initiation(noise, v)
    secret = HASH(b"cookie secret")
    source = bytes([4, 192, 0, 2, 1]) + bytes(12) + struct.pack(">H", 51820)
    cookie = MAC(secret, source)
    nonce = HASH(b"cookie nonce")[:24]
    reply = struct.pack("<II", 3, v["index_i"]) + nonce + xaead(
        HASH(b"cookie--" + s_r), nonce, cookie, first[-32:-16])
    out = {**described(v), "initiation": first.hex(), "secret": secret.hex(),
           "source": source.hex(), "cookie": cookie.hex(), "nonce": nonce.hex(),
           "cookie reply": reply.hex()}
    v["e_i"] = key("under load second ephemeral")
    v["time"] += 6 * SECOND
    noise = Noise(s_r)
    out["second ephemeral"] = v["e_i"].hex()
    out["second unix time"] = v["time"] // SECOND
    out["second initiation"] = initiation(noise, v, cookie).hex()
    out["response"] = response(noise, v).hex()
    return out


def everything():
    psk = HASH(b"a preshared key")
    return {"about": "made by tests/wireguard/vectors.py; see there",
            "construction": HASH(CONSTRUCTION).hex(),
            "identifier": HASH(HASH(CONSTRUCTION) + IDENTIFIER).hex(),
            "handshakes": [handshake("without psk", bytes(32)), handshake("with psk", psk)],
            "under load": under_load()}


def self_test():
    """The specifications' own examples, so that a slip here is not taken for one there."""
    scalar = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
    point = "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"
    assert dh(bytes.fromhex(scalar), bytes.fromhex(point)).hex() == (  # RFC 7748 §5.2
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
            b"the future, sunscreen would be it.")
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    nonce = bytes.fromhex("070000004041424344454647")
    sealed = aead(bytes(range(0x80, 0xa0)), nonce, text, aad)  # RFC 8439 §2.8.2
    assert sealed[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    sealed = xaead(bytes(range(0x80, 0xa0)), bytes(range(0x40, 0x58)), text, aad)
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"  # draft-irtf-cfrg-xchacha §A.3.1


def main():
    self_test()
    text = json.dumps(everything(), indent=1) + "\n"
    if sys.argv[1:] == ["--check"]:
        same = OUT.read_text() == text
        print("1..1\n%sok 1 - %s is as computed" % ("" if same else "not ", OUT.name))
        return 0 if same else 1
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
