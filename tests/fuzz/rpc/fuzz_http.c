/* Any bytes as the beginning of an HTTP stream. What is accepted keeps the parser's promises. */
#include <string.h>

#include "rpc/http.h"

static void request_check(const struct http_request *request)
{
    char buf[64];

    T6_ASSERT(request->path[0] == '/' && strlen(request->path) < HTTP_PATH_MAX);
    T6_ASSERT(strlen(request->query) < HTTP_QUERY_MAX);
    T6_ASSERT(request->minor <= 1 && (request->has_body_size || request->body_size == 0));
    for (const char *at = request->path; *at; at++) {
        T6_ASSERT((unsigned char)*at >= 0x20 && *at != 0x7f);
    }
    if (http_query_get(request->query, "a", buf, sizeof(buf))) {
        T6_ASSERT(strlen(buf) < sizeof(buf));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t head = http_head_size((struct span){data, size});
    struct http_request request;

    T6_ASSERT(head <= size);
    if (head) {
        T6_ASSERT(memcmp(data + head - 4, "\r\n\r\n", 4) == 0);
        if (http_head_parse((struct span){data, head}, &request) == 0) {
            request_check(&request);
        }
    }
    return 0;
}
