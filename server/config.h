/* The station's settings: DIR/doorstep.ini, read once at start.
 *
 * Every key stands once in DS_CONFIG_TABLE with its type, limits, default and meaning; parsing,
 * the generated reference (CONFIG.md) and the file that `station init` writes all walk that table.
 * An unknown section or key, a repeated key and a value outside its limits are errors that name
 * line and key: a typo never silently keeps a default. No secret stands in this file. */
#ifndef DS_SERVER_CONFIG_H
#define DS_SERVER_CONFIG_H

#include "schema/base/bytes.h"

#define DS_CONFIG_TEXT_MAX 140 /* Bytes of a text value. */
#define DS_CONFIG_LINE_MAX 190 /* Bytes of a line; inih as packaged cuts longer ones in two. */
#define DS_CONFIG_FILE_MAX (64 * 1024) /* Bytes of the file. */

/* NUMBER(section, key, default, least, most, doc); SWITCH(section, key, default, doc);
 * TEXT(section, key, default, doc); CHOICE(section, key, default, words, doc). */
/* clang-format off */
#define DS_CONFIG_TABLE(NUMBER, SWITCH, TEXT, CHOICE)                                              \
    TEXT(server, listen, "127.0.0.1:8420",                                                         \
         "Address and port; port 0 takes a free one. Other than loopback needs `behind_proxy`.")   \
    SWITCH(server, behind_proxy, 0,                                                                \
           "A proxy that ends TLS stands in front: any address may be listened at, and the last "  \
           "address of X-Forwarded-For is the client's.")                                          \
    TEXT(server, public_url, "",                                                                   \
         "What handhelds call, in every enrolment code; empty: `http://`, `listen`.")           \
    NUMBER(server, workers, 48, 4, 512, "Threads that serve requests, event streams among them.")  \
    NUMBER(server, event_streams_max, 8, 0, 64,                                                    \
           "Event streams at a time; beyond it 503 with Retry-After. Less than `workers`.")        \
    NUMBER(server, request_timeout_ms, 10000, 100, 600000,                                         \
           "Longest silence, and longest time of the head, while a request is read.")              \
    NUMBER(server, body_deadline_ms, 30000, 100, 600000,                                           \
           "A body must be complete after this time, however it drips.")                           \
    NUMBER(server, queue_max, 1024, 1, 65536,                                                      \
           "Submissions that may wait for the writer; beyond it 503 with Retry-After.")            \
    NUMBER(server, tick_s, 60, 1, 3600, "Seconds between the journal's own tick entries.")         \
    NUMBER(server, quota_mib, 0, 0, 1073741824,                                                    \
           "Largest size of the store in MiB; 0: the disk decides.")                               \
    NUMBER(device, lease_hours, 72, 24, 72,                                                        \
           "Running time after which a handheld without contact closes what it pulled.")           \
    NUMBER(session, idle_min, 30, 1, 1440, "Minutes after which an unused session ends.")          \
    NUMBER(session, hours_max, 12, 1, 168, "Hours after which any session ends.")                  \
    NUMBER(session, tries_max, 5, 1, 100,                                                          \
           "Wrong passwords in a row of a user, and four times as many of an address, before a "   \
           "wait.")                                                                                \
    NUMBER(session, wait_s, 60, 1, 86400, "Seconds of that wait.")                                 \
    CHOICE(billing, kind, "file", "off file http", "How billing gets the slots.")                  \
    TEXT(billing, url, "", "Where kind `http` posts to.")                                          \
    NUMBER(billing, batch_max, 500, 1, 5000, "Exports of one file or request.")                    \
    NUMBER(billing, interval_ms, 1000, 10, 3600000, "Pause between looks for new exports.")        \
    CHOICE(gis, kind, "file", "off file http", "How GIS gets confirmed premises and meters.")      \
    TEXT(gis, url, "", "Where kind `http` posts to.")                                              \
    NUMBER(gis, batch_max, 500, 1, 5000, "Exports of one file or request.")                        \
    NUMBER(gis, interval_ms, 1000, 10, 3600000, "Pause between looks for new exports.")            \
    NUMBER(outbox, retry_first_ms, 1000, 10, 600000,                                               \
           "First pause after a failed delivery; it doubles, with jitter.")                        \
    NUMBER(outbox, retry_max_ms, 300000, 10, 86400000, "Longest pause after failed deliveries.")   \
    NUMBER(outbox, timeout_ms, 30000, 100, 600000, "Longest time of one HTTP delivery.")           \
    TEXT(proxy, listen, "0.0.0.0:8443", "Address and port of the proxy's TLS side.")               \
    TEXT(proxy, name, "localhost", "Host name in the certificate.")                                \
    NUMBER(proxy, connections_max, 9000, 16, 100000,                                              \
           "Connections that the proxy holds; more wait in its backlog.")                          \
    NUMBER(proxy, certificate_days, 3650, 1, 36500,                                                \
           "Life of the self-signed certificate; handhelds check its pin, not its dates.")
/* clang-format on */

#define DS_CONFIG_NUMBER(section, key, standard, least, most, doc) int64_t section##_##key;
#define DS_CONFIG_SWITCH(section, key, standard, doc) bool section##_##key;
#define DS_CONFIG_TEXT(section, key, standard, doc) char section##_##key[DS_CONFIG_TEXT_MAX + 1];
#define DS_CONFIG_CHOICE(section, key, standard, words, doc)                                       \
    char section##_##key[DS_CONFIG_TEXT_MAX + 1];
/* One member per key: config.server_listen, config.session_idle_min, ... */
struct ds_config {
    DS_CONFIG_TABLE(DS_CONFIG_NUMBER, DS_CONFIG_SWITCH, DS_CONFIG_TEXT, DS_CONFIG_CHOICE)
};
#undef DS_CONFIG_NUMBER
#undef DS_CONFIG_SWITCH
#undef DS_CONFIG_TEXT
#undef DS_CONFIG_CHOICE

/* Every key at its default. */
void ds_config_default(struct ds_config *config);
/* Read settings over the present ones. DS_ERR_DECODE "line N: what", DS_ERR_SCHEMA
 * "section.key: what". */
DS_NODISCARD enum ds_err ds_config_parse(struct ds_config *config, struct ds_slice text,
                                         struct ds_detail *detail);
/* The same from a file. DS_ERR_NOT_FOUND, DS_ERR_IO, DS_ERR_LIMIT. */
DS_NODISCARD enum ds_err ds_config_load(struct ds_config *config, const char *path,
                                        struct ds_detail *detail);
/* One key by name, as a command line option sets it. */
DS_NODISCARD enum ds_err ds_config_set(struct ds_config *config, const char *section,
                                       const char *key, const char *value,
                                       struct ds_detail *detail);

/* The reference, as CONFIG.md; and a file with every key at its present value. */
void ds_config_put_reference(struct ds_builder *out);
void ds_config_put_file(struct ds_builder *out, const struct ds_config *config);

#endif
