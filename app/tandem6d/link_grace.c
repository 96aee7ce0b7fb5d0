/* One thread that waits for RCU grace periods, so that the control core need not. liburcu before
 * 0.14 has no grace periods to poll for. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "link_internal.h"

struct links_grace {
    pthread_t thread;
    sem_t asked_for;
    int done_fd;
    struct event *event;
    _Atomic uint64_t asked, done;
    _Atomic bool stop;
    void (*on_done)(void *ctx);
    void *ctx;
};

/* No reader itself: it is never registered. */
static void *grace_main(void *arg)
{
    struct links_grace *grace = arg;
    const uint64_t one = 1;

    for (;;) {
        uint64_t asked;

        while (sem_wait(&grace->asked_for) && errno == EINTR) {
        }
        if (atomic_load(&grace->stop)) {
            return NULL;
        }
        asked = atomic_load(&grace->asked);
        if (asked == atomic_load(&grace->done)) {
            continue; /* the last round was begun late enough for this one, too */
        }
        urcu_qsbr_synchronize_rcu();
        atomic_store(&grace->done, asked);
        /* Fails only when the counter is full, and then the loop is awake anyway. */
        (void)!write(grace->done_fd, &one, sizeof(one));
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct links_grace *grace = arg;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    grace->on_done(grace->ctx);
}

int links_grace_new(struct event_base *base, void (*on_done)(void *ctx), void *ctx,
                    struct links_grace **ret_grace)
{
    struct links_grace *grace = calloc(1, sizeof(*grace));
    int r = 0;

    if (!grace) {
        return -ENOMEM;
    }
    grace->on_done = on_done;
    grace->ctx = ctx;
    grace->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (grace->done_fd < 0) {
        r = -errno;
        free(grace);
        return r;
    }
    grace->event = event_new(base, grace->done_fd, EV_READ | EV_PERSIST, on_event, grace);
    if (!grace->event || event_add(grace->event, NULL) || sem_init(&grace->asked_for, 0, 0)) {
        r = -ENOMEM;
    }
    r = r ? r : -pthread_create(&grace->thread, NULL, grace_main, grace);
    if (r) {
        if (grace->event) {
            event_free(grace->event);
        }
        (void)close(grace->done_fd);
        free(grace);
        return r;
    }
    *ret_grace = grace;
    return 0;
}

void links_grace_free(struct links_grace *grace)
{
    if (!grace) {
        return;
    }
    atomic_store(&grace->stop, true);
    (void)sem_post(&grace->asked_for);
    pthread_join(grace->thread, NULL);
    (void)sem_destroy(&grace->asked_for);
    event_free(grace->event);
    (void)close(grace->done_fd);
    free(grace);
}

uint64_t links_grace_ask(struct links_grace *grace)
{
    uint64_t number = atomic_fetch_add(&grace->asked, 1) + 1;

    (void)sem_post(&grace->asked_for);
    return number;
}

uint64_t links_grace_done(const struct links_grace *grace)
{
    return atomic_load(&grace->done);
}
