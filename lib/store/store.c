/* Finding and committing leases, see store.h for the contract. Knows no packet, no journal and no
 * clock, and never waits for a grace period.
 *
 * Who may change what. The version word of a slot (slots.h) is the lock and the truth: LIVE means
 * "the current lease of its resource". Whoever moves it from (version, LIVE) to BUSY - exactly one
 * thread can - owns the resource until the next slot is LIVE or the word is LIVE again, so a
 * renewal in place, a replacement and a removal of one lease can never overlap. A first lease is
 * decided by the unique insertion into the resource index instead.
 *
 * Order of publication for a new slot:
 *     write slot, word PREPARED      nobody sees it
 *     add to client index            a hint: readers skip what is not LIVE
 *     base word LIVE -> BUSY, or add_unique by resource     the one decision point
 *     lost: remove own hint, retire own slot (it was visible)
 *     won:  replace base by resource, new word LIVE, base word dead,
 *           remove base's hint, retire base
 * Resource first and client hint second would let a second writer remove a hint that its owner has
 * not inserted yet. New LIVE comes before base dead, and a reader who meets anything but LIVE looks
 * again, so a client's lease is never out of sight while it moves. */
#include "store/store.h"

#include <sched.h>

#include <urcu/arch.h>

#include "store/store_private.h"

enum {
    /* A DUID of 14 octets and what is kept of a relayed client with an Interface-Id of 24 and a
     * Remote-Id of 16: 14 + 10 + 18 + 18 + 26 + 22 = 108. */
    INLINE_SIZE_DEFAULT = 112,
    LONG_LEASES_MIN = 1024,
    BEYOND_MAX = 256,     /* leases of one client looked at when there is no room for more */
    SPINS_MAX = 256,      /* about ten times what a commit keeps a slot BUSY */
    YIELDS_MAX = 1 << 16, /* its committer lost its processor: let it run; tens of milliseconds */
};

#define LEASES_MAX_MAX (UINT32_C(1) << 31)

/* Waits a moment for a committer that is in the middle of publishing. False when that has lasted so
 * long that the caller should take what it has; the only way a reader can miss a lease. The yield
 * is a system call in a worker, taken only when the committer does not run: a wrong "no lease"
 * would cost the client its address. */
static bool backoff(unsigned *count)
{
    if (*count < SPINS_MAX) {
        caa_cpu_relax();
    } else if (*count < SPINS_MAX + YIELDS_MAX) {
        (void)sched_yield();
    } else {
        return false;
    }
    (*count)++;
    return true;
}

static int committers_init(struct store *store, uint32_t count)
{
    store->committer_count = count;
    store->committers = aligned_alloc(CACHE_LINE, count * sizeof(struct committer));
    if (store->committers == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        memset(&store->committers[i], 0, sizeof(store->committers[i]));
        slot_cache_init(&store->committers[i].cache);
    }
    return 0;
}

int store_new(const struct store_config *config, struct store **ret_store)
{
    uint32_t inline_size = config->inline_size ? config->inline_size : INLINE_SIZE_DEFAULT;
    uint32_t long_max = config->long_leases_max ? config->long_leases_max : config->leases_max / 16;
    /* Free slots in the stocks of idle committers are out of reach: keep them below 2 %. */
    uint64_t chunk = config->leases_max / (64 * ((uint64_t)config->committers + 1));
    struct store *store;

    if (config->leases_max == 0 || config->leases_max > LEASES_MAX_MAX || config->committers == 0) {
        return -EINVAL;
    }
    if (config->long_leases_max == 0 && long_max < LONG_LEASES_MIN) {
        long_max = LONG_LEASES_MIN;
    }
    chunk = chunk == 0 ? 1 : chunk > SLOT_CHUNK_MAX ? SLOT_CHUNK_MAX : chunk;
    store = aligned_alloc(CACHE_LINE, sizeof(*store));
    if (store == NULL) {
        return -ENOMEM;
    }
    memset(store, 0, sizeof(*store));
    store->key = config->key;
    if (committers_init(store, config->committers) ||
        slots_init(&store->slots, config->leases_max, (uint32_t)chunk,
                   inline_size < 16 ? 16 : inline_size, long_max) ||
        index_init(&store->index, config->leases_max)) {
        store_free(store);
        return -ENOMEM;
    }
    *ret_store = store;
    return 0;
}

void store_free(struct store *store)
{
    if (store == NULL) {
        return;
    }
    index_done(&store->index);
    slots_done(&store->slots);
    tombs_done(&store->tombs);
    free(store->queue);
    free(store->committers);
    free(store);
}

uint64_t store_duid_hash(const struct store *store, struct span duid)
{
    return siphash(store->key, duid.data, duid.size);
}

uint64_t store_client_hash(uint64_t duid_hash, uint32_t iaid, uint8_t type)
{
    return hash_mix(duid_hash ^ hash_mix((uint64_t)type << 32 | iaid));
}

uint64_t store_resource_hash(const struct store *store, const struct resource *resource)
{
    uint64_t h = hash_mix(resource->prefix.hi ^ store->key.k0);

    h ^= (uint64_t)resource->length << 8 | resource->type;
    return hash_mix(hash_mix(h + resource->prefix.lo) ^ store->key.k1);
}

uint64_t store_lease_client_hash(const struct store *store, const struct lease *lease)
{
    return store_client_hash(store_duid_hash(store, lease->duid), lease->iaid,
                             lease->resource.type);
}

bool store_lease_fits(const struct lease *lease)
{
    return lease->status > 0 && lease->status < BINDING_STATUS_COUNT &&
           lease->duid.size <= DUID_SIZE_MAX && lease->info.size <= LEASE_INFO_SIZE_MAX;
}

bool store_find(const struct store *store, const struct resource *resource,
                struct lease_found *ret_found)
{
    uint64_t hash = store_resource_hash(store, resource);
    unsigned tries = 0;

    store_settle(store);
    do {
        uint32_t slot = index_resource_find(&store->index, &store->slots, hash, resource);

        if (slot == LEASE_SLOT_NONE) {
            return false;
        }
        if (slot_read(&store->slots, slot, ret_found) == SLOT_READ_LIVE) {
            return true;
        }
    } while (backoff(&tries));
    return false;
}

/* Counts found[count] in, unless the same resource is there already: it moved to another slot
 * during the walk, and the later version is the truth. */
static size_t found_keep(struct lease_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (resource_equal(&found[i].lease.resource, &found[count].lease.resource)) {
            if (found[count].lease.version > found[i].lease.version) {
                found[i] = found[count];
            }
            return count;
        }
    }
    return count + 1;
}

/* The list is full: an active lease is worth more than what is only remembered. */
static void found_prefer(struct lease_found *found, size_t count, const struct lease_found *extra)
{
    size_t place = count;

    if (extra->lease.status != BINDING_ACTIVE) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (resource_equal(&found[i].lease.resource, &extra->lease.resource)) {
            place = extra->lease.version > found[i].lease.version ? i : count;
            break;
        }
        place = place == count && found[i].lease.status != BINDING_ACTIVE ? i : place;
    }
    if (place < count) {
        found[place] = *extra;
    }
}

size_t store_find_client(const struct store *store, uint64_t client_hash, struct span duid,
                         uint32_t iaid, uint8_t type, struct lease_found *ret_found,
                         size_t found_max)
{
    struct index_walk walk = {.slots = &store->slots, .duid = duid, .iaid = iaid, .type = type};
    struct lease_found extra;
    unsigned tries = 0;
    size_t count;
    bool settled;

    if (duid.size == 0 || found_max == 0) {
        return 0;
    }
    store_settle(store);
    do {
        uint32_t slot = index_client_first(&store->index, client_hash, &walk);

        settled = true;
        count = 0;
        for (unsigned beyond = 0; slot != LEASE_SLOT_NONE && beyond < BEYOND_MAX;) {
            struct lease_found *place = count < found_max ? &ret_found[count] : &extra;

            if (slot_read(&store->slots, slot, place) != SLOT_READ_LIVE) {
                /* Dead counts too: its successor may stand where the walk had passed already. */
                settled = false;
            } else if (count < found_max) {
                count = found_keep(ret_found, count);
            } else {
                found_prefer(ret_found, count, &extra);
                beyond++;
            }
            slot = index_client_next(&walk);
        }
        settled = settled && index_client_settled(&walk);
    } while (!settled && backoff(&tries));
    return count;
}

void store_prefetch_client(const struct store *store, uint64_t client_hash)
{
    index_client_prefetch(&store->index, client_hash);
}

void store_prefetch_found(const struct store *store, uint64_t client_hash)
{
    index_client_prefetch_slots(&store->index, &store->slots, client_hash);
}

void store_prefetch_resource(const struct store *store, const struct resource *resource)
{
    index_resource_prefetch(&store->index, store_resource_hash(store, resource));
}

bool store_read(const struct store *store, uint32_t slot, struct lease_found *ret_found)
{
    unsigned tries = 0;
    enum slot_read read;

    store_settle(store);
    if (slot >= store_slot_max(store)) {
        return false;
    }
    do {
        read = slot_read(&store->slots, slot, ret_found);
    } while (read == SLOT_READ_BUSY && backoff(&tries));
    return read == SLOT_READ_LIVE;
}

uint32_t store_slot_max(const struct store *store)
{
    return atomic_load_explicit(&store->slots.fresh, memory_order_acquire);
}

void store_client_add(struct store *store, uint32_t slot, const struct lease *lease)
{
    if (lease->duid.size) {
        index_client_add(&store->index, store_lease_client_hash(store, lease), slot);
    }
}

void store_client_remove(struct store *store, uint32_t slot)
{
    const struct slot_cold *cold = slot_cold(&store->slots, slot);
    struct span duid = {slot_data(&store->slots, cold), cold->duid_size};

    if (duid.size) {
        index_client_remove(&store->index,
                            store_client_hash(store_duid_hash(store, duid), cold->iaid, cold->type),
                            slot);
    }
}

void store_resource_remove(struct store *store, uint32_t slot)
{
    struct resource resource = slot_resource(slot_cold(&store->slots, slot));

    index_resource_remove(&store->index, store_resource_hash(store, &resource), slot);
}

bool store_same_identity(const struct store *store, uint32_t slot, const struct lease *next)
{
    const struct slot_cold *cold = slot_cold(&store->slots, slot);
    const uint8_t *data = slot_data(&store->slots, cold);
    struct span info = next->info;

    if (unlikely(cold->is_cut)) { /* what it would be cut to again */
        info = lease_info_cut(info, store->slots.inline_size - cold->duid_size);
    }
    return cold->iaid == next->iaid &&
           span_equal((struct span){data, cold->duid_size}, next->duid) &&
           span_equal((struct span){data + cold->duid_size, cold->info_size}, info);
}

static void word_store(struct store *store, uint32_t slot, uint64_t word)
{
    atomic_store_explicit(&store->slots.hot[slot].word, word, memory_order_release);
}

/* The decision point for a resource that has a lease: true for exactly one caller per version. */
static bool base_take(struct store *store, const struct lease_found *base)
{
    uint64_t expected = slot_word(base->lease.version, SLOT_LIVE);

    return atomic_compare_exchange_strong_explicit(&store->slots.hot[base->slot].word, &expected,
                                                   slot_word(base->lease.version, SLOT_BUSY),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* False when base was superseded already. Looks at the resource too: a version counts only for one
 * resource, and the slot may have been reused for another. */
static bool base_is_current(const struct store *store, const struct lease_found *base)
{
    uint64_t word;

    if (base->slot >= store_slot_max(store)) {
        return false;
    }
    word = atomic_load_explicit(&store->slots.hot[base->slot].word, memory_order_acquire);
    return word == slot_word(base->lease.version, SLOT_LIVE) &&
           slot_has_resource(slot_cold(&store->slots, base->slot), &base->lease.resource);
}

/* A slot with next in it, visible through its client only and not LIVE; or LEASE_SLOT_NONE. */
static uint32_t slot_prepare(struct store *store, struct committer *committer,
                             const struct lease *next)
{
    uint32_t slot = slots_take(&store->slots, &committer->cache, next);

    if (slot != LEASE_SLOT_NONE) {
        slot_write_hot(&store->slots.hot[slot], next);
        word_store(store, slot, slot_word(0, SLOT_PREPARED));
        store_client_add(store, slot, next);
    }
    return slot;
}

static void slot_publish(struct store *store, uint32_t slot, uint64_t version,
                         struct store_committed *ret_committed)
{
    slot_identity_version_set(slot_cold(&store->slots, slot), version);
    word_store(store, slot, slot_word(version, SLOT_LIVE));
    *ret_committed = (struct store_committed){version, slot, true};
}

/* The slot is out of the resource index, or never was in it. */
static void slot_withdraw(struct store *store, struct committer *committer, uint32_t slot)
{
    word_store(store, slot, 0);
    store_client_remove(store, slot);
    slots_retire(&store->slots, &committer->cache, slot);
}

static int commit_first(struct store *store, struct committer *committer, const struct lease *next,
                        struct store_committed *ret_committed)
{
    uint32_t slot = slot_prepare(store, committer, next), present;

    if (slot == LEASE_SLOT_NONE) {
        return -ENOSPC;
    }
    if (index_resource_add(&store->index, &store->slots,
                           store_resource_hash(store, &next->resource), slot, &present)) {
        slot_withdraw(store, committer, slot);
        return -EAGAIN;
    }
    /* Read the floor only now: whoever forgot the resource raised it before making room for us. */
    slot_publish(store, slot, store_version_floor(store) + 1, ret_committed);
    committer_count(committer, next->status, 1);
    return 0;
}

static int commit_in_place(struct store *store, struct committer *committer,
                           const struct lease_found *base, const struct lease *next,
                           struct store_committed *ret_committed)
{
    uint32_t slot = base->slot;
    unsigned old_status;

    if (!base_take(store, base)) {
        return -EAGAIN;
    }
    old_status = slot_status(&store->slots, slot);
    slot_write_hot(&store->slots.hot[slot], next);
    word_store(store, slot, slot_word(base->lease.version + 1, SLOT_LIVE));
    *ret_committed = (struct store_committed){base->lease.version + 1, slot,
                                              !slot_identity_is_durable(&store->slots, slot)};
    if (old_status != next->status) {
        committer_count(committer, old_status, (uint64_t)-1);
        committer_count(committer, next->status, 1);
    }
    return 0;
}

static int commit_moved(struct store *store, struct committer *committer,
                        const struct lease_found *base, const struct lease *next,
                        struct store_committed *ret_committed)
{
    uint32_t slot = slot_prepare(store, committer, next);

    if (slot == LEASE_SLOT_NONE) {
        return -ENOSPC;
    }
    if (!base_take(store, base)) {
        slot_withdraw(store, committer, slot);
        return -EAGAIN;
    }
    index_resource_replace(&store->index, store_resource_hash(store, &next->resource), base->slot,
                           slot);
    slot_publish(store, slot, base->lease.version + 1, ret_committed);
    committer_count(committer, slot_status(&store->slots, base->slot), (uint64_t)-1);
    committer_count(committer, next->status, 1);
    slot_withdraw(store, committer, base->slot);
    return 0;
}

int store_commit(struct store *store, unsigned committer, const struct lease_found *base,
                 const struct lease *next, struct store_committed *ret_committed)
{
    struct committer *own;

    T6_ASSERT(committer < store->committer_count);
    store_settle(store);
    own = &store->committers[committer];
    if (!store_lease_fits(next)) {
        return -EINVAL;
    }
    if (base == NULL || base->slot == LEASE_SLOT_NONE) {
        return commit_first(store, own, next, ret_committed);
    }
    T6_ASSERT(resource_equal(&base->lease.resource, &next->resource));
    if (!base_is_current(store, base)) {
        return -EAGAIN;
    }
    return store_same_identity(store, base->slot, next)
               ? commit_in_place(store, own, base, next, ret_committed)
               : commit_moved(store, own, base, next, ret_committed);
}

int store_forget(struct store *store, unsigned committer, const struct lease_found *base)
{
    struct committer *own;

    T6_ASSERT(committer < store->committer_count);
    store_settle(store);
    own = &store->committers[committer];
    if (!base_is_current(store, base) || !base_take(store, base)) {
        return -EAGAIN;
    }
    store_version_floor_raise(store, base->lease.version);
    store_resource_remove(store, base->slot);
    committer_count(own, slot_status(&store->slots, base->slot), (uint64_t)-1);
    slot_withdraw(store, own, base->slot);
    return 0;
}

uint64_t store_version_floor(const struct store *store)
{
    return atomic_load_explicit(&store->version_floor, memory_order_seq_cst);
}

void store_version_floor_raise(struct store *store, uint64_t version)
{
    uint64_t floor = atomic_load_explicit(&store->version_floor, memory_order_relaxed);

    while (version > floor &&
           !atomic_compare_exchange_weak_explicit(&store->version_floor, &floor, version,
                                                  memory_order_seq_cst, memory_order_relaxed)) {
    }
}

void store_identity_durable(struct store *store, uint32_t slot, const struct resource *resource,
                            uint64_t version)
{
    const struct slot_cold *cold;
    uint64_t word;

    if (slot >= store_slot_max(store)) {
        return;
    }
    word = atomic_load_explicit(&store->slots.hot[slot].word, memory_order_acquire);
    if ((word & (SLOT_LIVE | SLOT_BUSY)) == 0) {
        return;
    }
    /* The slot cannot be given out anew before our next quiescent state, and the mark is cleared
     * when it is. */
    cold = slot_cold(&store->slots, slot);
    if (slot_has_resource(cold, resource) && version >= slot_identity_version(cold)) {
        slot_identity_durable_set(&store->slots, slot, true);
    }
}

struct store_retired store_retired_take(struct store *store)
{
    struct store_retired retired = {LEASE_SLOT_NONE, 0};

    for (uint32_t i = 0; i < store->committer_count; i++) {
        retired.count +=
            slots_retired_collect(&store->slots, &store->committers[i].cache, &retired.first);
    }
    return retired;
}

void store_retired_give(struct store *store, struct store_retired retired)
{
    slots_give(&store->slots, retired.first);
}

void store_stats_get(const struct store *store, struct store_stats *ret_stats)
{
    store_settle(store);
    *ret_stats = (struct store_stats){.leases_max = store->slots.slots_max};
    for (uint32_t i = 0; i < store->committer_count; i++) {
        for (unsigned status = 0; status < BINDING_STATUS_COUNT; status++) {
            ret_stats->by_status[status] +=
                atomic_load_explicit(&store->committers[i].by_status[status], memory_order_relaxed);
        }
    }
    for (unsigned status = 0; status < BINDING_STATUS_COUNT; status++) {
        /* A sum taken while commits run can be short of one count of a pair. */
        if ((int64_t)ret_stats->by_status[status] < 0) {
            ret_stats->by_status[status] = 0;
        }
        ret_stats->slots_used += ret_stats->by_status[status];
    }
    ret_stats->long_leases_used =
        atomic_load_explicit(&store->slots.long_used, memory_order_relaxed);
    ret_stats->long_leases_max = store->slots.long_max;
    ret_stats->cut_leases = atomic_load_explicit(&store->slots.cut_used, memory_order_relaxed);
    ret_stats->memory_bytes = sizeof(*store) + slots_memory(&store->slots) +
                              index_memory(&store->index) +
                              store->committer_count * sizeof(struct committer);
}
