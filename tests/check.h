/* The unit tests' only tool: CHECK in TESTs, run by CHECK_MAIN, "N passed, N failed" last. A failed
 * check prints where and what, and the test goes on. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct check_test {
    const char *name;
    void (*run)(void);
};

static int check_failures; /* of the running test */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition);                   \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

/* Two integers that should be equal, printed when they are not. */
#define CHECK_EQ(actual, expected)                                                                 \
    do {                                                                                           \
        long long check_a = (long long)(actual), check_e = (long long)(expected);                  \
        if (check_a != check_e) {                                                                  \
            printf("%s:%d: %s is %lld (0x%llx), expected %lld (0x%llx)\n", __FILE__, __LINE__,     \
                   #actual, check_a, (unsigned long long)check_a, check_e,                         \
                   (unsigned long long)check_e);                                                   \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

#define CHECK_MEM(actual, expected, size)                                                          \
    do {                                                                                           \
        if (memcmp(actual, expected, size) != 0) {                                                 \
            printf("%s:%d: %s differs from %s\n", __FILE__, __LINE__, #actual, #expected);         \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

#define CHECK_STR(actual, expected)                                                                \
    do {                                                                                           \
        const char *check_a = (actual), *check_e = (expected);                                     \
        if (strcmp(check_a, check_e) != 0) {                                                       \
            printf("%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #actual, check_a, \
                   check_e);                                                                       \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

/* tests: array of struct check_test. Runs those whose name contains argv[1], or all. */
#define CHECK_MAIN(tests)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        int passed = 0, failed = 0;                                                                \
        for (size_t i = 0; i < sizeof(tests) / sizeof((tests)[0]); i++) {                          \
            if (argc > 1 && strstr((tests)[i].name, argv[1]) == NULL) {                            \
                continue;                                                                          \
            }                                                                                      \
            check_failures = 0;                                                                    \
            (tests)[i].run();                                                                      \
            if (check_failures) {                                                                  \
                printf("FAIL %s\n", (tests)[i].name);                                              \
                failed++;                                                                          \
            } else {                                                                               \
                passed++;                                                                          \
            }                                                                                      \
        }                                                                                          \
        printf("%d passed, %d failed\n", passed, failed);                                          \
        return failed != 0;                                                                        \
    }

#endif
