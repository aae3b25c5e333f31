"""SPEC §9.4: jar keys, cookie records and their ids, and what a client keeps of a response."""

import base64
import hashlib
import re

from primitives import Cursor, Refused, expand, mac, of_secret, seal, uint, unseal

SAME_SITES = ["not given", "None", "Lax", "Strict"]


def counted(length, text):
    return uint(length, len(text)) + text.encode("latin-1")


def to_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    if not re.fullmatch("[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Refused("malformed")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


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
    return decode_cookie(unseal(key, 0, b"", cursor.rest()))


def seal_record(secret, kept, nonce, client, jar, cookie):
    key = record_key(secret, kept, nonce, client, jar)
    return to_base64url(uint(1, kept) + nonce + seal(key, 0, b"", encode_cookie(cookie)))


def record_id(secret, client, c):
    named = client + uint(1, flags_of(c) & 12) + counted(2, c["name"]) + counted(1, c["domain"])
    named += c["path"].encode("latin-1")
    return to_base64url(mac(of_secret(secret, b"mte-relay/1 cookie id"), named)[:12])


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
