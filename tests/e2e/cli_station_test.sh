#!/usr/bin/env bash
# A station by the command line alone: made, filled, exported, backed up, verified, broken.
set -eu
. "$(dirname "$0")/cli_lib.sh"

station__is_made_once_and_says_what_it_is() {
    exits 0 "$doorstep" station init s --number S1 --name 一站 --offset -03:30
    exits 0 "$doorstep" station show s --json
    equal name 一站 "$(printf '%s' "$out" | jq -r .station.name)"
    equal offset -210 "$(printf '%s' "$out" | jq .station.offset_min)"
    exits 1 "$doorstep" station init s --number S1 --name x --offset +08:00 --json
    equal error DS_ERR_EXISTS "$(printf '%s' "$out" | jq -r .error)"
    exits 2 "$doorstep" station init t --number S1 --name x --offset 8
    # What stands in the call is wrong: 2, and the word is named.
    exits 2 "$doorstep" station init t --number S1 --name x --offset Z --billing nobody
    holds word "$err" '--billing nobody: give central or doorstep'
    exits 2 "$doorstep" station init t --number '' --name x --offset Z
    exits 1 "$doorstep" station show nowhere
    # A clock of its own is for sample stations.
    exits 1 "$doorstep" station init t --number S1 --name x --offset Z --clock 2026-01-01T00:00:00Z
    [ ! -e t ] || complain 'half a station was left'
}

every_command__is_listed_and_answers_help_in_text() {
    local count
    exits 0 "$doorstep" --help
    count=$(printf '%s\n' "$out" | grep -c '^  [a-z]')
    [ "$count" -ge 30 ] || complain "only $count commands"
    exits 0 "$doorstep" import --help
    holds usage "$out" 'usage: doorstep import DIR FILE --kind K'
    exits 2 "$doorstep"
    exits 2 "$doorstep" import s
    exits 0 "$doorstep" --version
    holds version "$out" '^doorstep [0-9]'
}

# What happened, to what, once.
messages__name_what_is_wrong_and_say_it_once() {
    small_station s
    mkdir full
    : >full/file
    exits 1 "$doorstep" station init full --number S1 --name x --offset Z
    holds 'a folder that is used' "$err" 'full: exists already and is not empty$'
    exits 1 "$doorstep" import s nothing.csv --kind worker
    holds file "$err" 'nothing.csv'
    exits 2 env DOORSTEP_PIN=12 "$doorstep" handheld --store h enrol DS1:x
    holds 'a PIN' "$err" 'h: a PIN has 4 to 64 characters$'
    exec 9>>s/lock
    flock 9
    exits 1 "$doorstep" station show s
    holds 'in use' "$err" 's: another process works with this station$'
    flock -u 9
    # Damage is told by both programs, with a place.
    cp -r s t
    LC_ALL=C sed -i 's/一册/一冊/g' t/store/data.mdb
    exits 4 "$doorstep" rebuild t
    ! printf '%s' "$err" | grep -q '\(stored data does not match its own hash\).*\1' ||
        complain "said twice: $err"
    head -c 8192 /dev/zero | dd of=t/store/data.mdb conv=notrunc status=none
    code=0
    "$doorstepd" --data t --listen 127.0.0.1:0 2>err || code=$?
    [ $code != 0 ] || complain 'it serves'
    ! grep -q ': $' err || complain "nothing named: $(cat err)"
}

# Each kind exported as CSV loads again and changes nothing; so does the GeoJSON.
exports__load_again_and_change_nothing() {
    local kind before
    small_station s
    printf 'number,name,class\nF1,=2+3,residential\nF2,-12,residential\n' >formula.csv
    exits 0 "$doorstep" import s formula.csv --kind account
    exits 0 "$doorstep" export s --kind account --format csv --out account.csv
    holds 'guarded formula' "$(cat account.csv)" "^F1,'=2+3,"
    printf '[file]\nguard=1\n' >guard.ini
    before=$("$doorstep" journal head s --json | jq .size)
    for kind in station worker account premises meter book; do
        exits 0 "$doorstep" export s --kind $kind --format csv --out $kind.csv
        exits 0 "$doorstep" import s $kind.csv --kind $kind --map guard.ini --json
        equal "$kind: written" 0 "$(printf '%s' "$out" | jq .written)"
    done
    exits 0 "$doorstep" export s --kind premises --format geojson --out premises.geojson
    exits 0 "$doorstep" import s premises.geojson --kind premises --json
    equal 'geojson: written' 0 "$(printf '%s' "$out" | jq .written)"
    equal 'geojson: loaded' 5 "$(printf '%s' "$out" | jq .loaded)"
    equal size "$before" "$("$doorstep" journal head s --json | jq .size)"
    exits 0 "$doorstep" export s --kind meter --format jsonl
    equal 'lines of JSON' 5 "$(printf '%s\n' "$out" | jq -s length)"
    exits 2 "$doorstep" export s --kind meter --format geojson
    exits 2 "$doorstep" export s --kind unicorn --format csv
}

exports__are_for_their_owner_alone_and_for_excel() {
    small_station s
    umask 022
    exits 0 "$doorstep" export s --kind account --format csv --out account.csv
    equal mode 600 "$(stat -c %a account.csv)"
    : >old.csv && chmod 644 old.csv
    exits 0 "$doorstep" export s --kind account --format csv --out old.csv
    equal 'mode of an old file' 600 "$(stat -c %a old.csv)"
    exits 0 "$doorstep" export s --kind account --format csv --out -
    [ ! -e - ] || complain 'a file of that name was made'
    equal 'the same' "$(cat account.csv)" "$out"
    # Roles of workers come along, as import takes them.
    exits 0 "$doorstep" export s --kind worker --format csv --out worker.csv
    holds header "$(head -n 1 worker.csv)" ',role$'
    holds role "$(cat worker.csv)" '^W01,.*,reader$'
    exits 0 "$doorstep" import s worker.csv --kind worker --json
    equal written 0 "$(printf '%s' "$out" | jq .written)"
    exits 0 "$doorstep" export s --kind account --format csv --encoding utf-8-bom --out bom.csv
    equal mark efbbbf "$(head -c 3 bom.csv | od -An -tx1 | tr -d ' ')"
    exits 0 "$doorstep" import s bom.csv --kind account --json
    equal written 0 "$(printf '%s' "$out" | jq .written)"
    exits 0 "$doorstep" export s --kind account --format csv --encoding gb18030 --out gb.csv
    equal 'in GB18030' "$(cat account.csv)" "$(iconv -f GB18030 -t UTF-8 gb.csv)"
    exits 2 "$doorstep" export s --kind account --format csv --encoding latin1
    exits 2 "$doorstep" export s --kind account --format jsonl --encoding gb18030
}

# What is wrong, where in the user's own file, and what would be right.
imports__speak_of_the_users_file() {
    small_station s
    printf '户号,姓名,类别\nQ1,甲,工业园\nQ2,乙,居民\n' >acc.csv
    printf '[columns]\nnumber=户号\nname=姓名\nclass=类别\n' >map.ini
    umask 022
    exits 3 "$doorstep" import s acc.csv --kind account --map map.ini
    holds 'column of the file' "$(cat acc.csv.bad.csv)" '^Q1,甲,工业园,2,类别,'
    holds 'what stood there' "$(cat acc.csv.bad.csv)" '工业园.* is none of residential, '
    equal mode 600 "$(stat -c %a acc.csv.bad.csv)"
    # Loaded as it is: the same again, and its columns do not grow.
    exits 3 "$doorstep" import s acc.csv.bad.csv --kind account --map map.ini
    [ ! -e acc.csv.bad.csv.bad.csv ] || complain 'bad.csv.bad.csv'
    equal 'once more' "$(cat acc.csv.bad.csv)" "$(cat acc.csv.bad2.csv)"
    exits 3 "$doorstep" import s acc.csv.bad2.csv --kind account --map map.ini
    sed -i 's/工业园/工业/; s/户号/户号/' acc.csv.bad3.csv
    exits 0 "$doorstep" import s acc.csv.bad3.csv --kind account --map map.ini
    [ ! -e acc.csv.bad4.csv ] || complain 'nothing was rejected'
    # The mapping names a column that is not there: which file, which heading.
    sed -i 's/姓名/户名/' map.ini
    exits 1 "$doorstep" import s acc.csv --kind account --map map.ini
    holds 'in the mapping' "$err" 'mapping, line 3: \[columns\] name: the file has no column "户名"'
    # The commonest mistake is told how to mend.
    iconv -f UTF-8 -t GB18030 acc.csv >gb.csv
    exits 1 "$doorstep" import s gb.csv --kind account
    holds hint "$err" 'not UTF-8; a file in GB18030 needs --map with \[file\] encoding=gb18030'
}

one_command_at_a_time__holds_the_station() {
    small_station s
    exec 9>>s/lock
    flock 9
    exits 1 "$doorstep" station show s --json
    equal error DS_ERR_LOCKED "$(printf '%s' "$out" | jq -r .error)"
    flock -u 9
    exits 0 "$doorstep" station show s
}

users__log_in_with_a_password_that_was_never_an_argument() {
    small_station s
    exits 2 "$doorstep" user add s --name boss --role supervisor
    holds reason "$err" 'DOORSTEP_PASSWORD'
    printf 'a long password\nsecond line\n' >password
    exits 0 "$doorstep" user add s --name boss --role supervisor,auditor --password-file password
    exits 1 env DOORSTEP_PASSWORD=short "$doorstep" user add s --name clerk --role clerk
    exits 2 env DOORSTEP_PASSWORD='a long password' "$doorstep" user add s --name x --role king
    exits 0 "$doorstep" user list s --json
    equal users '["boss"]' "$(printf '%s' "$out" | jq -c '[.users[].name]')"
    start_server s
    equal login 200 "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
        -d '{"user":"boss","password":"a long password"}' "$url/api/v1/login")"
    exits 0 "$doorstep" user remove s --name boss
    equal 'login after removal' 401 "$(curl -s -o /dev/null -w '%{http_code}' \
        -H 'Content-Type: application/json' -d '{"user":"boss","password":"a long password"}' \
        "$url/api/v1/login")"
}

device_code__reads_the_same_from_its_picture() {
    local text
    small_station s
    exits 0 "$doorstep" device code s --worker W01 --qr code.png
    text=$out # The code alone: a script takes it with $(…).
    equal 'lines' 1 "$(printf '%s\n' "$out" | wc -l)"
    holds code "$text" '^DS1:[A-Za-z0-9_-]*$'
    if command -v zbarimg >/dev/null; then
        equal 'what a foreign reader sees' "QR-Code:$text" "$(zbarimg -q code.png 2>/dev/null)"
    fi
    exits 0 "$doorstep" device code s --worker W01 --qr-text
    [ "$(printf '%s\n' "$out" | wc -l)" -gt 20 ] || complain 'no symbol on the terminal'
    exits 1 "$doorstep" device code s --worker W99
}

periods__open_and_close_step_by_step() {
    small_station s
    exits 0 "$doorstep" period open s --book B01 --period 202602 --due 2026-02-27
    exits 0 "$doorstep" period close s --all --period 202602 --unread-too
    holds 'what was left' "$out" 'of their 5 meters 5 are unread and 0 are held'
    exits 0 "$doorstep" period close s --all --period 202602 --json
    equal 'written again' 0 "$(printf '%s' "$out" | jq .written)"
    equal 'so already' 1 "$(printf '%s' "$out" | jq .same)"
    exits 0 "$doorstep" export s --kind period --format csv
    holds state "$out" 'B01,202602,reading_closed,2026-02-27'
    exits 2 "$doorstep" period open s --period 202602
    exits 2 "$doorstep" period open s --all --period 202613
    exits 1 "$doorstep" period open s --book B99 --period 202602
    exits 0 "$doorstep" book assign s --book B01 --worker W01
    exits 1 "$doorstep" book assign s --book B01 --worker W99
    # Only a reader can walk a book.
    printf 'number,name,active,role\nW77,书记,1,clerk\n' >clerk.csv
    exits 0 "$doorstep" import s clerk.csv --kind worker
    exits 1 "$doorstep" book assign s --book B01 --worker W77
    holds why "$err" 'worker W77 does not hold the role reader'
}

what_cannot_be_undone__is_not_done_by_mistake() {
    local before
    small_station s
    before=$("$doorstep" journal head s --json | jq .size)
    # A period that was never opened is not closed.
    exits 1 "$doorstep" period close s --book B01 --period 202512
    holds why "$err" 'period 202512 was never opened; nothing was closed'
    exits 1 "$doorstep" period close s --all --period 209912
    # Unread meters are told, and stop it.
    exits 1 "$doorstep" period close s --all --period 202601
    holds which "$err" 'book B01: 5 of 5 meters are unread, 0 are held'
    holds how "$err" '--unread-too'
    equal 'journal size' "$before" "$("$doorstep" journal head s --json | jq .size)"
    # A closed period is not opened again, and that is said.
    exits 0 "$doorstep" period close s --all --period 202601 --unread-too
    exits 1 "$doorstep" period open s --book B01 --period 202601
    holds which "$err" 'book B01: period 202601 is reading_closed; that is for good'
    printf 'number,name,assignee\nB02,二册,W01\n' >book.csv
    exits 0 "$doorstep" import s book.csv --kind book
    exits 3 "$doorstep" period open s --all --period 202601 --json
    equal opened 1 "$(printf '%s' "$out" | jq .books)"
    equal 'stay closed' 1 "$(printf '%s' "$out" | jq .closed_before)"
}

commands_and_a_starting_server__wait_for_each_other() {
    local started
    small_station s
    # Somebody else works with the station for a second.
    flock s/lock sleep 1 &
    until ! flock -n s/lock true; do sleep 0.01; done
    exits 0 "$doorstep" station show s
    flock s/lock sleep 1 &
    until ! flock -n s/lock true; do sleep 0.01; done
    start_server s
    stop_server
    # Pasted without a pause: neither of the two gives up, whoever comes first.
    for started in 1 2 3 4 5; do
        : >"$work/server.log"
        "$doorstepd" --data s --listen 127.0.0.1:0 >"$work/server.log" 2>&1 &
        server=$!
        exits 0 "$doorstep" device code s --worker W01
        until grep -q 'event=ready' "$work/server.log"; do
            kill -0 $server || complain "start $started: $(cat "$work/server.log")"
            sleep 0.01
        done
        stop_server
    done
}

journal__verifies_and_any_changed_byte_of_it_is_found_and_named() {
    small_station s
    exits 0 "$doorstep" journal verify s --json
    equal root "$(printf '%s' "$out" | jq -r .root)" \
        "$("$doorstep" journal head s --json | jq -r .root)"
    exits 0 "$doorstep" rebuild s --json
    equal equal true "$(printf '%s' "$out" | jq .equal)"
    exits 0 "$doorstep" scrub s
    # A text that stands in clear in an entry of the journal (and in the state) becomes another.
    grep -qa '一册' s/store/data.mdb || complain 'nothing found to change'
    LC_ALL=C sed -i 's/一册/一冊/g' s/store/data.mdb
    exits 4 "$doorstep" journal verify s
    holds 'the place' "$err" 'entry [0-9]'
    exits 4 "$doorstep" scrub s
    exits 4 "$doorstep" rebuild s
}

backup__of_a_running_station_restores_in_a_new_epoch() {
    small_station s
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
    start_server s
    exits 0 "$doorstep" backup s copy
    printf 'number,name,class\nQ1,later,residential\n' >later.csv
    exits 0 "$doorstep" import s later.csv --kind account
    stop_server
    exits 0 "$doorstep" restore copy r --user root --json
    equal epoch 2 "$(printf '%s' "$out" | jq .epoch)"
    exits 0 "$doorstep" journal verify r
    exits 0 "$doorstep" rebuild r
    exits 0 "$doorstep" export r --kind account --format csv
    ! printf '%s' "$out" | grep -q later || complain 'the copy is newer than itself'
    exits 1 "$doorstep" restore copy r --user root
}

asset__and_tariff_and_code_load_from_the_sample() {
    small_station s
    for kind in tariff code; do
        cp "$DS_SRC/tools/sample/$kind.csv" in.csv
        exits 0 "$doorstep" import s in.csv --kind $kind
    done
    cp "$DS_SRC/tools/sample/asset.geojson" .
    exits 0 "$doorstep" import s asset.geojson --kind asset --json
    equal pipes 1792 "$(printf '%s' "$out" | jq .loaded)"
    exits 0 "$doorstep" export s --kind asset --format geojson --out out.geojson
    exits 0 "$doorstep" import s out.geojson --kind asset --json
    equal written 0 "$(printf '%s' "$out" | jq .written)"
    equal 'a line as it was' "$(jq -c '[.features[] | select(.properties.number == "SJZ01-P0001")
        .geometry]' asset.geojson)" "$(jq -c '[.features[] |
        select(.properties.number == "SJZ01-P0001") .geometry]' out.geojson)"
}

run_cases station__is_made_once_and_says_what_it_is \
    messages__name_what_is_wrong_and_say_it_once \
    every_command__is_listed_and_answers_help_in_text \
    exports__load_again_and_change_nothing \
    exports__are_for_their_owner_alone_and_for_excel \
    imports__speak_of_the_users_file \
    one_command_at_a_time__holds_the_station \
    users__log_in_with_a_password_that_was_never_an_argument \
    device_code__reads_the_same_from_its_picture \
    periods__open_and_close_step_by_step \
    what_cannot_be_undone__is_not_done_by_mistake \
    commands_and_a_starting_server__wait_for_each_other \
    journal__verifies_and_any_changed_byte_of_it_is_found_and_named \
    backup__of_a_running_station_restores_in_a_new_epoch \
    asset__and_tariff_and_code_load_from_the_sample
