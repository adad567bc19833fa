# SPDX-License-Identifier: BSD-3-Clause
# What the interop tests share: peers as servers and clients, free ports, counting, cleaning up.
# A test sources this file, calls `check NAME COMMAND...` and ends with `finish`.

set -u
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$tests/../.." && pwd)
BUILD=${BUILD:-$top/build}
case $BUILD in /*) ;; *) BUILD=$top/$BUILD ;; esac
peers=$top/build/interop
work=$(mktemp -d "${TMPDIR:-/tmp}/tarsc-interop.XXXXXX")
passed=0
failed=0
started=()
export NODE_NO_WARNINGS=1
unset NODE_OPTIONS TARS_CONFIG

# Everything gets the time to stop by itself (the suite stops its daemons), stragglers none.
cleanup() {
    local left=100
    trap '' INT TERM
    alive && kill -CONT "${running[@]}" && kill "${running[@]}"
    while alive && [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.05
    done
    ! alive || kill -9 "${running[@]}"
    wait
    rm -rf "$work"
} 2>/dev/null

# alive: what was started and still runs, in $running.
alive() {
    local pid
    running=()
    for pid in "${started[@]}"; do kill -0 "$pid" && running+=("$pid"); done
    [ ${#running[@]} -gt 0 ]
} 2>/dev/null
trap cleanup EXIT
trap 'exit 1' INT TERM

# ---- counting -----------------------------------------------------------------------------------

ok() {
    passed=$((passed + 1))
    echo "ok - $1"
}

not_ok() {
    failed=$((failed + 1))
    echo "FAIL - $1"
    [ $# -lt 2 ] || printf '%.1500s\n' "$2" | sed 's/^/    /'
}

# check BEHAVIOUR COMMAND...: the command's success is the behaviour.
check() {
    local behaviour=$1 output
    shift
    if output=$("$@" 2>&1); then ok "$behaviour"; else not_ok "$behaviour" "$output"; fi
}

# expect BEHAVIOUR PATTERN TEXT: the text matches the extended regular expression.
expect() {
    if [[ $3 =~ $2 ]]; then ok "$1"; else not_ok "$1" "wanted $2, got: $3"; fi
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# What cannot go on at all: said as a failure.
give_up() {
    not_ok "$1" "${2:-}"
    finish
}

# ---- processes ----------------------------------------------------------------------------------

# A port that nobody listens on, below the range that the kernel hands out by itself: nothing but
# another test could take it before the server does.
free_port() {
    local port
    while :; do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
        ! port_taken "$port" || continue
        echo "$port"
        return
    done
}

port_taken() {
    grep -qi "$(printf ':%04X ' "$1")" /proc/net/tcp /proc/net/tcp6 /proc/net/udp 2>/dev/null ||
        grep -q "@tars-test-port-$1\$" /proc/net/unix # claimed by a C test, which may restart its server
}

# start NAME COMMAND...: runs it in the background, its output in $work/NAME.log, its process in $pid.
start() {
    local name=$1
    shift
    "$@" </dev/null >>"$work/$name.log" 2>&1 &
    pid=$!
    started+=("$pid")
}

listens() {
    grep -qiE "$(printf ':%04X [0-9A-F:]+ 0A' "$1")" /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# until_true SECONDS COMMAND...: tries again and again.
until_true() {
    local end
    end=$(($(now_ms) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt $end ] || return 1
        sleep 0.05
    done
}

now_ms() {
    echo "${EPOCHREALTIME/[.,]/}" | sed 's/...$//'
}

# kill_hard PID...: as if the power went, without bash's word on it.
kill_hard() {
    kill -9 "$@"
    wait "$@"
} 2>/dev/null

wait_listen() {
    until_true 30 listens "$1"
}

# ---- peers as servers ---------------------------------------------------------------------------

# config NAME SERVER ENDPOINT [LOCATOR]: an ordinary start-up file in $work/NAME.conf for
# Interop.SERVER with the servant TypesObj at ENDPOINT.
config() {
    local name=$1 server=$2 endpoint=$3 locator=${4:-} admin
    admin=$(free_port)
    mkdir -p "$work/$name"
    cat >"$work/$name.conf" <<EOF
<tars>
  <application>
    enableset=n
    setdivision=NULL
    <server>
      app=Interop
      server=$server
      localip=127.0.0.1
      nodename=127.0.0.1
      local=tcp -h 127.0.0.1 -p $admin -t 10000
      basepath=$work/$name
      datapath=$work/$name
      logpath=$work/$name/log
      logLevel=ERROR
      loglevel=ERROR
      ${EXTRA_SERVER:-}
      <Interop.$server.TypesObjAdapter>
        allow
        endpoint=$endpoint
        handlegroup=Interop.$server.TypesObjAdapter
        maxconns=1024
        protocol=tars
        queuecap=10000
        queuetimeout=60000
        servant=Interop.$server.TypesObj
        threads=2
      </Interop.$server.TypesObjAdapter>
    </server>
    <client>
      ${locator:+locator=$locator}
      stat=tars.tarsstat.StatObj
      property=tars.tarsproperty.PropertyObj
      modulename=Interop.$server
      refresh-endpoint-interval=5000
      report-interval=60000
      async-invoke-timeout=5000
      sync-invoke-timeout=3000
    </client>
  </application>
</tars>
EOF
}

java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xmx256m
    --add-exports java.base/sun.reflect.generics.reflectiveObjects=ALL-UNNAMED)

classpath() {
    echo "$peers/java/target/classes:$(cat "$peers/java/classpath")"
}

# serve KIND NAME: runs the peer (node, java, go or c) with $work/NAME.conf; its process is in
# ${process[NAME]}.
declare -A process
serve() {
    case $1 in
    node) NAME=$2 start "$2" node "$peers/node/server.js" "$work/$2.conf" ;;
    java)
        NAME=$2 start "$2" "${java[@]}" -Dconfig="$work/$2.conf" -cp "$(classpath)" com.qq.tars.server.startup.Main
        ;;
    go) NAME=$2 start "$2" "$peers/go/peer" --config="$work/$2.conf" ;;
    c) NAME=$2 start "$2" "$BUILD/tests/interop/server" --config="$work/$2.conf" ;;
    esac
    process[$2]=$pid
}

# ---- peers as clients ---------------------------------------------------------------------------

declare -A to from

# client KIND NAME OBJECT [LOCATOR]: a client that stays; `ask NAME LINE` makes a call through it.
client() {
    local kind=$1 name=$2 object=$3 locator=${4:-} in out command
    mkfifo "$work/$name.in" "$work/$name.out"
    exec {in}<>"$work/$name.in" {out}<>"$work/$name.out"
    to[$name]=$in
    from[$name]=$out
    client_command "$kind" "$object" "$locator"
    "${command[@]}" <"$work/$name.in" >"$work/$name.out" 2>>"$work/$name.log" {in}>&- {out}>&- &
    started+=("$!")
}

# The command of a client into the array `command`.
client_command() {
    case $1 in
    node) command=(node "$peers/node/client.js" "$2" "${3:-}") ;;
    java)
        command=("${java[@]}" -Drefresh="${REFRESH:-60000}" -cp "$(classpath)" interop.Client "$2" "${3:-}" "$(mktemp -d "$work/data.XXXXXX")")
        ;;
    go) command=("$peers/go/peer" client "$2" "${3:-}") ;;
    c) command=("$BUILD/tests/interop/client" "$2" "${3:-}") ;;
    esac
}

# batch KIND OBJECT FILE: all calls in the file through one client, the answers on standard output.
batch() {
    local command
    client_command "$1" "$2"
    "${command[@]}" <"$3" 2>>"$work/batch.log"
}

# ask NAME LINE: the answer is in $answer.
ask() {
    answer=
    printf '%s\n' "$2" >&"${to[$1]}"
    IFS= read -r -t "${ASK_SECONDS:-30}" answer <&"${from[$1]}" || answer="no answer within ${ASK_SECONDS:-30} s; $(tail -n 5 "$work/$1.log" 2>/dev/null)"
}

# tell NAME SETTING: a line that has no answer (":timeout 500").
tell() {
    printf '%s\n' "$2" >&"${to[$1]}"
}

# ---- our registry -------------------------------------------------------------------------------

# suite: `tarsc up` in a folder and on ports of its own; sets $locator and $store_url.
suite() {
    local port
    while :; do
        suite_offset=$((500 + RANDOM % 14000)) # below the kernel's own range
        for port in 9200 9280 17890 17891 17892 17897; do
            ! port_taken $((port + suite_offset)) || continue 2
        done
        break
    done
    store_url=http://127.0.0.1:$((9200 + suite_offset))
    locator="tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p $((17890 + suite_offset)) -t 60000"
    suite_start
}

suite_start() {
    start suite "$BUILD/bin/tarsc" up --data "$work/suite" --port-offset "$suite_offset"
    suite_pid=$pid
    wait_listen $((17890 + suite_offset)) && wait_listen $((17891 + suite_offset)) ||
        give_up "tarsc up starts the registry" "$(tail -n 20 "$work/suite.log")"
}

# suite_kill: as if the power went.
suite_kill() {
    local daemons
    mapfile -t daemons < <(pgrep -P "$suite_pid")
    kill_hard "$suite_pid" "${daemons[@]}"
}

# register NAME NODE SERVER INTERVAL_MS PORT: reports Interop.SERVER's TypesObj on NODE, at PORT of
# $HOST or 127.0.0.1 and in the set $SET, as tarscli would; the reporter's process is in
# ${reporter[NAME]}.
declare -A reporter
register() {
    start "register-$1" "$BUILD/tests/interop/register" "$locator" "$2" "Interop.$3" "$4" \
        "Interop.$3.TypesObj=tcp -h ${HOST:-127.0.0.1} -p $5 -t 60000"
    reporter[$1]=$pid
}

# unregister NAME: the reporter says onPrestop and ends.
unregister() {
    kill -TERM "${reporter[$1]}" && wait "${reporter[$1]}"
}

# call OBJECT FUNCTION [JSON] [ARGUMENT...]: tarsc call, given nothing but the locator.
call() {
    local object=$1 function=$2 json=${3:-"{}"}
    shift 2
    [ $# -eq 0 ] || shift
    "$BUILD/bin/tarsc" call --locator "$locator" "$@" "$object" "$function" "$json"
}

# endpoints: "127.0.0.1:1,127.0.0.1:2", or "-", from the JSON of a list on standard input.
endpoints() {
    local list
    list=$(grep -o '"host":"[^"]*","port":[0-9]*' | sed 's/"host":"//; s/","port"//' | sort | paste -sd,)
    echo "${list:--}"
}

# found OBJECT: the registry's active and inactive endpoints.
found() {
    local answer
    answer=$(call tars.tarsregistry.QueryObj findObjectById4Any "{\"id\":\"$1\"}" 2>&1) || echo "$answer"
    echo "$(endpoints <<<"${answer%%\"inactiveEp\"*}") $(endpoints <<<"${answer#*\"inactiveEp\"}")"
}

finds() {
    [ "$(found "$1")" = "$2" ]
}

# check_finds SECONDS BEHAVIOUR OBJECT WANTED: within so many seconds that is what is found.
check_finds() {
    if until_true "$1" finds "$3" "$4"; then
        ok "$2"
    else
        not_ok "$2" "wanted $4, found $(found "$3"); $(tail -n 3 "$work"/register-*.log)"
    fi
}
