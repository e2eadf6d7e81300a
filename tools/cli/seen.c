#include "tools/cli/seen.h"

#include <stdlib.h>
#include <string.h>

/* Ids are hashes already, or nearly: their first bytes spread well enough. */
static struct ds_seen_place *place_of(const struct ds_seen *seen, const struct ds_id *id)
{
    uint64_t start = 0;
    memcpy(&start, id->byte, sizeof(start));
    for (size_t i = (size_t)start;; i++) {
        struct ds_seen_place *place = &seen->places[i & (seen->room - 1)];
        if (ds_id_is_none(&place->id) || ds_id_equal(&place->id, id)) {
            return place;
        }
    }
}

static enum ds_err grow(struct ds_seen *seen)
{
    struct ds_seen larger = {.room = seen->room == 0 ? 1024 : seen->room * 2, .count = seen->count};
    larger.places = calloc(larger.room, sizeof(larger.places[0]));
    if (larger.places == NULL) {
        return DS_ERR_NOMEM;
    }
    for (size_t i = 0; i < seen->room; i++) {
        if (!ds_id_is_none(&seen->places[i].id)) {
            *place_of(&larger, &seen->places[i].id) = seen->places[i];
        }
    }
    free(seen->places);
    *seen = larger;
    return DS_OK;
}

enum ds_err ds_seen_add(struct ds_seen *seen, const struct ds_id *id, uint64_t at, uint64_t *line)
{
    DS_ASSERT(!ds_id_is_none(id));
    if (seen->count == DS_SEEN_MAX) {
        return DS_ERR_LIMIT;
    }
    if (seen->count * 2 >= seen->room) {
        DS_TRY(grow(seen));
    }
    struct ds_seen_place *place = place_of(seen, id);
    *line = place->line;
    if (ds_id_is_none(&place->id)) {
        *place = (struct ds_seen_place){*id, at};
        seen->count++;
    }
    return DS_OK;
}

uint64_t ds_seen_find(const struct ds_seen *seen, const struct ds_id *id)
{
    return seen->room > 0 ? place_of(seen, id)->line : 0;
}

void ds_seen_free(struct ds_seen *seen)
{
    free(seen->places);
    *seen = (struct ds_seen){.places = NULL};
}
