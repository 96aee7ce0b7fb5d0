/* The last calls that could change something or see what is not for everybody: who, from where,
 * what, and how it ended. A ring of the last ones; the program keeps all of them in a file.
 * Knows neither methods nor JSON. Control core only. */
#ifndef OBSERVE_AUDIT_H
#define OBSERVE_AUDIT_H

#include "base/err.h"
#include "base/units.h"

enum {
    AUDIT_WHO_MAX = 80,
    AUDIT_FROM_MAX = 64,
    AUDIT_METHOD_MAX = 64,
    AUDIT_PARAMS_MAX = 512,
    AUDIT_RESULT_MAX = 256,
    AUDIT_KEPT = 1024, /* default length of the ring */
};

struct audit_entry {
    uint64_t seq; /* of this run, from 1 */
    sec_t time;
    int code;                      /* 0: done; else the error's */
    char who[AUDIT_WHO_MAX];       /* "uid 0", "CN=alice" */
    char from[AUDIT_FROM_MAX];     /* "unix", "https [2001:db8::7]:40122" */
    char method[AUDIT_METHOD_MAX]; /* "failover.partner_down" */
    char params[AUDIT_PARAMS_MAX]; /* as JSON, long and secret parts left out; never cut */
    char result[AUDIT_RESULT_MAX]; /* "ok", or why not */
};

struct audit;

int audit_new(unsigned kept, struct audit **ret_audit) MUST_CHECK;
void audit_free(struct audit *audit);

/* Copies the entry under the next number, in place of the oldest when the ring is full. Returns
 * what is kept. */
const struct audit_entry *audit_add(struct audit *audit, const struct audit_entry *entry);

/* The index-th newest, 0 is the last one; NULL behind the oldest kept. Valid until the next
 * audit_add. */
const struct audit_entry *audit_get(const struct audit *audit, unsigned index);

/* Added since start. */
uint64_t audit_count(const struct audit *audit);

#endif
