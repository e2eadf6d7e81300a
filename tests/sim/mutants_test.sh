#!/bin/bash
# Every deliberate fault of the product is caught by the simulation within 200 seeds.
# A mutant that survives is a missing check. Uses DS_BIN/sim_mutants, built here if it is not there.
set -euo pipefail
root=${DS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${DS_BIN:-$root/build/release/bin}
seeds=1..200

# name of the mutant: invariants that may show it
mutants='
drop_ack_check: acked_is_durable nothing_lost always_progress replicas_converge
skip_fork_test: nothing_lost exactly_once acked_is_durable always_progress
reuse_sequence: always_progress nothing_lost exactly_once bounded acked_is_durable
announce_before_durable: nothing_lost acked_is_durable always_progress
lose_second_writer: nothing_lost
conflict_ignores_seen: nothing_lost
conflict_ignores_writers: nothing_lost
double_fold: exactly_once
skip_gap_check: nothing_lost always_progress
forget_gone: cursors_complete replicas_converge bounded
cursor_skips_ordinal: cursors_complete replicas_converge
lose_verdict: nothing_lost
ignore_revocation: authority_holds
ignore_authority: authority_holds
digest_skips_row: replicas_converge cursors_complete
overlay_forgets_pending: nothing_lost
worst_takes_latest: order_free
epoch_not_clamped: cursors_complete replicas_converge
believe_any_history: tampering_shows
'

build=$(dirname "$bin")
ninja -C "$build" sim_mutants >/dev/null
survived=0
count=0
while IFS=: read -r name invariants; do
    [ -n "$name" ] || continue
    count=$((count + 1))
    if out=$("$bin/sim_mutants" --seeds $seeds --mutant "$name" 2>&1); then
        echo "SURVIVED $name in seeds $seeds"
        survived=$((survived + 1))
        continue
    fi
    verdict=$(grep -a -m1 -o 'FAILED [a-z_]*: .*' <<<"$out" || echo "FAILED without a word")
    found=${verdict#FAILED }
    found=${found%%:*}
    if [[ " $invariants " != *" $found "* ]]; then
        echo "WRONGLY CAUGHT $name: $verdict"
        survived=$((survived + 1))
        continue
    fi
    echo "caught $name: $(grep -a -m1 -o '^seed [0-9]*' <<<"$out"): $verdict"
done <<<"$mutants"
echo "$count mutants, $survived survived"
if [ -d "${DS_REPORT:-/nowhere}" ]; then
    printf '{"name":"deliberate_faults.simulation","command":"tools/mutate","count":%d,"unit":"%s","failures":%d,"seconds":%d}\n' \
        "$count" 'faults that a test must notice' "$survived" $SECONDS \
        >"$DS_REPORT/deliberate_faults.simulation.json"
fi
[ "$survived" -eq 0 ] && [ "$count" -ge 12 ]
