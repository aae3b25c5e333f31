/* When a client resends, and what may still run then (SPEC 7), against an intermediary that delivers, withholds and repeats
   every message as it likes, and forges refusals. Input for spin; resend.m4 is the cancel alone, for ProVerif.
   A request is number 1 in a session of store 0. Its repetition is number 3 there, or number 4 in a session of store 1. The
   app has been told once the client has returned a response. README.md lists the variants and what each step stands for. */

#ifndef PUT            /* 1: an idempotent method that is not safe; 0: a POST */
#define PUT 0
#endif
#ifndef CANCEL_FIRST   /* 0: an idempotent method is resent without a cancel */
#define CANCEL_FIRST 1
#endif
#ifndef TOGETHER       /* 1: the two stores exist at the same time: regions, pins, a rolling update; 0: one follows the other */
#define TOGETHER 0
#endif
#ifndef VOUCH          /* 0: store 1 has epoch 0 */
#define VOUCH 1
#endif
#ifndef LINEAGE        /* 0: the client compares epochs of stores of any lineage and any pin */
#define LINEAGE 1
#endif
#ifndef PROMISED       /* 1: both stores state one lineage, as SOLE_INSTANCE promises of relays in memory */
#define PROMISED 0
#endif
#ifndef LOSE           /* 1: store 0 may lose its claims and keep its sessions */
#define LOSE 0
#endif
#ifndef STREAMED       /* 1: number 1 has several chunks: it is claimed with the first and runs with the last */
#define STREAMED 0
#endif
#ifndef TRUST_CLAIMED  /* 1: "already claimed" is enough to resend an idempotent method, however many chunks it has */
#define TRUST_CLAIMED 0
#endif
#ifndef AGE            /* 0: a relay runs messages of any age */
#define AGE 1
#endif
#ifndef CLOCK_BACK     /* 1: the relay's clock is set back, or that of another relay is behind */
#define CLOCK_BACK 0
#endif
#ifndef ABORT          /* 1: the app gives the request up; the client cancels it if it can */
#define ABORT 0
#endif
#ifndef ABORT_TELLS    /* 1: and the app takes that for "did not run", whatever became of the cancel */
#define ABORT_TELLS 0
#endif
#ifndef SANITY         /* 1: fails where a repetition runs, to show that it can */
#define SANITY 0
#endif

bool alive0 = 1, born1 = 0, bornBeforeSend = 0;
bool sent1 = 0, sent3 = 0, sent4 = 0;
bool claimed1 = 0, claimed3 = 0, claimed4 = 0;
bool ran1 = 0, ran3 = 0, ran4 = 0;
bool arriving = 0;                       /* number 1 is claimed, and its last chunk is missing */
bool stale = 0;                          /* the relay has refused number 1 as too old, sealed */
bool past = 0, setBack = 0;              /* the age of number 1 is past; by the relay's clock it is not */
bool told = 0;
byte runs = 0;

#define SAME_LINEAGE (!LINEAGE || !TOGETHER || PROMISED)

inline execute() {
  runs++;
  assert(PUT || runs <= 1);              /* a POST runs once */
  assert(!told)                          /* nothing runs once the app has been told, so that nothing overwrites what follows */
}

active proctype Intermediary() {
  do
  :: atomic { sent1 && alive0 && !claimed1 ->
       claimed1 = 1;
       if
       :: AGE && past && !setBack -> stale = 1
       :: !(AGE && past && !setBack) && STREAMED -> arriving = 1
       :: else -> ran1 = 1; execute(); assert(!past)      /* nothing runs whose age is past */
       fi }
  :: atomic { arriving && alive0 -> arriving = 0; ran1 = 1; execute() }
  :: atomic { sent3 && alive0 && !claimed3 -> claimed3 = 1; ran3 = 1; assert(!SANITY); execute() }
  :: atomic { sent4 && born1 && !claimed4 -> claimed4 = 1; ran4 = 1; assert(!SANITY); execute() }
  :: atomic { LOSE && alive0 && claimed1 -> claimed1 = 0; claimed3 = 0 }
  :: timeout -> break
  od
}

active proctype Operations() {
  if
  :: skip
  :: !TOGETHER -> atomic { alive0 = 0; born1 = 1 }
  :: TOGETHER -> born1 = 1; if :: alive0 = 0 :: skip fi
  fi
}

active proctype Time() {
  if
  :: skip
  :: sent1 -> past = 1; if :: CLOCK_BACK -> setBack = 1 :: skip fi
  fi
}

active proctype Client() {
  atomic { bornBeforeSend = born1; sent1 = 1 };
  if
  :: ABORT -> goto abort
  :: ran1 -> told = 1; goto end
  :: stale -> goto resend0
  :: !ABORT -> skip                      /* no response, or a refusal that may be forged */
  fi;
  if
  :: PUT && !CANCEL_FIRST -> goto resend0
  :: else
  fi;
  if                                     /* a cancel in the same session */
  :: atomic { alive0 && !claimed1 -> claimed1 = 1 }; goto resend0
  :: alive0 && claimed1 -> if :: PUT && (!STREAMED || TRUST_CLAIMED) -> goto resend0 :: else -> goto end fi
  :: 1 -> skip                           /* session-unknown, true or forged: the client pairs with whom the intermediary chooses */
  :: 1 -> goto end                       /* no response: the call fails, and may have run */
  fi;
  if
  :: born1 && VOUCH && bornBeforeSend && SAME_LINEAGE -> goto resend1
  :: else -> goto end
  fi;
resend0:
  sent3 = 1;
  if :: ran3 -> told = 1 :: skip fi;
  goto end;
resend1:
  sent4 = 1;
  if :: ran4 -> told = 1 :: skip fi;
  goto end;
abort:
  if
  :: atomic { alive0 && !claimed1 -> claimed1 = 1; told = 1 }
  :: ABORT_TELLS -> told = 1
  :: 1 -> skip
  fi;
end:
  skip
}
