#include "params.h"

#include <stdio.h>
#include <string.h>

enum {
    KEY_MAX = 128
};

static json_t *value_parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    return value ? value : json_string(text);
}

/* The object that path (a.b.) leads to, made on the way. NULL when something else stands there. */
static json_t *object_reach(json_t *object, const char **at, const char *end, char *ret_key)
{
    for (unsigned depth = 0; depth < PARAMS_DEPTH_MAX; depth++) {
        const char *dot = memchr(*at, '.', (size_t)(end - *at));
        const char *stop = dot ? dot : end;
        json_t *next;

        if (stop == *at || stop - *at >= KEY_MAX) {
            return NULL;
        }
        (void)snprintf(ret_key, KEY_MAX, "%.*s", (int)(stop - *at), *at);
        if (dot == NULL) {
            return object;
        }
        next = json_object_get(object, ret_key);
        if (next == NULL) {
            next = json_object();
            if (json_object_set_new(object, ret_key, next)) {
                return NULL;
            }
        }
        if (!json_is_object(next)) {
            return NULL;
        }
        object = next;
        *at = dot + 1;
    }
    return NULL;
}

json_t *params_parse(int argc, char **argv, char *ret_error)
{
    json_t *params = json_object();

    for (int i = 0; i < argc; i++) {
        const char *at = argv[i], *equals = strchr(argv[i], '=');
        char key[KEY_MAX];
        json_t *object = equals ? object_reach(params, &at, equals, key) : NULL, *value;

        if (object == NULL) {
            (void)snprintf(ret_error, PARAMS_ERROR_MAX,
                           "%.80s: want name=value, or name.member=value for a nested one",
                           argv[i]);
        } else if (json_object_get(object, key)) {
            (void)snprintf(ret_error, PARAMS_ERROR_MAX, "%.80s: given twice", argv[i]);
            object = NULL;
        } else {
            value = value_parse(equals + 1);
            if (value == NULL || json_object_set_new(object, key, value)) {
                (void)snprintf(ret_error, PARAMS_ERROR_MAX, "%.80s: not UTF-8", argv[i]);
                object = NULL;
            }
        }
        if (object == NULL) {
            json_decref(params);
            return NULL;
        }
    }
    return params;
}
