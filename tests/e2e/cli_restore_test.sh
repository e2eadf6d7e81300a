#!/usr/bin/env bash
# A station comes back from a backup: over real HTTP the handhelds bring what it lost, and a restore
# that fails leaves nothing that could be served.
set -eu
. "$(dirname "$0")/cli_lib.sh"
export DOORSTEP_PIN=246810
handheld() { "$doorstep" handheld --store h "$@"; }

# station s with a server, a handheld h of W01 that is up to date, and administrators.
enrolled() {
    small_station s
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
    exits 0 "$doorstep" user add s --name clerk --role clerk --password-file password
    start_server s
    port=${url##*:}
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 handheld enrol "$out"
    exits 0 handheld sync
}

# read_and_sync N: meter N, acknowledged.
read_and_sync() {
    exits 0 handheld read --meter "100$1" --index "10$1"
    exits 0 handheld sync --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
}

# What was read after the backup comes back, however much: the administrator who declares the
# restore never wrote a word before.
lost_readings() {
    local lost=$1 n
    enrolled
    read_and_sync 1
    exits 0 "$doorstep" backup s copy
    for n in $(seq 2 $((lost + 1))); do read_and_sync "$n"; done
    stop_server
    exits 0 "$doorstep" journal head copy --json
    n=$(printf '%s' "$out" | jq .size)
    exits 0 "$doorstep" restore copy r --user root --json
    equal 'kept size' "$n" "$(printf '%s' "$out" | jq .kept_size)"
    start_server r
    exits 0 handheld sync --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    exits 0 "$doorstep" export r --kind reading --format csv
    equal readings $((lost + 1)) "$(printf '%s\n' "$out" | grep -c ',202601,')"
    exits 0 handheld status --json
    equal epoch 2 "$(printf '%s' "$out" | jq .epoch)"
    equal problem '' "$(printf '%s' "$out" | jq -r .problem)"
    read_and_sync 5
    exits 0 "$doorstep" journal verify r
    exits 0 "$doorstep" rebuild r
}

one_lost_reading__is_brought_back() { lost_readings 1; }
two_lost_readings__are_brought_back() { lost_readings 2; }
three_lost_readings__are_brought_back() { lost_readings 3; }

a_restore_that_fails__leaves_nothing_behind() {
    enrolled
    exits 0 "$doorstep" backup s copy
    stop_server
    exits 1 "$doorstep" restore copy r --user clerk
    holds why "$err" administrator
    exits 1 "$doorstep" restore copy r --user nobody
    equal 'what is left' '' "$(find . -maxdepth 1 -name 'r*' ! -name readme)"
    mkdir r
    : >r/note
    exits 1 "$doorstep" restore copy r --user root
    holds why "$err" 'no empty folder'
    equal 'his own file' r/note "$(find r -type f)"
    rm r/note
    exits 0 "$doorstep" restore copy r --user root
}

run_cases one_lost_reading__is_brought_back \
    two_lost_readings__are_brought_back \
    three_lost_readings__are_brought_back \
    a_restore_that_fails__leaves_nothing_behind
