/* Which cells of the tables of RFC 8156 the seeds reached. */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include "sim.h"

/* Prints the sums and the cells never reached; returns how many those are, without the ones that
 * cannot be reached, each with its reason in coverage.c. */
unsigned coverage_print(const struct coverage *coverage);

#endif
