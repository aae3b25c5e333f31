% The clauses of cookies.m4, with its flags, for a first-order prover: a(W, X) says that the attacker knows X before or after the logout.
% QUERY is secrecy, binding, elsewhere, request, logout or sanity. README.md says how to run it and what it differs in.
cnf(later, axiom, ~a(before, X) | a(after, X)).
cnf(online, axiom, online(before)).
ifdef(`ROLLBACK', `cnf(online, axiom, online(after)).')

% What the attacker composes and takes apart. Its own names: evil.
cnf(known, axiom, a(before, evil)).
cnf(known, axiom, a(before, login)).
cnf(known, axiom, a(before, nothing)).
cnf(known, axiom, a(before, empty)).
cnf(known, axiom, a(before, mte1)).
cnf(pair, axiom, ~a(W, X) | ~a(W, Y) | a(W, pair(X, Y))).
cnf(first, axiom, ~a(W, pair(X, Y)) | a(W, X)).
cnf(second, axiom, ~a(W, pair(X, Y)) | a(W, Y)).
cnf(hash, axiom, ~a(W, X) | a(W, hash(X))).
cnf(hkdf, axiom, ~a(W, S) | ~a(W, N) | ~a(W, I) | ~a(W, J) | a(W, hkdf(S, N, I, J))).
cnf(aenc, axiom, ~a(W, K) | ~a(W, A) | ~a(W, M) | a(W, aenc(K, A, M))).
cnf(ctr, axiom, ~a(W, K) | ~a(W, aenc(K, A, M)) | a(W, M)).
cnf(sealq, axiom, ~a(W, K) | ~a(W, H) | ~a(W, M) | a(W, sealq(K, H, M))).
cnf(header, axiom, ~a(W, sealq(K, H, M)) | a(W, H)).
cnf(openq, axiom, ~a(W, K) | ~a(W, sealq(K, H, M)) | a(W, M)).
cnf(sealr, axiom, ~a(W, K) | ~a(W, H) | ~a(W, M) | a(W, sealr(K, H, M))).
cnf(openr, axiom, ~a(W, K) | ~a(W, sealr(K, H, M)) | a(W, M)).
ifdef(`LEAK', `cnf(leak, axiom, a(after, cookieKey)).')
ifdef(`SCRIPT', `cnf(script, axiom, a(before, k(C))). cnf(script, axiom, a(before, id(C))).')
define(`INTERMEDIARY_READS', `ifdef(`SCRIPT', `ifdef(`INTERMEDIARY', `$1', `$2')', `$1')')
INTERMEDIARY_READS(`cnf(jar, axiom, a(before, jar(C))).')
% The outer cookie of a message in a client session: any that the intermediary likes, or the browser alone knows it.
define(`OUTER', `INTERMEDIARY_READS(`X', `jar(C)')') define(`SENT', `INTERMEDIARY_READS(`~a(W, X) |')')

% The client C: a login, requests with the record that it brought, requests without any. h1, h2, h3 are their headers.
cnf(login, axiom, ~online(W) | a(W, sealq(k(C), h1(W, C), pair(id(C), login)))).
cnf(plain, axiom, ~online(W) | a(W, sealq(k(C), h3(W, C), pair(id(C), nothing)))).
ifdef(`OLD', `', `
cnf(request, axiom, ~online(W) | ~a(W, sealr(k(C), h1(W, C), R)) | a(W, sealq(k(C), h2(W, C), pair(id(C), R)))).')

% The relay: sets a cookie (value val in sessions of clients, any in the attacker's), runs a request under one.
define(`RECORD', `ifdef(`OLD', `pair(mte1, pair($1, aenc(hkdf(cookieKey, $1, empty, empty), $2, $4)))',
  `pair($1, aenc(hkdf(cookieKey, $1, $2, ifdef(`NOJAR', `empty', `hash($3)')), empty, $4))')')
define(`RESPONSE', `ifdef(`OLD', `$3', `sealr($1, $2, $3)')')
cnf(set, axiom, ~online(W) | SENT ~a(W, sealq(k(C), H, pair(I, login)))
  | a(W, RESPONSE(k(C), H, RECORD(nonce(W, client(C)), I, OUTER, val(W, C))))).
cnf(set_elsewhere, axiom, ~online(W) | ~a(W, X) | ~a(W, K) | ~a(W, V) | ~a(W, sealq(K, H, pair(I, login)))
  | a(W, RESPONSE(K, H, RECORD(nonce(W, other), I, X, V)))).
ifdef(`OLD', `
cnf(run, axiom, ~online(W) | ~a(W, sealq(k(C), H, pair(I, M))) | ~a(W, RECORD(N, I, X, V))
  | run(W, client(C), H, RECORD(N, I, X, V), V)).
cnf(run_unsealed, axiom, ~online(W) | ~a(W, sealq(k(C), H, pair(I, M))) | ~a(W, V) | run(W, client(C), H, V, V)).
cnf(run_elsewhere, axiom, ~online(W) | ~a(W, K) | ~a(W, sealq(K, H, pair(I, M))) | ~a(W, RECORD(N, I, X, V))
  | run(W, other, H, RECORD(N, I, X, V), V)).
', `
cnf(run, axiom, ~online(W) | SENT ~a(W, sealq(k(C), H, pair(I, RECORD(N, I, OUTER, V))))
  | run(W, client(C), H, RECORD(N, I, OUTER, V), V)).
cnf(run_elsewhere, axiom, ~online(W) | ~a(W, X) | ~a(W, K) | ~a(W, sealq(K, H, pair(I, RECORD(N, I, X, V))))
  | run(W, other, H, RECORD(N, I, X, V), V)).')

define(`NEVER', `cnf(never, negated_conjecture, $*).')
define(`ASK_secrecy', `NEVER(~a(after, val(W, C)))')
% A value of the attacker's, or of another client's.
define(`ASK_binding', `NEVER(~run(W, client(C), H, R, V) | ~a(after, V)) NEVER(~run(W, client(c1), H, R, val(W2, c2)))')
define(`ASK_elsewhere', `NEVER(~run(W, other, H, R, val(W2, C)))')
% A request without records runs under none.
define(`ASK_request', `NEVER(~run(W, client(C), h3(W2, C2), R, V))')
% A request made after the logout does not run under a value from before.
define(`ASK_logout', `NEVER(~run(after, client(C), h3(after, C), R, val(before, C2)))
NEVER(~run(after, client(C), h2(after, C), R, val(before, C2)))')
define(`ASK_sanity', `NEVER(~run(ifdef(`ROLLBACK', `after', `before'), client(C), H, R, val(ifdef(`ROLLBACK', `after', `before'), C)))')
indir(`ASK_'QUERY)
