#!/usr/bin/env bash
# clang-tidy over what the build compiles; WarningsAsErrors is in .clang-tidy.
#
# A file that passed is not looked at again while its preprocessed text, its flags and the
# configuration stay the same: BUILD_DIR/tidy holds one empty file per passed state.
# Usage: check_tidy.sh SOURCE_DIR BUILD_DIR [FILE...] | --self-test
#   FILE...  only these, relative to SOURCE_DIR
set -eu
. "$(dirname "$0")/lib.sh"

# One file: SOURCE_DIR BUILD_DIR FILE COMMAND (as in compile_commands.json).
one() {
    local source=$1 build=$2 file=$3 command=$4 key
    key=$({
        cat "$source/.clang-tidy" "$source/tests/.clang-tidy" 2>/dev/null || true
        echo "$command"
        clang-tidy --version
        # The compile command with -E in place of its output; comments count (NOLINT), so -C.
        (cd "$build" && sh -c "${command%% -o *} -E -C $file") 2>/dev/null || date +%s%N
    } | sha256sum | cut -c 1-40)
    if [ -e "$build/tidy/$key" ]; then
        return 0
    fi
    if clang-tidy -p "$build/tidy" --quiet "$file" >"$build/tidy/$key.out" 2>/dev/null; then
        rm "$build/tidy/$key.out"
        : >"$build/tidy/$key"
    else
        cat "$build/tidy/$key.out"
        rm "$build/tidy/$key.out"
        return 1
    fi
}

check() {
    local source build
    source=$(cd "$1" && pwd)
    build=$(cd "$2" && pwd)
    shift 2
    mkdir -p "$build/tidy"
    # Several targets may compile one file: once is enough, and clang-tidy 14 takes the second look
    # at a va_list for an uninitialized one.
    jq 'unique_by(.file)' "$build/compile_commands.json" >"$build/tidy/compile_commands.json"
    local wanted
    wanted=$(printf '%s\n' "$@")
    jq -r --arg source "$source/" --arg wanted "$wanted" '
        ($wanted | split("\n") | map(select(. != ""))) as $only
        | .[]
        | select(.file | startswith($source))
        | select(($only | length) == 0 or (.file[($source | length):] | IN($only[])))
        | .file, .command' "$build/tidy/compile_commands.json" |
        tr '\n' '\0' |
        xargs -0 -r -P 2 -n 2 bash "$0" --one "$source" "$build"
}

self_test() {
    local root
    root=$(cd "$(dirname "$0")/../.." && pwd)
    mkdir -p "$1/schema" "$1/build"
    cp "$root/.clang-tidy" "$1/"
    printf '[{"directory":"%s","file":"%s","command":"gcc -o a.o -c %s"}]\n' \
        "$1/build" "$1/schema/a.c" "$1/schema/a.c" >"$1/build/compile_commands.json"
    echo 'int ds_a(int x);' >"$1/schema/a.c"
    must_pass 'clean code' "$1" "$1/build"
    must_pass 'clean code from the cache' "$1" "$1/build"
    printf 'int ds_a(int x);\nint ds_a(int x)\n{\n    if (x) return 1;\n    return 2;\n}\n' \
        >"$1/schema/a.c"
    must_fail 'a missing brace' "$1" "$1/build"
    must_fail 'the same again' "$1" "$1/build"
    must_pass 'the same when another file was asked for' "$1" "$1/build" schema/b.c
    must_fail 'the same when it was asked for' "$1" "$1/build" schema/a.c
}

if [ "${1:-}" = --one ]; then
    shift
    one "$@"
    exit
fi
lint_main "$@"
