#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Change without loss: two instances of one object on different SDKs, each under tarscli, and a client of
# each SDK that calls all the time and asks the registry at a pace of its own. One instance is replaced
# the way Kubernetes does it (preStop hook, SIGTERM, a new pod with another address): no call of any
# client fails. The other server is killed with -9 and stays down: the registry's active list follows
# within the check interval. The C client loses what was on its way and no more; those of the other SDKs
# send calls after it until they look at the registry again, and lose none that began later.
# LOSSLESS_ROUNDS=N (1) replaces and kills servers of all SDKs in turn; with more than one round TarsJava
# asks the registry when it likes to, and drains are long enough for that.
. "$(dirname "$0")/lib.bash"
"$tests/prepare" node java || give_up "the peers can be installed"
suite

rounds=${LOSSLESS_ROUNDS:-1}
object=Interop.SteadyServer.TypesObj
kinds=(node java c)
clients=(c node java)
in_flight=4                                           # callers of a client
declare -A refresh=([c]=5000 [node]=3000 [java]=2000) # how often each asks the registry, ms
timeout_ms=1000                                       # of their calls
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

# crash POD
crash() {
    local killed took client settled
    touch "$work/$1/data/stop" # it stays down
    killed=$(now_ms)
    kill_hard "$(cat "$work/$1/pid")"
    until_true 10 is_inactive "$1"
    took=$(($(now_ms) - killed))
    expect "the registry hands out a killed ${kind_of[$1]} server no more within the check interval ($took ms)" '^1$' \
        $((took < check_ms + 500)) # and what asking takes
    sleep 5 # by now each client has asked the registry and its last call from before has timed out; see below
    expect_lost c "$killed" $in_flight "no more calls have failed than were on their way"
    expect_lost c $((killed + timeout_ms)) 0 "no call has failed that began after the crash"
    for client in node java; do
        settled=$((killed + refresh[$client] + timeout_ms + 500))
        [ "$(now_ms)" -gt $settled ] || not_ok "the $client client has been watched long enough"
        expect_lost "$client" $settled 0 "no call has failed that began after the client's look at the registry"
        echo "      $client lost $(lost "$client" "$killed") calls until then"
    done
    rm "$work/$1/data/stop"
    wait_active "$1"
    check "the C client calls it again when it is back" until_true 20 saw c "$1"
}

pod pod1 "${kinds[0]}"
pod pod2 "${kinds[1]}"
wait_active pod1
wait_active pod2
start_clients
check "every client calls both servers" until_true 60 eval 'all_saw pod1 && all_saw pod2'
for client in "${clients[@]}"; do expect_lost "$client" 0 0 "no call has failed so far"; done
for ((round = 1; round <= rounds; round++)); do
    replace "pod$round" "pod$((round + 2))" "${kinds[(round + 1) % 3]}"
    crash "pod$((round + 1))"
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
