% The clauses of websocket.m4, with its flags, for a first-order prover: a(X) says that the attacker knows X.
% QUERY is secrecy, relay_agreement, relay_once, client_agreement, client_once or sanity. README.md says how to run it.

% What the attacker composes and takes apart.
cnf(known, axiom, a(evil)).
cnf(known, axiom, a(zero)).
cnf(known, axiom, a(one)).
cnf(known, axiom, a(final)).
cnf(known, axiom, a(ws)).
cnf(pair, axiom, ~a(X) | ~a(Y) | a(pair(X, Y))).
cnf(first, axiom, ~a(pair(X, Y)) | a(X)).
cnf(second, axiom, ~a(pair(X, Y)) | a(Y)).
cnf(mreq, axiom, ~a(K) | ~a(H) | a(mreq(K, H))).
cnf(mres, axiom, ~a(K) | ~a(H) | ~a(N) | a(mres(K, H, N))).
cnf(wreq, axiom, ~a(K) | ~a(H) | ~a(N) | a(wreq(K, H, N))).
cnf(wres, axiom, ~a(K) | ~a(H) | ~a(N) | a(wres(K, H, N))).
cnf(aenc, axiom, ~a(K) | ~a(I) | ~a(A) | ~a(M) | a(aenc(K, I, A, M))).
cnf(adec, axiom, ~a(K) | ~a(aenc(K, I, A, M)) | a(M)).

% The client's run C with header h(C): opens, and when the response N has come sends frames zero and one, and receives two.
define(`WREQ', `ifdef(`NONONCE', `wreq(kc, $1, zero)', `wreq(kc, $1, $2)')')
define(`OPENED', `~a(N) | ~a(aenc(mres(ks, h(C), N), zero, final, X)) |')
cnf(header, axiom, a(h(C))).
cnf(opening, axiom, a(aenc(mreq(kc, h(C)), zero, final, handshake(C)))).
cnf(client_sends, axiom, OPENED a(aenc(WREQ(h(C), N), zero, ws, pair(x1(C, N), s1)))).
cnf(client_sends, axiom, OPENED a(aenc(WREQ(h(C), N), one, ws, pair(x2(C, N), s1)))).
cnf(client_receives, axiom, OPENED ~a(aenc(wres(ks, h(C), N), zero, ws, M)) | cgot(C, N, zero, M)).
cnf(client_receives, axiom, ~cgot(C, N, zero, X) | ~a(aenc(wres(ks, h(C), N), one, ws, M)) | cgot(C, N, one, M)).

% The relay's run O for header H: a claimed header has one run.
define(`RUN', `ifdef(`LOSTCLAIM', `O', `claimed(H)')')
define(`OPENING', `~a(H) | ~a(aenc(mreq(kc, H), zero, final, X)) |')
cnf(nonce, axiom, OPENING a(rn(RUN, H))).
cnf(response, axiom, OPENING a(aenc(mres(ks, H, rn(RUN, H)), zero, final, ok(RUN, H)))).
cnf(relay_sends, axiom, OPENING a(aenc(wres(ks, H, rn(RUN, H)), zero, ws, pair(y1(RUN, H), s2)))).
cnf(relay_sends, axiom, OPENING a(aenc(wres(ks, H, rn(RUN, H)), one, ws, pair(y2(RUN, H), s2)))).
cnf(relay_receives, axiom, OPENING ~a(aenc(WREQ(H, rn(RUN, H)), zero, ws, M)) | rgot(RUN, H, zero, M)).
cnf(relay_receives, axiom, ~rgot(O, H, zero, X) | ~a(aenc(WREQ(H, rn(O, H)), one, ws, M)) | rgot(O, H, one, M)).

define(`NEVER', `cnf(never, negated_conjecture, $*).')
define(`ASK_secrecy', `NEVER(~a(s1)) NEVER(~a(s2))')
% What was received was not sent by the other side as this frame: the attacker's, the receiver's own, another place, another run.
define(`ASK_relay_agreement', `NEVER(~rgot(O, H, I, M) | ~a(M)) NEVER(~rgot(O, H, I, pair(M, s2)))
NEVER(~rgot(O, H, zero, pair(x2(C, N), M))) NEVER(~rgot(O, H, one, pair(x1(C, N), M)))
NEVER(~rgot(O, h(c1), I, pair(x1(c2, N), M))) NEVER(~rgot(O, h(c1), I, pair(x2(c2, N), M)))')
define(`ASK_client_agreement', `NEVER(~cgot(C, N, I, M) | ~a(M)) NEVER(~cgot(C, N, I, pair(M, s1)))
NEVER(~cgot(C, N, zero, pair(y2(O, H), M))) NEVER(~cgot(C, N, one, pair(y1(O, H), M)))
NEVER(~cgot(c1, N, I, pair(y1(O, h(c2)), M))) NEVER(~cgot(c1, N, I, pair(y2(O, h(c2)), M)))')
% One frame, received in two runs for one header, for two headers, or twice in a run.
define(`ASK_relay_once', `NEVER(~rgot(o1, H, I, M) | ~rgot(o2, H, I2, M))
NEVER(~rgot(O, h(c1), I, M) | ~rgot(O2, h(c2), I2, M)) NEVER(~rgot(O, H, zero, M) | ~rgot(O, H, one, M))')
define(`ASK_client_once', `NEVER(~cgot(c1, N, I, M) | ~cgot(c2, N2, I2, M)) NEVER(~cgot(C, N, zero, M) | ~cgot(C, N, one, M))')
define(`ASK_sanity', `NEVER(~rgot(O, h(C), one, pair(X, s1)) | ~cgot(C, N, one, pair(Y, s2)))')
indir(`ASK_'QUERY)
