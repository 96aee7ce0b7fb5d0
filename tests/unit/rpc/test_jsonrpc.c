#include <stdlib.h>

#include "check.h"
#include "rpc/jsonrpc.h"

static unsigned runs; /* calls of the handlers below */

static int add(struct jsonrpc_call *call)
{
    json_int_t a = json_integer_value(json_object_get(call->params, "a"));
    json_int_t b = json_integer_value(json_object_get(call->params, "b"));

    runs++;
    call->result = json_integer(a + b);
    return 0;
}

static int find(struct jsonrpc_call *call)
{
    return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_lease", "no lease of %s", "2001:db8::1");
}

static int cut(struct jsonrpc_call *call) /* fails with half a UTF-8 character */
{
    return jsonrpc_fail_param(call, "/a", "half \xc3");
}

static int nothing(struct jsonrpc_call *call)
{
    (void)call;
    return 0;
}

static int big(struct jsonrpc_call *call)
{
    size_t size = (size_t)json_integer_value(json_object_get(call->params, "a"));
    char *text = malloc(size + 1);

    memset(text, 'x', size);
    text[size] = '\0';
    call->result = json_string(text);
    free(text);
    return 0;
}

static int work(struct jsonrpc_call *call)
{
    size_t take = *call->work_left < 150000 ? *call->work_left : 150000;

    *call->work_left -= take;
    call->result = json_integer((json_int_t)take);
    return 0;
}

static const struct field ab[] = {
    {.name = "a", .type = FIELD_INTEGER, .required = true, .min = -1000, .max = 100000000},
    {.name = "b", .type = FIELD_INTEGER, .min = -1000, .max = 1000, .help = "Second."},
    {.type = FIELD_END},
};

/* Its change is durable at position a. */
static int later(struct jsonrpc_call *call)
{
    call->wait = (uint64_t)json_integer_value(json_object_get(call->params, "a"));
    call->result = json_integer((json_int_t)call->wait);
    return 0;
}

static const struct jsonrpc_method group_one[] = {
    {"rpc.discover", JSONRPC_ROLE_VIEW, false, NULL, jsonrpc_discover, "Lists.", "OpenRPC"},
    {"sum.get", JSONRPC_ROLE_VIEW, false, ab, add, "Adds.", "the sum"},
    {"thing.get", JSONRPC_ROLE_VIEW, false, NULL, find, "Finds.", "the thing"},
    {NULL, 0, false, NULL, NULL, NULL, NULL},
};

static const struct jsonrpc_method group_two[] = {
    {"server.stop", JSONRPC_ROLE_ADMIN, true, NULL, nothing, "Stops.", "nothing"},
    {"text.get", JSONRPC_ROLE_VIEW, false, ab, big, "Big.", "text"},
    {"work.get", JSONRPC_ROLE_VIEW, false, NULL, work, "Works.", "rows"},
    {"cut.get", JSONRPC_ROLE_VIEW, false, NULL, cut, "Cuts.", "nothing"},
    {"nothing.get", JSONRPC_ROLE_VIEW, false, NULL, nothing, "Nothing.", "nothing"},
    {"later.set", JSONRPC_ROLE_VIEW, true, ab, later, "Waits.", "the position"},
    {NULL, 0, false, NULL, NULL, NULL, NULL},
};

static const struct jsonrpc_method *const groups[] = {group_one, group_two, NULL};
static const struct jsonrpc rpc = {.groups = groups, .title = "test", .version = "1.2.3"};
static const struct jsonrpc_caller viewer = {.roles = JSONRPC_ROLES_VIEW};
static const struct jsonrpc_caller root = {.roles = JSONRPC_ROLES_ALL};

static struct jsonrpc_reply call_bytes(const char *request, size_t size)
{
    struct jsonrpc_reply reply = {0};
    int err = jsonrpc_handle(&rpc, &viewer, (struct span){(const uint8_t *)request, size}, &reply);

    CHECK_EQ(err, 0);
    return reply;
}

/* The exact reply, or NULL for silence. */
static void expect(const char *request, const char *wanted)
{
    struct jsonrpc_reply reply = call_bytes(request, strlen(request));

    if (wanted == NULL || reply.text == NULL) {
        CHECK(wanted == NULL && reply.text == NULL && reply.size == 0);
    } else if (reply.size != strlen(wanted) || memcmp(reply.text, wanted, reply.size) != 0) {
        printf("%s\n gave %.*s\n not  %s\n", request, (int)reply.size, reply.text, wanted);
        check_failures++;
    }
    jsonrpc_reply_free(&reply);
}

static json_t *call_json(const char *request)
{
    struct jsonrpc_reply reply = call_bytes(request, strlen(request));
    json_t *json = json_loadb(reply.text, reply.size, 0, NULL);

    CHECK(json != NULL);
    jsonrpc_reply_free(&reply);
    return json;
}

static void expect_error(const char *request, int code)
{
    json_t *json = call_json(request);
    const json_t *error = json_object_get(json, "error");

    if (json_integer_value(json_object_get(error, "code")) != code ||
        !json_is_string(json_object_get(error, "message")) ||
        !json_is_string(json_object_get(json_object_get(error, "data"), "reason")) ||
        !json_is_string(json_object_get(json_object_get(error, "data"), "doc")) ||
        json_object_get(json, "result") || !json_object_get(json, "id")) {
        char *text = json_dumps(json, 0);
        printf("%s\n gave %s\n not an error %d\n", request, text, code);
        free(text);
        check_failures++;
    }
    json_decref(json);
}

static void test_ids(void)
{
#define SUM "\"method\":\"sum.get\",\"params\":{\"a\":1,\"b\":2}"
    expect("{\"jsonrpc\":\"2.0\",\"id\":7," SUM "}", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":3}");
    expect("{\"jsonrpc\":\"2.0\",\"id\":\"q\\n\"," SUM "}",
           "{\"jsonrpc\":\"2.0\",\"id\":\"q\\n\",\"result\":3}");
    expect("{\"jsonrpc\":\"2.0\",\"id\":1.5," SUM "}",
           "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"result\":3}");
    expect("{\"jsonrpc\":\"2.0\",\"id\":null," SUM "}",
           "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":3}");
    expect("{\"jsonrpc\":\"2.0\",\"id\":-9223372036854775808," SUM "}",
           "{\"jsonrpc\":\"2.0\",\"id\":-9223372036854775808,\"result\":3}");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":true," SUM "}", JSONRPC_INVALID_REQUEST);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":{}," SUM "}", JSONRPC_INVALID_REQUEST);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":[1]," SUM "}", JSONRPC_INVALID_REQUEST);
}

static void test_notifications(void)
{
    runs = 0;
    expect("{\"jsonrpc\":\"2.0\"," SUM "}", NULL);
    CHECK_EQ(runs, 1);
    /* A notification never gets an answer, whatever goes wrong (JSON-RPC 2.0, 4.1). */
    expect("{\"jsonrpc\":\"2.0\",\"method\":\"sum.get\"}", NULL);
    expect("{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}", NULL);
    expect("{\"jsonrpc\":\"2.0\",\"method\":\"thing.get\"}", NULL);
    expect("{\"jsonrpc\":\"2.0\",\"method\":\"server.stop\"}", NULL);
    CHECK_EQ(runs, 1);
}

static void test_envelope(void)
{
    static const char *const wrong[] = {
        "1",
        "\"x\"",
        "null",
        "true",
        "{}",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"sum.get\"}",
        "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"sum.get\"}",
        "{\"id\":1,\"method\":\"sum.get\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}",
        "{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":\"bar\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\",\"params\":\"bar\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\",\"params\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\",\"parms\":{\"a\":1}}",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_error(wrong[i], JSONRPC_INVALID_REQUEST);
    }
    /* The id is echoed when it can be read, null otherwise. */
    expect("{\"jsonrpc\":\"1.0\",\"id\":5,\"method\":\"x\"}",
           "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-32600,\"message\":"
           "\"\\\"jsonrpc\\\" must be \\\"2.0\\\"\",\"data\":{\"reason\":\"invalid_request\","
           "\"doc\":\"invalid_request\"}}}");
    expect("7", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
                "\"a request is an object\",\"data\":{\"reason\":\"invalid_request\","
                "\"doc\":\"invalid_request\"}}}");
}

static void test_parse_errors(void)
{
    static const char *const wrong[] = {
        "",
        " ",
        "{",
        "{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]",
        "[1,2",
        "{\"a\":1,\"a\":2}",
        "{} {}",
        "\"\xff\"",
        "\"\\u0000\"",
        "[18446744073709551616]",
    };
    char *deep = malloc(100000);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_error(wrong[i], JSONRPC_PARSE_ERROR);
    }
    memset(deep, '[', 99999);
    deep[99999] = '\0';
    expect_error(deep, JSONRPC_PARSE_ERROR);
    free(deep);
}

static void test_methods_and_params(void)
{
    json_t *json;

    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}", JSONRPC_METHOD_NOT_FOUND);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.get\"}", JSONRPC_NOT_FOUND);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing.get\"}",
                 JSONRPC_INTERNAL_ERROR);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cut.get\"}", JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\",\"params\":[1,2]}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\"}", JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\",\"params\":{\"a\":\"1\"}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.get\",\"params\":{\"a\":1}}",
                 JSONRPC_INVALID_PARAMS);
    runs = 0;
    json = call_json("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sum.get\","
                     "\"params\":{\"a\":1,\"c\":1}}");
    CHECK_EQ(runs, 0); /* refused before the handler */
    CHECK_STR(json_string_value(json_object_get(
                  json_object_get(json_object_get(json, "error"), "data"), "param")),
              "/c");
    json_decref(json);
}

static void test_roles(void)
{
    static const char stop[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.stop\"}";
    struct jsonrpc_reply reply = {0};

    expect_error(stop, JSONRPC_UNAUTHORIZED);
    CHECK_EQ(
        jsonrpc_handle(&rpc, &root, (struct span){(const uint8_t *)stop, strlen(stop)}, &reply), 0);
    /* It ran: this handler gives no result, which is an internal error, not a refusal. */
    CHECK(reply.text && memmem(reply.text, reply.size, "-32603", 6));
    jsonrpc_reply_free(&reply);
}

static void test_batches(void)
{
    char *many = malloc(64 * 101 + 3), *at = many;

    expect("[{\"jsonrpc\":\"2.0\",\"id\":1," SUM "},{\"jsonrpc\":\"2.0\"," SUM "},"
           "{\"jsonrpc\":\"2.0\",\"id\":2," SUM "}]",
           "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":3},{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":"
           "3}]");
    expect("[{\"jsonrpc\":\"2.0\"," SUM "},{\"jsonrpc\":\"2.0\"," SUM "}]", NULL);
    expect_error("[]", JSONRPC_INVALID_REQUEST);
    for (unsigned count = 100; count <= 101; count++) {
        json_t *json;

        at = many;
        *at++ = '[';
        for (unsigned i = 0; i < count; i++) {
            at += sprintf(at, "%s%u", i ? "," : "", i);
        }
        (void)sprintf(at, "]");
        json = call_json(many);
        /* 100: one error each (JSON-RPC 2.0, 7: [1,2,3]); 101: one error in all. */
        CHECK_EQ(json_array_size(json), count == 100 ? 100 : 0);
        CHECK_EQ(json_integer_value(json_object_get(json_object_get(json, "error"), "code")),
                 count == 100 ? 0 : JSONRPC_TOO_LARGE);
        json_decref(json);
    }
    free(many);
}

static void test_bounds(void)
{
    char *request = malloc(JSONRPC_REQUEST_MAX + 1);
    static const char mixed[] = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"text.get\",\"params\":"
                                "{\"a\":17000000}},{\"jsonrpc\":\"2.0\",\"id\":2," SUM "}]";
    struct jsonrpc_reply reply;

    memset(request, ' ', JSONRPC_REQUEST_MAX + 1);
    memcpy(request, "1", 1);
    reply = call_bytes(request, JSONRPC_REQUEST_MAX);
    CHECK(memmem(reply.text, reply.size, "-32600", 6) != NULL);
    jsonrpc_reply_free(&reply);
    reply = call_bytes(request, JSONRPC_REQUEST_MAX + 1);
    CHECK(memmem(reply.text, reply.size, "-32005", 6) != NULL);
    jsonrpc_reply_free(&reply);
    free(request);
    /* A result over the limit becomes an error, and the batch's other answers stay. */
    reply = call_bytes(mixed, strlen(mixed));
    CHECK(memmem(reply.text, reply.size, "-32005", 6) != NULL);
    CHECK(memmem(reply.text, reply.size, "\"id\":2,\"result\":3", 17) != NULL);
    CHECK(reply.size < 1000);
    jsonrpc_reply_free(&reply);
    /* The calls of a batch share one budget of rows. */
    expect("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"work.get\"},"
           "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"work.get\"},"
           "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"work.get\"}]",
           "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":150000},{\"jsonrpc\":\"2.0\",\"id\":2,"
           "\"result\":50000},{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":0}]");
}

static void test_discover(void)
{
    json_t *json = call_json("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}");
    const json_t *doc = json_object_get(json, "result");
    const json_t *methods = json_object_get(doc, "methods");
    const json_t *sum = json_array_get(methods, 1), *stop = json_array_get(methods, 3);
    const json_t *a = json_array_get(json_object_get(sum, "params"), 0);

    CHECK_STR(json_string_value(json_object_get(doc, "openrpc")), "1.3.2");
    CHECK_EQ(json_array_size(methods), 9);
    CHECK_STR(json_string_value(json_object_get(sum, "name")), "sum.get");
    CHECK_STR(json_string_value(json_object_get(sum, "x-role")), "view");
    CHECK_EQ(json_array_size(json_object_get(sum, "params")), 2);
    CHECK_STR(json_string_value(json_object_get(a, "name")), "a");
    CHECK(json_is_true(json_object_get(a, "required")));
    CHECK_STR(json_string_value(json_object_get(json_object_get(a, "schema"), "type")), "integer");
    CHECK_STR(json_string_value(json_object_get(stop, "x-role")), "admin");
    CHECK(json_is_true(json_object_get(stop, "x-mutates")));
    json_decref(json);
}

static unsigned audited;
static int audited_code;
static const char *audited_method;

static void audit(const struct jsonrpc_call *call, const struct jsonrpc_method *method, int code)
{
    audited += call->caller != NULL;
    audited_code = code;
    audited_method = method->name;
}

/* Calls of more than view are told, done or refused; others are not. */
static void test_audit(void)
{
    static const char text[] = "[{\"jsonrpc\":\"2.0\",\"method\":\"server.stop\"},"
                               "{\"jsonrpc\":\"2.0\",\"method\":\"cut.get\"}]";
    struct span request = {(const uint8_t *)text, sizeof(text) - 1};
    struct jsonrpc watched = rpc;
    struct jsonrpc_reply reply = {0};

    watched.audit = audit;
    CHECK_EQ(jsonrpc_handle(&watched, &viewer, request, &reply), 0);
    CHECK_EQ(audited, 1);
    CHECK_EQ(audited_code, JSONRPC_UNAUTHORIZED);
    CHECK_STR(audited_method, "server.stop");
    jsonrpc_reply_free(&reply);
    CHECK_EQ(jsonrpc_handle(&watched, &root, request, &reply), 0);
    CHECK_EQ(audited, 2);
    CHECK_EQ(audited_code, JSONRPC_INTERNAL_ERROR); /* it makes no result */
    jsonrpc_reply_free(&reply);
}

static void test_inside(void)
{
    char message[JSONRPC_MESSAGE_MAX] = "";
    json_t *params = json_pack("{s:i, s:i}", "a", 2, "b", 3), *result = NULL;

    CHECK_EQ(jsonrpc_run(&rpc, &viewer, "sum.get", params, 0, &result, message), 0);
    CHECK_EQ(json_integer_value(result), 5);
    json_decref(result);
    result = NULL;
    (void)json_object_set_new(params, "c", json_integer(1));
    CHECK_EQ(jsonrpc_run(&rpc, &viewer, "sum.get", params, 0, &result, message),
             JSONRPC_INVALID_PARAMS);
    CHECK(result == NULL && strstr(message, "not known") != NULL);
    CHECK_EQ(jsonrpc_run(&rpc, &viewer, "no.method", NULL, 0, &result, message),
             JSONRPC_METHOD_NOT_FOUND);
    json_decref(params);
}

static uint64_t durable;

static bool is_durable(const struct jsonrpc *asked, uint64_t position)
{
    CHECK(asked->is_durable == is_durable);
    return durable >= position;
}

#define LATER(id, a)                                                                               \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"later.set\",\"params\":{\"a\":" a ",\"b\":0}" \
    "}"
#define ADD(id)                                                                                    \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"sum.get\",\"params\":{\"a\":1,\"b\":2}}"
#define RESULT(id, value) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" value "}"

/* Replies wait for the last of their changes; given up they say which calls waited in vain. */
static void test_waits(void)
{
    static const struct {
        const char *request, *text;
        uint64_t wait;
        const char *codes; /* of the late reply, 0: a result; NULL: none */
    } rows[] = {
        {ADD("1"), RESULT("1", "3"), 0, NULL},
        {LATER("1", "7"), RESULT("1", "7"), 7, "-32007"},
        {"[" ADD("1") "," LATER("2", "9") "," LATER("3", "5") "," ADD("4") ",7]",
         "[" RESULT("1", "3") "," RESULT("2", "9") "," RESULT("3", "5") "," RESULT("4", "3") ",", 9,
         "0 -32007 -32007 0 -32600"},
        {"[" LATER("1", "4") "]", "[" RESULT("1", "4") "]", 4, "-32007"},
        /* A notification's change keeps nobody waiting. */
        {"[{\"jsonrpc\":\"2.0\",\"method\":\"later.set\",\"params\":{\"a\":8,\"b\":0}}," ADD(
             "2") "]",
         "[" RESULT("2", "3") "]", 0, NULL},
    };
    struct jsonrpc waiting = rpc;

    waiting.is_durable = is_durable;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span request = {(const uint8_t *)rows[i].request, strlen(rows[i].request)};
        struct jsonrpc_reply reply = {0};
        char codes[64] = "";
        json_t *json;

        CHECK_EQ(jsonrpc_handle(&waiting, &viewer, request, &reply), 0);
        CHECK(strncmp(reply.text, rows[i].text, strlen(rows[i].text)) == 0);
        CHECK_EQ(reply.wait, rows[i].wait);
        CHECK_EQ(reply.late != NULL, rows[i].codes != NULL);
        durable = rows[i].wait - (rows[i].wait != 0);
        CHECK_EQ(jsonrpc_reply_is_due(&waiting, &reply), rows[i].wait == 0);
        durable = rows[i].wait;
        CHECK(jsonrpc_reply_is_due(&waiting, &reply));
        CHECK(jsonrpc_reply_is_due(&rpc, &reply)); /* nobody to ask */
        jsonrpc_reply_give_up(&reply);
        CHECK(reply.wait == 0 && reply.late == NULL);
        json = json_loadb(reply.text, reply.size, 0, NULL);
        CHECK(json != NULL);
        for (size_t k = 0; k < (json_is_array(json) ? json_array_size(json) : 1); k++) {
            const json_t *answer = json_is_array(json) ? json_array_get(json, k) : json;
            const json_t *error = json_object_get(answer, "error");

            (void)snprintf(codes + strlen(codes), sizeof(codes) - strlen(codes), "%s%lld",
                           k ? " " : "",
                           (long long)json_integer_value(json_object_get(error, "code")));
        }
        if (rows[i].codes) {
            CHECK_STR(codes, rows[i].codes);
        }
        json_decref(json);
        jsonrpc_reply_free(&reply);
    }
}

static const struct check_test tests[] = {
    {"ids", test_ids},
    {"notifications", test_notifications},
    {"envelope", test_envelope},
    {"parse errors", test_parse_errors},
    {"methods and params", test_methods_and_params},
    {"roles", test_roles},
    {"batches", test_batches},
    {"bounds", test_bounds},
    {"discover", test_discover},
    {"audit", test_audit},
    {"inside", test_inside},
    {"waits", test_waits},
};

CHECK_MAIN(tests)
