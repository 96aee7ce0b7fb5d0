/* The table of metrics, and the walk along it. */
#include "server/metrics.h"

#include <string.h>

#include "server/methods_internal.h"
#include "server/relation.h"

enum {
    STEP_SAMPLES_MAX = 256, /* of one piece */
    RELATIONS_MAX = 64,
};

/* Arguments that are no member's offset. */
#define WORKER_ALIVE    SIZE_MAX
#define JOURNAL_HEALTHY SIZE_MAX

enum relation_number {
    RELATION_CONNECTED,
    RELATION_SINCE,
    RELATION_UNACKED,
    RELATION_DIRTY,
    RELATION_REFUSED,
    RELATION_BEHIND,
    RELATION_SENT,
    RELATION_ACKED,
    RELATION_REJECTED,
    RELATION_TAKEN,
    RELATION_TAKEN_NOT,
    RELATION_CONFLICTS,
};

/* What a scrape keeps of a relationship; its status costs a walk over all dirty words. */
struct scrape_relation {
    char name[FO_NAME_SIZE_MAX + 1];
    struct relation_status status;
    struct relation_pool_counts free;
};

struct scrape {
    struct methods *methods;
    const struct methods_env *env;
    uint64_t counters[COUNTER_COUNT];
    struct journal_stats journal;
    struct store_stats store;
    struct methods_program program;
    struct scrape_relation *relations; /* [relation_count] */
    unsigned relation_count;
    unsigned metric, row; /* where the walk is */
    bool headed;          /* the metric's head is written */
    struct histogram_picture picture;
    char label[FIELD_ADDRESS_TEXT_MAX];
};

/* Fills in the row-th sample of a metric; false behind the last one. */
typedef bool sample_fn(struct scrape *scrape, size_t arg, unsigned row,
                       struct metric_sample *sample);

struct metric {
    struct metric_info info;
    sample_fn *sample;
    size_t arg; /* the function's: which member, which group */
};

static sample_fn counter_sample, build_sample, started_sample, serving_sample, lease_sample,
    store_sample, pool_sample, worker_sample, journal_sample, relation_state_sample,
    relation_sample, relation_lag_sample, relation_free_sample, port_sample, alarm_sample,
    histogram_sample, program_sample, program_real_sample;

#define MEMBER(type, member) offsetof(struct type, member)

/* clang-format off */
static const struct metric metrics[] = {
    {{"tandem6_build_info", METRIC_GAUGE, {"version", "api", "dpdk"}, "1, for the versions in its labels"}, build_sample, 0},
    {{"tandem6_start_time_seconds", METRIC_GAUGE, {NULL}, "When the server started, as Unix time"}, started_sample, 0},
    {{"tandem6_serving", METRIC_GAUGE, {"state"}, "1 while clients are answered, else 0"}, serving_sample, 0},
    {{"tandem6_received_total", METRIC_COUNTER, {"kind"}, "Frames and messages received, by kind; a relayed message counts as relayed too"}, counter_sample, 'r'},
    {{"tandem6_dropped_total", METRIC_COUNTER, {"reason"}, "Frames and messages not answered, by reason"}, counter_sample, 'd'},
    {{"tandem6_sent_total", METRIC_COUNTER, {"kind"}, "Frames and messages sent, by kind"}, counter_sample, 't'},
    {{"tandem6_lease_events_total", METRIC_COUNTER, {"event"}, "Changes of leases, and answers that brought none"}, counter_sample, 'l'},
    {{"tandem6_internal_events_total", METRIC_COUNTER, {"event"}, "Inner workings"}, counter_sample, 'c'},
    {{"tandem6_partner_connections_total", METRIC_COUNTER, {"outcome"}, "Connections to the failover port, by what became of them"}, counter_sample, 'p'},
    {{"tandem6_leases", METRIC_GAUGE, {"state"}, "Leases present, by binding status"}, lease_sample, 0},
    {{"tandem6_lease_slots", METRIC_GAUGE, {NULL}, "Leases the store has room for"}, store_sample, MEMBER(store_stats, leases_max)},
    {{"tandem6_lease_slots_used", METRIC_GAUGE, {NULL}, "Leases present"}, store_sample, MEMBER(store_stats, slots_used)},
    {{"tandem6_long_leases_used", METRIC_GAUGE, {NULL}, "Leases with more client data than fits beside them"}, store_sample, MEMBER(store_stats, long_leases_used)},
    {{"tandem6_cut_leases", METRIC_GAUGE, {NULL}, "Leases whose relay data is not complete, for want of room"}, store_sample, MEMBER(store_stats, cut_leases)},
    {{"tandem6_store_memory_bytes", METRIC_GAUGE, {NULL}, "Memory of all leases and their indexes"}, store_sample, MEMBER(store_stats, memory_bytes)},
    {{"tandem6_pool_units", METRIC_GAUGE, {"pool", "link", "type"}, "Addresses or prefixes a pool has in all"}, pool_sample, MEMBER(pool_numbers, total)},
    {{"tandem6_pool_free_units", METRIC_GAUGE, {"pool", "link", "type"}, "What a pool can give to new clients now"}, pool_sample, MEMBER(pool_numbers, free)},
    {{"tandem6_pool_used_units", METRIC_GAUGE, {"pool", "link", "type"}, "Active leases of a pool"}, pool_sample, MEMBER(pool_numbers, used)},
    {{"tandem6_pool_declined_units", METRIC_GAUGE, {"pool", "link", "type"}, "Addresses of a pool that clients found in use"}, pool_sample, MEMBER(pool_numbers, declined)},
    {{"tandem6_pool_waiting_units", METRIC_GAUGE, {"pool", "link", "type"}, "Ended leases of a pool that are not free yet"}, pool_sample, MEMBER(pool_numbers, waiting)},
    {{"tandem6_pool_reserved_units", METRIC_GAUGE, {"pool", "link", "type"}, "Units of a pool that reservations hold"}, pool_sample, MEMBER(pool_numbers, reserved)},
    {{"tandem6_port_up", METRIC_GAUGE, {"port"}, "1 while the port has a link"}, port_sample, 0},
    {{"tandem6_worker_alive", METRIC_GAUGE, {"worker"}, "1 when the worker made a turn within the last second"}, worker_sample, WORKER_ALIVE},
    {{"tandem6_worker_turns_total", METRIC_COUNTER, {"worker"}, "Turns of the worker's loop"}, worker_sample, MEMBER(methods_worker, turns)},
    {{"tandem6_worker_parked_replies", METRIC_GAUGE, {"worker"}, "Replies that wait for the disk"}, worker_sample, MEMBER(methods_worker, parked)},
    {{"tandem6_worker_parked_replies_max", METRIC_GAUGE, {"worker"}, "Most replies that ever waited for the disk"}, worker_sample, MEMBER(methods_worker, parked_max)},
    {{"tandem6_worker_ring_size_bytes", METRIC_GAUGE, {"worker"}, "Room for changes on their way to the journal"}, worker_sample, MEMBER(methods_worker, ring_size)},
    {{"tandem6_worker_ring_pending_bytes", METRIC_GAUGE, {"worker"}, "Changes on their way to the journal"}, worker_sample, MEMBER(methods_worker, ring_not_durable)},
    {{"tandem6_worker_ring_used_max_bytes", METRIC_GAUGE, {"worker"}, "Most changes that were ever on their way to the journal"}, worker_sample, MEMBER(methods_worker, ring_used_max)},
    {{"tandem6_worker_ring_full_total", METRIC_COUNTER, {"worker"}, "Times the ring to the journal was found full"}, worker_sample, MEMBER(methods_worker, ring_full)},
    {{"tandem6_journal_healthy", METRIC_GAUGE, {NULL}, "1 while the log can be written"}, journal_sample, JOURNAL_HEALTHY},
    {{"tandem6_journal_batches_total", METRIC_COUNTER, {NULL}, "Batches written, each with one sync"}, journal_sample, MEMBER(journal_stats, batches)},
    {{"tandem6_journal_records_total", METRIC_COUNTER, {NULL}, "Records written"}, journal_sample, MEMBER(journal_stats, records)},
    {{"tandem6_journal_written_bytes_total", METRIC_COUNTER, {NULL}, "Octets written to the log"}, journal_sample, MEMBER(journal_stats, bytes)},
    {{"tandem6_journal_write_errors_total", METRIC_COUNTER, {NULL}, "Batches that could not be written at once"}, journal_sample, MEMBER(journal_stats, write_errors)},
    {{"tandem6_journal_checkpoints_total", METRIC_COUNTER, {NULL}, "Checkpoints written"}, journal_sample, MEMBER(journal_stats, checkpoints)},
    {{"tandem6_journal_log_bytes", METRIC_GAUGE, {NULL}, "Log behind the last checkpoint"}, journal_sample, MEMBER(journal_stats, log_bytes)},
    {{"tandem6_journal_segments", METRIC_GAUGE, {NULL}, "Files of the log"}, journal_sample, MEMBER(journal_stats, segments)},
    {{"tandem6_relation_state", METRIC_GAUGE, {"relation", "role", "state", "partner_state"}, "1, for the endpoint states in its labels"}, relation_state_sample, 0},
    {{"tandem6_relation_connected", METRIC_GAUGE, {"relation"}, "1 while communications with the partner are OK"}, relation_sample, RELATION_CONNECTED},
    {{"tandem6_relation_state_since_seconds", METRIC_GAUGE, {"relation"}, "When the endpoint entered its state, as Unix time"}, relation_sample, RELATION_SINCE},
    {{"tandem6_relation_unacked_updates", METRIC_GAUGE, {"relation"}, "Updates sent and not answered"}, relation_sample, RELATION_UNACKED},
    {{"tandem6_relation_dirty_leases", METRIC_GAUGE, {"relation"}, "Leases the partner is still to be told of"}, relation_sample, RELATION_DIRTY},
    {{"tandem6_relation_refused_leases", METRIC_GAUGE, {"relation"}, "Leases whose updates the partner refused"}, relation_sample, RELATION_REFUSED},
    {{"tandem6_relation_behind_seconds", METRIC_GAUGE, {"relation"}, "How long ago the partner had acknowledged all there was"}, relation_sample, RELATION_BEHIND},
    {{"tandem6_relation_lag_seconds", METRIC_HISTOGRAM, {"relation"}, "From a moment until all that was to be sent then is acknowledged"}, relation_lag_sample, 0},
    {{"tandem6_relation_free_prefixes", METRIC_GAUGE, {"relation", "side"}, "Free delegable prefixes of both sides"}, relation_free_sample, 0},
    {{"tandem6_relation_updates_sent_total", METRIC_COUNTER, {"relation"}, "Updates sent"}, relation_sample, RELATION_SENT},
    {{"tandem6_relation_updates_acked_total", METRIC_COUNTER, {"relation"}, "Updates the partner acknowledged"}, relation_sample, RELATION_ACKED},
    {{"tandem6_relation_updates_rejected_total", METRIC_COUNTER, {"relation"}, "Updates the partner rejected"}, relation_sample, RELATION_REJECTED},
    {{"tandem6_relation_updates_taken_total", METRIC_COUNTER, {"relation"}, "Leases taken from the partner's updates"}, relation_sample, RELATION_TAKEN},
    {{"tandem6_relation_updates_refused_total", METRIC_COUNTER, {"relation"}, "Leases of the partner's updates that were refused"}, relation_sample, RELATION_TAKEN_NOT},
    {{"tandem6_relation_conflicts_total", METRIC_COUNTER, {"relation"}, "Leases both sides had given, to two clients"}, relation_sample, RELATION_CONFLICTS},
    {{"tandem6_latency_seconds", METRIC_HISTOGRAM, {"stage"}, "How long the stages of the work take"}, histogram_sample, 0},
    {{"tandem6_alarm_active", METRIC_GAUGE, {"check", "level"}, "1 for every standing alarm"}, alarm_sample, 0},
    {{"tandem6_rcu_grace_period_seconds", METRIC_GAUGE, {NULL}, "Length of the last grace period"}, program_real_sample, MEMBER(methods_program, grace_s)},
    {{"tandem6_rcu_grace_period_max_seconds", METRIC_GAUGE, {NULL}, "Length of the longest grace period"}, program_real_sample, MEMBER(methods_program, grace_max_s)},
    {{"tandem6_control_turn_seconds", METRIC_GAUGE, {NULL}, "Length of the control core's last turn"}, program_real_sample, MEMBER(methods_program, turn_s)},
    {{"tandem6_control_turn_max_seconds", METRIC_GAUGE, {NULL}, "Length of the control core's longest turn"}, program_real_sample, MEMBER(methods_program, turn_max_s)},
    {{"tandem6_http_connections", METRIC_GAUGE, {NULL}, "Connections to the HTTP port"}, program_sample, MEMBER(methods_program, http_connections)},
    {{"tandem6_http_streams", METRIC_GAUGE, {NULL}, "Answers under way that are made piece by piece"}, program_sample, MEMBER(methods_program, http_streams)},
    {{"tandem6_http_accepted_total", METRIC_COUNTER, {NULL}, "Connections the HTTP port took"}, program_sample, MEMBER(methods_program, http_accepted)},
    {{"tandem6_http_requests_total", METRIC_COUNTER, {NULL}, "Requests answered"}, program_sample, MEMBER(methods_program, http_requests)},
    {{"tandem6_http_refused_total", METRIC_COUNTER, {NULL}, "Requests and connections refused"}, program_sample, MEMBER(methods_program, http_refused)},
    {{"tandem6_http_evicted_total", METRIC_COUNTER, {NULL}, "Waiting connections closed for new ones"}, program_sample, MEMBER(methods_program, http_evicted)},
    {{"tandem6_http_timeouts_total", METRIC_COUNTER, {NULL}, "Connections closed because they were too slow"}, program_sample, MEMBER(methods_program, http_timeouts)},
    {{"tandem6_http_handshakes_failed_total", METRIC_COUNTER, {NULL}, "TLS handshakes that failed"}, program_sample, MEMBER(methods_program, http_handshakes_failed)},
    {{"tandem6_socket_connections", METRIC_GAUGE, {NULL}, "Connections to the Unix socket"}, program_sample, MEMBER(methods_program, socket_connections)},
    {{"process_resident_memory_bytes", METRIC_GAUGE, {NULL}, "Memory of the process in RAM, without hugepages"}, program_sample, MEMBER(methods_program, resident_bytes)},
    {{"process_cpu_seconds_total", METRIC_COUNTER, {NULL}, "CPU time of the process; workers that poll use it all"}, program_real_sample, MEMBER(methods_program, cpu_s)},
};

/* clang-format on */

enum {
    METRICS_COUNT = sizeof(metrics) / sizeof(metrics[0])
};

const struct metric_info *metrics_info(unsigned index)
{
    return index < METRICS_COUNT ? &metrics[index].info : NULL;
}

static void relations_gather(struct scrape *scrape)
{
    const struct methods_env *env = scrape->env;
    const struct policy *policy = env->policy(env->ctx);
    struct fo_time now = {.s = env->now(env->ctx)};

    env->time(env->ctx, &now);
    for (unsigned i = 0; i < scrape->relation_count; i++) {
        struct scrape_relation *row = &scrape->relations[i];
        const struct relation *relation = env->relation(env->ctx, i);
        struct relation_pool_counts counts;

        relation_status(relation, now, &row->status);
        (void)snprintf(row->name, sizeof(row->name), "%s", relation->name);
        for (unsigned pool = 0; pool < policy->pool_count; pool++) {
            if (relation_pool_counts(relation, pool, &counts)) {
                row->free.own += counts.own;
                row->free.partner += counts.partner;
                row->free.moving += counts.moving;
            }
        }
    }
}

int scrape_new(struct methods *methods, struct scrape **ret_scrape)
{
    struct scrape *scrape = calloc(1, sizeof(*scrape));
    const struct methods_env *env = &methods->env;

    if (scrape == NULL) {
        return -ENOMEM;
    }
    scrape->methods = methods;
    scrape->env = env;
    while (env->relation && env->time && scrape->relation_count < RELATIONS_MAX &&
           env->relation(env->ctx, scrape->relation_count)) {
        scrape->relation_count++;
    }
    scrape->relations = calloc(scrape->relation_count + 1u, sizeof(scrape->relations[0]));
    if (scrape->relations == NULL) {
        free(scrape);
        return -ENOMEM;
    }
    env->counters(env->ctx, scrape->counters);
    store_stats_get(env->store, &scrape->store);
    if (env->journal_stats) {
        env->journal_stats(env->ctx, &scrape->journal);
    }
    if (env->program) {
        env->program(env->program_ctx, &scrape->program);
    }
    if (scrape->relation_count) {
        relations_gather(scrape);
    }
    *ret_scrape = scrape;
    return 0;
}

void scrape_free(struct scrape *scrape)
{
    if (scrape) {
        free(scrape->relations);
        free(scrape);
    }
}

/* One sample of the metric under way, or on to the next metric. */
static void scrape_one(struct scrape *scrape, struct metric_text *text)
{
    const struct metric *metric = &metrics[scrape->metric];
    struct metric_sample sample = {.unit = 1};

    if (!metric->sample(scrape, metric->arg, scrape->row, &sample)) {
        scrape->metric++;
        scrape->row = 0;
        scrape->headed = false;
        return;
    }
    scrape->row++;
    if (!scrape->headed) {
        metric_head_write(text, &metric->info);
        scrape->headed = true;
    }
    metric_sample_write(text, &metric->info, &sample);
}

size_t scrape_step(struct scrape *scrape, char *buf, size_t buf_size)
{
    struct metric_text text = {.buf = buf, .capacity = buf_size};

    T6_ASSERT(buf_size >= METRICS_PIECE_MIN);
    for (unsigned i = 0;
         scrape->metric < METRICS_COUNT && (i < STEP_SAMPLES_MAX || text.size == 0) &&
         text.size + METRIC_HEAD_MAX + METRIC_SAMPLE_MAX < buf_size;
         i++) {
        scrape_one(scrape, &text);
    }
    return text.size;
}

/* The value of a member given by its offset. */
static uint64_t member_u64(const void *object, size_t offset)
{
    uint64_t value;

    memcpy(&value, (const char *)object + offset, sizeof(value));
    return value;
}

/* arg: first letter of the counters' group. */
static bool counter_sample(struct scrape *scrape, size_t arg, unsigned row,
                           struct metric_sample *sample)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        const char *name = counter_table[i].name, *group = counter_table[i].group;
        size_t size = strlen(group);

        if ((size_t)group[0] == arg && row-- == 0) {
            /* "drop_silent" of group drop is told as "silent". */
            bool begins = strncmp(name, group, size) == 0 && name[size] == '_';

            sample->labels[0] = begins ? name + size + 1 : name;
            sample->count = scrape->counters[i];
            return true;
        }
    }
    return false;
}

static bool build_sample(struct scrape *scrape, size_t arg, unsigned row,
                         struct metric_sample *sample)
{
    const struct methods_build *build = &scrape->env->build;

    (void)arg;
    sample->labels[0] = build->version;
    sample->labels[1] = METHODS_API_VERSION;
    sample->labels[2] = build->dpdk;
    sample->count = 1;
    return row == 0;
}

static bool started_sample(struct scrape *scrape, size_t arg, unsigned row,
                           struct metric_sample *sample)
{
    (void)arg;
    sample->count = (uint64_t)scrape->env->started_s + SEC_UNIX_OFFSET;
    return row == 0;
}

static bool serving_sample(struct scrape *scrape, size_t arg, unsigned row,
                           struct metric_sample *sample)
{
    const struct methods_env *env = scrape->env;

    (void)arg;
    sample->labels[0] = env->state ? env->state(env->ctx) : "serving";
    sample->count = strcmp(sample->labels[0], "serving") == 0;
    return row == 0;
}

static bool lease_sample(struct scrape *scrape, size_t arg, unsigned row,
                         struct metric_sample *sample)
{
    unsigned status = BINDING_ACTIVE + row;

    (void)arg;
    if (status >= BINDING_STATUS_COUNT) {
        return false;
    }
    sample->labels[0] = lease_state_name(status);
    sample->count = scrape->store.by_status[status];
    return true;
}

static bool store_sample(struct scrape *scrape, size_t arg, unsigned row,
                         struct metric_sample *sample)
{
    sample->count = member_u64(&scrape->store, arg);
    return row == 0;
}

static bool pool_sample(struct scrape *scrape, size_t arg, unsigned row,
                        struct metric_sample *sample)
{
    const struct policy *policy = scrape->env->policy(scrape->env->ctx);
    struct pool_numbers numbers;
    bool known;

    if (row >= policy->pool_count) {
        return false;
    }
    pool_numbers_get(&scrape->methods->walk, policy, row, &numbers);
    sample->labels[0] = policy->pools[row].name;
    sample->labels[1] = policy->links[policy->pools[row].link].name;
    sample->labels[2] = policy->pools[row].pool.type == LEASE_TYPE_PD ? "pd" : "na";
    sample->count = member_u64(&numbers, arg);
    known = arg == MEMBER(pool_numbers, total)  ? true
            : arg == MEMBER(pool_numbers, free) ? numbers.free_known
                                                : numbers.counted;
    if (!known) {
        sample->is_real = true;
        sample->real = __builtin_nan(""); /* not counted yet */
    }
    return true;
}

static bool port_sample(struct scrape *scrape, size_t arg, unsigned row,
                        struct metric_sample *sample)
{
    struct methods_port port;

    (void)arg;
    if (scrape->env->port == NULL || row >= CONFIG_PORTS_MAX ||
        !scrape->env->port(scrape->env->ctx, row, &port)) {
        return false;
    }
    sample->labels[0] = port.name;
    sample->count = port.link_up;
    return true;
}

static bool worker_sample(struct scrape *scrape, size_t arg, unsigned row,
                          struct metric_sample *sample)
{
    struct methods_worker worker;

    if (scrape->env->worker == NULL || row >= CONFIG_WORKERS_MAX ||
        !scrape->env->worker(scrape->env->ctx, row, &worker)) {
        return false;
    }
    (void)snprintf(scrape->label, sizeof(scrape->label), "%u", row);
    sample->labels[0] = scrape->label;
    sample->count = arg == WORKER_ALIVE ? worker.alive : member_u64(&worker, arg);
    return true;
}

static bool journal_sample(struct scrape *scrape, size_t arg, unsigned row,
                           struct metric_sample *sample)
{
    sample->count = arg == JOURNAL_HEALTHY ? scrape->journal.last_error == 0
                                           : member_u64(&scrape->journal, arg);
    return row == 0 && scrape->env->journal_stats != NULL;
}

static bool relation_state_sample(struct scrape *scrape, size_t arg, unsigned row,
                                  struct metric_sample *sample)
{
    const struct relation_status *status;

    (void)arg;
    if (row >= scrape->relation_count) {
        return false;
    }
    status = &scrape->relations[row].status;
    sample->labels[0] = scrape->relations[row].name;
    sample->labels[1] = status->role == FO_PRIMARY ? "primary" : "secondary";
    sample->labels[2] = fo_state_name(status->state.state);
    sample->labels[3] =
        status->state.partner_state ? fo_state_name(status->state.partner_state) : "unknown";
    sample->count = 1;
    return true;
}

static bool relation_sample(struct scrape *scrape, size_t arg, unsigned row,
                            struct metric_sample *sample)
{
    const struct relation_status *status;

    if (row >= scrape->relation_count) {
        return false;
    }
    status = &scrape->relations[row].status;
    sample->labels[0] = scrape->relations[row].name;
    switch ((enum relation_number)arg) {
    case RELATION_CONNECTED:
        sample->count = status->state.comms_ok;
        break;
    case RELATION_SINCE:
        sample->count = (uint64_t)status->state.since_s + SEC_UNIX_OFFSET;
        break;
    case RELATION_UNACKED:
        sample->count = status->unacked;
        break;
    case RELATION_DIRTY:
        sample->count = status->dirty;
        break;
    case RELATION_REFUSED:
        sample->count = status->refused;
        break;
    case RELATION_BEHIND:
        sample->is_real = true;
        sample->real = (double)status->behind_ms / 1000;
        break;
    case RELATION_SENT:
        sample->count = status->stats.updates_sent;
        break;
    case RELATION_ACKED:
        sample->count = status->stats.acked;
        break;
    case RELATION_REJECTED:
        sample->count = status->stats.rejected;
        break;
    case RELATION_TAKEN:
        sample->count = status->stats.updates_taken;
        break;
    case RELATION_TAKEN_NOT:
        sample->count = status->stats.updates_refused;
        break;
    case RELATION_CONFLICTS:
        sample->count = status->stats.conflicts;
        break;
    }
    return true;
}

static bool relation_lag_sample(struct scrape *scrape, size_t arg, unsigned row,
                                struct metric_sample *sample)
{
    const struct relation *relation;

    (void)arg;
    relation = row < scrape->relation_count ? scrape->env->relation(scrape->env->ctx, row) : NULL;
    if (relation == NULL) {
        return false;
    }
    sample->labels[0] = scrape->relations[row].name;
    memset(&scrape->picture, 0, sizeof(scrape->picture));
    histogram_gather(&relation->lag.ms, &scrape->picture);
    sample->picture = &scrape->picture;
    sample->unit = 1e-3;
    return true;
}

static bool relation_free_sample(struct scrape *scrape, size_t arg, unsigned row,
                                 struct metric_sample *sample)
{
    static const char *const sides[] = {"own", "partner", "moving"};
    const struct scrape_relation *relation;

    (void)arg;
    if (row >= 3 * scrape->relation_count) {
        return false;
    }
    relation = &scrape->relations[row / 3];
    sample->labels[0] = relation->name;
    sample->labels[1] = sides[row % 3];
    sample->count = row % 3 == 0   ? relation->free.own
                    : row % 3 == 1 ? relation->free.partner
                                   : relation->free.moving;
    return true;
}

static bool alarm_sample(struct scrape *scrape, size_t arg, unsigned row,
                         struct metric_sample *sample)
{
    struct methods_alarm alarm;

    (void)arg;
    if (scrape->env->alarm == NULL || !scrape->env->alarm(scrape->env->ctx, row, &alarm)) {
        return false;
    }
    sample->labels[0] = alarm.check;
    sample->labels[1] = alarm.level;
    sample->count = 1;
    return true;
}

static bool histogram_sample(struct scrape *scrape, size_t arg, unsigned row,
                             struct metric_sample *sample)
{
    struct methods_histogram histogram;

    (void)arg;
    if (scrape->env->histogram == NULL ||
        !scrape->env->histogram(scrape->env->ctx, row, &histogram)) {
        return false;
    }
    memset(&scrape->picture, 0, sizeof(scrape->picture));
    methods_histogram_gather(&histogram, &scrape->picture);
    sample->labels[0] = histogram.name;
    sample->picture = &scrape->picture;
    sample->unit = 1e-9;
    return true;
}

static bool program_sample(struct scrape *scrape, size_t arg, unsigned row,
                           struct metric_sample *sample)
{
    sample->count = member_u64(&scrape->program, arg);
    return row == 0 && scrape->env->program != NULL;
}

static bool program_real_sample(struct scrape *scrape, size_t arg, unsigned row,
                                struct metric_sample *sample)
{
    memcpy(&sample->real, (const char *)&scrape->program + arg, sizeof(sample->real));
    sample->is_real = true;
    return row == 0 && scrape->env->program != NULL;
}
