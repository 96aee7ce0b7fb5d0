/* Which changes of the configuration a running server cannot follow. */
#ifndef SERVER_RESTART_H
#define SERVER_RESTART_H

#include "policy/config.h"

enum {
    RESTART_REASONS_MAX = 9
};

/* What of it needs a restart, in the configuration's own words; returns how many, 0: nothing. */
size_t restart_reasons(const struct config *a, const struct config *b,
                       const char *ret_reasons[RESTART_REASONS_MAX]);

#endif
