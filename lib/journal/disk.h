/* The journal's view of a disk: named files in one directory. app/ implements it with the kernel's
 * files, tests and the simulation in memory with torn and lost writes. Calls may block; they come
 * from the journal thread and the checkpoint thread only, a file from one thread at a time. */
#ifndef JOURNAL_DISK_H
#define JOURNAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DISK_BLOCK = 4096,
    DISK_NAME_MAX = 64,
    DISK_FILES_MAX = 16384
};

struct disk_file; /* owned by the implementation */

struct disk_ops {
    /* Names in the directory: calls on_name for each regular file. */
    int (*list)(void *ctx, void (*on_name)(void *arg, const char *name, uint64_t size), void *arg);
    /* durable: each write is on stable storage when it returns (O_DIRECT|O_DSYNC, or write and
     * fdatasync where that is refused); offsets, sizes and buffers are multiples of DISK_BLOCK
     * then. */
    int (*open)(void *ctx, const char *name, bool create, bool durable,
                struct disk_file **ret_file);
    void (*close)(void *ctx, struct disk_file *file);
    int (*write)(void *ctx, struct disk_file *file, uint64_t offset, const uint8_t *buf,
                 size_t size);
    /* Octets read; fewer only at the end of the file; or a negative errno. */
    int64_t (*read)(void *ctx, struct disk_file *file, uint64_t offset, uint8_t *buf, size_t size);
    int (*sync)(void *ctx, struct disk_file *file);
    int (*truncate)(void *ctx, struct disk_file *file, uint64_t size);
    /* Atomic and durable (directory synced) when it returns 0. */
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*remove)(void *ctx, const char *name);
};

struct disk {
    const struct disk_ops *ops;
    void *ctx;
};

#endif
