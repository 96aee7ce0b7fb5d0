/* Which CPUs the threads run on. */
#ifndef TANDEM6D_CPUS_H
#define TANDEM6D_CPUS_H

#include "policy/config.h"

enum {
    CPUS_MAX = 1024
};

/* The CPUs of the control core (first) and of each worker: as dataplane.cpus says; else of those
 * this process may use, the control core gets the one that has served the most device interrupts,
 * because the disk's land on it again, and workers the quietest. With fewer CPUs than threads some
 * share. Always fills workers + 1. Boot only. */
void cpus_choose(const struct config *config, int ret_cpus[CONFIG_WORKERS_MAX + 1]);

/* Adds up /proc/interrupts' device lines (those with a number) per CPU, found by the heading that
 * names the CPUs online. text is changed. False when it is no such table. */
bool cpus_interrupts_parse(char *text, uint64_t ret_counts[CPUS_MAX]);

#endif
