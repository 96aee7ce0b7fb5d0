/* Runs seeds of the simulation.
 *
 *     sim [--seeds N] [--first-seed S] [--jobs J] [--require-coverage]     100,000 seeds and more
 *         require it anyhow: each cell of both tables
 *     sim --seed S [--verbose] [--faults 0,2,3] [--clients N] [--end SECONDS]
 *     sim --seed S --minimise
 *
 * A failing seed prints itself; --seed S --verbose replays it as a transcript, --minimise looks for
 * the fewest faults and clients and the shortest time with which it still fails. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "coverage.h"
#include "sim.h"

enum {
    JOBS_MAX = 64,
    COVERAGE_SEEDS = 100000,
    FAILURES_SHOWN = 20,
};

struct result {  /* of one job; shared memory */
    uint64_t at; /* seed under way */
    uint64_t runs, failed;
    struct tally tally;
    struct coverage coverage;
    uint64_t failures[FAILURES_SHOWN];
    char texts[FAILURES_SHOWN][256];
};

static void tally_add(struct tally *sum, const struct tally *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++) {
        to[i] += from[i];
    }
}

static bool seed_run(uint64_t seed, const struct sim_options *options, struct result *result,
                     char text[256])
{
    struct sim *sim = sim_new(seed, options, &result->coverage);
    bool good;

    sim_live(sim);
    good = sim->failures == 0;
    memcpy(text, sim->failure, sizeof(sim->failure));
    hooks_sim->options.verbose = false;
    tally_add(&result->tally, &sim->tally);
    sim_free(sim);
    return good;
}

static void failure_note(struct result *result, uint64_t seed, const char *text)
{
    if (result->failed < FAILURES_SHOWN) {
        result->failures[result->failed] = seed;
        (void)snprintf(result->texts[result->failed], sizeof(result->texts[0]), "%s", text);
    }
    result->failed++;
}

/* Every jobs-th seed from result->at on. */
static void job_run(struct result *result, uint64_t end, unsigned jobs)
{
    const struct sim_options options = {.verbose = false};
    char text[256];

    urcu_qsbr_register_thread();
    for (; result->at < end; result->at += jobs) {
        if (!seed_run(result->at, &options, result, text)) {
            failure_note(result, result->at, text);
        }
        result->runs++;
    }
    urcu_qsbr_unregister_thread();
}

static pid_t job_start(struct result *result, uint64_t end, unsigned jobs)
{
    pid_t pid = fork();

    if (pid == 0) {
        job_run(result, end, jobs);
        _exit(0);
    }
    return pid;
}

/* A job that dies takes one seed with it. */
static void jobs_run(struct result *results, uint64_t first, uint64_t count, unsigned jobs)
{
    pid_t pids[JOBS_MAX];
    unsigned running = jobs;

    for (unsigned i = 0; i < jobs; i++) {
        results[i].at = first + i;
        pids[i] = job_start(&results[i], first + count, jobs);
    }
    while (running) {
        int status;
        pid_t pid = wait(&status);

        for (unsigned i = 0; i < jobs; i++) {
            if (pids[i] != pid) {
                continue;
            }
            if (status != 0) {
                char text[64];

                (void)snprintf(text, sizeof(text), "the process died, status %#x",
                               (unsigned)status);
                failure_note(&results[i], results[i].at, text);
                results[i].runs++;
                results[i].at += jobs;
                pids[i] = job_start(&results[i], first + count, jobs);
            } else {
                running--;
            }
        }
    }
}

static void coverage_add(struct coverage *sum, const struct coverage *one)
{
    for (unsigned r = 0; r < 2; r++) {
        for (unsigned s = 0; s < FO_SERVER_STATE_COUNT; s++) {
            for (unsigned c = 0; c < FO_COLUMN_COUNT; c++) {
                sum->states[r][s][c] += one->states[r][s][c];
            }
        }
    }
    for (unsigned o = 0; o < BINDING_STATUS_COUNT; o++) {
        for (unsigned t = 0; t < BINDING_STATUS_COUNT; t++) {
            for (unsigned k = 0; k < FO_ORDER_COUNT; k++) {
                sum->updates.reached[o][t][k] += one->updates.reached[o][t][k];
            }
        }
    }
}

#define LLU(x) ((unsigned long long)(x))

static void tally_print(const struct tally *t)
{
    printf("%llu steps, %llu of them inside others; %llu grants, %llu renewals, %llu releases, "
           "%llu declines, %llu expired, %llu lost while renewing\n",
           LLU(t->steps), LLU(t->nested), LLU(t->grants), LLU(t->renewals), LLU(t->releases),
           LLU(t->declines), LLU(t->expiries), LLU(t->lost));
    printf("%llu boots, %llu kills, %llu power cuts, %llu partner-downs, %llu hand-overs, "
           "%llu updates, %llu checkpoints, %llu writes torn, %llu tails cut, %llu failed writes, "
           "%llu crashes while "
           "booting, %llu lies\n",
           LLU(t->boots), LLU(t->kills), LLU(t->powers), LLU(t->partner_downs), LLU(t->handovers),
           LLU(t->updates), LLU(t->checkpoints), LLU(t->torn), LLU(t->tails_cut),
           LLU(t->failed_writes), LLU(t->boot_crashes), LLU(t->lies));
}

static int seeds_run(uint64_t first, uint64_t count, unsigned jobs, bool need_coverage)
{
    struct result *results = mmap(NULL, sizeof(*results) * jobs, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct result *sum = calloc(1, sizeof(*sum));
    struct timespec begin, end;
    double seconds;
    unsigned missing;

    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    jobs_run(results, first, count, jobs);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    for (unsigned i = 0; i < jobs; i++) {
        sum->runs += results[i].runs;
        sum->failed += results[i].failed;
        tally_add(&sum->tally, &results[i].tally);
        coverage_add(&sum->coverage, &results[i].coverage);
        for (unsigned f = 0; f < results[i].failed && f < FAILURES_SHOWN; f++) {
            printf("seed %llu: %s\n", LLU(results[i].failures[f]), results[i].texts[f]);
        }
    }
    tally_print(&sum->tally);
    missing = coverage_print(&sum->coverage);
    printf("seeds %llu to %llu: %.1f s, %.1f seeds/s\n", LLU(first), LLU(first + count - 1),
           seconds, (double)count / seconds);
    if (need_coverage && missing) {
        printf("%u cells of the tables were never reached\n", missing);
        sum->failed++;
    }
    printf("%llu passed, %llu failed\n",
           LLU(sum->runs - (sum->failed < sum->runs ? sum->failed : sum->runs)), LLU(sum->failed));
    return sum->failed != 0;
}

/* ---- one seed ---- */

static bool fails(uint64_t seed, const struct sim_options *options, char text[256])
{
    struct result *result = calloc(1, sizeof(*result));
    bool good = seed_run(seed, options, result, text);

    free(result);
    return !good;
}

/* Fails for the same reason: the invariant's number and the words around it. */
static bool fails_alike(uint64_t seed, const struct sim_options *options, const char *reason)
{
    char text[256];

    return fails(seed, options, text) && strncmp(text, reason, 2) == 0;
}

static void options_print(uint64_t seed, const struct sim_options *options)
{
    bool first = true;

    printf("--seed %llu --verbose --faults ", LLU(seed));
    for (unsigned i = 0; i < SIM_FAULTS_MAX; i++) {
        if (options->keep[i]) {
            printf("%s%u", first ? "" : ",", i);
            first = false;
        }
    }
    printf("%s --clients %u --end %llu\n", first ? "none" : "", options->clients_max,
           LLU(options->end_max / SEC));
}

static int minimise(uint64_t seed)
{
    struct sim_options best = {
        .chosen = true, .clients_max = SIM_CLIENTS_MAX, .end_max = 5000 * SEC};
    char reason[256];

    memset(best.keep, true, sizeof(best.keep));
    if (!fails(seed, &best, reason)) {
        printf("seed %llu does not fail\n", LLU(seed));
        return 1;
    }
    printf("seed %llu: %s\n", LLU(seed), reason);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SIM_FAULTS_MAX; i++) {
            struct sim_options next = best;

            next.keep[i] = false;
            best = best.keep[i] && fails_alike(seed, &next, reason) ? next : best;
        }
        for (unsigned clients = 1; clients < best.clients_max; clients++) {
            struct sim_options next = best;

            next.clients_max = clients;
            if (fails_alike(seed, &next, reason)) {
                best = next;
            }
        }
        for (usec_t end = 60 * SEC; end < best.end_max; end += end / 4) {
            struct sim_options next = best;

            next.end_max = end;
            if (fails_alike(seed, &next, reason)) {
                best = next;
            }
        }
    }
    options_print(seed, &best);
    best.verbose = true;
    (void)fails(seed, &best, reason);
    return 1;
}

static void faults_read(const char *text, struct sim_options *options)
{
    options->chosen = true;
    while (*text >= '0' && *text <= '9') {
        char *end;
        unsigned long index = strtoul(text, &end, 10);

        if (index < SIM_FAULTS_MAX) {
            options->keep[index] = true;
        }
        text = *end == ',' ? end + 1 : end;
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first-seed", required_argument, NULL, 'f'},
        {"jobs", required_argument, NULL, 'j'},
        {"seed", required_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},
        {"faults", required_argument, NULL, 'k'},
        {"clients", required_argument, NULL, 'c'},
        {"end", required_argument, NULL, 'e'},
        {"minimise", no_argument, NULL, 'm'},
        {"require-coverage", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    struct sim_options options = {.verbose = false};
    uint64_t seeds = 2000, first = 1, seed = 0;
    bool one = false, shorter = false, need_coverage = false;
    unsigned jobs = 1;
    char text[256];
    int c, r = 0;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;

        if (c == 'n') {
            seeds = number;
        } else if (c == 'f') {
            first = number;
        } else if (c == 'j') {
            jobs = number && number <= JOBS_MAX ? (unsigned)number : 1;
        } else if (c == 's') {
            seed = number;
            one = true;
        } else if (c == 'v') {
            options.verbose = true;
        } else if (c == 'k') {
            faults_read(optarg, &options);
        } else if (c == 'c') {
            options.clients_max = (unsigned)number;
        } else if (c == 'e') {
            options.end_max = number * SEC;
        } else if (c == 'm') {
            shorter = true;
        } else if (c == 'r') {
            need_coverage = true;
        } else {
            fprintf(stderr, "see the head of tests/sim/main.c\n");
            return 2;
        }
    }
    if (!one) {
        return seeds_run(first, seeds, jobs, need_coverage || seeds >= COVERAGE_SEEDS);
    }
    urcu_qsbr_register_thread();
    if (shorter) {
        r = minimise(seed);
    } else if (fails(seed, &options, text)) {
        printf("seed %llu: %s\n0 passed, 1 failed\n", LLU(seed), text);
        r = 1;
    } else {
        printf("1 passed, 0 failed\n");
    }
    urcu_qsbr_unregister_thread();
    return r;
}
