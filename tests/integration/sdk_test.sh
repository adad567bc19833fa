#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds and runs exactly the listings of docs/sdk.md, with the library and tars2c of this build.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
build=$root/${BUILD:-build}
case ${BUILD:-} in /*) build=$BUILD ;; esac
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT
passed=0 failed=0

check() { # check NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        head -n 30 "$work/out"
    fi
}

read -ra sanitize <<<"${SAN:+-fsanitize=$SAN}"
cc=${CC:-gcc}
case $cc in cc | c99) cc=gcc ;; esac
read -ra libraries <<<"$(pkg-config --libs libevent libevent_pthreads openssl zlib)"

free_ports() { # free_ports N: that many different loopback ports that are free now
    python3 - "$1" <<'PYTHON'
import random, socket, sys
sockets = []  # below the ports of outgoing connections, which would take them
while len(sockets) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(10000, 32000)))
        sockets.append(s)
    except OSError:
        s.close()
print(*[s.getsockname()[1] for s in sockets])
PYTHON
}
wait_port() {
    local i
    for i in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    echo "nothing listens on port $1"
    return 1
}

generate() {
    docs/examples/extract docs/sdk.md "$work" && [ -s "$work/shapes_server.c" ] &&
        (cd "$work" && "$build/bin/tars2c" -o . shapes.tars && "$build/bin/tars2c" -o . orders.tars)
}
compile() { # compile PROGRAM GENERATED...
    (cd "$work" && "$cc" -std=c11 -Wall -Wextra -Werror -D_GNU_SOURCE "${sanitize[@]}" \
        -I"$root/include" -I. -o "$1" "$1.c" "${@:2}" "$build/lib/libtars.a" "${libraries[@]}" -lm -pthread)
}
start() { # start PROGRAM PORT: with PROGRAM's configuration
    (cd "$work" && exec "./$1" --config="$1.conf") >>"$work/$1.log" 2>&1 &
    pids+=($!)
    last_pid=$!
    wait_port "$2" || { cat "$work/$1.log"; return 1; }
}
stops_with_status_0() { # stops_with_status_0 PID
    kill -TERM "$1" && wait "$1"
}
says() { # says TEXT COMMAND...
    local text=$1 output
    shift
    output=$("$@" 2>&1)
    echo "$output"
    [ "$output" = "$text" ]
}

read -r shapes_admin shapes_port orders_admin orders_port <<<"$(free_ports 4)"
shapes_object="Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p $shapes_port"
dead_object="Demo.ShapeServer.ShapesObj@tcp -h 127.0.0.1 -p 1"

configure_shapes() {
    sed -e "s/-p 10006/-p $shapes_admin/" -e "s/-p 10007/-p $shapes_port/" "$work/shapes.conf" \
        >"$work/shapes_server.conf"
}
# Without a framework at hand: the references to it go, and the file says where the other server is.
configure_orders() {
    sed -e "s/-p 10008/-p $orders_admin/" -e "s/-p 10009/-p $orders_port/" \
        -e '/^ *\(locator\|stat\|property\|node\|log\|config\|notify\)=/d' "$work/orders.conf" \
        >"$work/orders_server.conf"
    printf '<orders>\nshapes=%s\n</orders>\n' "$shapes_object" >>"$work/orders_server.conf"
    printf '<prices>\nunit=5\n</prices>\n' >"$work/prices.conf"
}

# What a caller of the orders server does, as in the listing of the client.
write_orders_client() {
    cat >"$work/orders_client.c" <<'SOURCE'
#include "orders.h"
#include <stdio.h>
#include <tars/tars.h>

static void on_answer(struct tars_str answer, struct tars_arena *arena)
{
    struct tars_reader reader;
    struct tars_str text;

    tars_reader_init(&reader, answer.at, answer.len, arena);
    if (tars_read_str(&reader, 0, TARS_REQUIRE, &text))
        printf("%" TARS_STR_FMT, TARS_STR_ARG(text));
}

int main(int argc, char **argv)
{
    struct tars_client *client = tars_client_new(NULL);
    struct demo_point_list rectangle = DEMO_POINT_LIST({0, 0}, {2, 0}, {2, 3}, {0, 3});
    double total = 0;
    int failed = 0;

    if (argc > 2) {
        struct tars_arena *arena = tars_arena_new(0);
        struct tars_writer body;
        struct tars_str answer;

        tars_writer_init(&body);
        tars_write_str(&body, 1, tars_str(argv[2]));
        failed = tars_proxy_call_raw_blocking(tars_proxy_get(client, argv[1]), "notify",
                                              tars_str_n(body.at, body.len), arena, &answer, NULL)
                     .error;
        if (!failed)
            on_answer(answer, arena);
        tars_writer_free(&body);
        tars_arena_free(arena);
    } else {
        struct tars_result result =
            demo_orders_price(tars_proxy_get(client, argv[1]), &rectangle, &total);
        failed = result.error;
        if (failed)
            printf("%s\n", result.message);
        else
            printf("total %g\n", total);
    }
    tars_client_free(client);
    return failed != 0;
}
SOURCE
    compile orders_client orders.c shapes.c
}

orders_object="Demo.OrderServer.OrdersObj@tcp -h 127.0.0.1 -p $orders_port"
admin_object="AdminObj@tcp -h 127.0.0.1 -p $orders_admin"

reload_says_new_prices() {
    printf '<prices>\nunit=7\n</prices>\n' >"$work/prices.conf"
    "$work/orders_client" "$admin_object" reload | grep -q 'new prices'
}
orders_fail_with_the_reason() {
    local output
    output=$("$work/orders_client" "$orders_object" 2>&1) && return 1
    echo "$output"
    echo "$output" | grep -q 'the area is not to be had'
}
client_fails_with_the_reason() {
    local output
    output=$("$work/shapes_client" "$dead_object" 2>&1) && return 1
    echo "$output"
    echo "$output" | grep -q 'Demo.ShapeServer.ShapesObj'
}
orders_left_a_day_log() {
    cat "$work"/logs/Demo/OrderServer/Demo.OrderServer_orders_2*.log | grep -q '|area 6$'
}
bad_configuration_is_told() {
    local output
    output=$("$work/shapes_server" --config="$work/nothing.conf" 2>&1) && return 1
    [ $? -ne 0 ] && echo "$output" && echo "$output" | grep -q nothing.conf
}

check listings_are_extracted_and_interfaces_compile generate
check server_listing_builds compile shapes_server shapes.c
check client_listing_builds compile shapes_client shapes.c
check asynchronous_client_listing_builds compile shapes_async shapes.c
check configurations_are_prepared configure_shapes
check orders_configuration_is_prepared configure_orders
check service_listing_builds compile orders_server orders.c shapes.c
check orders_client_builds write_orders_client
check server_starts_from_its_listed_configuration start shapes_server "$shapes_port"
shapes_pid=${last_pid:-0}
check client_gets_the_area says "area 6" "$work/shapes_client" "$shapes_object"
check asynchronous_client_gets_three_areas says $'area 1\narea 4\narea 9' "$work/shapes_async" "$shapes_object"
check client_without_a_server_says_why client_fails_with_the_reason
check service_starts_from_its_listed_configuration start orders_server "$orders_port"
orders_pid=${last_pid:-0}
check service_answers_later says "total 30" "$work/orders_client" "$orders_object"
check administrator_reloads_prices reload_says_new_prices
check new_prices_hold says "total 42" "$work/orders_client" "$orders_object"
check server_stops_cleanly stops_with_status_0 "$shapes_pid"
check service_fails_with_the_reason orders_fail_with_the_reason
check service_stops_cleanly stops_with_status_0 "$orders_pid"
check day_log_lines_stand_in_a_file orders_left_a_day_log
check a_missing_configuration_is_told bad_configuration_is_told
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
