#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The store when its disk is full: what was acknowledged stays, writes are refused, reads go on, and
# with room it takes writes again. Once with a limit of file size, once with a full file system
# where one can be mounted.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
store=$build/bin/tarselasticsearch
. tests/lib/checks.bash
pid=
trap 'kill -9 $pid 2>/dev/null; wait 2>/dev/null; umount "$dir/disk" 2>/dev/null; rm -rf "$dir"' EXIT

at() { curl -s -m 20 "127.0.0.1:$port$1" "${@:2}"; }
metric() { curl -s "127.0.0.1:$http/metrics" | awk -v name="$1" '$1 == name {print $2}'; }
start() {
    port=$(free_port) http=$(free_port)
    env TARS_ELASTICSEARCH_PORT="$port" TARS_ELASTICSEARCH_HTTP_PORT="$http" "$store" --data "$1" >>"$dir/log" 2>&1 &
    pid=$!
    eventually at / -o "$dir/said" && curl -s "127.0.0.1:$port" >/dev/null
}
# One bulk of 50 documents after the other, "N.I" by name, until one is refused or COUNT are stored;
# $stored names those that were acknowledged whole.
write_bulks() {
    local i
    for ((count = 0; count < $1; count++)); do
        bulk=$((bulk + 1))
        for ((i = 0; i < 50; i++)); do
            printf '{"index":{"_id":"%d.%d"}}\n{"n":%d,"t":"%s"}\n' $bulk $i $i "$noise"
        done | at /x/_bulk -w '%{http_code}' -o "$dir/answer" -X POST -H 'Content-Type: application/x-ndjson' --data-binary @- >"$dir/code"
        grep -q '"errors":false' "$dir/answer" || return
        stored="$stored $bulk"
    done
}
all_there() { # what was acknowledged is there, and nothing else
    [ "$(at /x/_count | grep -o '"count":[0-9]*' | cut -d: -f2)" = $(($(wc -w <<<"$stored") * 50)) ] || { at /x/_count; return 1; }
    for n in $stored; do at "/x/_doc/$n.49" | grep -q '"found":true' || { echo "$n is lost"; return 1; }; done
}
noise=$(head -c 300 /dev/urandom | base64 -w0)

# On a store that serves from $1; make_full and give_room say how.
faults() {
    stored='' bulk=0
    ok "it starts" start "$1"
    write_bulks 2
    ok "it takes writes" [ "$(wc -w <<<"$stored")" = 2 ]
    make_full "$1"
    write_bulks 400
    ok "then writes are refused" grep -q "$status" "$dir/code"
    ok "as Elasticsearch does it" grep -q "\"type\":\"$type\"" "$dir/answer"
    ok "which is told" grep -q "$told" "$dir/log"
    ok "and shown" [ "$(metric tars_store_disk_full)" = $full ]
    ok "reads go on" all_there
    ok "an index is refused too" grep -q "$status" <(at /other -X PUT -o /dev/null -w '%{http_code}')
    ok "as are more writes" eval 'write_bulks 1; grep -q $status "$dir/code"'
    ok "what was refused is not there" all_there
    give_room
    write_bulks 3
    ok "with room it goes on by itself" grep -q 200 "$dir/code"
    ok "which is shown" [ "$(metric tars_store_disk_full)" = 0 ]
    ok "and all is there" all_there
    make_full "$1"
    write_bulks 400
    kill -9 $pid
    wait $pid 2>/dev/null
    give_room
    ok "killed in the middle of it, it starts" start "$1"
    ok "with all that was acknowledged" all_there
    kill -9 $pid
    wait $pid 2>/dev/null
    ok "and is whole" "$store" check --data "$1"
}

how="limited files" status=503 type=engine_exception told="disk I/O error" full=0
make_full() { # so that some writes still pass
    local most
    most=$(stat -c %s "$1"/store.db* | sort -n | tail -1)
    prlimit --pid $pid --fsize=$((most + 60000)):unlimited
}
give_room() { prlimit --pid $pid --fsize=unlimited 2>/dev/null || true; }
faults "$dir/files"

mkdir "$dir/disk"
if mount -t tmpfs -o size=8m tmpfs "$dir/disk" 2>/dev/null; then
    how="full disk" status=429 type=cluster_block_exception told="the disk is full" full=1
    make_full() { head -c 8m /dev/zero >"$dir/disk/filler" 2>/dev/null; truncate -s -150000 "$dir/disk/filler"; }
    give_room() { rm -f "$dir/disk/filler"; }
    faults "$dir/disk/data"
else
    echo "no file system can be mounted here: only the limit of file size was tried"
fi
counted
