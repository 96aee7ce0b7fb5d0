#include "crowd.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/siphash.h"

enum {
    LEASE_ADDRESS,
    LEASE_PREFIX,
    LEASE_KINDS,
};

/* Zeroed memory that costs nothing until it is touched. */
static void *area_new(size_t size)
{
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(area, size, MADV_HUGEPAGE);
    return area;
}

static void area_free(void *area, size_t size)
{
    if (area) {
        munmap(area, size);
    }
}

static size_t held_size(const struct crowd *crowd)
{
    return ((size_t)crowd->held_mask + 1) * sizeof(*crowd->held);
}

int crowd_init(struct crowd *crowd, uint32_t count, uint32_t first)
{
    size_t places = 1;

    /* Twice as many places as leases there can be, at least. */
    while (places < (size_t)count * LEASE_KINDS * 2) {
        places *= 2;
    }
    *crowd = (struct crowd){.count = count, .first = first, .held_mask = (uint32_t)(places - 1)};
    crowd->clients = area_new(count * sizeof(*crowd->clients));
    crowd->held = area_new(held_size(crowd));
    for (unsigned i = 0; i < CROWD_IDLE_LISTS; i++) {
        crowd->idle[i] = area_new(count * sizeof(*crowd->idle[i]));
    }
    if (!crowd->clients || !crowd->held || !crowd->idle[0] || !crowd->idle[1]) {
        crowd_done(crowd);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        crowd_idle_add(crowd, i, PHASE_UNBOUND);
    }
    return 0;
}

void crowd_done(struct crowd *crowd)
{
    area_free(crowd->clients, crowd->count * sizeof(*crowd->clients));
    area_free(crowd->held, held_size(crowd));
    for (unsigned i = 0; i < CROWD_IDLE_LISTS; i++) {
        area_free(crowd->idle[i], crowd->count * sizeof(*crowd->idle[i]));
    }
    *crowd = (struct crowd){.count = 0};
}

void crowd_idle_add(struct crowd *crowd, uint32_t client, enum phase phase)
{
    struct client *c = &crowd->clients[client];

    T6_ASSERT((unsigned)phase < CROWD_IDLE_LISTS);
    c->phase = (uint8_t)phase;
    c->link_next = crowd->idle_count[phase];
    crowd->idle[phase][crowd->idle_count[phase]++] = client;
}

void crowd_idle_remove(struct crowd *crowd, uint32_t client)
{
    const struct client *c = &crowd->clients[client];
    uint32_t *list = crowd->idle[c->phase];
    uint32_t last;

    T6_ASSERT(c->phase < CROWD_IDLE_LISTS);
    last = list[--crowd->idle_count[c->phase]];
    list[c->link_next] = last;
    crowd->clients[last].link_next = c->link_next;
}

static uint32_t lease_home(const struct crowd *crowd, struct ip6 lease)
{
    return (uint32_t)hash_mix(lease.hi ^ hash_mix(lease.lo + 1)) & crowd->held_mask;
}

/* The lease a place stands for. */
static struct ip6 lease_of(const struct client *client, unsigned kind)
{
    if (kind == LEASE_ADDRESS) {
        return client->address;
    }
    return (struct ip6){client->prefix, client->prefix_length};
}

static bool lease_is_none(struct ip6 lease, unsigned kind)
{
    return kind == LEASE_ADDRESS ? ip6_is_zero(lease) : lease.lo == 0;
}

/* Where the lease is, or the free place where it would go. */
static uint32_t held_find(const struct crowd *crowd, struct ip6 lease, unsigned kind)
{
    uint32_t at = lease_home(crowd, lease);

    while (crowd->held[at]) {
        uint32_t entry = crowd->held[at] - 1;

        if (entry % LEASE_KINDS == kind &&
            ip6_equal(lease_of(&crowd->clients[entry / LEASE_KINDS], kind), lease)) {
            break;
        }
        at = (at + 1) & crowd->held_mask;
    }
    return at;
}

/* Frees a place; entries behind it that looked further because of it move up. */
static void held_remove(struct crowd *crowd, uint32_t at)
{
    uint32_t hole = at;

    crowd->held[hole] = 0;
    for (at = (at + 1) & crowd->held_mask; crowd->held[at]; at = (at + 1) & crowd->held_mask) {
        uint32_t entry = crowd->held[at] - 1;
        uint32_t home =
            lease_home(crowd, lease_of(&crowd->clients[entry / LEASE_KINDS], entry % LEASE_KINDS));

        if (((at - home) & crowd->held_mask) >= ((at - hole) & crowd->held_mask)) {
            crowd->held[hole] = crowd->held[at];
            crowd->held[at] = 0;
            hole = at;
        }
    }
}

void crowd_drop(struct crowd *crowd, uint32_t client)
{
    struct client *c = &crowd->clients[client];

    if (c->flags & CLIENT_HOLDS) {
        for (unsigned kind = 0; kind < LEASE_KINDS; kind++) {
            struct ip6 lease = lease_of(c, kind);

            if (!lease_is_none(lease, kind)) {
                held_remove(crowd, held_find(crowd, lease, kind));
            }
        }
        c->flags &= (uint8_t)~CLIENT_HOLDS;
        crowd->bound_count--;
    }
    c->address = (struct ip6){0, 0};
    c->prefix = 0;
    c->prefix_length = 0;
}

/* The client whose lease it still is; one whose time is over loses all it has. */
static uint32_t lease_owner(struct crowd *crowd, struct ip6 lease, unsigned kind, uint32_t now_s)
{
    uint32_t place = crowd->held[held_find(crowd, lease, kind)], owner;

    if (lease_is_none(lease, kind) || place == 0) {
        return CLIENT_NONE;
    }
    owner = (place - 1) / LEASE_KINDS;
    if (crowd->clients[owner].valid_until_s > now_s) {
        return owner;
    }
    crowd_drop(crowd, owner);
    return CLIENT_NONE;
}

uint32_t crowd_claim(struct crowd *crowd, uint32_t client, const struct leases *leases,
                     uint32_t now_s)
{
    struct client *c = &crowd->clients[client];
    const struct ip6 each[LEASE_KINDS] = {
        [LEASE_ADDRESS] = leases->address,
        [LEASE_PREFIX] = {leases->prefix, leases->prefix_length},
    };

    crowd_drop(crowd, client);
    for (unsigned kind = 0; kind < LEASE_KINDS; kind++) {
        uint32_t owner = lease_owner(crowd, each[kind], kind, now_s);

        if (owner != CLIENT_NONE) {
            return owner;
        }
    }
    c->address = leases->address;
    c->prefix = leases->prefix;
    c->prefix_length = leases->prefix_length;
    c->valid_until_s = leases->valid_s > UINT32_MAX - now_s ? UINT32_MAX : now_s + leases->valid_s;
    for (unsigned kind = 0; kind < LEASE_KINDS; kind++) {
        if (!lease_is_none(each[kind], kind)) {
            crowd->held[held_find(crowd, each[kind], kind)] = client * LEASE_KINDS + kind + 1;
        }
    }
    c->flags |= CLIENT_HOLDS;
    crowd->bound_count++;
    return CLIENT_NONE;
}
