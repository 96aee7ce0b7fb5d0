/* reservation.list, get, add, update, delete: what is kept for known clients.
 *
 * Reservations are part of the configuration: a change of one is a change of the configuration, by
 * the way of config.apply, with a revision, history and what it says about stranded leases. One is
 * named by its key and its link, as in the configuration; all reservations of the policy stand in
 * the order of the configuration's. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/methods_change.h"

enum {
    CURSOR_MAX = 40,
    KEY_SIZE_MAX = 255,
    RESERVATION_WORK = 16, /* rows of the budget that writing out one costs */
};

static const char *const key_names[POLICY_KEY_KIND_COUNT] = {
    [POLICY_KEY_DUID] = "duid",
    [POLICY_KEY_LINK_LAYER] = "link_layer",
    [POLICY_KEY_REMOTE_ID] = "remote_id",
    [POLICY_KEY_INTERFACE_ID] = "interface_id",
    [POLICY_KEY_SUBSCRIBER_ID] = "subscriber_id",
};

#define KEY_FIELDS                                                                                 \
    {.name = "duid",                                                                               \
     .type = FIELD_HEX,                                                                            \
     .min = DUID_SIZE_MIN,                                                                         \
     .max = DUID_SIZE_MAX,                                                                         \
     .help = "The client's DUID. Exactly one of these five is the key."},                          \
        {.name = "link_layer",                                                                     \
         .type = FIELD_HEX,                                                                        \
         .min = 1,                                                                                 \
         .max = 32,                                                                                \
         .help = "Its link-layer address."},                                                       \
        {.name = "remote_id",                                                                      \
         .type = FIELD_OCTETS,                                                                     \
         .min = 1,                                                                                 \
         .max = KEY_SIZE_MAX,                                                                      \
         .help = "Its Remote-Id (option 37) without enterprise number."},                          \
        {.name = "interface_id",                                                                   \
         .type = FIELD_OCTETS,                                                                     \
         .min = 1,                                                                                 \
         .max = KEY_SIZE_MAX,                                                                      \
         .help = "Its Interface-Id (option 18)."},                                                 \
        {.name = "subscriber_id",                                                                  \
         .type = FIELD_OCTETS,                                                                     \
         .min = 1,                                                                                 \
         .max = KEY_SIZE_MAX,                                                                      \
         .help = "Its Subscriber-Id (option 38)."},                                                \
    {                                                                                              \
        .name = "link", .type = FIELD_STRING, .min = 1, .max = POLICY_NAME_MAX - 1,                \
        .help = "The link it is for; left out: the reservation for every link."                    \
    }

static const struct field address_row[] = {{.name = "item", .type = FIELD_ADDRESS},
                                           {.type = FIELD_END}};
static const struct field prefix_row[] = {{.name = "item", .type = FIELD_PREFIX},
                                          {.type = FIELD_END}};

static const struct field list_fields[] = {
    KEY_FIELDS,
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = METHODS_LIST_MAX,
     .fallback = "1000",
     .help = "Most reservations to return."},
    {.name = "cursor",
     .type = FIELD_STRING,
     .nullable = true,
     .max = CURSOR_MAX,
     .help = "next_cursor of the previous call."},
    {.type = FIELD_END},
};

static const struct field get_fields[] = {KEY_FIELDS, {.type = FIELD_END}};

static const struct field set_fields[] = {
    KEY_FIELDS,
    {.name = "addresses",
     .type = FIELD_ARRAY,
     .max = POLICY_RESERVED_MAX,
     .children = address_row,
     .help = "Addresses kept for the client."},
    {.name = "prefixes",
     .type = FIELD_ARRAY,
     .max = POLICY_RESERVED_MAX,
     .children = prefix_row,
     .help = "Prefixes kept for the client; with the addresses at most 8."},
    {.name = "options",
     .type = FIELD_ANY,
     .help = "Options for the client, an object as in the configuration."},
    CONFIG_APPLY_FIELDS,
    {.type = FIELD_END},
};

static const struct field delete_fields[] = {KEY_FIELDS, CONFIG_APPLY_FIELDS, {.type = FIELD_END}};

/* Which reservation a call is about. */
struct wanted {
    bool has_key;
    enum policy_key_kind kind;
    uint8_t octets[KEY_SIZE_MAX];
    size_t size;
    const char *link_name; /* NULL: none */
    int link;
};

static int wanted_read(struct jsonrpc_call *call, const struct policy *policy,
                       struct wanted *ret_wanted)
{
    struct wanted wanted = {.link = POLICY_LINK_NONE};
    unsigned count = 0;

    for (unsigned kind = 0; kind < POLICY_KEY_KIND_COUNT; kind++) {
        const char *text = json_string_value(json_object_get(call->params, key_names[kind]));

        if (text && count++ == 0) {
            wanted.has_key = true;
            wanted.kind = (enum policy_key_kind)kind;
            (void)field_octets_read(text, kind >= POLICY_KEY_REMOTE_ID, wanted.octets,
                                    sizeof(wanted.octets), &wanted.size); /* checked */
        }
    }
    if (count > 1) {
        return jsonrpc_fail_param(call, "",
                                  "give one key only: duid, link_layer, remote_id, interface_id or "
                                  "subscriber_id");
    }
    wanted.link_name = json_string_value(json_object_get(call->params, "link"));
    for (unsigned i = 0; wanted.link_name && i < policy->link_count; i++) {
        wanted.link = strcmp(policy->links[i].name, wanted.link_name) == 0 ? (int)i : wanted.link;
    }
    if (wanted.link_name && wanted.link == POLICY_LINK_NONE) {
        return jsonrpc_fail_param(call, "/link",
                                  "no link of that name; config.get path=/links lists them");
    }
    *ret_wanted = wanted;
    return 0;
}

/* The same, of a method that needs to be told which one. */
static int wanted_one(struct jsonrpc_call *call, const struct policy *policy,
                      struct wanted *ret_wanted)
{
    int code = wanted_read(call, policy, ret_wanted);

    if (code == 0 && !ret_wanted->has_key) {
        code = jsonrpc_fail_param(call, "",
                                  "give the key: duid, link_layer, remote_id, interface_id or "
                                  "subscriber_id");
    }
    return code;
}

static bool key_matches(const struct wanted *wanted, const struct policy_reservation *row)
{
    return row->kind == wanted->kind &&
           span_equal(row->key, (struct span){wanted->octets, wanted->size});
}

/* Its number; reservation_count: there is none. */
static unsigned reservation_find(const struct policy *policy, const struct wanted *wanted)
{
    unsigned i = 0;

    while (i < policy->reservation_count && (policy->reservations[i].link != wanted->link ||
                                             !key_matches(wanted, &policy->reservations[i]))) {
        i++;
    }
    return i;
}

/* Says so, and where there is one of the same key. */
static int reservation_unknown(struct jsonrpc_call *call, const struct policy *policy,
                               const struct wanted *wanted)
{
    for (unsigned i = 0; i < policy->reservation_count; i++) {
        const struct policy_reservation *row = &policy->reservations[i];

        if (key_matches(wanted, row)) {
            return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "other_link",
                                "that key has a reservation for %s%.64s: name the link as there",
                                row->link >= 0 ? "link " : "every link",
                                row->link >= 0 ? policy->links[row->link].name : "");
        }
    }
    return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_reservation",
                        "no reservation of that key; reservation.list lists all");
}

static void cursor_text(uint64_t revision, unsigned index, char ret_text[CURSOR_MAX])
{
    (void)snprintf(ret_text, CURSOR_MAX, "r%" PRIx64 "-%x", revision, index);
}

/* Only what we wrote, of this revision. */
static bool cursor_read(const char *text, uint64_t revision, unsigned *ret_index)
{
    const char *dash = strchr(text, '-');
    char again[CURSOR_MAX];
    unsigned index;

    if (!dash || sscanf(dash + 1, "%8x", &index) != 1) {
        return false;
    }
    cursor_text(revision, index, again);
    if (strcmp(again, text) != 0) {
        return false;
    }
    *ret_index = index;
    return true;
}

static json_t *row_json(const struct policy *policy, const struct policy_reservation *row)
{
    json_t *addresses = json_array(), *prefixes = json_array(), *codes = json_array();

    for (unsigned i = 0; i < row->resource_count; i++) {
        const struct resource *resource = &row->resources[i];

        if (resource->type == LEASE_TYPE_PD) {
            (void)json_array_append_new(prefixes, value_prefix(resource->prefix, resource->length));
        } else {
            (void)json_array_append_new(addresses, value_address(resource->prefix));
        }
    }
    for (unsigned i = 0; i < row->options.count; i++) {
        (void)json_array_append_new(codes, json_integer(row->options.options[i].code));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", key_names[row->kind], value_hex(row->key), "link",
                     row->link >= 0 ? value_text(policy->links[row->link].name) : json_null(),
                     "addresses", addresses, "prefixes", prefixes, "option_codes", codes);
}

static bool row_wanted(const struct wanted *wanted, const struct policy_reservation *row)
{
    return (!wanted->has_key || key_matches(wanted, row)) &&
           (wanted->link == POLICY_LINK_NONE || row->link == wanted->link);
}

static int reservation_list(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const struct policy *policy = env->policy(env->ctx);
    uint64_t revision = methods_revision(call->rpc->ctx);
    const char *cursor = json_string_value(json_object_get(call->params, "cursor"));
    const json_t *limit = json_object_get(call->params, "limit");
    size_t left = limit ? (size_t)json_integer_value(limit) : METHODS_LIST_DEFAULT;
    struct wanted wanted;
    char next[CURSOR_MAX];
    unsigned index = 0;
    json_t *rows;
    int code = wanted_read(call, policy, &wanted);

    if (code) {
        return code;
    }
    if (cursor && !cursor_read(cursor, revision, &index)) {
        return jsonrpc_fail(call, JSONRPC_BAD_CURSOR, "bad_cursor",
                            "not a cursor of reservation.list, or the configuration has changed");
    }
    rows = json_array();
    for (; index < policy->reservation_count && left && *call->work_left > RESERVATION_WORK;
         index++) {
        --*call->work_left;
        if (row_wanted(&wanted, &policy->reservations[index])) {
            *call->work_left -= RESERVATION_WORK;
            left--;
            (void)json_array_append_new(rows, row_json(policy, &policy->reservations[index]));
        }
    }
    cursor_text(revision, index, next);
    call->result =
        json_pack("{s:o, s:o, s:o, s:o}", "reservations", rows, "next_cursor",
                  index < policy->reservation_count ? json_string(next) : json_null(), "total",
                  value_u64(policy->reservation_count), "revision", value_u64(revision));
    return 0;
}

/* Adds the lease of the resource, whoever has it, if there is one. */
static void lease_append(const struct methods_env *env, json_t *leases,
                         const struct resource *resource)
{
    struct lease_found found;

    if (store_find(env->store, resource, &found)) {
        struct lease_view view =
            lease_view_make(env->policy(env->ctx), &found.lease, env->now(env->ctx));

        (void)json_array_append_new(leases, lease_json(&view, LEASE_FIELDS_ALL));
    }
}

/* The leases of a reservation's addresses and prefixes as the configuration writes them. */
static json_t *leases_json(const struct methods_env *env, const json_t *reservation)
{
    json_t *leases = json_array(), *item;
    struct resource resource = {.length = 128, .type = LEASE_TYPE_NA};
    size_t i;

    json_array_foreach(json_object_get(reservation, "addresses"), i, item)
    {
        if (field_address_read(json_string_value(item), &resource.prefix)) {
            lease_append(env, leases, &resource);
        }
    }
    resource.type = LEASE_TYPE_PD;
    json_array_foreach(json_object_get(reservation, "prefixes"), i, item)
    {
        if (field_prefix_read(json_string_value(item), &resource.prefix, &resource.length)) {
            lease_append(env, leases, &resource);
        }
    }
    return leases;
}

/* The configuration in force and the array of reservations in it, made if need be; NULL: no memory.
 */
static json_t *config_rows(const struct methods *methods, json_t **ret_rows)
{
    json_t *config = json_loads(config_text_in_force(methods), 0, NULL);
    json_t *rows = json_object_get(config, "reservations");

    if (config && rows == NULL) {
        rows = json_array();
        (void)json_object_set_new(config, "reservations", rows);
    }
    *ret_rows = rows;
    return rows ? config : NULL;
}

static int reservation_get(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const struct policy *policy = env->policy(env->ctx);
    struct wanted wanted;
    json_t *config, *rows;
    unsigned index;
    int code = wanted_one(call, policy, &wanted);

    if (code) {
        return code;
    }
    index = reservation_find(policy, &wanted);
    if (index == policy->reservation_count) {
        return reservation_unknown(call, policy, &wanted);
    }
    config = config_rows(call->rpc->ctx, &rows);
    call->result = json_pack("{s:O, s:o, s:o}", "reservation", json_array_get(rows, index),
                             "leases", leases_json(env, json_array_get(rows, index)), "revision",
                             value_u64(methods_revision(call->rpc->ctx)));
    json_decref(config);
    return 0;
}

enum edit {
    EDIT_ADD,
    EDIT_UPDATE,
    EDIT_DELETE
};

static const char *const edit_names[] = {"added", "updated", "deleted"};

/* The reservation the parameters describe. */
static json_t *reservation_made(const json_t *params)
{
    static const char *const members[] = {"link", "addresses", "prefixes", "options"};
    json_t *made = json_object();

    for (unsigned i = 0; i < POLICY_KEY_KIND_COUNT; i++) {
        if (json_object_get(params, key_names[i])) {
            (void)json_object_set(made, key_names[i], json_object_get(params, key_names[i]));
        }
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (json_object_get(params, members[i])) {
            (void)json_object_set(made, members[i], json_object_get(params, members[i]));
        }
    }
    return made;
}

/* The configuration's text with the change in it; NULL: no memory. *ret_row (new reference): the
 * reservation as it becomes, or was. */
static char *edited_text(const struct jsonrpc_call *call, enum edit edit, unsigned index,
                         json_t **ret_row)
{
    json_t *rows, *config = config_rows(call->rpc->ctx, &rows);
    json_t *row = edit == EDIT_DELETE ? json_incref(json_array_get(rows, index))
                                      : reservation_made(call->params);
    char *text = NULL;
    int r = -1;

    if (config && row) {
        r = edit == EDIT_ADD      ? json_array_append(rows, row)
            : edit == EDIT_UPDATE ? json_array_set(rows, index, row)
                                  : json_array_remove(rows, index);
    }
    if (r == 0) {
        text = json_dumps(config, JSON_INDENT(2) | JSON_ENCODE_ANY);
    }
    json_decref(config);
    *ret_row = row;
    return text;
}

static int reservation_edit(struct jsonrpc_call *call, enum edit edit)
{
    const struct methods_env *env = methods_env(call);
    const struct policy *policy = env->policy(env->ctx);
    const char *comment = json_string_value(json_object_get(call->params, "comment"));
    char said[REVISIONS_COMMENT_MAX + 1], *text;
    struct wanted wanted;
    unsigned index;
    json_t *row = NULL;
    int code = config_change_begin(call);

    code = code ? code : wanted_one(call, policy, &wanted);
    if (code) {
        return code;
    }
    index = reservation_find(policy, &wanted);
    if (edit == EDIT_ADD && index < policy->reservation_count) {
        return jsonrpc_fail(call, JSONRPC_ALREADY_EXISTS, "already_exists",
                            "that key has a reservation there; reservation.update changes it");
    }
    if (edit != EDIT_ADD && index == policy->reservation_count) {
        return reservation_unknown(call, policy, &wanted);
    }
    (void)snprintf(said, sizeof(said), "reservation %s%s%s", edit_names[edit], comment ? ": " : "",
                   comment ? comment : "");
    text = edited_text(call, edit, index, &row);
    code = text ? config_text_apply(call, text, said) : 0; /* no result: told as out of memory */
    if (code == 0 && call->result) {
        (void)json_object_set(call->result, "reservation", row);
        (void)json_object_set_new(call->result, "leases", leases_json(env, row));
    }
    json_decref(row);
    return code;
}

static int reservation_add(struct jsonrpc_call *call)
{
    return reservation_edit(call, EDIT_ADD);
}

static int reservation_update(struct jsonrpc_call *call)
{
    return reservation_edit(call, EDIT_UPDATE);
}

static int reservation_delete(struct jsonrpc_call *call)
{
    return reservation_edit(call, EDIT_DELETE);
}

#define CHANGED                                                                                    \
    "the reservation, who has its addresses and prefixes now, and what config.apply tells: "       \
    "{reservation, leases[], applied, revision, "                                                  \
    "complete, stranded, ...}"

const struct jsonrpc_method methods_reservation_table[] = {
    {"reservation.list", JSONRPC_ROLE_VIEW, false, list_fields, reservation_list,
     "Lists the reservations in force, page by page; those of a key, of a link, or all.",
     "{reservations: [{duid or link_layer or remote_id or interface_id or subscriber_id, link, "
     "addresses[], prefixes[], option_codes[]}], next_cursor, total, revision}; keys in hex, link "
     "null: every link; a change of configuration ends the cursor"},
    {"reservation.get", JSONRPC_ROLE_VIEW, false, get_fields, reservation_get,
     "Shows one reservation as it stands in the configuration, and the leases of its addresses and "
     "prefixes.",
     "{reservation, leases[], revision}"},
    {"reservation.add", JSONRPC_ROLE_CONFIG, true, set_fields, reservation_add,
     "Adds a reservation to the configuration in force, as config.apply would. Whoever has the "
     "lease keeps it until it is renewed: dry_run tells who. config.save writes it to the file; a "
     "failover partner "
     "needs the same.",
     CHANGED},
    {"reservation.update", JSONRPC_ROLE_CONFIG, true, set_fields, reservation_update,
     "Replaces the reservation of that key and link, as config.apply would: what is left out is "
     "gone. Repeat the call while complete is false.",
     CHANGED},
    {"reservation.delete", JSONRPC_ROLE_CONFIG, true, delete_fields, reservation_delete,
     "Deletes a reservation from the configuration in force, as config.apply would. Repeat the "
     "call "
     "while complete is false.",
     CHANGED},
    METHODS_TABLE_END,
};
