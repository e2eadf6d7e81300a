#include "schema/base/text.h"
#include "server/http.h"

#include <arpa/inet.h>
#include <string.h>

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < DS_COUNT(table); i++) {
        if (table[i].status == status) {
            return table[i].reason;
        }
    }
    return "Error";
}

/* On every answer that a browser may see: nothing is to be framed, sniffed, cached or run. */
#define SECURITY_HEADERS                                                                           \
    "Connection: close\r\n"                                                                        \
    "Cache-Control: no-store\r\n"                                                                  \
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'\r\n"     \
    "Cross-Origin-Resource-Policy: same-origin\r\n"                                                \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"

void ds_http_add_header(struct ds_http_answer *answer, const char *name, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if ((uint8_t)*at < ' ' || *at == 0x7f) {
            return;
        }
    }
    ds_put_text(&answer->extra, name);
    ds_put_text(&answer->extra, ": ");
    ds_put_text(&answer->extra, value);
    ds_put_text(&answer->extra, "\r\n");
}

void ds_http_put_head(struct ds_builder *out, const struct ds_http_answer *answer, int64_t size)
{
    struct ds_slice extra = {NULL, 0};

    /* In HTTP/1.0 the connection ends with the answer, and no line need say so. */
    ds_put_text(out, answer->bare ? "HTTP/1.0 " : "HTTP/1.1 ");
    ds_put_decimal(out, answer->status);
    ds_put_text(out, " ");
    ds_put_text(out, reason_of(answer->status));
    ds_put_text(out, answer->bare ? "\r\n" : "\r\n" SECURITY_HEADERS);
    if (answer->content_type != NULL) {
        ds_put_text(out, "Content-Type: ");
        ds_put_text(out, answer->content_type);
        ds_put_text(out, "\r\n");
    }
    if (size >= 0) {
        ds_put_text(out, "Content-Length: ");
        ds_put_decimal(out, size);
        ds_put_text(out, "\r\n");
    }
    if (ds_builder_end(&answer->extra, &extra) == DS_OK) {
        ds_put_bytes(out, extra);
    }
    ds_put_text(out, "\r\n");
}

bool ds_http_listen_ok(const char *listen, bool *loopback)
{
    const char *colon = strrchr(listen, ':');
    char address[INET_ADDRSTRLEN] = "";
    struct in_addr parsed = {0};
    int64_t port = -1;
    size_t size = colon != NULL ? (size_t)(colon - listen) : 0;

    if (size == 0 || size >= sizeof(address)) {
        return false;
    }
    memcpy(address, listen, size);
    if (inet_pton(AF_INET, address, &parsed) != 1 ||
        ds_int_parse(ds_slice_of_text(colon + 1), &port) != DS_OK || port < 0 || port > 65535) {
        return false;
    }
    *loopback = ntohl(parsed.s_addr) >> 24 == 127;
    return true;
}
