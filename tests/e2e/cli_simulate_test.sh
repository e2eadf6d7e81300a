#!/usr/bin/env bash
# Handhelds of the real SDK against a real server over HTTP: a book of 500 meters, drawn rounds, and
# a server that is killed again and again meanwhile.
set -eu
. "$(dirname "$0")/cli_lib.sh"
export DOORSTEP_PIN=246810

# big_station DIR BOOKS METERS [REAL]: sample data, unless a fourth word says otherwise; books of so many meters each, with three months behind them.
big_station() {
    "$doorstep" station init "$1" --number BIG01 --name 大站 --offset +08:00 ${4:---sample} >/dev/null
    {
        echo number,name,active,role
        for b in $(seq "$2"); do printf 'W%02d,员工%d,1,reader\n' "$b" "$b"; done
    } >worker.csv
    {
        echo number,name,assignee
        for b in $(seq "$2"); do printf 'B%02d,第%d册,W%02d\n' "$b" "$b" "$b"; done
    } >book.csv
    awk -v books="$2" -v meters="$3" 'BEGIN {
        print "manufacturer,meter_no,book,walk_order,dial_digits,unit_l,state" >"meter.csv"
        print "manufacturer,meter_no,i202510,i202511,i202512" >"history.csv"
        for (b = 1; b <= books; b++) for (m = 1; m <= meters; m++) {
            no = b * 10000 + m
            printf "甲厂,%d,B%02d,%d,5,1000,active\n", no, b, m >"meter.csv"
            printf "甲厂,%d,%d,%d,%d\n", no, 1000 + m, 1020 + m, 1040 + m >"history.csv"
        } }'
    for kind in worker book meter history; do
        "$doorstep" import "$1" $kind.csv --kind $kind >/dev/null
    done
    "$doorstep" period open "$1" --all --period 202601 >/dev/null
}

a_book_of_500_meters__is_on_a_fresh_handheld_after_one_sync() {
    big_station s 1 500
    start_server s
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 "$doorstep" handheld --store h enrol "$out"
    exits 0 "$doorstep" handheld --store h sync --json
    echo "     $(printf '%s' "$out" | jq -c '{exchanges, rows}')"
    stop_server
    exits 0 "$doorstep" handheld --store h books --json
    equal meters 500 "$(printf '%s' "$out" | jq '.books[0].meters')"
    exits 0 "$doorstep" handheld --store h list --book B01 --json
    equal 'in walking order' 500 "$(printf '%s' "$out" | jq '[.meters[].walk_order] as $w |
        if $w == ($w | sort) then ($w | length) else 0 end')"
    for m in 10001 10250 10500; do
        exits 0 "$doorstep" handheld --store h show --meter $m
        exits 0 "$doorstep" handheld --store h read --meter $m --index $((1060 + m - 10000))
    done
    exits 0 "$doorstep" handheld --store h books --json
    equal read 3 "$(printf '%s' "$out" | jq '.books[0].read')"
}

# read_once STATION RECORD...: every committed reading stands in the state once, and no other.
read_once() {
    "$doorstep" export "$1" --kind reading --format jsonl |
        jq -r 'select(.period == 202601) | "\(.meter) \(.instant_ms) \(.index)"' | sort >have
    shift
    jq -r '.handhelds[].commits[] | "\(.meter) \(.instant_ms) \(.index)"' "$@" | sort >due
    cmp -s have due || complain "readings differ: $(diff have due | head -n 5)"
    [ -s due ] || complain 'nothing was committed'
}

drawn_rounds__arrive_whole_and_once() {
    big_station s 4 50
    start_server s
    # Ten handhelds on four books: several share one, each with its own part.
    exits 0 "$doorstep" simulate --server "$url" --station s --handhelds 10 --days 2 --seed 7 \
        --record rec.json --json
    equal readings 200 "$(printf '%s' "$out" | jq .readings)"
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    read_once s rec.json
    exits 0 "$doorstep" journal verify s
    exits 0 "$doorstep" rebuild s
}

the_same_seed__draws_the_same_indexes() {
    local first
    big_station s 1 30
    start_server s
    exits 0 "$doorstep" simulate --server "$url" --station s --handhelds 1 --seed 3 --record a.json
    first=$(jq -c '[.handhelds[].commits[].index]' a.json)
    exits 0 "$doorstep" simulate --server "$url" --station s --handhelds 1 --seed 3 --record b.json
    equal indexes "$first" "$(jq -c '[.handhelds[].commits[].index]' b.json)"
    exits 0 "$doorstep" simulate --server "$url" --station s --handhelds 1 --seed 4 --record c.json
    [ "$first" != "$(jq -c '[.handhelds[].commits[].index]' c.json)" ] ||
        complain 'another seed draws the same'
}

an_administrator__simulates_over_the_api_alone() {
    big_station s 3 20
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
    # Codes of the API name the settings' address.
    start_server s
    port=${url##*:}
    stop_server
    sed -i "s|^public_url =.*|public_url = $url|" s/doorstep.ini
    start_server s
    exits 0 "$doorstep" simulate --server "$url" --user root --password-file password \
        --handhelds 3 --record rec.json --json
    equal readings 60 "$(printf '%s' "$out" | jq .readings)"
    read_once s rec.json
    exits 1 env DOORSTEP_PASSWORD=wrong-password "$doorstep" simulate --server "$url" --user root
    exits 2 "$doorstep" simulate --server "$url"
    exits 2 "$doorstep" simulate --server "$url" --user root --password-file password \
        --scenario "$DS_SRC/tools/sample/day.ini"
}

wrong_calls__are_refused_before_anything_is_made() {
    big_station s 1 2
    exits 5 "$doorstep" simulate --server http://127.0.0.1:9 --station s --handhelds 1
    start_server s
    exits 2 "$doorstep" simulate --server "$url" --station s --handhelds 0
    exits 2 "$doorstep" simulate --server "$url" --station s --days 32
    exits 2 "$doorstep" simulate --server "$url" --station s --drop-op
    exits 1 "$doorstep" simulate --server "$url" --station s --scenario none.ini
}

invented_readings__never_reach_a_station_of_real_data() {
    local before
    big_station s 1 2 --billing=central
    printf 'a long password\n' >password
    exits 0 "$doorstep" user add s --name root --role admin --password-file password
    start_server s
    before=$("$doorstep" journal head s --json | jq .size)
    exits 1 "$doorstep" simulate --server "$url" --station s --handhelds 1 --stores stores
    holds why "$err" 'this station holds real data'
    exits 1 "$doorstep" simulate --server "$url" --user root --password-file password --handhelds 1
    holds why "$err" 'this station holds real data'
    [ ! -e stores ] || complain 'handhelds were made'
    equal 'journal size' "$before" "$("$doorstep" journal head s --json | jq .size)"
}

more_handhelds_than_a_process_has_terabytes__fit_into_one() {
    big_station s 1 2
    start_server s
    exits 0 "$doorstep" simulate --server "$url" --station s --handhelds 200 --json
    equal handhelds 200 "$(printf '%s' "$out" | jq '.handhelds | length')"
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    # One that breaks off tells of those that there were: a clerk gets no codes.
    exits 0 env DOORSTEP_PASSWORD='a long password' "$doorstep" user add s --name ann --role clerk
    exits 1 env DOORSTEP_PASSWORD='a long password' "$doorstep" simulate --server "$url" \
        --user ann --handhelds 3
    ! printf '%s\n' "$out" | grep -q '^ ' || complain "rows of nobody: $out"
}

# wait_for_death SIMULATION: until the server is gone, or nobody calls it any more.
wait_for_death() {
    while kill -0 "$server" 2>/dev/null && kill -0 "$1" 2>/dev/null; do sleep 0.01; done
    ! kill -0 "$server" 2>/dev/null
}

# SIGKILL, twenty times; handhelds call again until the server is back. Every other time it comes
# inside a commit, when the journal is written and nothing is acknowledged; else at any moment. All
# the while another process has the store open: LMDB then keeps its lock file over the kills.
a_server_that_is_killed_twenty_times__loses_and_doubles_nothing() {
    local kills=0 rounds=0 between=0 simulation reader
    big_station s 10 250
    start_server s
    port=${url##*:}
    mkfifo pipe
    exec 8<>pipe
    head -c 65536 /dev/zero >&8
    # It looks up references in the store, and stands at its first write: the pipe is full.
    "$doorstep" export s --kind meter --format csv >pipe 2>reader.err &
    reader=$!
    until ls -l /proc/$reader/fd 2>/dev/null | grep -q data.mdb; do
        kill -0 $reader || complain "the other reader: $(cat reader.err)"
    done
    # As many simulations as twenty kills need.
    while [ $kills -lt 20 ]; do
        rounds=$((rounds + 1))
        "$doorstep" simulate --server "$url" --station s --handhelds 10 --days 3 --seed $rounds \
            --record "rec-$rounds.json" --json >sim.out 2>sim.err &
        simulation=$!
        # It has its codes, and its handhelds call; or the server has died at that already.
        until grep -q 'event=exchange\|route=.*xchange' "$work/server.log" ||
            ! kill -0 $simulation 2>/dev/null || ! kill -0 "$server" 2>/dev/null; do
            sleep 0.02
        done
        while [ $kills -lt 20 ] && kill -0 $simulation 2>/dev/null; do
            if [ -n "${dies_at:-}" ] && wait_for_death $simulation; then
                between=$((between + 1))
                dies_at=
            else
                sleep "0.$(printf '%02d' $((kills * 7 % 10 + 1)))"
                kill -KILL "$server"
                dies_at=$((kills % 3 + 1))
            fi
            wait "$server" 2>/dev/null || true
            kills=$((kills + 1))
            start_server s
        done
        wait $simulation || complain "simulate: $(tail -c 500 sim.out sim.err)"
        equal readings 2500 "$(jq .readings sim.out)"
        equal unsent 0 "$(jq .unsent sim.out)"
    done
    kill -0 $reader || complain 'the other reader did not stay'
    kill $reader
    echo "     killed $kills times, $between of them inside a commit, in $rounds simulations"
    [ $between -ge 5 ] || complain "only $between kills between journal write and acknowledgement"
    read_once s rec-*.json
    exits 0 "$doorstep" journal verify s
    exits 0 "$doorstep" rebuild s
}

run_cases a_book_of_500_meters__is_on_a_fresh_handheld_after_one_sync \
    drawn_rounds__arrive_whole_and_once \
    the_same_seed__draws_the_same_indexes \
    an_administrator__simulates_over_the_api_alone \
    wrong_calls__are_refused_before_anything_is_made \
    invented_readings__never_reach_a_station_of_real_data \
    more_handhelds_than_a_process_has_terabytes__fit_into_one \
    a_server_that_is_killed_twenty_times__loses_and_doubles_nothing
