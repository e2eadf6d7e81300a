/* journal prove, journal check: one op of the journal, shown to somebody who has no journal. */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/codec/record_json_jansson.h"
#include "sync/shard/prove.h"
#include "tools/cli/commands.h"
#include "tools/cli/state.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE_MAX = 512 * 1024, ARENA_SIZE = 512 * 1024, TEXT_SIZE = 2048 };

/* ---- prove ---- */

/* The reading that stands for a meter and a period. */
static enum ds_err find_op(struct ds_state *state, const struct ds_id *meter, uint32_t period,
                           struct ds_id *op, struct ds_detail *detail)
{
    enum { ROOM = 256 * 1024 }; /* A slot is projected in it. */
    struct ds_id id = ds_slot_id(&state->station, meter, DS_REGISTER_mechanical, period);
    struct ds_slot slot;
    struct ds_arena arena;
    void *memory = malloc(ROOM);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory, ROOM);
    enum ds_err err = ds_state_load(state, DS_REC_slot, &id, &arena, &slot);
    if (err == DS_ERR_NOT_FOUND || (err == DS_OK && !DS_HAS(&slot, slot, chosen))) {
        ds_detail_set(detail, "no reading stands for that meter and period", NULL);
        err = DS_ERR_NOT_FOUND;
    }
    if (err == DS_OK) {
        *op = slot.chosen;
    }
    free(memory);
    return err;
}

static enum ds_err which_op(struct ds_cli *cli, struct ds_state *state, struct ds_id *op,
                            struct ds_detail *detail)
{
    const char *text = ds_cli_value(cli, "op");
    const char *number = ds_cli_value(cli, "meter");
    const char *maker = ds_cli_value(cli, "manufacturer");
    struct ds_id meter;
    int64_t period = 0;
    if (text != NULL) {
        ds_detail_set(detail, "--op: 32 hex digits", NULL);
        return ds_id_parse(ds_slice_of_text(text), op) == DS_OK ? DS_OK : DS_ERR_USAGE;
    }
    DS_TRY(ds_cli_number(cli, "period", 190001, 999912, &period, detail));
    if (number == NULL || period == 0) {
        ds_detail_set(detail, "--op, or --meter and --period", NULL);
        return DS_ERR_USAGE;
    }
    if (ds_id_parse(ds_slice_of_text(number), &meter) != DS_OK) {
        if (maker == NULL) {
            ds_detail_set(detail, "--meter by its number needs --manufacturer", NULL);
            return DS_ERR_USAGE;
        }
        meter = ds_meter_id(&state->station, ds_slice_of_text(maker), ds_slice_of_text(number));
    }
    return find_op(state, &meter, (uint32_t)period, op, detail);
}

static enum ds_err ask_proof(struct ds_cli *cli, json_t **answer, struct ds_detail *detail)
{
    struct ds_state state;
    struct ds_id op;
    char text[33];
    DS_TRY(ds_state_open(&state, cli->position[0], detail));
    enum ds_err err = which_op(cli, &state, &op, detail);
    ds_state_end(&state);
    if (err == DS_OK) {
        ds_id_print(&op, text);
        err = ds_state_call(&state, json_pack("{s:s, s:s}", "do", "prove", "op", text), answer,
                            detail);
    }
    ds_state_close(&state);
    return err;
}

enum ds_exit ds_cmd_journal_prove(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    const char *path = ds_cli_value(cli, "out");
    enum ds_err err = ask_proof(cli, &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    json_object_del(answer, "ok");
    char *text = json_dumps(answer, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (text == NULL) {
        err = DS_ERR_NOMEM;
    } else if (path != NULL) {
        err = ds_file_write(path, ds_slice_of_text(text), 0644, &detail);
    }
    json_object_update(cli->answer, answer);
    json_decref(answer);
    if (err == DS_OK && path != NULL) {
        ds_cli_print(cli, "wrote %s; anybody checks it with: doorstep journal check", path);
    } else if (err == DS_OK) {
        ds_cli_print(cli, "%s", text);
    }
    free(text);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

/* ---- check ---- */

struct reading_file {
    const json_t *file;
    struct ds_arena arena;
    struct ds_detail *detail;
    enum ds_err err;
};

static void fail(struct reading_file *in, const char *name)
{
    if (in->err == DS_OK) {
        ds_detail_set(in->detail, name, ": missing, or not what it should be", NULL);
        in->err = DS_ERR_DECODE;
    }
}

static struct ds_slice hex_value(struct reading_file *in, const char *name, const json_t *value,
                                 size_t exactly)
{
    const char *text = json_string_value(value);
    struct ds_slice none = {NULL, 0};
    size_t size = text != NULL ? strlen(text) / 2 : 0;
    uint8_t *memory = ds_arena_alloc(&in->arena, size + 1);
    if (text == NULL || memory == NULL) {
        fail(in, name);
        return none;
    }
    if ((exactly > 0 && size != exactly) ||
        ds_hex_parse(ds_slice_of_text(text), memory, size) != DS_OK) {
        fail(in, name);
        return none;
    }
    return (struct ds_slice){memory, size};
}

static struct ds_slice bytes_of(struct reading_file *in, const char *name, size_t exactly)
{
    return hex_value(in, name, json_object_get(in->file, name), exactly);
}

static void fixed_of(struct reading_file *in, const char *name, void *out, size_t size)
{
    struct ds_slice bytes = bytes_of(in, name, size);
    if (bytes.size == size) {
        memcpy(out, bytes.data, size);
    }
}

/* A list of hashes of at most max; they live in the arena. */
static struct ds_hash *hashes_of(struct reading_file *in, const char *name, size_t max,
                                 size_t *count)
{
    const json_t *list = json_object_get(in->file, name);
    *count = json_array_size(list);
    struct ds_hash *hashes = ds_arena_alloc(&in->arena, (*count + 1) * sizeof(*hashes));
    if (!json_is_array(list) || *count > max || hashes == NULL) {
        fail(in, name);
        *count = 0;
        return NULL;
    }
    for (size_t i = 0; i < *count; i++) {
        struct ds_slice bytes = hex_value(in, name, json_array_get(list, i), sizeof(hashes[i]));
        if (bytes.size == sizeof(hashes[i])) {
            memcpy(hashes[i].byte, bytes.data, bytes.size);
        }
    }
    return hashes;
}

static enum ds_err read_proof(struct reading_file *in, struct ds_op_proof *proof)
{
    const char *what = json_string_value(json_object_get(in->file, "proof"));
    json_int_t position = json_integer_value(json_object_get(in->file, "position"));
    memset(proof, 0, sizeof(*proof));
    if (what == NULL || strcmp(what, "doorstep op 1") != 0) {
        fail(in, "proof");
        return in->err;
    }
    proof->position = position > 0 ? (uint64_t)position : 0;
    proof->head = bytes_of(in, "head", 0);
    fixed_of(in, "head_signature", &proof->head_signature, sizeof(proof->head_signature));
    proof->stub = bytes_of(in, "stub", 0);
    proof->header = bytes_of(in, "header", 0);
    fixed_of(in, "signature", &proof->signature, sizeof(proof->signature));
    fixed_of(in, "device_key", &proof->device_key, sizeof(proof->device_key));
    fixed_of(in, "before", &proof->before, sizeof(proof->before));
    proof->op = bytes_of(in, "op", 0);
    size_t count = 0;
    struct ds_hash *path = hashes_of(in, "path", DS_PROOF_HASHES_MAX, &count);
    if (path != NULL) {
        memcpy(proof->path.hash, path, count * sizeof(*path));
        proof->path.count = count;
    }
    proof->behind = hashes_of(in, "behind", DS_BATCH_OPS_MAX - 1, &proof->behind_count);
    return in->err;
}

static void print_shown(struct ds_cli *cli, const struct ds_op_proof *proof,
                        const struct ds_op_shown *shown)
{
    char id[33];
    char device[33];
    char text[TEXT_SIZE];
    struct ds_builder out;
    const struct ds_record_type *type = ds_record_type_by_number(shown->op.type);
    ds_id_print(&shown->id, id);
    ds_id_print(&shown->batch.device, device);
    ds_builder_init(&out, text, sizeof(text));
    ds_mp_describe(shown->op.fields, &out);
    const char *fields = out.failed ? "(too long to show)" : ds_builder_text(&out);
    ds_cli_put_text(cli, "op", id);
    ds_cli_put_text(cli, "record", type != NULL ? type->name : "unknown");
    ds_cli_put_text(cli, "device", device);
    ds_cli_put_number(cli, "seq", (int64_t)shown->seq);
    ds_cli_put_number(cli, "position", (int64_t)proof->position);
    ds_cli_put_number(cli, "received_ms", shown->entry.instant_ms);
    ds_cli_put_number(cli, "head_size", (int64_t)shown->head.size);
    ds_cli_put_number(cli, "head_ms", shown->head.instant_ms);
    ds_cli_put_text(cli, "fields", fields);
    ds_cli_print(cli, "the journal holds it: %s %s, by device %s, sequence %llu",
                 type != NULL ? type->name : "op", id, device, (unsigned long long)shown->seq);
    ds_cli_print(cli, "entry %llu of %llu, as the server signed",
                 (unsigned long long)proof->position, (unsigned long long)shown->head.size);
    ds_cli_print(cli, "fields by tag: %s", fields);
}

static enum ds_err check_file(struct ds_cli *cli, uint8_t *memory, struct ds_detail *detail)
{
    struct ds_builder bytes;
    struct ds_hash server_key;
    json_t *file = NULL;
    struct reading_file in = {.detail = detail};
    struct ds_op_proof *proof;
    struct ds_op_shown *shown;
    struct ds_slice key = ds_slice_of_text(ds_cli_value(cli, "server-key"));
    if (ds_hex_parse(key, server_key.byte, sizeof(server_key.byte)) != DS_OK) {
        ds_detail_set(detail, "--server-key: 64 hex digits", NULL);
        return DS_ERR_USAGE;
    }
    ds_builder_init(&bytes, memory, FILE_SIZE_MAX);
    DS_TRY(ds_file_read(cli->position[0], &bytes, detail));
    DS_TRY(ds_json_parse((struct ds_slice){bytes.data, bytes.used}, &file, detail));
    ds_arena_init(&in.arena, memory + FILE_SIZE_MAX, ARENA_SIZE);
    in.file = file;
    proof = ds_arena_alloc(&in.arena, sizeof(*proof));
    shown = ds_arena_alloc(&in.arena, sizeof(*shown));
    enum ds_err err = proof != NULL && shown != NULL ? read_proof(&in, proof) : DS_ERR_NOMEM;
    if (err == DS_OK) {
        err = ds_op_check(proof, &server_key, shown, detail);
    }
    if (err == DS_OK) {
        print_shown(cli, proof, shown);
    }
    json_decref(file);
    return err;
}

enum ds_exit ds_cmd_journal_check(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    uint8_t *memory = malloc(FILE_SIZE_MAX + ARENA_SIZE);
    enum ds_err err = memory != NULL ? ds_crypto_init() : DS_ERR_NOMEM;
    if (err == DS_OK) {
        err = check_file(cli, memory, &detail);
    }
    free(memory);
    /* Whatever does not hold is no proof. */
    bool broken = err == DS_ERR_SIGNATURE || err == DS_ERR_DECODE || err == DS_ERR_LIMIT;
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, broken ? DS_ERR_INTEGRITY : err, &detail);
}
