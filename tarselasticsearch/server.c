/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include "certificate.h"
#include "filter_path.h"
#include "peers.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "request.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { SMALL_CALL = 65536 };

/* Listens with one certificate. Another certificate means another one on the same socket. */
struct listener {
    struct server *server;
    struct MHD_Daemon *daemon;
    struct peers *peers;
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
    _Atomic size_t memory;
    struct server_stats stats;
    _Atomic uint64_t renewals;
};

/* One exchange. It belongs to MHD's thread until it is submitted, then to the store's until it is
 * resumed. */
struct call {
    struct store_job job;
    struct listener *listener;
    struct server *server;
    struct MHD_Connection *connection;
    struct peer *peer;
    struct request request;
    struct text body;
    char *target;
    size_t counted; /* bytes in server->memory */
    bool large;     /* says that its body will be, or does not say how long */
    int refused;    /* a status to answer with once the body is over */
    _Atomic bool finished;
};

/* ---- answers
 * ------------------------------------------------------------------------------------------ */

static const char *const schemes[] = {"Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey"};

static enum MHD_Result send_answer(struct call *call)
{
    struct request *r = &call->request;
    struct MHD_Response *response = MHD_create_response_from_buffer(r->answer.len, r->answer.at,
                                                                    MHD_RESPMEM_MUST_FREE);
    r->answer = (struct text){0};
    MHD_add_response_header(response, "Content-Type",
                            r->plain ? "text/plain; charset=UTF-8" : "application/json");
    MHD_add_response_header(response, "X-elastic-product", "Elasticsearch");
    for (size_t i = 0; r->status == 401 && i < sizeof schemes / sizeof *schemes; i++)
        MHD_add_response_header(response, "WWW-Authenticate", schemes[i]);
    if (r->status == 429)
        MHD_add_response_header(response, "Retry-After", "1");
    peer_is(call->listener->peers, call->peer, PEER_READING);
    enum MHD_Result result = MHD_queue_response(call->connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

static void add_denial(const char *reason, struct text *to)
{
    text_adds(to, "\"type\":\"security_exception\",\"reason\":");
    text_add_json(to, tars_str(reason));
    text_adds(to, ",\"header\":{\"WWW-Authenticate\":[");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        text_adds(to, i ? "," : "");
        text_add_json(to, tars_str(schemes[i]));
    }
    text_adds(to, "]}");
}

/* As Elasticsearch tells who is not let in. */
static enum MHD_Result deny(struct call *call)
{
    const char *given = MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
                                                    "Authorization");
    char user[65], *reason;
    struct text *to = &call->request.answer;
    if (!given)
        reason = xasprintf("missing authentication credentials for REST request [%s]",
                           call->target);
    else if (access_user(given, user))
        reason = xasprintf("unable to authenticate user [%s] for REST request [%s]", user,
                           call->target);
    else
        reason = xstrdup("unable to authenticate with provided credentials and anonymous access "
                         "is not allowed for this request");
    text_adds(to, "{\"error\":{\"root_cause\":[{");
    add_denial(reason, to);
    text_adds(to, "}],");
    add_denial(reason, to);
    text_adds(to, "},\"status\":401}");
    free(reason);
    call->request.status = 401;
    return send_answer(call);
}

static enum MHD_Result refuse(struct call *call, int status)
{
    if (status == 401)
        return deny(call);
    static const struct {
        int status;
        const char *type, *reason;
    } reasons[] = {
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

/* Bytes that the call holds are counted for the whole server; false over its limit. The last
 * quarter is for calls that take little: whoever fills the rest does not keep others away. */
static bool count_memory(struct call *call, size_t bytes)
{
    struct server *s = call->server;
    call->counted += bytes;
    size_t limit = s->options.memory_limit;
    if (call->large || call->counted > SMALL_CALL)
        limit -= limit / 4;
    if (atomic_fetch_add(&s->memory, bytes) + bytes <= limit)
        return true;
    atomic_fetch_add(&s->stats.full, 1);
    return false;
}

/* The body is given up: what more of it comes is thrown away. */
static void give_up(struct call *call, int status)
{
    call->refused = status;
    text_free(&call->body);
    call->body = (struct text){0};
    atomic_fetch_sub(&call->server->memory, call->counted);
    call->counted = 0;
}

/* Appends to a body and counts what that takes; 0, or the status to refuse it with. */
static int add_bytes(struct call *call, struct text *to, const void *data, size_t len)
{
    size_t size = to->size;
    if (to->len + len > call->server->options.body_limit) {
        atomic_fetch_add(&call->server->stats.large, 1);
        return 413;
    }
    text_add(to, data, len);
    return count_memory(call, to->size - size) ? 0 : 429;
}

static void take_body(struct call *call, const char *data, size_t len)
{
    int status = call->refused ? 0 : add_bytes(call, &call->body, data, len);
    if (status)
        give_up(call, status);
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
        else
            status = add_bytes(call, &plain, chunk, got);
    }
    inflateEnd(&z);
    text_free(&call->body);
    call->body = plain;
    if (status)
        give_up(call, status);
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

static bool announces_much(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    return (length && strtoull(length, NULL, 10) > SMALL_CALL) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
}

/* Asked before the body comes, so that a stranger's is not kept. */
static int check_asker(struct call *call)
{
    enum access_verdict verdict = access_ask(
        call->server->options.access,
        MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, "Authorization"));
    if (verdict == ACCESS_GRANTED)
        return 0;
    atomic_fetch_add(&call->server->stats.denied, 1);
    return verdict == ACCESS_BUSY ? 429 : 401;
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
        if (store_stats(call->server->store)->full)
            failure_set(
                &f, 429, "cluster_block_exception",
                "the disk is full, nothing was kept; blocked by: [TOO_MANY_REQUESTS/12/disk "
                "usage exceeded flood-stage watermark, index has read-only-allow-delete "
                "block];");
        else
            failure_set(&f, 503, "engine_exception",
                        "the write could not be committed to the data file; nothing of it was "
                        "kept");
        request_fail(&call->request, &f);
    }
    /* An answer that would not fit into memory with the others; what was written is told. */
    bool fits = count_memory(call, call->request.answer.size);
    if (!fits && !job->write) {
        text_free(&call->request.answer);
        call->request.answer = (struct text){0};
        failure_set(&f, 429, "circuit_breaking_exception",
                    "the store is busy: answers that are being read take too much memory");
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
    int status = atomic_load(&call->listener->closing) ? 503 : check_body(call);
    if (status)
        return refuse(call, status);
    if (!request_parse(r, method, call->target))
        return send_answer(call);
    r->body = text_str(&call->body);
    call->job = (struct store_job){.write = r->route->write, .run = run_call, .done = call_done};
    peer_is(call->listener->peers, call->peer, PEER_WORKING);
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
        call->refused = check_asker(call);
        call->large = announces_much(connection);
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
    struct listener *l = cls;
    call->target = xstrdup(target);
    call->peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    peer_is(l->peers, call->peer, PEER_SENDING);
    return call;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct call *call = *state;
    struct listener *l = cls;
    (void)connection;
    (void)why;
    if (!call)
        return;
    peer_is(l->peers, call->peer, PEER_QUIET);
    if (call->server)
        atomic_fetch_sub(&call->server->memory, call->counted);
    request_free(&call->request);
    text_free(&call->body);
    free(call->target);
    free(call);
    *state = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct listener *l = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = peer_enter(
            l->peers,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    else
        peer_leave(l->peers, *context);
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
    l->peers = peers_new();
    l->certificate = certificate;
    l->daemon = MHD_start_daemon(
        flags, s->options.port, NULL, NULL, on_request, l, MHD_OPTION_ARRAY, socket,
        MHD_OPTION_ARRAY, certificate ? tls : none, MHD_OPTION_URI_LOG_CALLBACK, on_target, l,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        l, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT,
        s->options.connections, MHD_OPTION_CONNECTION_TIMEOUT, s->options.idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)262144, MHD_OPTION_END);
    if (l->daemon)
        return l;
    peers_free(l->peers);
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
    peers_free(l->peers);
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

static void close_slow(struct server *s, const struct listener *l)
{
    /* A connection that is silent is closed by MHD, one that keeps sending a little is not. */
    int64_t quiet = ((int64_t)s->options.idle_seconds + 1) * 1000;
    if (l)
        atomic_fetch_add(
            &s->stats.slow,
            peers_close_slow(l->peers, quiet, (int64_t)s->options.transfer_seconds * 1000));
}

void server_tick(struct server *s)
{
    close_slow(s, s->listener);
    close_slow(s, s->retired);
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

const struct server_stats *server_stats(const struct server *s)
{
    return &s->stats;
}
