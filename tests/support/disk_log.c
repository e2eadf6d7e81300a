#include "tests/support/disk_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names ---------------------------------------------------------------------------------- */

struct name {
    char path[SCRATCH_PATH_SIZE];
    bool dir;
    size_t file;
};

/* The names of a moment. */
struct names {
    size_t count;
    struct name name[DISK_FILES_MAX];
};

static struct name *find_name(struct names *names, const char *path, size_t size)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strlen(names->name[i].path) == size && memcmp(names->name[i].path, path, size) == 0) {
            return &names->name[i];
        }
    }
    return NULL;
}

static void remove_name(struct names *names, const char *path, size_t size)
{
    struct name *name = find_name(names, path, size);
    if (name != NULL) {
        *name = names->name[--names->count];
    }
}

static size_t parent_size(const char *path, size_t size)
{
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    return size > 0 ? size - 1 : 0;
}

static bool parent_exists(struct names *names, const char *path, size_t size)
{
    size_t parent = parent_size(path, size);
    return parent == 0 || find_name(names, path, parent) != NULL;
}

static void add_name(struct names *names, struct name made, const char *path, size_t size)
{
    remove_name(names, path, size);
    assert_true(names->count < DISK_FILES_MAX && size < SCRATCH_PATH_SIZE);
    memcpy(made.path, path, size);
    made.path[size] = '\0';
    names->name[names->count++] = made;
}

/* A folder takes along what is in it. */
static void move_below(struct names *names, const struct disk_event *event)
{
    size_t from = event->head.path_size;
    for (size_t i = 0; i < names->count; i++) {
        struct name *name = &names->name[i];
        char rest[SCRATCH_PATH_SIZE];
        if (strncmp(name->path, event->path, from) == 0 && name->path[from] == '/') {
            (void)snprintf(rest, sizeof rest, "%s", name->path + from);
            int size = snprintf(name->path, sizeof name->path, "%.*s%s",
                                (int)event->head.second_size, event->second, rest);
            assert_in_range(size, 1, sizeof name->path - 1);
        }
    }
}

/* What a name event does; nothing, where a lost one before it took the ground away. */
static void apply_name(struct names *names, const struct disk_event *event)
{
    size_t size = event->head.path_size;
    struct name made = {.dir = event->head.kind == IO_MAKE_DIR, .file = event->file};
    const char *path = event->path;
    if (event->head.kind == IO_RENAME) {
        const struct name *from = find_name(names, path, size);
        if (from == NULL) {
            return;
        }
        made = *from;
        remove_name(names, path, size);
        if (made.dir) {
            move_below(names, event);
        }
        path = event->second;
        size = event->head.second_size;
    }
    if (event->head.kind == IO_UNLINK) {
        remove_name(names, path, size);
    } else if (parent_exists(names, path, size)) {
        add_name(names, made, path, size);
    }
}

static bool is_name_event(const struct disk_event *event)
{
    return event->head.kind == IO_CREATE || event->head.kind == IO_MAKE_DIR ||
           event->head.kind == IO_RENAME || event->head.kind == IO_UNLINK;
}

static bool is_data_event(const struct disk_event *event)
{
    return event->head.kind == IO_WRITE || event->head.kind == IO_TRUNCATE;
}

/* Does syncing the folder make the event's names durable? Of a rename, either folder's does: a
 * journalling file system makes both sides in one transaction. */
static bool lies_in(const struct disk_event *event, const char *dir, size_t dir_size)
{
    size_t first = parent_size(event->path, event->head.path_size);
    size_t second = parent_size(event->second, event->head.second_size);
    bool renamed = event->head.kind == IO_RENAME;
    return (first == dir_size && memcmp(event->path, dir, first) == 0) ||
           (renamed && second == dir_size && memcmp(event->second, dir, second) == 0);
}

static bool is_message(const struct disk_event *event)
{
    return event->head.kind == IO_WRITE && event->head.path_size == 4 &&
           memcmp(event->path, "acks", 4) == 0;
}

/* ---- Reading a log -------------------------------------------------------------------------- */

static void mark_durable(struct disk_log *log, size_t sync)
{
    const struct disk_event *by = &log->events[sync];
    for (size_t i = 0; i < sync; i++) {
        struct disk_event *event = &log->events[i];
        if (event->durable != SIZE_MAX) {
            continue;
        }
        bool covered = by->head.kind == IO_SYNC
                           ? is_data_event(event) && event->file == by->file
                           : is_name_event(event) && lies_in(event, by->path, by->head.path_size);
        if (covered) {
            event->durable = sync;
        }
    }
}

static size_t split_log(const uint8_t *bytes, size_t size, struct disk_event *events)
{
    size_t count = 0;
    for (size_t at = 0; at < size; count++) {
        struct disk_event event = {.durable = SIZE_MAX};
        assert_true(size - at >= sizeof event.head);
        memcpy(&event.head, bytes + at, sizeof event.head);
        at += sizeof event.head;
        event.path = (const char *)bytes + at;
        at += event.head.path_size;
        event.second = (const char *)bytes + at;
        at += event.head.second_size;
        event.data = bytes + at;
        at += event.head.data_size;
        assert_true(at <= size);
        if (events != NULL) {
            events[count] = event;
        }
    }
    return count;
}

/* Give every event its file, and find out when it became durable. */
static void understand(struct disk_log *log)
{
    struct names *names = calloc(1, sizeof *names);
    assert_non_null(names);
    for (size_t i = 0; i < log->count; i++) {
        struct disk_event *event = &log->events[i];
        if (event->head.kind == IO_CREATE) {
            event->file = log->files++;
            assert_true(log->files <= DISK_FILES_MAX);
        }
        if (is_name_event(event)) {
            apply_name(names, event);
            continue;
        }
        if (event->head.kind == IO_SYNC_DIR) {
            mark_durable(log, i);
            continue;
        }
        if (is_message(event)) {
            event->file = SIZE_MAX; /* It went out into the world: no file of ours. */
            continue;
        }
        const struct name *name = find_name(names, event->path, event->head.path_size);
        assert_non_null(name);
        event->file = name->file;
        if (event->head.kind == IO_SYNC) {
            mark_durable(log, i);
        } else if (event->head.synchronous) {
            event->durable = i;
        }
    }
    free(names);
}

struct disk_log *disk_log_read(const char *path)
{
    struct disk_log *log = calloc(1, sizeof *log);
    FILE *file = fopen(path, "rb");
    assert_true(log != NULL && file != NULL);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    log->bytes = malloc(size + 1);
    assert_non_null(log->bytes);
    assert_int_equal(fread(log->bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    log->count = split_log(log->bytes, size, NULL);
    log->events = calloc(log->count + 1, sizeof *log->events);
    assert_non_null(log->events);
    (void)split_log(log->bytes, size, log->events);
    understand(log);
    return log;
}

void disk_log_free(struct disk_log *log)
{
    for (size_t i = 0; i < log->files; i++) {
        free(log->base[i].bytes);
    }
    free(log->work.bytes);
    free(log->events);
    free(log->bytes);
    free(log);
}

/* ---- A state of the disk -------------------------------------------------------------------- */

static void grow(struct disk_content *content, size_t size)
{
    if (size > content->room) {
        content->bytes = realloc(content->bytes, size * 2);
        assert_non_null(content->bytes);
        content->room = size * 2;
    }
    if (size > content->size) {
        memset(content->bytes + content->size, 0, size - content->size);
        content->size = size;
    }
}

/* Apply a write whole, or torn: each sector by the toss of a coin. */
static void apply_data(struct disk_content *content, const struct disk_event *event,
                       struct prng *torn)
{
    size_t start = event->head.offset;
    size_t end = start + event->head.data_size;
    if (event->head.kind == IO_TRUNCATE) {
        grow(content, start);
        content->size = start;
        return;
    }
    for (size_t at = start; at < end;) {
        size_t next = at - at % DISK_SECTOR + DISK_SECTOR;
        next = next < end ? next : end;
        if (torn == NULL || prng_below(torn, 2) == 0) {
            grow(content, next);
            memcpy(content->bytes + at, event->data + (at - start), next - at);
        }
        at = next;
    }
}

static bool concerns(const struct disk_event *event, size_t file)
{
    return is_data_event(event) && event->file == file;
}

/* Move the base of a file on: everything durable before the first event that is not. */
static void fold_base(struct disk_log *log, size_t file, size_t at)
{
    size_t i = log->folded[file];
    while (i < at && (!concerns(&log->events[i], file) || log->events[i].durable < at)) {
        if (concerns(&log->events[i], file)) {
            apply_data(&log->base[file], &log->events[i], NULL);
        }
        i++;
    }
    log->folded[file] = i;
}

/* The content of one file at a cut, in log->work. */
static void build_content(struct disk_log *log, const struct disk_cut *cut, size_t file,
                          struct prng *prng)
{
    struct disk_content *work = &log->work;
    fold_base(log, file, cut->at);
    work->size = 0;
    grow(work, log->base[file].size);
    if (work->size > 0) {
        memcpy(work->bytes, log->base[file].bytes, work->size);
    }
    for (size_t i = log->folded[file]; i <= cut->at && i < log->count; i++) {
        const struct disk_event *event = &log->events[i];
        if (!concerns(event, file)) {
            continue;
        }
        bool done = i < cut->at;
        if (done && (event->durable < cut->at || cut->mode == DISK_ALL)) {
            apply_data(work, event, NULL);
        } else if (cut->mode == DISK_RANDOM && prng_below(prng, 4) != 0) {
            apply_data(work, event, prng_below(prng, 2) == 0 ? prng : NULL);
        }
    }
}

static void build_names(const struct disk_log *log, const struct disk_cut *cut, struct prng *prng,
                        struct names *names)
{
    /* Names that were not synced are kept up to some event. */
    size_t kept = cut->mode == DISK_NOTHING ? 0 : cut->at;
    if (cut->mode == DISK_RANDOM) {
        kept = prng_below(prng, cut->at + 1);
    }
    names->count = 0;
    for (size_t i = 0; i < cut->at; i++) {
        const struct disk_event *event = &log->events[i];
        if (is_name_event(event) && (event->durable < cut->at || i < kept)) {
            apply_name(names, event);
        }
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

void disk_log_lay_out(struct disk_log *log, const struct disk_cut *cut, const struct scratch *fresh)
{
    char path[SCRATCH_PATH_SIZE];
    struct prng prng = {cut->seed};
    struct names *names = malloc(sizeof *names);
    assert_non_null(names);
    if (cut->at < log->folded_at) {
        memset(log->folded, 0, sizeof log->folded);
        for (size_t i = 0; i < log->files; i++) {
            log->base[i].size = 0;
        }
    }
    log->folded_at = cut->at;
    build_names(log, cut, &prng, names);
    /* A folder's path sorts before those in it. */
    qsort(names->name, names->count, sizeof names->name[0], by_path);
    scratch_empty(fresh);
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->name[i];
        scratch_join(fresh, name->path, path);
        if (name->dir) {
            assert_int_equal(mkdir(path, 0700), 0);
            continue;
        }
        build_content(log, cut, name->file, &prng);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, log->work.bytes, log->work.size), log->work.size);
        assert_int_equal(close(fd), 0);
    }
    free(names);
}

/* ---- Messages ------------------------------------------------------------------------------- */

bool disk_log_message(const struct disk_log *log, size_t at, void *message, size_t size)
{
    for (size_t i = at; i-- > 0;) {
        const struct disk_event *event = &log->events[i];
        if (is_message(event)) {
            assert_true(event->head.data_size >= size);
            memcpy(message, event->data + event->head.data_size - size, size);
            return true;
        }
    }
    return false;
}

size_t disk_log_after_messages(const struct disk_log *log, size_t count)
{
    size_t i = 0;
    while (i < log->count && count > 0) {
        count -= is_message(&log->events[i++]) ? 1 : 0;
    }
    return i;
}
