/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spool PORT FOLDER ROUNDS SECONDS: the spool beside the least that could do its work, in turns.
 *
 * Appends: 64 threads append records of 650 bytes and wait until each is on the disk; beside them
 * 64 that put the same bytes into one buffer, which a thread writes and syncs for all that wait.
 * Shipping: a spool's folder full of records; beside it plain bulk requests of the same bodies, as
 * many at a time, to a store on PORT. A line for each round, "append" or "ship", with records a
 * second of the spool and of the other.
 */
#include "es/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/bulk.h"
#include "es/es.h"
#include "loop/loop.h"

enum {
    SENDERS = 64,
    RECORD = 650,
    SHIPPED = 40000,
    BULK_BYTES = 2 << 20,
    AT_A_TIME = 4,
    SETTLE_MS = 1500
};

struct bench {
    const char *folder;
    struct loop *loop;
    struct es_client *client;
    int seconds, round;
};

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "spool: %s: %s\n", what, why);
    exit(1);
}

/* A document as the statistics service stores them, which no two are alike. */
static size_t make_source(char *to, size_t size, unsigned n)
{
    int len = snprintf(to, size,
                       "{\"slave\":\"Demo.ShapeServer%u\",\"master\":\"Demo.Caller%u\","
                       "\"interface\":\"area%u\",\"ip\":\"10.0.%u.%u\",\"time\":%u,\"count\":%u,"
                       "\"total\":%u,\"pad\":\"",
                       n % 40, n % 70, n % 11, n / 256 % 256, n % 256, 1795790000U + n / 100, n,
                       n * 7);
    memset(to + len, 'a' + (int)(n % 26), RECORD - (size_t)len - 2);
    snprintf(to + RECORD - 2, size - RECORD + 2, "\"}");
    return RECORD;
}

static char *path_in(const struct bench *b, const char *name)
{
    return xasprintf("%s/%s%d", b->folder, name, b->round);
}

static struct es_spool *open_spool(const char *dir, struct es_client *client)
{
    struct tars_error error;
    struct es_spool_options options = {.dir = dir, .client = client};
    struct es_spool *spool = es_spool_open(&options, &error);
    if (!spool)
        give_up(dir, error.text);
    return spool;
}

/* ---- appends
 * ----------------------------------------------------------------------------------------- */

struct sender {
    struct es_spool *spool;
    struct raw *raw;
    pthread_t thread;
    sem_t kept;
    int64_t until_ms;
    unsigned count, first;
};

static void on_kept(void *user, const struct tars_error *error)
{
    if (error)
        give_up("appending", error->text);
    sem_post(user);
}

static void *send_records(void *arg)
{
    struct sender *s = arg;
    char source[RECORD + 1];
    while (clock_ms() < s->until_ms) {
        size_t len = make_source(source, sizeof source, s->first + s->count);
        struct es_record record = {
            ES_ACTION_CREATE, tars_str("bench"), {0}, tars_str_n(source, len)};
        if (es_spool_append(s->spool, &record, on_kept, &s->kept, NULL) != ES_SPOOL_TAKEN)
            give_up("appending", "not taken");
        while (sem_wait(&s->kept) != 0) {}
        s->count++;
    }
    return NULL;
}

/* 64 of them for a while; records a second. */
static double run_senders(const struct bench *b, const struct sender *like, void *(*run)(void *))
{
    struct sender senders[SENDERS];
    int64_t began = clock_us();
    unsigned count = 0;
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = *like;
        senders[i].until_ms = began / 1000 + b->seconds * 1000LL;
        senders[i].first = i * 1000000;
        sem_init(&senders[i].kept, 0, 0);
        pthread_create(&senders[i].thread, NULL, run, &senders[i]);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        sem_destroy(&senders[i].kept);
        count += senders[i].count;
    }
    return count * 1e6 / (double)(clock_us() - began);
}

static double append_to_spool(struct bench *b)
{
    char *dir = path_in(b, "append");
    struct sender like = {.spool = open_spool(dir, NULL)};
    double rate = run_senders(b, &like, send_records);
    es_spool_close(like.spool);
    free(dir);
    return rate;
}

/* The least that keeps 64 senders' records: they put them into one buffer, which is written and
 * synced for all that wait. */
struct raw {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    int fd;
    bool stop;
    char *bytes;
    size_t len;
    struct sender *waiting[SENDERS];
    size_t count;
};

static void *write_groups(void *arg)
{
    struct raw *r = arg;
    char *bytes = xmalloc((size_t)SENDERS * RECORD), *other;
    struct sender *waiting[SENDERS];
    for (;;) {
        pthread_mutex_lock(&r->mutex);
        while (!r->count && !r->stop)
            pthread_cond_wait(&r->work, &r->mutex);
        size_t count = r->count, len = r->len;
        memcpy(waiting, r->waiting, sizeof waiting);
        other = r->bytes;
        r->bytes = bytes;
        bytes = other;
        r->count = r->len = 0;
        pthread_mutex_unlock(&r->mutex);
        if (!count)
            break;
        if (write(r->fd, bytes, len) != (ssize_t)len || fdatasync(r->fd) != 0)
            give_up("writing raw bytes", "failed");
        for (size_t i = 0; i < count; i++)
            sem_post(&waiting[i]->kept);
    }
    free(bytes);
    return NULL;
}

static void *send_raw(void *arg)
{
    struct sender *s = arg;
    struct raw *r = s->raw;
    char source[RECORD + 1];
    while (clock_ms() < s->until_ms) {
        size_t len = make_source(source, sizeof source, s->first + s->count);
        pthread_mutex_lock(&r->mutex);
        memcpy(r->bytes + r->len, source, len);
        r->len += len;
        r->waiting[r->count++] = s;
        pthread_cond_signal(&r->work);
        pthread_mutex_unlock(&r->mutex);
        while (sem_wait(&s->kept) != 0) {}
        s->count++;
    }
    return NULL;
}

static double write_raw(struct bench *b)
{
    char *path = path_in(b, "raw");
    struct raw r = {.bytes = xmalloc((size_t)SENDERS * RECORD)};
    pthread_t writer;
    pthread_mutex_init(&r.mutex, NULL);
    pthread_cond_init(&r.work, NULL);
    r.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (r.fd < 0)
        give_up(path, "cannot be written");
    pthread_create(&writer, NULL, write_groups, &r);
    struct sender like = {.raw = &r};
    double rate = run_senders(b, &like, send_raw);
    pthread_mutex_lock(&r.mutex);
    r.stop = true;
    pthread_cond_signal(&r.work);
    pthread_mutex_unlock(&r.mutex);
    pthread_join(writer, NULL);
    close(r.fd);
    unlink(path);
    free(r.bytes);
    free(path);
    return rate;
}

/* ---- shipping
 * ---------------------------------------------------------------------------------------- */

static void must_answer(void *user, const struct es_result *r)
{
    if (r->status != ES_OK && r->status != ES_MISSING)
        give_up("preparing the index", r->error.text);
    sem_post(user);
}

/* An index without documents. */
static void make_index(struct bench *b)
{
    sem_t done;
    sem_init(&done, 0, 0);
    es_request(b->client, "DELETE", "/bench", NULL, true, 30000, must_answer, &done);
    sem_wait(&done);
    es_request(b->client, "PUT", "/bench",
               cJSON_Parse("{\"settings\":{\"number_of_shards\":1,\"number_of_replicas\":0},"
                           "\"mappings\":{\"dynamic\":false,\"properties\":{"
                           "\"slave\":{\"type\":\"keyword\"},\"master\":{\"type\":\"keyword\"},"
                           "\"time\":{\"type\":\"long\"},\"count\":{\"type\":\"long\"}}}}"),
               true, 30000, must_answer, &done);
    sem_wait(&done);
    sem_destroy(&done);
    usleep(SETTLE_MS * 1000); /* until the store has cleared away what was there */
}

static void fill(const char *dir)
{
    struct es_spool *spool = open_spool(dir, NULL);
    struct es_spool_stats stats;
    char source[RECORD + 1];
    for (unsigned i = 0; i < SHIPPED; i++) {
        size_t len = make_source(source, sizeof source, i);
        struct es_record record = {
            ES_ACTION_CREATE, tars_str("bench"), {0}, tars_str_n(source, len)};
        while (es_spool_append(spool, &record, NULL, NULL, NULL) == ES_SPOOL_FULL)
            usleep(1000);
    }
    do {
        usleep(1000);
        es_spool_get_stats(spool, &stats);
    } while (stats.appended < SHIPPED);
    es_spool_close(spool);
}

struct opening {
    const char *dir;
    struct es_client *client;
    struct es_spool *spool;
};

static void open_on_loop(void *arg)
{
    struct opening *o = arg;
    o->spool = open_spool(o->dir, o->client);
}

static void close_on_loop(void *arg)
{
    es_spool_close(((struct opening *)arg)->spool);
}

static double ship_spool(struct bench *b)
{
    char *dir = path_in(b, "ship");
    struct opening o = {.dir = dir, .client = b->client};
    struct es_spool_stats stats;
    fill(dir);
    make_index(b);
    int64_t began = clock_us();
    loop_call_wait(b->loop, open_on_loop, &o);
    do {
        usleep(500);
        es_spool_get_stats(o.spool, &stats);
    } while (stats.stored < SHIPPED);
    double rate = SHIPPED * 1e6 / (double)(clock_us() - began);
    if (stats.dead || stats.retried)
        give_up("shipping", "records were refused");
    loop_call_wait(b->loop, close_on_loop, &o);
    free(dir);
    return rate;
}

struct plain {
    struct es_client *client;
    unsigned next, done;
    sem_t all;
};

static void send_plain(struct plain *p);

static void on_plain(void *user, const struct es_result *r, const struct es_item *items,
                     size_t count)
{
    struct plain *p = user;
    for (size_t i = 0; i < count; i++)
        if (items[i].status != ES_OK)
            give_up("a plain bulk", items[i].error_reason ? items[i].error_reason : "refused");
    if (r->status != ES_OK)
        give_up("a plain bulk", r->error.text);
    p->done += (unsigned)count;
    if (p->done == SHIPPED)
        sem_post(&p->all);
    else
        send_plain(p);
}

static void send_plain(struct plain *p)
{
    struct es_bulk *bulk = es_bulk_new();
    char source[RECORD + 1], id[64];
    while (p->next < SHIPPED && es_bulk_len(bulk) * (RECORD + 40) < BULK_BYTES) {
        size_t len = make_source(source, sizeof source, p->next);
        int id_len = snprintf(id, sizeof id, "%016x-1-%x", 12345U, p->next * (RECORD + 20));
        es_bulk_raw(bulk, "create", tars_str("bench"), tars_str_n(id, (size_t)id_len),
                    tars_str_n(source, len));
        p->next++;
    }
    if (es_bulk_len(bulk))
        es_bulk_send(p->client, bulk, true, 60000, on_plain, p);
    else
        es_bulk_free(bulk);
}

static void begin_plain(void *arg)
{
    for (int i = 0; i < AT_A_TIME; i++)
        send_plain(arg);
}

static double ship_plain(struct bench *b)
{
    struct plain p = {.client = b->client};
    make_index(b);
    sem_init(&p.all, 0, 0);
    int64_t began = clock_us();
    loop_call_wait(b->loop, begin_plain, &p);
    sem_wait(&p.all);
    sem_destroy(&p.all);
    return SHIPPED * 1e6 / (double)(clock_us() - began);
}

/* ---- rounds
 * ------------------------------------------------------------------------------------------ */

/* Who comes first changes from round to round. */
static void run_round(struct bench *b)
{
    double ours[2], other[2];
    bool first = b->round % 2 == 0;
    other[0] = first ? 0 : write_raw(b);
    ours[0] = append_to_spool(b);
    other[0] = first ? write_raw(b) : other[0];
    other[1] = first ? 0 : ship_plain(b);
    ours[1] = ship_spool(b);
    other[1] = first ? ship_plain(b) : other[1];
    printf("append %.0f %.0f\nship %.0f %.0f\n", ours[0], other[0], ours[1], other[1]);
    fflush(stdout);
}

static void free_client(void *arg)
{
    es_client_free(arg);
}

int main(int argc, char **argv)
{
    struct tars_error error;
    if (argc != 5) {
        fprintf(stderr, "Usage: spool PORT FOLDER ROUNDS SECONDS\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    struct bench b = {.folder = argv[2], .loop = loop_new("es"), .seconds = atoi(argv[4])};
    char *nodes = xasprintf("127.0.0.1:%s", argv[1]);
    struct es_options options = {.nodes = nodes};
    b.client = es_client_new(b.loop, &options, &error);
    if (!b.client || !loop_start(b.loop, &error))
        give_up("starting", error.text);
    for (b.round = 0; b.round < atoi(argv[3]); b.round++)
        run_round(&b);
    loop_call_wait(b.loop, free_client, b.client);
    loop_free(b.loop);
    free(nodes);
    return 0;
}
