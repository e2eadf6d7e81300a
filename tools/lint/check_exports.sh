#!/usr/bin/env bash
# libdoorstep.so exports exactly what doorstep.h marks with DS_API.
# Usage: check_exports.sh SOURCE_DIR LIBRARY_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

check() {
    local header=$1/handheld-sdk/include/doorstep.h library=$2/libdoorstep.so work
    if [ ! -f "$header" ]; then
        echo "no $header" >&2
        return 1
    fi
    work=$(mktemp -d)
    # A declaration may span lines: join, then take the first name before a parenthesis.
    sed -e 's|//.*||' -e '/^#/d' "$header" | tr '\n' ' ' | sed -e 's|/\*|\x01|g' -e 's|\*/|\x02|g' \
        -e 's|\x01[^\x02]*\x02||g' | tr ';{}' '\n\n\n' | grep -w DS_API |
        sed -e 's/.*DS_API//' -e 's/__attribute__ *(([^)]*))//g' |
        grep -oE 'ds_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/declared" || true
    nm -D --defined-only "$library" | awk 'NF == 3 && $3 !~ /^(_init|_fini|_edata|_end|__bss_start)$/ {
        sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"
    local bad=0
    if ! diff "$work/declared" "$work/exported" >"$work/diff"; then
        grep '^[<>]' "$work/diff" |
            sed -e 's/^</declared, not exported:/' -e 's/^>/exported, not declared:/' >&2
        bad=1
    elif [ ! -s "$work/declared" ]; then
        echo "doorstep.h declares nothing with DS_API" >&2
        bad=1
    fi
    rm -rf "$work"
    return $bad
}

self_test() {
    mkdir -p "$1/handheld-sdk/include"
    cat >"$1/handheld-sdk/include/doorstep.h" <<'C'
/* A header; not DS_API int ds_no(void); */
#define DS_API __attribute__((visibility("default")))
struct ds_x;
DS_API int ds_one(void);
DS_API __attribute__((warn_unused_result)) const char *
ds_two(int a,
       int (*callback)(void));
C
    local make="gcc -std=c17 -shared -fPIC -fvisibility=hidden -x c - -o $1/libdoorstep.so"
    local one='__attribute__((visibility("default"))) int ds_one(void) { return 1; }'
    local two='__attribute__((visibility("default"))) int ds_two(void) { return 1; }'
    echo "$one $two int ds_hidden(void) { return 1; }" | $make
    must_pass 'the declared two' "$1" "$1"
    echo "$one" | $make
    must_fail 'a missing export' "$1" "$1"
    echo "$one $two __attribute__((visibility(\"default\"))) int ds_more(void) { return 1; }" | $make
    must_fail 'an export too many' "$1" "$1"
}

lint_main "$@"
