/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C client that calls all the time: steady OBJECT LOCATOR REFRESH_MS. Four callers ask `who`
 * again and again until SIGTERM. Prints "sees NAME PID" once for each server that answers,
 * "failed WALL_MS CODE MESSAGE" for each call that fails, and "calls N failed M" at the end.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tars/client.h>

#include "AllTypes.h"

enum { CALLERS = 4, SERVERS = 64, PAUSE_NS = 5000000, TIMEOUT_MS = 1000 };

struct steady {
    struct tars_proxy *proxy;
    pthread_mutex_t lock; /* of what follows, and of stdout */
    int32_t seen[SERVERS];
    size_t seen_count;
    long calls, failed;
    atomic_bool over;
};

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void see(struct steady *s, int32_t pid, struct tars_str name)
{
    for (size_t i = 0; i < s->seen_count; i++)
        if (s->seen[i] == pid)
            return;
    if (s->seen_count < SERVERS)
        s->seen[s->seen_count++] = pid;
    printf("sees %" TARS_STR_FMT " %d\n", TARS_STR_ARG(name), pid);
}

static void *call(void *user)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct steady *s = user;
    struct tars_arena *arena = tars_arena_new(0);

    while (!atomic_load(&s->over)) {
        struct tars_str name;
        int32_t pid;
        struct tars_result result = interop_types_who(s->proxy, &pid, &name, arena);

        pthread_mutex_lock(&s->lock);
        s->calls++;
        if (result.error) {
            s->failed++;
            printf("failed %" PRId64 " %d %s\n", wall_ms(), result.error, result.message);
        } else {
            see(s, pid, name);
        }
        fflush(stdout);
        pthread_mutex_unlock(&s->lock);
        tars_arena_reset(arena);
        nanosleep(&pause, NULL);
    }
    tars_arena_free(arena);
    return NULL;
}

static struct tars_client *client_new(const char *locator, const char *refresh)
{
    struct tars_conf *conf = tars_conf_new();
    struct tars_client *client;

    tars_conf_set(conf, "/tars/application/client<locator>", locator);
    tars_conf_set(conf, "/tars/application/client<refresh-endpoint-interval>", refresh);
    client = tars_client_new_conf(conf);
    tars_conf_free(conf);
    return client;
}

int main(int argc, char **argv)
{
    struct steady s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct tars_client *client;
    pthread_t callers[CALLERS];
    sigset_t end;
    int number;

    if (argc < 4) {
        fprintf(stderr, "usage: steady OBJECT LOCATOR REFRESH_MS\n");
        return 2;
    }
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL); /* the callers and the client's loop inherit it */
    client = client_new(argv[2], argv[3]);
    s.proxy = tars_proxy_get(client, argv[1]);
    tars_proxy_timeout_ms(s.proxy, TIMEOUT_MS);
    for (size_t i = 0; i < CALLERS; i++)
        if (pthread_create(&callers[i], NULL, call, &s) != 0)
            abort();
    sigwait(&end, &number);
    atomic_store(&s.over, true);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    tars_client_free(client);
    printf("calls %ld failed %ld\n", s.calls, s.failed);
    return 0;
}
