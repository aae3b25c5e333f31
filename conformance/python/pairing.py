"""SPEC §3 and §4: identity, pairing, parameters, key schedule."""

import base64
import re

from primitives import Cursor, encapsulate, expand, mac, of_secret, require, seal, sha256, uint, unseal

# §3.1, §3.5


def identity_seed(secret):
    return of_secret(secret, b"mte-relay/1 identity")


def key_id(public):
    return sha256(public)[:8]


def pin(public):
    return "sha256-" + base64.b64encode(sha256(public)).decode()


def client_id(secret, identifier, expiry_ms):
    signed = identifier + uint(8, expiry_ms)
    return signed + mac(of_secret(secret, b"mte-relay/1 client-id"), signed)


# §4


def noise_hkdf(ck, data, count):
    temp = mac(ck, data)
    outputs = [mac(temp, b"\x01")]
    for i in range(2, count + 1):
        outputs.append(mac(temp, outputs[-1] + bytes([i])))
    return outputs


class Handshake:
    """h and ck, and what mixes into them. `trace` has both behind each step."""

    def __init__(self, head, relay_public):
        self.h = self.ck = b"Noise_pqNK_Xwing_AESGCM_SHA256".ljust(32, b"\0")
        self.k = b""
        self.trace = []
        self._note("initialize")
        self.mix_hash("prologue", b"mte-relay/1\0" + head)
        self.mix_hash("relay public key", relay_public)

    def _note(self, step):
        self.trace.append({"step": step, "h": self.h.hex(), "ck": self.ck.hex()})

    def mix_hash(self, step, data):
        self.h = sha256(self.h + data)
        self._note(step)

    def skem(self, ciphertext, shared):
        self.mix_hash("static ciphertext", ciphertext)
        self.ck, mixed, self.k = noise_hkdf(self.ck, shared, 3)
        self.h = sha256(self.h + mixed)
        self._note("static shared secret")

    def ekem(self, ciphertext, shared):
        self.mix_hash("ephemeral ciphertext", ciphertext)
        self.ck, self.k = noise_hkdf(self.ck, shared, 2)
        self._note("ephemeral shared secret")

    def seal(self, step, plaintext):
        sealed = seal(self.k, 0, self.h, plaintext)
        self.mix_hash(step, sealed)
        return sealed

    def unseal(self, step, sealed):
        plaintext = unseal(self.k, 0, self.h, sealed)
        self.mix_hash(step, sealed)
        return plaintext

    def split(self):
        """k1, k2 and the three secrets, by the names of the vectors."""
        k1, k2 = noise_hkdf(self.ck, b"", 2)
        secrets = {"k1": k1, "k2": k2}
        for name, key in (("request", k1), ("response", k2), ("exporter", k1)):
            member = name if name == "exporter" else name + "Secret"
            secrets[member] = expand(key, b"mte-relay/1 " + name.encode() + b"\0" + self.h)
        return secrets


# §3.2, §3.4


def client_request(relay_public, authority, flags, static_randomness, ephemeral_public):
    """The request and the handshake, which the reply goes on with."""
    name = authority.encode()
    head = uint(2, 1) + key_id(relay_public) + uint(1, len(name)) + name + uint(4, flags)
    handshake = Handshake(head, relay_public)
    ciphertext, shared = encapsulate(relay_public, static_randomness)
    handshake.skem(ciphertext, shared)
    handshake.mix_hash("ephemeral public key", ephemeral_public)
    tag = handshake.seal("request tag", b"")
    return uint(1, 1) + head + ciphertext + ephemeral_public + tag, handshake


def relay_reply(relay, request, ephemeral_randomness, parameters):
    """The reply and the secrets. @param relay: an XWingKey."""
    cursor = Cursor(request)
    require(cursor.uint(1) == 1, "version-unsupported")
    require(cursor.uint(2) == 1, "suite-unsupported")
    named, authority = cursor.take(8), cursor.take(cursor.uint(1))
    cursor.take(4)
    head = request[1 : cursor.at]
    ciphertext, ephemeral_public, tag = cursor.take(1120), cursor.take(1216), cursor.take(16)
    require(re.fullmatch(rb"[!-~]+", authority), "malformed")
    require(cursor.left == 0, "malformed")
    require(named == key_id(relay.public), "key-unknown")
    handshake = Handshake(head, relay.public)
    handshake.skem(ciphertext, relay.decapsulate(ciphertext))
    handshake.mix_hash("ephemeral public key", ephemeral_public)
    handshake.unseal("request tag", tag)
    ciphertext, shared = encapsulate(ephemeral_public, ephemeral_randomness)
    handshake.ekem(ciphertext, shared)
    return ciphertext + handshake.seal("sealed parameters", parameters), handshake


def client_finish(handshake, ephemeral, reply):
    """The parameters. @param ephemeral: an XWingKey."""
    cursor = Cursor(reply)
    ciphertext = cursor.take(1120)
    require(cursor.left >= 16, "truncated")
    handshake.ekem(ciphertext, ephemeral.decapsulate(ciphertext))
    return decode_parameters(handshake.unseal("sealed parameters", cursor.rest()))



NUMBERS_BEFORE = (
    ("lifetimeMs", 4),
    ("idleMs", 4),
    ("messageLimit", 8),
    ("window", 2),
    ("requestBodyMaxBytes", 8),
    ("storeEpochMs", 8),
    ("storeAgeMs", 8),
)
NUMBERS_BEHIND = (("relayTimeMs", 8), ("messageAgeMaxMs", 4), ("padToBytes", 2))


def encode_parameters(parameters):
    def numbers(of):
        return b"".join(uint(length, parameters[name]) for name, length in of)

    identifier = bytes.fromhex(parameters["clientId"])
    names = ",".join(parameters["cookiesFromScript"]).encode("latin-1")
    lineage = bytes.fromhex(parameters["lineage"])
    fixed = bytes.fromhex(parameters["sid"]) + numbers(NUMBERS_BEFORE) + lineage + numbers(NUMBERS_BEHIND)
    return fixed + uint(1, len(identifier)) + identifier + uint(2, len(names)) + names


def decode_parameters(data):
    """Ignores bytes after the names."""
    cursor = Cursor(data)
    parameters = {"sid": cursor.take(16).hex()}
    for name, length in NUMBERS_BEFORE:
        parameters[name] = cursor.uint(length)
    parameters["lineage"] = cursor.take(16).hex()
    for name, length in NUMBERS_BEHIND:
        parameters[name] = cursor.uint(length)
    parameters["clientId"] = cursor.take(cursor.uint(1)).hex()
    names = cursor.take(cursor.uint(2)).decode("latin-1")
    parameters["cookiesFromScript"] = names.split(",") if names else []
    return parameters
