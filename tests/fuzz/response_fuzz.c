/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as what a server sends: a client with two calls under way (a typed one with id 1, a raw
 * one with id 2) gets them over a real socket, then the connection ends. Both calls must end, each
 * once, whatever came. The first byte chooses the version of the calls.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <tars/client.h>

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct args {
    int32_t ret;
    struct tars_str_map map;
    struct tars_str_list list;
    struct tars_str text;
};

#define ARGS(member_) offsetof(struct args, member_)
static const struct tars_param params[] = {
    {"", 0, true, ARGS(ret), &tars_type_int32},
    {"map", 1, true, ARGS(map), &tars_type_str_map},
    {"list", 2, true, ARGS(list), &tars_type_str_list},
    {"text", 3, true, ARGS(text), &tars_type_bytes},
};

static volatile size_t sink;

static void deliver(void (*callback)(void), void *user, const struct tars_result *result,
                    void *values)
{
    const struct args *args = values;

    (void)callback;
    (void)result;
    for (size_t i = 0; i < args->list.len; i++)
        sink += args->list.at[i].len ? (size_t)args->list.at[i].at[args->list.at[i].len - 1] : 0;
    ++*(int *)user;
}

static const struct tars_function function = {.name = "all",
                                              .args_size = sizeof(struct args),
                                              .params = params,
                                              .param_count = 4,
                                              .deliver = deliver};

static void nothing(void)
{
}

static void on_raw(void *user, const struct tars_result *result, struct tars_str body)
{
    (void)result;
    for (size_t i = 0; i < body.len; i++)
        sink += (size_t)body.at[i];
    ++*(int *)user;
}

static void on_push(void *user, struct tars_str name, struct tars_str body)
{
    (void)user;
    sink += name.len + body.len;
}

/* One client for all runs; the listener is a socket without a name in the file system's way. */
struct bench {
    struct event_base *base;
    struct tars_client *client;
    struct tars_proxy *proxy;
    int listener;
};

static void open_bench(struct bench *b)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char object[sizeof at.sun_path + 64];

    log_set_level(LOG_LEVEL_NONE);
    snprintf(at.sun_path, sizeof at.sun_path, "/tmp/response_fuzz.%d", (int)getpid());
    unlink(at.sun_path);
    b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(b->listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(b->listener, 8) < 0)
        abort();
    snprintf(object, sizeof object, "Demo.Fuzz.FuzzObj@tcp -h %s -p 0", at.sun_path);
    b->base = event_base_new();
    b->client = tars_client_new_on(b->base, NULL);
    b->proxy = tars_proxy_get(b->client, object);
    tars_proxy_on_push(b->proxy, on_push, NULL);
}

static int take_connection(const struct bench *b)
{
    for (int i = 0; i < 1000; i++) {
        int fd = accept(b->listener, NULL, NULL);

        if (fd >= 0)
            return fd;
        event_base_loop(b->base, EVLOOP_NONBLOCK);
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct bench bench; /* a fuzzer has no other place that outlives a run */
    static const int versions[] = {1, 2, 3, 5};
    struct tars_call_options options = {.timeout_ms = 60000};
    int ended = 0, fd;
    char drop[4096];
    ssize_t n;

    if (!bench.base)
        open_bench(&bench);
    if (len == 0 || len > 65536)
        return 0;
    options.version = versions[bytes[0] % 4];
    tars_proxy_call_async(bench.proxy, &function, &(struct args){0}, &options, nothing, &ended);
    tars_proxy_call_raw(bench.proxy, "raw", tars_str("x"), &options, on_raw, &ended);
    fd = take_connection(&bench);
    for (int i = 0; i < 3; i++)
        event_base_loop(bench.base, EVLOOP_NONBLOCK);
    n = send(fd, bytes + 1, len - 1, MSG_NOSIGNAL);
    for (int i = 0; i < 3; i++)
        event_base_loop(bench.base, EVLOOP_NONBLOCK);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 1000 && recv(fd, drop, sizeof drop, MSG_DONTWAIT) != 0; i++)
        event_base_loop(bench.base, EVLOOP_NONBLOCK);
    close(fd);
    (void)n;
    if (ended != 2)
        abort();
    return 0;
}
