#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copies of a store that is being written to, and what `check` says of stores that are damaged.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/store/server
. tests/lib/checks.bash
trap 'kill "${writer:-}" 2>/dev/null; store_kill; rm -rf "$store_data" "$dir"' EXIT

at() { curl -s "127.0.0.1:$store_port$1" "${@:2}"; }

# load COUNT: documents 1 to COUNT of the index "many", some of them with several values
load() {
    for ((i = 1; i <= $1; i++)); do
        printf '{"index":{"_id":"%d"}}\n{"n":%d,"k":["a%d","b"],"text":"the quick brown fox number %d jumps over the lazy dog"}\n' $i $i $i $i
    done >"$dir/bulk"
    at /many/_bulk -H 'Content-Type: application/x-ndjson' --data-binary "@$dir/bulk" >/dev/null
}

# One document after the other into "line"; the last one that was acknowledged stands in $dir/last.
write_on() {
    for ((n = 1; ; n++)); do
        at /line/_doc/$n -X PUT -H 'Content-Type: application/json' -d "{\"n\":$n}" | grep -q '"created"' || return
        echo $n >"$dir/last.new" && mv "$dir/last.new" "$dir/last"
    done
}

count() { at "/$1/_count" | grep -o '"count":[0-9]*' | cut -d: -f2; }
sum() { (cd "$1" && find . -type f ! -name lock ! -name '*-shm' | sort | xargs md5sum); }
check() { "$store" check --data "$1" >"$dir/said" 2>&1; }
status() { # status WANTED COMMAND...
    local wanted=$1 got
    shift
    "$@" >"$dir/said" 2>&1
    got=$?
    [ $got -eq "$wanted" ] || { echo "status $got: $*"; cat "$dir/said"; false; }
}
said() { grep -q -- "$1" "$dir/said" || { cat "$dir/said"; false; }; }
on_store() { python3 -c 'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$@"; }

store_start || exit 1
load 3000
ok "a store that serves is whole" status 0 "$store" check --data "$store_data"
ok "and says how much it read" said '1 indices, 3000 documents: whole'

# ---- a copy while somebody writes
write_on &
writer=$!
for _ in $(seq 100); do [ -s "$dir/last" ] && break; sleep 0.05; done
before=$(cat "$dir/last")
ok "a copy is made while the store is written to" status 0 "$store" backup "$dir/copy" --data "$store_data"
kill $writer 2>/dev/null
wait $writer 2>/dev/null
ok "it is private" [ "$(stat -c %a "$dir/copy" "$dir/copy/store.db" | tr '\n' ' ')" = "700 600 " ]
ok "it is whole" status 0 "$store" check --data "$dir/copy"
ok "nothing else lies beside it" [ "$(ls "$dir/copy")" = store.db ]
cp -r "$dir/copy" "$dir/owned"
ok "a user is made" status 0 bash -c "echo secret-of-ann | $store passwd ann --data $dir/owned"
ok "who is copied as well" status 0 "$store" backup "$dir/owned-copy" --data "$dir/owned"
ok "word for word" cmp "$dir/owned/users" "$dir/owned-copy/users"
ok "and for nobody else" [ "$(stat -c %a "$dir/owned-copy/users")" = 600 ]
chmod 700 "$dir/owned-copy" && rm "$dir/owned-copy/store.db"
ok "what cannot be copied" status 1 "$store" backup "$dir/owned-copy" --data "$dir/owned/nowhere"
ok "is named" said 'is this the data folder'
copied=$(sum "$dir/copy")
ok "it is not written over" status 1 "$store" backup "$dir/copy" --data "$store_data"
ok "with the reason" said 'is there already'
ok "and stays as it was" [ "$(sum "$dir/copy")" = "$copied" ]
store_kill
kept=$(sum "$store_data")
ok "a copy is made of a store that was killed" status 0 "$store" backup "$dir/second" --data "$store_data"
ok "which changes nothing there" [ "$(sum "$store_data")" = "$kept" ]

# ---- start on the copies
original=$store_data
cp -r "$dir/copy" "$dir/started"
store_data=$dir/started
store_port=
store_start || exit 1
ok "the copy has all of the first index" [ "$(count many)" = 3000 ]
lines=$(count line)
ok "the copy has what was acknowledged before" [ "$lines" -ge "$before" ]
last=$(at /line/_search -H 'Content-Type: application/json' -d '{"size":1,"sort":[{"n":"desc"}]}' | grep -o '"n":[0-9]*' | cut -d: -f2)
ok "and is of one moment: nothing is missing in the middle" [ "$last" = "$lines" ]
store_kill
store_data=$dir/second
store_port=
store_start || exit 1
ok "the copy of the killed store has all that was acknowledged" [ "$(count line)" -ge "$(cat "$dir/last")" ]
store_kill
store_data=$original

# ---- keywords, whose words have numbers in the data file
store_start || exit 1
ok "keyword fields say what the documents say" status 0 python3 tests/store/keywords.py write "$store_port"
store_kill
store_port=
store_start || exit 1
ok "and after another start" status 0 python3 tests/store/keywords.py read "$store_port"
ok "and are whole" status 0 "$store" check --data "$store_data"
store_kill
on_store "$store_data/store.db" "DELETE FROM words WHERE word='Shop.Back3Server'"
ok "a lost word is damage" status 4 "$store" check --data "$store_data"
ok "of its rows" said 'index keywords: a keyword has lost its word (row 3)'

# ---- a data file that another version wrote
cp -r "$dir/copy" "$dir/older"
on_store "$dir/older/store.db" "PRAGMA user_version=1"
on_store "$dir/older/store.db" "DROP TABLE words"
ok "the store does not start on the file of another version" env TARS_ELASTICSEARCH_PORT=0 bash -c "! timeout 10 $store --data $dir/older 2>$dir/said"
ok "and says what to do" said 'is of version 1, this program reads 2.*tarsc es export.*another data folder'
ok "and makes nothing in it" [ -z "$(python3 -c 'import sqlite3,sys; print(*sqlite3.connect(sys.argv[1]).execute("SELECT name FROM sqlite_schema WHERE name=?", ("words",)))' "$dir/older/store.db")" ]

# ---- what is no store
ok "a folder without a store is named" status 1 "$store" check --data "$dir"
ok "with its file" said "$dir/store.db"
ok "nothing is copied from it" status 1 "$store" backup "$dir/none" --data "$dir"
ok "and nothing made" [ ! -e "$dir/none" ]
mkdir "$dir/garbage"
head -c 100000 /dev/urandom >"$dir/garbage/store.db"
garbage=$(sum "$dir/garbage")
ok "garbage is damage" status 4 "$store" check --data "$dir/garbage"
ok "garbage is not copied" status 1 "$store" backup "$dir/none2" --data "$dir/garbage"
ok "the store does not start on it" env TARS_ELASTICSEARCH_PORT=0 bash -c "! timeout 10 $store --data $dir/garbage 2>$dir/said"
ok "and says why" said 'not a database'
ok "and leaves it alone" [ "$(sum "$dir/garbage")" = "$garbage" ]
ok "unknown commands are refused" status 2 "$store" frobnicate --data "$store_data"
ok "as is a copy to nowhere" status 2 "$store" backup --data "$store_data"

# ---- damage
damaged() { rm -rf "$dir/damaged" && cp -r "$dir/second" "$dir/damaged"; }
number=$(python3 -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT id FROM indices WHERE name=?", ("many",)).fetchone()[0])' "$dir/second/store.db")
damaged
on_store "$dir/damaged/store.db" "DELETE FROM s$number WHERE seq=(SELECT max(seq) FROM s$number WHERE seq<=17)"
ok "a lost source is damage" status 4 "$store" check --data "$dir/damaged"
ok "of this index and row" said 'index many: a document has lost its source (row 17)'
damaged
on_store "$dir/damaged/store.db" "UPDATE s$number SET source=substr(source,1,8) WHERE seq=(SELECT max(seq) FROM s$number WHERE seq<=18)"
ok "a cut source is damage" status 4 "$store" check --data "$dir/damaged"
ok "of this row" said 'index many: a source .*(row 18)'
damaged
on_store "$dir/damaged/store.db" "DELETE FROM d$number WHERE seq BETWEEN (SELECT max(seq) FROM s$number WHERE seq<=19) AND
    (SELECT seq+more FROM s$number WHERE seq<=19 ORDER BY seq DESC LIMIT 1)"
ok "sources without a document are damage" status 4 "$store" check --data "$dir/damaged"
ok "and named" said 'index many: a block of sources belongs to no document (row '
damaged
on_store "$dir/damaged/store.db" "UPDATE indices SET mapping='{' WHERE name='many'"
ok "a broken mapping is damage" status 4 "$store" check --data "$dir/damaged"
ok "and named with its index" said 'index many: its mapping cannot be read'
damaged
size=$(stat -c %s "$dir/damaged/store.db")
for ((page = 20; page < size / 4096 - 5; page += 7)); do
    head -c 300 /dev/urandom | dd of="$dir/damaged/store.db" bs=1 seek=$((page * 4096 + 1000)) conv=notrunc status=none
done
ruins=$(sum "$dir/damaged")
ok "overwritten pages are damage" status 4 "$store" check --data "$dir/damaged"
ok "of an index" said '^index many: '
ok "and nothing was changed" [ "$(sum "$dir/damaged")" = "$ruins" ]
damaged
truncate -s $((size / 2)) "$dir/damaged/store.db"
ok "half a file is damage" status 4 "$store" check --data "$dir/damaged"
ok "half a file is not copied" status 1 "$store" backup "$dir/none3" --data "$dir/damaged"
ok "and no half copy stays" [ -z "$(ls "$dir/none3" 2>/dev/null)" ]

counted
