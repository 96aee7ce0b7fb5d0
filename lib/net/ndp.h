/* What a port must answer besides DHCP so that neighbours reach it: neighbour solicitations (RFC
 * 4861) and echo requests (RFC 4443) for its addresses, and the MLDv2 reports (RFC 3810) that keep
 * snooping switches sending us ff02::1:2 and ff05::1:3. Bytes in, bytes out; any thread. */
#ifndef NET_NDP_H
#define NET_NDP_H

#include "net/frame.h"

/* Answer to an ICMPv6 frame, written at buf as a whole frame. Returns its size; 0 = no answer, then
 * *ret_counter says why (or that it was no business of ours). */
size_t ndp_answer(const struct frame_port *port, const struct frame *frame, uint8_t *buf,
                  size_t buf_size, enum counter *ret_counter);

/* An unsolicited MLDv2 report for our groups (All_DHCP_Relay_Agents_and_Servers, All_DHCP_Servers
 * and the solicited-node groups of the port's addresses), to be sent at start, on link up and every
 * 120 s. */
size_t ndp_mld_report(const struct frame_port *port, uint8_t *buf, size_t buf_size);

/* An unsolicited neighbour advertisement for address i of the port (RFC 4861 7.2.6), sent at start.
 */
size_t ndp_announce(const struct frame_port *port, unsigned address_index, uint8_t *buf,
                    size_t buf_size);

#endif
