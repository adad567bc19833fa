/* SPDX-License-Identifier: BSD-3-Clause */
#include "failure.h"

#include <stdio.h>

bool failure_set(struct failure *f, int status, const char *type, const char *format, ...)
{
    va_list args;
    *f = (struct failure){.status = status, .type = type};
    va_start(args, format);
    vsnprintf(f->reason, sizeof f->reason, format, args);
    va_end(args);
    return false;
}

bool failure_no_index(struct failure *f, struct tars_str name)
{
    failure_set(f, 404, "index_not_found_exception", "no such index [%" TARS_STR_FMT "]",
                TARS_STR_ARG(name));
    snprintf(f->index, sizeof f->index, "%" TARS_STR_FMT, TARS_STR_ARG(name));
    snprintf(f->uuid, sizeof f->uuid, "_na_");
    return false;
}

static void print_members(const struct failure *f, struct text *to)
{
    text_addf(to, "\"type\":\"%s\",\"reason\":", f->type);
    text_add_json(to, tars_str(f->reason));
    if (!f->index[0])
        return;
    text_addf(to, ",\"index_uuid\":\"%s\",\"index\":", f->uuid);
    text_add_json(to, tars_str(f->index));
}

void failure_print(const struct failure *f, struct text *to)
{
    text_adds(to, "{");
    print_members(f, to);
    text_adds(to, "}");
}

void failure_print_body(const struct failure *f, struct text *to)
{
    if (f->reduce) {
        text_adds(to, "{\"error\":{\"root_cause\":[],\"type\":\"search_phase_execution_exception\","
                      "\"reason\":\"\",\"phase\":\"fetch\",\"grouped\":true,\"failed_shards\":[],"
                      "\"caused_by\":");
        failure_print(f, to);
        text_addf(to, "},\"status\":%d}", f->status);
        return;
    }
    text_adds(to, "{\"error\":{\"root_cause\":[");
    failure_print(f, to);
    text_adds(to, "],");
    if (f->shard) {
        text_adds(
            to, "\"type\":\"search_phase_execution_exception\",\"reason\":\"all shards failed\","
                "\"phase\":\"query\",\"grouped\":true,\"failed_shards\":[{\"shard\":0,\"index\":");
        text_add_json(to, tars_str(f->index));
        text_adds(to, ",\"node\":\"embedded\",\"reason\":");
        failure_print(f, to);
        text_adds(to, "}]");
    } else {
        print_members(f, to);
    }
    text_addf(to, "},\"status\":%d}", f->status);
}
