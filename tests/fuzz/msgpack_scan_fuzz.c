/* The strict scan: any bytes; what passes is written again as the same bytes. */
#include "schema/codec/msgpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(struct ds_cursor *in, struct ds_builder *out)
{
    uint32_t count = 0;
    switch (ds_mp_peek(in)) {
    case DS_MP_UINT:
        ds_mp_put_uint(out, ds_mp_take_uint(in));
        break;
    case DS_MP_INT:
        ds_mp_put_int(out, ds_mp_take_int(in));
        break;
    case DS_MP_NIL:
        (void)ds_mp_take_nil_if(in);
        ds_mp_put_nil(out);
        break;
    case DS_MP_BOOL:
        ds_mp_put_bool(out, ds_mp_take_bool(in));
        break;
    case DS_MP_STR:
        ds_mp_put_str(out, ds_mp_take_str(in));
        break;
    case DS_MP_BIN:
        ds_mp_put_bin(out, ds_mp_take_bin(in));
        break;
    case DS_MP_ARRAY:
        count = ds_mp_take_array(in);
        ds_mp_put_array(out, count);
        while (count-- > 0) {
            rewrite(in, out);
        }
        break;
    case DS_MP_MAP:
        count = ds_mp_take_map(in);
        ds_mp_put_map(out, count);
        while (count-- > 0) {
            rewrite(in, out);
            rewrite(in, out);
        }
        break;
    case DS_MP_NONE:
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[1 << 20];
    static uint8_t text[1 << 20];
    struct ds_slice bytes = {data, size};
    struct ds_slice made;
    struct ds_builder out;
    struct ds_detail detail = {""};
    size_t prefix = 0;
    bool fine = ds_mp_scan(bytes, &detail) == DS_OK;
    bool begins = ds_mp_scan_prefix(bytes, &prefix, NULL) == DS_OK;
    if (prefix > size || (begins && prefix == size) != fine || (!fine && detail.text[0] == '\0')) {
        abort();
    }
    ds_builder_init(&out, text, sizeof(text));
    ds_mp_describe(bytes, &out);
    if (!fine) {
        return 0;
    }
    struct ds_cursor in;
    ds_cursor_init(&in, bytes);
    ds_builder_init(&out, memory, sizeof(memory));
    rewrite(&in, &out);
    if (ds_cursor_end(&in) != DS_OK || ds_builder_end(&out, &made) != DS_OK ||
        !ds_slice_equal(made, bytes)) {
        abort();
    }
    return 0;
}
