/* Errors are negative errno values; 0 is success. This header adds only what errno lacks: the
 * attribute that makes ignoring an error a compiler warning, and the assert that stays on in
 * release builds. Header-only. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST_CHECK __attribute__((warn_unused_result))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define CACHE_LINE 64

/* For programming errors only; bad input never reaches one (design invariant 9). */
#define T6_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (unlikely(!(condition))) {                                                              \
            (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__,             \
                          #condition);                                                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
