/* Grace periods for the torture tests. Real liburcu, except under the thread sanitizer: liburcu's
 * barriers are inline assembly and its library is not instrumented, so the sanitizer would not see
 * what they order and call every reuse a race. There it is a few C11 atomics of the same meaning:
 * a grace period is over when every online reader has passed a quiescent state since it began. */
#ifndef TESTS_STORE_RCU_H
#define TESTS_STORE_RCU_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include <urcu/urcu-qsbr.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TESTS_RCU_SHIM 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define TESTS_RCU_SHIM 1
#endif

#ifdef TESTS_RCU_SHIM

enum {
    RCU_READERS_MAX = 16
};

static struct {
    _Atomic uint64_t period;                   /* counts grace periods begun, from 1 */
    _Atomic uint64_t readers[RCU_READERS_MAX]; /* period seen last; 0 = offline */
} rcu_shim = {.period = 1};

static inline void rcu_enter(unsigned reader)
{
    atomic_store(&rcu_shim.readers[reader], atomic_load(&rcu_shim.period));
}

static inline void rcu_quiescent(unsigned reader)
{
    atomic_store(&rcu_shim.readers[reader], atomic_load(&rcu_shim.period));
}

static inline void rcu_leave(unsigned reader)
{
    atomic_store(&rcu_shim.readers[reader], 0);
}

/* By a thread that is no online reader. */
static inline void rcu_grace_period(void)
{
    uint64_t period = atomic_fetch_add(&rcu_shim.period, 1) + 1;

    for (unsigned i = 0; i < RCU_READERS_MAX; i++) {
        uint64_t seen;

        while ((seen = atomic_load(&rcu_shim.readers[i])) != 0 && seen < period) {
            sched_yield();
        }
    }
}

#else

static inline void rcu_enter(unsigned reader)
{
    (void)reader;
    urcu_qsbr_register_thread();
}

static inline void rcu_quiescent(unsigned reader)
{
    (void)reader;
    urcu_qsbr_quiescent_state();
}

static inline void rcu_leave(unsigned reader)
{
    (void)reader;
    urcu_qsbr_unregister_thread();
}

static inline void rcu_grace_period(void)
{
    urcu_qsbr_synchronize_rcu();
}

#endif

#endif
