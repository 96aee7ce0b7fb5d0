/* Management as one thing for main.c: the methods, the Unix socket, the HTTP port and who may do
 * what. Control core only. */
#ifndef TANDEM6D_MANAGE_H
#define TANDEM6D_MANAGE_H

#include "status.h"

struct event_base;
struct manage;

/* Starts what config wants. Borrows status. 0, or a negative errno after logging why. */
int manage_new(struct event_base *base, const struct config *config, struct status *status,
               struct manage **ret_manage) MUST_CHECK;
void manage_free(struct manage *manage);

/* Once in a control turn, QSBR-online. */
void manage_turn(struct manage *manage);

/* True when a maintenance has handed over everything: the process may end. */
bool manage_wants_end(const struct manage *manage);

/* The file was read again (SIGHUP): config, taken, is put to use if nothing stands against it, and
 * the log says what became of it. */
void manage_reread(struct manage *manage, struct config *config);

/* After a change of the configuration: who may do what, and the certificate files again. Says in
 * the log what fails; the old ones then stay in force. */
void manage_reload(struct manage *manage, const struct config *config);

#endif
