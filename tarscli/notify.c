/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli notify: an administrator's command for the server. */
#include <stdio.h>
#include <stdlib.h>

#include "AdminF.h"
#include "base/xmalloc.h"
#include "command.h"
#include "k8stars/generate.h"

enum { TIMEOUT_MS = 5000 };

/* The words with a blank between them, to be freed. */
static char *join(int argc, char **argv)
{
    char *text = xstrdup("");

    for (int i = 1; i < argc; i++) {
        char *longer = xasprintf("%s%s%s", text, i > 1 ? " " : "", argv[i]);

        free(text);
        text = longer;
    }
    return text;
}

static bool notify(const char *local, const char *command, struct tars_error *error)
{
    const struct tars_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_client *client = tars_client_new(NULL);
    char *object = xasprintf("AdminObj@%s", local);
    struct tars_str answer = {"", 0};
    struct tars_result result = tarsf_admin_f_notify_with(tars_proxy_get(client, object), &options,
                                                          tars_str(command), &answer, arena);

    if (result.error)
        tars_fail(error, 1, "%s", result.message);
    else
        printf("notify succ:%" TARS_STR_FMT "\n", TARS_STR_ARG(answer));
    free(object);
    tars_client_free(client);
    tars_arena_free(arena);
    return result.error == 0;
}

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    char *command = join(argc, argv);
    struct meta meta = {0};
    bool ok = generate_load(environment, &meta, error) && notify(meta.local, command, error);

    meta_free(&meta);
    free(command);
    return !ok;
}

const struct command command_notify = {"notify", "sends an administrator's command to the server",
                                       " WORD...", USED_BY_NOTIFY, run};
