/* Settings, mapping and scenario files: the first byte chooses which, the rest is the text. A
 * refusal says why; settings that are taken are written and read again as the same. */
#define _GNU_SOURCE /* memfd_create */
#include "server/config.h"
#include "tools/cli/mapping.h"
#include "tools/cli/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out_memory[2][256 * 1024];

static void demand(bool cond)
{
    if (!cond) {
        abort();
    }
}

static void try_config(struct ds_slice text)
{
    struct ds_config *config = malloc(sizeof(*config));
    struct ds_config *again = malloc(sizeof(*again));
    struct ds_builder out[2];
    struct ds_slice made[2];
    struct ds_detail detail = {""};
    demand(config != NULL && again != NULL);
    ds_config_default(config);
    ds_config_default(again);
    enum ds_err err = ds_config_parse(config, text, &detail);
    demand((err == DS_OK) == (detail.text[0] == '\0'));
    if (err == DS_OK) {
        for (int i = 0; i < 2; i++) {
            ds_builder_init(&out[i], out_memory[i], sizeof(out_memory[i]));
        }
        ds_config_put_file(&out[0], config);
        demand(ds_builder_end(&out[0], &made[0]) == DS_OK);
        demand(ds_config_parse(again, made[0], NULL) == DS_OK);
        ds_config_put_file(&out[1], again);
        demand(ds_builder_end(&out[1], &made[1]) == DS_OK && ds_slice_equal(made[0], made[1]));
    }
    free(config);
    free(again);
}

static bool is_meter_field(const void *context, struct ds_slice field)
{
    (void)context;
    return ds_field_by_name(ds_record_type_by_number(DS_REC_meter), field) != NULL;
}

static void try_mapping(struct ds_slice text)
{
    struct ds_mapping mapping;
    struct ds_detail detail = {""};
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_meter);
    enum ds_err err = ds_mapping_parse(&mapping, text, is_meter_field, NULL, &detail);
    demand((err == DS_OK) == (detail.text[0] == '\0'));
    for (size_t i = 0; err == DS_OK && i < type->field_count; i++) {
        struct ds_map_unit unit;
        (void)ds_mapping_value(&mapping, type->fields[i].name, DS_SLICE_LIT("x"));
        (void)!ds_mapping_unit(&mapping, &type->fields[i], &unit, NULL);
    }
    ds_mapping_free(&mapping);
}

static void try_scenario(struct ds_slice text)
{
    char path[64];
    struct ds_scenario *scenario = NULL;
    struct ds_detail detail = {""};
    int fd = memfd_create("scenario", MFD_CLOEXEC);
    demand(fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    enum ds_err err = ds_scenario_load(path, 480, &scenario, &detail);
    demand((err == DS_OK) == (detail.text[0] == '\0'));
    if (err == DS_OK) {
        ds_scenario_free(scenario);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct ds_slice text = {data + 1, size - 1};
    switch (data[0] % 3) {
    case 0:
        try_config(text);
        break;
    case 1:
        try_mapping(text);
        break;
    default:
        try_scenario(text);
        break;
    }
    return 0;
}
