/* Log lines for people: one line per message, level and time in front. Used by app/ and by
 * server/control only; other lib code returns errors and workers count (style: errors).
 *
 * Each call site may write LOG_SITE_BURST lines per LOG_SITE_PERIOD_S seconds; what it had to leave
 * out is told with its next line. Control characters in a message are replaced, so that a name
 * taken from the network cannot forge a second line. Any thread; may write to a file descriptor,
 * so never from a worker. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,  /* something does not work; somebody must act */
    LOG_LEVEL_WARN,   /* something will stop working */
    LOG_LEVEL_NOTICE, /* starts, stops, state changes */
    LOG_LEVEL_INFO,   /* what a careful operator wants to see */
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_COUNT
};

enum log_form {
    LOG_FORM_TIME,   /* 2026-11-23T18:00:00.123Z notice text */
    LOG_FORM_SYSLOG, /* <5>text, as systemd's journal takes it from stderr */
};

enum {
    LOG_LINE_MAX = 1024,
    LOG_SITE_BURST = 10,
    LOG_SITE_PERIOD_S = 10
};

/* Rate limit of one call site; zero is a valid start. */
struct log_site {
    _Atomic uint64_t period; /* number of the current period */
    _Atomic uint32_t count;  /* lines asked for in it */
    _Atomic uint32_t left_out;
};

/* Takes one whole line without newline. now_ms: Unix milliseconds of the message. */
typedef void log_sink_fn(void *ctx, enum log_level level, uint64_t now_ms, const char *text);

/* Where lines go instead of stderr; NULL: back to stderr. Not while other threads log. */
void log_sink_set(log_sink_fn *sink, void *ctx);
void log_form_set(enum log_form form);
void log_level_set(enum log_level level);
bool log_enabled(enum log_level level);

/* "error", "warn", "notice", "info", "debug"; false for other texts. */
bool log_level_parse(const char *text, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

void log_write(struct log_site *site, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Formats "2026-11-23T18:00:00.123Z" of Unix milliseconds; buf_size at least LOG_TIME_SIZE. */
enum {
    LOG_TIME_SIZE = 32
};

void log_time_format(uint64_t now_ms, char *buf, size_t buf_size);

/* The arguments are evaluated only when the level is on. */
#define LOG_AT(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        if (log_enabled(level)) {                                                                  \
            log_write(&log_site_here, level, __VA_ARGS__);                                         \
        }                                                                                          \
    } while (0)

#define log_error(...)  LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)   LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_notice(...) LOG_AT(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)   LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)  LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
