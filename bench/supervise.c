/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * supervise SERVERS PORT FOLDER: a supervisor of that many servers, as tarscli has one: output
 * captured, a port that is checked, state kept. Each is this program with `serve PORT`, which
 * listens and does nothing. Writes "ready MS" when all are active; SIGTERM stops them all and ends
 * it.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "loop/loop.h"
#include "supervise/supervise.h"

enum { CHECK_MS = 10000, RETRY_MS = 1000, CONNECT_MS = 1000 };

struct bench {
    struct loop *loop;
    struct supervisor *sup;
    int wanted;
    int64_t began;
    bool ready;
};

/* ---- a server
 * ------------------------------------------------------------------------------------- */

static int serve(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 16) != 0) {
        perror("supervise: serve");
        return 1;
    }
    for (;;) {
        int peer = accept(fd, NULL, NULL);
        if (peer >= 0)
            close(peer);
    }
}

/* ---- the supervisor
 * ------------------------------------------------------------------------------- */

static void on_event(void *user, struct sup_server *server, const struct sup_event *event)
{
    struct bench *b = user;
    int active = 0;

    (void)server;
    if (b->ready || event->kind != SUP_EVENT_STATE)
        return;
    for (struct sup_server *s = sup_next(b->sup, NULL); s; s = sup_next(b->sup, s))
        active += sup_state(s).present == SUP_ACTIVE;
    if (active < b->wanted)
        return;
    b->ready = true;
    printf("ready %lld\n", (long long)(clock_ms() - b->began));
    fflush(stdout);
}

static bool add(struct bench *b, const char *program, const char *folder, int n, int port)
{
    char *name = xasprintf("server%d", n), *port_text = xasprintf("%d", port);
    char *log = xasprintf("%s/%s.log", folder, name);
    const char *argv[] = {program, "serve", port_text, NULL};
    const struct sup_check check = {.kind = SUP_CHECK_TCP,
                                    .host = "127.0.0.1",
                                    .port = (uint16_t)port,
                                    .interval_ms = CHECK_MS,
                                    .retry_ms = RETRY_MS,
                                    .timeout_ms = CONNECT_MS};
    const struct sup_spec spec = {.name = name,
                                  .launch = {.argv = argv},
                                  .output = {.kind = SUP_OUTPUT_CAPTURE, .path = log},
                                  .checks = &check,
                                  .check_count = 1};
    struct tars_error error;
    struct sup_server *server = sup_add(b->sup, &spec, &error);

    if (server)
        sup_start(server);
    else
        fprintf(stderr, "supervise: %s\n", error.text);
    free(log);
    free(port_text);
    free(name);
    return server != NULL;
}

static void on_stopped(void *user)
{
    struct bench *b = user;

    loop_stop(b->loop);
}

static void on_signal(void *arg, int number)
{
    struct bench *b = arg;

    (void)number;
    sup_stop_all(b->sup, on_stopped, b);
}

int main(int argc, char **argv)
{
    struct bench b = {.began = clock_ms()};
    struct tars_error error;
    int port;

    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)atoi(argv[2]));
    if (argc != 4) {
        fprintf(stderr, "usage: supervise SERVERS PORT FOLDER\n");
        return 2;
    }
    b.wanted = atoi(argv[1]);
    port = atoi(argv[2]);
    char *state = xasprintf("%s/state", argv[3]);
    const struct sup_options options = {
        .state_folder = state, .subreaper = true, .event = on_event, .user = &b};
    b.loop = loop_new("supervise");
    b.sup = sup_new(b.loop, &options, &error);
    if (!b.sup) {
        fprintf(stderr, "supervise: %s\n", error.text);
        return 1;
    }
    loop_on_signal(b.loop, SIGTERM, on_signal, &b);
    for (int n = 0; n < b.wanted; n++)
        if (!add(&b, argv[0], argv[3], n, port + n))
            return 1;
    loop_run(b.loop);
    sup_free(b.sup);
    loop_free(b.loop);
    free(state);
    return 0;
}
