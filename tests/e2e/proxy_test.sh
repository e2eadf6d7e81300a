#!/usr/bin/env bash
# The TLS proxy as `doorstep station proxy` writes it, in front of a real server: right pin, wrong
# pin (B11), a portal's page (B10), a body that drips in, lengths that two parsers may read in two
# ways (B15).
# Usage: proxy_test.sh (needs haproxy, openssl, curl; DS_BIN is the folder of the programs)
set -eu
. "$(dirname "$0")/free_port.sh"
bin=${DS_BIN:?the folder of the programs}
work=$(mktemp -d)
pids=
cd "$work"

finish() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "proxy_test: $*" >&2
    exit 1
}

# equal WHAT EXPECTED FOUND
equal() {
    [ "$2" = "$3" ] || fail "$1: expected $2, found $3"
}

# until_true SECONDS COMMAND...: polled.
until_true() {
    local left=$(($1 * 10))
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.1
    done
}

plain=$(free_port)
tls=$(free_port)
"$bin/doorstep" station init st --number S1 --name Station --offset +08:00 >init.log
sed -i -e "s/^listen = 127.0.0.1:8420/listen = 127.0.0.1:$plain/" \
    -e "s/^listen = 0.0.0.0:8443/listen = 127.0.0.1:$tls/" \
    -e "s,^public_url =.*,public_url = https://localhost:$tls," \
    -e "s/^behind_proxy = .*/behind_proxy = true/" \
    -e "s/^body_deadline_ms = .*/body_deadline_ms = 2000/" st/doorstep.ini
"$bin/doorstep" station proxy st >proxy.log
pin=$(cat st/tls/pin)
equal 'size of the pin' 64 "${#pin}"
equal 'mode of the key' 600 "$(stat -c %a st/tls/server.pem)"
base64_pin=$(printf '%s' "$pin" | sed 's/../\\x&/g' | xargs -0 printf | base64)

# The pin is that of the certificate, by another road.
equal 'pin' "$pin" "$(openssl x509 -in st/tls/cert.pem -noout -pubkey |
    openssl pkey -pubin -outform DER | openssl dgst -sha256 -r | cut -c1-64)"
"$bin/doorstep" station proxy st >proxy.log
equal 'pin after a second call' "$pin" "$(cat st/tls/pin)"

haproxy -c -q -f st/tls/haproxy.cfg || fail 'haproxy refuses the configuration'
"$bin/doorstepd" --data st 2>server.log &
pids="$pids $!"
haproxy -db -f st/tls/haproxy.cfg >haproxy.log 2>&1 &
pids="$pids $!"

# ask ARGUMENTS...: the status of an answer through the proxy, by the right pin.
ask() {
    curl -sk --max-time 20 -o body.out -w '%{http_code}' --pinnedpubkey "sha256//$base64_pin" "$@"
}
is_up() {
    [ "$(ask "https://localhost:$tls/healthz")" = 200 ]
}
until_true 20 is_up || fail "not up: $(cat server.log haproxy.log)"

equal 'counters through the proxy' 404 "$(ask "https://localhost:$tls/metrics" || true)"
equal 'counters, written otherwise' 404 "$(ask "https://localhost:$tls/%6detrics" || true)"
equal 'counters on the machine' 200 "$(curl -s -o body.out -w '%{http_code}' \
    "http://127.0.0.1:$plain/metrics")"

# B11: curl's exit code 90 is "the pinned key did not match".
wrong=$(printf 'another key' | openssl dgst -sha256 -binary | base64)
code=0
curl -sk -o body.out --pinnedpubkey "sha256//$wrong" "https://localhost:$tls/healthz" || code=$?
equal 'curl with a wrong pin' 90 "$code"

# A handheld by the same pins: right, wrong (B11), and a portal that holds the right key but answers
# with a page of its own (B10).
export DOORSTEP_PIN=246810
printf 'a long password\n' >password
"$bin/doorstep" user add st --name boss --role supervisor,admin,reader --password-file password \
    >user.log
# code_for ARGUMENTS...: the text of an enrolment code.
code_for() {
    "$bin/doorstep" device code st --worker boss "$@" | grep -o 'DS1:[A-Za-z0-9_-]*' | head -n 1
}
# handheld STORE COMMAND ARGUMENTS...: its exit code.
handheld() {
    local store=$1 status=0
    shift
    "$bin/doorstep" handheld "$@" --store "$store" >"$store.log" 2>&1 || status=$?
    echo "$status"
}
equal 'enrolment by the right pin' 0 "$(handheld one enrol "$(code_for)")"
equal 'sync by the right pin' 0 "$(handheld one sync)"
equal 'enrolment by a wrong pin' 1 "$(handheld two enrol \
    "$(code_for --pins "$(printf x | openssl dgst -sha256 -r | cut -c1-64)")")"
grep -q 'does not match pinned' two.log || fail "a wrong pin is not named: $(cat two.log)"
portal=$(free_port)
cat >portal.cfg <<END
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend portal
    bind 127.0.0.1:$portal ssl crt $work/st/tls/server.pem
    http-request return status 200 content-type text/html string "<html>log in</html>"
END
haproxy -db -f portal.cfg >portal.log 2>&1 &
pids="$pids $!"
is_portal() {
    curl -sk --max-time 5 -o body.out "https://localhost:$portal/"
}
until_true 20 is_portal || fail "no portal: $(cat portal.log)"
equal 'enrolment at a portal' 5 "$(handheld three enrol \
    "$(code_for --url "https://localhost:$portal")")"
equal 'sync after all that' 0 "$(handheld one sync)"

# B15 and F3, raw. raw FORMAT SECONDS: the status line of what comes.
raw() {
    { printf "$1"; sleep "$2"; } |
        openssl s_client -quiet -connect "localhost:$tls" 2>/dev/null | head -n 1 | tr -d '\r'
}
case $(raw 'POST /sync/v1/exchange HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd' 1) in
*' 400 '*) ;;
*) fail 'two lengths are not refused' ;;
esac
case $(raw 'POST /sync/v1/exchange HTTP/1.1\r\nHost: a\r\nContent-Length: 5x7\r\n\r\nabcde' 1) in
*' 400 '*) ;;
*) fail 'a length of 5x7 is not refused' ;;
esac
case $(raw 'POST /sync/v1/exchange HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc' 6) in
*' 408 '*) ;;
*) fail 'a body that does not come is not cut' ;;
esac

echo 'proxy_test: ok'
