/* SPDX-License-Identifier: BSD-3-Clause */
#include "query.h"

#include <stdlib.h>

#include <tars/server.h>

#include "QueryF.h"
#include "base/xmalloc.h"

/*
 * Calls with a body in the Tars encoding never reach the generated code: the fast path reads the
 * id, finds the encoded answer and copies it. The handlers below serve the other forms (TUP, JSON)
 * from the very same answers, which they decode first.
 */

struct lookup {
    struct tars_str id;
    struct tars_str argument; /* station or set */
};

typedef const struct answer *lookup_run(const struct query *query, struct tars_call *call,
                                        const struct snapshot *snapshot,
                                        const struct lookup *lookup);

enum function_index { BY_ID, FOR_ANY, FOR_ALL, IN_GROUP, IN_SET, IN_STATION, FUNCTIONS };

struct function {
    const char *name;
    bool has_argument;
    enum answer_shape shape;
    lookup_run *run;
};

/* Per worker, so that counting shares nothing. */
struct counts {
    _Atomic uint64_t calls[FUNCTIONS];
    char apart[64 - FUNCTIONS * sizeof(uint64_t) % 64];
};

struct query {
    struct registry *registry;
    struct counts *counts;
    unsigned workers;
    struct tars_writer refusal; /* -1 and two empty lists in tags 3 and 4 */
};

/* ---- what each function answers
 * -------------------------------------------------------------------- */

static int32_t caller_group(const struct query *q, struct tars_call *call,
                            const struct snapshot *snapshot)
{
    struct tars_str where = q->registry->settings.trust_node_name ? tars_call_node_name(call)
                                                                  : tars_call_peer(call);
    return groups_of_address(snapshot_groups(snapshot), where);
}

static const struct answer *run_all(const struct query *q, struct tars_call *call,
                                    const struct snapshot *snapshot, const struct lookup *lookup)
{
    (void)q;
    (void)call;
    return object_all(snapshot_find(snapshot, lookup->id));
}

static const struct answer *run_in_group(const struct query *q, struct tars_call *call,
                                         const struct snapshot *snapshot,
                                         const struct lookup *lookup)
{
    return object_in_group(snapshot_find(snapshot, lookup->id), caller_group(q, call, snapshot));
}

static const struct answer *run_in_station(const struct query *q, struct tars_call *call,
                                           const struct snapshot *snapshot,
                                           const struct lookup *lookup)
{
    (void)q;
    (void)call;
    int station = groups_station(snapshot_groups(snapshot), lookup->argument);
    return station < 0 ? NULL : object_in_station(snapshot_find(snapshot, lookup->id), station);
}

static const struct answer *run_in_set(const struct query *q, struct tars_call *call,
                                       const struct snapshot *snapshot, const struct lookup *lookup)
{
    return object_in_set(snapshot_find(snapshot, lookup->id), lookup->argument,
                         caller_group(q, call, snapshot));
}

static const struct function functions[FUNCTIONS] = {
    [BY_ID] = {"findObjectById", false, ANSWER_LIST, run_all},
    [FOR_ANY] = {"findObjectById4Any", false, ANSWER_TAGS_2_3, run_all},
    [FOR_ALL] = {"findObjectById4All", false, ANSWER_TAGS_2_3, run_in_group},
    [IN_GROUP] = {"findObjectByIdInSameGroup", false, ANSWER_TAGS_2_3, run_in_group},
    [IN_SET] = {"findObjectByIdInSameSet", true, ANSWER_TAGS_3_4, run_in_set},
    [IN_STATION] = {"findObjectByIdInSameStation", true, ANSWER_TAGS_3_4, run_in_station},
};

static const struct function *function_named(struct tars_str name)
{
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (tars_str_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}

static unsigned worker_of(const struct query *q, const struct tars_call *call)
{
    unsigned worker = tars_call_worker(call);
    return worker < q->workers ? worker : q->workers - 1;
}

static void count(struct query *q, const struct tars_call *call, const struct function *f)
{
    _Atomic uint64_t *calls = &q->counts[worker_of(q, call)].calls[f - functions];
    atomic_store_explicit(calls, atomic_load_explicit(calls, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The body of the answer in memory of the call; empty when the call has no room for it. */
static struct tars_str look_up(struct query *q, struct tars_call *call, const struct function *f,
                               const struct lookup *lookup)
{
    unsigned worker = worker_of(q, call);
    struct tars_str body = tars_str_n(q->refusal.at, q->refusal.len);
    count(q, call, f);
    const struct snapshot *snapshot = snapshot_enter(q->registry->snapshots, worker);
    const struct answer *answer = f->run(q, call, snapshot, lookup);
    if (answer) {
        uint8_t *copy = tars_call_alloc(call, answer->len);
        body = tars_str_n(copy, copy ? answer_copy(answer, f->shape, copy) : 0);
    }
    snapshot_leave(q->registry->snapshots, worker);
    return body;
}

/* Clients (TarsGo) take the answer's context for their own: what they sent comes back. */
static void echo_node_name(struct tars_call *call)
{
    struct tars_str node_name = tars_call_context(call, "node_name");
    if (node_name.len)
        tars_reply_context(call, "node_name", node_name);
}

/* ---- the fast path
 * --------------------------------------------------------------------------------- */

static bool answer_fast(struct tars_call *call, void *self)
{
    struct query *q = self;
    const struct function *f = function_named(tars_call_function(call));
    if (!f || tars_call_version(call) != 1)
        return false;
    struct lookup lookup = {.argument = tars_str(NULL)};
    struct tars_str request = tars_call_body(call);
    struct tars_reader r;
    tars_reader_init(&r, request.at, request.len, NULL);
    if (!tars_read_str(&r, 1, TARS_REQUIRE, &lookup.id) ||
        (f->has_argument && !tars_read_str(&r, 2, TARS_REQUIRE, &lookup.argument)))
        return false; /* the generated code says what is wrong */
    struct tars_str body = look_up(q, call, f, &lookup);
    if (!body.len)
        return false;
    echo_node_name(call);
    tars_call_reply_body(call, body);
    return true;
}

/* ---- the generated way, for TUP and JSON
 * ------------------------------------------------------------ */

static bool read_list(struct tars_reader *r, uint8_t tag, struct tarsf_endpoint_f_list *list)
{
    size_t count;
    if (tars_read_list(r, tag, TARS_REQUIRE, 2, &count) != TARS_FOUND)
        return false;
    list->at = tars_reader_alloc(r, count + 1, sizeof *list->at);
    list->len = list->at ? count : 0;
    for (size_t i = 0; i < list->len; i++)
        if (!tarsf_endpoint_f_read(r, 0, TARS_REQUIRE, &list->at[i]))
            return false;
    tars_read_end(r);
    return list->at != NULL;
}

/* Runs a lookup and decodes its answer into memory of the call. */
static int32_t decoded(struct tars_call *call, enum function_index which,
                       const struct lookup *lookup, struct tarsf_endpoint_f_list *active,
                       struct tarsf_endpoint_f_list *inactive)
{
    struct query *q = tars_call_self(call);
    int32_t ret = 0;
    struct tars_str body = look_up(q, call, &functions[which], lookup);
    uint8_t tag = functions[which].shape == ANSWER_TAGS_3_4 ? 3 : 2;
    struct tars_reader r;
    tars_reader_init(&r, body.at, body.len, tars_call_arena(call));
    if (!tars_read_int32(&r, 0, TARS_REQUIRE, &ret) || !read_list(&r, tag, active) ||
        !read_list(&r, (uint8_t)(tag + 1), inactive))
        tars_call_fail(call, TARS_RET_UNKNOWN, "the answer for %" TARS_STR_FMT " is too large",
                       TARS_STR_ARG(lookup->id));
    echo_node_name(call);
    return ret;
}

static void find_object_by_id(struct tars_call *call, struct tars_str id,
                              struct tarsf_endpoint_f_list *ret)
{
    struct tarsf_endpoint_f_list inactive = {0, NULL};
    decoded(call, FOR_ANY, &(struct lookup){.id = id}, ret, &inactive);
}

static int32_t find_object_by_id4_any(struct tars_call *call, struct tars_str id,
                                      struct tarsf_endpoint_f_list *active,
                                      struct tarsf_endpoint_f_list *inactive)
{
    return decoded(call, FOR_ANY, &(struct lookup){.id = id}, active, inactive);
}

static int32_t find_object_by_id4_all(struct tars_call *call, struct tars_str id,
                                      struct tarsf_endpoint_f_list *active,
                                      struct tarsf_endpoint_f_list *inactive)
{
    return decoded(call, FOR_ALL, &(struct lookup){.id = id}, active, inactive);
}

static int32_t find_object_by_id_in_same_group(struct tars_call *call, struct tars_str id,
                                               struct tarsf_endpoint_f_list *active,
                                               struct tarsf_endpoint_f_list *inactive)
{
    return decoded(call, IN_GROUP, &(struct lookup){.id = id}, active, inactive);
}

static int32_t find_object_by_id_in_same_station(struct tars_call *call, struct tars_str id,
                                                 struct tars_str station,
                                                 struct tarsf_endpoint_f_list *active,
                                                 struct tarsf_endpoint_f_list *inactive)
{
    return decoded(call, IN_STATION, &(struct lookup){id, station}, active, inactive);
}

static int32_t find_object_by_id_in_same_set(struct tars_call *call, struct tars_str id,
                                             struct tars_str set_id,
                                             struct tarsf_endpoint_f_list *active,
                                             struct tarsf_endpoint_f_list *inactive)
{
    return decoded(call, IN_SET, &(struct lookup){id, set_id}, active, inactive);
}

/* ---- functions of the enterprise edition: known, never successful
 * ---------------------------------- */

static int32_t find_object_node_name(struct tars_call *call, struct tars_str id,
                                     struct tars_str_list *node_name)
{
    (void)call;
    (void)id;
    (void)node_name;
    return -1;
}

static int32_t register_change(struct tars_call *call, const struct tars_str_map *timestamp,
                               struct tars_str name)
{
    (void)call;
    (void)timestamp;
    (void)name;
    return -1;
}

static int32_t register_query(struct tars_call *call, struct tars_str id, struct tars_str name)
{
    (void)call;
    (void)id;
    (void)name;
    return -1;
}

static int32_t get_locker(struct tars_call *call, const struct tarsf_get_master_slave_lock *req)
{
    (void)call;
    (void)req;
    return -1;
}

static const struct tarsf_query_f handlers = {
    .find_object_by_id = find_object_by_id,
    .find_object_by_id4_any = find_object_by_id4_any,
    .find_object_by_id4_all = find_object_by_id4_all,
    .find_object_by_id_in_same_group = find_object_by_id_in_same_group,
    .find_object_by_id_in_same_station = find_object_by_id_in_same_station,
    .find_object_by_id_in_same_set = find_object_by_id_in_same_set,
    .find_object_node_name = find_object_node_name,
    .register_change = register_change,
    .register_query = register_query,
    .get_locker = get_locker,
};

/* ---- life
 * ------------------------------------------------------------------------------------------- */

struct query *query_serve(struct tars_server *server, struct registry *registry)
{
    struct query *q = xcalloc(1, sizeof *q);
    q->registry = registry;
    q->workers = registry->settings.workers;
    q->counts = xcalloc(q->workers, sizeof *q->counts);
    tars_write_int32(&q->refusal, 0, -1);
    tars_write_list(&q->refusal, 3, 0);
    tars_write_list(&q->refusal, 4, 0);
    tarsf_query_f_serve(server, "QueryObj", &handlers, q);
    tars_server_serve_raw(server, "QueryObj", answer_fast, q);
    return q;
}

void query_free(struct query *q)
{
    if (!q)
        return;
    tars_writer_free(&q->refusal);
    free(q->counts);
    free(q);
}

void query_counts(struct query *q, void (*each)(void *user, const char *function, uint64_t calls),
                  void *user)
{
    for (size_t f = 0; f < FUNCTIONS; f++) {
        uint64_t calls = 0;
        for (unsigned w = 0; w < q->workers; w++)
            calls += atomic_load_explicit(&q->counts[w].calls[f], memory_order_relaxed);
        each(user, functions[f].name, calls);
    }
}
