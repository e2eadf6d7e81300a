#include "tools/cli/proxy.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG_SIZE 8192
#define PEM_SIZE 3072 /* Certificate and key of an elliptic curve. */
/* Threads of the server that are kept for the console's event streams and the health check. */
#define THREADS_KEPT 4

/* ---- openssl ---- */

static enum ds_err run(const char *const *arguments, char *const *environment,
                       struct ds_detail *detail)
{
    pid_t child = 0;
    int status = 0;
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return DS_ERR_NOMEM;
    }
    /* posix_spawn's prototype is older than const. What openssl prints while it draws a key is
     * nobody's business. */
    int failed = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
    if (failed == 0) {
        failed = posix_spawnp(&child, arguments[0], &actions, NULL, (char *const *)arguments,
                              environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        ds_detail_set(detail, "the command openssl cannot be started: is it installed?", NULL);
        return DS_ERR_NOT_FOUND;
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return DS_ERR_IO;
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ds_detail_set(detail, "openssl ", arguments[1], " failed", NULL);
        return DS_ERR_IO;
    }
    return DS_OK;
}

struct paths {
    char key[DS_PATH_MAX];
    char cert[DS_PATH_MAX];
    char both[DS_PATH_MAX];
    char public_pem[DS_PATH_MAX];
    char public_der[DS_PATH_MAX];
    char pin[DS_PATH_MAX];
    char config[DS_PATH_MAX];
};

static enum ds_err name_all(const char *folder, struct paths *paths)
{
    DS_TRY(ds_path_join(folder, "key.pem", paths->key));
    DS_TRY(ds_path_join(folder, "cert.pem", paths->cert));
    DS_TRY(ds_path_join(folder, "server.pem", paths->both));
    DS_TRY(ds_path_join(folder, "public.pem", paths->public_pem));
    DS_TRY(ds_path_join(folder, "public.der", paths->public_der));
    DS_TRY(ds_path_join(folder, "pin", paths->pin));
    return ds_path_join(folder, "haproxy.cfg", paths->config);
}

static enum ds_err make_certificate(const struct paths *paths, const struct ds_config *config,
                                    char *const *environment, struct ds_detail *detail)
{
    char days[24];
    char subject[DS_CONFIG_TEXT_MAX + 8];
    char other[DS_CONFIG_TEXT_MAX + 32];
    snprintf(days, sizeof(days), "%lld", (long long)config->proxy_certificate_days);
    snprintf(subject, sizeof(subject), "/CN=%s", config->proxy_name);
    snprintf(other, sizeof(other), "subjectAltName=DNS:%s", config->proxy_name);
    const char *const arguments[] = {"openssl",
                                     "req",
                                     "-x509",
                                     "-newkey",
                                     "ec",
                                     "-pkeyopt",
                                     "ec_paramgen_curve:P-256",
                                     "-nodes",
                                     "-keyout",
                                     paths->key,
                                     "-out",
                                     paths->cert,
                                     "-days",
                                     days,
                                     "-subj",
                                     subject,
                                     "-addext",
                                     other,
                                     NULL};
    mode_t mask = umask(077);
    enum ds_err err = run(arguments, environment, detail);
    (void)umask(mask);
    return err;
}

/* SHA-256 of the public key in its DER form (RFC 7469), which libcurl pins too. */
static enum ds_err make_pin(const struct paths *paths, char *const *environment,
                            struct ds_detail *detail)
{
    const char *const take[] = {"openssl", "x509",    "-in",  paths->cert,
                                "-noout",  "-pubkey", "-out", paths->public_pem,
                                NULL};
    const char *const to_der[] = {"openssl",         "pkey",     "-pubin", "-in",
                                  paths->public_pem, "-outform", "DER",    "-out",
                                  paths->public_der, NULL};
    const char *const digest[] = {"openssl", "dgst",     "-sha256",         "-r",
                                  "-out",    paths->pin, paths->public_der, NULL};
    DS_TRY(run(take, environment, detail));
    DS_TRY(run(to_der, environment, detail));
    DS_TRY(run(digest, environment, detail));
    (void)unlink(paths->public_pem);
    (void)unlink(paths->public_der);
    return DS_OK;
}

/* haproxy wants certificate and key in one file. */
static enum ds_err join_files(const struct paths *paths, struct ds_detail *detail)
{
    uint8_t memory[PEM_SIZE];
    struct ds_builder both;
    struct ds_slice made;
    ds_builder_init(&both, memory, sizeof(memory));
    DS_TRY(ds_file_read(paths->cert, &both, detail));
    DS_TRY(ds_file_read(paths->key, &both, detail));
    DS_TRY(ds_builder_end(&both, &made));
    return ds_file_write(paths->both, made, 0600, detail);
}

static enum ds_err read_pin(const struct paths *paths, struct ds_proxy_files *files,
                            struct ds_detail *detail)
{
    uint8_t memory[DS_PATH_MAX + 80];
    struct ds_builder text;
    ds_builder_init(&text, memory, sizeof(memory));
    DS_TRY(ds_file_read(paths->pin, &text, detail));
    if (text.used < 64) {
        ds_detail_set(detail, paths->pin, ": holds no pin", NULL);
        return DS_ERR_DECODE;
    }
    memcpy(files->pin, memory, 64);
    files->pin[64] = '\0';
    /* The digest's line names a file that is gone: what is kept is the pin alone. */
    memory[64] = '\n';
    return ds_file_write(paths->pin, (struct ds_slice){memory, 65}, 0644, detail);
}

/* ---- haproxy ---- */

void ds_proxy_put_config(struct ds_builder *out, const struct ds_config *config, const char *folder)
{
    int64_t threads = config->server_workers - config->server_event_streams_max - THREADS_KEPT;
    ds_put_text(out, "# Made by `doorstep station proxy`; settings: [proxy] in doorstep.ini.\n"
                     "global\n    maxconn ");
    ds_put_decimal(out, config->proxy_connections_max);
    ds_put_text(out, "\n    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n\n"
                     "defaults\n"
                     "    mode http\n"
                     "    timeout connect 5s\n"
                     "    timeout client 60s\n"
                     "    timeout server 120s\n"
                     "    timeout queue 60s\n"
                     "    timeout http-request ");
    ds_put_decimal(out, config->server_body_deadline_ms);
    ds_put_text(out,
                "ms\n"
                "    timeout http-keep-alive 15s\n"
                "    # A request goes on only when its body is whole: one that drips in holds a\n"
                "    # connection here and no thread of the server, and is cut at the time above.\n"
                "    option http-buffer-request\n"
                "    option dontlognull\n\n"
                "frontend handhelds\n    bind ");
    ds_put_text(out, config->proxy_listen);
    ds_put_text(out, " ssl crt ");
    ds_put_text(out, folder);
    ds_put_text(out,
                "/server.pem alpn http/1.1\n"
                "    # What two parsers may read in two ways is refused before either does.\n"
                "    http-request deny deny_status 400 if { req.hdr_cnt(content-length) gt 1 }\n"
                "    http-request deny deny_status 400 if { req.hdr_cnt(content-length) gt 0 } "
                "{ req.hdr_cnt(transfer-encoding) gt 0 }\n"
                "    # Counters are for this machine; they are not told to everybody.\n"
                "    http-request deny deny_status 404 if { path,url_dec -m str /metrics }\n"
                "    http-request set-header X-Forwarded-For %[src]\n"
                "    http-request set-header X-Forwarded-Proto https\n"
                "    http-response set-header Strict-Transport-Security max-age=31536000\n"
                "    default_backend doorstep\n\n"
                "backend doorstep\n"
                "    server doorstepd ");
    ds_put_text(out, config->server_listen);
    ds_put_text(out, " maxconn ");
    ds_put_decimal(out, threads > 1 ? threads : 1);
    ds_put_text(out, "\n");
}

static enum ds_err write_config(const struct paths *paths, const struct ds_config *config,
                                const char *folder, struct ds_detail *detail)
{
    uint8_t *memory = malloc(CONFIG_SIZE);
    struct ds_builder out;
    struct ds_slice made;
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&out, memory, CONFIG_SIZE);
    ds_proxy_put_config(&out, config, folder);
    enum ds_err err = ds_builder_end(&out, &made);
    if (err == DS_OK) {
        err = ds_file_write(paths->config, made, 0644, detail);
    }
    free(memory);
    return err;
}

static enum ds_err make_all(const struct paths *paths, const struct ds_config *config,
                            char *const *environment, struct ds_proxy_files *files,
                            struct ds_detail *detail)
{
    if (files->made) {
        DS_TRY(make_certificate(paths, config, environment, detail));
        DS_TRY(make_pin(paths, environment, detail));
        DS_TRY(join_files(paths, detail));
    }
    DS_TRY(read_pin(paths, files, detail));
    return write_config(paths, config, files->folder, detail);
}

enum ds_err ds_proxy_make(const char *dir, const struct ds_config *config, bool renew,
                          char *const *environment, struct ds_proxy_files *files,
                          struct ds_detail *detail)
{
    struct paths *paths = calloc(1, sizeof(*paths));
    enum ds_err err = paths != NULL ? ds_path_join(dir, "tls", files->folder) : DS_ERR_NOMEM;
    if (err == DS_OK && !ds_file_exists(files->folder)) {
        ds_detail_set(detail, dir, ": no station there", NULL);
        err = DS_ERR_NOT_FOUND;
    }
    if (err == DS_OK) {
        err = name_all(files->folder, paths);
    }
    if (err == DS_OK) {
        files->made = renew || !ds_file_exists(paths->both);
        err = make_all(paths, config, environment, files, detail);
    }
    free(paths);
    return err;
}
