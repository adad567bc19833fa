#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The main job: unmodified servers of the official SDKs are registered as K8STARS registers them, and
# clients of the official SDKs and ours, given nothing but the locator, find them by name and call
# them, while servers stop, are killed and come back.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"
suite
# To TarsGo two instances on one address are one.
declare -A port host=([node2]=127.0.0.2)

# launch KIND NAME SERVER: starts the server on a port of its own.
launch() {
    port[$2]=$(free_port)
    config "$2" "$3" "tcp -h ${host[$2]:-127.0.0.1} -p ${port[$2]} -t 60000" "$locator"
    serve "$1" "$2"
}
ready() {
    wait_listen "${port[$1]}" || give_up "$1 starts" "$(tail -n 5 "$work/$1.log")"
}
at() { echo "${host[$1]:-127.0.0.1}:${port[$1]}"; }

# answers CLIENT: how many of so many calls in a row each server answers, "failed" for the others.
answers() {
    for _ in $(seq "$2"); do
        ask "$1" 'who {}'
        if [[ $answer =~ \"ret\":\"([a-z0-9]+)\" ]]; then echo "${BASH_REMATCH[1]}"; else echo "failed: $answer" | tee -a "$work/failures.log"; fi
    done
}
# many TEXT WORD: how many lines of the text begin so.
many() { grep -c "^$2" <<<"$1"; }

launch node node1 NodeServer
launch java java1 JavaServer
launch go go1 GoServer
launch c c1 CServer
node_object=Interop.NodeServer.TypesObj
java_object=Interop.JavaServer.TypesObj
check_finds 1 "an object that nobody registered is unknown, not an error" $node_object "- -"
for name in node1 java1 go1 c1; do ready $name; done

# ---- found by name --------------------------------------------------------------------------------

register node1 127.0.0.1 NodeServer 1000 "${port[node1]}"
register java1 127.0.0.1 JavaServer 1000 "${port[java1]}"
register go1 127.0.0.1 GoServer 1000 "${port[go1]}"
register c1 127.0.0.1 CServer 1000 "${port[c1]}"
for server in Node Java Go C; do
    check_finds 2 "the $server server is active as soon as it is reported" "Interop.${server}Server.TypesObj" "$(at ${server,}1) -"
done
for kind in node java go c; do
    REFRESH=5000 client $kind $kind unused "$locator"
done
for server in Node Java Go C; do
    object=Interop.${server}Server.TypesObj
    for kind in node java go c; do
        tell $kind ":object $object"
        ask $kind 'who {}'
        expect "a $kind client finds the $server server by name and calls it" "\"ret\":\"${server,}1\"" "$answer"
    done
    expect "tarsc call finds the $server server by name and calls it" "\"tars_ret\":\"${server,}1\"" \
        "$(call $object who '{}' --tars "$tests/AllTypes.tars" 2>&1)"
done

# ---- the active list follows ------------------------------------------------------------------------

kill -USR1 "${reporter[node1]}"
check_finds 1 "a server that is reported inactive leaves the active list at once" $node_object "- $(at node1)"
unregister node1
check "a server may say that it stops" test $? -eq 0
check_finds 1 "a server that says that it stops is gone at once" $node_object "- -"
kill_hard "${process[node1]}"
launch node node1 NodeServer
ready node1
register node1 127.0.0.1 NodeServer 1000 "${port[node1]}"
check_finds 2 "a server that starts again is active at once" $node_object "$(at node1) -"

# Two copies, of which one goes in peace: nobody notices.
launch node node2 NodeServer
ready node2
HOST=${host[node2]} register node2 127.0.0.2 NodeServer 1000 "${port[node2]}"
both="$(printf '%s\n' "$(at node1)" "$(at node2)" | sort | paste -sd,)"
check_finds 2 "two copies are both active" $node_object "$both -"
for kind in node java go c; do
    REFRESH=5000 client $kind $kind-two $node_object "$locator"
    got=$(answers $kind-two 20)
    check "calls of a $kind client spread over both copies" test "$(many "$got" node1)" -ge 6 -a "$(many "$got" node2)" -ge 6
done
kill -USR1 "${reporter[node2]}" # TarsGo breaks calls off to what vanishes without a word
check_finds 1 "the other copy stays" $node_object "$(at node1) $(at node2)"
# K8STARS gives clients more than a minute to ask again; TarsJava asks for the first time after its
# interval and up to 30 s more.
end=$(($(now_ms) + 45000))
got=
while :; do
    now=
    for kind in node java go c; do now+=$(answers $kind-two 4)$'\n'; done
    got+=$now
    [ "$(many "$now" node2)" -gt 0 ] && [ "$(now_ms)" -lt $end ] || break
    sleep 0.2
done
unregister node2
check_finds 1 "the copy that was taken out is gone" $node_object "$(at node1) -"
kill -TERM "${process[node2]}"
for kind in node java go c; do
    got+=$(answers $kind-two 10)$'\n'
    last=$(answers $kind-two 10)
    check "a $kind client calls only the copy that is left" test "$(many "$last" node1)" -eq 10
done
check "no call failed while a copy was taken out" test "$(many "$got" failed)" -eq 0 -a "$(many "$got" node2)" -gt 0

# ---- kill -9 --------------------------------------------------------------------------------------------

launch node node2 NodeServer
ready node2
HOST=${host[node2]} register node2 127.0.0.2 NodeServer 1000 "${port[node2]}"
both="$(printf '%s\n' "$(at node1)" "$(at node2)" | sort | paste -sd,)"
check_finds 2 "a copy may come back" $node_object "$both -"
client c c-both $node_object "$locator"
check "our client calls both copies" test "$(many "$(answers c-both 20)" node2)" -ge 6
sleep 3.5 # so that all of them have shown their interval
killed=$(now_ms)
kill_hard "${process[node2]}" "${reporter[node2]}" "${process[java1]}" "${reporter[java1]}"
got=$(answers c-both 60)
check "our client loses no more than the call under way when a copy is killed" test "$(many "$got" failed)" -le 1
sleep $(((9000 - $(now_ms) + killed) / 1000))
check_finds 1 "a killed server stays in the active list for three of its intervals, at least ten seconds" $java_object "$(at java1) -"
check_finds 5 "a killed server leaves the active list after that" $java_object "- $(at java1)"
check_finds 1 "so does a killed copy" $node_object "$(at node1) $(at node2)"
for kind in node java go c; do
    client $kind $kind-late $node_object "$locator"
    check "no call of a $kind client goes to a killed copy that left the list" test "$(many "$(answers $kind-late 10)" node1)" -eq 10
done
launch java java1 JavaServer
ready java1
register java1 127.0.0.1 JavaServer 1000 "${port[java1]}"
check_finds 2 "a killed server that starts again, elsewhere, is active at once" $java_object "$(at java1) -"
for kind in node java go c; do
    client $kind $kind-again $java_object "$locator"
    check "a $kind client finds the server that started again" test "$(many "$(answers $kind-again 3)" java1)" -eq 3
done
check_finds 1 "servers that report steadily were active all the time" Interop.CServer.TypesObj "$(at c1) -"

# ---- the registry and its store are killed --------------------------------------------------------------

suite_kill
got=
for kind in node java go c; do got+=$(answers $kind-again 5)$'\n'; done
check "clients go on calling what they have found while the registry is away" test "$(many "$got" java1)" -eq 20
suite_start
check_finds 2 "registrations are there again at once after kill -9 of registry and store" $java_object "$(at java1) -"
check_finds 1 "and so is what was known of a dead copy" $node_object "$(at node1) $(at node2)"
for kind in node java go c; do
    client $kind $kind-anew $node_object "$locator"
    check "a new $kind client finds a server through the registry that came back" test "$(many "$(answers $kind-anew 3)" node1)" -eq 3
done
unregister node1
check "a server that was registered before the kill can say that it stops" test $? -eq 0
check_finds 1 "and it is gone at once" $node_object "- $(at node2)"

kill -TERM "$suite_pid"
ended() { ! kill -0 "$suite_pid" 2>/dev/null; }
check "tarsc up ends when it is told to" until_true 15 ended
sort "$work/failures.log" 2>/dev/null | uniq -c | cut -c1-300
finish
