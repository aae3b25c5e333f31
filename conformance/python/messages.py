"""SPEC §5.1 to §5.4 and the cancel of §7: headers, message keys, chunks."""

from primitives import Cursor, expand, require, seal, uint, unseal, varint

PLAINTEXT_MAX = 65_536
SEALED_MAX = PLAINTEXT_MAX + 16
EXCHANGE, CANCEL, WEBSOCKET = 1, 2, 3


def header(kind, sid, n, nonce):
    return uint(1, 1) + uint(1, kind) + sid + uint(8, n) + nonce


def parse_header(message, kinds=(EXCHANGE, CANCEL)):
    """Type, number and the header's bytes."""
    if message:
        require(message[0] == 1, "version-unsupported")
    taken = Cursor(message).take(42)
    require(taken[1] in kinds, "malformed")
    return taken[1], Cursor(taken[18:26]).uint(8), taken


def request_key(secret, header_bytes):
    return expand(secret, b"req" + header_bytes)


def response_key(secret, header_bytes, nonce):
    return expand(secret, b"res" + header_bytes + nonce)


def seal_chunks(key, plaintexts):
    """The last plaintext is that of the final chunk."""
    out = b""
    for i, plaintext in enumerate(plaintexts[:-1]):
        sealed = seal(key, i, b"", plaintext)
        out += varint(len(sealed)) + sealed
    return out + b"\0" + seal(key, len(plaintexts) - 1, b"final", plaintexts[-1])


def open_chunks(key, body):
    """Every plaintext."""
    cursor = Cursor(body)
    plaintexts = []
    while True:
        before = cursor.at
        length = cursor.varint()
        require(cursor.data[before : cursor.at] == varint(length), "malformed")
        if length == 0:
            break
        require(length > 16, "malformed")
        require(length <= SEALED_MAX, "too-large")
        plaintexts.append(unseal(key, len(plaintexts), b"", cursor.take(length)))
    require(cursor.left <= SEALED_MAX, "too-large")
    return plaintexts + [unseal(key, len(plaintexts), b"final", cursor.rest())]


def open_request(secret, message):
    _, _, header_bytes = parse_header(message)
    return open_chunks(request_key(secret, header_bytes), message[42:])


def open_response(secret, header_bytes, response):
    cursor = Cursor(response)
    key = response_key(secret, header_bytes, cursor.take(16))
    return open_chunks(key, cursor.rest())


# §7


def cancel_target(plaintext):
    require(len(plaintext) == 8, "malformed")
    return Cursor(plaintext).uint(8)


def cancel_result(plaintext, n):
    """True: cancelled. False: already claimed."""
    require(len(plaintext) == 9, "malformed")
    require(Cursor(plaintext).uint(8) == n and plaintext[8] in (0, 1), "malformed")
    return plaintext[8] == 0
