#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Change without loss: two instances of one object on different SDKs, each under tarscli, and a client of
# each SDK that calls all the time and asks the registry at a pace of its own. One instance is replaced
# the way Kubernetes does it (preStop hook, SIGTERM, a new pod with another address): no call of any
# client fails. The other server is killed with -9: the registry's active list follows within the check
# interval, and clients lose what was on its way and no more, though each goes on calling the dead address
# until it looks at the registry again.
# LOSSLESS_ROUNDS=N (1) replaces and kills servers of all SDKs in turn; with more than one round TarsJava
# asks the registry when it likes to, and drains are long enough for that.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java go || give_up "the peers can be installed"
suite

rounds=${LOSSLESS_ROUNDS:-1}
object=Interop.SteadyServer.TypesObj
kinds=(go java c node)
clients=(c node java go)
in_flight=4                                           # callers of a client
declare -A refresh=([c]=5000 [node]=3000 [java]=2000 [go]=4000) # how often each asks the registry, ms
timeout_ms=1000                                       # the most that their calls take
drain=7s                                              # longer than the slowest of them
late=()
if [ "$rounds" -gt 1 ]; then
    drain=35s
    late=(-Dlate=true)
fi
check_ms=500
ports=$(free_port)
hosts=0

# ---- pods ---------------------------------------------------------------------------------------

# variables POD: what tarscli has in its environment there.
declare -A supervisor address kind_of
variables() {
    env=(TARS_PATH="$work/$1" POD_IP="${address[$1]}" TARS_LOCATOR="$locator" TARS_CHECK_INTERVAL=${check_ms}ms
        TARS_CHECK_RETRY_TIMEOUT=0 TARS_PRESTOP_WAITTIME=$drain TARS_RAND_PORT_MIN="$ports"
        TARS_RAND_PORT_MAX=$((ports + 300)) NAME="${kind_of[$1]}")
}
tarscli() {
    local env
    variables "$1"
    env "${env[@]}" "$BUILD/bin/tarscli" "${@:2}"
}

# pod NAME KIND: a new pod with an address of its own, and a server of that kind.
pod() {
    local path=$work/$1 config='$TARS_PATH/conf/SteadyServer.conf' run env
    hosts=$((hosts + 1))
    address[$1]=127.0.0.$((10 + hosts))
    kind_of[$1]=$2
    case $2 in
    c) run="$BUILD/tests/interop/server --config=$config" ;;
    node) run="node $peers/node/server.js $config" ;;
    go) run="$peers/go/peer --config=$config" ;;
    java) run="${java[*]} -Dconfig=$config -cp $(classpath) com.qq.tars.server.startup.Main" ;;
    esac
    mkdir -p "$path"/{bin,conf,data,log}
    printf 'application: Interop\nserver: SteadyServer\nadapters:\n  - object: TypesObj\n' >"$path/bin/_server_meta.yaml"
    printf '#!/bin/sh\necho $$ >$TARS_PATH/pid\nexec %s\n' "$run" >"$path/bin/start.sh"
    chmod +x "$path/bin/start.sh"
    variables "$1"
    start "$1" env "${env[@]}" "$BUILD/bin/tarscli" supervisor
    supervisor[$1]=$pid
}

is_active() {
    local all
    all=$(found "$object")
    [[ ${all% *} == *"${address[$1]}:"* ]]
}
is_inactive() {
    local all
    all=$(found "$object")
    [[ ${all#* } == *"${address[$1]}:"* ]]
}
is_gone() {
    [[ $(found "$object") != *"${address[$1]}:"* ]]
}
wait_active() {
    until_true 30 is_active "$1" || give_up "${kind_of[$1]} serves in $1" "$(tail -n 5 "$work/$1"/log/*.log)"
}

# ---- clients --------------------------------------------------------------------------------------

declare -A caller
start_clients() {
    local client command
    for client in "${clients[@]}"; do
        case $client in
        c) command=("$BUILD/tests/interop/steady") ;;
        node) command=(node "$peers/node/steady.js") ;;
        go) command=("$peers/go/peer" steady) ;;
        java) command=("${java[@]}" "${late[@]}" -cp "$(classpath)" interop.Steady) ;;
        esac
        "${command[@]}" "$object" "$locator" "${refresh[$client]}" "$(mktemp -d "$work/data.XXXXXX")" \
            </dev/null >"$work/calls-$client" 2>"$work/errors-$client" &
        caller[$client]=$!
        started+=("$!")
    done
}

# saw CLIENT POD: the server that runs there now has answered that client.
saw() {
    grep -qx "sees ${kind_of[$2]} $(cat "$work/$2/pid")" "$work/calls-$1"
}
all_saw() {
    local client
    for client in "${clients[@]}"; do saw "$client" "$1" || return 1; done
}

# lost CLIENT SINCE_MS: how many of its calls have failed since then.
lost() {
    awk -v since="$2" '$1 == "failed" && $2 >= since {n++} END {print n + 0}' "$work/calls-$1"
}
# expect_lost CLIENT SINCE_MS MOST WHAT
expect_lost() {
    local n
    n=$(lost "$1" "$2")
    if [ "$n" -le "$3" ] && kill -0 "${caller[$1]}"; then
        ok "$4 ($1: $n)"
    else
        not_ok "$4 ($1: $n)" "$(tail -n 9 "$work/calls-$1" "$work/errors-$1")"
    fi
}

# ---- what happens to them ---------------------------------------------------------------------------

# replace OLD NEW KIND
replace() {
    local client began
    began=$(now_ms)
    check "the ${kind_of[$1]} server is drained" tarscli "$1" prestop
    check "and is out of the registry" is_gone "$1"
    kill -TERM "${supervisor[$1]}"
    wait "${supervisor[$1]}"
    expect "its supervisor ends with 0" '^0$' "$?"
    pod "$2" "$3"
    wait_active "$2"
    check "every client calls the $3 server in its place" until_true 60 all_saw "$2"
    for client in "${clients[@]}"; do expect_lost "$client" "$began" 0 "no call has failed"; done
}

# crash POD HOW SECONDS: its server is killed, and comes back by itself or stays down for a while.
crash() {
    local killed took client ended=$((timeout_ms + 500)) # some SDKs tell a lost call at its time-out
    [ "$2" = "comes back" ] || touch "$work/$1/data/stop"
    killed=$(now_ms)
    kill_hard "$(cat "$work/$1/pid")"
    until_true 10 is_inactive "$1"
    took=$(($(now_ms) - killed))
    expect "the registry hands out a killed ${kind_of[$1]} server no more within the check interval ($took ms)" '^1$' \
        $((took < check_ms + 500)) # and what asking takes
    sleep "$3" # longer than a call takes; when it stays down each client asks the registry meanwhile
    for client in "${clients[@]}"; do
        expect_lost "$client" "$killed" $in_flight "no more calls have failed than were on their way, the server $2"
        expect_lost "$client" $((killed + ended)) 0 "and none that began after the crash"
    done
    rm -f "$work/$1/data/stop"
    wait_active "$1"
    check "every client calls it when it is back" until_true 60 all_saw "$1"
    for client in "${clients[@]}"; do
        expect_lost "$client" $((killed + ended)) 0 "and no call has failed since"
    done
}

pod pod1 "${kinds[0]}"
pod pod2 "${kinds[1]}"
wait_active pod1
wait_active pod2
start_clients
check "every client calls both servers" until_true 60 eval 'all_saw pod1 && all_saw pod2'
for client in "${clients[@]}"; do expect_lost "$client" 0 0 "no call has failed so far"; done
for ((round = 1; round <= rounds; round++)); do
    replace "pod$round" "pod$((round + 2))" "${kinds[(round + 1) % ${#kinds[@]}]}"
    crash "pod$((round + 1))" "comes back" 2.5
    crash "pod$((round + 2))" "stays down" 6
done
for client in "${clients[@]}"; do
    kill -TERM "${caller[$client]}"
    wait "${caller[$client]}"
    expect "the $client client has called all the time" '^calls [0-9]{3,} failed [0-9]+$' "$(tail -n 1 "$work/calls-$client")"
done
for ((i = rounds + 1; i <= rounds + 2; i++)); do # nobody waits for drains any more
    kill -TERM "${supervisor[pod$i]}"
    until_true 5 grep -q 'signal 15' "$work/pod$i/log/supervisor.log"
    kill -TERM "${supervisor[pod$i]}"
done
finish
