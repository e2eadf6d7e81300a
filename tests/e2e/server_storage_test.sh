#!/usr/bin/env bash
# A disk that fails and a disk that is full, under a running doorstepd: what was acknowledged is
# there, what was not is not claimed; a failed sync ends the process (74), a full disk does not.
# Usage: server_storage_test.sh (needs curl, jq; DS_BIN and DS_LIB are the build's folders)
set -eu
bin=${DS_BIN:?the folder of the programs}
preload=${DS_LIB:?the folder of the libraries}/io_preload.so
work=$(mktemp -d)
server=
cd "$work"
export DOORSTEP_PASSWORD='correct horse 1'

finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "server_storage_test: $*" >&2
    tail -n 20 st.log >&2
    exit 1
}

# start_server [VARIABLE=VALUE...]: sets server, url and session.
start_server() {
    local port=
    : >st.log
    env "$@" "$bin/doorstepd" --data st --listen 127.0.0.1:0 2>st.log &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.*event=ready listen=127\.0\.0\.1:\([0-9]*\).*/\1/p' st.log)
        [ -z "$port" ] || break
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.1
    done
    url=http://127.0.0.1:$port
    session=$(curl -s --max-time 10 -H 'Content-Type: application/json' \
        -d '{"user":"boss","password":"correct horse 1"}' "$url/api/v1/login" | jq -r .session)
}

# Make a task; prints its id if that was acknowledged.
make_task() {
    curl -s --max-time 10 -H "Authorization: Bearer $session" -H 'Content-Type: application/json' \
        -d '{"kind":"check"}' -w '\n%{http_code}\n' "$url/api/v1/tasks" |
        awk 'NR == 1 { body = $0 } NR == 2 && $0 == "200" { print body }' | jq -r .id
}

"$bin/doorstep" station init st --number T1 --name Test --offset +08:00 >/dev/null
"$bin/doorstep" user add st --name boss --role supervisor,admin >/dev/null

# ---- The Nth sync fails with EIO, for several N
ended=0
: >acknowledged
for nth in 1 2 3 8 15 22; do
    code=0
    if start_server LD_PRELOAD="$preload" DS_IO_ROOT="$work/st" "DS_IO_FAIL=sync:$nth:5"; then
        for _ in $(seq 20); do
            make_task >>acknowledged || true
            kill -0 "$server" 2>/dev/null || break
        done
    fi
    kill -0 "$server" 2>/dev/null && fail "sync $nth failed and the server serves on"
    wait "$server" || code=$?
    server=
    [ $code = 74 ] || [ $code = 1 ] || fail "sync $nth: exit code $code"
    [ $code != 74 ] || ended=$((ended + 1))
done
[ $ended -ge 3 ] || fail "only $ended of the faults met a commit"
[ "$(wc -l <acknowledged)" -ge 10 ] || fail 'hardly anything was acknowledged: nothing was tested'

start_server
while read -r id; do
    status=$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $session" \
        "$url/api/v1/tasks/$id")
    [ "$status" = 200 ] || fail "task $id was acknowledged and is not there: $status"
done <acknowledged
kill -TERM "$server"
wait "$server" || fail "exit code $?"
"$bin/doorstep" journal verify st >/dev/null || fail 'the journal does not verify'

# ---- A full disk: refused, said so, and reads go on
sed -i 's/^quota_mib = 0/quota_mib = 2/' st/doorstep.ini
start_server
{
    echo 'list,number,text_zh'
    for i in $(seq 12000); do
        echo "l,$i,文字文字文字文字文字文字文字文字文字文字文字文字文字文字文字文字$i"
    done
} >codes.csv
code=0
"$bin/doorstep" import st codes.csv --kind code >out 2>&1 || code=$?
[ $code = 1 ] || fail "an import into a full store: exit code $code"
grep -q 'no room left' out || fail 'the import does not say that there is no room'
kill -0 "$server" || fail 'a full disk ended the server'
curl -sf "$url/healthz" >/dev/null || fail 'no reads on a full disk'
curl -sf -H "Authorization: Bearer $session" "$url/api/v1/tasks" | jq -e '.items | length > 9' \
    >/dev/null || fail 'no reads on a full disk'
kill -TERM "$server"
wait "$server" || fail "exit code $?"
server=
"$bin/doorstep" journal verify st >/dev/null || fail 'the journal of a full store does not verify'
echo 'server_storage_test: ok'
