#!/usr/bin/env bash
# The READMEs' commands do what they say: those of "By hand" and of "Going into production" are
# taken out of the pages and run, with folders, names and ports of this test.
set -eu
. "$(dirname "$0")/cli_lib.sh"
. "$(dirname "$0")/free_port.sh"
export DOORSTEP_PIN=246810

# commands FILE HEADING: the shell blocks of the first section of that name.
commands() {
    awk -v heading="## $2" '
        /^## / && !inside { wanted = ($0 == heading && !seen); seen = seen || wanted }
        /^```/ { inside = !inside; shell = wanted && $0 == "```sh"; next }
        inside && shell { print }' "$1"
}

by_hand__runs_as_it_stands_again_and_again() {
    local time
    commands "$DS_SRC/README.md" 'By hand' >page
    [ "$(wc -l <page)" -ge 8 ] || complain "the page has no such commands: $(cat page)"
    for time in 1 2 3; do
        rm -rf s1 h1
        # The page's own folder first: the programs may lie below /tmp, too.
        sed -e "s|/tmp/|$PWD/|g; s|127.0.0.1:8421|127.0.0.1:$(free_port)|g" \
            -e "s|build/release/bin|$DS_BIN|g; s|tools/sample|$DS_SRC/tools/sample|g" page >run.sh
        exits 0 bash -eu run.sh
        holds "run $time" "$out" '1 of 1 received'
        holds "run $time" "$out" 'enrolled, unlocked'
    done
}

# As in the page, but for the machine's name, which leads here.
production__is_reached_step_by_step() {
    local plain tls part
    plain=$(free_port)
    tls=$(free_port)
    mkdir -p srv/doorstep backup
    printf 'a long password\n' >chief.password
    cp "$DS_SRC"/tests/data/bad/base/*.csv .
    commands "$DS_SRC/server/README.md" 'Going into production' >page
    for part in 'station init' 'station proxy' 'user add' 'period open' 'device code' backup \
        restore metrics; do
        holds 'the page' "$(cat page)" "$part"
    done
    # The station gets this test's ports behind the page's own settings; both programs end with
    # this test.
    {
        echo "PATH=$DS_BIN:\$PATH"
        sed -e "s|/srv/|$PWD/srv/|g; s|/backup|$PWD/backup|g; s|127.0.0.1:8420|127.0.0.1:$plain|" \
            -e "s|https://doorstep.example.cn:8443|https://localhost:$tls|" \
            -e 's|name = doorstep.example.cn|name = localhost|' page |
            awk -v ports="s,127.0.0.1:8420,127.0.0.1:$plain,; s,0.0.0.0:8443,127.0.0.1:$tls," '
                /^sed -i/ { print; print "sed -i \"" ports "\" srv/doorstep/S01/doorstep.ini"; next }
                /^doorstepd / { sub(/ &$/, ""); print $0 " 2>server.log & echo $! >server.pid"
                    print "until grep -q event=ready server.log; do sleep 0.1; done"; next }
                /^haproxy -f/ { sub(/ &$/, ""); print $0 " -db 2>proxy.log & echo $! >proxy.pid"
                    next }
                { print }'
    } >run.sh
    trap 'kill $(cat server.pid proxy.pid 2>/dev/null) 2>/dev/null || true' EXIT
    exits 0 bash -eu run.sh
    holds 'the address in the code' "$err" "the device will call https://localhost:$tls"
    holds 'a metric to watch' "$out" '^doorstep_ops_quarantined_total'
    holds 'a metric to watch' "$out" '^doorstep_delivery_failures_total'
    holds 'the restore' "$out" 'epoch 2'
    # A handheld comes in by the proxy, with the picture's code.
    exits 0 env PATH="$DS_BIN:$PATH" doorstep device code srv/doorstep/S01 --worker W01
    exits 0 "$doorstep" handheld --store h enrol "$out"
    exits 0 "$doorstep" handheld --store h sync --json
    equal unsent 0 "$(printf '%s' "$out" | jq .unsent)"
    equal 'healthz by the proxy' 200 "$(curl -sk -o /dev/null -w '%{http_code}' \
        "https://localhost:$tls/healthz")"
    equal 'metrics by the proxy' 404 "$(curl -sk -o /dev/null -w '%{http_code}' \
        "https://localhost:$tls/metrics")"
}

without_public_url__a_station_behind_a_proxy_gives_no_code() {
    small_station s
    exits 0 "$doorstep" station proxy s
    holds 'what is next' "$out" 'doorstep.ini under \[server\]: public_url = https://localhost:8443'
    exits 1 "$doorstep" device code s --worker W01
    holds why "$err" 'public_url in doorstep.ini is empty'
    exits 0 "$doorstep" device code s --worker W01 --url https://gas.example.cn:8443
    holds address "$err" 'the device will call https://gas.example.cn:8443'
    sed -i 's|^public_url =.*|public_url = https://gas.example.cn:8443|' s/doorstep.ini
    exits 0 "$doorstep" device code s --worker W01 --json
    equal url https://gas.example.cn:8443 "$(printf '%s' "$out" | jq -r .url)"
}

run_cases by_hand__runs_as_it_stands_again_and_again \
    without_public_url__a_station_behind_a_proxy_gives_no_code \
    production__is_reached_step_by_step
