/* The management socket with real Unix sockets, client and server in one thread. */
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "mgmt.h"

static unsigned calls, entered;
static unsigned roles_seen;

static int echo(struct jsonrpc_call *call)
{
    calls++;
    roles_seen = call->caller->roles;
    call->result = json_deep_copy(call->params);
    return 0;
}

static int big(struct jsonrpc_call *call)
{
    static char text[3000001];

    calls++;
    memset(text, 'x', sizeof(text) - 1);
    call->result = json_string(text);
    return 0;
}

static uint64_t durable; /* positions up to it */

static bool is_durable(const struct jsonrpc *asked, uint64_t position)
{
    (void)asked;
    return durable >= position;
}

/* Its change is durable at position 1. */
static int later(struct jsonrpc_call *call)
{
    calls++;
    call->wait = 1;
    call->result = json_string("done");
    return 0;
}

static const struct field any[] = {{.name = "v", .type = FIELD_ANY}, {.type = FIELD_END}};

static const struct jsonrpc_method methods[] = {
    {"a.echo", JSONRPC_ROLE_VIEW, false, any, echo, "Echoes.", "params"},
    {"a.big", JSONRPC_ROLE_VIEW, false, NULL, big, "Much.", "text"},
    {"a.later", JSONRPC_ROLE_VIEW, true, NULL, later, "Waits.", "text"},
    {NULL, 0, false, NULL, NULL, NULL, NULL},
};

static const struct jsonrpc_method *const groups[] = {methods, NULL};
static const struct jsonrpc rpc = {
    .groups = groups, .title = "test", .version = "1", .is_durable = is_durable};

struct bench {
    struct event_base *base;
    struct mgmt *mgmt;
    char folder[64], path[128];
};

static void enter(void *ctx)
{
    (void)ctx;
    entered++;
}

/* No rows: root, who runs this or not, and the owner of the process have all roles. */
static struct access *nobody;

static int bench_listen(struct bench *bench, unsigned idle_s, char *error)
{
    struct mgmt_config config = {
        .base = bench->base,
        .socket_path = bench->path,
        .rpc = &rpc,
        .access = (const struct access *const *)&nobody,
        .idle_s = idle_s,
        .enter = enter,
    };

    return mgmt_new(&config, &bench->mgmt, error);
}

static struct bench bench_make(unsigned idle_s)
{
    struct bench bench = {.folder = "/tmp/test_mgmt.XXXXXX"};
    const struct config config = {.access_count = 0};
    char error[MGMT_ERROR_MAX] = "";

    access_free(nobody);
    CHECK_EQ(access_new(&config, &nobody, error), 0);
    CHECK(mkdtemp(bench.folder) != NULL);
    (void)snprintf(bench.path, sizeof(bench.path), "%s/run/mgmt.sock", bench.folder);
    bench.base = event_base_new();
    CHECK_EQ(bench_listen(&bench, idle_s, error), 0);
    CHECK_STR(error, "");
    calls = 0;
    return bench;
}

static void bench_drop(struct bench *bench)
{
    char run[128];
    struct stat file;

    mgmt_free(bench->mgmt);
    event_base_free(bench->base);
    CHECK(stat(bench->path, &file) != 0); /* the socket is gone */
    (void)snprintf(run, sizeof(run), "%s/run", bench->folder);
    CHECK(rmdir(run) == 0 && rmdir(bench->folder) == 0);
}

static int client_open(const struct bench *bench)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", bench->path);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static void turns(struct bench *bench, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)event_base_loop(bench->base, EVLOOP_NONBLOCK);
    }
}

static void client_write(struct bench *bench, int fd, const char *text, size_t size)
{
    for (unsigned i = 0; size > 0 && i < 10000; i++) {
        ssize_t written = send(fd, text, size, MSG_NOSIGNAL);

        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
        turns(bench, 2);
    }
    CHECK_EQ(size, 0);
}

/* Everything that comes until nothing more does; *ret_ended when the server closed. */
static size_t client_read(struct bench *bench, int fd, char *buf, size_t buf_size, bool *ret_ended)
{
    size_t size = 0;

    *ret_ended = false;
    for (unsigned quiet = 0; quiet < 20 && size < buf_size - 1;) {
        ssize_t got = recv(fd, buf + size, buf_size - 1 - size, 0);

        if (got == 0) {
            *ret_ended = true;
            break;
        }
        size += got > 0 ? (size_t)got : 0;
        quiet = got > 0 ? 0 : quiet + 1;
        turns(bench, 2);
    }
    buf[size] = '\0';
    return size;
}

#define ECHO(v)   "{\"jsonrpc\":\"2.0\",\"id\":" v ",\"method\":\"a.echo\",\"params\":{\"v\":" v "}}"
#define ECHOED(v) "{\"jsonrpc\":\"2.0\",\"id\":" v ",\"result\":{\"v\":" v "}}\n"

static void expect(struct bench *bench, int fd, const char *wanted, bool wanted_end)
{
    char buf[4096];
    bool ended;

    (void)client_read(bench, fd, buf, sizeof(buf), &ended);
    CHECK_STR(buf, wanted);
    CHECK_EQ(ended, wanted_end);
}

static void test_lines(void)
{
    struct bench bench = bench_make(0);
    int fd = client_open(&bench);
    static const char two[] = ECHO("1") "\r\n\n" ECHO("2") "\n";

    client_write(&bench, fd, two, strlen(two));
    expect(&bench, fd, ECHOED("1") ECHOED("2"), false);
    client_write(&bench, fd, ECHO("3"), strlen(ECHO("3"))); /* no newline yet: no answer */
    expect(&bench, fd, "", false);
    client_write(&bench, fd, "\n", 1);
    expect(&bench, fd, ECHOED("3"), false);
    CHECK(entered > 0);
    (void)close(fd);
    turns(&bench, 5);
    CHECK_EQ(mgmt_connection_count(bench.mgmt), 0);
    bench_drop(&bench);
}

static void test_bare_value(void)
{
    struct bench bench = bench_make(0);
    int fd = client_open(&bench);

    client_write(&bench, fd, ECHO("7"), strlen(ECHO("7")));
    CHECK(shutdown(fd, SHUT_WR) == 0);
    expect(&bench, fd, ECHOED("7"), true);
    (void)close(fd);
    fd = client_open(&bench); /* lines, then a value without newline, then the end */
    client_write(&bench, fd, ECHO("1") "\n" ECHO("2"), strlen(ECHO("1") "\n" ECHO("2")));
    CHECK(shutdown(fd, SHUT_WR) == 0);
    expect(&bench, fd, ECHOED("1") ECHOED("2"), true);
    (void)close(fd);
    fd = client_open(&bench); /* a notification: silence, then the end */
    client_write(&bench, fd, "{\"jsonrpc\":\"2.0\",\"method\":\"a.echo\",\"params\":{}}", 47);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    expect(&bench, fd, "", true);
    CHECK_EQ(calls, 4);
    (void)close(fd);
    bench_drop(&bench);
}

static void test_oversized(void)
{
    struct bench bench = bench_make(0);
    int fd = client_open(&bench);
    char *text = malloc(JSONRPC_REQUEST_MAX + 2), buf[4096];
    bool ended;

    memset(text, ' ', JSONRPC_REQUEST_MAX + 2);
    client_write(&bench, fd, text, JSONRPC_REQUEST_MAX + 2);
    (void)client_read(&bench, fd, buf, sizeof(buf), &ended);
    CHECK(strstr(buf, "-32005") != NULL);
    CHECK(ended);
    (void)close(fd);
    /* Exactly the limit is taken. */
    fd = client_open(&bench);
    memcpy(text, ECHO("5"), strlen(ECHO("5")));
    text[JSONRPC_REQUEST_MAX] = '\n';
    client_write(&bench, fd, text, JSONRPC_REQUEST_MAX + 1);
    expect(&bench, fd, ECHOED("5"), false);
    (void)close(fd);
    free(text);
    bench_drop(&bench);
}

/* A caller that asks much and reads nothing gets one answer's worth of memory. */
static void test_slow_reader(void)
{
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.big\"}\n";
    struct bench bench = bench_make(0);
    int fd = client_open(&bench);
    char *buf = malloc(4 << 20);
    size_t size = 0;
    bool ended;

    for (int i = 0; i < 5; i++) {
        client_write(&bench, fd, request, strlen(request));
    }
    turns(&bench, 50);
    CHECK_EQ(calls, 1);
    for (int i = 0; i < 8 && size < 15000000; i++) {
        size += client_read(&bench, fd, buf, 4 << 20, &ended);
    }
    CHECK_EQ(calls, 5);
    CHECK_EQ(size, 5 * (3000000 + strlen("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\"}\n")));
    (void)close(fd);
    free(buf);
    bench_drop(&bench);
}

#define LATER     "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"a.later\"}\n"
#define LATE_DONE "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":\"done\"}\n"

/* An answer that waits for the disk holds up its connection, nobody else's; one whose caller has
 * gone is forgotten, and it is not put out for a new caller. */
static void test_waiting_answer(void)
{
    struct bench bench = bench_make(0);
    int fd = client_open(&bench), gone = client_open(&bench), others[MGMT_CONNECTIONS_MAX];

    durable = 0;
    client_write(&bench, fd, LATER ECHO("6") "\n", strlen(LATER ECHO("6") "\n"));
    client_write(&bench, gone, LATER, strlen(LATER));
    CHECK(shutdown(fd, SHUT_WR) == 0); /* still wants its answers */
    mgmt_turn(bench.mgmt);
    expect(&bench, fd, "", false);
    CHECK_EQ(calls, 2);
    (void)close(gone);
    for (int i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        others[i] = client_open(&bench);
        turns(&bench, 3);
    }
    client_write(&bench, others[MGMT_CONNECTIONS_MAX - 1], ECHO("1") "\n", strlen(ECHO("1") "\n"));
    expect(&bench, others[MGMT_CONNECTIONS_MAX - 1], ECHOED("1"), false);
    durable = 1;
    mgmt_turn(bench.mgmt);
    expect(&bench, fd, LATE_DONE ECHOED("6"), true);
    (void)close(fd);
    for (int i = 0; i < MGMT_CONNECTIONS_MAX; i++) {
        (void)close(others[i]);
    }
    turns(&bench, 5);
    /* The server may end while one waits. */
    durable = 0;
    fd = client_open(&bench);
    client_write(&bench, fd, LATER, strlen(LATER));
    turns(&bench, 5);
    (void)close(fd);
    bench_drop(&bench);
}

static void test_limits(void)
{
    struct bench bench = bench_make(1);
    int fds[MGMT_CONNECTIONS_MAX + 1];
    char buf[16];
    bool ended;

    for (int i = 0; i <= MGMT_CONNECTIONS_MAX; i++) {
        fds[i] = client_open(&bench);
        turns(&bench, 3);
    }
    CHECK_EQ(mgmt_connection_count(bench.mgmt), MGMT_CONNECTIONS_MAX);
    (void)client_read(&bench, fds[0], buf, sizeof(buf), &ended);
    CHECK(ended); /* made room for the last one */
    client_write(&bench, fds[1], "\n", 1);
    (void)usleep(1200000);
    turns(&bench, 5);
    CHECK_EQ(mgmt_connection_count(bench.mgmt), 0); /* idle ones are closed */
    for (int i = 0; i <= MGMT_CONNECTIONS_MAX; i++) {
        (void)close(fds[i]);
    }
    bench_drop(&bench);
}

static void test_socket_file(void)
{
    struct bench bench = bench_make(0), second = bench;
    char error[MGMT_ERROR_MAX] = "";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    int fd;

    CHECK(stat(bench.path, &file) == 0 && S_ISSOCK(file.st_mode));
    CHECK_EQ(file.st_mode & 07777, 0660);
    CHECK_EQ(bench_listen(&second, 0, error), -EADDRINUSE);
    CHECK(strstr(error, "answers") != NULL);
    mgmt_free(bench.mgmt);
    /* A socket whose process is gone is replaced. */
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", bench.path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    (void)close(fd);
    CHECK_EQ(bench_listen(&bench, 0, error), 0);
    mgmt_free(bench.mgmt);
    /* A file that is no socket is not touched. */
    fd = open(bench.path, O_CREAT | O_WRONLY, 0600);
    (void)close(fd);
    CHECK_EQ(bench_listen(&bench, 0, error), -EEXIST);
    CHECK(stat(bench.path, &file) == 0 && S_ISREG(file.st_mode));
    CHECK(unlink(bench.path) == 0);
    CHECK_EQ(bench_listen(&bench, 0, error), 0);
    bench_drop(&bench);
}

static void test_roles(void)
{
    struct bench bench = bench_make(0);
    int fd = client_open(&bench);

    client_write(&bench, fd, ECHO("1") "\n", strlen(ECHO("1") "\n"));
    expect(&bench, fd, ECHOED("1"), false);
    CHECK_EQ(roles_seen, JSONRPC_ROLES_ALL); /* our own user */
    (void)close(fd);
    if (geteuid() == 0) { /* another user who may open the socket only views */
        CHECK(chmod(bench.path, 0666) == 0 && chmod(bench.folder, 0755) == 0);
        CHECK(seteuid(65534) == 0);
        fd = client_open(&bench);
        CHECK(seteuid(0) == 0);
        client_write(&bench, fd, ECHO("2") "\n", strlen(ECHO("2") "\n"));
        expect(&bench, fd, ECHOED("2"), false);
        CHECK_EQ(roles_seen, JSONRPC_ROLES_VIEW);
        (void)close(fd);
    }
    bench_drop(&bench);
}

static const struct check_test tests[] = {
    {"lines", test_lines},
    {"bare value", test_bare_value},
    {"oversized", test_oversized},
    {"slow reader", test_slow_reader},
    {"waiting answer", test_waiting_answer},
    {"limits", test_limits},
    {"socket file", test_socket_file},
    {"roles", test_roles},
};

CHECK_MAIN(tests)
