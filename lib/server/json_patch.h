/* JSON pointers (RFC 6901), patches (RFC 6902) and the patch that makes one document of another.
 * Control core only. */
#ifndef SERVER_JSON_PATCH_H
#define SERVER_JSON_PATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

enum {
    JSON_PATCH_ERROR_MAX = 256,
    JSON_PATCH_DEPTH_MAX = 16
};

/* The value at a JSON pointer, borrowed; NULL when there is none. */
json_t *json_pointer_find(json_t *value, const char *pointer);

/* Applies a patch (array of operations) to *document, which may become another value. 0, or -EINVAL
 * with one line about the operation that does not fit; *document is then half-way: drop it. */
int json_patch_apply(json_t **document, const json_t *patch,
                     char ret_error[JSON_PATCH_ERROR_MAX]) MUST_CHECK;

/* The patch that makes b of a: operations add, remove and replace. New reference; NULL: no memory.
 * Objects and arrays deeper than JSON_PATCH_DEPTH_MAX are replaced whole. */
json_t *json_patch_diff(const json_t *a, const json_t *b);

#endif
