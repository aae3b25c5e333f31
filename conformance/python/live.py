"""A client of mte-relay/1 over a socket, written from the SPEC: pairs, sends and cancels.

`python3 conformance/python/live.py URL PIN` calls the API behind the relay at that URL and prints what came of each call
as JSON, one line. It is for tests: its calls are those of live.test.ts.
"""

import base64
import http.client
import json
import os
import sys
import time
import urllib.parse

import binary_http
import messages
import pairing
from primitives import XWingKey, require, uint

MESSAGE_TYPE = "application/mte-relay"
PAIRING_TYPE = "application/mte-relay-pairing"
KEYS_MAX = 4


class OuterRefusal(Exception):
    """An outer response that is not sealed: its status and code."""


class Session:
    """One session with a relay. @param pins: of the keys to trust; no other is paired with."""

    def __init__(self, url, pins):
        self._url = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(self._url.netloc)
        public = self._discover(pins)
        ephemeral = XWingKey(os.urandom(32))
        request, handshake = pairing.client_request(public, self._url.netloc, 0, os.urandom(64), ephemeral.public)
        reply = self._post("/api/mte-pair", PAIRING_TYPE, request)
        self.parameters = pairing.client_finish(handshake, ephemeral, reply)
        self.relay_time_ms, self._stated_at = self.parameters["relayTimeMs"], time.monotonic()
        secrets = handshake.split()
        self._request_secret, self._response_secret = secrets["requestSecret"], secrets["responseSecret"]
        self.next_number = 0

    def _discover(self, pins):
        self._connection.request("GET", "/api/mte-relay")
        document = json.loads(self._connection.getresponse().read())
        require(1 in document["versions"] and document["suite"] == 1, "version-unsupported")
        for entry in document.get("keys", [document])[:KEYS_MAX]:
            public = base64.b64decode(entry["publicKey"])
            if pairing.pin(public) in pins:
                return public
        require(False, "pin-mismatch")

    def _post(self, path, content_type, body):
        self._connection.request("POST", path, body, {"content-type": content_type})
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200 or response.headers["content-type"] != content_type:
            raise OuterRefusal(response.status, json.loads(data)["code"])
        return data

    def now_ms(self):
        """The relay's time, or earlier."""
        return self.relay_time_ms + int((time.monotonic() - self._stated_at) * 1000)

    def seal(self, kind, plaintexts, n=None):
        """Header and bytes of a message."""
        if n is None:
            n, self.next_number = self.next_number, self.next_number + 1
        header = messages.header(kind, bytes.fromhex(self.parameters["sid"]), n, os.urandom(16))
        return header, header + messages.seal_chunks(messages.request_key(self._request_secret, header), plaintexts)

    def post(self, header, message):
        """The plaintext of the response."""
        response = self._post("/api/mte", MESSAGE_TYPE, message)
        return b"".join(messages.open_response(self._response_secret, header, response))

    def request(self, method, path, fields=(), content=b"", sent="now"):
        """A sealed request, not sent. @param sent: the stated time, ms since 1970; None: no such field."""
        sent = self.now_ms() if sent == "now" else sent
        stated = [] if sent is None else [["mte-relay-sent-ms", str(sent)]]
        message = {
            "method": method,
            "scheme": self._url.scheme,
            "authority": self._url.netloc,
            "path": path,
            "headers": [*fields, *stated],
            "content": content,
            "trailers": [],
        }
        encoded = binary_http.encode_known(message, self.parameters["padToBytes"] or 1)
        return [encoded[at : at + messages.PLAINTEXT_MAX] for at in range(0, len(encoded), messages.PLAINTEXT_MAX)]

    def fetch(self, *args, n=None, **more):
        """The response as a message, and the length of its padded plaintext."""
        header, sealed = self.seal(messages.EXCHANGE, self.request(*args, **more), n)
        plaintext = self.post(header, sealed)
        return binary_http.decode("response", plaintext) | {"length": len(plaintext)}

    def cancel(self, n):
        header, message = self.seal(messages.CANCEL, [uint(8, n)])
        return messages.cancel_result(self.post(header, message), n)


def refusal(work):
    try:
        work()
    except OuterRefusal as refused:
        return list(refused.args)
    return "accepted"


def shown(response):
    """Status, content and the relay's own fields of a response."""
    content = response["content"]
    fields = dict(response["headers"])
    failure = {"failure": fields["mte-relay-failure"]} if "mte-relay-failure" in fields else {}
    text = content.decode("latin-1") if len(content) < 100 else f"{len(content)} bytes"
    return {"status": response["status"], **failure, "content": "" if failure else text}


def main(url, pin):
    session = Session(url, [pin])
    seen = {}
    seen["get"] = shown(session.fetch("GET", "/hello?x=%20"))
    fields = [["content-type", "application/json"], ["authorization", "Bearer inner"]]
    seen["post"] = shown(session.fetch("POST", "/echo", fields, '{"text":"é"}'.encode()))
    seen["put"] = shown(session.fetch("PUT", "/echo", [], b"put"))
    large = session.fetch("GET", "/large")
    seen["down"] = [len(large["content"]), pairing.sha256(large["content"]).hex()]
    content = bytes(i % 251 for i in range(300_000))
    seen["up"] = session.fetch("POST", "/echo", [], content)["content"] == content

    # Cancelled first: the message of that number never runs.
    late = session.next_number
    session.next_number += 1
    seen["cancelled"] = session.cancel(late)
    seen["late"] = refusal(lambda: session.fetch("POST", "/never", n=late))
    seen["ran"] = shown(session.fetch("POST", "/once"))
    seen["cancelled behind"] = session.cancel(session.next_number - 1)
    header, message = session.seal(messages.EXCHANGE, session.request("POST", "/twice"))
    session.post(header, message)
    seen["repeated"] = refusal(lambda: session.post(header, message))

    # Too old, and sent anew by the time that the refusal states.
    old = session.fetch("POST", "/old", sent=session.now_ms() - session.parameters["messageAgeMaxMs"] - 5_000)
    seen["stale"] = shown(old)
    session.relay_time_ms = int(dict(old["headers"])["mte-relay-time-ms"])
    session._stated_at = time.monotonic()
    seen["anew"] = shown(session.fetch("POST", "/anew"))
    seen["timeless"] = shown(session.fetch("POST", "/timeless", sent=None))

    pad = session.parameters["padToBytes"]
    seen["padding"] = [pad, session.fetch("GET", "/hello")["length"] % pad if pad else None]
    flipped = bytearray(message)
    flipped[-1] ^= 1
    seen["changed"] = refusal(lambda: session.post(header, bytes(flipped)))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
