/* One field-table language for the configuration file and for method parameters: a table says which
 * members an object has, of which type, in which range, and what they are for. The same rows check
 * values, name mistakes by JSON pointer, and become JSON Schema and reference text.
 * Control core only. */
#ifndef RPC_FIELD_H
#define RPC_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

enum field_type {
    FIELD_END = 0, /* last row of a table */
    FIELD_BOOL,
    FIELD_INTEGER, /* min..max */
    FIELD_STRING,  /* length min..max; choices if given */
    FIELD_ADDRESS, /* IPv6 address as text */
    FIELD_PREFIX,  /* IPv6 prefix as text, host bits zero */
    FIELD_RANGE,   /* "prefix/len" or "first-last" */
    FIELD_NAME,    /* DNS name as text */
    FIELD_HEX,     /* octets as hex digits, colons allowed; size min..max */
    FIELD_OBJECT,  /* children */
    FIELD_ARRAY,   /* items: children[0] describes each; count min..max */
    FIELD_MAP,     /* object with free member names; children[0] describes each value */
    FIELD_ANY,     /* checked elsewhere */
};

struct field {
    const char *name;
    enum field_type type;
    bool required;
    bool nullable;
    int64_t min, max;             /* range, or length, or count; max 0 = no limit */
    const char *fallback;         /* default as JSON text, NULL = none */
    const char *const *choices;   /* FIELD_STRING: NULL-terminated list */
    const struct field *children; /* OBJECT: table; ARRAY, MAP: one row */
    const char *help;             /* one sentence for people */
};

enum {
    FIELD_POINTER_MAX = 256,
    FIELD_TEXT_MAX = 256
};

struct field_error {
    char pointer[FIELD_POINTER_MAX]; /* JSON pointer (RFC 6901) of the wrong value */
    char text[FIELD_TEXT_MAX];       /* what is wrong and what would be right */
};

/* Checks an object against a table; unknown members are errors. 0 or -EINVAL with the first mistake
 * in document order told; value NULL counts as an empty object. */
int field_check(const struct field *table, const json_t *value,
                struct field_error *ret_error) MUST_CHECK;

/* JSON Schema (2020-12) of the object the table describes. New reference. */
json_t *field_schema(const struct field *table);

#endif
