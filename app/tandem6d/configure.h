/* Live configuration, the program's part: a new configuration is published at once, what is read
 * from it elsewhere follows in the next control turn, and the old one is freed by a thread of
 * liburcu when no worker can see it any more. Files are written by a thread of their own: the
 * control core waits for no disk. Control core only. */
#ifndef TANDEM6D_CONFIGURE_H
#define TANDEM6D_CONFIGURE_H

#include "server/methods.h"
#include "server/server.h"

struct configure;

/* path: of the configuration file. *config: the one in force, replaced by each later one. Both are
 * borrowed. */
int configure_new(const char *path, struct config **config, struct server *server,
                  struct configure **ret_configure) MUST_CHECK;
/* Waits for writes under way and for what is to be freed. */
void configure_free(struct configure *configure);

/* The members of env that say config_ctx. env->history lives until configure_free. */
void configure_env(struct configure *configure, struct methods_env *env);

/* The configuration in force when something new is to be read from it, once for each; else NULL. */
const struct config *configure_news(struct configure *configure);
/* Everybody has read the news: older configurations may go. QSBR-online. */
void configure_retire(struct configure *configure);

#endif
