/* What the files of a worker share. */
#ifndef SERVER_WORKER_INTERNAL_H
#define SERVER_WORKER_INTERNAL_H

#include "server/worker.h"

/* Into worker->found: all leases of the message's IAs, in any status. */
void worker_find(struct worker *worker, const struct work *work);

/* Decides about what was found and commits, until no race is lost. COUNTER_COUNT when worker->plan
 * is done and stands, else why the packet is dropped. *ret_position: of the last change in the
 * worker's ring. */
enum counter worker_settle(struct worker *worker, struct work *work, uint64_t *ret_position);

#endif
