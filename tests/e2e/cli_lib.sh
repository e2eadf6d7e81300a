# Shared by the end-to-end tests of the command line: sourced, never run.
#
# A test is a script with functions named as sentences; `run_cases NAME...` runs each in a shell of
# its own and says which failed. DS_BIN and DS_SRC come from ctest, or from where the script stands.
: "${DS_SRC:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${DS_BIN:=$DS_SRC/build/release/bin}"
: "${DS_LIB:=$DS_BIN/../lib}"
doorstep=$DS_BIN/doorstep
doorstepd=$DS_BIN/doorstepd
LC_ALL=C.UTF-8
export LC_ALL
work=$(mktemp -d)
server=
clean() {
    local code=$?
    trap - EXIT
    [ -z "$server" ] || stop_server
    rm -rf "$work"
    exit $code
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

complain() {
    echo "    $*" >&2
    return 1
}

# equal WHAT EXPECTED FOUND
equal() { [ "$2" = "$3" ] || complain "$1: expected '$2', found '$3'"; }

# holds WHAT TEXT PATTERN: a line of TEXT matches.
holds() { printf '%s\n' "$2" | grep -q -- "$3" || complain "$1: no '$3' in: $2"; }

# exits CODE COMMAND...: run it; its output is in $out, its errors in $err.
exits() {
    local expected=$1 code=0
    shift
    "$@" >"$work/out" 2>"$work/err" || code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
    [ "$code" = "$expected" ] ||
        complain "exit $code instead of $expected: $* :: $(tail -c 600 "$work/out" "$work/err")"
}

# start_server DIR [OPTION...]: url is set. port, if it is set, is taken again. With dies_at=N set the
# server ends by SIGKILL inside the Nth commit of its store: written, and not yet acknowledged.
start_server() {
    local dir=$1 tries=0
    shift
    : >"$work/server.log"
    local hook=()
    [ -z "${dies_at:-}" ] || hook=(env LD_PRELOAD="$DS_LIB/io_preload.so" DS_IO_ROOT="$PWD/$dir/store"
        DS_IO_FAIL="meta:$dies_at:-1")
    "${hook[@]}" "$doorstepd" --data "$dir" --listen "127.0.0.1:${port:-0}" "$@" \
        >"$work/server.log" 2>&1 &
    server=$!
    until grep -q 'event=ready' "$work/server.log"; do
        kill -0 "$server" 2>/dev/null && [ $tries -lt 200 ] ||
            { cat "$work/server.log" >&2; server=; return 1; }
        sleep 0.05
        tries=$((tries + 1))
    done
    url=http://$(sed -n 's/.*event=ready listen=\([^ ]*\).*/\1/p' "$work/server.log" | tail -n 1)
}

stop_server() {
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

# small_station DIR: the small good station of tests/data/bad/base, with an open period.
small_station() {
    local kind
    "$doorstep" station init "$1" --number BAD01 --name 坏数据站 --offset +08:00 --sample >/dev/null
    for kind in station worker book account premises meter; do
        cp "$DS_SRC/tests/data/bad/base/$kind.csv" "$work/base.csv"
        "$doorstep" import "$1" "$work/base.csv" --kind $kind >/dev/null
    done
    "$doorstep" period open "$1" --all --period 202601 >/dev/null
}

# run_cases NAME...: each in $work/case, a fresh folder.
run_cases() {
    local name code failed=0
    for name in "$@"; do
        rm -rf "$work/case"
        mkdir "$work/case"
        # Not as a condition: in one, the shell would not stop at the first thing that is wrong.
        set +e
        (
            set -e
            trap 'code=$?; [ -z "$server" ] || stop_server; exit $code' EXIT
            cd "$work/case"
            "$name"
        )
        code=$?
        set -e
        if [ $code = 0 ]; then
            echo "ok   $name"
        else
            echo "FAIL $name"
            failed=1
        fi
    done
    return $failed
}
