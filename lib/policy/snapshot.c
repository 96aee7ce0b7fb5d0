/* Makes policies: the rows that differ between two policies of one configuration (links and pools,
 * which point to grants and claims) are copied, everything else is shared and counted. Control core
 * only; policy_free from any thread after the grace period. */
#include <string.h>

#include "policy/internal.h"

/* Links without failover: everything is allowed (RFC 8156 8.1 does not apply). */
static const struct grant standalone = {
    .service = GRANT_ALL, .allocate = true, .address_parity = -1, .mclt_s = 0, .partner = false};

/* A policy and what it owns, in one piece of memory each. */
struct policy_owner {
    struct policy policy;
    uint8_t duid[DUID_SIZE_MAX];
};

static void grants_connect(struct policy *policy)
{
    for (unsigned i = 0; i < policy->link_count; i++) {
        struct policy_link *link = &policy->links[i];

        link->grant = link->relationship < 0 ? &standalone : &policy->grants[link->relationship];
        for (unsigned k = 0; k < link->pool_count; k++) {
            policy->pools[link->pools[k]].grant = link->grant;
        }
    }
}

/* count rows of size, copied; a valid pointer for none. */
static void *rows_copy(const void *rows, size_t count, size_t size)
{
    void *copy = calloc(count ? count : 1, size);

    if (copy && count) {
        memcpy(copy, rows, count * size);
    }
    return copy;
}

/* A policy with the rows of another one, or of the template. grants NULL: fresh ones. */
static struct policy *policy_copy(const struct policy *from, struct span duid,
                                  const struct grant *grants)
{
    struct config_policy *shared = from->index->owner;
    struct policy_owner *owner = calloc(1, sizeof(*owner));
    struct policy *policy = owner ? &owner->policy : NULL;

    if (!policy) {
        return NULL;
    }
    *policy = *from;
    policy->links = rows_copy(from->links, from->link_count, sizeof(*from->links));
    policy->pools = rows_copy(from->pools, from->pool_count, sizeof(*from->pools));
    policy->grant_count = shared->relationship_count;
    policy->grants = rows_copy(grants, grants ? policy->grant_count : 0, sizeof(*grants));
    if (!grants && policy->grants) {
        free(policy->grants);
        policy->grants = calloc(policy->grant_count ? policy->grant_count : 1, sizeof(*grants));
    }
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    if (!policy->links || !policy->pools || !policy->grants) {
        policy_free(policy);
        return NULL;
    }
    if (duid.size > 0) {
        memcpy(owner->duid, duid.data, duid.size);
    }
    policy->server_duid = (struct span){owner->duid, duid.size};
    grants_connect(policy);
    return policy;
}

int policy_new(const struct config *config, const struct policy_identity *identity,
               uint64_t revision, struct policy **ret_policy)
{
    const struct config_policy *shared = config->policy;
    struct policy *policy;

    T6_ASSERT(identity->server_duid.size <= DUID_SIZE_MAX);
    policy = policy_copy(&shared->template, identity->server_duid, NULL);
    if (!policy) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < policy->grant_count; i++) {
        /* Until the state machine has spoken: silence (RFC 8156 8.3, STARTUP). */
        policy->grants[i] = (struct grant){.service = GRANT_SILENT,
                                           .address_parity = -1,
                                           .mclt_s = shared->mclt_s[i],
                                           .partner = true};
    }
    policy->candidate_key = identity->candidate_key;
    policy->revision = revision;
    *ret_policy = policy;
    return 0;
}

int policy_rebuild(const struct policy *old, uint64_t revision, struct policy **ret_policy)
{
    struct policy *policy = policy_copy(old, old->server_duid, old->grants);

    if (!policy) {
        return -ENOMEM;
    }
    policy->revision = revision;
    *ret_policy = policy;
    return 0;
}

struct grant *policy_grant(struct policy *policy, unsigned relationship)
{
    T6_ASSERT(relationship < policy->grant_count);
    return &policy->grants[relationship];
}

void policy_free(struct policy *policy)
{
    if (policy) {
        struct config_policy *shared = policy->index->owner;

        free(policy->links);
        free(policy->pools);
        free(policy->grants);
        free((struct policy_owner *)policy);
        config_policy_drop(shared);
    }
}
