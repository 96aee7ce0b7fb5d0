/* The log sink is one of the program's few globals (style: no globals), and the only clock in lib/:
 * a log line tells when it was written, nothing is decided by it. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

static const struct {
    const char *name;
    unsigned syslog; /* severity of RFC 5424 6.2.1 */
} levels[LOG_LEVEL_COUNT] = {
    [LOG_LEVEL_ERROR] = {"error", 3},   [LOG_LEVEL_WARN] = {"warn", 4},
    [LOG_LEVEL_NOTICE] = {"notice", 5}, [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

static struct {
    log_sink_fn *sink;
    void *ctx;
    _Atomic int form;  /* enum log_form */
    _Atomic int level; /* enum log_level: the last one that is written */
} state = {.level = LOG_LEVEL_INFO};

static bool site_allows(struct log_site *site, uint64_t now_ms, uint32_t *ret_left_out);
static void stderr_write(enum log_level level, uint64_t now_ms, const char *text);

void log_sink_set(log_sink_fn *sink, void *ctx)
{
    state.sink = sink;
    state.ctx = ctx;
}

void log_form_set(enum log_form form)
{
    atomic_store_explicit(&state.form, (int)form, memory_order_relaxed);
}

void log_level_set(enum log_level level)
{
    atomic_store_explicit(&state.level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    T6_ASSERT(level < LOG_LEVEL_COUNT);
    return levels[level].name;
}

void log_time_format(uint64_t now_ms, char *buf, size_t buf_size)
{
    time_t seconds = (time_t)(now_ms / 1000);
    char date[LOG_TIME_SIZE];
    struct tm tm;

    T6_ASSERT(buf_size >= LOG_TIME_SIZE);
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(buf, buf_size, "%.26s.%03uZ", date, (unsigned)(now_ms % 1000));
}

void log_write(struct log_site *site, enum log_level level, const char *format, ...)
{
    char text[LOG_LINE_MAX];
    struct timespec now;
    uint64_t now_ms;
    uint32_t left_out;
    va_list args;

    T6_ASSERT(level < LOG_LEVEL_COUNT);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (!log_enabled(level) || !site_allows(site, now_ms, &left_out)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (left_out) {
        size_t size = strlen(text);

        (void)snprintf(text + size, sizeof(text) - size, " (%u like this left out)", left_out);
    }
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    if (state.sink) {
        state.sink(state.ctx, level, now_ms, text);
    } else {
        stderr_write(level, now_ms, text);
    }
}

/* Two threads at one site may both open a period; then a line too many is written. */
static bool site_allows(struct log_site *site, uint64_t now_ms, uint32_t *ret_left_out)
{
    uint64_t period = now_ms / 1000 / LOG_SITE_PERIOD_S;

    if (atomic_exchange_explicit(&site->period, period, memory_order_relaxed) != period) {
        atomic_store_explicit(&site->count, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&site->count, 1, memory_order_relaxed) >= LOG_SITE_BURST) {
        atomic_fetch_add_explicit(&site->left_out, 1, memory_order_relaxed);
        return false;
    }
    *ret_left_out = atomic_exchange_explicit(&site->left_out, 0, memory_order_relaxed);
    return true;
}

/* One write per line, so that lines of several threads do not mix. */
static void stderr_write(enum log_level level, uint64_t now_ms, const char *text)
{
    char line[LOG_LINE_MAX + 64], time_text[LOG_TIME_SIZE];
    int size;

    if (atomic_load_explicit(&state.form, memory_order_relaxed) == LOG_FORM_SYSLOG) {
        size = snprintf(line, sizeof(line), "<%u>%s\n", levels[level].syslog, text);
    } else {
        log_time_format(now_ms, time_text, sizeof(time_text));
        size = snprintf(line, sizeof(line), "%s %s %s\n", time_text, levels[level].name, text);
    }
    /* There is nobody left to tell when stderr is gone. */
    if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0) {
        return;
    }
}
