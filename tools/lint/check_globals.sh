#!/usr/bin/env bash
# Libraries keep no mutable static state: their .data and .bss are empty. (Tables of pointers lie
# in .data.rel.ro, which is constant after loading.)
# Usage: check_globals.sh LIBRARY_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

check() {
    local bad=0 seen=0 library symbols
    for library in "$1"/libds_*.a; do
        [ -f "$library" ] || continue
        case $library in */libds_test_support.a) continue ;; esac
        seen=1
        # b/B and d/D would name read-only relocated tables too, so sections decide.
        symbols=$(objdump -t "$library" 2>/dev/null |
            awk '$1 ~ /^[0-9a-f]+$/ && / (\.data|\.bss|\.tbss|\.tdata|\*COM\*)(\.[a-z_A-Z][^ \t]*)?\t/ &&
                 !/ \.data\.rel\.ro/ { size = $(NF-1); if (size !~ /^0+$/) print $NF }' |
            grep -v '^__' || true)
        if [ -n "$symbols" ]; then
            echo "mutable static state in $library:" >&2
            echo "$symbols" >&2
            bad=1
        fi
    done
    [ "$seen" = 1 ] || { echo "no libraries in $1" >&2; bad=1; }
    return $bad
}

archive() {
    gcc -std=c17 -fPIC -x c -c - -o "$1/o.o"
    rm -f "$1/libds_x.a"
    ar rcs "$1/libds_x.a" "$1/o.o"
}

self_test() {
    echo 'extern const char *const ds_t[]; const char *const ds_t[] = {"a", "b"};' | archive "$1"
    must_pass 'a constant table' "$1"
    echo 'int ds_f(void); int ds_f(void) { static int n; return ++n; }' | archive "$1"
    must_fail 'a static counter' "$1"
    echo 'int ds_f(void); int ds_f(void) { static int n = 7; return ++n; }' | archive "$1"
    must_fail 'a static with a value' "$1"
    echo 'int ds_n;' | archive "$1"
    must_fail 'a global' "$1"
    echo 'int ds_f(void); int ds_f(void) { static _Thread_local int n; return ++n; }' | archive "$1"
    must_fail 'a thread-local' "$1"
}

lint_main "$@"
