/* SPDX-License-Identifier: BSD-3-Clause */
#include "podkit.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "serverkit.h"

static char self[4096]; /* this program */

void pod_env(struct pod *pod, const char *variable)
{
    pod->env[pod->env_len++] = variable;
    ck_assert_uint_lt(pod->env_len, sizeof pod->env / sizeof *pod->env);
}

const char *pod_file(const struct pod *pod, const char *name)
{
    return tk_text("%s/%s", pod->home, name);
}

void pod_script(const struct pod *pod, const char *name, const char *lines)
{
    const char *path = pod_file(pod, name);
    tk_write_file(path, tk_text("#!/bin/sh\n%s", lines));
    chmod(path, 0755);
}

/* The last line of a script: it becomes the server. */
const char *pod_serve_line(void)
{
    return tk_text("echo starting\necho $$ >$TARS_PATH/pid\n"
                   "exec %s --config=$TARS_PATH/conf/ShapeServer.conf\n",
                   self);
}

struct pod pod_of(const char *locator)
{
    static const char *const folders[] = {"bin", "conf", "data", "log"};
    struct pod pod = {.home = tk_dir()};
    uint16_t port = tk_free_port();
    for (size_t i = 0; i < 4; i++)
        mkdir(pod_file(&pod, folders[i]), 0755);
    tk_write_file(pod_file(&pod, "bin/_server_meta.yaml"),
                  "application: Demo\nserver: ShapeServer\nadapters:\n- object: ShapesObj\n"
                  "- object: DatagramObj\n"
                  "  endpoint: udp -h ${local_ip} -p ${random_port} -t 10000\n");
    pod_script(&pod, "bin/start.sh", pod_serve_line());
    pod_env(&pod, tk_text("TARS_PATH=%s", pod.home));
    pod_env(&pod, "POD_IP=127.0.0.1");
    pod_env(&pod, tk_text("TARS_RAND_PORT_MIN=%u", port));
    pod_env(&pod, tk_text("TARS_RAND_PORT_MAX=%u", port + 500));
    pod_env(&pod, tk_text("TARS_LOCATOR=%s", locator));
    pod_env(&pod, "TARS_KEEPALIVE_INTERVAL=300ms");
    pod_env(&pod, "TARS_CHECK_INTERVAL=500ms");
    pod_env(&pod, "TARS_CHECK_RETRY_TIMEOUT=0");
    pod_env(&pod, "TARS_PRESTOP_WAITTIME=2s");
    return pod;
}

void pod_start(struct pod *pod)
{
    const char *const argv[] = {tk_program("tarscli"), "supervisor", NULL};
    pod->supervisor = tk_spawn(argv, pod->env, NULL);
}

/* The status of a subcommand; its output (to be freed) in *output unless that is NULL. */
int pod_cli(const struct pod *pod, char **output, const char *command, const char *argument)
{
    const char *const argv[] = {tk_program("tarscli"), command, argument, NULL};
    char *text = NULL;
    int status = tk_run(argv, pod->env, SOON_MS, &text);
    if (output)
        *output = text;
    else
        free(text);
    return status;
}

bool pod_ready(const struct pod *pod)
{
    return pod_cli(pod, NULL, "hzcheck", NULL) == 0;
}

void pod_wait_ready(const struct pod *pod)
{
    char *log;
    if (tk_eventually(pod_ready(pod), SOON_MS))
        return;
    log = tk_read_file(pod_file(pod, "log/supervisor.log"));
    ck_abort_msg("not ready: %s", log);
}

pid_t pod_server(const struct pod *pod)
{
    char *text = tk_read_file(pod_file(pod, "pid"));
    pid_t pid = text ? (pid_t)atoi(text) : 0;
    free(text);
    return pid;
}

bool pod_file_has(const struct pod *pod, const char *name, const char *part)
{
    char *text = tk_read_file(pod_file(pod, name));
    bool has = text && strstr(text, part);
    free(text);
    return has;
}

unsigned pod_count(const struct pod *pod, const char *name, const char *part)
{
    char *text = tk_read_file(pod_file(pod, name));
    unsigned count = 0;
    for (const char *at = text; at && (at = strstr(at, part)); at++)
        count++;
    free(text);
    return count;
}

/* Ends it at once: the second signal ends the wait. */
void pod_stop(struct pod *pod)
{
    tk_signal(pod->supervisor, SIGTERM);
    tk_wait(pod->supervisor, 300);
    ck_assert_int_eq(tk_stop(pod->supervisor, SOON_MS), 0);
}

/* As if the power went, for both. */
void pod_drop(struct pod *pod)
{
    tk_kill(pod->supervisor);
    if (pod_server(pod) > 0)
        kill(pod_server(pod), SIGKILL);
}

int pod_main(int argc, char **argv, int (*tests)(void))
{
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    struct tars_server *server;
    if (argc < 2)
        return len < 0 || tests();
    server = tars_server_new(argc, argv);
    sk_serve(server);
    return tars_server_run(server);
}
