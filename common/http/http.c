/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/http.h"

#include "base/xmalloc.h"
#include "http/pin.h"
#include "loop/loop.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    CONNECT_TIMEOUT_MS = 2000,
    ANSWER_LIMIT = 64 * 1024 * 1024,
    MAX_CONNECTIONS = 32,
    DEFAULT_TIMEOUT_MS = 30000
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct event *timer;
    struct http_options options;
    char *user, *password, *authorization, *ca_file, *user_agent;
    unsigned char *ca_pin;
    struct http_call *calls;
};

struct http_call {
    struct http_client *client;
    struct http_call *next, **at; /* among the client's */
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    char *answer;
    size_t len, size;
    bool too_large;
    char problem[CURL_ERROR_SIZE];
    http_done done;
    void *user;
};

/* ---- libcurl's sockets and timer on the loop
 * ------------------------------------------------------ */

static void finish(struct http_client *client);

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *client = arg;
    int running,
        bits = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(client->multi, fd, bits, &running);
    finish(client);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *client = arg;
    int running;
    (void)fd;
    (void)what;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish(client);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct http_client *client = arg;
    struct event *event = known;
    (void)easy;
    if (event)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short bits = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                             (what & CURL_POLL_OUT ? EV_WRITE : 0));
        event = event_new(loop_base(client->loop), fd, (short)(bits | EV_PERSIST), on_socket,
                          client);
        event_add(event, NULL);
    }
    curl_multi_assign(client->multi, fd, event);
    return 0;
}

static int watch_timer(CURLM *multi, long ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    if (ms < 0) {
        event_del(client->timer);
        return 0;
    }
    struct timeval wait = {ms / 1000, (int)(ms % 1000) * 1000};
    event_add(client->timer, &wait);
    return 0;
}

/* ---- one call
 * ----------------------------------------------------------------------------------------- */

static void call_free(struct http_call *call)
{
    *call->at = call->next;
    if (call->next)
        call->next->at = call->at;
    curl_multi_remove_handle(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    free(call->answer);
    free(call);
}

static size_t take(char *data, size_t one, size_t len, void *arg)
{
    struct http_call *call = arg;
    size_t limit = call->client->options.answer_limit;
    len *= one;
    if (len > limit - call->len) {
        call->too_large = true;
        return 0;
    }
    if (call->size - call->len <= len) {
        call->size = (call->len + len) * 2 + 256;
        call->answer = xrealloc(call->answer, call->size);
    }
    memcpy(call->answer + call->len, data, len);
    call->len += len;
    return len;
}

static enum http_failure failure_of(const struct http_call *call, CURLcode code)
{
    curl_off_t connected = 0;
    if (code == CURLE_OK)
        return HTTP_ANSWERED;
    if (call->too_large)
        return HTTP_TOO_LARGE;
    curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (connected == 0)
        return HTTP_NOT_SENT;
    return code == CURLE_OPERATION_TIMEDOUT ? HTTP_TIMED_OUT : HTTP_BROKEN;
}

static const char *problem_of(const struct http_call *call, CURLcode code)
{
    long verified = X509_V_OK;
    curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    if (call->client->ca_pin && code != CURLE_OK && verified == PIN_NOT_SHOWN)
        return "the server shows no certificate with the fingerprint that is set (SHA-256, of the "
               "authority or of the server itself)";
    return call->problem[0] ? call->problem : curl_easy_strerror(code);
}

static void deliver(struct http_call *call, CURLcode code)
{
    struct http_answer answer = {.failure = failure_of(call, code), .retry_after_s = -1};
    long status = 0;
    curl_off_t retry = 0;
    if (answer.failure == HTTP_ANSWERED) {
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK && retry > 0)
            answer.retry_after_s = retry > 3600 ? 3600 : (int)retry;
        answer.status = (int)status;
        answer.body = tars_str_n(call->answer, call->len);
    } else if (answer.failure == HTTP_TOO_LARGE) {
        answer.problem = "the answer is larger than allowed";
    } else {
        answer.problem = problem_of(call, code);
    }
    call->done(call->user, &answer);
}

/* Ends what libcurl has finished. A callback may start and cancel others, so the list of messages
 * is asked for again after each. */
static void finish(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct http_call *call = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        curl_multi_remove_handle(client->multi, call->easy);
        deliver(call, code);
        call_free(call);
    }
}

static char *pack(struct tars_str body, size_t *len)
{
    z_stream z = {.next_in = (unsigned char *)body.at, .avail_in = (uInt)body.len};
    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    size_t size = deflateBound(&z, body.len);
    char *packed = xmalloc(size);
    z.next_out = (unsigned char *)packed;
    z.avail_out = (uInt)size;
    bool ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
    *len = size - z.avail_out;
    deflateEnd(&z);
    if (ok)
        return packed;
    free(packed);
    return NULL;
}

static void add_header(struct http_call *call, const char *name, const char *value)
{
    char *line = xasprintf("%s: %s", name, value);
    call->headers = curl_slist_append(call->headers, line);
    free(line);
}

static void set_body(struct http_call *call, const struct http_request *request)
{
    size_t len = request->body.len;
    if (request->gzip && len && (call->body = pack(request->body, &len)))
        add_header(call, "Content-Encoding", "gzip");
    else if (len)
        call->body = xstrndup(request->body.at, len);
    if (len) {
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    } else if (strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) {
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, "");
    }
    if (len && request->content_type)
        add_header(call, "Content-Type", request->content_type);
    add_header(call, "Expect", "");
}

static CURLcode trust_pin(CURL *easy, void *ssl_ctx, void *pin)
{
    (void)easy;
    pin_use(ssl_ctx, pin);
    return CURLE_OK;
}

static void set_identity(struct http_call *call)
{
    const struct http_client *client = call->client;
    if (client->authorization) {
        add_header(call, "Authorization", client->authorization);
    } else if (client->user) {
        curl_easy_setopt(call->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(call->easy, CURLOPT_USERNAME, client->user);
        curl_easy_setopt(call->easy, CURLOPT_PASSWORD, client->password ? client->password : "");
    }
    if (client->ca_file)
        curl_easy_setopt(call->easy, CURLOPT_CAINFO, client->ca_file);
    if (client->ca_pin) { /* no authority besides it is even read */
        curl_easy_setopt(call->easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(call->easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_FUNCTION, trust_pin);
        curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_DATA, client->ca_pin);
    }
}

struct http_call *http_send(struct http_client *client, const struct http_request *request,
                            http_done done, void *user)
{
    struct http_call *call = xcalloc(1, sizeof *call);
    call->client = client;
    call->done = done;
    call->user = user;
    call->next = client->calls;
    call->at = &client->calls;
    if (call->next)
        call->next->at = &call->next;
    client->calls = call;
    CURL *easy = call->easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a silent name server */
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->options.connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)(request->timeout_ms > 0 ? request->timeout_ms : DEFAULT_TIMEOUT_MS));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->problem);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    set_body(call, request);
    set_identity(call);
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_multi_add_handle(client->multi, easy);
    return call;
}

void http_cancel(struct http_call *call)
{
    call_free(call);
}

/* ---- the client
 * ------------------------------------------------------------------------------------------- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *copy(const char *text)
{
    return text && *text ? xstrdup(text) : NULL;
}

struct http_client *http_client_new(struct loop *loop, const struct http_options *options)
{
    struct http_client *client = xcalloc(1, sizeof *client);
    pthread_once(&curl_once, start_curl);
    client->loop = loop;
    client->options = *options;
    client->user = copy(options->user);
    client->password = copy(options->password);
    client->authorization = copy(options->authorization);
    client->ca_file = copy(options->ca_file);
    if (options->ca_pin) {
        client->ca_pin = xmalloc(PIN_SIZE);
        memcpy(client->ca_pin, options->ca_pin, PIN_SIZE);
    }
    client->user_agent = xstrdup(options->user_agent ? options->user_agent
                                                     : "tarsc/" TARSC_VERSION);
    if (!client->options.connect_timeout_ms)
        client->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (!client->options.answer_limit)
        client->options.answer_limit = ANSWER_LIMIT;
    if (!client->options.max_connections)
        client->options.max_connections = MAX_CONNECTIONS;
    client->timer = event_new(loop_base(loop), -1, 0, on_timer, client);
    client->multi = curl_multi_init();
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      client->options.max_connections);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, client->options.max_connections);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    while (client->calls)
        call_free(client->calls);
    curl_multi_cleanup(client->multi);
    event_free(client->timer);
    free(client->user);
    free(client->password);
    free(client->authorization);
    free(client->ca_file);
    free(client->ca_pin);
    free(client->user_agent);
    free(client);
}

size_t http_encode(char *to, size_t size, struct tars_str part)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~", c));
        const char out[3] = {plain ? (char)c : '%', hex[c >> 4], hex[c & 15]};
        for (size_t k = 0; k < (plain ? 1U : 3U); k++, len++)
            if (len < size)
                to[len] = out[k];
    }
    if (len < size)
        to[len] = '\0';
    return len;
}
