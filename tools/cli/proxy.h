/* The TLS proxy in front of a station's server: certificate, pin and haproxy's configuration.
 *
 * Handhelds know the proxy by the SHA-256 of its public key (the pin), so a self-signed certificate
 * serves, and its dates harm nobody. The openssl command makes key and certificate; everything lies
 * in DIR/tls: key.pem, cert.pem, server.pem (both, for haproxy), pin (64 hex digits), haproxy.cfg.
 * A new key is made only when there is none, or when asked: it changes the pin. */
#ifndef DS_TOOLS_CLI_PROXY_H
#define DS_TOOLS_CLI_PROXY_H

#include "server/config.h"
#include "server/files.h"

struct ds_proxy_files {
    char folder[DS_PATH_MAX];
    char pin[65]; /* Hex. */
    bool made;    /* A new key was made. */
};

/* dir: the station's folder. environment: for the openssl command. DS_ERR_NOT_FOUND: no station, or
 * no openssl; DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_proxy_make(const char *dir, const struct ds_config *config, bool renew,
                                       char *const *environment, struct ds_proxy_files *files,
                                       struct ds_detail *detail);

/* The text of the configuration. */
void ds_proxy_put_config(struct ds_builder *out, const struct ds_config *config,
                         const char *folder);

#endif
