#include "handheld-sdk/src/transport.h"

#include <string.h>

enum { URL_MAX = DS_URL_SIZE_MAX + 64 };

enum ds_err ds_transport_post(struct ds_handheld *h, const char *path, struct ds_slice body,
                              struct ds_builder *answer, int *status, struct ds_detail *detail)
{
    char url[URL_MAX];
    uint8_t pins[DS_PINS_MAX][32];
    struct ds_builder builder;
    size_t answer_size = 0;
    *status = 0;
    DS_TRY(ds_hand_enter(h, DS_OPEN_NONE));
    ds_builder_init(&builder, url, sizeof(url));
    ds_put_text(&builder, h->identity.url);
    ds_put_text(&builder, path);
    for (size_t i = 0; i < DS_PINS_MAX; i++) {
        memcpy(pins[i], h->identity.pins[i].byte, sizeof(pins[i]));
    }
    size_t pin_count = h->identity.pin_count;
    DS_TRY((enum ds_err)ds_hand_leave(h, DS_OK));
    struct ds_handheld_post post = {.url = ds_builder_text(&builder),
                                    .body = body.data,
                                    .body_size = body.size,
                                    .pins = (const uint8_t(*)[32])pins,
                                    .pin_count = pin_count,
                                    .answer = answer->data,
                                    .answer_max = answer->size,
                                    .answer_size = &answer_size,
                                    .status = status};
    int error = h->transport.post != NULL
                    ? h->transport.post(h->transport.context, &post)
                    : ds_transport_curl(&h->curl, h->timeout_s, &post, detail);
    if (error != 0) {
        return (enum ds_err)error;
    }
    if (answer_size > answer->size) {
        return DS_ERR_LIMIT;
    }
    answer->used = answer_size;
    return DS_OK;
}

void ds_transport_close(struct ds_handheld *h)
{
    ds_transport_curl_close(h->curl);
    h->curl = NULL;
}
