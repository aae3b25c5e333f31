"""Reads SPEC §3.4 and §9.4 a third time, in another language, and compares the result with the vectors.

Shares nothing with the twin or the packages: Python's own HMAC and SHA-256, and AES-GCM of `cryptography`
(Debian: python3-cryptography). `python3 conformance/python/cookies.py` prints how many values agree; at the
first that does not it prints which, and exits with 1.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"
NUMBER_MAX = 2**53 - 1
SAME_SITES = ["not given", "None", "Lax", "Strict"]

agreed = 0


class Refused(Exception):
    """Input that the SPEC rejects."""


def agree(what, seen, expected):
    global agreed
    if seen != expected:
        sys.exit(f"{what}: expected {expected!r}, saw {seen!r}")
    agreed += 1


class Cursor:
    """Reads big-endian integers, bytes and latin-1 texts from front to back."""

    def __init__(self, data):
        self.data = data

    def take(self, length):
        if length > len(self.data):
            raise Refused("truncated")
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def uint(self, length):
        value = int.from_bytes(self.take(length), "big")
        if value > NUMBER_MAX:
            raise Refused("malformed")
        return value

    def rest(self):
        return self.take(len(self.data))


def uint(length, value):
    return value.to_bytes(length, "big")


def counted(length, text):
    return uint(length, len(text)) + text.encode("latin-1")


# §2, §1


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(key, info):
    return mac(key, info + b"\x01")


def of_secret(secret, info):
    """HKDF-SHA256 with an empty salt; 32 bytes are one block."""
    return expand(mac(bytes(32), secret.encode("utf-8")), info)


def to_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    if not re.fullmatch("[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Refused("malformed")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# §3.4: parameters


def encode_parameters(p):
    names = ",".join(p["cookiesFromScript"])
    client_id = bytes.fromhex(p["clientId"])
    return (
        bytes.fromhex(p["sid"])
        + uint(4, p["lifetimeMs"])
        + uint(4, p["idleMs"])
        + uint(8, p["messageLimit"])
        + uint(2, p["window"])
        + uint(8, p["requestBodyMaxBytes"])
        + uint(8, p["storeEpochMs"])
        + uint(8, p["storeAgeMs"])
        + bytes.fromhex(p["lineage"])
        + uint(8, p["relayTimeMs"])
        + uint(4, p["messageAgeMaxMs"])
        + uint(2, p["padToBytes"])
        + uint(1, len(client_id))
        + client_id
        + counted(2, names)
    )


def decode_parameters(data):
    """Ignores bytes after the names."""
    cursor = Cursor(data)
    parameters = {"sid": cursor.take(16).hex()}
    for name, length in (
        ("lifetimeMs", 4),
        ("idleMs", 4),
        ("messageLimit", 8),
        ("window", 2),
        ("requestBodyMaxBytes", 8),
        ("storeEpochMs", 8),
        ("storeAgeMs", 8),
    ):
        parameters[name] = cursor.uint(length)
    parameters["lineage"] = cursor.take(16).hex()
    for name, length in (("relayTimeMs", 8), ("messageAgeMaxMs", 4), ("padToBytes", 2)):
        parameters[name] = cursor.uint(length)
    parameters["clientId"] = cursor.take(cursor.uint(1)).hex()
    names = cursor.take(cursor.uint(2)).decode("latin-1")
    parameters["cookiesFromScript"] = names.split(",") if names else []
    return parameters


# §9.4: jar keys


def jar_of(value):
    return hashlib.sha256(value.encode()).digest()


def jar_key(value):
    kind = "cross-site" if value[0] == "x" else "same-site"
    return {"value": value, "kind": kind, "jar": jar_of(value).hex()}


def jar_keys(field, https):
    """Those of kind s before those of kind x; of two valid ones with one name, the first."""
    prefix = "__Host-Http-" if https else ""
    pairs = [pair.partition("=") for pair in field.split("; ")]
    found = {}
    for kind, site in ("s", ""), ("x", "cross-site-"):
        for life, rest in ("kept", "jar"), ("session", "session-jar"):
            for name, _, value in pairs:
                if name == f"{prefix}mte-relay-{site}{rest}" and re.fullmatch(kind + "[A-Za-z0-9_-]{43}", value):
                    found.setdefault(life, jar_key(value))
    return found


# §9.4: records


def record_key(secret, kept, nonce, client, jar):
    return expand(of_secret(secret, b"mte-relay/1 cookie"), b"cookie" + uint(1, kept) + nonce + client + jar)


def flags_of(c):
    flags = c["httpOnly"] * 1 + c["secure"] * 2 + c["hostOnly"] * 4 + c["partitioned"] * 8
    return flags + SAME_SITES.index(c["sameSite"]) * 16


def encode_cookie(c):
    return (
        uint(1, flags_of(c))
        + uint(8, c["createdUnixUs"])
        + uint(8, c["expiresUnixMs"])
        + counted(2, c["name"])
        + counted(2, c["value"])
        + counted(1, c["domain"])
        + c["path"].encode("latin-1")
    )


def decode_cookie(data):
    cursor = Cursor(data)
    flags = cursor.uint(1)
    if flags >= 64:
        raise Refused("malformed")
    created, expires = cursor.uint(8), cursor.uint(8)
    name, value = (cursor.take(cursor.uint(2)).decode("latin-1") for _ in range(2))
    return {
        "name": name,
        "value": value,
        "domain": cursor.take(cursor.uint(1)).decode("latin-1"),
        "path": cursor.rest().decode("latin-1"),
        "httpOnly": bool(flags & 1),
        "secure": bool(flags & 2),
        "hostOnly": bool(flags & 4),
        "partitioned": bool(flags & 8),
        "sameSite": SAME_SITES[flags >> 4],
        "createdUnixUs": created,
        "expiresUnixMs": expires,
    }


def open_record(record, secret, client, jars):
    cursor = Cursor(from_base64url(record))
    kept, nonce = cursor.uint(1), cursor.take(16)
    beside = jars.get({0: "session", 1: "kept"}.get(kept))
    if beside is None:
        raise Refused("no jar key for this record")
    key = record_key(secret, kept, nonce, client, jar_of(beside))
    sealed = cursor.rest()
    if len(sealed) < 16:
        raise Refused("truncated")
    try:
        return decode_cookie(AESGCM(key).decrypt(bytes(12), sealed, b""))
    except InvalidTag:
        raise Refused("unopenable") from None


def record_id(secret, client, c):
    named = client + uint(1, flags_of(c) & 12) + counted(2, c["name"]) + counted(1, c["domain"])
    named += c["path"].encode("latin-1")
    return to_base64url(mac(of_secret(secret, b"mte-relay/1 cookie id"), named)[:12])


def mutated(data, mutation):
    for at in range(mutation["from"], mutation["to"] + 1, mutation["step"]):
        if mutation["op"] == "truncate":
            yield data[:at]
        elif mutation["op"] == "flip":
            yield data[:at] + bytes([data[at] ^ mutation["mask"]]) + data[at + 1 :]
        else:
            sys.exit(f"unknown mutation {mutation['op']}")


# §9.4: what a client keeps


def without(records, sent, place):
    """The records but that of this place, unless it is replaced by now."""
    for dropped in sent[place:][:1]:
        records = [r for r in records if (r["id"], r["record"]) != (dropped["id"], dropped["record"])]
    return records


def keep(present, sent, field):
    records = list(present)
    for item in field.split(" "):
        put = re.fullmatch(r"\+([A-Za-z0-9_-]+):(-|[0-9]+):([A-Za-z0-9_-]+)", item)
        if put:
            lifetime = None if put[2] == "-" else int(put[2])
            records = [r for r in records if r["id"] != put[1]]
            records.append({"id": put[1], "record": put[3], "lifetimeSeconds": lifetime})
        elif re.fullmatch("-[A-Za-z0-9_-]+", item):
            records = [r for r in records if r["id"] != item[1:]]
        elif re.fullmatch("~[0-9]+", item):
            records = without(records, sent, int(item[1:]))
        elif re.fullmatch(r"~[0-9]+\+[A-Za-z0-9_-]+:(-|[0-9]+):[A-Za-z0-9_-]+", item):
            place, rest = item[1:].split("+")
            left = without(records, sent, int(place))
            if len(left) < len(records):
                records = keep(left, sent, "+" + rest)
        elif item == "*":
            records = []
    while len(records) > 180 or len(" ".join(r["record"] for r in records)) > 32768:
        records.pop(0)
    return records


# The vectors


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def check_parameters():
    for case in vectors("pairing")["cases"]:
        data = bytes.fromhex(case["parameterBytes"])
        agree(f"{case['name']}: parameters", encode_parameters(case["parameters"]).hex(), data.hex())
        for more in (b"", b"\x01\x02\x03"):
            agree(f"{case['name']}: parameters opened", decode_parameters(data + more), case["parameters"])
        for length in range(len(data)):
            try:
                decode_parameters(data[:length])
            except Refused:
                continue
            sys.exit(f"{case['name']}: {length} bytes of the parameters are accepted")


def check_records(cases):
    for case in cases:
        name, secret, cookie = case["name"], case["clientIdSecret"], case["cookie"]
        client, nonce = bytes.fromhex(case["id"]), bytes.fromhex(case["nonce"])
        kept = 0 if cookie["expiresUnixMs"] == 0 else 1
        key = record_key(secret, kept, nonce, client, jar_of(case["jarKeys"]["kept" if kept else "session"]))
        sealed = AESGCM(key).encrypt(bytes(12), encode_cookie(cookie), b"")
        agree(f"{name}: cookie", encode_cookie(cookie).hex(), case["cookieBytes"])
        agree(f"{name}: key", key.hex(), case["key"])
        agree(f"{name}: record", to_base64url(uint(1, kept) + nonce + sealed), case["record"])
        agree(f"{name}: opened", open_record(case["record"], secret, client, case["jarKeys"]), cookie)
        agree(f"{name}: record id", record_id(secret, client, cookie), case["recordId"])


def check_refused(cases, records):
    for case in cases:
        given = {**next(r for r in records if r["name"] == case["base"]), **case}
        base = from_base64url(given["record"]) if "mutation" in case else b""
        texts = map(to_base64url, mutated(base, case["mutation"])) if "mutation" in case else [given["record"]]
        for text in texts:
            try:
                open_record(text, given["clientIdSecret"], bytes.fromhex(given["id"]), given["jarKeys"])
            except Refused:
                agree(case["name"], "refused", "refused")
                continue
            sys.exit(f"{case['name']}: {text} opens")


def check_items(cases):
    for case in cases:
        sent = keep([], [], case["before"])
        present = keep(sent, [], case["meanwhile"]) if "meanwhile" in case else sent
        agree(case["name"], keep(present, sent, case["items"]), case["kept"])


def main():
    cookies = vectors("cookies")
    check_parameters()
    for case in cookies["jarKeys"]:
        expected = {life: case[life] for life in ("kept", "session") if life in case}
        agree(f"jar keys: {case['name']}", jar_keys(case["field"], case["https"]), expected)
    check_records(cookies["records"])
    check_refused(cookies["refused"], cookies["records"])
    check_items(cookies["items"])
    print(agreed, "values agree")


main()
