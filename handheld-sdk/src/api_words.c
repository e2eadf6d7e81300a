/* doorstep.h: errors, ids and words. */
#include "handheld-sdk/src/handheld.h"
#include "schema/base/text.h"

#include <string.h>

#define SAME(name) _Static_assert((int)DS_E_##name == (int)DS_ERR_##name, "one table")
_Static_assert((int)DS_E_OK == (int)DS_OK, "one table");
SAME(LIMIT);
SAME(NOMEM);
SAME(DECODE);
SAME(SCHEMA);
SAME(USAGE);
SAME(NOT_FOUND);
SAME(EXISTS);
SAME(CONFLICT);
SAME(AUTH);
SAME(FORBIDDEN);
SAME(SIGNATURE);
SAME(GAP);
SAME(FORK);
SAME(LOCKED);
SAME(BUSY);
SAME(FULL);
SAME(IO);
SAME(UNREACHABLE);
SAME(NOT_OURS);
SAME(INTEGRITY);
SAME(EPOCH);
SAME(VERSION);

_Static_assert((int)DS_HANDHELD_CARD == (int)DS_METHOD_card, "list method");
_Static_assert((int)DS_HANDHELD_UNSAFE == (int)DS_VISIT_unsafe, "list visit_outcome");
_Static_assert((int)DS_HANDHELD_SLOT_NEW_EVIDENCE == (int)DS_SLOT_decided_new_evidence,
               "list slot_state");
_Static_assert((int)DS_HANDHELD_ASK_BLIND == (int)DS_ASK_BLIND, "enum ds_ask");
_Static_assert(DS_HANDHELD_FINDINGS_MAX == DS_FINDINGS_MAX, "one limit, said twice");

const char *ds_handheld_error_name(int error)
{
    return ds_err_name((enum ds_err)error);
}

const char *ds_handheld_error_text(int error)
{
    return ds_err_text((enum ds_err)error);
}

bool ds_handheld_error_retryable(int error)
{
    return ds_err_retryable((enum ds_err)error);
}

int ds_handheld_id_parse(const char *hex, struct ds_handheld_id *id)
{
    struct ds_id parsed;
    if (hex == NULL || id == NULL) {
        return DS_ERR_USAGE;
    }
    enum ds_err err = ds_id_parse(ds_slice_of_text(hex), &parsed);
    if (err == DS_OK) {
        *id = ds_id_to_public(&parsed);
    }
    return (int)err;
}

void ds_handheld_id_print(const struct ds_handheld_id *id, char text[33])
{
    struct ds_builder builder;
    ds_builder_init(&builder, text, 33);
    ds_put_hex(&builder, DS_SLICE_OF(id->byte));
    (void)ds_builder_text(&builder);
}

static enum ds_list list_named(const char *name)
{
    static const struct {
        const char *name;
        enum ds_list list;
    } lists[] = {
#define X(list, LIST) {#list, DS_LIST_##list},
        DS_ENUM_LISTS(X)
#undef X
    };
    for (size_t i = 0; name != NULL && i < DS_COUNT(lists); i++) {
        if (strcmp(lists[i].name, name) == 0) {
            return lists[i].list;
        }
    }
    return DS_LIST_none;
}

const char *ds_handheld_word(const char *list, int64_t number)
{
    enum ds_list found = list_named(list);
    return found == DS_LIST_none ? NULL : ds_enum_name(found, number);
}

const char *ds_handheld_word_zh(const char *list, int64_t number)
{
    enum ds_list found = list_named(list);
    return found == DS_LIST_none ? NULL : ds_enum_term(found, number);
}

int64_t ds_handheld_word_number(const char *list, const char *word)
{
    enum ds_list found = list_named(list);
    return found == DS_LIST_none ? 0 : ds_enum_number(found, ds_slice_of_text(word));
}
