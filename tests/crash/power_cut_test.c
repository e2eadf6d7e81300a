/* Power cuts at every step of a run (cases F7 and F10): what may be on the disk then is laid out in
 * a fresh folder, and the judge opens it.
 *
 * After a cut, the disk holds all that was synced before, and any part of what was not: nothing,
 * all, some writes without others, a write torn at sectors of 512 bytes. Names (made, renamed) are
 * durable when their folder was synced; those that were not are kept up to any point.
 *
 * An argument multiplies the number of random states: power_cut_test 50. */
#include "tests/crash/crash_child.h"

#include <errno.h>

#define SECTOR 512U
#define EVENTS_MAX 4096
#define FILES_MAX 16
#define COMMITS 24U

struct event {
    struct io_head head;
    const char *path; /* Not NUL-terminated. */
    const char *second;
    const uint8_t *data;
    size_t file;    /* Index of the file's content, for writes, truncates and creations. */
    size_t durable; /* The first event after which it is on the disk; EVENTS_MAX: never. */
};

struct recording {
    uint8_t *log;
    size_t count;
    size_t files;
    struct event events[EVENTS_MAX];
};

/* ---- Reading a log -------------------------------------------------------------------------- */

struct name {
    char path[SCRATCH_PATH_SIZE];
    bool dir;
    size_t file;
};

/* The names of a moment. */
struct names {
    size_t count;
    struct name name[FILES_MAX];
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

static bool parent_exists(struct names *names, const char *path, size_t size)
{
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    return size == 0 || find_name(names, path, size - 1) != NULL;
}

/* What a name event does; nothing, where a lost one before it took the ground away. */
static void apply_name(struct names *names, const struct event *event)
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
        path = event->second;
        size = event->head.second_size;
    }
    if (event->head.kind == IO_UNLINK) {
        remove_name(names, path, size);
        return;
    }
    if (!parent_exists(names, path, size)) {
        return;
    }
    remove_name(names, path, size);
    assert_true(names->count < FILES_MAX && size < SCRATCH_PATH_SIZE);
    memcpy(made.path, path, size);
    made.path[size] = '\0';
    names->name[names->count++] = made;
}

static bool is_name_event(const struct event *event)
{
    return event->head.kind == IO_CREATE || event->head.kind == IO_MAKE_DIR ||
           event->head.kind == IO_RENAME || event->head.kind == IO_UNLINK;
}

static bool is_data_event(const struct event *event)
{
    return event->head.kind == IO_WRITE || event->head.kind == IO_TRUNCATE;
}

/* Is the event's name in the folder dir, directly? */
static bool lies_in(const struct event *event, const char *dir, size_t dir_size)
{
    size_t size = event->head.path_size;
    while (size > 0 && event->path[size - 1] != '/') {
        size--;
    }
    size -= size > 0 ? 1 : 0;
    return size == dir_size && memcmp(event->path, dir, size) == 0;
}

static void mark_durable(struct recording *recording, size_t sync)
{
    const struct event *by = &recording->events[sync];
    for (size_t i = 0; i < sync; i++) {
        struct event *event = &recording->events[i];
        bool covered = by->head.kind == IO_SYNC
                           ? is_data_event(event) && event->file == by->file
                           : is_name_event(event) && lies_in(event, by->path, by->head.path_size);
        if (covered && event->durable == EVENTS_MAX) {
            event->durable = sync;
        }
    }
}

static void split_log(struct recording *recording, size_t size)
{
    for (size_t at = 0; at < size; recording->count++) {
        assert_true(recording->count < EVENTS_MAX && size - at >= sizeof(struct io_head));
        struct event *event = &recording->events[recording->count];
        memcpy(&event->head, recording->log + at, sizeof event->head);
        at += sizeof event->head;
        event->path = (const char *)recording->log + at;
        at += event->head.path_size;
        event->second = (const char *)recording->log + at;
        at += event->head.second_size;
        event->data = recording->log + at;
        at += event->head.data_size;
        assert_true(at <= size);
        event->durable = EVENTS_MAX;
    }
}

/* Give every event its file, and find out when it became durable. */
static void understand(struct recording *recording)
{
    struct names *names = calloc(1, sizeof *names);
    assert_non_null(names);
    for (size_t i = 0; i < recording->count; i++) {
        struct event *event = &recording->events[i];
        if (event->head.kind == IO_CREATE) {
            event->file = recording->files++;
        }
        if (is_name_event(event)) {
            apply_name(names, event);
            continue;
        }
        if (event->head.kind == IO_SYNC_DIR) {
            mark_durable(recording, i);
            continue;
        }
        const struct name *name = find_name(names, event->path, event->head.path_size);
        assert_non_null(name);
        event->file = name->file;
        if (event->head.kind == IO_SYNC) {
            mark_durable(recording, i);
        } else if (event->head.synchronous) {
            event->durable = i;
        }
    }
    assert_true(recording->files <= FILES_MAX);
    free(names);
}

static struct recording *read_recording(const char *path)
{
    struct recording *recording = calloc(1, sizeof *recording);
    assert_non_null(recording);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    recording->log = malloc(size);
    assert_non_null(recording->log);
    assert_int_equal(fread(recording->log, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    split_log(recording, size);
    understand(recording);
    return recording;
}

static void free_recording(struct recording *recording)
{
    free(recording->log);
    free(recording);
}

/* ---- A state of the disk -------------------------------------------------------------------- */

enum mode { MODE_NOTHING, MODE_ALL, MODE_RANDOM };

struct content {
    uint8_t *bytes;
    size_t size;
    size_t room;
};

struct cut {
    const struct recording *recording;
    size_t at; /* Events before it are done; this one is on its way. */
    enum mode mode;
    struct prng prng;
};

static void grow_content(struct content *content, size_t size)
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
static void apply_data(struct cut *cut, struct content *content, const struct event *event,
                       bool torn)
{
    size_t start = event->head.offset;
    size_t end = start + event->head.data_size;
    if (event->head.kind == IO_TRUNCATE) {
        grow_content(content, start);
        content->size = start;
        return;
    }
    for (size_t at = start; at < end;) {
        size_t next = at - at % SECTOR + SECTOR;
        next = next < end ? next : end;
        if (!torn || prng_below(&cut->prng, 2) == 0) {
            grow_content(content, next);
            memcpy(content->bytes + at, event->data + (at - start), next - at);
        }
        at = next;
    }
}

static void build_contents(struct cut *cut, struct content contents[static FILES_MAX])
{
    for (size_t i = 0; i <= cut->at && i < cut->recording->count; i++) {
        const struct event *event = &cut->recording->events[i];
        if (!is_data_event(event)) {
            continue;
        }
        bool done = i < cut->at;
        bool durable = done && event->durable < cut->at;
        bool random = cut->mode == MODE_RANDOM;
        if (durable || (done && cut->mode == MODE_ALL)) {
            apply_data(cut, &contents[event->file], event, false);
        } else if (random && prng_below(&cut->prng, 4) != 0) {
            apply_data(cut, &contents[event->file], event, prng_below(&cut->prng, 2) == 0);
        }
    }
}

static void build_names(struct cut *cut, struct names *names)
{
    /* Names that were not synced are kept up to some event. */
    size_t kept = cut->mode == MODE_NOTHING ? 0 : cut->at;
    if (cut->mode == MODE_RANDOM) {
        kept = prng_below(&cut->prng, cut->at + 1);
    }
    for (size_t i = 0; i < cut->at; i++) {
        const struct event *event = &cut->recording->events[i];
        if (is_name_event(event) && (event->durable < cut->at || i < kept)) {
            apply_name(names, event);
        }
    }
}

static void write_names(const struct scratch *fresh, const struct names *names,
                        const struct content contents[static FILES_MAX])
{
    char path[SCRATCH_PATH_SIZE];
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->name[i];
        scratch_join(fresh, name->path, path);
        if (name->dir) {
            assert_int_equal(mkdir(path, 0700), 0);
            continue;
        }
        const struct content *content = &contents[name->file];
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_true(content->size == 0 ||
                    write(fd, content->bytes, content->size) == (ssize_t)content->size);
        assert_int_equal(close(fd), 0);
    }
}

/* The last acknowledgement that left before the cut. */
static uint32_t acked_before(const struct cut *cut)
{
    uint32_t acked = 0;
    for (size_t i = 0; i < cut->at; i++) {
        const struct event *event = &cut->recording->events[i];
        if (event->head.kind == IO_WRITE && event->head.path_size == 4 &&
            memcmp(event->path, "acks", 4) == 0) {
            acked = event->data[event->head.data_size - 1];
        }
    }
    return acked;
}

static void judge_cut(const struct scratch *fresh, struct cut cut)
{
    char dir[SCRATCH_PATH_SIZE];
    struct content contents[FILES_MAX] = {{NULL, 0, 0}};
    static struct names names;
    names.count = 0;
    build_contents(&cut, contents);
    build_names(&cut, &names);
    scratch_empty(fresh);
    write_names(fresh, &names, contents);
    scratch_join(fresh, "store", dir);
    uint32_t acked = acked_before(&cut);
    (void)crash_judge(dir, acked, acked + 1);
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(contents[i].bytes);
    }
}

/* All cuts from an event on. How many states were judged. */
static unsigned judge_all(const struct recording *recording, size_t from, unsigned random_each)
{
    struct scratch fresh;
    unsigned states = 0;
    scratch_make_fast(&fresh);
    for (size_t at = from; at <= recording->count; at++) {
        for (unsigned i = 0; i < 2 + random_each; i++) {
            /* The seed names the state: cmocka shows this when the case fails. */
            struct cut cut = {.recording = recording,
                              .at = at,
                              .mode = i < 2 ? (enum mode)i : MODE_RANDOM,
                              .prng = {at * 1000003 + i}};
            judge_cut(&fresh, cut);
            states++;
        }
    }
    scratch_remove(&fresh);
    return states;
}

/* ---- The cases ------------------------------------------------------------------------------ */

static unsigned factor = 1;

static struct recording *record_runs(const char *fail, uint32_t first, uint32_t commits)
{
    struct scratch root;
    struct scratch outside;
    char log[SCRATCH_PATH_SIZE];
    scratch_make_fast(&root);
    scratch_make_fast(&outside);
    scratch_join(&outside, "log", log);
    struct crash_settings settings = {.log = log, .fail = fail};
    if (fail != NULL) {
        (void)crash_child_run(&root, first, &settings);
        settings.fail = NULL;
    }
    struct crash_report report = crash_child_run(&root, commits, &settings);
    assert_int_equal(report.open, DS_OK);
    assert_int_equal(report.commit, DS_OK);
    assert_int_equal(report.acked, commits);
    struct recording *recording = read_recording(log);
    scratch_remove(&root);
    scratch_remove(&outside);
    return recording;
}

static size_t event_of_ack(const struct recording *recording, uint32_t commit)
{
    for (size_t i = 0; i < recording->count; i++) {
        struct cut cut = {.recording = recording, .at = i};
        if (acked_before(&cut) >= commit) {
            return i;
        }
    }
    return recording->count;
}

static void case_f7__a_power_cut_at_any_write_loses_nothing_acknowledged(void **state)
{
    (void)state;
    struct recording *recording = record_runs(NULL, 0, COMMITS);
    unsigned states = judge_all(recording, event_of_ack(recording, 1), 4 * factor);
    print_message("%u states after the first commit\n", states);
    assert_true(states >= 500);
    free_recording(recording);
}

static void case_f10__a_power_cut_during_birth_leaves_nothing_or_a_store(void **state)
{
    (void)state;
    struct recording *recording = record_runs(NULL, 0, 2);
    unsigned states = judge_all(recording, 0, 8 * factor);
    print_message("%u states of birth and two commits\n", states);
    assert_true(states >= 150);
    free_recording(recording);
}

/* A writer dies in its birth before its folders are synced; the next one must do it. */
static void case_f10__names_left_unsynced_by_a_killed_birth_are_synced_at_open(void **state)
{
    (void)state;
    unsigned states = 0;
    for (unsigned sync = 1; sync <= 8; sync++) {
        char fail[32];
        (void)snprintf(fail, sizeof fail, "sync:%u:%d", sync, EIO);
        struct recording *recording = record_runs(fail, 1, 3);
        states += judge_all(recording, event_of_ack(recording, 1), factor);
        free_recording(recording);
    }
    print_message("%u states\n", states);
}

/* A writer is killed in the write that makes a commit visible: the next one reads that commit and
 * acknowledges it, though it never was on the disk. */
static void case_f7__a_commit_of_a_killed_writer_is_durable_before_it_is_acknowledged(void **state)
{
    (void)state;
    unsigned states = 0;
    for (unsigned meta = 2; meta <= 6; meta++) {
        char fail[32];
        (void)snprintf(fail, sizeof fail, "meta:%u:-1", meta);
        struct recording *recording = record_runs(fail, 8, 10);
        states += judge_all(recording, event_of_ack(recording, 1), factor);
        free_recording(recording);
    }
    print_message("%u states\n", states);
}

int main(int argc, char **argv)
{
    if (crash_child_main(argc, argv)) {
        return 0;
    }
    if (argc == 2) {
        factor = (unsigned)strtoul(argv[1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_f7__a_power_cut_at_any_write_loses_nothing_acknowledged),
        cmocka_unit_test(case_f7__a_commit_of_a_killed_writer_is_durable_before_it_is_acknowledged),
        cmocka_unit_test(case_f10__a_power_cut_during_birth_leaves_nothing_or_a_store),
        cmocka_unit_test(case_f10__names_left_unsynced_by_a_killed_birth_are_synced_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
