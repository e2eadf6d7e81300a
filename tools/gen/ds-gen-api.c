/* Prints server/API.md: the routes and shapes of the API. */
#include "server/api.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE ((size_t)1024 * 1024)

int main(void)
{
    struct ds_builder out;
    struct ds_slice made;
    uint8_t *memory = malloc(SIZE);
    int status = 1;

    if (memory == NULL) {
        return 1;
    }
    ds_builder_init(&out, memory, SIZE);
    ds_api_put_reference(&out);
    if (ds_builder_end(&out, &made) == DS_OK) {
        status = fwrite(made.data, 1, made.size, stdout) == made.size ? 0 : 1;
    }
    free(memory);
    return status;
}
