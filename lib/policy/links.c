/* Reads links and their pools into the rows of the policy's template. What concerns several links
 * (double names, overlaps) is found when the look-up tables are made. Control core only. */
#include <string.h>

#include "policy/internal.h"

static struct pointer place_of_link(const struct reader *reader, unsigned index)
{
    (void)reader;
    return at("/links/%u/name", index);
}

static int names_of_links(struct reader *reader, const json_t *links)
{
    struct name_ref *refs = region_alloc(reader->region, json_array_size(links), sizeof(*refs));
    json_t *value;
    size_t i;

    if (!refs) {
        return -ENOMEM;
    }
    reader->links = (struct names){refs, (unsigned)json_array_size(links)};
    json_array_foreach(links, i, value)
    {
        const char *name = json_string_value(json_object_get(value, "name"));

        refs[i] = (struct name_ref){region_copy(reader->region, name, strlen(name)), (unsigned)i};
        if (!refs[i].name) {
            return -ENOMEM;
        }
        reader->shared->template.links[i].name = refs[i].name;
    }
    return names_sort(reader, &reader->links, place_of_link);
}

/* Sizes the arrays that all links share. */
static int rows_alloc(struct reader *reader, const json_t *links)
{
    struct policy *template = &reader->shared->template;
    struct policy_index *index = &reader->shared->index;
    size_t pools = 0, relays = 0, subnets = 0, i;
    json_t *value;

    json_array_foreach(links, i, value)
    {
        pools += json_array_size(json_object_get(value, "pools"));
        relays += json_array_size(json_object_get(value, "relay_addresses"));
        subnets += json_array_size(json_object_get(value, "subnets"));
    }
    template->links =
        region_alloc(reader->region, json_array_size(links), sizeof(*template->links));
    template->pools = region_alloc(reader->region, pools, sizeof(*template->pools));
    index->relays = region_alloc(reader->region, relays, sizeof(*index->relays));
    index->subnets = region_alloc(reader->region, subnets, sizeof(*index->subnets));
    return template->links && template->pools && index->relays && index->subnets ? 0 : -ENOMEM;
}

static int read_port_reference(struct reader *reader, const json_t *object, const char *base,
                               struct policy_link *link)
{
    const char *name = json_string_value(json_object_get(object, "port"));

    for (unsigned i = 0; i < reader->config->port_count; i++) {
        if (strcmp(reader->config->ports[i].name, name) == 0) {
            link->port = i;
            return 0;
        }
    }
    return fail(reader, at("%s/port", base).text,
                "no port is named \"%.64s\"; must be a name from dataplane.ports", name);
}

static int read_relays(struct reader *reader, const json_t *object, const char *base,
                       unsigned link_index)
{
    struct policy_index *index = &reader->shared->index;
    json_t *value;
    size_t i;

    json_array_foreach(json_object_get(object, "relay_addresses"), i, value)
    {
        struct ip6 address = read_address(value);

        /* RFC 9915 13.1: zero says "unknown"; a link-local address says nothing. */
        if (ip6_is_zero(address) || ip6_is_multicast(address) || ip6_is_link_local(address)) {
            return fail(reader, at("%s/relay_addresses/%zu", base, i).text,
                        "identifies no link; must be a global or unique local unicast address");
        }
        index->relays[index->relay_count++] = (struct lookup_subnet){address, 128, link_index};
    }
    return 0;
}

static int read_subnets(struct reader *reader, const json_t *object, const char *base,
                        unsigned link_index)
{
    struct policy_index *index = &reader->shared->index;
    struct policy_link *link = &reader->shared->template.links[link_index];
    const json_t *subnets = json_object_get(object, "subnets");
    json_t *value;
    size_t i;

    link->subnets = region_alloc(reader->region, json_array_size(subnets), sizeof(*link->subnets));
    if (!link->subnets) {
        return -ENOMEM;
    }
    json_array_foreach(subnets, i, value)
    {
        struct ip6 prefix = {0, 0};
        uint8_t length = 0;

        if (!field_prefix_read(json_string_value(value), &prefix, &length) || length == 0 ||
            ip6_is_multicast(prefix) || ip6_is_link_local(prefix)) {
            return fail(reader, at("%s/subnets/%zu", base, i).text,
                        "is no prefix of a link; must be a global or unique local unicast prefix");
        }
        link->subnets[i].prefix = prefix;
        link->subnets[i].length = length;
        index->subnets[index->subnet_count++] = (struct lookup_subnet){prefix, length, link_index};
    }
    link->subnet_count = (unsigned)json_array_size(subnets);
    return 0;
}

static int read_link_defaults(struct reader *reader, const json_t *object, const char *base,
                              struct policy_link *link)
{
    const json_t *lifetimes = json_object_get(object, "lifetimes");
    struct policy_options own;
    int err;

    /* What the link leaves out comes from the top level, then from the table. */
#define OWN_OR_DEFAULT(name) (json_object_get(object, name) ? object : reader->root)
    link->rapid_commit = read_flag(schema_link, OWN_OR_DEFAULT("rapid_commit"), "rapid_commit");
    link->reconfigure_key =
        read_flag(schema_link, OWN_OR_DEFAULT("reconfigure_key"), "reconfigure_key");
    link->preference =
        (uint8_t)read_number(schema_link, OWN_OR_DEFAULT("preference"), "preference");
    link->decline_s = (uint32_t)read_number(schema_link, OWN_OR_DEFAULT("decline_s"), "decline_s");
#undef OWN_OR_DEFAULT
    link->lifetimes = reader->lifetimes;
    if (lifetimes) {
        err = read_lifetimes(reader, lifetimes, at("%s/lifetimes", base).text, &link->lifetimes);
        if (err) {
            return err;
        }
    }
    err =
        options_read(reader, json_object_get(object, "options"), at("%s/options", base).text, &own);
    return err ? err : options_merge(reader->region, &own, &reader->options, &link->options);
}

/* A prefix pool must consist of whole units, at most 2^26 of them (design 5). */
static int check_prefix_pool(struct reader *reader, const struct pool *pool, const char *base)
{
    unsigned length = pool->delegated_length;

    if (!ip6_equal(pool->range.first, ip6_prefix(pool->range.first, length)) ||
        !ip6_equal(pool->range.last, ip6_prefix_last(pool->range.last, length))) {
        return fail(reader, at("%s/delegated_length", base).text,
                    "the range does not consist of whole /%u; must be at least the length of the "
                    "range's prefix",
                    length);
    }
    if (pool_unit_count(pool) > (uint64_t)1 << POOL_UNITS_LOG2_MAX) {
        return fail(reader, at("%s/delegated_length", base).text,
                    "makes more than 2^%u prefixes of the range; use a smaller length, or several "
                    "pools",
                    POOL_UNITS_LOG2_MAX);
    }
    return 0;
}

static int read_exclude_blocks(struct reader *reader, const json_t *exclude, const char *base,
                               struct pool *pool)
{
    unsigned length = pool->delegated_length;
    json_t *value;
    size_t i;

    json_array_foreach(exclude, i, value)
    {
        struct ip6_range block = {{0, 0}, {0, 0}};
        struct pointer place = at("%s/exclude/%zu", base, i);

        if (!field_range_read(json_string_value(value), &block.first, &block.last) ||
            ip6_compare(block.first, pool->range.first) < 0 ||
            ip6_compare(block.last, pool->range.last) > 0) {
            return fail(reader, place.text, "is not inside the pool's range; must be");
        }
        if (!ip6_equal(block.first, ip6_prefix(block.first, length)) ||
            !ip6_equal(block.last, ip6_prefix_last(block.last, length))) {
            return fail(reader, place.text, "does not consist of whole /%u; must be whole units",
                        length);
        }
        for (unsigned k = 0; k < pool->exclude_count; k++) {
            if (ip6_compare(block.first, pool->excludes[k].last) <= 0 &&
                ip6_compare(pool->excludes[k].first, block.last) <= 0) {
                return fail(reader, place.text, "overlaps exclude/%u; must be apart", k);
            }
        }
        pool->excludes[pool->exclude_count++] = block;
    }
    return 0;
}

/* RFC 6603 4.2: the excluded prefix is longer than the delegated one, inside it. */
static int read_pd_exclude(struct reader *reader, const json_t *object, const char *base,
                           struct pool *pool)
{
    const struct field *table = field_find(schema_pool, "pd_exclude")->children;
    unsigned length = (unsigned)read_number(table, object, "length");
    uint64_t subnet_id = read_number(table, object, "subnet_id");
    unsigned bits = length - pool->delegated_length, shift = 128 - length;

    if (length <= pool->delegated_length) {
        return fail(reader, at("%s/pd_exclude/length", base).text,
                    "%u is not above delegated_length; must be %u to 128", length,
                    pool->delegated_length + 1u);
    }
    if (bits < 64 && subnet_id >> bits != 0) {
        return fail(reader, at("%s/pd_exclude/subnet_id", base).text,
                    "a /%u holds only 2^%u of /%u; must be below that", pool->delegated_length,
                    bits, length);
    }
    pool->exclude_length = (uint8_t)length;
    pool->exclude_subnet =
        shift >= 64 ? (struct ip6){subnet_id << (shift - 64), 0}
                    : (struct ip6){shift ? subnet_id >> (64 - shift) : 0, subnet_id << shift};
    return 0;
}

static int read_pool_kind(struct reader *reader, const json_t *object, const char *base,
                          struct pool *pool)
{
    static const char *const prefix_only[] = {"delegated_length", "pd_exclude"};
    const char *type = json_string_value(json_object_get(object, "type"));

    if (strcmp(type, "prefix") == 0) {
        pool->type = LEASE_TYPE_PD;
        pool->delegated_length = (uint8_t)read_number(schema_pool, object, "delegated_length");
        if (pool->delegated_length == 0) {
            return fail(reader, at("%s/delegated_length", base).text,
                        "is missing; a prefix pool needs the length of each delegated prefix");
        }
        return check_prefix_pool(reader, pool, base);
    }
    for (size_t i = 0; i < sizeof(prefix_only) / sizeof(prefix_only[0]); i++) {
        if (json_object_get(object, prefix_only[i])) {
            return fail(reader, at("%s/%s", base, prefix_only[i]).text,
                        "belongs to pools of type \"prefix\"; leave it out here");
        }
    }
    pool->type = LEASE_TYPE_NA;
    pool->delegated_length = 128;
    return 0;
}

static int read_pool_classes(struct reader *reader, const json_t *object, const char *base,
                             uint64_t *ret_classes)
{
    uint64_t classes = 0;
    json_t *value;
    size_t i;

    json_array_foreach(json_object_get(object, "classes"), i, value)
    {
        int class = names_find(&reader->classes, json_string_value(value));

        if (class < 0) {
            return fail(reader, at("%s/classes/%zu", base, i).text,
                        "no class is named \"%.64s\"; must be a name from classes",
                        json_string_value(value));
        }
        classes |= (uint64_t)1 << class;
    }
    *ret_classes = classes;
    return 0;
}

static int read_pool_name(struct reader *reader, const json_t *object, const char *link_name,
                          struct policy_pool *pool)
{
    const char *range = json_string_value(json_object_get(object, "range"));
    char name[256];

    if (json_object_get(object, "name")) {
        return read_string(reader, schema_pool, object, "name", &pool->name);
    }
    if (pool->pool.type == LEASE_TYPE_PD) {
        (void)snprintf(name, sizeof(name), "%s/%s/%u", link_name, range,
                       pool->pool.delegated_length);
    } else {
        (void)snprintf(name, sizeof(name), "%s/%s", link_name, range);
    }
    pool->name = region_copy(reader->region, name, strlen(name));
    return pool->name ? 0 : -ENOMEM;
}

/* True when the range lies in one subnet of the link. */
static bool range_in_subnets(const struct policy_link *link, const struct ip6_range *range)
{
    for (unsigned i = 0; i < link->subnet_count; i++) {
        if (ip6_in_prefix(range->first, link->subnets[i].prefix, link->subnets[i].length) &&
            ip6_in_prefix(range->last, link->subnets[i].prefix, link->subnets[i].length)) {
            return true;
        }
    }
    return false;
}

static int read_pool(struct reader *reader, const json_t *object, const char *base,
                     const struct policy_link *link, struct policy_pool *pool)
{
    struct pool *range = &pool->pool;
    const json_t *pd_exclude = json_object_get(object, "pd_exclude");
    int err;

    if (!field_range_read(json_string_value(json_object_get(object, "range")), &range->range.first,
                          &range->range.last) ||
        ip6_is_multicast(range->range.last) || ip6_is_zero(range->range.first) ||
        ip6_is_link_local(range->range.first) || ip6_is_link_local(range->range.last)) {
        return fail(reader, at("%s/range", base).text,
                    "cannot be given to clients; must be a global or unique local unicast range");
    }
    err = read_pool_kind(reader, object, base, range);
    err = err ? err : read_exclude_blocks(reader, json_object_get(object, "exclude"), base, range);
    if (!err && pd_exclude) {
        err = read_pd_exclude(reader, pd_exclude, base, range);
    }
    err = err ? err : read_pool_classes(reader, object, base, &pool->classes);
    err = err ? err : read_pool_name(reader, object, link->name, pool);
    if (!err && range->type == LEASE_TYPE_NA && link->subnet_count > 0 &&
        !range_in_subnets(link, &range->range)) {
        warn(reader, at("%s/range", base).text, "is outside the link's subnets");
    }
    return err;
}

static int read_pools(struct reader *reader, const json_t *object, const char *base,
                      unsigned link_index)
{
    struct policy *template = &reader->shared->template;
    struct policy_link *link = &template->links[link_index];
    const json_t *pools = json_object_get(object, "pools");
    json_t *value;
    size_t i;

    link->pools = region_alloc(reader->region, json_array_size(pools), sizeof(*link->pools));
    if (!link->pools) {
        return -ENOMEM;
    }
    json_array_foreach(pools, i, value)
    {
        struct policy_pool *pool = &template->pools[template->pool_count];
        int err = read_pool(reader, value, at("%s/pools/%zu", base, i).text, link, pool);

        if (err) {
            return err;
        }
        pool->link = link_index;
        link->pools[link->pool_count++] = template->pool_count++;
    }
    return 0;
}

static int read_link(struct reader *reader, const json_t *object, unsigned index)
{
    struct policy_link *link = &reader->shared->template.links[index];
    struct pointer base = at("/links/%u", index);
    int err = read_port_reference(reader, object, base.text, link);

    link->relationship = -1;
    err = err ? err : read_relays(reader, object, base.text, index);
    err = err ? err : read_subnets(reader, object, base.text, index);
    err = err ? err : read_link_defaults(reader, object, base.text, link);
    return err ? err : read_pools(reader, object, base.text, index);
}

/* Who serves direct clients of each port: the link that says so, else the first that may. */
static int choose_direct(struct reader *reader, const json_t *links)
{
    int *by_port = reader->shared->index.link_by_port;
    bool chosen[CONFIG_PORTS_MAX] = {false};
    json_t *value;
    size_t i;

    for (unsigned port = 0; port < CONFIG_PORTS_MAX; port++) {
        by_port[port] = POLICY_LINK_NONE;
    }
    json_array_foreach(links, i, value)
    {
        const json_t *direct = json_object_get(value, "direct");
        unsigned port = reader->shared->template.links[i].port;

        if (json_is_true(direct)) {
            if (chosen[port]) {
                return fail(reader, at("/links/%zu/direct", i).text,
                            "/links/%d has the direct clients of this port already; one link per "
                            "port can",
                            by_port[port]);
            }
            chosen[port] = true;
            by_port[port] = (int)i;
        } else if (!direct && by_port[port] == POLICY_LINK_NONE) {
            by_port[port] = (int)i;
        }
    }
    return 0;
}

int read_links(struct reader *reader)
{
    const json_t *links = json_object_get(reader->root, "links");
    json_t *value;
    size_t i;
    int err = rows_alloc(reader, links);

    err = err ? err : names_of_links(reader, links);
    if (err) {
        return err;
    }
    json_array_foreach(links, i, value)
    {
        err = read_link(reader, value, (unsigned)i);
        if (err) {
            return err;
        }
        reader->shared->template.link_count++;
    }
    return choose_direct(reader, links);
}
