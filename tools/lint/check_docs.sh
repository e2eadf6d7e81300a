#!/usr/bin/env bash
# Generated documents are what their generators print today.
# Usage: check_docs.sh SOURCE_DIR BIN_DIR [--write] | --self-test
#   --write  bring the documents up to date instead
set -eu
. "$(dirname "$0")/lib.sh"

# Generator in BIN_DIR, document. A generator that is not built yet is skipped while its document
# does not exist either.
documents='
ds-gen-fields   schema/FIELDS.md
ds-gen-errors   schema/ERRORS.md
ds-gen-authority schema/AUTHORITY.md
ds-gen-config   server/CONFIG.md
ds-gen-openapi  server/openapi.json
ds-gen-api      server/API.md
'

check() {
    local source=$1 bin=$2 write=${3:-} bad=0 generator document work
    work=$(mktemp -d)
    while read -r generator document; do
        [ -n "$generator" ] || continue
        if [ ! -x "$bin/$generator" ]; then
            if [ -e "$source/$document" ]; then
                echo "$document exists, $bin/$generator does not" >&2
                bad=1
            fi
            continue
        fi
        if ! "$bin/$generator" >"$work/now"; then
            echo "$generator failed" >&2
            bad=1
        elif [ "$write" = --write ]; then
            cp "$work/now" "$source/$document"
        elif ! diff -u "$source/$document" "$work/now" 2>&1 | head -n 40 | (! grep .); then
            echo "^ $document is stale: tools/lint/check_docs.sh . $bin --write" >&2
            bad=1
        fi
    done <<<"$documents"
    rm -rf "$work"
    return $bad
}

self_test() {
    mkdir -p "$1/schema" "$1/bin"
    must_pass 'no generator, no document' "$1" "$1/bin"
    echo fields >"$1/schema/FIELDS.md"
    must_fail 'a document without generator' "$1" "$1/bin"
    printf '#!/bin/sh\necho fields\n' >"$1/bin/ds-gen-fields"
    chmod +x "$1/bin/ds-gen-fields"
    must_pass 'a true document' "$1" "$1/bin"
    echo stale >"$1/schema/FIELDS.md"
    must_fail 'a stale document' "$1" "$1/bin"
    must_pass 'rewriting' "$1" "$1/bin" --write
    must_pass 'the rewritten document' "$1" "$1/bin"
    rm "$1/schema/FIELDS.md"
    must_fail 'a generator without document' "$1" "$1/bin"
    printf '#!/bin/sh\nexit 1\n' >"$1/bin/ds-gen-fields"
    must_fail 'a failing generator' "$1" "$1/bin"
}

lint_main "$@"
