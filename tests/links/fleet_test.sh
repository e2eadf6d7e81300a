#!/usr/bin/env bash
# A fleet of handhelds behind a poor network, as programs: doorstepd, lossy_proxy, doorstep simulate.
set -eu
. "$(dirname "$0")/../e2e/cli_lib.sh"
lossy=$DS_BIN/../tests/links/lossy_proxy

# start_line OPTION...: a proxy in front of $url; $line is its address. It ends with descriptor 7.
start_line() {
    mkfifo line.in
    "$lossy" --to "${url##*:}" "$@" <line.in >line.out &
    exec 7>line.in
    until grep -q ready line.out; do sleep 0.02; done
    line=http://127.0.0.1:$(sed -n 's/^ready //p' line.out)
}

end_line() {
    exec 7>&-
    until grep -q '^connections' line.out; do sleep 0.02; done
    echo "     $(grep '^connections' line.out)"
}

a_fleet_on_a_poor_line__brings_everything_once() {
    small_station s
    start_server s
    start_line --seed 13
    exits 0 "$doorstep" simulate --server "$line" --station s --handhelds 3 --days 3 --seed 3 \
        --record rec.json --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    end_line
    [ "$(sed -n 's/.* cut \([0-9]*\) .*/\1/p' line.out)" -ge 3 ] || complain 'the line was good'
    "$doorstep" export s --kind reading --format jsonl |
        jq -r '"\(.meter) \(.instant_ms) \(.index)"' | sort >have
    jq -r '.handhelds[].commits[] | "\(.meter) \(.instant_ms) \(.index)"' rec.json | sort >due
    cmp -s have due || complain "readings differ: $(diff have due | head -n 5)"
    [ -s due ] || complain 'nothing was committed'
    exits 0 "$doorstep" journal verify s
}

a_cut_line__is_said_to_be_unreachable() {
    export DOORSTEP_PIN=246810
    small_station s
    start_server s
    start_line --cut-down 100 --reset
    exits 0 "$doorstep" device code s --worker W01 --url "$line"
    exits 5 "$doorstep" handheld --store h enrol "$out"
    end_line
}

run_cases a_fleet_on_a_poor_line__brings_everything_once a_cut_line__is_said_to_be_unreachable
