"""SPEC §13.2 to §13.4: the opening of a WebSocket and its frames. A frame is a dict, as in the vectors."""

from messages import SEALED_MAX, WEBSOCKET, parse_header, request_key, response_key
from primitives import Cursor, Refused, expand, require, seal, uint, unseal

FIRST = {"more": 0x00, "text": 0x01, "binary": 0x02, "close": 0x88, "ping": 0x89, "pong": 0x8A}
CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def opening(secret, header, request):
    return header + b"\0" + seal(request_key(secret, header), 0, b"final", request)


def open_opening(secret, message):
    _, _, header = parse_header(message, (WEBSOCKET,))
    return _open_only(request_key(secret, header), Cursor(message[42:]))


def response(secret, header, nonce, plaintext):
    return nonce + b"\0" + seal(response_key(secret, header, nonce), 0, b"final", plaintext)


def open_response(secret, header, message):
    cursor = Cursor(message)
    return _open_only(response_key(secret, header, cursor.take(16)), cursor)


def _open_only(key, cursor):
    require(cursor.uint(1) == 0, "malformed")
    require(cursor.left <= SEALED_MAX, "too-large")
    return unseal(key, 0, b"final", cursor.rest())


def client_frame_key(request_secret, header, nonce):
    return expand(request_secret, b"ws req" + header + nonce)


def relay_frame_key(response_secret, header, nonce):
    return expand(response_secret, b"ws res" + header + nonce)


def seal_frame(key, i, plaintext):
    return seal(key, i, b"ws", plaintext)


def open_frame(key, i, sealed):
    require(len(sealed) <= SEALED_MAX, "too-large")
    return unseal(key, i, b"ws", sealed)


def frame_plaintext(frame, data=b""):
    """@param data: of a data frame, a ping or a pong."""
    kind = frame["kind"]
    if kind == "close":
        code = b"" if "code" not in frame else uint(2, frame["code"]) + bytes.fromhex(frame.get("reason", ""))
        return uint(1, FIRST[kind]) + code
    return uint(1, FIRST[kind] | (0x80 if frame.get("final") else 0)) + data


def read_frames(plaintexts):
    """The frames of one direction from its first on."""
    frames = []
    in_message = closed = False
    for plaintext in plaintexts:
        require(plaintext and not closed, "malformed")
        first, data = plaintext[0], plaintext[1:]
        if first in (0x88, 0x89, 0x8A):
            require(len(data) <= 125, "malformed")
            closed = first == 0x88
            kind = "ping" if first == 0x89 else "pong"
            frames.append(_close(data) if closed else {"kind": kind, "data": data.hex()})
            continue
        kind = {0: "more", 1: "text", 2: "binary"}.get(first & 0x7F)
        final = first >= 0x80
        require(kind is not None and (kind == "more") == in_message, "malformed")
        require(len(data) <= 65_535 and (final or data), "malformed")
        in_message = not final
        frames.append({"kind": kind, "final": final, "data": data.hex()})
    return frames


def _close(data):
    if not data:
        return {"kind": "close"}
    code = int.from_bytes(data[:2], "big")
    require(len(data) >= 2 and code in CLOSE_CODES, "malformed")
    try:
        data[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("malformed") from None
    return {"kind": "close", "code": code, "reason": data[2:].hex()}
