/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first line is the position of a spool, the others a file of its dead letters: `tarsc spool`
 * lists them, shows them and sends them once more. What stays in the file are lines of before, each
 * as it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster.h"
#include "tarsc/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/letters_fuzz.XXXXXX";
static char dead[64], letters[96], position[64];

static void remove_all(void)
{
    unlink(letters);
    rmdir(dead);
    unlink(position);
    rmdir(folder);
}

static void open_folder(void)
{
    if (!mkdtemp(folder))
        abort();
    cluster_quiet();
    snprintf(dead, sizeof dead, "%s/dead", folder);
    snprintf(letters, sizeof letters, "%s/0000000000000001.ndjson", dead);
    snprintf(position, sizeof position, "%s/position", folder);
    if (mkdir(dead, 0700) != 0)
        abort();
    atexit(remove_all);
}

/* The line at the beginning, with its end. */
static size_t line_len(const char *at, size_t left)
{
    const char *end = memchr(at, '\n', left);
    return end ? (size_t)(end - at) + 1 : left;
}

static void see_what_stays(const char *before, size_t left)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    FILE *file = fopen(letters, "re");
    while (file && (len = getline(&line, &room, file)) > 0) {
        size_t next = 0, found;
        do {
            if (next == left)
                abort(); /* it was not there, or not behind the last one */
            before += next;
            left -= next;
            found = next = line_len(before, left);
        } while (found != (size_t)len || memcmp(line, before, found) != 0);
        before += found;
        left -= found;
    }
    if (file)
        fclose(file);
    free(line);
}

static void run(const char *what, const char *option)
{
    char name[] = "spool", does[16], with[16];
    char *argv[] = {name, does, folder, option ? with : NULL, NULL};
    snprintf(does, sizeof does, "%s", what);
    snprintf(with, sizeof with, "%s", option ? option : "");
    command_spool.run(option ? 4 : 3, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    if (!end)
        return 0;
    if (!dead[0])
        open_folder();
    cluster_write_file(position, data, (size_t)(end - data));
    cluster_write_file(letters, end + 1, (size_t)(data + size - end) - 1);
    run("list", NULL);
    run("show", NULL);
    run("retry", size % 2 ? "--overwrite" : NULL);
    see_what_stays((const char *)end + 1, (size_t)(data + size - end) - 1);
    return 0;
}
