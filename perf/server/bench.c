/* The whole server on the benchmark port: net_null whose receive callback writes the frames of any
 * number of clients and whose send callback reads the answers (design 5). The real worker, store,
 * journal thread and disk; only the wire is missing. The generator's own cycles are measured and
 * taken off.
 *
 * fill leaves a state_dir with that many leases (with --checkpoint 1 in a checkpoint, else in the
 * log); restart opens it and tells how long it took from the process's start to the first answer.
 *
 * The last line is one JSON object; echo_ns_per_packet is the same frames, received and sent back
 * by the same port in the same run, without a server between. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <urcu/urcu-qsbr.h>

#include "base/log.h"
#include "dhcp6/message.h"
#include "disk.h"
#include "load.h"
#include "micro.h"
#include "server/apply.h"
#include "server/worker.h"
#include "threads.h"

enum {
    WINDOW = 6144,
    OFFERS = 8192,
    FILL_PASSES = 3
};

enum job {
    JOB_RUN,
    JOB_FILL,
    JOB_RESTART,
    JOB_MICRO, /* one part of the work, micro.h */
};

enum phase {
    PHASE_ECHO,
    PHASE_FILL,
    PHASE_RUN,
    PHASE_DONE
};

struct bench {
    enum load_kind kind;
    enum job job;
    const char *name;
    bool checkpoint;
    unsigned relay_count;
    bool counted;                               /* in turns that callgrind counts */
    double started_s, opened_s, first_answer_s; /* monotonic */
    uint64_t leases;
    unsigned ia_count;
    double seconds;
    uint64_t packets_max; /* a run ends with this many; 0: when its time is up */
    const char *state_dir;
    struct config *config;
    struct clock clock;
    struct server *server;
    struct ports *ports;
    struct threads *threads;
    struct load load;
    struct disk_dir *dir;
    struct disk disk, journal_disk;
    _Atomic enum phase phase;
    _Atomic bool finished;
    /* The worker lcore's. */
    uint64_t random, next_client, gen_cycles, answers, sent, run_sent;
    uint32_t offers[OFFERS]; /* clients that hold an offer and will ask for it */
    uint32_t offer_head, offer_tail;
    uint64_t packets, cycles, busy_cycles, records, replies;
    double echo_ns;
    struct micro_result micro;
};

static struct bench
    bench; /* DPDK's callbacks and lcore functions carry one pointer; this is all of it */

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t random_next(struct bench *b)
{
    b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return b->random ^ (b->random >> 29);
}

static uint64_t random_client(struct bench *b)
{
    return (uint64_t)(((unsigned __int128)random_next(b) * b->load.client_count) >> 64);
}

/* The next frame to be received, into buf; 0 when the window is full or there is nothing more to
 * ask. */
static size_t frame_next(struct bench *b, uint8_t *buf)
{
    uint32_t xid = (uint32_t)b->sent++;

    switch (atomic_load_explicit(&b->phase, memory_order_relaxed)) {
    case PHASE_ECHO:
        return load_write(&b->load, b->kind == LOAD_REQUEST ? LOAD_SOLICIT : b->kind,
                          random_client(b), xid, buf);
    case PHASE_FILL:
        while (b->next_client < b->load.client_count && b->load.clients[b->next_client].replies) {
            b->next_client++;
        }
        if (b->next_client == b->load.client_count) {
            return 0;
        }
        return load_write(&b->load, LOAD_RAPID, b->next_client++, xid, buf);
    case PHASE_RUN:
        break;
    case PHASE_DONE:
        return 0;
    }
    if (b->kind != LOAD_REQUEST) {
        return load_write(&b->load, b->kind, random_client(b), xid, buf);
    }
    if (b->offer_head != b->offer_tail) {
        return load_write(&b->load, LOAD_REQUEST, b->offers[b->offer_tail++ % OFFERS], xid, buf);
    }
    if (b->next_client == b->load.client_count) {
        return 0;
    }
    return load_write(&b->load, LOAD_SOLICIT, b->next_client++, xid, buf);
}

static uint16_t rx_make(struct bench *b, struct rte_mbuf **mbufs, uint16_t count)
{
    uint64_t start = rte_rdtsc();
    uint16_t made = 0, limit = count;

    if (b->packets_max && atomic_load_explicit(&b->phase, memory_order_relaxed) == PHASE_RUN) {
        uint64_t left = b->run_sent < b->packets_max ? b->packets_max - b->run_sent : 0;

        limit = left < count ? (uint16_t)left : count;
    }
    if (park_used(&b->server->workers[0].park) + PACKET_BURST <= WINDOW) {
        for (; made < limit; made++) {
            size_t size = frame_next(b, rte_pktmbuf_mtod(mbufs[made], uint8_t *));

            if (size == 0) {
                break;
            }
            mbufs[made]->data_len = (uint16_t)size;
            mbufs[made]->pkt_len = (uint32_t)size;
        }
    }
    b->run_sent += made;
    rte_pktmbuf_free_bulk(mbufs + made, (unsigned)count - made);
    b->gen_cycles += rte_rdtsc() - start;
    return made;
}

static uint16_t tx_read(struct bench *b, struct rte_mbuf **mbufs, uint16_t count)
{
    uint64_t start = rte_rdtsc();

    for (uint16_t i = 0;
         i < count && atomic_load_explicit(&b->phase, memory_order_relaxed) != PHASE_ECHO; i++) {
        uint8_t type = 0;
        uint64_t client = load_read(&b->load, rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
                                    mbufs[i]->data_len, &type);

        if (client == UINT64_MAX) {
            continue;
        }
        b->answers++;
        if (b->first_answer_s == 0) {
            b->first_answer_s = now_s();
        }
        if (type == DHCP6_ADVERTISE && b->kind == LOAD_REQUEST) {
            b->offers[b->offer_head++ % OFFERS] = (uint32_t)client;
        }
    }
    b->gen_cycles += rte_rdtsc() - start;
    return count;
}

/* What callgrind takes off a counted_turn; called within one only. */
static __attribute__((noipa)) uint16_t uncounted_rx(struct bench *b, struct rte_mbuf **mbufs,
                                                    uint16_t count)
{
    return rx_make(b, mbufs, count);
}

static __attribute__((noipa)) uint16_t uncounted_tx(struct bench *b, struct rte_mbuf **mbufs,
                                                    uint16_t count)
{
    return tx_read(b, mbufs, count);
}

static uint16_t on_rx(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
                      uint16_t max, void *arg)
{
    struct bench *b = arg;

    (void)port;
    (void)queue;
    (void)max;
    return b->counted ? uncounted_rx(b, mbufs, count) : rx_make(b, mbufs, count);
}

static uint16_t on_tx(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
                      void *arg)
{
    struct bench *b = arg;

    (void)port;
    (void)queue;
    return b->counted ? uncounted_tx(b, mbufs, count) : tx_read(b, mbufs, count);
}

/* The baseline: receive and send back. */
static void run_echo(struct bench *b)
{
    uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + hz / 2, start, packets = 0;
    struct rte_mbuf *mbufs[PACKET_BURST];

    b->gen_cycles = 0;
    start = rte_rdtsc();
    while (rte_rdtsc() < end) {
        uint16_t count = rte_eth_rx_burst(0, 0, mbufs, PACKET_BURST);
        packets += rte_eth_tx_burst(0, 0, mbufs, count);
    }
    b->echo_ns = (double)(rte_rdtsc() - start - b->gen_cycles) / (double)packets / (double)hz * 1e9;
}

/* A turn of a run of --packets: what callgrind counts, less uncounted_rx and _tx (tests/budget). */
static __attribute__((noipa)) unsigned counted_turn(struct bench *b, struct worker *worker)
{
    msec_t now_ms = clock_mono_ms();

    return worker_turn(worker, now_ms, clock_now(&b->clock, now_ms));
}

/* A run of so many packets: turns that take them in, and when their records are on disk turns that
 * send what waited. Waiting itself is not counted: it depends on the disk. */
static void run_counted(struct bench *b, struct worker *worker)
{
    uint64_t received = counter_get(&worker->counters, COUNTER_rx_frames);

    b->run_sent = b->packets = b->answers = 0;
    b->random = 12345; /* the same clients each time */
    b->counted = true;
    do {
        if (counted_turn(b, worker) == 0 && b->kind == LOAD_REQUEST &&
            b->next_client == b->load.client_count) {
            break;
        }
        b->packets = counter_get(&worker->counters, COUNTER_rx_frames) - received;
    } while (b->packets < b->packets_max);
    while (change_ring_durable(worker->ring) < change_ring_head(worker->ring)) {
        usleep(1000);
    }
    while (worker_has_parked(worker)) {
        (void)counted_turn(b, worker);
    }
    b->counted = false;
}

/* Turns until the phase's work is done or time is up. */
static void run_phase(struct bench *b, struct worker *worker, double seconds)
{
    uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc(),
             end = start + (uint64_t)(seconds * (double)hz);
    uint64_t idle_since = start, received = counter_get(&worker->counters, COUNTER_rx_frames);

    b->gen_cycles = b->busy_cycles = b->packets = b->answers = 0;
    for (;;) {
        uint64_t t = rte_rdtsc(), gen = b->gen_cycles;
        msec_t now_ms = clock_mono_ms();
        unsigned handled;

        worker->now_ns = clock_mono_ns(); /* what the program's loop does is part of the figure */
        handled = worker_turn(worker, now_ms, clock_now(&b->clock, now_ms));
        if (handled) {
            worker_turn_measured(worker, clock_mono_ns());
        }
        urcu_qsbr_quiescent_state();
        if (handled) {
            idle_since = rte_rdtsc();
            b->busy_cycles += idle_since - t - (b->gen_cycles - gen);
            b->packets = counter_get(&worker->counters, COUNTER_rx_frames) - received;
        }
        if (t > end || (!worker_has_parked(worker) && t - idle_since > hz / 20 && handled == 0 &&
                        t > idle_since)) {
            break;
        }
    }
    b->cycles = rte_rdtsc() - start - b->gen_cycles;
}

static uint64_t records_written(struct bench *b)
{
    struct journal_stats stats;

    journal_stats_get(b->server->journal, &stats);
    return stats.records;
}

static int bench_main(void *arg)
{
    struct bench *b = &bench;
    struct worker *worker = arg;

    urcu_qsbr_register_thread();
    if (b->job == JOB_RUN || b->job == JOB_MICRO) {
        atomic_store(&b->phase, PHASE_ECHO);
        run_echo(b);
    }
    if (b->job == JOB_FILL || b->job == JOB_MICRO ||
        (b->job == JOB_RUN &&
         (b->kind == LOAD_RENEW || b->kind == LOAD_REBIND || b->kind == LOAD_SOLICIT))) {
        uint64_t start = rte_rdtsc();

        atomic_store(&b->phase, PHASE_FILL);
        for (unsigned pass = 0; pass < FILL_PASSES; pass++) {
            b->next_client = 0; /* what was shed is asked again, as clients do */
            run_phase(b, worker, 3600);
        }
        fprintf(stderr, "filled %" PRIu64 " clients in %.1f s\n", b->next_client,
                (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz());
    }
    atomic_store(&b->phase, b->job == JOB_FILL ? PHASE_DONE : PHASE_RUN);
    b->records = records_written(b);
    if (b->job == JOB_MICRO) {
        struct micro micro = {worker, &b->load, b->seconds, b->random,
                              clock_now(&b->clock, clock_mono_ms())};

        micro_run(b->name, &micro, &b->micro);
    } else if (b->packets_max) {
        run_counted(b, worker);
    } else {
        run_phase(b, worker, b->job == JOB_RUN ? b->seconds : 0.1);
    }
    b->records = records_written(b) - b->records;
    atomic_store(&b->phase, PHASE_DONE);
    worker->draining = true;
    while (worker_has_parked(worker)) {
        (void)worker_turn(worker, clock_mono_ms(), clock_now(&b->clock, clock_mono_ms()));
        urcu_qsbr_quiescent_state();
    }
    urcu_qsbr_unregister_thread();
    atomic_store(&b->finished, true);
    return 0;
}

static int config_make(struct bench *b)
{
    static const char format[] =
        "{ \"server\": { \"name\": \"bench\", \"state_dir\": \"%s\" },"
        "  \"store\": { \"leases_max\": %" PRIu64 " },"
        "  \"journal\": { \"checkpoint_log_mib\": 16384 },"
        "  \"dataplane\": { \"workers\": 1, \"poll\": \"busy\", \"ports\": ["
        "    { \"name\": \"bench0\", \"device\": \"net_null0\", \"mac\": \"02:00:00:00:00:01\" } ] "
        "},"
        "  \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600 }, \"rapid_commit\": true,"
        "  \"options\": { \"dns_servers\": [\"2001:db8::53\"], \"domain_search\": "
        "[\"example.org\"] },"
        "  \"links\": [ { \"name\": \"bench\", \"port\": \"bench0\", \"subnets\": "
        "[\"2001:db8:17::/64\"], \"relay_addresses\": [\"2001:db8:17::1\"],"
        "    \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" },"
        "      { \"type\": \"prefix\", \"range\": \"2001:dc0::/30\", \"delegated_length\": 56 } ] "
        "} ] }";
    char text[2048];
    struct config_error error;

    /* Below the 31/32 from which on free leases are forgotten early. */
    (void)snprintf(text, sizeof(text), format, b->state_dir, b->leases + b->leases / 24 + 4096);
    if (config_parse("bench", text, strlen(text), &b->config, &error) != 0) {
        fprintf(stderr, "%u: %s: %s\n", error.line, error.pointer, error.text);
        return -EINVAL;
    }
    return 0;
}

static int server_make(struct bench *b)
{
    static const uint8_t duid[] = {0, 1, 0, 1, 0x31, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    struct policy_identity identity = {{duid, sizeof(duid)}, {0x1234, 0x5678}};
    struct journal_config journal = {.on_durable = server_on_durable};
    struct journal_damage damage;
    struct policy *old;
    char error[DISK_TEXT_MAX];
    int r;

    clock_start(&b->clock);
    r = disk_dir_open(b->state_dir, true, &b->dir, error);
    r = r ? r
          : server_new(b->config, &identity, (struct siphash_key){1, 2},
                       clock_now(&b->clock, clock_mono_ms()), &b->server);
    if (r) {
        return r;
    }
    b->disk = disk_dir_disk(b->dir);
    b->journal_disk = threads_disk(&b->disk);
    journal.disk = b->journal_disk;
    journal.rings = b->server->rings;
    journal.ring_count = 2;
    journal.checkpoint_log_max = b->config->checkpoint_log_max;
    journal.ctx = b->server;
    r = journal_open(&journal, server_replay, b->server, false, &b->server->journal, &damage);
    r = r ? r : store_load_done(b->server->store);
    if (r == 0) {
        b->server->workers[0].shedding = false; /* a port that is never empty is no overload here */
    }
    r = r ? r : server_apply(b->server, b->config, &old);
    r = r ? r : ports_start(b->config, b->server, &b->ports);
    atomic_store(&b->server->operating_until_s, clock_now(&b->clock, clock_mono_ms()) + 86400);
    return r;
}

static int run(struct bench *b)
{
    int r = config_make(b);

    r = r ? r : server_make(b);
    b->opened_s = now_s();
    r = r ? r : load_init(&b->load, b->leases / b->ia_count, b->ia_count, b->relay_count);
    b->load.wants_lease = b->kind != LOAD_INFO;
    if (r) {
        fprintf(stderr, "cannot start: %s\n", strerror(-r));
        return r;
    }
    if (!rte_eth_add_rx_callback(0, 0, on_rx, b) || !rte_eth_add_tx_callback(0, 0, on_tx, b)) {
        return -ENOTSUP;
    }
    urcu_qsbr_thread_offline();
    r = threads_start(b->server, b->ports, &b->clock, bench_main, &b->threads);
    /* Waiting in DPDK would spin on the journal thread's CPU. */
    while (r == 0 && !atomic_load(&b->finished)) {
        usleep(20000);
    }
    if (r == 0 && b->job == JOB_FILL && b->checkpoint) {
        r = threads_checkpoint(b->server);
    }
    return r;
}

static void report_restart(const struct bench *b)
{
    struct journal_stats journal;
    struct store_stats stats;

    journal_stats_get(b->server->journal, &journal);
    store_stats_get(b->server->store, &stats);
    printf("{\"bench\": \"%s\", \"leases\": %" PRIu64 ", \"replayed_records\": %" PRIu64
           ", \"log_mib\": %.0f, \"open_s\": %.2f, \"first_answer_s\": %.2f}\n",
           b->name, stats.slots_used, journal.replayed_records, (double)journal.log_bytes / 1048576,
           b->opened_s - b->started_s, b->first_answer_s - b->started_s);
}

static void report(const struct bench *b)
{
    double hz = (double)rte_get_tsc_hz();
    double seconds = (double)b->cycles / hz;
    struct store_stats stats;
    uint64_t sums[COUNTER_COUNT], drops = 0;

    store_stats_get(b->server->store, &stats);
    server_counters_sum(b->server, sums);
    for (unsigned c = 0; c < COUNTER_COUNT; c++) {
        drops += strcmp(counter_table[c].group, "drop") == 0 ? sums[c] : 0;
    }
    printf("{\"bench\": \"%s\", \"relayed\": %u, \"replies_per_s\": %.0f, "
           "\"ns_per_packet\": %.1f, \"echo_ns_per_packet\": %.1f, \"leases\": %" PRIu64
           ", \"workers\": 1, "
           "\"records_per_reply\": %.3f, \"busy_fraction\": %.3f, \"dropped\": %" PRIu64
           ", \"wrong\": %" PRIu64 ", \"store_bytes_per_lease\": %.1f}\n",
           b->name, b->relay_count, (double)b->answers / seconds,
           (double)b->busy_cycles / (double)b->packets / hz * 1e9, b->echo_ns, stats.slots_used,
           (double)b->records / (double)b->answers, (double)b->busy_cycles / (double)b->cycles,
           drops, b->load.wrong,
           stats.slots_used ? (double)(stats.memory_bytes + expiry_memory(b->server->expiry)) /
                                  (double)stats.slots_used
                            : 0.0);
}

static void report_micro(const struct bench *b)
{
    struct journal_stats journal;

    journal_stats_get(b->server->journal, &journal);
    printf("{\"bench\": \"%s\", \"operation\": \"%s\", \"relayed\": %u, \"leases\": %" PRIu64
           ", \"operations\": %" PRIu64 ", \"ns\": %.1f, \"echo_ns_per_packet\": %.1f, "
           "\"octets_per_record\": %.1f, \"records_per_batch\": %.0f, \"failed\": %" PRIu64
           ", \"wrong\": %" PRIu64 "}\n",
           b->name, micro_operation(b->name), b->relay_count, b->leases, b->micro.operations,
           b->micro.ns, b->echo_ns, (double)journal.bytes / (double)journal.records,
           (double)journal.records / (double)journal.batches, b->micro.failed, b->load.wrong);
}

static void report_counted(const struct bench *b)
{
    printf("{\"bench\": \"%s\", \"packets\": %" PRIu64 ", \"answers\": %" PRIu64
           ", \"wrong\": %" PRIu64 "}\n",
           b->name, b->packets, b->answers, b->load.wrong);
}

static const struct {
    const char *name;
    enum load_kind kind;
    enum job job;
} kinds[] = {
    {"renew", LOAD_RENEW, JOB_RUN},       {"rebind", LOAD_REBIND, JOB_RUN},
    {"info-request", LOAD_INFO, JOB_RUN}, {"solicit", LOAD_SOLICIT, JOB_RUN},
    {"request", LOAD_REQUEST, JOB_RUN},   {"rapid", LOAD_RAPID, JOB_RUN},
    {"parse", LOAD_RENEW, JOB_MICRO},     {"checksum", LOAD_RENEW, JOB_MICRO},
    {"lookup", LOAD_RENEW, JOB_MICRO},    {"encode", LOAD_RENEW, JOB_MICRO},
    {"commit", LOAD_RENEW, JOB_MICRO},    {"journal", LOAD_RENEW, JOB_MICRO},
    {"fill", LOAD_RAPID, JOB_FILL},       {"restart", LOAD_RAPID, JOB_RESTART},
};

static int usage(void)
{
    fputs("usage: bench_server renew|rebind|info-request|solicit|request|rapid|"
          "parse|checksum|lookup|encode|commit|journal|fill|restart "
          "--state-dir DIR [--leases N] "
          "[--ia 1|2] [--relayed 0-8] [--seconds S | --packets N] [--checkpoint 0|1]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"leases", required_argument, NULL, 'l'},     {"ia", required_argument, NULL, 'i'},
        {"seconds", required_argument, NULL, 's'},    {"state-dir", required_argument, NULL, 'd'},
        {"checkpoint", required_argument, NULL, 'c'}, {"relayed", required_argument, NULL, 'r'},
        {"packets", required_argument, NULL, 'p'},    {NULL, 0, NULL, 0}};
    struct bench *b = &bench;
    int c, r;

    *b = (struct bench){
        .leases = 1000000, .ia_count = 2, .seconds = 5, .random = 12345, .started_s = now_s()};
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'l':
            b->leases = strtoull(optarg, NULL, 10);
            break;
        case 'i':
            b->ia_count = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            b->seconds = strtod(optarg, NULL);
            break;
        case 'd':
            b->state_dir = optarg;
            break;
        case 'c':
            b->checkpoint = strcmp(optarg, "1") == 0;
            break;
        case 'r':
            b->relay_count = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            b->packets_max = strtoull(optarg, NULL, 10);
            break;
        default:
            return usage();
        }
    }
    for (size_t i = 0; optind < argc && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(argv[optind], kinds[i].name) == 0) {
            b->name = kinds[i].name;
            b->kind = kinds[i].kind;
            b->job = kinds[i].job;
        }
    }
    if (!b->name || !b->state_dir || b->leases < 1000 || b->ia_count < 1 || b->ia_count > 2 ||
        b->relay_count > LOAD_RELAYS_MAX || b->packets_max > WINDOW - 4 * PACKET_BURST) {
        return usage();
    }
    urcu_qsbr_register_thread();
    r = run(b);
    if (r == 0) {
        b->job == JOB_RESTART ? report_restart(b)
        : b->job == JOB_MICRO ? report_micro(b)
        : b->packets_max      ? report_counted(b)
                              : report(b);
    }
    (void)fflush(stdout);
    _exit(r != 0); /* a benchmark's state is not worth an orderly shutdown */
}
