/* The walk over the store that a checkpoint tells: what journal_checkpoint calls to fill its
 * blocks. One thread, a registered QSBR reader, online during a step; steps are bounded. */
#ifndef SERVER_CHECKPOINT_WALK_H
#define SERVER_CHECKPOINT_WALK_H

#include "server/server.h"

struct checkpoint_walk {
    struct server *server;
    /* Called while the log has yet to follow, to pass a moment; false gives the checkpoint up. */
    bool (*wait)(void *ctx);
    void *ctx;
    uint32_t slot; /* next to read */
    bool floor_told, slots_told, given_up;
    uint64_t heads[CONFIG_WORKERS_MAX + 1]; /* of the change rings, after the last slot was read */
};

void checkpoint_walk_init(struct checkpoint_walk *walk, struct server *server,
                          bool (*wait)(void *ctx), void *ctx);

/* A checkpoint_step_fn whose ctx is the walk. */
bool checkpoint_walk_step(void *walk, struct wire_out *out);

#endif
