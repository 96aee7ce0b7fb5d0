/* The indexes over cds_lfht, see index.h. */
#include "store/index.h"

#include "store/slots.h"

struct resource_key {
    const struct slots *slots;
    const struct resource *resource;
};

static const struct slot_cold *cold_by_resource(const struct cds_lfht_node *node)
{
    return (const struct slot_cold *)(const void *)((const char *)node -
                                                    offsetof(struct slot_cold, links.by_resource));
}

static const struct slot_cold *cold_by_client(const struct cds_lfht_node *node)
{
    return (const struct slot_cold *)(const void *)((const char *)node -
                                                    offsetof(struct slot_cold, links.by_client));
}

/* Pairs with the release store of the word before the slot was added: makes its cold record
 * readable in the language's terms, and brings the hot line that every caller needs next. */
static void slot_acquire(const struct slots *slots, const struct slot_cold *cold)
{
    (void)atomic_load_explicit(&slots->hot[slot_of(slots, cold)].word, memory_order_acquire);
}

static int match_resource(struct cds_lfht_node *node, const void *arg)
{
    const struct resource_key *key = arg;
    const struct slot_cold *cold = cold_by_resource(node);

    slot_acquire(key->slots, cold);
    return slot_has_resource(cold, key->resource);
}

static int match_client(struct cds_lfht_node *node, const void *arg)
{
    const struct index_walk *key = arg;
    const struct slot_cold *cold = cold_by_client(node);

    slot_acquire(key->slots, cold);
    return cold->iaid == key->iaid && cold->type == key->type &&
           cold->duid_size == key->duid.size &&
           memcmp(slot_data(key->slots, cold), key->duid.data, key->duid.size) == 0;
}

/* Buckets for 0.75 to 1.5 entries each when full: 16 octets a bucket, two tables. */
static uint64_t bucket_count(uint32_t entries_max)
{
    uint64_t buckets = 64;

    while (buckets * 3 <= (uint64_t)entries_max * 2) {
        buckets *= 2;
    }
    return buckets;
}

int index_init(struct index *index, uint32_t entries_max)
{
    uint64_t n = bucket_count(entries_max);

    *index = (struct index){.bucket_count = n};
    index->by_resource = cds_lfht_new_flavor(n, n, n, 0, &urcu_qsbr_flavor, NULL);
    index->by_client = cds_lfht_new_flavor(n, n, n, 0, &urcu_qsbr_flavor, NULL);
    return index->by_resource && index->by_client ? 0 : -ENOMEM;
}

void index_done(struct index *index)
{
    /* Fails only when nodes are left, which the store's invariants exclude. */
    T6_ASSERT(index->by_resource == NULL || cds_lfht_destroy(index->by_resource, NULL) == 0);
    T6_ASSERT(index->by_client == NULL || cds_lfht_destroy(index->by_client, NULL) == 0);
    *index = (struct index){0};
}

uint64_t index_memory(const struct index *index)
{
    return 2 * index->bucket_count * sizeof(struct cds_lfht_node);
}

uint32_t index_resource_find(const struct index *index, const struct slots *slots, uint64_t hash,
                             const struct resource *resource)
{
    struct resource_key key = {slots, resource};
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;

    cds_lfht_lookup(index->by_resource, hash, match_resource, &key, &iter);
    node = cds_lfht_iter_get_node(&iter);
    return node ? slot_of(slots, cold_by_resource(node)) : LEASE_SLOT_NONE;
}

static struct resource slot_resource(const struct slot_cold *cold)
{
    return (struct resource){cold->prefix, cold->length, cold->type};
}

bool index_resource_add(struct index *index, const struct slots *slots, uint64_t hash,
                        uint32_t slot, uint32_t *ret_present)
{
    struct slot_cold *cold = slot_cold(slots, slot);
    struct resource resource = slot_resource(cold);
    struct resource_key key = {slots, &resource};
    struct cds_lfht_node *node = &cold->links.by_resource, *present;

    cds_lfht_node_init(node);
    present = cds_lfht_add_unique(index->by_resource, hash, match_resource, &key, node);
    if (present != node) {
        *ret_present = slot_of(slots, cold_by_resource(present));
        return false;
    }
    return true;
}

void index_resource_replace(struct index *index, const struct slots *slots, uint64_t hash,
                            uint32_t base, uint32_t slot)
{
    struct slot_cold *cold = slot_cold(slots, slot);
    struct resource resource = slot_resource(cold);
    struct resource_key key = {slots, &resource};
    struct cds_lfht_iter iter;
    int rc;

    cds_lfht_node_init(&cold->links.by_resource);
    cds_lfht_lookup(index->by_resource, hash, match_resource, &key, &iter);
    T6_ASSERT(cds_lfht_iter_get_node(&iter) == &slot_cold(slots, base)->links.by_resource);
    rc = cds_lfht_replace(index->by_resource, &iter, hash, match_resource, &key,
                          &cold->links.by_resource);
    T6_ASSERT(rc == 0);
}

void index_resource_remove(struct index *index, const struct slots *slots, uint32_t slot)
{
    int rc = cds_lfht_del(index->by_resource, &slot_cold(slots, slot)->links.by_resource);

    T6_ASSERT(rc == 0);
}

void index_client_add(struct index *index, const struct slots *slots, uint64_t hash, uint32_t slot)
{
    struct cds_lfht_node *node = &slot_cold(slots, slot)->links.by_client;

    cds_lfht_node_init(node);
    cds_lfht_add(index->by_client, hash, node);
}

void index_client_remove(struct index *index, const struct slots *slots, uint32_t slot)
{
    int rc = cds_lfht_del(index->by_client, &slot_cold(slots, slot)->links.by_client);

    T6_ASSERT(rc == 0);
}

static uint32_t walk_slot(struct index_walk *walk)
{
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&walk->iter);

    return node ? slot_of(walk->slots, cold_by_client(node)) : LEASE_SLOT_NONE;
}

uint32_t index_client_first(const struct index *index, uint64_t hash, struct index_walk *walk)
{
    cds_lfht_lookup(index->by_client, hash, match_client, walk, &walk->iter);
    return walk_slot(walk);
}

uint32_t index_client_next(const struct index *index, struct index_walk *walk)
{
    cds_lfht_next_duplicate(index->by_client, match_client, walk, &walk->iter);
    return walk_slot(walk);
}
