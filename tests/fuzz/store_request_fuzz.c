/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the embedded store reads from strangers: the first line of the input is the target of a
 * request, the rest its body, taken as JSON, as a query over a small mapping, and as a mapping.
 */
#include "base/xmalloc.h"
#include "tarselasticsearch/query.h"
#include "tarselasticsearch/request.h"

#include <stdlib.h>

static const char fields[] = "{\"dynamic\":\"strict\",\"properties\":{\"k\":{\"type\":\"keyword\"},"
                             "\"n\":{\"type\":\"long\"},\"d\":{\"type\":\"double\"},"
                             "\"t\":{\"type\":\"date\"},\"b\":{\"type\":\"boolean\"}}}";

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
    }
    tars_arena_free(arena);
    return 0;
}
