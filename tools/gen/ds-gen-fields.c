/* Prints schema/FIELDS.md: every record, field and list, from the tables of schema/record.h. */
#include "schema/record.h"

#include <inttypes.h>
#include <stdio.h>

/* Names of the writer sets of record.h. */
static const struct {
    unsigned set;
    const char *name;
    const char *members;
} writer_sets[] = {
    {DS_BY_NONE, "engine", "nobody: the engine makes it"},
    {DS_BY_CONSOLE, "console", "console, system"},
    {DS_BY_OFFICE, "office", "console, import, system"},
    {DS_BY_BILLING, "billing", "billing, import, system"},
    {DS_BY_GIS, "gis", "gis, import, system"},
    {DS_BY_CONNECTOR, "connector", "billing, gis"},
    {DS_BY_CENTRAL, "central", "billing, gis, import"},
    {DS_BY_ANY, "any", "handheld, console, billing, gis, import, system"},
};

static const char *writers_name(unsigned set)
{
    for (size_t i = 0; i < DS_COUNT(writer_sets); i++) {
        if (writer_sets[i].set == set) {
            return writer_sets[i].name;
        }
    }
    return NULL;
}

/* The role grants of record.h, any of which suffices. */
static void put_roles(unsigned roles)
{
    const char *separator = "";
    if (roles == DS_ROLES_NONE) {
        printf("-");
    }
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if (roles >> role & 1) {
            printf("%s%s", separator, ds_enum_name(DS_LIST_role, role));
            separator = ", ";
        }
    }
}

static void put_head(void)
{
    printf(
        "# Fields\n\n"
        "Made by `ds-gen-fields` from `schema/records/*.def`; `tools/test` compares.\n\n"
        "Tags and numbers are on the wire and in the archives for ever. A field is absent, "
        "cleared or valued.\n\n"
        "**type**: `int`, `bool`, `enum` (a word of the list), `text` (UTF-8), `bytes`, `id` "
        "(16 bytes), `hash` (32 bytes), `hashes` (at most %d, ascending), `personal` (sealed "
        "under the customer's key; its limits are those of the clear text).\n"
        "**limits**: of the value, or of the size in bytes.\n"
        "**policy**: what happens when two writers change the field without knowing of each "
        "other: `owner` others propose, `latest` journal order decides, `review` a supervisor "
        "decides, `worst` the gravest stands, `union` a set grows and shrinks, `once` the first "
        "stands, `state` legal transitions, `append` written once with its event.\n"
        "**privacy**: `open` no person in it; `staff` of a worker, kept while employed and three "
        "years more; `person` of a customer, sealed under his key and destroyed with it.\n"
        "**need**: `required` when the record is made, and not to be cleared.\n\n",
        DS_HASHES_MAX);
    printf("| writers | who that is |\n| --- | --- |\n");
    for (size_t i = 0; i < DS_COUNT(writer_sets); i++) {
        printf("| %s | %s |\n", writer_sets[i].name, writer_sets[i].members);
    }
}

static void put_records(const struct ds_record_type *types, size_t count)
{
    printf("\n## Records\n\nWriters: who may make one. A handheld's or console user's person also "
           "needs "
           "one of the role grants.\n\n"
           "| number | record | nature | writers | roles | what it is |\n"
           "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < count; i++) {
        printf("| %u | [%s](#%s) | %s | %s | ", (unsigned)types[i].number, types[i].name,
               types[i].name, ds_nature_name(types[i].nature), writers_name(types[i].writers));
        put_roles(types[i].roles);
        printf(" | %s |\n", types[i].doc);
    }
}

static const char *list_name(enum ds_list list)
{
    static const char *const names[] = {"none",
#define X(list, LIST) #list,
                                        DS_ENUM_LISTS(X)
#undef X
    };
    return names[list];
}

static void put_field(const struct ds_field *field)
{
    const char *unit = ds_unit_name(field->unit);
    printf("| %u | %s | ", (unsigned)field->tag, field->name);
    if (field->type == DS_TYPE_ENUM) {
        printf("enum [%s](#list-%s) | ", list_name(field->list), list_name(field->list));
    } else {
        printf("%s | ", ds_type_name(field->type));
    }
    printf("%s | ", unit[0] == '\0' ? "-" : unit);
    if (field->min == field->max) {
        printf("-");
    } else {
        printf("%" PRId64 " .. %" PRId64, field->min, field->max);
    }
    printf(" | %s | %s | %s | %s | %s |\n", ds_policy_name(field->policy),
           writers_name(field->writers), ds_privacy_name(field->privacy),
           field->need == DS_NEED_REQUIRED ? "required" : "optional", field->doc);
}

static void put_fields(const struct ds_record_type *type)
{
    printf("\n## %s\n\n%s\n\n"
           "| tag | field | type | unit | limits | policy | writers | privacy | need | meaning |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
           type->name, type->doc);
    for (size_t i = 0; i < type->field_count; i++) {
        put_field(&type->fields[i]);
    }
}

static void put_lists(void)
{
    printf("\n## Lists\n");
    for (int list = DS_LIST_none + 1; list < DS_LIST_COUNT; list++) {
        enum ds_list one = (enum ds_list)list;
        printf("\n### List %s\n\n| number | word | 中文 |\n| --- | --- | --- |\n", list_name(one));
        for (int64_t number = 1; number <= ds_enum_last(one); number++) {
            printf("| %" PRId64 " | %s | %s |\n", number, ds_enum_name(one, number),
                   ds_enum_term(one, number));
        }
    }
}

static void put_retired(void)
{
    printf("\n## Retired tags\n\n");
    unsigned count = 0;
#define DS_BEGIN(record)
#define DS_FIELD(...)
#define DS_END(record)
#define DS_RETIRED(record, tag, name, why)                                                         \
    printf("- %s %d, %s: %s\n", #record, (int)(tag), #name, why);                                  \
    count++;
#include "schema/records/fields.def"
#undef DS_BEGIN
#undef DS_FIELD
#undef DS_END
#undef DS_RETIRED
    if (count == 0) {
        printf("None yet.\n");
    }
}

int main(void)
{
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t f = 0; f < types[i].field_count; f++) {
            if (writers_name(types[i].fields[f].writers) == NULL ||
                writers_name(types[i].writers) == NULL) {
                (void)fprintf(stderr, "ds-gen-fields: %s has writers without a name here\n",
                              types[i].name);
                return 1;
            }
        }
    }
    put_head();
    put_records(types, count);
    for (size_t i = 0; i < count; i++) {
        put_fields(&types[i]);
    }
    put_lists();
    put_retired();
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
