#include "server/checkpoint_walk.h"

#include <urcu/urcu-qsbr.h>

enum {
    STEP_SLOTS = 256
}; /* read in one RCU read side */

void checkpoint_walk_init(struct checkpoint_walk *walk, struct server *server,
                          bool (*wait)(void *ctx), void *ctx)
{
    *walk = (struct checkpoint_walk){.server = server, .wait = wait, .ctx = ctx};
}

/* Ends a record whose octets stand behind head and its 16-bit size. */
static void record_size_set(struct wire_out *out, uint8_t *head, size_t size)
{
    uint16_t size16 = (uint16_t)size;

    memcpy(head, &size16, 2);
    (void)wire_out_room(out, size);
}

static void lease_tell(struct wire_out *out, const struct lease *lease)
{
    uint8_t *head = wire_out_room(out, 2);

    record_size_set(out, head, record_lease_encode(lease, lease->version, true, out->at));
}

/* The forgotten leases' records are about to leave the log; their versions must not come again. */
static void floor_tell(struct wire_out *out, const struct store *store)
{
    uint8_t *head = wire_out_room(out, 2);
    uint8_t bytes[8];

    wire_set_u64(bytes, store_version_floor(store));
    record_size_set(
        out, head,
        record_meta_encode(META_VERSION_FLOOR, (struct span){bytes, sizeof(bytes)}, out->at));
}

/* The versions read may not be durable in the log yet, which is harmless: nobody has been told of
 * them, and they are no less true. */
static void slots_tell(struct checkpoint_walk *walk, struct wire_out *out)
{
    const struct store *store = walk->server->store;
    uint32_t slots = store_slot_max(store);
    struct lease_found found;

    for (unsigned i = 0; i < STEP_SLOTS && walk->slot < slots; i++) {
        if ((size_t)(out->end - out->at) < CHANGE_RECORD_MAX + 2) {
            return;
        }
        if (store_read(store, walk->slot++, &found)) {
            lease_tell(out, &found.lease);
        }
    }
    walk->slots_told = walk->slot >= slots;
}

/* A lease that moved to another slot during the walk may be missing in the image, and then its
 * record in the log is all that tells of it: the image may take the old log's place only when that
 * record is durable. Everything committed before the last slot was read is published once a grace
 * period has passed. */
static void heads_note(struct checkpoint_walk *walk)
{
    urcu_qsbr_synchronize_rcu();
    for (unsigned i = 0; i <= walk->server->worker_count; i++) {
        walk->heads[i] = atomic_load_explicit(&walk->server->rings[i].head, memory_order_acquire);
    }
}

static bool heads_durable(const struct checkpoint_walk *walk)
{
    for (unsigned i = 0; i <= walk->server->worker_count; i++) {
        if (change_ring_durable(&walk->server->rings[i]) < walk->heads[i]) {
            return false;
        }
    }
    return true;
}

bool checkpoint_walk_step(void *ctx, struct wire_out *out)
{
    struct checkpoint_walk *walk = ctx;

    urcu_qsbr_quiescent_state();
    if (!walk->slots_told) {
        if (!walk->floor_told) {
            walk->floor_told = true;
            floor_tell(out, walk->server->store);
        }
        slots_tell(walk, out);
        if (walk->slots_told) {
            heads_note(walk);
        }
        return true;
    }
    if (heads_durable(walk)) {
        return false;
    }
    if (!walk->wait(walk->ctx)) {
        walk->given_up = true;
        out->failed = true;
        return false;
    }
    return true;
}
