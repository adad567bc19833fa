#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The servers of examples/ in folders as their Dockerfiles make them, under tarscli supervisor, called
# by name from C (tarsc call) and from Node.js.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node || give_up "the peers can be installed"
suite
ports=$(free_port)
export NODE_PATH=$peers/node/node_modules

variables() {
    env=(TARS_PATH="$work/$1" POD_IP=127.0.0.1 TARS_LOCATOR="$locator" TARS_CHECK_INTERVAL=500ms SERVER_VERSION=1.0
        TARS_PRESTOP_WAITTIME=1s TARS_RAND_PORT_MIN="$ports" TARS_RAND_PORT_MAX=$((ports + 300)))
}
tarscli() {
    local env
    variables "$1"
    env "${env[@]}" "$BUILD/bin/tarscli" "${@:2}"
}

greets() {
    "$BUILD/bin/tarsc" call --locator "$locator" --tars "$top/examples/Hello.tars" "$1" hello '{"name":"you"}' | grep -q "Hello, you, from $2"
}
greets_node() {
    node "$top/examples/hello-node/client.js" "$locator" "$1" you | grep -q "Hello, you, from $2"
}

registered() {
    [[ $(found "$1") == 127.* ]]
}

declare -A supervisor server=([simpleserver]=SimpleServer [hello-node]=HelloNode [php-style]=PhpStyle)
for example in simpleserver hello-node php-style; do
    mkdir -p "$work/$example"/{bin,conf,data,log}
    cp "$top/examples/$example"/* "$BUILD/examples/simpleserver" "$work/$example/bin/"
    variables $example
    start $example env "${env[@]}" "$BUILD/bin/tarscli" supervisor
    supervisor[$example]=$pid
done
for example in simpleserver hello-node php-style; do
    object=Demo.${server[$example]}.HelloObj
    language=C
    [ $example != hello-node ] || language=Node.js
    until_true 20 tarscli $example hzcheck ||
        not_ok "$example is ready" "$(tail -n 5 "$work/$example/log/supervisor.log" "$work/$example/log/start.log")"
    check "$example is registered as active" until_true 5 registered "$object"
    check "$example is called from C" greets "$object" $language
    check "$example is called from Node.js" greets_node "$object" $language
    check "$example is drained" tarscli $example prestop
    check_finds 3 "$example is gone from the registry" "$object" "- -"
    kill -TERM "${supervisor[$example]}"
    wait "${supervisor[$example]}"
    expect "the supervisor of $example ends with 0" '^0$' "$?"
done
finish
