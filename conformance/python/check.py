"""Reads the SPEC a third time, in another language, and compares the result with every file of vectors.

Shares nothing with the twin or the packages. `python3 conformance/python/check.py` prints how many values agree; at the
first that does not it prints which, and exits with 1. Arguments choose parts, by the keys of CHECKS. Needs
`cryptography` (Debian: python3-cryptography).
"""

import json
import pathlib
import sys

import binary_http
import cookies
import messages
import pairing
import states
import websocket
from primitives import Refused, XWingKey, mac, sha256

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"
#: Of a pairing's refused case that stands for many inputs, since ML-KEM in Python takes long.
PAIRING_INPUTS_MAX = 50

agreed = 0


def shown(value):
    return repr(value)[:600]


def agree(what, seen, expected):
    global agreed
    if seen != expected:
        sys.exit(f"{what}: expected {shown(expected)}, saw {shown(seen)}")
    agreed += 1


def refuses(what, work, expected=None):
    """@param expected: the failure class; None: any."""
    try:
        work()
    except Refused as refused:
        return agree(what, expected and str(refused), expected)
    sys.exit(f"{what}: expected {expected}, accepted")


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def by_name(cases, name):
    return next(case for case in cases if case["name"] == name)


def plain(plaintext):
    """Hex, or so many bytes i mod 251."""
    if isinstance(plaintext, str):
        return bytes.fromhex(plaintext)
    return bytes(i % 251 for i in range(plaintext["pattern"]))


def as_output(data, expected):
    """The bytes as the expected value has them: hex, or length and hash."""
    if isinstance(expected, str):
        return data.hex()
    return {"bytes": len(data), "sha256": sha256(data).hex()}


def inputs(case, base, most=None):
    """The inputs that a refused case stands for: all, or so many of them, spread, with the first and the last."""
    if "input" in case:
        return [bytes.fromhex(case["input"])]
    mutation = case["mutation"]
    if mutation["op"] == "replace":
        data = bytes.fromhex(mutation["bytes"])
        return [base[: mutation["at"]] + data + base[mutation["at"] + len(data) :]]
    places = range(mutation["from"], mutation["to"] + 1, mutation["step"])
    if most is not None and len(places) > most:
        places = [places[round(i * (len(places) - 1) / (most - 1))] for i in range(most)]
    if mutation["op"] == "truncate":
        return [base[:at] for at in places]
    assert mutation["op"] == "flip"
    return [base[:at] + bytes([base[at] ^ mutation["mask"]]) + base[at + 1 :] for at in places]


def check_identity():
    file = vectors("identity")
    for case in file["identities"]:
        name, seed = case["name"], pairing.identity_seed(case["clientIdSecret"])
        public = XWingKey(seed).public
        agree(f"{name}: seed", seed.hex(), case["seed"])
        agree(f"{name}: public key", public.hex(), case["publicKey"])
        agree(f"{name}: key id", pairing.key_id(public).hex(), case["keyId"])
        agree(f"{name}: pin", pairing.pin(public), case["pin"])
    for case in file["clientIds"]:
        made = pairing.client_id(case["clientIdSecret"], bytes.fromhex(case["id"]), case["expiryUnixMs"])
        agree(f"{case['name']}: client id", made.hex(), case["clientId"])
        agree(f"{case['name']}: field", cookies.to_base64url(made), case["fieldValue"])


def begin(case):
    """The client's request, its handshake and its ephemeral key."""
    ephemeral = XWingKey(bytes.fromhex(case["ephemeralSeed"]))
    public, randomness = bytes.fromhex(case["relayPublicKey"]), bytes.fromhex(case["staticRandomness"])
    request, handshake = pairing.client_request(
        public, case["authority"], case["flags"], randomness, ephemeral.public
    )
    return request, handshake, ephemeral


def reply_to(case, relay, request):
    parameters = bytes.fromhex(case["parameterBytes"])
    return pairing.relay_reply(relay, request, bytes.fromhex(case["ephemeralRandomness"]), parameters)


def check_pairing():
    cases = vectors("pairing")["cases"]
    relays = {case["name"]: XWingKey(bytes.fromhex(case["relaySeed"])) for case in cases}
    for case in cases:
        name, relay = case["name"], relays[case["name"]]
        agree(f"{name}: relay key", relay.public.hex(), case["relayPublicKey"])
        request, handshake, ephemeral = begin(case)
        agree(f"{name}: request", request.hex(), case["request"])
        reply, relays_handshake = reply_to(case, relay, request)
        agree(f"{name}: reply", reply.hex(), case["reply"])
        agree(f"{name}: parameters opened", pairing.client_finish(handshake, ephemeral, reply), case["parameters"])
        for side, one in (("client", handshake), ("relay", relays_handshake)):
            agree(f"{name}: trace of the {side}", one.trace, case["trace"])
            for member, value in one.split().items():
                agree(f"{name}: {member} of the {side}", value.hex(), case[member])
        _, handshake, ephemeral = begin(case)
        more = bytes.fromhex(case["replyWithUnknownFields"])
        agree(f"{name}: more fields", pairing.client_finish(handshake, ephemeral, more), case["parameters"])
        check_parameters(case)
    for case in vectors("pairing-refused")["cases"]:
        base = by_name(cases, case["base"])
        of_relay = case["side"] == "relay"
        for given in inputs(case, bytes.fromhex(base["request" if of_relay else "reply"]), PAIRING_INPUTS_MAX):

            def work():
                if of_relay:
                    return reply_to(base, relays[base["name"]], given)
                _, handshake, ephemeral = begin(base)
                return pairing.client_finish(handshake, ephemeral, given)

            refuses(f"pairing: {case['name']}", work, case["expect"])


def check_parameters(case):
    data = bytes.fromhex(case["parameterBytes"])
    agree(f"{case['name']}: parameters", pairing.encode_parameters(case["parameters"]).hex(), data.hex())
    for length in range(len(data)):
        refuses(f"{case['name']}: {length} bytes", lambda: pairing.decode_parameters(data[:length]), "truncated")


def check_messages():
    file = vectors("messages")
    sid, request_secret, response_secret = session_of(file)
    for case in file["cases"]:
        name, nonce = case["name"], bytes.fromhex(case["responseNonce"])
        header = messages.header(case["type"], sid, case["n"], bytes.fromhex(case["nonce"]))
        agree(f"{name}: header", header.hex(), case["header"])
        key = messages.request_key(request_secret, header)
        agree(f"{name}: request key", key.hex(), case["requestKey"])
        plaintexts = [plain(one) for one in case["requestPlaintexts"]]
        request = header + messages.seal_chunks(key, plaintexts)
        agree(f"{name}: request", as_output(request, case["request"]), case["request"])
        agree(f"{name}: request opened", messages.open_request(request_secret, request), plaintexts)
        key = messages.response_key(response_secret, header, nonce)
        agree(f"{name}: response key", key.hex(), case["responseKey"])
        plaintexts = [plain(one) for one in case["responsePlaintexts"]]
        response = nonce + messages.seal_chunks(key, plaintexts)
        agree(f"{name}: response", as_output(response, case["response"]), case["response"])
        agree(f"{name}: response opened", messages.open_response(response_secret, header, response), plaintexts)
    for case in file["cancels"]:
        agree(f"cancel {case['name']}", messages.cancel_target(bytes.fromhex(case["plaintext"])), case["n"])
        for member, cancelled in (("cancelled", True), ("claimed", False)):
            result = messages.cancel_result(bytes.fromhex(case[member]), case["n"])
            agree(f"cancel {case['name']}: {member}", result, cancelled)
    refused = vectors("messages-refused")
    for case in refused["cases"]:
        base = by_name(file["cases"], case["base"])
        of_relay = case["side"] == "relay"
        for given in inputs(case, bytes.fromhex(base["request" if of_relay else "response"])):

            def work():
                if of_relay:
                    return messages.open_request(request_secret, given)
                return messages.open_response(response_secret, bytes.fromhex(base["header"]), given)

            refuses(f"message: {case['name']}", work, case["expect"])
    for case in refused["cancels"]:
        data = bytes.fromhex(case["plaintext"])

        def work():
            if case["side"] == "relay":
                return messages.cancel_target(data)
            return messages.cancel_result(data, case["n"])

        refuses(f"cancel: {case['name']}", work, case["expect"])


def session_of(file):
    session = file["session"]
    return (bytes.fromhex(session[member]) for member in ("sid", "requestSecret", "responseSecret"))


def check_binary_http():
    for case in vectors("bhttp")["cases"]:
        name, encoded, content = case["name"], bytes.fromhex(case["encoded"]), bytes.fromhex(case["content"])
        message = {**case, "content": content}
        if case["form"] == "known":
            made = binary_http.encode_known(message, case.get("padToMultiple", 1))
            agree(f"{name}: encoded", made.hex(), case["encoded"])
        elif case["form"] == "indeterminate":
            ends = [sum(case["pieces"][: i + 1]) for i in range(len(case["pieces"]))]
            pieces = [content[end - length : end] for end, length in zip(ends, case["pieces"])]
            agree(f"{name}: encoded", binary_http.encode_indeterminate(message, pieces).hex(), case["encoded"])
        decoded = binary_http.decode(case["kind"], encoded)
        defaults = {"informational": []} if case["kind"] == "response" else {}
        expected = {**defaults, **{member: message[member] for member in decoded if member in message}}
        agree(f"{name}: decoded", decoded, expected)
    for case in vectors("bhttp-refused")["cases"]:
        data = bytes.fromhex(case["encoded"])
        refuses(f"binary HTTP: {case['name']}", lambda: binary_http.decode(case["kind"], data), case["expect"])


def check_websocket():
    file = vectors("websocket")
    _, request_secret, response_secret = session_of(file)
    keys = {}
    for case in file["cases"]:
        name, header, nonce = case["name"], bytes.fromhex(case["header"]), bytes.fromhex(case["responseNonce"])
        request, response = bytes.fromhex(case["request"]), bytes.fromhex(case["response"])
        opening = websocket.opening(request_secret, header, request)
        agree(f"{name}: opening", opening.hex(), case["opening"])
        agree(f"{name}: opening opened", websocket.open_opening(request_secret, opening), request)
        sealed = websocket.response(response_secret, header, nonce, response)
        agree(f"{name}: response", sealed.hex(), case["answer"])
        agree(f"{name}: response opened", websocket.open_response(response_secret, header, sealed), response)
        client = websocket.client_frame_key(request_secret, header, nonce)
        relay = websocket.relay_frame_key(response_secret, header, nonce)
        agree(f"{name}: client frame key", client.hex(), case["clientFrameKey"])
        agree(f"{name}: relay frame key", relay.hex(), case["relayFrameKey"])
        keys[name] = {"relay": client, "client": relay}
        for key, frames in ((client, case["clientFrames"]), (relay, case["relayFrames"])):
            check_frames(name, key, frames)
    refused = vectors("websocket-refused")
    for case in refused["openings"]:
        base = by_name(file["cases"], case["base"])
        of_relay = case["side"] == "relay"
        for given in inputs(case, bytes.fromhex(base["opening" if of_relay else "answer"])):

            def work():
                if of_relay:
                    return websocket.open_opening(request_secret, given)
                return websocket.open_response(response_secret, bytes.fromhex(base["header"]), given)

            refuses(f"WebSocket: {case['name']}", work, case["expect"])
    for case in refused["frames"]:
        key = keys[case["base"]][case["side"]]
        work = lambda: websocket.open_frame(key, case["at"], bytes.fromhex(case["input"]))  # noqa: E731
        refuses(f"frame: {case['name']}", work, case["expect"])
    for case in refused["plaintexts"]:
        plaintexts = [plain(one) for one in case["plaintexts"]]
        websocket.read_frames(plaintexts[:-1])
        refuses(f"frames: {case['name']}", lambda: websocket.read_frames(plaintexts), case["expect"])


def check_frames(name, key, frames):
    """Every frame of one direction, sealed and read."""
    plaintexts = []
    for i, case in enumerate(frames):
        frame = case["frame"]
        plaintexts.append(websocket.frame_plaintext(frame, plain(frame.get("data", ""))))
        sealed = websocket.seal_frame(key, i, plaintexts[-1])
        agree(f"{name}: frame {i}", as_output(sealed, case["sealed"]), case["sealed"])
        agree(f"{name}: frame {i} opened", websocket.open_frame(key, i, sealed), plaintexts[-1])
    for i, (read, case) in enumerate(zip(websocket.read_frames(plaintexts), frames)):
        expected = {**case["frame"]}
        if "data" in expected:
            expected["data"] = plain(expected["data"]).hex()
        agree(f"{name}: frame {i} read", read, expected)


def check_cookies():
    file = vectors("cookies")
    for case in file["jarKeys"]:
        expected = {life: case[life] for life in ("kept", "session") if life in case}
        agree(f"jar keys: {case['name']}", cookies.jar_keys(case["field"], case["https"]), expected)
    for case in file["records"]:
        name, secret, cookie = case["name"], case["clientIdSecret"], case["cookie"]
        client, nonce = bytes.fromhex(case["id"]), bytes.fromhex(case["nonce"])
        kept = 0 if cookie["expiresUnixMs"] == 0 else 1
        jar = cookies.jar_of(case["jarKeys"]["kept" if kept else "session"])
        agree(f"{name}: cookie", cookies.encode_cookie(cookie).hex(), case["cookieBytes"])
        agree(f"{name}: key", cookies.record_key(secret, kept, nonce, client, jar).hex(), case["key"])
        agree(f"{name}: record", cookies.seal_record(secret, kept, nonce, client, jar, cookie), case["record"])
        agree(f"{name}: opened", cookies.open_record(case["record"], secret, client, case["jarKeys"]), cookie)
        agree(f"{name}: record id", cookies.record_id(secret, client, cookie), case["recordId"])
    for case in file["refused"]:
        given = {**by_name(file["records"], case["base"]), **case}
        texts = [given["record"]]
        if "mutation" in case:
            texts = map(cookies.to_base64url, inputs(case, cookies.from_base64url(given["record"])))
        for text in texts:
            of = given["clientIdSecret"], bytes.fromhex(given["id"]), given["jarKeys"]
            refuses(f"record: {case['name']}", lambda: cookies.open_record(text, *of))
    for case in file["items"]:
        sent = cookies.keep([], [], case["before"])
        present = cookies.keep(sent, [], case["meanwhile"]) if "meanwhile" in case else sent
        agree(f"items: {case['name']}", cookies.keep(present, sent, case["items"]), case["kept"])


def check_states():
    for case in vectors("replay-window")["cases"]:
        window = states.Window()
        agree(f"window: {case['name']}", [[n, window.claim(n)] for n, _ in case["claims"]], case["claims"])
    file = vectors("relay-states")
    for case in file["cases"]:
        results = states.play_relay(file["parameters"], case["steps"])
        agree(f"relay: {case['name']}", results, [step.get("result") for step in case["steps"]])
    file = vectors("client-calls")
    for case in file["cases"]:
        call = states.Call(case["call"], case["way"], file["bounds"])
        end = call.play()
        seen = {"sends": call.sends, "end": end, "afterwards": call.afterwards, "runs": call.runs}
        agree(f"call: {case['name']}", seen, {member: case[member] for member in seen})
    file = vectors("client-sessions")
    for case in file["sessions"]:
        session = states.ClientSession(case["parameters"])
        agree(f"session: {case['name']}", [session.see(event) for event in case["events"]], case["events"])
    for case in file["lineages"]:
        proof = states.store_proves_lost(case["old"], case["new"], case["sinceFirstSentMs"])
        agree(f"lineage: {case['name']}", proof, case["provesLost"])
    for case in file["sentTimes"]:
        agree(f"time: {case['name']}", states.sent_ms(case["relayTimeMs"], case["passedMs"]), case["sentMs"])


CHECKS = {
    "identity": check_identity,
    "pairing": check_pairing,
    "messages": check_messages,
    "bhttp": check_binary_http,
    "websocket": check_websocket,
    "cookies": check_cookies,
    "states": check_states,
}


def main(parts):
    # A published value first, so that a mistake in `mac` cannot agree with itself (RFC 4231 §4.3).
    published = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    agree("HMAC", mac(b"Jefe", b"what do ya want for nothing?").hex(), published)
    for part in parts or CHECKS:
        CHECKS[part]()
    print(agreed, "values agree")


main(sys.argv[1:])
