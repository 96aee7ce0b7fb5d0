/* The control core's bounded turn: operating horizon, expiry, reclamation, alarms. One thread, QSBR
 * registered; it is online during a turn and the caller keeps it offline otherwise. */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include "server/sweep.h"

struct control {
    struct server *server;
    struct sweep sweep;
    sec_t horizon_pending_s;   /* on its way to the disk; 0 = none */
    uint64_t horizon_position; /* in the control core's ring */
    uint64_t shed_seen;        /* packets given up by value so far */
    sec_t shed_s;              /* when that last rose; 0: not lately */
    bool was_silent;
    bool clean_stop_cleared;
};

void control_init(struct control *control, struct server *server);

/* One turn. Returns true when there is more to do at once. */
bool control_turn(struct control *control, sec_t now);

/* The part of a turn that keeps the operating horizon ahead of now, as far as the disk follows
 * (design 2). */
void control_horizon_turn(struct control *control, sec_t now);

/* The part of a turn that tells of overload: it lasts until nothing was shed for 10 s, so that one
 * event says when it begins and one when it ends. */
void control_overload_turn(struct control *control, sec_t now);

/* Puts the mark of a clean stop into the log, as the last record; the caller then drains the
 * journal. */
void control_stop_mark(struct control *control, sec_t now);

/* Boot, after replay: the last time the disk knows of, if it knows any (disk_horizon_s). */
sec_t control_clock_last(const struct server *server);

/* Boot, after replay: false when now, the wall clock, is behind that time. What a server does about
 * its clock is trust.h's business. */
bool control_clock_check(const struct server *server, sec_t now);

/* Writes a four-octet meta record; false when the control core's ring is full. */
bool control_meta_publish(struct server *server, uint32_t key, uint32_t value,
                          uint64_t *ret_position);

#endif
