#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <msgpack.h>

#include <stdio.h>
#include <string.h>

/* A literal of hex digits, as bytes. Spaces are for the reader. */
static struct ds_slice hex(const char *text, uint8_t *memory)
{
    size_t size = 0;
    unsigned nibbles = 0;
    unsigned value = 0;
    for (; *text != '\0'; text++) {
        if (*text == ' ') {
            continue;
        }
        const char *digits = "0123456789abcdef";
        const char *found = strchr(digits, *text);
        assert_non_null(found);
        value = value << 4 | (unsigned)(found - digits);
        if (++nibbles % 2 == 0) {
            memory[size++] = (uint8_t)(value & 255);
        }
    }
    assert_int_equal(nibbles % 2, 0);
    return (struct ds_slice){memory, size};
}

static void assert_bytes(struct ds_builder *built, const char *expected_hex)
{
    uint8_t memory[64];
    struct ds_slice expected = hex(expected_hex, memory);
    struct ds_slice made;
    assert_int_equal(ds_builder_end(built, &made), DS_OK);
    assert_int_equal(made.size, expected.size);
    assert_memory_equal(made.data, expected.data, expected.size);
}

static void write__numbers_take_the_shortest_form(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *bytes;
    } cases[] = {
        {0, "00"},
        {127, "7f"},
        {128, "cc80"},
        {255, "ccff"},
        {256, "cd0100"},
        {65535, "cdffff"},
        {65536, "ce00010000"},
        {4294967295, "ceffffffff"},
        {4294967296, "cf0000000100000000"},
        {INT64_MAX, "cf7fffffffffffffff"},
        {-1, "ff"},
        {-32, "e0"},
        {-33, "d0df"},
        {-128, "d080"},
        {-129, "d1ff7f"},
        {-32768, "d18000"},
        {-32769, "d2ffff7fff"},
        {-2147483648, "d280000000"},
        {-2147483649, "d3ffffffff7fffffff"},
        {INT64_MIN, "d38000000000000000"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        uint8_t memory[16];
        struct ds_builder out;
        ds_builder_init(&out, memory, sizeof(memory));
        ds_mp_put_int(&out, cases[i].value);
        assert_bytes(&out, cases[i].bytes);
        struct ds_slice made = {memory, out.used};
        assert_int_equal(ds_mp_scan(made, NULL), DS_OK);
        struct ds_cursor in;
        ds_cursor_init(&in, made);
        assert_int_equal(ds_mp_peek(&in), cases[i].value < 0 ? DS_MP_INT : DS_MP_UINT);
        assert_true(ds_mp_take_int(&in) == cases[i].value);
        assert_int_equal(ds_cursor_end(&in), DS_OK);
    }
}

static void write__strings_and_counts_take_the_shortest_form(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *str;
        const char *bin;
        const char *array;
        const char *map;
    } cases[] = {
        {0, "a0", "c400", "90", "80"},
        {1, "a1", "c401", "91", "81"},
        {15, "af", "c40f", "9f", "8f"},
        {16, "b0", "c410", "dc0010", "de0010"},
        {31, "bf", "c41f", "dc001f", "de001f"},
        {32, "d920", "c420", "dc0020", "de0020"},
        {255, "d9ff", "c4ff", "dc00ff", "de00ff"},
        {256, "da0100", "c50100", "dc0100", "de0100"},
        {65535, "daffff", "c5ffff", "dcffff", "deffff"},
        {65536, "db00010000", "c600010000", "dd00010000", "df00010000"},
    };
    static uint8_t text[65536];
    static uint8_t memory[65536 + 16];
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_slice body = {text, cases[i].size};
        for (int kind = 0; kind < 2; kind++) {
            uint8_t expected_memory[16];
            struct ds_slice head = hex(kind == 0 ? cases[i].str : cases[i].bin, expected_memory);
            struct ds_builder out;
            ds_builder_init(&out, memory, sizeof(memory));
            kind == 0 ? ds_mp_put_str(&out, body) : ds_mp_put_bin(&out, body);
            assert_int_equal(out.used, head.size + body.size);
            assert_memory_equal(memory, head.data, head.size);
            struct ds_slice made = {memory, out.used};
            assert_int_equal(ds_mp_scan(made, NULL), DS_OK);
            struct ds_cursor in;
            ds_cursor_init(&in, made);
            assert_true(
                ds_slice_equal(kind == 0 ? ds_mp_take_str(&in) : ds_mp_take_bin(&in), body));
            assert_int_equal(ds_cursor_end(&in), DS_OK);
        }
        uint8_t small[8];
        struct ds_builder out;
        ds_builder_init(&out, small, sizeof(small));
        ds_mp_put_array(&out, (uint32_t)cases[i].size);
        assert_bytes(&out, cases[i].array);
        ds_builder_init(&out, small, sizeof(small));
        ds_mp_put_map(&out, (uint32_t)cases[i].size);
        assert_bytes(&out, cases[i].map);
    }
}

static void write__what_does_not_fit_fails_the_builder_and_stays_failed(void **state)
{
    (void)state;
    uint8_t memory[4];
    struct ds_builder out;
    struct ds_slice made;
    ds_builder_init(&out, memory, sizeof(memory));
    ds_mp_put_str(&out, DS_SLICE_LIT("abc"));
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    ds_mp_put_nil(&out);
    assert_int_equal(ds_builder_end(&out, &made), DS_ERR_LIMIT);
    ds_builder_init(&out, memory, sizeof(memory));
    ds_mp_put_str(&out, (struct ds_slice){memory, (size_t)UINT32_MAX + 1});
    assert_true(out.failed);
    ds_builder_init(&out, memory, sizeof(memory));
    ds_mp_put_bin(&out, (struct ds_slice){memory, (size_t)UINT32_MAX + 1});
    assert_true(out.failed);
}

struct refusal {
    const char *bytes;
    const char *detail;
};

static void scan__what_is_not_canonical_is_refused_and_named(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"", "byte 0: truncated"},
        {"cc7f", "byte 0: not the shortest form"},
        {"cd00ff", "byte 0: not the shortest form"},
        {"ce0000ffff", "byte 0: not the shortest form"},
        {"cf00000000ffffffff", "byte 0: not the shortest form"},
        {"d000", "byte 0: a number >= 0 in a signed form"},
        {"d07f", "byte 0: a number >= 0 in a signed form"},
        {"d10080", "byte 0: a number >= 0 in a signed form"},
        {"d200008000", "byte 0: a number >= 0 in a signed form"},
        {"d37fffffffffffffff", "byte 0: a number >= 0 in a signed form"},
        {"d0e0", "byte 0: not the shortest form"},
        {"d0ff", "byte 0: not the shortest form"},
        {"d1ff80", "byte 0: not the shortest form"},
        {"d2ffff8000", "byte 0: not the shortest form"},
        {"d3ffffffff80000000", "byte 0: not the shortest form"},
        {"d90161", "byte 0: not the shortest form"},
        {"da000161", "byte 0: not the shortest form"},
        {"db0000000161", "byte 0: not the shortest form"},
        {"c5000161", "byte 0: not the shortest form"},
        {"c60000000161", "byte 0: not the shortest form"},
        {"dc000100", "byte 0: not the shortest form"},
        {"dd0000000100", "byte 0: not the shortest form"},
        {"de00010000", "byte 0: not the shortest form"},
        {"df000000010000", "byte 0: not the shortest form"},
        {"c1", "byte 0: the byte c1"},
        {"ca00000000", "byte 0: floating point"},
        {"cb0000000000000000", "byte 0: floating point"},
        {"c70001", "byte 0: an extension type"},
        {"c8000001", "byte 0: an extension type"},
        {"c90000000001", "byte 0: an extension type"},
        {"d40100", "byte 0: an extension type"},
        {"d5010000", "byte 0: an extension type"},
        {"d60100000000", "byte 0: an extension type"},
        {"d7010000000000000000", "byte 0: an extension type"},
        {"d80100000000000000000000000000000000", "byte 0: an extension type"},
        {"c0c0", "byte 1: bytes behind the value"},
        {"0000", "byte 1: bytes behind the value"},
        {"a261", "byte 0: truncated"},
        {"c4", "byte 0: truncated"},
        {"c40261", "byte 0: truncated"},
        {"cd01", "byte 0: truncated"},
        {"9100 00", "byte 2: bytes behind the value"},
        {"9200", "byte 0: announces more values than bytes are left"},
        {"dd7fffffff 00", "byte 0: announces more values than bytes are left"},
        {"ddffffffff 00", "byte 0: announces more values than bytes are left"},
        {"dfffffffff 00", "byte 0: announces more values than bytes are left"},
        {"8101", "byte 0: announces more values than bytes are left"},
        {"92 a161 a2", "byte 3: truncated"},
        {"82 01 c0 01 c0", "byte 3: map keys that do not ascend"},
        {"82 02 c0 01 c0", "byte 3: map keys that do not ascend"},
        {"81 ff c0", "byte 1: a map key that is not an unsigned integer"},
        {"81 a161 c0", "byte 1: a map key that is not an unsigned integer"},
        {"81 c0 c0", "byte 1: a map key that is not an unsigned integer"},
        {"81 90 c0", "byte 1: a map key that is not an unsigned integer"},
        {"91 82 05 c0 05 c0", "byte 4: map keys that do not ascend"},
        {"a1 80", "byte 1: text that is not UTF-8"},
        {"a2 c080", "byte 1: text that is not UTF-8"},
        {"a3 eda080", "byte 2: text that is not UTF-8"},
        {"a4 61f48f90", "byte 5: text that is not UTF-8"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        uint8_t memory[64];
        struct ds_detail detail = {""};
        struct ds_slice bytes = hex(cases[i].bytes, memory);
        if (i == DS_COUNT(cases) - 1) {
            /* Cut inside a sequence: the place is where the next byte should be. */
            assert_int_equal(bytes.size, 5);
        }
        assert_int_equal(ds_mp_scan(bytes, &detail), DS_ERR_DECODE);
        assert_string_equal(detail.text, cases[i].detail);
        assert_int_equal(ds_mp_scan(bytes, NULL), DS_ERR_DECODE);
    }
}

static void scan__canonical_values_pass(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "c0",
        "c2",
        "c3",
        "00",
        "7f",
        "ff",
        "e0",
        "a0",
        "c400",
        "90",
        "80",
        "83 01c0 05c0 cc80c0",
        "82 00 9203a0 01 8100c2",
        "a6 e8a1a8 e585b7",
        "93 c2 c3 c0",
        "df0001 0000",
    };
    for (size_t i = 0; i + 1 < DS_COUNT(cases); i++) {
        uint8_t memory[64];
        assert_int_equal(ds_mp_scan(hex(cases[i], memory), NULL), DS_OK);
    }
    uint8_t memory[64];
    assert_int_equal(ds_mp_scan(hex(cases[DS_COUNT(cases) - 1], memory), NULL), DS_ERR_DECODE);
}

static void scan__eight_levels_pass_and_nine_do_not(void **state)
{
    (void)state;
    struct ds_detail detail;
    uint8_t memory[64];
    for (int map = 0; map < 2; map++) {
        for (unsigned depth = 1; depth <= DS_MP_DEPTH_MAX + 1; depth++) {
            struct ds_builder out;
            ds_builder_init(&out, memory, sizeof(memory));
            for (unsigned i = 0; i < depth; i++) {
                ds_put_u8(&out, map ? 0x81 : 0x91);
                if (map) {
                    ds_put_u8(&out, 5);
                }
            }
            ds_put_u8(&out, 0xC0);
            enum ds_err err = ds_mp_scan((struct ds_slice){memory, out.used}, &detail);
            assert_int_equal(err, depth <= DS_MP_DEPTH_MAX ? DS_OK : DS_ERR_DECODE);
        }
        assert_string_equal(detail.text,
                            map ? "byte 16: nested too deep" : "byte 8: nested too deep");
    }
    /* Depth counts what is open, not what was. */
    uint8_t wide[64];
    assert_int_equal(ds_mp_scan(hex("99 90 90 90 90 90 90 90 90 90", wide), NULL), DS_OK);
    /* An empty container at the limit is one level more. */
    assert_int_equal(ds_mp_scan(hex("9191919191919190", wide), NULL), DS_OK);
    assert_int_equal(ds_mp_scan(hex("919191919191919190", wide), NULL), DS_ERR_DECODE);
}

static void scan_prefix__gives_the_size_of_the_first_value(void **state)
{
    (void)state;
    uint8_t memory[64];
    size_t size = 0;
    assert_int_equal(ds_mp_scan_prefix(hex("9201a161 ff ff", memory), &size, NULL), DS_OK);
    assert_int_equal(size, 4);
    assert_int_equal(ds_mp_scan_prefix(hex("01", memory), &size, NULL), DS_OK);
    assert_int_equal(size, 1);
    size = 77;
    assert_int_equal(ds_mp_scan_prefix(hex("9201", memory), &size, NULL), DS_ERR_DECODE);
    assert_int_equal(size, 77);
}

static void read__each_value_comes_back(void **state)
{
    (void)state;
    uint8_t memory[256];
    struct ds_id id = {{1, 2, 3}};
    struct ds_hash hash = {{9, 8, 7}};
    struct ds_builder out;
    ds_builder_init(&out, memory, sizeof(memory));
    ds_mp_put_array(&out, 10);
    ds_mp_put_uint(&out, UINT64_MAX);
    ds_mp_put_int(&out, -5);
    ds_mp_put_bool(&out, true);
    ds_mp_put_bool(&out, false);
    ds_mp_put_nil(&out);
    ds_mp_put_str(&out, DS_SLICE_LIT("表"));
    ds_mp_put_bin(&out, DS_SLICE_LIT("\x80"));
    ds_mp_put_id(&out, &id);
    ds_mp_put_hash(&out, &hash);
    ds_mp_put_map(&out, 1);
    ds_mp_put_uint(&out, 7);
    ds_mp_put_raw(&out, DS_SLICE_LIT("\x92\x01\x02"));
    struct ds_slice made;
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    assert_int_equal(ds_mp_scan(made, NULL), DS_OK);
    struct ds_cursor in;
    ds_cursor_init(&in, made);
    assert_int_equal(ds_mp_peek(&in), DS_MP_ARRAY);
    assert_int_equal(ds_mp_take_array(&in), 10);
    assert_true(ds_mp_take_uint(&in) == UINT64_MAX);
    assert_int_equal(ds_mp_take_int(&in), -5);
    assert_false(ds_mp_take_nil_if(&in));
    assert_int_equal(ds_mp_peek(&in), DS_MP_BOOL);
    assert_true(ds_mp_take_bool(&in));
    assert_false(ds_mp_take_bool(&in));
    assert_int_equal(ds_mp_peek(&in), DS_MP_NIL);
    assert_true(ds_mp_take_nil_if(&in));
    assert_int_equal(ds_mp_peek(&in), DS_MP_STR);
    assert_true(ds_slice_equal(ds_mp_take_str(&in), DS_SLICE_LIT("表")));
    assert_int_equal(ds_mp_peek(&in), DS_MP_BIN);
    assert_true(ds_slice_equal(ds_mp_take_bin(&in), DS_SLICE_LIT("\x80")));
    struct ds_id id_back = ds_mp_take_id(&in);
    struct ds_hash hash_back = ds_mp_take_hash(&in);
    assert_true(ds_id_equal(&id_back, &id));
    assert_true(ds_hash_equal(&hash_back, &hash));
    assert_int_equal(ds_mp_peek(&in), DS_MP_MAP);
    assert_int_equal(ds_mp_take_map(&in), 1);
    assert_int_equal(ds_mp_take_int(&in), 7);
    assert_true(ds_slice_equal(ds_mp_take_value(&in), DS_SLICE_LIT("\x92\x01\x02")));
    assert_int_equal(ds_mp_peek(&in), DS_MP_NONE);
    assert_int_equal(ds_cursor_end(&in), DS_OK);
}

/* Each reader on one value of each kind and on broken bytes: only its own kind is taken, and a
 * failure moves nothing and sticks. */
static void read__another_kind_fails_without_moving(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *takers; /* Of "uibsxIHamv": who takes it. */
    } cases[] = {
        {"05", "uiv"},
        {"ff", "iv"},
        {"cfffffffffffffffff", "uv"},
        {"c0", "v"},
        {"c2", "bv"},
        {"a161", "sv"},
        {"c40161", "xv"},
        {"90", "av"},
        {"80", "mv"},
        {"cc05", ""},
        {"a180", ""},
        {"cb0000000000000000", ""},
        {"dd7fffffff00", ""},
        {"", ""},
        {"c4026100", "xv"},
        {"d9", ""},
        {"c41000000000000000000000000000000000", "xIv"},
        {"c4200000000000000000000000000000000000000000000000000000000000000000", "xHv"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        for (const char *taker = "uibsxIHamv"; *taker != '\0'; taker++) {
            uint8_t memory[64];
            struct ds_cursor in;
            ds_cursor_init(&in, hex(cases[i].bytes, memory));
            switch (*taker) {
            case 'u':
                (void)ds_mp_take_uint(&in);
                break;
            case 'i':
                (void)ds_mp_take_int(&in);
                break;
            case 'b':
                (void)ds_mp_take_bool(&in);
                break;
            case 's':
                (void)ds_mp_take_str(&in);
                break;
            case 'x':
                (void)ds_mp_take_bin(&in);
                break;
            case 'I':
                (void)ds_mp_take_id(&in);
                break;
            case 'H':
                (void)ds_mp_take_hash(&in);
                break;
            case 'a':
                (void)ds_mp_take_array(&in);
                break;
            case 'm':
                (void)ds_mp_take_map(&in);
                break;
            default:
                (void)ds_mp_take_value(&in);
                break;
            }
            bool takes = strchr(cases[i].takers, *taker) != NULL;
            if (in.failed == takes) {
                fail_msg("case %zu (%s), reader %c: %s", i, cases[i].bytes, *taker,
                         takes ? "refused" : "taken");
            }
            if (!takes) {
                assert_int_equal(in.at, 0);
                assert_true(ds_mp_take_value(&in).size == 0);
                assert_int_equal(ds_mp_peek(&in), DS_MP_NONE);
                assert_false(ds_mp_take_nil_if(&in));
                assert_int_equal(ds_cursor_end(&in), DS_ERR_DECODE);
            }
        }
    }
}

static void read__the_empty_slice_without_an_address_is_nothing(void **state)
{
    (void)state;
    struct ds_slice none = {NULL, 0};
    struct ds_cursor in;
    ds_cursor_init(&in, none);
    assert_int_equal(ds_mp_scan(none, NULL), DS_ERR_DECODE);
    assert_int_equal(ds_mp_peek(&in), DS_MP_NONE);
    assert_false(ds_mp_take_nil_if(&in));
    assert_int_equal(ds_mp_take_int(&in), 0);
    assert_true(in.failed);
    ds_cursor_init(&in, none);
    assert_int_equal(ds_mp_take_value(&in).size, 0);
    assert_true(in.failed);
}

static void describe__values_read_like_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {
        {"86 01 a3e8a1a8 02 fd 04 c40200ff 05 c0 06 92c3c2 07 8100cfffffffffffffffff",
         "{1: \"表\", 2: -3, 4: h'00ff', 5: nil, 6: [true, false], 7: {0: 18446744073709551615}}"},
        {"a5 22 5c 0a 7f 61", "\"\\x22\\x5c\\x0a\\x7fa\""},
        {"d38000000000000000", "-9223372036854775808"},
        {"90", "[]"},
        {"80", "{}"},
        {"cc01", "?cc01"},
        {"c0c0", "?c0c0"},
        {"", "?"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        uint8_t memory[64];
        uint8_t text[256];
        struct ds_builder out;
        ds_builder_init(&out, text, sizeof(text));
        ds_mp_describe(hex(cases[i].bytes, memory), &out);
        assert_string_equal(ds_builder_text(&out), cases[i].text);
    }
    uint8_t tiny[4];
    struct ds_builder out;
    ds_builder_init(&out, tiny, sizeof(tiny));
    ds_mp_describe(DS_SLICE_LIT("\x93\x01\x02\x03"), &out);
    assert_true(out.failed);
}

/* ---- msgpack-c's unpacker as the other opinion: a value is canonical exactly if msgpack-c reads
 * it, it stays inside our rules, and packing it again gives the same bytes. ---- */

static bool other_repack(const msgpack_object *object, unsigned depth, struct ds_builder *out)
{
    bool fine = true;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        ds_mp_put_nil(out);
        return true;
    case MSGPACK_OBJECT_BOOLEAN:
        ds_mp_put_bool(out, object->via.boolean);
        return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        ds_mp_put_uint(out, object->via.u64);
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        ds_mp_put_int(out, object->via.i64);
        return true;
    case MSGPACK_OBJECT_STR: {
        struct ds_slice text = {(const uint8_t *)object->via.str.ptr, object->via.str.size};
        ds_mp_put_str(out, text);
        fine = ds_utf8_ok(text); /* To msgpack-c a str is any bytes. */
        return fine;
    }
    case MSGPACK_OBJECT_BIN:
        ds_mp_put_bin(
            out, (struct ds_slice){(const uint8_t *)object->via.bin.ptr, object->via.bin.size});
        return true;
    case MSGPACK_OBJECT_ARRAY:
        ds_mp_put_array(out, object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            fine = fine && other_repack(&object->via.array.ptr[i], depth + 1, out);
        }
        return fine && depth < DS_MP_DEPTH_MAX;
    case MSGPACK_OBJECT_MAP:
        ds_mp_put_map(out, object->via.map.size);
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *pair = &object->via.map.ptr[i];
            fine = fine && pair->key.type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
                   (i == 0 || pair->key.via.u64 > pair[-1].key.via.u64) &&
                   other_repack(&pair->key, depth + 1, out) &&
                   other_repack(&pair->val, depth + 1, out);
        }
        return fine && depth < DS_MP_DEPTH_MAX;
    default:
        return false;
    }
}

static bool other_scan(const uint8_t *data, size_t size, msgpack_zone *zone)
{
    uint8_t memory[256];
    struct ds_builder out;
    msgpack_object object;
    size_t at = 0;
    msgpack_zone_clear(zone);
    if (msgpack_unpack((const char *)data, size, &at, zone, &object) != MSGPACK_UNPACK_SUCCESS) {
        return false;
    }
    ds_builder_init(&out, memory, sizeof(memory));
    return other_repack(&object, 0, &out) && !out.failed && out.used == size &&
           memcmp(memory, data, size) == 0;
}

/* msgpack-c believes a count and asks for gigabytes: it is spared the bytes that could say so. */
static bool is_bomb(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 5 <= size; i++) {
        if ((data[i] == 0xDD || data[i] == 0xDF) && (data[i + 1] != 0 || data[i + 2] != 0)) {
            return true;
        }
    }
    return false;
}

static void compare(const uint8_t *data, size_t size, msgpack_zone *zone, const char *where)
{
    struct ds_detail detail = {""};
    bool ours = ds_mp_scan((struct ds_slice){data, size}, &detail) == DS_OK;
    if (!is_bomb(data, size) && ours != other_scan(data, size, zone)) {
        uint8_t text[512];
        struct ds_builder out;
        ds_builder_init(&out, text, sizeof(text));
        ds_put_hex(&out, (struct ds_slice){data, size});
        fail_msg("%s: we say %s (%s) about %s", where, ours ? "yes" : "no", detail.text,
                 ds_builder_text(&out));
    }
}

static void differential__every_value_of_up_to_three_bytes(void **state)
{
    (void)state;
    msgpack_zone *zone = msgpack_zone_new(4096);
    uint8_t data[3];
    for (uint32_t first = 0; first < 256; first++) {
        data[0] = (uint8_t)first;
        compare(data, 1, zone, "one byte");
        for (uint32_t second = 0; second < 256; second++) {
            data[1] = (uint8_t)second;
            compare(data, 2, zone, "two bytes");
            /* Third bytes matter only where a head or container reaches them. */
            for (uint32_t third = 0; third < 256; third += first < 0x80 ? 51 : 1) {
                data[2] = (uint8_t)third;
                compare(data, 3, zone, "three bytes");
            }
        }
    }
    msgpack_zone_free(zone);
}

/* A random value; canonical unless a byte is changed afterwards. */
static void put_random(struct prng *prng, struct ds_builder *out, unsigned depth)
{
    uint8_t bytes[40];
    uint32_t count = (uint32_t)prng_below(prng, 4);
    uint64_t key = 0;
    switch (prng_below(prng, depth > 0 ? 8 : 6)) {
    case 0:
        ds_mp_put_uint(out, prng_edgy(prng));
        break;
    case 1:
        ds_mp_put_int(out, (int64_t)prng_edgy(prng));
        break;
    case 2:
        ds_mp_put_bool(out, prng_below(prng, 2) == 0);
        break;
    case 3:
        ds_mp_put_nil(out);
        break;
    case 4:
        memset(bytes, 'a', sizeof(bytes));
        ds_mp_put_str(out, (struct ds_slice){bytes, prng_below(prng, sizeof(bytes))});
        break;
    case 5:
        prng_fill(prng, bytes, sizeof(bytes));
        ds_mp_put_bin(out, (struct ds_slice){bytes, prng_below(prng, sizeof(bytes))});
        break;
    case 6:
        ds_mp_put_array(out, count);
        while (count-- > 0) {
            put_random(prng, out, depth - 1);
        }
        break;
    default:
        ds_mp_put_map(out, count);
        while (count-- > 0) {
            key += 1 + prng_below(prng, 300);
            ds_mp_put_uint(out, key);
            put_random(prng, out, depth - 1);
        }
        break;
    }
}

static void differential__random_values_whole_and_damaged(void **state)
{
    (void)state;
    msgpack_zone *zone = msgpack_zone_new(4096);
    unsigned whole = 0;
    for (uint64_t seed = 1; seed <= 60000; seed++) {
        struct prng prng = {seed};
        uint8_t data[200];
        char where[32];
        struct ds_builder out;
        ds_builder_init(&out, data, sizeof(data));
        put_random(&prng, &out, 4);
        if (out.failed) {
            continue;
        }
        whole++;
        (void)snprintf(where, sizeof(where), "seed %llu", (unsigned long long)seed);
        struct ds_detail detail = {""};
        if (ds_mp_scan((struct ds_slice){data, out.used}, &detail) != DS_OK) {
            fail_msg("%s: %s", where, detail.text);
        }
        compare(data, out.used, zone, where);
        size_t cut = prng_below(&prng, out.used + 1);
        compare(data, cut, zone, where);
        data[prng_below(&prng, out.used)] ^= (uint8_t)(1U << prng_below(&prng, 8));
        compare(data, out.used, zone, where);
    }
    assert_true(whole > 50000);
    msgpack_zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write__numbers_take_the_shortest_form),
        cmocka_unit_test(write__strings_and_counts_take_the_shortest_form),
        cmocka_unit_test(write__what_does_not_fit_fails_the_builder_and_stays_failed),
        cmocka_unit_test(scan__what_is_not_canonical_is_refused_and_named),
        cmocka_unit_test(scan__canonical_values_pass),
        cmocka_unit_test(scan__eight_levels_pass_and_nine_do_not),
        cmocka_unit_test(scan_prefix__gives_the_size_of_the_first_value),
        cmocka_unit_test(read__each_value_comes_back),
        cmocka_unit_test(read__another_kind_fails_without_moving),
        cmocka_unit_test(read__the_empty_slice_without_an_address_is_nothing),
        cmocka_unit_test(describe__values_read_like_text),
        cmocka_unit_test(differential__every_value_of_up_to_three_bytes),
        cmocka_unit_test(differential__random_values_whole_and_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
