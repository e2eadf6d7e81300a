#include "server/http_watch.h"

#include "schema/base/text.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct ds_watch {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct ds_watch_entry *entries;
    atomic_uint_least64_t *cuts;
    bool stopping;
};

static int64_t monotonic_ms(void)
{
    struct timespec now = {0};
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);

    DS_ASSERT(failed == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool has_ends(int fd, const struct ds_watch_entry *entry)
{
    struct sockaddr_in far_end = {0};
    struct sockaddr_in near_end = {0};
    socklen_t far_size = sizeof(far_end);
    socklen_t near_size = sizeof(near_end);
    char address[INET_ADDRSTRLEN] = "";

    return getpeername(fd, (struct sockaddr *)&far_end, &far_size) == 0 &&
           getsockname(fd, (struct sockaddr *)&near_end, &near_size) == 0 &&
           far_end.sin_family == AF_INET && ntohs(far_end.sin_port) == entry->far_port &&
           ntohs(near_end.sin_port) == entry->near_port &&
           inet_ntop(AF_INET, &far_end.sin_addr, address, sizeof(address)) != NULL &&
           strcmp(address, entry->far_address) == 0;
}

static void shut(const struct ds_watch_entry *entry)
{
    DIR *dir = opendir("/proc/self/fd");

    if (dir == NULL) {
        return;
    }
    /* The stream is this thread's own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    for (const struct dirent *name = readdir(dir); name != NULL; name = readdir(dir)) {
        int64_t fd = -1;

        if (ds_int_parse(ds_slice_of_text(name->d_name), &fd) == DS_OK &&
            has_ends((int)fd, entry)) {
            (void)shutdown((int)fd, SHUT_RDWR);
            break;
        }
    }
    (void)closedir(dir);
}

static void *look(void *context)
{
    struct ds_watch *watch = context;

    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping) {
        struct timespec until = {0};
        int64_t now = monotonic_ms();

        for (struct ds_watch_entry *at = watch->entries; at != NULL; at = at->next) {
            if (at->deadline_ms != 0 && now >= at->deadline_ms && !at->cut) {
                at->cut = true;
                ds_metrics_add(watch->cuts, 1); /* First: who is cut may look at once. */
                shut(at);
            }
        }
        now += DS_WATCH_STEP_MS;
        until.tv_sec = now / 1000;
        until.tv_nsec = now % 1000 * 1000000;
        (void)pthread_cond_timedwait(&watch->wake, &watch->lock, &until);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

static void destroy(struct ds_watch *watch)
{
    (void)pthread_cond_destroy(&watch->wake);
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
}

enum ds_err ds_watch_open(atomic_uint_least64_t *cuts, struct ds_watch **watch)
{
    struct ds_watch *made = calloc(1, sizeof(*made));
    pthread_condattr_t monotonic;

    *watch = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->cuts = cuts;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (pthread_create(&made->thread, NULL, look, made) != 0) {
        destroy(made);
        return DS_ERR_NOMEM;
    }
    *watch = made;
    return DS_OK;
}

void ds_watch_close(struct ds_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_broadcast(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
    (void)pthread_join(watch->thread, NULL);
    destroy(watch);
}

void ds_watch_add(struct ds_watch *watch, struct ds_watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    entry->next = watch->entries;
    watch->entries = entry;
    pthread_mutex_unlock(&watch->lock);
}

void ds_watch_begin(struct ds_watch *watch, struct ds_watch_entry *entry, const char *far_address,
                    int far_port, int near_port, uint32_t in_ms)
{
    pthread_mutex_lock(&watch->lock);
    (void)snprintf(entry->far_address, sizeof(entry->far_address), "%s", far_address);
    entry->far_port = far_port;
    entry->near_port = near_port;
    entry->cut = false;
    entry->deadline_ms = monotonic_ms() + in_ms;
    pthread_mutex_unlock(&watch->lock);
}

bool ds_watch_end(struct ds_watch *watch, struct ds_watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    entry->deadline_ms = 0;
    bool through = !entry->cut;

    pthread_mutex_unlock(&watch->lock);
    return through;
}
