/* Pages over the queue of open items: by money at risk, then by id. Private to server/. */
#ifndef DS_SERVER_QUEUE_H
#define DS_SERVER_QUEUE_H

#include "server/call.h"

#define DS_QUEUE_KEY_SIZE 25   /* type, inverted risk, id */
#define DS_QUEUE_SCAN_MAX 5000 /* Items that one page looks at for its filter. */

struct ds_queue_page {
    struct ds_call *call;
    struct ds_view *view;
    uint8_t type;
    struct ds_key at;
    uint8_t last[DS_QUEUE_KEY_SIZE];
    size_t left;
    size_t count;
    size_t scanned;
    size_t scanned_max;
    bool more;
};
/* limit= and after= are taken here; writes {"items":[ */
DS_NODISCARD enum ds_err ds_queue_begin(struct ds_call *call, struct ds_view *view, uint8_t type,
                                        struct ds_queue_page *page);
/* The next open item; false at the end or on an error. */
bool ds_queue_next(struct ds_queue_page *page, struct ds_id *id, enum ds_err *err);
/* An item is going to be written. */
void ds_queue_comma(struct ds_queue_page *page);
/* Writes ],"next":...,"position":...} */
DS_NODISCARD enum ds_err ds_queue_end(struct ds_queue_page *page);

#endif
