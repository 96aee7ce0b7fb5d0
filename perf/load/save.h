/* Leases of all clients in a file, so that another run can go on with them. One thread. */
#ifndef LOAD_SAVE_H
#define LOAD_SAVE_H

#include "engine.h"

/* Each says on standard error what went wrong. unix_s: wall clock now, since lifetimes are kept as
 * wall-clock times. */
int save_write(const struct engine *engine, const char *path, uint64_t unix_s) MUST_CHECK;

/* Before the first turn. Clients outside the run's numbers and leases whose time is over are left
 * out. -EEXIST when two clients have one lease. */
int save_read(struct engine *engine, const char *path, uint64_t unix_s) MUST_CHECK;

#endif
