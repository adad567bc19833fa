/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that `tarsc es import` reads: the first line is the file of how far it is, the others
 * are the documents, compressed or not. The server takes whatever it gets. What was imported whole
 * sends nothing when it is imported once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tarsc/access.h"
#include "tarsc/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct access {
    char folder[32], documents[64], making[64], position[64];
    bool exists; /* the index */
    size_t sent; /* documents */
};

void access_answer_free(struct access_answer *answer)
{
    cJSON_Delete(answer->body);
    free(answer->text);
}

bool access_ask(struct access *access, const char *method, char *path, cJSON *body,
                struct access_answer *answer)
{
    bool makes = strcmp(method, "PUT") == 0, ok = !makes || !access->exists;
    *answer = (struct access_answer){.status = ES_OK, .http = ok ? 200 : 400};
    if (!ok)
        answer->text = strdup("resource_already_exists_exception");
    else if (!makes)
        answer->body = cJSON_Parse("{\"cluster_uuid\":\"c\"}");
    free(path);
    cJSON_Delete(body);
    return ok;
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

static void write_file(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *file = fopen(path, "we");
    if (!file || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
        abort();
}

static struct access server;

static void remove_all(void)
{
    unlink(server.documents);
    unlink(server.making);
    unlink(server.position);
    rmdir(server.folder);
}

static void open_folder(void)
{
    snprintf(server.folder, sizeof server.folder, "/tmp/transfer_fuzz.XXXXXX");
    if (!mkdtemp(server.folder) || !freopen("/dev/null", "w", stdout))
        abort();
    stderr = fopen("/dev/null", "we"); /* the fuzzer keeps its own */
    snprintf(server.documents, sizeof server.documents, "%s/i.ndjson.gz", server.folder);
    snprintf(server.making, sizeof server.making, "%s/i.json", server.folder);
    snprintf(server.position, sizeof server.position, "%s/i.imported", server.folder);
    write_file(server.making, (const uint8_t *)"{}", 2);
    atexit(remove_all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    char *all[] = {NULL};
    if (!end)
        return 0;
    if (!server.folder[0])
        open_folder();
    write_file(server.position, data, (size_t)(end - data));
    write_file(server.documents, end + 1, (size_t)(data + size - end) - 1);
    server.exists = true;
    bool whole = transfer_import(&server, server.folder, all, size % 2);
    server.sent = 0;
    if (whole && (!transfer_import(&server, server.folder, all, false) || server.sent))
        abort();
    return 0;
}
