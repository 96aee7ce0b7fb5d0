/* Runs text transcripts against one sans-I/O module in virtual time: commands in, expected lines
 * out. A module's driver supplies the commands; the runner does files, time, comparing and the
 * count. A transcript:
 *
 *     # comment, blank lines: nothing
 *     scenario a partner that never answers     begins a fresh subject at time 0
 *     start primary                             a command of the driver, words split at blanks
 *         action connect                        indented: what it must have said, line for line
 *     wait 10s                                  runs to every deadline on the way
 *         10.000 down setup-timeout             lines said while time passes carry their time
 *     step 90s                                  the wall clock jumps, the monotonic one does not
 *
 * After each command, and at each deadline, the driver's run is called, so a line may be the
 * command's own or one of run. `program FILE...` checks; `program -u FILE` writes the transcript as
 * it really went to standard output (read it before you believe it). */
#ifndef TESTS_SCENARIO_RUNNER_H
#define TESTS_SCENARIO_RUNNER_H

#include "base/units.h"

enum {
    SCENARIO_WORDS_MAX = 32,    /* of one command */
    SCENARIO_STEPS_MAX = 10000, /* deadlines within one wait: more is a deadline that never moves */
};

#define SCENARIO_START_S 0x31000000u /* wall clock at time 0: 2026-01-18T20:33:04Z */

struct scenario {
    msec_t ms;     /* monotonic, since the scenario began */
    sec_t s;       /* wall clock */
    void *subject; /* the driver's */
    struct scenario_private *private;
};

struct scenario_driver {
    /* Makes the subject of a scenario fresh; scenario->subject is its to set. */
    void (*begin)(struct scenario *scenario);
    void (*end)(struct scenario *scenario);
    /* False: no such command, or wrong words. words[0] is the command. */
    bool (*command)(struct scenario *scenario, unsigned word_count, char *const *words);
    /* Lets the subject act at scenario->ms; called after every command and at every deadline. */
    void (*run)(struct scenario *scenario);
    /* UINT64_MAX: none. */
    msec_t (*deadline)(const struct scenario *scenario);
};

/* One line of output. */
void scenario_say(struct scenario *scenario, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "250ms", "15s", "10min", "2h", "3d" or plain seconds; UINT64_MAX: none of these. */
msec_t scenario_duration(const char *word);

/* Value of "key=value" among the words, or NULL. */
const char *scenario_value(unsigned word_count, char *const *words, const char *key);
/* The same as a number, absent: otherwise. Decimal or 0x. */
uint64_t scenario_number(unsigned word_count, char *const *words, const char *key,
                         uint64_t otherwise);

/* The whole of main. Prints "N passed, N failed" last. */
int scenario_main(int argc, char **argv, const struct scenario_driver *driver);

#endif
