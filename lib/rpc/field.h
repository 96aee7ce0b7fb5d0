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
#include "base/units.h"

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
    FIELD_OCTETS,  /* as FIELD_HEX, or "text:" and the octets themselves; size min..max */
    FIELD_OBJECT,  /* children */
    FIELD_ARRAY,   /* items: children[0] describes each; count min..max */
    FIELD_MAP,     /* object with free member names; children[0] describes each value */
    FIELD_ANY,     /* checked elsewhere */
    FIELD_TYPE_COUNT,
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

/* What a row's values must look like ("a whole number from 1 to 8"), for messages and manuals. */
void field_describe(const struct field *row, char *buf, size_t buf_size);

/* The row of a table by name, or NULL. */
const struct field *field_find(const struct field *table, const char *name);

/* The text forms. All return false for anything malformed. */
bool field_address_read(const char *text, struct ip6 *ret_address);
bool field_prefix_read(const char *text, struct ip6 *ret_prefix, uint8_t *ret_length);
bool field_range_read(const char *text, struct ip6 *ret_first, struct ip6 *ret_last);
/* allow_text: FIELD_OCTETS. False also when the octets do not fit buf_size. */
bool field_octets_read(const char *text, bool allow_text, uint8_t *buf, size_t buf_size,
                       size_t *ret_size);
/* True for a host-like DNS name: labels of 1..63 letters, digits, '-' and '_', at most 255 octets
 * on the wire (RFC 1035 2.3.4); one final dot is allowed. */
bool field_name_valid(const char *text);

/* Address as text (RFC 5952). */
enum {
    FIELD_ADDRESS_TEXT_MAX = 46
};

void field_address_write(struct ip6 address, char buf[FIELD_ADDRESS_TEXT_MAX]);

/* JSON Schema (2020-12) of the object the table describes. New reference. */
json_t *field_schema(const struct field *table);

#endif
