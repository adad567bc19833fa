/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/registry_query.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"

enum { MOST_ENDPOINTS = 100000 };

struct rpc_registry_query {
    rpc_registry_answer *answer; /* NULL: forgotten */
    void *user;
    bool in_set;
};

static bool read_endpoint(struct tars_reader *r, struct tars_endpoint *e, bool *usable)
{
    struct tars_str host = {0};
    int32_t port = 0, transport = 0;

    *e = (struct tars_endpoint){.weight = -1};
    if (tars_read_struct_begin(r, 0, TARS_REQUIRE) != TARS_FOUND ||
        !tars_read_str(r, 0, TARS_REQUIRE, &host) || !tars_read_int32(r, 1, TARS_REQUIRE, &port) ||
        !tars_read_int32(r, 2, TARS_REQUIRE, &e->timeout_ms) ||
        !tars_read_int32(r, 3, TARS_REQUIRE, &transport) ||
        !tars_read_int32(r, 4, TARS_REQUIRE, &e->grid) ||
        !tars_read_int32(r, 8, TARS_OPTIONAL, &e->qos) ||
        !tars_read_int32(r, 11, TARS_OPTIONAL, &e->weight) ||
        !tars_read_int32(r, 12, TARS_OPTIONAL, &e->weight_type) ||
        !tars_read_int32(r, 13, TARS_OPTIONAL, &e->auth) || !tars_read_struct_end(r))
        return false;
    *usable = host.len > 0 && host.len < sizeof e->host && port >= 0 && port <= UINT16_MAX;
    if (!*usable)
        return true;
    memcpy(e->host, host.at, host.len);
    e->port = (uint16_t)port;
    e->transport = transport == 2 ? TARS_SSL : transport == 0 ? TARS_UDP : TARS_TCP;
    return true;
}

static const char *read_answer(struct tars_str body, uint8_t tag, struct tars_endpoint **list,
                               size_t *count)
{
    struct tars_reader r;
    int32_t ret = 0;
    size_t announced = 0;

    tars_reader_init(&r, body.at, body.len, NULL);
    if (!tars_read_int32(&r, 0, TARS_REQUIRE, &ret))
        return "its answer cannot be read";
    if (ret != 0)
        return "it answered with an error";
    if (tars_read_list(&r, tag, TARS_REQUIRE, 2, &announced) != TARS_FOUND ||
        announced > MOST_ENDPOINTS)
        return "its answer cannot be read";
    *list = xcalloc(announced + 1, sizeof **list);
    for (size_t i = 0; i < announced; i++) {
        bool usable;

        if (!read_endpoint(&r, &(*list)[*count], &usable))
            return "its answer cannot be read";
        *count += usable;
    }
    return NULL;
}

static void on_answer(void *user, const struct tars_result *result, struct tars_str body)
{
    struct rpc_registry_query *q = user;
    struct tars_endpoint *list = NULL;
    const char *error = NULL;
    size_t count = 0;

    if (q->answer) {
        error = result->error ? result->message
                              : read_answer(body, q->in_set ? 3 : 2, &list, &count);
        q->answer(q->user, error, list, count);
    }
    free(list);
    free(q);
}

struct rpc_registry_query *rpc_registry_ask(struct tars_proxy *registry, const char *object,
                                            const char *set, int32_t timeout_ms,
                                            rpc_registry_answer *answer, void *user)
{
    struct rpc_registry_query *q = xcalloc(1, sizeof *q);
    const struct tars_call_options options = {.timeout_ms = timeout_ms};
    struct tars_writer body;

    q->answer = answer;
    q->user = user;
    q->in_set = set != NULL;
    tars_writer_init(&body);
    tars_write_str(&body, 1, tars_str(object));
    if (set)
        tars_write_str(&body, 2, tars_str(set));
    tars_proxy_call_raw(registry, set ? "findObjectByIdInSameSet" : "findObjectByIdInSameGroup",
                        tars_str_n(body.at, body.len), &options, on_answer, q);
    tars_writer_free(&body);
    return q;
}

void rpc_registry_forget(struct rpc_registry_query *q)
{
    if (q)
        q->answer = NULL;
}
