#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Unmodified servers of each SDK under tarscli, with nothing but metadata and a start script: found by
# name and called by clients of every language, told administrator's commands, drained and gone.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"
suite

# tarscli KIND ARGUMENT...: in the pod of that kind. variables KIND: what it has in its environment.
variables() {
    env=(TARS_PATH="$work/pod-$1" POD_IP=127.0.0.1 TARS_LOCATOR="$locator" TARS_CHECK_INTERVAL=500ms
        TARS_PRESTOP_WAITTIME=1s TARS_RAND_PORT_MIN="$ports" TARS_RAND_PORT_MAX=$((ports + 300)) NAME="$1")
}
tarscli() {
    local env
    variables "$1"
    env "${env[@]}" "$BUILD/bin/tarscli" "${@:2}"
}

# pod KIND COMMAND...: a folder as an image brings it, and the supervisor on it.
declare -A supervisor
pod() {
    local kind=$1 path=$work/pod-$1 env
    shift
    mkdir -p "$path"/{bin,conf,data,log}
    cat >"$path/bin/_server_meta.yaml" <<EOF
version: v1
application: Interop
server: ${kind^}Pod
adapters:
  - object: TypesObj
EOF
    printf '#!/bin/sh\nexec %s\n' "$*" >"$path/bin/start.sh"
    chmod +x "$path/bin/start.sh"
    variables "$kind"
    start "pod-$kind" env "${env[@]}" "$BUILD/bin/tarscli" supervisor
    supervisor[$kind]=$pid
}
registered() {
    [[ $(found "$1") == 127.* ]]
}
# beats KIND: its supervisor has had a heartbeat of the server.
beats() {
    local node
    node=$(sed -n 's/^ *node=//p' "$work/pod-$1/conf/${1^}Pod.conf")
    "$BUILD/bin/tarsc" call "$node" getLatestKeepAliveTime '{}' | grep -q '"tars_ret":"*[1-9]'
}
ports=$(free_port)

pod c "$BUILD/tests/interop/server" '--config=$TARS_PATH/conf/CPod.conf'
pod node node "$peers/node/server.js" '$TARS_PATH/conf/NodePod.conf'
pod go "$peers/go/peer" '--config=$TARS_PATH/conf/GoPod.conf'
pod java "${java[@]}" '-Dconfig=$TARS_PATH/conf/JavaPod.conf' -cp "$(classpath)" com.qq.tars.server.startup.Main

for kind in c node java go; do
    if until_true 30 tarscli $kind hzcheck && until_true 5 registered "Interop.${kind^}Pod.TypesObj"; then
        ok "the probe is content with a $kind server"
    else
        not_ok "the probe is content with a $kind server" "$(tail -n 5 "$work/pod-$kind/log/supervisor.log" "$work/pod-$kind/log/start.log")"
    fi
done
for client in c node java go; do
    for kind in c node java go; do
        client $client $client-$kind "Interop.${kind^}Pod.TypesObj" "$locator"
        ask $client-$kind 'who {}'
        expect "a $client client finds and calls the $kind server" "\"ret\":\"$kind\"" "$answer"
    done
done
for kind in c java go; do # Tars.js knows a node only with an agent of its own
    check "heartbeats of the $kind server come" until_true 12 beats $kind
done
# TarsGo can hand its ports to a successor, which then is the supervisor's server.
answers_anew() {
    ask c-go 'who {}'
    [[ $answer =~ \"pid\":([0-9]+) ]] && [ "${BASH_REMATCH[1]}" != "$1" ] && ! kill -0 "$1"
}
followed() {
    grep -q 'heartbeat comes from another process' "$work/pod-go/log/supervisor.log"
}
ask c-go 'who {}'
old=${answer##*:}
old=${old%%\}*}
expect "the go server is told to restart gracefully" '^notify succ:' "$(tarscli go notify tars.gracerestart 2>&1)"
check "its successor answers and it ends" until_true 15 answers_anew "$old"
check "the supervisor goes on with the successor" until_true 15 followed
expect "and did not start one itself" '^1$' "$(grep -c 'started as process' "$work/pod-go/log/supervisor.log")"
check "the probe is content with the successor" tarscli go hzcheck
for kind in c node java go; do
    # Tars.js opens no local endpoint by itself
    [ $kind = node ] || expect "the $kind server tells its version" '^notify succ:.+' "$(tarscli $kind notify tars.viewversion 2>&1)"
    check "the $kind server is drained" tarscli $kind prestop
    check_finds 3 "the registry has forgotten the $kind server" "Interop.${kind^}Pod.TypesObj" "- -"
    kill -TERM "${supervisor[$kind]}"
done
for kind in c node java go; do
    wait "${supervisor[$kind]}"
    expect "the supervisor of the $kind server ends with 0" '^0$' "$?"
done

# ---- the same on a laptop -------------------------------------------------------------------------

run_object=Interop.GoRun.TypesObj
variables run
start run env "${env[@]}" TARS_PRESTOP_WAITTIME=0 "$BUILD/bin/tarsc" run --locator "$locator" --data "$work/run" \
    --app Interop --server GoRun --servant TypesObj -- "$peers/go/peer" '--config={config}'
check "a TarsGo server under tarsc run is registered" until_true 10 registered $run_object
for client in c node java go; do
    tell $client-go ":object $run_object"
    ask $client-go 'who {}'
    expect "a $client client finds and calls it" '"ret":"run"' "$answer"
done
kill -TERM "$pid"
wait "$pid"
expect "tarsc run ends with the server's status" '^0$' "$?"
check_finds 3 "the registry has forgotten that one" $run_object "- -"
finish
