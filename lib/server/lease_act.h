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

/* True when all up to that position is on stable storage. */
bool lease_act_is_durable(const struct server *server, uint64_t position);

#endif
