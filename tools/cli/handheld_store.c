#include "tools/cli/handheld_store.h"

#include "schema/base/text.h"
#include "server/files.h"

#include <stdlib.h>
#include <string.h>

enum ds_err ds_err_of_handheld(int error)
{
    _Static_assert((int)DS_E_VERSION == (int)DS_ERR_VERSION, "one table of errors");
    return (enum ds_err)error;
}

static int64_t fixed_now(void *context)
{
    const struct ds_handheld_store *store = context;
    return store->at_ms;
}

/* The SDK makes a store where there is none; a mistyped folder must not become a new handheld. */
static enum ds_err must_exist(const char *dir, struct ds_detail *detail)
{
    char path[DS_PATH_MAX];
    DS_TRY(ds_path_join(dir, "store", path));
    if (ds_file_exists(path)) {
        return DS_OK;
    }
    ds_detail_set(detail, dir, ": there is no handheld here; `handheld enrol` makes one", NULL);
    return DS_ERR_NOT_FOUND;
}

enum ds_err ds_handheld_store_open(struct ds_cli *cli, enum ds_handheld_use use,
                                   struct ds_handheld_store *store, struct ds_detail *detail)
{
    bool may_be_locked = use == DS_HANDHELD_USE_LOCKED;
    struct ds_cli_secret pin = {""};
    struct ds_handheld_detail why = {""};
    struct ds_handheld_options options = {.dir = ds_cli_value(cli, "store"),
                                          .model = "doorstep command line"};
    *store = (struct ds_handheld_store){.handheld = NULL};
    DS_TRY(ds_cli_instant(cli, "at", &store->at_ms, detail));
    if (store->at_ms != 0) {
        options.clock.now_ms = fixed_now;
        options.clock.context = store;
    }
    bool given = ds_cli_given(cli, "pin-file") || ds_cli_environment(cli, "DOORSTEP_PIN") != NULL;
    if (given || !may_be_locked) {
        DS_TRY(ds_cli_secret(cli, "pin-file", "DOORSTEP_PIN", &pin, detail));
    }
    if (use != DS_HANDHELD_USE_ENROL) {
        DS_TRY(must_exist(options.dir, detail));
    }
    int error = ds_handheld_open(&options, given ? pin.text : NULL, &store->handheld, &why);
    memset(&pin, 0, sizeof(pin));
    if (error != DS_E_OK) {
        ds_detail_set(detail, options.dir, why.text[0] != '\0' ? ": " : "", why.text, NULL);
    }
    return ds_err_of_handheld(error);
}

void ds_handheld_store_close(struct ds_handheld_store *store)
{
    ds_handheld_close(store->handheld);
    store->handheld = NULL;
}

enum ds_err ds_handheld_store_meter(struct ds_cli *cli, const struct ds_handheld_store *store,
                                    struct ds_handheld_id *meter, struct ds_detail *detail)
{
    const char *text = ds_cli_value(cli, "meter");
    const char *maker = ds_cli_value(cli, "manufacturer");
    if (strlen(text) == 32 && ds_handheld_id_parse(text, meter) == DS_E_OK) {
        return DS_OK;
    }
    int error = ds_handheld_meter_by_number(store->handheld, maker, text, meter);
    if (error == DS_E_NOT_FOUND) {
        ds_detail_set(detail, "meter ", text, " is not on this handheld", NULL);
    } else if (error == DS_E_CONFLICT) {
        ds_detail_set(detail, "several makers have a meter ", text, ": give --manufacturer", NULL);
    }
    return ds_err_of_handheld(error);
}

enum ds_err ds_handheld_store_photo(struct ds_cli *cli, uint8_t **bytes, size_t *size,
                                    struct ds_detail *detail)
{
    const char *path = ds_cli_value(cli, "photo");
    *bytes = NULL;
    *size = 0;
    if (path == NULL) {
        return DS_OK;
    }
    FILE *file = fopen(path, "rb");
    uint8_t *made = file != NULL ? malloc(DS_HANDHELD_PHOTO_MAX + 1) : NULL;
    enum ds_err err = DS_OK;
    if (made == NULL) {
        ds_detail_set(detail, path, ": cannot be read", NULL);
        err = file == NULL ? DS_ERR_NOT_FOUND : DS_ERR_NOMEM;
    } else {
        *size = fread(made, 1, DS_HANDHELD_PHOTO_MAX + 1, file);
        bool wrong = ferror(file) != 0 || *size == 0 || *size > DS_HANDHELD_PHOTO_MAX;
        if (wrong) {
            ds_detail_set(detail, path, ": empty, or larger than 4 MiB", NULL);
            err = DS_ERR_LIMIT;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    if (err != DS_OK) {
        free(made);
        return err;
    }
    *bytes = made;
    return DS_OK;
}

/* "38.0420" as 1e-7 degrees. */
static enum ds_err degrees(struct ds_cli *cli, const char *option, int64_t most, int32_t *e7,
                           struct ds_detail *detail)
{
    int64_t value = 0;
    const char *text = ds_cli_value(cli, option);
    if (text == NULL || ds_fixed_parse(ds_slice_of_text(text), 7, &value) != DS_OK ||
        value > most || value < -most) {
        ds_detail_set(detail, "--", option, ": not degrees with at most 7 decimals", NULL);
        return DS_ERR_USAGE;
    }
    *e7 = (int32_t)value;
    return DS_OK;
}

enum ds_err ds_handheld_store_position(struct ds_cli *cli, struct ds_handheld_position *position,
                                       struct ds_detail *detail)
{
    int64_t accuracy_m = 10;
    *position = (struct ds_handheld_position){.known = false};
    if (!ds_cli_given(cli, "lat") && !ds_cli_given(cli, "lon")) {
        return DS_OK;
    }
    DS_TRY(degrees(cli, "lat", 900000000, &position->lat_e7, detail));
    DS_TRY(degrees(cli, "lon", 1800000000, &position->lon_e7, detail));
    DS_TRY(ds_cli_number(cli, "accuracy", 0, 100000, &accuracy_m, detail));
    position->accuracy_m = (int32_t)accuracy_m;
    position->known = true;
    return DS_OK;
}

enum ds_err ds_handheld_store_word(struct ds_cli *cli, const char *option, const char *list,
                                   int *number, struct ds_detail *detail)
{
    const char *word = ds_cli_value(cli, option);
    if (word == NULL) {
        return DS_OK;
    }
    *number = (int)ds_handheld_word_number(list, word);
    if (*number == 0) {
        ds_detail_set(detail, "--", option, " ", word, ": not a word of the list ", list, NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}
