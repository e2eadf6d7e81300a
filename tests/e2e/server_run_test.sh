#!/usr/bin/env bash
# doorstepd as it ships: start, serve, be asked by the command line, refuse what is not sound, stop.
# Usage: server_run_test.sh (needs curl, jq; DS_BIN is the folder of the programs)
set -eu
bin=${DS_BIN:?the folder of the programs}
work=$(mktemp -d)
server=
stream=
cd "$work"
export DOORSTEP_PASSWORD='correct horse 1'

finish() {
    for pid in $server $stream; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "server_run_test: $*" >&2
    [ ! -f st.log ] || tail -n 20 st.log >&2
    exit 1
}

# equal WHAT EXPECTED FOUND
equal() {
    [ "$2" = "$3" ] || fail "$1: expected $2, found $3"
}

# start_server DIR [OPTION...]: sets server and url; waits at most 10 s for it to answer.
start_server() {
    local dir=$1 port=
    shift
    : >st.log
    "$bin/doorstepd" --data "$dir" --listen 127.0.0.1:0 "$@" 2>st.log &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.*event=ready listen=127\.0\.0\.1:\([0-9]*\).*/\1/p' st.log)
        url=http://127.0.0.1:$port
        if [ -n "$port" ] && curl -sf --max-time 2 "$url/healthz" >/dev/null; then
            return
        fi
        kill -0 "$server" 2>/dev/null || fail 'the server ended at once'
        sleep 0.1
    done
    fail 'the server does not answer'
}

# stop_server: by SIGTERM; its exit code is the result.
stop_server() {
    local code=0
    kill -TERM "$server"
    wait "$server" || code=$?
    server=
    return $code
}

# Exit code of a command that is expected to fail.
code_of() {
    local code=0
    "$@" >out 2>&1 || code=$?
    echo $code
}

get() {
    curl -s --max-time 10 -H "Authorization: Bearer $session" "$url$1"
}

# ---- What is refused before anything is opened
equal 'help' 0 "$(code_of "$bin/doorstepd" --help)"
grep -q -- '--data DIR' out || fail 'help does not name --data'
equal 'version' 0 "$(code_of "$bin/doorstepd" --version)"
equal 'no --data' 2 "$(code_of "$bin/doorstepd")"
equal 'an unknown option' 2 "$(code_of "$bin/doorstepd" --data x --fast)"
equal 'no station' 1 "$(code_of "$bin/doorstepd" --data nowhere)"

"$bin/doorstep" station init st --number T1 --name Test --offset +08:00 >/dev/null
"$bin/doorstep" station init sample --number T2 --name Test --offset +08:00 --sample >/dev/null
"$bin/doorstep" user add st --name boss --role supervisor,admin >/dev/null

equal 'another address than loopback' 1 \
    "$(code_of "$bin/doorstepd" --data st --listen 0.0.0.0:0)"
grep -q 'not loopback' out || fail 'the refusal does not say why'
equal 'a clock at a real station' 1 \
    "$(code_of "$bin/doorstepd" --data st --clock 2026-01-05T08:00:00+08:00)"
equal 'a clock that is none' 2 "$(code_of "$bin/doorstepd" --data st --clock noon)"
printf '[server]\nworker = 3\n' >bad.ini
equal 'a wrong setting' 1 "$(code_of "$bin/doorstepd" --data st --config bad.ini)"
grep -q 'line 2: server.worker' out || fail 'the wrong setting is not named'

# ---- It serves
start_server st
equal 'a second server' 1 "$(code_of "$bin/doorstepd" --data st --listen 127.0.0.1:0)"
session=$(curl -s -H 'Content-Type: application/json' \
    -d '{"user":"boss","password":"correct horse 1"}' "$url/api/v1/login" | jq -r .session)
equal 'length of a session' 43 "${#session}"
equal 'me' boss "$(get /api/v1/me | jq -r .user)"
equal 'me without a session' 401 "$(curl -s -o /dev/null -w '%{http_code}' "$url/api/v1/me")"
equal 'a wrong password' 401 "$(curl -s -o /dev/null -w '%{http_code}' \
    -H 'Content-Type: application/json' -d '{"user":"boss","password":"wrong"}' \
    "$url/api/v1/login")"
equal 'OpenAPI' 3.1.0 "$(curl -s "$url/api/v1/openapi.json" | jq -r .openapi)"
curl -s "$url/metrics" | grep -q '^doorstep_journal_entries [1-9]' || fail 'no metrics'
curl -s -D head -o /dev/null "$url/healthz"
for header in 'X-Frame-Options: DENY' 'X-Content-Type-Options: nosniff' \
    "Content-Security-Policy: default-src 'none'" 'Cache-Control: no-store'; do
    grep -q "^$header" head || fail "no $header"
done

# ---- The command line goes through the socket, and the feed tells at once
curl -sN --max-time 30 -H "Authorization: Bearer $session" "$url/api/v1/events" >events &
stream=$!
before=$("$bin/doorstep" --json journal head st | jq .size)
"$bin/doorstep" user add st --name clerk --role clerk >/dev/null
[ "$("$bin/doorstep" --json journal head st | jq .size)" -gt "$before" ] ||
    fail 'the journal did not grow'
code=$("$bin/doorstep" device code st --worker boss | head -n 1)
case $code in
DS1:*) ;;
*) fail "not a code: $code" ;;
esac
for _ in $(seq 100); do
    ! grep -q '^event: cursor' events || break
    sleep 0.1
done
grep -q '^data: {"record":"device"' events || fail 'the stream told nothing'

# ---- B15 and its kin on the wire
# raw BYTES: the status of what comes back.
raw() {
    local port=${url##*:}
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf '%b' "$1" >&3
    timeout 10 head -n 1 <&3 | cut -d ' ' -f 2
    exec 3>&-
}
head='POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
equal 'two Content-Lengths' 400 \
    "$(raw "${head}Content-Length: 2\\r\\nContent-Length: 3\\r\\n\\r\\n{}")"
equal 'chunked with length' 400 \
    "$(raw "${head}Content-Length: 2\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n{}")"
equal 'a length of 5x7' 400 "$(raw "${head}Content-Length: 5x7\\r\\n\\r\\n{}")"
equal 'a negative length' 411 "$(raw "${head}Content-Length: -2\\r\\n\\r\\n{}")"
equal 'a huge length' 413 "$(raw "${head}Content-Length: 99999999999\\r\\n\\r\\n{}")"
equal 'no length' 411 "$(raw "${head}\\r\\n")"
# B14 on the wire: 100,000 brackets.
head -c 100000 /dev/zero | tr '\0' '[' >deep.json
equal 'deep JSON' 413 "$(curl -s -o /dev/null -w '%{http_code}' \
    -H 'Content-Type: application/json' --data-binary @deep.json "$url/api/v1/login")"
# A log line per event, whatever a request holds.
curl -s -o /dev/null "$url/api/v1/%0aevent=forged"
curl -s -o /dev/null -A $'a\tb' "$url/api/v1/nothing"
if grep -qv '^20[0-9-]*T[0-9:.]*Z level=' st.log; then
    fail "a log line that is none: $(grep -v '^20[0-9-]*T[0-9:.]*Z level=' st.log | head -n 1)"
fi
! grep -q 'correct horse' st.log || fail 'a password in the log'

# Who read personal data stands in the log, and what he read does not.
printf 'number,name,class\nA1,Zhang San,residential\n' >account.csv
"$bin/doorstep" import st account.csv --kind account >/dev/null
printf 'manufacturer,meter_no,account\nM,1,A1\n' >meter.csv
"$bin/doorstep" import st meter.csv --kind meter >/dev/null
meter=$(get '/api/v1/meters?account=A1' | jq -r '.items[0].id')
equal 'an opened name' 'Zhang San' "$(get "/api/v1/meters/$meter" | jq -r .account.name)"
grep -q "route=meter status=200 .* personal=1 path=/api/v1/meters/$meter" st.log ||
    fail 'the log does not tell who read personal data'
! grep -q 'Zhang' st.log || fail 'personal data in the log'

# ---- It stops as it should: the stream ends, the exit code is 0, the socket is gone
stop_server || fail "exit code $?"
wait "$stream" 2>/dev/null || true
stream=
[ ! -e st/admin.sock ] || fail 'the socket is still there'
grep -q 'event=stopping' st.log || fail 'it did not say that it stops'
"$bin/doorstep" journal verify st >/dev/null || fail 'the journal does not verify'

# ---- And after a kill it is there again, with everything
start_server st
size=$(curl -s "$url/healthz" | jq .position)
kill -KILL "$server"
wait "$server" 2>/dev/null || true
server=
start_server st
equal 'position after a kill' "$size" "$(curl -s "$url/healthz" | jq .position)"
stop_server || fail "exit code $?"
equal 'rebuild' 0 "$(code_of "$bin/doorstep" rebuild st)"

# ---- A sample station's clock
start_server sample --clock 2026-01-05T08:00:00+08:00
"$bin/doorstep" user add sample --name boss --role admin >/dev/null
session=$(curl -s -H 'Content-Type: application/json' \
    -d '{"user":"boss","password":"correct horse 1"}' "$url/api/v1/login" | jq -r .session)
now=$(get /api/v1/me | jq .now_ms)
[ "$now" -ge 1767571200000 ] && [ "$now" -lt 1767571260000 ] || fail "the clock says $now"
stop_server || fail "exit code $?"
echo 'server_run_test: ok'
