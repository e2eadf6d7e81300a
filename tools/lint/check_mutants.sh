#!/usr/bin/env bash
# Each deliberate fault of tests/mutants.txt still fits the code: its text stands there, once.
# Usage: check_mutants.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

check() {
    "$1/tools/mutate" --check
}

self_test() {
    mkdir -p "$1/tools" "$1/tests/unit" "$1/sync"
    : >"$1/tests/unit/x_test.c"
    cp "$(dirname "$0")/../mutate" "$1/tools/"
    printf 'int a(void) { return 1; }\nint b(void) { return 2; }\n' >"$1/sync/x.c"
    table() {
        printf 'mutant m\nfile sync/x.c\n- %s\n+ return 3;\ntests unit.x\n' "$2" >"$1/tests/mutants.txt"
    }
    table "$1" 'return 2;'
    must_pass 'a fault that fits' "$1"
    table "$1" 'return 4;'
    must_fail 'a text that is gone' "$1"
    table "$1" 'return'
    must_fail 'a text that stands there twice' "$1"
    sed -i 's/^file.*/file sync\/y.c/' "$1/tests/mutants.txt"
    must_fail 'a file that is gone' "$1"
    table "$1" 'return 2;'
    rm "$1/tests/unit/x_test.c"
    must_fail 'a test that is gone' "$1"
}

lint_main "$@"
