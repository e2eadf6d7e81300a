#!/bin/bash
# The same journals fold to the same digests, whoever compiled the engine: gcc -O0 and -O3, clang
# -O0 and -O3, and gcc for 32 bit with a BLAKE2b of our own (blake2b.c). The journals are the golden
# one and those of simulated stations. usage: build_test.sh [SEEDS]; SEEDS: A..B, 20 if not said.
# Needs gcc-multilib for the 32-bit build.
set -euo pipefail
root=${DS_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${DS_BIN:-$root/build/release/bin}
range=${1:-1..20}
cd "$root"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mapfile -t sources < <(find schema sync/core -name '*.c' ! -name '*_jansson.c' | sort)
sources+=(sync/store/store.c sync/store/tag.c sync/store/store_memory.c)
sources+=(tests/determinism/fold_main.c)

# compile NAME COMPILER OPTION...: scratch/NAME, objects two at a time
compile() {
    local name=$1
    shift
    mkdir "$scratch/$name.o"
    local extra=() libraries=(-lsodium)
    case $name in *_32) extra=(tests/determinism/blake2b.c) libraries=() ;; esac
    printf '%s\n' "${sources[@]}" "${extra[@]}" | xargs -P "$(nproc)" -I{} bash -c '
        source=$1; out=$2; shift 2
        "$@" -std=c17 -D_POSIX_C_SOURCE=200809L -I. -c "$source" -o "$out/${source//\//_}.o"
        ' _ {} "$scratch/$name.o" "$@"
    "$@" "$scratch/$name.o"/*.o -o "$scratch/$name" "${libraries[@]}"
    echo "$name: built with $*"
}
compile gcc_O0 gcc -O0
compile gcc_O3 gcc -O3
compile clang_O0 clang -O0
compile clang_O3 clang -O3
compile gcc_32 gcc -m32 -O2

mkdir "$scratch/journals"
cp tests/golden/journal.bin "$scratch/journals/golden"
for ((seed = ${range%%..*}; seed <= ${range##*..}; seed++)); do
    "$bin/sim" --seed "$seed" --journal "$scratch/journals/$seed" >/dev/null
done
cd "$scratch/journals"
for name in gcc_O0 gcc_O3 clang_O0 clang_O3 gcc_32; do
    "$scratch/$name" * >"$scratch/$name.txt"
    if ! cmp -s "$scratch/gcc_O0.txt" "$scratch/$name.txt"; then
        echo "$name folds to other digests than gcc -O0:"
        diff "$scratch/gcc_O0.txt" "$scratch/$name.txt" | head -20
        exit 1
    fi
done
if [ -d "${DS_REPORT:-/nowhere}" ]; then
    printf '{"name":"one_digest_from_five_builds","command":"tests/determinism/build_test.sh","count":%d,"unit":"journals","failures":0,"seconds":%d}\n' \
        "$(wc -l <"$scratch/gcc_O0.txt")" $SECONDS >"$DS_REPORT/one_digest_from_five_builds.json"
fi
echo "determinism: $(wc -l <"$scratch/gcc_O0.txt") journals," \
    "$(awk '{ n += $2 } END { print n }' "$scratch/gcc_O0.txt") entries, 5 builds, equal digests"
