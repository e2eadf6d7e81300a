/* doorstepd: the station's server. */
#include "schema/base/text.h"
#include "server/admin.h"
#include "server/api.h"
#include "server/outbox.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTEGRITY = 4 };

struct options {
    const char *data;
    const char *listen;
    const char *config;
    const char *clock;
    bool behind_proxy;
};

static const char help[] =
    "Usage: doorstepd --data DIR [--listen ADDR:PORT] [--config FILE] [--behind-proxy]\n"
    "                 [--clock INSTANT] [--help] [--version]\n"
    "\n"
    "Serves the station in DIR (made by `doorstep station init DIR`): the handhelds' exchange,\n"
    "the office's API, billing and GIS. Plain HTTP; TLS is a proxy's (`doorstep station proxy`).\n"
    "\n"
    "  --data DIR          the station's folder\n"
    "  --listen ADDR:PORT  default from the settings, 127.0.0.1:8420; port 0 takes a free one\n"
    "  --config FILE       settings instead of DIR/doorstep.ini (server/CONFIG.md)\n"
    "  --behind-proxy      another address than loopback may be listened at\n"
    "  --clock INSTANT     begin with this instant (RFC 3339); sample stations only\n"
    "\n"
    "Says `ready listen=ADDR:PORT` in its log (standard error) when it serves. SIGTERM and\n"
    "SIGINT stop it: what was taken is answered first.\n"
    "Exit codes: 0 stopped, 1 failed, 2 usage, 4 stored data is damaged, 74 storage failed.\n";

/* The value of --name VALUE or --name=VALUE; NULL if argv[*at] is something else. */
static const char *value_of(const char *name, int argc, char **argv, int *at)
{
    size_t size = strlen(name);

    if (argv[*at] == NULL || strncmp(argv[*at], name, size) != 0) {
        return NULL;
    }
    if (argv[*at][size] == '=') {
        return argv[*at] + size + 1;
    }
    if (argv[*at][size] == '\0' && *at + 1 < argc) {
        return argv[++*at];
    }
    return NULL;
}

/* DS_ERR_USAGE: *bad is what is wrong. DS_ERR_EXISTS: all was said already. */
static enum ds_err parse(int argc, char **argv, struct options *options, const char **bad)
{
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;

        if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(help, stdout);
            return DS_ERR_EXISTS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            (void)puts("doorstepd " DS_VERSION);
            return DS_ERR_EXISTS;
        }
        if (strcmp(argv[i], "--behind-proxy") == 0) {
            options->behind_proxy = true;
        } else if ((value = value_of("--data", argc, argv, &i)) != NULL) {
            options->data = value;
        } else if ((value = value_of("--listen", argc, argv, &i)) != NULL) {
            options->listen = value;
        } else if ((value = value_of("--config", argc, argv, &i)) != NULL) {
            options->config = value;
        } else if ((value = value_of("--clock", argc, argv, &i)) != NULL) {
            options->clock = value;
        } else {
            *bad = argv[i];
            return DS_ERR_USAGE;
        }
    }
    *bad = "--data is missing";
    return options->data != NULL ? DS_OK : DS_ERR_USAGE;
}

/* Everything that runs; each part closes what was opened before it. */
struct daemon {
    struct ds_site site;
    struct ds_office office;
    struct ds_outbox *outbox;
    struct ds_admin_server *admin;
    struct ds_api *api;
    struct ds_http *http;
    sigset_t signals;
};

static enum ds_err open_site(struct daemon *daemon, const struct options *options,
                             struct ds_detail *detail)
{
    struct ds_site_options site = {.config_path = options->config,
                                   .lock_wait_ms = DS_SITE_LOCK_WAIT_MS};

    if (options->clock != NULL &&
        ds_instant_parse(ds_slice_of_text(options->clock), &site.clock_ms) != DS_OK) {
        ds_detail_set(detail, "--clock: not an instant like 2026-01-05T08:00:00+08:00",
                      (const char *)NULL);
        return DS_ERR_USAGE;
    }
    DS_TRY(ds_site_open(&daemon->site, options->data, &site, detail));
    enum ds_err err = DS_OK;

    if (options->listen != NULL) {
        err = ds_config_set(&daemon->site.config, "server", "listen", options->listen, detail);
    }
    if (err == DS_OK && options->behind_proxy) {
        daemon->site.config.server_behind_proxy = true;
    }
    if (err != DS_OK) {
        ds_site_close(&daemon->site);
    }
    return err;
}

static enum ds_err start_http(struct daemon *daemon, struct ds_detail *detail)
{
    const struct ds_config *config = &daemon->site.config;
    const struct ds_http_options options = {
        .listen = config->server_listen,
        .behind_proxy = config->server_behind_proxy,
        .workers = (uint32_t)config->server_workers,
        .request_timeout_ms = (uint32_t)config->server_request_timeout_ms,
        .body_deadline_ms = (uint32_t)config->server_body_deadline_ms,
        .handle = ds_api_handle,
        .refuse = ds_api_refuse,
        .context = daemon->api,
        .log = daemon->office.log,
        .metrics = daemon->office.metrics,
    };

    return ds_http_start(&options, &daemon->http, detail);
}

/* The parts over an open site. */
static enum ds_err start(struct daemon *daemon, struct ds_detail *detail)
{
    const struct ds_office_options office = {.daemon = true, .log_fd = 2};
    const struct ds_api_options api = {
        .office = &daemon->office,
        .version = DS_VERSION,
        .event_streams_max = (uint32_t)daemon->site.config.server_event_streams_max,
    };

    DS_TRY(ds_office_open(&daemon->office, &daemon->site, &office, detail));
    DS_TRY(ds_outbox_open(&daemon->office, NULL, &daemon->outbox));
    daemon->office.outbox = daemon->outbox;
    DS_TRY(ds_api_open(&api, &daemon->api));
    DS_TRY(start_http(daemon, detail));
    DS_TRY(ds_admin_serve(&daemon->office, &daemon->admin, detail));
    return ds_outbox_start(daemon->outbox);
}

/* In the reverse order; parts that were not started are NULL. */
static void stop(struct daemon *daemon)
{
    ds_admin_server_stop(daemon->admin);
    if (daemon->outbox != NULL) {
        ds_outbox_stop(daemon->outbox);
    }
    ds_http_stop(daemon->http);
    ds_api_close(daemon->api);
    daemon->office.outbox = NULL;
    ds_outbox_close(daemon->outbox);
    if (daemon->office.site != NULL) {
        ds_office_close(&daemon->office);
    }
    ds_site_close(&daemon->site);
}

static void say_ready(struct daemon *daemon)
{
    struct ds_log_line line;
    char listen[DS_CONFIG_TEXT_MAX + 16];
    const char *colon = strrchr(daemon->site.config.server_listen, ':');

    (void)snprintf(listen, sizeof(listen), "%.*s:%u",
                   (int)(colon - daemon->site.config.server_listen),
                   daemon->site.config.server_listen, (unsigned)ds_http_port(daemon->http));
    ds_log_begin(&line, daemon->office.log, DS_LOG_INFO, "ready");
    ds_log_text(&line, "listen", listen);
    ds_log_text(&line, "version", DS_VERSION);
    ds_log_id(&line, "station", &daemon->site.station);
    ds_log_number(&line, "position", (int64_t)ds_writer_wait(daemon->office.writer, 0, 0));
    ds_log_end(&line);
}

static void say_stopping(struct daemon *daemon)
{
    struct ds_log_line line;

    ds_log_begin(&line, daemon->office.log, DS_LOG_INFO, "stopping");
    ds_log_end(&line);
}

static int exit_of(enum ds_err err)
{
    switch (err) {
    case DS_ERR_USAGE:
        return EXIT_USAGE;
    case DS_ERR_INTEGRITY:
        return EXIT_INTEGRITY;
    default:
        return EXIT_FAILED;
    }
}

static int serve(const struct options *options)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    struct ds_detail detail = {""};
    int number = 0;

    if (daemon == NULL) {
        return EXIT_FAILED;
    }
    /* Before any thread: all inherit the mask, and this one waits. */
    (void)sigemptyset(&daemon->signals);
    (void)sigaddset(&daemon->signals, SIGTERM);
    (void)sigaddset(&daemon->signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &daemon->signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    enum ds_err err = open_site(daemon, options, &detail);

    if (err == DS_OK) {
        err = start(daemon, &detail);
        if (err == DS_OK) {
            say_ready(daemon);
            (void)sigwait(&daemon->signals, &number);
            say_stopping(daemon);
        }
        stop(daemon);
    }
    free(daemon);
    if (err != DS_OK) {
        (void)fprintf(stderr, "doorstepd: %s: %s\n", ds_err_text(err),
                      detail.text[0] != '\0' ? detail.text : options->data);
        return exit_of(err);
    }
    return EXIT_GOOD;
}

int main(int argc, char **argv)
{
    struct options options = {.data = NULL};
    const char *bad = NULL;

    switch (parse(argc, argv, &options, &bad)) {
    case DS_OK:
        return serve(&options);
    case DS_ERR_EXISTS:
        return EXIT_GOOD;
    default:
        (void)fprintf(stderr, "doorstepd: %s\n%s", bad, help);
        return EXIT_USAGE;
    }
}
