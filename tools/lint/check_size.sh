#!/usr/bin/env bash
# Files stay readable: 600 lines for product code, 1,000 for tests, 100 columns for all; no tabs, no
# notes to do something later. (Functions up to 70 lines: clang-tidy.)
# Usage: check_size.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

check() {
    cd "$1"
    local bad=0 file lines limit
    for file in $(code_files .); do
        case $file in
        tests/*) limit=1000 ;;
        *) limit=600 ;;
        esac
        lines=$(wc -l <"$file")
        if [ "$lines" -gt $limit ]; then
            echo "$file: $lines lines, the limit is $limit" >&2
            bad=1
        fi
        if LC_ALL=C.UTF-8 grep -nP '^.{101,}' "$file" | sed "s|^|$file:|" | grep .; then
            echo "^ longer than 100 columns" >&2
            bad=1
        fi
        if grep -nP '\t' "$file" | sed "s|^|$file:|" | grep .; then
            echo "^ tabs" >&2
            bad=1
        fi
        if grep -nE '(^|[^A-Za-z0-9_])(TODO|FIXME|XXX)([^A-Za-z0-9_]|$)' "$file" |
            sed "s|^|$file:|" | grep .; then
            echo "^ do it, or file it, or leave it" >&2
            bad=1
        fi
    done
    return $bad
}

self_test() {
    mkdir -p "$1/schema" "$1/tests"
    seq 600 >"$1/schema/a.c"
    # A hundred columns, not bytes.
    printf '%s\n' "$(printf '读%.0s' $(seq 100))" >"$1/schema/b.c"
    seq 1000 >"$1/tests/a.c"
    must_pass 'files at the limits' "$1"
    seq 601 >"$1/schema/a.c"
    must_fail '601 lines' "$1"
    seq 10 >"$1/schema/a.c"
    printf '%s\n' "$(printf 'x%.0s' $(seq 101))" >"$1/schema/b.c"
    must_fail '101 columns' "$1"
    printf '\tint x;\n' >"$1/schema/b.c"
    must_fail 'a tab' "$1"
    echo '/* TO''DO: later */' >"$1/schema/b.c"
    must_fail 'a promise' "$1"
    rm "$1/schema/b.c"
    seq 1001 >"$1/tests/a.c"
    must_fail '1001 lines of a test' "$1"
}

lint_main "$@"
