#include "handheld-sdk/src/telling.h"

#include "handheld-sdk/src/overlay.h"

#include <string.h>

void ds_put_grouped(struct ds_builder *out, uint64_t value)
{
    if (value >= 1000) {
        ds_put_grouped(out, value / 1000);
        ds_put_u8(out, ',');
        ds_put_u8(out, (uint8_t)('0' + value / 100 % 10));
        ds_put_u8(out, (uint8_t)('0' + value / 10 % 10));
        ds_put_u8(out, (uint8_t)('0' + value % 10));
        return;
    }
    ds_put_decimal(out, (int64_t)value);
}

/* A record's Chinese name stands before the colon of its doc. */
static void put_record_name(struct ds_builder *out, uint64_t number, bool chinese)
{
    const struct ds_record_type *type = ds_record_type_by_number(number);
    if (type == NULL) {
        ds_put_text(out, chinese ? "记录" : "record");
        return;
    }
    const char *colon = strchr(type->doc, ':');
    if (chinese && colon != NULL) {
        ds_put_bytes(out,
                     (struct ds_slice){(const uint8_t *)type->doc, (size_t)(colon - type->doc)});
    } else {
        ds_put_text(out, type->name);
    }
}

static enum ds_err put_meter(struct ds_handheld *h, struct ds_txn *txn, const struct ds_own_op *op,
                             bool chinese, struct ds_builder *out)
{
    struct ds_meter meter;
    bool about_meter = op->type == DS_REC_reading || op->type == DS_REC_swap;
    const struct ds_id *id = op->type == DS_REC_visit   ? &op->subjects[1]
                             : op->type == DS_REC_meter ? &op->entity
                                                        : &op->subjects[0];
    if (!about_meter && op->type != DS_REC_visit && op->type != DS_REC_meter) {
        return DS_OK;
    }
    enum ds_err err = ds_overlay_record(h, txn, DS_REC_meter, id, &meter, NULL);
    if (err == DS_OK && DS_HAS(&meter, meter, meter_no)) {
        ds_put_text(out, chinese ? " 表 " : " of meter ");
        ds_put_bytes(out, meter.meter_no);
    }
    if (op->period != 0) {
        ds_put_text(out, chinese ? "，" : ", ");
        ds_put_decimal(out, op->period);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static void put_word(struct ds_builder *out, enum ds_list list, int64_t number, bool chinese)
{
    const char *word = chinese ? ds_enum_term(list, number) : ds_enum_name(list, number);
    for (; word != NULL && *word != '\0'; word++) {
        ds_put_u8(out, (uint8_t)(*word == '_' ? ' ' : *word));
    }
}

static void put_verdict(const struct ds_verdict *verdict, bool chinese, struct ds_builder *out)
{
    put_word(out, DS_LIST_verdict, verdict->verdict, chinese);
    if (DS_HAS(verdict, verdict, reason)) {
        ds_put_text(out, chinese ? "（" : " (");
        put_word(out, DS_LIST_quarantine_reason, verdict->reason, chinese);
        ds_put_text(out, chinese ? "）" : ")");
    }
    if (DS_HAS(verdict, verdict, detail) && verdict->detail.size > 0) {
        ds_put_text(out, chinese ? "：" : ": ");
        ds_put_bytes(out, verdict->detail);
    }
}

static void put_state(const struct ds_telling *telling, bool chinese, struct ds_builder *out)
{
    switch (telling->state) {
    case DS_HANDHELD_ACKNOWLEDGED:
        ds_put_text(out, chinese ? "已接收" : "received");
        if (telling->position > 0) {
            ds_put_text(out, chinese ? "，位置 " : ", position ");
            ds_put_grouped(out, telling->position);
        }
        break;
    case DS_HANDHELD_SEALED:
        ds_put_text(out, chinese ? "已封装，待回执" : "sealed, waits for its receipt");
        break;
    default:
        ds_put_text(out, chinese ? "已存本机，待发送" : "kept here, not sent yet");
    }
}

enum ds_err ds_tell(struct ds_handheld *h, struct ds_txn *txn, const struct ds_telling *telling,
                    bool chinese, char text[static DS_SENTENCE_SIZE])
{
    static const struct ds_own_op no_op;
    const struct ds_own_op *op = telling->op != NULL ? telling->op : &no_op;
    struct ds_builder out;
    ds_builder_init(&out, text, DS_SENTENCE_SIZE);
    uint64_t type = op->type;
    if (type == 0 && telling->verdict != NULL) {
        type = (uint64_t)DS_GET(telling->verdict, verdict, entity_type, 0);
    }
    put_record_name(&out, type, chinese);
    DS_TRY(put_meter(h, txn, op, chinese, &out));
    ds_put_text(&out, chinese ? "：" : ": ");
    if (telling->verdict != NULL) {
        put_verdict(telling->verdict, chinese, &out);
    } else {
        put_state(telling, chinese, &out);
    }
    (void)ds_builder_text(&out);
    return DS_OK;
}
