(* Cookies of browsers (SPEC 9.4). Sealed sessions are assumed (pqnk.m4): keyof(n) is the session of client n, idof(n) its client id, jarof(n)
   its jar key (the kept one and that of the browser's session are one here), valueof(n, w) the cookie that the upstream gives it before or
   after the logout. The attacker has sessions of its own, may name any client id in them, and owns what is outside the seal.
   Flags: LEAK          CLIENT_ID_SECRET leaks after the traffic was recorded (phase 1)
          ROLLBACK      clients, logged out, and the relay go on in phase 1; the attacker kept everything
          SCRIPT        script in the pages gives away session keys, client ids and with them all records; the attacker does not read the
                        outer hop of these browsers, which TLS protects
          INTERMEDIARY  with SCRIPT: and it reads that hop too
          NOJAR         records do not depend on the jar key
          OLD           cookies as they were: on the outer hop, the client id in the associated data alone, unsealed ones believed
                        (not with SCRIPT alone: who has the script reads that hop here)
          SANITY        only: a client's request runs under its cookie                                                               *)
free c: channel.
type key.
const empty, login, nothing, mte1, before, after, other: bitstring.
fun client(bitstring): bitstring [data].
fun keyof(bitstring): key [private].
fun idof(bitstring): bitstring [private].
fun jarof(bitstring): bitstring [private].
fun valueof(bitstring, bitstring): bitstring [private].
free cookieKey: bitstring [private].                        (* from CLIENT_ID_SECRET *)
fun hash(bitstring): bitstring.
fun hkdf(bitstring, bitstring, bitstring, bitstring): key.  (* cookie key, nonce, client id, hash of the jar key *)
fun aenc(key, bitstring, bitstring): bitstring.             (* key, associated data, plaintext *)
reduc forall k: key, a: bitstring, m: bitstring; adec(k, a, aenc(k, a, m)) = m.
reduc forall k: key, a: bitstring, m: bitstring; ctr(k, aenc(k, a, m)) = m.    (* GCM is a stream cipher: no associated data needed *)
(* A sealed request, and a response that opens for its header alone. *)
fun sealq(key, bitstring, bitstring): bitstring.
reduc forall k: key, h: bitstring, m: bitstring; openq(k, sealq(k, h, m)) = (h, m).
reduc forall k: key, h: bitstring, m: bitstring; header(sealq(k, h, m)) = h.
fun sealr(key, bitstring, bitstring): bitstring.
reduc forall k: key, h: bitstring, m: bitstring; openr(k, h, sealr(k, h, m)) = m.

event Made(bitstring, bitstring).                           (* when, header: by a client *)
event Sent(bitstring, bitstring).                           (* header, record: by a client *)
event SetCookie(bitstring, bitstring, bitstring, bitstring). (* whose session, when, client id, value *)
event Ran(bitstring, bitstring, bitstring, bitstring, bitstring, bitstring). (* whose session, when, client id, header, record, value *)

define(`RECORD', `ifdef(`OLD', `(mte1, $1, aenc(hkdf(cookieKey, $1, empty, empty), $2, $4))',
  `($1, aenc(hkdf(cookieKey, $1, $2, ifdef(`NOJAR', `empty', `hash($3)')), empty, $4))')')
define(`RESPONSE', `ifdef(`OLD', `$3', `sealr($1, $2, $3)')')
define(`OUTER_HOP_READ', `ifdef(`SCRIPT', `ifdef(`INTERMEDIARY', `$1', `$2')', `$1')')

let Session(outer: bitstring, k: key, who: bitstring, w: bitstring, v: bitstring) =
  in(c, x: bitstring); let (h: bitstring, m: bitstring) = openq(k, x) in let (id: bitstring, r: bitstring) = m in
  ( ( if r = login then event SetCookie(who, w, id, v); new n: bitstring; out(c, RESPONSE(k, h, RECORD(n, id, outer, v))) )
  | ( ifdef(`OLD', `let (=mte1, n: bitstring, e: bitstring) = outer in
        ( let u = adec(hkdf(cookieKey, n, empty, empty), id, e) in event Ran(who, w, id, h, outer, u) )
      else event Ran(who, w, id, h, outer, outer)',
      `let (n: bitstring, e: bitstring) = r in
      let u = adec(hkdf(cookieKey, n, id, ifdef(`NOJAR', `empty', `hash(outer)')), empty, e) in event Ran(who, w, id, h, r, u)') ) ).
let Relay(w: bitstring) =
  ( ! ( in(c, n: bitstring); OUTER_HOP_READ(`in(c, outer: bitstring);', `let outer = jarof(n) in')
        Session(outer, keyof(n), client(n), w, valueof(n, w)) ) )
  | ( ! ( in(c, (k: key, v: bitstring, outer: bitstring)); Session(outer, k, other, w, v) ) ).
(* A login and requests with the record that it brought; requests without any. *)
let Client(w: bitstring) =
  ! ( in(c, n: bitstring);
      ( ( new h1: bitstring; event Made(w, h1); out(c, sealq(keyof(n), h1, (idof(n), login)))ifdef(`OLD', `', `;
          in(c, y: bitstring); let r = openr(keyof(n), h1, y) in
          ! ( new h2: bitstring; event Made(w, h2); event Sent(h2, r); out(c, sealq(keyof(n), h2, (idof(n), r))) )') )
      | ( ! ( new h3: bitstring; event Made(w, h3); out(c, sealq(keyof(n), h3, (idof(n), nothing))) ) ) ) ).

define(`LAST', `ifdef(`ROLLBACK', `after', `before')')
ifdef(`SANITY', `
query n: bitstring, i: bitstring, h: bitstring, r: bitstring; event(Ran(client(n), LAST, i, h, r, valueof(n, LAST))).
', `
(* secrecy, binding, elsewhere, request, logout *)
query n: bitstring, w: bitstring; attacker(valueof(n, w)).
query n: bitstring, w: bitstring, w2: bitstring, i: bitstring, h: bitstring, r: bitstring, v: bitstring;
  event(Ran(client(n), w, i, h, r, v)) ==> event(SetCookie(client(n), w2, i, v)).
query n: bitstring, w: bitstring, w2: bitstring, i: bitstring, h: bitstring, r: bitstring; event(Ran(other, w, i, h, r, valueof(n, w2))).
query n: bitstring, w: bitstring, i: bitstring, h: bitstring, r: bitstring, v: bitstring;
  event(Ran(client(n), w, i, h, r, v)) ==> event(Sent(h, r)).
query n: bitstring, w: bitstring, i: bitstring, h: bitstring, r: bitstring, v: bitstring;
  event(Ran(client(n), w, i, h, r, v)) && event(Made(after, h)) ==> event(SetCookie(client(n), after, i, v)).
')
process
  ( Client(before) | Relay(before)
  OUTER_HOP_READ(`| ( ! ( in(c, n: bitstring); out(c, jarof(n)) ) )', `')
  ifdef(`SCRIPT', `| ( ! ( in(c, n: bitstring); out(c, (keyof(n), idof(n))) ) )')
  ifdef(`ROLLBACK', `| ( phase 1; ( Client(after) | Relay(after) ) )')
  ifdef(`LEAK', `| ( phase 1; out(c, cookieKey) )') )
