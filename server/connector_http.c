/* Parcels by HTTP: the one file of the server that knows libcurl. */
#include "server/outbox.h"

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX 65536 /* Bytes of an answer that are read; it is not looked at. */

struct ds_connector_http {
    CURL *curl;
    char *url;
    size_t answered;
};

/* As libcurl wants it. NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct ds_connector_http *http = context;

    (void)bytes;
    http->answered += size * count;
    return http->answered <= ANSWER_MAX ? size * count : 0;
}

static bool set_up(struct ds_connector_http *http, uint32_t timeout_ms)
{
    CURL *curl = http->curl;

    return curl_easy_setopt(curl, CURLOPT_URL, http->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, http) == CURLE_OK;
}

enum ds_err ds_connector_http_open(const char *url, uint32_t timeout_ms,
                                   struct ds_connector_http **http)
{
    struct ds_connector_http *made = calloc(1, sizeof(*made));
    size_t size = ds_slice_of_text(url).size + 1;

    *http = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->url = malloc(size);
    made->curl = curl_easy_init();
    if (made->url == NULL || made->curl == NULL) {
        ds_connector_http_close(made);
        return DS_ERR_NOMEM;
    }
    (void)snprintf(made->url, size, "%s", url);
    if (!set_up(made, timeout_ms)) {
        ds_connector_http_close(made);
        return DS_ERR_USAGE;
    }
    *http = made;
    return DS_OK;
}

void ds_connector_http_close(struct ds_connector_http *http)
{
    if (http == NULL) {
        return;
    }
    if (http->curl != NULL) {
        curl_easy_cleanup(http->curl);
    }
    free(http->url);
    free(http);
}

static enum ds_err judge(long status, struct ds_detail *detail)
{
    char text[32];

    if (status >= 200 && status < 300) {
        return DS_OK;
    }
    (void)snprintf(text, sizeof(text), "status %ld", status);
    ds_detail_set(detail, text, (const char *)NULL);
    if (status >= 400 && status < 500 && status != 408 && status != 425 && status != 429) {
        return DS_ERR_SCHEMA;
    }
    return DS_ERR_UNREACHABLE;
}

enum ds_err ds_connector_http_post(struct ds_connector_http *http, const char *key,
                                   struct ds_slice lines, struct ds_detail *detail)
{
    char idempotency[DS_PARCEL_NAME_MAX + 40];
    struct curl_slist *headers = NULL;
    long status = 0;

    (void)snprintf(idempotency, sizeof(idempotency), "Idempotency-Key: \"%s\"", key);
    headers = curl_slist_append(NULL, "Content-Type: application/x-ndjson");
    struct curl_slist *more = headers != NULL ? curl_slist_append(headers, idempotency) : NULL;

    if (more == NULL || curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)lines.size) !=
            CURLE_OK ||
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, (const char *)lines.data) != CURLE_OK) {
        curl_slist_free_all(headers);
        return DS_ERR_NOMEM;
    }
    http->answered = 0;
    CURLcode code = curl_easy_perform(http->curl);

    (void)curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        ds_detail_set(detail, curl_easy_strerror(code), (const char *)NULL);
        return DS_ERR_UNREACHABLE;
    }
    (void)curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    return judge(status, detail);
}
