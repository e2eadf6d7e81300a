/* The model: what was promised, kept apart from the product.
 *
 * An op is noted when a recording function returned; from then on it must reach the journal as long
 * as one storage that holds it lives. Each op carries a marker of its own in a text that nobody
 * encrypts, so it is found again by its content, whatever the product calls it. */
#ifndef DS_TESTS_SIM_MODEL_H
#define DS_TESTS_SIM_MODEL_H

#include "schema/base/base.h"

enum { MODEL_OPS_MAX = 1000, MODEL_STORAGES_MAX = 52, MODEL_MARKER_SIZE = 9 };

struct model_op {
    uint32_t serial; /* The marker is "#%07u". */
    unsigned hand;   /* Who recorded it. */
    uint8_t type;    /* Record number. */
    struct ds_id entity;
    struct ds_id op;    /* What the SDK called it; none if the commit's answer was lost. */
    int64_t instant_ms; /* Its handheld's clock when it was recorded. */
    bool certain;       /* The recording function returned DS_E_OK. */
    bool acked;         /* The SDK said that it is under the server's receipt. */
    bool acked_before;  /* ... before the server's last restore. */
    uint64_t held;      /* Position of its row on the handheld then; 0: not held. */
    uint64_t snapshot;  /* The greatest position that its handheld knew of when it was recorded. */
    uint64_t storages;  /* Bit per storage that holds it. */
    uint64_t backups;   /* Bit per storage whose backup holds it. */
    /* Filled by the look at the journal. */
    unsigned found; /* Different places in the journal. */
    uint64_t position;
    struct ds_id place; /* Header's incarnation, lane and sequence. */
    bool folded_row;    /* As the row of an event. */
    bool quarantined;
};

struct model {
    struct model_op op[MODEL_OPS_MAX];
    size_t count;
    int64_t slack_ms; /* How much later than noted an op may say that it was recorded. */
};

void model_start(struct model *model);
/* NULL when full. marker gets the text to put into the op. */
struct model_op *model_next(struct model *model, char marker[static MODEL_MARKER_SIZE]);
/* The next op was not recorded after all. */
void model_drop(struct model *model);
/* The op whose marker stands in bytes; NULL if there is none. */
struct model_op *model_find(struct model *model, struct ds_slice bytes);
/* What a handheld calls an op may change once: a branch renames it and keeps lane and sequence.
 * Then type and instant tell which of the lives' ops of that sequence it is. */
struct model_op *model_by_id(struct model *model, const struct ds_id *id, unsigned hand,
                             uint8_t type, int64_t instant_ms);
void model_backup(struct model *model, unsigned storage);
void model_restore(struct model *model, unsigned storage); /* Back to its backup. */
void model_clone(struct model *model, unsigned from, unsigned to);
void model_server_restored(struct model *model);

#endif
