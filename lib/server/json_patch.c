#include "server/json_patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_MAX = 256
};

/* One reference token of a JSON pointer (RFC 6901 4) behind *at; false when malformed. */
static bool token_read(const char **at, char token[TOKEN_MAX])
{
    const char *p = *at;
    size_t size = 0;

    if (*p++ != '/') {
        return false;
    }
    for (; *p && *p != '/' && size < TOKEN_MAX - 1; p++) {
        token[size] = *p;
        if (*p == '~') {
            p++;
            if (*p != '0' && *p != '1') {
                return false;
            }
            token[size] = *p == '0' ? '~' : '/';
        }
        size++;
    }
    token[size] = '\0';
    *at = p;
    return *p == '\0' || *p == '/';
}

/* An index as RFC 6901 4 writes it: no sign, no leading zero. */
static bool index_read(const char *token, size_t *ret_index)
{
    char *end;

    if (token[0] < '0' || token[0] > '9' || (token[0] == '0' && token[1])) {
        return false;
    }
    *ret_index = strtoul(token, &end, 10);
    return *end == '\0';
}

static json_t *child_find(json_t *value, const char *token)
{
    size_t index;

    if (json_is_array(value)) {
        return index_read(token, &index) ? json_array_get(value, index) : NULL;
    }
    return json_object_get(value, token);
}

json_t *json_pointer_find(json_t *value, const char *pointer)
{
    char token[TOKEN_MAX];

    for (unsigned depth = 0; *pointer && value && depth < JSON_PATCH_DEPTH_MAX; depth++) {
        value = token_read(&pointer, token) ? child_find(value, token) : NULL;
    }
    return *pointer ? NULL : value;
}

/* The value that holds the pointer's last token, and that token. The pointer is not "". */
static json_t *parent_find(json_t *value, const char *pointer, char token[TOKEN_MAX])
{
    for (unsigned depth = 0; value && depth < JSON_PATCH_DEPTH_MAX; depth++) {
        if (!token_read(&pointer, token)) {
            return NULL;
        }
        if (*pointer == '\0') {
            return value;
        }
        value = child_find(value, token);
    }
    return NULL;
}

/* Puts value (taken) at the pointer: over what is there (replace), or as a new member or item. */
static bool value_put(json_t **document, const char *pointer, json_t *value, bool replace)
{
    char token[TOKEN_MAX];
    json_t *parent;
    size_t index;

    if (*pointer == '\0') {
        json_decref(*document);
        *document = value;
        return true;
    }
    parent = parent_find(*document, pointer, token);
    if (replace && (parent == NULL || child_find(parent, token) == NULL)) {
        json_decref(value);
        return false;
    }
    if (json_is_object(parent)) {
        return json_object_set_new(parent, token, value) == 0;
    }
    if (json_is_array(parent) && strcmp(token, "-") == 0) {
        return json_array_append_new(parent, value) == 0;
    }
    if (!json_is_array(parent) || !index_read(token, &index)) {
        json_decref(value);
        return false;
    }
    return (replace ? json_array_set_new(parent, index, value)
                    : json_array_insert_new(parent, index, value)) == 0;
}

static bool value_remove(json_t *document, const char *pointer)
{
    char token[TOKEN_MAX];
    json_t *parent = *pointer ? parent_find(document, pointer, token) : NULL;
    size_t index;

    if (json_is_array(parent)) {
        return index_read(token, &index) && json_array_remove(parent, index) == 0;
    }
    return parent && json_object_del(parent, token) == 0;
}

/* A value must not become its own part (RFC 6902 4.4). */
static bool is_inside(const char *path, const char *from)
{
    size_t size = strlen(from);

    return strncmp(path, from, size) == 0 && path[size] == '/';
}

/* What is wrong with the operation, NULL: done. */
static const char *operation_apply(json_t **document, const json_t *operation)
{
    const char *op = json_string_value(json_object_get(operation, "op"));
    const char *path = json_string_value(json_object_get(operation, "path"));
    const char *from = json_string_value(json_object_get(operation, "from"));
    json_t *value = json_object_get(operation, "value"), *source;
    bool removes, moves;

    if (op == NULL || path == NULL) {
        return "an operation has the texts \"op\" and \"path\"";
    }
    removes = strcmp(op, "remove") == 0;
    moves = strcmp(op, "move") == 0;
    if (removes) {
        return value_remove(*document, path) ? NULL : "nothing is there to remove";
    }
    if (moves || strcmp(op, "copy") == 0) {
        source = from ? json_pointer_find(*document, from) : NULL;
        source = source ? json_deep_copy(source) : NULL;
        if (source == NULL ||
            (moves && (is_inside(path, from) || !value_remove(*document, from)))) {
            json_decref(source);
            return "nothing is at \"from\", or \"path\" lies within it";
        }
        return value_put(document, path, source, false) ? NULL : "nothing can be put there";
    }
    if (value == NULL) {
        return "\"value\" is missing, or \"op\" is none of add, remove, replace, move, copy, test";
    }
    if (strcmp(op, "test") == 0) {
        source = json_pointer_find(*document, path);
        return source && json_equal(source, value) ? NULL : "another value is there";
    }
    if (strcmp(op, "add") && strcmp(op, "replace")) {
        return "\"op\" is none of add, remove, replace, move, copy, test";
    }
    return value_put(document, path, json_deep_copy(value), op[0] == 'r')
               ? NULL
               : "nothing is there to replace, or it cannot be put there";
}

int json_patch_apply(json_t **document, const json_t *patch, char ret_error[JSON_PATCH_ERROR_MAX])
{
    size_t index;
    json_t *operation;

    json_array_foreach((json_t *)(uintptr_t)patch, index, operation)
    {
        const char *path = json_string_value(json_object_get(operation, "path"));
        const char *wrong = operation_apply(document, operation);

        if (wrong) {
            (void)snprintf(ret_error, JSON_PATCH_ERROR_MAX, "operation %zu at \"%.100s\": %s",
                           index, path ? path : "", wrong);
            return -EINVAL;
        }
    }
    return 0;
}

/* A pair of values to compare, and where they stand. */
struct pair {
    const json_t *a, *b;
    char *pointer;
};

struct diff {
    json_t *patch;
    struct pair *pairs; /* still to be compared */
    size_t count, room;
    bool failed; /* no memory */
};

/* pointer, "/", and the token escaped (RFC 6901 4); malloced. */
static char *pointer_make(const char *pointer, const char *token)
{
    char *made = malloc(strlen(pointer) + 2 * strlen(token) + 2), *at = made;

    if (made == NULL) {
        return NULL;
    }
    at += sprintf(at, "%s/", pointer);
    for (; *token; token++) {
        if (*token == '~' || *token == '/') {
            *at++ = '~';
            *at++ = *token == '~' ? '0' : '1';
        } else {
            *at++ = *token;
        }
    }
    *at = '\0';
    return made;
}

static void operation_add(struct diff *diff, const char *op, const char *pointer,
                          const json_t *value)
{
    json_t *json = json_pack("{s:s, s:s}", "op", op, "path", pointer);

    if (json == NULL ||
        (value && json_object_set(json, "value", (json_t *)(uintptr_t)value) != 0) ||
        json_array_append(diff->patch, json) != 0) {
        diff->failed = true;
    }
    json_decref(json);
}

static bool is_deep(const char *pointer)
{
    unsigned depth = 0;

    for (; *pointer; pointer++) {
        depth += *pointer == '/';
    }
    return depth >= JSON_PATCH_DEPTH_MAX;
}

/* pointer: taken. */
static void pair_push(struct diff *diff, const json_t *a, const json_t *b, char *pointer)
{
    if (pointer && diff->count == diff->room) {
        size_t room = diff->room ? 2 * diff->room : 64;
        struct pair *grown = realloc(diff->pairs, room * sizeof(*grown));

        diff->failed |= grown == NULL;
        diff->pairs = grown ? grown : diff->pairs;
        diff->room = grown ? room : diff->room;
    }
    if (pointer == NULL || diff->count == diff->room) {
        diff->failed = true;
        free(pointer);
        return;
    }
    diff->pairs[diff->count++] = (struct pair){a, b, pointer};
}

static void objects_compare(struct diff *diff, const struct pair *pair)
{
    const char *key;
    json_t *value, *other, *a = (json_t *)(uintptr_t)pair->a, *b = (json_t *)(uintptr_t)pair->b;
    char *pointer;

    json_object_foreach(a, key, value)
    {
        pointer = pointer_make(pair->pointer, key);
        other = json_object_get(b, key);
        if (other == NULL && pointer) {
            operation_add(diff, "remove", pointer, NULL);
            free(pointer);
        } else {
            pair_push(diff, value, other, pointer);
        }
    }
    json_object_foreach(b, key, value)
    {
        if (json_object_get(a, key) == NULL) {
            pointer = pointer_make(pair->pointer, key);
            if (pointer) {
                operation_add(diff, "add", pointer, value);
            } else {
                diff->failed = true;
            }
            free(pointer);
        }
    }
}

/* What both begin and end with stays; items between are compared in pairs, and what one has more is
 * added or removed behind them, so that places of earlier items hold while the patch is applied. */
static void arrays_compare(struct diff *diff, const struct pair *pair)
{
    size_t a_count = json_array_size(pair->a), b_count = json_array_size(pair->b), first = 0;
    size_t both, pointer_size = strlen(pair->pointer) + 32;
    char *pointer = malloc(pointer_size);

    if (pointer == NULL) {
        diff->failed = true;
        return;
    }
    while (first < a_count && first < b_count &&
           json_equal(json_array_get(pair->a, first), json_array_get(pair->b, first))) {
        first++;
    }
    while (a_count > first && b_count > first &&
           json_equal(json_array_get(pair->a, a_count - 1), json_array_get(pair->b, b_count - 1))) {
        a_count--;
        b_count--;
    }
    both = a_count < b_count ? a_count : b_count;
    for (size_t i = first; i < both; i++) {
        (void)snprintf(pointer, pointer_size, "%s/%zu", pair->pointer, i);
        pair_push(diff, json_array_get(pair->a, i), json_array_get(pair->b, i), strdup(pointer));
    }
    for (size_t i = a_count; i > both; i--) {
        (void)snprintf(pointer, pointer_size, "%s/%zu", pair->pointer, i - 1);
        operation_add(diff, "remove", pointer, NULL);
    }
    for (size_t i = both; i < b_count; i++) {
        (void)snprintf(pointer, pointer_size, "%s/%zu", pair->pointer, i);
        operation_add(diff, "add", pointer, json_array_get(pair->b, i));
    }
    free(pointer);
}

json_t *json_patch_diff(const json_t *a, const json_t *b)
{
    struct diff diff = {.patch = json_array()};

    diff.failed = diff.patch == NULL;
    if (!diff.failed) {
        pair_push(&diff, a, b, strdup(""));
    }
    while (diff.count > 0) { /* ends: each value of both documents is pushed at most once */
        struct pair pair = diff.pairs[--diff.count];

        if (diff.failed || json_equal(pair.a, pair.b)) {
            /* nothing to tell */
        } else if (json_is_object(pair.a) && json_is_object(pair.b) && !is_deep(pair.pointer)) {
            objects_compare(&diff, &pair);
        } else if (json_is_array(pair.a) && json_is_array(pair.b) && !is_deep(pair.pointer)) {
            arrays_compare(&diff, &pair);
        } else {
            operation_add(&diff, "replace", pair.pointer, pair.b);
        }
        free(pair.pointer);
    }
    free(diff.pairs);
    if (diff.failed) {
        json_decref(diff.patch);
        return NULL;
    }
    return diff.patch;
}
