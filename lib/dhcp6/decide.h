/* Decisions: what a message gets. Pure: reads policy, the found leases and, through
 * candidate_source, the present state of resources; changes nothing. The worker carries the plan
 * out (claims, commits, waits) and encodes the answer. Lost races are decided again from scratch.
 * RFC 9915 18.3. Any thread, between quiescent states. */
#ifndef DHCP6_DECIDE_H
#define DHCP6_DECIDE_H

#include "dhcp6/message.h"
#include "dhcp6/option.h"
#include "lease/lease.h"
#include "policy/policy.h"

enum {
    PLAN_LEASES_MAX = 48,
    PLAN_CHANGES_MAX = 32,
    DECIDE_FOUND_MAX = 48, /* leases found for all IAs of a message */
    DECIDE_FOUND_PER_IA_MAX = 8,
    CANDIDATE_ATTEMPTS = 8,   /* hashed candidates before walking (design 2) */
    CANDIDATE_WALK_MAX = 256, /* steps of walking in one decision for one lease */
};

/* The state of resources as a candidate needs to see it. Answers may be stale by the time of the
 * commit, which then fails and decides again. */
struct candidate_source {
    void *ctx;
    /* The lease of a resource, if any. */
    bool (*find)(void *ctx, const struct resource *resource, struct lease_found *ret_found);
    /* PD pools: unit is ours and free; first such unit at or after from, wrapping. */
    bool (*claim_test)(void *ctx, unsigned pool, uint32_t unit);
    bool (*claim_next)(void *ctx, unsigned pool, uint32_t from, uint32_t *ret_unit);
};

/* Leases found for each IA of the message, in any status (store_find_client). */
struct decide_found {
    uint8_t first[DHCP6_IAS_MAX], count[DHCP6_IAS_MAX]; /* per message IA, in entries */
    struct lease_found entries[DECIDE_FOUND_MAX];
};

struct decide_input {
    const struct policy *policy;
    const struct dhcp6_message *message;
    const struct decide_found *found;
    const struct candidate_source *source;
    const uint64_t *client_hash;                  /* per message IA: hash of DUID, IAID, type */
    int link;                                     /* index */
    uint64_t classes;                             /* policy_classify */
    const struct policy_reservation *reservation; /* or NULL */
    struct span info; /* lease info of this message (dhcp6_lease_info); borrowed by the plan */
    sec_t now;
    bool reuse_allowed; /* false while the clock is not trusted: give nobody else's former lease */
    bool unicast;       /* sent to a unicast address of ours, not relayed */
};

/* One lease in the answer. */
struct plan_lease {
    struct resource resource;
    uint32_t preferred_s, valid_s; /* 0, 0: "stop using it" */
    const struct pool *pool;       /* for RFC 6603; NULL if none */
};

struct plan_ia {
    uint8_t type;
    uint32_t iaid;
    uint32_t t1_s, t2_s;
    bool has_status;
    uint16_t status;                  /* enum dhcp6_status */
    uint8_t lease_first, lease_count; /* in plan.leases */
};

/* One lease change to commit before the answer may leave. */
struct plan_change {
    struct lease_found base; /* slot LEASE_SLOT_NONE: the resource has no lease yet */
    struct lease next;       /* version ignored; duid and info borrowed from message and input */
    int pool;                /* policy pool index or -1 (reservation outside pools) */
    enum counter counter;    /* what it counts as */
};

enum plan_verdict {
    PLAN_DROP,  /* no answer; drop says why. Changes may not exist. */
    PLAN_REPLY, /* answer of reply_type */
};

struct plan {
    enum plan_verdict verdict;
    enum counter drop;
    uint8_t reply_type; /* DHCP6_ADVERTISE or DHCP6_REPLY */
    bool rapid_commit;  /* include the option */
    bool has_status;    /* top-level Status Code */
    uint16_t status;
    int link;
    uint64_t classes;
    const struct policy_reservation *reservation;
    struct span
        reconfigure_key; /* to be told to the client (RFC 9915 20.4), or size 0; the worker's */
    sec_t now;
    uint8_t ia_count, lease_count, change_count;
    struct plan_ia ias[DHCP6_IAS_MAX];
    struct plan_lease leases[PLAN_LEASES_MAX];
    struct plan_change changes[PLAN_CHANGES_MAX];
};

/* Decides about a message that decide_validate lets pass, on a link. Sets *ret_plan wholly. */
void decide(const struct decide_input *input, struct plan *ret_plan);

/* What RFC 9915 16 says of the message before anything is looked up: COUNTER_COUNT when it is to be
 * processed, else the drop reason. unicast as above. */
enum counter decide_validate(const struct policy *policy, const struct dhcp6_message *message,
                             bool unicast);

/* True when the message may make a new lease, so that only the client's home worker may decide it
 * (design 2): SOLICIT, REQUEST, and RENEW or REBIND with an IA that nothing ACTIVE was found for.
 */
bool decide_may_allocate(const struct dhcp6_message *message, const struct decide_found *found,
                         sec_t now);

#endif
