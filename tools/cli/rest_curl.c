#include "schema/codec/record_json_jansson.h"
#include "tools/cli/rest.h"

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ds_rest {
    CURL *curl;
    char base[DS_REST_PATH_MAX];
    char session[256]; /* "Authorization: Bearer ..." */
    uint8_t *answer;
    size_t used;
    bool too_long;
};

enum ds_err ds_rest_open(const char *base, struct ds_rest **rest, struct ds_detail *detail)
{
    struct ds_rest *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->answer = malloc(DS_REST_ANSWER_MAX);
    made->curl = curl_easy_init();
    size_t size = strlen(base);
    while (size > 0 && base[size - 1] == '/') {
        size--;
    }
    if (made->answer == NULL || made->curl == NULL || size >= sizeof(made->base) / 2) {
        ds_detail_set(detail, base, ": cannot be called", NULL);
        ds_rest_close(made);
        return DS_ERR_USAGE;
    }
    snprintf(made->base, sizeof(made->base), "%.*s", (int)size, base);
    *rest = made;
    return DS_OK;
}

void ds_rest_close(struct ds_rest *rest)
{
    if (rest != NULL) {
        if (rest->curl != NULL) {
            curl_easy_cleanup(rest->curl);
        }
        free(rest->answer);
        free(rest);
    }
}

static size_t take(char *bytes, size_t each, size_t count, void *context)
{
    struct ds_rest *rest = context;
    size_t size = each * count;
    if (size > DS_REST_ANSWER_MAX - rest->used) {
        rest->too_long = true;
        return 0;
    }
    memcpy(rest->answer + rest->used, bytes, size);
    rest->used += size;
    return size;
}

static enum ds_err parse(const struct ds_rest *rest, json_t **answer, struct ds_detail *detail)
{
    *answer = NULL;
    if (rest->used == 0) {
        return DS_OK;
    }
    return ds_json_parse_sized((struct ds_slice){rest->answer, rest->used}, DS_REST_ANSWER_MAX,
                               answer, detail);
}

/* The error that a problem names, by its code; else by its status. */
static enum ds_err problem(const struct ds_rest *rest, long status, const char *path,
                           struct ds_detail *detail)
{
    char number[16];
    json_t *body = NULL;
    enum ds_err found = status >= 500 ? DS_ERR_UNREACHABLE : DS_ERR_NOT_OURS;
    struct ds_detail why = {""};
    if (parse(rest, &body, NULL) == DS_OK && json_is_object(body)) {
        const char *code = json_string_value(json_object_get(body, "code"));
        const char *words = json_string_value(json_object_get(body, "detail"));
        for (int err = DS_ERR_LIMIT; code != NULL && err <= DS_ERR_VERSION; err++) {
            found = strcmp(ds_err_name((enum ds_err)err), code) == 0 ? (enum ds_err)err : found;
        }
        ds_detail_set(&why, words != NULL ? words : "", NULL);
    }
    json_decref(body);
    snprintf(number, sizeof(number), "%ld", status);
    ds_detail_set(detail, path, ": HTTP ", number, " ", why.text, NULL);
    return found;
}

static enum ds_err perform(struct ds_rest *rest, const char *url, const char *body, long *status,
                           struct ds_detail *detail)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (headers != NULL && rest->session[0] != '\0') {
        struct curl_slist *more = curl_slist_append(headers, rest->session);
        headers = more != NULL ? more : headers;
    }
    rest->used = 0;
    rest->too_long = false;
    curl_easy_reset(rest->curl);
    curl_easy_setopt(rest->curl, CURLOPT_URL, url);
    curl_easy_setopt(rest->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(rest->curl, CURLOPT_TIMEOUT, (long)DS_REST_TIMEOUT_S);
    curl_easy_setopt(rest->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(rest->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(rest->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(rest->curl, CURLOPT_WRITEDATA, rest);
    if (body != NULL) {
        curl_easy_setopt(rest->curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(rest->curl);
    curl_slist_free_all(headers);
    if (rest->too_long) {
        ds_detail_set(detail, url, ": an answer larger than 16 MiB", NULL);
        return DS_ERR_LIMIT;
    }
    if (code != CURLE_OK) {
        ds_detail_set(detail, url, ": ", curl_easy_strerror(code), NULL);
        return DS_ERR_UNREACHABLE;
    }
    curl_easy_getinfo(rest->curl, CURLINFO_RESPONSE_CODE, status);
    return DS_OK;
}

enum ds_err ds_rest_call(struct ds_rest *rest, const char *path, const json_t *body,
                         json_t **answer, struct ds_detail *detail)
{
    char url[2 * DS_REST_PATH_MAX];
    long status = 0;
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    int size = snprintf(url, sizeof(url), "%s%s", rest->base, path);
    if (size < 0 || (size_t)size >= sizeof(url) || (body != NULL && text == NULL)) {
        free(text);
        return DS_ERR_LIMIT;
    }
    enum ds_err err = perform(rest, url, text, &status, detail);
    free(text);
    DS_TRY(err);
    if (status < 200 || status > 299) {
        return problem(rest, status, path, detail);
    }
    return parse(rest, answer, detail);
}

enum ds_err ds_rest_login(struct ds_rest *rest, const char *user, const char *password,
                          struct ds_detail *detail)
{
    json_t *answer = NULL;
    json_t *body = json_pack("{s:s, s:s}", "user", user, "password", password);
    if (body == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_rest_call(rest, "/api/v1/login", body, &answer, detail);
    json_decref(body);
    DS_TRY(err);
    const char *session = json_string_value(json_object_get(answer, "session"));
    if (session == NULL) {
        json_decref(answer);
        return DS_ERR_NOT_OURS;
    }
    snprintf(rest->session, sizeof(rest->session), "Authorization: Bearer %s", session);
    json_decref(answer);
    return DS_OK;
}
