#include "server/methods_filter.h"

#include <stddef.h>
#include <string.h>

static const char *const type_names[] = {"na", "pd", NULL};

const struct field methods_filter_fields[] = {
    {.name = "duid",
     .type = FIELD_HEX,
     .min = DUID_SIZE_MIN,
     .max = DUID_SIZE_MAX,
     .help = "Most recent client."},
    {.name = "iaid", .type = FIELD_INTEGER, .min = 0, .max = UINT32_MAX, .help = "Its IAID."},
    {.name = "type",
     .type = FIELD_STRING,
     .choices = type_names,
     .help = "Addresses or delegated prefixes."},
    {.name = "link",
     .type = FIELD_STRING,
     .min = 1,
     .max = POLICY_NAME_MAX,
     .help = "Name of a link."},
    {.name = "pool", .type = FIELD_STRING, .min = 1, .max = 255, .help = "Name of a pool."},
    {.name = "relay_id", .type = FIELD_HEX, .min = 1, .max = 255, .help = "Option 53."},
    {.name = "remote_id",
     .type = FIELD_HEX,
     .min = 1,
     .max = 251,
     .help = "Option 37 without enterprise number."},
    {.name = "interface_id", .type = FIELD_HEX, .min = 1, .max = 255, .help = "Option 18."},
    {.name = "subscriber_id", .type = FIELD_HEX, .min = 1, .max = 255, .help = "Option 38."},
    {.name = "state",
     .type = FIELD_STRING,
     .choices = lease_state_names,
     .help = "Binding status."},
    {.name = "expires_before",
     .type = FIELD_STRING,
     .min = 20,
     .max = 20,
     .help = "Only states that end before this time, as 2026-11-23T18:00:00Z."},
    {.name = "under", .type = FIELD_PREFIX, .help = "Only leases inside this prefix."},
    {.type = FIELD_END},
};

/* The infos that can be asked for. */
static const struct {
    const char *name;
    enum lease_info_tag tag;
} filter_infos[FILTER_INFO_COUNT] = {
    {"relay_id", LEASE_INFO_RELAY_ID},
    {"remote_id", LEASE_INFO_REMOTE_ID},
    {"interface_id", LEASE_INFO_INTERFACE_ID},
    {"subscriber_id", LEASE_INFO_SUBSCRIBER_ID},
};

static void octets_read(const json_t *json, struct filter_octets *ret_octets)
{
    if (json && field_octets_read(json_string_value(json), false, ret_octets->octets,
                                  sizeof(ret_octets->octets), &ret_octets->size)) {
        ret_octets->wanted = true;
    }
}

static uint8_t status_read(const json_t *json)
{
    for (unsigned i = 0; json && lease_state_names[i]; i++) {
        if (strcmp(lease_state_names[i], json_string_value(json)) == 0) {
            return (uint8_t)(BINDING_ACTIVE + i);
        }
    }
    return 0;
}

static int link_read(struct jsonrpc_call *call, const json_t *json, const struct policy *policy,
                     int *ret_link)
{
    for (unsigned i = 0; json && i < policy->link_count; i++) {
        if (strcmp(policy->links[i].name, json_string_value(json)) == 0) {
            *ret_link = (int)i;
            return 0;
        }
    }
    return json ? jsonrpc_fail_param(call, "/filter/link",
                                     "no link of that name; config.get "
                                     "path=/links lists them")
                : 0;
}

static int pool_read(struct jsonrpc_call *call, const json_t *json, const struct policy *policy,
                     int *ret_pool)
{
    for (unsigned i = 0; json && i < policy->pool_count; i++) {
        if (strcmp(policy->pools[i].name, json_string_value(json)) == 0) {
            *ret_pool = (int)i;
            return 0;
        }
    }
    return json ? jsonrpc_fail_param(call, "/filter/pool",
                                     "no pool of that name; pool.list lists them")
                : 0;
}

int lease_filter_read(struct jsonrpc_call *call, const json_t *json, const struct policy *policy,
                      struct lease_filter *ret_filter)
{
    struct lease_filter filter = {.any = json_object_size(json) > 0, .link = -1, .pool = -1};
    const json_t *iaid = json_object_get(json, "iaid"), *type = json_object_get(json, "type");
    const json_t *before = json_object_get(json, "expires_before");
    const json_t *under = json_object_get(json, "under");
    int code;

    octets_read(json_object_get(json, "duid"), &filter.duid);
    for (unsigned i = 0; i < FILTER_INFO_COUNT; i++) {
        octets_read(json_object_get(json, filter_infos[i].name), &filter.infos[i]);
    }
    filter.has_iaid = iaid != NULL;
    filter.iaid = (uint32_t)json_integer_value(iaid);
    if (type) {
        filter.type = strcmp(json_string_value(type), "pd") == 0 ? LEASE_TYPE_PD : LEASE_TYPE_NA;
    }
    filter.status = status_read(json_object_get(json, "state"));
    filter.has_under =
        under && field_prefix_read(json_string_value(under), &filter.under, &filter.under_length);
    filter.has_expires_before = before != NULL;
    if (before && !value_time_read(json_string_value(before), &filter.expires_before_s)) {
        return jsonrpc_fail_param(call, "/filter/expires_before",
                                  "must be a time such as \"2026-11-23T18:00:00Z\"");
    }
    code = link_read(call, json_object_get(json, "link"), policy, &filter.link);
    code = code ? code : pool_read(call, json_object_get(json, "pool"), policy, &filter.pool);
    if (code == 0) {
        *ret_filter = filter;
    }
    return code;
}

static bool octets_match(const struct filter_octets *wanted, struct span found)
{
    return !wanted->wanted || span_equal((struct span){wanted->octets, wanted->size}, found);
}

static bool infos_match(const struct lease_filter *filter, struct span info)
{
    for (unsigned i = 0; i < FILTER_INFO_COUNT; i++) {
        enum lease_info_tag tag = filter_infos[i].tag;

        if (filter->infos[i].wanted &&
            !octets_match(&filter->infos[i], tag == LEASE_INFO_REMOTE_ID
                                                 ? lease_remote_id(info)
                                                 : lease_info_find(info, tag))) {
            return false;
        }
    }
    return true;
}

static bool times_match(const struct lease_filter *filter, const struct lease *lease)
{
    if (!filter->has_expires_before) {
        return true;
    }
    /* An infinite lease never ends (RFC 9915 7.7), a free one has ended already. */
    return lease->times.expires_s != 0 &&
           !(lease->status == BINDING_ACTIVE &&
             lease->times.valid_lifetime_s == LIFETIME_INFINITE) &&
           sec_after(filter->expires_before_s, lease->times.expires_s);
}

bool lease_filter_match(const struct lease_filter *filter, const struct policy *policy,
                        const struct lease *lease)
{
    struct lease_view view;

    if ((filter->type && filter->type != lease->resource.type) ||
        (filter->status && filter->status != lease->status) ||
        (filter->has_iaid && (filter->iaid != lease->iaid || lease->duid.size == 0)) ||
        (filter->has_under &&
         (lease->resource.length < filter->under_length ||
          !ip6_in_prefix(lease->resource.prefix, filter->under, filter->under_length))) ||
        !times_match(filter, lease) || !octets_match(&filter->duid, lease->duid) ||
        !infos_match(filter, lease->info)) {
        return false;
    }
    if (filter->link < 0 && filter->pool < 0) {
        return true;
    }
    view = lease_view_make(policy, lease, 0);
    return (filter->link < 0 || filter->link == view.link) &&
           (filter->pool < 0 || filter->pool == view.pool);
}
