#include "server/log.h"

#include "schema/base/text.h"

#include <string.h>
#include <unistd.h>

#define LINE_ROOM (DS_LOG_LINE_MAX - 8) /* Room for " cut=1" and the line's end. */

static void add(struct ds_log_line *line, const char *text, size_t size)
{
    if (line->cut || size > LINE_ROOM - line->used) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->used, text, size);
    line->used += size;
}

static void add_text(struct ds_log_line *line, const char *text)
{
    add(line, text, strlen(text));
}

static void add_key(struct ds_log_line *line, const char *key)
{
    add(line, " ", 1);
    add_text(line, key);
    add(line, "=", 1);
}

void ds_log_begin(struct ds_log_line *line, struct ds_log *log, enum ds_log_level level,
                  const char *event)
{
    static const char *const names[] = {"info", "warn", "error"};
    uint8_t instant[40];
    struct ds_builder at;

    line->log = log;
    line->used = 0;
    line->cut = false;
    if (log == NULL || log->fd < 0) {
        return;
    }
    ds_builder_init(&at, instant, sizeof(instant));
    ds_put_instant(&at, log->clock.now_ms(log->clock.context), 0);
    add_text(line, ds_builder_text(&at));
    ds_log_text(line, "level", names[level]);
    ds_log_text(line, "event", event);
}

static bool is_plain(struct ds_slice value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return value.size > 0;
}

void ds_log_slice(struct ds_log_line *line, const char *key, struct ds_slice value)
{
    static const char digits[] = "0123456789abcdef";

    if (line->log == NULL || line->log->fd < 0) {
        return;
    }
    add_key(line, key);
    if (is_plain(value)) {
        add(line, (const char *)value.data, value.size);
        return;
    }
    add(line, "\"", 1);
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];

        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
            add(line, (const char *)&value.data[i], 1);
        } else {
            add(line, (char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4);
        }
    }
    add(line, "\"", 1);
}

void ds_log_text(struct ds_log_line *line, const char *key, const char *value)
{
    ds_log_slice(line, key, ds_slice_of_text(value));
}

void ds_log_number(struct ds_log_line *line, const char *key, int64_t value)
{
    uint8_t digits[24];
    struct ds_builder text;

    ds_builder_init(&text, digits, sizeof(digits));
    ds_put_decimal(&text, value);
    ds_log_text(line, key, ds_builder_text(&text));
}

void ds_log_id(struct ds_log_line *line, const char *key, const struct ds_id *id)
{
    uint8_t digits[40];
    struct ds_builder text;

    ds_builder_init(&text, digits, sizeof(digits));
    ds_put_hex(&text, DS_SLICE_OF(*id));
    ds_log_text(line, key, ds_builder_text(&text));
}

void ds_log_end(struct ds_log_line *line)
{
    static const char cut[] = " cut=1";

    if (line->log == NULL || line->log->fd < 0) {
        return;
    }
    if (line->cut) {
        memcpy(line->text + line->used, cut, sizeof(cut) - 1);
        line->used += sizeof(cut) - 1;
    }
    line->text[line->used++] = '\n';
    /* A log that cannot be written is no reason to stop serving. */
    ssize_t written = write(line->log->fd, line->text, line->used);
    (void)written;
}

void ds_log_error(struct ds_log *log, const char *event, enum ds_err err,
                  const struct ds_detail *detail)
{
    struct ds_log_line line;

    ds_log_begin(&line, log, DS_LOG_ERROR, event);
    ds_log_text(&line, "error", ds_err_name(err));
    if (detail != NULL && detail->text[0] != '\0') {
        ds_log_text(&line, "detail", detail->text);
    }
    ds_log_end(&line);
}
