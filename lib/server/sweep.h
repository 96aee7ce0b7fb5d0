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
void sweep_arm_all(struct server *server, sec_t now);

enum {
    SWEEP_FREE_LOOK_S = 600
};

/* When the wheel looks at a free lease again: soon, although it is forgotten much later, since its
 * client may come back meanwhile and the wheel keeps a slot's older time. */
static inline sec_t sweep_free_look_s(const struct server *server, const struct lease *lease,
                                      sec_t now)
{
    sec_t forget_s = lease->times.start_s + server->config->remember_s;

    return sec_after(forget_s, now + SWEEP_FREE_LOOK_S) ? now + SWEEP_FREE_LOOK_S : forget_s;
}

#endif
