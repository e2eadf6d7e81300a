#!/usr/bin/env bash
# What an office does from the command line: users and their roles, devices, rules.
set -eu
. "$(dirname "$0")/cli_lib.sh"
export DOORSTEP_PIN=246810

# answer_of METHOD PATH SESSION: the HTTP status.
status_of() {
    curl -s -o /dev/null -w '%{http_code}' -X "$1" -H "Authorization: Bearer $3" "$url$2"
}

login() { # NAME PASSWORD: the session
    curl -s -H 'Content-Type: application/json' -d "{\"user\":\"$1\",\"password\":\"$2\"}" \
        "$url/api/v1/login" | jq -r .session
}

a_role__is_taken_away_and_given_back() {
    local session
    small_station s
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name boss --role supervisor,auditor --password-file password
    start_server s
    session=$(login boss 'a long password')
    equal before 200 "$(status_of GET /api/v1/anomalies "$session")"
    exits 0 "$doorstep" user role remove s --name boss --role supervisor,auditor
    holds 'what happened' "$out" 'boss no longer holds: supervisor,auditor'
    # The open session has lost it at once.
    equal after 403 "$(status_of GET /api/v1/anomalies "$session")"
    equal roles '[]' "$("$doorstep" user list s --json | jq -c '.users[0].roles')"
    exits 1 "$doorstep" user role remove s --name boss --role supervisor
    holds 'not held' "$err" 'does not hold the role supervisor'
    exits 0 "$doorstep" user add s --name boss --role supervisor --password-file password
    equal 'given back' '["supervisor"]' "$("$doorstep" user list s --json | jq -c '.users[0].roles')"
    exits 0 "$doorstep" user role remove s --worker W01 --role reader
    exits 1 "$doorstep" user role remove s --worker W99 --role reader
    exits 1 "$doorstep" user role remove s --name nobody --role reader
    holds 'nobody' "$err" 'user nobody: there is no such user$'
    exits 2 "$doorstep" user role remove s --name boss --role king
    exits 2 "$doorstep" user role remove s --role reader
    exits 0 "$doorstep" journal verify s
    exits 0 "$doorstep" rebuild s
}

user_add__that_is_refused_makes_no_worker() {
    local before
    small_station s
    before=$("$doorstep" journal head s --json | jq .size)
    exits 1 env DOORSTEP_PASSWORD='a long password' "$doorstep" user add s --name 王 --role clerk
    holds 'the rule' "$err" 'a name has 1 to 40 of a-z'
    exits 1 env DOORSTEP_PASSWORD=short "$doorstep" user add s --name wang --role clerk
    equal 'journal size' "$before" "$("$doorstep" journal head s --json | jq .size)"
    exits 0 "$doorstep" export s --kind worker --format csv
    ! printf '%s\n' "$out" | grep -q '王\|wang' || complain "a worker was made: $out"
    exits 1 "$doorstep" user remove s --name nobody
    holds 'said once' "$err" 'user nobody: there is no such user$'
}

a_lost_handheld__is_found_in_the_list_and_revoked() {
    local device
    small_station s
    start_server s
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 "$doorstep" handheld --store h enrol "$out"
    exits 0 "$doorstep" handheld --store h sync
    exits 0 "$doorstep" device list s --json
    equal one 1 "$(printf '%s' "$out" | jq '.devices | length')"
    equal whose W01 "$(printf '%s' "$out" | jq -r '.devices[0].worker_number')"
    equal contact true "$(printf '%s' "$out" | jq '.devices[0].contact_ms > 0')"
    device=$(printf '%s' "$out" | jq -r '.devices[0].id')
    exits 0 "$doorstep" device list s
    holds 'a line' "$out" "^$device W01 *active"
    exits 2 "$doorstep" device revoke s --device 4711
    exits 1 "$doorstep" device revoke s --device 00000000000000000000000000000000
    holds 'no such' "$err" 'there is no such device'
    exits 0 "$doorstep" handheld --store h read --meter 1001 --index 1060
    exits 0 "$doorstep" device revoke s --device "$device"
    holds 'in words' "$out" 'waits in quarantine'
    exits 0 "$doorstep" device list s
    holds 'its state' "$out" "^$device W01 *revoked"
    # What it did before it heard of it is not lost.
    "$doorstep" handheld --store h sync >/dev/null 2>&1 || true
    exits 0 "$doorstep" export s --kind quarantine_item --format csv
    equal 'in quarantine' 1 "$(printf '%s\n' "$out" | grep -c ",revoked,open,14,")"
}

a_station__sets_a_rule_of_its_own() {
    local slots
    small_station s
    printf 'manufacturer,meter_no,i202510,i202511,i202512\n' >history.csv
    for n in 1 2 3 4 5; do printf '甲厂,100%s,1000,1020,1040\n' $n; done >>history.csv
    exits 0 "$doorstep" import s history.csv --kind history
    exits 0 "$doorstep" rule list s
    holds shipped "$out" '^spike *hold *on .*shipped'
    # A file of settings, and one by hand.
    printf 'rule,severity,enabled\nspike,note,1\nzero_occupied,,0\n' >rules.csv
    exits 0 "$doorstep" import s rules.csv --kind rule_setting
    exits 0 "$doorstep" rule list s
    holds imported "$out" '^spike *note *on .*station'
    holds off "$out" "^zero_occupied *sample *off .*station"
    exits 0 "$doorstep" rule set s --rule zero_occupied --on
    exits 0 "$doorstep" rule list s --json
    equal zero true "$(printf '%s' "$out" | jq '.rules[] | select(.rule == "zero_occupied").enabled')"
    # It is what readings are judged by, on the handheld and here.
    start_server s
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 "$doorstep" handheld --store h enrol "$out"
    exits 0 "$doorstep" handheld --store h sync
    exits 0 "$doorstep" handheld --store h read --meter 1001 --index 9999 --again 9999 --reason R02
    exits 0 "$doorstep" handheld --store h sync
    exits 0 "$doorstep" export s --kind slot --format csv
    equal 'held' 0 "$(printf '%s\n' "$out" | grep -c ',202601,held,' || true)"
    # What cannot be is refused, also in a file, and named.
    exits 2 "$doorstep" rule set s --rule unicorn --off
    exits 2 "$doorstep" rule set s --rule spike
    exits 2 "$doorstep" rule set s --rule spike --on --off
    exits 1 "$doorstep" rule set s --rule spike --limit-1=-5
    holds range "$err" 'spike takes [0-9]'
    printf 'rule,limit_1\nspike,-5\n' >wrong.csv
    exits 3 "$doorstep" import s wrong.csv --kind rule_setting
    holds range "$(cat wrong.csv.bad.csv)" 'spike takes [0-9]'
    # Exported, it loads again and changes nothing.
    exits 0 "$doorstep" export s --kind rule_setting --format csv --out out.csv
    exits 0 "$doorstep" import s out.csv --kind rule_setting --json
    equal written 0 "$(printf '%s' "$out" | jq .written)"
}

run_cases a_role__is_taken_away_and_given_back \
    user_add__that_is_refused_makes_no_worker \
    a_lost_handheld__is_found_in_the_list_and_revoked \
    a_station__sets_a_rule_of_its_own
