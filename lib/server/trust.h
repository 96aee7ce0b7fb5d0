/* Whether the wall clock may be believed (design invariant 10). While it is not, nothing expires
 * and nothing is reused; known and new clients are served.
 *
 * The program's clock is the wall clock at start plus monotonic time. A wall clock that is plainly
 * wrong - before the last time the log knows of, or more than a day after it and not synchronised -
 * is not taken over: the program's clock then starts at the log's last time, which is no later than
 * the truth, and jumps forward once the wall clock is believed. What was promised until the jump
 * seems to end too early by its length, so reuse rests for the longest lifetime after it; the log
 * remembers that over a restart.
 *
 * Knows no clock: app/ tells the wall clock and what the kernel says of it. Control core only. */
#ifndef SERVER_TRUST_H
#define SERVER_TRUST_H

#include "server/server.h"

enum {
    TRUST_AHEAD_MAX_S = 86400 /* so long an absence is believed without a synchronised clock */
};

enum trust_doubt {
    TRUST_NONE,
    TRUST_BEHIND,         /* before the log's last time */
    TRUST_AHEAD,          /* long after it */
    TRUST_UNSYNCHRONISED, /* likely, but the configuration asks for more */
    TRUST_DOUBT_COUNT
};

struct trust {
    struct server *server;
    enum trust_doubt doubt;
    bool owes_rest;       /* the last run ended with promises of a doubted clock */
    bool confirmed;       /* the operator says that the wall clock is right */
    msec_t rest_until_ms; /* believed again, reuse still rests; 0 = no rest */
};

/* Boot, after replay and the first server_apply, before the leases are put on the wheel. wall: the
 * wall clock; synchronised: the kernel says that something keeps it right. *ret_now is where the
 * program's clock starts. 0 or -ENOMEM. */
int trust_boot(struct trust *trust, struct server *server, sec_t wall, bool synchronised,
               msec_t now_ms, sec_t *ret_now) MUST_CHECK;

/* Now and then. ahead_s: wall clock less the program's. True when the program's clock is to be set
 * to the wall clock, before anybody looks at it again. */
bool trust_turn(struct trust *trust, msec_t now_ms, sec_t now, int64_t ahead_s, bool synchronised);

/* The operator says that the wall clock is right; the next turn believes it. False when it was
 * believed already. */
bool trust_confirm(struct trust *trust);

/* What is wrong with the wall clock, one sentence; for TRUST_NONE too. */
const char *trust_doubt_text(enum trust_doubt doubt);

#endif
