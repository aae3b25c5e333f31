"""SPEC §6 and §7 as state machines: what a relay makes of messages, and what a client does without a response.

Virtual time, no bytes: a message is its type, its number and the time that it states. Cases are those of
relay-states.json, client-calls.json and client-sessions.json.
"""

import re

WINDOW = 1024
IN_FLIGHT_MAX = 512
UNCONFIRMED_MS = 30_000
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
IDEMPOTENT = (*SAFE, "PUT", "DELETE")


class Window:
    """§6: remembers every number."""

    def __init__(self):
        self._claimed = set()
        self._top = -1

    def claim(self, n):
        if n <= self._top - WINDOW:
            return "stale"
        if n in self._claimed:
            return "seen"
        self._claimed.add(n)
        self._top = max(self._top, n)
        return "fresh"


class RelaySession:
    """§6 and §7 for a relay: one session, from its pairing on."""

    def __init__(self, limits):
        self._limits = limits
        self._window = Window()
        self.now = self._last = 0
        self._opened = self._ended = False

    def wait(self, ms):
        self.now += ms
        if self.now - self._last > self._limits["idleMs"]:
            self._ended = True

    def exchange(self, n, age):
        """@param age: ms between the stated time and the relay's, or None for a value that is not a time."""
        if not self._admits(n, False):
            return "session-unknown"
        if not self._claim(n):
            return "replayed"
        if age is None:
            return "request-malformed"
        return "request-stale" if abs(age) > self._limits["messageAgeMaxMs"] else "runs"

    def forged(self, n):
        return "unopenable" if self._admits(n, False) else "session-unknown"

    def cancel(self, n, target):
        if not self._admits(n, True):
            return "session-unknown"
        if not self._claim(n):
            return "replayed"
        return "cancelled" if self._window.claim(target) == "fresh" else "already claimed"

    def broken_cancel(self, n):
        if not self._admits(n, True):
            return "session-unknown"
        return "malformed" if self._claim(n) else "replayed"

    def _admits(self, n, is_cancel):
        exists = self.now <= (self._limits["lifetimeMs"] if self._opened else UNCONFIRMED_MS)
        return n < self._limits["messageLimit"] and exists and (is_cancel or not self._ended)

    def _claim(self, n):
        self._opened = True
        if self._window.claim(n) != "fresh":
            return False
        self._last = self.now
        return True


def age_of(sent, relay_time):
    """@param sent: as a step has it. @param relay_time: when the message arrives, and when it was sealed."""
    arrives, sealed = relay_time
    if sent == "missing":
        return None
    if "offsetMs" in sent:
        return arrives - (sealed + sent["offsetMs"])
    return arrives - int(sent["value"]) if re.fullmatch("[0-9]{1,15}", sent["value"]) else None


def play_relay(limits, steps, epoch=1_800_000_000_000):
    """The result of each step; None for a wait. @param epoch: the relay's time at the pairing."""
    session = RelaySession(limits)
    results, sealed = [], []
    for step in steps:
        sealed.append(epoch + session.now)
        at = step["step"] if step["do"] == "repeat" else len(sealed) - 1
        message = steps[at]
        if message["do"] == "wait":
            results.append(session.wait(message["ms"]))
        elif message["do"] == "cancel":
            results.append(session.cancel(message["n"], message["target"]))
        elif message["do"] == "broken cancel":
            results.append(session.broken_cancel(message["n"]))
        elif message["do"] == "forged":
            results.append(session.forged(message["n"]))
        else:
            age = age_of(message["sent"], (epoch + session.now, sealed[at]))
            results.append(session.exchange(message["n"], age))
    return results


class Ended(Exception):
    """The end of a call."""


class Call:
    """§7 for a client: one call. `send` is a step of the way: it notes the message and takes its outcome."""

    def __init__(self, call, way, bounds):
        self._call, self._way, self._bounds = call, way, bounds
        self.sends = []
        self.runs = 0
        self._safe = call["method"] in SAFE
        self._vouches = call["lineage"] == "some"
        self._session = 0
        self._numbers = [0]
        self._claims = [Window()]
        self._lost = False
        self._may_run = None  # session and number of an exchange that may still run
        self._may_have_run = False
        self._resends = self._pairings = 0
        self._replaced = set()

    def play(self):
        try:
            while True:
                self._attempt()
        except Ended as ended:
            return ended.args[0]

    @property
    def afterwards(self):
        if self._may_run is None or self._safe:
            return []
        session, n = self._may_run
        return [f"cancel {session}.{self._numbers[session]} of {n}"]

    def _number(self):
        self._numbers[self._session] += 1
        return self._numbers[self._session] - 1

    def _send(self, message, arrival):
        self.sends.append(message)
        at = len(self.sends) - 1
        if at == self._call.get("abortAt"):
            raise Ended({"error": "aborted"})
        return self._way[at] if at < len(self._way) else {"gets": arrival}

    def _attempt(self):
        session, n = self._session, self._number()
        self._may_run = session, n
        outcome = self._send(f"exchange {session}.{n}", "the response")
        gets = outcome["gets"]
        arrives = gets in ("the response", "stale") or outcome.get("delivered")
        is_fresh = arrives and not self._lost and self._claims[session].claim(n) == "fresh"
        if is_fresh and gets != "stale":
            self.runs += 1
        if gets == "the response":
            self._may_run = None
            raise Ended({"status": 200})
        if gets == "stale":
            self._may_run = None
            proof = "never ran" if self._vouches else "claimed"
            self._may_have_run |= proof == "claimed" and not self._safe
            self._need(self._may_resend(proof))
            if not self._can_resend():
                self._need(self._safe or not self._may_have_run)  # of an earlier message (§8.2)
                raise Ended({"status": 408})
        else:
            proof = self._proof(gets, n)
            if proof is not None:
                self._may_run = None
            self._may_have_run |= proof != "never ran"
            self._need(self._may_resend(proof))
            passes = not isinstance(gets, int) or gets in self._bounds["passing"]
            if not passes or not self._can_resend():
                raise self._failed(gets)
        self._resends += 1
        if gets == 401 and session not in self._replaced:
            self._pair(lambda pairing: self._failed(gets if pairing is None else pairing))

    def _proof(self, gets, n):
        if gets == "no connection":
            return "never ran"  # b)
        tries = 0
        while not self._safe:
            tries += 1
            cancel = self._send(f"cancel {self._session}.{self._number()} of {n}", "the result")
            self._lost = self._lost or cancel.get("lost", False)
            result = 401 if cancel["gets"] == "the result" and self._lost else cancel["gets"]
            if result == "the result" or cancel.get("delivered"):
                claim = self._claims[self._session].claim(n)
            if result == "the result":
                return "never ran" if claim == "fresh" and self._vouches else "claimed"  # c)
            if result == 401:
                return "never ran" if self._store_is_newer() else None  # d)
            self._need(tries < self._bounds["cancels"])
        return None

    def _store_is_newer(self):
        """The outcome of the pairing has the facts by word; store_proves_lost has them by number."""
        had_lineage = self._vouches
        facts = self._pair(lambda _: self._failure())
        expected = {"lineage": "the same", "epoch": "newer", "age": "longer", "pin": "the same"}
        return had_lineage and {**expected, **facts} == expected

    def _may_resend(self, proof):
        if self._safe or proof == "never ran":
            return True
        is_whole = self._call["body"] in ("none", "whole")
        return proof == "claimed" and self._call["method"] in IDEMPOTENT and is_whole

    def _can_resend(self):
        return self._call["body"] != "stream" and self._resends < self._bounds["resends"]

    def _pair(self, failed):
        if self._pairings == self._bounds["pairings"]:
            raise failed(None)
        self._pairings += 1
        outcome = self._send("pair", "a session")
        if outcome["gets"] != "a session":
            raise failed(outcome["gets"])
        facts = outcome.get("parameters", {})
        self._replaced.add(self._session)
        self._session += 1
        self._numbers.append(0)
        self._claims.append(Window())
        self._lost = False
        lineage = facts.get("lineage", "the same")
        self._vouches = lineage == "another" or lineage == "the same" and self._vouches
        return facts

    def _need(self, holds):
        if not holds:
            raise self._failure()

    def _failure(self):
        return Ended({"error": "may-have-run", "mayHaveRun": True})

    def _failed(self, gets):
        unread = "response-unopenable" if gets in ("garbage", "html") else "unreachable"
        error = "relay-refused" if isinstance(gets, int) else unread
        return Ended({"error": error, "mayHaveRun": self._may_have_run})


class ClientSession:
    """§6 and §7 for a client's session: numbers, room, replacement."""

    def __init__(self, parameters):
        self._parameters = parameters
        self._now = self._used = self._next = 0
        self._in_flight = set()

    def see(self, event):
        """The event with what the session makes of it."""
        return {**event, **getattr(self, "_" + event["do"])(event)}

    def _wait(self, event):
        self._now += event["ms"]
        return {}

    def _take(self, event):
        first = self._next
        self._next += event["count"]
        self._in_flight.update(range(first, self._next))
        self._used = self._now
        return {"first": first}

    def _settle(self, event):
        self._in_flight.difference_update(range(event["from"], event["to"] + 1))
        return {}

    def _room(self, _):
        return {"has": len(self._in_flight) < IN_FLIGHT_MAX}

    def _state(self, _):
        limits = self._parameters
        spread = self._next - min(self._in_flight, default=self._next)
        life, numbers = self._now / limits["lifetimeMs"], self._next / limits["messageLimit"]
        if max(life, numbers, (self._now - self._used) / limits["idleMs"], spread / limits["window"]) >= 1:
            return {"is": "over"}
        return {"is": "replace soon" if max(life, numbers) >= 0.8 else "use"}


def store_proves_lost(old, new, since):
    """§7, the store epoch rule. @param since: the first sending, by each clock: the one that shows more counts."""
    return (
        int(new["lineage"], 16) != 0
        and (new["pin"], new["lineage"]) == (old["pin"], old["lineage"])
        and new["storeEpochMs"] > old["storeEpochMs"]
        and new["storeAgeMs"] > max(since["monotonic"], since["wall"])
    )


def sent_ms(relay_time, passed):
    """§7, Age: the clock that stops while the machine sleeps is never ahead."""
    return relay_time + passed["monotonic"]
