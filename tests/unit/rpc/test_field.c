/* Field tables: what they accept, what they say of mistakes, the schema they become; and the text
 * forms of addresses, prefixes, ranges and octets. */
#include <stdlib.h>

#include "check.h"
#include "rpc/field.h"

static const char *const colours[] = {"red", "blue", NULL};
static const struct field number_item[] = {{.name = "item", .type = FIELD_INTEGER, .max = 9}};
static const struct field inner[] = {
    {.name = "deep", .type = FIELD_BOOL, .required = true, .help = "A flag."},
    {.type = FIELD_END},
};
static const struct field inner_item[] = {
    {.name = "item", .type = FIELD_OBJECT, .children = inner}};
static const struct field table[] = {
    {.name = "flag", .type = FIELD_BOOL, .fallback = "true", .help = "H1."},
    {.name = "count", .type = FIELD_INTEGER, .min = 1, .max = 8, .required = true, .help = "H2."},
    {.name = "word", .type = FIELD_STRING, .min = 2, .max = 4},
    {.name = "colour", .type = FIELD_STRING, .choices = colours},
    {.name = "address", .type = FIELD_ADDRESS},
    {.name = "prefix", .type = FIELD_PREFIX},
    {.name = "range", .type = FIELD_RANGE},
    {.name = "host", .type = FIELD_NAME},
    {.name = "hex", .type = FIELD_HEX, .min = 1, .max = 3},
    {.name = "octets", .type = FIELD_OCTETS, .min = 1},
    {.name = "object", .type = FIELD_OBJECT, .children = inner, .nullable = true},
    {.name = "array", .type = FIELD_ARRAY, .min = 1, .max = 3, .children = number_item},
    {.name = "objects", .type = FIELD_ARRAY, .children = inner_item},
    {.name = "map", .type = FIELD_MAP, .children = inner_item},
    {.name = "any", .type = FIELD_ANY},
    {.type = FIELD_END},
};

static const struct sample {
    const char *json;
    const char *pointer; /* NULL: right */
    const char *text;
} samples[] = {
    {"{\"count\": 1}", NULL, NULL},
    {"{\"count\": 8, \"flag\": false, \"word\": \"ab\", \"colour\": \"red\"}", NULL, NULL},
    {"{\"count\": 1, \"address\": \"::1\", \"prefix\": \"2001:db8::/32\", \"range\": \"::/0\"}",
     NULL, NULL},
    {"{\"count\": 1, \"host\": \"a-b.c_d.\", \"hex\": \"0A:0b\", \"octets\": \"text:x y\"}", NULL,
     NULL},
    {"{\"count\": 1, \"object\": null, \"array\": [0, 9], \"any\": [{\"x\": null}]}", NULL, NULL},
    {"{\"count\": 1, \"map\": {\"a/b\": {\"deep\": true}, \"\": {\"deep\": false}}}", NULL, NULL},
    {"{}", "/count", "is missing; must be a whole number from 1 to 8: H2."},
    {"[]", "", "must be an object {}, not an array of 0"},
    {"{\"count\": 0}", "/count", "must be a whole number from 1 to 8, not 0"},
    {"{\"count\": 9}", "/count", "not 9"},
    {"{\"count\": 1.0}", "/count", "whole number"},
    {"{\"count\": true}", "/count", "not true"},
    {"{\"count\": 1, \"flag\": 0}", "/flag", "must be true or false, not 0"},
    {"{\"count\": 1, \"word\": \"a\"}", "/word", "of 2 to 4 characters, not \"a\""},
    {"{\"count\": 1, \"word\": \"abcde\"}", "/word", "not \"abcde\""},
    {"{\"count\": 1, \"colour\": \"green\"}", "/colour", "one of \"red\", \"blue\", not \"green\""},
    {"{\"count\": 1, \"address\": \"1.2.3.4\"}", "/address", "IPv6 address"},
    {"{\"count\": 1, \"prefix\": \"::1/64\"}", "/prefix", "no bits set"},
    {"{\"count\": 1, \"range\": \"::\"}", "/range", "must be a range"},
    {"{\"count\": 1, \"host\": \"a b\"}", "/host", "DNS name"},
    {"{\"count\": 1, \"hex\": \"\"}", "/hex", "1 to 3 octets"},
    {"{\"count\": 1, \"hex\": \"00010203\"}", "/hex", "1 to 3 octets"},
    {"{\"count\": 1, \"hex\": \"text:a\"}", "/hex", "in hex"},
    {"{\"count\": 1, \"octets\": \"text:\"}", "/octets", "at least 1 octets"},
    {"{\"count\": 1, \"object\": {}}", "/object/deep", "is missing"},
    {"{\"count\": 1, \"array\": []}", "/array", "of 1 to 3 items, not an array of 0"},
    {"{\"count\": 1, \"array\": [1, 2, 10]}", "/array/2", "not 10"},
    {"{\"count\": 1, \"objects\": [{\"deep\": true}, {\"deep\": 1}]}", "/objects/1/deep", "not 1"},
    {"{\"count\": 1, \"objects\": [null]}", "/objects/0", "must be an object {}, not null"},
    {"{\"count\": 1, \"map\": {\"a/b~\": {\"deep\": 3}}}", "/map/a~1b~0/deep", "not 3"},
    {"{\"count\": 1, \"more\": 3}", "/more", "is not known here; known are flag, count"},
    /* The first mistake in document order; what is missing comes when the object ends. */
    {"{\"word\": \"\", \"flag\": 1}", "/word", "characters"},
    {"{\"objects\": [{}], \"flag\": 1}", "/objects/0/deep", "is missing"},
};

static void checked(void)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *sample = &samples[i];
        struct field_error error = {{0}, {0}};
        json_t *value = json_loads(sample->json, 0, NULL);
        int err = field_check(table, value, &error);

        CHECK(value);
        if (err != (sample->pointer ? -EINVAL : 0) ||
            (sample->pointer &&
             (strcmp(error.pointer, sample->pointer) != 0 || !strstr(error.text, sample->text)))) {
            printf("sample %zu: %d %s: %s\n", i, err, error.pointer, error.text);
            check_failures++;
        }
        json_decref(value);
    }
}

static void null_is_an_empty_object(void)
{
    static const struct field optional[] = {{.name = "a", .type = FIELD_BOOL}, {.type = FIELD_END}};
    struct field_error error = {{0}, {0}};

    CHECK_EQ(field_check(optional, NULL, &error), 0);
    CHECK_EQ(field_check(table, NULL, &error), -EINVAL);
    CHECK_STR(error.pointer, "/count");
}

/* Names and values longer than the message are cut, not overrun. */
static void long_names_are_cut(void)
{
    struct field_error error = {{0}, {0}};
    char name[1000];
    json_t *value = json_object();

    memset(name, '~', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    json_object_set_new(value, name, json_string(name));
    CHECK_EQ(field_check(table, value, &error), -EINVAL);
    CHECK(strlen(error.pointer) > 200 && strlen(error.pointer) < sizeof(error.pointer));
    CHECK(strlen(error.text) < sizeof(error.text));
    json_object_clear(value);
    json_object_set_new(value, "word", json_string(name));
    CHECK_EQ(field_check(table, value, &error), -EINVAL);
    CHECK(strstr(error.text, "..."));
    json_decref(value);
}

static const struct form {
    const char *text;
    bool prefix, range; /* accepted as */
    uint64_t first_hi, last_hi;
} forms[] = {
    {"2001:db8::/32", true, true, 0x20010db800000000, 0x20010db8ffffffff},
    {"::/0", true, true, 0, UINT64_MAX},
    {"2001:db8::1/128", true, true, 0x20010db800000000, 0x20010db800000000},
    {"2001:db8::-2001:db8:1::", false, true, 0x20010db800000000, 0x20010db800010000},
    {"2001:db8::1/64", false, false, 0, 0},
    {"2001:db8::/129", false, false, 0, 0},
    {"2001:db8::/", false, false, 0, 0},
    {"2001:db8::/064", false, false, 0, 0},
    {"2001:db8::/6x", false, false, 0, 0},
    {"2001:db8::/+4", false, false, 0, 0},
    {"/64", false, false, 0, 0},
    {"2001:db8::2-2001:db8::1", false, false, 0, 0},
    {"2001:db8::2-", false, false, 0, 0},
    {"-2001:db8::2", false, false, 0, 0},
    {"", false, false, 0, 0},
};

static void ranges_read(void)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct ip6 first = {0, 0}, last = {0, 0};
        uint8_t length;

        CHECK_EQ(field_prefix_read(forms[i].text, &first, &length), forms[i].prefix);
        CHECK_EQ(field_range_read(forms[i].text, &first, &last), forms[i].range);
        CHECK(first.hi == forms[i].first_hi && last.hi == forms[i].last_hi);
    }
}

static void octets_read(void)
{
    uint8_t buf[4];
    size_t size = 99;

    CHECK(field_octets_read("00:ff:Ab", false, buf, sizeof(buf), &size));
    CHECK_EQ(size, 3);
    CHECK_MEM(buf, "\x00\xff\xab", 3);
    CHECK(field_octets_read("", false, buf, sizeof(buf), &size) && size == 0);
    CHECK(field_octets_read("01020304", false, buf, sizeof(buf), &size) && size == 4);
    CHECK(!field_octets_read("0102030405", false, buf, sizeof(buf), &size));
    CHECK(!field_octets_read("0", false, buf, sizeof(buf), &size));
    CHECK(!field_octets_read(":00", false, buf, sizeof(buf), &size));
    CHECK(!field_octets_read("00:", false, buf, sizeof(buf), &size));
    CHECK(!field_octets_read("00::01", false, buf, sizeof(buf), &size));
    CHECK(!field_octets_read("0x00", false, buf, sizeof(buf), &size));
    CHECK(field_octets_read("text:ab:c", true, buf, sizeof(buf), &size) && size == 4);
    CHECK_MEM(buf, "ab:c", 4);
    CHECK(!field_octets_read("text:abcde", true, buf, sizeof(buf), &size));
    CHECK(!field_octets_read("text:a", false, buf, sizeof(buf), &size));
}

static void names_judged(void)
{
    char name[300];

    CHECK(field_name_valid("a") && field_name_valid("a.b.") && field_name_valid("_x.-y"));
    CHECK(!field_name_valid("") && !field_name_valid(".") && !field_name_valid(".a"));
    CHECK(!field_name_valid("a..b") && !field_name_valid("a..") && !field_name_valid("a\xc3\xa4"));
    memset(name, 'a', sizeof(name));
    name[63] = 0;
    CHECK(field_name_valid(name));
    name[63] = 'a';
    name[64] = 0;
    CHECK(!field_name_valid(name));
    /* 253 characters are 255 octets on the wire, one more is too many (RFC 1035 2.3.4). */
    memset(name, 'a', sizeof(name));
    name[50] = name[100] = name[150] = name[200] = '.';
    name[253] = 0;
    CHECK(field_name_valid(name));
    name[253] = 'a';
    name[254] = 0;
    CHECK(!field_name_valid(name));
}

static void addresses_written(void)
{
    char text[FIELD_ADDRESS_TEXT_MAX];
    struct ip6 back = {0, 0};

    field_address_write((struct ip6){0x20010db800000000, 0x53}, text);
    CHECK_STR(text, "2001:db8::53");
    field_address_write((struct ip6){UINT64_MAX, UINT64_MAX}, text);
    CHECK(field_address_read(text, &back) && ip6_equal(back, (struct ip6){UINT64_MAX, UINT64_MAX}));
    CHECK(!field_address_read("2001:db8::53%eth0", &back));
}

static void schema_made(void)
{
    json_t *schema = field_schema(table);
    json_t *count, *object, *item;

    CHECK(schema);
    count = json_object_get(json_object_get(schema, "properties"), "count");
    object = json_object_get(json_object_get(schema, "properties"), "object");
    item =
        json_object_get(json_object_get(json_object_get(schema, "properties"), "objects"), "items");
    CHECK(strstr(json_string_value(json_object_get(schema, "$schema")), "2020-12"));
    CHECK_STR(json_string_value(json_array_get(json_object_get(schema, "required"), 0)), "count");
    CHECK_EQ(json_array_size(json_object_get(schema, "required")), 1);
    CHECK(json_is_false(json_object_get(schema, "additionalProperties")));
    CHECK_EQ(json_object_size(json_object_get(schema, "properties")), 15);
    CHECK_STR(json_string_value(json_object_get(count, "type")), "integer");
    CHECK_EQ(json_integer_value(json_object_get(count, "minimum")), 1);
    CHECK_EQ(json_integer_value(json_object_get(count, "maximum")), 8);
    CHECK_STR(json_string_value(json_object_get(count, "description")), "H2.");
    CHECK_EQ(json_array_size(json_object_get(object, "type")), 2);
    CHECK(json_object_get(json_object_get(item, "properties"), "deep"));
    json_decref(schema);
}

static const struct check_test tests[] = {
    {"checked", checked},
    {"null_is_an_empty_object", null_is_an_empty_object},
    {"long_names_are_cut", long_names_are_cut},
    {"ranges_read", ranges_read},
    {"octets_read", octets_read},
    {"names_judged", names_judged},
    {"addresses_written", addresses_written},
    {"schema_made", schema_made},
};

CHECK_MAIN(tests)
