#include "server/bundle.h"

#include "sync/core/exchange.h"

#include <stdlib.h>

#define ARENA_SIZE ((size_t)16 * 1024 * 1024)

struct taking {
    struct ds_office *office;
    json_t *items;
    uint64_t taken;
    uint64_t refused;
};

static void refuse(struct taking *taking, size_t index, enum ds_err err,
                   const struct ds_detail *why)
{
    json_t *item = json_pack("{s:I, s:s}", "index", (json_int_t)index, "error", ds_err_name(err));

    if (item != NULL && why->text[0] != '\0') {
        (void)json_object_set_new(item, "detail", json_string(why->text));
    }
    (void)json_array_append_new(taking->items, item);
    taking->refused++;
}

/* One sealed batch: what is wrong with it is told; only the station's own failures come back. */
static enum ds_err take_one(struct taking *taking, size_t index, struct ds_slice sealed,
                            uint8_t *memory)
{
    struct ds_shard *shard = &taking->office->site->shard;
    /* Not the signer's own exchange: the file is told apart by the station as its carrier. */
    struct ds_submission submission = {.carrier = taking->office->site->station};
    struct ds_submission *one = &submission;
    struct ds_detail why = {""};
    struct ds_builder out;

    ds_builder_init(&out, memory, DS_BATCH_SIZE_MAX);
    enum ds_err err = ds_unseal(&shard->secret.box, sealed, &out);

    if (err == DS_OK) {
        err = ds_builder_end(&out, &submission.batch);
    }
    if (err == DS_OK) {
        err = ds_submission_check(shard, &submission, &why);
    }
    if (err == DS_OK) {
        DS_TRY(ds_writer_commit(taking->office->writer, &one, 1));
        err = submission.folded.error;
    }
    if (err != DS_OK) {
        refuse(taking, index, err, &why);
        return DS_OK;
    }
    taking->taken++;
    return DS_OK;
}

static enum ds_err take_all(struct taking *taking, struct ds_slice bytes, uint8_t *memory,
                            struct ds_detail *detail)
{
    struct ds_arena arena;
    struct ds_slice *sealed = NULL;
    size_t count = 0;
    uint8_t *batch = NULL;

    ds_arena_init(&arena, memory, ARENA_SIZE);
    DS_TRY(ds_bundle_parse(bytes, &arena, &sealed, &count, detail));
    batch = ds_arena_room(&arena, DS_BATCH_SIZE_MAX);
    if (batch == NULL) {
        return DS_ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        DS_TRY(take_one(taking, i, sealed[i], batch));
    }
    return DS_OK;
}

enum ds_err ds_bundle_take(struct ds_office *office, const char *path, json_t **answer,
                           struct ds_detail *detail)
{
    struct taking taking = {.office = office, .items = json_array()};
    uint8_t *file = malloc(DS_BUNDLE_SIZE_MAX);
    uint8_t *memory = malloc(ARENA_SIZE);
    struct ds_builder in;
    enum ds_err err = file != NULL && memory != NULL && taking.items != NULL ? DS_OK : DS_ERR_NOMEM;

    *answer = NULL;
    ds_builder_init(&in, file, DS_BUNDLE_SIZE_MAX);
    if (err == DS_OK) {
        err = ds_file_read(path, &in, detail);
    }
    if (err == DS_OK) {
        err = take_all(&taking, (struct ds_slice){in.data, in.used}, memory, detail);
    }
    if (err == DS_OK) {
        *answer = json_pack("{s:I, s:I, s:O}", "taken", (json_int_t)taking.taken, "refused",
                            (json_int_t)taking.refused, "items", taking.items);
    }
    json_decref(taking.items);
    free(file);
    free(memory);
    return err;
}
