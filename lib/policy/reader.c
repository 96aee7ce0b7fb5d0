/* Tools for reading a checked JSON document into plain data: mistakes told by pointer, values with
 * the table's defaults, names as references. Control core only. */
#include <stdarg.h>
#include <string.h>

#include "policy/internal.h"

struct pointer at(const char *format, ...)
{
    struct pointer pointer;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(pointer.text, sizeof(pointer.text), format, args);
    va_end(args);
    return pointer;
}

static void mistake_write(struct config_error *error, const char *pointer, const char *format,
                          va_list args)
{
    (void)snprintf(error->pointer, sizeof(error->pointer), "%s", pointer);
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
}

int fail(struct reader *reader, const char *pointer, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mistake_write(reader->error, pointer, format, args);
    va_end(args);
    return -EINVAL;
}

void warn(struct reader *reader, const char *pointer, const char *format, ...)
{
    va_list args;

    if (reader->config->warning_count == CONFIG_WARNINGS_MAX) {
        return; /* enough to be looked into */
    }
    va_start(args, format);
    mistake_write(&reader->warnings[reader->config->warning_count++], pointer, format, args);
    va_end(args);
}

/* The table's default of a row that was left out. */
static const char *fallback_of(const struct field *table, const char *name)
{
    const struct field *row = field_find(table, name);

    T6_ASSERT(row);
    return row->fallback;
}

uint64_t read_number(const struct field *table, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *fallback = fallback_of(table, name);

    if (value) {
        return (uint64_t)json_integer_value(value);
    }
    return fallback ? strtoull(fallback, NULL, 10) : 0;
}

bool read_flag(const struct field *table, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *fallback = fallback_of(table, name);

    return value ? json_is_true(value) : fallback && strcmp(fallback, "true") == 0;
}

int read_string(struct reader *reader, const struct field *table, const json_t *object,
                const char *name, const char **ret_text)
{
    const json_t *value = json_object_get(object, name);
    const char *fallback = fallback_of(table, name);
    char *copy;

    if (!value && !fallback) {
        *ret_text = NULL;
        return 0;
    }
    if (value) {
        copy = region_copy(reader->region, json_string_value(value), json_string_length(value));
    } else { /* the default is JSON text: "\"info\"" */
        copy = region_copy(reader->region, fallback + 1, strlen(fallback) - 2);
    }
    if (!copy) {
        return -ENOMEM;
    }
    *ret_text = copy;
    return 0;
}

int read_octets(struct reader *reader, const json_t *object, const char *name,
                struct span *ret_octets)
{
    const char *text = json_string_value(json_object_get(object, name));
    uint8_t octets[512];
    size_t size;
    char *copy;

    if (!text || !field_octets_read(text, true, octets, sizeof(octets), &size)) {
        *ret_octets = (struct span){NULL, 0};
        return 0;
    }
    copy = region_copy(reader->region, octets, size);
    if (!copy) {
        return -ENOMEM;
    }
    *ret_octets = (struct span){(const uint8_t *)copy, size};
    return 0;
}

struct ip6 read_address(const json_t *value)
{
    struct ip6 address = {0, 0};
    const char *text = json_string_value(value);

    if (text && !field_address_read(text, &address)) {
        return (struct ip6){0, 0};
    }
    return address;
}

static int name_compare(const void *a, const void *b)
{
    const struct name_ref *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

int names_sort(struct reader *reader, struct names *names,
               struct pointer (*place)(const struct reader *reader, unsigned index))
{
    const struct name_ref *second = NULL, *first = NULL;

    if (names->count == 0) {
        return 0;
    }
    qsort(names->refs, names->count, sizeof(names->refs[0]), name_compare);
    for (unsigned i = 1; i < names->count; i++) {
        if (strcmp(names->refs[i - 1].name, names->refs[i].name) == 0 &&
            (!second || names->refs[i].index < second->index)) {
            first = &names->refs[i - 1];
            second = &names->refs[i];
        }
    }
    if (!second) {
        return 0;
    }
    return fail(reader, place(reader, second->index).text,
                "\"%.64s\" stands at %.100s already; every name must be unique", second->name,
                place(reader, first->index).text);
}

int names_find(const struct names *names, const char *name)
{
    struct name_ref key = {name, 0};
    unsigned low = 0, high = names->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = strcmp(names->refs[middle].name, key.name);

        if (order == 0) {
            return (int)names->refs[middle].index;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

/* RFC 9915 21.4: neither may T1 exceed T2, nor should a client renew or rebind when its lifetime is
 * over already. Infinity needs no times. */
int read_lifetimes(struct reader *reader, const json_t *lifetimes, const char *base,
                   struct policy_lifetimes *ret_lifetimes)
{
    struct policy_lifetimes times = {
        .preferred_s = (uint32_t)read_number(schema_lifetimes, lifetimes, "preferred_s"),
        .valid_s = (uint32_t)read_number(schema_lifetimes, lifetimes, "valid_s"),
        .renew_s = (uint32_t)read_number(schema_lifetimes, lifetimes, "renew_s"),
        .rebind_s = (uint32_t)read_number(schema_lifetimes, lifetimes, "rebind_s"),
    };
    uint32_t rebind_s = times.rebind_s;

    if (times.preferred_s > times.valid_s) {
        return fail(reader, at("%s/preferred_s", base).text,
                    "%u is above valid_s %u; must be at most valid_s", times.preferred_s,
                    times.valid_s);
    }
    if (rebind_s > times.preferred_s) {
        return fail(reader, at("%s/rebind_s", base).text,
                    "%u is above preferred_s %u; must be at most preferred_s", rebind_s,
                    times.preferred_s);
    }
    if (rebind_s == 0) { /* RFC 9915 21.4: 0.8 of the preferred lifetime */
        rebind_s = times.preferred_s == LIFETIME_INFINITE
                       ? LIFETIME_INFINITE
                       : (uint32_t)((uint64_t)times.preferred_s * 4 / 5);
    }
    if (times.renew_s > rebind_s) {
        return fail(reader, at("%s/renew_s", base).text,
                    "%u is above rebind_s, %u%s; must be at most that", times.renew_s, rebind_s,
                    times.rebind_s ? "" : " by default");
    }
    *ret_lifetimes = times;
    return 0;
}
