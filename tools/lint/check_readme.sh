#!/usr/bin/env bash
# README.md says the same twice: its Chinese part has the headings (by level and order) and the
# commands (code blocks, comments aside) of its English part. And every room has a README.
# Usage: check_readme.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

# Print one part's skeleton: "#" marks of each heading, and each block's commands.
# The Chinese part begins at the second heading of level one.
skeleton() { # file, part (1 or 2)
    awk -v part="$2" '
    BEGIN { now = 0 }
    /^```/ {
        inside = !inside
        if (inside) {
            language = substr($0, 4)
            if (now == part) print "block " language
        }
        next
    }
    !inside && /^#+ / {
        if ($1 == "#") now++
        if (now == part) print $1
        next
    }
    inside && now == part && (language == "sh" || language == "console") {
        sub(/(^|[ \t]+)#( .*)?$/, "")
        sub(/[ \t]+$/, "")
        if ($0 != "") print "    " $0
    }' "$1"
}

check() {
    cd "$1"
    local bad=0 room work
    for room in schema sync server handheld-sdk tools tests; do
        if [ -n "$(find "$room" -name '*.c' 2>/dev/null | head -n 1)" ] &&
            [ ! -f "$room/README.md" ]; then
            echo "$room/README.md is missing: what the room is for, guarantees, reading order" >&2
            bad=1
        fi
    done
    if [ ! -f README.md ]; then
        echo "README.md is missing" >&2
        return 1
    fi
    work=$(mktemp -d)
    skeleton README.md 1 >"$work/english"
    skeleton README.md 2 >"$work/chinese"
    if [ ! -s "$work/english" ] || [ ! -s "$work/chinese" ]; then
        echo "README.md needs two headings of level one: an English and a Chinese part" >&2
        bad=1
    elif ! diff -u "$work/english" "$work/chinese" >&2; then
        echo "^ headings or commands of README.md's two parts differ" >&2
        bad=1
    elif ! grep -E '^# ' README.md | sed -n 2p | LC_ALL=C.UTF-8 grep -qP '\p{Han}'; then
        echo "README.md's second part is not the Chinese one" >&2
        bad=1
    fi
    rm -rf "$work"
    return $bad
}

self_test() {
    local english='# Doorstep

Text.

## Start

```sh
tools/up   # the sample
tools/test
```
'
    local chinese='# 入户通

## 开始

```sh
tools/up   # 样例
tools/test
```
'
    printf '%s\n%s' "$english" "$chinese" >"$1/README.md"
    must_pass 'two equal parts' "$1"
    printf '%s\n%s' "$english" "${chinese/tools\/test/tools\/tests}" >"$1/README.md"
    must_fail 'another command' "$1"
    printf '%s\n%s\n## 更多\n' "$english" "$chinese" >"$1/README.md"
    must_fail 'a heading more' "$1"
    printf '%s\n%s' "$english" "${chinese/\#\# /\#\#\# }" >"$1/README.md"
    must_fail 'a heading of another level' "$1"
    printf '%s\n%s' "$english" "$english" >"$1/README.md"
    must_fail 'two English parts' "$1"
    printf '%s' "$english" >"$1/README.md"
    must_fail 'a missing part' "$1"
    rm "$1/README.md"
    must_fail 'a missing README' "$1"
    printf '%s\n%s' "$english" "$chinese" >"$1/README.md"
    mkdir "$1/schema"
    : >"$1/schema/a.c"
    must_fail 'a room without README' "$1"
}

lint_main "$@"
