/* Metrics as text in the exposition format of Prometheus (0.0.4). Knows how a metric looks, not
 * what is measured. Any thread. */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/histogram.h"

enum {
    METRIC_LABELS_MAX = 4,
    METRIC_SAMPLE_MAX = 12 << 10, /* octets of one sample, of a histogram with all its lines */
    METRIC_HEAD_MAX = 1024,       /* octets of # HELP and # TYPE */
};

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
};

struct metric_info {
    const char *name; /* with unit and _total as the conventions want */
    enum metric_type type;
    const char *labels[METRIC_LABELS_MAX + 1]; /* names, ended by NULL */
    const char *help;
};

/* One value with its labels. Label texts live until it is written. */
struct metric_sample {
    const char
        *labels[METRIC_LABELS_MAX]; /* values, in the order of the names; cut at 255 octets */
    bool is_real;
    uint64_t count; /* the value, when is_real is false */
    double real;
    const struct histogram_picture *picture; /* METRIC_HISTOGRAM */
    double unit;                             /* what 1 in the picture is, in the metric's unit */
};

/* Text under construction; what does not fit is left out and told. */
struct metric_text {
    char *buf;
    size_t size, capacity;
    bool full;
};

void metric_head_write(struct metric_text *text, const struct metric_info *info);
void metric_sample_write(struct metric_text *text, const struct metric_info *info,
                         const struct metric_sample *sample);

const char *metric_type_name(enum metric_type type);

#endif
