/* Config to published snapshot, and the claim bitmaps that outlive snapshots. Control core only. */
#ifndef SERVER_APPLY_H
#define SERVER_APPLY_H

#include "server/server.h"

/* The claim bitmaps of all prefix pools ever configured since start, by range and delegated length,
 * so that a pool keeps its bits through every change of configuration. */
struct claims;

int claims_new(struct claims **ret_claims) MUST_CHECK;
void claims_free(struct claims *claims);

#endif
