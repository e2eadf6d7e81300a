/* One field, one cell: how values stand in tables that people and other systems write.
 *
 * INT: a decimal number times 10^scale (degrees with scale 7 are 1e-7 degrees, cubic metres with
 * scale 3 are litres); by unit also an instant (RFC 3339), a date (2026-01-05) or a period
 * (202601 or 2026-01) when scale is 0. BOOL: 1 0 true false. ENUM: the word or the Chinese term.
 * ID, HASH: hex. HASHES: hex with single spaces between, sorted on reading. BYTES: base64url.
 * (A guard's apostrophe before BYTES is ours and taken away.) Whoever imports decides what an empty
 * cell means; here it is only a TEXT's empty text. Pure. */
#ifndef DS_SCHEMA_CODEC_RECORD_CSV_H
#define DS_SCHEMA_CODEC_RECORD_CSV_H

#include "schema/base/arena.h"
#include "schema/codec/csv.h"
#include "schema/codec/record_text.h"

#define DS_CELL_SCALE_MAX 9

/* Read a cell into a struct's member and check type, range and list. Texts are borrowed from text;
 * made bytes (HASHES, BYTES) lie in arena. A PERSONAL field is refused with DS_ERR_USAGE: its clear
 * text goes through ds_personal_check() and a seal. DS_ERR_SCHEMA "field: what", DS_ERR_LIMIT if
 * arena is full. */
DS_NODISCARD enum ds_err ds_record_from_cell(const struct ds_field *field, struct ds_slice text,
                                             unsigned scale, struct ds_arena *arena, void *member,
                                             struct ds_detail *detail);

struct ds_cell_form {
    unsigned scale;     /* Of an INT: 0..DS_CELL_SCALE_MAX. */
    bool calendar;      /* Units MS and DAY as instants and dates, else as numbers. */
    int32_t offset_min; /* Of instants. */
};
/* Write a member as a cell; a personal field gives an empty cell. member NULL: empty cell. */
void ds_put_cell(struct ds_csv_writer *writer, const struct ds_field *field, const void *member,
                 struct ds_cell_form form);

#endif
