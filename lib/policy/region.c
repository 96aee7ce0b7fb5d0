/* Block-wise memory for configurations. Called by the control core. */
#include "policy/region.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_SIZE = 256 * 1024,
    ALIGNMENT = 16
};

struct region_block {
    struct region_block *next;
    size_t size; /* of bytes */
    _Alignas(ALIGNMENT) uint8_t bytes[];
};

static struct region_block *block_new(struct region *region, size_t size)
{
    struct region_block *block = calloc(1, sizeof(*block) + size);

    if (block) {
        block->size = size;
        block->next = region->blocks;
        region->blocks = block;
        region->used = 0;
    }
    return block;
}

void *region_alloc(struct region *region, size_t count, size_t size)
{
    struct region_block *block = region->blocks;
    size_t need;
    void *memory;

    if (__builtin_mul_overflow(count, size, &need) || need > SIZE_MAX / 2) {
        return NULL;
    }
    need = (need + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!block || block->size - region->used < need) {
        block = block_new(region, need > BLOCK_SIZE ? need : BLOCK_SIZE);
        if (!block) {
            return NULL;
        }
    }
    memory = block->bytes + region->used;
    region->used += need;
    return memory;
}

char *region_copy(struct region *region, const void *data, size_t size)
{
    char *copy = region_alloc(region, size + 1, 1);

    if (copy && size) {
        memcpy(copy, data, size);
    }
    return copy;
}

void region_done(struct region *region)
{
    struct region_block *block = region->blocks, *next;

    for (; block; block = next) {
        next = block->next;
        free(block);
    }
    *region = (struct region){NULL, 0};
}
