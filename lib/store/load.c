/* Filling the store from disk at boot: one thread, no readers, so slots are reused at once and no
 * race is decided. Uses the first committer's stock and counters. */
#include "store/store_private.h"

static void slot_live(struct store *store, uint32_t slot, const struct lease *lease)
{
    struct slot_hot *hot = &store->slots.hot[slot];

    slot_write_hot(hot, lease);
    atomic_store_explicit(&hot->word, slot_word(lease->version, SLOT_LIVE), memory_order_release);
    if (!slot_identity_is_durable(&store->slots, slot)) {
        slot_identity_durable_set(&store->slots, slot);
    }
}

static uint64_t slot_version(const struct store *store, uint32_t slot)
{
    return atomic_load_explicit(&store->slots.hot[slot].word, memory_order_relaxed) >>
           SLOT_VERSION_SHIFT;
}

/* The slot is out of the resource index. */
static void slot_drop(struct store *store, uint32_t slot)
{
    committer_count(&store->committers[0], slot_status(&store->slots, slot), (uint64_t)-1);
    store_client_remove(store, slot);
    atomic_store_explicit(&store->slots.hot[slot].word, 0, memory_order_relaxed);
    slots_untake(&store->slots, &store->committers[0].cache, slot);
}

/* The resource has a slot already; spare is a filled slot that nobody sees, or LEASE_SLOT_NONE. */
static int load_over(struct store *store, uint64_t hash, uint32_t present, uint32_t spare,
                     const struct lease *lease)
{
    struct committer *own = &store->committers[0];
    bool newer = lease->version > slot_version(store, present);

    if (newer && store_same_identity(store, present, lease)) {
        committer_count(own, slot_status(&store->slots, present), (uint64_t)-1);
        committer_count(own, lease->status, 1);
        slot_live(store, present, lease);
    } else if (newer && spare != LEASE_SLOT_NONE) {
        index_resource_replace(&store->index, &store->slots, hash, present, spare);
        slot_identity_version_set(slot_cold(&store->slots, spare), lease->version);
        slot_live(store, spare, lease);
        store_client_add(store, spare, lease);
        committer_count(own, lease->status, 1);
        slot_drop(store, present); /* last: the lease's spans may borrow from it */
        return 0;
    }
    if (spare != LEASE_SLOT_NONE) {
        slots_untake(&store->slots, &own->cache, spare);
        return 0;
    }
    return newer && slot_version(store, present) != lease->version ? -ENOSPC : 0;
}

int store_load(struct store *store, const struct lease *lease)
{
    struct committer *own = &store->committers[0];
    uint64_t hash = store_resource_hash(store, &lease->resource);
    uint32_t slot, present;

    if (!store_lease_fits(lease) || lease->version == 0 || lease->version > SLOT_VERSION_LOAD_MAX) {
        return -EINVAL;
    }
    if (lease->version <= tombs_version(&store->tombs, hash, &lease->resource)) {
        return 0;
    }
    /* Fill a slot first and see whether the resource has one after: most records are of new
     * resources, and so they need one walk of the index, not two. */
    slot = slots_take(&store->slots, &own->cache, lease);
    if (slot == LEASE_SLOT_NONE) {
        present = index_resource_find(&store->index, &store->slots, hash, &lease->resource);
        return present == LEASE_SLOT_NONE ? -ENOSPC : load_over(store, hash, present, slot, lease);
    }
    if (!index_resource_add(&store->index, &store->slots, hash, slot, &present)) {
        return load_over(store, hash, present, slot, lease);
    }
    slot_identity_version_set(slot_cold(&store->slots, slot), lease->version);
    slot_live(store, slot, lease);
    store_client_add(store, slot, lease);
    committer_count(own, lease->status, 1);
    return 0;
}

void store_load_forget(struct store *store, const struct resource *resource, uint64_t version)
{
    uint64_t hash = store_resource_hash(store, resource);
    uint32_t slot = index_resource_find(&store->index, &store->slots, hash, resource);

    /* An absurd version from disk must not use up the version space. */
    version = version > SLOT_VERSION_LOAD_MAX ? SLOT_VERSION_LOAD_MAX : version;
    store_version_floor_raise(store, version);
    tombs_add(&store->tombs, hash, resource, version);
    if (slot != LEASE_SLOT_NONE && slot_version(store, slot) <= version) {
        index_resource_remove(&store->index, &store->slots, slot);
        slot_drop(store, slot);
    }
}

int store_load_done(struct store *store)
{
    bool failed = store->tombs.failed;

    tombs_done(&store->tombs);
    return failed ? -ENOMEM : 0;
}
