/* The indexes over cds_lfht, for comparison; see store/index.h beside this file. */
#include "store/index.h"

#include "store/slots.h"

struct resource_key {
    const struct index *index;
    const struct slots *slots;
    const struct resource *resource;
};

static uint32_t slot_by_resource(const struct index *index, const struct cds_lfht_node *node)
{
    const char *links = (const char *)node - offsetof(struct index_links, by_resource);

    return (uint32_t)((const struct index_links *)(const void *)links - index->links);
}

static uint32_t slot_by_client(const struct index *index, const struct cds_lfht_node *node)
{
    const char *links = (const char *)node - offsetof(struct index_links, by_client);

    return (uint32_t)((const struct index_links *)(const void *)links - index->links);
}

/* Pairs with the release store of the word before the slot was added. */
static const struct slot_cold *cold_acquire(const struct slots *slots, uint32_t slot)
{
    (void)atomic_load_explicit(&slots->hot[slot].word, memory_order_acquire);
    return slot_cold(slots, slot);
}

static int match_resource(struct cds_lfht_node *node, const void *arg)
{
    const struct resource_key *key = arg;

    return slot_has_resource(cold_acquire(key->slots, slot_by_resource(key->index, node)),
                             key->resource);
}

static int match_client(struct cds_lfht_node *node, const void *arg)
{
    const struct index_walk *key = arg;
    const struct slot_cold *cold = cold_acquire(key->slots, slot_by_client(key->index, node));

    return cold->iaid == key->iaid && cold->type == key->type &&
           cold->duid_size == key->duid.size &&
           memcmp(slot_data(key->slots, cold), key->duid.data, key->duid.size) == 0;
}

/* Buckets for 0.75 to 1.5 entries each when full. */
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

    *index = (struct index){.bucket_count = n, .entries_max = entries_max};
    index->by_resource = cds_lfht_new_flavor(n, n, n, 0, &urcu_qsbr_flavor, NULL);
    index->by_client = cds_lfht_new_flavor(n, n, n, 0, &urcu_qsbr_flavor, NULL);
    index->links = calloc(entries_max, sizeof(index->links[0]));
    return index->by_resource && index->by_client && index->links ? 0 : -ENOMEM;
}

static void table_free(struct cds_lfht *table)
{
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;

    if (table == NULL) {
        return;
    }
    cds_lfht_for_each(table, &iter, node)
    {
        (void)cds_lfht_del(table, node);
    }
    T6_ASSERT(cds_lfht_destroy(table, NULL) == 0);
}

void index_done(struct index *index)
{
    table_free(index->by_resource);
    table_free(index->by_client);
    free(index->links);
    *index = (struct index){0};
}

uint64_t index_memory(const struct index *index)
{
    return 2 * index->bucket_count * sizeof(struct cds_lfht_node) +
           index->entries_max * sizeof(index->links[0]);
}

static void resource_lookup(const struct index *index, const struct slots *slots, uint64_t hash,
                            const struct resource *resource, struct cds_lfht_iter *iter)
{
    struct resource_key key = {index, slots, resource};

    cds_lfht_lookup(index->by_resource, hash, match_resource, &key, iter);
}

uint32_t index_resource_find(const struct index *index, const struct slots *slots, uint64_t hash,
                             const struct resource *resource)
{
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;

    resource_lookup(index, slots, hash, resource, &iter);
    node = cds_lfht_iter_get_node(&iter);
    return node ? slot_by_resource(index, node) : LEASE_SLOT_NONE;
}

int index_resource_add(struct index *index, const struct slots *slots, uint64_t hash, uint32_t slot,
                       uint32_t *ret_present)
{
    struct resource resource = slot_resource(slot_cold(slots, slot));
    struct resource_key key = {index, slots, &resource};
    struct cds_lfht_node *node = &index->links[slot].by_resource, *present;

    cds_lfht_node_init(node);
    present = cds_lfht_add_unique(index->by_resource, hash, match_resource, &key, node);
    if (present != node) {
        *ret_present = slot_by_resource(index, present);
        return -EEXIST;
    }
    return 0;
}

static int match_node(struct cds_lfht_node *node, const void *arg)
{
    return node == arg;
}

/* Only ever called for a node that is there. */
static int match_any(struct cds_lfht_node *node, const void *arg)
{
    (void)node;
    (void)arg;
    return 1;
}

void index_resource_replace(struct index *index, uint64_t hash, uint32_t base, uint32_t slot)
{
    struct cds_lfht_node *old = &index->links[base].by_resource;
    struct cds_lfht_node *node = &index->links[slot].by_resource;
    struct cds_lfht_iter iter;

    cds_lfht_node_init(node);
    cds_lfht_lookup(index->by_resource, hash, match_node, old, &iter);
    T6_ASSERT(cds_lfht_iter_get_node(&iter) == old);
    T6_ASSERT(cds_lfht_replace(index->by_resource, &iter, hash, match_any, NULL, node) == 0);
}

void index_resource_remove(struct index *index, uint64_t hash, uint32_t slot)
{
    (void)hash;
    T6_ASSERT(cds_lfht_del(index->by_resource, &index->links[slot].by_resource) == 0);
}

void index_client_add(struct index *index, uint64_t hash, uint32_t slot)
{
    struct cds_lfht_node *node = &index->links[slot].by_client;

    cds_lfht_node_init(node);
    cds_lfht_add(index->by_client, hash, node);
}

void index_client_remove(struct index *index, uint64_t hash, uint32_t slot)
{
    (void)hash;
    T6_ASSERT(cds_lfht_del(index->by_client, &index->links[slot].by_client) == 0);
}

static uint32_t walk_slot(struct index_walk *walk)
{
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&walk->iter);

    return node ? slot_by_client(walk->index, node) : LEASE_SLOT_NONE;
}

uint32_t index_client_first(const struct index *index, uint64_t hash, struct index_walk *walk)
{
    walk->index = index;
    cds_lfht_lookup(index->by_client, hash, match_client, walk, &walk->iter);
    return walk_slot(walk);
}

uint32_t index_client_next(struct index_walk *walk)
{
    cds_lfht_next_duplicate(walk->index->by_client, match_client, walk, &walk->iter);
    return walk_slot(walk);
}

/* Equal keys stand in the order they were added: nothing is missed. */
bool index_client_settled(const struct index_walk *walk)
{
    (void)walk;
    return true;
}

/* cds_lfht keeps its buckets to itself. */
void index_resource_prefetch(const struct index *index, uint64_t hash)
{
    (void)index;
    (void)hash;
}

void index_resource_prefetch_slots(const struct index *index, const struct slots *slots,
                                   uint64_t hash)
{
    (void)index;
    (void)slots;
    (void)hash;
}

void index_client_prefetch(const struct index *index, uint64_t hash)
{
    (void)index;
    (void)hash;
}

void index_client_prefetch_slots(const struct index *index, const struct slots *slots,
                                 uint64_t hash)
{
    (void)index;
    (void)slots;
    (void)hash;
}
