/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the main() of each of our daemons shares: arguments, configuration file, environment,
 * limits, the data folder and its lock, the HTTP port with health and metrics, start and stop.
 *
 * A daemon's main.c is one `static const struct daemon_info` and
 *
 *     int main(int argc, char **argv)
 *     {
 *         return daemon_tars_main(argc, argv, &info);
 *     }
 *
 * Every setting is a key of the daemon's own domain, such as /tars/registry<http-port>. It comes,
 * first found first taken, from
 *   1. the argument (--data, --port-offset),
 *   2. the environment: its whole path in capitals, "_" between the words:
 *      TARS_REGISTRY_HTTP_PORT; TARS_ELK_NODES for /tars/elk<nodes>,
 *   3. the file of --config,
 *   4. its default.
 * The Tars adapters stand in the file as in that of every Tars server. A servant without one there
 * (or no file at all) listens on `address` (127.0.0.1) at its default port.
 *
 * Exit statuses: 0 stopped or --check passed, 1 failed while running or opening, 2 bad arguments or
 * configuration, 3 an address cannot be bound, 255 --monitor had no answer.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <tars/conf.h>
#include <tars/types.h>

struct daemon;
struct daemon_auth;
struct event_base;
struct tars_server;

enum daemon_status {
    DAEMON_OK = 0,
    DAEMON_FAILED = 1,
    DAEMON_USAGE = 2,
    DAEMON_BIND = 3,
    DAEMON_SILENT = 255 /* --monitor had no answer: -1, as monitoring scripts of Tars know it */
};

/* ---- what a daemon says about itself -----------------------------------------------------------
 */

enum daemon_kind {
    DAEMON_TEXT,
    DAEMON_INT,   /* a whole number, min..max */
    DAEMON_PORT,  /* 0..65535, 0 = off; the default (not a given value) moves with --port-offset */
    DAEMON_FLAG,  /* y, yes, on, true, 1; n, no, off, false, 0 */
    DAEMON_CHOICE /* one of `choices` */
};

struct daemon_key {
    const char *name;
    enum daemon_kind kind;
    const char *fallback; /* as a file would have it; "" for none. DAEMON_PORT uses `port` */
    const char *help;     /* one line, without the default */
    int64_t min, max;
    const char *choices; /* "native|k8s|k8stars" */
    uint16_t port;       /* default of a DAEMON_PORT; in a text "$PORT" stands for it */
    const char *domain;  /* "/tars/elk"; NULL: the daemon's own */
};

/* A Tars adapter: the servant "QueryObj" is served as "<app>.<name>.QueryObj". */
struct daemon_adapter {
    const char *servant;
    uint16_t port;
    /*
     * Its calls change something. Then the daemon has the keys /tars/auth<tokens> and `auth`, asks
     * daemon_auth_allows() about the context tars_token of each such call, and does not start on an
     * address that others reach with neither a token file nor auth=off.
     */
    bool changes;
};

/* Called once per sample; the name alone says what it is: "…_total" counts, all else is a gauge. */
typedef void daemon_emit(void *user, const char *name, const char *labels, double value);

/* A counter or gauge without labels; `read` is called on the HTTP thread while the state is open.
 */
struct daemon_metric {
    const char *name;
    const char *help;
    double (*read)(void *self);
};

/*
 * What the program also does, instead of serving, with the data folder: `NAME backup DIR`. `data`
 * is where the folder is or would be, and a running daemon may hold it. Returns the exit status.
 */
struct daemon_command {
    const char *name;
    const char *operand; /* how --help calls what follows the name; NULL: nothing may */
    const char *help;    /* one line */
    int (*run)(const char *data, const char *operand);
};

struct daemon_info {
    const char *name;   /* of the program, and of the Tars server: "tarsregistry" */
    const char *about;  /* one line for --help */
    const char *domain; /* of its own keys: "/tars/registry" */

    /* For daemon_tars_main only. */
    const char *app; /* "tars" */
    const struct daemon_adapter *adapters;
    size_t adapter_count;
    uint16_t admin_port; /* of AdminObj on the `local` endpoint */

    uint16_t http_port; /* default of the key http-port */
    bool needs_data;    /* a data folder, made 0700 and locked against a second daemon */
    const struct daemon_command *commands; /* on that folder */
    size_t command_count;

    const struct daemon_key *keys;
    size_t key_count;
    const struct daemon_metric *metrics;
    size_t metric_count;

    /*
     * Makes the daemon's state and connects it: tars_…_serve on daemon_server(), sockets of its
     * own. *self is handed to everything below. On failure it leaves nothing behind; error->code
     * is the exit status (DAEMON_FAILED when it is none of enum daemon_status).
     */
    bool (*open)(struct daemon *daemon, void **self, struct tars_error *error);
    /*
     * May the adapters listen? Asked on the main thread after `open`, again and again until it says
     * so; meanwhile /readyz tells the reason of `ready`, and a signal ends the daemon. NULL: at
     * once.
     */
    bool (*may_serve)(void *self);
    /* Once all adapters listen; when the stop begins (may wait for what has to be saved). NULL
     * where there is nothing to do. Main thread. */
    void (*started)(void *self);
    void (*stopping)(void *self);
    /* Releases the state; nobody calls in any more. */
    void (*close)(void *self);
    /* For /readyz: true, or false with the reason for people in `why`. NULL: ready once started.
     * HTTP thread. */
    bool (*ready)(void *self, char *why, size_t size);
    /* Samples with labels, or NULL. HTTP thread. */
    void (*more_metrics)(void *self, daemon_emit *each, void *user);
};

/*
 * Everything: reads arguments and configuration, opens, serves until SIGTERM or SIGINT, closes.
 * Returns the exit status. Messages for people go to stderr, --help and --version to stdout.
 */
int daemon_tars_main(int argc, char **argv, const struct daemon_info *info);
/* The same without a Tars server, which then is not even linked: a bare event loop. */
int daemon_main(int argc, char **argv, const struct daemon_info *info);

/* ---- what a daemon may ask ---------------------------------------------------------------------
 */

/* Settings by their name in `keys` (or of the frame: "address", "http-port", …); valid as long as
 * the daemon. A key that is in no table ends the process: it is a mistake in the code. */
const char *daemon_text(const struct daemon *daemon, const char *key);
int64_t daemon_int(const struct daemon *daemon, const char *key);
uint16_t daemon_port(const struct daemon *daemon, const char *key);
bool daemon_flag(const struct daemon *daemon, const char *key);

/* The data folder, an absolute path; NULL unless needs_data. */
const char *daemon_data(const struct daemon *daemon);
int daemon_port_offset(const struct daemon *daemon);
/* For daemon_auth_allows; NULL when everybody may change everything. Valid as long as the daemon.
 */
struct daemon_auth *daemon_auth(const struct daemon *daemon);
/* The whole configuration as it is in force, adapters included. */
const struct tars_conf *daemon_conf(const struct daemon *daemon);
/* Only under daemon_tars_main, until `close`. */
struct tars_server *daemon_server(struct daemon *daemon);
/* The loop of the main thread, which also handles the signals. Under daemon_tars_main it is gone
 * when `close` is called: what stands on it is released in `stopping`. */
struct event_base *daemon_base(struct daemon *daemon);
/* Ends the daemon with that exit status; from any thread. The caller logs why. */
void daemon_stop(struct daemon *daemon, enum daemon_status status);

#endif
