#include "server/change.h"

#include <stdlib.h>
#include <string.h>

struct change {
    struct policy *next; /* what the configuration means; never published */
    bool complete;
    uint32_t slot; /* next to look at */
    unsigned row_count;
    struct change_count rows[];
};

static bool walk_needed(const struct policy *old, const struct policy *next);

int change_new(const struct policy *old, const struct config *config, struct change **ret_change)
{
    struct policy_identity identity = {old->server_duid, old->candidate_key};
    unsigned row_count = old->pool_count + 1;
    struct change *change = calloc(1, sizeof(*change) + row_count * sizeof(change->rows[0]));
    int r = change ? policy_new(config, &identity, 0, &change->next) : -ENOMEM;

    if (r) {
        free(change);
        return r;
    }
    change->row_count = row_count;
    change->complete = !walk_needed(old, change->next);
    *ret_change = change;
    return 0;
}

void change_free(struct change *change)
{
    if (change) {
        policy_free(change->next);
        free(change);
    }
}

static int link_by_name(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->link_count; i++) {
        if (strcmp(policy->links[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* True when a client of the old link finds the new one: by the same name, or by a name no link had:
 * then it was given another one. */
static bool link_follows(const struct policy *old, unsigned old_link, const struct policy *next,
                         unsigned next_link)
{
    const char *name = next->links[next_link].name;

    return strcmp(old->links[old_link].name, name) == 0 || link_by_name(old, name) < 0;
}

static struct resource pool_end(const struct pool *pool, struct ip6 address)
{
    return (struct resource){ip6_prefix(address, pool->delegated_length), pool->delegated_length,
                             pool->type};
}

static bool excludes_equal(const struct pool *a, const struct pool *b)
{
    return b->exclude_count == 0 ||
           (a->exclude_count == b->exclude_count &&
            memcmp(a->excludes, b->excludes, a->exclude_count * sizeof(a->excludes[0])) == 0);
}

/* True when every lease of the old pool is surely at home in one of the new policy. */
static bool pool_stays(const struct policy *old, const struct policy_pool *row,
                       const struct policy *next)
{
    struct resource first = pool_end(&row->pool, row->pool.range.first);
    struct resource last = pool_end(&row->pool, row->pool.range.last);

    int pool = policy_pool_find(next, &first);

    return pool >= 0 && pool == policy_pool_find(next, &last) &&
           excludes_equal(&row->pool, &next->pools[pool].pool) &&
           link_follows(old, row->link, next, next->pools[pool].link);
}

static bool has_home(const struct policy *policy, const struct resource *resource)
{
    return policy_pool_find(policy, resource) >= 0 || policy_reservation_of(policy, resource);
}

static bool reservation_stays(const struct policy_reservation *reservation,
                              const struct policy *next)
{
    for (unsigned i = 0; i < reservation->resource_count; i++) {
        if (!has_home(next, &reservation->resources[i])) {
            return false;
        }
    }
    return true;
}

static bool walk_needed(const struct policy *old, const struct policy *next)
{
    for (unsigned i = 0; i < old->pool_count; i++) {
        if (!pool_stays(old, &old->pools[i], next)) {
            return true;
        }
    }
    for (unsigned i = 0; i < old->reservation_count; i++) {
        if (!reservation_stays(&old->reservations[i], next)) {
            return true;
        }
    }
    return false;
}

static void lease_count(struct change *change, const struct policy *old,
                        const struct resource *resource)
{
    const struct policy *next = change->next;
    int pool = policy_pool_find(old, resource), next_pool = policy_pool_find(next, resource);
    unsigned row = pool >= 0 ? (unsigned)pool : change->row_count - 1;

    if (pool < 0 && !policy_reservation_of(old, resource)) {
        return; /* it had no home before */
    }
    if (next_pool < 0) {
        change->rows[row].gone += !policy_reservation_of(next, resource);
    } else if (pool >= 0) {
        change->rows[row].moved +=
            !link_follows(old, old->pools[pool].link, next, next->pools[next_pool].link);
    }
}

bool change_turn(struct change *change, const struct policy *old, const struct store *store,
                 uint32_t slots)
{
    uint32_t slot_max = store_slot_max(store);
    struct lease_found found;

    T6_ASSERT(old->pool_count + 1 == change->row_count);
    for (; slots > 0 && !change->complete; slots--) {
        if (change->slot >= slot_max) {
            change->complete = true;
        } else if (store_read(store, change->slot++, &found) &&
                   found.lease.status == BINDING_ACTIVE) {
            lease_count(change, old, &found.lease.resource);
        }
    }
    return change->complete;
}

bool change_complete(const struct change *change)
{
    return change->complete;
}

uint32_t change_looked_at(const struct change *change)
{
    return change->slot;
}

unsigned change_row_count(const struct change *change)
{
    return change->row_count;
}

struct change_count change_row(const struct change *change, unsigned row)
{
    T6_ASSERT(row < change->row_count);
    return change->rows[row];
}
