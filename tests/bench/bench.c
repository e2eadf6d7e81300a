#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 2048, PATH_MAX_SIZE = 64 };

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    /* va_start() is above. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static FILE *open_proc(long pid, const char *name)
{
    char path[PATH_MAX_SIZE];
    if (pid == 0) {
        (void)snprintf(path, sizeof path, "/proc/self/%s", name);
    } else {
        (void)snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    }
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        bench_fail("no %s", path);
    }
    return file;
}

struct bench_usage bench_usage(long pid)
{
    struct bench_usage usage = {0};
    char line[512];
    unsigned long user = 0;
    unsigned long kernel = 0;
    FILE *file = open_proc(pid, "stat");
    if (fgets(line, sizeof line, file) == NULL) {
        bench_fail("/proc/%ld/stat is empty", pid);
    }
    fclose(file);
    /* Fields 14 and 15, counted behind the name in parentheses (proc(5)). */
    const char *at = strrchr(line, ')');
    /* The kernel wrote it: its form is known. NOLINTNEXTLINE(cert-err34-c) */
    if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                             &kernel) != 2) {
        bench_fail("/proc/%ld/stat is not as in proc(5)", pid);
    }
    usage.cpu_s = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    file = open_proc(pid, "status");
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            usage.rss_peak_kb = strtol(line + 6, NULL, 10);
        }
    }
    fclose(file);
    return usage;
}

/* ---- HTTP ---- */

void bench_link_open(struct bench_link *link, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    link->port = port;
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        bench_fail("nobody serves on port %u", port);
    }
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void bench_link_close(struct bench_link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
    }
    link->fd = -1;
}

static void send_all(struct bench_link *link, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t sent = send(link->fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            bench_fail("the server hung up while it was spoken to");
        }
        at += sent;
        size -= (size_t)sent;
    }
}

/* The head up to its empty line; what came behind it is *rest bytes of the body. */
static size_t read_head(struct bench_link *link, char head[static HEAD_MAX + 1], size_t *rest)
{
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(link->fd, head + used, HEAD_MAX - used, 0);
        if (got <= 0) {
            bench_fail("the server hung up without an answer");
        }
        used += (size_t)got;
        head[used] = '\0';
        const char *end = strstr(head, "\r\n\r\n");
        if (end != NULL) {
            size_t size = (size_t)(end - head) + 4;
            *rest = used - size;
            return size;
        }
        if (used == HEAD_MAX) {
            bench_fail("an answer's head is larger than %d bytes", HEAD_MAX);
        }
    }
}

static size_t length_in(const char *head)
{
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = head; *at != '\0'; at++) {
        size_t i = 0;
        while (name[i] != '\0' && (at[i] | (at[i] >= 'A' && at[i] <= 'Z' ? 0x20 : 0)) == name[i]) {
            i++;
        }
        if (name[i] == '\0') {
            return strtoul(at + i, NULL, 10);
        }
    }
    bench_fail("an answer without Content-Length");
}

int bench_post(struct bench_link *link, const char *path, const uint8_t *body, size_t body_size,
               uint8_t *answer, size_t answer_max, size_t *size)
{
    char head[HEAD_MAX + 1];
    size_t rest = 0;
    if (link->fd < 0) {
        bench_link_open(link, link->port);
    }
    int length = snprintf(head, sizeof head,
                          "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
                          "application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
                          path, link->port, body_size);
    send_all(link, head, (size_t)length);
    send_all(link, body, body_size);
    size_t begin = read_head(link, head, &rest);
    int status = (int)strtol(head + 9, NULL, 10);
    head[begin - 1] = '\0';
    /* HTTP/1.0 closes without a word. */
    bool closes = head[7] == '0' || strstr(head, "Connection: close") != NULL;
    *size = length_in(head);
    if (*size > answer_max || rest > *size) {
        bench_fail("an answer of %zu bytes", *size);
    }
    memcpy(answer, head + begin, rest);
    while (rest < *size) {
        ssize_t got = recv(link->fd, answer + rest, *size - rest, 0);
        if (got <= 0) {
            bench_fail("an answer that was cut");
        }
        rest += (size_t)got;
    }
    link->up += body_size;
    link->down += *size;
    if (closes) {
        bench_link_close(link);
    }
    return status;
}

/* ---- Command line ---- */

const char *bench_option(int count, char **words, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < count; i++) {
        if (strcmp(words[i], name) == 0) {
            return words[i + 1];
        }
    }
    return fallback;
}

uint64_t bench_number(int count, char **words, const char *name, uint64_t fallback)
{
    const char *text = bench_option(count, words, name, NULL);
    char *end = NULL;
    if (text == NULL) {
        return fallback;
    }
    uint64_t number = strtoull(text, &end, 10);
    if (end == text || *end != '\0') {
        bench_fail("%s %s: not a number", name, text);
    }
    return number;
}
