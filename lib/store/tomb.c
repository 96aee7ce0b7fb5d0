/* Forgotten resources during replay, see tomb.h. */
#include "store/tomb.h"

#include <stdlib.h>

/* The place of the resource, or the empty one where it belongs; the table is never full. */
static struct tomb *tomb_place(const struct tombs *tombs, uint64_t hash,
                               const struct resource *resource)
{
    size_t mask = tombs->place_count - 1;

    for (size_t i = 0;; i++) {
        struct tomb *tomb = &tombs->places[(hash + i) & mask];

        if (tomb->version == 0 || resource_equal(&tomb->resource, resource)) {
            return tomb;
        }
    }
}

static bool tombs_grow(struct tombs *tombs)
{
    struct tombs larger = {.place_count = tombs->place_count ? 2 * tombs->place_count : 1024};

    larger.places = calloc(larger.place_count, sizeof(larger.places[0]));
    if (larger.places == NULL) {
        return false;
    }
    for (size_t i = 0; i < tombs->place_count; i++) {
        const struct tomb *tomb = &tombs->places[i];

        if (tomb->version) {
            *tomb_place(&larger, tomb->hash, &tomb->resource) = *tomb;
        }
    }
    free(tombs->places);
    tombs->places = larger.places;
    tombs->place_count = larger.place_count;
    return true;
}

void tombs_add(struct tombs *tombs, uint64_t hash, const struct resource *resource,
               uint64_t version)
{
    struct tomb *tomb;

    if (4 * (tombs->count + 1) > 3 * tombs->place_count && !tombs_grow(tombs)) {
        tombs->failed = true;
        return;
    }
    tomb = tomb_place(tombs, hash, resource);
    tombs->count += tomb->version == 0;
    if (version > tomb->version) {
        *tomb = (struct tomb){*resource, version, hash};
    }
}

uint64_t tombs_version(const struct tombs *tombs, uint64_t hash, const struct resource *resource)
{
    return tombs->count ? tomb_place(tombs, hash, resource)->version : 0;
}

void tombs_done(struct tombs *tombs)
{
    free(tombs->places);
    *tombs = (struct tombs){0};
}
