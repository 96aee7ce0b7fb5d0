#include "threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include <urcu/urcu-qsbr.h>

#include "base/log.h"
#include "server/checkpoint_walk.h"

enum {
    IDLE_TURNS_BEFORE_SLEEP = 64,
    WORKER_SLEEP_US = 50,     /* at most 200 (design invariant 8) */
    JOURNAL_SPIN_TURNS = 200, /* empty turns before the journal thread rests */
    JOURNAL_SLEEP_US = 20,
    JOURNAL_RETRY_MS = 100, /* after a failed write */
    CHECKPOINT_POLL_MS = 50,
    CHECKPOINT_WAIT_US = 1000, /* between looks while a checkpoint waits for the log */
    WORKER_DRAIN_MS = 1000,
};

struct threads {
    struct server *server;
    const struct clock *clock;
    pthread_t journal, checkpoint;
    bool journal_started, checkpoint_started;
    _Atomic bool stop_workers, stop_journal, stop_checkpoint;
    _Atomic bool journal_clean; /* the last turn left nothing behind */
    void (*_Atomic on_durable)(void *ctx);
    void *on_durable_ctx;
    bool busy_poll;
    uint64_t message_cost_ns; /* for tests: wasted on each message */
};

/* Workers get only a struct worker from their lcore; there is one set of threads a process. */
static struct threads *threads_of_process;

static void sleep_us(unsigned us)
{
    struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

    urcu_qsbr_thread_offline();
    nanosleep(&ts, NULL);
    urcu_qsbr_thread_online();
}

/* Lowers the worker's capacity to a known one, for tests of overload. */
static void time_waste(uint64_t ns)
{
    uint64_t end = clock_mono_ns() + ns;

    while (clock_mono_ns() < end) {
    }
}

static int worker_loop(void *arg)
{
    struct threads *threads = threads_of_process;
    struct worker *worker = arg;
    unsigned idle = 0;
    msec_t stop_ms = 0;

    (void)prctl(PR_SET_TIMERSLACK, 1000UL);
    urcu_qsbr_register_thread();
    for (;;) {
        msec_t now_ms = clock_mono_ms();

        worker->now_ns = clock_mono_ns();
        if (worker_turn(worker, now_ms, clock_now(threads->clock, now_ms))) {
            worker_turn_measured(worker, clock_mono_ns());
            if (threads->message_cost_ns) {
                time_waste(worker->worked_count * threads->message_cost_ns);
            }
            idle = 0;
        } else {
            idle++;
        }
        urcu_qsbr_quiescent_state();
        if (atomic_load_explicit(&threads->stop_workers, memory_order_relaxed)) {
            worker->draining = true;
            stop_ms = stop_ms ? stop_ms : now_ms + WORKER_DRAIN_MS;
            if (!worker_has_parked(worker) || now_ms > stop_ms) {
                break;
            }
        }
        if (idle >= IDLE_TURNS_BEFORE_SLEEP && !threads->busy_poll && !worker_has_parked(worker)) {
            sleep_us(WORKER_SLEEP_US);
        }
    }
    urcu_qsbr_unregister_thread();
    return 0;
}

static void durable_tell(struct threads *threads)
{
    void (*on_durable)(void *ctx) =
        atomic_load_explicit(&threads->on_durable, memory_order_acquire);

    if (on_durable) {
        on_durable(threads->on_durable_ctx);
    }
}

static void *journal_main(void *arg)
{
    struct threads *threads = arg;
    struct journal *journal = threads->server->journal;
    unsigned idle = 0;
    int failed = 0; /* the trouble last told */

    (void)prctl(PR_SET_TIMERSLACK, 1000UL);
    (void)prctl(PR_SET_NAME, "journal");
    urcu_qsbr_register_thread();
    for (;;) {
        bool stop = atomic_load(&threads->stop_journal);
        uint64_t begun_ns = clock_mono_ns();
        int r = journal_turn(journal);

        urcu_qsbr_quiescent_state();
        if (stop && r <= 0) {
            atomic_store(&threads->journal_clean, r == 0);
            break;
        }
        if (r > 0) {
            histogram_add(&threads->server->journal_ns, clock_mono_ns() - begun_ns);
            durable_tell(threads);
        }
        idle = r > 0 ? 0 : idle + 1;
        failed = r < 0 ? failed : 0;
        if (r < 0) {
            if (r != failed) {
                log_error("the log cannot be written: %s; nothing new is promised until it can",
                          strerror(-r));
            }
            failed = r;
            sleep_us(JOURNAL_RETRY_MS * 1000);
        } else if (idle > JOURNAL_SPIN_TURNS) {
            sleep_us(JOURNAL_SLEEP_US);
        }
    }
    urcu_qsbr_unregister_thread();
    return NULL;
}

/* A checkpoint waits for the log, which may stand still for long; not while the server stops. */
static bool checkpoint_wait(void *ctx)
{
    const struct threads *threads = threads_of_process;

    (void)ctx;
    if (threads && atomic_load(&threads->stop_checkpoint)) {
        return false;
    }
    sleep_us(CHECKPOINT_WAIT_US);
    return true;
}

int threads_checkpoint(struct server *server)
{
    struct checkpoint_walk walk;
    int r;

    checkpoint_walk_init(&walk, server, checkpoint_wait, NULL);
    r = journal_checkpoint(server->journal, checkpoint_walk_step, &walk);
    if (r && walk.given_up) {
        log_info("the checkpoint was given up to stop");
    } else if (r) {
        log_error("the checkpoint failed: %s; the log grows until one succeeds", strerror(-r));
    }
    return r;
}

static void *checkpoint_main(void *arg)
{
    struct threads *threads = arg;

    urcu_qsbr_register_thread();
    while (!atomic_load(&threads->stop_checkpoint)) {
        if (journal_checkpoint_due(threads->server->journal)) {
            (void)threads_checkpoint(threads->server);
        }
        if (journal_prepare(threads->server->journal) != 1) {
            sleep_us(CHECKPOINT_POLL_MS *
                     1000); /* enough segments are ready, or there is no room */
        }
    }
    urcu_qsbr_unregister_thread();
    return NULL;
}

int threads_start(struct server *server, struct ports *ports, const struct clock *clock,
                  int (*worker_main)(void *worker), struct threads **ret_threads)
{
    struct threads *threads = calloc(1, sizeof(*threads));
    int r;

    if (!threads) {
        return -ENOMEM;
    }
    threads->server = server;
    threads->clock = clock;
    threads->busy_poll = server->config->poll == CONFIG_POLL_BUSY;
    threads->message_cost_ns = server->config->message_cost_us * 1000ULL;
    threads_of_process = threads;
    r = -pthread_create(&threads->journal, NULL, journal_main, threads);
    threads->journal_started = r == 0;
    if (r == 0) {
        r = -pthread_create(&threads->checkpoint, NULL, checkpoint_main, threads);
        threads->checkpoint_started = r == 0;
    }
    r = r ? r : ports_workers_launch(ports, worker_main ? worker_main : worker_loop);
    if (r) {
        threads_stop_workers(threads);
        (void)threads_stop(threads);
        return r;
    }
    *ret_threads = threads;
    return 0;
}

void threads_durable_watch(struct threads *threads, void (*on_durable)(void *ctx), void *ctx)
{
    threads->on_durable_ctx = ctx;
    atomic_store_explicit(&threads->on_durable, on_durable, memory_order_release);
}

void threads_stop_workers(struct threads *threads)
{
    atomic_store(&threads->stop_workers, true);
    ports_workers_wait();
}

/* Every disk call may block, and nobody may block while online. Registered threads only (the
 * control core at boot included). */
static const struct disk *blocking_inner(void *ctx)
{
    return ctx;
}

#define BLOCKING(call)                                                                             \
    __extension__({                                                                                \
        const struct disk *inner = blocking_inner(ctx);                                            \
        bool online = urcu_qsbr_read_ongoing();                                                    \
        if (online) {                                                                              \
            urcu_qsbr_thread_offline();                                                            \
        }                                                                                          \
        __typeof__(inner->ops->call) result = inner->ops->call;                                    \
        if (online) {                                                                              \
            urcu_qsbr_thread_online();                                                             \
        }                                                                                          \
        result;                                                                                    \
    })

static int blocking_list(void *ctx, void (*on_name)(void *arg, const char *name, uint64_t size),
                         void *arg)
{
    return BLOCKING(list(inner->ctx, on_name, arg));
}

static int blocking_open(void *ctx, const char *name, bool create, bool durable,
                         struct disk_file **ret_file)
{
    return BLOCKING(open(inner->ctx, name, create, durable, ret_file));
}

static void blocking_close(void *ctx, struct disk_file *file)
{
    const struct disk *inner = blocking_inner(ctx);

    inner->ops->close(inner->ctx, file);
}

static int blocking_write(void *ctx, struct disk_file *file, uint64_t offset, const uint8_t *buf,
                          size_t size)
{
    return BLOCKING(write(inner->ctx, file, offset, buf, size));
}

static int64_t blocking_read(void *ctx, struct disk_file *file, uint64_t offset, uint8_t *buf,
                             size_t size)
{
    return BLOCKING(read(inner->ctx, file, offset, buf, size));
}

static int blocking_sync(void *ctx, struct disk_file *file)
{
    return BLOCKING(sync(inner->ctx, file));
}

static int blocking_truncate(void *ctx, struct disk_file *file, uint64_t size)
{
    return BLOCKING(truncate(inner->ctx, file, size));
}

static int blocking_rename(void *ctx, const char *from, const char *to)
{
    return BLOCKING(rename(inner->ctx, from, to));
}

static int blocking_remove(void *ctx, const char *name)
{
    return BLOCKING(remove(inner->ctx, name));
}

struct disk threads_disk(const struct disk *disk)
{
    static const struct disk_ops ops = {
        .list = blocking_list,
        .open = blocking_open,
        .close = blocking_close,
        .write = blocking_write,
        .read = blocking_read,
        .sync = blocking_sync,
        .truncate = blocking_truncate,
        .rename = blocking_rename,
        .remove = blocking_remove,
    };

    return (struct disk){&ops, (void *)(uintptr_t)disk};
}

bool threads_stop(struct threads *threads)
{
    bool clean;

    atomic_store(&threads->stop_checkpoint, true);
    if (threads->checkpoint_started) {
        pthread_join(threads->checkpoint, NULL);
    }
    atomic_store(&threads->stop_journal, true);
    if (threads->journal_started) {
        pthread_join(threads->journal, NULL);
    }
    clean = atomic_load(&threads->journal_clean);
    if (clean) {
        (void)threads_checkpoint(threads->server);
    }
    threads_of_process = NULL;
    free(threads);
    return clean;
}
