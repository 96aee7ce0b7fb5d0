/* What time does to leases: active ones expire, declined ones have rested, free ones are forgotten.
 * Bounded work per turn. Control core only, QSBR-online, between quiescent states. */
#ifndef SERVER_SWEEP_H
#define SERVER_SWEEP_H

#include "server/server.h"

struct sweep {
    struct server *server;
    uint32_t hand; /* slot where forgetting under pressure goes on */
};

/* Handles some slots whose time has come; returns how many (a full batch: call again soon). Does
 * nothing while the clock is not trusted (design invariant 10) or the control ring is full. */
unsigned sweep_turn(struct sweep *sweep, sec_t now);

/* Boot: puts every lease on the wheel. */
void sweep_arm_all(struct server *server);

#endif
