#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The server that docs/sdk.md begins with, exactly as it stands there, called by clients of the
# official SDKs.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"

read -ra sanitize <<<"${SAN:+-fsanitize=$SAN}"
read -ra libraries <<<"$(pkg-config --libs libevent libevent_pthreads openssl zlib)"
build() {
    cd "$work" && "$top/docs/examples/extract" "$top/docs/sdk.md" . && "$BUILD/bin/tars2c" -o . shapes.tars &&
        "${CC:-gcc}" -std=c11 -D_GNU_SOURCE "${sanitize[@]}" -I"$top/include" -I. -o shapes_server \
            shapes_server.c shapes.c "$BUILD/lib/libtars.a" "${libraries[@]}" -lm -pthread
}
output=$(build 2>&1) || give_up "the listing builds" "$output"

serving=$(free_port)
admin=$(free_port)
sed -e "s/ 10006 / $admin /; s/ 10007 / $serving /; s|logpath=.*|logpath=$work/logs|" "$work/shapes.conf" >"$work/server.conf"
cd "$work" || give_up "the test has a folder"
start shapes ./shapes_server --config=server.conf
wait_listen "$serving" || give_up "the listing serves" "$(tail -n 5 "$work/shapes.log")"
object="Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p $serving -t 60000"

expect "a Tars.js client calls it" '^area 6 returned 0$' "$(node "$peers/node/shapes.js" "$object" 2>&1)"
expect "a TarsJava client calls it" '(^|
)area 6.0 returned 0$' "$("${java[@]}" -cp "$(classpath)" interop.Shapes "$object" 2>&1)"
expect "a TarsGo client calls it" '^area 6 returned 0$' "$("$peers/go/peer" shapes "$object" 2>&1)"
expect "tarsc call calls it" '"value":6[,}]' "$("$BUILD/bin/tarsc" call --tars shapes.tars "$object" area \
    '{"corners":[{"x":0,"y":0},{"x":2,"y":0},{"x":2,"y":3},{"x":0,"y":3}]}' 2>&1)"
finish
