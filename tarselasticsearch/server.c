/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include "certificate.h"
#include "filter_path.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "request.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* Listens with one certificate. Another certificate means another one on the same socket. */
struct listener {
    struct server *server;
    struct MHD_Daemon *daemon;
    struct certificate *certificate; /* NULL: plain HTTP */
    int fd;                          /* to be closed behind MHD; -1: MHD closes it */
    _Atomic int working;             /* calls that the store's threads have */
    _Atomic bool closing;
};

struct server {
    struct store *store;
    pthread_mutex_t lock; /* of `listener`, for who counts connections */
    struct listener *listener;
    struct listener *retired; /* which has connections from before; or NULL */
    struct server_options options;
    struct certificate_files certificates;
    char *basic, *api_key; /* whole values of the Authorization header, or NULL */
    _Atomic size_t memory;
    _Atomic uint64_t renewals;
};

/* One exchange. It belongs to MHD's thread until it is submitted, then to the store's until it is
 * resumed. */
struct call {
    struct store_job job;
    struct listener *listener;
    struct server *server;
    struct MHD_Connection *connection;
    struct request request;
    struct text body;
    char *target;
    size_t counted; /* bytes in server->memory */
    int refused;    /* a status to answer with once the body is over */
    _Atomic bool finished;
};

/* ---- answers
 * ------------------------------------------------------------------------------------------ */

static enum MHD_Result send_answer(struct call *call)
{
    struct request *r = &call->request;
    struct MHD_Response *response = MHD_create_response_from_buffer(r->answer.len, r->answer.at,
                                                                    MHD_RESPMEM_MUST_FREE);
    r->answer = (struct text){0};
    MHD_add_response_header(response, "Content-Type",
                            r->plain ? "text/plain; charset=UTF-8" : "application/json");
    MHD_add_response_header(response, "X-elastic-product", "Elasticsearch");
    if (r->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate",
                                "Basic realm=\"security\" charset=\"UTF-8\"");
    if (r->status == 429)
        MHD_add_response_header(response, "Retry-After", "1");
    enum MHD_Result result = MHD_queue_response(call->connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct call *call, int status)
{
    static const struct {
        int status;
        const char *type, *reason;
    } reasons[] = {
        {401, "security_exception", "missing or wrong authentication credentials for REST request"},
        {400, "illegal_argument_exception",
         "the body cannot be unpacked: it is not gzip, or damaged"},
        {406, "media_type_header_exception",
         "the Content-Type of the body is not supported: JSON was expected"},
        {413, "content_too_long_exception",
         "the body is larger than this store takes (body-limit)"},
        {503, "node_closed_exception", "the store is stopping"},
        {429, "circuit_breaking_exception",
         "the store is busy: too many requests wait or too much memory is in use"},
    };
    struct failure f = {0};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            failure_set(&f, status, reasons[i].type, "%s", reasons[i].reason);
    request_fail(&call->request, &f);
    return send_answer(call);
}

/* ---- who asks
 * --------------------------------------------------------------------------------------------- */

static bool same(const char *given, const char *expected)
{
    size_t len = strlen(expected);
    return expected[0] && strlen(given) == len && CRYPTO_memcmp(given, expected, len) == 0;
}

static bool allowed(const struct server *s, struct MHD_Connection *connection)
{
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    if (!s->basic && !s->api_key)
        return true;
    return given &&
           ((s->basic && same(given, s->basic)) || (s->api_key && same(given, s->api_key)));
}

static char *basic_header(const char *user, const char *password)
{
    char *pair = xasprintf("%s:%s", user, password ? password : ""), *header;
    size_t len = strlen(pair);
    unsigned char *encoded = xmalloc(len * 4 / 3 + 8);
    EVP_EncodeBlock(encoded, (const unsigned char *)pair, (int)len);
    header = xasprintf("Basic %s", (const char *)encoded);
    OPENSSL_cleanse(pair, len);
    free(pair);
    free(encoded);
    return header;
}

bool server_is_local(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* ---- bodies
 * -------------------------------------------------------------------------------------------------
 */

/* Bytes that the call holds are counted for the whole server; false over its limit. */
static bool count_memory(struct call *call, size_t bytes)
{
    struct server *s = call->server;
    call->counted += bytes;
    return atomic_fetch_add(&s->memory, bytes) + bytes <= s->options.memory_limit;
}

static void take_body(struct call *call, const char *data, size_t len)
{
    if (call->refused)
        return;
    if (call->body.len + len > call->server->options.body_limit)
        call->refused = 413;
    else if (!count_memory(call, len))
        call->refused = 429;
    else
        text_add(&call->body, data, len);
    if (call->refused)
        text_free(&call->body);
}

static int unpack(struct call *call)
{
    struct text plain = {0};
    unsigned char chunk[16384];
    z_stream z = {.next_in = (unsigned char *)call->body.at, .avail_in = (uInt)call->body.len};
    int status = inflateInit2(&z, 15 + 16) == Z_OK ? 0 : 400, rc = Z_OK;
    while (!status && rc != Z_STREAM_END) {
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        rc = inflate(&z, Z_NO_FLUSH);
        size_t got = sizeof chunk - z.avail_out;
        if ((rc != Z_OK && rc != Z_STREAM_END) || (got == 0 && rc == Z_OK))
            status = 400;
        else if (plain.len + got > call->server->options.body_limit)
            status = 413;
        else if (!count_memory(call, got))
            status = 429;
        else
            text_add(&plain, chunk, got);
    }
    inflateEnd(&z);
    text_free(&call->body);
    call->body = plain;
    return status;
}

static int check_body(struct call *call)
{
    const char *type = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                   "Content-Type");
    const char *packed = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                     "Content-Encoding");
    if (call->refused || call->body.len == 0)
        return call->refused;
    if (!type || !strcasestr(type, "json"))
        return 406;
    return packed && strcasecmp(packed, "gzip") == 0       ? unpack(call)
           : packed && strcasecmp(packed, "identity") != 0 ? 400
                                                           : 0;
}

/* ---- one exchange
 * --------------------------------------------------------------------------------------------- */

static void run_call(struct store_context *context, struct store_job *job)
{
    struct request *r = &((struct call *)job)->request;
    r->route->run(context, r);
    filter_path(r, context->arena);
}

static void call_done(struct store_job *job, bool kept)
{
    struct call *call = (struct call *)job;
    struct failure f;
    if (!kept) {
        failure_set(&f, 503, "engine_exception",
                    "the write could not be committed to the data file; nothing of it was kept");
        request_fail(&call->request, &f);
    }
    struct listener *l = call->listener;
    atomic_store(&call->finished, true);
    MHD_resume_connection(call->connection);
    atomic_fetch_sub(&l->working, 1);
}

static enum MHD_Result start(struct call *call, const char *method)
{
    struct request *r = &call->request;
    int status = atomic_load(&call->listener->closing)     ? 503
                 : allowed(call->server, call->connection) ? check_body(call)
                                                           : 401;
    if (status)
        return refuse(call, status);
    if (!request_parse(r, method, call->target))
        return send_answer(call);
    r->body = text_str(&call->body);
    call->job = (struct store_job){.write = r->route->write, .run = run_call, .done = call_done};
    MHD_suspend_connection(call->connection);
    atomic_fetch_add(&call->listener->working, 1);
    if (store_submit(call->server->store, &call->job))
        return MHD_YES;
    struct failure f;
    failure_set(&f, 429, "es_rejected_execution_exception",
                "rejected execution: the store's queue is full");
    request_fail(r, &f);
    atomic_store(&call->finished, true);
    atomic_fetch_sub(&call->listener->working, 1);
    MHD_resume_connection(call->connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    struct call *call = *state;
    (void)url;
    (void)version;
    if (!call->connection) {
        call->listener = cls;
        call->server = call->listener->server;
        call->connection = connection;
        return MHD_YES;
    }
    if (*len) {
        take_body(call, data, *len);
        *len = 0;
        return MHD_YES;
    }
    return atomic_load(&call->finished) ? send_answer(call) : start(call, method);
}

/* The target as it was sent; this is also where a call begins. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct call *call = xcalloc(1, sizeof *call);
    (void)cls;
    (void)connection;
    call->target = xstrdup(target);
    return call;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct call *call = *state;
    (void)cls;
    (void)connection;
    (void)why;
    if (!call)
        return;
    if (call->server)
        atomic_fetch_sub(&call->server->memory, call->counted);
    request_free(&call->request);
    text_free(&call->body);
    free(call->target);
    free(call);
    *state = NULL;
}

/* Paths are taken apart before they are decoded, so MHD must not. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* ---- life
 * ---------------------------------------------------------------------------------------------------------
 */

static bool make_address(const char *address, uint16_t port, struct sockaddr_storage *to)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    memset(to, 0, sizeof *to);
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return true;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return inet_pton(AF_INET6, address, &v6->sin6_addr) == 1;
}

/* `fd` -1: opens a socket of its own. NULL when it cannot listen, or not with that certificate. */
static struct listener *listener_new(struct server *s, struct certificate *certificate, int fd)
{
    struct sockaddr_storage address;
    struct listener *l = xcalloc(1, sizeof *l);
    make_address(s->options.address, s->options.port, &address);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     (certificate ? MHD_USE_TLS : 0) |
                     (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate ? certificate->chain : NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate ? certificate->key : NULL},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)CERTIFICATE_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem socket[] = {
        fd < 0 ? (struct MHD_OptionItem){MHD_OPTION_SOCK_ADDR, 0, &address}
               : (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_END, 0, NULL}};
    l->server = s;
    l->fd = -1;
    l->certificate = certificate;
    l->daemon = MHD_start_daemon(
        flags, s->options.port, NULL, NULL, on_request, l, MHD_OPTION_ARRAY, socket,
        MHD_OPTION_ARRAY, certificate ? tls : none, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        NULL, MHD_OPTION_CONNECTION_LIMIT, s->options.connections, MHD_OPTION_CONNECTION_TIMEOUT,
        s->options.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)262144, MHD_OPTION_END);
    if (l->daemon)
        return l;
    certificate_free(certificate);
    free(l);
    return NULL;
}

/* MHD must not be stopped while connections are suspended: none is when nothing works. */
static bool listener_is_idle(struct listener *l)
{
    return atomic_load(&l->working) == 0;
}

static void listener_free(struct listener *l)
{
    if (!l)
        return;
    atomic_store(&l->closing, true);
    while (!listener_is_idle(l))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    MHD_stop_daemon(l->daemon);
    if (l->fd >= 0)
        close(l->fd);
    certificate_free(l->certificate);
    free(l);
}

static unsigned listener_connections(const struct listener *l)
{
    const union MHD_DaemonInfo *info =
        l ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : NULL;
    return info ? info->num_connections : 0;
}

static bool listen_first(struct server *s, struct tars_error *error)
{
    struct certificate *certificate = NULL;
    if (s->certificates.chain) {
        certificate = certificate_load(&s->certificates, error);
        if (!certificate) {
            error->code = 2;
            return false;
        }
    }
    bool tls = certificate != NULL;
    s->listener = listener_new(s, certificate, -1);
    return s->listener ||
           tars_fail(error, 3,
                     "listening on %s port %u: the address is in use or cannot be bound%s",
                     s->options.address, s->options.port,
                     tls ? ", or TLS cannot be set up with this certificate" : "");
}

struct server *server_new(struct store *store, const struct server_options *options,
                          struct tars_error *error)
{
    struct sockaddr_storage address;
    struct server *s = xcalloc(1, sizeof *s);
    s->store = store;
    s->options = *options;
    pthread_mutex_init(&s->lock, NULL);
    if (options->user && *options->user)
        s->basic = basic_header(options->user, options->password);
    if (options->api_key && *options->api_key)
        s->api_key = xasprintf("ApiKey %s", options->api_key);
    if (options->certificate && *options->certificate)
        s->certificates = (struct certificate_files){.chain = options->certificate,
                                                     .key = options->key};
    if (!make_address(options->address, options->port, &address))
        tars_fail(error, 2, "address %s: an IPv4 or IPv6 address was expected", options->address);
    else if (listen_first(s, error))
        return s;
    server_free(s);
    return NULL;
}

/* ---- another certificate
 * ----------------------------------------------------------------------------------- */

/* The socket goes on under another number. */
static struct listener *listen_on(struct server *s, struct certificate *certificate)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->listener->daemon,
                                                           MHD_DAEMON_INFO_LISTEN_FD);
    int fd = info ? fcntl(info->listen_fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0)
        return listener_new(s, certificate, fd);
    certificate_free(certificate);
    return NULL;
}

/* Connections go on with the certificate that they began with; those from before the last one are
 * closed when a third one comes. */
static void renew(struct server *s)
{
    struct tars_error error;
    struct certificate *certificate = certificate_load(&s->certificates, &error);
    struct listener *l = NULL;
    if (!certificate)
        log_error("store", "the certificate stays as it was: %s", error.text);
    else if (!(l = listen_on(s, certificate)))
        log_error("store", "the certificate stays as it was: TLS cannot be set up with %s",
                  s->certificates.chain);
    if (!l)
        return;
    s->retired = s->listener;
    s->retired->fd = MHD_quiesce_daemon(s->retired->daemon);
    pthread_mutex_lock(&s->lock);
    s->listener = l;
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&s->renewals, 1);
    log_info("store", "new connections get the certificate as it is in %s now",
             s->certificates.chain);
}

void server_tick(struct server *s)
{
    struct listener *old = s->retired;
    bool changed = s->certificates.chain && certificate_changed(&s->certificates);
    if (old && (changed || listener_connections(old) == 0))
        atomic_store(&old->closing, true);
    if (old && atomic_load(&old->closing) && listener_is_idle(old)) {
        listener_free(old);
        s->retired = NULL;
    }
    if (changed && !s->retired)
        renew(s);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    listener_free(s->retired);
    listener_free(s->listener);
    if (s->basic)
        OPENSSL_cleanse(s->basic, strlen(s->basic));
    free(s->basic);
    free(s->api_key);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

unsigned server_connections(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = listener_connections(s->listener);
    pthread_mutex_unlock(&s->lock);
    return count;
}

uint64_t server_renewals(const struct server *s)
{
    return atomic_load(&s->renewals);
}
