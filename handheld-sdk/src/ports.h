/* The ports of a handle, resolved: clock, random, boot, hardware secret.
 *
 * The public options may leave any port unset; here each has a value, so that no other module asks
 * the world by itself. Knows nothing of storage tables or of the network. */
#ifndef DS_HANDHELD_SDK_SRC_PORTS_H
#define DS_HANDHELD_SDK_SRC_PORTS_H

#include "doorstep.h"
#include "sync/core/hash.h"
#include "sync/crypto/crypto.h"

#define DS_PATH_SIZE 1536 /* Of a file in the store's folder, its NUL included. */

struct ds_ports {
    struct ds_clock clock;
    struct ds_random random;
    uint32_t boot; /* Names the boot; never 0. */
    int source;    /* Number of list clock_source. */
    struct ds_argon_cost argon;
};

void ds_ports_init(struct ds_ports *ports, const struct ds_handheld_options *options);
int64_t ds_ports_now_ms(const struct ds_ports *ports);
uint64_t ds_ports_mono_ms(const struct ds_ports *ports);
void ds_ports_random(const struct ds_ports *ports, void *out, size_t size);

/* The hardware's secret: of the port, else of the file `hardware.key` in the store's folder, which
 * is made (owner only, synced) if it is absent. DS_ERR_USAGE: neither port nor folder. */
DS_NODISCARD enum ds_err ds_ports_hardware(const struct ds_handheld_options *options,
                                           const struct ds_ports *ports, struct ds_secret *secret,
                                           struct ds_detail *detail);
/* Make the names in a folder durable. False: errno says why not. */
bool ds_ports_sync_folder(const char *dir);

#endif
