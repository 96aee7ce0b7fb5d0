/* The threads around a server: workers on their lcores, the journal thread, the checkpoint thread.
 * Each is a registered QSBR reader that is offline whenever it may block. The control core is the
 * caller. */
#ifndef TANDEM6D_THREADS_H
#define TANDEM6D_THREADS_H

#include "clock.h"
#include "port.h"
#include "server/server.h"

struct threads;

/* Starts the journal and checkpoint threads, then on each worker's lcore worker_main (NULL: the
 * usual loop; benches bring their own). */
int threads_start(struct server *server, struct ports *ports, const struct clock *clock,
                  int (*worker_main)(void *worker), struct threads **ret_threads) MUST_CHECK;

/* on_durable is called by the journal thread whenever something became durable; it must not block.
 * Once. ctx must outlive the threads. */
void threads_durable_watch(struct threads *threads, void (*on_durable)(void *ctx), void *ctx);

/* Stops the workers once their parked replies have left (at most a second). */
void threads_stop_workers(struct threads *threads);

/* Stops journal and checkpoint threads once the rings are empty, and frees. False when the disk
 * would not take the last records. */
bool threads_stop(struct threads *threads);

/* Writes a checkpoint of the server now; for the checkpoint thread, and for others while it does
 * not run. A failure is logged and returned. */
int threads_checkpoint(struct server *server);

/* The disk with every call that may block made RCU-offline, for journal_config. */
struct disk threads_disk(const struct disk *disk);

#endif
