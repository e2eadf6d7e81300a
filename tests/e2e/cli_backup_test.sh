#!/usr/bin/env bash
# Backups: taken under load and read back, refused when damaged, restored to any position; and over
# real HTTP the handhelds bring what a restored server lost.
set -eu
. "$(dirname "$0")/cli_lib.sh"
export DOORSTEP_PIN=246810
handheld() { "$doorstep" handheld --store h "$@"; }

# station s with a server, a handheld h of W01 that is up to date, and an administrator.
enrolled() {
    small_station s
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
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

size_of() { "$doorstep" journal head "$1" --json | jq .size; }

readings_in() {
    "$doorstep" export "$1" --kind reading --format csv | grep -c ',202601,' || true
}

# sound DIR: it verifies, refolds to the same state, and has no bad value.
sound() {
    exits 0 "$doorstep" journal verify "$1"
    exits 0 "$doorstep" rebuild "$1"
    exits 0 "$doorstep" scrub "$1"
}

backups__under_load_are_whole_and_hold_what_was_acknowledged_before() {
    local i before
    enrolled
    (
        i=0
        while [ ! -e stop ]; do
            i=$((i + 1))
            printf 'number,name,class\nL%s,load,residential\n' $i >load.csv
            "$doorstep" import s load.csv --kind account >/dev/null 2>&1 || true
        done
        echo $i >loads
    ) &
    local load=$!
    for i in 1 2 3; do
        read_and_sync $i
        before=$(readings_in s)
        exits 0 "$doorstep" backup s copy$i --json
        equal 'as the manifest says' "$(jq .size copy$i/backup.json)" "$(printf '%s' "$out" | jq .size)"
        equal root "$(jq -r .root copy$i/backup.json)" "$(printf '%s' "$out" | jq -r .root)"
        exits 0 "$doorstep" restore copy$i r$i --user root
        equal 'acknowledged before it' "$before" "$(readings_in r$i)"
        sound r$i
    done
    : >stop
    wait $load
    stop_server
    [ "$(cat loads)" -ge 3 ] || complain 'there was no load'
    sound s
}

restored_to_a_position__gets_back_from_the_handhelds_what_it_lost() {
    local n
    enrolled
    read_and_sync 1
    n=$(size_of s)
    for i in 2 3 4; do read_and_sync $i; done
    exits 0 handheld sync --prove
    exits 0 "$doorstep" backup s copy
    stop_server
    exits 0 "$doorstep" restore copy r --user root --position "$n" --json
    equal kept "$n" "$(printf '%s' "$out" | jq .kept_size)"
    equal epoch 2 "$(printf '%s' "$out" | jq .epoch)"
    equal readings 1 "$(readings_in r)"
    sound r
    start_server r
    exits 0 handheld sync --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    equal 'nothing lost' 4 "$(readings_in r)"
    exits 0 handheld status --json
    equal doubts 0 "$(printf '%s' "$out" | jq .doubts)"
    equal problem '' "$(printf '%s' "$out" | jq -r .problem)"
    read_and_sync 5
    exits 0 handheld status --json
    stop_server
    exits 0 "$doorstep" journal verify r \
        --witness "$(printf '%s' "$out" | jq -r '"\(.head_size):\(.head_root)"')"
    sound r
    exits 2 "$doorstep" restore copy x --user root --position 0
    exits 2 "$doorstep" restore copy x --user root --position 100000
    [ ! -e x ] || complain 'something was left'
}

# Two restores from one old backup: handhelds know the first one's epoch, the backup does not.
an_older_backup_than_the_last_restore__goes_behind_its_epoch() {
    enrolled
    read_and_sync 1
    exits 0 "$doorstep" backup s copy
    read_and_sync 2
    stop_server
    exits 0 "$doorstep" restore copy r1 --user root
    start_server r1
    read_and_sync 3
    stop_server
    exits 0 "$doorstep" restore copy r2 --user root --after-epoch 2 --json
    equal epoch 3 "$(printf '%s' "$out" | jq .epoch)"
    start_server r2
    exits 0 handheld sync --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    equal readings 3 "$(readings_in r2)"
    exits 0 handheld status --json
    equal doubts 0 "$(printf '%s' "$out" | jq .doubts)"
    sound r2
}

# A server that somebody put back without saying so, and that lived on: refused, and told.
a_server_put_back_without_a_word__is_refused_and_reported() {
    local i
    enrolled
    cp -r s copy
    rm -f copy/lock copy/admin.sock
    read_and_sync 1
    stop_server
    for i in 1 2 3 4 5 6; do
        printf 'number,name,class\nN%s,new,residential\n' $i >new.csv
        exits 0 "$doorstep" import copy new.csv --kind account
    done
    start_server copy
    exits 0 handheld read --meter 1002 --index 102
    exits 4 handheld sync
    exits 0 handheld status --json
    equal doubted true "$(printf '%s' "$out" | jq .history_doubted)"
    equal history lost "$(printf '%s' "$out" | jq -r .history)"
    [ "$(printf '%s' "$out" | jq .unsent)" -ge 1 ] || complain 'it let go'
    stop_server
    start_server s
    exits 0 handheld sync
    equal readings 2 "$(readings_in s)"
    exits 0 handheld status --json
    equal doubted false "$(printf '%s' "$out" | jq .history_doubted)"
    equal 'the office knows' 1 "$("$doorstep" user add s --name eye --role auditor \
        --password-file password >/dev/null; session=$(curl -s -H 'Content-Type: application/json' \
        -d '{"user":"eye","password":"a long password"}' "$url/api/v1/login" | jq -r .session);
        curl -s -H "Authorization: Bearer $session" "$url/api/v1/devices" |
            jq '[.items[] | select(.doubt == "lost" and .doubts >= 1)] | length')"
}

# damaged WHAT PATTERN COMMAND...: the copy, changed by the command, is refused, and says where.
damaged() {
    local what=$1 pattern=$2
    shift 2
    rm -rf bent
    cp -r copy bent
    (cd bent && "$@")
    exits 4 "$doorstep" restore bent r --user root
    holds "$what" "$err" "$pattern"
    [ ! -e r ] || complain "$what: something was left"
}

cut() { truncate -s -4096 store/data.mdb; }

a_damaged_backup__is_refused_with_what_and_where() {
    small_station s
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
    exits 0 "$doorstep" backup s copy
    damaged 'a value' 'store/data.mdb is not what was backed up: .*table [0-9]' \
        env LC_ALL=C sed -i 's/一册/一冊/g' store/data.mdb
    damaged 'a cut file' 'store/data.mdb is not what was backed up' cut
    damaged 'no file' 'keys/store/data.mdb: missing' rm keys/store/data.mdb
    damaged secrets 'keys/server.keys is not what was backed up' sh -c 'printf x >>keys/server.keys'
    damaged settings 'doorstep.ini is not what was backed up' sh -c 'echo >>doorstep.ini'
    damaged 'the manifest' 'backup.json' sh -c 'echo "{}" >backup.json'
    rm -rf bent r
    cp -r copy bent
    rm bent/backup.json
    exits 1 "$doorstep" restore bent r --user root
    holds 'no manifest' "$err" 'backup.json'
    sed 's/backup 1"/backup 2"/' copy/backup.json >bent/backup.json
    exits 1 "$doorstep" restore bent r --user root
    holds 'a later version' "$err" 'later version'
    # A station that is damaged itself gives no backup that looks sound.
    LC_ALL=C sed -i 's/一册/一冊/g' s/store/data.mdb
    exits 4 "$doorstep" backup s copy2
    [ ! -e copy2 ] || complain 'a damaged backup was left'
    exits 0 "$doorstep" restore copy r --user root
    sound r
}

run_cases backups__under_load_are_whole_and_hold_what_was_acknowledged_before \
    restored_to_a_position__gets_back_from_the_handhelds_what_it_lost \
    an_older_backup_than_the_last_restore__goes_behind_its_epoch \
    a_server_put_back_without_a_word__is_refused_and_reported \
    a_damaged_backup__is_refused_with_what_and_where
