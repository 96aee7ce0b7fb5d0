/* Request heads of every kind, right and wrong, and the heads of answers. */
#include "check.h"
#include "rpc/http.h"

static enum http_status parse(const char *text, struct http_request *ret_request)
{
    struct span bytes = {(const uint8_t *)text, strlen(text)};
    size_t size = http_head_size(bytes);

    CHECK(size > 0);
    return http_head_parse((struct span){bytes.data, size}, ret_request);
}

static void whole_heads(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";

    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        struct span bytes = {(const uint8_t *)text, size};

        CHECK_EQ(http_head_size(bytes), size < 27 ? 0 : 27);
    }
}

static void good_requests(void)
{
    struct http_request request;

    CHECK_EQ(parse("POST /rpc HTTP/1.1\r\nHost: [::1]:8647\r\nContent-Length: 12\r\n"
                   "Content-Type: application/json; charset=utf-8\r\nExpect: 100-continue\r\n\r\n",
                   &request),
             0);
    CHECK_EQ(request.method, HTTP_POST);
    CHECK_STR(request.path, "/rpc");
    CHECK_STR(request.query, "");
    CHECK(request.keep_alive && request.is_json && request.has_body_size);
    CHECK(request.expects_continue && request.host_is_literal && !request.has_last_event_id);
    CHECK_EQ(request.body_size, 12);
    CHECK_EQ(request.minor, 1);

    CHECK_EQ(parse("GET /a%20b?x=1&y=%2b HTTP/1.0\r\nlast-event-id:  77\t\r\n\r\n", &request), 0);
    CHECK_EQ(request.method, HTTP_GET);
    CHECK_STR(request.path, "/a b");
    CHECK_STR(request.query, "x=1&y=%2b");
    CHECK(!request.keep_alive && !request.is_json && !request.has_body_size);
    CHECK(request.has_last_event_id && request.last_event_id == 77);
    CHECK_EQ(request.minor, 0);

    CHECK_EQ(
        parse("DELETE / HTTP/1.1\r\nhost: ns.example\r\nConnection: x, Close\r\n\r\n", &request),
        0);
    CHECK_EQ(request.method, HTTP_OTHER);
    CHECK(!request.keep_alive && !request.host_is_literal);
    CHECK_EQ(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n"
                   "Content-Type: Application/JSON-rpc\r\n\r\n",
                   &request),
             0);
    CHECK(request.keep_alive && request.is_json);
    CHECK_EQ(parse("HEAD / HTTP/1.1\r\nHost:\r\nContent-Type: application/jsonx\r\n\r\n", &request),
             0);
    CHECK(request.method == HTTP_HEAD && !request.is_json && !request.host_is_literal);
}

static void wrong_requests(void)
{
#define HOST "Host: a\r\n"

    static const struct {
        const char *text;
        enum http_status status;
    } rows[] = {
        {"\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET /\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET / http/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", HTTP_VERSION_UNSUPPORTED},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", HTTP_VERSION_UNSUPPORTED},
        {"GET http://a/ HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET /%4 HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET /%00 HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET /\x80 HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n" HOST " folded: b\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", HTTP_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n" HOST "A: b\nc: d\r\n\r\n", HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
         HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1234567890123456\r\n\r\n", HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", HTTP_LENGTH_REQUIRED},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
         HTTP_BAD_REQUEST},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
         HTTP_NOT_IMPLEMENTED},
    };
    struct http_request request;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum http_status status = parse(rows[i].text, &request);

        if (status != rows[i].status) {
            printf("row %zu: %d, expected %d\n", i, (int)status, (int)rows[i].status);
            check_failures++;
        }
    }
#undef HOST
}

static void limits(void)
{
    static char text[HTTP_HEAD_MAX * 2];
    struct http_request request;

    (void)snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PATH_MAX - 2,
                   0);
    CHECK_EQ(parse(text, &request), 0);
    CHECK_EQ(strlen(request.path), HTTP_PATH_MAX - 1);
    (void)snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_PATH_MAX - 1,
                   0);
    CHECK_EQ(parse(text, &request), HTTP_URI_TOO_LONG);
    (void)snprintf(text, sizeof(text), "GET /?%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_QUERY_MAX - 1,
                   0);
    CHECK_EQ(parse(text, &request), 0);
    CHECK_EQ(strlen(request.query), HTTP_QUERY_MAX - 1);
    (void)snprintf(text, sizeof(text), "GET /?%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_QUERY_MAX, 0);
    CHECK_EQ(parse(text, &request), HTTP_URI_TOO_LONG);
    (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++) {
        strcat(text, "a: b\r\n");
    }
    strcat(text, "\r\n");
    CHECK_EQ(parse(text, &request), 0);
    text[strlen(text) - 2] = '\0';
    strcat(text, "a: b\r\n\r\n");
    CHECK_EQ(parse(text, &request), HTTP_HEAD_TOO_LARGE);
}

static void literal_hosts(void)
{
    static const struct {
        const char *host;
        bool literal;
    } rows[] = {
        {"localhost", true},       {"localhost:8647", true},  {"LocalHost", true},
        {"localhost.evil", false}, {"127.0.0.1", true},       {"127.0.0.1:80", true},
        {"[::1]", true},           {"[2001:db8::1]:1", true}, {"evil.example", false},
        {"abc.de", false},         {"127.0.0.1.evil", false}, {"", false},
    };
    struct http_request request;
    char text[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].host);
        CHECK_EQ(parse(text, &request), 0);
        if (request.host_is_literal != rows[i].literal) {
            printf("%s: %d\n", rows[i].host, request.host_is_literal);
            check_failures++;
        }
    }
}

static void queries(void)
{
    char buf[8];

    CHECK(http_query_get("a=1&bb=2%20x&c=", "a", buf, sizeof(buf)));
    CHECK_STR(buf, "1");
    CHECK(http_query_get("a=1&bb=2%20x+y&c=", "bb", buf, sizeof(buf)));
    CHECK_STR(buf, "2 x y");
    CHECK(http_query_get("a=1&bb=2&c=", "c", buf, sizeof(buf)));
    CHECK_STR(buf, "");
    CHECK(!http_query_get("a=1&bb=2", "b", buf, sizeof(buf)));
    CHECK(!http_query_get("a=1&bb=2", "d", buf, sizeof(buf)));
    CHECK(!http_query_get("a=12345678", "a", buf, sizeof(buf)));
    CHECK(!http_query_get("a=%2", "a", buf, sizeof(buf)));
    CHECK(!http_query_get("a=%0a", "a", buf, sizeof(buf)));
    CHECK(!http_query_get("", "a", buf, sizeof(buf)));
}

static void answers(void)
{
    char buf[HTTP_RESPONSE_HEAD_MAX];
    struct http_response response = {
        .status = HTTP_OK, .content_type = "text/plain", .body_size = 7, .keep_alive = true};
    size_t size = http_head_write(&response, buf);

    CHECK(size == strlen(buf) && http_head_size((struct span){(uint8_t *)buf, size}) == size);
    CHECK(strncmp(buf, "HTTP/1.1 200 OK\r\n", 17) == 0);
    CHECK(strstr(buf, "\r\nContent-Length: 7\r\n") &&
          strstr(buf, "\r\nConnection: keep-alive\r\n"));
    response = (struct http_response){.status = HTTP_OK, .chunked = true};
    (void)http_head_write(&response, buf);
    CHECK(strstr(buf, "\r\nTransfer-Encoding: chunked\r\n") && !strstr(buf, "Content-Length"));
    CHECK(strstr(buf, "\r\nConnection: close\r\n") != NULL);
    response = (struct http_response){.status = HTTP_NO_CONTENT};
    (void)http_head_write(&response, buf);
    CHECK(!strstr(buf, "Transfer-Encoding") && !strstr(buf, "Content-Length"));
}

static const struct check_test tests[] = {
    {"whole heads", whole_heads},
    {"good requests", good_requests},
    {"wrong requests", wrong_requests},
    {"limits", limits},
    {"literal hosts", literal_hosts},
    {"queries", queries},
    {"answers", answers},
};

CHECK_MAIN(tests)
