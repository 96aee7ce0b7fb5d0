/* The management methods of one server of a pair: requests as bytes, answers as JSON. */
#ifndef TESTS_SERVER_DESK_H
#define TESTS_SERVER_DESK_H

#include "pair_harness.h"
#include "server/methods.h"

struct desk {
    struct pair *pair;
    unsigned node;
    unsigned wakes;
    bool waits; /* the last answer had to wait for the disk */
    struct methods *methods;
};

void desk_open(struct desk *desk, struct pair *pair, unsigned node);

/* The whole answer; new reference. */
json_t *ask_as(struct desk *desk, unsigned roles, const char *method, const char *params);
/* The result of a call that must succeed; new reference. */
json_t *call(struct desk *desk, const char *method, const char *params);
void refused(struct desk *desk, const char *method, const char *params, int code,
             const char *reason);

/* Members of an answer. */
const char *text(const json_t *json, const char *member);
int64_t number(const json_t *json, const char *member);
bool is_true(const json_t *json, const char *member);

#endif
