/* How values look in answers (one form everywhere, so that programs need one parser). */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "server/methods_internal.h"

json_t *value_u64(uint64_t value)
{
    char text[24];

    if (value <= 1ULL << 53) { /* what every JSON reader holds exactly (RFC 8259 6) */
        return json_integer((json_int_t)value);
    }
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return json_string(text);
}

json_t *value_time(sec_t time)
{
    time_t unix_s = (time_t)SEC_UNIX_OFFSET + (time_t)time;
    char text[32];
    struct tm tm;

    (void)gmtime_r(&unix_s, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

bool value_time_read(const char *text, sec_t *ret_time)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int64_t unix_s;

    if (end == NULL || *end) {
        return false;
    }
    unix_s = (int64_t)timegm(&tm);
    if (unix_s < (int64_t)SEC_UNIX_OFFSET || unix_s - (int64_t)SEC_UNIX_OFFSET > UINT32_MAX) {
        return false;
    }
    *ret_time = (sec_t)(unix_s - (int64_t)SEC_UNIX_OFFSET);
    return true;
}

json_t *value_hex(struct span octets)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * LEASE_INFO_SIZE_MAX + 1];
    size_t size = octets.size < LEASE_INFO_SIZE_MAX ? octets.size : LEASE_INFO_SIZE_MAX;

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[octets.data[i] >> 4];
        text[2 * i + 1] = digits[octets.data[i] & 15];
    }
    text[2 * size] = '\0';
    return json_string(text);
}

json_t *value_address(struct ip6 address)
{
    char text[FIELD_ADDRESS_TEXT_MAX];

    field_address_write(address, text);
    return json_string(text);
}

json_t *value_prefix(struct ip6 prefix, unsigned length)
{
    char address[FIELD_ADDRESS_TEXT_MAX], text[VALUE_PREFIX_TEXT_MAX];

    field_address_write(prefix, address);
    (void)snprintf(text, sizeof(text), "%s/%u", address, length & 0xff);
    return json_string(text);
}

json_t *value_text(const char *text)
{
    json_t *json = json_string(text);
    char plain[512];
    size_t size = 0;

    if (json) {
        return json;
    }
    for (; text[size] && size < sizeof(plain) - 1; size++) {
        plain[size] = (unsigned char)text[size] < 0x80 ? text[size] : '?';
    }
    plain[size] = '\0';
    return json_string(plain);
}
