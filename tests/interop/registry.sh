#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The main job: servers of the official SDKs are registered as K8STARS registers them, and clients of
# the official SDKs and ours, given nothing but the locator, find them by name and call them.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java || give_up "the peers can be installed"
suite

declare -A port
launch() { # launch KIND NAME SERVER
    port[$2]=$(free_port)
    config "$2" "$3" "tcp -h 127.0.0.1 -p ${port[$2]} -t 60000" "$locator"
    serve "$1" "$2"
    wait_listen "${port[$2]}" || give_up "the $1 server starts" "$(tail -n 5 "$work/$2.log")"
}
launch node node1 NodeServer
launch node node2 NodeServer
launch java java1 JavaServer
launch c c1 CServer

node_object=Interop.NodeServer.TypesObj
check "an object that nobody registered is unknown, not an error" finds $node_object "- -"

# ---- found by name --------------------------------------------------------------------------------

register node1 127.0.0.1 NodeServer 1000 "${port[node1]}"
register java1 127.0.0.1 JavaServer 1000 "${port[java1]}"
register c1 127.0.0.1 CServer 1000 "${port[c1]}"
one=127.0.0.1:${port[node1]}
for server in Node Java C; do
    name=${server,}1
    check "the $server server is active as soon as it is reported" until_true 3 finds "Interop.${server}Server.TypesObj" "127.0.0.1:${port[$name]} -"
done
for kind in node java c; do
    client $kind $kind unused "$locator"
    for server in Node Java C; do
        tell $kind ":object Interop.${server}Server.TypesObj"
        ask $kind 'who {}'
        expect "a $kind client finds the $server server by name and calls it" "\"ret\":\"${server,}1\"" "$answer"
    done
done

functions=$(node "$peers/node/find.js" "$locator" $node_object 2>&1)
for function in findObjectById findObjectById4Any findObjectById4All findObjectByIdInSameGroup findObjectByIdInSameSet; do
    expect "$function of @tars/registry gets the endpoint" "(^|
)$function 0 $one -" "$functions"
done
expect "findObjectByIdInSameStation of @tars/registry is answered" "findObjectByIdInSameStation (0 $one -|-1 - -)" "$functions"

# ---- the active list follows ------------------------------------------------------------------------

kill -USR1 "${reporter[node1]}"
check "a server that is reported inactive leaves the active list at once" until_true 2 finds $node_object "- $one"
kill -TERM "${reporter[node1]}"
check "a server that says it stops is gone at once" until_true 2 finds $node_object "- -"
register node1 127.0.0.1 NodeServer 1000 "${port[node1]}"
check "a server that starts again is active at once" until_true 3 finds $node_object "$one -"

# Long enough to show the interval it keeps: without one the registry waits longer.
sleep 4
kill -9 "${reporter[node1]}"
sleep 8
check "a server that falls silent stays active for at least ten seconds" finds $node_object "$one -"
check "a server that falls silent leaves the active list after three of its intervals" until_true 8 finds $node_object "- $one"
register node1 127.0.0.1 NodeServer 1000 "${port[node1]}"
check "a killed server that starts again is active at once" until_true 3 finds $node_object "$one -"

# ---- two copies ---------------------------------------------------------------------------------------

register node2 127.0.0.2 NodeServer 1000 "${port[node2]}"
both=$(printf '%s\n' "$one" "127.0.0.1:${port[node2]}" | sort | paste -sd,)
check "two copies are both active" until_true 3 finds $node_object "$both -"
for kind in node java c; do
    client $kind $kind-two $node_object "$locator"
    names=
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
        ask $kind-two 'who {}'
        [[ $answer =~ \"ret\":\"(node[12])\" ]] && names+=" ${BASH_REMATCH[1]}"
    done
    ones=$(grep -o node1 <<<"$names" | wc -l)
    twos=$(grep -o node2 <<<"$names" | wc -l)
    check "calls of a $kind client spread over both copies" test $ones -ge 3 -a $twos -ge 3
done

# A copy dies while calls are running: only the one under way may fail.
declare -A pids
pids[node2]=$(pgrep -f "$work/node2.conf" | head -n 1)
failures=0
for i in $(seq 60); do
    [ "$i" != 20 ] || kill -9 "${pids[node2]}"
    ask c-two 'who {}'
    [[ $answer == *'"ret":"node'* ]] || failures=$((failures + 1))
done
check "our client loses no more than the call under way when a copy is killed ($failures failed)" test $failures -le 1
kill -TERM "${reporter[node2]}"
check "the other copy stays" until_true 3 finds $node_object "$one -"
for kind in node java c; do
    client $kind $kind-one $node_object "$locator"
    failures=0
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        ask $kind-one 'who {}'
        [[ $answer == *'"ret":"node1"'* ]] || failures=$((failures + 1))
    done
    check "no call of a $kind client fails once a copy is taken out" test $failures -eq 0
done

kill -TERM "$suite_pid"
ended() { ! kill -0 "$suite_pid" 2>/dev/null; }
check "tarsc up ends when it is told to" until_true 15 ended
finish
