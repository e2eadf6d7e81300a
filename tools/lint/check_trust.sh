#!/usr/bin/env bash
# Each threat on server/README.md's page "Trust" names a test that exists: a row of its table has
# three cells, none empty, and each name in backquotes of the last is a case (a function of a file
# in tests/), a test script there, or a fuzz target.
# Usage: check_trust.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

# Rows of the tables under the heading "## Trust", up to the next heading of its level.
rows() {
    awk '/^## / { inside = ($0 == "## Trust"); next }
        inside && /^\|/ && $0 !~ /^\| *---/ && $0 !~ /^\| threat \|/' "$1"
}

# exists NAME: in the folder tests.
exists() {
    case $1 in
    *.sh) [ -f "tests/$1" ] ;;
    *_fuzz) [ -f "tests/fuzz/$1.c" ] ;;
    *) grep -rqE "(static void |cmocka_unit_test[a-z_]*\()$1\b" tests --include='*_test.c' ;;
    esac
}

check() {
    cd "$1"
    local bad=0 row cells name names
    if [ ! -f server/README.md ] || [ -z "$(rows server/README.md)" ]; then
        echo 'server/README.md has no table under "## Trust"' >&2
        return 1
    fi
    while IFS= read -r row; do
        cells=$(awk -F'|' '{ n = 0; for (i = 2; i < NF; i++) if ($i ~ /[^ ]/) n++; print n }' \
            <<<"$row")
        if [ "$cells" != 3 ]; then
            echo "not threat, answer and test: $row" >&2
            bad=1
            continue
        fi
        names=$(awk -F'|' '{ print $4 }' <<<"$row" | grep -oE '`[^`]+`' | tr -d '`' || true)
        if [ -z "$names" ]; then
            echo "no test is named: $row" >&2
            bad=1
        fi
        for name in $names; do
            if ! exists "$name"; then
                echo "there is no test $name" >&2
                bad=1
            fi
        done
    done < <(rows server/README.md)
    return $bad
}

self_test() {
    local head='## Trust

| threat | answer | test |
| --- | --- | --- |
'
    mkdir -p "$1/server" "$1/tests/unit" "$1/tests/e2e"
    echo 'static void pin__is_counted(void **state)' >"$1/tests/unit/a_test.c"
    : >"$1/tests/e2e/b_test.sh"
    printf '%s| guessing | wait | `pin__is_counted`, `e2e/b_test.sh` |\n' "$head" \
        >"$1/server/README.md"
    must_pass 'a row whose tests exist' "$1"
    printf '%s| guessing | wait | `pin__is` |\n' "$head" >"$1/server/README.md"
    must_fail 'a case that does not exist' "$1"
    printf '%s| guessing | wait | `e2e/c_test.sh` |\n' "$head" >"$1/server/README.md"
    must_fail 'a script that does not exist' "$1"
    printf '%s| guessing | wait | looked at |\n' "$head" >"$1/server/README.md"
    must_fail 'a row without a test' "$1"
    printf '%s| guessing | | `pin__is_counted` |\n' "$head" >"$1/server/README.md"
    must_fail 'an empty cell' "$1"
    printf '# server\n' >"$1/server/README.md"
    must_fail 'a page without the table' "$1"
}

lint_main "$@"
