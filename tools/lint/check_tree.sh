#!/usr/bin/env bash
# The tree stands alone: scripts parse, every package has a reason, no file names a folder of
# somebody's machine, and the sample stays under its 3 MB.
# Usage: check_tree.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

sample_kib_max=3072

check() {
    cd "$1"
    local bad=0 file
    while read -r file; do
        case $(head -c 40 "$file" | head -n 1 | tr -d '\0') in
        '#!'*bash* | '#!'*/sh*)
            bash -n "$file" || { echo "^ $file does not parse" >&2; bad=1; }
            if [ ! -x "$file" ]; then
                echo "$file has an interpreter line and may not be run" >&2
                bad=1
            fi
            if ! grep -qE '^set -(eu|euo pipefail)' "$file"; then
                echo "$file: without set -eu" >&2
                bad=1
            fi
            ;;
        esac
    done < <(find . \( -name .git -o -name build \) -prune -o -type f -print)
    # Home and work folders of any machine.
    if grep -rnIE '(^|[^A-Za-z0-9_.])/(work|home|root)/[A-Za-z.]' . --exclude-dir=.git --exclude=.git \
        --exclude-dir=build | grep -v '^\./tools/lint/check_tree\.sh:'; then
        echo "^ a folder of one machine" >&2
        bad=1
    fi
    if [ -f tools/packages.txt ] &&
        grep -nvE '^(#.*|[a-z0-9.+-]+ +# .+)$' tools/packages.txt; then
        echo "^ tools/packages.txt: a package without its reason" >&2
        bad=1
    fi
    if [ -d tools/sample ] && [ "$(du -sk --apparent-size tools/sample | cut -f 1)" -ge $sample_kib_max ]; then
        echo "tools/sample is not under $sample_kib_max KiB" >&2
        bad=1
    fi
    return $bad
}

self_test() {
    mkdir -p "$1/tools/sample"
    printf '#!/bin/sh\nset -eu\necho ok\n' >"$1/a"
    chmod +x "$1/a"
    echo 'gcc  # compiles' >"$1/tools/packages.txt"
    must_pass 'a good tree' "$1"
    printf '#!/bin/sh\nset -eu\nif\n' >"$1/a"
    must_fail 'a script that does not parse' "$1"
    printf '#!/bin/sh\necho ok\n' >"$1/a"
    must_fail 'a script without set -eu' "$1"
    printf '#!/bin/sh\nset -eu\ncat /work/x\n' >"$1/a"
    must_fail 'a folder of one machine' "$1"
    rm "$1/a"
    echo 'gcc' >"$1/tools/packages.txt"
    must_fail 'a package without reason' "$1"
    echo 'gcc  # compiles' >"$1/tools/packages.txt"
    head -c 3145728 /dev/zero >"$1/tools/sample/big"
    must_fail 'a sample of 3 MB' "$1"
}

lint_main "$@"
