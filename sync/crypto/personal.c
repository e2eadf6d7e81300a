/* A sealed personal field: engine, journal and digests see only these bytes.
 *
 *    0   1  suite (1)
 *    1  16  id of the customer's key
 *   17  16  equality tag: keyed BLAKE2b-128 under the station's equality key over
 *           ("doorstep equality 1", field tag u8, clear text)
 *   33  24  nonce: the first bytes of BLAKE2b-256 keyed with the customer key over ("doorstep
 *           nonce 1", the additional data, clear text)
 *   57   n  XChaCha20 text under the customer's key
 *  57+n 16  Poly1305 tag
 *
 * The additional data is ("doorstep personal 1", bytes 0..32, entity 16, field tag u8): a field
 * moved to another entity or field, or given another's tag or key id, does not open. */
#include "sync/crypto/crypto.h"

#include <string.h>

#define HEAD_SIZE (1 + 16 + 16)
#define AAD_LABEL "doorstep personal 1"
#define TAG_LABEL "doorstep equality 1"
#define AAD_SIZE (sizeof AAD_LABEL - 1 + HEAD_SIZE + 16 + 1)

static struct ds_slice aad_of(struct ds_slice head, const struct ds_id *entity, uint8_t field_tag,
                              uint8_t memory[static AAD_SIZE])
{
    struct ds_builder builder;
    struct ds_slice aad;
    ds_builder_init(&builder, memory, AAD_SIZE);
    ds_put_bytes(&builder, DS_SLICE_LIT(AAD_LABEL));
    ds_put_bytes(&builder, head);
    ds_put_id(&builder, entity);
    ds_put_u8(&builder, field_tag);
    enum ds_err err = ds_builder_end(&builder, &aad);
    DS_ASSERT(err == DS_OK);
    return aad;
}

enum ds_err ds_personal_view(struct ds_slice field, struct ds_personal_view *view)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, field);
    uint8_t suite = ds_take_u8(&cursor);
    view->key_id = ds_take_id(&cursor);
    struct ds_slice tag = ds_take_bytes(&cursor, sizeof view->tag);
    view->sealed = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    DS_TRY(ds_cursor_end(&cursor));
    if (suite != DS_SUITE || view->sealed.size < DS_AEAD_OVERHEAD ||
        view->sealed.size > DS_AEAD_OVERHEAD + DS_PERSONAL_CLEAR_MAX) {
        return DS_ERR_DECODE;
    }
    memcpy(view->tag, tag.data, sizeof view->tag);
    return DS_OK;
}

/* A nonce that says nothing: a keyed hash of everything that the seal covers. Under one key another
 * text, place or tag has another nonce; the same has the same, which its tag shows anyhow. */
static void nonce_of(const struct ds_secret *key, struct ds_slice aad, struct ds_slice clear,
                     uint8_t nonce[static DS_NONCE_SIZE])
{
    uint8_t bytes[AAD_SIZE + DS_PERSONAL_CLEAR_MAX];
    struct ds_builder builder;
    struct ds_slice whole = {NULL, 0};
    struct ds_secret hash;
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_put_bytes(&builder, aad);
    ds_put_bytes(&builder, clear);
    enum ds_err err = ds_builder_end(&builder, &whole);
    DS_ASSERT(err == DS_OK);
    ds_subkey(key, DS_SLICE_LIT("doorstep nonce 1"), whole, &hash);
    memcpy(nonce, hash.byte, DS_NONCE_SIZE);
    ds_wipe(bytes, sizeof bytes);
}

static void give_nonce(void *context, void *out, size_t size)
{
    DS_ASSERT(size == DS_NONCE_SIZE);
    memcpy(out, context, size);
}

enum ds_err ds_personal_make(const struct ds_id *key_id, const struct ds_secret *customer_key,
                             const uint8_t tag[static 16], const struct ds_id *entity,
                             uint8_t field_tag, struct ds_slice clear, struct ds_builder *out)
{
    if (clear.size > DS_PERSONAL_CLEAR_MAX) {
        return DS_ERR_LIMIT;
    }
    uint8_t head_bytes[HEAD_SIZE];
    uint8_t aad_bytes[AAD_SIZE];
    uint8_t nonce[DS_NONCE_SIZE];
    struct ds_builder builder;
    struct ds_slice head;
    ds_builder_init(&builder, head_bytes, sizeof head_bytes);
    ds_put_u8(&builder, DS_SUITE);
    ds_put_id(&builder, key_id);
    ds_put_bytes(&builder, (struct ds_slice){tag, DS_TAG_SIZE});
    enum ds_err err = ds_builder_end(&builder, &head);
    DS_ASSERT(err == DS_OK);
    struct ds_slice aad = aad_of(head, entity, field_tag, aad_bytes);
    nonce_of(customer_key, aad, clear, nonce);
    struct ds_random given = {.fill = give_nonce, .context = nonce};
    ds_put_bytes(out, head);
    return ds_aead_seal(customer_key, aad, clear, &given, out);
}

enum ds_err ds_personal_seal(const struct ds_id *key_id, const struct ds_secret *customer_key,
                             const struct ds_secret *equality_key, const struct ds_id *entity,
                             uint8_t field_tag, struct ds_slice clear, struct ds_builder *out)
{
    if (clear.size > DS_PERSONAL_CLEAR_MAX) {
        return DS_ERR_LIMIT;
    }
    uint8_t label[sizeof TAG_LABEL];
    memcpy(label, TAG_LABEL, sizeof label - 1);
    label[sizeof label - 1] = field_tag;
    uint8_t tag[DS_TAG_SIZE];
    ds_tag(equality_key, (struct ds_slice){label, sizeof label}, clear, tag);
    return ds_personal_make(key_id, customer_key, tag, entity, field_tag, clear, out);
}

enum ds_err ds_personal_open(struct ds_slice field, const struct ds_secret *customer_key,
                             const struct ds_id *entity, uint8_t field_tag,
                             struct ds_builder *clear)
{
    struct ds_personal_view view;
    DS_TRY(ds_personal_view(field, &view));
    uint8_t aad_bytes[AAD_SIZE];
    struct ds_slice head = {field.data, HEAD_SIZE};
    return ds_aead_open(customer_key, aad_of(head, entity, field_tag, aad_bytes), view.sealed,
                        clear);
}
