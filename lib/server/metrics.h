/* GET /metrics: all metrics of the server, one table row each (metrics.c), made piece by piece, so
 * that thousands of pools do not hold the control core. Control core only, QSBR-online. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "observe/metrics.h"
#include "server/methods.h"

struct scrape;

enum {
    METRICS_PIECE_MIN = 16 << 10 /* room a piece must have */
};

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Numbers that stand for all of it are read here, the rest when their turn comes. */
int scrape_new(struct methods *methods, struct scrape **ret_scrape) MUST_CHECK;
void scrape_free(struct scrape *scrape);

/* Writes the next piece and returns its size; 0: that was all. */
size_t scrape_step(struct scrape *scrape, char *buf, size_t buf_size);

/* The index-th metric, for documents; NULL behind the last one. */
const struct metric_info *metrics_info(unsigned index);

#endif
