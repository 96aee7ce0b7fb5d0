/* JSON-RPC 2.0 over any transport: bytes in, one call per request object, bytes out. Knows nothing
 * of sockets and nothing of what the methods do; checks everything that can be checked from the
 * method table before a handler runs. Parameters are named (an object), never positional.
 *
 * Strings with \u0000, integers beyond 64 bits and repeated member names are parse errors here;
 * unknown members of the request object are invalid requests, so that a misspelt "params" is not
 * silently a call without a filter.
 *
 * Control core only. */
#ifndef RPC_JSONRPC_H
#define RPC_JSONRPC_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "base/wire.h"
#include "rpc/field.h"

enum {
    JSONRPC_REQUEST_MAX = 1 << 20, /* octets of one request, batch or not */
    JSONRPC_REPLY_MAX = 16 << 20,  /* octets of one reply, batch or not */
    JSONRPC_BATCH_MAX = 100,
    JSONRPC_WORK_MAX = 200000, /* rows the calls of one request may look at together */
    JSONRPC_MESSAGE_MAX = 256,
    JSONRPC_WAIT_S = 20, /* an answer waits so long for the disk, see struct jsonrpc_reply */
};

/* Who may call a method. A caller holds any set of them, as bits 1 << role. */
enum jsonrpc_role {
    JSONRPC_ROLE_VIEW,    /* read */
    JSONRPC_ROLE_OPERATE, /* change leases and failover */
    JSONRPC_ROLE_CONFIG,  /* change the configuration */
    JSONRPC_ROLE_ADMIN,   /* stop the server, see secrets */
    JSONRPC_ROLE_LEGAL,   /* history, personal data */
    JSONRPC_ROLE_COUNT
};

#define JSONRPC_ROLES_VIEW (1u << JSONRPC_ROLE_VIEW)
#define JSONRPC_ROLES_ALL  ((1u << JSONRPC_ROLE_COUNT) - 1)

/* Error codes: the standard ones, the transport's and process's (-32000..-32099), the domain's
 * (positive). Names and texts in jsonrpc.c. */
enum jsonrpc_code {
    JSONRPC_PARSE_ERROR = -32700,
    JSONRPC_INVALID_REQUEST = -32600,
    JSONRPC_METHOD_NOT_FOUND = -32601,
    JSONRPC_INVALID_PARAMS = -32602,
    JSONRPC_INTERNAL_ERROR = -32603,
    JSONRPC_UNAUTHORIZED = -32001,
    JSONRPC_WRONG_STATE = -32004,
    JSONRPC_TOO_LARGE = -32005,
    JSONRPC_BAD_CURSOR = -32006,
    JSONRPC_STORAGE_UNAVAILABLE = -32007,
    JSONRPC_NOT_FOUND = 1001,
    JSONRPC_ALREADY_EXISTS = 1002,
    JSONRPC_REVISION_MISMATCH = 1003,
    JSONRPC_CONFLICT = 1004,
    JSONRPC_NOT_OWNER = 1005,
    JSONRPC_PEER = 1006,
    JSONRPC_OUTSIDE_POOLS = 1007,
    JSONRPC_CONFIG_INVALID = 1009,
    JSONRPC_CONFIG_UNSAFE = 1010,
    JSONRPC_CONFIRM_REQUIRED = 1011,
};

struct jsonrpc_error_row {
    int code;
    const char *name, *text;
};

/* Ends with a row whose name is NULL. */
extern const struct jsonrpc_error_row jsonrpc_errors[];

struct jsonrpc_call;
struct jsonrpc_method;
struct event_subscriptions; /* observe/events.h */

/* Told of every call of a method whose role is not view, refused ones too, after it ran: code 0, or
 * the error's, then with call->reason and call->message. */
typedef void jsonrpc_audit_fn(const struct jsonrpc_call *call, const struct jsonrpc_method *method,
                              int code);

/* Runs one call. params have passed field_check. Returns 0 with call->result set (new reference),
 * or what jsonrpc_fail returned. */
typedef int jsonrpc_handler_fn(struct jsonrpc_call *call);

struct jsonrpc_method {
    const char *name; /* object.verb; NULL ends a table */
    enum jsonrpc_role role;
    bool mutates;               /* changes something outside the call */
    const struct field *params; /* NULL: none */
    jsonrpc_handler_fn *handler;
    const char *summary; /* one sentence */
    const char *result;  /* what comes back, one line */
};

/* One interface: its methods and what the handlers work on. Borrowed by every call. */
struct jsonrpc {
    const struct jsonrpc_method *const *groups; /* tables, ended by NULL */
    const char *title, *version;                /* for rpc.discover */
    jsonrpc_audit_fn *audit;                    /* NULL: nobody wants to know */
    /* True when all up to that position is on stable storage; NULL: nothing ever waits. */
    bool (*is_durable)(const struct jsonrpc *rpc, uint64_t position);
    void *ctx; /* the handlers' */
};

/* Who calls, as the transport knows. */
struct jsonrpc_caller {
    unsigned roles;   /* bits 1 << enum jsonrpc_role */
    const char *who;  /* "uid 0", "CN=alice"; NULL: not known */
    const char *from; /* "unix", "https [2001:db8::7]:40122"; NULL: not known */
    struct event_subscriptions
        *subscriptions; /* of the connection; NULL: it takes no notifications */
};

struct jsonrpc_call {
    const struct jsonrpc *rpc;
    const struct jsonrpc_caller *caller;
    const json_t *params; /* object, or NULL when the request had none */
    size_t *work_left;    /* rows this request may still look at; the handler takes from it */
    json_t *result;       /* set by the handler on success */
    bool sensitive;       /* set by a handler of role view: this call is to be audited, too */
    uint64_t wait;        /* set by the handler: position its change is durable at; 0: at once */

    /* Set by jsonrpc_fail. */
    const char *reason; /* one word for programs */
    char message[JSONRPC_MESSAGE_MAX];
    char param[FIELD_POINTER_MAX]; /* the parameter at fault as JSON pointer, "" = none */
};

/* A call that changes what must be on stable storage is answered no sooner than it is there: its
 * reply, a batch's as a whole, waits with the transport, which asks jsonrpc_reply_is_due in each
 * turn and goes on with the connection's next request afterwards. So no more of them wait than
 * there are connections, and one whose connection is gone is forgotten. After JSONRPC_WAIT_S
 * seconds the transport calls jsonrpc_reply_give_up and sends what is then there: it says so. */
struct jsonrpc_reply {
    char *text; /* not terminated by a newline; NULL: nothing to say (notifications) */
    size_t size;
    uint64_t wait; /* position to be durable before; 0: to be sent at once */
    char *late;    /* to be sent instead when the wait is given up */
    size_t late_size;
};

/* Handles one request of any bytes. 0, or -ENOMEM when not even an error could be built. */
int jsonrpc_handle(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller,
                   struct span request, struct jsonrpc_reply *ret_reply) MUST_CHECK;
void jsonrpc_reply_free(struct jsonrpc_reply *reply);
bool jsonrpc_reply_is_due(const struct jsonrpc *rpc, const struct jsonrpc_reply *reply);
void jsonrpc_reply_give_up(struct jsonrpc_reply *reply);

/* One call from inside, for answers made piece by piece: params (NULL: none) are borrowed and
 * checked like a caller's; work_max rows may be looked at. Not for methods whose answer waits. 0
 * with *ret_result (new reference), or the error's code with its text in ret_message. */
int jsonrpc_run(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller, const char *name,
                const json_t *params, size_t work_max, json_t **ret_result,
                char ret_message[JSONRPC_MESSAGE_MAX]) MUST_CHECK;

/* The reply for a request that was longer than JSONRPC_REQUEST_MAX and is not worth reading. */
int jsonrpc_too_large(struct jsonrpc_reply *ret_reply) MUST_CHECK;

/* For handlers: fills in the failure and returns code. */
int jsonrpc_fail(struct jsonrpc_call *call, enum jsonrpc_code code, const char *reason,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for one parameter (a JSON pointer such as "/cursor"), JSONRPC_INVALID_PARAMS. */
int jsonrpc_fail_param(struct jsonrpc_call *call, const char *param, const char *text);

/* The method of that name, or NULL. */
const struct jsonrpc_method *jsonrpc_method_find(const struct jsonrpc *rpc, const char *name);

const char *jsonrpc_role_name(enum jsonrpc_role role);

/* Handler of rpc.discover: the OpenRPC document of call->rpc (openrpc.c). */
jsonrpc_handler_fn jsonrpc_discover;

#endif
