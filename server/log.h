/* Log lines: key=value, one event a line, no personal data.
 *
 * 2026-01-05T09:30:00.123Z level=info event=exchange device=00ab... ms=3
 * A value that is not plain is written in double quotes with \xNN for everything below space, the
 * quote, the backslash and bytes beyond ASCII, so that no request can begin a line of its own. A
 * line is written with one write(); lines of threads do not mix. */
#ifndef DS_SERVER_LOG_H
#define DS_SERVER_LOG_H

#include "sync/crypto/crypto.h"

#define DS_LOG_LINE_MAX 1024 /* Bytes; what does not fit is left out and "cut=1" says so. */

struct ds_log {
    int fd; /* -1: nothing is written. */
    struct ds_clock clock;
};

struct ds_log_line {
    struct ds_log *log;
    size_t used;
    bool cut;
    char text[DS_LOG_LINE_MAX];
};

enum ds_log_level { DS_LOG_INFO, DS_LOG_WARN, DS_LOG_ERROR };

/* log may be NULL: then all of this does nothing. Keys are literals of the program. */
void ds_log_begin(struct ds_log_line *line, struct ds_log *log, enum ds_log_level level,
                  const char *event);
void ds_log_text(struct ds_log_line *line, const char *key, const char *value);
void ds_log_slice(struct ds_log_line *line, const char *key, struct ds_slice value);
void ds_log_number(struct ds_log_line *line, const char *key, int64_t value);
void ds_log_id(struct ds_log_line *line, const char *key, const struct ds_id *id);
void ds_log_end(struct ds_log_line *line);
/* An event with an error's name and its detail. */
void ds_log_error(struct ds_log *log, const char *event, enum ds_err err,
                  const struct ds_detail *detail);

#endif
