/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A supervisor: starts servers, keeps their output, asks whether they are well, stops them, starts
 * them again, and finds them again after its own death. It knows nothing of Tars; what it should
 * know comes in through a struct sup_spec, what it has to say goes out through events and sinks.
 *
 * One supervisor per process, and it reaps every child: nobody else may wait for one while it
 * lives. All functions are called on the loop's thread. Nothing blocks. Times are milliseconds of
 * the monotonic clock. Callbacks may call any function here, sup_remove and sup_free excepted.
 */
#ifndef SUPERVISE_SUPERVISE_H
#define SUPERVISE_SUPERVISE_H

#include "supervise/launch.h"

struct loop;
struct supervisor;
struct sup_server;
struct sup_probe;

/* ---- what a server is
 * ---------------------------------------------------------------------------- */

enum sup_check_kind {
    SUP_CHECK_TCP,       /* host:port accepts a connection */
    SUP_CHECK_UDP,       /* a socket of this machine is bound to host:port */
    SUP_CHECK_TLS,       /* host:port accepts and speaks TLS (certificates are not looked at) */
    SUP_CHECK_SCRIPT,    /* `run` ends with status 0; at the time-out its whole group is killed */
    SUP_CHECK_CALL,      /* `call` asks, sup_probe_done answers */
    SUP_CHECK_HEARTBEAT, /* sup_heartbeat has come for each key within timeout_ms */
};

/* One question whether a server is well. */
struct sup_check {
    enum sup_check_kind kind;
    const char *name; /* for messages; NULL: "tcp 127.0.0.1:80", "heartbeat", … */
    const char *host; /* a numeric address */
    uint16_t port;
    struct sup_launch run;
    /* Must lead to exactly one sup_probe_done, at once or later, also after the time-out. */
    void (*call)(void *user, struct sup_server *server, struct sup_probe *probe);
    const char *const *keys; /* of heartbeats, NULL-terminated; NULL: one, "" */
    int64_t interval_ms;     /* between questions while all is well; 0: 10 s */
    int64_t retry_ms;        /* between questions otherwise; 0: 1 s */
    int64_t timeout_ms;      /* 0: 3 s, for heartbeats 60 s */
    int rise, fall;          /* answers in a row that it takes to turn; 0: 1 */
    bool must;               /* has to pass whatever `need` says */
    bool optional;           /* has no vote until it has passed once since the launch */
    bool restart;            /* once it has passed: when it fails the server hangs, restart it */
};

enum sup_step_kind {
    SUP_STEP_SIGNAL,  /* to the whole process group, or to the main process */
    SUP_STEP_CALL,    /* `call` asks it to stop; sup_step_failed goes on at once */
    SUP_STEP_COMMAND, /* `run`; a status other than 0 goes on at once, at the end it is killed */
    SUP_STEP_WAIT,    /* drain: it still serves; sup_hurry ends it */
};

/* One rung of the stop ladder; when `ms` are over and a process is left, the next one follows. */
struct sup_step {
    enum sup_step_kind kind;
    int64_t ms;
    int number; /* of the signal */
    bool main_only;
    struct sup_launch run;
    void (*call)(void *user, struct sup_server *server);
};

enum sup_restart { SUP_RESTART_ALWAYS, SUP_RESTART_ON_FAILURE, SUP_RESTART_NEVER };

/* When a server that ended is started again; 0 gives the default, -1 none where it says so. */
struct sup_backoff {
    int64_t first_ms;   /* after the first crash; 0: 1 s; -1: at once, always */
    int64_t max_ms;     /* doubling ends here; 0: 60 s */
    int64_t stable_ms;  /* a run this long forgets the crashes before it; 0: 60 s */
    int penalty_after;  /* this many crashes in a row … ; 0: 10; -1: never */
    int64_t penalty_ms; /* … make it wait this long; 0: 10 min */
    int64_t spacing_ms; /* least time from launch to launch; 0: none */
    int jitter_percent; /* each wait is up to this much longer; 0: 10; -1: none */
};

struct sup_spec {
    const char *name; /* letters, digits, '.', '_', '-'; unique; at most 128 bytes, no '.' first */
    struct sup_launch launch;
    struct sup_output output;

    /* Healthy: all `must` checks pass and, of the others that vote, `need` (0: all). With no check
     * a server is healthy once its program runs. */
    const struct sup_check *checks;
    size_t check_count;
    int need;
    int64_t activating_ms;   /* longest start; then it counts as inactive; 0: 60 s; -1: no end */
    bool activating_restart; /* … and is restarted */

    enum sup_restart restart;
    struct sup_backoff backoff;

    /* The stop ladder; SIGKILL to all that is left of it always follows. None: SIGTERM, 10 s. */
    const struct sup_step *stop;
    size_t stop_count;
    int64_t stop_ms; /* SIGKILL comes at the latest now, whatever the steps say; 0: no such end */

    /* Called before each launch (NULL: nothing to do); must lead to one sup_prepared. */
    void (*prepare)(void *user, struct sup_server *server);
    void *user; /* of all callbacks in here */
};

/* ---- what is to be seen of it
 * -------------------------------------------------------------------- */

enum sup_present { SUP_INACTIVE, SUP_ACTIVATING, SUP_ACTIVE, SUP_DEACTIVATING };

struct sup_state {
    bool setting; /* it should run */
    enum sup_present present;
    pid_t pid; /* of the main process; 0: none */
};

enum sup_event_kind {
    SUP_EVENT_STATE,         /* the state has changed */
    SUP_EVENT_LAUNCHED,      /* the program runs */
    SUP_EVENT_LAUNCH_FAILED, /* it could not be run: text */
    SUP_EVENT_ADOPTED,       /* a process of an earlier supervisor has been found */
    SUP_EVENT_FOLLOWED,      /* the main process has handed over to another one of its tree */
    SUP_EVENT_EXITED,        /* the main process has ended: status, text, ms of its life */
    SUP_EVENT_BACKOFF,       /* the next launch is in ms; text when that is the penalty */
    SUP_EVENT_CHECK_FAILED,  /* a check has turned to failing: text */
    SUP_EVENT_CHECK_PASSED,  /* a check has turned to passing: text */
    SUP_EVENT_SLOW_START,    /* not healthy within activating_ms */
    SUP_EVENT_HUNG,          /* it will be restarted because of a check: text */
    SUP_EVENT_STOP_STEP,     /* the stop ladder: text */
    SUP_EVENT_UNKILLABLE,    /* there is something left some seconds after SIGKILL */
    SUP_EVENT_OUTPUT_LOST,   /* output cannot be written to its file: text */
    SUP_EVENT_STATE_FILE,    /* the state cannot be kept, so it would not be found again: text */
};

struct sup_event {
    enum sup_event_kind kind;
    pid_t pid;
    int status;       /* as of waitpid; -1: not known (it was not the supervisor's child) */
    int64_t ms;       /* a duration where the kind speaks of one */
    const char *text; /* for people; "" when the kind says it all; gone after the callback */
};

struct sup_status {
    struct sup_state state;
    bool healthy, adopted, held;
    bool outdated;               /* what runs was launched otherwise than the spec says now */
    int64_t running_ms;          /* since the launch; 0: does not run */
    int64_t launch_in_ms;        /* until the next launch; -1: none is planned */
    int crashes;                 /* in a row */
    unsigned launches;           /* by this supervisor */
    int last_status;             /* as of waitpid; -1: not known or none yet */
    uint64_t output_lost;        /* bytes that could not be written to the file */
    uint64_t strange_heartbeats; /* with an unknown key or a process that is not of the tree */
    char reason[256];            /* why it is not healthy, or how it ended; "" */
};

/* ---- the supervisor
 * ------------------------------------------------------------------------------- */

struct sup_options {
    /* A folder of its own (made with 0700) for what is needed to find the servers again; NULL:
     * after kill -9 of the supervisor they are not found. */
    const char *state_folder;
    bool subreaper; /* adopt what servers leave behind; PID 1 does so anyway */
    void (*event)(void *user, struct sup_server *server, const struct sup_event *event);
    void *user;
};

/* Watches SIGCHLD and ignores SIGPIPE and SIGXFSZ. NULL with the reason in *error. */
struct supervisor *sup_new(struct loop *loop, const struct sup_options *options,
                           struct tars_error *error);
/* Leaves what runs running: sup_stop_all stops. Before loop_free. */
void sup_free(struct supervisor *sup);

/*
 * A new server, not started; the spec is copied. One that an earlier supervisor with the same state
 * folder started and that still runs is taken over, with the setting it had. NULL with the reason
 * in *error. Owned by the supervisor.
 */
struct sup_server *sup_add(struct supervisor *sup, const struct sup_spec *spec,
                           struct tars_error *error) TARS_MUSTCHECK;
/* What holds from the next launch on, checks and ladder at once; the name stays. */
bool sup_update(struct sup_server *server, const struct sup_spec *spec,
                struct tars_error *error) TARS_MUSTCHECK;
/* Forgets one of which no process is left and that nobody prepares (sup_prepared); else false. */
bool sup_remove(struct sup_server *server);
struct sup_server *sup_find(struct supervisor *sup, const char *name);
/* Walks in the order of sup_add: NULL gives the first, NULL is the end. */
struct sup_server *sup_next(struct supervisor *sup, struct sup_server *before);

/* Stops all at once; `done` (may be NULL) is called when no process is left. */
void sup_stop_all(struct supervisor *sup, void (*done)(void *user), void *user);
/* A signal for the main process of each that runs: what PID 1 forwards. */
void sup_signal_all(struct supervisor *sup, int number);

/* ---- one server
 * ----------------------------------------------------------------------------------- */

const char *sup_name(const struct sup_server *server);
void *sup_user(const struct sup_server *server); /* spec.user */

/* Setting active; launches at once unless it runs. While it is stopping: a restart. */
void sup_start(struct sup_server *server);
/* Setting inactive; goes down the ladder. One that is stopping already keeps its clock. */
void sup_stop(struct sup_server *server);
/* Down the ladder and up again, without back-off. */
void sup_restart(struct sup_server *server);
/* While stopping: ends a wait, else goes to SIGKILL. */
void sup_hurry(struct sup_server *server);
/* While held it is not launched again when it ends; letting go launches what was due. */
void sup_hold(struct sup_server *server, bool held);
/* A signal for its main process; false when none runs. */
bool sup_signal(struct sup_server *server, int number);

/* Answers spec.prepare; not ok: tried again as after a crash. `reason` may be NULL. */
void sup_prepared(struct sup_server *server, bool ok, const char *reason);
/* Tells that a SUP_STEP_CALL has come to nothing. */
void sup_step_failed(struct sup_server *server, const char *reason);
/* Answers a SUP_CHECK_CALL; the probe is gone then. `reason` may be NULL. */
void sup_probe_done(struct sup_probe *probe, bool ok, const char *reason);

/*
 * A heartbeat for a key (NULL or "": for all). With a pid (0: none) of another process of its tree
 * that one becomes the main process, unless it is an ancestor of the present one. False when the
 * key is unknown or the process not of its tree: then nothing else happens.
 */
bool sup_heartbeat(struct sup_server *server, const char *key, pid_t pid);
/* It says that it is still starting: active becomes activating until the next heartbeat. */
bool sup_activating(struct sup_server *server, pid_t pid);

struct sup_state sup_state(const struct sup_server *server);
void sup_status(const struct sup_server *server, struct sup_status *status);
/* The end of the output of the latest launch, with a NUL behind it; to be freed, never NULL. */
char *sup_tail(const struct sup_server *server, size_t *len);

/* "ended with status 3", "was killed by signal 9 (Killed)", "ended" (-1). */
void sup_describe_exit(int status, char *text, size_t size);
/* "inactive", "activating", "active", "deactivating" */
const char *sup_present_name(enum sup_present present);

/* ---- sinks: who has to be told the state
 * --------------------------------------------------------- */

struct sup_sink {
    const char *name;
    /* Must lead to sup_delivered with the same `number`, at once or later. */
    void (*deliver)(void *user, struct sup_server *server, const struct sup_state *state,
                    uint64_t number);
    int64_t timeout_ms; /* then it counts as failed; 0: 10 s */
    int64_t retry_ms;   /* after the first failure, doubling up to 30 s; 0: 1 s */
    void *user;
};

/* Each change of setting or present of each server goes to it, at once, until it is acknowledged;
 * the newest replaces older ones. At most 8 sinks, added before the first server. */
void sup_add_sink(struct supervisor *sup, const struct sup_sink *sink);
/* Acknowledges, or asks to be told again later. Old numbers are ignored. */
void sup_delivered(struct sup_server *server, const struct sup_sink *sink, uint64_t number,
                   bool ok);

/* ---- tasks: helpers that run to their end
 * -------------------------------------------------------- */

struct sup_task;
struct sup_task_end {
    bool ok;            /* status 0, in time */
    bool timed_out;     /* its whole group has been killed */
    int status;         /* as of waitpid; -1: it could not be run */
    const char *text;   /* how it ended, for people */
    const char *output; /* the last 4 KiB of it, NUL-terminated */
};

/* Runs a helper; `done` is called once, later, also when it cannot be run. Owned by the
 * supervisor until then. timeout_ms <= 0: none. */
struct sup_task *sup_run(struct supervisor *sup, const struct sup_launch *launch,
                         int64_t timeout_ms,
                         void (*done)(void *user, const struct sup_task_end *end), void *user);
/* Kills its group; `done` is not called any more. */
void sup_cancel(struct sup_task *task);

#endif
