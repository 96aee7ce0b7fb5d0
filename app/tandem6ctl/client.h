/* One connection to a server's management socket. */
#ifndef TANDEM6CTL_CLIENT_H
#define TANDEM6CTL_CLIENT_H

#include <stdbool.h>

#include <jansson.h>

#define CLIENT_SOCKET_DEFAULT "/run/tandem6/mgmt.sock"

enum {
    CLIENT_ERROR_MAX = 512,
    CLIENT_TIMEOUT_S = 30
};

/* What became of a call. */
enum client_outcome {
    CLIENT_OK,
    CLIENT_REFUSED,     /* the server answered with an error */
    CLIENT_UNREACHABLE, /* no connection, or it broke; error says what to do */
};

struct client {
    const char *socket_path;
    int fd;                       /* -1: not connected yet */
    char error[CLIENT_ERROR_MAX]; /* one or two lines for people */
};

void client_init(struct client *client, const char *socket_path);
void client_done(struct client *client);

/* Calls a method and waits for its answer. params: taken, may be NULL. *ret_json is the result
 * (CLIENT_OK) or the error object (CLIENT_REFUSED), a new reference. */
enum client_outcome client_call(struct client *client, const char *method, json_t *params,
                                json_t **ret_json);

#endif
