/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that `tarsc es import` reads: the first line is the file of how far it is, the others
 * are the documents, compressed or not. What was imported whole sends nothing when it is imported
 * once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "tarsc/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/transfer_fuzz.XXXXXX";
static char documents[64], making[64], position[64];

static void remove_all(void)
{
    unlink(documents);
    unlink(making);
    unlink(position);
    rmdir(folder);
}

static void open_folder(void)
{
    if (!mkdtemp(folder))
        abort();
    cluster_quiet();
    snprintf(documents, sizeof documents, "%s/i.ndjson.gz", folder);
    snprintf(making, sizeof making, "%s/i.json", folder);
    snprintf(position, sizeof position, "%s/i.imported", folder);
    cluster_write_file(making, (const uint8_t *)"{}", 2);
    atexit(remove_all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    char *all[] = {NULL};
    if (!end)
        return 0;
    if (!making[0])
        open_folder();
    cluster_write_file(position, data, (size_t)(end - data));
    cluster_write_file(documents, end + 1, (size_t)(data + size - end) - 1);
    bool whole = transfer_import(&cluster, folder, all, size % 2);
    size_t sent = cluster.sent;
    if (whole && (!transfer_import(&cluster, folder, all, false) || cluster.sent != sent))
        abort();
    return 0;
}
