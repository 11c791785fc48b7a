/*
 * The number line between one station and its required centres, for the model checker Spin.
 * What it says and what was found: ../model.md. How to run it: python docs/understand/model/check.py
 *
 * A record is a bit: line l, number n is bit l * NUMBERS + (n - 1). Number 1 of a line is its opening.
 * One option of the loop at the end is one step; every order of steps within the bounds is tried.
 *
 * The network is anything that ever left, any number of times, in any order, or never: a record that was once
 * durable may arrive at any moment, by link or stick, and a receipt that was once true may be heard at any moment,
 * those of ended epochs included (a broker that kept them, or a file that was carried late).
 */

/* Bounds. */
#ifndef LINES
#define LINES 3
#endif
#ifndef NUMBERS
#define NUMBERS 3
#endif
#ifndef CENTRES
#define CENTRES 1
#endif
#ifndef RESTORES
#define RESTORES 1      /* of each centre from its backup */
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 1     /* of the card to its image, 0 or 1 */
#endif
#ifndef KILLS
#define KILLS 1         /* of each centre's worker between its two commits */
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 1      /* records that a full card frees without a receipt */
#endif

/* Mistakes, each one switch: -D NAME on the command line. Without any, the protocol is as designed. */
#ifdef ACKNOWLEDGEMENT_FREES    /* the broker's word counts as a receipt */
#define MISTAKE_ACK 1
#else
#define MISTAKE_ACK 0
#endif

#if LINES * NUMBERS > 9
#error "at most 9 records"
#endif

#define EPOCHS (RESTORES + 1)
#define NONE 15
#define BIT(r) (1 << (r))
#define HAS(set, r) (((set) >> (r)) & 1)
#define ROW ((1 << NUMBERS) - 1)                       /* all numbers of line 0 */
#define OF_LINE(set, l) (((set) >> ((l) * NUMBERS)) & ROW)

byte up;                /* is the agent running */
byte line;              /* the line that it writes */
byte numbers;           /* how many numbers of it are durable */
byte waiting;           /* numbered in memory, not durable */
byte lines_used;        /* random 64-bit ids: never the same twice, also not for a cloned card */
short lost;             /* in memory: what this run knows to be gone, or is about to free unreceipted */
byte unsaid;            /* of that, something is in no durable gap record yet */

/* On the card. */
short card;             /* durable records */
short says[9];          /* what a record names as a gap; a record never changes, so one copy for all who have it */
short saved[CENTRES];   /* the file of receipts */
byte saved_epoch[CENTRES];

/* In memory: what each centre has receipted, within its newest epoch that is known here. */
short held[CENTRES];
byte held_epoch[CENTRES];

/* The image of the card. */
byte imaged;
short image;
short image_saved[CENTRES];
byte image_epoch[CENTRES];
byte image_heard[CENTRES];
byte rollbacks;
byte give_ups;

/* The centres. */
byte epoch[CENTRES];
short store[CENTRES];
short ledger[CENTRES];
byte work[CENTRES];     /* what the worker has begun and not finished */
byte kills[CENTRES];
byte backups[CENTRES];
byte restores[CENTRES];
short backup_store[CENTRES];
short backup_ledger[CENTRES];
byte backup_epoch[CENTRES];
short ended[CENTRES * EPOCHS];  /* ledgers of epochs that ended: their receipts are still about */

/* For the properties only; no step of the protocol reads these. */
short ever;             /* was durable once */
short excused;          /* was, or was named, only on a card that was exchanged for an older image; or was freed by
                           right, and then a centre fell back, or it had and this station could not know */
byte heard[CENTRES];    /* newest epoch that this card was ever told of */
byte healed;            /* from here on nothing fails any more */

byte i;                  /* always 0 between steps */

/* What the records of a set name as gaps. */
#define NAMED(s) (HAS(s,0)*says[0] | HAS(s,1)*says[1] | HAS(s,2)*says[2] | HAS(s,3)*says[3] | HAS(s,4)*says[4] \
  | HAS(s,5)*says[5] | HAS(s,6)*says[6] | HAS(s,7)*says[7] | HAS(s,8)*says[8])
#define KNOWN_AT(c) (store[c] | NAMED(store[c]))
#if CENTRES == 1
#define SETTLED held[0]
#define AT_THE_CENTRES KNOWN_AT(0)
#define BEHIND(r) (heard[0] < epoch[0])
#else
#ifdef ONE_CENTRE_FREES         /* any centre's receipt instead of all that are required */
#define SETTLED (held[0] | held[1])
#else
#define SETTLED (held[0] & held[1])
#endif
#define AT_THE_CENTRES (KNOWN_AT(0) & KNOWN_AT(1))
#define BEHIND(r) ((heard[0] < epoch[0] && !HAS(KNOWN_AT(0), r)) || (heard[1] < epoch[1] && !HAS(KNOWN_AT(1), r)))
#endif
#ifdef FREED_BEFORE_SAID        /* then what a running agent is about to say must count as said */
#define ABOUT_TO_SAY lost
#define LOOK up
#else
#define ABOUT_TO_SAY 0
#define LOOK 1
#endif
#define UNACCOUNTED (ever & ~(card | NAMED(card) | ABOUT_TO_SAY | AT_THE_CENTRES | excused))

/* The highest number of a set in a line, 0 for none. */
#define LAST(row) (((row) >> 2 & 1) -> 3 : (((row) >> 1 & 1) -> 2 : ((row) & 1)))
/* Numbers below the highest that are not there: what an opening finds missing in older lines. */
#define BELOW(row) ((1 << LAST(row)) - 1)
#define HOLES(set, l) ((BELOW(OF_LINE(set, l)) & ~OF_LINE(set, l)) << ((l) * NUMBERS))
#if LINES == 1
#define ALL_HOLES(set) HOLES(set, 0)
#elif LINES == 2
#define ALL_HOLES(set) (HOLES(set, 0) | HOLES(set, 1))
#elif LINES == 3
#define ALL_HOLES(set) (HOLES(set, 0) | HOLES(set, 1) | HOLES(set, 2))
#else
#define ALL_HOLES(set) (HOLES(set, 0) | HOLES(set, 1) | HOLES(set, 2) | HOLES(set, 3))
#endif

#define NEXT (line * NUMBERS + numbers)
#define NEWEST (line * NUMBERS + numbers - 1)          /* lies in the open file, which is never freed */
#define ROOM (numbers + waiting + unsaid < NUMBERS)

inline make_durable() {
  assert((ever & BIT(NEXT)) == 0);                      /* a number of a line is used once */
  card = card | BIT(NEXT);
  ever = ever | BIT(NEXT);
  numbers++
}

inline say_what_is_lost() {
  if
  :: unsaid -> says[NEXT] = lost; make_durable(); unsaid = 0
  :: else
  fi
}

inline gone(r) {
  card = card & ~BIT(r);
  for (i : 0 .. CENTRES - 1) { held[i] = held[i] & card; saved[i] = saved[i] & card } i = 0;
  for (i : 0 .. CENTRES * EPOCHS - 1) { ended[i] = ended[i] & (card | image) } i = 0
}

inline excuse_if(condition) {
  if
  :: condition -> excused = excused | UNACCOUNTED
  :: else
  fi
}

inline take_receipt(c, e, numbers_held) {
  if
  :: e > held_epoch[c] ->
    held[c] = 0; held_epoch[c] = e; heard[c] = e;       /* a higher epoch voids */
#ifndef VOID_SAVED_LATER
    saved[c] = 0; saved_epoch[c] = e;                   /* and that is durable before anything is freed */
#ifndef OLD_EPOCH_HONOURED
    if  /* nobody is left who could still take a receipt of an earlier epoch: one state instead of many */
    :: !imaged || image_epoch[c] >= e -> for (i : 0 .. EPOCHS - 1) {
        if :: i < e && i < epoch[c] -> ended[c * EPOCHS + i] = 0 :: else fi } i = 0
    :: else
    fi
#endif
#endif
  :: else
  fi;
  held[c] = (held[c] | (numbers_held)) & card
}

#ifdef CUMULATIVE_RECEIPTS      /* "all up to n" instead of a set */
#define STATES(r) ((BIT(r) | (BIT(r) - 1)) & (ROW << (((r) / NUMBERS) * NUMBERS)))
#else
#define STATES(r) BIT(r)
#endif

/* ---- the station ---- */

#ifdef LINE_CONTINUED           /* the next start goes on where the card ends */
#define FRESH (card == 0)
#else
#define FRESH 1
#endif

#define OPENS \
  :: d_step { !up && lines_used < LINES && FRESH -> \
    up = 1; line = lines_used; lines_used++; numbers = 0; \
    lost = ALL_HOLES(card); unsaid = (lost != 0); \
    for (i : 0 .. CENTRES - 1) { held[i] = saved[i]; held_epoch[i] = saved_epoch[i] } i = 0; \
    make_durable(); say_what_is_lost(); \
    printf("station: opens line %d\n", line) }
#define GOES_ON(l) \
  :: d_step { !up && card && OF_LINE(card, l) && (card >> ((l + 1) * NUMBERS)) == 0 -> \
    up = 1; line = l; numbers = LAST(OF_LINE(card, l)); \
    for (i : 0 .. CENTRES - 1) { held[i] = saved[i]; held_epoch[i] = saved_epoch[i] } i = 0; \
    printf("station: goes on with line %d behind number %d\n", l, numbers) }
#define APPENDS \
  :: d_step { up && !healed && !waiting && ROOM -> waiting = 1; \
    printf("station: numbers a reading\n") }
#define COMMITS \
  :: d_step { up && (waiting || unsaid) -> \
    if :: waiting -> make_durable(); waiting = 0 :: else fi; \
    say_what_is_lost(); \
    printf("station: commits, %d numbers of line %d are durable\n", numbers, line) }
/* The file of receipts is written now and then: a cut finds it as it was at the start, or up to date. */
#define CRASHES \
  :: d_step { up && !healed -> up = 0; waiting = 0; lost = 0; unsaid = 0; line = 0; numbers = 0; \
    for (i : 0 .. CENTRES - 1) { held[i] = 0; held_epoch[i] = 0 } i = 0; \
    printf("station: power cut\n") } \
  :: d_step { up && !healed && (held[0] != saved[0] || held_epoch[0] != saved_epoch[0] || OTHER_UNSAVED) -> \
    up = 0; waiting = 0; lost = 0; unsaid = 0; line = 0; numbers = 0; \
    for (i : 0 .. CENTRES - 1) { \
      saved[i] = held[i]; saved_epoch[i] = held_epoch[i]; held[i] = 0; held_epoch[i] = 0 } i = 0; \
    printf("station: saves its receipts; power cut\n") }
#if CENTRES == 1
#define OTHER_UNSAVED 0
#else
#define OTHER_UNSAVED (held[1] != saved[1] || held_epoch[1] != saved_epoch[1])
#endif
#define IMAGED \
  :: d_step { !up && !healed && !imaged && card && rollbacks < ROLLBACKS -> imaged = 1; image = card; \
    for (i : 0 .. CENTRES - 1) { \
      image_saved[i] = saved[i]; image_epoch[i] = saved_epoch[i]; image_heard[i] = heard[i] } i = 0; \
    printf("card: an image is made\n") }
#define ROLLED_BACK \
  :: d_step { !up && !healed && imaged && rollbacks < ROLLBACKS -> rollbacks++; \
    card = image; imaged = 0; image = 0; excuse_if(1); \
    for (i : 0 .. CENTRES - 1) { \
      saved[i] = image_saved[i]; saved_epoch[i] = image_epoch[i]; heard[i] = image_heard[i]; \
      image_saved[i] = 0; image_epoch[i] = 0; image_heard[i] = 0 } i = 0; \
    printf("card: the image takes its place\n") }

/* Space is needed. What every required centre has receipted goes without a word. */
#define FREES(r) \
  :: d_step { up && !healed && HAS(card & SETTLED, r) && r != NEWEST -> gone(r); \
    excuse_if(BEHIND(r)); \
    printf("station: frees receipted number %d of line %d\n", r % NUMBERS + 1, r / NUMBERS) }

/* What is not receipted goes when nothing else helps; what a gap record names must stay named. */
#ifdef FREED_BEFORE_SAID        /* unlink, then the gap record with the next commit */
#define GIVES_UP(r) \
  :: d_step { up && !healed && ROOM && give_ups < GIVE_UPS && HAS(card & ~SETTLED, r) && r != NEWEST -> \
    lost = lost | BIT(r) | says[r]; unsaid = 1; give_ups++; gone(r); \
    printf("station: frees number %d of line %d without a receipt\n", r % NUMBERS + 1, r / NUMBERS) }
#define FREES_SAID(r)
#else                           /* the gap record is durable, then unlink */
#define GIVES_UP(r) \
  :: d_step { up && !healed && ROOM && give_ups < GIVE_UPS && HAS(card & ~SETTLED & ~lost, r) && r != NEWEST -> \
    lost = lost | BIT(r) | says[r]; unsaid = 1; give_ups++; \
    printf("station: will free number %d of line %d without a receipt\n", r % NUMBERS + 1, r / NUMBERS) }
#define FREES_SAID(r) \
  :: d_step { up && !unsaid && HAS(card & lost, r) && r != NEWEST -> gone(r); \
    printf("station: frees number %d of line %d, named in a gap\n", r % NUMBERS + 1, r / NUMBERS) }
#endif

#define ACKNOWLEDGED(c, r) \
  :: d_step { MISTAKE_ACK && up && HAS(card & ~held[c], r) -> held[c] = held[c] | BIT(r); \
    printf("broker of centre %d: acknowledges number %d of line %d\n", c, r % NUMBERS + 1, r / NUMBERS) }

/* ---- a centre ---- */

#define CAN_ARRIVE(c, r) (work[c] == NONE && HAS(ever & ~ledger[c], r) && (!healed || (up && HAS(card, r))))

#ifdef LEDGER_BEFORE_STORE
#define ARRIVES(c, r) \
  :: d_step { CAN_ARRIVE(c, r) -> work[c] = r; ledger[c] = ledger[c] | BIT(r); \
    printf("centre %d: books number %d of line %d\n", c, r % NUMBERS + 1, r / NUMBERS) }
#define FINISHES(c) \
  :: d_step { work[c] != NONE -> store[c] = store[c] | BIT(work[c]); work[c] = NONE; \
    printf("centre %d: stores it\n", c) }
#else
#define ARRIVES(c, r) \
  :: d_step { CAN_ARRIVE(c, r) -> work[c] = r; store[c] = store[c] | BIT(r); \
    printf("centre %d: stores number %d of line %d\n", c, r % NUMBERS + 1, r / NUMBERS) }
#define FINISHES(c) \
  :: d_step { work[c] != NONE -> ledger[c] = ledger[c] | BIT(work[c]); work[c] = NONE; \
    printf("centre %d: books it in ledger and arrival log\n", c) }
#endif
#define STOPS(c) \
  :: d_step { work[c] != NONE && !healed && kills[c] < KILLS -> kills[c]++; work[c] = NONE; \
    printf("centre %d: is killed between the two\n", c) }

/* A receipt is any true part of the ledger: one number, or none and only the epoch. */
#define RECEIPTED(c, r) \
  :: d_step { up && work[c] == NONE && HAS(ledger[c] & card, r) && epoch[c] >= held_epoch[c] \
      && !(held_epoch[c] == epoch[c] && HAS(held[c], r)) -> \
    take_receipt(c, epoch[c], STATES(r)); \
    printf("station: hears of centre %d, epoch %d: number %d of line %d is held\n", \
      c, epoch[c], r % NUMBERS + 1, r / NUMBERS) }
#define EPOCH_TOLD(c) \
  :: d_step { up && epoch[c] > held_epoch[c] -> take_receipt(c, epoch[c], 0); \
    printf("station: hears of centre %d, epoch %d\n", c, epoch[c]) }
#ifdef OLD_EPOCH_HONOURED
#define STILL_COUNTS(c, e) 1
#else
#define STILL_COUNTS(c, e) (e >= held_epoch[c])
#endif
#define OLD_RECEIPT(c, e, r) \
  :: d_step { up && !healed && e <= epoch[c] && STILL_COUNTS(c, e) && HAS(ended[c * EPOCHS + e] & card, r) \
      && !(e <= held_epoch[c] && HAS(held[c], r)) -> \
    take_receipt(c, e, STATES(r)); \
    printf("station: hears an old receipt of centre %d, epoch %d: number %d of line %d\n", \
      c, e, r % NUMBERS + 1, r / NUMBERS) }
#define OLD_EPOCH_TOLD(c, e) \
  :: d_step { up && !healed && e < epoch[c] && e > held_epoch[c] -> take_receipt(c, e, 0); \
    printf("station: hears an old receipt of centre %d, epoch %d\n", c, e) }

#define BACKED_UP(c) \
  :: d_step { !healed && RESTORES && restores[c] < RESTORES && !backups[c] && store[c] && work[c] == NONE -> backups[c] = 1; \
    backup_store[c] = store[c]; backup_ledger[c] = ledger[c]; backup_epoch[c] = epoch[c]; \
    printf("centre %d: a backup is made\n", c) }

#ifdef LEDGER_NEWER_THAN_STORE  /* only the store falls back */
#define LEDGER_OF_BACKUP(c)
#else
#define LEDGER_OF_BACKUP(c) ledger[c] = backup_ledger[c];
#endif
#ifdef NO_NEW_EPOCH             /* the step is forgotten */
#define EPOCH_AFTER(c) epoch[c]
#else
#ifdef EPOCH_FROM_BACKUP        /* one more than in the backup: what a clock that runs behind comes to */
#define EPOCH_AFTER(c) (backup_epoch[c] + 1)
#else
#define EPOCH_AFTER(c) (epoch[c] + 1)
#endif
#endif
#define RESTORED(c) \
  :: d_step { !healed && restores[c] < RESTORES && (store[c] != backup_store[c] || ledger[c] != backup_ledger[c]) -> \
    restores[c]++; \
    ended[c * EPOCHS + epoch[c]] = ended[c * EPOCHS + epoch[c]] | (ledger[c] & (card | image)); \
    store[c] = backup_store[c]; LEDGER_OF_BACKUP(c) work[c] = NONE; epoch[c] = EPOCH_AFTER(c); \
    excuse_if(1); \
    if :: restores[c] == RESTORES -> backup_store[c] = 0; backup_ledger[c] = 0; backup_epoch[c] = 0 :: else fi; \
    printf("centre %d: is restored from the backup, epoch %d\n", c, epoch[c]) }

#ifdef HEALING
#define HEALS \
  :: d_step { !healed -> healed = 1; printf("from here on nothing fails\n") }
/* Every step that is left adds something and none takes it away, so every fair run ends here. */
#define NOTHING_LEFT_TO_DO \
  :: else -> assert(healed && (up -> \
      (card & ~SETTLED) == 0 && (ever & ~(AT_THE_CENTRES | excused)) == 0 : lines_used == LINES)); break
#else
#define HEALS
#define NOTHING_LEFT_TO_DO
#endif

#if LINES * NUMBERS == 4
#define EACH(do_this) do_this(0) do_this(1) do_this(2) do_this(3)
#define EACH_OF(do_this, c) do_this(c,0) do_this(c,1) do_this(c,2) do_this(c,3)
#define EACH_OLD(c, e) OLD_RECEIPT(c,e,0) OLD_RECEIPT(c,e,1) OLD_RECEIPT(c,e,2) OLD_RECEIPT(c,e,3)
#elif LINES * NUMBERS == 6
#define EACH(do_this) do_this(0) do_this(1) do_this(2) do_this(3) do_this(4) do_this(5)
#define EACH_OF(do_this, c) do_this(c,0) do_this(c,1) do_this(c,2) do_this(c,3) do_this(c,4) do_this(c,5)
#define EACH_OLD(c, e) OLD_RECEIPT(c,e,0) OLD_RECEIPT(c,e,1) OLD_RECEIPT(c,e,2) OLD_RECEIPT(c,e,3) \
  OLD_RECEIPT(c,e,4) OLD_RECEIPT(c,e,5)
#elif LINES * NUMBERS == 9
#define EACH(do_this) do_this(0) do_this(1) do_this(2) do_this(3) do_this(4) do_this(5) do_this(6) do_this(7) do_this(8)
#define EACH_OF(do_this, c) do_this(c,0) do_this(c,1) do_this(c,2) do_this(c,3) do_this(c,4) do_this(c,5) \
  do_this(c,6) do_this(c,7) do_this(c,8)
#define EACH_OLD(c, e) OLD_RECEIPT(c,e,0) OLD_RECEIPT(c,e,1) OLD_RECEIPT(c,e,2) OLD_RECEIPT(c,e,3) \
  OLD_RECEIPT(c,e,4) OLD_RECEIPT(c,e,5) OLD_RECEIPT(c,e,6) OLD_RECEIPT(c,e,7) OLD_RECEIPT(c,e,8)
#endif

#if RESTORES == 0
#define OLD_RECEIPTS(c)
#elif RESTORES == 1
#define OLD_RECEIPTS(c) EACH_OLD(c, 0)
#else
#define OLD_RECEIPTS(c) EACH_OLD(c, 0) EACH_OLD(c, 1) OLD_EPOCH_TOLD(c, 1)
#endif

#define CENTRE(c) EACH_OF(ARRIVES, c) FINISHES(c) STOPS(c) EACH_OF(RECEIPTED, c) EPOCH_TOLD(c) OLD_RECEIPTS(c) \
  BACKED_UP(c) RESTORED(c) EACH_OF(ACKNOWLEDGED, c)

active proctype world() {
  d_step { for (i : 0 .. CENTRES - 1) { work[i] = NONE } i = 0 };
end:
  do
  /* P1: what was ever committed is on the card, in every required store, or named in a gap. */
  :: d_step { LOOK && UNACCOUNTED -> printf("lost without a word: %d\n", UNACCOUNTED); assert(false) }
  /* P2: what a receipt would name now is in the store. */
  :: d_step { work[0] == NONE && (ledger[0] & ~store[0]) -> assert(false) }
  OPENS
#ifdef LINE_CONTINUED
  GOES_ON(0) GOES_ON(1)
#if LINES > 2
  GOES_ON(2)
#endif
#endif
  APPENDS COMMITS CRASHES IMAGED ROLLED_BACK
  EACH(FREES) EACH(GIVES_UP) EACH(FREES_SAID)
  CENTRE(0)
#if CENTRES == 2
  CENTRE(1)
#endif
  HEALS
  NOTHING_LEFT_TO_DO
  od
}
