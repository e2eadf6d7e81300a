#include "tests/bench/bench_proxy.h"

#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 65536, BACKLOG = 8 };

/* False: that end has hung up. */
static bool carry(int from, int to, atomic_uint_fast64_t *count)
{
    static uint8_t piece[PIECE];
    ssize_t got = recv(from, piece, sizeof piece, 0);
    if (got <= 0) {
        return false;
    }
    atomic_fetch_add(count, (uint64_t)got);
    for (ssize_t sent = 0; sent < got;) {
        ssize_t now = send(to, piece + sent, (size_t)(got - sent), MSG_NOSIGNAL);
        if (now <= 0) {
            return false;
        }
        sent += now;
    }
    return true;
}

static void relay(struct bench_proxy *proxy, int client)
{
    struct bench_link link;
    bench_link_open(&link, proxy->server);
    struct pollfd ends[2] = {{.fd = client, .events = POLLIN}, {.fd = link.fd, .events = POLLIN}};
    bool open = true;
    while (open && poll(ends, 2, -1) > 0) {
        if (ends[0].revents != 0) {
            open = carry(client, link.fd, &proxy->up);
        }
        if (open && ends[1].revents != 0) {
            open = carry(link.fd, client, &proxy->down);
        }
    }
    bench_link_close(&link);
}

static void *serve(void *context)
{
    struct bench_proxy *proxy = context;
    for (;;) {
        int yes = 1;
        int client = accept(proxy->listener, NULL, NULL);
        if (client < 0) {
            bench_fail("the relay cannot accept");
        }
        (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        atomic_fetch_add(&proxy->connections, 1);
        relay(proxy, client);
        close(client);
    }
    return NULL;
}

void bench_proxy_start(struct bench_proxy *proxy, uint16_t port, uint16_t server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    proxy->port = port;
    proxy->server = server;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->listener < 0 ||
        setsockopt(proxy->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(proxy->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(proxy->listener, BACKLOG) != 0 ||
        pthread_create(&proxy->thread, NULL, serve, proxy) != 0) {
        bench_fail("the relay cannot listen on port %u", port);
    }
}
