#!/usr/bin/env bash
# Dependencies point one way: schema <- sync <- {server, handheld-sdk} <- tools <- tests; and a
# third party's header is included by one adapter file per layer.
# Usage: check_layers.sh SOURCE_DIR | --self-test
set -eu
. "$(dirname "$0")/lib.sh"

bad=0

deny() { # folder, regex of what it may not include
    if [ -d "$1" ] && grep -rnE "^#include \"($2)" "$1" --include='*.[ch]'; then
        echo "^ $1 may not include these" >&2
        bad=1
    fi
}

# adapter HEADER FOLDER PATTERN: in FOLDER, only files that match PATTERN include HEADER.
adapter() {
    [ -d "$2" ] || return 0
    local hits
    hits=$(grep -rlE "^#include <$1>" "$2" --include='*.[ch]' | grep -vE "^($3)$" || true)
    if [ -n "$hits" ]; then
        echo "$hits"
        echo "^ in $2, <$1> belongs into: $3" >&2
        bad=1
    fi
}

one_file() { # header, folder: at most one file there includes it
    [ -d "$2" ] || return 0
    local hits
    hits=$(grep -rlE "^#include <$1>" "$2" --include='*.[ch]' || true)
    if [ "$(printf '%s' "$hits" | grep -c .)" -gt 1 ]; then
        echo "$hits"
        echo "^ in $2, one adapter file may include <$1>, not several" >&2
        bad=1
    fi
}

check() {
    cd "$1"
    bad=0
    deny schema          '(sync|server|handheld-sdk|tools|tests)/|doorstep\.h"'
    deny schema/base     'schema/(records|codec|rules|geo)/'
    deny sync            '(server|handheld-sdk|tools|tests)/|doorstep\.h"'
    deny sync/core       'sync/(crypto|shard)/|sync/store/(store_|tag)'
    deny sync/crypto     'sync/(store|shard)/'
    deny sync/store      'sync/(core|crypto|shard)/'
    deny server          '(handheld-sdk|tools|tests)/|doorstep\.h"'
    deny handheld-sdk    '(server|tools|tests)/'
    deny handheld-sdk/examples '(schema|sync|handheld-sdk)/'
    deny tools           'tests/'

    local none='no file'
    adapter 'lmdb\.h'     schema       "$none"
    adapter 'lmdb\.h'     sync         'sync/store/store_lmdb\.h'
    adapter 'lmdb\.h'     server       "$none"
    adapter 'sodium\.h'   schema       "$none"
    adapter 'sodium\.h'   sync/store   "$none"
    adapter 'sodium\.h'   sync/shard   "$none"
    adapter 'curl/.*'     schema       "$none"
    adapter 'curl/.*'     sync         "$none"
    adapter 'civetweb\.h' schema       "$none"
    adapter 'civetweb\.h' sync         "$none"
    adapter 'civetweb\.h' handheld-sdk "$none"
    adapter 'jansson\.h'  schema       'schema/.*_jansson\.[ch]'
    adapter 'jansson\.h'  sync         "$none"
    adapter 'jansson\.h'  handheld-sdk "$none"
    adapter 'ini\.h'      schema       "$none"
    adapter 'ini\.h'      sync         "$none"
    one_file 'msgpack.*'  schema
    one_file 'msgpack.*'  sync
    one_file 'msgpack.*'  server
    one_file 'sodium\.h'  sync/core
    one_file 'zstd\.h'    sync
    one_file 'zstd\.h'    server
    one_file 'lmdb\.h'    handheld-sdk
    one_file 'sodium\.h'  handheld-sdk
    one_file 'curl/.*'    handheld-sdk
    one_file 'curl/.*'    server
    one_file 'civetweb\.h' server
    one_file 'sodium\.h'  server
    one_file 'ini\.h'     server
    one_file 'ini\.h'     tools
    one_file 'qrencode\.h' tools
    return $bad
}

self_test() {
    mkdir -p "$1/schema/base" "$1/sync/core" "$1/sync/shard" "$1/server"
    echo '#include "schema/base/base.h"' >"$1/sync/core/a.c"
    must_pass 'an include downwards' "$1"
    echo '#include "sync/core/a.h"' >"$1/schema/base/a.c"
    must_fail 'schema including sync' "$1"
    echo '#include "sync/store/store.h"' >"$1/sync/core/a.c"
    echo >"$1/schema/base/a.c"
    must_pass 'core on the front of the store' "$1"
    echo '#include "sync/store/store_lmdb.h"' >"$1/sync/core/a.c"
    must_fail 'core on an implementation' "$1"
    echo >"$1/sync/core/a.c"
    echo >"$1/schema/base/a.c"
    echo '#include <lmdb.h>' >"$1/sync/shard/a.c"
    must_fail 'a second user of LMDB' "$1"
    echo >"$1/sync/shard/a.c"
    echo '#include <civetweb.h>' | tee "$1/server/a.c" >"$1/server/b.c"
    must_fail 'two users of civetweb in the server' "$1"
}

lint_main "$@"
