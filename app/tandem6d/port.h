/* DPDK ports: mbufs to frames and back. The only place that includes rte_ethdev. */
#ifndef TANDEM6D_PORT_H
#define TANDEM6D_PORT_H

#include "policy/config.h"
#include "server/server.h"
#include "server/worker.h"

struct ports;

/* Starts EAL with arguments of its own choosing (hugepages if there, without if not; lcore 0 is the
 * control core, 1..workers the workers), brings every configured port up and fills server->ports
 * and each worker's packet_io. Says in one log line what was chosen. 0, or a negative errno after
 * logging why. */
int ports_start(const struct config *config, struct server *server,
                struct ports **ret_ports) MUST_CHECK;

/* Stops the ports; workers must have stopped. */
void ports_stop(struct ports *ports);

/* Control core, every second or so: link states, from the kernel where the driver cannot tell. Logs
 * changes. */
void ports_link_check(struct ports *ports);

/* Runs main_fn(worker) for each worker on its lcore. */
int ports_workers_launch(struct ports *ports, int (*main_fn)(void *worker)) MUST_CHECK;

/* Waits for all workers to return. */
void ports_workers_wait(void);

#endif
