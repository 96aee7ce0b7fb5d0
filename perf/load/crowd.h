/* All clients of a run: their array, lists of the idle ones, and who holds which lease. One thread.
 */
#ifndef LOAD_CROWD_H
#define LOAD_CROWD_H

#include "client.h"

enum {
    CROWD_IDLE_LISTS = 2, /* PHASE_UNBOUND and PHASE_BOUND */
};

struct crowd {
    struct client *clients;
    uint32_t count, first; /* client numbers first .. first + count - 1 */
    uint32_t *idle[CROWD_IDLE_LISTS];
    uint32_t idle_count[CROWD_IDLE_LISTS];
    uint32_t bound_count; /* clients that hold leases, busy ones too */
    /* Open addressing; a place holds client index * 2 + (0: address, 1: prefix), plus 1; 0 = free.
     * The lease itself is the client's. */
    uint32_t *held;
    uint32_t held_mask;
};

/* The leases of one answer. */
struct leases {
    struct ip6 address; /* zero = none */
    uint64_t prefix;    /* with prefix_length 0 none */
    uint8_t prefix_length;
    uint32_t valid_s; /* the shortest of them */
};

/* All clients idle and unbound. */
int crowd_init(struct crowd *crowd, uint32_t count, uint32_t first) MUST_CHECK;
void crowd_done(struct crowd *crowd);

/* Puts a client that is in no list and no wheel into the list of its phase (UNBOUND or BOUND). */
void crowd_idle_add(struct crowd *crowd, uint32_t client, enum phase phase);

/* Takes it out of its list. */
void crowd_idle_remove(struct crowd *crowd, uint32_t client);

/* Gives the leases to the client, instead of what it held. CLIENT_NONE, or the client that holds
 * one of them with time left at now_s: then this client holds nothing. A holder whose time is over
 * loses it. */
uint32_t crowd_claim(struct crowd *crowd, uint32_t client, const struct leases *leases,
                     uint32_t now_s);

/* The client holds nothing any more. */
void crowd_drop(struct crowd *crowd, uint32_t client);

#endif
