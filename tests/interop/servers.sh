#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Our client calls servers of the official SDKs: every type, every version, over TCP and UDP, and
# failures as those servers report them.
. "$(dirname "$0")/lib.bash"
. "$tests/calls.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"
make_values 25

declare -A object
for kind in node java go; do
    udp=$(free_port)
    config $kind-udp "${kind^}Server" "udp -h 127.0.0.1 -p $udp"
    serve $kind $kind-udp
    object[$kind-udp]="Interop.${kind^}Server.TypesObj@udp -h 127.0.0.1 -p $udp"
    port=$(free_port)
    config $kind "${kind^}Server" "tcp -h 127.0.0.1 -p $port -t 60000"
    serve $kind $kind
    wait_listen "$port" || give_up "the $kind server starts" "$(tail -n 5 "$work/$kind.log")"
    object[$kind]="Interop.${kind^}Server.TypesObj@tcp -h 127.0.0.1 -p $port -t 60000"
done

for kind in node java go; do
    for version in 1 2 3 5; do
        [ $kind != go ] || [ $version = 1 ] || continue # what tars2go 1.1 writes
        name=$kind-$version
        client c "$name" "${object[$kind]}"
        tell "$name" ":version $version"
        values=any
        [ $kind != java ] || values=java
        every_type "$kind server, version $version" c "${object[$kind]}" $version $values
        parameters "$kind server, version $version" "$name"
    done
    large "$kind server" c "${object[$kind]}"
    name=$kind-1

    ask "$name" ping
    equals "$kind server answers a ping" '{"out":{}}'
    ask "$name" 'nosuch {}'
    case $kind in
    go) expect "go server: an unknown function ends with its code for any error" '^\{"error":1,.*func mismatch' "$answer" ;;
    *) expect "$kind server: an unknown function ends with -3" '^\{"error":-3,' "$answer" ;;
    esac
    tell "$name" ":timeout 200"
    ask "$name" 'slow {"ms":1500}'
    expect "$kind server: a call that takes too long ends with the timeout code" '^\{"error":-7,' "$answer"
    tell "$name" ":timeout 3000"
    ask "$name" 'slow {"ms":20}'
    expect "$kind server is called again after a timeout" '"slept":20' "$answer"
    tell "$name" ":oneway 1"
    ask "$name" 'poke {"by":100}'
    equals "$kind server: a one-way call returns at once" '{"out":{}}'
    tell "$name" ":oneway 0"
    check "$kind server: a one-way call arrives" until_true 5 poked "$name" 100

    client c $kind-udp "${object[$kind-udp]}"
    ask $kind-udp "containers {$containers}"
    equals "$kind server over UDP: containers and structures" "{\"ret\":0,\"out\":{$rcontainers}}"
done

ask node-1 'fail {"code":77,"text":"no such shelf"}'
expect "a code that a Tars.js servant chose arrives with its text" '^\{"error":77,"message":".*no such shelf' "$answer"
ask go-1 'fail {"code":77,"text":"no such shelf"}'
expect "a code that a TarsGo servant chose arrives with its text" '^\{"error":77,"message":".*no such shelf' "$answer"
ask java-1 'fail {"code":77,"text":"no such shelf"}'
# TarsJava has a code of its own for an exception that nobody caught
expect "an exception of a TarsJava servant arrives as its code for that" '^\{"error":-98,' "$answer"
tell java-1 ":object ${object[java]/TypesObj/OtherObj}"
ask java-1 'who {}'
expect "a servant that the TarsJava server has not ends with -4" '^\{"error":-4,' "$answer"
tell go-1 ":object ${object[go]/TypesObj/OtherObj}"
ask go-1 'who {}'
expect "a TarsGo server goes by the port and does not look at the servant's name" '"ret":"go"' "$answer"
finish
