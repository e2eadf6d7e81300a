/* HTTP requests as bytes on a connection, through civetweb and the adapter: the server lives on, a
 * handler sees only what the rules of http_head.h let through, and every answer is a whole one. */
#include "schema/base/text.h"
#include "server/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX 65536 /* What a socket takes without its reader. */

static struct ds_http *http;
static struct ds_metrics metrics;

static void demand(bool cond)
{
    if (!cond) {
        abort();
    }
}

static void handle(void *context, const struct ds_http_request *request,
                   struct ds_http_answer *answer)
{
    char value[256];
    bool given = false;
    (void)context;
    demand(request->path[0] == '/' && strlen(request->path) <= DS_HTTP_PATH_MAX);
    demand(ds_utf8_ok(ds_slice_of_text(request->path)));
    demand(request->body.size <= DS_HTTP_BODY_MAX);
    demand(request->head.header_count <= DS_HTTP_HEADERS_MAX);
    (void)ds_http_find(&request->head, "Host");
    if (request->head.query != NULL) {
        (void)!ds_http_parameter(request->head.query, "q", value, sizeof(value), &given);
    }
    answer->status = 200;
    answer->content_type = "text/plain";
    ds_put_text(&answer->body, "taken");
}

static void refuse(struct ds_builder *out, int status, const char *why)
{
    ds_put_decimal(out, status);
    ds_put_text(out, why);
}

static void start(void)
{
    const struct ds_http_options options = {.listen = "127.0.0.1:0",
                                            .workers = 1,
                                            .request_timeout_ms = 500,
                                            .body_deadline_ms = 500,
                                            .handle = handle,
                                            .refuse = refuse,
                                            .metrics = &metrics};
    ds_metrics_init(&metrics);
    demand(ds_http_start(&options, &http, NULL) == DS_OK);
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ds_http_port(http))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char answer[8192];
    size_t used = 0;
    ssize_t got = 0;
    if (http == NULL) {
        start();
    }
    if (size > INPUT_MAX) {
        return 0;
    }
    int fd = dial();
    (void)send(fd, data, size, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    while (used < sizeof(answer) - 1 &&
           (got = recv(fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0) {
        used += (size_t)got;
    }
    close(fd);
    answer[used] = '\0';
    if (used > 0) {
        demand(strncmp(answer, "HTTP/1.1 ", 9) == 0 && strstr(answer, "\r\n\r\n") != NULL);
    }
    return 0;
}
