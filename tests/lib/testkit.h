/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests against running programs share: folders and ports of their own, child processes that
 * cannot outlive the test, small clients for HTTP and for raw Tars frames, waiting with a deadline.
 * Times are milliseconds. A helper that cannot do its work (no socket, no process) aborts the test.
 */
#ifndef TESTS_TESTKIT_H
#define TESTS_TESTKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- main ---------------------------------------------------------------------------------- */

struct Suite; /* of Check */
/* Runs a suite and frees it: the exit status. */
int tk_main(struct Suite *suite);

/* ---- time ---------------------------------------------------------------------------------- */

int64_t tk_ms(void); /* monotonic */
void tk_sleep(int ms);

/* Evaluates the condition every 10 ms until it is true (true) or the time is up (false). */
#define tk_eventually(condition_, ms_)                                                             \
    ({                                                                                             \
        int64_t tk_end_ = tk_ms() + (ms_);                                                         \
        bool tk_true_;                                                                             \
        while (!(tk_true_ = (condition_)) && tk_ms() < tk_end_)                                    \
            tk_sleep(10);                                                                          \
        tk_true_;                                                                                  \
    })

/* ---- files --------------------------------------------------------------------------------- */

/* A new empty folder (0700), removed with all in it when the process exits. Owned by the kit. */
const char *tk_dir(void);
/* printf into a text that lives until the process exits: paths, arguments. */
const char *tk_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The whole file with a NUL behind it, to be freed; NULL when it cannot be read. */
char *tk_read_file(const char *path);
void tk_write_file(const char *path, const char *text);
/* The path of a built program: $BUILD/bin/NAME. */
const char *tk_program(const char *name);

/* ---- ports --------------------------------------------------------------------------------- */

/* A loopback port that was free for TCP and UDP a moment ago and that no other test gets while this
 * process lives. */
uint16_t tk_free_port(void);
/* An offset N with every ports[i] + N free for TCP, and claimed likewise (for suites that move all
 * ports by N). */
int tk_free_offset(const uint16_t *ports, size_t count);
bool tk_port_open(uint16_t port);
bool tk_wait_port(uint16_t port, int ms);
/* The process goes into a network of its own, in which this is the only port for outgoing
 * connections: one to that port on which nobody listens meets itself. False: not allowed here. */
bool tk_network_of_one_port(uint16_t port);

/* ---- processes ----------------------------------------------------------------------------- */

struct tk_process {
    pid_t pid;
    bool gone;
    int status; /* when gone: exit status, or 128 + signal */
    char log[512];
};

/*
 * Starts argv[0] with stdin from /dev/null; stdout and stderr are appended to the file `log` (NULL:
 * one in a new folder). `env` holds "NAME=value" texts to add, NULL-terminated, or is NULL. The
 * process is killed when the test's process ends. Owned by the kit.
 */
struct tk_process *tk_spawn(const char *const argv[], const char *const env[], const char *log);
/* True when it has ended within the time. */
bool tk_wait(struct tk_process *process, int ms);
void tk_signal(struct tk_process *process, int signal);
/* SIGTERM and wait; the status, or -1 when it had to be killed after `ms`. */
int tk_stop(struct tk_process *process, int ms);
/* SIGKILL and wait. */
void tk_kill(struct tk_process *process);
/* What it has written so far, to be freed. */
char *tk_output(const struct tk_process *process);
bool tk_output_has(const struct tk_process *process, const char *text);
/* Resident memory in KiB; 0 when it is gone. */
long tk_rss_kb(const struct tk_process *process);

/* Runs to the end: the status (-1 after `ms`, killed) and all output (to be freed) in *output. */
int tk_run(const char *const argv[], const char *const env[], int ms, char **output);

/* ---- sockets ------------------------------------------------------------------------------- */

/* A connection to 127.0.0.1, or -1. Reads and writes on it wait 10 s at most. */
int tk_connect(uint16_t port);
/* False when the peer has closed. */
bool tk_send(int fd, const void *bytes, size_t len);
/*
 * One Tars frame: its bytes (to be freed) with the 4 bytes of length in front, and their number.
 * NULL when the time is up, the peer closes, or the length is below 4 or over 100 MiB.
 */
uint8_t *tk_read_frame(int fd, int ms, size_t *len);
/* True when the peer closes within the time; what it sends before is dropped. */
bool tk_closed(int fd, int ms);

/*
 * One HTTP/1.1 request to 127.0.0.1 with a JSON body (NULL: none). Returns the status and the body
 * in *answer (to be freed; NULL pointer: not wanted); -1 without an answer within 10 s.
 */
int tk_http(uint16_t port, const char *method, const char *path, const char *body, char **answer);

#endif
