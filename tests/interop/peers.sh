#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The peers with each other, without anything of ours: what later fails against our programs and
# not here is ours.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"

declare -A port
for kind in node java go; do
    port[$kind]=$(free_port)
    config ${kind}1 "${kind^}Server" "tcp -h 127.0.0.1 -p ${port[$kind]} -t 60000"
    serve $kind ${kind}1
done
for kind in node java go; do
    wait_listen "${port[$kind]}" || give_up "a $kind server starts" "$(tail -n 5 "$work/${kind}1.log")"
done

value=$(node "$peers/node/generate.js" 7 1)
for kind in node java go; do
    for to_kind in node java go; do
        object="Interop.${to_kind^}Server.TypesObj@tcp -h 127.0.0.1 -p ${port[$to_kind]} -t 60000"
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
