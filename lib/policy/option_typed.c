/* Typed data of custom options and vendor sub-options, and DNS names on the wire. Control core
 * only.
 */
#include <string.h>

#include "policy/options.h"

/* A valid name as labels with the root label behind (RFC 1035 3.1; never compressed, RFC 9915 10).
 */
void option_name_write(struct wire_out *out, const char *name)
{
    while (*name) {
        size_t size = strcspn(name, ".");

        wire_out_u8(out, (uint8_t)size);
        wire_out_bytes(out, name, size);
        name += size + (name[size] == '.');
    }
    wire_out_u8(out, 0);
}

static int typed_addresses(struct option_build *build, const json_t *value)
{
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        struct ip6 address;

        if (!json_is_string(item) || !field_address_read(json_string_value(item), &address)) {
            return -EINVAL;
        }
        wire_out_ip6(&build->out, address);
    }
    return json_array_size(value) > 0 ? 0 : -EINVAL;
}

static int typed_names(struct option_build *build, const json_t *value)
{
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        if (!json_is_string(item) || !field_name_valid(json_string_value(item))) {
            return -EINVAL;
        }
        option_name_write(&build->out, json_string_value(item));
    }
    return json_array_size(value) > 0 ? 0 : -EINVAL;
}

static int typed_integer(struct option_build *build, const json_t *value, unsigned size)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number >> (8 * size) != 0) {
        return -EINVAL;
    }
    for (unsigned i = size; i > 0; i--) {
        wire_out_u8(&build->out, (uint8_t)(number >> (8 * (i - 1))));
    }
    return 0;
}

static int typed_u8(struct option_build *build, const json_t *value)
{
    return typed_integer(build, value, 1);
}

static int typed_u16(struct option_build *build, const json_t *value)
{
    return typed_integer(build, value, 2);
}

static int typed_u32(struct option_build *build, const json_t *value)
{
    return typed_integer(build, value, 4);
}

static int typed_string(struct option_build *build, const json_t *value)
{
    if (!json_is_string(value)) {
        return -EINVAL;
    }
    wire_out_bytes(&build->out, json_string_value(value), json_string_length(value));
    return 0;
}

static int typed_hex(struct option_build *build, const json_t *value)
{
    uint8_t octets[OPTION_SIZE_MAX];
    size_t size;

    if (!json_is_string(value) ||
        !field_octets_read(json_string_value(value), false, octets, sizeof(octets), &size)) {
        return -EINVAL;
    }
    wire_out_bytes(&build->out, octets, size);
    return 0;
}

static int typed_empty(struct option_build *build, const json_t *value)
{
    (void)build;
    return value ? -EINVAL : 0;
}

static const struct typed_row {
    const char *type;
    int (*write)(struct option_build *build, const json_t *value);
    const char *want;
} typed_rows[] = {
    {"addresses", typed_addresses, "an array of IPv6 addresses"},
    {"names", typed_names, "an array of DNS names"},
    {"uint8", typed_u8, "an integer from 0 to 255"},
    {"uint16", typed_u16, "an integer from 0 to 65535"},
    {"uint32", typed_u32, "an integer from 0 to 4294967295"},
    {"string", typed_string, "a string"},
    {"hex", typed_hex, "octets in hex such as \"01:ab\", at most 1200"},
    {"empty", typed_empty, "left out"},
};

int option_typed_write(struct option_build *build, const json_t *object, const char *base)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    const json_t *value = json_object_get(object, "value");

    for (size_t i = 0; i < sizeof(typed_rows) / sizeof(typed_rows[0]); i++) {
        if (strcmp(type, typed_rows[i].type) == 0) {
            if (typed_rows[i].write(build, value)) {
                return fail(build->reader, at("%s/value", base).text, "must be %s for type \"%s\"",
                            typed_rows[i].want, type);
            }
            return 0;
        }
    }
    return -EINVAL; /* the table permits the types above only */
}
