#include "tools/cli/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

struct ds_charset {
    const char *name;
    bool utf8;
    bool has_in;
    bool has_out;
    iconv_t in;
    iconv_t out;
};

static const struct {
    const char *word; /* Lower case, without hyphens. */
    const char *name;
} known[] = {{"utf8", "UTF-8"}, {"gb18030", "GB18030"}, {"gbk", "GBK"}};

static const char *known_name(const char *name)
{
    char word[16];
    size_t size = 0;
    for (; *name != '\0' && size + 1 < sizeof(word); name++) {
        if (*name != '-' && *name != '_') {
            word[size++] = (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
        }
    }
    word[size] = '\0';
    for (size_t i = 0; i < DS_COUNT(known); i++) {
        if (*name == '\0' && strcmp(known[i].word, word) == 0) {
            return known[i].name;
        }
    }
    return NULL;
}

/* iconv_open() says (iconv_t)-1 for "no such encoding". */
static bool open_both(struct ds_charset *charset)
{
    charset->in = iconv_open("UTF-8", charset->name);
    charset->has_in = (intptr_t)charset->in != -1;
    charset->out = iconv_open(charset->name, "UTF-8");
    charset->has_out = (intptr_t)charset->out != -1;
    return charset->has_in && charset->has_out;
}

enum ds_err ds_charset_open(const char *name, struct ds_charset **charset, struct ds_detail *detail)
{
    const char *found = known_name(name);
    if (found == NULL) {
        ds_detail_set(detail, "encoding ", name, ": known are utf-8, gb18030, gbk", NULL);
        return DS_ERR_SCHEMA;
    }
    struct ds_charset *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->name = found;
    made->utf8 = strcmp(found, "UTF-8") == 0;
    if (!made->utf8 && !open_both(made)) {
        ds_charset_close(made);
        ds_detail_set(detail, "encoding ", name, ": this machine's C library does not have it",
                      NULL);
        return DS_ERR_NOT_FOUND;
    }
    *charset = made;
    return DS_OK;
}

void ds_charset_close(struct ds_charset *charset)
{
    if (charset == NULL) {
        return;
    }
    if (charset->has_in) {
        iconv_close(charset->in);
    }
    if (charset->has_out) {
        iconv_close(charset->out);
    }
    free(charset);
}

bool ds_charset_is_utf8(const struct ds_charset *charset)
{
    return charset->utf8;
}

const char *ds_charset_name(const struct ds_charset *charset)
{
    return charset->name;
}

struct ds_decoded ds_charset_decode(struct ds_charset *charset, struct ds_slice from, bool last,
                                    uint8_t *to, size_t room)
{
    struct ds_decoded done = {.taken = 0};
    DS_ASSERT(!charset->utf8 && room >= 8);
    /* iconv's prototype is older than const; it does not write there. */
    union {
        const uint8_t *bytes;
        char *text;
    } in = {.bytes = from.data};
    char *out = (char *)to;
    size_t left = from.size;
    size_t out_left = room - 1; /* One for the mark of a fault. */
    size_t rc = iconv(charset->in, &in.text, &left, &out, &out_left);
    bool bad = rc == (size_t)-1 && (errno == EILSEQ || (errno == EINVAL && last));
    done.taken = from.size - left;
    done.made = (size_t)(out - (char *)to);
    if (bad && left > 0) {
        to[done.made++] = 0xFF;
        done.taken++;
        done.fault = true;
        (void)iconv(charset->in, NULL, NULL, NULL, NULL);
    }
    return done;
}

void ds_charset_encode(struct ds_charset *charset, struct ds_slice text, struct ds_builder *to)
{
    if (charset->utf8) {
        ds_put_bytes(to, text);
        return;
    }
    union {
        const uint8_t *bytes;
        char *text;
    } in = {.bytes = text.data};
    size_t left = text.size;
    (void)iconv(charset->out, NULL, NULL, NULL, NULL);
    while (left > 0) {
        char piece[256];
        char *out = piece;
        size_t room = sizeof(piece);
        size_t rc = iconv(charset->out, &in.text, &left, &out, &room);
        ds_put_bytes(to, (struct ds_slice){(const uint8_t *)piece, sizeof(piece) - room});
        if (rc == (size_t)-1 && errno != E2BIG && left > 0) {
            ds_put_u8(to, '?');
            in.bytes++;
            left--;
            while (left > 0 && (*in.bytes & 0xC0) == 0x80) {
                in.bytes++;
                left--;
            }
        }
    }
}
