/* SPDX-License-Identifier: BSD-3-Clause */
#include "nursery.h"

#include <check.h>
#include <dirent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "supervise/proc.h"

static const char *const kinds[] = {"state",        "launched",    "launch-failed", "adopted",
                                    "followed",     "exited",      "back-off",      "check-failed",
                                    "check-passed", "slow-start",  "hung",          "stop-step",
                                    "unkillable",   "output-lost", "state-file"};

static void on_event(void *user, struct sup_server *server, const struct sup_event *event)
{
    struct nursery *n = user;
    const char *text = event->kind == SUP_EVENT_STATE ? sup_present_name(sup_state(server).present)
                                                      : event->text;
    if (event->kind == SUP_EVENT_EXITED && n->exits < 16)
        n->statuses[n->exits++] = event->status;
    if (event->kind == SUP_EVENT_BACKOFF && n->wait_count < 16)
        n->waits[n->wait_count++] = event->ms;
    if (n->len + 1024 < sizeof n->journal)
        n->len += (size_t)snprintf(n->journal + n->len, 1024, "%s %s %s\n", sup_name(server),
                                   kinds[event->kind], text);
}

struct nursery *nursery_new(const char *folder)
{
    struct nursery *n = xcalloc(1, sizeof *n);
    struct tars_error error;
    n->folder = folder ? folder : tk_dir();
    n->loop = loop_new("nursery");
    struct sup_options options = {
        .state_folder = n->folder, .subreaper = true, .event = on_event, .user = n};
    n->sup = sup_new(n->loop, &options, &error);
    ck_assert_msg(n->sup != NULL, "%s", error.text);
    return n;
}

void nursery_abandon(struct nursery *n)
{
    sup_free(n->sup);
    loop_free(n->loop);
    free(n);
}

static void on_all(void *user)
{
    *(bool *)user = true;
}

void nursery_free(struct nursery *n)
{
    bool done = false;
    sup_stop_all(n->sup, on_all, &done);
    for (struct sup_server *server = NULL; (server = sup_next(n->sup, server));)
        sup_hurry(server), sup_hurry(server);
    /* Each looks through all processes of the machine: with hundreds of them that takes seconds. */
    ck_assert(nursery_until(n, done, 60000));
    ck_assert(nursery_until(n, nursery_children() == 0, 5000)); /* nor a zombie */
    nursery_abandon(n);
}

void nursery_turn(struct nursery *n)
{
    event_base_loop(loop_base(n->loop), EVLOOP_NONBLOCK);
    tk_sleep(2);
}

struct sup_server *nursery_add(struct nursery *n, const char *name, const char *line,
                               const struct sup_spec *spec)
{
    struct sup_spec full = spec ? *spec : (struct sup_spec){.name = NULL};
    struct tars_error error;
    full.name = name;
    if (!full.launch.argv)
        full.launch.command = line;
    if (full.output.kind == SUP_OUTPUT_INHERIT)
        full.output.kind = SUP_OUTPUT_CAPTURE;
    if (!n->outlived)
        full.launch.death_signal = SIGKILL;
    if (!full.backoff.first_ms)
        full.backoff.first_ms = 20;
    struct sup_server *server = sup_add(n->sup, &full, &error);
    ck_assert_msg(server != NULL, "%s", error.text);
    return server;
}

int nursery_count(const struct nursery *n, const char *text)
{
    int count = 0;
    for (const char *at = n->journal; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

bool nursery_has(const struct nursery *n, const char *text)
{
    return strstr(n->journal, text);
}

enum sup_present nursery_present(const struct sup_server *server)
{
    return sup_state(server).present;
}

int nursery_children(void)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    struct sup_proc proc;
    int count = 0;
    while (folder && (entry = readdir(folder)))
        if (sup_proc_read((pid_t)strtol(entry->d_name, NULL, 10), &proc) && proc.parent == getpid())
            count++;
    if (folder)
        closedir(folder);
    return count;
}
