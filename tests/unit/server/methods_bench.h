/* The management methods over a real store and policy, without a server: requests as bytes, answers
 * as JSON. */
#ifndef TESTS_SERVER_METHODS_BENCH_H
#define TESTS_SERVER_METHODS_BENCH_H

#include "server/methods.h"

enum {
    NOW = 820000000, /* 2025-12-25T17:46:40Z */
    LEASES_MAX = 400000
};

struct bench {
    struct store *store;
    struct config *config;
    struct policy *policy;
    struct methods *methods;
    sec_t now;
    unsigned workers;
};

extern const char bench_config_text[];

void bench_open(struct bench *bench);
void bench_close(struct bench *bench);

/* A lease of client number client, version one above it; and the resources of the two pools. */
void load(struct bench *bench, struct resource resource, uint32_t client, uint8_t status);
struct resource na(uint64_t n);
struct resource pd(uint64_t n);

/* The result or error object; new reference. call: with role view. */
json_t *call_as(struct bench *bench, unsigned roles, const char *method, const char *params);
json_t *call(struct bench *bench, const char *method, const char *params);
void expect_error(struct bench *bench, const char *method, const char *params, int code);

/* Text of a member on a path "a.0.b"; "" when there is none. Numbers as text, null as "null". */
const char *text_at(const json_t *json, const char *path);

#endif
