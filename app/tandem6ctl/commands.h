/* The readable commands: one row each, over the same methods that any program may call. */
#ifndef TANDEM6CTL_COMMANDS_H
#define TANDEM6CTL_COMMANDS_H

#include "client.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_SERVER = 1,      /* the server answered with an error; or the tested file is wrong */
    EXIT_USAGE = 2,       /* the command line makes no sense */
    EXIT_UNREACHABLE = 3, /* no connection */
};

enum {
    SESSION_TEXT_MAX = 400
};

struct session {
    struct client client;
    bool json; /* answers as JSON instead of tables */
    bool dry_run;
    const char *confirm; /* the name given with --confirm, or NULL */
    const char *pcap;    /* the file given with --pcap, or NULL */
    int argc;            /* arguments behind the command */
    char **argv;
};

struct command {
    const char *name;
    const char *arguments; /* for the help */
    int arguments_min, arguments_max;
    int (*run)(struct session *session); /* enum exit_code */
    const char *help;
};

/* Ended by a row whose name is NULL. */
extern const struct command commands[];

/* Any method with key=value arguments; prints its result as JSON. */
int command_method(struct session *session, const char *method);
/* Parameters of a method, as the server tells. */
int command_method_help(struct session *session, const char *method);
/* The server's methods with summaries. */
int command_methods(struct session *session);

/* Calls a method; on failure tells people what happened and what to do. EXIT_OK with *ret_result, a
 * new reference. params: taken. */
int session_call(struct session *session, const char *method, json_t *params, json_t **ret_result);

/* The same; with --json prints the result and is done: then *ret_result is NULL. */
int session_result(struct session *session, const char *method, json_t *params,
                   json_t **ret_result);

/* A member as text, "-" for none. Lives until seven more were asked for, so that one printf may
 * take several. */
const char *session_text(const json_t *object, const char *member);

void json_print(const json_t *json);

/* commands_watch.c */
int command_watch(struct session *session);

/* commands_trace.c */
int command_trace(struct session *session);

/* commands_config.c */
int command_config(struct session *session);
int command_test(struct session *session);

/* commands_failover.c */
int command_failover(struct session *session);
int command_partner_down(struct session *session);
int command_maintenance(struct session *session);

#endif
