/* Prints server/CONFIG.md: every setting, from the one table in server/config.h. */
#include "server/config.h"

#include <stdio.h>

int main(void)
{
    static uint8_t text[65536];
    struct ds_builder out;
    struct ds_slice made;

    ds_builder_init(&out, text, sizeof(text));
    ds_config_put_reference(&out);
    if (ds_builder_end(&out, &made) != DS_OK) {
        (void)fputs("ds-gen-config: the reference does not fit\n", stderr);
        return 1;
    }
    return fwrite(made.data, 1, made.size, stdout) == made.size ? 0 : 1;
}
