#include "rpc/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct status_row {
    enum http_status status;
    const char *text;
};

static const struct status_row status_rows[] = {
    {HTTP_OK, "OK"},
    {HTTP_NO_CONTENT, "No Content"},
    {HTTP_BAD_REQUEST, "Bad Request"},
    {HTTP_FORBIDDEN, "Forbidden"},
    {HTTP_NOT_FOUND, "Not Found"},
    {HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed"},
    {HTTP_REQUEST_TIMEOUT, "Request Timeout"},
    {HTTP_LENGTH_REQUIRED, "Length Required"},
    {HTTP_CONTENT_TOO_LARGE, "Content Too Large"},
    {HTTP_URI_TOO_LONG, "URI Too Long"},
    {HTTP_UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"},
    {HTTP_MISDIRECTED, "Misdirected Request"},
    {HTTP_HEAD_TOO_LARGE, "Request Header Fields Too Large"},
    {HTTP_INTERNAL_ERROR, "Internal Server Error"},
    {HTTP_NOT_IMPLEMENTED, "Not Implemented"},
    {HTTP_UNAVAILABLE, "Service Unavailable"},
    {HTTP_VERSION_UNSUPPORTED, "HTTP Version Not Supported"},
};

/* Where the fields of one request put what they say. */
struct fields {
    struct http_request *request;
    unsigned host_count, length_count;
    bool chunked, close, keep_alive;
};

typedef enum http_status field_fn(struct fields *fields, struct span value);

struct field_row {
    const char *name;
    field_fn *read;
};

static field_fn read_host, read_content_length, read_transfer_encoding, read_connection,
    read_content_type, read_expect, read_last_event_id;

/* Fields with other names mean nothing to us. */
static const struct field_row field_rows[] = {
    {"host", read_host},
    {"content-length", read_content_length},
    {"transfer-encoding", read_transfer_encoding},
    {"connection", read_connection},
    {"content-type", read_content_type},
    {"expect", read_expect},
    {"last-event-id", read_last_event_id},
};

static enum http_status request_line_parse(struct span line, struct http_request *request);
static enum http_status field_parse(struct span line, struct fields *fields);
static struct span line_take(struct span *rest);

size_t http_head_size(struct span bytes)
{
    const uint8_t *end = bytes.size ? memmem(bytes.data, bytes.size, "\r\n\r\n", 4) : NULL;

    return end ? (size_t)(end - bytes.data) + 4 : 0;
}

enum http_status http_head_parse(struct span head, struct http_request *ret_request)
{
    struct http_request request = {.method = HTTP_OTHER};
    struct fields fields = {.request = &request};
    struct span rest = head;
    enum http_status status = request_line_parse(line_take(&rest), &request);
    unsigned count = 0;

    while (status == 0 && rest.size > 2) {
        status = ++count > HTTP_FIELDS_MAX ? HTTP_HEAD_TOO_LARGE
                                           : field_parse(line_take(&rest), &fields);
    }
    if (status) {
        return status;
    }
    if (request.minor == 1 && fields.host_count == 0) {
        return HTTP_BAD_REQUEST; /* RFC 9112 3.2 */
    }
    if (fields.chunked) {
        /* Both lengths at once is how requests are smuggled (RFC 9112 6.1). */
        return fields.length_count ? HTTP_BAD_REQUEST : HTTP_LENGTH_REQUIRED;
    }
    request.has_body_size = fields.length_count > 0;
    request.keep_alive = !fields.close && (request.minor == 1 || fields.keep_alive);
    *ret_request = request;
    return 0;
}

/* The line at the start of rest without its CRLF; a head ends with one, so that there is one. */
static struct span line_take(struct span *rest)
{
    const uint8_t *end = rest->size ? memmem(rest->data, rest->size, "\r\n", 2) : NULL;
    struct span line = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
    size_t taken = end ? line.size + 2 : line.size;

    rest->data += taken;
    rest->size -= taken;
    return line;
}

static bool span_is(struct span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static bool span_is_nocase(struct span span, const char *text)
{
    return span.size == strlen(text) && strncasecmp((const char *)span.data, text, span.size) == 0;
}

/* RFC 9110 5.6.2. */
static bool is_token_octet(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct span span)
{
    for (size_t i = 0; i < span.size; i++) {
        if (!is_token_octet(span.data[i])) {
            return false;
        }
    }
    return span.size > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Resolves percent codes, and plus signs in a query. False for malformed ones, control characters
 * and what does not fit. */
static bool percent_decode(const char *text, size_t size, bool plus, char *buf, size_t buf_size)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c == '%') {
            int high = i + 2 < size ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if ((unsigned char)c < 0x20 || c == 0x7f || used + 1 >= buf_size) {
            return false;
        }
        buf[used++] = c;
    }
    buf[used] = '\0';
    return true;
}

static enum http_status target_parse(struct span target, struct http_request *request)
{
    const uint8_t *mark = memchr(target.data, '?', target.size);
    size_t path_size = mark ? (size_t)(mark - target.data) : target.size;
    size_t query_size = mark ? target.size - path_size - 1 : 0;

    if (target.data[0] != '/') {
        return HTTP_BAD_REQUEST; /* absolute and authority forms are for proxies (RFC 9112 3.2) */
    }
    for (size_t i = 0; i < target.size; i++) {
        if (target.data[i] <= 0x20 || target.data[i] >= 0x7f) {
            return HTTP_BAD_REQUEST;
        }
    }
    if (path_size >= HTTP_PATH_MAX || query_size >= HTTP_QUERY_MAX) {
        return HTTP_URI_TOO_LONG;
    }
    if (query_size) {
        memcpy(request->query, mark + 1, query_size);
    }
    return percent_decode((const char *)target.data, path_size, false, request->path,
                          sizeof(request->path))
               ? 0
               : HTTP_BAD_REQUEST;
}

/* RFC 9112 3: method SP request-target SP HTTP-version. */
static enum http_status request_line_parse(struct span line, struct http_request *request)
{
    const uint8_t *space = line.size ? memchr(line.data, ' ', line.size) : NULL;
    struct span method = {line.data, space ? (size_t)(space - line.data) : 0};
    struct span target, version;
    const uint8_t *second;

    if (!is_token(method)) {
        return HTTP_BAD_REQUEST;
    }
    target = (struct span){space + 1, line.size - method.size - 1};
    second = memchr(target.data, ' ', target.size);
    if (second == NULL || second == target.data) {
        return HTTP_BAD_REQUEST;
    }
    version = (struct span){second + 1, target.size - (size_t)(second - target.data) - 1};
    target.size = (size_t)(second - target.data);
    if (span_is(version, "HTTP/1.1") || span_is(version, "HTTP/1.0")) {
        request->minor = version.data[7] == '1';
    } else {
        return version.size == 8 && memcmp(version.data, "HTTP/", 5) == 0 ? HTTP_VERSION_UNSUPPORTED
                                                                          : HTTP_BAD_REQUEST;
    }
    if (span_is(method, "GET")) {
        request->method = HTTP_GET;
    } else if (span_is(method, "HEAD")) {
        request->method = HTTP_HEAD;
    } else if (span_is(method, "POST")) {
        request->method = HTTP_POST;
    }
    return target_parse(target, request);
}

/* RFC 9112 5: field-name ":" OWS field-value OWS. */
static enum http_status field_parse(struct span line, struct fields *fields)
{
    const uint8_t *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
    struct span name = {line.data, colon ? (size_t)(colon - line.data) : 0};
    struct span value;

    if (!is_token(name)) {
        return HTTP_BAD_REQUEST; /* also a folded line and a blank before the colon (5.1, 5.2) */
    }
    value = (struct span){colon + 1, line.size - name.size - 1};
    while (value.size && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = (struct span){value.data + 1, value.size - 1};
    }
    while (value.size &&
           (value.data[value.size - 1] == ' ' || value.data[value.size - 1] == '\t')) {
        value.size--;
    }
    for (size_t i = 0; i < value.size; i++) {
        if ((value.data[i] < 0x20 && value.data[i] != '\t') || value.data[i] == 0x7f) {
            return HTTP_BAD_REQUEST;
        }
    }
    for (size_t i = 0; i < sizeof(field_rows) / sizeof(field_rows[0]); i++) {
        if (span_is_nocase(name, field_rows[i].name)) {
            return field_rows[i].read(fields, value);
        }
    }
    return 0;
}

/* True for "localhost", "192.0.2.1" and "[2001:db8::1]", with or without a port. */
static bool host_is_literal(struct span host)
{
    static const char localhost[] = "localhost";
    size_t size = sizeof(localhost) - 1;

    if (host.size >= size && strncasecmp((const char *)host.data, localhost, size) == 0) {
        return host.size == size || host.data[size] == ':';
    }
    if (host.size && host.data[0] == '[') {
        return true;
    }
    for (size_t i = 0; i < host.size; i++) {
        if (strchr("0123456789.:", host.data[i]) == NULL) {
            return false;
        }
    }
    return host.size > 0;
}

static enum http_status read_host(struct fields *fields, struct span value)
{
    fields->request->host_is_literal = host_is_literal(value);
    return fields->host_count++ ? HTTP_BAD_REQUEST : 0;
}

/* Decimal digits that fit 53 bits; false for anything else. */
static bool number_read(struct span value, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (value.size == 0 || value.size > 15) {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

static enum http_status read_content_length(struct fields *fields, struct span value)
{
    if (fields->length_count++ || !number_read(value, &fields->request->body_size)) {
        return HTTP_BAD_REQUEST; /* RFC 9112 6.3 */
    }
    return 0;
}

static enum http_status read_transfer_encoding(struct fields *fields, struct span value)
{
    if (!span_is_nocase(value, "chunked")) {
        return HTTP_NOT_IMPLEMENTED; /* RFC 9112 6.1 */
    }
    fields->chunked = true;
    return 0;
}

/* A list of options; only close and keep-alive matter. */
static enum http_status read_connection(struct fields *fields, struct span value)
{
    size_t start = 0;

    for (size_t i = 0; i <= value.size; i++) {
        struct span item;

        if (i < value.size && value.data[i] != ',') {
            continue;
        }
        item = (struct span){value.data + start, i - start};
        while (item.size && item.data[0] == ' ') {
            item = (struct span){item.data + 1, item.size - 1};
        }
        while (item.size && item.data[item.size - 1] == ' ') {
            item.size--;
        }
        fields->close |= span_is_nocase(item, "close");
        fields->keep_alive |= span_is_nocase(item, "keep-alive");
        start = i + 1;
    }
    return 0;
}

/* The type of JSON, and those that clients of JSON-RPC use. */
static enum http_status read_content_type(struct fields *fields, struct span value)
{
    static const char *const types[] = {"application/json", "application/json-rpc",
                                        "application/jsonrequest"};
    struct span type = {value.data, 0};

    while (type.size < value.size && strchr("; \t", value.data[type.size]) == NULL) {
        type.size++;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        fields->request->is_json |= span_is_nocase(type, types[i]);
    }
    return 0;
}

static enum http_status read_expect(struct fields *fields, struct span value)
{
    fields->request->expects_continue = span_is_nocase(value, "100-continue");
    return 0;
}

static enum http_status read_last_event_id(struct fields *fields, struct span value)
{
    fields->request->has_last_event_id = number_read(value, &fields->request->last_event_id);
    return 0; /* a foreign one: the stream starts with what is new */
}

bool http_query_get(const char *query, const char *name, char *buf, size_t buf_size)
{
    size_t name_size = strlen(name);

    for (const char *at = query; *at;) {
        size_t size = strcspn(at, "&");

        if (size > name_size && at[name_size] == '=' && strncmp(at, name, name_size) == 0) {
            return percent_decode(at + name_size + 1, size - name_size - 1, true, buf, buf_size);
        }
        at += size;
        at += *at == '&';
    }
    return false;
}

const char *http_status_text(enum http_status status)
{
    for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
        if (status_rows[i].status == status) {
            return status_rows[i].text;
        }
    }
    return "Unknown";
}

size_t http_head_write(const struct http_response *response, char buf[HTTP_RESPONSE_HEAD_MAX])
{
    char length[64] = "", type[96] = "";
    int size;

    if (response->chunked) {
        (void)snprintf(length, sizeof(length), "Transfer-Encoding: chunked\r\n");
    } else if (response->status != HTTP_NO_CONTENT) { /* RFC 9110 8.6 */
        (void)snprintf(length, sizeof(length), "Content-Length: %" PRIu64 "\r\n",
                       response->body_size);
    }
    if (response->content_type) {
        (void)snprintf(type, sizeof(type), "Content-Type: %s\r\n", response->content_type);
    }
    size = snprintf(buf, HTTP_RESPONSE_HEAD_MAX,
                    "HTTP/1.1 %d %s\r\n%s%s%sCache-Control: no-store\r\n"
                    "X-Content-Type-Options: nosniff\r\nConnection: %s\r\n\r\n",
                    (int)response->status, http_status_text(response->status), type, length,
                    response->more ? response->more : "",
                    response->keep_alive ? "keep-alive" : "close");
    T6_ASSERT(size > 0 && size < HTTP_RESPONSE_HEAD_MAX);
    return (size_t)size;
}
