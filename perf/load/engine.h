/* Starts exchanges as the settings says, repeats what stays unanswered, takes answers. Its
 * time is the io's, so that tests can run it in a time of their own. One thread. */
#ifndef LOAD_ENGINE_H
#define LOAD_ENGINE_H

#include "io.h"
#include "tally.h"
#include "wheel.h"

struct engine {
    const struct settings *settings; /* borrowed */
    struct io io;                    /* borrowed context */
    struct crowd crowd;
    struct wheel wheel;
    struct tally tally;
    uint64_t random;
    uint64_t start_ns, now_ns;
    uint64_t start_count; /* open loop: starts that were due so far */
    uint32_t busy_count;  /* exchanges under way */
    bool draining;        /* nothing is started any more */
    uint64_t drain_ns;    /* since when; at the end of the run at the latest */
    unsigned out_count;
    struct datagram out[IO_BURST];
    uint8_t out_data[IO_BURST][MESSAGE_SIZE_MAX];
};

/* All clients idle and unbound. */
int engine_init(struct engine *engine, const struct settings *settings, struct io io) MUST_CHECK;
void engine_done(struct engine *engine);

/* Before engine_start: the client holds this lease of the server (tally_server_index). -EEXIST when
 * another client does. */
int engine_lease_set(struct engine *engine, uint32_t client, unsigned server,
                     const struct leases *leases) MUST_CHECK;

/* The run begins now; of an avalanche, everybody's delay. */
void engine_start(struct engine *engine);

/* Receives, fires timers, starts what is due. Returns the datagrams received. */
unsigned engine_turn(struct engine *engine);

/* Nanoseconds until something is to be done though nothing arrives. */
uint64_t engine_idle_ns(const struct engine *engine);

/* Start nothing any more; exchanges under way go on. */
void engine_drain(struct engine *engine);

/* True when nothing is under way and nothing can start. */
bool engine_is_finished(const struct engine *engine);

/* Counts what is unfinished as such. */
void engine_end(struct engine *engine);

#endif
