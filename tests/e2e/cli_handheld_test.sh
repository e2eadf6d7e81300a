#!/usr/bin/env bash
# A handheld driven from the shell: a day with the server gone, what the rules ask, what comes back.
set -eu
. "$(dirname "$0")/cli_lib.sh"
export DOORSTEP_PIN=246810
handheld() { "$doorstep" handheld --store h "$@"; }

# enrolled: station s with a server, handheld h of W01 with his book on it.
enrolled() {
    small_station s
    printf 'manufacturer,meter_no,i202510,i202511,i202512\n' >history.csv
    for n in 1 2 3 4 5; do printf '甲厂,100%s,1000,1020,1040\n' $n; done >>history.csv
    exits 0 "$doorstep" import s history.csv --kind history
    start_server s
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 handheld enrol "$out"
    exits 0 handheld sync
}

a_day__is_done_with_the_server_gone_and_needs_one_exchange() {
    enrolled
    stop_server
    exits 5 handheld sync
    exits 0 handheld books --json
    equal meters 5 "$(printf '%s' "$out" | jq '.books[0].meters')"
    exits 0 handheld list --book B01 --open
    equal 'still to read' 5 "$(printf '%s\n' "$out" | wc -l)"
    exits 0 handheld show --meter 1003
    holds 'his customer' "$out" 'account_name *户3'
    exits 0 handheld read --meter 1001 --index 1060
    exits 0 handheld read --meter 1002 --index 1061 --lat 38.0420002 --lon 114.5100002
    printf 'a picture of a dial' >dial.jpg
    exits 0 handheld read --meter 1003 --index 1059 --photo dial.jpg --note fine
    exits 0 handheld visit --meter 1004 --outcome no_access --slip
    exits 0 handheld list --book B01 --open
    equal 'still to read' 2 "$(printf '%s\n' "$out" | wc -l)"
    exits 0 handheld status --json
    [ "$(printf '%s' "$out" | jq .unsent)" -ge 4 ] || complain "unsent: $out"
    # By a file that anybody can carry, and nobody can read.
    exits 0 "$doorstep" bundle export --store h work.dsb
    exits 0 "$doorstep" bundle import s work.dsb --json
    equal refused 0 "$(printf '%s' "$out" | jq .refused)"
    ! grep -qa 'a picture\|1060' work.dsb || complain 'the bearer can read it'
    exits 0 "$doorstep" export s --kind reading --format csv
    equal 'readings of the period' 3 "$(printf '%s\n' "$out" | grep -c ',202601,')"
    exits 0 "$doorstep" bundle import s work.dsb
    exits 0 "$doorstep" export s --kind reading --format csv
    equal 'and none twice' 3 "$(printf '%s\n' "$out" | grep -c ',202601,')"
    exits 0 "$doorstep" export s --kind visit --format csv
    holds visit "$out" no_access
    # The server is back, and one exchange does for a day: what it knows already is a receipt more.
    port=${url##*:}
    exits 0 handheld read --meter 1005 --index 1058
    start_server s
    exits 0 handheld sync --json
    equal exchanges 1 "$(printf '%s' "$out" | jq .exchanges)"
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    exits 0 "$doorstep" export s --kind reading --format csv
    equal 'readings of the period' 4 "$(printf '%s\n' "$out" | grep -c ',202601,')"
    exits 0 "$doorstep" journal verify s
}

a_rule__asks_the_number_again_blind_and_then_a_reason() {
    local before
    enrolled
    before=$(handheld status --json | jq .recorded)
    exits 1 handheld read --meter 1001 --index 9999 --json
    equal asks blind "$(printf '%s' "$out" | jq -r .asks)"
    holds rule "$(printf '%s' "$out" | jq -r '.findings[].rule')" spike
    # The second entry says something else: that was a slip.
    exits 0 handheld read --meter 1001 --index 9999 --again 1060 --json
    equal index 1060 "$(printf '%s' "$out" | jq .index)"
    equal agrees false "$(printf '%s' "$out" | jq .second_look_agrees)"
    exits 0 handheld read --meter 1003 --index 9999 --again 1059
    holds aloud "$out" 'differs: first 9999, now 1059; the second number counts'
    holds recorded "$out" '^recorded 1059 as '
    # It says the same: then why.
    exits 1 handheld read --meter 1002 --index 9999 --again 9999 --json
    equal asks reason "$(printf '%s' "$out" | jq -r .asks)"
    exits 0 handheld read --meter 1002 --index 9999 --again 9999 --reason R02
    equal recorded $((before + 3)) "$(handheld status --json | jq .recorded)"
    exits 0 handheld sync
    exits 0 "$doorstep" export s --kind reading --format csv
    holds 'first entry kept' "$out" ',9999,'
    exits 0 "$doorstep" export s --kind slot --format csv
    equal held 1 "$(printf '%s\n' "$out" | grep -c ',202601,held,')"
}

wrong_calls__say_what_is_wrong_and_record_nothing() {
    enrolled
    exits 1 handheld read --meter 4711 --index 1
    holds why "$err" 'not on this handheld'
    exits 2 handheld read --meter 1001 --index -1
    exits 2 handheld read --meter 1001 --index 1060 --method telepathy
    exits 2 handheld read --meter 1001 --index 1060 --lat 91 --lon 1
    exits 1 handheld read --meter 1001 --index 1060 --photo nothing.jpg
    exits 2 handheld visit --meter 1001 --outcome party
    exits 1 handheld list --book B77
    # A book of somebody else, known by name alone.
    printf 'number,name\nB02,二册\n' >book.csv
    exits 0 "$doorstep" import s book.csv --kind book
    exits 0 handheld sync
    exits 1 handheld list --book B02
    holds 'not silent' "$err" 'book B02'
    exits 2 handheld list
    exits 2 env -u DOORSTEP_PIN "$doorstep" handheld --store h books
    exits 1 env DOORSTEP_PIN=0000 "$doorstep" handheld --store h books
    exits 0 handheld status --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
}

the_pin__may_come_from_a_file_and_status_needs_none() {
    enrolled
    printf '246810\n' >pin
    exits 0 env -u DOORSTEP_PIN "$doorstep" handheld --store h --pin-file pin books
    exits 0 env -u DOORSTEP_PIN "$doorstep" handheld --store h status
    holds state "$out" 'enrolled, locked'
    ! grep -rqa '户3\|10000000003' h || complain 'a name or phone lies in clear on the handheld'
}

a_mistyped_store__makes_no_handheld_and_harms_no_bundle() {
    enrolled
    for call in books status log sync 'list --book B01'; do
        # shellcheck disable=SC2086 # words are meant
        exits 1 "$doorstep" handheld --store nosuch $call
        holds why "$err" 'nosuch: there is no handheld here; `handheld enrol` makes one'
    done
    [ ! -e nosuch ] || complain 'a folder was made'
    exits 0 "$doorstep" bundle export --store h work.dsb
    holds nothing "$out" 'nothing is unsent; no file was written'
    [ ! -e work.dsb ] || complain 'an empty bundle was written'
    exits 0 handheld read --meter 1001 --index 1060
    exits 0 "$doorstep" bundle export --store h work.dsb
    cp work.dsb good
    exits 1 "$doorstep" bundle export --store nosuch work.dsb
    exits 1 "$doorstep" bundle export --store h work.dsb
    holds why "$err" 'work.dsb: exists already; a bundle is never written over'
    cmp -s work.dsb good || complain 'the bundle was touched'
}

an_instant__of_its_own_is_taken_for_what_it_is() {
    enrolled
    exits 0 handheld read --meter 1001 --index 1060 --at 1970-01-02T08:00:00+08:00
    exits 0 handheld sync
    exits 0 "$doorstep" export s --kind reading --format csv
    holds instant "$out" '1970-01-02T08:00:00+08:00'
    exits 0 "$doorstep" export s --kind anomaly --format csv
    holds 'the rule B7' "$out" clock_untrusted
    exits 0 "$doorstep" export s --kind slot --format jsonl
    equal 'slots dated 1970' 0 "$(printf '%s\n' "$out" | jq -s '[.[] | select(.period == 202601 and
        .instant_ms < 1000000000000 and .instant_ms != null)] | length')"
}

# change DEVICE STATE: as an administrator, over the API.
change() {
    curl -s -o /dev/null -H "Authorization: Bearer $session" -H 'Content-Type: application/json' \
        -d "{\"state\":\"$2\"}" "$url/api/v1/devices/$1/state"
}

sync__tells_a_handheld_that_was_shut_out_and_does_not_end_with_0() {
    local session device
    enrolled
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
    session=$(curl -s -H 'Content-Type: application/json' \
        -d '{"user":"root","password":"a long password"}' "$url/api/v1/login" | jq -r .session)
    device=$(handheld status --json | jq -r .device)
    exits 0 handheld read --meter 1001 --index 1060
    change "$device" suspended
    exits 1 handheld sync --json
    holds told "$err" 'the station has suspended this handheld: what it sends waits in quarantine'
    equal 'delivered all the same' 0 "$(printf '%s' "$out" | jq .unsent)"
    change "$device" active
    exits 0 handheld sync
    change "$device" wiped
    exits 1 handheld sync
    holds told "$err" 'the station has wiped this handheld'
    exits 1 handheld sync
    holds 'told again' "$err" 'the vault was wiped'
}

orders_of_the_office__are_obeyed_and_told() {
    enrolled
    exits 0 "$doorstep" device list s
    local id
    id=$(printf '%s' "$out" | grep -oE '^[0-9a-f]{32}' | tail -n 1)
    exits 2 "$doorstep" device state s --device "$id" --to gone
    exits 0 "$doorstep" device state s --device "$id" --to locked
    exits 0 "$doorstep" device list s
    holds 'before it hears' "$out" 'locked (not yet)'
    exits 0 handheld sync
    exits 0 "$doorstep" device list s
    holds 'after it heard' "$out" 'locked (it did)'
    exits 1 handheld books
    holds 'what is closed' "$err" locked
    exits 0 "$doorstep" device state s --device "$id" --to active
    exits 0 handheld sync
    exits 0 handheld books
    exits 0 handheld read --meter 1001 --index 1060
    exits 0 "$doorstep" device state s --device "$id" --to wiped
    exits 1 handheld sync
    exits 0 "$doorstep" device list s
    holds 'after the wipe' "$out" 'wiped (it did)'
    exits 1 handheld books
    exits 0 env -u DOORSTEP_PIN "$doorstep" handheld --store h status --json
    equal 'left on it' 0 "$(printf '%s' "$out" | jq .unsent)"
}

what_became_of_it__is_told() {
    enrolled
    exits 0 handheld read --meter 1001 --index 1060
    exits 0 handheld log --unsent
    holds pending "$out" pending
    exits 0 handheld sync --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    holds receipt "$(printf '%s' "$out" | jq -r .receipt)" 'received, position'
    exits 0 handheld log
    holds acknowledged "$out" acknowledged
    exits 0 handheld log --unsent
    equal 'nothing left' '' "$out"
    # The code has served; another handheld may not use it.
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    code=$out
    exits 0 "$doorstep" handheld --store h2 enrol "$code"
    exits 1 "$doorstep" handheld --store h3 enrol "$code" --json
    equal error DS_ERR_FORBIDDEN "$(printf '%s' "$out" | jq -r .error)"
}

run_cases a_day__is_done_with_the_server_gone_and_needs_one_exchange \
    a_rule__asks_the_number_again_blind_and_then_a_reason \
    wrong_calls__say_what_is_wrong_and_record_nothing \
    the_pin__may_come_from_a_file_and_status_needs_none \
    a_mistyped_store__makes_no_handheld_and_harms_no_bundle \
    an_instant__of_its_own_is_taken_for_what_it_is \
    sync__tells_a_handheld_that_was_shut_out_and_does_not_end_with_0 \
    orders_of_the_office__are_obeyed_and_told \
    what_became_of_it__is_told
