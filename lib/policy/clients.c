/* Reads classes and reservations: what is particular to some clients. Control core only. */
#include <assert.h>
#include <string.h>

#include "policy/internal.h"

#define OCTETS_OF(member) .octets_offset = offsetof(struct policy_subject, member)

/* Members of "match": which part of the subject they look at. */
static const struct match_row {
    const char *key;
    uint16_t octets_offset;
    uint16_t number_offset; /* 0: octets are compared; else a number beside these octets */
    bool prefix;
} match_rows[] = {
    {"duid", OCTETS_OF(duid)},
    {"duid_prefix", OCTETS_OF(duid), .prefix = true},
    {"link_layer", OCTETS_OF(link_layer), .prefix = true},
    {"vendor_enterprise", OCTETS_OF(vendor_class),
     .number_offset = offsetof(struct policy_subject, vendor_enterprise)},
    {"vendor_class", OCTETS_OF(vendor_class), .prefix = true},
    {"user_class", OCTETS_OF(user_class)},
    {"remote_enterprise", OCTETS_OF(remote_id),
     .number_offset = offsetof(struct policy_subject, remote_enterprise)},
    {"remote_id", OCTETS_OF(remote_id)},
    {"remote_id_prefix", OCTETS_OF(remote_id), .prefix = true},
    {"interface_id", OCTETS_OF(interface_id)},
    {"interface_id_prefix", OCTETS_OF(interface_id), .prefix = true},
    {"subscriber_id", OCTETS_OF(subscriber_id)},
    {"subscriber_id_prefix", OCTETS_OF(subscriber_id), .prefix = true},
};

static_assert(sizeof(match_rows) / sizeof(match_rows[0]) <= MATCH_CONDITIONS_MAX,
              "a class can use every row");

static int read_match(struct reader *reader, const json_t *object, unsigned index,
                      struct class_match *match)
{
    for (size_t i = 0; i < sizeof(match_rows) / sizeof(match_rows[0]); i++) {
        const struct match_row *row = &match_rows[i];
        struct match_condition *condition = &match->conditions[match->count];
        const json_t *value = json_object_get(object, row->key);

        if (!value) {
            continue;
        }
        *condition = (struct match_condition){.octets_offset = row->octets_offset,
                                              .number_offset = row->number_offset,
                                              .prefix = row->prefix,
                                              .number = (uint32_t)json_integer_value(value)};
        if (row->number_offset == 0 && read_octets(reader, object, row->key, &condition->octets)) {
            return -ENOMEM;
        }
        match->count++;
    }
    if (match->count == 0) {
        return fail(reader, at("/classes/%u/match", index).text,
                    "is empty; must hold at least one condition");
    }
    return 0;
}

static int read_class(struct reader *reader, const json_t *object, unsigned index)
{
    struct policy_class *class = &reader->shared->template.classes[index];
    const json_t *lifetimes = json_object_get(object, "lifetimes");
    int err = read_string(reader, schema_class, object, "name", &class->name);

    err = err ? err
              : read_match(reader, json_object_get(object, "match"), index,
                           &reader->shared->index.matches[index]);
    class->drop = read_flag(schema_class, object, "drop");
    if (!err && lifetimes) {
        class->has_lifetimes = true;
        err = read_lifetimes(reader, lifetimes, at("/classes/%u/lifetimes", index).text,
                             &class->lifetimes);
    }
    return err ? err
               : options_read(reader, json_object_get(object, "options"),
                              at("/classes/%u/options", index).text, &class->options);
}

static struct pointer place_of_class(const struct reader *reader, unsigned index)
{
    (void)reader;
    return at("/classes/%u/name", index);
}

int read_classes(struct reader *reader)
{
    const json_t *classes = json_object_get(reader->root, "classes");
    struct config_policy *shared = reader->shared;
    size_t count = json_array_size(classes), i;
    json_t *value;

    shared->template.classes = region_alloc(reader->region, count, sizeof(struct policy_class));
    shared->index.matches = region_alloc(reader->region, count, sizeof(struct class_match));
    reader->classes.refs = region_alloc(reader->region, count, sizeof(struct name_ref));
    if (!shared->template.classes || !shared->index.matches || !reader->classes.refs) {
        return -ENOMEM;
    }
    json_array_foreach(classes, i, value)
    {
        int err = read_class(reader, value, (unsigned)i);

        if (err) {
            return err;
        }
        reader->classes.refs[reader->classes.count++] =
            (struct name_ref){shared->template.classes[i].name, (unsigned)i};
        shared->template.class_count++;
    }
    return names_sort(reader, &reader->classes, place_of_class);
}

static const char *const key_names[POLICY_KEY_KIND_COUNT] = {
    [POLICY_KEY_DUID] = "duid",
    [POLICY_KEY_LINK_LAYER] = "link_layer",
    [POLICY_KEY_REMOTE_ID] = "remote_id",
    [POLICY_KEY_INTERFACE_ID] = "interface_id",
    [POLICY_KEY_SUBSCRIBER_ID] = "subscriber_id",
};

static int read_key(struct reader *reader, const json_t *object, const char *base,
                    struct policy_reservation *reservation)
{
    unsigned count = 0;

    for (unsigned kind = 0; kind < POLICY_KEY_KIND_COUNT; kind++) {
        if (!json_object_get(object, key_names[kind])) {
            continue;
        }
        if (count++ > 0) {
            return fail(reader, at("%s/%s", base, key_names[kind]).text,
                        "is a second key; give exactly one of duid, link_layer, remote_id, "
                        "interface_id, subscriber_id");
        }
        reservation->kind = (enum policy_key_kind)kind;
        if (read_octets(reader, object, key_names[kind], &reservation->key)) {
            return -ENOMEM;
        }
    }
    if (count == 0) {
        return fail(reader, base,
                    "has no key; give exactly one of duid, link_layer, remote_id, interface_id, "
                    "subscriber_id");
    }
    return 0;
}

static int read_reservation_link(struct reader *reader, const json_t *object, const char *base,
                                 struct policy_reservation *reservation)
{
    const char *name = json_string_value(json_object_get(object, "link"));

    reservation->link = name ? names_find(&reader->links, name) : POLICY_LINK_NONE;
    if (name && reservation->link < 0) {
        return fail(reader, at("%s/link", base).text,
                    "no link is named \"%.64s\"; must be a name from links", name);
    }
    return 0;
}

/* An address belongs to the link, or without one to any: it must be on link there. */
static int check_address(struct reader *reader, const char *pointer,
                         const struct policy_reservation *reservation,
                         const struct resource *resource)
{
    const struct policy *template = &reader->shared->template;

    if (reservation->link != POLICY_LINK_NONE) {
        if (policy_on_link(template, (unsigned)reservation->link, resource->prefix)) {
            return 0;
        }
        return fail(reader, pointer, "is not on link \"%.64s\"; must be in its subnets or pools",
                    template->links[reservation->link].name);
    }
    if (lookup_subnet_find(&reader->shared->index, resource->prefix) ||
        lookup_range_find(reader->shared->index.pools, reader->shared->index.pool_count,
                          resource->prefix, resource->prefix)) {
        return 0;
    }
    return fail(reader, pointer, "is on no link; must be in a link's subnets or pools");
}

/* A prefix is one unit of a prefix pool of the link, or touches no pool at all. */
static int check_prefix(struct reader *reader, const char *pointer,
                        const struct policy_reservation *reservation,
                        const struct resource *resource)
{
    const struct policy *template = &reader->shared->template;
    const struct lookup_range *range =
        lookup_range_find(reader->shared->index.pools, reader->shared->index.pool_count,
                          resource->prefix, ip6_prefix_last(resource->prefix, resource->length));
    const struct policy_pool *pool = range ? &template->pools[range->owner] : NULL;

    if (!pool) {
        return 0;
    }
    for (unsigned i = 0; i < pool->pool.exclude_count; i++) {
        const struct ip6_range *block = &pool->pool.excludes[i];

        if (ip6_compare(block->first, resource->prefix) <= 0 &&
            ip6_compare(ip6_prefix_last(resource->prefix, resource->length), block->last) <= 0) {
            return 0;
        }
    }
    if (!pool_contains(&pool->pool, resource)) {
        return fail(reader, pointer,
                    "overlaps pool \"%.80s\" without being one of its prefixes; reserve one of "
                    "these, or exclude the block from the pool",
                    pool->name);
    }
    if (reservation->link != POLICY_LINK_NONE && pool->link != (unsigned)reservation->link) {
        return fail(reader, pointer, "is in pool \"%.80s\" of another link than \"%.64s\"",
                    pool->name, template->links[reservation->link].name);
    }
    return 0;
}

static int read_resource(struct reader *reader, const json_t *value, const char *pointer,
                         uint8_t type, struct policy_reservation *reservation)
{
    struct resource *resource = &reservation->resources[reservation->resource_count];

    if (reservation->resource_count == POLICY_RESERVED_MAX) {
        return fail(reader, pointer,
                    "is one too many; must be at most %d addresses and prefixes altogether",
                    POLICY_RESERVED_MAX);
    }
    *resource = (struct resource){.type = type, .length = 128};
    if (type == LEASE_TYPE_NA) {
        resource->prefix = read_address(value);
    } else if (!field_prefix_read(json_string_value(value), &resource->prefix, &resource->length)) {
        return fail(reader, pointer, "must be an IPv6 prefix");
    }
    if (ip6_is_multicast(resource->prefix) || ip6_is_link_local(resource->prefix) ||
        ip6_is_zero(resource->prefix)) {
        return fail(reader, pointer, "must be global or unique local unicast");
    }
    reservation->resource_count++;
    return type == LEASE_TYPE_NA ? check_address(reader, pointer, reservation, resource)
                                 : check_prefix(reader, pointer, reservation, resource);
}

static int read_reservation(struct reader *reader, const json_t *object, unsigned index)
{
    struct policy_reservation *reservation = &reader->shared->template.reservations[index];
    struct pointer base = at("/reservations/%u", index);
    json_t *value;
    size_t i;
    int err = read_key(reader, object, base.text, reservation);

    err = err ? err : read_reservation_link(reader, object, base.text, reservation);
    if (err) {
        return err;
    }
    json_array_foreach(json_object_get(object, "addresses"), i, value)
    {
        err = err ? err
                  : read_resource(reader, value, at("%s/addresses/%zu", base.text, i).text,
                                  LEASE_TYPE_NA, reservation);
    }
    json_array_foreach(json_object_get(object, "prefixes"), i, value)
    {
        err = err ? err
                  : read_resource(reader, value, at("%s/prefixes/%zu", base.text, i).text,
                                  LEASE_TYPE_PD, reservation);
    }
    return err ? err
               : options_read(reader, json_object_get(object, "options"),
                              at("%s/options", base.text).text, &reservation->options);
}

int read_reservations(struct reader *reader)
{
    const json_t *reservations = json_object_get(reader->root, "reservations");
    struct policy *template = &reader->shared->template;
    json_t *value;
    size_t i;

    template->reservations = region_alloc(reader->region, json_array_size(reservations),
                                          sizeof(*template->reservations));
    if (!template->reservations) {
        return -ENOMEM;
    }
    json_array_foreach(reservations, i, value)
    {
        int err = read_reservation(reader, value, (unsigned)i);

        if (err) {
            return err;
        }
        template->reservation_count++;
    }
    return 0;
}
