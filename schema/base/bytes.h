/* Making and reading bytes: one bounded builder, one checking cursor.
 *
 * The builder writes into memory the caller owns and is sticky on failure: after the first write
 * that does not fit, nothing more is written and ds_builder_end() says so. The cursor checks
 * before it moves and is sticky likewise. Integers are big-endian, so keys sort as numbers. */
#ifndef DS_SCHEMA_BASE_BYTES_H
#define DS_SCHEMA_BASE_BYTES_H

#include "schema/base/base.h"

struct ds_builder {
    uint8_t *data;
    size_t size; /* Room at data. */
    size_t used;
    bool failed;
};

static inline void ds_builder_init(struct ds_builder *builder, void *memory, size_t size);
static inline void ds_put_u8(struct ds_builder *builder, uint8_t value);
static inline void ds_put_u16(struct ds_builder *builder, uint16_t value);
static inline void ds_put_u32(struct ds_builder *builder, uint32_t value);
static inline void ds_put_u64(struct ds_builder *builder, uint64_t value);
static inline void ds_put_bytes(struct ds_builder *builder, struct ds_slice bytes);
void ds_put_text(struct ds_builder *builder, const char *text); /* Without the NUL. */
static inline void ds_put_id(struct ds_builder *builder, const struct ds_id *id);
static inline void ds_put_hash(struct ds_builder *builder, const struct ds_hash *hash);
/* Decimal digits, with '-' when negative. */
void ds_put_decimal(struct ds_builder *builder, int64_t value);
/* Lower-case hex digits of bytes. */
void ds_put_hex(struct ds_builder *builder, struct ds_slice bytes);
/* Borrow what was built; DS_ERR_LIMIT if anything did not fit. Valid while data is. */
DS_NODISCARD enum ds_err ds_builder_end(const struct ds_builder *builder, struct ds_slice *made);
/* NUL-terminate in place and give the text; "" if failed or no room for the NUL. */
const char *ds_builder_text(struct ds_builder *builder);

struct ds_cursor {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool failed;
};

static inline void ds_cursor_init(struct ds_cursor *cursor, struct ds_slice bytes);
static inline size_t ds_cursor_left(const struct ds_cursor *cursor);
/* On failure each returns 0 (or zeroed bytes) and sets failed; at never passes size. */
static inline uint8_t ds_take_u8(struct ds_cursor *cursor);
static inline uint16_t ds_take_u16(struct ds_cursor *cursor);
static inline uint32_t ds_take_u32(struct ds_cursor *cursor);
static inline uint64_t ds_take_u64(struct ds_cursor *cursor);
static inline struct ds_slice ds_take_bytes(struct ds_cursor *cursor, size_t size);
static inline struct ds_id ds_take_id(struct ds_cursor *cursor);
static inline struct ds_hash ds_take_hash(struct ds_cursor *cursor);
/* DS_ERR_DECODE if anything failed or bytes are left. */
DS_NODISCARD static inline enum ds_err ds_cursor_end(const struct ds_cursor *cursor);

/* Some hundred of these are made for each reading that is folded: they are inlined. */
#include "schema/base/bytes_inline.h"

#endif
