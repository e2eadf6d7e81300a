#!/usr/bin/env bash
# The formatter has nothing to say.
# Usage: check_format.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

check() {
    cd "$1"
    code_files . | xargs -r -P 2 -n 16 clang-format --dry-run -Werror
}

self_test() {
    mkdir -p "$1/schema"
    cp "$(dirname "$0")/../../.clang-format" "$1/"
    printf 'int ds_a(void)\n{\n    return 1;\n}\n' >"$1/schema/a.c"
    must_pass 'formatted code' "$1"
    printf 'int ds_a(void) {\n  return 1; }\n' >"$1/schema/a.c"
    must_fail 'unformatted code' "$1"
}

lint_main "$@"
