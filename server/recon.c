#include "server/recon.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
    [DS_RECON_MISSING_THERE] = "missing_there",
    [DS_RECON_MISSING_HERE] = "missing_here",
    [DS_RECON_DOUBLED] = "doubled",
    [DS_RECON_AMOUNT] = "amount",
    [DS_RECON_WRONG_DAY] = "wrong_day",
};

const char *ds_recon_type_name(enum ds_recon_type type)
{
    DS_ASSERT(type >= DS_RECON_MISSING_THERE && type <= DS_RECON_WRONG_DAY);
    return type_names[type];
}

enum ds_err ds_recon_add(struct ds_recon_list *list, const struct ds_recon_row *row)
{
    if (list->count >= DS_RECON_ROWS_MAX) {
        return DS_ERR_LIMIT;
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 256 : 2 * list->room;
        struct ds_recon_row *rows = realloc(list->rows, room * sizeof(*rows));

        if (rows == NULL) {
            return DS_ERR_NOMEM;
        }
        list->rows = rows;
        list->room = room;
    }
    list->rows[list->count++] = *row;
    return DS_OK;
}

void ds_recon_free(struct ds_recon_list *list)
{
    free(list->rows);
    memset(list, 0, sizeof(*list));
}

/* By slot and revision: what both sides call one export. */
static int compare_keys(const struct ds_recon_row *a, const struct ds_recon_row *b)
{
    int order = memcmp(&a->slot, &b->slot, sizeof(a->slot));

    if (order != 0) {
        return order;
    }
    return (a->revision > b->revision) - (a->revision < b->revision);
}

static int compare_rows(const void *a, const void *b)
{
    return compare_keys(a, b);
}

static void sort(struct ds_recon_list *list)
{
    if (list->count > 1) {
        qsort(list->rows, list->count, sizeof(*list->rows), compare_rows);
    }
}

static void note(struct ds_recon_result *result, enum ds_recon_type type,
                 const struct ds_recon_row *ours, const struct ds_recon_row *theirs, uint64_t count)
{
    const struct ds_recon_row *row = ours != NULL ? ours : theirs;

    result->by_type[type]++;
    if (result->difference_count++ >= DS_RECON_DIFFERENCES_MAX) {
        return;
    }
    result->differences[result->difference_count - 1] = (struct ds_recon_difference){
        .type = type,
        .slot = row->slot,
        .revision = row->revision,
        .has_ours = ours != NULL,
        .has_theirs = theirs != NULL,
        .ours_l = ours != NULL ? ours->consumption_l : 0,
        .theirs_l = theirs != NULL ? theirs->consumption_l : 0,
        .count = count,
    };
}

/* One key that they have count times, from theirs on; ours is NULL if we did not send it. */
static void judge(struct ds_recon_result *result, const struct ds_recon_row *ours,
                  const struct ds_recon_row *theirs, uint64_t count,
                  const struct ds_recon_list *others)
{
    const struct ds_recon_row *differs = NULL;

    if (ours == NULL) {
        const struct ds_recon_row *elsewhere =
            others->count == 0
                ? NULL
                : bsearch(theirs, others->rows, others->count, sizeof(*others->rows), compare_rows);

        note(result, elsewhere != NULL ? DS_RECON_WRONG_DAY : DS_RECON_MISSING_HERE, elsewhere,
             theirs, count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (theirs[i].consumption_l != ours->consumption_l) {
            differs = &theirs[i];
        }
    }
    if (count > 1) {
        note(result, DS_RECON_DOUBLED, ours, differs != NULL ? differs : theirs, count);
    } else if (differs != NULL) {
        note(result, DS_RECON_AMOUNT, ours, differs, count);
    }
}

static int64_t sum_of(const struct ds_recon_list *list)
{
    int64_t sum = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (__builtin_add_overflow(sum, list->rows[i].consumption_l, &sum)) {
            return INT64_MAX;
        }
    }
    return sum;
}

void ds_recon_compare(struct ds_recon_list *ours, struct ds_recon_list *theirs,
                      struct ds_recon_list *others, struct ds_recon_result *result)
{
    size_t i = 0;
    size_t k = 0;

    memset(result, 0, sizeof(*result));
    sort(ours);
    sort(theirs);
    sort(others);
    result->ours_count = ours->count;
    result->theirs_count = theirs->count;
    result->ours_l = sum_of(ours);
    result->theirs_l = sum_of(theirs);
    while (i < ours->count || k < theirs->count) {
        int order = i == ours->count     ? 1
                    : k == theirs->count ? -1
                                         : compare_keys(&ours->rows[i], &theirs->rows[k]);
        uint64_t count = 0;

        if (order < 0) {
            note(result, DS_RECON_MISSING_THERE, &ours->rows[i++], NULL, 0);
            continue;
        }
        while (k + count < theirs->count &&
               compare_keys(&theirs->rows[k], &theirs->rows[k + count]) == 0) {
            count++;
        }
        judge(result, order == 0 ? &ours->rows[i] : NULL, &theirs->rows[k], count, others);
        i += order == 0;
        k += count;
    }
}
