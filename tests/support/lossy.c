#include "tests/support/lossy.h"

#include "tests/support/prng.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE 16384
#define FDS_MAX (2 + 2 * LOSSY_LINKS_MAX)

struct lane { /* One direction of a link. */
    int64_t passed;
    int64_t ready_ms; /* Not before. */
    size_t used;
    size_t sent;
    bool ended; /* The sender has closed, and that was passed on. */
    uint8_t bytes[BUFFER_SIZE];
};

struct link {
    bool open;
    int fd[LOSSY_DIRECTIONS]; /* Whose bytes go UP (the client), whose go DOWN (the server). */
    struct lossy_rule rule;
    struct lane lane[LOSSY_DIRECTIONS];
};

struct lossy {
    int listener;
    int wake[2]; /* Closed at one end: stop. */
    uint16_t port;
    uint16_t upstream;
    lossy_draw *draw;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; /* Guards counts. */
    struct lossy_counts counts;
    uint64_t accepted;
    struct link link[LOSSY_LINKS_MAX];
};

struct lossy_rule lossy_fine(void)
{
    return (struct lossy_rule){.cut = {LOSSY_NEVER, LOSSY_NEVER}};
}

struct lossy_rule lossy_weather(uint64_t seed, uint64_t number)
{
    struct prng prng = {seed * UINT64_C(1000003) + number};
    struct lossy_rule rule = lossy_fine();
    rule.reset = prng_below(&prng, 2) == 0;
    switch (prng_below(&prng, 10)) {
    case 0:
    case 1:
    case 2:
        rule.refuse = true;
        break;
    case 3:
    case 4:
        rule.cut[LOSSY_UP] = (int64_t)prng_below(&prng, 3000);
        break;
    case 5:
    case 6:
        rule.cut[LOSSY_DOWN] = (int64_t)prng_below(&prng, 3000);
        break;
    case 7:
        rule.silent = prng_below(&prng, 4) == 0;
        break;
    default:
        rule.delay_ms = (uint32_t)prng_below(&prng, 30);
        rule.piece = (uint32_t)(200 + prng_below(&prng, 1200));
        break;
    }
    return rule;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void count(struct lossy *lossy, uint64_t *counter, uint64_t more)
{
    pthread_mutex_lock(&lossy->lock);
    *counter += more;
    pthread_mutex_unlock(&lossy->lock);
}

/* ---- Links ---------------------------------------------------------------------------------- */

static void close_fd(int fd, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (fd >= 0) {
        if (reset) {
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        close(fd);
    }
}

static void close_link(struct link *link, bool reset)
{
    close_fd(link->fd[LOSSY_UP], reset);
    close_fd(link->fd[LOSSY_DOWN], reset);
    link->open = false;
}

static void cut_link(struct lossy *lossy, struct link *link)
{
    count(lossy, &lossy->counts.cut, 1);
    close_link(link, link->rule.reset);
}

static int dial(uint16_t port)
{
    const int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

static struct link *free_link(struct lossy *lossy)
{
    for (size_t i = 0; i < LOSSY_LINKS_MAX; i++) {
        if (!lossy->link[i].open) {
            return &lossy->link[i];
        }
    }
    return NULL;
}

static void accept_link(struct lossy *lossy, struct link *link)
{
    const int one = 1;
    int client = accept(lossy->listener, NULL, NULL);
    if (client < 0) {
        return;
    }
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    count(lossy, &lossy->counts.connections, 1);
    memset(link, 0, sizeof *link);
    link->open = true;
    link->rule = lossy->draw(lossy->context, lossy->accepted++);
    link->fd[LOSSY_UP] = client;
    link->fd[LOSSY_DOWN] = link->rule.refuse || link->rule.silent ? -1 : dial(lossy->upstream);
    bool lost = link->fd[LOSSY_DOWN] < 0 && !link->rule.silent;
    if (lost || link->rule.cut[LOSSY_UP] == 0) {
        cut_link(lossy, link);
    }
}

/* Take what the sender of a direction has. False: the link is closed. */
static bool take_bytes(struct lossy *lossy, struct link *link, int way)
{
    struct lane *lane = &link->lane[way];
    ssize_t got = recv(link->fd[way], lane->bytes, BUFFER_SIZE, 0);
    if (link->rule.silent) {
        if (got <= 0) {
            cut_link(lossy, link);
        }
        return got > 0;
    }
    if (got < 0) {
        close_link(link, true);
        return false;
    }
    if (got == 0) {
        lane->ended = true;
        (void)shutdown(link->fd[1 - way], SHUT_WR);
        if (link->lane[1 - way].ended) {
            close_link(link, false);
        }
        return link->open;
    }
    lane->used = (size_t)got;
    lane->sent = 0;
    lane->ready_ms = now_ms() + link->rule.delay_ms;
    return true;
}

struct part {
    const uint8_t *bytes;
    size_t size;
};

/* Counted before the other side can act on it: whoever asks after an answer finds it counted. */
static ssize_t send_counted(struct lossy *lossy, int fd, int way, struct part part)
{
    pthread_mutex_lock(&lossy->lock);
    ssize_t done = send(fd, part.bytes, part.size, MSG_NOSIGNAL);
    lossy->counts.bytes[way] += done > 0 ? (uint64_t)done : 0;
    pthread_mutex_unlock(&lossy->lock);
    return done;
}

static void give_bytes(struct lossy *lossy, struct link *link, int way)
{
    struct lane *lane = &link->lane[way];
    size_t size = lane->used - lane->sent;
    int64_t cut = link->rule.cut[way];
    if (link->rule.piece > 0 && size > link->rule.piece) {
        size = link->rule.piece;
    }
    if (cut != LOSSY_NEVER && (int64_t)size > cut - lane->passed) {
        size = (size_t)(cut - lane->passed);
    }
    /* None: cut before the first byte of an answer; only now, for the request was to arrive. */
    ssize_t done = size > 0 ? send_counted(lossy, link->fd[1 - way], way,
                                           (struct part){lane->bytes + lane->sent, size})
                            : 0;
    if (size > 0 && done <= 0) {
        close_link(link, true);
        return;
    }
    lane->sent += (size_t)done;
    lane->passed += done;
    lane->ready_ms = now_ms() + link->rule.delay_ms;
    if (lane->passed == cut) {
        cut_link(lossy, link);
    }
}

/* ---- The loop ------------------------------------------------------------------------------- */

struct watch {
    struct link *link;
    int way;
    bool gives;
};

/* What to wait for on a direction of a link; the time until it is ready goes to *wait_ms. */
static short wants(const struct link *link, int way, int64_t now, int *wait_ms)
{
    const struct lane *lane = &link->lane[way];
    if (lane->used == lane->sent) {
        return lane->ended || link->fd[way] < 0 ? 0 : POLLIN;
    }
    if (lane->ready_ms > now) {
        int64_t rest = lane->ready_ms - now;
        *wait_ms = *wait_ms < 0 || rest < *wait_ms ? (int)rest : *wait_ms;
        return 0;
    }
    return POLLOUT;
}

static nfds_t gather(struct lossy *lossy, struct pollfd *fds, struct watch *watches, int *wait_ms)
{
    nfds_t used = 0;
    int64_t now = now_ms();
    *wait_ms = -1;
    fds[used++] = (struct pollfd){.fd = lossy->wake[0], .events = POLLIN};
    fds[used++] =
        (struct pollfd){.fd = free_link(lossy) != NULL ? lossy->listener : -1, .events = POLLIN};
    for (size_t i = 0; i < LOSSY_LINKS_MAX; i++) {
        struct link *link = &lossy->link[i];
        for (int way = 0; link->open && way < LOSSY_DIRECTIONS; way++) {
            short events = wants(link, way, now, wait_ms);
            if (events != 0) {
                bool gives = events == POLLOUT;
                watches[used] = (struct watch){link, way, gives};
                fds[used++] =
                    (struct pollfd){.fd = link->fd[gives ? 1 - way : way], .events = events};
            }
        }
    }
    return used;
}

static void *run(void *context)
{
    struct lossy *lossy = context;
    struct pollfd fds[FDS_MAX];
    struct watch watches[FDS_MAX];
    for (;;) {
        int wait_ms;
        nfds_t used = gather(lossy, fds, watches, &wait_ms);
        (void)poll(fds, used, wait_ms);
        if (fds[0].revents != 0) {
            return NULL;
        }
        for (nfds_t i = 2; i < used; i++) {
            struct link *link = watches[i].link;
            if (fds[i].revents == 0 || !link->open) {
                continue;
            }
            if (watches[i].gives) {
                give_bytes(lossy, link, watches[i].way);
            } else {
                (void)take_bytes(lossy, link, watches[i].way);
            }
        }
        if (fds[1].revents != 0) {
            accept_link(lossy, free_link(lossy));
        }
    }
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int listen_at(uint16_t *port)
{
    const int one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

struct lossy *lossy_start(uint16_t port, uint16_t upstream, lossy_draw *draw, void *context)
{
    struct lossy *lossy = calloc(1, sizeof *lossy);
    if (lossy == NULL) {
        return NULL;
    }
    lossy->port = port;
    lossy->upstream = upstream;
    lossy->draw = draw;
    lossy->context = context;
    lossy->listener = listen_at(&lossy->port);
    (void)pthread_mutex_init(&lossy->lock, NULL);
    if (lossy->listener < 0 || pipe(lossy->wake) != 0 ||
        pthread_create(&lossy->thread, NULL, run, lossy) != 0) {
        close_fd(lossy->listener, false);
        free(lossy);
        return NULL;
    }
    return lossy;
}

uint16_t lossy_port(const struct lossy *lossy)
{
    return lossy->port;
}

struct lossy_counts lossy_take_counts(struct lossy *lossy)
{
    pthread_mutex_lock(&lossy->lock);
    struct lossy_counts counts = lossy->counts;
    lossy->counts = (struct lossy_counts){0};
    pthread_mutex_unlock(&lossy->lock);
    return counts;
}

void lossy_stop(struct lossy *lossy)
{
    if (lossy == NULL) {
        return;
    }
    close(lossy->wake[1]);
    (void)pthread_join(lossy->thread, NULL);
    for (size_t i = 0; i < LOSSY_LINKS_MAX; i++) {
        if (lossy->link[i].open) {
            close_link(&lossy->link[i], true);
        }
    }
    close(lossy->wake[0]);
    close(lossy->listener);
    (void)pthread_mutex_destroy(&lossy->lock);
    free(lossy);
}
