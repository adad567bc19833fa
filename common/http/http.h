/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asynchronous HTTP client: libcurl's multi interface on an event loop, with kept-alive
 * connections. All functions on the loop's thread. Redirects are not followed, proxies of the
 * environment not used; only http and https.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <tars/types.h>

struct loop;
struct http_client;
struct http_call;

struct http_options {
    const char *user, *password; /* basic auth, or NULL */
    const char *authorization;   /* the whole header's value, or NULL; goes before user */
    const char *ca_file;         /* PEM, NULL: the system's authorities */
    const unsigned char *ca_pin; /* trust this certificate alone (pin.h), or NULL */
    const char *user_agent;      /* NULL: "tarsc/<version>" */
    int connect_timeout_ms;      /* 0: 2000 */
    size_t answer_limit;         /* bytes of a body after unpacking, 0: 64 MiB */
    long max_connections;        /* in all, 0: 32; more calls wait */
};

/* Copies the options. */
struct http_client *http_client_new(struct loop *loop, const struct http_options *options);
/* Running calls are dropped without their callbacks. */
void http_client_free(struct http_client *client);

struct http_request {
    const char *method;       /* "GET" */
    const char *url;          /* whole, percent-encoded */
    const char *content_type; /* of the body, or NULL */
    struct tars_str body;     /* copied (and packed when `gzip`) */
    bool gzip;
    int timeout_ms; /* of the whole call */
};

enum http_failure {
    HTTP_ANSWERED,  /* there is a status */
    HTTP_NOT_SENT,  /* no connection: the server has not seen the request */
    HTTP_BROKEN,    /* the connection ended early, or what came is not HTTP */
    HTTP_TIMED_OUT, /* the server may have seen the request */
    HTTP_TOO_LARGE  /* the answer passed answer_limit */
};

struct http_answer {
    enum http_failure failure;
    int status;           /* 0 unless HTTP_ANSWERED */
    struct tars_str body; /* unpacked; valid until the callback returns */
    int retry_after_s;    /* of the Retry-After header, -1 without one */
    const char *problem;  /* for people, NULL when answered */
};
typedef void (*http_done)(void *user, const struct http_answer *answer);

/* Starts a call; its callback comes exactly once, never from within http_send. */
struct http_call *http_send(struct http_client *client, const struct http_request *request,
                            http_done done, void *user);
/* Drops a call whose callback has not come yet; it will not come. */
void http_cancel(struct http_call *call);

/* Writes `part` percent-encoded (all but letters, digits and -._~), NUL-terminated when it fits in
 * `size` bytes; returns the length that it has or would have. */
size_t http_encode(char *to, size_t size, struct tars_str part);

#endif
