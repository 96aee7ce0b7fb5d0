/* What the files of the partners' connections share: link.c all partners, link_partner.c one of
 * them, link_accept.c connections that come in, link_report.c what is told, link_stream.c octets.
 * Private to app/tandem6d/link*.c. */
#ifndef TANDEM6D_LINK_INTERNAL_H
#define TANDEM6D_LINK_INTERNAL_H

#include <netinet/in.h>

#include "link.h"
#include "link_stream.h"
#include "server/relation.h"

enum {
    LINK_INPUT_SIZE = 64 << 10, /* octets read and not yet taken by the relation */
    LINK_GREETINGS_MAX = 32,    /* strangers at once */
    LINK_GREETINGS_OF_ONE = 4,  /* of them, from one address */
    LINK_LOG_AGAIN_MS = 60000,  /* the same trouble is told again that often */
    LINK_LOG_TEXT_MAX = 512,
};

/* A thing that happens again and again: told at once, then once in LINK_LOG_AGAIN_MS. */
struct link_told {
    char text[LINK_LOG_TEXT_MAX];
    msec_t at_ms;
    uint64_t left_out;
};

/* One relationship. */
struct partner {
    struct links *links;
    struct relation *relation;
    const struct config_failover *config;
    struct sockaddr_in6 address, source;
    struct event *turn; /* timer; also "at once" */
    struct stream stream;
    struct tls_partner *tls; /* NULL: in clear */
    bool connecting, shaking;
    bool end_seen; /* the stream ended and the relation had one more run */
    uint8_t *input;
    size_t input_head, input_tail;
    uint64_t grace_at; /* number of the grace period waited for; 0 = none */
    bool disk_waits;   /* it looks for the disk soon */

    uint64_t downs; /* as told last */
    bool up;
    enum fo_server_state state;
    uint8_t partner_state;
    struct link_told told, tls_told;
};

struct links_accept;

struct links {
    struct links_config config;
    struct partner *partners;
    unsigned count;
    struct links_grace *grace;
    struct links_accept *accept; /* NULL: no relationship is a secondary's */
    struct event *stop_timer;
    int durable_fd; /* the journal thread says that something is durable ... */
    struct event *durable;
    _Atomic bool durable_wanted; /* ... when somebody waits for it */
    bool started, stopping, stopped;
};

/* Both of a partner that is zero; after a failed init, too. 0, or a negative errno and *ret_error.
 */
int partner_init(struct links *links, unsigned index, char ret_error[LINKS_ERROR_MAX]) MUST_CHECK;
void partner_done(struct partner *partner);
void partner_reload(struct partner *partner, const struct config_failover *config);
/* Its grace period may be over, or it may want one. */
void partner_grace(struct partner *partner);
/* One of them may have been the last that a stop waits for. */
void links_stop_check(struct links *links);

/* The relation's link has taken over the stream's connection: an older one ends without a word. */
void partner_adopt(struct partner *partner, struct stream *stream);
/* Runs it as the next thing of the loop. */
void partner_kick(struct partner *partner);

/* Begins TLS on a stream whose plain octets are all gone. False: *ret_text says why not. */
bool partner_secure(struct partner *partner, struct stream *stream, bool server,
                    char ret_text[TLS_TEXT_MAX]);
/* Counts why TLS has failed. */
void link_fault_count(struct links *links, enum tls_fault fault);

/* Logs what has changed since the last call. */
void partner_report(struct partner *partner, struct fo_time now);
/* True when the text is to be logged now; *ret_left_out: how often the same was not. */
bool link_tell(struct link_told *told, const char *text, msec_t now_ms, uint64_t *ret_left_out);

void link_address_text(struct ip6 address, char ret_text[INET6_ADDRSTRLEN]);
struct sockaddr_in6 link_socket_address(struct ip6 address, uint16_t port);

/* link_accept.c */
int links_accept_new(struct links *links, char ret_error[LINKS_ERROR_MAX]) MUST_CHECK;
void links_accept_free(struct links_accept *accept);

/* link_grace.c: RCU grace periods that a thread of their own waits for. */
struct links_grace;
int links_grace_new(struct event_base *base, void (*on_done)(void *ctx), void *ctx,
                    struct links_grace **ret_grace) MUST_CHECK;
void links_grace_free(struct links_grace *grace);
/* Asks for one that begins after this call; its number. on_done is called in the loop when
 * links_grace_done may have moved on. */
uint64_t links_grace_ask(struct links_grace *grace);
/* Number of the last one that is over. */
uint64_t links_grace_done(const struct links_grace *grace);

#endif
