/* The text forms of addresses, prefixes, ranges, octets and names as people write them in the
 * configuration and in method parameters. Pure functions; any thread. */
#include <arpa/inet.h>
#include <string.h>

#include "base/wire.h"
#include "rpc/field.h"

bool field_address_read(const char *text, struct ip6 *ret_address)
{
    uint8_t octets[16];

    if (inet_pton(AF_INET6, text, octets) != 1) {
        return false;
    }
    *ret_address = wire_get_ip6(octets);
    return true;
}

void field_address_write(struct ip6 address, char buf[FIELD_ADDRESS_TEXT_MAX])
{
    uint8_t octets[16];

    wire_set_ip6(octets, address);
    if (!inet_ntop(AF_INET6, octets, buf, FIELD_ADDRESS_TEXT_MAX)) {
        buf[0] = 0; /* cannot happen: the buffer holds every address */
    }
}

/* Reads "address<separator>rest": the address, and where rest begins. */
static bool address_before(const char *text, char separator, struct ip6 *ret_address,
                           const char **ret_rest)
{
    char address[FIELD_ADDRESS_TEXT_MAX];
    const char *end = strchr(text, separator);

    if (!end || (size_t)(end - text) >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, (size_t)(end - text));
    address[end - text] = 0;
    *ret_rest = end + 1;
    return field_address_read(address, ret_address);
}

/* One to three decimal digits, no sign, no leading zero, at most 128. */
static bool prefix_length_read(const char *text, uint8_t *ret_length)
{
    unsigned length = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 3 || text[digits] != 0 || (digits > 1 && text[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        length = length * 10 + (unsigned)(text[i] - '0');
    }
    if (length > 128) {
        return false;
    }
    *ret_length = (uint8_t)length;
    return true;
}

bool field_prefix_read(const char *text, struct ip6 *ret_prefix, uint8_t *ret_length)
{
    struct ip6 prefix;
    const char *rest;
    uint8_t length;

    if (!address_before(text, '/', &prefix, &rest) || !prefix_length_read(rest, &length) ||
        !ip6_equal(prefix, ip6_prefix(prefix, length))) {
        return false;
    }
    *ret_prefix = prefix;
    *ret_length = length;
    return true;
}

bool field_range_read(const char *text, struct ip6 *ret_first, struct ip6 *ret_last)
{
    struct ip6 first, last;
    const char *rest;
    uint8_t length;

    if (field_prefix_read(text, &first, &length)) {
        *ret_first = first;
        *ret_last = ip6_prefix_last(first, length);
        return true;
    }
    if (!address_before(text, '-', &first, &rest) || !field_address_read(rest, &last) ||
        ip6_compare(first, last) > 0) {
        return false;
    }
    *ret_first = first;
    *ret_last = last;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool field_octets_read(const char *text, bool allow_text, uint8_t *buf, size_t buf_size,
                       size_t *ret_size)
{
    size_t size = 0;

    if (allow_text && strncmp(text, "text:", 5) == 0) {
        size = strlen(text + 5);
        if (size > buf_size) {
            return false;
        }
        memcpy(buf, text + 5, size);
        *ret_size = size;
        return true;
    }
    while (*text) {
        int high, low;

        if (*text == ':' && size > 0) {
            text++;
        }
        high = hex_digit(text[0]);
        low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || size == buf_size) {
            return false;
        }
        buf[size++] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    *ret_size = size;
    return true;
}

static bool name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

bool field_name_valid(const char *text)
{
    size_t size = strlen(text), label = 0;

    if (size > 0 && text[size - 1] == '.') {
        size--;
    }
    if (size == 0 || size + 2 > 255) { /* a length octet before, the root label behind */
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!name_char(text[i]) || ++label > 63) {
            return false;
        }
    }
    return label > 0;
}
