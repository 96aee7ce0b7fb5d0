/* Checks JSON values against field tables, without recursion: one frame per open object or array.
 * Knows nothing of what the values mean. Called by the configuration reader and by the RPC
 * dispatcher, on the control core. */
#include "rpc/field.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    DEPTH_MAX = 16,   /* nesting of tables, not of documents: our own tables are 7 deep */
    OCTETS_MAX = 4096 /* longest value of FIELD_HEX and FIELD_OCTETS */
};

/* One open container. OBJECT: rows is its table; ARRAY and MAP: rows[0] describes every item. */
struct frame {
    enum field_type type;
    const struct field *rows;
    json_t *value;
    void *iter;         /* OBJECT, MAP: next member */
    size_t index;       /* ARRAY: next item */
    size_t pointer_len; /* of this container's own pointer */
};

struct check {
    struct frame stack[DEPTH_MAX];
    unsigned depth;
    struct field_error error; /* pointer: where we are */
};

const struct field *field_find(const struct field *table, const char *name)
{
    for (; table && table->type != FIELD_END; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

/* Appends printf-like to a text that may be full already. */
__attribute__((format(printf, 3, 4))) static void text_add(char *buf, size_t buf_size,
                                                           const char *format, ...)
{
    size_t len = strlen(buf);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(buf + len, buf_size - len, format, args);
    va_end(args);
}

static const char *const type_words[FIELD_TYPE_COUNT] = {
    [FIELD_BOOL] = "true or false",
    [FIELD_INTEGER] = "a whole number",
    [FIELD_STRING] = "a string",
    [FIELD_ADDRESS] = "an IPv6 address such as \"2001:db8::1\"",
    [FIELD_PREFIX] = "an IPv6 prefix such as \"2001:db8::/32\", no bits set after the length",
    [FIELD_RANGE] = "a range such as \"2001:db8::/64\" or \"2001:db8::10-2001:db8::20\"",
    [FIELD_NAME] = "a DNS name such as \"ns.example.org\"",
    [FIELD_HEX] = "octets in hex such as \"00:01:ab\" or \"0001ab\"",
    [FIELD_OCTETS] = "octets in hex such as \"00:01:ab\", or \"text:\" and plain text",
    [FIELD_OBJECT] = "an object {}",
    [FIELD_ARRAY] = "an array []",
    [FIELD_MAP] = "an object {} with names of your own",
    [FIELD_ANY] = "a value",
};

/* "from 1 to 8", "of at least 1 octets" and so on. */
static void describe_limits(const struct field *row, const char *of, const char *unit, char *buf,
                            size_t buf_size)
{
    if (row->max > 0 && row->min == row->max) {
        text_add(buf, buf_size, "%s%" PRId64 "%s", of, row->min, unit);
    } else if (row->max > 0) {
        text_add(buf, buf_size, "%s%" PRId64 " to %" PRId64 "%s", of, row->min, row->max, unit);
    } else if (row->min != 0) {
        text_add(buf, buf_size, "%sat least %" PRId64 "%s", of, row->min, unit);
    }
}

void field_describe(const struct field *row, char *buf, size_t buf_size)
{
    buf[0] = 0;
    if (row->type == FIELD_STRING && row->choices) {
        text_add(buf, buf_size, "one of");
        for (unsigned i = 0; row->choices[i]; i++) {
            text_add(buf, buf_size, "%s \"%s\"", i ? "," : "", row->choices[i]);
        }
    } else {
        T6_ASSERT((size_t)row->type < sizeof(type_words) / sizeof(type_words[0]));
        text_add(buf, buf_size, "%s", type_words[row->type]);
        if (row->type == FIELD_INTEGER) {
            describe_limits(row, row->max > 0 ? " from " : ", ", "", buf, buf_size);
        } else if (row->type == FIELD_STRING) {
            describe_limits(row, " of ", " characters", buf, buf_size);
        } else if (row->type == FIELD_HEX || row->type == FIELD_OCTETS) {
            describe_limits(row, ", ", " octets", buf, buf_size);
        } else if (row->type == FIELD_ARRAY) {
            describe_limits(row, " of ", " items", buf, buf_size);
        }
    }
    if (row->nullable) {
        text_add(buf, buf_size, ", or null");
    }
}

/* The wrong value as it should be quoted in a message. */
static void value_quote(const json_t *value, char *buf, size_t buf_size)
{
    char *text;

    if (json_is_object(value)) {
        (void)snprintf(buf, buf_size, "an object");
        return;
    }
    if (json_is_array(value)) {
        (void)snprintf(buf, buf_size, "an array of %zu", json_array_size(value));
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    (void)snprintf(buf, buf_size, "%.60s%s", text ? text : "that",
                   text && strlen(text) > 60 ? "..." : "");
    free(text);
}

static int refuse(struct check *check, const struct field *row, const json_t *value)
{
    char want[192], got[72];

    field_describe(row, want, sizeof(want));
    value_quote(value, got, sizeof(got));
    check->error.text[0] = 0;
    text_add(check->error.text, sizeof(check->error.text), "must be %s, not %s", want, got);
    return -EINVAL;
}

static bool size_in_limits(const struct field *row, size_t size)
{
    return size <= INT64_MAX && (int64_t)size >= row->min &&
           (row->max == 0 || (int64_t)size <= row->max);
}

static bool integer_valid(const struct field *row, const json_t *value)
{
    json_int_t number = json_integer_value(value);

    return json_is_integer(value) && number >= row->min && (row->max == 0 || number <= row->max);
}

static bool choice_valid(const struct field *row, const char *text)
{
    for (unsigned i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool octets_valid(const struct field *row, const char *text)
{
    uint8_t octets[OCTETS_MAX];
    size_t size;

    return field_octets_read(text, row->type == FIELD_OCTETS, octets, sizeof(octets), &size) &&
           size_in_limits(row, size);
}

static bool text_valid(const struct field *row, const json_t *value)
{
    const char *text = json_string_value(value);
    struct ip6 first, last;
    uint8_t length;

    /* Text with an inner NUL is nothing that C code could carry on. */
    if (!text || strlen(text) != json_string_length(value)) {
        return false;
    }
    switch (row->type) {
    case FIELD_STRING:
        return row->choices ? choice_valid(row, text) : size_in_limits(row, strlen(text));
    case FIELD_ADDRESS:
        return field_address_read(text, &first);
    case FIELD_PREFIX:
        return field_prefix_read(text, &first, &length);
    case FIELD_RANGE:
        return field_range_read(text, &first, &last);
    case FIELD_NAME:
        return field_name_valid(text);
    case FIELD_HEX:
    case FIELD_OCTETS:
        return octets_valid(row, text);
    case FIELD_END:
    case FIELD_BOOL:
    case FIELD_INTEGER:
    case FIELD_OBJECT:
    case FIELD_ARRAY:
    case FIELD_MAP:
    case FIELD_ANY:
    case FIELD_TYPE_COUNT:
        break;
    }
    return false;
}

static bool value_valid(const struct field *row, const json_t *value)
{
    switch (row->type) {
    case FIELD_BOOL:
        return json_is_boolean(value);
    case FIELD_INTEGER:
        return integer_valid(row, value);
    case FIELD_STRING:
    case FIELD_ADDRESS:
    case FIELD_PREFIX:
    case FIELD_RANGE:
    case FIELD_NAME:
    case FIELD_HEX:
    case FIELD_OCTETS:
        return text_valid(row, value);
    case FIELD_OBJECT:
    case FIELD_MAP:
        return json_is_object(value);
    case FIELD_ARRAY:
        return json_is_array(value) && size_in_limits(row, json_array_size(value));
    case FIELD_ANY:
        return true;
    case FIELD_END:
    case FIELD_TYPE_COUNT:
        break;
    }
    return false;
}

/* Sets the current pointer to base_len characters of itself and one more token (RFC 6901 3). */
static void pointer_set(struct check *check, size_t base_len, const char *token)
{
    char *pointer = check->error.pointer;
    size_t len = base_len;

    pointer[len] = 0;
    text_add(pointer, FIELD_POINTER_MAX, "/");
    for (len = strlen(pointer); *token && len + 2 < FIELD_POINTER_MAX; token++) {
        if (*token == '~' || *token == '/') {
            pointer[len++] = '~';
            pointer[len++] = *token == '~' ? '0' : '1';
        } else {
            pointer[len++] = *token;
        }
    }
    pointer[len] = 0;
}

static void push(struct check *check, const struct field *row, const struct field *rows,
                 const json_t *value)
{
    struct frame *frame;

    T6_ASSERT(check->depth < DEPTH_MAX);
    frame = &check->stack[check->depth++];
    *frame = (struct frame){.type = row ? row->type : FIELD_OBJECT,
                            .rows = rows,
                            /* Jansson's iterators want a mutable object; nothing changes it. */
                            .value = (json_t *)(uintptr_t)value,
                            .pointer_len = strlen(check->error.pointer)};
    if (frame->type != FIELD_ARRAY) {
        frame->iter = json_object_iter(frame->value);
    }
}

/* The next item of the frame; false at its end. *ret_row is NULL for an unknown member. */
static bool frame_next(struct check *check, struct frame *frame, const struct field **ret_row,
                       const json_t **ret_value)
{
    if (frame->type == FIELD_ARRAY) {
        char token[24];

        if (frame->index >= json_array_size(frame->value)) {
            return false;
        }
        (void)snprintf(token, sizeof(token), "%zu", frame->index);
        pointer_set(check, frame->pointer_len, token);
        *ret_value = json_array_get(frame->value, frame->index++);
        *ret_row = frame->rows;
        return true;
    }
    if (!frame->iter) {
        return false;
    }
    pointer_set(check, frame->pointer_len, json_object_iter_key(frame->iter));
    *ret_value = json_object_iter_value(frame->iter);
    *ret_row = frame->type == FIELD_MAP
                   ? frame->rows
                   : field_find(frame->rows, json_object_iter_key(frame->iter));
    frame->iter = json_object_iter_next(frame->value, frame->iter);
    return true;
}

static int refuse_unknown(struct check *check, const struct frame *frame)
{
    char *text = check->error.text;

    (void)snprintf(text, FIELD_TEXT_MAX, "is not known here; known are");
    for (const struct field *row = frame->rows; row && row->type != FIELD_END; row++) {
        text_add(text, FIELD_TEXT_MAX, "%s %s", row == frame->rows ? "" : ",", row->name);
    }
    return -EINVAL;
}

static int check_missing(struct check *check, const struct frame *frame)
{
    for (const struct field *row = frame->rows; row && row->type != FIELD_END; row++) {
        if (row->required && !json_object_get(frame->value, row->name)) {
            char want[128];

            field_describe(row, want, sizeof(want));
            pointer_set(check, frame->pointer_len, row->name);
            check->error.text[0] = 0;
            text_add(check->error.text, FIELD_TEXT_MAX, "is missing; must be %s: %s", want,
                     row->help ? row->help : "");
            return -EINVAL;
        }
    }
    return 0;
}

/* Everything below the pushed root. */
static int check_run(struct check *check)
{
    while (check->depth > 0) {
        struct frame *frame = &check->stack[check->depth - 1];
        const struct field *row;
        const json_t *value;

        if (!frame_next(check, frame, &row, &value)) {
            if (frame->type == FIELD_OBJECT && check_missing(check, frame)) {
                return -EINVAL;
            }
            check->depth--;
            continue;
        }
        if (!row) {
            return refuse_unknown(check, frame);
        }
        if (row->nullable && json_is_null(value)) {
            continue;
        }
        if (!value_valid(row, value)) {
            return refuse(check, row, value);
        }
        if (row->type == FIELD_OBJECT || row->type == FIELD_ARRAY || row->type == FIELD_MAP) {
            push(check, row, row->children, value);
        }
    }
    return 0;
}

int field_check(const struct field *table, const json_t *value, struct field_error *ret_error)
{
    static const struct field root = {.type = FIELD_OBJECT};
    struct check check;
    int err;

    check.depth = 0;
    check.error = (struct field_error){{0}, {0}};
    if (value && !json_is_object(value)) {
        err = refuse(&check, &root, value);
    } else {
        push(&check, NULL, table, value);
        err = check_run(&check);
    }
    if (err) {
        *ret_error = check.error;
    }
    return err;
}
