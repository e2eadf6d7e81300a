#!/usr/bin/env bash
# Bit rot in the files of a station and of a handheld: the scrub names it and ends with 4, and no
# command gives a wrong value. 60 pages of each store are spoiled, one after the other.
set -eu
. "$(dirname "$0")/cli_lib.sh"
export DOORSTEP_PIN=246810

# spoil FILE PAGE: sixteen bytes in the middle of a page; mend FILE puts all back.
spoil() {
    cp "$1" "$work/whole"
    printf '\377\001\376\002\375\003\374\004\373\005\372\006\371\007\370\010' |
        dd of="$1" bs=1 seek=$(($2 * 4096 + 4072)) conv=notrunc status=none
}
mend() { cp "$work/whole" "$1"; }

# each_page FILE COMMAND...: spoil pages all over the file; the command says 0 (a free page) or 4
# with the place; at least so many are found.
each_page() {
    local file=$1 pages step page found=0 code
    shift
    pages=$(($(stat -c %s "$file") / 4096))
    step=$(((pages + 59) / 60))
    for page in $(seq 0 $step $((pages - 1))); do
        code=0
        spoil "$file" "$page"
        "$@" >"$work/out" 2>"$work/err" || code=$?
        mend "$file"
        case $code in
        0) ;;
        4)
            found=$((found + 1))
            grep -q 'page -*[0-9]\|table [0-9]' "$work/err" || complain "page $page: no place: $(cat "$work/err")"
            ;;
        *) complain "page $page: exit $code: $(cat "$work/err")" ;;
        esac
    done
    echo "     $((pages / step)) of $pages pages spoiled, $found found"
    [ $found -ge 3 ] || complain "only $found pages were found"
    "$@" >/dev/null
}

a_station__tells_which_page_or_value_is_damaged() {
    small_station s
    exits 0 "$doorstep" scrub s --json
    [ "$(printf '%s' "$out" | jq .values)" -ge 50 ] || complain "values: $out"
    equal bad 0 "$(printf '%s' "$out" | jq .bad)"
    each_page s/store/data.mdb "$doorstep" scrub s
    each_page s/keys/store/data.mdb "$doorstep" scrub s
}

a_running_server__scrubs_too() {
    small_station s
    start_server s
    exits 0 "$doorstep" scrub s
    holds values "$out" 'values read, 0 bad'
}

a_handheld__tells_which_page_or_value_is_damaged() {
    small_station s
    start_server s
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 "$doorstep" handheld --store h enrol "$out"
    exits 0 "$doorstep" handheld --store h sync
    exits 0 "$doorstep" handheld --store h scrub --json
    [ "$(printf '%s' "$out" | jq .values)" -ge 20 ] || complain "values: $out"
    exits 0 env -u DOORSTEP_PIN "$doorstep" handheld --store h scrub
    each_page h/store/data.mdb "$doorstep" handheld --store h scrub
}

run_cases a_station__tells_which_page_or_value_is_damaged a_running_server__scrubs_too \
    a_handheld__tells_which_page_or_value_is_damaged
