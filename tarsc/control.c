/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "loop/loop.h"

enum {
    MOST_CALLS = 32,
    MOST_CONNECTIONS = 2 * MOST_CALLS,
    REQUEST_BYTES = 256,
    REQUEST_MS = 5000,
    BACKLOG = 16
};

struct control_call {
    struct control_call *next;
    struct control *control;
    int fd;
    struct event *event;
    struct loop_timer timer; /* the request has to come */
    char request[REQUEST_BYTES];
    size_t len;
};

struct control {
    struct loop *loop;
    int folder, fd;
    struct event *event;
    struct control_call *calls;
    size_t count;
    control_handler *handler;
    void *user;
};

/* ---- one call
 * ------------------------------------------------------------------------------------- */

static void end_call(struct control_call *call)
{
    struct control_call **at = &call->control->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    call->control->count--;
    loop_timer_clear(call->control->loop, &call->timer);
    event_free(call->event);
    close(call->fd);
    free(call);
}

void control_answer(struct control_call *call, bool ok, const char *text)
{
    /* It fits into the socket's buffer; who has gone away misses it. */
    char *answer = xasprintf("%s\n%s", ok ? "ok" : "error", text);
    ssize_t ignored = send(call->fd, answer, strlen(answer), MSG_NOSIGNAL);
    (void)ignored;
    free(answer);
    end_call(call);
}

static void take_request(struct control_call *call)
{
    char verb[16] = "", name[160] = "", more[2] = "";
    int version = 0;
    event_del(call->event);
    loop_timer_clear(call->control->loop, &call->timer);
    int found = sscanf(call->request, "tarsc %d %15s %159s %1s", &version, verb, name, more);
    if (found < 2 || found > 3)
        control_answer(call, false, "that is no request of tarsc\n");
    else if (version != 1)
        control_answer(call, false, "the running tarsc speaks version 1 of the protocol only\n");
    else if (call->control->count > MOST_CALLS)
        control_answer(call, false, "it is busy with other commands: try again\n");
    else
        call->control->handler(call->control->user, call, verb, name);
}

static void on_request(evutil_socket_t fd, short what, void *arg)
{
    struct control_call *call = arg;
    (void)what;
    ssize_t got = recv(fd, call->request + call->len, sizeof call->request - 1 - call->len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end_call(call);
        return;
    }
    call->len += (size_t)got;
    call->request[call->len] = '\0';
    if (memchr(call->request, '\n', call->len))
        take_request(call);
    else if (call->len == sizeof call->request - 1)
        control_answer(call, false, "the request is too long\n");
}

static void on_late(struct loop_timer *timer)
{
    end_call(loop_container(timer, struct control_call, timer));
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
    struct control *control = arg;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)what;
    if (fd < 0)
        return;
    if (control->count == MOST_CONNECTIONS) {
        close(fd);
        return;
    }
    struct control_call *call = xcalloc(1, sizeof *call);
    call->control = control;
    call->fd = fd;
    call->next = control->calls;
    control->calls = call;
    control->count++;
    call->event = event_new(loop_base(control->loop), fd, EV_READ | EV_PERSIST, on_request, call);
    event_add(call->event, NULL);
    loop_timer_set(control->loop, &call->timer, REQUEST_MS, on_late);
}

/* ---- the socket
 * ----------------------------------------------------------------------------------- */

/* By way of the open folder, because a socket's path may have 107 bytes only. */
static struct sockaddr_un address_in(int folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control", folder);
    return address;
}

static bool listen_in(struct control *control, const char *folder, struct tars_error *error)
{
    struct sockaddr_un address = address_in(control->folder);
    unlinkat(control->folder, "control", 0);
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool ok = control->fd >= 0 &&
              bind(control->fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
              listen(control->fd, BACKLOG) == 0;
    umask(before);
    return ok || tars_fail(error, errno, "cannot make the socket %s/control for other commands: %s",
                           folder, strerror(errno));
}

struct control *control_open(struct loop *loop, const char *folder, control_handler *handler,
                             void *user, struct tars_error *error)
{
    struct control *control = xcalloc(1, sizeof *control);
    control->loop = loop;
    control->handler = handler;
    control->user = user;
    control->fd = -1;
    control->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!listen_in(control, folder, error)) {
        control_close(control);
        return NULL;
    }
    control->event = event_new(loop_base(loop), control->fd, EV_READ | EV_PERSIST, on_connection,
                               control);
    event_add(control->event, NULL);
    return control;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    while (control->calls)
        end_call(control->calls);
    if (control->event) {
        event_free(control->event);
        unlinkat(control->folder, "control", 0);
    }
    if (control->fd >= 0)
        close(control->fd);
    if (control->folder >= 0)
        close(control->folder);
    free(control);
}

/* ---- asking
 * --------------------------------------------------------------------------------------- */

static int connect_in(const char *folder, struct tars_error *error)
{
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un address = address_in(at);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = at >= 0 && fd >= 0 &&
              connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    int failed = errno;
    if (at >= 0)
        close(at);
    if (ok)
        return fd;
    if (fd >= 0)
        close(fd);
    if (failed == ENOENT || failed == ECONNREFUSED)
        tars_fail(error, failed, "no suite runs in %s: tarsc up starts one", folder);
    else
        tars_fail(error, failed, "cannot reach the suite in %s: %s", folder, strerror(failed));
    return -1;
}

static char *read_answer(int fd)
{
    enum { PART = 4096 };
    char *text = NULL;
    size_t len = 0;
    ssize_t got;
    do {
        text = xrealloc(text, len + PART + 1);
        got = read(fd, text + len, PART);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    text[len] = '\0';
    return text;
}

char *control_ask(const char *folder, const char *verb, const char *name, bool *ok,
                  struct tars_error *error)
{
    char request[REQUEST_BYTES];
    int fd = connect_in(folder, error);
    if (fd < 0)
        return NULL;
    int len = snprintf(request, sizeof request, "tarsc 1 %s %.160s\n", verb, name);
    char *answer = send(fd, request, (size_t)len, MSG_NOSIGNAL) == len ? read_answer(fd) : NULL;
    close(fd);
    char *text = answer ? strchr(answer, '\n') : NULL;
    if (!text) {
        tars_fail(error, EPIPE, "the suite in %s ended before it answered", folder);
        free(answer);
        return NULL;
    }
    *ok = strncmp(answer, "ok\n", 3) == 0;
    memmove(answer, text + 1, strlen(text + 1) + 1);
    return answer;
}
