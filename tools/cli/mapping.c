#include "tools/cli/mapping.h"

#include <string.h>

void ds_mapping_default(struct ds_mapping *mapping)
{
    *mapping = (struct ds_mapping){.encoding = "utf-8", .delimiter = ',', .header = true};
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* "0" or "1", else false with *ok = false. */
static bool yes_or_no(const char *value, bool *ok)
{
    *ok = *ok && (is(value, "0") || is(value, "1"));
    return is(value, "1");
}

static bool take_file_key(struct ds_mapping *mapping, const struct ds_ini_entry *entry)
{
    const char *value = entry->value;
    bool ok = true;
    if (is(entry->key, "encoding")) {
        mapping->encoding = value;
    } else if (is(entry->key, "delimiter")) {
        const char c = (char)(is(value, "tab") ? '\t' : value[0]);
        ok = (is(value, "tab") || (value[0] != '\0' && value[1] == '\0')) && c > 0 && c != '"';
        mapping->delimiter = (char)(ok ? c : ',');
    } else if (is(entry->key, "header")) {
        mapping->header = yes_or_no(value, &ok);
    } else if (is(entry->key, "guard")) {
        mapping->guard = yes_or_no(value, &ok);
    } else if (is(entry->key, "empty")) {
        ok = is(value, "keep") || is(value, "clear");
        mapping->clear_empty = is(value, "clear");
    } else {
        return false;
    }
    return ok;
}

struct fields {
    bool (*known)(const void *context, struct ds_slice field);
    const void *context;
};

static const char *take_entry(struct ds_mapping *mapping, const struct ds_ini_entry *entry,
                              const struct fields *fields)
{
    static const char values[] = "values.";
    const char *field = entry->key;
    if (is(entry->section, "file")) {
        return take_file_key(mapping, entry)
                   ? NULL
                   : "not one of encoding, delimiter, header, empty, guard, or not a value of it";
    }
    if (strncmp(entry->section, values, sizeof(values) - 1) == 0) {
        field = entry->section + sizeof(values) - 1;
    } else if (is(entry->section, "columns")) {
        mapping->columns = true;
    } else if (!is(entry->section, "const") && !is(entry->section, "units")) {
        return "not a section of a mapping";
    }
    return fields->known(fields->context, ds_slice_of_text(field)) ? NULL : "no such field here";
}

static enum ds_err take_all(struct ds_mapping *mapping, const struct fields *fields,
                            struct ds_detail *detail)
{
    for (size_t i = 0; i < mapping->ini.count; i++) {
        const struct ds_ini_entry *entry = &mapping->ini.entries[i];
        const char *wrong = take_entry(mapping, entry, fields);
        if (wrong != NULL) {
            return ds_ini_refuse(entry, wrong, detail);
        }
    }
    if (!mapping->header && !mapping->columns) {
        ds_detail_set(detail, "header=0 needs a section [columns] with the columns' numbers", NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

enum ds_err ds_mapping_load(struct ds_mapping *mapping, const char *path,
                            bool (*known)(const void *context, struct ds_slice field),
                            const void *context, struct ds_detail *detail)
{
    struct fields fields = {known, context};
    struct ds_detail why = {""};
    ds_mapping_default(mapping);
    DS_TRY(ds_ini_load(&mapping->ini, path, detail));
    enum ds_err err = take_all(mapping, &fields, &why);
    if (err != DS_OK) {
        ds_detail_set(detail, path, ": ", why.text, NULL);
    }
    return err;
}

enum ds_err ds_mapping_parse(struct ds_mapping *mapping, struct ds_slice text,
                             bool (*known)(const void *context, struct ds_slice field),
                             const void *context, struct ds_detail *detail)
{
    struct fields fields = {known, context};
    ds_mapping_default(mapping);
    DS_TRY(ds_ini_parse(&mapping->ini, text, detail));
    return take_all(mapping, &fields, detail);
}

void ds_mapping_free(struct ds_mapping *mapping)
{
    ds_ini_free(&mapping->ini);
}

struct ds_slice ds_mapping_value(const struct ds_mapping *mapping, const char *field,
                                 struct ds_slice text)
{
    static const char values[] = "values.";
    for (size_t i = 0; i < mapping->ini.count; i++) {
        const struct ds_ini_entry *entry = &mapping->ini.entries[i];
        if (strncmp(entry->section, values, sizeof(values) - 1) == 0 &&
            is(entry->section + sizeof(values) - 1, field) &&
            ds_slice_equal(ds_slice_of_text(entry->key), text)) {
            return ds_slice_of_text(entry->value);
        }
    }
    return text;
}

/* Words of [units], by the field's own unit. */
static const struct {
    enum ds_unit unit;
    const char *word;
    unsigned scale;
} unit_words[] = {
    {DS_UNIT_LITRE, "l", 0},   {DS_UNIT_LITRE, "m3", 3}, {DS_UNIT_FEN, "fen", 0},
    {DS_UNIT_FEN, "yuan", 2},  {DS_UNIT_E4, "e4", 0},    {DS_UNIT_E4, "yuan", 4},
    {DS_UNIT_E7, "e7", 0},     {DS_UNIT_E7, "deg", 7},   {DS_UNIT_E2, "e2", 0},
    {DS_UNIT_E2, "factor", 2},
};

enum ds_err ds_mapping_unit(const struct ds_mapping *mapping, const struct ds_field *field,
                            struct ds_map_unit *unit, struct ds_detail *detail)
{
    const struct ds_ini_entry *entry = ds_ini_find(&mapping->ini, "units", field->name);
    *unit = (struct ds_map_unit){.scale = 0};
    if (entry == NULL) {
        return DS_OK;
    }
    for (size_t i = 0; i < DS_COUNT(unit_words); i++) {
        if (field->type == DS_TYPE_INT && unit_words[i].unit == field->unit &&
            is(unit_words[i].word, entry->value)) {
            unit->scale = unit_words[i].scale;
            return DS_OK;
        }
    }
    if (is(field->name, "index") && (is(entry->value, "m3") || is(entry->value, "count"))) {
        unit->of_dial_m3 = is(entry->value, "m3");
        unit->scale = unit->of_dial_m3 ? 3 : 0;
        return DS_OK;
    }
    return ds_ini_refuse(entry, "no unit of this field", detail);
}
