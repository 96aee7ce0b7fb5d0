/* Between the config methods and the way a configuration takes; private to methods_change.c and
 * methods_apply.c. */
#ifndef SERVER_METHODS_CHANGE_H
#define SERVER_METHODS_CHANGE_H

#include "server/methods_internal.h"

/* Text of the configuration in force; "" when it is not known. */
const char *config_text_in_force(const struct methods *methods);
/* The job of the text (taken), which the last call may have begun. -EINVAL with the mistake; or
 * -ENOMEM. */
int config_job_get(struct jsonrpc_call *call, char *text, struct config_job **ret_job,
                   struct config_error *ret_mistake) MUST_CHECK;
/* Counts leases for one call's worth. True: all are counted. */
bool config_job_turn(struct methods *methods, struct config_job *job);
/* Puts a job's configuration to use and ends the job. 0, or what config_apply said. */
int config_job_apply(struct methods *methods, struct config_job *job, const char *who,
                     const char *comment) MUST_CHECK;
const char *config_apply_error(int r);
/* Names the leases that nobody has accepted to strand. False: none. */
bool config_stranded_tell(const struct policy *policy, const struct change *change,
                          const json_t *accept, char *buf, size_t buf_size);
/* The members that config.test and config.apply have in common. */
json_t *config_effect_json(const struct methods *methods, const struct config_job *job);

#endif
