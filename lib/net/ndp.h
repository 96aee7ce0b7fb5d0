/* What a port must answer besides DHCP so that neighbours reach it: neighbour solicitations (RFC
 * 4861) and echo requests (RFC 4443) for its addresses, and the MLDv2 reports (RFC 3810) that keep
 * snooping switches sending us ff02::1:2 and ff05::1:3. Bytes in, bytes out; any thread. */
#ifndef NET_NDP_H
#define NET_NDP_H

#include "net/frame.h"

enum {
    /* Holds any answer of a port with the default MTU; on larger ones, echo requests that do not
     * fit stay unanswered. */
    NDP_BUF_SIZE = FRAME_ETHERNET_SIZE + FRAME_VLAN_SIZE * FRAME_VLANS_MAX + FRAME_MTU_DEFAULT,
};

/* Answer to an ICMPv6 frame, written at buf as a whole frame. Returns its size; 0 = no answer, then
 * *ret_counter says why (or that it was no business of ours). With an answer *ret_counter is the
 * question's own counter (rx_neighbor_solicitation, rx_echo_request, rx_mld_query), so that the
 * caller counts it in either case; ndp_sent_counter names the answer's. buf must not overlap the
 * frame. */
size_t ndp_answer(const struct frame_port *port, const struct frame *frame, uint8_t *buf,
                  size_t buf_size, enum counter *ret_counter);

/* The tx counter of the answer to a question that ndp_answer counted as rx. */
enum counter ndp_sent_counter(enum counter rx);

/* An unsolicited MLDv2 report for our groups (All_DHCP_Relay_Agents_and_Servers, All_DHCP_Servers
 * and the solicited-node groups of the port's addresses), to be sent at start, on link up and every
 * 120 s. Untagged. 0 when buf is too small. */
size_t ndp_mld_report(const struct frame_port *port, uint8_t *buf, size_t buf_size);

/* An unsolicited neighbour advertisement for address i of the port (RFC 4861 7.2.6), sent at start.
 * Untagged. 0 when the port has no such address or buf is too small. */
size_t ndp_announce(const struct frame_port *port, unsigned address_index, uint8_t *buf,
                    size_t buf_size);

#endif
