/* The only file that knows libcurl. */
#include "handheld-sdk/src/transport.h"
#include "schema/base/text.h"

#include <curl/curl.h>

#include <string.h>

enum { PINS_TEXT_SIZE = DS_PINS_MAX * 64, CONNECT_TIMEOUT_S = 15, SLOWEST_BYTES_S = 16 };

struct sink {
    const struct ds_handheld_post *post;
    size_t used;
    bool too_large;
};

static size_t take_bytes(char *bytes, size_t one, size_t count, void *context)
{
    struct sink *sink = context;
    size_t size = one * count;
    if (size > sink->post->answer_max - sink->used) {
        sink->too_large = true;
        return 0;
    }
    memcpy(sink->post->answer + sink->used, bytes, size);
    sink->used += size;
    return size;
}

/* "sha256//BASE64=;sha256//BASE64=": base64url differs from base64 by two letters and padding. */
static const char *pins_text(const struct ds_handheld_post *post, struct ds_builder *text)
{
    for (size_t i = 0; i < post->pin_count; i++) {
        ds_put_text(text, i > 0 ? ";sha256//" : "sha256//");
        size_t start = text->used;
        ds_put_base64url(text, (struct ds_slice){post->pins[i], 32});
        for (size_t at = start; at < text->used; at++) {
            uint8_t letter = text->data[at];
            text->data[at] = letter == '-' ? '+' : letter == '_' ? '/' : letter;
        }
        ds_put_text(text, "=");
    }
    return ds_builder_text(text);
}

static CURLcode set_safety(CURL *curl, const char *pins)
{
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    if (pins[0] == '\0') {
        rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
        return rc;
    }
    /* The pinned key is the check; dates and names of certificates are none (trust.md, F17). */
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    return rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pins);
}

static CURLcode set_call(CURL *curl, unsigned timeout_s, const struct ds_handheld_post *post,
                         struct sink *sink)
{
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_URL, post->url);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_POST, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post->body);
    rc = rc != CURLE_OK
             ? rc
             : curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body_size);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)timeout_s);
    rc = rc != CURLE_OK ? rc
                        : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    rc = rc != CURLE_OK ? rc
                        : curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST_BYTES_S);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)timeout_s);
    return rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

static int error_of(CURLcode rc, const struct sink *sink, struct ds_detail *detail)
{
    if (rc == CURLE_OK) {
        return DS_OK;
    }
    ds_detail_set(detail, curl_easy_strerror(rc), NULL);
    if (sink->too_large) {
        return DS_ERR_LIMIT;
    }
    if (rc == CURLE_OUT_OF_MEMORY) {
        return DS_ERR_NOMEM;
    }
    return rc == CURLE_SSL_PINNEDPUBKEYNOTMATCH ? DS_ERR_SIGNATURE : DS_ERR_UNREACHABLE;
}

/* Host and Content-Length are enough: each of the others costs more than a reading. NULL: no
 * memory. */
static struct curl_slist *fewest_headers(void)
{
    static const char *const dropped[] = {"Accept:", "Content-Type:", "Expect:"};
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < DS_COUNT(dropped); i++) {
        struct curl_slist *longer = curl_slist_append(list, dropped[i]);
        if (longer == NULL) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

int ds_transport_curl(void **state, unsigned timeout_s, const struct ds_handheld_post *post,
                      struct ds_detail *detail)
{
    if (*state == NULL) {
        *state = curl_easy_init();
    }
    CURL *curl = *state;
    if (curl == NULL) {
        return DS_ERR_NOMEM;
    }
    uint8_t memory[PINS_TEXT_SIZE];
    struct ds_builder pins;
    struct sink sink = {.post = post};
    curl_easy_reset(curl); /* Options go, the open connection stays. */
    ds_builder_init(&pins, memory, sizeof(memory));
    struct curl_slist *headers = fewest_headers();
    if (headers == NULL) {
        return DS_ERR_NOMEM;
    }
    CURLcode rc = set_safety(curl, pins_text(post, &pins));
    rc = rc != CURLE_OK ? rc : set_call(curl, timeout_s, post, &sink);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    rc = rc != CURLE_OK ? rc : curl_easy_perform(curl);
    long status = 0;
    if (rc == CURLE_OK) {
        rc = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    *post->status = (int)status;
    *post->answer_size = sink.used;
    return error_of(rc, &sink, detail);
}

void ds_transport_curl_close(void *state)
{
    if (state != NULL) {
        curl_easy_cleanup(state);
    }
}
