/* The importer against a station that is only remembered: the table of tests/data/bad/EXPECTED.md
 * row by row, loading twice, mappings, GeoJSON, and a line of 50 MB. */
#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "sync/core/authority.h"
#include "sync/core/tables.h"
#include "tests/support/test.h"
#include "tools/cli/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BAD "tests/data/bad/"

static char folder[64];

/* ---- A station that is a JSON object: "type/id" -> fields. ---- */

static json_t *rows;
static json_t *events;
static size_t requests;
static size_t largest;

static enum ds_err keep_clear(void *context, const struct ds_field *field, struct ds_slice clear,
                              struct ds_arena *arena, struct ds_slice *sealed)
{
    (void)context;
    (void)field;
    return ds_arena_copy(arena, clear, sealed);
}

static enum ds_err fake_load(void *context, uint8_t type, const struct ds_id *id,
                             struct ds_arena *arena, void *record)
{
    char key[64];
    uint8_t memory[33];
    struct ds_builder hex;
    struct ds_sealer sealer = {keep_clear, NULL};
    const struct ds_record_type *about = ds_record_type_by_number(type);
    (void)context;
    ds_builder_init(&hex, memory, sizeof(memory));
    ds_put_hex(&hex, DS_SLICE_OF(*id));
    snprintf(key, sizeof(key), "%s/%s", about->name, ds_builder_text(&hex));
    const json_t *fields = json_object_get(rows, key);
    return fields == NULL ? DS_ERR_NOT_FOUND
                          : ds_record_from_json(about, fields, &sealer, arena, record, NULL);
}

/* As server/admin.h says of "import": what is so already is not written. */
static enum ds_err fake_write(void *context, const char *actor, json_t *drafts, json_t **answer,
                              struct ds_detail *detail)
{
    size_t i = 0;
    json_t *draft = NULL;
    int written = 0;
    int unchanged = 0;
    (void)context;
    (void)detail;
    assert_true(strcmp(actor, "import") == 0 || strcmp(actor, "billing") == 0);
    requests++;
    largest = json_array_size(drafts) > largest ? json_array_size(drafts) : largest;
    assert_true(json_array_size(drafts) <= DS_IMPORT_DRAFTS_MAX);
    json_array_foreach(drafts, i, draft)
    {
        const char *type = json_string_value(json_object_get(draft, "type"));
        const char *id = json_string_value(json_object_get(draft, "id"));
        json_t *fields = json_object_get(draft, "fields");
        char *text = json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
        char key[64];
        snprintf(key, sizeof(key), "%s/%s", type, id != NULL ? id : "");
        json_t *have = json_object_get(id != NULL ? rows : events, id != NULL ? key : text);
        json_t *merged = id != NULL && have != NULL ? json_copy(have) : json_object();
        json_object_update(merged, fields);
        bool same = have != NULL && json_equal(merged, have);
        written += same ? 0 : 1;
        unchanged += same ? 1 : 0;
        json_object_set_new(id != NULL ? rows : events, id != NULL ? key : text, merged);
        free(text);
    }
    json_decref(drafts);
    *answer = json_pack("{s:i, s:i, s:i, s:[]}", "written", written, "unchanged", unchanged,
                        "position", (int)requests, "items");
    return DS_OK;
}

static struct ds_import_options options_of(const char *kind, const char *path, const char *map)
{
    struct ds_import_options options = {.kind = ds_kind_by_name(kind), .path = path, .map = map};
    assert_non_null(options.kind);
    options.port = (struct ds_station_port){
        .station = ds_station_id(DS_SLICE_LIT("BAD01")), .offset_min = 480, .load = fake_load};
    options.write = fake_write;
    return options;
}

/* ---- Files. ---- */

static void copy_file(const char *from, const char *to)
{
    char bytes[4096];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t size = 0; (size = fread(bytes, 1, sizeof(bytes), in)) > 0;) {
        assert_int_equal(fwrite(bytes, 1, size, out), size);
    }
    fclose(in);
    fclose(out);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) < 65535);
    fclose(file);
    return text;
}

struct loaded {
    enum ds_err err;
    struct ds_import_result result;
    struct ds_detail detail;
    char marks[1024]; /* " 3:persons 4:balance_fen": of the file of rejected rows. */
};

/* Where word stands last in a line, which may hold NULs. */
static size_t before(const char *line, size_t size, const char *word)
{
    while (size > 0 && memcmp(line + size - 1, word, strlen(word)) != 0) {
        size--;
    }
    assert_true(size > 0);
    return size - 1;
}

/* "line:column" of each row of a file of rejected rows, read with our own reader. */
static void read_marks(const char *path, const char *encoding, char *marks, size_t room)
{
    struct ds_rows *file = NULL;
    struct ds_file_row *row = calloc(1, sizeof(*row));
    struct ds_rows_options options = {encoding, ','};
    size_t used = 0;
    assert_non_null(row);
    assert_int_equal(ds_rows_open(path, &options, &file, NULL), DS_OK);
    assert_int_equal(ds_rows_next(file, row), DS_OK);
    assert_false(row->bad);
    /* The last three columns are ours; a broken row before them may not be split, so take them from
     * the right end of the raw line. */
    while (ds_rows_next(file, row) == DS_OK) {
        char line[512];
        size_t size = row->size < sizeof(line) - 1 ? (size_t)row->size : sizeof(line) - 1;
        FILE *raw = fopen(path, "rb");
        assert_non_null(raw);
        assert_int_equal(fseek(raw, (long)(row->offset + row->size - size), SEEK_SET), 0);
        assert_int_equal(fread(line, 1, size, raw), size);
        fclose(raw);
        line[size] = '\0';
        /* ..., LINE, COLUMN, REASON: the reason may be quoted and hold commas. */
        size_t end = before(line, size, line[size - 1] == '"' ? ",\"" : ",");
        line[end] = '\0';
        size_t column = before(line, end, ",");
        line[column] = '\0';
        size_t number = before(line, column, ",");
        used += (size_t)snprintf(marks + used, room - used, " %s:%s", line + number + 1,
                                 line + column + 1);
        assert_true(used < room);
    }
    ds_rows_close(file);
    free(row);
}

static struct loaded load(struct ds_import_options options)
{
    struct loaded got = {.marks = ""};
    got.err = ds_import_run(&options, &got.result, &got.detail);
    json_decref(got.result.verdicts);
    json_decref(got.result.shown);
    bool comma = options.map == NULL || strstr(options.map, "semicolon") == NULL;
    if (got.result.bad_path[0] != '\0' && comma) {
        bool gb = options.map != NULL && strstr(options.map, "gb18030") != NULL;
        read_marks(got.result.bad_path, gb ? "gb18030" : "utf-8", got.marks, sizeof(got.marks));
    }
    return got;
}

static void load_base(void)
{
    static const char *const kinds[] = {"station", "worker",   "book",
                                        "account", "premises", "meter"};
    json_decref(rows);
    json_decref(events);
    rows = json_object();
    events = json_object();
    for (size_t i = 0; i < DS_COUNT(kinds); i++) {
        char from[128];
        snprintf(from, sizeof(from), BAD "base/%s.csv", kinds[i]);
        copy_file(from, path_of("base.csv"));
        struct loaded got = load(options_of(kinds[i], path_of("base.csv"), NULL));
        assert_int_equal(got.err, DS_OK);
        assert_int_equal(got.result.rejected, 0);
        assert_true(got.result.loaded > 0);
    }
}

/* ---- The table. ---- */

struct expected {
    char file[64];
    char kind[32];
    char map[64];
    int exit;
    int loaded;
    char marks[1024];
};

/* One row of the Markdown table; false if the line is none. */
static bool parse_expected(char *line, struct expected *row)
{
    char *cells[8] = {NULL};
    size_t count = 0;
    if (strncmp(line, "| b", 3) != 0) {
        return false;
    }
    for (char *at = line; count < DS_COUNT(cells) && (at = strchr(at, '|')) != NULL;) {
        *at++ = '\0';
        at += *at == ' ';
        cells[count++] = at;
    }
    assert_true(count >= 7);
    for (size_t i = 0; i < 6; i++) {
        size_t size = cells[i] != NULL ? strlen(cells[i]) : 0;
        while (size > 0 && cells[i][size - 1] == ' ') {
            cells[i][--size] = '\0';
        }
    }
    snprintf(row->file, sizeof(row->file), "%s", cells[0]);
    snprintf(row->kind, sizeof(row->kind), "%s", cells[1]);
    snprintf(row->map, sizeof(row->map), "%s", cells[2]);
    row->exit = cells[3][0] - '0';
    row->loaded = (int)strtol(cells[4], NULL, 10);
    snprintf(row->marks, sizeof(row->marks), "%s%s", cells[5][0] != '\0' ? " " : "", cells[5]);
    return true;
}

static void compare_expected(const struct expected *row)
{
    char from[128];
    char map[128];
    snprintf(from, sizeof(from), BAD "%s", row->file);
    snprintf(map, sizeof(map), BAD "%s", row->map);
    copy_file(from, path_of("in.csv"));
    /* Twice: the second time says the same and writes nothing. */
    for (int time = 0; time < 2; time++) {
        struct loaded got =
            load(options_of(row->kind, path_of("in.csv"), row->map[0] != '\0' ? map : NULL));
        int code = got.err != DS_OK ? 1 : got.result.rejected > 0 ? 3 : 0;
        if (code != row->exit || (int)got.result.loaded != row->loaded ||
            (code == 3 && strcmp(got.marks, row->marks) != 0)) {
            fail_msg("%s %s: exit %d, loaded %d, marks%s; expected %d, %d,%s (%s)", row->file,
                     row->map, code, (int)got.result.loaded, got.marks, row->exit, row->loaded,
                     row->marks, got.detail.text);
        }
        if (time == 1) {
            assert_int_equal(got.result.written, 0);
        }
    }
}

static void bad_files__give_what_the_table_expects_b1_b2_b4_b5_b6_b7(void **state)
{
    (void)state;
    char line[1024];
    struct expected row;
    int checked = 0;
    FILE *table = fopen(BAD "EXPECTED.md", "r");
    assert_non_null(table);
    while (fgets(line, sizeof(line), table) != NULL) {
        if (parse_expected(line, &row)) {
            load_base();
            compare_expected(&row);
            checked++;
        }
    }
    fclose(table);
    assert_true(checked >= 17);
}

static void b2__the_place_of_a_bad_byte_is_named_in_the_files_own_bytes(void **state)
{
    (void)state;
    load_base();
    copy_file(BAD "b2-account-gb18030.csv", path_of("in.csv"));
    (void)load(options_of("account", path_of("in.csv"), NULL));
    char *text = read_file(path_of("in.csv.bad.csv"));
    assert_non_null(strstr(text, "line 2, column 2, byte 5: not UTF-8"));
    assert_non_null(strstr(text, "line 5, column 2, byte 6: not UTF-8"));
    free(text);
    copy_file(BAD "b2-account-utf8.csv", path_of("in.csv"));
    (void)load(options_of("account", path_of("in.csv"), BAD "b2-gb18030.ini"));
    text = read_file(path_of("in.csv.bad.csv"));
    assert_non_null(strstr(text, ": not GB18030"));
    free(text);
}

static void b3__a_line_of_50_mb_costs_itself_and_is_kept_whole(void **state)
{
    (void)state;
    load_base();
    FILE *file = fopen(path_of("long.csv"), "wb");
    assert_non_null(file);
    fputs("number,name,class\nL1,before,residential\nL2,", file);
    char *stretch = malloc(1 << 20);
    assert_non_null(stretch);
    memset(stretch, 'x', 1 << 20);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(fwrite(stretch, 1, 1 << 20, file), 1 << 20);
    }
    free(stretch);
    fputs(",residential\nL3,behind,residential\n", file);
    fclose(file);
    struct ds_import_options options = options_of("account", path_of("long.csv"), NULL);
    struct ds_import_result result;
    assert_int_equal(ds_import_run(&options, &result, NULL), DS_OK);
    json_decref(result.verdicts);
    json_decref(result.shown);
    assert_int_equal(result.loaded, 2);
    assert_int_equal(result.rejected, 1);
    struct stat about;
    assert_int_equal(stat(path_of("long.csv.bad.csv"), &about), 0);
    assert_true(about.st_size > 50 << 20);
    assert_true(about.st_size < (50 << 20) + 300);
    unlink(path_of("long.csv"));
    unlink(path_of("long.csv.bad.csv"));
}

static void rejected_rows__load_when_they_are_mended(void **state)
{
    (void)state;
    load_base();
    write_file("in.csv", "number,name,class\nM1,one,palace\nM2,two,residential\n");
    struct loaded got = load(options_of("account", path_of("in.csv"), NULL));
    assert_int_equal(got.result.rejected, 1);
    char *text = read_file(path_of("in.csv.bad.csv"));
    assert_string_equal(text,
                        "number,name,class,_line,_column,_reason\n"
                        "M1,one,palace,2,class,\"class: \"\"palace\"\" is none of residential, "
                        "commercial, industrial, public_use\"\n");
    char mended[512];
    char *at = strstr(text, "palace");
    assert_non_null(at);
    snprintf(mended, sizeof(mended), "%.*scommercial%s", (int)(at - text), text,
             at + strlen("palace"));
    write_file("mended.csv", mended);
    free(text);
    got = load(options_of("account", path_of("mended.csv"), NULL));
    assert_int_equal(got.result.loaded, 1);
    assert_int_equal(got.result.rejected, 0);
    assert_int_equal(access(path_of("mended.csv.bad.csv"), F_OK), -1);
}

static void a_file_of_rejected_rows__goes_when_nothing_is_rejected_any_more(void **state)
{
    (void)state;
    load_base();
    write_file("in.csv", "number,class\nN1,palace\n");
    (void)load(options_of("account", path_of("in.csv"), NULL));
    assert_int_equal(access(path_of("in.csv.bad.csv"), F_OK), 0);
    write_file("in.csv", "number,class\nN1,residential\n");
    (void)load(options_of("account", path_of("in.csv"), NULL));
    assert_int_equal(access(path_of("in.csv.bad.csv"), F_OK), -1);
}

static void dry_run__checks_every_row_and_writes_nothing(void **state)
{
    (void)state;
    load_base();
    size_t before = requests;
    write_file("in.csv", "number,class\nO1,palace\nO2,residential\n");
    struct ds_import_options options = options_of("account", path_of("in.csv"), NULL);
    options.dry_run = true;
    struct loaded got = load(options);
    assert_int_equal(got.result.loaded, 1);
    assert_int_equal(got.result.rejected, 1);
    assert_string_equal(got.marks, " 2:class");
    assert_int_equal(requests, before);
}

/* ---- Mappings. ---- */

static void mapping__columns_values_constants_and_units_of_another_system(void **state)
{
    (void)state;
    load_base();
    write_file("semicolon.ini", "[file]\ndelimiter=;\n[columns]\nmeter_no=表号\nmanufacturer=厂家\n"
                                "kind=类型\npremises=用气点\nyearly_l=年用量\n"
                                "[values.kind]\n皮膜表=mechanical\n[const]\nbook=B01\n"
                                "[units]\nyearly_l=m3\n");
    write_file("in.csv", "表号;厂家;备注;类型;用气点;年用量\n7001;丙厂;无;皮膜表;P1;312.5\n"
                         "7002;丙厂;无;蒸汽;P1;1\n7003;丙厂;无;远传表;P1;0.0001\n");
    char map[256];
    snprintf(map, sizeof(map), "%s", path_of("semicolon.ini"));
    struct loaded got = load(options_of("meter", path_of("in.csv"), map));
    assert_int_equal(got.err, DS_OK);
    assert_int_equal(got.result.loaded, 1);
    char *text = read_file(path_of("in.csv.bad.csv"));
    assert_non_null(strstr(text, "7002;丙厂;无;蒸汽;P1;1;3;类型;"));
    assert_non_null(strstr(text, "7003;丙厂;无;远传表;P1;0.0001;4;年用量;"));
    free(text);
    struct ds_id station = ds_station_id(DS_SLICE_LIT("BAD01"));
    struct ds_id id = ds_meter_id(&station, DS_SLICE_LIT("丙厂"), DS_SLICE_LIT("7001"));
    struct ds_meter meter;
    uint8_t memory[4096];
    struct ds_arena arena;
    ds_arena_init(&arena, memory, sizeof(memory));
    assert_int_equal(fake_load(NULL, DS_REC_meter, &id, &arena, &meter), DS_OK);
    assert_int_equal(meter.kind, DS_METER_KIND_mechanical);
    assert_int_equal(meter.yearly_l, 312500);
    struct ds_id book = ds_numbered_id(&station, DS_REC_book, DS_SLICE_LIT("B01"));
    assert_memory_equal(&meter.book, &book, sizeof(book));
}

static void mapping__an_index_in_cubic_metres_becomes_counts_of_the_dial(void **state)
{
    (void)state;
    load_base();
    write_file("map.ini", "[units]\nindex=m3\n");
    write_file("in.csv", "manufacturer,meter_no,period,index,instant_ms\n"
                         "甲厂,1001,202601,123,2026-01-30T08:00:00+08:00\n"
                         "甲厂,1002,202601,123.4,2026-01-30T08:00:00+08:00\n");
    char map[256];
    snprintf(map, sizeof(map), "%s", path_of("map.ini"));
    struct loaded got = load(options_of("remote_reading", path_of("in.csv"), map));
    assert_int_equal(got.result.loaded, 1);
    assert_string_equal(got.marks, " 3:index");
    const char *key = NULL;
    json_t *fields = NULL;
    json_object_foreach(events, key, fields)
    {
        assert_int_equal(json_integer_value(json_object_get(fields, "index")), 123);
        assert_string_equal(json_string_value(json_object_get(fields, "method")), "remote");
    }
}

static void mapping__without_a_header_columns_are_numbers(void **state)
{
    (void)state;
    load_base();
    write_file("map.ini", "[file]\nheader=0\ndelimiter=tab\n[columns]\nnumber=2\nclass=3\n");
    write_file("in.csv", "x\tQ1\tresidential\ty\nx\tQ2\n");
    char map[256];
    snprintf(map, sizeof(map), "%s", path_of("map.ini"));
    struct ds_import_options options = options_of("account", path_of("in.csv"), map);
    struct ds_import_result result;
    assert_int_equal(ds_import_run(&options, &result, NULL), DS_OK);
    json_decref(result.verdicts);
    json_decref(result.shown);
    assert_int_equal(result.loaded, 1);
    char *text = read_file(path_of("in.csv.bad.csv"));
    assert_string_equal(text, "x\tQ2\t2\t\t2 cells, the header has 3\n");
    free(text);
}

static void mapping__empty_cells_clear_only_where_it_says_so(void **state)
{
    (void)state;
    load_base();
    char map[256];
    write_file("in.csv", "number,class,persons\nA1,residential,\n");
    struct loaded got = load(options_of("account", path_of("in.csv"), NULL));
    assert_int_equal(got.result.unchanged, 1);
    write_file("map.ini", "[file]\nempty=clear\n");
    snprintf(map, sizeof(map), "%s", path_of("map.ini"));
    got = load(options_of("account", path_of("in.csv"), map));
    assert_int_equal(got.result.written, 1);
    write_file("in.csv", "number,class\nA1,\n");
    got = load(options_of("account", path_of("in.csv"), map));
    assert_string_equal(got.marks, " 2:class");
}

static void mapping__whatever_it_does_not_know_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"[file]\ncolour=red\n", "line 2: [file] colour"},
        {"[file]\ndelimiter=ab\n", "line 2: [file] delimiter"},
        {"[file]\nheader=yes\n", "line 2: [file] header"},
        {"[file]\nencoding=latin1\n", "known are utf-8, gb18030, gbk"},
        {"[file]\nheader=0\n", "[columns]"},
        {"[colums]\nnumber=a\n", "not a section of a mapping"},
        {"[columns]\n\nnumber=a\nnumbr=b\n", "line 4: [columns] numbr: no such field"},
        {"[columns]\nnumber=a\nnumber=b\n", "line 3: the key is given twice"},
        {"[columns]\nnumber=Nummer\nclass=class\n",
         "mapping, line 2: [columns] number: the file has no column \"Nummer\""},
        {"[values.colour]\nred=1\n", "no such field"},
        {"[units]\nbalance_fen=m3\n", "no unit of this field"},
        {"[const]\nclass=residential\n", "column class: given twice"},
        {"number\n", "line 1: neither [section] nor key=value"},
        {"[columns]\nnumber=\xff\n", "not UTF-8"},
    };
    load_base();
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        char map[256];
        struct ds_detail detail = {""};
        struct ds_import_result result;
        write_file("in.csv", "number,class,balance_fen\nR1,residential,0\n");
        write_file("map.ini", cases[i].text);
        snprintf(map, sizeof(map), "%s", path_of("map.ini"));
        struct ds_import_options options = options_of("account", path_of("in.csv"), map);
        assert_int_not_equal(ds_import_run(&options, &result, &detail), DS_OK);
        json_decref(result.verdicts);
        json_decref(result.shown);
        if (strstr(detail.text, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].text, detail.text);
        }
        assert_int_equal(result.written, 0);
    }
}

static void gb18030__the_file_of_rejected_rows_keeps_the_files_encoding(void **state)
{
    (void)state;
    load_base();
    /* 表号 is B1 ED BA C5, 蒸 is D5 F4. */
    write_file("in.csv", "\xb1\xed\xba\xc5,class\n\xd5\xf4"
                         "1,residential\n\xd5\xf4"
                         "2,palace\n");
    write_file("gb18030.ini", "[file]\nencoding=GB18030\n[columns]\nnumber=表号\nclass=class\n");
    char map[256];
    snprintf(map, sizeof(map), "%s", path_of("gb18030.ini"));
    struct loaded got = load(options_of("account", path_of("in.csv"), map));
    assert_int_equal(got.result.loaded, 1);
    char *text = read_file(path_of("in.csv.bad.csv"));
    assert_string_equal(text, "\xb1\xed\xba\xc5,class,_line,_column,_reason\n"
                              "\xd5\xf4"
                              "2,palace,3,class,\"class: \"\"palace\"\" is none of residential, "
                              "commercial, industrial, public_use\"\n");
    free(text);
}

/* ---- Kinds of their own. ---- */

static void worker__roles_become_grants_for_the_station_or_a_team(void **state)
{
    (void)state;
    load_base();
    write_file("in.csv", "number,name,role\nW8,甲,reader 主管 clerk@north\nW9,乙,king\n");
    struct loaded got = load(options_of("worker", path_of("in.csv"), NULL));
    assert_int_equal(got.result.loaded, 1);
    assert_int_equal(got.result.written, 4);
    assert_string_equal(got.marks, " 3:role");
    struct ds_id station = ds_station_id(DS_SLICE_LIT("BAD01"));
    struct ds_id worker = ds_numbered_id(&station, DS_REC_worker, DS_SLICE_LIT("W8"));
    struct ds_id id = ds_grant_id(&station, &worker, DS_ROLE_supervisor, &station);
    struct ds_role_grant grant;
    uint8_t memory[1024];
    struct ds_arena arena;
    ds_arena_init(&arena, memory, sizeof(memory));
    assert_int_equal(fake_load(NULL, DS_REC_role_grant, &id, &arena, &grant), DS_OK);
    assert_int_equal(grant.role, DS_ROLE_supervisor);
    struct ds_id team = ds_team_id(&station, DS_SLICE_LIT("north"));
    id = ds_grant_id(&station, &worker, DS_ROLE_clerk, &team);
    assert_int_equal(fake_load(NULL, DS_REC_role_grant, &id, &arena, &grant), DS_OK);
    assert_true(ds_id_equal(&grant.subtree, &team));
}

static void station__another_station_is_refused(void **state)
{
    (void)state;
    load_base();
    write_file("in.csv", "number,name,offset_min,billing_authority\nBAD02,x,480,central\n");
    struct loaded got = load(options_of("station", path_of("in.csv"), NULL));
    assert_string_equal(got.marks, " 2:number");
}

static size_t count_of(json_t *where, const char *prefix, const char *word)
{
    const char *key = NULL;
    json_t *value = NULL;
    size_t count = 0;
    json_object_foreach(where, key, value)
    {
        char *text = json_dumps(value, JSON_COMPACT);
        count += strncmp(key, prefix, strlen(prefix)) == 0 && strstr(text, word) != NULL;
        free(text);
    }
    return count;
}

static void history__readings_at_the_end_of_their_months_and_closed_periods(void **state)
{
    (void)state;
    load_base();
    write_file("in.csv", "manufacturer,meter_no,i202402,i202403\n甲厂,1001,80,90e\n甲厂,1002,,7\n");
    struct loaded got = load(options_of("history", path_of("in.csv"), NULL));
    assert_int_equal(got.err, DS_OK);
    assert_int_equal(got.result.loaded, 3);
    /* 2024-02-29T18:00+08:00 */
    assert_int_equal(count_of(events, "", "\"instant_ms\":1709200800000"), 1);
    assert_int_equal(count_of(events, "", "\"method\":\"on_site\""), 2);
    assert_int_equal(count_of(events, "", "\"estimate_method\":\"same_season\""), 1);
    /* Three readings, and two periods that begin as closed. */
    assert_int_equal(got.result.written, 3 + 2);
    assert_int_equal(count_of(rows, "period/", "\"state\":\"closed\""), 2);
    got = load(options_of("history", path_of("in.csv"), NULL));
    assert_int_equal(got.result.written, 0);
}

static void history__a_header_that_cannot_be_is_an_error_of_the_file(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "manufacturer,meter_no\n",
        "manufacturer,meter_no,i202413\n",
        "manufacturer,meter_no,i202402,i202401\n",
        "manufacturer,meter_no,i202401,i202401\n",
        "manufacturer,meter_no,i202401,index\n",
        "meter_no,i202401\n",
    };
    load_base();
    for (size_t i = 0; i < DS_COUNT(headers); i++) {
        write_file("in.csv", headers[i]);
        struct loaded got = load(options_of("history", path_of("in.csv"), NULL));
        assert_int_equal(got.err, DS_ERR_SCHEMA);
    }
}

static void history__many_drafts_go_in_requests_of_1000(void **state)
{
    (void)state;
    load_base();
    FILE *file = fopen(path_of("in.csv"), "wb");
    assert_non_null(file);
    fputs("manufacturer,meter_no", file);
    for (int i = 0; i < 240; i++) {
        fprintf(file, ",i%d%02d", 2000 + i / 12, i % 12 + 1);
    }
    fputc('\n', file);
    for (int meter = 1001; meter <= 1005; meter++) {
        fprintf(file, "甲厂,%d", meter);
        for (int i = 0; i < 240; i++) {
            fprintf(file, ",%d", i);
        }
        fputc('\n', file);
    }
    fclose(file);
    largest = 0;
    struct loaded got = load(options_of("history", path_of("in.csv"), NULL));
    assert_int_equal(got.result.loaded, 1200);
    assert_int_equal(got.result.written, 1200 + 240);
    assert_int_equal(largest, 1000);
}

static void billing_answer__names_its_slot_by_meter_or_by_id(void **state)
{
    (void)state;
    load_base();
    write_file("in.csv", "manufacturer,meter_no,period,revision,answer,bill_no\n"
                         "甲厂,1001,202601,1,accepted,X1\n甲厂,9999,202601,1,accepted,X2\n"
                         "甲厂,1002,202601,1,maybe,X3\n");
    struct loaded got = load(options_of("billing_answer", path_of("in.csv"), NULL));
    assert_int_equal(got.result.loaded, 1);
    assert_string_equal(got.marks, " 3:meter_no 4:answer");
    assert_int_equal(count_of(events, "", "\"consumer\":\"billing\""), 1);
    write_file("in.csv", "slot,revision,answer\n00112233445566778899aabbccddeeff,1,已接收\n");
    got = load(options_of("billing_answer", path_of("in.csv"), NULL));
    assert_int_equal(got.result.loaded, 1);
    write_file("in.csv", "revision,answer\n1,accepted\n");
    assert_int_equal(load(options_of("billing_answer", path_of("in.csv"), NULL)).err,
                     DS_ERR_SCHEMA);
}

/* ---- GeoJSON. ---- */

static struct loaded load_geojson(const char *kind, const char *text)
{
    write_file("in.geojson", text);
    struct ds_import_options options = options_of(kind, path_of("in.geojson"), NULL);
    struct loaded got = {.marks = ""};
    options.geojson = true;
    got.err = ds_import_run(&options, &got.result, &got.detail);
    json_decref(got.result.verdicts);
    json_decref(got.result.shown);
    return got;
}

static void geojson__points_become_positions_and_lines_geometry(void **state)
{
    (void)state;
    load_base();
    struct loaded got = load_geojson(
        "premises",
        "{ \"type\" : \"FeatureCollection\", \"note\": {\"features\": [1]},\n \"features\" : [\n"
        "{\"type\":\"Feature\",\"properties\":{\"number\":\"G1\",\"account\":\"A1\",\"floor\":3,"
        "\"room\":\"a\\\"}]\"},\"geometry\":{\"type\":\"Point\",\"coordinates\":"
        "[114.51,-38.0420001]}} ,\n"
        "{\"type\":\"Feature\",\"properties\":{\"number\":\"G2\"},\"geometry\":null}]}\n");
    assert_int_equal(got.err, DS_OK);
    assert_int_equal(got.result.loaded, 2);
    assert_int_equal(count_of(rows, "premises/", "\"lat_e7\":-380420001,\"lon_e7\":1145100000"), 1);
    got = load_geojson("asset", "{\"features\":[{\"type\":\"Feature\",\"properties\":{\"number\":"
                                "\"T1\",\"kind\":\"pipe\"},\"geometry\":{\"type\":\"LineString\","
                                "\"coordinates\":[[0,0],[0.0000001,-0.0000001]]}}]}");
    assert_int_equal(got.result.loaded, 1);
    assert_int_equal(count_of(rows, "asset/", "\"geometry\":\"AAAAAAAAAAD_____AAAAAQ\""), 1);
}

static void geojson__a_wrong_feature_costs_itself(void **state)
{
    (void)state;
#define FEATURE(properties, geometry)                                                              \
    "{\"type\":\"Feature\",\"properties\":{" properties "},\"geometry\":" geometry "}"
#define NUMBER "\"number\":\"H\""
    static const char *const wrong[] = {
        FEATURE(NUMBER ",\"floor\":1.5", "null"),
        FEATURE(NUMBER ",\"colour\":1", "null"),
        FEATURE(NUMBER ",\"floor\":[1]", "null"),
        FEATURE(NUMBER, "{\"type\":\"Point\",\"coordinates\":[181,0]}"),
        FEATURE(NUMBER, "{\"type\":\"Polygon\",\"coordinates\":[]}"),
        FEATURE(NUMBER "," NUMBER, "null"),
        FEATURE(NUMBER ",\"account\":\"A9\"", "null"),
        FEATURE("", "null"),
        "{\"type\":\"Feature\"}",
        "{bad}",
    };
#undef FEATURE
#undef NUMBER
    for (size_t i = 0; i < DS_COUNT(wrong); i++) {
        char text[1024];
        load_base();
        snprintf(text, sizeof(text),
                 "{\"features\":[%s,\n{\"type\":\"Feature\",\"properties\":{\"number\":\"J\"}}]}",
                 wrong[i]);
        struct loaded got = load_geojson("premises", text);
        assert_int_equal(got.err, DS_OK);
        if (got.result.loaded != 1 || got.result.rejected != 1) {
            fail_msg("%s", wrong[i]);
        }
    }
    char *text = read_file(path_of("in.geojson.bad.csv"));
    assert_non_null(strstr(text, "feature,_line,_column,_reason\n\"{bad}\",1,,"));
    free(text);
}

static void geojson__a_file_that_is_none_is_an_error_of_the_file(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"features\":{}}",
        "{\"type\":\"FeatureCollection\"}",
        "{\"features\":[1]}",
        "{\"features\":[{\"a\":1} {\"b\":2}]}",
        "{\"features\":[{\"a\":1",
        "{\"features\":[{\"a\":1},]}",
    };
    for (size_t i = 0; i < DS_COUNT(wrong); i++) {
        load_base();
        if (load_geojson("premises", wrong[i]).err != DS_ERR_DECODE) {
            fail_msg("%s", wrong[i]);
        }
    }
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/cli-import-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {
        "base.csv",    "in.csv",     "in.csv.bad.csv",     "mended.csv",    "map.ini",
        "gb18030.ini", "in.geojson", "in.geojson.bad.csv", "semicolon.ini",
    };
    for (size_t i = 0; i < DS_COUNT(names); i++) {
        (void)unlink(path_of(names[i]));
    }
    json_decref(rows);
    json_decref(events);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files__give_what_the_table_expects_b1_b2_b4_b5_b6_b7),
        cmocka_unit_test(b2__the_place_of_a_bad_byte_is_named_in_the_files_own_bytes),
        cmocka_unit_test(b3__a_line_of_50_mb_costs_itself_and_is_kept_whole),
        cmocka_unit_test(rejected_rows__load_when_they_are_mended),
        cmocka_unit_test(a_file_of_rejected_rows__goes_when_nothing_is_rejected_any_more),
        cmocka_unit_test(dry_run__checks_every_row_and_writes_nothing),
        cmocka_unit_test(mapping__columns_values_constants_and_units_of_another_system),
        cmocka_unit_test(mapping__an_index_in_cubic_metres_becomes_counts_of_the_dial),
        cmocka_unit_test(mapping__without_a_header_columns_are_numbers),
        cmocka_unit_test(mapping__empty_cells_clear_only_where_it_says_so),
        cmocka_unit_test(mapping__whatever_it_does_not_know_is_named_with_its_line),
        cmocka_unit_test(gb18030__the_file_of_rejected_rows_keeps_the_files_encoding),
        cmocka_unit_test(worker__roles_become_grants_for_the_station_or_a_team),
        cmocka_unit_test(station__another_station_is_refused),
        cmocka_unit_test(history__readings_at_the_end_of_their_months_and_closed_periods),
        cmocka_unit_test(history__a_header_that_cannot_be_is_an_error_of_the_file),
        cmocka_unit_test(history__many_drafts_go_in_requests_of_1000),
        cmocka_unit_test(billing_answer__names_its_slot_by_meter_or_by_id),
        cmocka_unit_test(geojson__points_become_positions_and_lines_geometry),
        cmocka_unit_test(geojson__a_wrong_feature_costs_itself),
        cmocka_unit_test(geojson__a_file_that_is_none_is_an_error_of_the_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
