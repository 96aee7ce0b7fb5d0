#include "tally.h"

#include <inttypes.h>
#include <stddef.h>

struct count_row {
    const char *name;
    size_t offset; /* of a uint64_t in struct tally */
};

#define COUNT(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct tally, name)                                                        \
    }

static const struct count_row count_rows[] = {
    COUNT(started),    COUNT(finished),       COUNT(refused),           COUNT(timeouts),
    COUNT(unfinished), COUNT(renews_rebound), COUNT(advertise_refused), COUNT(reboot_moved),
    COUNT(expired),    COUNT(skipped),        COUNT(send_failed),
};

static void gap_open(struct tally_gap *gap, uint64_t now_ns)
{
    if (gap->since_ns == 0) {
        gap->since_ns = now_ns;
    }
}

static void gap_close(struct tally_gap *gap, uint64_t now_ns)
{
    if (gap->since_ns && now_ns - gap->since_ns > gap->longest_ns) {
        gap->longest_ns = now_ns - gap->since_ns;
        gap->longest_at_ns = gap->since_ns;
    }
    gap->since_ns = 0;
}

void tally_sent(struct tally *tally, enum message_kind kind, bool again, uint64_t now_ns)
{
    struct tally_message *message = &tally->messages[kind];

    message->sent++;
    message->retransmitted += again;
    gap_open(&message->gap, now_ns);
    gap_open(&tally->gap, now_ns);
}

void tally_answered(struct tally *tally, enum message_kind kind, uint64_t latency_ns,
                    uint64_t now_ns)
{
    struct tally_message *message = &tally->messages[kind];

    message->answered++;
    histogram_add(&message->latency, latency_ns);
    gap_close(&message->gap, now_ns);
    gap_close(&tally->gap, now_ns);
}

void tally_end(struct tally *tally, uint64_t now_ns)
{
    for (unsigned i = 0; i < MESSAGE_KINDS; i++) {
        gap_close(&tally->messages[i].gap, now_ns);
    }
    gap_close(&tally->gap, now_ns);
}

int tally_server_index(struct tally *tally, struct span id)
{
    struct tally_server *server;

    for (unsigned i = 0; i < tally->server_count; i++) {
        server = &tally->servers[i];
        if (span_equal(id, (struct span){server->id, server->id_size})) {
            return (int)i;
        }
    }
    if (tally->server_count == TALLY_SERVERS_MAX || id.size > MESSAGE_SERVER_ID_MAX) {
        return -ENOSPC;
    }
    server = &tally->servers[tally->server_count];
    *server = (struct tally_server){.id_size = (uint8_t)id.size};
    memcpy(server->id, id.data, id.size);
    return (int)tally->server_count++;
}

uint64_t tally_wrong(const struct tally *tally)
{
    uint64_t wrong = 0;

    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        wrong += verdict_rows[i].wrong ? tally->verdicts[i] : 0;
    }
    return wrong;
}

struct sums {
    uint64_t sent, retransmitted, answered;
};

static struct sums messages_sum(const struct tally *tally)
{
    struct sums sums = {0, 0, 0};

    for (unsigned i = 0; i < MESSAGE_KINDS; i++) {
        sums.sent += tally->messages[i].sent;
        sums.retransmitted += tally->messages[i].retransmitted;
        sums.answered += tally->messages[i].answered;
    }
    return sums;
}

/* Quantiles in microseconds, each rounded up by at most 1/16. */
static void latency_write(const struct histogram_picture *picture, FILE *file)
{
    static const struct {
        const char *name;
        unsigned per_mille;
    } quantiles[] = {{"p50_us", 500}, {"p90_us", 900}, {"p99_us", 990}, {"p999_us", 999}};

    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        fprintf(file, "\"%s\":%.1f,", quantiles[i].name,
                (double)histogram_quantile(picture, quantiles[i].per_mille) / 1e3);
    }
    fprintf(file, "\"max_us\":%.1f,\"mean_us\":%.1f", (double)picture->max / 1e3,
            picture->count ? (double)picture->sum / (double)picture->count / 1e3 : 0.0);
}

static void histogram_write(const char *name, const struct histogram *histogram, FILE *file)
{
    struct histogram_picture picture = {.count = 0};

    histogram_gather(histogram, &picture);
    fprintf(file, ",\"%s\":{\"count\":%" PRIu64 ",", name, picture.count);
    latency_write(&picture, file);
    fprintf(file, "}");
}

static void gap_write(const struct tally_gap *gap, const struct tally_clock *clock, FILE *file)
{
    double at = clock->start_unix_s + ((double)gap->longest_at_ns - (double)clock->start_ns) / 1e9;

    fprintf(file, ",\"longest_gap_ms\":%.3f,\"longest_gap_at\":%.3f", (double)gap->longest_ns / 1e6,
            gap->longest_ns ? at : 0.0);
}

static void messages_write(const struct tally *tally, const struct tally_clock *clock, FILE *file)
{
    const char *comma = "";

    fprintf(file, ",\"messages\":{");
    for (unsigned i = 0; i < MESSAGE_KINDS; i++) {
        const struct tally_message *message = &tally->messages[i];
        struct histogram_picture picture = {.count = 0};

        if (message->sent == 0) {
            continue;
        }
        histogram_gather(&message->latency, &picture);
        fprintf(file,
                "%s\"%s\":{\"sent\":%" PRIu64 ",\"retransmitted\":%" PRIu64 ",\"answered\":%" PRIu64
                ",",
                comma, message_rows[i].name, message->sent, message->retransmitted,
                message->answered);
        latency_write(&picture, file);
        gap_write(&message->gap, clock, file);
        fprintf(file, "}");
        comma = ",";
    }
    fprintf(file, "}");
}

static void servers_write(const struct tally *tally, FILE *file)
{
    fprintf(file, ",\"servers\":[");
    for (unsigned i = 0; i < tally->server_count; i++) {
        const struct tally_server *server = &tally->servers[i];

        fprintf(file, "%s{\"duid\":\"", i ? "," : "");
        for (unsigned j = 0; j < server->id_size; j++) {
            fprintf(file, "%02x", server->id[j]);
        }
        fprintf(file, "\",\"answered\":%" PRIu64 "}", server->answered);
    }
    fprintf(file, "]");
}

void tally_write_json(const struct tally *tally, const struct settings *settings,
                      const struct crowd *crowd, const struct tally_clock *clock, FILE *file)
{
    struct sums sums = messages_sum(tally);
    double seconds = (double)(clock->drain_ns - clock->start_ns) / 1e9;

    fprintf(file, "{\"tool\":\"tandem6load\",\"start\":%.3f,\"seconds\":%.3f,\"drain_s\":%.3f",
            clock->start_unix_s, seconds, (double)(clock->end_ns - clock->drain_ns) / 1e9);
    fprintf(file,
            ",\"clients\":%" PRIu32 ",\"bound\":%" PRIu32 ",\"rate\":%.1f,\"window\":%" PRIu32,
            settings->client_count, crowd->bound_count, settings->rate, settings->window);
    fprintf(file,
            ",\"sent\":%" PRIu64 ",\"retransmitted\":%" PRIu64 ",\"answered\":%" PRIu64
            ",\"wrong\":%" PRIu64,
            sums.sent, sums.retransmitted, sums.answered, tally_wrong(tally));
    fprintf(file, ",\"lost\":%" PRIu64 ",\"changed\":%" PRIu64 ",\"duplicates\":%" PRIu64,
            tally->verdicts[VERDICT_lost], tally->verdicts[VERDICT_changed],
            tally->verdicts[VERDICT_duplicate]);
    for (size_t i = 0; i < sizeof(count_rows) / sizeof(count_rows[0]); i++) {
        uint64_t value;

        memcpy(&value, (const uint8_t *)tally + count_rows[i].offset, sizeof(value));
        fprintf(file, ",\"%s\":%" PRIu64, count_rows[i].name, value);
    }
    fprintf(file, ",\"finished_per_s\":%.1f", (double)tally->finished / seconds);
    if (tally->all_bound_ns) {
        fprintf(file, ",\"all_bound_s\":%.3f", (double)tally->all_bound_ns / 1e9);
    }
    gap_write(&tally->gap, clock, file);
    fprintf(file, ",\"verdicts\":{");
    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        fprintf(file, "%s\"%s\":%" PRIu64, i ? "," : "", verdict_rows[i].name, tally->verdicts[i]);
    }
    fprintf(file, "}");
    messages_write(tally, clock, file);
    histogram_write("exchanges", &tally->exchanges, file);
    histogram_write("lag", &tally->lag, file);
    servers_write(tally, file);
    fprintf(file, "}\n");
}

void tally_write_progress(const struct tally *tally, const struct crowd *crowd, uint64_t start_ns,
                          uint64_t now_ns, struct tally_mark *mark, FILE *file)
{
    struct histogram_picture picture = {.count = 0}, since = {.count = 0};
    struct sums sums = messages_sum(tally);
    double seconds = (double)(now_ns - mark->now_ns) / 1e9;

    for (unsigned i = 0; i < MESSAGE_KINDS; i++) {
        histogram_gather(&tally->messages[i].latency, &picture);
    }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        since.buckets[i] = picture.buckets[i] - mark->buckets[i];
        since.count += since.buckets[i];
        mark->buckets[i] = picture.buckets[i];
    }
    since.max = picture.max;
    fprintf(file,
            "%6.1f s  sent %.0f/s  answered %.0f/s  p99 %.2f ms  bound %" PRIu32 "  again %" PRIu64
            "  refused %" PRIu64 "  timeouts %" PRIu64 "  wrong %" PRIu64 "\n",
            (double)(now_ns - start_ns) / 1e9, (double)(sums.sent - mark->sent) / seconds,
            (double)(sums.answered - mark->answered) / seconds,
            (double)histogram_quantile(&since, 990) / 1e6, crowd->bound_count, sums.retransmitted,
            tally->refused, tally->timeouts, tally_wrong(tally));
    mark->now_ns = now_ns;
    mark->sent = sums.sent;
    mark->answered = sums.answered;
}
