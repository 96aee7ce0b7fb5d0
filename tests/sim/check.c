/* What must always hold (design invariants), watched from outside: what is durable, what leaves a
 * server and what reaches it. Numbers in the messages are the invariants'. */
#include <stdio.h>

#include "dhcp6/message.h"
#include "failover/fo_binding.h"
#include "failover/fo_update.h"
#include "sim.h"

enum {
    HOLD_S = 4, /* an answer may wait that long between decision and departure */
    UNIT_LENGTH = 62,
    STATUS_OVER = 0, /* beside the binding statuses: ACTIVE, but its time is over */
};

static uint64_t resource_hash(const struct resource *resource)
{
    uint64_t state = resource->prefix.hi ^ resource->prefix.lo * 31 ^ resource->length;

    return sim_mix(&state);
}

struct known *check_known(struct model *model, const struct resource *resource)
{
    for (uint64_t at = resource_hash(resource);; at++) {
        struct known *known = &model->known[at & (SIM_KEYS - 1)];

        if (!known->used) {
            known->used = true;
            known->resource = *resource;
            return known;
        }
        if (resource_equal(&known->resource, resource)) {
            return known;
        }
    }
}

static struct image image_of(const struct lease *lease)
{
    return (struct image){.version = lease->version,
                          .status = lease->status,
                          .iaid = lease->iaid,
                          .start_s = lease->times.start_s,
                          .expires_s = lease->times.expires_s,
                          .duid = client_duid_hash(lease->duid)};
}

/* The highest version first. */
static void image_add(struct known *known, const struct image *image)
{
    unsigned at = 0;

    while (at < SIM_HISTORY && known->durable[at].version > image->version) {
        at++;
    }
    if (at == SIM_HISTORY || known->durable[at].version == image->version) {
        return;
    }
    memmove(&known->durable[at + 1], &known->durable[at],
            (SIM_HISTORY - 1 - at) * sizeof(known->durable[0]));
    known->durable[at] = *image;
}

void check_durable(struct node *node, struct span bytes)
{
    struct model *model = &node->model;
    struct record record;
    struct known *known;
    struct image image;

    if (record_parse(bytes, &record)) {
        sim_fail(node->sim, "node %u: a record that cannot be read", node->index);
        return;
    }
    if (record.kind == RECORD_META) {
        if (record.meta_key == META_ENDPOINT) {
            memcpy(model->endpoint, record.meta.data, record.meta.size);
            model->endpoint_size = record.meta.size;
        }
        return;
    }
    known = check_known(model, &record.lease.resource);
    if (record.kind == RECORD_LEASE_FORGET) {
        known->forgotten =
            record.lease.version > known->forgotten ? record.lease.version : known->forgotten;
        return;
    }
    image = image_of(&record.lease);
    if (record.kind == RECORD_LEASE_TIMES) {
        image.duid = known->durable[0].duid; /* whose it was stays */
    }
    image_add(known, &image);
}

/* Everything that was durable is there again (3), and not older (7). */
static void replayed_one(struct node *node, struct known *known)
{
    struct image *last = &known->durable[0];
    struct lease_found found;
    char text[64];

    resource_text(&known->resource, text);
    if (!store_find(node->server->store, &known->resource, &found)) {
        if (last->version > known->forgotten && last->version > known->forgetting) {
            sim_fail(node->sim, "3: node %u: %s is missing after the restart", node->index, text);
        }
        return;
    }
    if (found.lease.version < last->version) {
        sim_fail(node->sim, "3: node %u: %s is an older version after the restart", node->index,
                 text);
    } else if (found.lease.version == last->version) {
        struct image image = image_of(&found.lease);

        if (image.status != last->status || image.expires_s != last->expires_s ||
            image.start_s != last->start_s || image.duid != last->duid) {
            sim_fail(node->sim, "3: node %u: %s is not as it was before the restart", node->index,
                     text);
        }
    }
}

/* A record whose write failed may be found on the disk nevertheless. */
void check_dying(struct node *node)
{
    struct lease_found found;

    for (unsigned i = 0; i < SIM_KEYS; i++) {
        struct known *known = &node->model.known[i];
        uint8_t status = known->durable[0].status;

        if (known->used && (status == BINDING_FREE || status == BINDING_FREE_BACKUP) &&
            !store_find(node->server->store, &known->resource, &found)) {
            known->forgetting = known->durable[0].version;
        }
    }
}

void check_replayed(struct node *node)
{
    struct store *store = node->server->store;
    struct model *model = &node->model;
    struct lease_found found;

    for (unsigned i = 0; i < SIM_KEYS; i++) {
        if (model->known[i].used) {
            replayed_one(node, &model->known[i]);
            model->known[i].acked_s = model->known[i].acked_s; /* the record holds it too */
        }
    }
    for (uint32_t slot = 0; slot < store_slot_max(store); slot++) {
        if (store_read(store, slot, &found)) {
            struct image image = image_of(&found.lease);

            image_add(check_known(model, &found.lease.resource), &image);
        }
    }
    if (node->server->endpoint_count) {
        model->endpoint_size = node->server->endpoints[0].record_size;
        memcpy(model->endpoint, node->server->endpoints[0].record, model->endpoint_size);
    }
}

/* (2) */
static void limit_check(struct node *node, const struct known *known, sec_t now,
                        const struct server_change *change)
{
    const struct lease *next = change->next, *base = &change->base->lease;
    const struct fo_fsm *fsm = &node->relation->fsm;
    sec_t acked = known->acked_duid == client_duid_hash(next->duid) ? known->acked_s : 0;
    sec_t limit = (acked ? sec_max(acked, now) : now) + fsm->record.mclt_s;
    char text[64];

    if (node_state(node) == FO_PARTNER_DOWN || !fo_fsm_is_settled(fsm) ||
        !sec_after(next->times.expires_s, limit)) {
        return;
    }
    if (change->base->slot != LEASE_SLOT_NONE && base->status == BINDING_ACTIVE &&
        lease_same_client(base, next) && !sec_after(next->times.expires_s, base->times.expires_s)) {
        return; /* the client knows that already, from the partner */
    }
    resource_text(&next->resource, text);
    sim_fail(node->sim, "2: node %u: %s granted for %u s, %u beyond the limit", node->index, text,
             next->times.expires_s - now, next->times.expires_s - limit);
}

static bool is_silent(enum fo_server_state state)
{
    return state == FO_RECOVER || state == FO_RECOVER_WAIT || state == FO_POTENTIAL_CONFLICT;
}

/* True when the partner was told that clients get no answers from here. */
static bool told_silent(const struct model *model)
{
    enum fo_server_state state = (enum fo_server_state)model->told.state;

    return model->has_told && (model->told.flags & FO_FLAG_STARTUP) == 0 && is_silent(state);
}

/* What the control core committed for an update. */
static void taken_note(struct asked *asked, const struct lease *lease)
{
    if (asked->count < SIM_ASKED_LEASES) {
        asked->leases[asked->count].resource = lease->resource;
        asked->leases[asked->count++].version = lease->version;
    }
}

/* One server gives one IA one lease on a link, however many workers the client's messages reach. */
static void single_check(struct node *node, sec_t now, const struct server_change *change)
{
    const struct lease *next = change->next;
    struct store *store = node->server->store;
    struct lease_found other;

    if (change->base->slot != LEASE_SLOT_NONE && change->base->lease.status == BINDING_ACTIVE) {
        return;
    }
    for (uint32_t slot = 0; slot < store_slot_max(store); slot++) {
        if (store_read(store, slot, &other) && other.lease.status == BINDING_ACTIVE &&
            lease_same_client(&other.lease, next) &&
            other.lease.times.partner_raw_clt_s == 0 && /* else: the partner's, told just now */
            !lease_is_over(&other.lease, now) &&
            other.lease.resource.prefix.hi >> 16 == next->resource.prefix.hi >> 16 && /* link */
            !resource_equal(&other.lease.resource, &next->resource)) {
            char text[64], has[64];

            resource_text(&next->resource, text);
            resource_text(&other.lease.resource, has);
            sim_fail(node->sim, "node %u: gives %s to a client that has %s", node->index, text,
                     has);
        }
    }
}

void check_commit(struct node *node, unsigned committer, const struct server_change *change)
{
    const struct lease *next = change->next;
    struct known *known = check_known(&node->model, &next->resource);
    const struct server *server = node->server;
    struct lease_found found;
    char text[64];

    if (node->dying || !store_find(server->store, &next->resource, &found)) {
        return;
    }
    resource_text(&next->resource, text);
    sim_say(node->sim, "node %u: committer %u: %s %s until %d, version %llu", node->index,
            committer, text, binding_status_name(found.lease.status),
            (int)(found.lease.times.expires_s - SIM_EPOCH),
            (unsigned long long)found.lease.version);
    if (found.lease.version <= known->durable[0].version ||
        found.lease.version <= known->forgotten) {
        sim_fail(node->sim, "7: node %u: %s gets version %llu again", node->index, text,
                 (unsigned long long)found.lease.version);
    }
    if (committer == server->worker_count && node->model.taking) {
        taken_note(node->model.taking, &found.lease);
    }
    if (next->status != BINDING_ACTIVE && committer == server->worker_count) {
        known->acked_s = next->times.acked_partner_lifetime_s ? known->acked_s : 0;
    }
    if (committer < server->worker_count && next->status == BINDING_ACTIVE) {
        single_check(node, server->workers[committer].now, change);
        limit_check(node, known, server->workers[committer].now, change);
        if (told_silent(&node->model) && is_silent(node_state(node))) {
            sim_fail(node->sim, "6: node %u: gives %s although it told the partner %s", node->index,
                     text, fo_state_name(node->model.told.state));
        }
    }
}

/* (3) What a client is told is on disk. */
void check_answer(struct node *node, const struct client_message *answer)
{
    uint64_t duid = client_duid_hash((struct span){answer->client_id, answer->client_id_size});
    sec_t now = node_now(node);

    if (answer->type != DHCP6_REPLY) {
        return;
    }
    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned i = 0; i < answer->ias[kind].lease_count; i++) {
            const struct client_lease *lease = &answer->ias[kind].leases[i];
            const struct known *known = check_known(&node->model, &lease->resource);
            bool good = lease->valid_s == 0;
            char text[64];

            for (unsigned h = 0; h < SIM_HISTORY && !good; h++) {
                const struct image *image = &known->durable[h];

                good = image->version && image->status == BINDING_ACTIVE && image->duid == duid &&
                       !sec_after(now + lease->valid_s, image->expires_s + HOLD_S);
            }
            if (!good) {
                resource_text(&lease->resource, text);
                sim_fail(node->sim, "3: node %u: tells %s for %u s, which the disk does not hold",
                         node->index, text, lease->valid_s);
            }
        }
    }
}

/* (1) */
void check_grant(struct sim *sim, const struct client *client, const struct resource *resource)
{
    for (unsigned i = 0; i < sim->plan.client_count && !sim->duplicates_excused; i++) {
        const struct client *other = &sim->clients[i];

        for (unsigned kind = 0; other != client && kind < 2; kind++) {
            for (unsigned h = 0; h < other->held_count[kind]; h++) {
                if (other->held[kind][h].until > sim->now && !other->held[kind][h].orphaned &&
                    !other->held[kind][h].clock_bad &&
                    resource_equal(&other->held[kind][h].resource, resource)) {
                    char text[64];

                    resource_text(resource, text);
                    sim_fail(sim, "1: client %u is given %s, which client %u has for %llu s",
                             client->index, text, i,
                             (unsigned long long)((other->held[kind][h].until - sim->now) / SEC));
                }
            }
        }
    }
}

void check_update_begin(struct node *node, const struct fo_message *message)
{
    struct asked *asked = &node->model.asked[message->xid % SIM_ASKED];

    *asked = (struct asked){.xid = message->xid};
    node->model.taking = asked;
}

void check_update_end(struct node *node)
{
    node->model.taking = NULL;
}

/* (6) */
static void state_out(struct node *node, const struct fo_state *state)
{
    struct fo_record record;

    node->model.told = *state;
    node->model.has_told = true;
    sim_say(node->sim, "node %u: STATE %s%s", node->index, fo_state_name(state->state),
            state->flags & FO_FLAG_STARTUP ? " (starting)" : "");
    if (state->flags & FO_FLAG_STARTUP) {
        return;
    }
    if (node->model.endpoint_size == 0 ||
        fo_record_parse((struct span){node->model.endpoint, node->model.endpoint_size}, &record) ||
        record.state != state->state || (state->has_start && record.start_s != state->start_s)) {
        sim_fail(node->sim, "6: node %u: STATE %s is not on disk", node->index,
                 fo_state_name(state->state));
    }
}

static bool image_told(const struct known *known, const struct lease *lease)
{
    for (unsigned h = 0; h < SIM_HISTORY; h++) {
        const struct image *image = &known->durable[h];
        unsigned status = image->status == BINDING_PENDING_FREE /* never sent (facts F.8) */
                              ? (unsigned)fo_update_free_status(&known->resource)
                              : image->status;

        if (image->version && status == lease->status && image->start_s == lease->times.start_s &&
            image->expires_s == lease->times.expires_s &&
            (lease->status != BINDING_ACTIVE || image->duid == client_duid_hash(lease->duid))) {
            return true;
        }
    }
    return false;
}

/* (6) Only what is durable is told; of a block each unit. */
static void update_out(struct node *node, const struct fo_message *message)
{
    struct fo_binding binding;
    struct fo_lease lease;
    char text[64];

    fo_binding_parse(message, &binding);
    while (!binding.fault && fo_binding_next(&binding, &lease)) {
        struct resource unit = lease.lease.resource;
        uint64_t units = unit.type == LEASE_TYPE_PD && unit.length < UNIT_LENGTH
                             ? 1ull << (UNIT_LENGTH - unit.length)
                             : 1;

        resource_text(&unit, text);
        sim_say(node->sim, "node %u: BNDUPD %x %s %s until %d", node->index, message->xid, text,
                binding_status_name(lease.lease.status),
                (int)(lease.lease.times.expires_s - SIM_EPOCH));
        for (uint64_t i = 0; i < units; i++) {
            struct lease one = lease.lease;

            if (units > 1) {
                one.resource.length = UNIT_LENGTH;
                one.resource.prefix.hi += i << (64 - UNIT_LENGTH);
            }
            if (!image_told(check_known(&node->model, &one.resource), &one)) {
                sim_fail(node->sim, "6: node %u: BNDUPD of %s %s, which is not on disk",
                         node->index, text, binding_status_name(one.status));
                break;
            }
        }
    }
}

static void reply_out(struct node *node, const struct fo_message *message)
{
    const struct asked *asked = &node->model.asked[message->xid % SIM_ASKED];
    char text[64];

    for (unsigned i = 0; asked->xid == message->xid && i < asked->count; i++) {
        const struct known *known = check_known(&node->model, &asked->leases[i].resource);

        if (known->durable[0].version < asked->leases[i].version) {
            resource_text(&asked->leases[i].resource, text);
            sim_fail(node->sim, "6: node %u: BNDREPLY about %s before it is on disk", node->index,
                     text);
        }
    }
}

void check_frame_out(struct node *node, struct span bytes)
{
    struct fo_message message;

    if (fo_wire_parse(bytes, &message)) {
        sim_fail(node->sim, "node %u: sends what cannot be read", node->index);
        return;
    }
    if (message.type == FO_STATE) {
        state_out(node, &message.state);
    } else if (message.type == FO_BNDUPD) {
        update_out(node, &message);
    } else if (message.type == FO_BNDREPLY) {
        reply_out(node, &message);
    } else if (message.type != FO_CONTACT) {
        sim_say(node->sim, "node %u: %s", node->index, fo_message_name(message.type));
    }
}

void check_frame_in(struct node *node, struct span bytes)
{
    struct fo_message message;
    struct fo_binding binding;
    struct fo_lease lease;

    if (fo_wire_parse(bytes, &message) || message.type != FO_BNDREPLY) {
        return;
    }
    fo_binding_parse(&message, &binding);
    while (!binding.fault && fo_binding_next(&binding, &lease)) {
        struct known *known = check_known(&node->model, &lease.lease.resource);
        uint64_t duid = client_duid_hash(lease.lease.duid);
        char text[64];

        resource_text(&lease.lease.resource, text);
        sim_say(node->sim, "node %u: hears BNDREPLY %x %s: %u, %d", node->index, message.xid, text,
                fo_lease_accepted(&lease) ? 0 : lease.status.code,
                (int)(lease.partner_lifetime_sent_s - SIM_EPOCH));
        if (!fo_lease_accepted(&lease)) {
            continue;
        }
        if (!(lease.has & FO_HAS_PARTNER_LIFETIME_SENT) || !lease.partner_lifetime_sent_s) {
            known->acked_s = 0;
        } else if (known->acked_duid == duid && known->acked_s) {
            known->acked_s = sec_max(known->acked_s, lease.partner_lifetime_sent_s);
        } else {
            known->acked_duid = duid;
            known->acked_s = lease.partner_lifetime_sent_s;
        }
    }
}

/* One whose time is over is as good as free, in whichever share its end will find it: a slot that
 * is used again keeps its former lease's place on the wheel, so that its own end may be noticed
 * much later. */
static struct image image_now(const struct node *node, const struct resource *resource)
{
    struct lease_found found;

    if (store_find(node->server->store, resource, &found)) {
        bool over = found.lease.status == BINDING_ACTIVE &&
                    lease_is_over(&found.lease, node_now(node) - 60);

        return over ? (struct image){.status = STATUS_OVER} : image_of(&found.lease);
    }
    return (struct image){.status = (uint8_t)fo_update_free_status(resource)};
}

static bool is_free(const struct image *image)
{
    return image->status == BINDING_FREE || image->status == BINDING_FREE_BACKUP ||
           image->status == STATUS_OVER;
}

static bool is_alike(const struct image *a, const struct image *b)
{
    if (a->status == STATUS_OVER || b->status == STATUS_OVER) {
        return is_free(a) && is_free(b);
    }
    return a->status == b->status && a->expires_s == b->expires_s &&
           (a->status != BINDING_ACTIVE || (a->duid == b->duid && a->iaid == b->iaid));
}

/* (5) */
bool check_equal(struct sim *sim, char *text, size_t text_size)
{
    for (unsigned n = 0; n < SIM_NODES; n++) {
        for (unsigned i = 0; i < SIM_KEYS; i++) {
            const struct known *known = &sim->nodes[n].model.known[i];
            struct image a, b;
            char name[64];

            if (!known->used ||
                (known->resource.type == LEASE_TYPE_PD && known->resource.length != UNIT_LENGTH)) {
                continue;
            }
            a = image_now(&sim->nodes[0], &known->resource);
            b = image_now(&sim->nodes[1], &known->resource);
            if (is_alike(&a, &b)) {
                continue;
            }
            resource_text(&known->resource, name);
            (void)snprintf(text, text_size, "%s is %s until %d here, %s until %d there", name,
                           binding_status_name(a.status), (int)(a.expires_s - SIM_EPOCH),
                           binding_status_name(b.status), (int)(b.expires_s - SIM_EPOCH));
            return false;
        }
    }
    return true;
}
