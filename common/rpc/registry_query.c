/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/registry_query.h"

#include <stdlib.h>

#include "QueryF.h"
#include "base/xmalloc.h"

struct rpc_registry_query {
    rpc_registry_answer *answer; /* NULL: forgotten */
    void *user;
};

static enum tars_transport transport_of(int32_t istcp)
{
    switch (istcp) {
    case TARS_UDP:
        return TARS_UDP;
    case TARS_SSL:
        return TARS_SSL;
    default: /* Tars protocol: for older clients anything but 0 is TCP */
        return TARS_TCP;
    }
}

/* False for what cannot be called: the other endpoints of the list still can. */
static bool take_endpoint(const struct tarsf_endpoint_f *f, struct tars_endpoint *e)
{
    if (f->host.len == 0 || f->host.len >= sizeof e->host || f->port < 0 || f->port > UINT16_MAX)
        return false;
    *e = (struct tars_endpoint){
        .transport = transport_of(f->istcp),
        .port = (uint16_t)f->port,
        .timeout_ms = f->timeout,
        .grid = f->grid,
        .qos = f->qos,
        .weight = f->weight,
        .weight_type = f->weight_type,
        .auth = f->auth_type,
    };
    memcpy(e->host, f->host.at, f->host.len);
    if (f->set_id.len < sizeof e->set && f->set_id.len)
        memcpy(e->set, f->set_id.at, f->set_id.len);
    return true;
}

static void give_list(const struct rpc_registry_query *q,
                      const struct tarsf_endpoint_f_list *active)
{
    struct tars_endpoint *list = xcalloc(active->len + 1, sizeof *list);
    size_t count = 0;

    for (size_t i = 0; i < active->len; i++)
        count += take_endpoint(&active->at[i], &list[count]);
    q->answer(q->user, NULL, list, count);
    free(list);
}

static void on_answer(void *user, const struct tars_result *result,
                      const struct tarsf_endpoint_f_list *active,
                      const struct tarsf_endpoint_f_list *inactive)
{
    struct rpc_registry_query *q = user;

    (void)inactive;
    if (!q->answer)
        goto done;
    if (result->error)
        q->answer(q->user, result->message, NULL, 0);
    else if (result->ret != 0)
        q->answer(q->user, "it answered with an error", NULL, 0);
    else
        give_list(q, active);
done:
    free(q);
}

struct rpc_registry_query *rpc_registry_ask(struct tars_proxy *registry, const char *object,
                                            const char *set, int32_t timeout_ms,
                                            rpc_registry_answer *answer, void *user)
{
    const struct tars_call_options options = {.timeout_ms = timeout_ms};
    struct rpc_registry_query *q = xcalloc(1, sizeof *q);

    q->answer = answer;
    q->user = user;
    if (set)
        tarsf_query_f_find_object_by_id_in_same_set_async_with(registry, &options, tars_str(object),
                                                               tars_str(set), on_answer, q);
    else
        tarsf_query_f_find_object_by_id_in_same_group_async_with(registry, &options,
                                                                 tars_str(object), on_answer, q);
    return q;
}

void rpc_registry_forget(struct rpc_registry_query *q)
{
    if (q)
        q->answer = NULL;
}
