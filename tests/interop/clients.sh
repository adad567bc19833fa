#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Clients of the official SDKs call our server: every type, every version they speak, over TCP and
# UDP, and failures as those clients expect them.
. "$(dirname "$0")/lib.bash"
. "$tests/calls.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"
make_values 25

tcp=$(free_port)
udp=$(free_port)
config c1 CServer "tcp -h 127.0.0.1 -p $tcp -t 60000"
config c2 CServer "udp -h 127.0.0.1 -p $udp"
serve c c1
serve c c2
wait_listen "$tcp" || give_up "our server starts" "$(tail -n 5 "$work/c1.log")"
object="Interop.CServer.TypesObj@tcp -h 127.0.0.1 -p $tcp -t 60000"

for kind in node java go c; do
    for version in 1 2 3 5; do
        # The clients of TarsJava and TarsGo speak only version 1, that of Tars.js no JSON.
        case $kind-$version in java-[235] | go-[235] | node-5) continue ;; esac
        name=$kind-$version
        client $kind "$name" "$object"
        [ $kind = java ] || tell "$name" ":version $version"
        values=any
        [ $kind != java ] || values=java
        every_type "$kind client, version $version" $kind "$object" $version $values
        parameters "$kind client, version $version" "$name"
    done
    large "$kind client" $kind "$object"
    name=$kind-1
    tell "$name" ":timeout 200"
    ask "$name" 'slow {"ms":1500}'
    # the server, which is told the caller's timeout, may be the first to say so (-6)
    case $kind in
    node) expect "node client: a slow call ends with a timeout's code" '^\{"error":(-13001|-6),' "$answer" ;;
    java) expect "java client: a slow call ends with a timeout's exception" '"error":"(TimeoutException|ClientException)".*time|-6' "$answer" ;;
    go) expect "go client: a slow call ends with a timeout's error" '^\{"error":(1,.*timeout|-6,)' "$answer" ;;
    c) expect "c client: a slow call ends with a timeout's code" '^\{"error":-[67],' "$answer" ;;
    esac
    tell "$name" ":timeout 3000"
    ask "$name" 'slow {"ms":20}'
    expect "$kind client goes on after a timeout" '"slept":20' "$answer"
done

ask node-1 'fail {"code":77,"text":"no such shelf"}'
equals "node client gets the servant's code and text" '{"error":77,"message":"no such shelf"}'
ask java-1 'fail {"code":77,"text":"no such shelf"}'
expect "java client gets an exception with the servant's text" '"error":"[A-Za-z]+".*(77|no such shelf)' "$answer"
ask go-1 'fail {"code":77,"text":"no such shelf"}'
equals "go client gets the servant's code and text" '{"error":77,"message":"no such shelf"}'
ask c-1 'fail {"code":77,"text":"no such shelf"}'
expect "c client gets the servant's code and text" '^\{"error":77,"message":".*no such shelf' "$answer"
ask node-3 'fail {"code":77,"text":"no such shelf"}'
expect "node client gets the servant's code in version 3" '^\{"error":77' "$answer"

for kind in node go c; do
    ask $kind-1 'nosuch {}'
    expect "$kind client: an unknown function ends with -3" '^\{"error":-3,' "$answer"
    client $kind $kind-other "${object/TypesObj/OtherObj}"
    ask $kind-other 'who {}'
    expect "$kind client: an unknown servant ends with -4" '^\{"error":-4,' "$answer"
done
client java java-other "${object/TypesObj/OtherObj}"
ask java-other 'who {}'
expect "java client: an unknown servant ends in an exception" '"error":"[A-Za-z]+"' "$answer"

poked=0
for kind in node go; do
    tell $kind-1 ":oneway 1"
    ask $kind-1 'poke {"by":100}'
    tell $kind-1 ":oneway 0"
    poked=$((poked + 100))
    check "$kind client: a one-way call arrives" until_true 5 poked $kind-1 $poked
done

for kind in node java go c; do
    client $kind $kind-udp "Interop.CServer.TypesObj@udp -h 127.0.0.1 -p $udp"
    ask $kind-udp "containers {$containers}"
    equals "$kind client over UDP: containers and structures" "{\"ret\":0,\"out\":{$rcontainers}}"
done
finish
