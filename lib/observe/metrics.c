#include "observe/metrics.h"

#include <inttypes.h>
#include <stdarg.h>

enum {
    LABEL_VALUE_MAX = 255,
    BUCKET_LOG2_FIRST = 10, /* the smallest bucket of a histogram as told; 1 us where 1 is 1 ns */
    BUCKET_LOG2_LAST = 36,  /* 69 s */
};

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

const char *metric_type_name(enum metric_type type)
{
    return type_names[type];
}

static void text_add(struct metric_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void text_add(struct metric_text *text, const char *format, ...)
{
    size_t room = text->capacity - text->size;
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text->buf + text->size, room, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= room) {
        text->full = true; /* the caller takes back what was begun */
    } else {
        text->size += (size_t)size;
    }
}

/* Backslash and line feed are escaped, in label values quotes too. */
static void text_escape(struct metric_text *text, const char *value, bool quotes)
{
    for (size_t i = 0; value[i] && i < LABEL_VALUE_MAX; i++) {
        switch (value[i]) {
        case '\\':
            text_add(text, "\\\\");
            break;
        case '\n':
            text_add(text, "\\n");
            break;
        case '"':
            text_add(text, quotes ? "\\\"" : "\"");
            break;
        default:
            text_add(text, "%c", (unsigned char)value[i] < 0x80 ? value[i] : '?');
        }
    }
}

void metric_head_write(struct metric_text *text, const struct metric_info *info)
{
    size_t before = text->size;

    text_add(text, "# HELP %s ", info->name);
    text_escape(text, info->help, false);
    text_add(text, "\n# TYPE %s %s\n", info->name, metric_type_name(info->type));
    text->size = text->full ? before : text->size;
}

/* {a="1",b="2"}; more: one further label as text, or NULL. */
static void labels_write(struct metric_text *text, const struct metric_info *info,
                         const struct metric_sample *sample, const char *more)
{
    const char *separator = "{";

    for (unsigned i = 0; info->labels[i]; i++) {
        text_add(text, "%s%s=\"", separator, info->labels[i]);
        text_escape(text, sample->labels[i] ? sample->labels[i] : "", true);
        text_add(text, "\"");
        separator = ",";
    }
    if (more) {
        text_add(text, "%s%s", separator, more);
        separator = ",";
    }
    text_add(text, "%s", *separator == ',' ? "}" : "");
}

static void histogram_write(struct metric_text *text, const struct metric_info *info,
                            const struct metric_sample *sample)
{
    const struct histogram_picture *picture = sample->picture;
    uint64_t sum = 0;
    unsigned bucket = 0;
    char more[48];

    for (unsigned log2 = BUCKET_LOG2_FIRST; log2 <= BUCKET_LOG2_LAST; log2++) {
        /* Bucket ends lie just below powers of two, so these sums are exact. */
        for (; bucket < histogram_bucket(1ULL << log2); bucket++) {
            sum += picture->buckets[bucket];
        }
        (void)snprintf(more, sizeof(more), "le=\"%.9g\"", (double)(1ULL << log2) * sample->unit);
        text_add(text, "%s_bucket", info->name);
        labels_write(text, info, sample, more);
        text_add(text, " %" PRIu64 "\n", sum);
    }
    text_add(text, "%s_bucket", info->name);
    labels_write(text, info, sample, "le=\"+Inf\"");
    text_add(text, " %" PRIu64 "\n%s_sum", picture->count, info->name);
    labels_write(text, info, sample, NULL);
    text_add(text, " %.17g\n%s_count", (double)picture->sum * sample->unit, info->name);
    labels_write(text, info, sample, NULL);
    text_add(text, " %" PRIu64 "\n", picture->count);
}

void metric_sample_write(struct metric_text *text, const struct metric_info *info,
                         const struct metric_sample *sample)
{
    size_t before = text->size;

    if (info->type == METRIC_HISTOGRAM) {
        histogram_write(text, info, sample);
    } else {
        text_add(text, "%s", info->name);
        labels_write(text, info, sample, NULL);
        if (sample->is_real && sample->real != sample->real) {
            text_add(text, " NaN\n");
        } else if (sample->is_real) {
            text_add(text, " %.17g\n", sample->real);
        } else {
            text_add(text, " %" PRIu64 "\n", sample->count);
        }
    }
    text->size = text->full ? before : text->size;
}
