#!/usr/bin/env bash
# tools/up: an op that is lost on purpose is noticed (exit 4), and a whole day with TLS is not taken
# for a broken one; nothing is left running, and wrong calls are refused.
set -eu
. "$(dirname "$0")/cli_lib.sh"
up=$DS_SRC/tools/up

# A port whose neighbour (port + 23) is free too.
free_ports() {
    local tried
    for tried in $(shuf -i 21000-29000 -n 50); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$tried") 2>/dev/null &&
            ! (exec 3<>"/dev/tcp/127.0.0.1/$((tried + 23))") 2>/dev/null; then
            echo "$tried"
            return
        fi
    done
    return 1
}

nothing_runs() {
    ! pgrep -f -- "$PWD/up" >/dev/null || complain "left running: $(pgrep -af -- "$PWD/up")"
}

an_op_that_was_dropped__is_named_and_ends_with_4() {
    exits 4 "$up" --once --drop-op --port "$(free_ports)" --dir "$PWD/up" --bin "$DS_BIN"
    holds unsent "$out" '^acknowledged *BROKEN'
    holds missing "$out" '^exactly_once *BROKEN .*committed and not in the state'
    holds truth "$out" '^slots_are_truth *held'
    holds journal "$out" '^journal_verifies *held'
    nothing_runs
}

a_day_through_tls__holds_every_invariant() {
    local name
    exits 0 "$up" --once --tls --port "$(free_ports)" --dir "$PWD/up" --bin "$DS_BIN"
    holds address "$out" 'handhelds against https://'
    for name in acknowledged exactly_once slots_are_truth expected journal_verifies replay_is_same
    do
        holds "$name" "$out" "^$name *held"
    done
    holds reconciled "$out" '^0 differences'
    # What a stranger reads must be true: it is stopped, nothing is "handed over" by chance.
    holds 'where to look' "$out" 'The server is stopped. tools/up --keep'
    ! printf '%s\n' "$out" | grep -q '^  server ' || complain 'an address of a stopped server'
    ! printf '%s\n' "$out" | grep -q 'exports handed over' || complain 'a number by chance'
    holds 'the reader' "$out" '  W01 [^0-9]'
    holds 'every book' "$out" '^  all *1075 *1073 '
    holds clocks "$out" 'clocks more than a minute off: W05 W11'
    nothing_runs
    # The station can be looked at later, and its state is what it was.
    exits 0 "$doorstep" journal verify up/station
    port=$(free_ports)
    exits 0 "$up" --keep --port "$port" --dir "$PWD/up" --bin "$DS_BIN"
    equal alive ok "$(curl -s "http://127.0.0.1:$port/healthz" | jq -r .status)"
    holds 'how to stop it' "$out" "to stop it  kill [0-9]"
    exits 0 "$up" --keep --once --port "$port" --dir "$PWD/up" --bin "$DS_BIN"
    nothing_runs
}

a_folder_of_somebody_else__and_a_taken_port_are_left_alone() {
    local taken
    mkdir -p mine/station
    echo 'a letter' >mine/station/letter
    exits 1 "$up" --once --dir "$PWD/mine" --port "$(free_ports)" --bin "$DS_BIN"
    holds why "$err" 'mine/station is there and was not made by tools/up; it is left alone'
    equal letter 'a letter' "$(cat mine/station/letter)"
    [ ! -e mine/made-by-tools-up ] || complain 'it was marked as ours'
    # A stranger answers on the port, and on /healthz too: nothing is made, nothing deleted.
    small_station other
    start_server other
    taken=${url##*:}
    exits 1 "$up" --once --dir "$PWD/new" --port "$taken" --bin "$DS_BIN"
    holds why "$err" "port $taken of this machine is taken by another program"
    [ ! -e new ] || complain 'something was made'
    stop_server
}

wrong_calls__are_refused() {
    exits 2 "$up" --colour
    exits 2 "$up" --port
    exits 2 "$up" --port http
    exits 1 "$up" --keep --dir "$PWD/none" --bin "$DS_BIN"
    exits 0 "$up" --help
    holds usage "$out" '^Usage: tools/up'
}

run_cases a_folder_of_somebody_else__and_a_taken_port_are_left_alone \
    wrong_calls__are_refused \
    an_op_that_was_dropped__is_named_and_ends_with_4 \
    a_day_through_tls__holds_every_invariant
