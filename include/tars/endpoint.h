/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of objects and endpoints as text: "tcp -h 10.0.0.1 -p 17890 -t 60000" and
 * "App.Server.Obj@tcp -h a -p 1:tcp -h b -p 2".
 */
#ifndef TARS_ENDPOINT_H
#define TARS_ENDPOINT_H

#include <tars/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tars_transport { TARS_UDP = 0, TARS_TCP = 1, TARS_SSL = 2 }; /* EndpointF's istcp */

enum { TARS_ENDPOINT_TEXT = 512 }; /* room that tars_endpoint_print may need, NUL included */

struct tars_endpoint {
    enum tars_transport transport;
    char host[256]; /* name, IPv4 or IPv6 address without brackets; a path when port is 0 */
    uint16_t port;  /* 0: a unix socket */
    int32_t timeout_ms;
    int32_t grid;
    int32_t qos;
    int32_t weight;      /* -1: none */
    int32_t weight_type; /* 0 loop, 1 static */
    int32_t auth;        /* 1: the connection begins with an authentication packet */
    char set[128]; /* its server's set "name.area.group" where the registry said so, else "" */
};

/* One endpoint; false with the reason for anything that is not one. */
bool tars_endpoint_parse(struct tars_str text, struct tars_endpoint *endpoint,
                         struct tars_error *error) TARS_MUSTCHECK;

/* The text form; returns its length. `size` of TARS_ENDPOINT_TEXT is always enough. */
size_t tars_endpoint_print(const struct tars_endpoint *endpoint, char *text, size_t size);

/* Same transport, host and port. */
bool tars_endpoint_same_place(const struct tars_endpoint *a, const struct tars_endpoint *b);

/*
 * The next endpoint text of a ":" separated list: a slice without blanks around it. False at the
 * end of the list. Splits only at a ":" before a transport name, so IPv6 addresses stay whole.
 */
bool tars_endpoint_next(struct tars_str *list, struct tars_str *endpoint);

/* The parts of an object reference, as slices into its text. */
struct tars_object {
    struct tars_str name;      /* "App.Server.Obj" or "AdminObj" */
    struct tars_str hash;      /* what follows "#", or empty */
    struct tars_str endpoints; /* what follows "@", or empty: ask the registry */
};

bool tars_object_parse(struct tars_str text, struct tars_object *object,
                       struct tars_error *error) TARS_MUSTCHECK;

#ifdef __cplusplus
}
#endif
#endif
