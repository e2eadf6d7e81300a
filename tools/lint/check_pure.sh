#!/usr/bin/env bash
# A pure library may only ask the linker for itself and for what is listed here: no clock, no
# allocation, no input or output can hide in it.
# Usage: check_pure.sh LIBRARY_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

# Memory functions, their fortified forms, and what compilers call on their own.
compiler='(memcpy|memmove|memset|memcmp|memchr|bcmp|strlen|__mem(cpy|move|set)_chk|__stack_chk_fail|ntoh[sl]|_GLOBAL_OFFSET_TABLE_|__(u?div|u?mod|mulo?)[dt]i[34]|__(asan|ubsan|tsan|sanitizer|sancov|gcov|llvm)_?[A-Za-z0-9_]*)'
schema_allowed="^($compiler|ds_assert_fail)\$"
core_allowed="^($compiler|ds_assert_fail|crypto_generichash[a-z0-9_]*|sodium_memcmp)\$"

# closed ALLOWED LIBRARY...: what the libraries together do not define themselves is allowed.
closed() {
    local allowed=$1
    shift
    nm -g --defined-only "$@" | awk 'NF == 3 {print $3}' | sort -u >"$work/defined"
    nm -u "$@" | awk '$1 == "U" {print $2}' | sort -u | comm -23 - "$work/defined" |
        grep -Ev "$allowed" >"$work/bad" || true
    if [ -s "$work/bad" ]; then
        echo "impure symbols in $*:" >&2
        cat "$work/bad" >&2
        return 1
    fi
}

check() {
    work=$(mktemp -d)
    local bad=0
    local schema=$1/libds_schema.a front=$1/libds_sync_front.a core=$1/libds_sync_core.a
    [ -f "$front" ] || front=
    if [ ! -f "$schema" ]; then
        echo "no $schema: build first" >&2
        bad=1
    else
        closed "$schema_allowed" "$schema" || bad=1
        if [ -n "$front" ]; then
            closed "$schema_allowed" "$front" "$schema" || bad=1
        fi
        if [ -f "$core" ]; then
            # shellcheck disable=SC2086 # the front may be absent
            closed "$core_allowed" "$core" $front "$schema" || bad=1
        fi
    fi
    rm -rf "$work"
    return $bad
}

archive() { # directory, library, C text on standard input
    gcc -std=c17 -x c -c - -o "$1/o.o"
    rm -f "$1/$2"
    ar rcs "$1/$2" "$1/o.o"
}

self_test() {
    archive "$1" libds_schema.a <<'C'
#include <string.h>
int ds_a(const char *s); int ds_a(const char *s) { return (int)strlen(s); }
C
    must_pass 'a pure library' "$1"
    archive "$1" libds_sync_core.a <<'C'
int ds_a(const char *s); int ds_b(void); int ds_b(void) { return ds_a("x"); }
C
    must_pass 'core asking schema' "$1"
    archive "$1" libds_sync_core.a <<'C'
int ds_store_get(void); int ds_b(void); int ds_b(void) { return ds_store_get(); }
C
    must_fail 'core asking a store' "$1"
    rm "$1/libds_sync_core.a"
    archive "$1" libds_schema.a <<'C'
#include <time.h>
long ds_a(void); long ds_a(void) { return (long)time(0); }
C
    must_fail 'a clock in the schema' "$1"
    archive "$1" libds_schema.a <<'C'
#include <stdlib.h>
void *ds_a(void); void *ds_a(void) { return malloc(1); }
C
    must_fail 'an allocation in the schema' "$1"
    must_fail 'a missing library' "$1/none"
}

lint_main "$@"
