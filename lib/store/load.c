/* Filling the store from disk at boot: one thread, no readers, so slots are reused at once and no
 * race is decided. Uses the first committer's stock and counters.
 *
 * Each record touches memory at random: two buckets of the indexes, perhaps the lease it renews. To
 * wait for these one after the other would take most of the time of a restart. So a record becomes
 * a step in a short queue: its memory is asked for when the step enters, what its bucket points to
 * when it has come half way, and it is carried out, in the order of the records, when the queue is
 * full. A full record's slot is taken and filled at once (slots come in order, and the record's
 * bytes are the caller's); whoever looks at the store meanwhile has the queue emptied first
 * (store_settle). */
#include "store/store_private.h"

enum {
    LOAD_AHEAD = 32,
    LOAD_HALF = LOAD_AHEAD / 2,
};

struct load_step {
    enum load_kind {
        LOAD_FULL,
        LOAD_TIMES,
        LOAD_FORGET,
    } kind;

    uint32_t slot;      /* FULL: filled, nobody sees it */
    struct lease lease; /* FULL: the spans are the slot's; FORGET: resource and version only */
    uint64_t resource_hash, client_hash;
};

struct load_queue {
    struct store *store;
    unsigned first, count; /* ring of steps */
    uint64_t stale;
    struct load_step steps[LOAD_AHEAD];
};

static void slot_live(struct store *store, uint32_t slot, const struct lease *lease)
{
    struct slot_hot *hot = &store->slots.hot[slot];

    slot_write_hot(hot, lease);
    atomic_store_explicit(&hot->word, slot_word(lease->version, SLOT_LIVE), memory_order_release);
    slot_identity_durable_set(&store->slots, slot, true);
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

static void load_in_place(struct store *store, uint32_t slot, const struct lease *lease)
{
    struct committer *own = &store->committers[0];

    committer_count(own, slot_status(&store->slots, slot), (uint64_t)-1);
    committer_count(own, lease->status, 1);
    slot_live(store, slot, lease);
}

/* A filled slot that is in the resource index becomes the lease. */
static void load_new(struct store *store, const struct load_step *step)
{
    slot_identity_version_set(slot_cold(&store->slots, step->slot), step->lease.version);
    slot_live(store, step->slot, &step->lease);
    if (step->lease.duid.size) {
        index_client_add(&store->index, step->client_hash, step->slot);
    }
    committer_count(&store->committers[0], step->lease.status, 1);
}

static void step_full(struct store *store, const struct load_step *step)
{
    const struct lease *lease = &step->lease;
    uint32_t present;
    int rc;

    if (lease->version <= tombs_version(&store->tombs, step->resource_hash, &lease->resource)) {
        slots_untake(&store->slots, &store->committers[0].cache, step->slot);
        return;
    }
    rc =
        index_resource_add(&store->index, &store->slots, step->resource_hash, step->slot, &present);
    if (rc == 0) {
        load_new(store, step);
        return;
    }
    T6_ASSERT(rc == -EEXIST); /* no other thread: nothing is being added beside us */
    if (lease->version > slot_version(store, present)) {
        if (!store_same_identity(store, present, lease)) {
            index_resource_replace(&store->index, step->resource_hash, present, step->slot);
            load_new(store, step);
            slot_drop(store, present);
            return;
        }
        load_in_place(store, present, lease);
    }
    slots_untake(&store->slots, &store->committers[0].cache, step->slot);
}

static void step_times(struct load_queue *queue, struct load_step *step)
{
    struct store *store = queue->store;
    uint32_t slot = index_resource_find(&store->index, &store->slots, step->resource_hash,
                                        &step->lease.resource);

    if (slot == LEASE_SLOT_NONE || slot_version(store, slot) >= step->lease.version ||
        slot_cold(&store->slots, slot)->iaid != step->lease.iaid) {
        queue->stale++;
        return;
    }
    load_in_place(store, slot, &step->lease);
}

static void step_forget(struct store *store, const struct load_step *step)
{
    const struct lease *lease = &step->lease;
    uint32_t slot =
        index_resource_find(&store->index, &store->slots, step->resource_hash, &lease->resource);

    tombs_add(&store->tombs, step->resource_hash, &lease->resource, lease->version);
    if (slot != LEASE_SLOT_NONE && slot_version(store, slot) <= lease->version) {
        index_resource_remove(&store->index, step->resource_hash, slot);
        slot_drop(store, slot);
    }
}

static void queue_carry_out(struct load_queue *queue)
{
    struct load_step *step = &queue->steps[queue->first];

    queue->first = (queue->first + 1) % LOAD_AHEAD;
    queue->count--;
    switch (step->kind) {
    case LOAD_FULL:
        step_full(queue->store, step);
        break;
    case LOAD_TIMES:
        step_times(queue, step);
        break;
    case LOAD_FORGET:
        step_forget(queue->store, step);
        break;
    }
}

void store_load_flush(struct load_queue *queue)
{
    queue->store->loading = NULL;
    while (queue->count) {
        queue_carry_out(queue);
    }
}

/* Room for one more step, whose memory is on its way; NULL without memory. */
static struct load_step *queue_step(struct store *store, enum load_kind kind,
                                    const struct lease *lease)
{
    struct load_queue *queue = store->queue;
    struct load_step *step;

    if (queue == NULL) {
        store->queue = queue = calloc(1, sizeof(*queue));
        if (queue == NULL) {
            return NULL;
        }
        queue->store = store;
    }
    if (queue->count == LOAD_AHEAD) {
        queue_carry_out(queue);
    }
    if (queue->count >= LOAD_HALF) {
        const struct load_step *half =
            &queue->steps[(queue->first + queue->count - LOAD_HALF) % LOAD_AHEAD];

        index_resource_prefetch_slots(&store->index, &store->slots, half->resource_hash);
    }
    step = &queue->steps[(queue->first + queue->count) % LOAD_AHEAD];
    step->kind = kind;
    step->lease = *lease;
    step->resource_hash = store_resource_hash(store, &lease->resource);
    index_resource_prefetch(&store->index, step->resource_hash);
    queue->count++;
    store->loading = queue;
    return step;
}

static bool load_valid(const struct lease *lease)
{
    return store_lease_fits(lease) && lease->version > 0 && lease->version <= SLOT_VERSION_LOAD_MAX;
}

/* No slot is left: only what needs none can be done, and at once. */
static int load_without_slot(struct store *store, const struct lease *lease)
{
    uint64_t hash = store_resource_hash(store, &lease->resource), version;
    uint32_t present = index_resource_find(&store->index, &store->slots, hash, &lease->resource);

    if (lease->version <= tombs_version(&store->tombs, hash, &lease->resource)) {
        return 0;
    }
    if (present == LEASE_SLOT_NONE) {
        return -ENOSPC;
    }
    version = slot_version(store, present);
    if (lease->version <= version) {
        return 0;
    }
    if (!store_same_identity(store, present, lease)) {
        return -ENOSPC;
    }
    load_in_place(store, present, lease);
    return 0;
}

int store_load(struct store *store, const struct lease *lease)
{
    struct slot_cache *cache = &store->committers[0].cache;
    struct load_step *step;
    const uint8_t *data;
    uint32_t slot;

    if (!load_valid(lease)) {
        return -EINVAL;
    }
    slot = slots_take(&store->slots, cache, lease);
    if (slot == LEASE_SLOT_NONE) {
        store_settle(store); /* steps hold slots, some of them to give them back */
        slot = slots_take(&store->slots, cache, lease);
    }
    if (slot == LEASE_SLOT_NONE) {
        return load_without_slot(store, lease);
    }
    data = slot_data(&store->slots, slot_cold(&store->slots, slot));
    step = queue_step(store, LOAD_FULL, lease);
    if (step == NULL) {
        slots_untake(&store->slots, cache, slot);
        return -ENOMEM;
    }
    step->slot = slot;
    step->lease.duid.data = data;
    step->lease.info = (struct span){data + lease->duid.size,
                                     slot_cold(&store->slots, slot)->info_size}; /* may be cut */
    step->client_hash = store_lease_client_hash(store, lease);
    index_client_prefetch(&store->index, step->client_hash);
    return 0;
}

int store_load_times(struct store *store, const struct lease *lease)
{
    struct lease times = *lease;

    times.duid = times.info = (struct span){0};
    if (!load_valid(&times)) {
        return -EINVAL;
    }
    return queue_step(store, LOAD_TIMES, &times) ? 0 : -ENOMEM;
}

void store_load_forget(struct store *store, const struct resource *resource, uint64_t version)
{
    struct lease lease = {.resource = *resource};

    /* An absurd version from disk must not use up the version space. */
    lease.version = version > SLOT_VERSION_LOAD_MAX ? SLOT_VERSION_LOAD_MAX : version;
    store_version_floor_raise(store, lease.version);
    if (queue_step(store, LOAD_FORGET, &lease) == NULL) {
        store->tombs.failed = true;
    }
}

uint64_t store_load_stale(const struct store *store)
{
    store_settle(store);
    return store->queue ? store->queue->stale : 0;
}

int store_load_done(struct store *store)
{
    bool failed;

    store_settle(store);
    failed = store->tombs.failed;
    tombs_done(&store->tombs);
    return failed ? -ENOMEM : 0;
}
