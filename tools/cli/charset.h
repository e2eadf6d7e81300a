/* Texts of other systems in and out of UTF-8, as a stream that knows where each line came from.
 *
 * The encoding is stated by whoever imports, never guessed. A byte that is no text in it becomes
 * one byte 0xFF, which no UTF-8 text holds: so the reader behind it refuses exactly that row, and
 * the rest goes on. The only file of the tools that includes <iconv.h>. */
#ifndef DS_TOOLS_CLI_CHARSET_H
#define DS_TOOLS_CLI_CHARSET_H

#include "schema/base/bytes.h"

struct ds_charset; /* One direction each, one stream at a time. */

/* "utf-8", "gb18030", "gbk"; case and a missing hyphen do not matter. DS_ERR_SCHEMA names the known
 * ones. */
DS_NODISCARD enum ds_err ds_charset_open(const char *name, struct ds_charset **charset,
                                         struct ds_detail *detail);
void ds_charset_close(struct ds_charset *charset); /* NULL is allowed. */
bool ds_charset_is_utf8(const struct ds_charset *charset);
const char *ds_charset_name(const struct ds_charset *charset); /* "GB18030" */

/* One step of decoding. */
struct ds_decoded {
    size_t taken; /* Bytes of `from` that are done; the rest comes again with more behind it. */
    size_t made;  /* Bytes at `to`. */
    bool fault;   /* The last byte made is 0xFF; the byte of `from` before `taken` is at fault. */
};
/* Decode as much as fits into to (at least 8 bytes), up to the first fault. last: nothing comes
 * behind `from`. */
struct ds_decoded ds_charset_decode(struct ds_charset *charset, struct ds_slice from, bool last,
                                    uint8_t *to, size_t room);
/* UTF-8 into the encoding; what it does not have becomes '?'. */
void ds_charset_encode(struct ds_charset *charset, struct ds_slice text, struct ds_builder *to);

#endif
