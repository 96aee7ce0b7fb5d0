#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 64 << 20 /* octets; well above what a server sends */
};

void client_init(struct client *client, const char *socket_path)
{
    *client = (struct client){.socket_path = socket_path, .fd = -1};
}

void client_done(struct client *client)
{
    if (client->fd >= 0) {
        (void)close(client->fd);
        client->fd = -1;
    }
}

/* What a person can do about a failed connect. */
static const char *connect_advice(int err)
{
    switch (err) {
    case ENOENT:
        return "no server has made it; start tandem6d, or name its socket with --socket";
    case ECONNREFUSED:
        return "nobody answers; the server is not running, start tandem6d";
    case EACCES:
        return "you may not open it; be root or join the socket's group";
    case EAGAIN:
        return "the server accepts no more connections; try again";
    default:
        return "check the path given with --socket";
    }
}

static bool client_connect(struct client *client)
{
    struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (client->fd >= 0) {
        return true;
    }
    if (strlen(client->socket_path) >= sizeof(address.sun_path)) {
        (void)snprintf(client->error, sizeof(client->error), "%.80s...: too long for a socket name",
                       client->socket_path);
        return false;
    }
    memcpy(address.sun_path, client->socket_path, strlen(client->socket_path));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd >= 0) {
        (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        if (connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
            return true;
        }
    }
    (void)snprintf(client->error, sizeof(client->error), "cannot connect to %s: %s\n  %s",
                   client->socket_path, strerror(errno), connect_advice(errno));
    client_done(client);
    return false;
}

static bool broken(struct client *client, int err)
{
    const char *what = err == 0                              ? "the server closed the connection"
                       : err == EAGAIN || err == EWOULDBLOCK ? "no answer within 30 s"
                                                             : strerror(err);

    (void)snprintf(client->error, sizeof(client->error),
                   "%s: %s\n  see the server's log, then try again", client->socket_path, what);
    client_done(client);
    return false;
}

static bool line_send(struct client *client, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(client->fd, text, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return broken(client, errno);
        }
        text += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* One line without its newline, malloced. */
static bool line_receive(struct client *client, char **ret_text, size_t *ret_size)
{
    size_t size = 0, capacity = 65536;
    char *text = malloc(capacity);

    while (text && size < ANSWER_MAX) {
        ssize_t got = recv(client->fd, text + size, capacity - size, 0);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            free(text);
            return broken(client, got == 0 ? 0 : errno);
        }
        size += (size_t)got;
        if (text[size - 1] == '\n') { /* a client has one call under way, so one line comes */
            *ret_text = text;
            *ret_size = size - 1;
            return true;
        }
        if (size == capacity) {
            char *grown = realloc(text, capacity * 2);

            if (grown == NULL) {
                break;
            }
            text = grown;
            capacity *= 2;
        }
    }
    free(text);
    return broken(client, EMSGSIZE);
}

enum client_outcome client_call(struct client *client, const char *method, json_t *params,
                                json_t **ret_json)
{
    json_t *request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1, "method",
                                method, "params", params);
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *answer = NULL;
    json_t *json = NULL;
    enum client_outcome outcome;
    size_t size = 0;
    bool done = text && client_connect(client) && line_send(client, text, strlen(text)) &&
                line_send(client, "\n", 1) && line_receive(client, &answer, &size);

    if (done) {
        json = json_loadb(answer, size, 0, NULL);
        if (!json_object_get(json, "result") && !json_object_get(json, "error")) {
            (void)snprintf(client->error, sizeof(client->error),
                           "%s: the answer is no JSON-RPC\n  is that a tandem6d?",
                           client->socket_path);
            done = false;
        }
    }
    if (text == NULL) {
        (void)snprintf(client->error, sizeof(client->error), "the parameters are not UTF-8");
    }
    free(text);
    free(answer);
    json_decref(request);
    outcome = !done                             ? CLIENT_UNREACHABLE
              : json_object_get(json, "result") ? CLIENT_OK
                                                : CLIENT_REFUSED;
    if (outcome != CLIENT_UNREACHABLE) {
        *ret_json = json_incref(json_object_get(json, outcome == CLIENT_OK ? "result" : "error"));
    }
    json_decref(json);
    return outcome;
}
