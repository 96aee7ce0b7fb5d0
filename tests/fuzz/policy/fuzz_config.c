/* Any bytes as a configuration file: refused with a place and a reason, or made into a policy. */
#include <string.h>

#include "policy/config.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Asks the policy what a packet would. */
static void policy_use(const struct policy *policy)
{
    struct policy_subject subject = {.duid = {(const uint8_t *)"\0\3\0\1", 4},
                                     .link_layer = {(const uint8_t *)"\2\0\0\0\0\1", 6}};

    for (unsigned i = 0; i < policy->link_count; i++) {
        (void)policy_reservation_find(policy, i, &subject);
        (void)policy_lifetimes_for(policy, i, policy_classify(policy, &subject));
    }
    for (unsigned i = 0; i < policy->pool_count; i++) {
        struct resource resource = pool_unit(&policy->pools[i].pool, 0);

        (void)policy_pool_find(policy, &resource);
        (void)policy_reservation_of(policy, &resource);
        T6_ASSERT(policy->pools[i].link < policy->link_count);
        T6_ASSERT(policy->pools[i].grant);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_identity identity = {.server_duid = {(const uint8_t *)"\0\3\0\1", 4}};
    struct config *config = NULL;
    struct policy *policy = NULL;
    struct config_error error;

    if (config_parse("fuzz", (const char *)data, size, &config, &error)) {
        T6_ASSERT(error.line > 0 && error.text[0]);
        T6_ASSERT(strcmp(error.file, "fuzz") == 0);
        return 0;
    }
    if (policy_new(config, &identity, 1, &policy) == 0) {
        policy_use(policy);
        policy_free(policy);
    }
    config_free(config);
    return 0;
}
