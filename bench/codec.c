/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * codec FOLDER: makes reply.body and crowd.body in FOLDER, then decodes and encodes each again and
 * again, and writes "NAME decode NS encode NS" for each. bench/java/bench/Codec.java does the same
 * to the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "Bench.h"

enum { ENDPOINTS = 10, CUSTOMERS = 1000, ORDERS = 4, RUNS = 7, WARM_UP = 2 };
static const double run_ns = 200e6;

union value {
    struct bench_answer reply;
    struct bench_crowd crowd;
};

struct body {
    const char *name;
    void (*make)(union value *v, struct tars_arena *arena);
    bool (*decode)(struct tars_reader *r, union value *v);
    void (*encode)(struct tars_writer *w, const union value *v);
};

struct bench {
    const struct body *body;
    struct tars_str bytes;
    struct tars_arena *arena; /* of what is decoded */
    struct tars_writer writer;
    union value value;
};

static void die(const char *what)
{
    fprintf(stderr, "codec: %s\n", what);
    exit(1);
}

/* ---- the values --------------------------------------------------------------------------------
 * No optional number has its default: we leave those out, TarsJava writes them, and both are to
 * write the same bytes.
 */

static void *take(struct tars_arena *arena, size_t count, size_t size)
{
    void *memory = tars_arena_alloc(arena, count * size);

    if (!memory)
        die("memory");
    return memory;
}

static struct tars_str text(struct tars_arena *arena, const char *format, unsigned i)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return tars_str(tars_arena_printf(arena, format, i));
#pragma GCC diagnostic pop
}

static void make_reply(union value *v, struct tars_arena *arena)
{
    struct bench_answer *reply = &v->reply;

    bench_answer_init(reply);
    reply->active.len = ENDPOINTS;
    reply->active.at = take(arena, ENDPOINTS, sizeof(*reply->active.at));
    for (unsigned i = 0; i < ENDPOINTS; i++) {
        struct tarsf_endpoint_f *e = &reply->active.at[i];

        tarsf_endpoint_f_init(e);
        e->host = text(arena, "127.0.0.%u", i + 1);
        e->port = (int32_t)(20000 + i);
        e->timeout = 60000;
        e->istcp = 1;
        e->groupworkid = e->grouprealid = -1;
        e->qos = e->bak_flag = e->weight_type = e->auth_type = 1;
        e->weight = 100;
        e->node_name = text(arena, "10.0.0.%u", i + 1);
    }
}

static void make_customer(struct bench_customer *c, unsigned i, struct tars_arena *arena)
{
    bench_customer_init(c);
    c->id = 1000000000000 + i;
    c->name = text(arena, "Customer number %u", i);
    c->mail = text(arena, "customer.%u@example.org", i);
    c->kind = i % 2 ? BENCH_KIND_COMPANY : BENCH_KIND_PUBLIC;
    c->active = true;
    c->discount = (float)(i % 20 + 1) / 100;
    c->orders.len = ORDERS;
    c->orders.at = take(arena, ORDERS, sizeof(*c->orders.at));
    for (unsigned k = 0; k < ORDERS; k++)
        c->orders.at[k] = (int32_t)(i * 97 + k * 31 * i);
    c->place.latitude = 48.0 + i / 1000.0;
    c->place.longitude = 11.0 - i / 1000.0;
    c->place.street = text(arena, "%u Long Street", i);
    c->labels.len = 1;
    c->labels.at = take(arena, 1, sizeof(*c->labels.at));
    c->labels.at[0].key = tars_str("region");
    c->labels.at[0].value = text(arena, "south-%u", i % 7);
}

static void make_crowd(union value *v, struct tars_arena *arena)
{
    struct bench_customer_list *list = &v->crowd.customers;

    bench_crowd_init(&v->crowd);
    list->len = CUSTOMERS;
    list->at = take(arena, CUSTOMERS, sizeof(*list->at));
    for (unsigned i = 0; i < CUSTOMERS; i++)
        make_customer(&list->at[i], i, arena);
}

static bool decode_reply(struct tars_reader *r, union value *v)
{
    bench_answer_init(&v->reply);
    return bench_answer_read_fields(r, &v->reply);
}

static bool decode_crowd(struct tars_reader *r, union value *v)
{
    bench_crowd_init(&v->crowd);
    return bench_crowd_read_fields(r, &v->crowd);
}

static void encode_reply(struct tars_writer *w, const union value *v)
{
    bench_answer_write_fields(w, &v->reply);
}

static void encode_crowd(struct tars_writer *w, const union value *v)
{
    bench_crowd_write_fields(w, &v->crowd);
}

static const struct body bodies[] = {
    {"reply", make_reply, decode_reply, encode_reply},
    {"crowd", make_crowd, decode_crowd, encode_crowd},
};

/* ---- measuring ---------------------------------------------------------------------------------
 */

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void decode(struct bench *b)
{
    struct tars_reader r;

    tars_arena_reset(b->arena);
    tars_reader_init(&r, b->bytes.at, b->bytes.len, b->arena);
    if (!b->body->decode(&r, &b->value))
        die("what was encoded cannot be decoded");
}

static void encode(struct bench *b)
{
    tars_writer_reset(&b->writer);
    b->body->encode(&b->writer, &b->value);
}

static double run(struct bench *b, void (*once)(struct bench *b))
{
    double begin = now_ns(), now;
    unsigned long count = 0;

    do {
        for (int i = 0; i < 16; i++)
            once(b);
        count += 16;
        now = now_ns();
    } while (now - begin < run_ns);
    return (now - begin) / (double)count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void measure(struct bench *b)
{
    double decodes[WARM_UP + RUNS], encodes[WARM_UP + RUNS];

    for (int i = 0; i < WARM_UP + RUNS; i++) {
        decodes[i] = run(b, decode);
        encodes[i] = run(b, encode);
    }
    if (!tars_str_equal(b->bytes, tars_str_n(b->writer.at, b->writer.len)))
        die("other bytes than at first");
    qsort(decodes + WARM_UP, RUNS, sizeof(double), compare);
    qsort(encodes + WARM_UP, RUNS, sizeof(double), compare);
    printf("%s decode %.0f encode %.0f\n", b->body->name, decodes[WARM_UP + RUNS / 2],
           encodes[WARM_UP + RUNS / 2]);
    fflush(stdout);
}

static void keep(const char *folder, const char *name, struct tars_str bytes)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.body", folder, name);
    file = fopen(path, "wb");
    if (!file || fwrite(bytes.at, 1, bytes.len, file) != bytes.len || fclose(file) != 0)
        die(path);
}

static void bench(const struct body *body, const char *folder)
{
    struct tars_arena *made = tars_arena_new(0);
    struct tars_writer first;
    struct bench b = {.body = body, .arena = tars_arena_new(0)};

    tars_writer_init(&first);
    tars_writer_init(&b.writer);
    body->make(&b.value, made);
    body->encode(&first, &b.value);
    b.bytes = tars_str_n(first.at, first.len);
    keep(folder, body->name, b.bytes);
    measure(&b);
    tars_writer_free(&b.writer);
    tars_writer_free(&first);
    tars_arena_free(b.arena);
    tars_arena_free(made);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: codec FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        bench(&bodies[i], argv[1]);
    return 0;
}
