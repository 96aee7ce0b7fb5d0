/* The status page, one HTML document made of page/ when the program is built. */
#ifndef TANDEM6D_PAGE_H
#define TANDEM6D_PAGE_H

#include <stddef.h>

extern const unsigned char page_text[];
extern const size_t page_size;
extern const char page_policy[]; /* its Content-Security-Policy */

#endif
