/* The admin socket: the daemon's listening thread, and the command line's side of it. */
#include "schema/codec/record_json_jansson.h"
#include "server/admin_call.h"
#include "server/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_NAME "admin.sock"
#define CLIENTS_MAX 8 /* Commands that are served at a time; the next waits. */
#define BACKLOG 16
#define LINE_ROOM (DS_ADMIN_LINE_MAX + 1) /* With the line's end. */

/* A socket's address has 107 bytes; DIR may be longer. So it is named through a handle of DIR. */
static enum ds_err address_of(const char *dir, int *dir_fd, struct sockaddr_un *address)
{
    *dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd < 0) {
        return errno == ENOENT ? DS_ERR_NOT_FOUND : DS_ERR_IO;
    }
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/" SOCKET_NAME,
                   *dir_fd);
    return DS_OK;
}

/* ---- Lines ---- */

static enum ds_err send_line(int fd, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    size_t size = text != NULL ? strlen(text) : 0;
    size_t done = 0;
    enum ds_err err = text != NULL ? DS_OK : DS_ERR_NOMEM;

    if (err == DS_OK && size > DS_ADMIN_LINE_MAX) {
        err = DS_ERR_LIMIT;
    }
    if (err == DS_OK) {
        text[size++] = '\n'; /* In place of its NUL. */
    }
    while (err == DS_OK && done < size) {
        ssize_t sent = send(fd, text + done, size - done, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            err = DS_ERR_UNREACHABLE;
        } else {
            done += (size_t)sent;
        }
    }
    free(text);
    return err;
}

/* A line of at most DS_ADMIN_LINE_MAX bytes into memory of LINE_ROOM; what follows it stays there
 * for the next call. */
static enum ds_err read_line(int fd, uint8_t *memory, size_t *held, size_t *line_size)
{
    for (;;) {
        const uint8_t *end = memchr(memory, '\n', *held);

        if (end != NULL) {
            *line_size = (size_t)(end - memory);
            return DS_OK;
        }
        if (*held == LINE_ROOM) {
            return DS_ERR_LIMIT;
        }
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, DS_ADMIN_TIMEOUT_MS);

        if (ready < 0 && errno == EINTR) {
            continue;
        }
        ssize_t size = ready == 1 ? recv(fd, memory + *held, LINE_ROOM - *held, 0) : 0;

        if (size <= 0) {
            return DS_ERR_UNREACHABLE;
        }
        *held += (size_t)size;
    }
}

static void drop_line(uint8_t *memory, size_t *held, size_t line_size)
{
    *held -= line_size + 1;
    memmove(memory, memory + line_size + 1, *held);
}

/* ---- The daemon's side ---- */

struct client {
    struct ds_admin_server *server;
    pthread_t thread;
    int fd; /* -1: free. Under the server's lock. */
    bool ended;
};
struct ds_admin_server {
    struct ds_office *office;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int dir_fd;
    int fd;
    bool stopping;
    struct client clients[CLIENTS_MAX];
};

static void *serve_client(void *context)
{
    struct client *client = context;
    struct ds_admin_server *server = client->server;
    uint8_t *memory = malloc(LINE_ROOM);
    size_t held = 0;
    size_t size = 0;

    while (memory != NULL && read_line(client->fd, memory, &held, &size) == DS_OK) {
        struct ds_detail detail = {""};
        json_t *request = NULL;
        json_t *answer = NULL;

        if (ds_json_parse((struct ds_slice){memory, size}, &request, &detail) == DS_OK) {
            answer = ds_admin_execute(server->office, request);
        } else {
            answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "error", "DS_ERR_DECODE", "detail",
                               detail.text);
        }
        json_decref(request);
        drop_line(memory, &held, size);
        enum ds_err err = send_line(client->fd, answer);

        json_decref(answer);
        if (err != DS_OK) {
            break;
        }
    }
    free(memory);
    pthread_mutex_lock(&server->lock);
    client->ended = true;
    pthread_cond_broadcast(&server->freed);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* Join the threads that ended. Under the lock. */
static void reap(struct ds_admin_server *server)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &server->clients[i];

        if (client->fd >= 0 && client->ended) {
            (void)pthread_join(client->thread, NULL); /* It holds no lock any more. */
            (void)close(client->fd);
            client->fd = -1;
        }
    }
}

static struct client *free_client(struct ds_admin_server *server)
{
    for (;;) {
        reap(server);
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            if (server->clients[i].fd < 0) {
                return &server->clients[i];
            }
        }
        if (server->stopping) {
            return NULL;
        }
        (void)pthread_cond_wait(&server->freed, &server->lock);
    }
}

static void welcome(struct ds_admin_server *server, int fd)
{
    pthread_mutex_lock(&server->lock);
    struct client *client = free_client(server);

    if (client == NULL || server->stopping) {
        (void)close(fd);
    } else {
        client->server = server;
        client->fd = fd;
        client->ended = false;
        if (pthread_create(&client->thread, NULL, serve_client, client) != 0) {
            (void)close(fd);
            client->fd = -1;
        }
    }
    pthread_mutex_unlock(&server->lock);
}

static void *accept_clients(void *context)
{
    struct ds_admin_server *server = context;

    for (;;) {
        int fd = accept(server->fd, NULL, NULL);

        if (fd >= 0) {
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
            welcome(server, fd);
            continue;
        }
        pthread_mutex_lock(&server->lock);
        bool stopping = server->stopping;

        pthread_mutex_unlock(&server->lock);
        if (stopping) {
            return NULL;
        }
        /* Out of handles, say: wait for one to come free instead of turning in circles. */
        (void)poll(NULL, 0, 100);
    }
}

static enum ds_err listen_at(struct ds_admin_server *server, struct ds_detail *detail)
{
    struct sockaddr_un address;

    DS_TRY(address_of(server->office->site->dir, &server->dir_fd, &address));
    server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(address.sun_path); /* A dead daemon's: we hold DIR's lock. */
    if (server->fd < 0 ||
        bind(server->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(address.sun_path, 0600) != 0 || listen(server->fd, BACKLOG) != 0) {
        ds_detail_set(detail, SOCKET_NAME ": cannot be made", (const char *)NULL);
        return DS_ERR_IO;
    }
    return DS_OK;
}

static void free_server(struct ds_admin_server *server)
{
    if (server->fd >= 0) {
        (void)close(server->fd);
    }
    if (server->dir_fd >= 0) {
        (void)unlinkat(server->dir_fd, SOCKET_NAME, 0);
        (void)close(server->dir_fd);
    }
    (void)pthread_cond_destroy(&server->freed);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

enum ds_err ds_admin_serve(struct ds_office *office, struct ds_admin_server **server,
                           struct ds_detail *detail)
{
    struct ds_admin_server *made = calloc(1, sizeof(*made));

    *server = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->office = office;
    made->fd = -1;
    made->dir_fd = -1;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        made->clients[i].fd = -1;
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->freed, NULL);
    enum ds_err err = listen_at(made, detail);

    if (err == DS_OK && pthread_create(&made->thread, NULL, accept_clients, made) != 0) {
        err = DS_ERR_NOMEM;
    }
    if (err != DS_OK) {
        free_server(made);
        return err;
    }
    *server = made;
    return DS_OK;
}

void ds_admin_server_stop(struct ds_admin_server *server)
{
    if (server == NULL) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->freed);
    (void)shutdown(server->fd, SHUT_RDWR);
    /* What is being done is finished and answered; nothing new is read. */
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (server->clients[i].fd >= 0) {
            (void)shutdown(server->clients[i].fd, SHUT_RD);
        }
    }
    pthread_mutex_unlock(&server->lock);
    (void)pthread_join(server->thread, NULL);
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        while (server->clients[i].fd >= 0 && !server->clients[i].ended) {
            (void)pthread_cond_wait(&server->freed, &server->lock);
        }
    }
    reap(server);
    pthread_mutex_unlock(&server->lock);
    free_server(server);
}

/* ---- The command line's side ---- */

struct ds_admin {
    int fd; /* -1: this process serves itself. */
    uint8_t *line;
    size_t held;
    struct ds_site site;
    struct ds_office office;
    struct ds_outbox *outbox;
};

static bool dial(struct ds_admin *admin, const char *dir)
{
    struct sockaddr_un address;
    int dir_fd = -1;

    if (address_of(dir, &dir_fd, &address) != DS_OK) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        fd = -1;
    }
    (void)close(dir_fd);
    admin->fd = fd;
    return fd >= 0;
}

/* Nobody listens: be the office ourselves. */
static enum ds_err open_here(struct ds_admin *admin, const char *dir, struct ds_detail *detail)
{
    const struct ds_office_options options = {.daemon = false, .log_fd = -1};

    DS_TRY(ds_site_open(&admin->site, dir, NULL, detail));
    enum ds_err err = ds_office_open(&admin->office, &admin->site, &options, detail);

    if (err == DS_OK) {
        err = ds_outbox_open(&admin->office, NULL, &admin->outbox);
        admin->office.outbox = admin->outbox;
        if (err != DS_OK) {
            ds_office_close(&admin->office);
        }
    }
    if (err != DS_OK) {
        ds_site_close(&admin->site);
    }
    return err;
}

/* Through the socket, or by the lock. Who has the lock may be a command, which ends, or a daemon
 * that starts and will listen: both are waited for. */
static enum ds_err reach(struct ds_admin *admin, const char *dir, struct ds_detail *detail)
{
    const struct ds_clock machine = ds_clock_system();
    const struct timespec pause = {0, DS_SITE_LOCK_PAUSE_MS * 1000000L};
    const int64_t until_ms = machine.monotonic_ms(machine.context) + DS_SITE_LOCK_WAIT_MS;
    enum ds_err err = DS_OK;

    while (!dial(admin, dir)) {
        admin->fd = -1;
        err = open_here(admin, dir, detail);
        if (err != DS_ERR_LOCKED || machine.monotonic_ms(machine.context) >= until_ms) {
            return err;
        }
        (void)nanosleep(&pause, NULL);
    }
    return DS_OK;
}

enum ds_err ds_admin_open(const char *dir, struct ds_admin **admin, struct ds_detail *detail)
{
    struct ds_admin *made = calloc(1, sizeof(*made));
    enum ds_err err = DS_OK;

    *admin = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->line = malloc(LINE_ROOM);
    if (made->line == NULL) {
        free(made);
        return DS_ERR_NOMEM;
    }
    err = reach(made, dir, detail);
    if (err != DS_OK) {
        free(made->line);
        free(made);
        return err;
    }
    *admin = made;
    return DS_OK;
}

void ds_admin_close(struct ds_admin *admin)
{
    if (admin == NULL) {
        return;
    }
    if (admin->fd >= 0) {
        (void)close(admin->fd);
    } else {
        ds_outbox_close(admin->outbox);
        ds_office_close(&admin->office);
        ds_site_close(&admin->site);
    }
    free(admin->line);
    free(admin);
}

bool ds_admin_is_daemon(const struct ds_admin *admin)
{
    return admin->fd >= 0;
}

struct ds_site *ds_admin_site(struct ds_admin *admin)
{
    return admin->fd >= 0 ? NULL : &admin->site;
}

static enum ds_err exchange_lines(struct ds_admin *admin, const json_t *request, json_t **answer,
                                  struct ds_detail *detail)
{
    size_t size = 0;
    enum ds_err err = send_line(admin->fd, request);

    if (err == DS_OK) {
        err = read_line(admin->fd, admin->line, &admin->held, &size);
    }
    if (err != DS_OK) {
        ds_detail_set(detail,
                      err == DS_ERR_LIMIT ? "a request or an answer is larger than 1 MiB"
                                          : "the daemon went away",
                      (const char *)NULL);
        return err;
    }
    err = ds_json_parse((struct ds_slice){admin->line, size}, answer, detail);
    drop_line(admin->line, &admin->held, size);
    return err;
}

/* The error that a refusal names. */
static enum ds_err error_of(const char *name)
{
    static const enum ds_err all[] = {
#define X(name, http, retry, text) name,
        DS_ERR_TABLE(X)
#undef X
    };

    for (size_t i = 1; name != NULL && i < DS_COUNT(all); i++) {
        if (strcmp(ds_err_name(all[i]), name) == 0) {
            return all[i];
        }
    }
    return DS_ERR_NOT_OURS;
}

enum ds_err ds_admin_call(struct ds_admin *admin, const json_t *request, json_t **answer,
                          struct ds_detail *detail)
{
    *answer = NULL;
    if (admin->fd >= 0) {
        DS_TRY(exchange_lines(admin, request, answer, detail));
    } else {
        *answer = ds_admin_execute(&admin->office, request);
        if (*answer == NULL) {
            return DS_ERR_NOMEM;
        }
    }
    if (json_is_true(json_object_get(*answer, "ok"))) {
        return DS_OK;
    }
    enum ds_err err = error_of(json_string_value(json_object_get(*answer, "error")));
    const char *why = json_string_value(json_object_get(*answer, "detail"));

    ds_detail_set(detail, why != NULL ? why : "", (const char *)NULL);
    json_decref(*answer);
    *answer = NULL;
    return err;
}
