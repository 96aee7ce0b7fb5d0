/* The messages clients send, and how RFC 9915 repeats them (14, 18.2). */
#ifndef LOAD_MESSAGE_H
#define LOAD_MESSAGE_H

#include "client.h"
#include "settings.h"

enum message_kind {
    MESSAGE_SOLICIT,
    MESSAGE_RAPID, /* SOLICIT with Rapid Commit */
    MESSAGE_REQUEST,
    MESSAGE_RENEW,
    MESSAGE_REBIND,
    MESSAGE_RELEASE,
    MESSAGE_KINDS,
};

enum {
    MESSAGE_SIZE_MAX = 512,
    MESSAGE_SERVER_ID_MAX = 130,
    MESSAGE_INTERFACE_ID_SIZE = 8,
};

struct message_row {
    const char *name;
    uint8_t type;      /* enum dhcp6_type */
    bool names_server; /* carries the Server Identifier */
    bool names_leases; /* IAs hold what the client was told */
    uint32_t irt_ms;   /* first retransmission time */
    uint32_t mrt_ms;   /* largest; 0 = none */
    unsigned mrc;      /* transmissions; 0 = no limit */
};

extern const struct message_row message_rows[MESSAGE_KINDS];

/* Time until the next transmission of a message sent for the tries-th time (from 1); random: any 32
 * bits. RFC 9915 14; a first SOLICIT waits longer than its IRT (18.2.1). */
uint32_t message_rt_ms(const struct settings *settings, const struct client *client,
                       uint32_t random);

/* True when the message was sent as often as it may be. */
bool message_is_exhausted(const struct settings *settings, const struct client *client);

/* The relay that client number is behind. */
unsigned message_relay_index(const struct settings *settings, uint32_t number);
struct ip6 message_link_address(const struct settings *settings, uint32_t number);

/* Interface-Id of the client's port at its relay. */
void message_interface_id(uint32_t number, uint8_t *ret_id);

/* Writes the client's present message with its relay's envelope (none when direct). elapsed_cs: how
 * long the exchange lasts. Returns its size. buf holds MESSAGE_SIZE_MAX. */
size_t message_write(const struct settings *settings, const struct client *client, uint32_t number,
                     struct span server_id, uint16_t elapsed_cs, uint8_t *buf);

#endif
