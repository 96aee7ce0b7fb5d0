/* The program's clock: wall time at start plus monotonic time, slewed towards the kernel's wall
 * clock. A step of the wall clock is told and not followed (design invariant 10). clock_start and
 * clock_check: control core; clock_now: any thread, no system call. */
#ifndef TANDEM6D_CLOCK_H
#define TANDEM6D_CLOCK_H

#include <stdatomic.h>
#include <sys/timex.h>
#include <time.h>

#include "base/units.h"

struct clock {
    _Atomic int64_t offset_ms; /* wall clock (Unix ms) minus monotonic ms */
};

static inline msec_t clock_mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (msec_t)ts.tv_sec * 1000 + (msec_t)ts.tv_nsec / 1000000;
}

static inline uint64_t clock_mono_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline int64_t clock_wall_offset_ms(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    return (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - (int64_t)clock_mono_ms();
}

static inline void clock_start(struct clock *clock)
{
    atomic_store(&clock->offset_ms, clock_wall_offset_ms());
}

/* True when the kernel says that something - NTP, PTP - keeps the wall clock right. */
static inline bool clock_synchronised(void)
{
    struct timex timex = {.modes = 0};
    int state = adjtimex(&timex);

    return state >= 0 && state != TIME_ERROR && (timex.status & STA_UNSYNC) == 0;
}

/* Boot only: the program's clock runs that much ahead of the wall clock, which is known to be
 * wrong. */
static inline void clock_advance(struct clock *clock, int32_t seconds)
{
    atomic_fetch_add(&clock->offset_ms, (int64_t)seconds * 1000);
}

/* Wall clock of the program at a monotonic time. */
static inline sec_t clock_now(const struct clock *clock, msec_t mono_ms)
{
    int64_t unix_ms =
        (int64_t)mono_ms + atomic_load_explicit(&clock->offset_ms, memory_order_relaxed);

    return (sec_t)(unix_ms / 1000 - SEC_UNIX_OFFSET);
}

/* Follows the kernel's wall clock by at most 1 ms a call (call it every 100 ms: 1 %). Returns the
 * difference in ms when it is more than a second, a step; 0 otherwise. */
static inline int64_t clock_check(struct clock *clock)
{
    int64_t offset_ms = atomic_load_explicit(&clock->offset_ms, memory_order_relaxed);
    int64_t behind_ms = clock_wall_offset_ms() - offset_ms;

    if (behind_ms > 1000 || behind_ms < -1000) {
        return behind_ms;
    }
    if (behind_ms > 10 || behind_ms < -10) { /* below the coarse clock's own grain */
        atomic_store_explicit(&clock->offset_ms, offset_ms + (behind_ms > 0 ? 1 : -1),
                              memory_order_relaxed);
    }
    return 0;
}

#endif
