/* Prints schema/AUTHORITY.md: roles x records x fields x acts, from the declarations. */
#include "schema/rules/may.h"

#include <stdio.h>

static const char *const kinds[] = {"handheld", "console", "billing", "gis", "import", "system"};

static bool asks_roles(enum ds_actor_kind kind)
{
    return kind == DS_ACTOR_handheld || kind == DS_ACTOR_console;
}

static const char *cell(const struct ds_record_type *type, const struct ds_field *field,
                        enum ds_actor_kind kind, uint16_t roles)
{
    static const char *const words[3][3] = {
        {"", "p", "w"}, {"P", "P p", "P w"}, {"W", "W p", "W w"}};
    return words[ds_may_write(type, field, kind, roles, true)]
                [ds_may_write(type, field, kind, roles, false)];
}

static void print_roles(uint16_t roles)
{
    const char *before = "";
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if ((roles >> role & 1) != 0) {
            printf("%s%s", before, ds_enum_name(DS_LIST_role, role));
            before = ", ";
        }
    }
    printf("%s", before[0] == '\0' ? "nobody is asked" : "");
}

static void print_record(const struct ds_record_type *type)
{
    printf("\n## %s\n\nMade or changed by: ", type->name);
    if (type->nature == DS_DERIVED) {
        printf("the engine alone.\n");
        return;
    }
    print_roles(type->roles);
    if (type->nature == DS_ENTITY) {
        printf("; changed from a handheld by: ");
        print_roles(DS_ROLES_WORK);
    }
    printf(".\n\n| field |");
    for (size_t k = 0; k < DS_COUNT(kinds); k++) {
        printf(" %s |", kinds[k]);
    }
    printf("\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t f = 0; f < type->field_count; f++) {
        printf("| %s |", type->fields[f].name);
        for (size_t k = 0; k < DS_COUNT(kinds); k++) {
            enum ds_actor_kind kind = (enum ds_actor_kind)(k + 1);
            const char *text =
                cell(type, &type->fields[f], kind, asks_roles(kind) ? UINT16_MAX : 0);
            printf(" %s |", text[0] == '\0' ? "-" : text);
        }
        printf("\n");
    }
}

int main(void)
{
    printf("# Authority\n\n"
           "Made by `ds-gen-authority` from `records.def` and `fields.def`; `tools/test` "
           "compares.\n\n"
           "Who may do what to which field, on the server, whatever brought the op. Capitals: "
           "when the record is made; small letters: when it stands. `W` written, `P` proposed "
           "beside the owner's value, `-` never: the op goes to quarantine as `not_allowed`. "
           "Handhelds and console users need one of the roles that stand above the table, for the "
           "station (or its branch or company) or for the team of the entity in question; for a "
           "fact recorded in the field a role for one's own team is enough. Connectors, imports "
           "and the system hold no roles.\n\n"
           "`tests/property/authority_property_test.c` tries every cell with every role.\n");
    for (unsigned number = 1; number <= DS_RECORD_NUMBER_MAX; number++) {
        const struct ds_record_type *type = ds_record_type_by_number(number);
        if (type != NULL) {
            print_record(type);
        }
    }
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
