/* The failover partners' connections: sockets and RCU grace periods for the relations of
 * lib/server/relation.h. A primary connects, from its listen address; a secondary listens. Control
 * core only, on its event loop; QSBR-offline between the calls. */
#ifndef TANDEM6D_LINK_H
#define TANDEM6D_LINK_H

#include <event2/event.h>

#include "clock.h"
#include "server/server.h"

enum {
    LINKS_ERROR_MAX = 256,
    LINKS_STOP_MS = 2000, /* how long a clean stop waits for disk and partners */
};

struct links;
struct fo_time;

struct links_config {
    struct event_base *base;
    struct server *server;
    const struct clock *clock;
    void (*on_stopped)(void *ctx); /* links_stop is done */
    void *ctx;
};

/* Makes the relations: after server_apply, before any other thread runs. QSBR-online. 0, or a
 * negative errno and *ret_error. */
int links_new(const struct links_config *config, struct links **ret_links,
              char ret_error[LINKS_ERROR_MAX]) MUST_CHECK;
/* Begins to listen and to connect: once all threads run. 0, or a negative errno and *ret_error. */
int links_start(struct links *links, char ret_error[LINKS_ERROR_MAX]) MUST_CHECK;

/* The relations' time. */
struct fo_time links_now(const struct links *links);

/* Something became durable, perhaps what a relation waits for. Any thread; one call to the kernel
 * at most, and only when one waits. ctx: the links. */
void links_durable(void *ctx);

/* Something was asked of a relation by other ways than its connection: runs all of them next. */
void links_kick(struct links *links);

/* config, whose relationships are the same, takes the place of the one before, which may be freed
 * afterwards. Reads certificates and keys again; established connections stay as they are. */
void links_reload(struct links *links, const struct config *config);

/* Falls silent, tells the partners, then calls on_stopped, at the latest after LINKS_STOP_MS; at
 * once, from within, when there is nothing to wait for. */
void links_stop(struct links *links);

/* After all other threads have ended, before server_free. */
void links_free(struct links *links);

#endif
