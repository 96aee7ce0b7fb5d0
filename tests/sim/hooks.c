/* Where other steps may come between: the linker sends calls between lib/'s files through here
 * (--wrap), the log's disk and its word of what is durable come through here as well. */
#include "failover/fo_update.h"
#include "sim.h"
#include "store/claim.h"

struct sim *hooks_sim; /* the one that runs; --wrap has no other way to tell */

int __real_server_commit(struct server *server, const struct policy *policy, unsigned committer,
                         const struct server_change *change, uint64_t *ret_position);
int __wrap_server_commit(struct server *server, const struct policy *policy, unsigned committer,
                         const struct server_change *change, uint64_t *ret_position);
int __real_store_commit(struct store *store, unsigned committer, const struct lease_found *base,
                        const struct lease *next, struct store_committed *ret_committed);
int __wrap_store_commit(struct store *store, unsigned committer, const struct lease_found *base,
                        const struct lease *next, struct store_committed *ret_committed);
int __real_server_commit_claimed(struct server *server, const struct policy *policy,
                                 const struct server_change *change, uint64_t *ret_position);
int __wrap_server_commit_claimed(struct server *server, const struct policy *policy,
                                 const struct server_change *change, uint64_t *ret_position);
void __real_relation_update_take(struct relation *relation, const struct fo_link_event *event,
                                 struct fo_time now);
void __wrap_relation_update_take(struct relation *relation, const struct fo_link_event *event,
                                 struct fo_time now);
void __real_fo_update_judge(const struct fo_update_context *context, const struct lease *mine,
                            const struct lease *theirs, struct fo_judgement *ret_judgement);
void __wrap_fo_update_judge(const struct fo_update_context *context, const struct lease *mine,
                            const struct lease *theirs, struct fo_judgement *ret_judgement);
bool __real_claim_take_block(struct claim *claim, uint32_t first, uint32_t count);
bool __wrap_claim_take_block(struct claim *claim, uint32_t first, uint32_t count);
int __real_fo_fsm_step(struct fo_fsm *fsm, const struct fo_fsm_event *event, sec_t now,
                       struct fo_fsm_actions *ret_actions);
int __wrap_fo_fsm_step(struct fo_fsm *fsm, const struct fo_fsm_event *event, sec_t now,
                       struct fo_fsm_actions *ret_actions);

bool __wrap_claim_take_block(struct claim *claim, uint32_t first, uint32_t count)
{
    sim_preempt(hooks_sim); /* the units are seen free, their bits not yet won */
    return __real_claim_take_block(claim, first, count);
}

int __wrap_store_commit(struct store *store, unsigned committer, const struct lease_found *base,
                        const struct lease *next, struct store_committed *ret_committed)
{
    sim_preempt(hooks_sim); /* the claim bit is won, the lease not yet there */
    return __real_store_commit(store, committer, base, next, ret_committed);
}

int __wrap_server_commit(struct server *server, const struct policy *policy, unsigned committer,
                         const struct server_change *change, uint64_t *ret_position)
{
    struct node *node = node_of(server);
    int r;

    if (committer < server->worker_count) {
        sim_preempt_worker(node->sim); /* decided, not yet committed */
    } else {
        sim_preempt(node->sim);
    }
    r = __real_server_commit(server, policy, committer, change, ret_position);
    if (r == 0) {
        check_commit(node, committer, change);
        sim_preempt(node->sim); /* committed, the answer not yet parked */
    }
    return r;
}

int __wrap_server_commit_claimed(struct server *server, const struct policy *policy,
                                 const struct server_change *change, uint64_t *ret_position)
{
    struct node *node = node_of(server);
    int r;

    sim_preempt(node->sim); /* the claim bit is won */
    r = __real_server_commit_claimed(server, policy, change, ret_position);
    if (r == 0) {
        check_commit(node, server->worker_count, change);
        sim_preempt(node->sim);
    }
    return r;
}

void __wrap_relation_update_take(struct relation *relation, const struct fo_link_event *event,
                                 struct fo_time now)
{
    struct node *node = node_of(relation->server);

    check_update_begin(node, &event->message);
    __real_relation_update_take(relation, event, now);
    check_update_end(node);
}

void __wrap_fo_update_judge(const struct fo_update_context *context, const struct lease *mine,
                            const struct lease *theirs, struct fo_judgement *ret_judgement)
{
    struct fo_update_context counted = *context;

    counted.coverage = &hooks_sim->coverage->updates;
    __real_fo_update_judge(&counted, mine, theirs, ret_judgement);
}

int __wrap_fo_fsm_step(struct fo_fsm *fsm, const struct fo_fsm_event *event, sec_t now,
                       struct fo_fsm_actions *ret_actions)
{
    struct fo_fsm_event other = *event;

    for (unsigned i = 0; i < SIM_NODES && event->type == FO_FSM_STATE; i++) {
        struct node *node = &hooks_sim->nodes[i];

        if (node->lie && node->relation && fsm == &node->relation->fsm) {
            other.state = plan_lie(node, event->state.start_s);
        }
    }
    return __real_fo_fsm_step(fsm, &other, now, ret_actions);
}

static void disk_preempt(struct node *node)
{
    if (!node->booting) {
        sim_preempt(node->sim);
    }
}

/* ---- the disk: a dead process writes nothing, a slow one lets others pass ---- */

static const struct disk_ops *real(struct node *node, void **ret_ctx)
{
    struct disk disk = memdisk_disk(node->memdisk);

    *ret_ctx = disk.ctx;
    return disk.ops;
}

static int disk_list(void *ctx, void (*on_name)(void *, const char *, uint64_t), void *arg)
{
    void *disk;
    const struct disk_ops *ops = real(ctx, &disk);

    return ops->list(disk, on_name, arg);
}

static int disk_open(void *ctx, const char *name, bool create, bool durable,
                     struct disk_file **ret_file)
{
    struct node *node = ctx;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);

    return node->dying && create ? -EIO : ops->open(disk, name, create, durable, ret_file);
}

static void disk_close(void *ctx, struct disk_file *file)
{
    void *disk;
    const struct disk_ops *ops = real(ctx, &disk);

    ops->close(disk, file);
}

/* The write was under way: the machine's end tears it, the process's own does not. Its word that it
 * is done reaches nobody. */
static void write_dying(struct node *node, struct disk_file *file, uint64_t offset,
                        const uint8_t *buf, size_t size)
{
    struct sim *sim = node->sim;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);

    if (sim_random(sim, 2) || memdisk_is_off(node->memdisk)) {
        return;
    }
    if (node->powerless) {
        sim->tally.torn++;
        memdisk_cut_at(node->memdisk, memdisk_operations(node->memdisk) + 1,
                       sim_random(sim, size + 1), sim_random(sim, 2) * sim_random(sim, 1 << 30));
    }
    (void)ops->write(disk, file, offset, buf, size);
}

static int disk_write(void *ctx, struct disk_file *file, uint64_t offset, const uint8_t *buf,
                      size_t size)
{
    struct node *node = ctx;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);
    int r;

    disk_preempt(node); /* drained, not yet written */
    if (node->dying) {
        write_dying(node, file, offset, buf, size);
        return -EIO;
    }
    r = ops->write(disk, file, offset, buf, size);
    disk_preempt(node); /* written, not yet known to be */
    return r;
}

static int64_t disk_read(void *ctx, struct disk_file *file, uint64_t offset, uint8_t *buf,
                         size_t size)
{
    void *disk;
    const struct disk_ops *ops = real(ctx, &disk);

    return ops->read(disk, file, offset, buf, size);
}

static int disk_sync(void *ctx, struct disk_file *file)
{
    struct node *node = ctx;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);

    disk_preempt(node);
    return node->dying ? -EIO : ops->sync(disk, file);
}

static int disk_truncate(void *ctx, struct disk_file *file, uint64_t size)
{
    struct node *node = ctx;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);

    return node->dying ? -EIO : ops->truncate(disk, file, size);
}

static int disk_rename(void *ctx, const char *from, const char *to)
{
    struct node *node = ctx;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);

    return node->dying ? -EIO : ops->rename(disk, from, to);
}

static int disk_remove(void *ctx, const char *name)
{
    struct node *node = ctx;
    void *disk;
    const struct disk_ops *ops = real(node, &disk);

    return node->dying ? -EIO : ops->remove(disk, name);
}

static const struct disk_ops ops = {
    .list = disk_list,
    .open = disk_open,
    .close = disk_close,
    .write = disk_write,
    .read = disk_read,
    .sync = disk_sync,
    .truncate = disk_truncate,
    .rename = disk_rename,
    .remove = disk_remove,
};

struct disk hooks_disk(struct node *node)
{
    return (struct disk){&ops, node};
}
