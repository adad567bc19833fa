#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Random values of AllTypes as bytes: ours, and those of four other codecs, are the same and mean the
# same.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java go python || give_up "the peers can be installed"
seed=${SEED:-$RANDOM}
echo "SEED=$seed"
count=50

# codec WHO encode|decode: from standard input to standard output.
codec() {
    case $1 in
    c) "$BUILD/tests/interop/codec" "$2" ;;
    node) node "$peers/node/codec.js" "$2" ;;
    java) "${java[@]}" -cp "$(classpath)" interop.Codec "$2" ;;
    go) "$peers/go/peer" codec "$2" ;;
    python) "$peers/python/bin/python" "$peers/python/codec.py" "$2" ;;
    esac 2>>"$work/$1.log"
}
same() { node "$peers/node/codec.js" same "$1" "$2"; }

# Members that may be left out are all there, away from their defaults: everybody writes them.
full=$work/full.json
node "$peers/node/generate.js" "$seed" $count canonical >"$full"
codec c encode <"$full" >"$work/full.c" || give_up "our codec encodes" "$(tail -n 5 "$work/c.log")"
for who in node java go python; do
    codec $who encode <"$full" >"$work/full.$who" || not_ok "$who encodes" "$(tail -n 5 "$work/$who.log")"
    codec c decode <"$work/full.$who" >"$work/full.$who.json" || not_ok "ours decodes what $who wrote" "$(tail -n 5 "$work/c.log")"
    check "what $who encodes, ours decodes to the same values" same "$full" "$work/full.$who.json"
    codec $who decode <"$work/full.c" >"$work/full.c.$who.json" || not_ok "$who decodes ours" "$(tail -n 5 "$work/$who.log")"
    check "what ours encodes, $who decodes to the same values" same "$full" "$work/full.c.$who.json"
done
check "ours writes the bytes that Tars.js writes" cmp "$work/full.c" "$work/full.node"
check "ours writes the bytes that tarsio writes" cmp "$work/full.c" "$work/full.python"

# Maps of Java and Go have an order of their own: compared where no map has two entries.
node "$peers/node/generate.js" "$seed" $count canonical single >"$work/single.json"
codec c encode <"$work/single.json" >"$work/single.c"
codec java encode <"$work/single.json" >"$work/single.java"
check "ours writes the bytes that TarsJava writes" cmp "$work/single.c" "$work/single.java"
codec go encode <"$work/single.json" >"$work/single.go"
check "ours writes the bytes that TarsGo writes" cmp "$work/single.c" "$work/single.go"

# Anything goes: zero floats, members left out, negative keys. Only the values can be compared.
any=$work/any.json
node "$peers/node/generate.js" "$seed" $count >"$any"
codec c encode <"$any" >"$work/any.c"
codec c decode <"$work/any.c" >"$work/any.c.json"
check "ours reads its own members left out at their defaults" same "$any" "$work/any.c.json"
codec node decode <"$work/any.c" >"$work/any.node.json"
check "Tars.js reads our members left out at their defaults" same "$any" "$work/any.node.json"
codec node encode <"$any" | codec c decode >"$work/any.c.json"
check "ours reads the zero floats of Tars.js and its members at their defaults" same "$any" "$work/any.c.json"
codec go decode <"$work/any.c" >"$work/any.go.json"
check "TarsGo reads our members left out at their defaults" same "$any" "$work/any.go.json"
codec go encode <"$any" | codec c decode >"$work/any.c.json"
check "ours reads what TarsGo leaves out at its default" same "$any" "$work/any.c.json"
codec python decode <"$work/any.c" >"$work/any.python.json"
check "tarsio reads our members left out at their defaults" same "$any" "$work/any.python.json"
finish
