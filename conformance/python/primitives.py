"""SPEC §1 and §2: integers, varints, HKDF, AES-GCM, ML-KEM-768 and X-Wing, in plain Python.

Hashes are Python's own, AES-GCM and X25519 those of `cryptography` (Debian: python3-cryptography). ML-KEM-768 is
written from FIPS 203. Nothing here runs in constant time: it is for tests alone.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NUMBER_MAX = 2**53 - 1


class Refused(Exception):
    """Input that the SPEC rejects; its text is the failure class of §8."""


def require(holds, failure):
    if not holds:
        raise Refused(failure)


# §1


def uint(length, value):
    return value.to_bytes(length, "big")


def varint(value):
    """The shortest form (RFC 9000 §16)."""
    for form, length in enumerate((1, 2, 4, 8)):
        if value < 1 << (8 * length - 2):
            return uint(length, value | form << (8 * length - 2))
    raise ValueError(value)


class Cursor:
    """Reads integers and bytes from front to back."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, length):
        require(length <= self.left, "truncated")
        self.at += length
        return self.data[self.at - length : self.at]

    def rest(self):
        return self.take(self.left)

    def uint(self, length):
        value = int.from_bytes(self.take(length), "big")
        require(value <= NUMBER_MAX, "malformed")
        return value

    def varint(self):
        """In any of its forms."""
        first = self.take(1)[0]
        value = int.from_bytes(bytes([first & 63]) + self.take((1 << (first >> 6)) - 1), "big")
        require(value <= NUMBER_MAX, "too-large")
        return value


# §2: hash, HKDF, AEAD


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(key, info):
    """HKDF-Expand to 32 bytes, which are one block."""
    return mac(key, info + b"\x01")


def of_secret(secret, info):
    """HKDF-SHA256 of CLIENT_ID_SECRET with an empty salt; 32 bytes."""
    return expand(mac(bytes(32), secret.encode("utf-8")), info)


def seal(key, number, associated, plaintext):
    return AESGCM(key).encrypt(uint(12, number), plaintext, associated)


def unseal(key, number, associated, sealed):
    require(len(sealed) >= 16, "unopenable")
    try:
        return AESGCM(key).decrypt(uint(12, number), sealed, associated)
    except InvalidTag:
        raise Refused("unopenable") from None


# ML-KEM-768 (FIPS 203): k = 3, η1 = η2 = 2, du = 10, dv = 4

Q = 3329
K = 3
INVERSE_OF_128 = 3303


def _reversed_bits(i):
    return int(f"{i:07b}"[::-1], 2)


ZETAS = [pow(17, _reversed_bits(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _reversed_bits(i) + 1, Q) for i in range(128)]


def _ntt(f):
    f = f[:]
    i, length = 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i += 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length] = (f[j] - t) % Q
                f[j] = (f[j] + t) % Q
        length //= 2
    return f


def _inverse_ntt(f):
    f = f[:]
    i, length = 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i -= 1
            for j in range(start, start + length):
                t = f[j]
                f[j] = (t + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - t) % Q
        length *= 2
    return [x * INVERSE_OF_128 % Q for x in f]


def _product(f, g):
    h = [0] * 256
    for i in range(128):
        a, b, c, d = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h[2 * i] = (a * c + b * d % Q * GAMMAS[i]) % Q
        h[2 * i + 1] = (a * d + b * c) % Q
    return h


def _sum(*polynomials):
    return [sum(xs) % Q for xs in zip(*polynomials)]


def _dot(row, column):
    return _sum(*(_product(f, g) for f, g in zip(row, column)))


def _sample_uniform(seed):
    stream = hashlib.shake_128(seed).digest(2000)
    out = []
    for i in range(0, len(stream) - 2, 3):
        low = stream[i] + 256 * (stream[i + 1] % 16)
        high = stream[i + 1] // 16 + 16 * stream[i + 2]
        out += [x for x in (low, high) if x < Q]
    return out[:256]


def _noise(seed, number):
    """SamplePolyCBD with η = 2."""
    stream = hashlib.shake_256(seed + bytes([number])).digest(128)
    bits = [byte >> i & 1 for byte in stream for i in range(8)]
    return [(bits[i] + bits[i + 1] - bits[i + 2] - bits[i + 3]) % Q for i in range(0, 1024, 4)]


def _encode(f, width):
    joined = sum(x << width * i for i, x in enumerate(f))
    return joined.to_bytes(32 * width, "little")


def _decode(data, width):
    joined = int.from_bytes(data, "little")
    return [joined >> width * i & (1 << width) - 1 for i in range(256)]


def _compress(f, width):
    return [((x << width) + Q // 2) // Q % (1 << width) for x in f]


def _decompress(f, width):
    return [(x * Q + (1 << width - 1)) >> width for x in f]


def _matrix(rho):
    return [[_sample_uniform(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


class MlKemKey:
    """A decapsulation key, from the seeds d and z of 32 bytes each."""

    def __init__(self, d, z):
        expanded = hashlib.sha3_512(d + bytes([K])).digest()
        rho, sigma = expanded[:32], expanded[32:]
        secret = [_ntt(_noise(sigma, i)) for i in range(K)]
        errors = [_ntt(_noise(sigma, K + i)) for i in range(K)]
        rows = [_sum(_dot(row, secret), error) for row, error in zip(_matrix(rho), errors)]
        self.public = b"".join(_encode(row, 12) for row in rows) + rho
        self._secret, self._z = secret, z
        self._hash = hashlib.sha3_256(self.public).digest()

    def decapsulate(self, ciphertext):
        """Never fails: a wrong ciphertext gives another secret (FIPS 203 §6.3)."""
        u = [_decompress(_decode(ciphertext[320 * i : 320 * i + 320], 10), 10) for i in range(K)]
        v = _decompress(_decode(ciphertext[960:], 4), 4)
        product = _inverse_ntt(_dot(self._secret, [_ntt(x) for x in u]))
        message = _encode(_compress([(a - b) % Q for a, b in zip(v, product)], 1), 1)
        expanded = hashlib.sha3_512(message + self._hash).digest()
        if _encrypt(self.public, message, expanded[32:]) == ciphertext:
            return expanded[:32]
        return hashlib.shake_256(self._z + ciphertext).digest(32)


def _encrypt(public, message, randomness):
    rows = [_decode(public[384 * i : 384 * i + 384], 12) for i in range(K)]
    matrix = _matrix(public[1152:])
    y = [_ntt(_noise(randomness, i)) for i in range(K)]
    u = [
        _sum(_inverse_ntt(_dot([matrix[j][i] for j in range(K)], y)), _noise(randomness, K + i)) for i in range(K)
    ]
    carried = _decompress(_decode(message, 1), 1)
    v = _sum(_inverse_ntt(_dot(rows, y)), _noise(randomness, 2 * K), carried)
    return b"".join(_encode(_compress(x, 10), 10) for x in u) + _encode(_compress(v, 4), 4)


def ml_kem_encapsulate(public, randomness):
    """Ciphertext and secret. Refuses a key that fails the check of FIPS 203 §7.2."""
    rows = [x for i in range(K) for x in _decode(public[384 * i : 384 * i + 384], 12)]
    require(all(x < Q for x in rows), "malformed")
    expanded = hashlib.sha3_512(randomness + hashlib.sha3_256(public).digest()).digest()
    return _encrypt(public, randomness, expanded[32:]), expanded[:32]


# X25519 and X-Wing


def x25519_public(private):
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def x25519(private, public):
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("malformed") from None
    require(shared != bytes(32), "malformed")
    return shared


def _combined(ss_m, ss_x, ct_x, pk_x):
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()


class XWingKey:
    """A key pair from its seed of 32 bytes."""

    def __init__(self, seed):
        expanded = hashlib.shake_256(seed).digest(96)
        self._ml_kem = MlKemKey(expanded[:32], expanded[32:64])
        self._x25519 = expanded[64:]
        self._pk_x = x25519_public(self._x25519)
        self.public = self._ml_kem.public + self._pk_x

    def decapsulate(self, ciphertext):
        ct_m, ct_x = ciphertext[:1088], ciphertext[1088:]
        return _combined(self._ml_kem.decapsulate(ct_m), x25519(self._x25519, ct_x), ct_x, self._pk_x)


def encapsulate(public, randomness):
    """Ciphertext and shared secret. `randomness`: 32 bytes for ML-KEM, 32 for X25519."""
    pk_m, pk_x = public[:1184], public[1184:]
    ct_m, ss_m = ml_kem_encapsulate(pk_m, randomness[:32])
    ct_x = x25519_public(randomness[32:])
    return ct_m + ct_x, _combined(ss_m, x25519(randomness[32:], pk_x), ct_x, pk_x)
