/* A small server for tests of decisions: two links, pools, a list of leases, claim bits. Messages
 * are put together as structs, plans can be carried out. world.c also answers the policy_*
 * questions by plain search, independent of lib/policy. */
#ifndef TESTS_DHCP6_WORLD_H
#define TESTS_DHCP6_WORLD_H

#include "dhcp6/candidate.h"
#include "dhcp6/decide.h"

enum {
    WORLD_LEASES_MAX = 512,
    WORLD_UNITS_MAX = 4096,
    WORLD_NOW = 800000000,
    /* Pools by index. */
    POOL_NA = 0,       /* link 0: 2001:db8:0:1::1000 - ::10ff */
    POOL_PD56 = 1,     /* link 0: 2001:db8:100::/44 by /56, 4096 units */
    POOL_PD48 = 2,     /* link 0: 2001:db8:200::/44 by /48, 16 units */
    POOL_NA_GOLD = 3,  /* link 0: ::2000 - ::20ff, class 0 only */
    POOL_NA_OTHER = 4, /* link 1: 2001:db8:0:2::1000 - ::10ff */
    POOL_PD_OTHER = 5, /* link 1: 2001:db8:300::/44 by /56 */
    WORLD_POOLS = 6,
};

#define NET1 0x20010db800000001ULL
#define NET2 0x20010db800000002ULL
#define PD56 0x20010db801000000ULL
#define PD48 0x20010db802000000ULL
#define PD_2 0x20010db803000000ULL

#define BYTES(s) ((struct span){(const uint8_t *)(s), sizeof(s) - 1})
#define ALICE    BYTES("\0\3\0\1alice")
#define BOB      BYTES("\0\3\0\1bob..")
#define SERVER   BYTES("\0\2\0\0\1\2srv")

/* No client may have it: a relay's by configuration. */
#define WORLD_RELAY_IID 0x77u

struct world {
    struct policy policy;
    struct policy_link links[2];
    struct policy_pool pools[WORLD_POOLS];
    struct policy_class classes[2];
    struct policy_reservation reservations[2];
    struct grant grant;
    unsigned link_pools[2][4];
    uint64_t subnet_room[2][4]; /* the links' subnets, whose type has no name */
    struct lease_found leases[WORLD_LEASES_MAX];
    unsigned lease_count;
    uint64_t version;
    bool claim[WORLD_POOLS][WORLD_UNITS_MAX];
    unsigned find_calls;

    struct candidate_source source;
    struct dhcp6_message message;
    struct decide_found found;
    uint64_t hashes[DHCP6_IAS_MAX];
    struct decide_input input;
    struct plan plan;
};

/* Everything allowed, lifetimes 3000/4000, rapid commit off, nothing leased. */
void world_init(struct world *world);

/* Begins a message of the type from ALICE with the Server-ID the type needs. */
void world_message(struct world *world, enum dhcp6_type type);
void world_ia(struct world *world, enum lease_type type, uint32_t iaid);
/* Adds a lease to the last IA. */
void world_list(struct world *world, struct resource resource);

/* Puts a lease on record; the pointer is good until the next one is added. */
struct lease *world_lease(struct world *world, struct resource resource, struct span duid,
                          uint32_t iaid, enum binding_status status);
/* The record of a resource, or NULL. */
struct lease *world_find(struct world *world, struct resource resource);

/* Finds leases and decides. */
const struct plan *world_decide(struct world *world);
/* Carries the plan's changes out as a worker would; false when a base or a claim bit was gone. */
bool world_commit(struct world *world);

static inline struct resource address(uint64_t hi, uint64_t lo)
{
    return (struct resource){{hi, lo}, 128, LEASE_TYPE_NA};
}

static inline struct resource prefix(uint64_t hi, uint8_t length)
{
    return (struct resource){{hi, 0}, length, LEASE_TYPE_PD};
}

#endif
