/* Memory of the store, see arena.h. */
#include "store/arena.h"

#include <stdint.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20
};

int arena_map(struct arena *arena, size_t size, enum arena_kind kind)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    size_t huge_size = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    uint8_t *p, *aligned;
    size_t lead;

    if (kind == ARENA_SPARSE || size < HUGE_PAGE) {
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
        *arena = (struct arena){p == MAP_FAILED ? NULL : p, size};
        return p == MAP_FAILED ? -ENOMEM : 0;
    }
    /* No MAP_NORESERVE here: without a reservation a missing huge page would be a SIGBUS later. */
    p = mmap(NULL, huge_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1,
             0);
    if (p != MAP_FAILED) {
        *arena = (struct arena){p, huge_size};
        return 0;
    }
    /* One huge page more, so that the piece can begin at a huge page boundary. */
    p = mmap(NULL, huge_size + HUGE_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED) {
        return -ENOMEM;
    }
    lead = (HUGE_PAGE - ((uintptr_t)p & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
    aligned = p + lead;
    if (lead) {
        (void)munmap(p, lead);
    }
    (void)munmap(aligned + huge_size, HUGE_PAGE - lead);
    /* Refused where the kernel has no transparent huge pages; small ones work as well. */
    (void)madvise(aligned, huge_size, MADV_HUGEPAGE);
    *arena = (struct arena){aligned, huge_size};
    return 0;
}

void arena_unmap(struct arena *arena)
{
    if (arena->memory) {
        (void)munmap(arena->memory, arena->size);
    }
    *arena = (struct arena){NULL, 0};
}
