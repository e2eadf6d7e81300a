#include "handheld-sdk/src/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ARGON_PASSES = 2, ARGON_BYTES = 19 * 1024 * 1024, BOOT_TEXT_SIZE = 36 };

/* Running time that goes on while the handheld sleeps. */
static int64_t system_mono_ms(void *context)
{
    (void)context;
    struct timespec now;
    int failed = clock_gettime(CLOCK_BOOTTIME, &now);
    DS_ASSERT(failed == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t fold_boot(struct ds_slice bytes)
{
    uint32_t boot = 0;
    struct ds_hash hash = ds_hash3(DS_SLICE_LIT("doorstep boot 1"), bytes, (struct ds_slice){0});
    memcpy(&boot, hash.byte, sizeof(boot));
    return boot;
}

/* The kernel's name of this boot; 0 if it does not tell. */
static uint32_t kernel_boot(void)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    uint8_t text[BOOT_TEXT_SIZE];
    ssize_t got = read(fd, text, sizeof(text));
    (void)close(fd);
    return got == (ssize_t)sizeof(text) ? fold_boot((struct ds_slice){text, sizeof(text)}) : 0;
}

void ds_ports_init(struct ds_ports *ports, const struct ds_handheld_options *options)
{
    memset(ports, 0, sizeof(*ports));
    const struct ds_handheld_clock *clock = &options->clock;
    bool own_clock = clock->now_ms != NULL && clock->monotonic_ms != NULL;
    ports->clock = ds_clock_system();
    ports->clock.monotonic_ms = system_mono_ms;
    if (own_clock) {
        ports->clock = (struct ds_clock){clock->now_ms, clock->monotonic_ms, clock->context};
    } else if (clock->now_ms != NULL) {
        /* A set wall clock beside the system's running time: its context may be shared. */
        ports->clock.now_ms = clock->now_ms;
        ports->clock.context = clock->context;
    }
    ports->random = ds_random_system();
    if (options->random.fill != NULL) {
        ports->random = (struct ds_random){options->random.fill, options->random.context};
    }
    if (clock->boot_id != NULL) {
        ports->boot = clock->boot_id(clock->context);
    } else if (!own_clock) {
        ports->boot = kernel_boot();
    }
    while (ports->boot == 0) {
        ds_ports_random(ports, &ports->boot, sizeof(ports->boot));
    }
    ports->source = options->clock_source > 0 ? options->clock_source : 1;
    ports->argon = (struct ds_argon_cost){ARGON_PASSES, ARGON_BYTES};
    if (options->argon.passes > 0 && options->argon.memory_bytes > 0) {
        ports->argon = (struct ds_argon_cost){options->argon.passes, options->argon.memory_bytes};
    }
}

int64_t ds_ports_now_ms(const struct ds_ports *ports)
{
    return ports->clock.now_ms(ports->clock.context);
}

uint64_t ds_ports_mono_ms(const struct ds_ports *ports)
{
    int64_t mono = ports->clock.monotonic_ms(ports->clock.context);
    return mono > 0 ? (uint64_t)mono : 0;
}

void ds_ports_random(const struct ds_ports *ports, void *out, size_t size)
{
    ports->random.fill(ports->random.context, out, size);
}

/* ---- The stand-in for a key store. ---- */

static enum ds_err join_path(const char *dir, const char *name, char path[static DS_PATH_SIZE])
{
    struct ds_builder builder;
    ds_builder_init(&builder, path, DS_PATH_SIZE);
    ds_put_text(&builder, dir);
    ds_put_text(&builder, "/");
    ds_put_text(&builder, name);
    return ds_builder_text(&builder)[0] == '\0' ? DS_ERR_LIMIT : DS_OK;
}

static enum ds_err read_secret(const char *path, struct ds_secret *secret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? DS_ERR_NOT_FOUND : DS_ERR_IO;
    }
    uint8_t bytes[sizeof(secret->byte) + 1];
    ssize_t got = read(fd, bytes, sizeof(bytes));
    (void)close(fd);
    if (got == (ssize_t)sizeof(secret->byte)) {
        memcpy(secret->byte, bytes, sizeof(secret->byte));
    }
    ds_wipe(bytes, sizeof(bytes));
    return got == (ssize_t)sizeof(secret->byte) ? DS_OK : DS_ERR_INTEGRITY;
}

bool ds_ports_sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool synced = fsync(fd) == 0;
    int error = errno;
    (void)close(fd);
    errno = error;
    return synced;
}

/* Made aside, synced, renamed: a power cut leaves the whole file or none. */
static enum ds_err make_secret(const char *dir, const char *path, const struct ds_ports *ports,
                               struct ds_secret *secret)
{
    char aside[DS_PATH_SIZE];
    DS_TRY(join_path(dir, "hardware.key.new", aside));
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return DS_ERR_IO;
    }
    ds_ports_random(ports, secret->byte, sizeof(secret->byte));
    bool written = write(fd, secret->byte, sizeof(secret->byte)) == (ssize_t)sizeof(secret->byte) &&
                   fsync(fd) == 0;
    written = close(fd) == 0 && written;
    return written && rename(aside, path) == 0 && ds_ports_sync_folder(dir) ? DS_OK : DS_ERR_IO;
}

enum ds_err ds_ports_hardware(const struct ds_handheld_options *options,
                              const struct ds_ports *ports, struct ds_secret *secret,
                              struct ds_detail *detail)
{
    if (options->hardware.secret != NULL) {
        int error = options->hardware.secret(options->hardware.context, secret->byte);
        if (error != 0) {
            ds_detail_set(detail, "the hardware's key store refused", NULL);
        }
        return (enum ds_err)error;
    }
    if (options->dir == NULL) {
        ds_detail_set(detail, "no hardware port and no folder", NULL);
        return DS_ERR_USAGE;
    }
    char path[DS_PATH_SIZE];
    DS_TRY(join_path(options->dir, "hardware.key", path));
    enum ds_err err = read_secret(path, secret);
    if (err == DS_ERR_NOT_FOUND) {
        err = make_secret(options->dir, path, ports, secret);
    }
    if (err != DS_OK) {
        ds_detail_set(detail, "hardware.key: ", ds_err_text(err), NULL);
    }
    return err;
}
