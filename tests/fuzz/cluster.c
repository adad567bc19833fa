/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct access cluster;
const char access_usage[] = "";

void access_answer_free(struct access_answer *answer)
{
    cJSON_Delete(answer->body);
    free(answer->text);
}

bool access_ask(struct access *access, const char *method, char *path, cJSON *body,
                struct access_answer *answer)
{
    bool makes = strcmp(method, "PUT") == 0;
    (void)access;
    *answer = (struct access_answer){.status = ES_OK, .http = makes ? 400 : 200};
    if (makes)
        answer->text = strdup("resource_already_exists_exception");
    else
        answer->body = cJSON_Parse("{\"cluster_uuid\":\"c\"}");
    free(path);
    cJSON_Delete(body);
    return !makes;
}

bool access_bulk(struct access *access, struct es_bulk *bulk, struct access_item *items,
                 struct tars_error *error)
{
    (void)error;
    access->sent += es_bulk_len(bulk);
    for (size_t i = 0; i < es_bulk_len(bulk); i++)
        items[i] = (struct access_item){.http = 201};
    es_bulk_free(bulk);
    return true;
}

struct access *access_open(const struct access_options *options, struct tars_error *error)
{
    (void)options;
    (void)error;
    return &cluster;
}

void access_close(struct access *access)
{
    (void)access;
}

const char *access_server(struct access *access)
{
    (void)access;
    return "the fuzzer";
}

bool access_option(struct access_options *options, int option, const char *value)
{
    (void)options;
    (void)option;
    (void)value;
    return false;
}

void cluster_quiet(void)
{
    if (!freopen("/dev/null", "w", stdout))
        abort();
    stderr = fopen("/dev/null", "we"); /* the fuzzer has kept its own */
}

void cluster_write_file(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *file = fopen(path, "we");
    if (!file || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
        abort();
}
