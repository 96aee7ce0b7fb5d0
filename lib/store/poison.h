/* Tells the address sanitizer which slots nobody may look into, since the arena is one mapping that
 * it cannot judge by itself. Nothing in other builds. Internal to lib/store. */
#ifndef STORE_POISON_H
#define STORE_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STORE_POISON 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define STORE_POISON 1
#endif

#ifdef STORE_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#endif
