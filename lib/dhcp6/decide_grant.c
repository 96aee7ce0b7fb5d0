/* SOLICIT, REQUEST, RENEW and REBIND: leases are offered, given and extended (RFC 9915 18.3.1,
 * 18.3.2, 18.3.4, 18.3.5, 18.3.9; RFC 7550 for partial answers). Two passes: first the leases of
 * each IA, then T1 and T2, which are the same for the whole answer and part of every change.
 * Extending known leases is the hot path: found, fits, lifetimes, done. */
#include "dhcp6/candidate.h"
#include "dhcp6/decide_family.h"

enum {
    LIFETIME_FINITE_MAX = 1 << 30, /* beyond, times could not be compared (protocol facts F.40) */
    CLOCK_SLACK_S = 86400,         /* how far an untrusted clock may be behind in earnest */
};

struct granting {
    const struct decide_input *input;
    struct plan *plan;
    const struct policy_lifetimes *lifetimes;
    bool commit;                                     /* leases are given, not only offered */
    bool known_only;                                 /* nothing is said of IAs without a binding */
    bool create;                                     /* IAs without a binding may get one */
    unsigned given_count;                            /* leases with lifetimes */
    unsigned unknown_count;                          /* REBIND: IAs nothing is known of */
    uint32_t preferred_shortest_s, valid_shortest_s; /* of the leases given */
};

/* The configured valid lifetime, finite where times of it travel to a partner. */
static uint32_t desired_lifetime(const struct granting *g, const struct grant *grant)
{
    uint32_t desired_s = g->lifetimes->valid_s;

    if (desired_s > LIFETIME_FINITE_MAX &&
        (desired_s != LIFETIME_INFINITE || grant->partner || grant->mclt_s)) {
        return LIFETIME_FINITE_MAX;
    }
    return desired_s;
}

/* RFC 8156 4.4. held: the client's own active lease or NULL. */
static uint32_t valid_lifetime(const struct granting *g, const struct grant *grant,
                               const struct lease *held)
{
    sec_t now = g->input->now;
    uint32_t desired_s = desired_lifetime(g, grant), valid_s, told_s;

    if (grant->mclt_s == 0) {
        return desired_s;
    }
    valid_s = lease_valid_lifetime(desired_s, held ? held->times.acked_partner_lifetime_s : 0,
                                   grant->mclt_s, now);
    if (held) {
        /* A limit that came after the promise (PARTNER-DOWN ended) does not take it back. */
        told_s = held->times.expires_s ? sec_until(held->times.expires_s, now) : LIFETIME_INFINITE;
        told_s = told_s < desired_s ? told_s : desired_s;
        valid_s = valid_s > told_s ? valid_s : told_s;
    }
    return valid_s;
}

/* The record of a lease given to this message's client. held: base is its own active lease. T1, T2
 * and what hangs on them follow in grant_finish. */
static void change_add(struct granting *g, const struct candidate *candidate,
                       const struct lease_found *base, bool held, uint32_t iaid)
{
    const struct dhcp6_message *message = g->input->message;
    const struct plan_lease *told = &g->plan->leases[g->plan->lease_count - 1];
    struct plan_change *change = &g->plan->changes[g->plan->change_count++];
    struct lease *next = &change->next;
    sec_t now = g->input->now;

    T6_ASSERT(base || !held);
    change->pool = candidate->pool;
    change->counter = held ? COUNTER_lease_renewed : COUNTER_lease_created;
    if (base) {
        change->base = *base;
    } else {
        change->base.slot = LEASE_SLOT_NONE;
    }
    if (held) {
        *next = base->lease;
    } else {
        /* Times of a former client must not reach the new one (protocol facts F.5). */
        *next = (struct lease){.resource = candidate->resource,
                               .iaid = iaid,
                               .status = BINDING_ACTIVE,
                               .times = {.start_s = now}};
    }
    /* Contact with the client ends any uncertainty (design 2). */
    next->flags = (uint8_t)((candidate->reserved ? LEASE_FLAG_RESERVED : 0) |
                            (message->reconf_accept ? LEASE_FLAG_RECONF_ACCEPT : 0));
    next->duid = message->client_id;
    next->info = g->input->info;
    next->times.clt_s = now;
    next->times.expires_s = lease_expiry(now, told->valid_s);
    if (held && next->times.expires_s && base->lease.times.expires_s) {
        /* A shorter lifetime than last time: should this answer be lost, the client counts on what
         * it was told before (design invariants 1 and 3). */
        next->times.expires_s = sec_max(next->times.expires_s, base->lease.times.expires_s);
    }
    next->times.horizon_s = next->times.expires_s;
    next->times.preferred_lifetime_s = told->preferred_s;
    next->times.valid_lifetime_s = told->valid_s;
}

/* Puts one lease with lifetimes into the answer and, when committing, its change into the plan.
 * base: what the store has, or NULL. Without effect when the plan is full. */
static void lease_give(struct granting *g, const struct candidate *candidate,
                       const struct lease_found *base, const struct dhcp6_ia *ia)
{
    const struct grant *grant = candidate_grant(g->input, candidate->pool);
    struct plan *plan = g->plan;
    struct plan_lease *told = &plan->leases[plan->lease_count];
    bool held;

    if (plan->lease_count == PLAN_LEASES_MAX ||
        (g->commit && plan->change_count == PLAN_CHANGES_MAX)) {
        return;
    }
    held = base && base->lease.status == BINDING_ACTIVE &&
           candidate_is_own(g->input, ia, &base->lease);
    told->resource = candidate->resource;
    told->valid_s = valid_lifetime(g, grant, held ? &base->lease : NULL);
    /* RFC 9915 21.6: a client discards what is preferred longer than valid. */
    told->preferred_s =
        g->lifetimes->preferred_s < told->valid_s ? g->lifetimes->preferred_s : told->valid_s;
    told->pool = candidate->pool >= 0 ? &g->input->policy->pools[candidate->pool].pool : NULL;
    plan->lease_count++;
    if (g->given_count == 0 || told->preferred_s < g->preferred_shortest_s) {
        g->preferred_shortest_s = told->preferred_s;
    }
    if (g->given_count == 0 || told->valid_s < g->valid_shortest_s) {
        g->valid_shortest_s = told->valid_s;
    }
    g->given_count++;
    if (g->commit) {
        change_add(g, candidate, base, held, ia->iaid);
    }
}

/* "Stop using it": lifetimes 0 (RFC 9915 18.3.4, 18.3.5). */
static void lease_revoke(struct granting *g, const struct resource *resource)
{
    struct plan *plan = g->plan;

    if (plan->lease_count < PLAN_LEASES_MAX && !candidate_in_plan(plan, resource)) {
        plan->leases[plan->lease_count++] = (struct plan_lease){.resource = *resource};
    }
}

static void candidate_give(struct granting *g, const struct candidate *candidate,
                           const struct dhcp6_ia *ia)
{
    lease_give(g, candidate, candidate->base.slot == LEASE_SLOT_NONE ? NULL : &candidate->base, ia);
}

/* Gives an own active lease if it fits. False when it does not. */
static bool held_give(struct granting *g, const struct lease_found *entry,
                      const struct dhcp6_ia *ia)
{
    struct candidate candidate;

    if (!candidate_fits(g->input, &entry->lease.resource, &candidate.pool, &candidate.reserved)) {
        return false;
    }
    if (!candidate_in_plan(g->plan, &entry->lease.resource)) {
        candidate.resource = entry->lease.resource;
        lease_give(g, &candidate, entry, ia);
    }
    return true;
}

/* Number i of the IA's found leases when it is active, else NULL. */
static const struct lease_found *held_entry(const struct granting *g, unsigned ia_index, unsigned i)
{
    const struct lease_found *entry =
        &g->input->found->entries[g->input->found->first[ia_index] + i];

    return entry->lease.status == BINDING_ACTIVE ? entry : NULL;
}

/* Everything the client's reservation has for this type; nothing counts before it. */
static void reserved_give(struct granting *g, unsigned ia_index)
{
    const struct policy_reservation *reservation = g->input->reservation;
    const struct dhcp6_ia *ia = &g->input->message->ias[ia_index];
    struct candidate candidate;

    for (unsigned i = 0; reservation && i < reservation->resource_count; i++) {
        candidate.resource = reservation->resources[i];
        if (candidate.resource.type == ia->type &&
            candidate_fits(g->input, &candidate.resource, &candidate.pool, &candidate.reserved) &&
            candidate_available(g->input, g->plan, ia, &candidate)) {
            candidate_give(g, &candidate, ia);
        }
    }
}

/* True when the client asks for a prefix length that none of its active leases has, and gets it:
 * RFC 8168 3.2, and the REQUEST that follows such an ADVERTISE. The lease it had runs out. */
static bool length_switch(struct granting *g, unsigned ia_index)
{
    const struct dhcp6_ia *ia = &g->input->message->ias[ia_index];
    struct candidate_wish wish = candidate_wish(g->input, ia);
    struct candidate candidate;
    bool holds = false;

    if (wish.length == 0 || (!wish.length_only && g->input->message->type != DHCP6_REQUEST)) {
        return false;
    }
    for (unsigned i = 0; i < g->input->found->count[ia_index]; i++) {
        const struct lease_found *entry = held_entry(g, ia_index, i);

        if (entry && entry->lease.resource.length == wish.length) {
            return false;
        }
        holds = holds || entry;
    }
    if (!holds || !candidate_find(g->input, g->plan, ia_index, wish.length, &candidate)) {
        return false;
    }
    candidate_give(g, &candidate, ia);
    return true;
}

/* The client's active leases of this IA: those it names, or of the length it wishes, or all. */
static void held_give_all(struct granting *g, unsigned ia_index)
{
    const struct dhcp6_message *message = g->input->message;
    const struct dhcp6_ia *ia = &message->ias[ia_index];
    struct candidate_wish wish = candidate_wish(g->input, ia);
    unsigned given_before = g->given_count;

    for (unsigned pass = 0; pass < 3 && g->given_count == given_before; pass++) {
        for (unsigned i = 0; i < g->input->found->count[ia_index]; i++) {
            const struct lease_found *entry = held_entry(g, ia_index, i);

            if (!entry || (pass == 0 && !message_ia_lists(message, ia, &entry->lease.resource)) ||
                (pass == 1 && (!wish.length_only || entry->lease.resource.length != wish.length))) {
                continue;
            }
            (void)held_give(g, entry, ia);
        }
    }
}

/* New leases for an IA: all that is reserved, else one (RFC 9915 6.6: typically one per IA). */
static void new_give(struct granting *g, unsigned ia_index)
{
    unsigned given_before = g->given_count;
    struct candidate candidate;

    reserved_give(g, ia_index);
    if (g->given_count == given_before &&
        candidate_find(g->input, g->plan, ia_index, 0, &candidate)) {
        candidate_give(g, &candidate, &g->input->message->ias[ia_index]);
    }
}

static enum dhcp6_status none_available(const struct dhcp6_ia *ia)
{
    return ia->type == LEASE_TYPE_NA ? STATUS_NO_ADDRS_AVAIL : STATUS_NO_PREFIX_AVAIL;
}

/* True when the resource may be used on this link as far as configuration says. */
static bool on_link(const struct granting *g, const struct resource *resource)
{
    int pool;
    bool reserved;

    return policy_on_link(g->input->policy, (unsigned)g->input->link, resource->prefix) ||
           candidate_fits(g->input, resource, &pool, &reserved);
}

/* RFC 9915 18.3.2: one address that is not for this link condemns its IA. */
static bool request_off_link(const struct granting *g, const struct dhcp6_ia *ia)
{
    if (g->input->message->type != DHCP6_REQUEST || ia->type != LEASE_TYPE_NA) {
        return false;
    }
    for (unsigned i = 0; i < ia->lease_count; i++) {
        const struct resource *r = &g->input->message->leases[ia->lease_first + i].resource;

        if (!ip6_is_zero(r->prefix) && !on_link(g, r)) {
            return true;
        }
    }
    return false;
}

/* One IA of a SOLICIT or REQUEST. */
static void ia_assign(struct granting *g, unsigned ia_index)
{
    const struct dhcp6_ia *ia = &g->input->message->ias[ia_index];
    struct plan_ia *answer = plan_ia_add(g->plan, ia);
    unsigned given_before = g->given_count;

    if (request_off_link(g, ia)) {
        plan_ia_status(answer, STATUS_NOT_ON_LINK);
        return;
    }
    reserved_give(g, ia_index);
    if (g->given_count == given_before && !length_switch(g, ia_index)) {
        held_give_all(g, ia_index);
        if (g->given_count == given_before) {
            new_give(g, ia_index);
        }
    }
    answer->lease_count = (uint8_t)(g->plan->lease_count - answer->lease_first);
    if (answer->lease_count == 0) {
        plan_ia_status(answer, none_available(ia));
    }
}

/* True when configuration says that the resource is for some other place. Of a prefix in none of
 * our pools it says nothing: who renews it with us cannot have it, who rebinds it may have it from
 * another server. */
static bool off_link(const struct granting *g, const struct resource *resource)
{
    if (on_link(g, resource)) {
        return false;
    }
    return resource->type == LEASE_TYPE_NA || g->input->message->type == DHCP6_RENEW ||
           policy_pool_find(g->input->policy, resource) >= 0;
}

/* True when the resource is held, but not by this client. An active lease of another IA of the same
 * client is that IA's matter. One that has ended and waits for the partner's word is no proof: the
 * partner may know of its end and have given it to this client since (RFC 8156 4.2.2.1). */
static bool held_elsewhere(const struct granting *g, const struct resource *resource)
{
    const struct decide_input *input = g->input;
    struct lease_found found;

    return input->source->find(input->source->ctx, resource, &found) &&
           lease_is_held(&found.lease, input->now) &&
           (found.lease.status == BINDING_ABANDONED ||
            (found.lease.status == BINDING_ACTIVE &&
             !span_equal(found.lease.duid, input->message->client_id)));
}

/* True when the partner may have given the resource to this client without our knowing: updates are
 * lazy (RFC 8156 4.3), and it is of the partner's part of a pool we both serve. */
static bool partner_may_know(const struct granting *g, const struct resource *resource)
{
    const struct decide_input *input = g->input;
    struct candidate candidate = {.resource = *resource};
    const struct grant *grant;
    uint64_t unit;

    if (!candidate_fits(input, resource, &candidate.pool, &candidate.reserved) ||
        candidate.pool < 0 || candidate.reserved) {
        return false;
    }
    grant = candidate_grant(input, candidate.pool);
    if (!grant->partner || (input->source->find(input->source->ctx, resource, &candidate.base) &&
                            (candidate.base.lease.status == BINDING_ACTIVE ||
                             candidate.base.lease.status == BINDING_ABANDONED))) {
        return false; /* an end that we told is no proof either: the partner's word may be under way
                       */
    }
    if (resource->type == LEASE_TYPE_NA) {
        return grant->address_parity >= 0 &&
               (int)(resource->prefix.lo & 1) != grant->address_parity;
    }
    unit = pool_unit_index(&input->policy->pools[candidate.pool].pool, resource);
    return unit <= UINT32_MAX &&
           !input->source->claim_test(input->source->ctx, (unsigned)candidate.pool, (uint32_t)unit);
}

/* True when nothing may be said of a rebound IA: "no binding" or another lease would take from the
 * client what the partner gave it (RFC 9915 18.3.5: other servers may know more). */
static bool partners_matter(const struct granting *g, const struct dhcp6_ia *ia)
{
    const struct dhcp6_message *message = g->input->message;

    if (message->type != DHCP6_REBIND) {
        return false;
    }
    for (unsigned i = 0; i < ia->lease_count; i++) {
        const struct resource *r = &message->leases[ia->lease_first + i].resource;

        if (!ip6_is_zero(r->prefix) && partner_may_know(g, r)) {
            return true;
        }
    }
    return false;
}

/* Extends what the IA holds: the leases it lists, or all when it lists none of them. */
static void held_extend(struct granting *g, unsigned ia_index)
{
    const struct dhcp6_message *message = g->input->message;
    const struct dhcp6_ia *ia = &message->ias[ia_index];
    unsigned given_before = g->given_count, count = g->input->found->count[ia_index];

    for (unsigned i = 0; i < count; i++) {
        const struct lease_found *entry = held_entry(g, ia_index, i);

        if (entry && message_ia_lists(message, ia, &entry->lease.resource) &&
            !held_give(g, entry, ia)) {
            lease_revoke(g, &entry->lease.resource); /* 18.3.4: not appropriate for the link */
        }
    }
    if (g->given_count != given_before || partners_matter(g, ia)) {
        return; /* what we know may be what the client had before */
    }
    for (unsigned i = 0; i < count; i++) {
        const struct lease_found *entry = held_entry(g, ia_index, i);

        if (entry) {
            (void)held_give(g, entry, ia);
        }
    }
}

/* Listed leases the client must stop using: unfit for the link, or somebody else's. */
static void listed_revoke(struct granting *g, const struct dhcp6_ia *ia)
{
    for (unsigned i = 0; i < ia->lease_count; i++) {
        const struct resource *r = &g->input->message->leases[ia->lease_first + i].resource;

        if (!ip6_is_zero(r->prefix) && !candidate_in_plan(g->plan, r) &&
            (off_link(g, r) || held_elsewhere(g, r))) {
            lease_revoke(g, r);
        }
    }
}

/* The ordinary case: the client has one lease, names it, and may keep it. */
static bool sole_extend(struct granting *g, unsigned ia_index)
{
    const struct dhcp6_message *message = g->input->message;
    const struct dhcp6_ia *ia = &message->ias[ia_index];
    const struct lease_found *entry;

    if (ia->lease_count != 1 || g->input->found->count[ia_index] != 1) {
        return false;
    }
    entry = held_entry(g, ia_index, 0);
    return entry &&
           resource_equal(&entry->lease.resource, &message->leases[ia->lease_first].resource) &&
           held_give(g, entry, ia);
}

/* One IA of a RENEW or REBIND. */
static void ia_extend(struct granting *g, unsigned ia_index)
{
    const struct dhcp6_ia *ia = &g->input->message->ias[ia_index];
    struct plan_ia *answer = plan_ia_add(g->plan, ia);
    unsigned given_before = g->given_count;

    if (sole_extend(g, ia_index) && g->given_count != given_before) {
        answer->lease_count = (uint8_t)(g->plan->lease_count - answer->lease_first);
        return;
    }
    held_extend(g, ia_index);
    if (g->plan->lease_count == answer->lease_first && partners_matter(g, ia)) {
        g->plan->ia_count--;
        return;
    }
    if (g->given_count == given_before && g->create) {
        new_give(g, ia_index);
    }
    /* RECOVER-DONE speaks of known leases only (protocol facts F.37). */
    if (!g->known_only) {
        listed_revoke(g, ia);
    }
    answer->lease_count = (uint8_t)(g->plan->lease_count - answer->lease_first);
    if (answer->lease_count) {
        return;
    }
    if (g->known_only) {
        g->plan->ia_count--;
        return;
    }
    plan_ia_status(answer, g->create ? none_available(ia) : STATUS_NO_BINDING);
    g->unknown_count += !g->create;
}

/* RFC 9915 14.2, 21.4: one T1 and T2 for the answer, 0.5 and 0.8 of the shortest preferred lifetime
 * unless configured; a configured one that a short lifetime (RFC 8156 4.4) has made senseless does
 * not count. */
static void t1_t2(const struct granting *g, uint32_t *ret_t1_s, uint32_t *ret_t2_s)
{
    uint32_t shortest_s = g->preferred_shortest_s, t1_s = 0, t2_s = 0;

    if (g->given_count) {
        t1_s = t2_s = shortest_s;
        if (shortest_s != LIFETIME_INFINITE) {
            t1_s = shortest_s / 2;
            t2_s = (uint32_t)((uint64_t)shortest_s * 4 / 5);
        }
        if (g->lifetimes->renew_s && g->lifetimes->renew_s <= shortest_s) {
            t1_s = g->lifetimes->renew_s;
        }
        if (g->lifetimes->rebind_s && g->lifetimes->rebind_s <= g->valid_shortest_s) {
            t2_s = g->lifetimes->rebind_s;
        }
    }
    *ret_t1_s = t1_s < t2_s ? t1_s : t2_s; /* a client drops an IA with T1 > T2 */
    *ret_t2_s = t2_s;
}

/* What the partner shall be told, RFC 8156 4.4: well beyond what the client was. */
static sec_t partner_lifetime(const struct granting *g, const struct grant *grant, uint32_t t1_s,
                              sec_t expires_s)
{
    uint64_t ahead_s = (uint64_t)t1_s + desired_lifetime(g, grant);
    sec_t t = g->input->now + (uint32_t)(ahead_s < INT32_MAX ? ahead_s : INT32_MAX);

    return sec_max(t, expires_s);
}

/* The second pass. */
static void grant_finish(struct granting *g)
{
    struct plan *plan = g->plan;
    uint32_t t1_s, t2_s;

    t1_t2(g, &t1_s, &t2_s);
    for (unsigned i = 0; i < plan->ia_count; i++) {
        plan->ias[i].t1_s = t1_s;
        plan->ias[i].t2_s = t2_s;
    }
    for (unsigned i = 0; i < plan->change_count; i++) {
        struct plan_change *change = &plan->changes[i];
        struct lease_times *times = &change->next.times;
        const struct grant *grant = candidate_grant(g->input, change->pool);

        times->t1_s = t1_s;
        times->t2_s = t2_s;
        if (!g->input->reuse_allowed && times->expires_s && !grant->partner) {
            /* The clock may be behind, by the time nobody ran: once it is right, this lease must
             * not seem to have ended before its client's time is up (design invariant 10). */
            times->expires_s = times->horizon_s =
                sec_max(times->expires_s, g->input->now + times->valid_lifetime_s + CLOCK_SLACK_S);
        }
        if (grant->partner) {
            times->partner_lifetime_s = partner_lifetime(g, grant, t1_s, times->expires_s);
        }
        /* Design invariant 3: the record holds at least what the client is told. */
        T6_ASSERT(times->expires_s == 0 ||
                  !sec_after(g->input->now + times->valid_lifetime_s, times->expires_s));
    }
}

void decide_grant(const struct decide_input *input, struct plan *ret_plan)
{
    const struct dhcp6_message *message = input->message;
    const struct policy_link *link = &input->policy->links[input->link];
    bool solicit = message->type == DHCP6_SOLICIT;
    /* 18.3.5: new bindings from a REBIND only where a SOLICIT makes them too. */
    struct granting g = {
        .input = input,
        .plan = ret_plan,
        .lifetimes = policy_lifetimes_for(input->policy, (unsigned)input->link, input->classes),
        .commit = !solicit || (message->rapid_commit && link->rapid_commit),
        .known_only = link->grant->service == GRANT_RENEW_KNOWN,
        .create = link->grant->allocate && link->grant->service != GRANT_RENEW_KNOWN &&
                  (message->type != DHCP6_REBIND || link->rapid_commit),
    };

    ret_plan->rapid_commit = solicit && g.commit;
    ret_plan->reply_type = g.commit ? DHCP6_REPLY : DHCP6_ADVERTISE;
    for (unsigned i = 0; i < message->ia_count; i++) {
        if (message_ia_repeats(message, i)) {
            continue;
        }
        if (solicit || message->type == DHCP6_REQUEST) {
            ia_assign(&g, i);
        } else {
            ia_extend(&g, i);
        }
    }
    if (message->type == DHCP6_REBIND && g.unknown_count == ret_plan->ia_count) {
        plan_drop(ret_plan, COUNTER_drop_no_answer); /* 18.3.5: another server's client */
        return;
    }
    if (g.known_only && ret_plan->ia_count == 0) {
        plan_drop(ret_plan, COUNTER_drop_silent);
        return;
    }
    grant_finish(&g);
}
