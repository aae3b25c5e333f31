/* Claims in Redis (SPEC 6, 7) while it fails over: which name of a line of writes keeps a number from being claimed twice.
   Input for spin. Two servers, two relays, one session. Number 1 is a POST. Number 2 is the same POST, which the client
   sends again once a cancel of number 1 has reported "cancelled". An intermediary brings every message to either relay, as
   often as it likes. README.md lists the variants and what each step stands for in the code. */

/* NAME: what names a line of writes. */
#define REPLICATION_ID 1  /* Redis itself, at each promotion */
#define LIBRARY        2  /* a variable of the library, which only its own process has */
#define GENERATION     3  /* a number in the data; a relay that lost a connection raises it */
#define COUNTER        4  /* a counter in the data for each relay, which it compares with what it expects */
#define ROLL_CALL      5  /* the same; after a lost connection claims wait until each relay has found its own intact */
#define REPLICATED     6  /* nothing; a claim counts once the replica has it (WAIT) */
#ifndef NAME
#define NAME REPLICATION_ID
#endif
#ifndef HIDDEN    /* 1: a proxy keeps the relays' connections during a failover */
#define HIDDEN 0
#endif
#ifndef SPLIT     /* 1: the old master serves on, for relays that are still connected to it */
#define SPLIT 0
#endif
#ifndef RESTARTS  /* 1: relays restart, and know nothing of what they have claimed */
#define RESTARTS 0
#endif
#ifndef ALONE     /* 1: there is one relay */
#define ALONE 0
#endif
#ifndef KEPT      /* 1: a server that is overwritten by its successor keeps the variable of its library */
#define KEPT 0
#endif
#ifndef STALE     /* 1: a replica restarts with older data, and may be promoted with it */
#define STALE 0
#endif
#ifndef NO_REPLAY /* 1: the intermediary brings each number once, as if its age had passed afterwards */
#define NO_REPLAY 0
#endif
#ifndef CANCELS   /* 0: a cancel never reports "cancelled" */
#define CANCELS 1
#endif
#ifndef FAILOVERS
#define FAILOVERS 2
#endif
#ifndef SANITY    /* 1: fails where number 2 runs, to show that it can */
#define SANITY 0
#endif

#define GONE 0
#define FRESH 1
#define SEEN 2
#define UNAVAILABLE 3

typedef Data {
  bool claimed[3];          /* by number */
  bool ended;               /* the session */
  byte generation;
  byte count[2];            /* by relay */
  bool suspect;             /* a roll call is in progress */
  bool intact[2]
};

Data on[2];                 /* what each server has */
byte name[2];               /* of the line of writes of each server, 0: none yet */
byte nextName = 2;
bit master = 0;
bool attached = 1;          /* the other server follows the master */
byte failovers = 0, restarts = 0;

bit at[2];                  /* the server that each relay is connected to */
bool lost[2];               /* the relay has lost a connection and not greeted since */
bool dropped[2];            /* the connection of the last claim */
byte known[2];              /* the generation, by relay */
byte expected[2];           /* the count, by relay */

bool begun = 0, sent1 = 0, sent2 = 0, asked = 0, cancelled = 0, brought1 = 0;
byte runs = 0;

inline copy(to, from) {
  on[to].claimed[1] = on[from].claimed[1]; on[to].claimed[2] = on[from].claimed[2]; on[to].ended = on[from].ended;
  on[to].generation = on[from].generation; on[to].count[0] = on[from].count[0]; on[to].count[1] = on[from].count[1];
  on[to].suspect = on[from].suspect; on[to].intact[0] = on[from].intact[0]; on[to].intact[1] = on[from].intact[1]
}

inline restart(r) { expected[r] = on[at[r]].count[r]; known[r] = on[at[r]].generation; lost[r] = 0 }

inline connect(r) { at[r] = master; lost[r] = !HIDDEN; dropped[r] = !HIDDEN }

/* One claim is one script: an atomic step of one server. The session was made under name 1, in generation 0. */
inline claim(r, n, result) {
  dropped[r] = 0;
  if
  :: name[at[r]] != 1 && (NAME == REPLICATION_ID || NAME == LIBRARY) -> result = GONE
  :: NAME == GENERATION && lost[r] -> result = UNAVAILABLE
  :: NAME == GENERATION && !lost[r] && known[r] != 0 -> result = GONE
  :: NAME == ROLL_CALL && (lost[r] || on[at[r]].suspect) -> result = UNAVAILABLE
  :: on[at[r]].count[r] != expected[r] && (NAME == COUNTER || NAME == ROLL_CALL && !lost[r] && !on[at[r]].suspect) ->
    on[at[r]].ended = 1; result = GONE
  :: else ->
    if
    :: on[at[r]].ended -> result = GONE
    :: !on[at[r]].ended && on[at[r]].claimed[n] -> result = SEEN
    :: else ->
      on[at[r]].claimed[n] = 1; result = FRESH;
      if :: NAME == COUNTER || NAME == ROLL_CALL -> on[at[r]].count[r]++; expected[r]++ :: else fi
    fi
  fi
}

/* WAIT on the same connection. Behind a proxy another server may respond, which knows of no write to wait for. */
inline replicated(r, n, where, result) {
  atomic {
    if
    :: NAME == REPLICATED && result == FRESH ->
      if
      :: !dropped[r] && attached && master == at[r] && (at[r] != where || on[1 - where].claimed[n]) -> skip
      :: 1 -> result = UNAVAILABLE
      fi
    :: else
    fi
  }
}

inline execute(n) { runs++; assert(runs <= 1); assert(!(SANITY && n == 2)) }

active [2] proctype Relay() {
  byte r = _pid; byte result; bit where;
  if :: ALONE && r == 1 -> goto end :: else fi;
  do
  :: atomic { sent1 && !(NO_REPLAY && brought1) -> brought1 = 1; where = at[r]; claim(r, 1, result) };
     replicated(r, 1, where, result);
     atomic { if :: result == FRESH -> execute(1) :: else fi; result = GONE }
  :: atomic { asked && !cancelled -> where = at[r]; claim(r, 1, result) };
     replicated(r, 1, where, result);
     atomic { if :: result == FRESH && CANCELS -> cancelled = 1 :: else fi; result = GONE }
  :: atomic { sent2 -> where = at[r]; claim(r, 2, result) };
     replicated(r, 2, where, result);
     atomic { if :: result == FRESH -> execute(2) :: else fi; result = GONE }
  :: atomic { NAME == GENERATION && (lost[r] || known[r] != on[at[r]].generation) ->       /* a greeting */
       if
       :: on[at[r]].generation < known[r] || lost[r] && on[at[r]].generation == known[r] ->  /* raised once for all */
         on[at[r]].generation = known[r] + 1
       :: else
       fi;
       known[r] = on[at[r]].generation; lost[r] = 0 }
  :: atomic { NAME == ROLL_CALL && lost[r] ->
       on[at[r]].suspect = 1; on[at[r]].intact[0] = 0; on[at[r]].intact[1] = 0; lost[r] = 0 }
  :: atomic { NAME == ROLL_CALL && !lost[r] && on[at[r]].suspect ->
       if
       :: on[at[r]].count[r] == expected[r] -> on[at[r]].intact[r] = 1
       :: else -> on[at[r]].ended = 1
       fi;
       if :: on[at[r]].ended || on[at[r]].intact[0] && on[at[r]].intact[1] -> on[at[r]].suspect = 0 :: else fi }
  :: atomic { NAME == ROLL_CALL && on[at[r]].suspect -> on[at[r]].ended = 1; on[at[r]].suspect = 0 } /* one is missing */
  :: timeout -> break
  od;
end: skip
}

active proctype Client() {
  begun -> sent1 = 1;
  asked = 1;                /* no response: a cancel of number 1 */
  cancelled -> sent2 = 1
}

active proctype Operations() {
  begun;
  do
  :: atomic { attached -> copy(1 - master, master) }
  :: atomic { attached && failovers < FAILOVERS ->                                      /* the replica takes over as it is */
       failovers++; master = 1 - master; attached = 0;
       if :: NAME == REPLICATION_ID || NAME == LIBRARY && name[master] == 0 -> name[master] = nextName; nextName++ :: else fi;
       if :: SPLIT :: connect(0) fi;
       if :: SPLIT :: connect(1) fi }
  :: atomic { at[0] != master -> connect(0) }
  :: atomic { at[1] != master -> connect(1) }
  :: atomic { !attached && at[0] == master && at[1] == master ->                /* the old master follows the new one */
       attached = 1; copy(1 - master, master);
       if
       :: NAME == REPLICATION_ID -> name[1 - master] = name[master]
       :: NAME == LIBRARY && !KEPT -> name[1 - master] = 0
       :: else
       fi }
  :: atomic { STALE && attached && on[1 - master].claimed[1] ->
       on[1 - master].claimed[1] = 0; on[1 - master].claimed[2] = 0 }
  :: atomic { RESTARTS && restarts < 2 ->
       restarts++;
       if :: restart(0) :: restart(1) fi }
  :: timeout -> break
  od
}

init { atomic { name[0] = 1; name[1] = (NAME == REPLICATION_ID -> 1 : 0); begun = 1 } }
