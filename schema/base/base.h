/* The vocabulary every layer speaks: errors, slices, ids, assertions.
 *
 * One table of errors serves C callers, HTTP answers and people; nobody keeps a second list.
 * Pure: includes only freestanding headers and calls nothing but ds_assert_fail(). */
#ifndef DS_SCHEMA_BASE_BASE_H
#define DS_SCHEMA_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_NODISCARD __attribute__((warn_unused_result))
#define DS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define DS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Every error the system knows, once.
 * Columns: name, HTTP status, may the caller retry the identical request, text for people. */
/* clang-format off */
#define DS_ERR_TABLE(X)                                                                            \
    X(DS_OK,               200, false, "ok")                                                       \
    X(DS_ERR_LIMIT,        413, false, "larger or longer than allowed")                            \
    X(DS_ERR_NOMEM,        503, true,  "out of memory")                                            \
    X(DS_ERR_DECODE,       400, false, "the bytes do not follow the format")                       \
    X(DS_ERR_SCHEMA,       422, false, "a value is not allowed")                                   \
    X(DS_ERR_USAGE,        400, false, "wrong arguments")                                          \
    X(DS_ERR_NOT_FOUND,    404, false, "not found")                                                \
    X(DS_ERR_EXISTS,       409, false, "it exists already")                                        \
    X(DS_ERR_CONFLICT,     409, false, "not possible as things stand")                             \
    X(DS_ERR_AUTH,         401, false, "unknown, or wrong password, PIN or key")                   \
    X(DS_ERR_FORBIDDEN,    403, false, "not allowed")                                              \
    X(DS_ERR_SIGNATURE,    400, false, "a signature, tag or hash does not match")                  \
    X(DS_ERR_GAP,          409, true,  "earlier work is missing")                                  \
    X(DS_ERR_FORK,         409, false, "same number, other content")                               \
    X(DS_ERR_LOCKED,       423, true,  "locked, or in use by another process")                     \
    X(DS_ERR_BUSY,         503, true,  "too much at once; try again later")                        \
    X(DS_ERR_FULL,         507, true,  "no room left on the disk")                                 \
    X(DS_ERR_IO,           503, true,  "reading or writing failed")                                \
    X(DS_ERR_UNREACHABLE,  503, true,  "the other side cannot be reached")                         \
    X(DS_ERR_NOT_OURS,     502, true,  "an answer came, but not from our server")                  \
    X(DS_ERR_INTEGRITY,    500, false, "stored data does not match its own hash")                  \
    X(DS_ERR_EPOCH,        503, true,  "the server is older than it once was")                     \
    X(DS_ERR_VERSION,      409, false, "made by a newer version than this one")
/* clang-format on */

enum ds_err {
#define DS_ERR_NAME(name, http, retry, text) name,
    DS_ERR_TABLE(DS_ERR_NAME)
#undef DS_ERR_NAME
};

const char *ds_err_name(enum ds_err err); /* "DS_ERR_LIMIT"; static. */
const char *ds_err_text(enum ds_err err); /* For people; static. */
int ds_err_http(enum ds_err err);
bool ds_err_retryable(enum ds_err err);

/* Hand a failure to the caller. Only in functions that hold nothing to release. */
#define DS_TRY(expr)                                                                               \
    do {                                                                                           \
        enum ds_err ds_try_err_ = (expr);                                                          \
        if (ds_try_err_ != DS_OK) {                                                                \
            return ds_try_err_;                                                                    \
        }                                                                                          \
    } while (0)

/* Borrowed bytes: never owns, never NUL-terminated, may be {NULL, 0}. */
struct ds_slice {
    const uint8_t *data;
    size_t size;
};

#define DS_SLICE_LIT(lit) ((struct ds_slice){(const uint8_t *)(lit), sizeof(lit) - 1})
#define DS_SLICE_OF(object) ((struct ds_slice){(const uint8_t *)&(object), sizeof(object)})

bool ds_slice_equal(struct ds_slice a, struct ds_slice b);
/* Bytewise, a prefix is smaller; <0, 0, >0. */
int ds_slice_compare(struct ds_slice a, struct ds_slice b);
/* Borrow a C string without its NUL; NULL gives the empty slice. */
struct ds_slice ds_slice_of_text(const char *text);

/* Entity id. All zero means "none". */
struct ds_id {
    uint8_t byte[16];
};
/* BLAKE2b-256 of something, or a 32-byte public key. */
struct ds_hash {
    uint8_t byte[32];
};

bool ds_id_equal(const struct ds_id *a, const struct ds_id *b);
bool ds_id_is_none(const struct ds_id *id);
bool ds_hash_equal(const struct ds_hash *a, const struct ds_hash *b);
bool ds_hash_is_none(const struct ds_hash *hash);

/* Where and what of a failure, for people. The caller owns it; optional (NULL) last parameter.
 * Never holds personal data. */
#define DS_DETAIL_SIZE 256
struct ds_detail {
    char text[DS_DETAIL_SIZE]; /* NUL-terminated, cut at the end if longer. */
};
/* Join the NUL-terminated parts, the list ends with NULL, into detail->text. A NULL detail is a
 * no-op. It stands in for printf, which the pure layers may not call. */
void ds_detail_set(struct ds_detail *detail, const char *first, ...) __attribute__((sentinel));

/* Programmer errors only; stays on in release builds. Bytes from outside never reach one. */
#define DS_ASSERT(cond) ((cond) ? (void)0 : ds_assert_fail(__FILE__, __LINE__, #cond))
_Noreturn void ds_assert_fail(const char *file, int line, const char *cond);

#endif
