#include "schema/base/base.h"

#include <stdarg.h>
#include <string.h>

struct err_row {
    const char *name;
    const char *text;
    int http;
    bool retryable;
};

static const struct err_row err_rows[] = {
#define ROW(err, http, retry, text) [err] = {#err, text, http, retry},
    DS_ERR_TABLE(ROW)
#undef ROW
};

static const struct err_row *row_of(enum ds_err err)
{
    DS_ASSERT((size_t)err < DS_COUNT(err_rows));
    return &err_rows[err];
}

const char *ds_err_name(enum ds_err err)
{
    return row_of(err)->name;
}

const char *ds_err_text(enum ds_err err)
{
    return row_of(err)->text;
}

int ds_err_http(enum ds_err err)
{
    return row_of(err)->http;
}

bool ds_err_retryable(enum ds_err err)
{
    return row_of(err)->retryable;
}

bool ds_slice_equal(struct ds_slice a, struct ds_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int ds_slice_compare(struct ds_slice a, struct ds_slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

struct ds_slice ds_slice_of_text(const char *text)
{
    return (struct ds_slice){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

bool ds_id_equal(const struct ds_id *a, const struct ds_id *b)
{
    return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

static bool all_zero(const uint8_t *data, size_t size)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < size; i++) {
        seen |= data[i];
    }
    return seen == 0;
}

bool ds_id_is_none(const struct ds_id *id)
{
    return all_zero(id->byte, sizeof(id->byte));
}

bool ds_hash_equal(const struct ds_hash *a, const struct ds_hash *b)
{
    return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

bool ds_hash_is_none(const struct ds_hash *hash)
{
    return all_zero(hash->byte, sizeof(hash->byte));
}

void ds_detail_set(struct ds_detail *detail, const char *first, ...)
{
    if (detail == NULL) {
        return;
    }
    size_t used = 0;
    va_list parts;
    va_start(parts, first);
    for (const char *part = first; part != NULL; part = va_arg(parts, const char *)) {
        size_t size = strlen(part);
        size_t room = sizeof(detail->text) - 1 - used;
        size_t take = size < room ? size : room;
        memcpy(detail->text + used, part, take);
        used += take;
    }
    va_end(parts);
    detail->text[used] = '\0';
}
