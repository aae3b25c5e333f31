(* WebSocket frames (SPEC 13.3). The session secrets kc, ks are assumed (pqnk.m4). Two frames each way.
   Flags: LOSTCLAIM  the claim of the opening is lost: the relay accepts a recorded opening again
          NONONCE    client frame keys without the response nonce
          SANITY     replaces the queries by two that must come out false: the second frame arrives in each direction             *)
free c: channel. type key. free kc, ks: key [private].
const zero, one, final, ws: bitstring.
fun mreq(key, bitstring): key. fun mres(key, bitstring, bitstring): key.
fun wreq(key, bitstring, bitstring): key. fun wres(key, bitstring, bitstring): key.
fun aenc(key, bitstring, bitstring, bitstring): bitstring.
reduc forall k: key, n: bitstring, a: bitstring, m: bitstring; adec(k, n, a, aenc(k, n, a, m)) = m.
event CSent(bitstring, bitstring, bitstring). event RGot(bitstring, bitstring, bitstring, bitstring). event RSent(bitstring, bitstring, bitstring). event CGot(bitstring, bitstring, bitstring).
event Claim(bitstring, bitstring).
ifdef(`LOSTCLAIM', `', `restriction h: bitstring, o1: bitstring, o2: bitstring; event(Claim(h, o1)) && event(Claim(h, o2)) ==> o1 = o2.')
free s1, s2: bitstring [private].
ifdef(`SANITY', `
query h: bitstring, m: bitstring, o: bitstring; event(RGot(h, one, m, o)).
query h: bitstring, m: bitstring; event(CGot(h, one, m)).
', `
query attacker(s1); attacker(s2).
query h: bitstring, i: bitstring, m: bitstring, o: bitstring; inj-event(RGot(h, i, m, o)) ==> inj-event(CSent(h, i, m)).
query h: bitstring, i: bitstring, m: bitstring; inj-event(CGot(h, i, m)) ==> inj-event(RSent(h, i, m)).
')
define(`WREQ', ifdef(`NONONCE', `wreq(kc, $1, zero)', `wreq(kc, $1, $2)'))
let Client = ! ( new h: bitstring; new hs: bitstring; out(c, (h, aenc(mreq(kc, h), zero, final, hs)));
  in(c, (rn: bitstring, a: bitstring)); let ok = adec(mres(ks, h, rn), zero, final, a) in
  new x1: bitstring; new x2: bitstring;
  event CSent(h, zero, (x1, s1)); out(c, aenc(WREQ(h, rn), zero, ws, (x1, s1)));
  event CSent(h, one, (x2, s1)); out(c, aenc(WREQ(h, rn), one, ws, (x2, s1)));
  in(c, f0: bitstring); let m0 = adec(wres(ks, h, rn), zero, ws, f0) in event CGot(h, zero, m0);
  in(c, f1: bitstring); let m1 = adec(wres(ks, h, rn), one, ws, f1) in event CGot(h, one, m1) ).
let Relay = ! ( in(c, (h: bitstring, q: bitstring)); let hs = adec(mreq(kc, h), zero, final, q) in
  new o: bitstring; event Claim(h, o); new rn: bitstring; new ok: bitstring; out(c, (rn, aenc(mres(ks, h, rn), zero, final, ok)));
  ( ( new y1: bitstring; new y2: bitstring; event RSent(h, zero, (y1, s2)); out(c, aenc(wres(ks, h, rn), zero, ws, (y1, s2)));
      event RSent(h, one, (y2, s2)); out(c, aenc(wres(ks, h, rn), one, ws, (y2, s2))) )
  | ( in(c, f0: bitstring); let m0 = adec(WREQ(h, rn), zero, ws, f0) in event RGot(h, zero, m0, o);
      in(c, f1: bitstring); let m1 = adec(WREQ(h, rn), one, ws, f1) in event RGot(h, one, m1, o) ) ) ).
process Client | Relay
