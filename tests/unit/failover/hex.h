/* Octets of a test written as hexadecimal digits, blanks between them as one likes. */
#ifndef TESTS_FAILOVER_HEX_H
#define TESTS_FAILOVER_HEX_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Octets written to buf, which must be large enough. */
static inline size_t hex_read(const char *text, uint8_t *buf)
{
    static const char digits_of_16[] = "0123456789abcdef";
    size_t digits = 0;

    for (; *text; text++) {
        const char *at = strchr(digits_of_16, *text);

        if (at) {
            unsigned digit = (unsigned)(at - digits_of_16);

            buf[digits / 2] = (uint8_t)(digits % 2 ? buf[digits / 2] | digit : digit << 4);
            digits++;
        }
    }
    return digits / 2;
}

#endif
