/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli hzcheck: the readiness probe. Looks at the word that the supervisor has left. */
#include <stdlib.h>
#include <time.h>

#include "base/xmalloc.h"
#include "command.h"
#include "k8stars/status.h"

enum { TRIES = 10, PAUSE_NS = 50 * 1000000 };

/* Another tarscli writes it in place: an empty one may be on its way. */
static char *read_word(const struct environment *environment, int64_t *age_ms)
{
    char *word = status_read(environment, age_ms);

    for (int i = 0; word && !*word && i < TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        free(word);
        word = status_read(environment, age_ms);
    }
    return word;
}

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    int64_t age_ms = 0;
    char *word = read_word(environment, &age_ms);
    bool ok;

    (void)argc;
    (void)argv;
    if (!word)
        ok = tars_fail(error, 1, "not ready");
    else if (age_ms > 2 * environment->report_interval)
        ok = tars_fail(error, 1, "supervisor not alive");
    else
        ok = strcmp(word, STATUS_ACTIVE) == 0 || strcmp(word, STATUS_DEACTIVATING) == 0 ||
             tars_fail(error, 1, "not active:%.100s", word);
    free(word);
    return !ok;
}

const struct command command_hzcheck = {
    "hzcheck", "readiness probe: is the server active and its supervisor alive?", "",
    USED_BY_HZCHECK, run};
