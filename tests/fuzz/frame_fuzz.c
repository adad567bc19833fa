/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes from a stranger on a connection of a real server: framing, request packets, dispatch,
 * parameters in every version, answers. The first byte says how the rest is cut into pieces. What
 * the server answers must be whole frames that can be read.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/packet.h"
#include "rpc/server_connection.h"
#include "rpc/server_worker.h"

enum { PIECES = 8, ANSWERS_MAX = 4 * 1024 * 1024 };

static const char conf_text[] = "<tars>\n<application>\n<server>\napp=A\nserver=S\nworkers=1\n"
                                "datapath=build/fuzz\nlogpath=build/fuzz/frame-log\n"
                                "maxPackageLength=100000\n<O>\nservant=A.S.O\n"
                                "endpoint=tcp -h 127.0.0.1 -p 1\n</O>\n</server>\n</application>\n"
                                "</tars>\n";

struct args {
    struct tars_str text, copy;
    struct tars_str_map map;
    struct tars_int32_list numbers;
};

static void mix(struct tars_call *call, const void *handlers, void *args)
{
    struct args *a = args;
    (void)handlers;
    a->copy = a->text;
    tars_reply_context(call, "seen", tars_call_node_name(call));
    if (a->numbers.len == 3)
        tars_call_fail(call, a->numbers.at[0], "three numbers");
}

#define PARAM(name_, tag_, out_, member_, type_)                                                   \
    {                                                                                              \
        name_, tag_, out_, offsetof(struct args, member_), &tars_type_##type_                      \
    }

static const struct tars_param params[] = {
    PARAM("text", 1, false, text, str), PARAM("map", 2, true, map, str_map),
    PARAM("numbers", 3, false, numbers, int32_list), PARAM("copy", 4, true, copy, str)};
static const struct tars_function functions[] = {
    {"mix", sizeof(struct args), params, 4, 0, mix, NULL}};
static const struct tars_interface interface = {"A.I", functions, 1};
static void (*const handlers[1])(void) = {abort};

static struct server_worker *worker; /* made once for all inputs */

static void make_worker(void)
{
    log_set_level(LOG_LEVEL_NONE);
    struct tars_conf *conf = tars_conf_parse(tars_str(conf_text), NULL);
    struct tars_server *server = tars_server_new_conf(conf);
    tars_conf_free(conf);
    tars_server_serve(server, "O", &interface, handlers, NULL);
    server->worker_count = 1;
    server->workers = calloc(1, sizeof *server->workers);
    worker = server->workers[0] = server_worker_new(server, 0);
}

static void turn(void)
{
    event_base_loop(loop_base(worker->loop), EVLOOP_NONBLOCK);
}

/* Takes what the server has sent and checks that it is frames. */
static void check_answers(int fd)
{
    static char bytes[ANSWERS_MAX];
    size_t have = 0, at = 0, len;
    ssize_t n;
    while ((n = recv(fd, bytes + have, sizeof bytes - have, MSG_DONTWAIT)) > 0) {
        have += (size_t)n;
        turn();
    }
    struct tars_arena *arena = tars_arena_new(0);
    while (rpc_frame_find(bytes + at, have - at, RPC_FRAME_LIMIT_MAX, &len) == RPC_FRAME_COMPLETE) {
        struct rpc_response a;
        struct tars_str frame = tars_str_n(bytes + at, len);
        if (!rpc_response_read(frame, arena, &a, NULL) &&
            !rpc_tup_response_read(frame, arena, &a, NULL))
            abort();
        if (a.ret < -99 || a.packet_type != 0 || (a.ret && !a.description.len))
            abort();
        at += len;
    }
    if (at != have)
        abort();
    tars_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    union server_address peer = {.any = {.sa_family = AF_UNIX}};
    if (size < 2)
        return 0;
    if (!worker)
        make_worker();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
        return 0;
    server_connection_open(&worker->listeners[0], ends[0], &peer);
    size_t piece = 1 + size * (data[0] % PIECES) / PIECES;
    for (size_t at = 1; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        if (send(ends[1], data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        turn();
    }
    check_answers(ends[1]);
    close(ends[1]);
    turn();
    if (worker->connections)
        server_connection_close(worker->connections);
    return 0;
}
