/* Files of the log: their names, the directory's inventory, making segments ready and recycling
 * them.
 *
 * A segment "log-<number>" is on disk in full before the log reaches it: either an old one renamed
 * to the next free number, or zeros written to "prepare.tmp" piece by piece by the checkpoint
 * thread and renamed when they are durable. The switch then costs one open(). Should none be ready
 * (no checkpoint thread, or the disk was full) the journal thread creates an empty one and lets it
 * grow: correct, only slower. Stale batches in a recycled segment are no danger: the chain refuses
 * them. */
#include <inttypes.h>
#include <stdio.h>

#include "journal/internal.h"

#define SEGMENT_PREFIX    "log-"
#define CHECKPOINT_PREFIX "checkpoint-"

int inventory_init(struct inventory *inventory)
{
    *inventory = (struct inventory){
        .segments = calloc(DISK_FILES_MAX, sizeof(inventory->segments[0])),
    };
    return inventory->segments ? 0 : -ENOMEM;
}

void inventory_done(struct inventory *inventory)
{
    free(inventory->segments);
    inventory->segments = NULL;
}

void segment_name(uint64_t number, char *ret_name)
{
    (void)snprintf(ret_name, DISK_NAME_MAX, SEGMENT_PREFIX "%016" PRIx64, number);
}

void checkpoint_name(uint64_t number, char *ret_name)
{
    (void)snprintf(ret_name, DISK_NAME_MAX, CHECKPOINT_PREFIX "%016" PRIx64, number);
}

/* True when name is prefix and exactly 16 lower-case hexadecimal digits. */
static bool name_number(const char *name, const char *prefix, uint64_t *ret_number)
{
    size_t prefix_size = strlen(prefix);
    uint64_t number = 0;

    if (strncmp(name, prefix, prefix_size) != 0 || strlen(name) != prefix_size + 16) {
        return false;
    }
    for (const char *p = name + prefix_size; *p; p++) {
        if (*p >= '0' && *p <= '9') {
            number = number << 4 | (uint64_t)(*p - '0');
        } else if (*p >= 'a' && *p <= 'f') {
            number = number << 4 | (uint64_t)(*p - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret_number = number;
    return number <= INT64_MAX;
}

static void inventory_add(void *arg, const char *name, uint64_t size)
{
    struct inventory *inventory = arg;
    struct numbered_file file = {0, size};

    if (name_number(name, SEGMENT_PREFIX, &file.number)) {
        if (inventory->segment_count == DISK_FILES_MAX) {
            inventory->overflow = true;
            return;
        }
        inventory->segments[inventory->segment_count++] = file;
    } else if (name_number(name, CHECKPOINT_PREFIX, &file.number)) {
        if (inventory->checkpoint_count == CHECKPOINTS_MAX) {
            inventory->overflow = true;
            return;
        }
        inventory->checkpoints[inventory->checkpoint_count++] = file;
    } else if (strcmp(name, NAME_CHECKPOINT_TEMP) == 0) {
        inventory->checkpoint_temp = true;
    } else if (strcmp(name, NAME_PREPARE_TEMP) == 0) {
        inventory->prepare_temp = true;
    }
}

static int numbered_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct numbered_file *)a)->number;
    uint64_t y = ((const struct numbered_file *)b)->number;

    return x < y ? -1 : x > y;
}

int inventory_read(const struct disk *disk, struct inventory *ret_inventory)
{
    struct inventory *inventory = ret_inventory;
    int error;

    inventory->segment_count = 0;
    inventory->checkpoint_count = 0;
    inventory->checkpoint_temp = inventory->prepare_temp = inventory->overflow = false;
    error = disk->ops->list(disk->ctx, inventory_add, inventory);
    if (error) {
        return error;
    }
    qsort(inventory->segments, inventory->segment_count, sizeof(inventory->segments[0]),
          numbered_compare);
    qsort(inventory->checkpoints, inventory->checkpoint_count, sizeof(inventory->checkpoints[0]),
          numbered_compare);
    return inventory->overflow ? -E2BIG : 0;
}

int file_reader_init(struct file_reader *reader, const struct disk *disk)
{
    *reader = (struct file_reader){.disk = disk, .buf = aligned_alloc(DISK_BLOCK, READ_SIZE)};
    return reader->buf ? 0 : -ENOMEM;
}

void file_reader_done(struct file_reader *reader)
{
    if (reader->file) {
        reader->disk->ops->close(reader->disk->ctx, reader->file);
    }
    free(reader->buf);
    *reader = (struct file_reader){0};
}

int file_reader_open(struct file_reader *reader, const char *name)
{
    struct disk_file *file;
    int error;

    if (reader->file && strcmp(reader->name, name) == 0) {
        return 0;
    }
    error = reader->disk->ops->open(reader->disk->ctx, name, false, false, &file);
    if (error) {
        return error;
    }
    if (reader->file) {
        reader->disk->ops->close(reader->disk->ctx, reader->file);
    }
    reader->file = file;
    reader->base = 0;
    reader->len = 0;
    (void)snprintf(reader->name, sizeof(reader->name), "%s", name);
    return 0;
}

int file_reader_get(struct file_reader *reader, uint64_t offset, size_t size,
                    const uint8_t **ret_bytes)
{
    T6_ASSERT(size <= READ_SIZE);
    if (offset < reader->base || offset + size > reader->base + reader->len) {
        int64_t got = reader->disk->ops->read(reader->disk->ctx, reader->file, offset, reader->buf,
                                              READ_SIZE);
        if (got < 0) {
            reader->len = 0;
            return (int)got;
        }
        reader->base = offset;
        reader->len = (size_t)got;
        if (size > reader->len) {
            return 0;
        }
    }
    *ret_bytes = reader->buf + (offset - reader->base);
    return 1;
}

int file_reader_batch(struct file_reader *reader, uint64_t offset, struct batch_header *ret_header,
                      const uint8_t **ret_bytes)
{
    struct batch_header header;
    const uint8_t *bytes;
    int got = file_reader_get(reader, offset, DISK_BLOCK, &bytes);

    if (got <= 0 || !batch_header_parse(bytes, &header)) {
        return got < 0 ? got : 0;
    }
    got = file_reader_get(reader, offset, header.size, &bytes);
    if (got <= 0 || !batch_crc_valid(bytes, &header)) {
        return got < 0 ? got : 0;
    }
    *ret_header = header;
    *ret_bytes = bytes;
    return 1;
}

/* Gives the finished file `from` the next free number. */
static int segment_adopt(struct journal *journal, const char *from)
{
    const struct disk *disk = &journal->config.disk;
    char name[DISK_NAME_MAX];
    uint64_t number;
    int error;

    (void)pthread_mutex_lock(&journal->space_lock);
    number = atomic_load_explicit(&journal->segment_last, memory_order_relaxed) + 1;
    segment_name(number, name);
    error = disk->ops->rename(disk->ctx, from, name);
    if (!error) {
        atomic_store_explicit(&journal->segment_last, number, memory_order_release);
    }
    (void)pthread_mutex_unlock(&journal->space_lock);
    return error;
}

static uint64_t segment_reserve(const struct journal *journal)
{
    return atomic_load_explicit(&journal->segment_last, memory_order_acquire) -
           atomic_load_explicit(&journal->segment_current, memory_order_acquire);
}

static void prepare_close(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;

    if (journal->prepare_file) {
        disk->ops->close(disk->ctx, journal->prepare_file);
        journal->prepare_file = NULL;
    }
    journal->prepare_offset = 0;
}

/* The next piece of zeros; at the end the file becomes a segment. */
static int prepare_piece(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;
    uint64_t left = journal->config.segment_size - journal->prepare_offset;
    size_t size = left < CHECKPOINT_BUFFER ? (size_t)left : (size_t)CHECKPOINT_BUFFER;
    int error;

    memset(journal->buffer, 0, size);
    error = disk->ops->write(disk->ctx, journal->prepare_file, journal->prepare_offset,
                             journal->buffer, size);
    if (error) {
        return error;
    }
    journal->prepare_offset += size;
    /* Each piece is synced, so that no mountain of dirty pages delays a commit's own write. */
    error = disk->ops->sync(disk->ctx, journal->prepare_file);
    if (error || journal->prepare_offset < journal->config.segment_size) {
        return error;
    }
    prepare_close(journal);
    return segment_adopt(journal, NAME_PREPARE_TEMP);
}

int segment_prepare(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;
    int error = 0;

    if (segment_reserve(journal) >= RESERVE_MIN) {
        return 0;
    }
    if (!journal->prepare_file) {
        journal->prepare_offset = 0;
        error = disk->ops->open(disk->ctx, NAME_PREPARE_TEMP, true, false, &journal->prepare_file);
        if (error) {
            journal->prepare_file = NULL;
            return error;
        }
        error = disk->ops->truncate(disk->ctx, journal->prepare_file, 0);
    }
    if (!error) {
        error = prepare_piece(journal);
    }
    if (error) {
        prepare_close(journal);
        /* A half-made file would keep the room the log may need. */
        (void)disk->ops->remove(disk->ctx, NAME_PREPARE_TEMP);
        return error;
    }
    return 1;
}

int segment_switch(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;
    uint64_t number = atomic_load_explicit(&journal->segment_current, memory_order_relaxed) + 1;
    struct disk_file *file;
    char name[DISK_NAME_MAX];
    int error;

    segment_name(number, name);
    if (atomic_load_explicit(&journal->segment_last, memory_order_acquire) >= number) {
        error = disk->ops->open(disk->ctx, name, false, true, &file);
    } else {
        (void)pthread_mutex_lock(&journal->space_lock);
        error = disk->ops->open(disk->ctx, name, true, true, &file);
        if (!error && atomic_load_explicit(&journal->segment_last, memory_order_relaxed) < number) {
            atomic_store_explicit(&journal->segment_last, number, memory_order_release);
        }
        (void)pthread_mutex_unlock(&journal->space_lock);
    }
    if (error) {
        return error;
    }
    if (journal->file) {
        disk->ops->close(disk->ctx, journal->file);
    }
    journal->file = file;
    atomic_store_explicit(&journal->segment_current, number, memory_order_release);
    (void)pthread_mutex_lock(&journal->state_lock);
    journal->at.segment = number;
    journal->at.offset = 0;
    (void)pthread_mutex_unlock(&journal->state_lock);
    return 0;
}

void segment_recycle(struct journal *journal, uint64_t number)
{
    const struct disk *disk = &journal->config.disk;
    struct inventory *inventory = &journal->inventory;
    uint64_t first = number;

    if (inventory_read(disk, inventory) != 0) {
        return; /* the next checkpoint tries again */
    }
    for (size_t i = 0; i < inventory->segment_count; i++) {
        const struct numbered_file *segment = &inventory->segments[i];
        char name[DISK_NAME_MAX];
        int error = -ENOSPC;

        if (segment->number >= number) {
            break;
        }
        segment_name(segment->number, name);
        if (segment->size == journal->config.segment_size &&
            segment_reserve(journal) < journal->reserve_max) {
            error = segment_adopt(journal, name);
        }
        if (error) {
            error = disk->ops->remove(disk->ctx, name);
        }
        if (error && segment->number < first) {
            first = segment->number;
        }
    }
    atomic_store_explicit(&journal->segment_first, first, memory_order_relaxed);
}

/* How many segments stand ready behind the current one; removes what does not fit in: gaps and
 * foreign sizes (after a change of segment_size). */
static int segment_reserve_check(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;
    uint64_t last = journal->at.segment;
    bool keep = true;

    for (size_t i = 0; i < journal->inventory.segment_count; i++) {
        const struct numbered_file *segment = &journal->inventory.segments[i];
        char name[DISK_NAME_MAX];

        if (segment->number <= journal->at.segment) {
            continue;
        }
        keep = keep && segment->number == last + 1 && segment->size == journal->config.segment_size;
        if (keep) {
            last = segment->number;
            continue;
        }
        segment_name(segment->number, name);
        int error = disk->ops->remove(disk->ctx, name);
        if (error) {
            return error;
        }
    }
    atomic_store(&journal->segment_current, journal->at.segment);
    atomic_store(&journal->segment_last, last);
    return 0;
}

/* The very first segment of an empty directory. */
static int segment_create(struct journal *journal)
{
    int made;

    atomic_store(&journal->segment_current, journal->at.segment - 1);
    atomic_store(&journal->segment_last, journal->at.segment - 1);
    do {
        made = segment_prepare(journal);
        if (made < 0) {
            return made;
        }
    } while (segment_reserve(journal) < 1);
    atomic_store(&journal->segment_current, journal->at.segment);
    return 0;
}

int segment_start(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;
    const struct inventory *inventory = &journal->inventory;
    uint64_t first = journal->at.segment;
    bool present = false;
    char name[DISK_NAME_MAX];
    int error;

    for (size_t i = 0; i < inventory->segment_count; i++) {
        uint64_t number = inventory->segments[i].number;

        present = present || number == journal->at.segment;
        first = number < first ? number : first;
    }
    error = segment_reserve_check(journal);
    if (!error && !present) {
        /* What stood behind a missing segment belongs to no chain: start the numbers here. */
        uint64_t last = atomic_load(&journal->segment_last);
        for (; !error && last > journal->at.segment; last--) {
            segment_name(last, name);
            error = disk->ops->remove(disk->ctx, name);
        }
        error = error ? error : segment_create(journal);
    }
    if (error) {
        return error;
    }
    atomic_store(&journal->segment_first, first);
    segment_name(journal->at.segment, name);
    error = disk->ops->open(disk->ctx, name, false, true, &journal->file);
    if (error) {
        journal->file = NULL;
    }
    return error;
}
