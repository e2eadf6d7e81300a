#!/usr/bin/env bash
# One reading proved to somebody who has no journal: by our checker, and by one that shares no code.
set -eu
. "$(dirname "$0")/cli_lib.sh"
checker=$DS_SRC/tests/e2e/check_proof.py
export DOORSTEP_PIN=1234

handheld() { "$doorstep" handheld --store h "$@"; }

# Four readings of one round, handed in as one batch by handheld h; op[i] are their ids.
read_a_round() {
    local n
    small_station s
    start_server s
    exits 0 "$doorstep" device code s --worker W01 --url "$url"
    exits 0 handheld enrol "$out"
    exits 0 handheld sync
    for n in 1 2 3 4; do
        exits 0 handheld read --meter 100$n --index $((1060 + n)) --reason first
    done
    exits 0 handheld sync
    stop_server
    exits 0 handheld log --json
    mapfile -t op < <(printf '%s' "$out" | jq -r '.ops[] | select(.record == "reading") | .op')
    equal readings 4 ${#op[@]}
}

server_key() { "$doorstep" journal head "$1" --json | jq -r .sign_key; }

# changed FILE MEMBER: one bit of a member's first byte (or of a list's first hash) is another.
changed() {
    python3 - "$1" "$2" <<'PY'
import json, sys
proof = json.load(open(sys.argv[1]))
flip = lambda text: f"{int(text[:2], 16) ^ 1:02x}" + text[2:]
value = proof[sys.argv[2]]
proof[sys.argv[2]] = (
    value + 1 if isinstance(value, int) else flip(value) if isinstance(value, str)
    else [flip(value[0])] + value[1:] if value else ["00" * 32]
)
print(json.dumps(proof))
PY
}

a_reading__is_proved_and_checked_by_two_programs() {
    local key
    read_a_round
    key=$(server_key s)
    exits 0 "$doorstep" journal prove s --op "${op[1]}" --out proof.json
    exits 0 "$doorstep" journal check proof.json --server-key "$key" --json
    equal op "${op[1]}" "$(printf '%s' "$out" | jq -r .op)"
    equal record reading "$(printf '%s' "$out" | jq -r .record)"
    python3 "$checker" proof.json "$key" >other.json || complain 'the outsider refuses it'
    equal 'the same op' "${op[1]}" "$(jq -r .op other.json)"
    # By meter and period it is the reading that stands.
    exits 0 "$doorstep" journal prove s --meter 1003 --manufacturer 甲厂 --period 202601 --out by.json
    exits 0 "$doorstep" journal check by.json --server-key "$key" --json
    equal 'op by meter' "${op[2]}" "$(printf '%s' "$out" | jq -r .op)"
    exits 1 "$doorstep" journal prove s --meter 1005 --manufacturer 甲厂 --period 202601
    exits 2 "$doorstep" journal prove s --meter 1005 --period 202601
    exits 2 "$doorstep" journal prove s
}

a_proof__discloses_no_other_customers_reading() {
    local shown=0 meter
    read_a_round
    exits 0 "$doorstep" journal prove s --op "${op[1]}" --out proof.json
    equal 'readings behind it' 2 "$(jq '.behind | length' proof.json)"
    exits 0 "$doorstep" export s --kind meter --format jsonl
    for meter in $(printf '%s\n' "$out" | jq -r .id); do
        ! grep -q "$meter" proof.json || shown=$((shown + 1))
    done
    equal 'meters shown' 1 "$shown"
}

a_proof__of_which_anything_was_changed_is_refused_by_both() {
    local key member
    read_a_round
    key=$(server_key s)
    exits 0 "$doorstep" journal prove s --op "${op[1]}" --out proof.json
    for member in head head_signature position path stub header signature device_key before op behind; do
        changed proof.json $member >bent.json
        exits 4 "$doorstep" journal check bent.json --server-key "$key"
        ! python3 "$checker" bent.json "$key" >/dev/null 2>&1 || complain "$member: the outsider is taken in"
    done
    # Another server's key; an op that is not there; a file that is no proof.
    exits 4 "$doorstep" journal check proof.json --server-key "$(printf '%064d' 7)"
    exits 2 "$doorstep" journal check proof.json --server-key 12
    exits 1 "$doorstep" journal prove s --op 00112233445566778899aabbccddeeff
    echo '{}' >empty.json
    exits 4 "$doorstep" journal check empty.json --server-key "$key"
}

run_cases a_reading__is_proved_and_checked_by_two_programs \
    a_proof__discloses_no_other_customers_reading \
    a_proof__of_which_anything_was_changed_is_refused_by_both
