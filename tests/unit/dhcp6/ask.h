/* Shared by the tests of decisions: a world and ways to ask and look. */
#ifndef TESTS_DHCP6_ASK_H
#define TESTS_DHCP6_ASK_H

#include "check.h"
#include "world.h"

static struct world w;

#define A10     ((struct resource){{NET1, 0x1010}, 128, LEASE_TYPE_NA})
#define A11     ((struct resource){{NET1, 0x1011}, 128, LEASE_TYPE_NA})
#define OTHER   ((struct resource){{NET2, 0x1010}, 128, LEASE_TYPE_NA})
#define P1      ((struct resource){{PD56 | 0x100, 0}, 56, LEASE_TYPE_PD})
#define P_OTHER ((struct resource){{PD_2 | 0x100, 0}, 56, LEASE_TYPE_PD})
#define NOTHING ((struct resource){{0, 0}, 0, 0})

/* A message of the type with one IA that lists the resource (type 0: nothing). */
static inline void ask(enum dhcp6_type type, enum lease_type ia_type, struct resource listed)
{
    world_message(&w, type);
    world_ia(&w, ia_type, 1);
    if (listed.type) {
        world_list(&w, listed);
    }
}

static inline const struct plan_lease *lease_of(const struct plan *plan, struct resource resource)
{
    for (unsigned i = 0; i < plan->lease_count; i++) {
        if (resource_equal(&plan->leases[i].resource, &resource)) {
            return &plan->leases[i];
        }
    }
    return NULL;
}

/* True when the answer says to stop using the resource. */
static inline bool revoked(const struct plan *plan, struct resource resource)
{
    const struct plan_lease *lease = lease_of(plan, resource);

    return lease && lease->valid_s == 0 && lease->preferred_s == 0;
}

static inline void check_status(const struct plan *plan, unsigned ia, unsigned status)
{
    CHECK_EQ(plan->verdict, PLAN_REPLY);
    CHECK(plan->ia_count > ia);
    CHECK_EQ(plan->ias[ia].has_status, true);
    CHECK_EQ(plan->ias[ia].status, status);
    CHECK_EQ(plan->ias[ia].lease_count, 0);
}

static inline void check_drop(enum counter reason)
{
    const struct plan *plan = world_decide(&w);

    CHECK_EQ(plan->verdict, PLAN_DROP);
    CHECK_EQ(plan->drop, reason);
    CHECK_EQ(plan->change_count, 0);
}

#endif
