/* The server's side of HTTP/1.1 (RFC 9112) as far as management needs it: bytes to a request head,
 * a response head to bytes. Knows nothing of sockets and of what is asked for.
 *
 * Strict where leniency lets two readers of one stream disagree: lines end with CRLF, no folded
 * fields, one Content-Length at most, no white space before a colon. Bodies come with a
 * Content-Length; a chunked one is refused with 411, which RFC 9112 6.3 allows.
 *
 * Any thread. */
#ifndef RPC_HTTP_H
#define RPC_HTTP_H

#include "base/err.h"
#include "base/wire.h"

enum {
    HTTP_HEAD_MAX = 8192, /* octets of a request head with its blank line */
    HTTP_FIELDS_MAX = 64,
    HTTP_PATH_MAX = 128,
    HTTP_QUERY_MAX = 1024,
    HTTP_RESPONSE_HEAD_MAX = 1024,
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_OTHER, /* a token we have no use for: 405 or 501 */
};

enum http_status {
    HTTP_OK = 200,
    HTTP_NO_CONTENT = 204,
    HTTP_BAD_REQUEST = 400,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_REQUEST_TIMEOUT = 408,
    HTTP_LENGTH_REQUIRED = 411,
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_URI_TOO_LONG = 414,
    HTTP_UNSUPPORTED_MEDIA_TYPE = 415,
    HTTP_MISDIRECTED = 421,
    HTTP_HEAD_TOO_LARGE = 431,
    HTTP_INTERNAL_ERROR = 500,
    HTTP_NOT_IMPLEMENTED = 501,
    HTTP_UNAVAILABLE = 503,
    HTTP_VERSION_UNSUPPORTED = 505,
};

struct http_request {
    enum http_method method;
    unsigned minor;             /* HTTP/1.minor, 0 or 1 */
    char path[HTTP_PATH_MAX];   /* percent codes resolved; no NUL, no control characters */
    char query[HTTP_QUERY_MAX]; /* behind the '?', as sent */
    uint64_t body_size;
    bool has_body_size;
    bool keep_alive;
    bool expects_continue; /* waits for "100 Continue" before it sends the body */
    bool is_json;          /* Content-Type: application/json or -rpc */
    bool host_is_literal;  /* Host is an address or localhost, so no name that anybody can own */
    uint64_t last_event_id;
    bool has_last_event_id;
};

/* Octets of the head at the start of bytes, blank line included; 0: not all of it is there yet. */
size_t http_head_size(struct span bytes);

/* Reads a head of that size. 0, or the status to refuse it with (the stream cannot be trusted
 * behind it). */
enum http_status http_head_parse(struct span head, struct http_request *ret_request) MUST_CHECK;

/* The value of a member of the query ("a=1&b=2"), percent codes and plus signs resolved. False when
 * it is not there, malformed or too long. */
bool http_query_get(const char *query, const char *name, char *buf, size_t buf_size);

struct http_response {
    enum http_status status;
    const char *content_type; /* NULL: no body */
    const char *more;         /* further fields, each with CRLF; NULL: none */
    uint64_t body_size;
    bool chunked; /* body_size is not known */
    bool keep_alive;
};

/* Returns the size of what stands in buf. */
size_t http_head_write(const struct http_response *response, char buf[HTTP_RESPONSE_HEAD_MAX]);

const char *http_status_text(enum http_status status);

#endif
