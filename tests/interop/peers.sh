#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The peers with each other, without anything of ours: what later fails against our programs and
# not here is ours.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java || give_up "the peers can be installed"

node_port=$(free_port)
java_port=$(free_port)
config node1 NodeServer "tcp -h 127.0.0.1 -p $node_port -t 60000"
config java1 JavaServer "tcp -h 127.0.0.1 -p $java_port -t 60000"
serve node node1
serve java java1
wait_listen "$node_port" || give_up "a Tars.js server starts" "$(tail -n 5 "$work/node1.log")"
wait_listen "$java_port" || give_up "a TarsJava server starts" "$(tail -n 5 "$work/java1.log")"

value=$(node "$peers/node/generate.js" 7 1)
for kind in node java; do
    for to_kind in node java; do
        case $to_kind in node) object="Interop.NodeServer.TypesObj@tcp -h 127.0.0.1 -p $node_port -t 60000" ;; *) object="Interop.JavaServer.TypesObj@tcp -h 127.0.0.1 -p $java_port -t 60000" ;; esac
        name=$kind-$to_kind
        client $kind "$name" "$object"
        ask "$name" 'who {}'
        expect "$kind client is answered by the $to_kind server" "\"ret\":\"${to_kind}1\"" "$answer"
        ask "$name" "mirror {\"value\":$value}"
        expect "$kind client gets AllTypes back from the $to_kind server" '^\{"ret":\{' "$answer"
        ask "$name" 'slow {"ms":50}'
        expect "$kind client waits for the $to_kind server" '"slept":50' "$answer"
    done
done
finish
