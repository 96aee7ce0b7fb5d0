/* Field tables as JSON Schema (2020-12), for editors and rpc.discover. Without recursion: a list of
 * nodes still to be filled. Control core only. */
#include <string.h>

#include "rpc/field.h"

enum {
    PENDING_MAX = 256 /* rows waiting at one moment: siblings times depth */
};

/* A schema object that is in the tree already and still empty. */
struct pending {
    const struct field *row;
    json_t *node;
};

struct build {
    struct pending pending[PENDING_MAX];
    unsigned count;
    bool failed;
};

static const char *const schema_types[FIELD_TYPE_COUNT] = {
    [FIELD_BOOL] = "boolean",   [FIELD_INTEGER] = "integer", [FIELD_STRING] = "string",
    [FIELD_ADDRESS] = "string", [FIELD_PREFIX] = "string",   [FIELD_RANGE] = "string",
    [FIELD_NAME] = "string",    [FIELD_HEX] = "string",      [FIELD_OCTETS] = "string",
    [FIELD_OBJECT] = "object",  [FIELD_ARRAY] = "array",     [FIELD_MAP] = "object",
    [FIELD_ANY] = NULL,
};

static const char *const schema_patterns[FIELD_TYPE_COUNT] = {
    [FIELD_PREFIX] = "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
    [FIELD_RANGE] = "^[0-9A-Fa-f:.]+(/[0-9]{1,3}|-[0-9A-Fa-f:.]+)$",
    [FIELD_NAME] = "^[A-Za-z0-9_-]{1,63}(\\.[A-Za-z0-9_-]{1,63})*\\.?$",
    [FIELD_HEX] = "^([0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*)?$",
    [FIELD_OCTETS] = "^(text:.*|([0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*)?)$",
};

static void set(struct build *build, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        build->failed = true;
    }
}

/* An empty schema node below object, to be filled later. */
static void node_add(struct build *build, json_t *object, const char *key, const struct field *row)
{
    json_t *node = json_object();

    set(build, object, key, node);
    if (node && !build->failed) {
        T6_ASSERT(build->count < PENDING_MAX);
        build->pending[build->count++] = (struct pending){row, node};
    }
}

static void fill_limits(struct build *build, json_t *node, const struct field *row)
{
    const char *low = NULL, *high = NULL;

    if (row->type == FIELD_INTEGER) {
        low = "minimum";
        high = "maximum";
    } else if (row->type == FIELD_STRING && !row->choices) {
        low = "minLength";
        high = "maxLength";
    } else if (row->type == FIELD_ARRAY) {
        low = "minItems";
        high = "maxItems";
    }
    if (low && (row->min != 0 || row->type == FIELD_INTEGER)) {
        set(build, node, low, json_integer(row->min));
    }
    if (high && row->max > 0) {
        set(build, node, high, json_integer(row->max));
    }
}

static void fill_object(struct build *build, json_t *node, const struct field *table)
{
    json_t *properties = json_object(), *required = json_array();

    set(build, node, "properties", properties);
    for (const struct field *row = table; row && row->type != FIELD_END; row++) {
        node_add(build, properties, row->name, row);
        if (row->required && json_array_append_new(required, json_string(row->name)) != 0) {
            build->failed = true;
        }
    }
    if (json_array_size(required) > 0) {
        set(build, node, "required", json_incref(required));
    }
    json_decref(required);
    set(build, node, "additionalProperties", json_false());
}

static void fill_type(struct build *build, json_t *node, const struct field *row)
{
    const char *type = schema_types[row->type];

    if (type && row->nullable) {
        set(build, node, "type", json_pack("[ss]", type, "null"));
    } else if (type) {
        set(build, node, "type", json_string(type));
    }
    if (row->type == FIELD_ADDRESS) {
        set(build, node, "format", json_string("ipv6"));
    }
    if (schema_patterns[row->type]) {
        set(build, node, "pattern", json_string(schema_patterns[row->type]));
    }
    if (row->choices) {
        json_t *choices = json_array();

        set(build, node, "enum", choices);
        for (unsigned i = 0; row->choices[i]; i++) {
            build->failed |= json_array_append_new(choices, json_string(row->choices[i])) != 0;
        }
    }
}

static void fill(struct build *build, json_t *node, const struct field *row)
{
    fill_type(build, node, row);
    fill_limits(build, node, row);
    if (row->help) {
        set(build, node, "description", json_string(row->help));
    }
    if (row->fallback) {
        set(build, node, "default", json_loads(row->fallback, JSON_DECODE_ANY, NULL));
    }
    if (row->type == FIELD_OBJECT) {
        fill_object(build, node, row->children);
    } else if (row->type == FIELD_ARRAY) {
        node_add(build, node, "items", row->children);
    } else if (row->type == FIELD_MAP) {
        node_add(build, node, "additionalProperties", row->children);
    }
}

json_t *field_schema(const struct field *table)
{
    struct build build = {.count = 0};
    json_t *root = json_object();

    if (!root) {
        return NULL;
    }
    set(&build, root, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    set(&build, root, "type", json_string("object"));
    fill_object(&build, root, table);
    while (build.count > 0 && !build.failed) {
        struct pending next = build.pending[--build.count];

        fill(&build, next.node, next.row);
    }
    if (build.failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}
