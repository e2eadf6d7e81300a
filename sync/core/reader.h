/* Reading one canonical msgpack map or array strictly, with failures that name their place.
 *
 * A reader walks a cursor that it shares with readers of outer and inner values. Like the cursor
 * it is sticky: after the first failure everything taken is zero and loops end, so a parser looks
 * at ds_reader_end() alone. Details read "batch header key 7: must be 1..1000" or
 * "request key 4 item 3: not an array". Pure; allocates nothing. Private to sync/core. */
#ifndef DS_SYNC_CORE_READER_H
#define DS_SYNC_CORE_READER_H

#include "schema/base/bytes.h"

/* The set with one key, for ds_reader_end() and ds_reader_has(); keys below 64. */
#define DS_READER_KEY(key) (UINT64_C(1) << (key))
/* What an unsigned number may be unless something narrower is said: it fits an int64_t. */
#define DS_READER_UINT_MAX ((uint64_t)INT64_MAX)

struct ds_reader {
    struct ds_cursor *cursor; /* Borrowed. */
    const char *what;         /* Static text: the object that is read. */
    struct ds_detail *detail; /* May be NULL. */
    enum ds_err err;          /* The first failure. */
    bool in_map;              /* key is meant. */
    uint64_t key;             /* Key of the value that is read. */
    uint64_t keys;            /* Set of keys taken, those below 64. */
    uint32_t left;            /* Pairs not yet taken. */
    size_t item;              /* Number of the array's item that is read, from 1; 0: none. */
};

/* Is bytes one canonical value? The detail is led by what. */
DS_NODISCARD enum ds_err ds_reader_scan(struct ds_slice bytes, const char *what,
                                        struct ds_detail *detail);
/* Begin at a map (its head is taken) or at anything else (nothing is taken). */
void ds_reader_map(struct ds_reader *reader, struct ds_cursor *cursor, const char *what,
                   struct ds_detail *detail);
void ds_reader_bare(struct ds_reader *reader, struct ds_cursor *cursor, const char *what,
                    struct ds_detail *detail);
/* Take the next key into reader->key; false at the end of the map or after a failure. Keys that do
 * not ascend are a failure. */
bool ds_reader_next(struct ds_reader *reader);
bool ds_reader_has(const struct ds_reader *reader, uint64_t keys); /* All of the set were there. */
/* The outcome; DS_ERR_DECODE if a key of the set required was not there. */
DS_NODISCARD enum ds_err ds_reader_end(struct ds_reader *reader, uint64_t required);
/* The same for the reader of an inner value: its failure becomes the outer one's. */
void ds_reader_end_inner(struct ds_reader *outer, struct ds_reader *inner, uint64_t required);

/* Fail with an error and what is wrong here (two texts are joined). The first failure stays. */
void ds_reader_fail(struct ds_reader *reader, enum ds_err err, const char *problem);

/* Take one value. A number outside min..max and bytes of a wrong size are DS_ERR_DECODE. */
uint64_t ds_reader_uint(struct ds_reader *reader, uint64_t min, uint64_t max);
int64_t ds_reader_int(struct ds_reader *reader, int64_t min, int64_t max);
bool ds_reader_bool(struct ds_reader *reader);
struct ds_id ds_reader_id(struct ds_reader *reader);
struct ds_hash ds_reader_hash(struct ds_reader *reader);
/* Exactly size bytes; NULL on failure. */
const uint8_t *ds_reader_fixed(struct ds_reader *reader, size_t size);
/* 1..max bytes. More is DS_ERR_LIMIT. */
struct ds_slice ds_reader_bin(struct ds_reader *reader, size_t max);
struct ds_slice ds_reader_str(struct ds_reader *reader, size_t max);
/* The raw bytes of one map, scanned. */
struct ds_slice ds_reader_raw_map(struct ds_reader *reader);
/* An array of exactly count values: its head is taken. */
void ds_reader_tuple(struct ds_reader *reader, uint32_t count);
/* An array of at most max values (more is DS_ERR_LIMIT): its head is taken, the count comes
 * back. */
uint32_t ds_reader_array(struct ds_reader *reader, uint32_t max);
/* Step over a value that this build does not know; it is scanned. */
void ds_reader_skip(struct ds_reader *reader);

#endif
