/* SPDX-License-Identifier: BSD-3-Clause */
/* The route _cluster/health. The store is one node that has all its shards or none of them: what a
 * request waits for holds at once or never. */
#include "request.h"

static bool read_status(const struct request *r, struct failure *f)
{
    struct tars_str status = request_param(r, "wait_for_status");
    if (!status.at || tars_str_is(status, "green") || tars_str_is(status, "yellow") ||
        tars_str_is(status, "red"))
        return true;
    return failure_set(f, 400, "illegal_argument_exception",
                       "No enum constant org.elasticsearch.cluster.health.ClusterHealthStatus."
                       "%" TARS_STR_FMT,
                       TARS_STR_ARG(status));
}

/* "2", ">=2", "<5", "ge(2)", …: whether one node is that many. */
static bool nodes_fit(struct tars_str text, bool *fits, struct failure *f)
{
    static const struct {
        const char *sign;
        int order; /* 1: node count above, 0: equal, -1: below the number */
        bool or_equal;
    } signs[] = {{">=", 1, true},  {"<=", -1, true},  {">", 1, false},   {"<", -1, false},
                 {"ge(", 1, true}, {"le(", -1, true}, {"gt(", 1, false}, {"lt(", -1, false}};
    int order = 0;
    bool or_equal = true;
    int64_t n;
    *fits = true;
    if (!text.at)
        return true;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t len = strlen(signs[i].sign);
        if (text.len <= len || memcmp(text.at, signs[i].sign, len) != 0)
            continue;
        order = signs[i].order;
        or_equal = signs[i].or_equal;
        text = tars_str_n(text.at + len, text.len - len - (signs[i].sign[len - 1] == '('));
        break;
    }
    struct json number = {.type = JSON_STRING, .text = text};
    if (!json_as_int(&number, &n))
        return failure_set(f, 400, "number_format_exception",
                           "For input string: \"%" TARS_STR_FMT "\"", TARS_STR_ARG(text));
    *fits = (n == 1 && or_equal) || (order > 0 && 1 > n) || (order < 0 && 1 < n);
    return true;
}

/* Each index has one shard here. */
static bool shards_fit(struct tars_str text, size_t have, bool *fits, struct failure *f)
{
    struct json number = {.type = JSON_STRING, .text = text};
    int64_t n;
    *fits = true;
    if (!text.at || tars_str_is(text, "all"))
        return true;
    if (!json_as_int(&number, &n) || n < 0)
        return failure_set(f, 400, "illegal_argument_exception",
                           "cannot parse ActiveShardCount[%" TARS_STR_FMT "]", TARS_STR_ARG(text));
    *fits = (int64_t)have >= n;
    return true;
}

static void print_indices(const struct index_list *list, struct text *to)
{
    text_adds(to, ",\"indices\":{");
    for (size_t i = 0; i < list->len; i++) {
        text_adds(to, i ? "," : "");
        text_add_json(to, tars_str(list->at[i]->name));
        text_addf(to,
                  ":{\"status\":\"green\",\"number_of_shards\":%s,\"number_of_replicas\":%s,"
                  "\"active_primary_shards\":1,\"active_shards\":1,\"relocating_shards\":0,"
                  "\"initializing_shards\":0,\"unassigned_shards\":0,"
                  "\"unassigned_primary_shards\":0}",
                  list->at[i]->settings.values[NUMBER_OF_SHARDS],
                  list->at[i]->settings.values[NUMBER_OF_REPLICAS]);
    }
    text_adds(to, "}");
}

static void print_health(struct request *r, const struct index_list *list, bool found, bool fits)
{
    r->status = found && fits ? 200 : 408;
    text_addf(&r->answer,
              "{\"cluster_name\":\"tars\",\"status\":\"%s\",\"timed_out\":%s,\"number_of_nodes\":1,"
              "\"number_of_data_nodes\":1,\"active_primary_shards\":%zu,\"active_shards\":%zu,"
              "\"relocating_shards\":0,\"initializing_shards\":0,\"unassigned_shards\":0,"
              "\"unassigned_primary_shards\":0,\"delayed_unassigned_shards\":0,"
              "\"number_of_pending_tasks\":0,\"number_of_in_flight_fetch\":0,"
              "\"task_max_waiting_in_queue_millis\":0,\"active_shards_percent_as_number\":100.0",
              found ? "green" : "red", found && fits ? "false" : "true", list->len, list->len);
    struct tars_str level = request_param(r, "level");
    if (found && (tars_str_is(level, "indices") || tars_str_is(level, "shards")))
        print_indices(list, &r->answer);
    text_adds(&r->answer, "}");
}

void rest_health(struct store_context *c, struct request *r)
{
    struct failure f = {0}, missing = {0};
    struct index_list list = {0};
    bool nodes, shards;
    struct tars_str level = request_param(r, "level");
    bool ok = read_status(r, &f) && nodes_fit(request_param(r, "wait_for_nodes"), &nodes, &f);
    if (ok && level.at && !tars_str_is(level, "cluster") && !tars_str_is(level, "indices"))
        ok = failure_set(&f, 400, "illegal_argument_exception",
                         "[level]: this store knows cluster and indices");
    catalog_read(c->catalog);
    bool found = ok && catalog_resolve(c->catalog, r->index, true, false, &list, &missing);
    if (ok)
        ok = shards_fit(request_param(r, "wait_for_active_shards"), list.len, &shards, &f);
    if (ok)
        print_health(r, &list, found, nodes && shards);
    catalog_read_end(c->catalog);
    index_list_free(&list);
    if (!ok)
        request_fail(r, &f);
}
