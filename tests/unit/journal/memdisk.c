/* See memdisk.h. Each file has two images: `now`, what a reader sees, and `stable`, what survives a
 * power cut. Names are always stable, as the disk's contract wants. */
#include "memdisk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    FILES_MAX = 512
};

struct image {
    uint8_t *bytes;
    size_t size, room;
};

struct node {
    char name[DISK_NAME_MAX];
    struct image now, stable;
    bool linked; /* has its name */
    unsigned opened;
};

struct disk_file {
    struct node *node;
    bool durable;
    uint64_t life; /* of the machine when it was opened */
};

struct memdisk {
    pthread_mutex_t lock;
    struct node *nodes[FILES_MAX];
    uint64_t life;
    bool off;
    uint64_t operations, cut_at, tear_octets, tear_seed;
    int fail_error;
    unsigned fail_count;
    uint64_t limit;
    bool read_only;
};

static uint64_t random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int image_resize(struct image *image, size_t size)
{
    if (size > image->room) {
        size_t room = size + size / 2;
        uint8_t *bytes = realloc(image->bytes, room);
        if (!bytes) {
            return -ENOMEM;
        }
        image->bytes = bytes;
        image->room = room;
    }
    if (size > image->size) {
        memset(image->bytes + image->size, 0, size - image->size);
    }
    image->size = size;
    return 0;
}

static int image_write(struct image *image, uint64_t offset, const uint8_t *buf, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (offset + size > image->size && image_resize(image, (size_t)offset + size) != 0) {
        return -ENOMEM;
    }
    memcpy(image->bytes + offset, buf, size);
    return 0;
}

static int image_copy(struct image *to, const struct image *from)
{
    int error = image_resize(to, from->size);

    if (!error && from->size) {
        memcpy(to->bytes, from->bytes, from->size);
    }
    return error;
}

static struct node *node_find(const struct memdisk *memdisk, const char *name)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct node *node = memdisk->nodes[i];
        if (node && node->linked && strcmp(node->name, name) == 0) {
            return node;
        }
    }
    return NULL;
}

static struct node *node_new(struct memdisk *memdisk, const char *name)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        if (!memdisk->nodes[i]) {
            struct node *node = calloc(1, sizeof(*node));
            if (node) {
                (void)snprintf(node->name, sizeof(node->name), "%s", name);
                node->linked = true;
                memdisk->nodes[i] = node;
            }
            return node;
        }
    }
    return NULL;
}

static void node_drop(struct memdisk *memdisk, struct node *node)
{
    if (node->linked || node->opened) {
        return;
    }
    for (unsigned i = 0; i < FILES_MAX; i++) {
        if (memdisk->nodes[i] == node) {
            memdisk->nodes[i] = NULL;
        }
    }
    free(node->now.bytes);
    free(node->stable.bytes);
    free(node);
}

static uint64_t used_octets(const struct memdisk *memdisk)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < FILES_MAX; i++) {
        used += memdisk->nodes[i] ? memdisk->nodes[i]->now.size : 0;
    }
    return used;
}

/* Before each changing operation: 0 to go on; *ret_cut when the power fails during it. */
static int operation_begin(struct memdisk *memdisk, bool may_fail, bool *ret_cut)
{
    *ret_cut = false;
    if (memdisk->off) {
        return -EIO;
    }
    if (memdisk->read_only) {
        return -EROFS;
    }
    memdisk->operations++;
    if (memdisk->operations == memdisk->cut_at) {
        *ret_cut = true;
        memdisk->off = true;
        return 0;
    }
    if (may_fail && memdisk->fail_count) {
        memdisk->fail_count--;
        return memdisk->fail_error;
    }
    return 0;
}

static int do_list(void *ctx, void (*on_name)(void *arg, const char *name, uint64_t size),
                   void *arg)
{
    struct memdisk *memdisk = ctx;

    if (memdisk->off) {
        return -EIO;
    }
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct node *node = memdisk->nodes[i];
        if (node && node->linked) {
            on_name(arg, node->name, node->now.size);
        }
    }
    return 0;
}

static int do_open(void *ctx, const char *name, bool create, bool durable,
                   struct disk_file **ret_file)
{
    struct memdisk *memdisk = ctx;
    struct node *node = node_find(memdisk, name);
    struct disk_file *file;
    bool cut;
    int error;

    if (memdisk->off) {
        return -EIO;
    }
    if (!node && !create) {
        return -ENOENT;
    }
    if (!node) {
        error = operation_begin(memdisk, true, &cut);
        if (error) {
            return error;
        }
        if (!cut || memdisk->tear_octets) {
            node = node_new(memdisk, name);
        }
        if (cut || !node) {
            return cut ? -EIO : -ENOSPC;
        }
    }
    file = calloc(1, sizeof(*file));
    if (!file) {
        return -ENOMEM;
    }
    *file = (struct disk_file){node, durable, memdisk->life};
    node->opened++;
    *ret_file = file;
    return 0;
}

static void do_close(void *ctx, struct disk_file *file)
{
    file->node->opened--;
    node_drop(ctx, file->node);
    free(file);
}

/* What of a durable write reaches the disk when the power fails during it. */
static void write_torn(struct memdisk *memdisk, struct node *node, uint64_t offset,
                       const uint8_t *buf, size_t size)
{
    uint64_t seed = memdisk->tear_seed;

    if (!seed) {
        size_t kept = memdisk->tear_octets < size ? (size_t)memdisk->tear_octets : size;
        (void)image_write(&node->stable, offset, buf, kept);
        return;
    }
    for (size_t at = 0; at < size; at += SECTOR) {
        if (random_next(&seed) & 1) {
            size_t piece = size - at < SECTOR ? size - at : SECTOR;
            (void)image_write(&node->stable, offset + at, buf + at, piece);
        }
    }
}

static int do_write(void *ctx, struct disk_file *file, uint64_t offset, const uint8_t *buf,
                    size_t size)
{
    struct memdisk *memdisk = ctx;
    struct node *node = file->node;
    uint64_t end = offset + size;
    bool cut;
    int error;

    if (file->life != memdisk->life) {
        return -EIO;
    }
    if (file->durable &&
        (offset % DISK_BLOCK || size % DISK_BLOCK || (uintptr_t)buf % DISK_BLOCK)) {
        return -EINVAL;
    }
    error = operation_begin(memdisk, true, &cut);
    if (cut) {
        if (file->durable) {
            write_torn(memdisk, node, offset, buf, size);
        }
        return -EIO;
    }
    if (error) {
        if (file->durable && error == -EIO) {
            (void)image_write(&node->now, offset, buf, size / 2);
            (void)image_write(&node->stable, offset, buf, size / 2);
        }
        return error;
    }
    if (end > node->now.size && used_octets(memdisk) + (end - node->now.size) > memdisk->limit) {
        return -ENOSPC;
    }
    error = image_write(&node->now, offset, buf, size);
    if (!error && file->durable) {
        error = image_write(&node->stable, offset, buf, size);
    }
    return error;
}

static int64_t do_read(void *ctx, struct disk_file *file, uint64_t offset, uint8_t *buf,
                       size_t size)
{
    struct memdisk *memdisk = ctx;
    const struct image *image = &file->node->now;

    if (memdisk->off || file->life != memdisk->life) {
        return -EIO;
    }
    if (offset >= image->size) {
        return 0;
    }
    size = image->size - offset < size ? (size_t)(image->size - offset) : size;
    memcpy(buf, image->bytes + offset, size);
    return (int64_t)size;
}

static int do_sync(void *ctx, struct disk_file *file)
{
    struct memdisk *memdisk = ctx;
    bool cut;
    int error;

    if (file->life != memdisk->life) {
        return -EIO;
    }
    error = operation_begin(memdisk, true, &cut);
    return cut ? -EIO : error ? error : image_copy(&file->node->stable, &file->node->now);
}

static int do_truncate(void *ctx, struct disk_file *file, uint64_t size)
{
    struct memdisk *memdisk = ctx;
    bool cut;
    int error;

    if (file->life != memdisk->life) {
        return -EIO;
    }
    error = operation_begin(memdisk, false, &cut);
    return cut ? -EIO : error ? error : image_resize(&file->node->now, (size_t)size);
}

static int do_rename(void *ctx, const char *from, const char *to)
{
    struct memdisk *memdisk = ctx;
    struct node *node = node_find(memdisk, from), *old = node_find(memdisk, to);
    bool cut;
    int error = operation_begin(memdisk, false, &cut);

    if (error || !node) {
        return error ? error : -ENOENT;
    }
    if (cut && !memdisk->tear_octets) {
        return -EIO;
    }
    if (old && old != node) {
        old->linked = false;
        node_drop(memdisk, old);
    }
    (void)snprintf(node->name, sizeof(node->name), "%s", to);
    return cut ? -EIO : 0;
}

static int do_remove(void *ctx, const char *name)
{
    struct memdisk *memdisk = ctx;
    struct node *node = node_find(memdisk, name);
    bool cut;
    int error = operation_begin(memdisk, false, &cut);

    if (error || !node) {
        return error ? error : -ENOENT;
    }
    if (!cut || memdisk->tear_octets) {
        node->linked = false;
        node_drop(memdisk, node);
    }
    return cut ? -EIO : 0;
}

/* The same under the lock. */
#define LOCKED(result, call)                                                                       \
    do {                                                                                           \
        struct memdisk *locked = ctx;                                                              \
        (void)pthread_mutex_lock(&locked->lock);                                                   \
        result = call;                                                                             \
        (void)pthread_mutex_unlock(&locked->lock);                                                 \
    } while (0)

static int locked_list(void *ctx, void (*on_name)(void *arg, const char *name, uint64_t size),
                       void *arg)
{
    int result;
    LOCKED(result, do_list(ctx, on_name, arg));
    return result;
}

static int locked_open(void *ctx, const char *name, bool create, bool durable,
                       struct disk_file **ret_file)
{
    int result;
    LOCKED(result, do_open(ctx, name, create, durable, ret_file));
    return result;
}

static void locked_close(void *ctx, struct disk_file *file)
{
    struct memdisk *memdisk = ctx;
    (void)pthread_mutex_lock(&memdisk->lock);
    do_close(ctx, file);
    (void)pthread_mutex_unlock(&memdisk->lock);
}

static int locked_write(void *ctx, struct disk_file *file, uint64_t offset, const uint8_t *buf,
                        size_t size)
{
    int result;
    LOCKED(result, do_write(ctx, file, offset, buf, size));
    return result;
}

static int64_t locked_read(void *ctx, struct disk_file *file, uint64_t offset, uint8_t *buf,
                           size_t size)
{
    int64_t result;
    LOCKED(result, do_read(ctx, file, offset, buf, size));
    return result;
}

static int locked_sync(void *ctx, struct disk_file *file)
{
    int result;
    LOCKED(result, do_sync(ctx, file));
    return result;
}

static int locked_truncate(void *ctx, struct disk_file *file, uint64_t size)
{
    int result;
    LOCKED(result, do_truncate(ctx, file, size));
    return result;
}

static int locked_rename(void *ctx, const char *from, const char *to)
{
    int result;
    LOCKED(result, do_rename(ctx, from, to));
    return result;
}

static int locked_remove(void *ctx, const char *name)
{
    int result;
    LOCKED(result, do_remove(ctx, name));
    return result;
}

struct disk memdisk_disk(struct memdisk *memdisk)
{
    static const struct disk_ops ops = {
        .list = locked_list,
        .open = locked_open,
        .close = locked_close,
        .write = locked_write,
        .read = locked_read,
        .sync = locked_sync,
        .truncate = locked_truncate,
        .rename = locked_rename,
        .remove = locked_remove,
    };
    return (struct disk){&ops, memdisk};
}

struct memdisk *memdisk_new(void)
{
    struct memdisk *memdisk = calloc(1, sizeof(*memdisk));

    if (memdisk) {
        memdisk->limit = UINT64_MAX;
        (void)pthread_mutex_init(&memdisk->lock, NULL);
    }
    return memdisk;
}

struct memdisk *memdisk_clone(const struct memdisk *memdisk)
{
    struct memdisk *clone = memdisk_new();

    for (unsigned i = 0; clone && i < FILES_MAX; i++) {
        const struct node *node = memdisk->nodes[i];
        if (node && node->linked &&
            memdisk_put(clone, node->name, node->stable.bytes, node->stable.size) != 0) {
            memdisk_free(clone);
            return NULL;
        }
    }
    return clone;
}

void memdisk_free(struct memdisk *memdisk)
{
    if (!memdisk) {
        return;
    }
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct node *node = memdisk->nodes[i];
        if (node) {
            free(node->now.bytes);
            free(node->stable.bytes);
            free(node);
        }
    }
    (void)pthread_mutex_destroy(&memdisk->lock);
    free(memdisk);
}

uint64_t memdisk_operations(const struct memdisk *memdisk)
{
    return memdisk->operations;
}

void memdisk_cut_at(struct memdisk *memdisk, uint64_t operation, uint64_t tear_octets,
                    uint64_t tear_seed)
{
    memdisk->cut_at = operation;
    memdisk->tear_octets = tear_octets;
    memdisk->tear_seed = tear_seed;
}

bool memdisk_is_off(const struct memdisk *memdisk)
{
    return memdisk->off;
}

void memdisk_power_on(struct memdisk *memdisk, uint64_t seed)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct node *node = memdisk->nodes[i];
        if (!node) {
            continue;
        }
        for (size_t at = 0; seed && at < node->now.size; at += DISK_BLOCK) {
            size_t piece = node->now.size - at < DISK_BLOCK ? node->now.size - at : DISK_BLOCK;
            bool same = at + piece <= node->stable.size &&
                        memcmp(node->now.bytes + at, node->stable.bytes + at, piece) == 0;
            if (!same && (random_next(&seed) & 1)) {
                (void)image_write(&node->stable, at, node->now.bytes + at, piece);
            }
        }
        (void)image_copy(&node->now, &node->stable);
    }
    memdisk->off = false;
    memdisk->cut_at = 0;
    memdisk->life++;
}

void memdisk_fail(struct memdisk *memdisk, int error, unsigned count)
{
    memdisk->fail_error = error;
    memdisk->fail_count = count;
}

void memdisk_limit(struct memdisk *memdisk, uint64_t octets)
{
    memdisk->limit = octets;
}

void memdisk_read_only(struct memdisk *memdisk, bool read_only)
{
    memdisk->read_only = read_only;
}

uint8_t *memdisk_bytes(struct memdisk *memdisk, const char *name, size_t *ret_size)
{
    struct node *node = node_find(memdisk, name);

    if (!node) {
        return NULL;
    }
    *ret_size = node->stable.size;
    return node->stable.bytes;
}

int memdisk_put(struct memdisk *memdisk, const char *name, const uint8_t *bytes, size_t size)
{
    struct node *node = node_find(memdisk, name);

    node = node ? node : node_new(memdisk, name);
    if (!node) {
        return -ENOSPC;
    }
    node->now.size = node->stable.size = 0;
    int error = image_write(&node->now, 0, bytes, size);
    return error ? error : image_copy(&node->stable, &node->now);
}

uint64_t memdisk_used(const struct memdisk *memdisk)
{
    return used_octets(memdisk);
}
