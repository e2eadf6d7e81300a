#!/usr/bin/env bash
# Names that may not occur in the code (comments may name them).
# Usage: check_banned.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

# Everywhere: they write without a bound, or keep hidden state.
calls_everywhere='strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|strtok|strtok_r|atoi|atol|atoll|atof|gets|alloca|rand|srand|random|srandom|drand48'
# Outside tests: text is parsed by schema/base, time comes from the clock port.
calls_product='strtol|strtoul|strtoll|strtoull|strtod|strtof|time|gettimeofday|localtime|gmtime|ctime|asctime|mktime'
# As words, in strings too (design: hazards F5, F7, F8, F9 of our own dependencies).
words='MDB_NOSYNC|MDB_NOMETASYNC|MDB_WRITEMAP|MDB_MAPASYNC|MDB_DUPSORT|MDB_DUPFIXED|mg_handle_form_request|document_root'
# In what is stored, billed, signed or compared there is no floating point.
floats='float|double'

# Comments become blanks; with strings=1, string and character literals become empty too.
strip() {
    awk -v strings="$1" '
    {
        line = $0; out = ""
        while (line != "") {
            if (inside) {
                at = index(line, "*/")
                if (!at) { line = ""; break }
                line = substr(line, at + 2); inside = 0
            } else if (match(line, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)+\047|\/\*|\/\//)) {
                token = substr(line, RSTART, RLENGTH)
                out = out substr(line, 1, RSTART - 1)
                line = substr(line, RSTART + RLENGTH)
                if (token == "/*") inside = 1
                else if (token == "//") line = ""
                else out = out (strings ? "\"\"" : token)
            } else { out = out line; line = "" }
        }
        print out
    }' "$2"
}

# report FILE STRINGS PATTERN WHY
report() {
    local hits
    hits=$(strip "$2" "$1" | grep -nE "$3" || true)
    if [ -n "$hits" ]; then
        printf '%s\n' "$hits" | sed "s|^|$1:|"
        echo "^ $4" >&2
        bad=1
    fi
}

check() {
    cd "$1"
    bad=0
    local file
    for file in $(code_files .); do
        # One look without stripping is enough for nearly every file.
        grep -qE "($calls_everywhere|$calls_product|$words|$floats)" "$file" || continue
        report "$file" 1 "(^|[^A-Za-z0-9_.>])($calls_everywhere) *\(" 'banned call'
        report "$file" 0 "(^|[^A-Za-z0-9_])($words)([^A-Za-z0-9_]|\$)" 'banned word'
        case $file in
        tests/*) ;;
        *) report "$file" 1 "(^|[^A-Za-z0-9_.>])($calls_product) *\(" \
            'use schema/base for text and the clock port for time' ;;
        esac
        case $file in
        schema/*_jansson.[ch]) ;;
        schema/* | sync/*)
            report "$file" 1 "(^|[^A-Za-z0-9_])($floats)([^A-Za-z0-9_]|\$)" 'no floating point here' ;;
        esac
    done
    return $bad
}

self_test() {
    mkdir -p "$1/schema" "$1/tests"
    local name
    cat >"$1/schema/a.c" <<'C'
/* strcpy(a, b) and MDB_DUPSORT are named here only: don't call time(0)
 * or sprintf() in a second line. */
static const char *text = "atoi(x)"; // strcat(a, b)
static int quote = '"';              /* " */
struct ds_clock { int (*time)(void); };
static int use(struct ds_clock *c) { return c->time(); }
int ds_time(void); int my_strcpy(void); int strtime(void);
C
    must_pass 'a comment, a string and a longer name' "$1"
    for name in ${calls_everywhere//|/ } ${calls_product//|/ }; do
        printf 'int f(void)\n{\n    return (int)%s(0);\n}\n' "$name" >"$1/schema/b.c"
        must_fail "$name()" "$1"
    done
    for name in ${words//|/ }; do
        printf 'const char *x = "%s";\n' "$name" >"$1/schema/b.c"
        must_fail "$name" "$1"
    done
    printf 'static char q = %s; int n = atoi(s);\n' "'\"'" >"$1/schema/b.c"
    must_fail 'a call after a quoted quote' "$1"
    echo 'double x;' >"$1/schema/b.c"
    must_fail 'a double in the schema' "$1"
    rm "$1/schema/b.c"
    echo 'long x(void) { return time(0); }' >"$1/tests/b.c"
    must_pass 'a clock in a test' "$1"
    echo 'int x(void) { return rand(); }' >"$1/tests/b.c"
    must_fail 'rand() in a test' "$1"
}

lint_main "$@"
