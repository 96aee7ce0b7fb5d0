#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"

struct heard {
    unsigned lines;
    enum log_level level;
    char text[LOG_LINE_MAX];
};

static void hear(void *ctx, enum log_level level, uint64_t now_ms, const char *text)
{
    struct heard *heard = ctx;

    (void)now_ms;
    heard->lines++;
    heard->level = level;
    (void)snprintf(heard->text, sizeof(heard->text), "%s", text);
}

static void test_levels(void)
{
    struct heard heard = {0};
    enum log_level level = LOG_LEVEL_ERROR;

    log_sink_set(hear, &heard);
    log_level_set(LOG_LEVEL_NOTICE);
    log_info("not this");
    CHECK_EQ(heard.lines, 0);
    log_notice("port %s is %d", "access0", 7);
    CHECK_EQ(heard.lines, 1);
    CHECK_EQ(heard.level, LOG_LEVEL_NOTICE);
    CHECK_STR(heard.text, "port access0 is 7");
    CHECK(log_level_parse("debug", &level) && level == LOG_LEVEL_DEBUG);
    CHECK(!log_level_parse("loud", &level) && level == LOG_LEVEL_DEBUG);
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        CHECK(log_level_parse(log_level_name((enum log_level)i), &level) && (int)level == i);
    }
    log_sink_set(NULL, NULL);
}

static void test_no_forged_lines(void)
{
    struct heard heard = {0};

    log_sink_set(hear, &heard);
    log_error("name %s", "a\nerror b\x1b[31m\x7f");
    CHECK_STR(heard.text, "name a?error b?[31m?");
    log_error("%2000d", 1);
    CHECK_EQ(strlen(heard.text), LOG_LINE_MAX - 1);
    log_sink_set(NULL, NULL);
}

static void test_rate_limit(void)
{
    struct heard heard = {0};
    struct log_site site = {0};

    log_sink_set(hear, &heard);
    for (int i = 0; i < 100; i++) {
        log_write(&site, LOG_LEVEL_ERROR, "again");
    }
    /* The hundred lines may straddle two periods. */
    CHECK(heard.lines >= LOG_SITE_BURST && heard.lines <= 2 * LOG_SITE_BURST);
    CHECK(atomic_load(&site.left_out) > 0);
    atomic_store(&site.period, 1); /* as if a period had passed */
    atomic_store(&site.left_out, 90);
    heard.lines = 0;
    log_write(&site, LOG_LEVEL_ERROR, "again");
    CHECK_EQ(heard.lines, 1);
    CHECK_STR(heard.text, "again (90 like this left out)");
    log_sink_set(NULL, NULL);
}

static void test_time(void)
{
    char text[LOG_TIME_SIZE];

    log_time_format(0, text, sizeof(text));
    CHECK_STR(text, "1970-01-01T00:00:00.000Z");
    log_time_format(1795456845007, text, sizeof(text));
    CHECK_STR(text, "2026-11-23T18:00:45.007Z");
}

/* What the default sink writes, taken from stderr through a pipe. */
static void stderr_read(enum log_form form, char *buf, size_t buf_size)
{
    int pipe_fds[2], saved = dup(STDERR_FILENO);
    ssize_t size;

    CHECK(pipe(pipe_fds) == 0 && dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    log_form_set(form);
    log_warn("disk full");
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(pipe_fds[1]);
    (void)close(saved);
    size = read(pipe_fds[0], buf, buf_size - 1);
    (void)close(pipe_fds[0]);
    buf[size > 0 ? size : 0] = '\0';
}

static void test_stderr(void)
{
    char text[256];
    int year = 0, ms = 0;
    char rest[32] = "";

    stderr_read(LOG_FORM_SYSLOG, text, sizeof(text));
    CHECK_STR(text, "<4>disk full\n");
    stderr_read(LOG_FORM_TIME, text, sizeof(text));
    CHECK_EQ(sscanf(text, "%d-%*d-%*dT%*d:%*d:%*d.%dZ %31[^\n]", &year, &ms, rest), 3);
    CHECK(year >= 2026 || year == 1970);
    CHECK_STR(rest, "warn disk full");
}

static const struct check_test tests[] = {
    {"levels", test_levels},         {"no forged lines", test_no_forged_lines},
    {"rate limit", test_rate_limit}, {"time", test_time},
    {"stderr", test_stderr},
};

CHECK_MAIN(tests)
