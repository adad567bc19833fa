/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/health.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/xmalloc.h"

enum { CONNECTIONS = 64, IDLE_SECONDS = 10, BYTES_PER_CONNECTION = 8192, BACKLOG = 64 };

struct daemon_health {
    struct MHD_Daemon *http;
    struct daemon_health_source source;
};

/* ---- the three pages
 * ---------------------------------------------------------------------------------- */

static unsigned page_healthz(struct daemon_health *health, FILE *out)
{
    (void)health;
    fputs("ok\n", out);
    return MHD_HTTP_OK;
}

static unsigned page_readyz(struct daemon_health *health, FILE *out)
{
    char why[300] = "not ready";
    bool ready = health->source.ready(health->source.user, why, sizeof why);
    fprintf(out, "%s\n", ready ? "ready" : why);
    return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned page_metrics(struct daemon_health *health, FILE *out)
{
    health->source.metrics(health->source.user, out);
    return MHD_HTTP_OK;
}

static const struct page {
    const char *path;
    const char *content_type;
    unsigned (*write)(struct daemon_health *health, FILE *out);
} pages[] = {
    {"/healthz", "text/plain; charset=utf-8", page_healthz},
    {"/readyz", "text/plain; charset=utf-8", page_readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics},
};

static const struct page *find_page(const char *path)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strcmp(pages[i].path, path) == 0)
            return &pages[i];
    return NULL;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *body,
                              size_t len, const char *content_type)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, body,
                                                                    MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
    return answer(connection, status, xstrdup(text), strlen(text), "text/plain; charset=utf-8");
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    const struct page *page = find_page(path);
    char *body = NULL;
    size_t len = 0;
    (void)version, (void)upload, (void)upload_len, (void)state;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (!page)
        return refuse(connection, MHD_HTTP_NOT_FOUND, "try /healthz, /readyz or /metrics\n");
    FILE *out = open_memstream(&body, &len);
    if (!out)
        return MHD_NO;
    unsigned status = page->write(user, out);
    if (fclose(out) == 0)
        return answer(connection, status, body, len, page->content_type);
    free(body);
    return MHD_NO;
}

/* ---- the port
 * --------------------------------------------------------------------------------------------- */

static int listen_on(const struct addrinfo *at)
{
    int on = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

/* A name that has both kinds of addresses, as localhost often has, means IPv4. */
static int look_up(const char *address, const char *service, struct addrinfo **found)
{
    struct addrinfo hints = {
        .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    const char *host = *address ? address : NULL;
    if (getaddrinfo(host, service, &hints, found) == 0)
        return 0;
    hints.ai_family = AF_UNSPEC;
    return getaddrinfo(host, service, &hints, found);
}

static int open_port(const char *address, uint16_t port, struct tars_error *error)
{
    struct addrinfo *found;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int unknown = look_up(address, service, &found);
    if (unknown) {
        tars_fail(error, -1, "HTTP address %s: %s", address, gai_strerror(unknown));
        return -1;
    }
    int fd = listen_on(found);
    if (fd < 0)
        tars_fail(error, -1, "cannot listen on HTTP address %s port %u: %s", address, port,
                  strerror(errno));
    freeaddrinfo(found);
    return fd;
}

struct daemon_health *daemon_health_new(const char *address, uint16_t port,
                                        const struct daemon_health_source *source,
                                        struct tars_error *error)
{
    int fd = open_port(address, port, error);
    if (fd < 0)
        return NULL;
    struct daemon_health *health = xcalloc(1, sizeof *health);
    health->source = *source;
    health->http = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, port, NULL, NULL, on_request, health,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)BYTES_PER_CONNECTION, MHD_OPTION_END);
    if (health->http)
        return health;
    tars_fail(error, -1, "cannot start HTTP on port %u: %s", port, strerror(errno));
    close(fd);
    free(health);
    return NULL;
}

void daemon_health_free(struct daemon_health *health)
{
    if (!health)
        return;
    MHD_stop_daemon(health->http);
    free(health);
}
