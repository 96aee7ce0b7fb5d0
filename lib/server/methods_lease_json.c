/* A lease as JSON: one function per row of lease_field.def, NULL when there is nothing to tell. */
#include <string.h>

#include "server/methods_internal.h"

const char *const lease_field_names[] = {
#define LEASE_FIELD(name, help) #name,
#include "server/lease_field.def"
#undef LEASE_FIELD
    NULL,
};

_Static_assert(LEASE_FIELD_COUNT <= 63, "fields are bits of a 64-bit mask");

const char *const lease_state_names[] = {
    "active",      "expired",   "released", "pending_free", "free",
    "free_backup", "abandoned", "reset",    NULL,
};

_Static_assert(sizeof(lease_state_names) / sizeof(lease_state_names[0]) == BINDING_STATUS_COUNT,
               "one name for each status from BINDING_ACTIVE on");

const char *lease_state_name(unsigned status)
{
    return status >= BINDING_ACTIVE && status < BINDING_STATUS_COUNT
               ? lease_state_names[status - BINDING_ACTIVE]
               : "unknown";
}

struct span lease_remote_id(struct span info)
{
    struct span id = lease_info_find(info, LEASE_INFO_REMOTE_ID);

    return id.size > 4 ? (struct span){id.data + 4, id.size - 4} : (struct span){NULL, 0};
}

struct lease_view lease_view_make(const struct policy *policy, const struct lease *lease, sec_t now)
{
    int pool = policy_pool_find(policy, &lease->resource);
    int link = POLICY_LINK_NONE;

    if (pool >= 0) {
        link = (int)policy->pools[pool].link;
    } else if (lease->resource.type == LEASE_TYPE_NA) {
        link = policy_link_by_address(policy, lease->resource.prefix);
    }
    return (struct lease_view){policy, lease, now, pool, link};
}

static json_t *field_type(const struct lease_view *view)
{
    return json_string(view->lease->resource.type == LEASE_TYPE_PD ? "pd" : "na");
}

static json_t *field_address(const struct lease_view *view)
{
    const struct resource *resource = &view->lease->resource;

    return resource->type == LEASE_TYPE_NA ? value_address(resource->prefix) : NULL;
}

static json_t *field_prefix(const struct lease_view *view)
{
    const struct resource *resource = &view->lease->resource;

    return resource->type == LEASE_TYPE_PD ? value_prefix(resource->prefix, resource->length)
                                           : NULL;
}

static json_t *field_state(const struct lease_view *view)
{
    return json_string(lease_state_name(view->lease->status));
}

static json_t *field_duid(const struct lease_view *view)
{
    return view->lease->duid.size ? value_hex(view->lease->duid) : NULL;
}

static json_t *field_iaid(const struct lease_view *view)
{
    return view->lease->duid.size ? json_integer(view->lease->iaid) : NULL;
}

static json_t *field_link(const struct lease_view *view)
{
    return view->link >= 0 ? value_text(view->policy->links[view->link].name) : NULL;
}

static json_t *field_pool(const struct lease_view *view)
{
    return view->pool >= 0 ? value_text(view->policy->pools[view->pool].name) : NULL;
}

static json_t *time_or_nothing(sec_t time)
{
    return time ? value_time(time) : NULL;
}

static json_t *field_since(const struct lease_view *view)
{
    return time_or_nothing(view->lease->times.start_s);
}

/* FREE has no end; an infinite lifetime has none either (RFC 9915 7.7). */
static bool state_ends(const struct lease *lease)
{
    return lease->times.expires_s != 0 &&
           !(lease->status == BINDING_ACTIVE && lease->times.valid_lifetime_s == LIFETIME_INFINITE);
}

static json_t *field_valid_until(const struct lease_view *view)
{
    return state_ends(view->lease) ? value_time(view->lease->times.expires_s) : json_null();
}

static json_t *field_valid_for_s(const struct lease_view *view)
{
    return state_ends(view->lease)
               ? json_integer(sec_until(view->lease->times.expires_s, view->now))
               : json_null();
}

static json_t *field_last_contact(const struct lease_view *view)
{
    return time_or_nothing(view->lease->times.clt_s);
}

static json_t *field_preferred_lifetime_s(const struct lease_view *view)
{
    return json_integer(view->lease->times.preferred_lifetime_s);
}

static json_t *field_valid_lifetime_s(const struct lease_view *view)
{
    return json_integer(view->lease->times.valid_lifetime_s);
}

static json_t *field_renew_s(const struct lease_view *view)
{
    return json_integer(view->lease->times.t1_s);
}

static json_t *field_rebind_s(const struct lease_view *view)
{
    return json_integer(view->lease->times.t2_s);
}

static json_t *flag_or_nothing(const struct lease_view *view, unsigned flag)
{
    return view->lease->flags & flag ? json_true() : NULL;
}

static json_t *field_reserved(const struct lease_view *view)
{
    return flag_or_nothing(view, LEASE_FLAG_RESERVED);
}

static json_t *field_uncertain(const struct lease_view *view)
{
    return flag_or_nothing(view, LEASE_FLAG_UNCERTAIN);
}

static json_t *field_reconfigure(const struct lease_view *view)
{
    return flag_or_nothing(view, LEASE_FLAG_RECONF_ACCEPT);
}

/* An address item: 16 octets, or the interface identifier of a link-local address. */
static json_t *info_address(const struct lease_view *view, enum lease_info_tag tag)
{
    struct span item = lease_info_find(view->lease->info, tag);

    if (item.size == 16) {
        return value_address(wire_get_ip6(item.data));
    }
    if (item.size == 8) {
        return value_address((struct ip6){0xfe80ULL << 48, wire_get_u64(item.data)});
    }
    return NULL;
}

static json_t *field_client_address(const struct lease_view *view)
{
    return info_address(view, LEASE_INFO_PEER_ADDRESS);
}

static json_t *field_link_address(const struct lease_view *view)
{
    return info_address(view, LEASE_INFO_LINK_ADDRESS);
}

static json_t *field_relay(const struct lease_view *view)
{
    return info_address(view, LEASE_INFO_RELAY);
}

static json_t *hex_or_nothing(struct span octets)
{
    return octets.size ? value_hex(octets) : NULL;
}

static json_t *field_interface_id(const struct lease_view *view)
{
    return hex_or_nothing(lease_info_find(view->lease->info, LEASE_INFO_INTERFACE_ID));
}

static json_t *field_remote_id(const struct lease_view *view)
{
    return hex_or_nothing(lease_remote_id(view->lease->info));
}

static json_t *field_remote_enterprise(const struct lease_view *view)
{
    struct span id = lease_info_find(view->lease->info, LEASE_INFO_REMOTE_ID);

    return id.size >= 4 ? json_integer(wire_get_u32(id.data)) : NULL;
}

static json_t *field_subscriber_id(const struct lease_view *view)
{
    return hex_or_nothing(lease_info_find(view->lease->info, LEASE_INFO_SUBSCRIBER_ID));
}

static json_t *field_relay_id(const struct lease_view *view)
{
    return hex_or_nothing(lease_info_find(view->lease->info, LEASE_INFO_RELAY_ID));
}

static json_t *field_link_layer(const struct lease_view *view)
{
    struct span item = lease_info_find(view->lease->info, LEASE_INFO_LINK_LAYER);

    /* The hardware type stands in front (RFC 6939 4). */
    return item.size > 2 ? value_hex((struct span){item.data + 2, item.size - 2}) : NULL;
}

/* Flags, then the name in wire form (RFC 4704 4). What is no letter, digit, '-' or '_' becomes
 * '?': the name was the client's to choose. */
static json_t *field_hostname(const struct lease_view *view)
{
    struct span item = lease_info_find(view->lease->info, LEASE_INFO_FQDN);
    struct wire_in in = wire_in_from(item);
    char text[256];
    size_t size = 0;

    (void)wire_in_u8(&in);
    while (wire_in_left(&in) > 0 && size < sizeof(text) - 66) {
        size_t label_size = wire_in_u8(&in);
        const uint8_t *label = wire_in_bytes(&in, label_size);

        if (label == NULL || label_size == 0 || label_size > 63) {
            break;
        }
        if (size) {
            text[size++] = '.';
        }
        for (size_t i = 0; i < label_size; i++) {
            bool plain = (label[i] >= '0' && label[i] <= '9') ||
                         ((label[i] | 0x20) >= 'a' && (label[i] | 0x20) <= 'z') ||
                         label[i] == '-' || label[i] == '_';

            text[size++] = plain ? (char)label[i] : '?';
        }
    }
    text[size] = '\0';
    return size ? json_string(text) : NULL;
}

static json_t *field_version(const struct lease_view *view)
{
    return value_u64(view->lease->version);
}

json_t *lease_json(const struct lease_view *view, uint64_t fields)
{
    static json_t *(*const functions[LEASE_FIELD_COUNT])(const struct lease_view *view) = {
#define LEASE_FIELD(name, help) [LEASE_FIELD_##name] = field_##name,
#include "server/lease_field.def"
#undef LEASE_FIELD
    };
    json_t *json = json_object();

    for (unsigned i = 0; i < LEASE_FIELD_COUNT; i++) {
        json_t *value = fields >> i & 1 ? functions[i](view) : NULL;

        if (value) {
            (void)json_object_set_new_nocheck(json, lease_field_names[i], value);
        }
    }
    return json;
}
