/* Timers of busy clients: a hashed wheel of milliseconds whose lists run through the clients
 * themselves. A timer further away than one turn is passed over until its time. One thread. */
#ifndef LOAD_WHEEL_H
#define LOAD_WHEEL_H

#include "client.h"

enum {
    WHEEL_SLOTS = 1 << 15,
};

struct wheel {
    struct client *clients; /* borrowed */
    uint32_t done_ms;       /* all timers up to here have fired */
    uint32_t count;
    uint32_t slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, struct client *clients, uint32_t now_ms);

/* The client must have no timer. Times that have passed fire at the next occasion. */
void wheel_add(struct wheel *wheel, uint32_t client, uint32_t due_ms);

/* The client must have a timer. */
void wheel_remove(struct wheel *wheel, uint32_t client);

/* Takes out clients whose time has come, at most max. Fewer than max: those were all. */
unsigned wheel_expire(struct wheel *wheel, uint32_t now_ms, uint32_t *ret_clients, unsigned max);

#endif
