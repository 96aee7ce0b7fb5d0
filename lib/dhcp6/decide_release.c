/* RELEASE and DECLINE: leases come back (RFC 9915 18.3.7, 18.3.8). Only what this client's IA
 * really holds is touched; the rest of the message is ignored. */
#include "dhcp6/candidate.h"
#include "dhcp6/decide_family.h"
#include "dhcp6/exclude.h"

/* The pool whose claim bit the resource has, also when the client has moved to another link. */
static int pool_of(const struct decide_input *input, const struct resource *resource)
{
    int pool = policy_pool_of(input->policy, (unsigned)input->link, resource);

    return pool >= 0 ? pool : policy_pool_find(input->policy, resource);
}

static void change_add(const struct decide_input *input, struct plan *plan,
                       const struct lease_found *base)
{
    struct plan_change *change = &plan->changes[plan->change_count++];
    const struct policy_link *link = &input->policy->links[input->link];

    change->base = *base;
    change->next = base->lease;
    change->pool = pool_of(input, &base->lease.resource);
    if (input->message->type == DHCP6_RELEASE) {
        lease_release(&change->next, candidate_grant(input, change->pool)->partner, input->now);
        change->counter = COUNTER_lease_released;
    } else {
        lease_decline(&change->next, link->decline_s, input->now);
        change->counter = COUNTER_lease_declined;
    }
}

/* True when the client names an excluded prefix that we did not exclude (RFC 6603 6.2): then it is
 * not our prefix it talks of. */
static bool exclude_is_new(const struct decide_input *input, const struct dhcp6_ia *ia)
{
    for (unsigned i = 0; i < ia->lease_count; i++) {
        const struct dhcp6_lease *lease = &input->message->leases[ia->lease_first + i];
        int pool = lease->exclude.size ? pool_of(input, &lease->resource) : -1;
        uint8_t bytes[DHCP6_EXCLUDE_SIZE_MAX];
        struct span ours = {bytes, 0};

        if (lease->exclude.size == 0) {
            continue;
        }
        if (pool >= 0 && dhcp6_excludes(&input->policy->pools[pool].pool)) {
            ours.size = dhcp6_exclude(&input->policy->pools[pool].pool, bytes);
        }
        if (!span_equal(ours, lease->exclude)) {
            return true;
        }
    }
    return false;
}

/* One IA: ends the leases it lists and holds. False when there is no binding for it. */
static bool ia_end(const struct decide_input *input, struct plan *plan, unsigned ia_index)
{
    const struct dhcp6_ia *ia = &input->message->ias[ia_index];
    bool bound = false;

    for (unsigned i = 0; i < input->found->count[ia_index]; i++) {
        const struct lease_found *entry = &input->found->entries[input->found->first[ia_index] + i];

        if (entry->lease.status != BINDING_ACTIVE) {
            continue;
        }
        bound = true;
        if (message_ia_lists(input->message, ia, &entry->lease.resource) &&
            plan->change_count < PLAN_CHANGES_MAX) {
            change_add(input, plan, entry);
        }
    }
    return bound;
}

void decide_release(const struct decide_input *input, struct plan *ret_plan)
{
    const struct dhcp6_message *message = input->message;

    ret_plan->has_status = true;
    ret_plan->status = STATUS_SUCCESS;
    for (unsigned i = 0; i < message->ia_count; i++) {
        /* 18.2.8: nobody declines a prefix; such an IA is ignored. */
        if ((message->type == DHCP6_DECLINE && message->ias[i].type != LEASE_TYPE_NA) ||
            message_ia_repeats(message, i)) {
            continue;
        }
        if (exclude_is_new(input, &message->ias[i]) || !ia_end(input, ret_plan, i)) {
            plan_ia_status(plan_ia_add(ret_plan, &message->ias[i]), STATUS_NO_BINDING);
        }
    }
}
