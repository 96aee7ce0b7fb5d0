/* Between the config methods and the way a configuration takes; private to methods_change.c and
 * methods_apply.c. */
#ifndef SERVER_METHODS_CHANGE_H
#define SERVER_METHODS_CHANGE_H

#include "server/methods_internal.h"

enum {
    CONFIG_ACCEPT_MAX = 256
};

extern const struct field config_accept_row[];

/* Parameters of every method that changes the configuration (methods_apply.c). */
#define CONFIG_APPLY_FIELDS                                                                        \
    {.name = "expect_revision",                                                                    \
     .type = FIELD_INTEGER,                                                                        \
     .min = 1,                                                                                     \
     .max = INT64_MAX,                                                                             \
     .help = "Refuse when another revision is in force."},                                         \
        {.name = "accept",                                                                         \
         .type = FIELD_ARRAY,                                                                      \
         .max = CONFIG_ACCEPT_MAX,                                                                 \
         .children = config_accept_row,                                                            \
         .help = "Pools and links whose leases may be stranded; \"*\" for all, \"reservations\" "  \
                 "for reserved leases outside pools."},                                            \
        {.name = "dry_run", .type = FIELD_BOOL, .help = "Only tell what would happen."},           \
    {                                                                                              \
        .name = "comment", .type = FIELD_STRING, .max = REVISIONS_COMMENT_MAX,                     \
        .help = "Why, for config.history."                                                         \
    }

/* What stands against any change; 0: nothing. */
int config_change_begin(struct jsonrpc_call *call);
/* Puts the text (taken) to use, or with dry_run only looks; call->result as config.apply's. Or what
 * jsonrpc_fail returned. */
int config_text_apply(struct jsonrpc_call *call, char *text, const char *comment);

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
