/* Leases changed by the operator's word: the same rules, the same commit and the same way to the
 * partner as when a client asks, and only where a client would be heard. Control core only,
 * QSBR-online. */
#ifndef SERVER_LEASE_ACT_H
#define SERVER_LEASE_ACT_H

#include "server/server.h"

enum lease_act_type {
    LEASE_ACT_RELEASE, /* an active lease ends, as if its client had sent RELEASE */
    LEASE_ACT_REST,    /* an active lease ends and its resource rests, as by DECLINE */
    LEASE_ACT_CLEAR,   /* what rests is free again, sooner than by time (RFC 8156 7.2, (10)) */
};

struct lease_act {
    enum lease_act_type type;
    struct resource resource;
    struct span duid; /* only while it is this client's; size 0: whoever's */
    uint32_t rest_s;  /* LEASE_ACT_REST: at least; its client, who is not told, may use it until
                       * the lease's end */
    bool dry;         /* only tell whether it could be done */
};

/* 0: done, and durable at *ret_position of the control core's ring. Nothing is done on
 * -ENOENT: there is no such lease;
 * -EALREADY: its status does not suit: see *ret_found;
 * -EBUSY: it is another client's;
 * -EPERM: the state of its failover relationship gives no right to change it;
 * -EIO: the log cannot be written, or the log's promise has run out: the server is silent;
 * -EAGAIN: too many changes under way, or others were faster;
 * -ENOSPC: no room for it.
 * ret_found: the lease as it was, always but for -ENOENT. */
int lease_act(struct server *server, const struct lease_act *act, sec_t now,
              struct lease_found *ret_found, uint64_t *ret_position) MUST_CHECK;

/* True when the lease's status is what the act ends. */
static inline bool lease_act_suits(const struct lease_act *act, const struct lease *lease)
{
    return lease->status == (act->type == LEASE_ACT_CLEAR ? BINDING_ABANDONED : BINDING_ACTIVE);
}

/* A lease that a client shall have. */
struct lease_add {
    struct resource resource;
    struct span duid;
    uint32_t iaid;
    bool dry; /* only tell whether it could be done */
};

/* Gives it, as if the client had asked for it by REQUEST, without relay: the same decision by the
 * link's lifetimes, reservations, the failover state and shares (lease_add.c). 0 and position as
 * above. Nothing is done on
 * -EALREADY: the client has it;
 * -EEXIST: it has another one in that IA;
 * -EBUSY: another client has it, or it rests or waits for the partner;
 * -EDOM: it is in no pool and not reserved, or nobody's to have;
 * -EXDEV: it is not this server's to give to that client: the partner's share, a pool or
 * reservation for others; -EPERM, -EIO, -EAGAIN, -ENOSPC, -ENOMEM: as above. */
int lease_add(struct server *server, const struct lease_add *add, sec_t now,
              uint64_t *ret_position) MUST_CHECK;

/* True when nothing may be promised now: lease_act and lease_add say -EIO then. */
bool lease_act_is_silent(const struct server *server, sec_t now);

/* True when all up to that position is on stable storage. */
bool lease_act_is_durable(const struct server *server, uint64_t position);

#endif
