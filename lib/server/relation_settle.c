/* A relation's rights: the machine's grant becomes part of the published policy, its record of the
 * log. Narrow first, then a grace period, then everything committed under the old rights durable,
 * then the record (design 2). */
#include "server/relation_internal.h"

void relation_settle_begin(struct relation *relation, uint32_t revision, bool narrow)
{
    /* A settling that is overtaken leaves its waiting to the new one. */
    relation->settling_narrow =
        narrow || (relation->settling != SETTLING_NONE && relation->settling <= SETTLING_BARRIER &&
                   relation->settling_narrow);
    relation->settle_revision = revision;
    relation->settling = SETTLING_GRANT;
}

/* Publishes the grant as it should be. False when it stands already, or has to wait: for the grace
 * period of the policy before, or for memory. */
static bool grant_publish(struct relation *relation, sec_t now)
{
    struct server *server = relation->server;
    struct policy *old = atomic_load_explicit(&server->policy, memory_order_relaxed), *next;
    struct grant grant = fo_fsm_grant(&relation->fsm, now);

    if (fo_grant_equal(&old->grants[relation->index], &grant) || relation->retired ||
        policy_rebuild(old, old->revision + 1, &next)) {
        return false;
    }
    *policy_grant(next, relation->index) = grant;
    atomic_store_explicit(&server->policy, next, memory_order_release);
    relation->retired = old;
    return true;
}

static bool grant_stands(const struct relation *relation, sec_t now)
{
    struct grant grant = fo_fsm_grant(&relation->fsm, now);

    return fo_grant_equal(&server_policy(relation->server)->grants[relation->index], &grant);
}

static bool record_publish(struct relation *relation, uint64_t *ret_position)
{
    struct change_ring *ring = server_control_ring(relation->server);
    uint8_t value[FO_RECORD_SIZE_MAX];
    size_t size = fo_record_encode(&relation->fsm.record, value);

    if (!change_ring_has_room(ring, 1)) {
        return false;
    }
    size = record_meta_encode(META_ENDPOINT + relation->index, (struct span){value, size},
                              change_ring_room(ring));
    *ret_position = change_ring_publish(ring, CHANGE_SLOT_NONE, size);
    relation->persist_due = false;
    return true;
}

/* One step of the settling under way; true when it moved. */
static bool settling_advance(struct relation *relation, struct fo_time now)
{
    switch (relation->settling) {
    case SETTLING_NONE:
        return false;
    case SETTLING_GRANT:
        if (!grant_stands(relation, now.s) || (relation->settling_narrow && relation->retired)) {
            return false;
        }
        relation_barrier_set(relation, &relation->settling_barrier);
        relation->settling = relation->settling_narrow ? SETTLING_BARRIER : SETTLING_RECORD;
        return true;
    case SETTLING_BARRIER:
        if (!relation_barrier_passed(relation, &relation->settling_barrier)) {
            return false;
        }
        relation->settling = SETTLING_RECORD;
        return true;
    case SETTLING_RECORD:
        if (!record_publish(relation, &relation->settling_position)) {
            return false;
        }
        relation->settling = SETTLING_DISK;
        return true;
    case SETTLING_DISK:
        if (change_ring_durable(server_control_ring(relation->server)) <
            relation->settling_position) {
            return false;
        }
        relation->settling = SETTLING_NONE;
        relation_step(
            relation,
            &(struct fo_fsm_event){.type = FO_FSM_SETTLED, .revision = relation->settle_revision},
            now);
        return true;
    }
    return false;
}

bool relation_settle_turn(struct relation *relation, struct fo_time now)
{
    uint64_t position;
    bool moved = grant_publish(relation, now.s);

    moved = settling_advance(relation, now) || moved;
    if (relation->persist_due && relation->settling == SETTLING_NONE) {
        moved = record_publish(relation, &position) || moved;
    }
    return moved;
}

bool relation_wants_grace(const struct relation *relation)
{
    return relation->retired != NULL;
}

void relation_grace_done(struct relation *relation)
{
    policy_free(relation->retired);
    relation->retired = NULL;
}
