/* Which changes of the configuration a running server cannot follow. */
#ifndef TANDEM6D_RESTART_H
#define TANDEM6D_RESTART_H

#include "policy/config.h"

/* What of it needs a restart, in words for the log; NULL when b differs from a in nothing of it. */
const char *restart_reason(const struct config *a, const struct config *b);

#endif
