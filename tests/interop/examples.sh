#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The servers of examples/ in folders as their Dockerfiles make them, under tarscli supervisor, called
# by name from C (tarsc call), Node.js and Java.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node hello-java || give_up "the peers can be installed"
check "make alone builds what the Dockerfiles take" grep -q '^all:.*/examples/simpleserver' <(make -C "$top" -npq all 2>/dev/null)
suite
ports=$(free_port)
export NODE_PATH=$peers/node/node_modules JAVA_OPTS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m"

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
# One process for all, which has cost a second by then.
greetings_java() {
    "${java[@]}" -cp "$peers/hello-java/target/classes:$peers/hello-java/target/lib/*" demo.Client "$locator" you "$@" 2>>"$work/java-client.log"
}

registered() {
    [[ $(found "$1") == 127.* ]]
}

declare -A supervisor server=([simpleserver]=SimpleServer [hello-node]=HelloNode [hello-java]=HelloJava [php-style]=PhpStyle)
declare -A language=([simpleserver]=C [hello-node]=Node.js [hello-java]=Java [php-style]=C)
examples=(simpleserver hello-node hello-java php-style)
for example in "${examples[@]}"; do
    mkdir -p "$work/$example"/{bin,conf,data,log}
    find "$top/examples/$example" -maxdepth 1 -type f -exec cp -t "$work/$example/bin" {} + # no folders: Java's are built ones
    cp "$BUILD/examples/simpleserver" "$work/$example/bin/"
    [ $example != hello-java ] || cp -r "$peers/hello-java/target"/{classes,lib} "$work/$example/bin/"
    variables $example
    start $example env "${env[@]}" "$BUILD/bin/tarscli" supervisor
    supervisor[$example]=$pid
done
objects=()
for example in "${examples[@]}"; do
    object=Demo.${server[$example]}.HelloObj
    objects+=("$object")
    until_true 20 tarscli $example hzcheck ||
        not_ok "$example is ready" "$(tail -n 5 "$work/$example/log/supervisor.log" "$work/$example/log/start.log")"
    check "$example is registered as active" until_true 5 registered "$object"
    check "$example is called from C" greets "$object" ${language[$example]}
    check "$example is called from Node.js" greets_node "$object" ${language[$example]}
done
expect "all of them are called from Java" '^Hello, you, from C Hello, you, from Node.js Hello, you, from Java Hello, you, from C$' \
    "$(greetings_java "${objects[@]}" | paste -sd' ')"
for example in "${examples[@]}"; do
    check "$example is drained" tarscli $example prestop
    check_finds 3 "$example is gone from the registry" "Demo.${server[$example]}.HelloObj" "- -"
    kill -TERM "${supervisor[$example]}"
    wait "${supervisor[$example]}"
    expect "the supervisor of $example ends with 0" '^0$' "$?"
done
finish
