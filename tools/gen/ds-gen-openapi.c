/* Prints server/openapi.json: the API as OpenAPI 3.1. */
#include "server/api.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE ((size_t)1024 * 1024)

int main(void)
{
    struct ds_builder out;
    struct ds_slice made;
    uint8_t *memory = malloc(SIZE);
    json_t *document = NULL;
    int status = 1;

    if (memory == NULL) {
        return 1;
    }
    ds_builder_init(&out, memory, SIZE);
    ds_openapi_put(&out);
    if (ds_builder_end(&out, &made) == DS_OK) {
        document = json_loadb((const char *)made.data, made.size, JSON_REJECT_DUPLICATES, NULL);
    }
    if (document != NULL && json_dumpf(document, stdout, JSON_INDENT(1)) == 0) {
        status = putchar('\n') == '\n' ? 0 : 1;
    } else {
        (void)fputs("ds-gen-openapi: the document is not JSON, or does not fit\n", stderr);
    }
    json_decref(document);
    free(memory);
    return status;
}
