/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the embedded store reads from strangers: the first line of the input is the target of a
 * request, the rest its body, taken as JSON, as a query over a small mapping, as a mapping, and as
 * a search with its aggregations over a few documents.
 */
#include "base/xmalloc.h"
#include "tarselasticsearch/catalog_file.h"
#include "tarselasticsearch/catalog_indices.h"
#include "tarselasticsearch/document.h"
#include "tarselasticsearch/mapping_merge.h"
#include "tarselasticsearch/mapping_print.h"
#include "tarselasticsearch/query.h"
#include "tarselasticsearch/request.h"
#include "tarselasticsearch/search.h"

#include <stdlib.h>

static const char fields[] = "{\"dynamic\":\"strict\",\"properties\":{\"k\":{\"type\":\"keyword\"},"
                             "\"n\":{\"type\":\"long\"},\"d\":{\"type\":\"double\"},"
                             "\"t\":{\"type\":\"date\"},\"b\":{\"type\":\"boolean\"},"
                             "\"w\":{\"type\":\"text\"},\"i\":{\"type\":\"ip\"},"
                             "\"l\":{\"type\":\"keyword\",\"normalizer\":\"lowercase\"},"
                             "\"a\":{\"type\":\"alias\",\"path\":\"k\"},"
                             "\"c\":{\"type\":\"nested\",\"properties\":{\"p\":{\"type\":"
                             "\"keyword\"},\"q\":{\"type\":\"long\"}}}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_target(struct tars_str line)
{
    struct request request = {0};
    char *target = xstrndup(line.at, line.len);
    request_parse(&request, "POST", target);
    request_free(&request);
    free(target);
}

static void compile_query(const struct json *json, struct tars_arena *arena)
{
    struct failure failure = {0};
    struct index index = {.id = 1, .name = (char *)"x", .mapping = mapping_new()};
    struct query q = {.arena = arena, .failure = &failure};
    const struct json *mapping = json_parse(tars_str(fields), arena, NULL);
    if (mapping && mapping_merge(index.mapping, mapping, &failure) && query_where(&q, &index, json))
        query_score(&q, &index, json);
    query_free(&q);
    mapping_free(index.mapping);
}

static void read_mapping(const struct json *json)
{
    struct failure failure = {0};
    struct mapping *mapping = mapping_new();
    struct text printed = {0};
    if (mapping_merge(mapping, json, &failure))
        mapping_print(mapping, &printed);
    text_free(&printed);
    mapping_free(mapping);
}

static const char *const documents[] = {
    "{\"k\":\"red\",\"n\":3,\"d\":1.5,\"b\":true,\"t\":\"2024-01-01T10:15:00Z\"}",
    "{\"w\":[\"quick fox\",\"\xe4\xb8\xad\"],\"i\":\"::1\",\"c\":[{\"p\":\"x\"},{\"q\":[2,3]}]}",
    "{\"k\":[\"red\",\"blue\"],\"n\":[5,-5,5],\"t\":0}",
    "{\"n\":9223372036854775807,\"d\":-1e300}",
    "{}",
};

struct shelf {
    struct db *db;
    struct catalog *catalog;
};

/* An index with a few documents, made for the first input and kept for all. */
static const struct shelf *shelf(void)
{
    static struct shelf s;
    struct tars_arena *arena = tars_arena_new(16 << 20);
    struct failure failure;
    if (!s.db && (s.db = db_open(":memory:", true, NULL)) != NULL &&
        (s.catalog = catalog_open(s.db, NULL)) != NULL) {
        char *body = xasprintf("{\"mappings\":%s}", fields);
        catalog_create(s.catalog, s.db, tars_str("x"), json_parse(tars_str(body), arena, NULL),
                       &failure);
        for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
            struct doc_write write = {
                .index = tars_str("x"), .body = tars_str(documents[i]), .if_seq_no = -1};
            struct doc_result result;
            bool must_grow;
            doc_write(s.catalog, s.db, &write, true, &must_grow, arena, &result);
        }
        free(body);
    }
    tars_arena_free(arena);
    return &s;
}

static void run_search(const struct json *json)
{
    const struct shelf *s = shelf();
    struct tars_arena *arena = tars_arena_new(16 << 20);
    struct failure failure = {0};
    struct index_list list;
    struct text answer = {0};
    if (catalog_resolve(s->catalog, tars_str("x"), true, true, &list, &failure)) {
        struct search search = {
            .indices = &list, .body = json, .from = -1, .size = -1, .arena = arena};
        search_run(s->db, &search, &answer, &failure);
        index_list_free(&list);
    }
    text_free(&answer);
    tars_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    struct tars_arena *arena = tars_arena_new(16 << 20);
    if (line) {
        read_target(tars_str_n(text, (size_t)(line - text)));
        text = line + 1;
        size -= (size_t)(text - (const char *)data);
    }
    struct json *json = json_parse(tars_str_n(text, size), arena, NULL);
    if (json) {
        compile_query(json, arena);
        read_mapping(json);
        run_search(json);
    }
    tars_arena_free(arena);
    return 0;
}
