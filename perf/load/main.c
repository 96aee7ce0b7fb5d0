/* tandem6load: the command line, signals, progress, the result. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "engine.h"
#include "save.h"

enum {
    EXIT_RIGHT = 0,
    EXIT_WRONG = 1,
    EXIT_CANNOT = 2,
};

#define NS_PER_S 1000000000ULL

static volatile sig_atomic_t stop_signals;

static void on_signal(int number)
{
    (void)number;
    stop_signals = stop_signals + 1;
}

static double unix_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* Until the run is over; a first signal drains, a second ends at once. */
static void run(struct engine *engine, const struct settings *settings)
{
    uint64_t end_ns = engine->start_ns + (uint64_t)(settings->duration_s * 1e9);
    uint64_t progress_ns = engine->start_ns + NS_PER_S;
    struct tally_mark mark = {.now_ns = engine->start_ns};

    while (!engine_is_finished(engine) && stop_signals < 2) {
        if (!engine->draining && (engine->now_ns >= end_ns || stop_signals)) {
            engine_drain(engine);
            end_ns = engine->now_ns + (uint64_t)(settings->drain_s * 1e9);
        } else if (engine->draining && engine->now_ns >= end_ns) {
            break;
        }
        if (engine_turn(engine) == 0) {
            engine->io.wait(engine->io.ctx, engine_idle_ns(engine));
        }
        if (engine->now_ns >= progress_ns && !settings->quiet) {
            tally_write_progress(&engine->tally, &engine->crowd, engine->start_ns, engine->now_ns,
                                 &mark, stderr);
            progress_ns += NS_PER_S;
        }
    }
    engine_end(engine);
}

/* Runs and tells; the exit status. */
static int perform(struct engine *engine, const struct settings *settings)
{
    struct tally_clock clock;

    if (settings->load_path && save_read(engine, settings->load_path, (uint64_t)unix_now())) {
        return EXIT_CANNOT;
    }
    engine_start(engine);
    clock.start_ns = engine->start_ns;
    clock.start_unix_s = unix_now();
    run(engine, settings);
    clock.drain_ns = engine->drain_ns;
    clock.end_ns = engine->now_ns;
    if (settings->save_path && save_write(engine, settings->save_path, (uint64_t)unix_now())) {
        return EXIT_CANNOT;
    }
    tally_write_json(&engine->tally, settings, &engine->crowd, &clock, stdout);
    return tally_wrong(&engine->tally) ? EXIT_WRONG : EXIT_RIGHT;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct engine *engine;
    struct io io;
    int r = settings_read(&settings, argc, argv);

    if (r) {
        return r > 0 ? EXIT_RIGHT : EXIT_CANNOT;
    }
    signals_catch();
    engine = aligned_alloc(CACHE_LINE, sizeof(*engine));
    r = settings.device ? io_dpdk_open(&settings, &io) : io_udp_open(&settings, &io);
    if (!engine || r) {
        free(engine);
        return EXIT_CANNOT;
    }
    /* Starts of an open loop come when they are due, not 50 us later. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    r = engine_init(engine, &settings, io);
    if (r) {
        fprintf(stderr, "tandem6load: no memory for %" PRIu32 " clients\n", settings.client_count);
    }
    r = r ? EXIT_CANNOT : perform(engine, &settings);
    engine_done(engine);
    io.close(io.ctx);
    free(engine);
    return r;
}
