#!/usr/bin/env bash
# Every header compiles alone, has its guard named after its path, and opens with its contract.
# Usage: check_headers.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

check() {
    cd "$1"
    local bad=0 header guard
    for header in $(code_files . | grep '\.h$' || true); do
        if ! printf '#include "%s"\nextern int ds_not_empty;\n' "$header" |
            gcc -std=c17 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -I. \
                -Ihandheld-sdk/include -fsyntax-only -x c -; then
            echo "^ $header does not compile alone" >&2
            bad=1
        fi
        guard=DS_$(printf '%s' "$header" | sed 's|handheld-sdk/include/doorstep|doorstep|' |
            tr 'a-z/.-' 'A-Z___')
        if ! grep -q "^#ifndef $guard\$" "$header"; then
            echo "$header: its guard should be $guard" >&2
            bad=1
        fi
        if ! head -n 1 "$header" | grep -q '^/\* [A-Z`]'; then
            echo "$header: does not open with a sentence that says what it is" >&2
            bad=1
        fi
    done
    return $bad
}

self_test() {
    mkdir -p "$1/schema"
    local body='/* A thing.
 */
#ifndef DS_SCHEMA_A_H
#define DS_SCHEMA_A_H
#include <stdint.h>
uint8_t ds_a(void);
#endif'
    printf '%s\n' "$body" >"$1/schema/a.h"
    must_pass 'a good header' "$1"
    printf '%s\n' "$body" | grep -v stdint >"$1/schema/a.h"
    must_fail 'a header that needs another first' "$1"
    printf '%s\n' "$body" | sed 's/DS_SCHEMA_A_H/A_H/' >"$1/schema/a.h"
    must_fail 'a wrong guard' "$1"
    printf '%s\n' "$body" | tail -n +3 >"$1/schema/a.h"
    must_fail 'a header without contract' "$1"
}

lint_main "$@"
