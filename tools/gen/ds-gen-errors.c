/* Prints schema/ERRORS.md: every error, from the one table in schema/base/base.h. */
#include "schema/base/base.h"

#include <stdio.h>

int main(void)
{
    static const enum ds_err all[] = {
#define ROW(err, http, retry, text) err,
        DS_ERR_TABLE(ROW)
#undef ROW
    };
    printf(
        "# Errors\n\n"
        "Made by `ds-gen-errors` from the table in `schema/base/base.h`; `tools/test` compares.\n\n"
        "One list serves C callers, HTTP answers and people. \"Again\": the identical request may "
        "succeed later.\n\n"
        "| error | number | HTTP | again | text |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < DS_COUNT(all); i++) {
        printf("| `%s` | %d | %d | %s | %s |\n", ds_err_name(all[i]), (int)all[i],
               ds_err_http(all[i]), ds_err_retryable(all[i]) ? "yes" : "no", ds_err_text(all[i]));
    }
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
