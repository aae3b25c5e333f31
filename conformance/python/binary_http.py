"""SPEC §5.5: Binary HTTP (RFC 9292) with its profile. A message is a dict, as in the vectors; content is bytes."""

import re

from primitives import Cursor, require, varint

HEAD_MAX = 65_536
FIELDS_MAX = 256
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
VALUE = re.compile("[\t -~\x80-\xff]*")
CONTROL = ("method", "scheme", "authority", "path")


# Encoding


def _counted(text):
    return varint(len(text)) + text.encode("latin-1")


def _lines(fields):
    return b"".join(_counted(name) + _counted(value) for name, value in fields)


def _known(fields):
    lines = _lines(fields)
    return varint(len(lines)) + lines


def _indeterminate(fields):
    return _lines(fields) + varint(0)


def _heads(message, section):
    if "method" in message:
        return b"".join(_counted(message[part]) for part in CONTROL) + section(message["headers"])
    responses = [*message.get("informational", []), message]
    return b"".join(varint(one["status"]) + section(one["headers"]) for one in responses)


def encode_known(message, pad_to=1):
    content = message["content"]
    framing = varint(0 if "method" in message else 1)
    body = varint(len(content)) + content
    encoded = framing + _heads(message, _known) + body + _known(message["trailers"])
    return encoded + bytes(-len(encoded) % pad_to)


def encode_indeterminate(message, pieces):
    framing = varint(2 if "method" in message else 3)
    body = b"".join(varint(len(piece)) + piece for piece in pieces) + varint(0)
    return framing + _heads(message, _indeterminate) + body + _indeterminate(message["trailers"])


# Decoding


class Decoder:
    """Decodes one whole message of the expected kind, "request" or "response"."""

    def __init__(self, kind, data):
        self._cursor = Cursor(data)
        self._budget = HEAD_MAX
        framing = self._cursor.varint()
        require(framing in ((0, 2) if kind == "request" else (1, 3)), "malformed")
        self._known = framing < 2
        message = self._request() if kind == "request" else self._response()
        message["content"] = self._content()
        message["trailers"] = self._section()
        require(not any(self._cursor.rest()), "malformed")
        self.message = message

    def _request(self):
        message = {part: self._text() for part in CONTROL}
        require(TOKEN.fullmatch(message["method"]), "malformed")
        require(message["scheme"] in ("http", "https"), "malformed")
        require(re.fullmatch("[!-~]*", message["authority"]), "malformed")
        require(re.fullmatch(r"\*|/[!-~]*", message["path"]), "malformed")
        return {**message, "headers": self._section()}

    def _response(self):
        informational = []
        while True:
            status = self._cursor.varint()
            require(100 <= status <= 599, "malformed")
            self._budget -= len(varint(status))
            require(self._budget >= 0, "too-large")
            if status >= 200:
                return {"informational": informational, "status": status, "headers": self._section()}
            require(self._cursor.left > 0, "truncated")
            informational.append({"status": status, "headers": self._section()})

    def _text(self):
        before = self._cursor.at
        length = self._cursor.varint()
        require(length <= self._budget, "too-large")
        text = self._cursor.take(length).decode("latin-1")
        self._budget -= self._cursor.at - before
        return text

    def _field(self, name, fields):
        value = self._text()
        require(NAME.fullmatch(name) and VALUE.fullmatch(value), "malformed")
        require(value == value.strip("\t "), "malformed")
        require(len(fields) < FIELDS_MAX, "too-large")
        fields.append([name, value])

    def _section(self):
        fields = []
        if self._cursor.left == 0:
            return fields
        if not self._known:
            while name := self._text():
                self._field(name, fields)
            return fields
        length = self._cursor.varint()
        require(length <= HEAD_MAX, "too-large")
        end = self._cursor.at + length
        while self._cursor.at < end:
            self._field(self._text(), fields)
        require(self._cursor.at == end, "malformed")
        return fields

    def _content(self):
        cursor = self._cursor
        if cursor.left == 0:
            return b""
        if self._known:
            return cursor.take(cursor.varint())
        pieces = []
        while length := cursor.varint():
            pieces.append(cursor.take(length))
        return b"".join(pieces)


def decode(kind, data):
    return Decoder(kind, data).message
