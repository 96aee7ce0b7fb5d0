/* Questions to a policy, on the packet path: no allocation, no division, a few cache lines each.
 * Any thread, between quiescent states. */
#include <string.h>

#include "policy/internal.h"

/* Table hashes need no secret (see internal.h). */
static const struct siphash_key fixed_key = {0x74616e64656d3620ULL, 0x706f6c6963792020ULL};

uint32_t lookup_hash_octets(enum policy_key_kind kind, struct span octets)
{
    return (uint32_t)hash_mix(siphash(fixed_key, octets.data, octets.size) + kind);
}

uint32_t lookup_hash_prefix(struct ip6 prefix, unsigned length)
{
    return (uint32_t)hash_mix(hash_mix(prefix.hi ^ fixed_key.k0) + prefix.lo +
                              ((uint64_t)length << 56));
}

const struct policy_option *policy_option_find(const struct policy_options *set, uint16_t code)
{
    unsigned low = 0, high = set->count;

    while (low < high) {
        unsigned middle = low + ((high - low) >> 1);

        if (set->options[middle].code == code) {
            return &set->options[middle];
        }
        if (set->options[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static const struct lookup_subnet *subnet_probe(const struct lookup_table *table,
                                                const struct lookup_subnet *subnets,
                                                struct ip6 prefix, unsigned length)
{
    uint32_t place = lookup_hash_prefix(prefix, length) & table->mask;

    for (; table->places[place]; place = (place + 1) & table->mask) {
        const struct lookup_subnet *subnet = &subnets[table->places[place] - 1];

        if (ip6_equal(subnet->prefix, prefix) && subnet->length == length) {
            return subnet;
        }
    }
    return NULL;
}

const struct lookup_subnet *lookup_subnet_find(const struct policy_index *index, struct ip6 address)
{
    for (unsigned i = 0; i < index->subnet_lengths.count; i++) {
        unsigned length = index->subnet_lengths.lengths[i];
        const struct lookup_subnet *subnet =
            subnet_probe(&index->subnet_table, index->subnets, ip6_prefix(address, length), length);

        if (subnet) {
            return subnet;
        }
    }
    return NULL;
}

const struct lookup_range *lookup_range_find(const struct lookup_range *ranges, unsigned count,
                                             struct ip6 first, struct ip6 last)
{
    unsigned low = 0, high = count;

    while (low < high) { /* the first range that does not end before `first` */
        unsigned middle = low + ((high - low) >> 1);

        if (ip6_compare(ranges[middle].last, first) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && ip6_compare(ranges[low].first, last) <= 0 ? &ranges[low] : NULL;
}

int policy_link_by_port(const struct policy *policy, unsigned port)
{
    return port < CONFIG_PORTS_MAX ? policy->index->link_by_port[port] : POLICY_LINK_NONE;
}

int policy_link_by_address(const struct policy *policy, struct ip6 address)
{
    const struct policy_index *index = policy->index;
    const struct lookup_subnet *found =
        subnet_probe(&index->relay_table, index->relays, address, 128);

    if (!found) {
        found = lookup_subnet_find(index, address);
    }
    return found ? (int)found->link : POLICY_LINK_NONE;
}

bool policy_address_assigned(const struct policy *policy, struct ip6 address)
{
    const struct policy_index *index = policy->index;

    for (unsigned i = 0; i < index->port_address_count; i++) {
        if (ip6_equal(index->port_addresses[i], address)) {
            return true;
        }
    }
    return subnet_probe(&index->relay_table, index->relays, address, 128) != NULL;
}

static bool condition_holds(const struct match_condition *condition,
                            const struct policy_subject *subject)
{
    const char *base = (const char *)subject;
    const struct span *octets =
        (const struct span *)(const void *)(base + condition->octets_offset);

    if (octets->size == 0) {
        return false;
    }
    if (condition->number_offset) {
        return *(const uint32_t *)(const void *)(base + condition->number_offset) ==
               condition->number;
    }
    if (condition->prefix ? octets->size < condition->octets.size
                          : octets->size != condition->octets.size) {
        return false;
    }
    return memcmp(octets->data, condition->octets.data, condition->octets.size) == 0;
}

static uint64_t classify_once(const struct policy *policy, const struct policy_subject *subject)
{
    uint64_t classes = 0;

    for (unsigned i = 0; i < policy->class_count; i++) {
        const struct class_match *match = &policy->index->matches[i];
        bool member = true;

        for (unsigned k = 0; k < match->count && member; k++) {
            member = condition_holds(&match->conditions[k], subject);
        }
        classes |= (uint64_t)member << i;
    }
    return classes;
}

uint64_t policy_classify(const struct policy *policy, const struct policy_subject *subject)
{
    uint64_t classes = classify_once(policy, subject);

    /* Conditions on the vendor must hold for one and the same option. */
    for (unsigned i = 0; policy->class_count && i < subject->more_vendors_count; i++) {
        struct policy_subject other = *subject;

        other.vendor_enterprise = subject->more_vendors[i].enterprise;
        other.vendor_class = subject->more_vendors[i].vendor_class;
        classes |= classify_once(policy, &other);
    }
    return classes;
}

/* A reservation without link holds on a link where one of its resources fits: an address on link,
 * a prefix of one of its pools, or one that is in no pool of anybody. Options alone fit anywhere.
 */
static bool reservation_fits(const struct policy *policy, unsigned link,
                             const struct policy_reservation *reservation)
{
    for (unsigned i = 0; i < reservation->resource_count; i++) {
        const struct resource *resource = &reservation->resources[i];

        if (resource->type == LEASE_TYPE_NA) {
            if (policy_on_link(policy, link, resource->prefix)) {
                return true;
            }
        } else {
            int pool = policy_pool_find(policy, resource);

            if (pool < 0 || policy->pools[pool].link == link) {
                return true;
            }
        }
    }
    return reservation->resource_count == 0;
}

static const struct policy_reservation *reservation_probe(const struct policy *policy,
                                                          unsigned link, enum policy_key_kind kind,
                                                          struct span key)
{
    const struct lookup_table *table = &policy->index->reservation_tables[kind];
    const struct policy_reservation *anywhere = NULL;
    uint32_t place = lookup_hash_octets(kind, key) & table->mask;

    for (; table->places[place]; place = (place + 1) & table->mask) {
        const struct policy_reservation *reservation =
            &policy->reservations[table->places[place] - 1];

        if (!span_equal(reservation->key, key)) {
            continue;
        }
        if (reservation->link == (int)link) {
            return reservation;
        }
        if (reservation->link == POLICY_LINK_NONE) {
            anywhere = reservation;
        }
    }
    return anywhere && reservation_fits(policy, link, anywhere) ? anywhere : NULL;
}

const struct policy_reservation *policy_reservation_find(const struct policy *policy, unsigned link,
                                                         const struct policy_subject *subject)
{
    const struct span keys[POLICY_KEY_KIND_COUNT] = {
        [POLICY_KEY_DUID] = subject->duid,
        [POLICY_KEY_LINK_LAYER] = subject->link_layer,
        [POLICY_KEY_REMOTE_ID] = subject->remote_id,
        [POLICY_KEY_INTERFACE_ID] = subject->interface_id,
        [POLICY_KEY_SUBSCRIBER_ID] = subject->subscriber_id,
    };

    if (policy->reservation_count == 0) {
        return NULL;
    }
    for (unsigned kind = 0; kind < POLICY_KEY_KIND_COUNT; kind++) {
        const struct policy_reservation *found;

        if (keys[kind].size == 0 || policy->index->reservation_counts[kind] == 0) {
            continue;
        }
        found = reservation_probe(policy, link, (enum policy_key_kind)kind, keys[kind]);
        if (found) {
            return found;
        }
    }
    return NULL;
}

/* The reservation that holds exactly prefix/length of a type. */
static const struct policy_reservation *resource_probe(const struct policy *policy,
                                                       const struct lookup_table *table,
                                                       struct ip6 prefix, unsigned length,
                                                       uint8_t type)
{
    uint32_t place = lookup_hash_prefix(prefix, length) & table->mask;

    for (; table->places[place]; place = (place + 1) & table->mask) {
        const struct policy_reservation *reservation =
            &policy->reservations[table->places[place] - 1];

        for (unsigned i = 0; i < reservation->resource_count; i++) {
            const struct resource *resource = &reservation->resources[i];

            if (resource->type == type && resource->length == length &&
                ip6_equal(resource->prefix, prefix)) {
                return reservation;
            }
        }
    }
    return NULL;
}

const struct policy_reservation *policy_reservation_of(const struct policy *policy,
                                                       const struct resource *resource)
{
    const struct policy_index *index = policy->index;
    const struct lookup_range *range;

    if (resource->type == LEASE_TYPE_NA) {
        return index->reserved_address_count ? resource_probe(policy, &index->address_table,
                                                              resource->prefix, 128, LEASE_TYPE_NA)
                                             : NULL;
    }
    if (index->reserved_prefix_count == 0) {
        return NULL;
    }
    for (unsigned i = 0; i < index->prefix_lengths.count; i++) {
        unsigned length = index->prefix_lengths.lengths[i];
        const struct policy_reservation *found;

        if (length > resource->length) {
            continue; /* looked for below */
        }
        found = resource_probe(policy, &index->prefix_table, ip6_prefix(resource->prefix, length),
                               length, LEASE_TYPE_PD);
        if (found) {
            return found;
        }
    }
    if (index->prefix_lengths.lengths[0] <= resource->length) {
        return NULL;
    }
    range =
        lookup_range_find(index->reserved_prefixes, index->reserved_prefix_count, resource->prefix,
                          ip6_prefix_last(resource->prefix, resource->length));
    return range ? &policy->reservations[range->owner] : NULL;
}

int policy_pool_of(const struct policy *policy, unsigned link, const struct resource *resource)
{
    const struct policy_link *row = &policy->links[link];

    for (unsigned i = 0; i < row->pool_count; i++) {
        if (pool_contains(&policy->pools[row->pools[i]].pool, resource)) {
            return (int)row->pools[i];
        }
    }
    return -1;
}

int policy_pool_find(const struct policy *policy, const struct resource *resource)
{
    const struct lookup_range *range = lookup_range_find(
        policy->index->pools, policy->index->pool_count, resource->prefix, resource->prefix);

    return range && pool_contains(&policy->pools[range->owner].pool, resource) ? (int)range->owner
                                                                               : -1;
}

bool policy_on_link(const struct policy *policy, unsigned link, struct ip6 address)
{
    const struct policy_link *row = &policy->links[link];

    for (unsigned i = 0; i < row->subnet_count; i++) {
        if (ip6_in_prefix(address, row->subnets[i].prefix, row->subnets[i].length)) {
            return true;
        }
    }
    for (unsigned i = 0; i < row->pool_count; i++) {
        const struct pool *pool = &policy->pools[row->pools[i]].pool;

        if (pool->type == LEASE_TYPE_NA && ip6_compare(pool->range.first, address) <= 0 &&
            ip6_compare(address, pool->range.last) <= 0) {
            return true;
        }
    }
    return false;
}

const struct policy_lifetimes *policy_lifetimes_for(const struct policy *policy, unsigned link,
                                                    uint64_t classes)
{
    for (; classes; classes &= classes - 1) {
        const struct policy_class *class = &policy->classes[__builtin_ctzll(classes)];

        if (class->has_lifetimes) {
            return &class->lifetimes;
        }
    }
    return &policy->links[link].lifetimes;
}
