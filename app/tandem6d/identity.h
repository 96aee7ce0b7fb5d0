/* Who this server is, made once and kept in state_dir/identity: its DUID and the secret that
 * candidates are derived from (design 2: the same client is offered the same resource, by nobody
 * else's guess). */
#ifndef TANDEM6D_IDENTITY_H
#define TANDEM6D_IDENTITY_H

#include "policy/config.h"

struct identity {
    uint8_t duid[DUID_SIZE_MAX];
    size_t duid_size;
    uint8_t secret[16];
};

/* Reads or makes it; configured values win and are not written. now: for a new DUID-LLT. 0, or a
 * negative errno after logging why. */
int identity_load(const struct config *config, sec_t now, struct identity *ret_identity) MUST_CHECK;

/* As the policy wants it; borrows from identity. */
struct policy_identity identity_policy(const struct identity *identity);

#endif
