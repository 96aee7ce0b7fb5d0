/* stats.get: counters, gauges and latency histograms. */
#include <string.h>

#include "server/methods_internal.h"

static const struct field name_row[] = {
    {.name = "name", .type = FIELD_STRING, .min = 1, .max = 64},
    {.type = FIELD_END},
};

static const struct field get_fields[] = {
    {.name = "names",
     .type = FIELD_ARRAY,
     .max = 256,
     .children = name_row,
     .help = "Counters, gauges and histograms to tell; all when left out."},
    {.name = "group",
     .type = FIELD_STRING,
     .min = 1,
     .max = 32,
     .help = "Only counters of this group: rx, drop, tx, lease or core."},
    {.name = "zeros",
     .type = FIELD_BOOL,
     .fallback = "true",
     .help = "Tell counters that are 0, too."},
    {.name = "buckets",
     .type = FIELD_BOOL,
     .fallback = "false",
     .help = "Tell all that the histograms hold, too, as [largest value, count]."},
    {.type = FIELD_END},
};

/* True when names is left out or has the name. */
static bool wanted(const json_t *names, const char *name)
{
    size_t index;
    json_t *item;

    if (names == NULL) {
        return true;
    }
    json_array_foreach(names, index, item)
    {
        if (strcmp(json_string_value(item), name) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *counters_json(const struct methods_env *env, const json_t *params)
{
    const json_t *names = json_object_get(params, "names");
    const char *group = json_string_value(json_object_get(params, "group"));
    bool zeros = !json_is_false(json_object_get(params, "zeros"));
    uint64_t sums[COUNTER_COUNT] = {0};
    json_t *json = json_object();

    env->counters(env->ctx, sums);
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        if ((sums[i] || zeros) && wanted(names, counter_table[i].name) &&
            (group == NULL || strcmp(group, counter_table[i].group) == 0)) {
            (void)json_object_set_new(json, counter_table[i].name, value_u64(sums[i]));
        }
    }
    return json;
}

struct gauge {
    const char *name;
    uint64_t value;
};

static void gauges_add(json_t *json, const json_t *names, const struct gauge *gauges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (wanted(names, gauges[i].name)) {
            (void)json_object_set_new(json, gauges[i].name, value_u64(gauges[i].value));
        }
    }
}

static json_t *gauges_json(const struct methods_env *env, const json_t *names)
{
    json_t *json = json_object();
    struct journal_stats journal = {0};
    struct store_stats store;

    store_stats_get(env->store, &store);
    gauges_add(json, names,
               (struct gauge[]){
                   {"leases_max", store.leases_max},
                   {"leases_used", store.slots_used},
                   {"leases_active", store.by_status[BINDING_ACTIVE]},
                   {"long_leases_used", store.long_leases_used},
                   {"long_leases_max", store.long_leases_max},
                   {"cut_leases", store.cut_leases},
                   {"store_memory_bytes", store.memory_bytes},
                   {"uptime_s", sec_until(env->now(env->ctx), env->started_s)},
               },
               8);
    if (env->journal_stats) {
        env->journal_stats(env->ctx, &journal);
        gauges_add(json, names,
                   (struct gauge[]){
                       {"journal_log_bytes", journal.log_bytes},
                       {"journal_segments", journal.segments},
                       {"journal_batches", journal.batches},
                       {"journal_records", journal.records},
                       {"journal_bytes", journal.bytes},
                       {"journal_write_errors", journal.write_errors},
                       {"journal_checkpoints", journal.checkpoints},
                   },
                   7);
    }
    return json;
}

void methods_histogram_gather(const struct methods_histogram *histogram,
                              struct histogram_picture *picture)
{
    for (unsigned i = 0; i < histogram->part_count; i++) {
        histogram_gather(histogram->parts[i], picture);
    }
}

static json_t *buckets_json(const struct histogram_picture *picture)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (picture->buckets[i]) {
            (void)json_array_append_new(list,
                                        json_pack("[o, o]", value_u64(histogram_bucket_last(i)),
                                                  value_u64(picture->buckets[i])));
        }
    }
    return list;
}

static json_t *histogram_json(const struct methods_histogram *row, bool buckets)
{
    struct histogram_picture picture = {0};
    json_t *json;

    methods_histogram_gather(row, &picture);
    json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", row->name, "unit",
                     row->unit, "help", row->help, "count", value_u64(picture.count), "sum",
                     value_u64(picture.sum), "p50", value_u64(histogram_quantile(&picture, 500)),
                     "p99", value_u64(histogram_quantile(&picture, 990)), "p999",
                     value_u64(histogram_quantile(&picture, 999)), "max", value_u64(picture.max));
    if (buckets) {
        (void)json_object_set_new(json, "buckets", buckets_json(&picture));
    }
    return json;
}

static json_t *histograms_json(const struct methods_env *env, const json_t *params)
{
    static const unsigned histograms_max = 256;
    const json_t *names = json_object_get(params, "names");
    bool buckets = json_is_true(json_object_get(params, "buckets"));
    struct methods_histogram row;
    json_t *list = json_array();

    for (unsigned i = 0; i < histograms_max && env->histogram && env->histogram(env->ctx, i, &row);
         i++) {
        if (wanted(names, row.name)) {
            (void)json_array_append_new(list, histogram_json(&row, buckets));
        }
    }
    return list;
}

static int stats_get(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const json_t *names = json_object_get(call->params, "names");

    call->result =
        json_pack("{s:o, s:o, s:o}", "counters", counters_json(env, call->params), "gauges",
                  gauges_json(env, names), "histograms", histograms_json(env, call->params));
    return 0;
}

const struct jsonrpc_method methods_stats_table[] = {
    {"stats.get", JSONRPC_ROLE_VIEW, false, get_fields, stats_get,
     "Tells counters, gauges and latencies.",
     "{counters: {name: value}, gauges: {name: value}, histograms: [{name, unit, count, p50, p99, "
     "p999, max}]}; counters count since start and are never reset"},
    METHODS_TABLE_END,
};
