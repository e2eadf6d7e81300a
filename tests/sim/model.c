#include "tests/sim/model.h"

#include <stdio.h>
#include <string.h>

void model_start(struct model *model)
{
    model->count = 0;
}

struct model_op *model_next(struct model *model, char marker[static MODEL_MARKER_SIZE])
{
    if (model->count == MODEL_OPS_MAX) {
        return NULL;
    }
    struct model_op *op = &model->op[model->count];
    memset(op, 0, sizeof *op);
    op->serial = (uint32_t)model->count;
    model->count++;
    (void)snprintf(marker, MODEL_MARKER_SIZE, "#%07u", (unsigned)op->serial);
    return op;
}

void model_drop(struct model *model)
{
    DS_ASSERT(model->count > 0);
    model->count--;
}

struct model_op *model_find(struct model *model, struct ds_slice bytes)
{
    for (size_t at = 0; at + MODEL_MARKER_SIZE - 1 <= bytes.size; at++) {
        if (bytes.data[at] != '#') {
            continue;
        }
        uint32_t serial = 0;
        size_t digits = 0;
        while (digits < 7 && bytes.data[at + 1 + digits] >= '0' &&
               bytes.data[at + 1 + digits] <= '9') {
            serial = serial * 10 + (uint32_t)(bytes.data[at + 1 + digits] - '0');
            digits++;
        }
        if (digits == 7 && serial < model->count) {
            return &model->op[serial];
        }
    }
    return NULL;
}

struct model_op *model_by_id(struct model *model, const struct ds_id *id, unsigned hand,
                             uint8_t type, int64_t instant_ms)
{
    enum { PLACE = 8 }; /* Lane and sequence stand behind the incarnation. */
    struct model_op *renamed = NULL;
    for (size_t i = model->count; i-- > 0;) {
        struct model_op *op = &model->op[i];
        if (!(op->storages >> hand & 1)) {
            continue;
        }
        if (ds_id_equal(&op->op, id)) {
            return op;
        }
        if (memcmp(&op->op.byte[PLACE], &id->byte[PLACE], sizeof(id->byte) - PLACE) == 0 &&
            op->type == type && instant_ms >= op->instant_ms &&
            instant_ms - op->instant_ms <= model->slack_ms) {
            renamed = op;
        }
    }
    return renamed;
}

void model_backup(struct model *model, unsigned storage)
{
    for (size_t i = 0; i < model->count; i++) {
        struct model_op *op = &model->op[i];
        op->backups =
            (op->backups & ~(UINT64_C(1) << storage)) | (op->storages & UINT64_C(1) << storage);
    }
}

void model_restore(struct model *model, unsigned storage)
{
    for (size_t i = 0; i < model->count; i++) {
        struct model_op *op = &model->op[i];
        op->storages =
            (op->storages & ~(UINT64_C(1) << storage)) | (op->backups & UINT64_C(1) << storage);
    }
}

void model_clone(struct model *model, unsigned from, unsigned to)
{
    for (size_t i = 0; i < model->count; i++) {
        model->op[i].storages |= (model->op[i].storages >> from & 1) << to;
    }
}

void model_server_restored(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        model->op[i].acked_before = model->op[i].acked_before || model->op[i].acked;
    }
}
