/* A relation's life, its turn, and who gets which event and action. */
#include "server/relation.h"

#include <stdlib.h>

#include "server/relation_internal.h"

enum {
    ROUNDS_MAX = 32,       /* of one turn */
    EVENTS_MAX = 64,       /* of one round */
    POLL_MS = 10,          /* changes of leases are looked for that often */
    DISK_POLL_MS = 1,      /* while something waits for the disk */
    MESSAGE_SIZE_MAX = 64, /* of the bare messages and STATE */
};

/* What CONNECT tells; numbers are never reused. */
enum {
    CAPABILITY_RFC8156 = 1, /* the protocol, its ambiguities read as docs/failover.md says */
};

static const char software[] = "tandem6 " TANDEM6_VERSION;

void relation_barrier_set(const struct relation *relation, struct relation_barrier *ret_barrier)
{
    const struct server *server = relation->server;

    for (unsigned i = 0; i <= server->worker_count; i++) {
        ret_barrier->heads[i] = atomic_load_explicit(&server->rings[i].head, memory_order_acquire);
    }
}

bool relation_barrier_passed(const struct relation *relation,
                             const struct relation_barrier *barrier)
{
    const struct server *server = relation->server;

    for (unsigned i = 0; i <= server->worker_count; i++) {
        if (change_ring_durable(&server->rings[i]) < barrier->heads[i]) {
            return false;
        }
    }
    return true;
}

/* What the disk knew at boot, or -ENOENT. */
static int record_load(const struct server *server, unsigned index, struct fo_record *ret_record)
{
    const struct server_endpoint *endpoint = &server->endpoints[index];

    if (endpoint->record_size == 0) {
        return -ENOENT;
    }
    return fo_record_parse((struct span){endpoint->record, endpoint->record_size}, ret_record);
}

static int machine_init(struct relation *relation, const struct config_failover *failover,
                        sec_t now)
{
    const struct server *server = relation->server;
    struct fo_fsm_config config = {
        .role = relation->role,
        .mclt_s = failover->mclt_s,
        .startup_s = failover->startup_s,
        .auto_partner_down_s = failover->partner_down_after_s,
        .startup_partner_down = failover->startup_partner_down,
    };
    struct fo_record record;
    int r = record_load(server, relation->index, &record);

    if (r && r != -ENOENT) {
        return r;
    }
    return fo_fsm_init(
        &relation->fsm, &config, r ? NULL : &record,
        server->disk_clean_stop_s ? server->disk_clean_stop_s : server->disk_horizon_s, now);
}

static int link_init(struct relation *relation, const struct config_failover *failover)
{
    struct fo_link_config config = {
        .role = relation->role,
        .secure = failover->has_tls,
        .mclt_s = failover->mclt_s,
        .keepalive_s = failover->keepalive_s,
        .max_unacked = RELATION_UNACKED_MAX,
        .fixed_pd_length = true,
        .capabilities = {.software = {(const uint8_t *)software, sizeof(software) - 1},
                         .items = {{CAPABILITY_RFC8156, 1}},
                         .count = 1},
    };
    size_t size = strlen(failover->relationship);

    if (size > FO_NAME_SIZE_MAX) {
        return -EINVAL;
    }
    memcpy(relation->name, failover->relationship, size);
    config.name = (struct span){(const uint8_t *)relation->name, size};
    return fo_link_init(&relation->link, &config);
}

/* Which of the leases on disk the partner knows is not on disk: it will be told of all again. What
 * it knows already it takes as no news. */
static void leases_mark(struct relation *relation)
{
    struct server *server = relation->server;
    const struct policy *policy = server_policy(server);
    uint32_t slots = store_slot_max(server->store);
    struct lease_found found;

    for (uint32_t slot = 0; slot < slots; slot++) {
        if (store_read(server->store, slot, &found) &&
            server_relationship_of(policy, &found.lease.resource) == (int)relation->index) {
            dirty_durable_set(server->dirty, slot, &found.lease);
            dirty_set(server->dirty, relation->index, DIRTY_DUE, slot);
        }
    }
}

int relation_new(struct server *server, unsigned index, struct fo_time now,
                 struct relation **ret_relation)
{
    const struct config_failover *failover = &server->config->failovers[index];
    struct relation *relation = aligned_alloc(CACHE_LINE, sizeof(*relation)); /* a multiple of it */
    int r = relation ? 0 : -ENOMEM;

    T6_ASSERT(index < server->endpoint_count && server->worker_count < RELATION_RINGS_MAX);
    if (r) {
        return r;
    }
    memset(relation, 0, sizeof(*relation));
    relation->server = server;
    relation->index = index;
    relation->role = failover->role == CONFIG_ROLE_PRIMARY ? FO_PRIMARY : FO_SECONDARY;
    relation->clean = calloc(RELATION_CLEAN_MAX, sizeof(*relation->clean));
    relation->replies = malloc(RELATION_REPLIES_SIZE);
    relation->scratch = malloc(FO_FRAME_SIZE_MAX);
    relation->blocks = calloc(RELATION_BLOCKS_MAX, sizeof(*relation->blocks));
    r = relation->clean && relation->replies && relation->scratch && relation->blocks ? 0 : -ENOMEM;
    r = r ? r : relation_balance_init(relation);
    r = r ? r : machine_init(relation, failover, now.s);
    r = r ? r : link_init(relation, failover);
    if (r) {
        relation_free(relation);
        return r;
    }
    relation_send_reset(relation);
    leases_mark(relation);
    server->endpoints[index].relation = relation;
    *ret_relation = relation;
    return 0;
}

void relation_free(struct relation *relation)
{
    if (!relation) {
        return;
    }
    if (relation->server->endpoints[relation->index].relation == relation) {
        relation->server->endpoints[relation->index].relation = NULL;
    }
    policy_free(relation->retired);
    relation_balance_done(relation);
    fo_link_done(&relation->link);
    free(relation->clean);
    free(relation->blocks);
    free(relation->replies);
    free(relation->scratch);
    free(relation);
}

void relation_start(struct relation *relation, struct fo_time now)
{
    fo_link_start(&relation->link, now);
}

void relation_clean_push(struct relation *relation, const struct lease_found *stored,
                         uint64_t position)
{
    unsigned at = (relation->clean_head + relation->clean_count) % RELATION_CLEAN_MAX;

    if (relation->clean_count < RELATION_CLEAN_MAX) { /* else it is told once more, harmless */
        relation->clean[at] = (struct relation_clean){stored->slot, stored->lease.version,
                                                      stored->lease.resource, position};
        relation->clean_count++;
    }
}

void relation_clean(struct relation *relation, uint32_t slot, const struct resource *resource,
                    uint64_t version)
{
    struct server *server = relation->server;
    struct lease_found found;

    (void)dirty_take(server->dirty, relation->index, DIRTY_DUE, slot);
    if (store_read(server->store, slot, &found) &&
        (found.lease.version != version || !resource_equal(&found.lease.resource, resource))) {
        dirty_set(server->dirty, relation->index, DIRTY_DUE, slot);
    }
}

/* Takes back the dirty bits of own commits that are durable by now. */
static bool clean_turn(struct relation *relation)
{
    uint64_t durable = change_ring_durable(server_control_ring(relation->server));
    bool moved = false;

    while (relation->clean_count && relation->clean[relation->clean_head].position <= durable) {
        const struct relation_clean *clean = &relation->clean[relation->clean_head];

        relation_clean(relation, clean->slot, &clean->resource, clean->version);
        relation->clean_head = (relation->clean_head + 1) % RELATION_CLEAN_MAX;
        relation->clean_count--;
        moved = true;
    }
    return moved;
}

/* True when the store holds what was committed, and no later change. */
static bool is_committed(const struct lease *stored, const struct lease *next)
{
    return stored->status == next->status && stored->iaid == next->iaid &&
           span_equal(stored->duid, next->duid) &&
           memcmp(&stored->times, &next->times, sizeof(next->times)) == 0;
}

int relation_commit(struct relation *relation, const struct lease_found *base,
                    const struct lease *next, bool claimed, struct lease_found *ret_found,
                    uint64_t *ret_position)
{
    struct server *server = relation->server;
    const struct policy *policy = server_policy(server);
    struct server_change change = {base, next, policy_pool_find(policy, &next->resource)};
    int r = claimed ? server_commit_claimed(server, policy, &change, ret_position)
                    : server_commit(server, policy, server->worker_count, &change, ret_position);

    if (r == 0 && (!store_find(server->store, &next->resource, ret_found) ||
                   !is_committed(&ret_found->lease, next))) {
        ret_found->slot = LEASE_SLOT_NONE;
    }
    return r;
}

static void control_send(struct relation *relation, const uint8_t *frame, size_t size,
                         struct fo_time now)
{
    /* Only a partner that stopped reading fills the queue; not now: the connection is gone. */
    if (fo_link_send(&relation->link, (struct span){frame, size}, 0, now) == -EAGAIN) {
        fo_link_disconnect(&relation->link, FO_STATUS_UNSPEC_FAIL, "queue full", now);
    }
}

static void bare_send(struct relation *relation, enum fo_message_type type, struct fo_time now)
{
    uint8_t frame[MESSAGE_SIZE_MAX];

    control_send(relation, frame, fo_encode_bare(type, 0, frame, sizeof(frame)), now);
}

void relation_pool_request(struct relation *relation, struct fo_time now)
{
    if (relation->link.pool_request.xid == 0) {
        relation->stats.pool_requests++;
        bare_send(relation, FO_POOLREQ, now);
    }
}

static void bare_answer(struct relation *relation, enum fo_message_type type, uint32_t xid,
                        uint32_t connection, struct fo_time now)
{
    uint8_t frame[MESSAGE_SIZE_MAX];
    size_t size = fo_encode_bare(type, xid, frame, sizeof(frame));

    /* -ESTALE: that connection is gone, and the question with it. */
    if (fo_link_answer(&relation->link, connection, (struct span){frame, size}, now) == -EAGAIN) {
        fo_link_disconnect(&relation->link, FO_STATUS_UNSPEC_FAIL, "queue full", now);
    }
}

static void state_send(struct relation *relation, struct fo_time now)
{
    struct fo_state state = fo_fsm_state_message(&relation->fsm);
    uint8_t frame[MESSAGE_SIZE_MAX];

    control_send(relation, frame, fo_encode_state(0, &state, frame, sizeof(frame)), now);
}

static void act(struct relation *relation, enum fo_act what, uint32_t revision, bool narrow,
                struct fo_time now)
{
    switch (what) {
    case FO_ACT_SETTLE:
        relation_settle_begin(relation, revision, narrow);
        break;
    case FO_ACT_PUBLISH: /* the turn compares */
        break;
    case FO_ACT_PERSIST:
        relation->persist_due = true;
        break;
    case FO_ACT_SEND_STATE:
        state_send(relation, now);
        break;
    case FO_ACT_SEND_UPDREQ:
        bare_send(relation, FO_UPDREQ, now);
        break;
    case FO_ACT_SEND_UPDREQALL:
        bare_send(relation, FO_UPDREQALL, now);
        break;
    case FO_ACT_SEND_UPDDONE:
        relation->all_owed = false;
        bare_answer(relation, FO_UPDDONE, relation->request_xid, relation->request_connection, now);
        break;
    case FO_ACT_SEND_PENDING:
    case FO_ACT_DRAIN:
        relation_pass_begin(relation, false, true);
        break;
    case FO_ACT_SEND_POOLREQ:
        relation_pool_request(relation, now);
        break;
    case FO_ACT_DROP:
        fo_link_disconnect(&relation->link, FO_STATUS_UNSPEC_FAIL, "begins anew", now);
        break;
    case FO_ACT_DISCONNECT:
        fo_link_stop(&relation->link, now);
        break;
    case FO_ACT_STOPPED:
        relation->stopped = true;
        break;
    case FO_ACT_HANDOVER_FAILED:
        relation->handover_failed = true;
        break;
    case FO_ACT_ALARM:
        relation->stats.alarms++;
        break;
    case FO_ACT_COUNT:
        break;
    }
}

static int step(struct relation *relation, const struct fo_fsm_event *event, struct fo_time now)
{
    struct fo_fsm_actions actions = {.count = 0};
    int r = fo_fsm_step(&relation->fsm, event, now.s, &actions);

    for (unsigned i = 0; r == 0 && i < actions.count; i++) {
        act(relation, actions.list[i].act, actions.list[i].revision, actions.list[i].narrow, now);
    }
    return r;
}

void relation_step(struct relation *relation, const struct fo_fsm_event *event, struct fo_time now)
{
    (void)step(relation, event, now); /* only the operator's events can fail */
}

void relation_step_type(struct relation *relation, enum fo_fsm_event_type type, struct fo_time now)
{
    relation_step(relation, &(struct fo_fsm_event){.type = type}, now);
}

int relation_command(struct relation *relation, const struct fo_fsm_event *event,
                     struct fo_time now)
{
    relation->handover_failed = false;
    relation->busy = true; /* what it asks for is done at once */
    return step(relation, event, now);
}

static void state_take(struct relation *relation, const struct fo_link_event *event,
                       struct fo_time now)
{
    relation_step(relation,
                  &(struct fo_fsm_event){.type = FO_FSM_STATE, .state = event->message.state}, now);
}

static void request_take(struct relation *relation, const struct fo_link_event *event)
{
    relation->request_due = true;
    relation->all_owed |= event->message.type == FO_UPDREQALL;
    relation->request_xid = event->message.xid;
    relation->request_connection = event->connection;
}

static void message_take(struct relation *relation, const struct fo_link_event *event,
                         struct fo_time now)
{
    enum fo_fsm_event_type step_type = FO_FSM_HEARD;

    switch (event->message.type) {
    case FO_STATE:
        state_take(relation, event, now);
        return;
    case FO_BNDUPD:
        relation_update_take(relation, event, now);
        step_type = FO_FSM_BNDUPD;
        break;
    case FO_BNDREPLY:
        relation_reply_take(relation, event, now);
        break;
    case FO_UPDREQ:
    case FO_UPDREQALL:
        request_take(relation, event);
        break;
    case FO_UPDDONE:
        step_type = FO_FSM_UPDDONE;
        break;
    case FO_POOLREQ:
        relation->stats.pool_requests++; /* the counts are looked at all the time */
        bare_answer(relation, FO_POOLRESP, event->message.xid, event->connection, now);
        break;
    case FO_POOLRESP:
    case FO_REPLY: /* the rest is the link's own */
    case FO_STARTTLS:
    case FO_CONNECT:
    case FO_CONNECTREPLY:
    case FO_DISCONNECT:
    case FO_CONTACT:
        break;
    }
    relation_step_type(relation, step_type, now);
}

static void connection_over(struct relation *relation, const struct fo_link_event *event,
                            struct fo_time now)
{
    relation->down_reason = event->reason;
    relation->down_s = now.s;
    memcpy(relation->down_text, event->text, sizeof(relation->down_text));
    relation_send_reset(relation);
    relation_balance_reset(relation);
    relation->request_due = false;
    relation->replies_head = relation->replies_tail = 0;
    if (event->was_up) { /* what a partner-down may go back to: CONTACTs count, too */
        struct fo_time heard = now;

        heard.s -= (sec_t)((now.ms - relation->link.heard_ms) / 1000);
        relation_step_type(relation, FO_FSM_HEARD, heard);
    }
    relation_step_type(relation, FO_FSM_DISCONNECTED, now);
}

static bool events_take(struct relation *relation, struct fo_time now)
{
    struct fo_link_event event;
    bool moved = false;

    /* A message is taken only when whatever it brings can be committed and answered. */
    for (unsigned i = 0; i < EVENTS_MAX && relation_receive_has_room(relation) &&
                         fo_link_next(&relation->link, now, &event);
         i++) {
        moved = true;
        switch (event.type) {
        case FO_EVENT_OPENED:
            relation_step(relation,
                          &(struct fo_fsm_event){.type = FO_FSM_CONNECTED,
                                                 .mclt_s = relation->link.peer.mclt_s},
                          now);
            break;
        case FO_EVENT_UP:
            state_take(relation, &event, now);
            break;
        case FO_EVENT_MESSAGE:
            message_take(relation, &event, now);
            break;
        case FO_EVENT_SKEW: /* counted in link.stats */
            break;
        case FO_EVENT_DOWN:
            connection_over(relation, &event, now);
            break;
        }
    }
    return moved;
}

/* The partner's UPDREQ is served once our state is durable: what is granted behind the answer is
 * limited by the MCLT then (facts B.10). */
static bool request_turn(struct relation *relation)
{
    if (!relation->request_due || !fo_fsm_is_settled(&relation->fsm)) {
        return false;
    }
    relation->request_due = false;
    relation_pass_begin(relation, true, false);
    return true;
}

static void tick(struct relation *relation, struct fo_time now)
{
    sec_t at;

    if (fo_fsm_deadline(&relation->fsm, &at) && !sec_after(at, now.s)) {
        relation_step_type(relation, FO_FSM_TICK, now);
    }
}

enum fo_action relation_run(struct relation *relation, struct fo_time now)
{
    bool moved = true;

    relation->run_s = now.s;
    tick(relation, now);
    for (unsigned i = 0; i < ROUNDS_MAX && moved; i++) {
        moved = events_take(relation, now);
        moved = relation_settle_turn(relation, now) || moved;
        moved = request_turn(relation) || moved;
        moved = relation_replies_turn(relation, now) || moved;
        moved = clean_turn(relation) || moved;
        moved = relation_balance_turn(relation, now) || moved;
        moved = relation_send_turn(relation, now) || moved;
    }
    relation->busy = moved;
    return fo_link_run(&relation->link, now);
}

size_t relation_bytes_received(struct relation *relation, struct span bytes, struct fo_time now)
{
    return fo_link_input(&relation->link, bytes, now);
}

struct span relation_output(struct relation *relation, struct fo_time now)
{
    return fo_link_output(&relation->link, now);
}

void relation_output_done(struct relation *relation, size_t size, struct fo_time now)
{
    fo_link_output_done(&relation->link, size, now);
}

static msec_t sooner(msec_t a, msec_t b)
{
    return a < b ? a : b;
}

msec_t relation_deadline(const struct relation *relation, struct fo_time now)
{
    msec_t at_ms = fo_link_deadline(&relation->link);
    sec_t at_s;

    if (relation->busy) {
        return 0;
    }
    if (fo_fsm_deadline(&relation->fsm, &at_s)) {
        at_ms = sooner(at_ms, now.ms + (msec_t)sec_until(at_s, now.s) * 1000);
    }
    if (relation->settling != SETTLING_NONE || relation->persist_due || relation->clean_count ||
        relation->replies_head != relation->replies_tail || relation->pass.active) {
        at_ms = sooner(at_ms, now.ms + DISK_POLL_MS);
    }
    if (fo_link_is_up(&relation->link)) {
        at_ms = sooner(at_ms, now.ms + POLL_MS);
    }
    return at_ms;
}

/* The lease's status as it becomes when its time is over. */
static void lease_turn(struct lease *lease, enum binding_status status, sec_t now)
{
    lease->status = (uint8_t)status;
    lease->times.start_s = now;
    lease->times.expires_s = lease->times.horizon_s = 0;
    lease->times.preferred_lifetime_s = lease->times.valid_lifetime_s = 0;
    lease->times.t1_s = lease->times.t2_s = 0;
}

enum {
    AGAIN_S = 60, /* leases whose time is over and that may not end yet are looked at that often */
};

enum relation_end relation_lease_end(const struct relation *relation, const struct lease *lease,
                                     sec_t now, struct lease *ret_next, sec_t *ret_again_s)
{
    const struct fo_record *record = relation ? &relation->fsm.record : NULL;
    bool timed = lease->status == BINDING_ACTIVE || lease->status == BINDING_ABANDONED;
    uint32_t delay_s;
    sec_t free_at_s;

    *ret_again_s = now + AGAIN_S;
    if (!relation || !fo_fsm_is_settled(&relation->fsm) ||
        !fo_fsm_may_expire(&relation->fsm, &delay_s) || lease->status == BINDING_FREE ||
        lease->status == BINDING_FREE_BACKUP) {
        return RELATION_KEEP;
    }
    if (record->state == FO_PARTNER_DOWN &&
        fo_update_free_at(lease, record->down_since_s, record->mclt_s, &free_at_s) &&
        !sec_after(free_at_s, now)) {
        *ret_next = *lease;
        ret_next->times.start_s = now;
        fo_update_free(ret_next);
        return RELATION_ENDS;
    }
    if (!timed || lease->times.expires_s == 0) {
        return RELATION_KEEP;
    }
    if (!lease_is_over(lease, now - LEASE_TRANSIT_S - delay_s)) {
        *ret_again_s = lease->times.expires_s + LEASE_TRANSIT_S + 1 + delay_s;
        return RELATION_KEEP;
    }
    *ret_next = *lease;
    lease_turn(ret_next, lease->status == BINDING_ACTIVE ? BINDING_EXPIRED : BINDING_RESET, now);
    return RELATION_ENDS;
}
