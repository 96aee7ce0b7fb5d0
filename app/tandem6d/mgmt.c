#include "mgmt.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "observe/events.h"

enum {
    BACKLOG = 16,
    EVENTS_TURN_MAX = 64, /* events one connection gets in one turn */
};

struct connection {
    struct mgmt *mgmt; /* NULL: this place is free */
    struct bufferevent *stream;
    struct event *again; /* goes on with the next request in the next turn of the loop */
    struct access_subject subject;
    struct event_subscriptions subscriptions;
    msec_t active_ms;            /* last request */
    struct jsonrpc_reply parked; /* waits for the disk; text NULL: none */
    bool ended;                  /* nothing more will be read: answer what is there, then close */
    bool closing;                /* close once everything is sent */
};

struct mgmt {
    struct mgmt_config config;
    struct evconnlistener *listener;
    struct event *resume; /* accepts again after a pause */
    struct sockaddr_un address;
    dev_t device; /* of the socket file, so that only our own is removed */
    ino_t inode;
    struct connection connections[MGMT_CONNECTIONS_MAX];
    unsigned connection_count;
};

static int socket_open(struct mgmt *mgmt, char *ret_error);
static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_size, void *ctx);
static void on_accept_error(struct evconnlistener *listener, void *ctx);
static void on_resume(evutil_socket_t fd, short events, void *ctx);
static void on_read(struct bufferevent *stream, void *ctx);
static void on_written(struct bufferevent *stream, void *ctx);
static void on_event(struct bufferevent *stream, short events, void *ctx);
static void on_again(evutil_socket_t fd, short events, void *ctx);
static void connection_free(struct connection *connection);

int mgmt_new(const struct mgmt_config *config, struct mgmt **ret_mgmt, char *ret_error)
{
    struct mgmt *mgmt = calloc(1, sizeof(*mgmt));
    int fd;

    if (mgmt == NULL) {
        return -ENOMEM;
    }
    mgmt->config = *config;
    mgmt->config.idle_s = config->idle_s ? config->idle_s : MGMT_IDLE_S;
    mgmt->config.stall_s = config->stall_s ? config->stall_s : MGMT_STALL_S;
    /* A caller that goes away in the middle of its answer must not end the server. */
    (void)signal(SIGPIPE, SIG_IGN);
    fd = socket_open(mgmt, ret_error);
    if (fd < 0) {
        free(mgmt);
        return fd;
    }
    mgmt->listener = evconnlistener_new(config->base, on_accept, mgmt,
                                        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    mgmt->resume = evtimer_new(config->base, on_resume, mgmt);
    if (mgmt->listener == NULL || mgmt->resume == NULL) {
        (void)snprintf(ret_error, MGMT_ERROR_MAX, "%s: cannot listen: %s", config->socket_path,
                       strerror(errno));
        (void)unlink(mgmt->address.sun_path);
        if (mgmt->listener) {
            evconnlistener_free(mgmt->listener);
        } else {
            (void)close(fd);
        }
        if (mgmt->resume) {
            event_free(mgmt->resume);
        }
        free(mgmt);
        return -EIO;
    }
    evconnlistener_set_error_cb(mgmt->listener, on_accept_error);
    *ret_mgmt = mgmt;
    return 0;
}

void mgmt_free(struct mgmt *mgmt)
{
    struct stat now;

    if (mgmt == NULL) {
        return;
    }
    for (unsigned i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        if (mgmt->connections[i].mgmt) {
            connection_free(&mgmt->connections[i]);
        }
    }
    evconnlistener_free(mgmt->listener);
    event_free(mgmt->resume);
    if (stat(mgmt->address.sun_path, &now) == 0 && now.st_dev == mgmt->device &&
        now.st_ino == mgmt->inode) {
        (void)unlink(mgmt->address.sun_path);
    }
    free(mgmt);
}

unsigned mgmt_connection_count(const struct mgmt *mgmt)
{
    return mgmt->connection_count;
}

/* True when somebody answers on the socket file, or it cannot be said. */
static bool socket_is_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd < 0) {
        return true;
    }
    err = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
    (void)close(fd);
    return err != ECONNREFUSED && err != ENOENT;
}

/* Makes the folder of the socket, one level: the usual /run/tandem6 is empty after each boot. */
static void folder_make(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');

    if (slash && slash > path) {
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        (void)mkdir(folder, 0755); /* bind tells what is wrong, if something is */
    }
}

/* Binds fd with mode 0660 from the first moment: the mode of the inode to be is the socket's own.
 */
static int socket_bind(int fd, const struct sockaddr_un *address)
{
    if (fchmod(fd, 0660) || bind(fd, (const struct sockaddr *)address, sizeof(*address)) ||
        chmod(address->sun_path, 0660)) { /* bind takes the umask off: put the group back */
        return -errno;
    }
    return 0;
}

static int socket_open(struct mgmt *mgmt, char *ret_error)
{
    const char *path = mgmt->config.socket_path;
    struct sockaddr_un *address = &mgmt->address;
    struct stat file;
    int fd, err;

    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path)) {
        (void)snprintf(ret_error, MGMT_ERROR_MAX,
                       "%.100s...: longer than the %zu octets a socket "
                       "name may have",
                       path, sizeof(address->sun_path) - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address->sun_path, path, strlen(path));
    folder_make(path);
    if (lstat(path, &file) == 0) {
        if (!S_ISSOCK(file.st_mode)) {
            (void)snprintf(ret_error, MGMT_ERROR_MAX, "%s: is there and is not a socket", path);
            return -EEXIST;
        }
        if (socket_is_alive(address)) {
            (void)snprintf(ret_error, MGMT_ERROR_MAX, "%s: another process answers on it", path);
            return -EADDRINUSE;
        }
        (void)unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    err = fd < 0 ? -errno : socket_bind(fd, address);
    if (err == 0 && lstat(path, &file)) {
        err = -errno;
    }
    if (err) {
        (void)snprintf(ret_error, MGMT_ERROR_MAX, "%s: %s", path, strerror(-err));
        if (fd >= 0) {
            (void)close(fd);
        }
        return err;
    }
    mgmt->device = file.st_dev;
    mgmt->inode = file.st_ino;
    return fd;
}

static int connection_init(struct connection *connection, struct mgmt *mgmt, int fd)
{
    struct timeval idle = {.tv_sec = (time_t)mgmt->config.idle_s};
    struct timeval stall = {.tv_sec = (time_t)mgmt->config.stall_s};
    struct bufferevent *stream =
        bufferevent_socket_new(mgmt->config.base, fd, BEV_OPT_CLOSE_ON_FREE);

    if (stream == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    *connection = (struct connection){.mgmt = mgmt, .stream = stream};
    connection->active_ms = clock_mono_ms();
    connection->again = evtimer_new(mgmt->config.base, on_again, connection);
    mgmt->connection_count++;
    bufferevent_setcb(stream, on_read, on_written, on_event, connection);
    bufferevent_setwatermark(stream, EV_READ, 0, JSONRPC_REQUEST_MAX + 2);
    bufferevent_set_timeouts(stream, &idle, &stall);
    if (connection->again == NULL || access_process(fd, &connection->subject) ||
        bufferevent_enable(stream, EV_READ | EV_WRITE)) {
        connection_free(connection);
        return -ENOMEM;
    }
    return 0;
}

static void connection_free(struct connection *connection)
{
    connection->mgmt->connection_count--;
    if (connection->again) {
        event_free(connection->again);
    }
    bufferevent_free(connection->stream);
    jsonrpc_reply_free(&connection->parked);
    *connection = (struct connection){0};
}

/* A free place, or that of the connection that has been silent longest: idle ones must not keep the
 * operator out. NULL when all have an answer under way. */
static struct connection *connection_take(struct mgmt *mgmt)
{
    struct connection *oldest = NULL;

    for (unsigned i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        struct connection *connection = &mgmt->connections[i];

        if (connection->mgmt == NULL) {
            return connection;
        }
        if (evbuffer_get_length(bufferevent_get_output(connection->stream)) == 0 &&
            connection->subscriptions.used == 0 && connection->parked.text == NULL &&
            (oldest == NULL || connection->active_ms < oldest->active_ms)) {
            oldest = connection;
        }
    }
    if (oldest) {
        connection_free(oldest);
    }
    return oldest;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_size, void *ctx)
{
    struct mgmt *mgmt = ctx;
    struct connection *connection = connection_take(mgmt);

    (void)listener;
    (void)address;
    (void)address_size;
    if (connection) {
        (void)connection_init(connection, mgmt, fd);
    } else {
        (void)close(fd);
    }
}

/* Out of descriptors, as a rule: asking again at once would only spin. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    static const struct timeval pause = {.tv_sec = 1};
    struct mgmt *mgmt = ctx;

    (void)evconnlistener_disable(listener);
    (void)event_add(mgmt->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short events, void *ctx)
{
    (void)fd;
    (void)events;
    (void)evconnlistener_enable(((struct mgmt *)ctx)->listener);
}

static void reply_send(struct connection *connection, struct jsonrpc_reply *reply)
{
    struct evbuffer *out = bufferevent_get_output(connection->stream);

    if (reply->text) {
        (void)evbuffer_add(out, reply->text, reply->size);
        (void)evbuffer_add(out, "\n", 1);
    }
    jsonrpc_reply_free(reply);
}

static void request_handle(struct connection *connection, const void *bytes, size_t size)
{
    const struct mgmt_config *config = &connection->mgmt->config;
    struct jsonrpc_caller caller = {
        .roles = access_roles(*config->access, &connection->subject),
        .who = connection->subject.who,
        .from = "unix",
        .subscriptions = config->events ? &connection->subscriptions : NULL,
    };
    struct jsonrpc_reply reply = {0};
    int err;

    connection->active_ms = clock_mono_ms();
    if (config->enter) {
        config->enter(config->ctx);
    }
    err = jsonrpc_handle(config->rpc, &caller, (struct span){bytes, size}, &reply);
    if (config->leave) {
        config->leave(config->ctx);
    }
    if (err) {
        connection->closing = true; /* no memory even for an error */
    } else if (reply.text && reply.wait) {
        connection->parked = reply; /* active_ms tells since when */
    } else {
        reply_send(connection, &reply);
    }
}

void mgmt_turn(struct mgmt *mgmt)
{
    msec_t now_ms = clock_mono_ms();

    for (unsigned i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        struct connection *connection = &mgmt->connections[i];
        struct jsonrpc_reply *parked = &connection->parked;

        if (parked->text && now_ms - connection->active_ms >= (msec_t)JSONRPC_WAIT_S * 1000) {
            jsonrpc_reply_give_up(parked);
        }
        if (parked->text && jsonrpc_reply_is_due(mgmt->config.rpc, parked)) {
            reply_send(connection, parked); /* on_written goes on with the next request */
        }
    }
}

static bool is_blank(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr(" \t\r\n", bytes[i]) == NULL || bytes[i] == '\0') {
            return false;
        }
    }
    return true;
}

/* Takes one request from the input, if a whole one is there. True when it did. */
static bool request_take(struct connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);
    struct evbuffer_ptr newline = evbuffer_search(in, "\n", 1, NULL);
    struct jsonrpc_reply reply = {0};
    size_t size = evbuffer_get_length(in);
    char *bytes;

    if (newline.pos >= 0) {
        size = (size_t)newline.pos + 1;
    } else if (size > JSONRPC_REQUEST_MAX) {
        /* Nothing behind an endless line can be understood any more. */
        (void)evbuffer_drain(in, size);
        (void)bufferevent_disable(connection->stream, EV_READ);
        connection->closing = true;
        if (jsonrpc_too_large(&reply) == 0) {
            reply_send(connection, &reply);
        }
        return true;
    } else if (!connection->ended || size == 0) {
        return false;
    }
    bytes = (char *)evbuffer_pullup(in, (ev_ssize_t)size);
    if (bytes == NULL) {
        connection->closing = true;
        return true;
    }
    if (!is_blank(bytes, size)) {
        request_handle(connection, bytes, newline.pos >= 0 ? size - 1 : size);
    }
    (void)evbuffer_drain(in, size);
    return true;
}

/* Some of the events the connection waits for; on_written comes back for more. */
static void events_send(struct connection *connection)
{
    struct evbuffer *out = bufferevent_get_output(connection->stream);
    struct event_subscriptions *all = &connection->subscriptions;
    char text[EVENT_TEXT_MAX], name[] = "s1";
    size_t size;

    for (unsigned i = 0; i < EVENT_SUBSCRIPTIONS_MAX; i++) {
        name[1] = (char)('1' + i);
        for (unsigned k = 0; (all->used & 1u << i) && k < EVENTS_TURN_MAX; k++) {
            enum event_read read =
                event_text(connection->mgmt->config.events, &all->cursors[i], name, text, &size);

            if (read == EVENT_READ_NONE) {
                break;
            }
            (void)evbuffer_add(out, text, size);
            if (read == EVENT_READ_MORE) {
                (void)event_add(connection->again, &(struct timeval){0, 0});
                break;
            }
        }
    }
}

void mgmt_events_wake(struct mgmt *mgmt)
{
    static const struct timeval at_once = {0, 0};

    for (unsigned i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        if (mgmt->connections[i].subscriptions.used) {
            (void)event_add(mgmt->connections[i].again, &at_once);
        }
    }
}

unsigned mgmt_event_topics(const struct mgmt *mgmt)
{
    unsigned topics = 0;

    for (unsigned i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        const struct event_subscriptions *all = &mgmt->connections[i].subscriptions;

        for (unsigned k = 0; k < EVENT_SUBSCRIPTIONS_MAX; k++) {
            topics |= all->used & 1u << k ? all->cursors[k].topics : 0;
        }
    }
    return topics;
}

/* One request per turn, none while an answer is still on its way: so one caller can neither hold
 * the loop nor fill the memory. */
static void connection_go_on(struct connection *connection)
{
    static const struct timeval at_once = {0, 0};
    struct evbuffer *out = bufferevent_get_output(connection->stream);

    if (evbuffer_get_length(out) > 0 || connection->parked.text) {
        return; /* on_written comes back */
    }
    if (connection->closing) {
        connection_free(connection);
        return;
    }
    if (request_take(connection)) {
        if (evbuffer_get_length(out) == 0 && connection->parked.text == NULL) {
            (void)event_add(connection->again, &at_once);
        }
    } else if (connection->ended) {
        connection_free(connection);
    } else if (connection->subscriptions.used) {
        events_send(connection);
    }
}

static void on_read(struct bufferevent *stream, void *ctx)
{
    struct connection *connection = ctx;

    (void)stream;
    if (!event_pending(connection->again, EV_TIMEOUT, NULL)) {
        connection_go_on(connection);
    }
}

/* The output is empty: the next request may come, in the next turn. */
static void on_written(struct bufferevent *stream, void *ctx)
{
    static const struct timeval at_once = {0, 0};
    struct connection *connection = ctx;

    (void)stream;
    (void)event_add(connection->again, &at_once);
}

static void on_again(evutil_socket_t fd, short events, void *ctx)
{
    (void)fd;
    (void)events;
    connection_go_on(ctx);
}

static void on_event(struct bufferevent *stream, short events, void *ctx)
{
    struct connection *connection = ctx;

    if (events & BEV_EVENT_EOF) {
        connection->ended = true;
        if (!event_pending(connection->again, EV_TIMEOUT, NULL)) {
            connection_go_on(connection);
        }
    } else if ((events & BEV_EVENT_TIMEOUT) && (events & BEV_EVENT_READING) &&
               connection->subscriptions.used) {
        (void)bufferevent_enable(stream, EV_READ); /* it listens */
    } else if (events & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) {
        connection_free(connection);
    }
}
