/* Octets of a test written as hexadecimal digits, blanks between them as one likes; "(" stands for
 * the two octets of a size, that of what follows up to the matching ")". */
#ifndef TESTS_FAILOVER_HEX_H
#define TESTS_FAILOVER_HEX_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    HEX_DEPTH_MAX = 16,
};

/* Octets written to buf, which must be large enough. */
static inline size_t hex_read(const char *text, uint8_t *buf)
{
    static const char digits_of_16[] = "0123456789abcdef";
    size_t open[HEX_DEPTH_MAX], size, digits = 0;
    unsigned depth = 0;

    for (; *text; text++) {
        const char *at = strchr(digits_of_16, *text);

        if (at) {
            unsigned digit = (unsigned)(at - digits_of_16);

            buf[digits / 2] = (uint8_t)(digits % 2 ? buf[digits / 2] | digit : digit << 4);
            digits++;
        } else if (*text == '(') {
            open[depth++] = digits / 2;
            digits += 4;
        } else if (*text == ')') {
            size = digits / 2 - open[--depth] - 2;
            buf[open[depth]] = (uint8_t)(size >> 8);
            buf[open[depth] + 1] = (uint8_t)size;
        }
    }
    return digits / 2;
}

#endif
