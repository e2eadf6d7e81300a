/* A handheld's store from a stranger's hands: values of its tables replaced by any bytes, as they
 * are or sealed by the store's own keys. Opening, looking and writing give errors or answers, and
 * never an assertion. The first byte chooses the table, the second how, the rest is the value. */
#include "handheld-sdk/src/handheld.h"
#include "handheld-sdk/src/kept.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ds_store *fresh; /* A store with a vault and three ops. */
static const struct ds_handheld_id premises = {{7}};

static int64_t now(void *context)
{
    (void)context;
    return INT64_C(1768000000000);
}

static uint32_t boot(void *context)
{
    (void)context;
    return 7;
}

static void fill(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 5, size);
}

static int hardware(void *context, uint8_t secret[32])
{
    (void)context;
    memset(secret, 3, 32);
    return DS_E_OK;
}

static struct ds_handheld_options options_of(struct ds_store *store)
{
    return (struct ds_handheld_options){.store = store,
                                        .clock = {now, now, boot, NULL},
                                        .random = {fill, NULL},
                                        .hardware = {hardware, NULL},
                                        .argon = {1, 8192}};
}

static void demand(bool cond)
{
    if (!cond) {
        abort();
    }
}

static int visit(struct ds_handheld *h)
{
    const struct ds_handheld_visit visited = {
        .premises = premises, .period = 202601, .outcome = DS_HANDHELD_NO_ACCESS};
    return ds_handheld_record_visit(h, &visited, NULL, NULL);
}

static void make_fresh(void)
{
    struct ds_handheld *h = NULL;
    demand(ds_store_memory_open(0, &fresh) == DS_OK);
    const struct ds_handheld_options options = options_of(fresh);
    demand(ds_handheld_open(&options, "246810", &h, NULL) == DS_E_OK);
    for (int i = 0; i < 3; i++) {
        (void)visit(h);
    }
    ds_handheld_close(h);
}

/* Put the bytes under the first key of a table (or one of their own), sealed if so asked. */
static void spoil(struct ds_store *store, uint8_t table, bool sealed, struct ds_slice bytes)
{
    uint8_t memory[DS_KEY_SIZE_MAX];
    struct ds_slice key = {memory, 1};
    struct ds_slice found;
    struct ds_slice value;
    struct ds_txn *txn = NULL;
    struct ds_handheld *h = NULL;
    const struct ds_handheld_options options = options_of(store);
    memory[0] = 1;
    demand(ds_handheld_open(&options, "246810", &h, NULL) == DS_E_OK);
    demand(ds_store_begin(store, true, &txn) == DS_OK);
    if (ds_txn_at_or_after(txn, table, key, &found, &value) == DS_OK) {
        memcpy(memory, found.data, found.size);
        key.size = found.size;
    }
    ds_arena_reset(&h->arena);
    enum ds_err err = sealed ? ds_safe_put(&h->vault, txn, table, key, bytes, &h->arena)
                             : ds_txn_put(txn, table, key, bytes);
    if (err == DS_OK) {
        demand(ds_txn_commit(txn) == DS_OK);
    } else {
        ds_txn_abort(txn);
    }
    ds_handheld_close(h);
}

static bool any_book(void *context, const struct ds_handheld_book *book)
{
    (void)context;
    (void)book;
    return true;
}

static bool any_entry(void *context, const struct ds_handheld_log_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static bool any_task(void *context, const struct ds_handheld_task *task)
{
    (void)context;
    (void)task;
    return true;
}

static void look(struct ds_handheld *h)
{
    static uint8_t request[DS_HANDHELD_REQUEST_MAX];
    struct ds_handheld_status status;
    uint64_t values = 0;
    uint64_t bad = 0;
    size_t size = 0;
    (void)!ds_handheld_status(h, &status);
    (void)!ds_handheld_books(h, any_book, NULL);
    (void)!ds_handheld_log(h, false, any_entry, NULL);
    (void)!ds_handheld_tasks(h, any_task, NULL);
    (void)!ds_handheld_scrub(h, &values, &bad, NULL);
    (void)!ds_handheld_exchange_begin(h, request, sizeof(request), &size, NULL);
    (void)visit(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds_store *store = NULL;
    struct ds_handheld *h = NULL;
    if (fresh == NULL) {
        make_fresh();
    }
    if (size < 2) {
        return 0;
    }
    uint8_t table = (uint8_t)(1 + data[0] % DS_KEPT_LAST);
    demand(ds_store_memory_clone(fresh, &store) == DS_OK);
    spoil(store, table, data[1] % 2 == 0, (struct ds_slice){data + 2, size - 2});
    const struct ds_handheld_options options = options_of(store);
    int error = ds_handheld_open(&options, "246810", &h, NULL);
    demand((error == DS_E_OK) == (h != NULL));
    if (error == DS_E_OK) {
        look(h);
    }
    ds_handheld_close(h);
    ds_store_close(store);
    return 0;
}
