#include "server/outbox.h"

#include "schema/base/text.h"
#include "schema/codec/record_mp.h"
#include "server/parcel.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct consumer {
    struct ds_outbox *outbox;
    enum ds_consumer number;
    const char *name;
    const char *kind;
    struct ds_carrier carrier;
    struct ds_connector_http *http;
    char folder[DS_PATH_MAX];
    size_t batch_max;
    int64_t interval_ms;
    pthread_mutex_t lock; /* One delivery at a time; the maker. */
    struct ds_parcel_maker maker;
    pthread_t thread;
    bool started;
};

struct ds_outbox {
    struct ds_office *office;
    pthread_mutex_t lock; /* stopping */
    pthread_cond_t wake;
    bool stopping;
    struct consumer consumers[DS_OUTBOX_CONSUMERS];
};

enum ds_err ds_outbox_folder(const struct ds_site *site, enum ds_consumer consumer,
                             char path[static DS_PATH_MAX])
{
    char outbox[DS_PATH_MAX];

    DS_TRY(ds_path_join(site->dir, "outbox", outbox));
    return ds_path_join(outbox, ds_enum_name(DS_LIST_consumer, consumer), path);
}

/* ---- Carriers ---- */

static enum ds_err carry_file(void *context, const struct ds_parcel *parcel,
                              struct ds_detail *detail)
{
    const struct consumer *consumer = context;

    return ds_connector_file(consumer->folder, parcel, detail);
}

/* What the other side refuses for good lies in dead/ with its reason, for a person. */
static enum ds_err bury(struct consumer *consumer, const char *key, struct ds_slice line,
                        const char *why)
{
    char folder[DS_PATH_MAX];
    char name[DS_PARCEL_NAME_MAX + 40];
    char path[DS_PATH_MAX];
    struct ds_detail detail = {""};
    struct ds_builder out;
    struct ds_slice bytes;
    uint8_t *memory = malloc(line.size + 1024);

    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&out, memory, line.size + 1024);
    ds_put_text(&out, "; ");
    ds_put_text(&out, why);
    ds_put_text(&out, "\n");
    ds_put_bytes(&out, line);
    (void)snprintf(name, sizeof(name), "%s.jsonl", key);
    enum ds_err err = ds_builder_end(&out, &bytes);

    if (err == DS_OK) {
        err = ds_path_join(consumer->folder, "dead", folder);
    }
    if (err == DS_OK) {
        err = ds_folder_make(folder, &detail);
    }
    if (err == DS_OK) {
        err = ds_path_join(folder, name, path);
    }
    if (err == DS_OK) {
        err = ds_file_write(path, bytes, 0640, &detail);
    }
    free(memory);
    if (err == DS_OK) {
        ds_metrics_add(&consumer->outbox->office->metrics->dead_letters, 1);
    }
    return err;
}

/* A run of a parcel's lines, first..first+count; a refused run is halved until the line that is
 * refused stands alone. The depth is that of halving 5,000: 13. */
static enum ds_err carry_run(struct consumer *consumer, const struct ds_parcel *parcel,
                             size_t first, size_t count)
{
    char key[DS_PARCEL_NAME_MAX + 24];
    struct ds_detail why = {""};
    size_t begin = first == 0 ? 0 : parcel->line_end[first - 1];
    size_t end = parcel->line_end[first + count - 1];
    bool whole = count == parcel->count;
    struct ds_slice lines = {parcel->lines.data + begin,
                             (whole ? parcel->lines.size : end) - begin};

    (void)snprintf(key, sizeof(key), whole ? "%s" : "%s.%zu-%zu", parcel->key, first,
                   first + count);
    enum ds_err err = ds_connector_http_post(consumer->http, key, lines, &why);

    if (err != DS_ERR_SCHEMA) {
        return err;
    }
    if (count == 1) {
        lines.size = end - begin;
        return bury(consumer, key, lines, why.text);
    }
    DS_TRY(carry_run(consumer, parcel, first, count / 2));
    return carry_run(consumer, parcel, first + count / 2, count - count / 2);
}

static enum ds_err carry_http(void *context, const struct ds_parcel *parcel,
                              struct ds_detail *detail)
{
    enum ds_err err = carry_run(context, parcel, 0, parcel->count);

    if (err != DS_OK) {
        ds_detail_set(detail, "not taken", (const char *)NULL);
    }
    return err;
}

/* ---- The plan: where the parcel that is on its way ends ---- */

static enum ds_err plan_path(const struct consumer *consumer, char path[static DS_PATH_MAX])
{
    return ds_path_join(consumer->folder, "plan", path);
}

static enum ds_err save_plan(const struct consumer *consumer, const struct ds_parcel *parcel,
                             struct ds_detail *detail)
{
    char text[128];
    char path[DS_PATH_MAX];

    (void)snprintf(text, sizeof(text), "%llu %u %llu %u\n",
                   (unsigned long long)parcel->from_position, (unsigned)parcel->from_ordinal,
                   (unsigned long long)parcel->to_position, (unsigned)parcel->to_ordinal);
    DS_TRY(plan_path(consumer, path));
    return ds_file_write(path, ds_slice_of_text(text), 0640, detail);
}

static bool take_number(const char **text, int64_t *number)
{
    size_t size = strspn(*text, "0123456789");
    struct ds_slice digits = {(const uint8_t *)*text, size};

    *text += size;
    *text += **text == ' ' || **text == '\n';
    return ds_int_parse(digits, number) == DS_OK;
}

/* If the plan begins at range's beginning, the parcel ends where the plan says. */
static void load_plan(const struct consumer *consumer, struct ds_parcel *range)
{
    char text[128];
    char path[DS_PATH_MAX];
    struct ds_builder in;
    int64_t number[4] = {0};

    ds_builder_init(&in, text, sizeof(text) - 1);
    if (plan_path(consumer, path) != DS_OK || ds_file_read(path, &in, NULL) != DS_OK) {
        return;
    }
    text[in.used] = '\0';
    const char *at = text;

    for (size_t i = 0; i < DS_COUNT(number); i++) {
        if (!take_number(&at, &number[i])) {
            return;
        }
    }
    if (*at == '\0' && (uint64_t)number[0] == range->from_position &&
        number[1] == range->from_ordinal && number[2] > 0 && number[3] <= UINT32_MAX) {
        range->to_position = (uint64_t)number[2];
        range->to_ordinal = (uint32_t)number[3];
    }
}

/* ---- Delivering ---- */

static enum ds_err read_cursor(struct consumer *consumer, struct ds_parcel *range)
{
    struct ds_txn *txn = NULL;

    memset(range, 0, sizeof(*range));
    DS_TRY(ds_store_begin(consumer->outbox->office->site->store, false, &txn));
    enum ds_err err = ds_export_cursor(txn, (uint8_t)consumer->number, &range->from_position,
                                       &range->from_ordinal);

    ds_txn_abort(txn);
    return err;
}

/* The other side has it: the cursor moves, by an op of the consumer's own actor. */
static enum ds_err move_cursor(struct consumer *consumer, const struct ds_parcel *parcel,
                               struct ds_detail *detail)
{
    const struct ds_office_actor actor = {
        .name = consumer->name,
        .kind = consumer->number == DS_CONSUMER_billing ? DS_ACTOR_billing : DS_ACTOR_gis};
    struct ds_delivery delivery = {.presence = {0}};
    struct ds_office_verdict verdict;
    uint8_t bytes[256];
    struct ds_builder out;
    struct ds_draft draft = {.type = DS_REC_delivery};

    DS_SET(&delivery, delivery, consumer, consumer->number);
    DS_SET(&delivery, delivery, position, (int64_t)parcel->to_position);
    DS_SET(&delivery, delivery, ordinal, parcel->to_ordinal);
    DS_SET(&delivery, delivery, exports, (int64_t)parcel->count);
    DS_SET(&delivery, delivery, name, ds_slice_of_text(parcel->key));
    ds_builder_init(&out, bytes, sizeof(bytes));
    DS_TRY(ds_record_encode_op(ds_record_type_by_number(DS_REC_delivery), &delivery, &out));
    DS_TRY(ds_builder_end(&out, &draft.fields));
    DS_TRY(ds_office_write(consumer->outbox->office, &actor, &draft, 1, &verdict, NULL, detail));
    if (verdict.verdict != DS_VERDICT_applied) {
        *detail = verdict.words;
        return DS_ERR_CONFLICT;
    }
    return DS_OK;
}

/* One parcel, from cursor to cursor. DS_ERR_NOT_FOUND: nothing waits. */
static enum ds_err deliver_one(struct consumer *consumer, size_t *count, struct ds_detail *detail)
{
    struct ds_office *office = consumer->outbox->office;
    const struct ds_parcel *parcel = &consumer->maker.parcel;
    struct ds_parcel range;

    *count = 0;
    DS_TRY(read_cursor(consumer, &range));
    load_plan(consumer, &range);
    size_t most = range.to_position != 0 ? DS_PARCEL_EXPORTS_MAX : consumer->batch_max;

    DS_TRY(ds_parcel_make(&consumer->maker, office, consumer->number, most, &range));
    if (range.to_position == 0) {
        DS_TRY(save_plan(consumer, parcel, detail));
    }
    enum ds_err err = consumer->carrier.carry(consumer->carrier.context, parcel, detail);

    if (err == DS_ERR_SCHEMA) {
        err = bury(consumer, parcel->key, parcel->lines, detail->text);
    }
    if (err == DS_OK) {
        err = move_cursor(consumer, parcel, detail);
    }
    if (err == DS_OK) {
        *count = parcel->count;
        ds_metrics_add(&office->metrics->deliveries, 1);
        ds_metrics_add(&office->metrics->exports_delivered, parcel->count);
    }
    return err;
}

static struct consumer *consumer_of(struct ds_outbox *outbox, enum ds_consumer number)
{
    DS_ASSERT(number >= 1 && number <= DS_OUTBOX_CONSUMERS);
    return &outbox->consumers[number - 1];
}

enum ds_err ds_outbox_deliver(struct ds_outbox *outbox, enum ds_consumer number, uint64_t *exports,
                              struct ds_detail *detail)
{
    struct consumer *consumer = consumer_of(outbox, number);
    struct ds_detail why = {""};
    enum ds_err err = DS_OK;

    *exports = 0;
    if (consumer->carrier.carry == NULL) {
        ds_detail_set(detail, consumer->name, ": switched off", (const char *)NULL);
        return DS_ERR_NOT_FOUND;
    }
    pthread_mutex_lock(&consumer->lock);
    while (err == DS_OK) {
        size_t count = 0;

        err = deliver_one(consumer, &count, &why);
        *exports += count;
    }
    pthread_mutex_unlock(&consumer->lock);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    ds_metrics_add(&outbox->office->metrics->delivery_failures, 1);
    ds_detail_set(detail, consumer->name, ": ", why.text, (const char *)NULL);
    return err;
}

/* ---- Threads ---- */

/* A pause with jitter: between half and the whole of it. */
static int64_t jitter(struct ds_outbox *outbox, int64_t pause_ms)
{
    const struct ds_random *random = &outbox->office->site->random;
    uint32_t number = 0;

    random->fill(random->context, &number, sizeof(number));
    return pause_ms / 2 + (int64_t)(number % (uint64_t)(pause_ms / 2 + 1));
}

/* False: the outbox stops. */
static bool pause_for(struct ds_outbox *outbox, int64_t pause_ms)
{
    struct timespec until = {0};
    int failed = clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t end_ms = (int64_t)until.tv_sec * 1000 + until.tv_nsec / 1000000 + pause_ms;
    int timed_out = 0;

    DS_ASSERT(failed == 0);
    until.tv_sec = end_ms / 1000;
    until.tv_nsec = end_ms % 1000 * 1000000;
    pthread_mutex_lock(&outbox->lock);
    while (!outbox->stopping && timed_out == 0) {
        timed_out = pthread_cond_timedwait(&outbox->wake, &outbox->lock, &until);
    }
    bool goes_on = !outbox->stopping;

    pthread_mutex_unlock(&outbox->lock);
    return goes_on;
}

static void *work(void *context)
{
    struct consumer *consumer = context;
    struct ds_outbox *outbox = consumer->outbox;
    const struct ds_config *config = &outbox->office->site->config;
    int64_t retry_ms = config->outbox_retry_first_ms;
    int64_t wait_ms = 0;

    while (pause_for(outbox, wait_ms)) {
        struct ds_detail detail = {""};
        uint64_t exports = 0;
        enum ds_err err = ds_outbox_deliver(outbox, consumer->number, &exports, &detail);

        if (err == DS_OK) {
            retry_ms = config->outbox_retry_first_ms;
            wait_ms = consumer->interval_ms;
            continue;
        }
        ds_log_error(outbox->office->log, "delivery", err, &detail);
        wait_ms = jitter(outbox, retry_ms);
        retry_ms =
            2 * retry_ms < config->outbox_retry_max_ms ? 2 * retry_ms : config->outbox_retry_max_ms;
    }
    return NULL;
}

enum ds_err ds_outbox_start(struct ds_outbox *outbox)
{
    for (size_t i = 0; i < DS_OUTBOX_CONSUMERS; i++) {
        struct consumer *consumer = &outbox->consumers[i];

        if (consumer->carrier.carry == NULL) {
            continue;
        }
        if (pthread_create(&consumer->thread, NULL, work, consumer) != 0) {
            ds_outbox_stop(outbox);
            return DS_ERR_NOMEM;
        }
        consumer->started = true;
    }
    return DS_OK;
}

void ds_outbox_stop(struct ds_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->stopping = true;
    pthread_cond_broadcast(&outbox->wake);
    pthread_mutex_unlock(&outbox->lock);
    for (size_t i = 0; i < DS_OUTBOX_CONSUMERS; i++) {
        if (outbox->consumers[i].started) {
            (void)pthread_join(outbox->consumers[i].thread, NULL);
            outbox->consumers[i].started = false;
        }
    }
}

/* ---- Opening ---- */

static enum ds_err choose_carrier(struct consumer *consumer, const char *kind, const char *url)
{
    const struct ds_config *config = &consumer->outbox->office->site->config;

    consumer->kind = kind;
    if (strcmp(kind, "off") == 0) {
        return DS_OK;
    }
    if (strcmp(kind, "file") == 0) {
        consumer->carrier = (struct ds_carrier){carry_file, consumer};
        return DS_OK;
    }
    DS_TRY(ds_connector_http_open(url, (uint32_t)config->outbox_timeout_ms, &consumer->http));
    consumer->carrier = (struct ds_carrier){carry_http, consumer};
    return DS_OK;
}

static enum ds_err open_consumer(struct ds_outbox *outbox, enum ds_consumer number,
                                 const struct ds_carrier *carrier)
{
    const struct ds_config *config = &outbox->office->site->config;
    struct consumer *consumer = consumer_of(outbox, number);
    bool billing = number == DS_CONSUMER_billing;

    consumer->outbox = outbox;
    consumer->number = number;
    consumer->name = ds_enum_name(DS_LIST_consumer, number);
    consumer->batch_max = (size_t)(billing ? config->billing_batch_max : config->gis_batch_max);
    consumer->interval_ms = billing ? config->billing_interval_ms : config->gis_interval_ms;
    DS_TRY(ds_outbox_folder(outbox->office->site, number, consumer->folder));
    DS_TRY(ds_folder_make(consumer->folder, NULL));
    if (carrier != NULL) {
        consumer->kind = "test";
        consumer->carrier = *carrier;
    } else {
        DS_TRY(choose_carrier(consumer, billing ? config->billing_kind : config->gis_kind,
                              billing ? config->billing_url : config->gis_url));
    }
    return consumer->carrier.carry != NULL ? ds_parcel_maker_init(&consumer->maker) : DS_OK;
}

enum ds_err ds_outbox_open(struct ds_office *office, const struct ds_carrier *const *carriers,
                           struct ds_outbox **outbox)
{
    struct ds_outbox *made = calloc(1, sizeof(*made));
    pthread_condattr_t monotonic;
    enum ds_err err = DS_OK;

    *outbox = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->office = office;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < DS_OUTBOX_CONSUMERS; i++) {
        (void)pthread_mutex_init(&made->consumers[i].lock, NULL);
    }
    for (size_t i = 0; i < DS_OUTBOX_CONSUMERS && err == DS_OK; i++) {
        err = open_consumer(made, (enum ds_consumer)(i + 1), carriers != NULL ? carriers[i] : NULL);
    }
    if (err != DS_OK) {
        ds_outbox_close(made);
        return err;
    }
    *outbox = made;
    return DS_OK;
}

void ds_outbox_close(struct ds_outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    ds_outbox_stop(outbox);
    for (size_t i = 0; i < DS_OUTBOX_CONSUMERS; i++) {
        struct consumer *consumer = &outbox->consumers[i];

        ds_connector_http_close(consumer->http);
        ds_parcel_maker_fini(&consumer->maker);
        (void)pthread_mutex_destroy(&consumer->lock);
    }
    (void)pthread_cond_destroy(&outbox->wake);
    (void)pthread_mutex_destroy(&outbox->lock);
    free(outbox);
}

/* ---- Looking ---- */

static uint64_t count_dead(const struct consumer *consumer)
{
    char folder[DS_PATH_MAX];
    uint64_t count = 0;
    DIR *dir = ds_path_join(consumer->folder, "dead", folder) == DS_OK ? opendir(folder) : NULL;

    if (dir == NULL) {
        return 0;
    }
    while (count < DS_OUTBOX_COUNT_MAX) {
        /* The stream is this call's own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
        const struct dirent *at = readdir(dir);

        if (at == NULL) {
            break;
        }
        count += at->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

enum ds_err ds_outbox_look(struct ds_outbox *outbox, enum ds_consumer number,
                           struct ds_outbox_state *state)
{
    struct consumer *consumer = consumer_of(outbox, number);
    struct ds_txn *txn = NULL;
    struct ds_export export = {.position = 0};

    *state = (struct ds_outbox_state){.kind = consumer->kind};
    DS_TRY(ds_store_begin(outbox->office->site->store, false, &txn));
    enum ds_err err = ds_export_cursor(txn, (uint8_t)number, &state->position, &state->ordinal);

    export.position = state->position;
    export.ordinal = state->ordinal;
    while (err == DS_OK && state->waiting < DS_OUTBOX_COUNT_MAX) {
        err = ds_export_next(txn, (uint8_t)number, export.position, export.ordinal, &export);
        state->waiting += err == DS_OK;
    }
    ds_txn_abort(txn);
    state->dead_letters = count_dead(consumer);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}
