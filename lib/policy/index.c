/* Makes the look-up tables of a configuration, and finds on the way what must not be there twice:
 * relay addresses, subnets, pool names, overlapping pools, reservations. Control core only. */
#include <string.h>

#include "policy/internal.h"

int lookup_table_new(struct region *region, unsigned count, struct lookup_table *ret_table)
{
    struct lookup_table table = {.mask = 1};

    while (table.mask < 2 * (uint64_t)count) {
        table.mask = table.mask << 1 | 1;
    }
    table.places = region_alloc(region, (size_t)table.mask + 1, sizeof(*table.places));
    if (!table.places) {
        return -ENOMEM;
    }
    *ret_table = table;
    return 0;
}

void lookup_table_add(struct lookup_table *table, uint32_t hash, uint32_t value)
{
    uint32_t place = hash & table->mask;

    while (table->places[place]) {
        place = (place + 1) & table->mask;
    }
    table->places[place] = value + 1;
}

/* Remembers that a length occurs; lengths_finish then lists them, longest first. */
static void lengths_note(bool seen[129], unsigned length)
{
    seen[length] = true;
}

static void lengths_finish(const bool seen[129], struct lookup_lengths *lengths)
{
    for (unsigned length = 129; length-- > 0;) {
        if (seen[length]) {
            lengths->lengths[lengths->count++] = (uint8_t)length;
        }
    }
}

/* The n-th entry's own pointer; entries of a link are neighbours and in its order. */
static struct pointer place_of_subnet(const struct lookup_subnet *subnets, unsigned n,
                                      const char *member)
{
    unsigned first = n;

    while (first > 0 && subnets[first - 1].link == subnets[n].link) {
        first--;
    }
    return at("/links/%u/%s/%u", subnets[n].link, member, n - first);
}

static int subnets_index(struct reader *reader, const struct lookup_subnet *subnets, unsigned count,
                         const char *member, struct lookup_table *table)
{
    int err = lookup_table_new(reader->region, count, table);

    for (unsigned i = 0; i < count && !err; i++) {
        uint32_t hash = lookup_hash_prefix(subnets[i].prefix, subnets[i].length);

        for (uint32_t place = hash & table->mask; table->places[place];
             place = (place + 1) & table->mask) {
            unsigned other = table->places[place] - 1;

            if (ip6_equal(subnets[other].prefix, subnets[i].prefix) &&
                subnets[other].length == subnets[i].length) {
                return fail(reader, place_of_subnet(subnets, i, member).text,
                            "stands at %.100s already; must choose one link",
                            place_of_subnet(subnets, other, member).text);
            }
        }
        lookup_table_add(table, hash, i);
    }
    return err;
}

static void port_addresses_note(const struct config *config, struct policy_index *index)
{
    for (unsigned i = 0; i < config->port_count; i++) {
        for (unsigned k = 0; k < config->ports[i].address_count; k++) {
            index->port_addresses[index->port_address_count++] = config->ports[i].addresses[k];
        }
    }
}

int index_links(struct reader *reader)
{
    struct policy_index *index = &reader->shared->index;
    bool seen[129] = {false};
    int err = subnets_index(reader, index->relays, index->relay_count, "relay_addresses",
                            &index->relay_table);

    port_addresses_note(reader->config, index);
    err = err ? err
              : subnets_index(reader, index->subnets, index->subnet_count, "subnets",
                              &index->subnet_table);
    for (unsigned i = 0; i < index->subnet_count; i++) {
        lengths_note(seen, index->subnets[i].length);
    }
    lengths_finish(seen, &index->subnet_lengths);
    return err;
}

static int range_compare(const void *a, const void *b)
{
    const struct lookup_range *x = a, *y = b;
    int order = ip6_compare(x->first, y->first);

    return order ? order : (x->owner > y->owner) - (x->owner < y->owner);
}

/* Sorts ranges; true with two that overlap, later in the document second. */
static bool ranges_sort(struct lookup_range *ranges, unsigned count, struct lookup_range *ret_first,
                        struct lookup_range *ret_second)
{
    if (count == 0) {
        return false;
    }
    qsort(ranges, count, sizeof(*ranges), range_compare);
    for (unsigned i = 1; i < count; i++) {
        const struct lookup_range *a = &ranges[i - 1], *b = &ranges[i];

        if (ip6_compare(b->first, a->last) <= 0) {
            bool in_order = a->owner < b->owner || (a->owner == b->owner && a->item < b->item);

            *ret_first = in_order ? *a : *b;
            *ret_second = in_order ? *b : *a;
            return true;
        }
    }
    return false;
}

static struct pointer place_of_pool(const struct reader *reader, unsigned pool)
{
    const struct policy *template = &reader->shared->template;
    unsigned link = template->pools[pool].link;

    return at("/links/%u/pools/%u", link, pool - template->links[link].pools[0]);
}

int index_pools(struct reader *reader)
{
    const struct policy *template = &reader->shared->template;
    struct policy_index *index = &reader->shared->index;
    struct lookup_range first, second;
    struct names names = {.count = template->pool_count};

    index->pools = region_alloc(reader->region, template->pool_count, sizeof(*index->pools));
    names.refs = region_alloc(reader->region, template->pool_count, sizeof(*names.refs));
    if (!index->pools || !names.refs) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < template->pool_count; i++) {
        const struct pool *pool = &template->pools[i].pool;

        index->pools[i] = (struct lookup_range){pool->range.first, pool->range.last, i, 0};
        names.refs[i] = (struct name_ref){template->pools[i].name, i};
    }
    index->pool_count = template->pool_count;
    if (ranges_sort(index->pools, index->pool_count, &first, &second)) {
        return fail(reader, at("%s/range", place_of_pool(reader, second.owner).text).text,
                    "overlaps %.100s/range, \"%.80s\"; pools must be apart",
                    place_of_pool(reader, first.owner).text, template->pools[first.owner].name);
    }
    return names_sort(reader, &names, place_of_pool);
}

static int keys_index(struct reader *reader, enum policy_key_kind kind)
{
    const struct policy *template = &reader->shared->template;
    struct policy_index *index = &reader->shared->index;
    struct lookup_table *table = &index->reservation_tables[kind];

    if (index->reservation_counts[kind] == 0) {
        return 0;
    }
    if (lookup_table_new(reader->region, index->reservation_counts[kind], table)) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < template->reservation_count; i++) {
        const struct policy_reservation *own = &template->reservations[i];
        uint32_t hash = own->kind == kind ? lookup_hash_octets(kind, own->key) : 0;

        if (own->kind != kind) {
            continue;
        }
        for (uint32_t place = hash & table->mask; table->places[place];
             place = (place + 1) & table->mask) {
            const struct policy_reservation *other =
                &template->reservations[table->places[place] - 1];

            if (other->link == own->link && span_equal(other->key, own->key)) {
                return fail(reader, at("/reservations/%u", i).text,
                            "is for the same client and link as /reservations/%u; must be one",
                            table->places[place] - 1);
            }
        }
        lookup_table_add(table, hash, i);
    }
    return 0;
}

static struct pointer place_of_resource(const struct reader *reader,
                                        const struct lookup_range *range)
{
    const struct policy_reservation *reservation =
        &reader->shared->template.reservations[range->owner];
    unsigned addresses = 0;

    while (addresses < reservation->resource_count &&
           reservation->resources[addresses].type == LEASE_TYPE_NA) {
        addresses++;
    }
    return range->item < addresses
               ? at("/reservations/%u/addresses/%u", range->owner, range->item)
               : at("/reservations/%u/prefixes/%u", range->owner, range->item - addresses);
}

/* All reserved resources of a type as sorted ranges. */
static int resources_collect(struct reader *reader, uint8_t type, struct lookup_range **ret_ranges,
                             unsigned *ret_count)
{
    const struct policy *template = &reader->shared->template;
    struct lookup_range *ranges, first, second;
    unsigned count = 0;

    for (unsigned i = 0; i < template->reservation_count; i++) {
        count += template->reservations[i].resource_count;
    }
    ranges = region_alloc(reader->region, count, sizeof(*ranges));
    if (!ranges) {
        return -ENOMEM;
    }
    count = 0;
    for (unsigned i = 0; i < template->reservation_count; i++) {
        const struct policy_reservation *reservation = &template->reservations[i];

        for (unsigned k = 0; k < reservation->resource_count; k++) {
            const struct resource *resource = &reservation->resources[k];

            if (resource->type == type) {
                ranges[count++] = (struct lookup_range){
                    resource->prefix, ip6_prefix_last(resource->prefix, resource->length), i, k};
            }
        }
    }
    if (ranges_sort(ranges, count, &first, &second)) {
        return fail(reader, place_of_resource(reader, &second).text,
                    "is reserved at %.100s already; must be reserved once",
                    place_of_resource(reader, &first).text);
    }
    *ret_ranges = ranges;
    *ret_count = count;
    return 0;
}

static int resources_index(struct reader *reader, const struct lookup_range *ranges, unsigned count,
                           struct lookup_table *table, bool seen[129])
{
    const struct policy *template = &reader->shared->template;

    if (count == 0) {
        return 0;
    }
    if (lookup_table_new(reader->region, count, table)) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct resource *resource =
            &template->reservations[ranges[i].owner].resources[ranges[i].item];

        lengths_note(seen, resource->length);
        lookup_table_add(table, lookup_hash_prefix(resource->prefix, resource->length),
                         ranges[i].owner);
    }
    return 0;
}

int index_reservations(struct reader *reader)
{
    struct policy_index *index = &reader->shared->index;
    bool seen[129] = {false}, seen_address[129];
    int err = 0;

    for (unsigned i = 0; i < reader->shared->template.reservation_count; i++) {
        index->reservation_counts[reader->shared->template.reservations[i].kind]++;
    }
    for (unsigned kind = 0; kind < POLICY_KEY_KIND_COUNT && !err; kind++) {
        err = keys_index(reader, (enum policy_key_kind)kind);
    }
    err = err ? err
              : resources_collect(reader, LEASE_TYPE_NA, &index->reserved_addresses,
                                  &index->reserved_address_count);
    err = err ? err
              : resources_collect(reader, LEASE_TYPE_PD, &index->reserved_prefixes,
                                  &index->reserved_prefix_count);
    err = err ? err
              : resources_index(reader, index->reserved_addresses, index->reserved_address_count,
                                &index->address_table, seen_address);
    err = err ? err
              : resources_index(reader, index->reserved_prefixes, index->reserved_prefix_count,
                                &index->prefix_table, seen);
    lengths_finish(seen, &index->prefix_lengths);
    return err;
}
