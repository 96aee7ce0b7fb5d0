/* The transcript runner, see runner.h. Output of a command is collected, then held against the
 * indented lines that follow it. */
#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_SIZE = 1024,
    OUTPUT_MAX = 1 << 20, /* octets said within one command; more is a loop */
};

struct scenario_private {
    const struct scenario_driver *driver;
    const char *path;
    unsigned line;         /* being read */
    unsigned command_line; /* whose output is being collected */
    char name[LINE_MAX_SIZE];
    char *said; /* lines said and not yet expected, each ends with \n */
    size_t said_size, said_head;
    int64_t step_s; /* wall clock against monotonic */
    bool waiting;   /* lines carry their time */
    bool update;    /* write the transcript as it goes */
    bool running, failed;
    unsigned passed_count, failed_count;
};

static void fail(struct scenario_private *p, const char *what, const char *text)
{
    printf("%s:%u: %s: %s\n", p->path, p->line, what, text);
    p->failed = true;
}

void scenario_say(struct scenario *scenario, const char *format, ...)
{
    struct scenario_private *p = scenario->private;
    char line[LINE_MAX_SIZE];
    int size = 0;
    va_list args;

    if (p->waiting) {
        size = snprintf(line, sizeof(line), "%llu.%03llu ", (unsigned long long)scenario->ms / 1000,
                        (unsigned long long)scenario->ms % 1000);
    }
    va_start(args, format);
    (void)vsnprintf(line + size, sizeof(line) - (size_t)size, format, args);
    va_end(args);
    size = (int)strlen(line);
    if (p->said_size + (size_t)size + 2 > OUTPUT_MAX) {
        fail(p, "too much output", line);
        exit(1);
    }
    memcpy(p->said + p->said_size, line, (size_t)size);
    p->said_size += (size_t)size;
    p->said[p->said_size++] = '\n';
    p->said[p->said_size] = 0;
}

msec_t scenario_duration(const char *word)
{
    static const struct {
        const char *name;
        msec_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},    {"", 1000},
                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}};

    char *end;
    msec_t count = strtoull(word, &end, 10);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end != word && strcmp(end, units[i].name) == 0) {
            return count * units[i].ms;
        }
    }
    return UINT64_MAX;
}

const char *scenario_value(unsigned word_count, char *const *words, const char *key)
{
    size_t size = strlen(key);

    for (unsigned i = 1; i < word_count; i++) {
        if (strncmp(words[i], key, size) == 0 && words[i][size] == '=') {
            return words[i] + size + 1;
        }
    }
    return NULL;
}

uint64_t scenario_number(unsigned word_count, char *const *words, const char *key,
                         uint64_t otherwise)
{
    const char *value = scenario_value(word_count, words, key);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void clock_set(struct scenario *scenario, msec_t ms)
{
    scenario->ms = ms;
    scenario->s =
        (sec_t)((int64_t)SCENARIO_START_S + (int64_t)(ms / 1000) + scenario->private->step_s);
}

/* Anything said that no line expected. */
static void said_check_end(struct scenario_private *p)
{
    char *rest = p->said + p->said_head;

    if (p->said_head < p->said_size && !p->update) {
        rest[strcspn(rest, "\n")] = 0;
        printf("%s:%u: said, not expected: %s\n", p->path, p->command_line, rest);
        p->failed = true;
    }
    p->said_size = p->said_head = 0;
    p->said[0] = 0;
}

static void said_expect(struct scenario_private *p, const char *line)
{
    char *said = p->said + p->said_head;
    size_t size = strcspn(said, "\n");

    if (p->said_head == p->said_size) {
        fail(p, "expected, not said", line);
        return;
    }
    said[size] = 0;
    p->said_head += size + 1;
    if (strcmp(said, line) != 0) {
        fail(p, "expected", line);
        printf("%s:%u:     said: %s\n", p->path, p->line, said);
    }
}

static void said_write(const struct scenario_private *p)
{
    const char *at = p->said;

    while (*at) {
        size_t size = strcspn(at, "\n");

        printf("    %.*s\n", (int)size, at);
        at += size + 1;
    }
}

static void scenario_finish(struct scenario *scenario)
{
    struct scenario_private *p = scenario->private;

    if (!p->running) {
        return;
    }
    said_check_end(p);
    p->driver->end(scenario);
    p->running = false;
    p->passed_count += !p->failed;
    p->failed_count += p->failed;
    if (p->failed) {
        printf("FAIL %s: %s\n", p->path, p->name);
    }
}

static void scenario_begin(struct scenario *scenario, const char *name)
{
    struct scenario_private *p = scenario->private;

    scenario_finish(scenario);
    p->step_s = 0;
    p->failed = false;
    p->running = true;
    p->command_line = p->line;
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    clock_set(scenario, 0);
    p->driver->begin(scenario);
}

/* Runs to each deadline until the end of the wait. */
static void time_pass(struct scenario *scenario, msec_t duration_ms)
{
    struct scenario_private *p = scenario->private;
    msec_t end_ms = scenario->ms + duration_ms;

    p->waiting = true;
    for (unsigned i = 0; i < SCENARIO_STEPS_MAX; i++) {
        msec_t deadline_ms = p->driver->deadline(scenario);

        if (deadline_ms > end_ms) {
            clock_set(scenario, end_ms);
            p->waiting = false;
            return;
        }
        clock_set(scenario, deadline_ms > scenario->ms ? deadline_ms : scenario->ms);
        p->driver->run(scenario);
    }
    fail(p, "a deadline that never moves", "wait");
    p->waiting = false;
}

static void command_run(struct scenario *scenario, char *line)
{
    struct scenario_private *p = scenario->private;
    char *words[SCENARIO_WORDS_MAX];
    unsigned count = 0;
    char *save = NULL;
    msec_t duration_ms;

    for (char *word = strtok_r(line, " ", &save); word && count < SCENARIO_WORDS_MAX;
         word = strtok_r(NULL, " ", &save)) {
        words[count++] = word;
    }
    if (count == 2 && (strcmp(words[0], "wait") == 0 || strcmp(words[0], "step") == 0)) {
        bool back = words[1][0] == '-';

        duration_ms = scenario_duration(words[1] + back);
        if (duration_ms == UINT64_MAX) {
            fail(p, "not a duration", words[1]);
        } else if (words[0][0] == 'w') {
            time_pass(scenario, duration_ms);
        } else {
            p->step_s += back ? -(int64_t)(duration_ms / 1000) : (int64_t)(duration_ms / 1000);
            clock_set(scenario, scenario->ms);
            p->driver->run(scenario);
        }
        return;
    }
    if (!p->driver->command(scenario, count, words)) {
        fail(p, "no such command, or wrong words", words[0]);
    }
    p->driver->run(scenario);
}

static void line_run(struct scenario *scenario, char *line)
{
    static const char keyword[] = "scenario ";
    struct scenario_private *p = scenario->private;
    bool indented = line[0] == ' ' || line[0] == '\t';

    line[strcspn(line, "\n")] = 0;
    line += strspn(line, " \t");
    if (p->update && !indented) {
        printf("%s\n", line);
    }
    if (line[0] == 0 || line[0] == '#') {
        return;
    }
    if (strncmp(line, keyword, strlen(keyword)) == 0) {
        scenario_begin(scenario, line + strlen(keyword));
    } else if (!p->running) {
        fail(p, "stands before any scenario", line);
        p->failed_count++;
    } else if (!indented) {
        said_check_end(p);
        p->command_line = p->line;
        command_run(scenario, line);
        if (p->update) {
            said_write(p);
        }
    } else if (!p->update) {
        said_expect(p, line);
    }
}

static void file_run(struct scenario *scenario, const char *path)
{
    struct scenario_private *p = scenario->private;
    FILE *file = fopen(path, "r");
    unsigned before = p->passed_count + p->failed_count;
    char line[LINE_MAX_SIZE];

    if (!file) {
        perror(path);
        p->failed_count++;
        return;
    }
    p->path = path;
    p->line = 0;
    while (fgets(line, sizeof(line), file)) {
        p->line++;
        line_run(scenario, line);
    }
    scenario_finish(scenario);
    (void)fclose(file);
    if (p->passed_count + p->failed_count == before) {
        printf("%s: no scenario in it\n", path);
        p->failed_count++;
    }
}

int scenario_main(int argc, char **argv, const struct scenario_driver *driver)
{
    struct scenario_private private = {.driver = driver, .said = malloc(OUTPUT_MAX)};
    struct scenario scenario = {.private = &private};

    if (!private.said) {
        return 1;
    }
    private.said[0] = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-u") == 0) {
            private.update = true;
        } else {
            file_run(&scenario, argv[i]);
        }
    }
    free(private.said);
    if (!private.update) {
        printf("%u passed, %u failed\n", private.passed_count, private.failed_count);
    }
    return private.failed_count != 0 || private.passed_count == 0;
}
