/* Reads answers apart for tests and builds small policies by hand. Header-only. */
#ifndef TESTS_DHCP6_ANSWER_H
#define TESTS_DHCP6_ANSWER_H

#include "build.h"
#include "dhcp6/encode.h"

/* The n-th instance of an option in a run of options, data NULL when there is none. */
static inline struct span answer_option(struct span options, uint16_t code, unsigned n)
{
    struct wire_in in = wire_in_from(options);

    while (wire_in_left(&in) > 0) {
        uint16_t found = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (in.failed) {
            break;
        }
        if (found == code && n-- == 0) {
            return data;
        }
    }
    return (struct span){NULL, 0};
}

/* True when the bytes are whole options. */
static inline bool answer_whole(struct span options)
{
    struct wire_in in = wire_in_from(options);

    while (wire_in_left(&in) > 0) {
        (void)wire_in_u16(&in);
        (void)wire_in_span(&in, wire_in_u16(&in));
    }
    return !in.failed;
}

/* The options of a client's answer, or of a Relay-reply. */
static inline struct span answer_options(struct span message)
{
    size_t header = message.size > 0 && message.data[0] == DHCP6_RELAY_REPL ? 34 : 4;

    if (message.size < header) {
        return (struct span){NULL, 0};
    }
    return (struct span){message.data + header, message.size - header};
}

/* A policy of one link and a plan for it, to be filled by the test. */
struct answer {
    struct policy policy;
    struct policy_link link;
    struct policy_class classes[2];
    struct policy_reservation reservation;
    struct dhcp6_message message;
    struct plan plan;
    struct encode_cache *cache; /* or NULL */
    uint8_t bytes[4096];
    struct span encoded; /* what came out */
};

static inline void answer_init(struct answer *answer, uint8_t reply_type)
{
    memset(answer, 0, sizeof(*answer));
    answer->policy.server_duid = (struct span){build_server_duid, sizeof(build_server_duid)};
    answer->policy.links = &answer->link;
    answer->policy.link_count = 1;
    answer->policy.classes = answer->classes;
    answer->policy.class_count = 2;
    answer->plan.verdict = PLAN_REPLY;
    answer->plan.reply_type = reply_type;
}

/* Parses the question and encodes the plan. Returns the size. */
static inline size_t answer_encode_to(struct answer *answer, const struct build *question,
                                      size_t buf_size)
{
    enum counter drop;
    size_t size;

    if (dhcp6_message_parse(build_span(question), &answer->message, &drop) != 0) {
        return 0;
    }
    size = dhcp6_encode(&answer->policy, &answer->message, &answer->plan, answer->cache,
                        answer->bytes, buf_size);
    answer->encoded = (struct span){answer->bytes, size};
    return size;
}

static inline size_t answer_encode(struct answer *answer, const struct build *question)
{
    return answer_encode_to(answer, question, sizeof(answer->bytes));
}

/* Data of the n-th top-level option of the answer to a direct client. */
static inline struct span answer_top(const struct answer *answer, uint16_t code, unsigned n)
{
    return answer_option(answer_options(answer->encoded), code, n);
}

static inline bool answer_has(const struct answer *answer, uint16_t code)
{
    return answer_top(answer, code, 0).data != NULL;
}

#endif
