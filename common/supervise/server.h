/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a server and of the supervisor: what server.c, stop.c and supervisor.c share. */
#ifndef SUPERVISE_SERVER_H
#define SUPERVISE_SERVER_H

#include "supervise/health.h"
#include "supervise/output.h"
#include "supervise/proc.h"
#include "supervise/sink.h"
#include "supervise/task.h"

struct supervisor {
    struct loop *loop;
    struct sup_reaper *reaper;
    struct sup_tasks tasks;
    char *folder; /* NULL: no records */
    char boot[SUP_BOOT_ID_SIZE];
    struct sup_options options;
    struct sup_server *first, *last;
    struct sup_sink sinks[SUP_SINKS];
    size_t sink_count;
    uint64_t chance;
    struct loop_timer all_timer;
    void (*all_stopped)(void *user);
    void *all_user;
    bool folder_failed; /* told already */
};

enum sup_phase {
    SUP_PHASE_DOWN,      /* no process; `timer` is the next launch */
    SUP_PHASE_PREPARING, /* the caller has been asked */
    SUP_PHASE_RUNNING,   /* `timer` is the end of activating */
    SUP_PHASE_STOPPING,  /* `timer` is the next step */
};

/* What follows when no process is left. */
enum sup_after { SUP_AFTER_STAY, SUP_AFTER_LAUNCH, SUP_AFTER_BACKOFF };

struct sup_server {
    struct sup_server *next;
    struct supervisor *sup;
    struct tars_arena *arena; /* of the spec */
    struct sup_spec spec;
    struct sup_keeper *output;
    bool output_changed; /* a new keeper at the next launch */

    enum sup_phase phase;
    bool setting, held, due; /* due: it would have been launched but is held */
    bool prepare_asked;
    struct loop_timer timer;

    /* the launch */
    char mark[SUP_MARK_SIZE];
    pid_t leader;
    uint64_t leader_start;
    struct sup_watch watch; /* of the main process; pid 0: none */
    pid_t pid;
    uint64_t pid_start;
    int news; /* whether the program runs; -1: known */
    struct event *news_event;
    bool adopted, runs;
    struct tars_error failed; /* why it could not be run */
    int64_t launched_ms;
    int64_t launch; /* sup_launch_sum of what runs; 0: not known */

    /* how it is */
    struct sup_health *health;
    bool was_healthy, slow;
    bool well; /* as of the last sup_server_settle */
    struct sup_state told;
    bool told_any;
    struct sup_delivery deliveries[SUP_SINKS];

    /* the stop */
    bool cleaning; /* only what a crash left behind */
    enum sup_after after;
    size_t step; /* behind the one that is under way */
    bool killing, drain;
    unsigned kills;
    struct loop_timer deadline;
    struct sup_task *command;
    struct sup_watch linger; /* one of those that are left */

    int crashes;
    int64_t ran_ms, due_ms;
    unsigned launches;
    int last_status;
    uint64_t strange_heartbeats;
    char reason[256]; /* how it ended */
};

void sup_server_emit(struct sup_server *server, enum sup_event_kind kind, int status, int64_t ms,
                     const char *text);
/* Tells and writes down what has changed; the last thing that an entry does. */
void sup_server_settle(struct sup_server *server);
void sup_server_write_record(struct sup_server *server);
/* Why it is not healthy, or how it ended. */
const char *sup_server_reason(const struct sup_server *server);
struct sup_tree sup_server_tree(const struct sup_server *server);

/* Makes the launch, now. */
void sup_server_launch(struct sup_server *server);
/* No process is left: plans what follows. */
void sup_server_down(struct sup_server *server, enum sup_after after);
/*
 * True when, for certain, no process of it is left behind its main one: nobody is in its group, and
 * what had left it would have come here as an orphan. Looking at all of /proc is spared then.
 */
bool sup_server_is_alone(const struct sup_server *server);
/* Forgets the main process and what belongs to it. */
void sup_server_forget_main(struct sup_server *server);
/* Makes another process of the tree the main one; false when it has ended meanwhile. */
bool sup_server_follow(struct sup_server *server, const struct sup_proc *proc);
/* Takes notice, now, that the program runs or cannot. */
void sup_server_look_for_news(struct sup_server *server);
/* It is starting (again): the time for that begins. */
void sup_server_start_over(struct sup_server *server);
/* Takes over what an earlier supervisor left; nothing when there is none. */
void sup_server_adopt(struct sup_server *server);

/* Calls what sup_stop_all promised once all are down. */
void sup_look_for_all_stopped(struct supervisor *sup);

/* Begins the ladder; when it has begun already only `after` changes. */
void sup_server_stop(struct sup_server *server, enum sup_after after);
/* Ends what a crashed server left behind. */
void sup_server_clean(struct sup_server *server, enum sup_after after);
/* Looks whether anything is left, and goes on when not. */
void sup_server_check_empty(struct sup_server *server);
void sup_server_stop_release(struct sup_server *server);

#endif
