/* A worker's decision about one message: found leases in, committed changes out. */
#include "server/worker_internal.h"
#include "store/claim.h"

enum {
    RACES_MAX = 8, /* decisions for one message before it is dropped */
};

void worker_find(struct worker *worker, const struct work *work)
{
    const struct dhcp6_message *message = &work->message;
    struct decide_found *found = &worker->found;
    size_t used = 0;

    for (unsigned i = 0; i < message->ia_count; i++) {
        size_t max = DECIDE_FOUND_MAX - used;

        max = max > DECIDE_FOUND_PER_IA_MAX ? DECIDE_FOUND_PER_IA_MAX : max;
        found->first[i] = (uint8_t)used;
        found->count[i] = 0;
        if (message->client_id.size) {
            found->count[i] = (uint8_t)store_find_client(
                worker->server->store, work->client_hash[i], message->client_id,
                message->ias[i].iaid, message->ias[i].type, &found->entries[used], max);
        }
        used += found->count[i];
    }
}

/* candidate_source: how decisions see resources. */
static bool source_find(void *ctx, const struct resource *resource, struct lease_found *ret_found)
{
    return store_find(((struct worker *)ctx)->server->store, resource, ret_found);
}

/* The partner's share of a pool, where it may be used: own ones must be used up before (RFC
 * 8156 8.4.1). */
static const struct claim *pool_partner_claim(const struct policy_pool *pool)
{
    return pool->grant->partner_prefixes && claim_count(pool->claim) == 0 ? pool->partner_claim
                                                                          : NULL;
}

static bool source_claim_test(void *ctx, unsigned pool, uint32_t unit)
{
    const struct policy_pool *row = &((struct worker *)ctx)->policy->pools[pool];
    const struct claim *partner = pool_partner_claim(row);

    return claim_test(row->claim, unit) || (partner && claim_test(partner, unit));
}

static bool source_claim_next(void *ctx, unsigned pool, uint32_t from, uint32_t *ret_unit)
{
    const struct policy_pool *row = &((struct worker *)ctx)->policy->pools[pool];
    const struct claim *partner = pool_partner_claim(row);

    return claim_peek_next(row->claim, from, ret_unit) ||
           (partner && claim_peek_next(partner, from, ret_unit));
}

static void work_decide(struct worker *worker, struct work *work)
{
    const struct candidate_source source = {
        .ctx = worker,
        .find = source_find,
        .claim_test = source_claim_test,
        .claim_next = source_claim_next,
    };
    struct decide_input input = {
        .policy = worker->policy,
        .message = &work->message,
        .found = &worker->found,
        .source = &source,
        .client_hash = work->client_hash,
        .link = work->link,
        .classes = work->classes,
        .reservation = work->reservation,
        .info = {work->info, work->info_size},
        .now = worker->now,
        .reuse_allowed = atomic_load_explicit(&worker->server->clock_trusted, memory_order_relaxed),
        .unicast = work->unicast,
    };
    struct span new_key = {NULL, 0};

    if (work->info_size) {
        input.info.size = key_append(&worker->keys, &input, work->info, work->info_size,
                                     sizeof(work->info), &new_key);
    }
    decide(&input, &worker->plan);
    worker->plan.reconfigure_key = new_key;
}

/* Carries the plan's changes out. 0; -EAGAIN: decide again; -ENOSPC. */
static int plan_commit(struct worker *worker, uint64_t *ret_position)
{
    const struct plan *plan = &worker->plan;

    for (unsigned i = 0; i < plan->change_count; i++) {
        const struct plan_change *step = &plan->changes[i];
        struct server_change change = {&step->base, &step->next, step->pool};
        int r = server_commit(worker->server, worker->policy, worker->index, &change, ret_position);

        if (r) {
            return r;
        }
        counter_inc(&worker->counters, step->counter);
    }
    return 0;
}

static bool plan_creates(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->change_count; i++) {
        if (plan->changes[i].counter == COUNTER_lease_created) {
            return true;
        }
    }
    return false;
}

enum counter worker_settle(struct worker *worker, struct work *work, uint64_t *ret_position)
{
    int r;

    for (unsigned race = 0; race < RACES_MAX; race++) {
        work_decide(worker, work);
        if (worker->plan.verdict == PLAN_DROP) {
            return worker->plan.drop;
        }
        if (worker->plan.change_count == 0) {
            return COUNTER_COUNT;
        }
        if (!change_ring_has_room(worker->ring, worker->plan.change_count)) {
            return COUNTER_drop_ring_full;
        }
        if (park_full(&worker->park)) {
            return COUNTER_drop_park_full;
        }
        /* What looked like a renewal may make a lease: the client has moved to another link, or
         * what it had has ended since. */
        if (!worker_is_home(worker, work) && plan_creates(&worker->plan)) {
            return *ret_position ? COUNTER_drop_race : COUNTER_handover_out;
        }
        r = plan_commit(worker, ret_position);
        if (r == 0) {
            return COUNTER_COUNT;
        }
        if (r != -EAGAIN) {
            return COUNTER_drop_store_full;
        }
        counter_inc(&worker->counters, COUNTER_race_lost);
        worker_find(worker, work);
    }
    return COUNTER_drop_race;
}
