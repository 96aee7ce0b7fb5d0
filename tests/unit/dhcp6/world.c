/* The small server of world.h. */
#include "world.h"

#include <assert.h>

static void pool_set(struct world *w, unsigned index, unsigned link, struct pool pool)
{
    w->pools[index] =
        (struct policy_pool){.pool = pool, .link = link, .grant = &w->grant, .name = "pool"};
    w->link_pools[link][w->links[link].pool_count++] = index;
}

static struct pool na(uint64_t hi, uint64_t first)
{
    return (struct pool){
        .type = LEASE_TYPE_NA, .delegated_length = 128, .range = {{hi, first}, {hi, first + 0xff}}};
}

static struct pool pd(uint64_t hi, uint8_t length)
{
    return (struct pool){.type = LEASE_TYPE_PD,
                         .delegated_length = length,
                         .range = {{hi, 0}, {hi | 0xfffff, UINT64_MAX}}};
}

static bool source_find(void *ctx, const struct resource *resource, struct lease_found *ret_found)
{
    struct world *w = ctx;

    w->find_calls++;
    for (unsigned i = 0; i < w->lease_count; i++) {
        if (resource_equal(&w->leases[i].lease.resource, resource)) {
            *ret_found = w->leases[i];
            return true;
        }
    }
    return false;
}

static bool source_claim_test(void *ctx, unsigned pool, uint32_t unit)
{
    return ((struct world *)ctx)->claim[pool][unit];
}

static bool source_claim_next(void *ctx, unsigned pool, uint32_t from, uint32_t *ret_unit)
{
    struct world *w = ctx;
    uint32_t count = (uint32_t)pool_unit_count(&w->pools[pool].pool);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t unit = (from + i) % count;

        if (w->claim[pool][unit]) {
            *ret_unit = unit;
            return true;
        }
    }
    return false;
}

static_assert(sizeof(((struct world *)0)->subnet_room[0]) >=
                  sizeof(((struct policy_link *)0)->subnets[0]),
              "room for one subnet");

void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->grant = (struct grant){.service = GRANT_ALL, .allocate = true, .address_parity = -1};
    for (unsigned i = 0; i < 2; i++) {
        struct policy_link *link = &w->links[i];

        link->name = i ? "two" : "one";
        link->subnets = (void *)w->subnet_room[i];
        link->subnets[0].prefix = (struct ip6){i ? NET2 : NET1, 0};
        link->subnets[0].length = 64;
        link->subnet_count = 1;
        link->pools = w->link_pools[i];
        link->lifetimes = (struct policy_lifetimes){.preferred_s = 3000, .valid_s = 4000};
        link->decline_s = 86400;
        link->grant = &w->grant;
    }
    pool_set(w, POOL_NA, 0, na(NET1, 0x1000));
    pool_set(w, POOL_PD56, 0, pd(PD56, 56));
    pool_set(w, POOL_PD48, 0, pd(PD48, 48));
    pool_set(w, POOL_NA_GOLD, 0, na(NET1, 0x2000));
    pool_set(w, POOL_NA_OTHER, 1, na(NET2, 0x1000));
    pool_set(w, POOL_PD_OTHER, 1, pd(PD_2, 56));
    w->pools[POOL_NA_GOLD].classes = 1;
    memset(w->claim, 1, sizeof(w->claim));
    w->policy = (struct policy){.server_duid = SERVER,
                                .links = w->links,
                                .link_count = 2,
                                .pools = w->pools,
                                .pool_count = WORLD_POOLS,
                                .classes = w->classes,
                                .class_count = 2,
                                .reservations = w->reservations};
    w->source = (struct candidate_source){w, source_find, source_claim_test, source_claim_next};
    w->input = (struct decide_input){.policy = &w->policy,
                                     .message = &w->message,
                                     .found = &w->found,
                                     .source = &w->source,
                                     .client_hash = w->hashes,
                                     .now = WORLD_NOW,
                                     .reuse_allowed = true};
}

void world_message(struct world *w, enum dhcp6_type type)
{
    memset(&w->message, 0, sizeof(w->message));
    w->message.type = (uint8_t)type;
    w->message.client_id = ALICE;
    if (type == DHCP6_REQUEST || type == DHCP6_RENEW || type == DHCP6_RELEASE ||
        type == DHCP6_DECLINE) {
        w->message.server_id = SERVER;
    }
}

void world_ia(struct world *w, enum lease_type type, uint32_t iaid)
{
    w->message.ias[w->message.ia_count++] = (struct dhcp6_ia){
        .type = (uint8_t)type, .iaid = iaid, .lease_first = w->message.lease_count};
}

void world_list(struct world *w, struct resource resource)
{
    w->message.leases[w->message.lease_count++].resource = resource;
    w->message.ias[w->message.ia_count - 1].lease_count++;
}

struct lease *world_lease(struct world *w, struct resource resource, struct span duid,
                          uint32_t iaid, enum binding_status status)
{
    struct lease_found *found = &w->leases[w->lease_count];
    int pool = policy_pool_find(&w->policy, &resource);

    T6_ASSERT(w->lease_count < WORLD_LEASES_MAX);
    *found = (struct lease_found){.slot = w->lease_count++};
    found->lease = (struct lease){.resource = resource,
                                  .iaid = iaid,
                                  .version = ++w->version,
                                  .status = (uint8_t)status,
                                  .duid = duid,
                                  .times = {.start_s = WORLD_NOW - 1000}};
    if (status == BINDING_ACTIVE) {
        found->lease.times.expires_s = found->lease.times.horizon_s = WORLD_NOW + 2000;
    }
    if (pool >= 0 && resource.type == LEASE_TYPE_PD) {
        w->claim[pool][pool_unit_index(&w->pools[pool].pool, &resource)] = status == BINDING_FREE;
    }
    return &found->lease;
}

struct lease *world_find(struct world *w, struct resource resource)
{
    for (unsigned i = 0; i < w->lease_count; i++) {
        if (resource_equal(&w->leases[i].lease.resource, &resource)) {
            return &w->leases[i].lease;
        }
    }
    return NULL;
}

const struct plan *world_decide(struct world *w)
{
    unsigned total = 0;
    enum counter drop;

    for (unsigned i = 0; i < w->message.ia_count; i++) {
        const struct dhcp6_ia *ia = &w->message.ias[i];

        w->hashes[i] = siphash((struct siphash_key){1, 2}, w->message.client_id.data,
                               w->message.client_id.size) ^
                       hash_mix((uint64_t)ia->iaid << 8 | ia->type);
        w->found.first[i] = (uint8_t)total;
        w->found.count[i] = 0;
        for (unsigned j = 0; j < w->lease_count; j++) {
            if (candidate_is_own(&w->input, ia, &w->leases[j].lease) && total < DECIDE_FOUND_MAX &&
                w->found.count[i] < DECIDE_FOUND_PER_IA_MAX) {
                w->found.entries[total++] = w->leases[j];
                w->found.count[i]++;
            }
        }
    }
    memset(&w->plan, 0xa5, sizeof(w->plan)); /* decide sets it wholly */
    drop = decide_validate(&w->policy, &w->message, w->input.unicast);
    if (drop != COUNTER_COUNT) { /* as workers do */
        w->plan = (struct plan){.verdict = PLAN_DROP, .drop = drop};
        return &w->plan;
    }
    decide(&w->input, &w->plan);
    return &w->plan;
}

static bool change_commit(struct world *w, const struct plan_change *change)
{
    struct lease *lease = world_find(w, change->next.resource);
    bool none = change->base.slot == LEASE_SLOT_NONE;
    bool was_free = none || change->base.lease.status == BINDING_FREE;
    bool is_free = change->next.status == BINDING_FREE;

    if (none ? lease != NULL : !lease || lease->version != change->base.lease.version) {
        return false;
    }
    if (change->next.resource.type == LEASE_TYPE_PD && change->pool >= 0) {
        bool *bit = &w->claim[change->pool][pool_unit_index(&w->pools[change->pool].pool,
                                                            &change->next.resource)];
        if (was_free && !is_free && !*bit) {
            return false;
        }
        *bit = is_free || (*bit && !was_free);
    }
    if (!lease) {
        T6_ASSERT(w->lease_count < WORLD_LEASES_MAX);
        w->leases[w->lease_count].slot = w->lease_count;
        lease = &w->leases[w->lease_count++].lease;
    }
    *lease = change->next;
    lease->version = ++w->version;
    return true;
}

bool world_commit(struct world *w)
{
    bool good = true;

    for (unsigned i = 0; i < w->plan.change_count; i++) {
        good = change_commit(w, &w->plan.changes[i]) && good;
    }
    return good;
}

/* The questions of policy.h, answered by search. */

const struct policy_reservation *policy_reservation_of(const struct policy *policy,
                                                       const struct resource *resource)
{
    for (unsigned i = 0; i < policy->reservation_count; i++) {
        for (unsigned j = 0; j < policy->reservations[i].resource_count; j++) {
            const struct resource *r = &policy->reservations[i].resources[j];
            uint8_t shorter = r->length < resource->length ? r->length : resource->length;

            if (r->type == resource->type && ip6_in_prefix(r->prefix, resource->prefix, shorter)) {
                return &policy->reservations[i];
            }
        }
    }
    return NULL;
}

int policy_pool_of(const struct policy *policy, unsigned link, const struct resource *resource)
{
    for (unsigned i = 0; i < policy->links[link].pool_count; i++) {
        if (pool_contains(&policy->pools[policy->links[link].pools[i]].pool, resource)) {
            return (int)policy->links[link].pools[i];
        }
    }
    return -1;
}

int policy_pool_find(const struct policy *policy, const struct resource *resource)
{
    for (unsigned i = 0; i < policy->pool_count; i++) {
        if (pool_contains(&policy->pools[i].pool, resource)) {
            return (int)i;
        }
    }
    return -1;
}

bool policy_address_assigned(const struct policy *policy, struct ip6 address)
{
    (void)policy;
    return address.lo == WORLD_RELAY_IID;
}

bool policy_on_link(const struct policy *policy, unsigned link, struct ip6 a)
{
    return ip6_in_prefix(a, policy->links[link].subnets[0].prefix,
                         policy->links[link].subnets[0].length);
}

const struct policy_lifetimes *policy_lifetimes_for(const struct policy *policy, unsigned link,
                                                    uint64_t classes)
{
    for (unsigned i = 0; i < policy->class_count; i++) {
        if ((classes >> i & 1) && policy->classes[i].has_lifetimes) {
            return &policy->classes[i].lifetimes;
        }
    }
    return &policy->links[link].lifetimes;
}
