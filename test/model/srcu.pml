/* native/srcu as a Promela model: two readers with a FIFO store buffer each (x86-TSO), one updater.
 *
 * Checked in every interleaving: nothing is freed while a section that has loaded it is open, and nobody blocks
 * for ever. Readers choose freely between scopes, holds, scopes upgraded to holds, and a hold ended by the
 * other reader; the updater between the two ways the code scans (attempt(): both counters, no change of index;
 * begin()/advance(): inactive counter, change, active counter).
 *
 * Faults, each of which must be found: -DNO_HEAVY_FENCE -DONE_INDEX -DCOUNTERS_FIRST -DLOCKS_FIRST -DNO_STAMPS
 */
#define READERS 2
#ifndef SECTIONS
#define SECTIONS 1
#endif
#ifndef GRACE_PERIODS
#define GRACE_PERIODS 2
#endif

#define STAMP(r) ((r) * 5)
#define LOCKS(r, i) ((r) * 5 + 1 + (i))
#define UNLOCKS(r, i) ((r) * 5 + 3 + (i))
#define PARCEL (READERS * 5)
#define NO_PARCEL 255

byte pointer = 0;             /* which object is published */
bool freed[GRACE_PERIODS + 1];
byte sequence = 1;
byte index = 0;
byte memory[READERS * 5 + 1]; /* what readers store, as others see it */
chan buffer[READERS] = [4] of { byte, byte };

/* The processor drains a store buffer when it likes. */
proctype Drain(byte r) {
  byte address, value;
end:
  do
  :: atomic { buffer[r] ? address, value -> memory[address] = value }
  od
}

inline check(object) { assert(!freed[object]) }

/* Own counters are written by nobody else, so locals stand for reading them through the buffer. */
inline down(i) {
  i = index;
  locks[i]++;
  buffer[r] ! LOCKS(r, i), locks[i]
}
inline up(i) {
  unlocks[i]++;
  buffer[r] ! UNLOCKS(r, i), unlocks[i]
}

proctype Reader(byte r) {
  byte locks[2], unlocks[2];
  byte stamp, object, i, turn, parcel;
  bool sent;
  for (turn : 1 .. SECTIONS) {
    if
    :: /* scope, perhaps upgraded */
      stamp = sequence;
      buffer[r] ! STAMP(r), stamp;
      object = pointer;
      check(object);
      if
      :: buffer[r] ! STAMP(r), 0
      :: down(i);
        check(object);
        buffer[r] ! STAMP(r), 0;
        check(object);
        up(i)
      fi
    :: /* hold */
      down(i);
      object = pointer;
      check(object);
      if
      :: up(i)
      :: r == 0 && !sent ->
        /* Handed over by a store, so after the lock in the buffer's order. */
        sent = true;
        buffer[r] ! PARCEL, 1 + i + 2 * object
      fi
    fi;
    object = 0; stamp = 0
  }
  if
  :: r == 0 && !sent -> buffer[r] ! PARCEL, NO_PARCEL
  :: r == 0 && sent
  :: r == 1 ->
    memory[PARCEL] != 0;
    parcel = memory[PARCEL];
    if
    :: parcel != NO_PARCEL ->
      i = (parcel - 1) % 2;
      check((parcel - 1) / 2);
      up(i)
    :: else
    fi
  fi
}

/* membarrier: at some moment of its own, each thread's buffer is empty. */
inline heavy_fence() {
#ifndef NO_HEAVY_FENCE
  empty(buffer[0]);
  empty(buffer[1])
#else
  skip
#endif
}

inline stamps() {
#ifndef NO_STAMPS
  memory[STAMP(0)] == 0 || memory[STAMP(0)] >= target;
  memory[STAMP(1)] == 0 || memory[STAMP(1)] >= target
#else
  skip
#endif
}

#ifdef LOCKS_FIRST
#define FIRST LOCKS
#define SECOND UNLOCKS
#else
#define FIRST UNLOCKS
#define SECOND LOCKS
#endif
inline drained(i) {
  do
  :: first = memory[FIRST(0, i)];
    first = first + memory[FIRST(1, i)];
    second = memory[SECOND(0, i)];
    second = second + memory[SECOND(1, i)];
    if
    :: first == second -> break
    :: else
    fi
  od;
  first = 0; second = 0
}

inline counters() {
  if
  :: /* attempt() */
#ifdef ONE_INDEX
    scan = index;
    drained(scan)
#else
    scan = 0;
    drained(scan);
    scan = 1;
    drained(scan)
#endif
  :: /* begin(), advance() */
    scan = 1 - index;
#ifndef ONE_INDEX
    drained(scan);
#endif
    index = scan;
    scan = 1 - scan;
    drained(scan)
  fi;
  scan = 0
}

proctype Updater() {
  byte target, old, scan, first, second, turn;
  for (turn : 1 .. GRACE_PERIODS) {
    atomic { old = pointer; pointer = turn }
    atomic { sequence++; target = sequence }
    heavy_fence();
#ifdef COUNTERS_FIRST
    counters();
    stamps();
#else
    stamps();
    counters();
#endif
    freed[old] = true
  }
}

init {
  atomic { run Drain(0); run Drain(1); run Reader(0); run Reader(1); run Updater() }
}
