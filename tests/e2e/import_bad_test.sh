#!/usr/bin/env bash
# Bad input B1 to B7 against a real station: what tests/data/bad/EXPECTED.md says, with and without
# a server in between, and what the rules say of facts that are strange.
set -eu
. "$(dirname "$0")/cli_lib.sh"
bad=$DS_SRC/tests/data/bad

# The rows of the table as "file kind map exit loaded line:column ...".
table() {
    awk -F'|' '/^\| b/ {
        for (i = 2; i <= 7; i++) { gsub(/^ +| +$/, "", $i) }
        print $2, $3, ($4 == "" ? "-" : $4), $5, $6, $7 }' "$bad/EXPECTED.md"
}

# check_row FILE KIND MAP EXIT LOADED: loads a copy; what it said is in $out.
check_row() {
    local map=()
    [ "$3" = - ] || map=(--map "$bad/$3")
    rm -f in.csv in.csv.bad.csv
    cp "$bad/$1" in.csv
    exits "$4" "$doorstep" import s in.csv --kind "$2" "${map[@]}" --json
    equal "$1 $3: loaded" "$5" "$(printf '%s' "$out" | jq .loaded)"
}

every_file__gives_what_the_table_expects_b1_b2_b4_b5_b6_b7() {
    local file kind map code loaded marks count=0
    small_station s
    cp -r s good
    while read -r file kind map code loaded marks; do
        rm -rf s
        cp -r good s
        check_row "$file" "$kind" "$map" "$code" "$loaded"
        # shellcheck disable=SC2086 # one word a rejected row
        set -- $marks
        [ "$code" != 3 ] || equal "$file: rejected" $# "$(printf '%s' "$out" | jq .rejected)"
        # Again: the same is said, and nothing is written.
        check_row "$file" "$kind" "$map" "$code" "$loaded"
        equal "$file again: written" 0 "$(printf '%s' "$out" | jq .written)"
        count=$((count + 1))
    done < <(table)
    [ $count -ge 17 ] || complain "only $count rows in the table"
}

b3__a_line_of_50_mb_costs_itself_and_is_kept_whole() {
    small_station s
    {
        printf 'number,name,class\nL1,before,residential\nL2,'
        head -c 52428800 /dev/zero | tr '\0' x
        printf ',residential\nL3,behind,residential\n'
    } >long.csv
    exits 3 "$doorstep" import s long.csv --kind account --json
    equal loaded 2 "$(printf '%s' "$out" | jq .loaded)"
    equal rejected 1 "$(printf '%s' "$out" | jq .rejected)"
    # The rejected line is whole: header, "L2,", 50 MB, ",residential", and why.
    [ "$(wc -c <long.csv.bad.csv)" -gt 52428800 ] || complain 'the line was cut'
    head -c 200 long.csv.bad.csv | grep -q '^number,name,class,_line,_column,_reason$' ||
        complain 'no header'
    tail -c 200 long.csv.bad.csv | grep -q 'x,residential,3,,.*longer than' || complain 'no reason'
}

b6_b7__strange_facts_load_and_a_rule_names_them() {
    small_station s
    cp "$bad/b6-remote-beyond-dial.csv" b6.csv
    exits 3 "$doorstep" import s b6.csv --kind remote_reading
    exits 0 "$doorstep" export s --kind anomaly --format csv
    equal 'beyond_dial' 2 "$(printf '%s\n' "$out" | grep -c ',beyond_dial,')"
    rm -rf s
    small_station s
    # 1970 lies before what was billed for December.
    printf 'manufacturer,meter_no,i202512\n甲厂,1001,90\n甲厂,1002,90\n' >history.csv
    exits 0 "$doorstep" import s history.csv --kind history
    cp "$bad/b7-remote-instants.csv" b7.csv
    exits 3 "$doorstep" import s b7.csv --kind remote_reading
    exits 0 "$doorstep" export s --kind anomaly --format csv
    equal 'clock_untrusted' 1 "$(printf '%s\n' "$out" | grep -c ',clock_untrusted,')"
}

b5__a_reading_that_waited_for_its_meter_loads_from_the_file_of_rejected_rows() {
    small_station s
    cp "$bad/b5-remote-unknown.csv" in.csv
    exits 3 "$doorstep" import s in.csv --kind remote_reading
    { head -n 1 in.csv.bad.csv; grep 9999 in.csv.bad.csv; } >later.csv
    printf 'manufacturer,meter_no,premises,book\n甲厂,9999,P1,B01\n' >meter.csv
    exits 0 "$doorstep" import s meter.csv --kind meter
    exits 0 "$doorstep" import s later.csv --kind remote_reading --json
    equal written 1 "$(printf '%s' "$out" | jq .written)"
}

through_a_server__the_same_rows_load_the_same_way() {
    small_station s
    start_server s
    cp "$bad/b1-account-rows.csv" in.csv
    exits 3 "$doorstep" import s in.csv --kind account --json
    equal loaded 3 "$(printf '%s' "$out" | jq .loaded)"
    exits 3 "$doorstep" import s in.csv --kind account --json
    equal 'written again' 0 "$(printf '%s' "$out" | jq .written)"
    stop_server
    exits 3 "$doorstep" import s in.csv --kind account --json
    equal 'written without the server' 0 "$(printf '%s' "$out" | jq .written)"
    exits 0 "$doorstep" journal verify s
    exits 0 "$doorstep" rebuild s
}

dry_run__writes_nothing_and_says_what_would_be() {
    local before
    small_station s
    before=$("$doorstep" journal head s --json | jq -c '[.size, .root]')
    cp "$bad/b1-account-rows.csv" in.csv
    exits 3 "$doorstep" import s in.csv --kind account --dry-run --json
    equal loaded 3 "$(printf '%s' "$out" | jq .loaded)"
    equal head "$before" "$("$doorstep" journal head s --json | jq -c '[.size, .root]')"
}

personal_fields__lie_sealed_in_the_store_and_come_out_by_the_export_alone() {
    small_station s
    printf 'number,name,phone,class\nZ1,张三丰测试,13900001111,residential\n' >in.csv
    exits 0 "$doorstep" import s in.csv --kind account
    ! grep -rqa '张三丰测试\|13900001111' s || complain 'a name or phone lies in clear'
    exits 0 "$doorstep" export s --kind account --format csv
    holds name "$out" 'Z1,张三丰测试,13900001111,residential'
}

run_cases every_file__gives_what_the_table_expects_b1_b2_b4_b5_b6_b7 \
    b3__a_line_of_50_mb_costs_itself_and_is_kept_whole \
    b6_b7__strange_facts_load_and_a_rule_names_them \
    b5__a_reading_that_waited_for_its_meter_loads_from_the_file_of_rejected_rows \
    through_a_server__the_same_rows_load_the_same_way \
    dry_run__writes_nothing_and_says_what_would_be \
    personal_fields__lie_sealed_in_the_store_and_come_out_by_the_export_alone
