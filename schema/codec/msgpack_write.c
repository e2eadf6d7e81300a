/* The only user of msgpack-c: its inline packing templates, which choose the shortest form. Nothing
 * of the library is linked. The contract is in msgpack.h. */
#include "schema/codec/msgpack.h"

#include <msgpack/pack.h>

static int write_bytes(void *data, const char *bytes, size_t size)
{
    ds_put_bytes(data, (struct ds_slice){(const uint8_t *)bytes, size});
    return 0;
}

static msgpack_packer packer_of(struct ds_builder *builder)
{
    return (msgpack_packer){.data = builder, .callback = write_bytes};
}

void ds_mp_put_uint(struct ds_builder *builder, uint64_t value)
{
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_uint64(&packer, value);
}

void ds_mp_put_int(struct ds_builder *builder, int64_t value)
{
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_int64(&packer, value);
}

void ds_mp_put_bool(struct ds_builder *builder, bool value)
{
    msgpack_packer packer = packer_of(builder);
    (void)(value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

void ds_mp_put_nil(struct ds_builder *builder)
{
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_nil(&packer);
}

void ds_mp_put_str(struct ds_builder *builder, struct ds_slice text)
{
    if (text.size > UINT32_MAX) {
        builder->failed = true;
        return;
    }
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_str(&packer, text.size);
    ds_put_bytes(builder, text);
}

void ds_mp_put_bin(struct ds_builder *builder, struct ds_slice bytes)
{
    if (bytes.size > UINT32_MAX) {
        builder->failed = true;
        return;
    }
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_bin(&packer, bytes.size);
    ds_put_bytes(builder, bytes);
}

void ds_mp_put_id(struct ds_builder *builder, const struct ds_id *id)
{
    ds_mp_put_bin(builder, (struct ds_slice){id->byte, sizeof(id->byte)});
}

void ds_mp_put_hash(struct ds_builder *builder, const struct ds_hash *hash)
{
    ds_mp_put_bin(builder, (struct ds_slice){hash->byte, sizeof(hash->byte)});
}

void ds_mp_put_array(struct ds_builder *builder, uint32_t count)
{
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_array(&packer, count);
}

void ds_mp_put_map(struct ds_builder *builder, uint32_t pairs)
{
    msgpack_packer packer = packer_of(builder);
    (void)msgpack_pack_map(&packer, pairs);
}

void ds_mp_put_raw(struct ds_builder *builder, struct ds_slice value)
{
    ds_put_bytes(builder, value);
}
