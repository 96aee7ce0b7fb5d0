/* One part of the server's work at a time, on the worker's own thread and with its leases: bursts
 * of RENEWs of clients chosen at random, of whose handling only that part is timed. Memory that the
 * part needs is as near as the worker has it by then. */
#ifndef PERF_MICRO_H
#define PERF_MICRO_H

#include "load.h"
#include "server/worker.h"

struct micro {
    struct worker *worker;
    const struct load *load;
    double seconds;
    uint64_t random;
    sec_t now;
};

struct micro_result {
    uint64_t operations;
    double ns; /* an operation */
    uint64_t failed;
};

/* What it counts as one operation, or NULL: there is no such part. */
const char *micro_operation(const char *part);

/* Worker's thread, registered and online. The journal thread runs. */
void micro_run(const char *part, struct micro *micro, struct micro_result *ret_result);

#endif
