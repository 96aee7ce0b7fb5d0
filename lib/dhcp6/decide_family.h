/* What decide.c and its families (decide_grant.c, decide_release.c) share. Private to lib/dhcp6. */
#ifndef DHCP6_DECIDE_FAMILY_H
#define DHCP6_DECIDE_FAMILY_H

#include "dhcp6/decide.h"

/* SOLICIT, REQUEST, RENEW, REBIND: messages that ask for leases. ret_plan is begun: a REPLY with
 * nothing in it. */
void decide_grant(const struct decide_input *input, struct plan *ret_plan);

/* RELEASE and DECLINE: messages that give leases back. The same precondition. */
void decide_release(const struct decide_input *input, struct plan *ret_plan);

static inline void plan_drop(struct plan *plan, enum counter reason)
{
    plan->verdict = PLAN_DROP;
    plan->drop = reason;
    plan->ia_count = plan->lease_count = plan->change_count = 0;
}

static inline struct plan_ia *plan_ia_add(struct plan *plan, const struct dhcp6_ia *ia)
{
    struct plan_ia *added = &plan->ias[plan->ia_count++];

    *added = (struct plan_ia){.type = ia->type, .iaid = ia->iaid, .lease_first = plan->lease_count};
    return added;
}

static inline void plan_ia_status(struct plan_ia *ia, enum dhcp6_status status)
{
    ia->has_status = true;
    ia->status = (uint16_t)status;
}

/* True when an earlier IA of the message has the same type and IAID. They must be unique (RFC 9915
 * 21.4, 21.21); the later one is passed over, for both would mean the same leases. */
static inline bool message_ia_repeats(const struct dhcp6_message *message, unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (message->ias[i].iaid == message->ias[index].iaid &&
            message->ias[i].type == message->ias[index].type) {
            return true;
        }
    }
    return false;
}

/* True when the IA lists the resource. */
static inline bool message_ia_lists(const struct dhcp6_message *message, const struct dhcp6_ia *ia,
                                    const struct resource *resource)
{
    for (unsigned i = 0; i < ia->lease_count; i++) {
        if (resource_equal(&message->leases[ia->lease_first + i].resource, resource)) {
            return true;
        }
    }
    return false;
}

#endif
