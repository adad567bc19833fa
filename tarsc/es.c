/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc es: health and indices of Elasticsearch, and its documents as files and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "command.h"
#include "transfer.h"

enum { OPT_OVERWRITE = 1, OPT_HELP };

static const char usage[] =
    "Usage: tarsc es health [OPTION...]\n"
    "       tarsc es indices [OPTION...] [PATTERN]\n"
    "       tarsc es export [OPTION...] DIR PATTERN...\n"
    "       tarsc es import [OPTION...] DIR [INDEX...]\n\n"
    "health says which server answers and how it is. indices lists those that match, all without\n"
    "PATTERN. export writes each index that matches into DIR: INDEX.json is how it is made,\n"
    "INDEX.ndjson.gz its documents, one a line. import makes the indices of DIR that are missing\n"
    "and writes their documents; those that are there already stay as they are. Both go on where\n"
    "an earlier one was interrupted. PATTERN is an index, an alias, or has * in it.\n\n"
    "  --overwrite        import: documents that are there already are written again\n%s\n"
    "Exit status: 0 done, 1 failed, 2 arguments.\n";

static int failed(const char *what, const struct access_answer *answer)
{
    fprintf(stderr, "tarsc es: %s: %s\n", what, answer->error.text);
    return 1;
}

static const char *text_of(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    return text ? text : "-";
}

static int number_of(const cJSON *json, const char *name)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, name);
    return number ? number->valueint : 0;
}

static int health(struct access *access)
{
    struct access_answer answer;
    int status = 1;
    if (access_ask(access, "GET", xstrdup("/_cluster/health"), NULL, &answer)) {
        const char *color = text_of(answer.body, "status");
        printf("%s\n%s: %d nodes, %d shards active, %d not assigned\n", access_server(access),
               color, number_of(answer.body, "number_of_nodes"),
               number_of(answer.body, "active_shards"),
               number_of(answer.body, "unassigned_shards"));
        status = strcmp(color, "green") != 0 && strcmp(color, "yellow") != 0;
    } else {
        failed("asking for health", &answer);
    }
    access_answer_free(&answer);
    return status;
}

static int indices(struct access *access, const char *pattern)
{
    struct access_answer answer;
    char *list = es_path("_cat", "indices", pattern, NULL),
         *path = xasprintf("%s?format=json&s=index&h=health,status,index,docs.count,"
                           "store.size",
                           list);
    const cJSON *row;
    free(list);
    if (!access_ask(access, "GET", path, NULL, &answer)) {
        int status = failed("listing indices", &answer);
        access_answer_free(&answer);
        return status;
    }
    printf("%-48s %-7s %-6s %12s %14s\n", "INDEX", "HEALTH", "STATUS", "DOCUMENTS", "SIZE");
    cJSON_ArrayForEach(row, answer.body)
        printf("%-48s %-7s %-6s %12s %14s\n", text_of(row, "index"), text_of(row, "health"),
               text_of(row, "status"), text_of(row, "docs.count"), text_of(row, "store.size"));
    access_answer_free(&answer);
    return 0;
}

static int wrong(const char *what)
{
    fprintf(stderr, "tarsc es: %s; tarsc es --help says more\n", what);
    return 2;
}

static int act(struct access *access, char **argv, int count, bool overwrite)
{
    if (strcmp(argv[0], "health") == 0)
        return health(access);
    if (strcmp(argv[0], "indices") == 0)
        return indices(access, count > 1 ? argv[1] : "*");
    if (strcmp(argv[0], "export") == 0)
        return !transfer_export(access, argv[1], argv + 2);
    return !transfer_import(access, argv[1], argv + 2, overwrite);
}

/* NULL when the arguments fit, else what is wanted. */
static const char *misfit(char **argv, int count)
{
    static const struct {
        const char *name, *wanted;
        int least, most;
    } actions[] = {{"health", "health wants no argument", 1, 1},
                   {"indices", "indices wants at most one pattern", 1, 2},
                   {"export", "export wants a folder and patterns", 3, 10000},
                   {"import", "import wants a folder", 2, 10000}};
    for (size_t i = 0; count && i < sizeof actions / sizeof *actions; i++)
        if (strcmp(argv[0], actions[i].name) == 0)
            return count < actions[i].least || count > actions[i].most ? actions[i].wanted : NULL;
    return "health, indices, export or import is wanted";
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {ACCESS_LONG_OPTIONS,
                                            {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct access_options o = {0};
    struct tars_error error;
    bool overwrite = false;
    int c;
    log_set_level(LOG_LEVEL_ERROR);
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == OPT_HELP)
            return printf(usage, access_usage) < 0;
        if (c == OPT_OVERWRITE)
            overwrite = true;
        else if (c == '?' || !access_option(&o, c, optarg))
            return wrong("an option is not known or its value is wrong");
    }
    const char *misfits = misfit(argv + optind, argc - optind);
    if (misfits)
        return wrong(misfits);
    struct access *access = access_open(&o, &error);
    if (!access) {
        fprintf(stderr, "tarsc es: %s\n", error.text);
        return 1;
    }
    int status = act(access, argv + optind, argc - optind, overwrite);
    access_close(access);
    return status;
}

const struct command command_es = {"es", "Elasticsearch: health, indices, export and import", run};
